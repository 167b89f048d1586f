"""The counter's decisions: what a clerk's command does, given what the ledger holds, and what it can come to.

Everything here is a pure function of its arguments, as is what undoes a transaction (`reversals`) and what a person
says of a disputed one (`disputes`). The ledger reads the records under lock, has one command after another decided, and
writes what comes back. The order of the checks is the order of refusal that `protocol/errors.md` promises.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

from connect_gateway.domain.events import event_of_approval
from connect_gateway.domain.money import format_amount
from connect_gateway.domain.records import Event, Perform, Quote, Reference, Terminal, Transaction, TransactionState
from connect_gateway.domain.refusals import Code, Refusal
from connect_gateway.domain.states import ACTION_OF_KIND, CASH_TYPES, PARCEL_KINDS, State, TransactionType

BUSINESS_DATE_WINDOW_DAYS = 2
"""How far a business date may lie from the Philippine date (wire contract, "Everywhere")."""

STAND_IN_LATEST = timedelta(days=7)
"""How long after a stand-in sale it may reach the gateway without being disputed."""

STAND_IN_AHEAD = timedelta(minutes=5)
"""How far ahead of the gateway's clock a till's may go."""

LARGEST_AMOUNT = 400_000
"""The most that a parcel can cost, in centavos (CLiQQ Commerce B2C API: PHP 4,000)."""

ECMS_RETRY_S = 5
"""When a till asks again whose drop-off ECMS could not be asked about."""

PHILIPPINE_TIME = timezone(timedelta(hours=8))

_REFUSAL_OF_STATE = {
    State.NOT_READY: (Code.NOT_READY, "the parcel has not arrived at the store yet"),
    State.DONE: (Code.ALREADY_DONE, "this reference has been used; it can be used once"),
    State.CANCELLED: (Code.CANCELLED, "the order was cancelled"),
    State.EXPIRED: (Code.EXPIRED, "this reference is past its expiry"),
    State.PULLED_OUT: (Code.PULLED_OUT, "the parcel was not claimed in time and goes back"),
}


@dataclass(slots=True)
class Approved:
    """What is to be written: the transaction, its reference, the terminal's count of receipts and ECMS's event."""

    transaction: Transaction
    reference: Reference
    receipts: int
    event: Event


@dataclass(slots=True)
class Declined:
    """A refusal that is an outcome like any other: it is stored, and answered again to a repeat."""

    transaction: Transaction
    refusal: Refusal


@dataclass(slots=True)
class Disputed:
    """A stand-in sale that happened and that the ledger does not agree with: a person has to look at it.

    The reference stays as it is and ECMS hears nothing; the sale has a receipt, and its cash is in the drawer.
    """

    transaction: Transaction
    reference: Reference | None
    receipts: int
    refusal: Refusal


@dataclass(slots=True)
class Accepted:
    """A person has decided that a disputed sale stands: from now on it is like any other."""

    transaction: Transaction
    reference: Reference
    event: Event


@dataclass(slots=True)
class Replayed:
    """The same command came before: its first answer holds."""

    transaction: Transaction


@dataclass(slots=True)
class Rejected:
    """Refused with no trace: another content under a known id, a reversed id, a till that is locked out."""

    refusal: Refusal


@dataclass(slots=True)
class Reversed:
    """The transaction is undone from now on; `reference` and `event` are there where it had been approved."""

    transaction: Transaction
    reference: Reference | None
    event: Event | None


@dataclass(slots=True)
class AlreadyReversed:
    """It was undone before; nothing changes."""

    transaction: Transaction


PerformOutcome = Approved | Declined | Disputed | Replayed | Rejected
ReverseOutcome = Reversed | AlreadyReversed | Rejected
ResolveOutcome = Accepted | Reversed | Rejected
Outcome = Approved | Declined | Disputed | Replayed | Rejected | Reversed | AlreadyReversed | Accepted


def perform(
    command: Perform,
    earlier: Transaction | None,
    reference: Reference | None,
    terminal: Terminal,
    *,
    shift_closed: bool,
    locked_for_s: int,
    now: datetime,
    quote: Quote | None = None,
) -> PerformOutcome:
    """Decides a transaction.

    `earlier` is what the ledger holds under the same store and id, `locked_for_s` for how long the client is locked out
    for having named too many unknown references (0: it is not). `quote` is what ECMS says of a drop-off; without it a
    drop-off that nothing else is wrong with cannot be decided yet.
    """
    stood_in = command.stand_in is not None
    if earlier is not None and not (stood_in and _was_declined(command, earlier)):
        return _repeat(command, earlier)
    if locked_for_s and not stood_in:
        return Rejected(locked_out(locked_for_s))
    refusal = _refusal(command, reference, shift_closed=shift_closed, now=now) or _fee_refusal(
        command, reference, quote
    )
    if refusal is not None and stood_in:
        return _dispute(command, reference, terminal, refusal, now)
    if refusal is not None and refusal.code is Code.ECMS_UNAVAILABLE:
        return Rejected(refusal)
    if refusal is not None:
        return Declined(_declined(command, reference, refusal, now), refusal)
    assert reference is not None  # _refusal has answered unknown-reference
    return _approve(command, reference, terminal, now)


def locked_out(seconds: int) -> Refusal:
    """The refusal of a client that has named too many references that nobody knows."""
    return Refusal(Code.TOO_MANY_ATTEMPTS, f"too many unknown references; wait {seconds} s", retry_after_s=seconds)


def wrong_store(reference: Reference, store_id: str) -> Refusal | None:
    """Parcels are handed out at their own store alone; other kinds are taken anywhere."""
    if reference.kind in PARCEL_KINDS and reference.store_id != store_id:
        return Refusal(Code.WRONG_STORE, f"the parcel waits at store {reference.store_id}")
    return None


def wrong_business_date() -> Refusal:
    """The refusal of a business date that none of today's shifts can have."""
    detail = f"businessDate lies more than {BUSINESS_DATE_WINDOW_DAYS} days from the Philippine date"
    return Refusal(Code.WRONG_BUSINESS_DATE, detail, field="businessDate")


