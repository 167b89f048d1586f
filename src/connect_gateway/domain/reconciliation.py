"""A business date compared three ways: what tills closed with, what the ledger holds, what ECMS was told and has.

Every break has a type. What only a person can decide goes into the work list; what is on its way by itself, or is there
already under another name, is reported alone. Nothing is guessed: a `Cure` exists only where ECMS itself, asked
about the parcel, has answered in a way that leaves one possibility.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from connect_gateway.domain.events import event_ids
from connect_gateway.domain.money import format_amount
from connect_gateway.domain.records import STANDING, TransactionState
from connect_gateway.domain.shifts import Difference, Line, Sum, compared
from connect_gateway.domain.states import CASH_TYPES, TransactionType


class Kind(StrEnum):
    """How two of the three can disagree."""

    SHIFT_NOT_CLOSED = "shift-not-closed"
    CASH_DIFFERS = "cash-differs"
    MISSING_HERE = Difference.MISSING_HERE
    MISSING_THERE = Difference.MISSING_THERE
    AMOUNT_DIFFERS = Difference.AMOUNT_DIFFERS
    STATE_DIFFERS = Difference.STATE_DIFFERS
    REVERSED_LATE = "reversed-late"
    DISPUTED = "disputed"
    EVENT_MISSING = "event-missing"
    EVENT_DIFFERS = "event-differs"
    NOT_TOLD = "not-told"
    REFUSED_BY_ECMS = "refused-by-ecms"
    MISSING_AT_ECMS = "missing-at-ecms"
    DIFFERS_AT_ECMS = "differs-at-ecms"
    APPLIED_TWICE = "applied-twice-at-ecms"
    UNKNOWN_TO_LEDGER = "unknown-to-ledger"


LOOKED_AFTER = frozenset({Kind.NOT_TOLD, Kind.REFUSED_BY_ECMS, Kind.DISPUTED})
"""What the relay goes on with, or what is in the work list already."""


@dataclass(slots=True, frozen=True)
class Break:
    """One disagreement; `subject` is what it is about: a shift, a transaction or an event."""

    kind: Kind
    subject: str
    store_id: str
    detail: str


class Remedy(StrEnum):
    """What an inquiry decides for sure."""

    SEND_AGAIN = "send-again"
    NOTE_TOLD = "note-told"


@dataclass(slots=True, frozen=True)
class Cure:
    """What is to be done with an event, after ECMS itself has said how it is there."""

    remedy: Remedy
    event: "Told"


@dataclass(slots=True, frozen=True)
class Place:
    """A shift, as it is named in a report."""

    store_id: str
    pos: int
    business_date: str
    shift: int

    def __str__(self) -> str:
        return f"{self.store_id}/{self.business_date}/{self.pos}/{self.shift}"


@dataclass(slots=True, frozen=True)
class TillClose:
    """A till's own account, as far as its close has kept it; `lines` are those on which it differed from the ledger."""

    sums: dict[TransactionType, Sum]
    cash_counted: int
    lines: dict[UUID, Line | None]


@dataclass(slots=True, frozen=True)
class Sold:
    """A transaction of the ledger that was approved, reversed since or not; without a receipt, one that never was.

    `disputed`: it was made by a till alone, and nobody has accepted it, so that ECMS was never told of it.
    """

    line: Line
    tracking_number: str | None
    receipt_number: str | None
    disputed: bool = False

    @property
    def stands(self) -> bool:
        """Whether its cash is in the drawer."""
        return self.line.state in STANDING


@dataclass(slots=True, frozen=True)
class Told:
    """An event of the ledger, and where it stands on its way to ECMS."""

    event_id: UUID
    tracking_number: str
    sequence: int
    state: str
    amount: int | None
    receipt_number: str | None


@dataclass(slots=True, frozen=True)
class AtEcms:
    """A delivery in ECMS's own history of a parcel; `by_gateway`: the counter or the kiosk told it."""

    event_id: str
    applied: bool
    by_gateway: bool
    amount: int | None


@dataclass(slots=True)
class Sums:
    """What one side has, by type."""

    by_type: dict[TransactionType, Sum] = field(default_factory=dict)

    def add(self, type_: TransactionType, amount: int, count: int = 1) -> None:
        so_far = self.by_type.get(type_, Sum(0, 0))
        self.by_type[type_] = Sum(so_far.count + count, so_far.amount + amount)


def compare_shift(
    place: Place, sold: Mapping[UUID, Sold], close: TillClose | None, late: Mapping[UUID, TransactionState]
) -> list[Break]:
    """Till against ledger, as both are now. `late` is what changed after the close, by transaction.

    What differed at the close and has come to agree since, because a till's reversal arrived after all, is no break.
    """
    if close is None:
        count = sum(one.stands for one in sold.values())
        detail = f"the shift has {count} approved transactions and was never closed"
        return [Break(Kind.SHIFT_NOT_CLOSED, str(place), place.store_id, detail)]
    breaks = []
    for transaction_id, till in close.lines.items():
        breaks += _of_till(place, till, sold.get(transaction_id), transaction_id)
    reversed_late = 0
    for transaction_id, state in late.items():
        one = sold[transaction_id]
        if transaction_id in close.lines:
            continue
        if state is TransactionState.REVERSED:
            reversed_late += one.line.amount if one.line.type in CASH_TYPES else 0
            detail = f"closed as approved ({format_amount(one.line.amount)}), and reversed after the close"
            breaks.append(Break(Kind.REVERSED_LATE, str(transaction_id), place.store_id, f"{place}: {detail}"))
        else:
            breaks += _of_till(place, None, one, transaction_id)
    cash = [one.line.amount for one in sold.values() if one.stands and one.line.type in CASH_TYPES]
    # What was reversed late is named by itself: it was in the drawer when that was counted.
    expected = sum(cash) + reversed_late
    if close.cash_counted != expected:
        detail = f"counted {format_amount(close.cash_counted)}, and the ledger has {format_amount(expected)}"
        breaks.append(Break(Kind.CASH_DIFFERS, str(place), place.store_id, detail))
    return breaks


