"""The counter's decisions against a small model of its own, in any order of commands. About 20 s; needs nothing.

The machine plays tills, ECMS and the calendar over records in memory, as the ledger would; the model knows a
reference by what was done with it alone, and predicts each outcome. After every step the invariants I1 (collection),
I2 (conservation), I3 (release), I5 (idempotency), I8 (journal) and I9 (states) are looked at from outside.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from connect_gateway.domain import decide, journal, reversals
from connect_gateway.domain.parcels import Status, apply_status
from connect_gateway.domain.records import (
    Event,
    Perform,
    Reference,
    ReversalReason,
    Reverse,
    Terminal,
    Transaction,
    TransactionState,
)
from connect_gateway.domain.states import Kind, State, TransactionType

STORES = ["0001", "0166"]
START = datetime(2026, 3, 9, 4, 0, tzinfo=UTC)
TODAY = date(2026, 3, 9)
NEVER = datetime(9000, 1, 1, tzinfo=UTC)
ACTION = {"PAY_AND_CLAIM": "COLLECT", "CLAIM": "CLAIM", "RETURN": "ACCEPT_RETURN"}
STATUSES = ["DELIVERED TO STORE", "CANCELLED", "REJECTED", "FOR PULL OUT", "CLAIMED", "IN-TRANSIT"]


@dataclass
class Parcel:
    """What the model knows of a reference."""

    kind: str
    amount: int
    expires_at: datetime
    arrived_at: str | None = None
    closed_as: str | None = None
    newest: datetime = START - timedelta(days=400)
    done_by: tuple[str, UUID] | None = None
    collections: int = 0
    reversals: int = 0

    def code(self, now: datetime) -> str | None:
        """Why nothing can be done with it now; None where it is open."""
        if self.done_by is not None:
            return "already-done"
        if self.closed_as is not None:
            return self.closed_as
        if self.expires_at <= now:
            return "expired"
        return None if self.kind == "RETURN" or self.arrived_at is not None else "not-ready"


@dataclass
class Ledger:
    """The records as the ledger keeps them."""

    references: dict[str, Reference] = field(default_factory=dict)
    transactions: dict[tuple[str, UUID], Transaction] = field(default_factory=dict)
    terminals: dict[tuple[str, int], Terminal] = field(default_factory=dict)
    journals: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    events: dict[str, list[Event]] = field(default_factory=dict)

    def terminal(self, store: str, pos: int) -> Terminal:
        return self.terminals.setdefault((store, pos), Terminal(store, pos, 0, 0, journal.FIRST_HEAD))

    def keep(self, transaction: Transaction) -> None:
        key = transaction.store_id, transaction.pos
        entry = journal.append(self.terminal(*key), transaction)
        self.journals.setdefault(key, []).append(entry)
        self.transactions[transaction.store_id, transaction.transaction_id] = transaction


NAMES = [f"99176789{number:04d}" for number in range(4)]
IDS = [UUID(int=number) for number in range(1, 25)]


class CounterMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.ledger = Ledger()
        self.parcels: dict[str, Parcel] = {}
        self.first_answers: dict[tuple[str, UUID], tuple[Perform, Transaction]] = {}
        self.reversed: set[tuple[str, UUID]] = set()
        self.closed: set[tuple[str, int, int]] = set()
        self.cash: Counter[tuple[str, int, int]] = Counter()

    @initialize(kinds=st.lists(st.sampled_from(sorted(ACTION)), min_size=2, max_size=3))
    def parcels_wait(self, kinds: list[str]) -> None:
        for name, kind in zip(NAMES, kinds, strict=False):
            self.issue(name, kind, None)
            self.ecms_tells(name, "DELIVERED TO STORE", "0166", 100)

    @rule(name=st.sampled_from(NAMES), kind=st.sampled_from(sorted(ACTION)), life=st.sampled_from([None, 1, 100_000]))
    def issue(self, name: str, kind: str, life: int | None) -> None:
        if name in self.parcels:
            return
        amount = 20_000 if kind == "PAY_AND_CLAIM" else 0
        expires_at = NEVER if life is None else self.now + timedelta(seconds=life)
        self.parcels[name] = Parcel(kind, amount, expires_at)
        self.ledger.references[name] = Reference(
            reference=name,
            kind=Kind(kind),
            tracking_number="3" + name + "00000",
            merchant_code="001",
            merchant="Merchant A",
            merchant_reference=name,
            description="",
            amount_due=amount,
            store_id=None if kind == "RETURN" else "0166",
            state=State.OPEN if kind == "RETURN" else State.NOT_READY,
            expires_at=None if life is None else expires_at,
            status_at=None,
            done_store=None,
            done_by=None,
        )

    @rule(
        name=st.sampled_from(NAMES),
        status=st.sampled_from(STATUSES),
        store=st.sampled_from(STORES),
        ago=st.integers(-5, 100),
    )
    def ecms_tells(self, name: str, status: str, store: str, ago: int) -> None:
        known = self.ledger.references.get(name)
        if known is None:
            return
        at = self.now - timedelta(seconds=ago)
        moved = apply_status(known, Status(known.tracking_number, status, store, at), self.now)
        parcel = self.parcels[name]
        if parcel.done_by is not None or parcel.closed_as == "cancelled" or at < parcel.newest:
            assert moved is None
            return
        if moved is not None:
            self.ledger.references[name] = moved
            parcel.newest = at
        self._model_status(parcel, status, store, at)

    def _model_status(self, parcel: Parcel, status: str, store: str, at: datetime) -> None:
        if status in ("CANCELLED", "REJECTED"):
            parcel.closed_as, parcel.newest = "cancelled", at
        elif parcel.kind == "RETURN":
            return
        elif status == "FOR PULL OUT" and parcel.closed_as is None:
            parcel.closed_as, parcel.newest = "pulled-out", at
        elif status == "DELIVERED TO STORE":
            parcel.closed_as, parcel.arrived_at, parcel.newest = None, store, at

    @rule(
        store=st.sampled_from(STORES),
        id_=st.sampled_from(IDS),
        name=st.sampled_from(NAMES),
        pos=st.integers(1, 2),
        shift=st.integers(1, 2),
        right_type=st.booleans() | st.just(True),
        right_label=st.booleans() | st.just(True),
        tendered=st.sampled_from([19_999, 20_000, 50_000]),
        locked=st.sampled_from([0, 0, 0, 30]),
    )
    def till_performs(
        self,
        store: str,
        id_: UUID,
        name: str,
        pos: int,
        shift: int,
        right_type: bool,
        right_label: bool,
        tendered: int,
        locked: int,
    ) -> None:
        kind = self.parcels[name].kind if name in self.parcels else "CLAIM"
        type_ = ACTION[kind] if right_type else next(other for other in ACTION.values() if other != ACTION[kind])
        cash = type_ == "COLLECT"
        asked = Perform(
            store_id=store,
            transaction_id=id_,
            type=TransactionType(type_),
            reference=name,
            pos=pos,
            shift=shift,
            business_date=TODAY,
            clerk="ana",
            tracking_number="3" + name + "00000" if right_label else "1" * 18,
            tender="CASH" if cash else None,
            amount_tendered=tendered if cash else None,
        )
        self._send(asked, locked)

    @rule(id_=st.sampled_from(IDS), name=st.sampled_from(NAMES), pos=st.integers(1, 2), shift=st.integers(1, 2))
    def till_performs_without_a_fault(self, id_: UUID, name: str, pos: int, shift: int) -> None:
        parcel = self.parcels.get(name)
        store = "0166" if parcel is None or parcel.arrived_at is None else parcel.arrived_at
        self.till_performs(store, id_, name, pos, shift, True, True, 50_000, 0)

    @rule(data=st.data())
    def till_sends_again(self, data: st.DataObject) -> None:
        if self.first_answers:
            key = data.draw(st.sampled_from(sorted(self.first_answers)))
            self._send(self.first_answers[key][0], data.draw(st.sampled_from([0, 30])))

    def _send(self, asked: Perform, locked: int) -> None:
        key = asked.store_id, asked.transaction_id
        earlier = self.ledger.transactions.get(key)
        terminal = self.ledger.terminal(asked.store_id, asked.pos)
        shift_closed = (asked.store_id, asked.pos, asked.shift) in self.closed
        outcome = decide.perform(
            asked,
            earlier,
            self.ledger.references.get(asked.reference),
            terminal,
            shift_closed=shift_closed,
            locked_for_s=locked,
            now=self.now,
        )
        expected = self._expected(asked, locked, shift_closed=shift_closed)
        match outcome:
            case decide.Approved():
                assert expected == "approved"
                self._approve(asked, outcome, terminal)
            case decide.Declined():
                assert outcome.refusal.code == outcome.transaction.code == expected
                self.first_answers[key] = asked, replace(outcome.transaction)
                self.ledger.keep(outcome.transaction)
            case decide.Replayed():
                assert expected == "replayed"
                # I5: what is answered is what was answered, whole.
                assert outcome.transaction == self.first_answers[key][1]
            case decide.Rejected():
                assert outcome.refusal.code == expected

    def _expected(self, asked: Perform, locked: int, *, shift_closed: bool) -> str:
        key = asked.store_id, asked.transaction_id
        if key in self.first_answers and self.first_answers[key][0] != asked:
            return "transaction-mismatch"
        if key in self.reversed:
            return "transaction-reversed"
        if key in self.first_answers:
            return "replayed"
        if locked:
            return "too-many-attempts"
        if shift_closed:
            return "shift-closed"
        parcel = self.parcels.get(asked.reference)
        if parcel is None:
            return "unknown-reference"
        at_store = parcel.arrived_at or "0166"
        if parcel.kind != "RETURN" and at_store != asked.store_id:
            return "wrong-store"
        if asked.type != ACTION[parcel.kind]:
            return "wrong-action"
        code = parcel.code(self.now)
        if code is not None:
            return code
        if asked.tracking_number == "1" * 18:
            return "wrong-label"
        return "tender-too-small" if asked.type == "COLLECT" and asked.amount_tendered == 19_999 else "approved"

    def _approve(self, asked: Perform, outcome: decide.Approved, terminal: Terminal) -> None:
        parcel = self.parcels[asked.reference]
        parcel.done_by = asked.store_id, asked.transaction_id
        parcel.collections += 1
        self.cash[asked.store_id, asked.pos, asked.shift] += parcel.amount
        terminal.receipts = outcome.receipts
        self.ledger.references[asked.reference] = outcome.reference
        self.ledger.events.setdefault(asked.reference, []).append(outcome.event)
        self.first_answers[asked.store_id, asked.transaction_id] = asked, replace(outcome.transaction)
        self.ledger.keep(outcome.transaction)

    @rule(
        store=st.sampled_from(STORES),
        id_=st.sampled_from(IDS),
        reason=st.sampled_from(ReversalReason),
        in_hand=st.booleans(),
        bound_to=st.sampled_from([0, 0, 1, 2]),
    )
    def till_reverses(self, store: str, id_: UUID, reason: ReversalReason, in_hand: bool, bound_to: int) -> None:
        key = store, id_
        earlier = self.ledger.transactions.get(key)
        request = None if earlier is None else earlier.request
        shift_closed = request is not None and (store, request.pos, request.shift) in self.closed
        outcome = reversals.reverse(
            Reverse(store, id_, reason, in_hand, bound_to),
            earlier,
            None if request is None else self.ledger.references.get(request.reference),
            shift_closed=shift_closed,
            now=self.now,
        )
        standing = earlier is not None and earlier.state is TransactionState.APPROVED
        match outcome:
            case decide.Rejected():
                if outcome.refusal.code == "wrong-terminal":
                    assert earlier is not None
                    assert bound_to not in (0, earlier.pos)
                elif outcome.refusal.code == "parcel-not-in-hand":
                    assert standing
                    assert not in_hand
                    assert reason != "TIMEOUT"
                else:
                    assert outcome.refusal.code == "too-late-to-reverse"
                    assert standing
                    assert shift_closed
                    assert reason != "TIMEOUT"
            case decide.AlreadyReversed():
                assert key in self.reversed
            case decide.Reversed():
                assert key not in self.reversed
                self.reversed.add(key)
                self.ledger.keep(outcome.transaction)
                assert (outcome.reference is not None) == (outcome.event is not None) == standing
                if standing and request is not None:
                    self._undo(request, outcome)

    def _undo(self, request: Perform, outcome: decide.Reversed) -> None:
        assert outcome.reference is not None
        assert outcome.event is not None
        parcel = self.parcels[request.reference]
        assert parcel.done_by == (request.store_id, request.transaction_id)
        parcel.done_by = None
        parcel.reversals += 1
        parcel.newest = max(parcel.newest, self.now.replace(microsecond=0))
        self.cash[request.store_id, request.pos, request.shift] -= parcel.amount
        self.ledger.references[request.reference] = outcome.reference
        self.ledger.events[request.reference].append(outcome.event)

    @rule(data=st.data(), reason=st.sampled_from(ReversalReason), in_hand=st.booleans(), again=st.booleans())
    def till_reverses_what_it_did(
        self, data: st.DataObject, reason: ReversalReason, in_hand: bool, again: bool
    ) -> None:
        standing = sorted(parcel.done_by for parcel in self.parcels.values() if parcel.done_by is not None)
        if standing:
            store, id_ = data.draw(st.sampled_from(standing))
            for _ in range(1 + again):
                self.till_reverses(store, id_, reason, in_hand, 0)

    @rule(store=st.sampled_from(STORES), pos=st.integers(1, 2))
    def close_shift(self, store: str, pos: int) -> None:
        self.closed.add((store, pos, 2))

    @rule(seconds=st.sampled_from([1, 7, 90, 100_000]))
    def time_passes(self, seconds: int) -> None:
        # Not past midnight by more than the window of business dates.
        if self.now + timedelta(seconds=seconds) < START + timedelta(days=2):
            self.now += timedelta(seconds=seconds)

    @invariant()
    def i1_each_reference_is_collected_at_most_once_for_exactly_what_is_due(self) -> None:
        standing = Counter(
            transaction.request.reference
            for transaction in self.ledger.transactions.values()
            if transaction.state is TransactionState.APPROVED and transaction.request is not None
        )
        for name, parcel in self.parcels.items():
            assert parcel.collections - parcel.reversals == standing[name] <= 1
            known = self.ledger.references[name]
            assert (known.state is State.DONE) == (standing[name] == 1)
            assert known.amount_due == parcel.amount
        for transaction in self.ledger.transactions.values():
            if transaction.was_approved and transaction.request is not None:
                assert transaction.amount_due == self.parcels[transaction.request.reference].amount

    @invariant()
    def i2_receipts_add_up_to_the_cash_and_have_no_gap(self) -> None:
        cash: Counter[tuple[str, int, int]] = Counter()
        numbers: dict[tuple[str, int], list[str]] = {}
        for transaction in self.ledger.transactions.values():
            request = transaction.request
            if transaction.receipt_number is None or request is None:
                continue
            numbers.setdefault((request.store_id, request.pos), []).append(transaction.receipt_number)
            if transaction.state is TransactionState.APPROVED:
                cash[request.store_id, request.pos, request.shift] += transaction.amount_due
        assert +cash == +self.cash
        for (store, pos), found in numbers.items():
            assert sorted(found) == [f"{store}-{pos:03d}-{count:08d}" for count in range(1, len(found) + 1)]
            assert self.ledger.terminals[store, pos].receipts == len(found)

    @invariant()
    def i3_a_parcel_leaves_its_own_store_and_is_never_both_released_and_reversed(self) -> None:
        for transaction in self.ledger.transactions.values():
            key = transaction.store_id, transaction.transaction_id
            assert (transaction.state is TransactionState.REVERSED) == (key in self.reversed)
            if transaction.state is TransactionState.APPROVED and transaction.request is not None:
                known = self.ledger.references[transaction.request.reference]
                assert known.done_by == transaction.transaction_id
                assert known.done_store == transaction.store_id
                assert known.store_id in (None, transaction.store_id)

    @invariant()
    def events_are_as_many_as_changes_and_stand_in_order(self) -> None:
        for name, parcel in self.parcels.items():
            events = self.ledger.events.get(name, [])
            assert len(events) == parcel.collections + parcel.reversals
            assert len({event.event_id for event in events}) == len(events)

    @invariant()
    def i8_each_journal_is_whole(self) -> None:
        for key, entries in self.ledger.journals.items():
            head = journal.FIRST_HEAD
            for entry in entries:
                head = journal.next_head(head, entry)
            terminal = self.ledger.terminals[key]
            assert (terminal.journal_head, terminal.journal_length) == (head, len(entries))


CounterMachine.TestCase.settings = settings(max_examples=120, stateful_step_count=50, deadline=None)
TestCounter = CounterMachine.TestCase