def unknown_reference() -> Refusal:
    """The refusal of a reference that nobody issued."""
    return Refusal(Code.UNKNOWN_REFERENCE, "no such reference")


def _was_declined(command: Perform, earlier: Transaction) -> bool:
    """Whether this sale was declined when it was sent online, an answer that its till never had."""
    return (
        earlier.state is TransactionState.DECLINED
        and earlier.request is not None
        and first_difference(command, earlier.request) is None
    )


def _repeat(command: Perform, earlier: Transaction) -> PerformOutcome:
    if earlier.request is not None:
        field = first_difference(command, earlier.request)
        if field is not None:
            return Rejected(
                Refusal(
                    Code.TRANSACTION_MISMATCH,
                    f"this transactionId was sent before with another {field}",
                    field=field,
                )
            )
    if earlier.state is TransactionState.REVERSED:
        return Rejected(Refusal(Code.TRANSACTION_REVERSED, "this transaction was reversed and can never be approved"))
    return Replayed(earlier)


_COMPARED = (
    ("type", "type"),
    ("reference", "reference"),
    ("pos", "pos"),
    ("shift", "shift"),
    ("business_date", "businessDate"),
    ("clerk", "clerk"),
    ("tracking_number", "trackingNumber"),
    ("tender", "tender"),
    ("amount_tendered", "amountTendered"),
)


def first_difference(command: Perform, earlier: Perform) -> str | None:
    """Wire name of the first field, in the contract's order, whose parsed value differs; None where all agree."""
    if command == earlier:
        return None
    for attribute, name in _COMPARED:
        if getattr(command, attribute) != getattr(earlier, attribute):
            return name
    return None


def is_near(business_date: date, now: datetime) -> bool:
    """Whether a business date may be one of today's, by the Philippine date."""
    today = now.astimezone(PHILIPPINE_TIME).date()
    return abs((business_date - today).days) <= BUSINESS_DATE_WINDOW_DAYS


def _refusal(command: Perform, reference: Reference | None, *, shift_closed: bool, now: datetime) -> Refusal | None:
    at = now
    if command.stand_in is not None:
        # It was done then, and is judged by what held then as far as the ledger still knows that.
        at = command.stand_in.occurred_at
        if not now - STAND_IN_LATEST <= at <= now + STAND_IN_AHEAD:
            detail = f"occurredAt lies ahead, or more than {STAND_IN_LATEST.days} days back"
            return Refusal(Code.WRONG_BUSINESS_DATE, detail, field="standIn.occurredAt")
    if not is_near(command.business_date, at):
        return wrong_business_date()
    if shift_closed:
        return Refusal(Code.SHIFT_CLOSED, "the shift is closed")
    if reference is None:
        return unknown_reference()
    refusal = wrong_store(reference, command.store_id)
    if refusal is not None:
        return refusal
    action = ACTION_OF_KIND[reference.kind]
    if command.type is not action:
        return Refusal(Code.WRONG_ACTION, f"the reference is for {action}", field="type")
    state = reference.state_at(at)
    if state is not State.OPEN:
        code, detail = _REFUSAL_OF_STATE[state]
        return Refusal(code, detail)
    if command.tracking_number is not None and command.tracking_number != reference.tracking_number:
        return Refusal(Code.WRONG_LABEL, "the label is another parcel's", field="trackingNumber")
    if command.type in CASH_TYPES and (command.amount_tendered or 0) < reference.amount_due:
        return Refusal(Code.TENDER_TOO_SMALL, "the cash is less than the amount due", field="amountTendered")
    return None