def _of_till(place: Place, till: Line | None, one: Sold | None, transaction_id: UUID) -> list[Break]:
    ledger = None if one is None else one.line
    if till is None:
        if ledger is None or ledger.state not in STANDING:
            return []
        kind, detail = Kind.MISSING_THERE, f"{_show(ledger)} in the ledger, and not in the till's close"
    else:
        found = compared(till, ledger)
        if found is None:
            return []
        kind, detail = Kind(found.difference), f"{_show(till)} in the till's close, {_show(ledger)} in the ledger"
    return [Break(kind, str(transaction_id), place.store_id, f"{place}: {detail}")]


def _show(line: Line | None) -> str:
    return "nothing" if line is None else f"{line.state} {line.type or ''} {format_amount(line.amount)}"


def expected_events(store_id: str, one: Sold) -> list[UUID]:
    """The events that a transaction must have caused."""
    if one.receipt_number is None or one.line.type is None or one.disputed:
        return []
    approval, reversal = event_ids(store_id, one.line.transaction_id, one.line.type)
    return [approval] if one.stands else [approval, reversal]


def compare_told(store_id: str, one: Sold, told: Mapping[UUID, Told]) -> list[Break]:
    """Ledger against what ECMS was told, according to the event rows."""
    breaks = []
    if one.line.state is TransactionState.DISPUTED:
        detail = f"{format_amount(one.line.amount)} taken by a till alone; it waits for a person"
        breaks.append(Break(Kind.DISPUTED, str(one.line.transaction_id), store_id, detail))
    for number, event_id in enumerate(expected_events(store_id, one)):
        event = told.get(event_id)
        if event is None:
            what = "reversal" if number else "approval"
            detail = f"its {what} caused no event {event_id}"
            breaks.append(Break(Kind.EVENT_MISSING, str(one.line.transaction_id), store_id, detail))
            continue
        paid = one.line.type in CASH_TYPES and one.line.amount and number == 0
        wanted = (one.line.amount, one.receipt_number) if paid else (None, None)
        if (event.amount, event.receipt_number) != wanted:
            detail = f"the event of transaction {one.line.transaction_id} has another amount or receipt"
            breaks.append(Break(Kind.EVENT_DIFFERS, str(event_id), store_id, detail))
        if event.state == "REFUSED":
            breaks.append(Break(Kind.REFUSED_BY_ECMS, str(event_id), store_id, "waits for a person already"))
        elif event.state != "TOLD":
            breaks.append(Break(Kind.NOT_TOLD, str(event_id), store_id, "the relay goes on trying"))
    return breaks


def compare_ecms(
    store_id: str, parcel: Sequence[Told], history: Sequence[AtEcms], *, inquired: bool
) -> tuple[list[Break], list[Cure]]:
    """What ECMS was told of a parcel against what ECMS says it has; `parcel` is in the order of telling.

    With `inquired`, ECMS answered just now, after the events had been read, so that its answer can settle something.
    A file of yesterday settles nothing.
    """
    breaks: list[Break] = []
    cures: list[Cure] = []
    applied: dict[str, list[AtEcms]] = {}
    for delivery in history:
        if delivery.applied:
            applied.setdefault(delivery.event_id, []).append(delivery)
    # Only what nothing later has followed can be sent again without a parcel going backwards there.
    last_there = max((event.sequence for event in parcel if str(event.event_id) in applied), default=0)
    for event in parcel:
        there = applied.get(str(event.event_id), [])
        if len(there) > 1:
            detail = f"ECMS has applied it {len(there)} times"
            breaks.append(Break(Kind.APPLIED_TWICE, str(event.event_id), store_id, detail))
        if there and there[0].amount != event.amount:
            shown = [_amount(event.amount), _amount(there[0].amount)]
            detail = f"ECMS was told {shown[0]}, and has {shown[1]}"
            breaks.append(Break(Kind.DIFFERS_AT_ECMS, str(event.event_id), store_id, detail))
        elif there and event.state in ("WAITING", "REFUSED") and inquired:
            cures.append(Cure(Remedy.NOTE_TOLD, event))
        if not there and event.state == "TOLD":
            if inquired and event.sequence > last_there:
                cures.append(Cure(Remedy.SEND_AGAIN, event))
            else:
                detail = f"ECMS was told event {event.sequence} of {event.tracking_number}, and does not have it"
                breaks.append(Break(Kind.MISSING_AT_ECMS, str(event.event_id), store_id, detail))
    breaks += _unknown(store_id, parcel, history)
    return breaks, cures


def _unknown(store_id: str, parcel: Iterable[Told], history: Iterable[AtEcms]) -> list[Break]:
    known = {str(event.event_id) for event in parcel}
    unknown = {one.event_id for one in history if one.by_gateway and one.applied and one.event_id not in known}
    detail = "ECMS was told this by a gateway, and the ledger has no such event: is this an older ledger?"
    return [Break(Kind.UNKNOWN_TO_LEDGER, event_id, store_id, detail) for event_id in sorted(unknown)]


def _amount(centavos: int | None) -> str:
    return "no payment" if centavos is None else format_amount(centavos)