def _fee_refusal(command: Perform, reference: Reference | None, quote: Quote | None) -> Refusal | None:
    """The fee is worked out again for the store where the drop-off really happens; it has to be the booked one."""
    if command.type is not TransactionType.DROP_OFF or reference is None:
        return None
    if quote is None:
        return Refusal(
            Code.ECMS_UNAVAILABLE, "ECMS cannot say what this drop-off costs here", retry_after_s=ECMS_RETRY_S
        )
    if quote.fee is None:
        return Refusal(Code.DAILY_LIMIT, "the seller has dropped off as many parcels today as a seller may")
    if quote.fee != reference.amount_due:
        detail = f"the fee here is {format_amount(quote.fee)}, and {format_amount(reference.amount_due)} was booked"
        return Refusal(Code.FEE_DIFFERS, detail)
    return None


def _declined(command: Perform, reference: Reference | None, refusal: Refusal, now: datetime) -> Transaction:
    return Transaction(
        store_id=command.store_id,
        transaction_id=command.transaction_id,
        request=command,
        pos=command.pos,
        state=TransactionState.DECLINED,
        code=refusal.code,
        tracking_number=command.tracking_number,
        amount_due=0 if reference is None else reference.amount_due,
        change=0,
        receipt_number=None,
        occurred_at=now,
        reversed_at=None,
        reversal_reason=None,
        status=0,
        answer="",
    )


def _dispute(
    command: Perform, reference: Reference | None, terminal: Terminal, refusal: Refusal, now: datetime
) -> Disputed:
    receipts = terminal.receipts + 1
    amount = 0 if command.amount_tendered is None else _cash_taken(command.amount_tendered, reference)
    transaction = Transaction(
        store_id=command.store_id,
        transaction_id=command.transaction_id,
        request=command,
        pos=command.pos,
        state=TransactionState.DISPUTED,
        code=None,
        tracking_number=command.tracking_number if reference is None else reference.tracking_number,
        amount_due=amount,
        change=0 if command.amount_tendered is None else command.amount_tendered - amount,
        receipt_number=receipt_number(command.store_id, command.pos, receipts),
        occurred_at=now,
        reversed_at=None,
        reversal_reason=None,
        status=0,
        answer="",
    )
    return Disputed(transaction, reference, receipts, refusal)


def _cash_taken(tendered: int, reference: Reference | None) -> int:
    """What stayed in the drawer: the amount due, which the till had from its manifest.

    Where that cannot be, all that the customer gave, as far as a parcel can cost so much.
    """
    if reference is not None and 0 < reference.amount_due <= tendered:
        return reference.amount_due
    return min(tendered, LARGEST_AMOUNT)


def _approve(command: Perform, reference: Reference, terminal: Terminal, now: datetime) -> Approved:
    receipts = terminal.receipts + 1
    amount_due = reference.amount_due
    transaction = Transaction(
        store_id=command.store_id,
        transaction_id=command.transaction_id,
        request=command,
        pos=command.pos,
        state=TransactionState.APPROVED,
        code=None,
        tracking_number=reference.tracking_number,
        amount_due=amount_due,
        change=0 if command.amount_tendered is None else command.amount_tendered - amount_due,
        receipt_number=receipt_number(command.store_id, command.pos, receipts),
        occurred_at=now,
        reversed_at=None,
        reversal_reason=None,
        status=0,
        answer="",
    )
    return Approved(
        transaction,
        reference.done(command.store_id, command.transaction_id),
        receipts,
        event_of_approval(transaction, command, reference, now),
    )


def receipt_number(store_id: str, pos: int, count: int) -> str:
    """`SSSS-PPP-NNNNNNNN`: store, terminal (at least three digits) and the terminal's own count."""
    return f"{store_id}-{pos:03d}-{count:08d}"
