"""One sale sent online, forwarded as a stand-in, reversed, disputed and resolved, in any order and any number of
times: the money of an id is there once or not at all, and a parcel is paid for once. About 10 s; needs nothing.
"""

import json
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from connect_gateway.domain import decide, disputes, journal, reversals
from connect_gateway.domain.chains import Broken, Chain, Head
from connect_gateway.domain.parcels import Status, apply_status
from connect_gateway.domain.records import (
    STANDING,
    Event,
    Perform,
    Reference,
    Resolution,
    Resolve,
    ReversalReason,
    Reverse,
    StandIn,
    Terminal,
    Transaction,
    TransactionState,
)
from connect_gateway.domain.states import Kind, State, TransactionType

START = datetime(2026, 3, 9, 4, 0, tzinfo=UTC)
TRACKING = "303105332614281200"
NAME = "991767890023"
AMOUNT = 20_000
IDS = [UUID(int=number) for number in range(1, 5)]
Key = UUID


class StandInMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.reference = Reference(
            reference=NAME,
            kind=Kind.PAY_AND_CLAIM,
            tracking_number=TRACKING,
            merchant_code="001",
            merchant="Merchant A",
            merchant_reference="A",
            description="",
            amount_due=AMOUNT,
            store_id="0166",
            state=State.OPEN,
            expires_at=None,
            status_at=None,
            done_store=None,
            done_by=None,
        )
        self.transactions: dict[Key, Transaction] = {}
        self.happened: set[Key] = set()
        """Ids under which the till has said that cash was taken, and was not told that it had been reversed before."""
        self.events: list[Event] = []
        self.terminal = Terminal("0166", 1, 0, 0, journal.FIRST_HEAD)
        self.chain: list[tuple[int, str, bytes]] = []
        self.closed_at: datetime | None = None

    def sale(self, id_: Key, *, stand_in: StandIn | None, tendered: int, label: str = TRACKING) -> Perform:
        return Perform(
            store_id="0166",
            transaction_id=id_,
            type=TransactionType.COLLECT,
            reference=NAME,
            pos=1,
            shift=1,
            business_date=date(2026, 3, 9),
            clerk="ana",
            tracking_number=label,
            tender="CASH",
            amount_tendered=tendered,
            stand_in=stand_in,
        )

    @rule(
        id_=st.sampled_from(IDS),
        offline=st.booleans(),
        tendered=st.sampled_from([AMOUNT, AMOUNT + 5_000, AMOUNT - 1]),
        ago=st.sampled_from([0, 60, 3_600]),
        locked=st.sampled_from([0, 30]),
    )
    def sell(self, id_: Key, offline: bool, tendered: int, ago: int, locked: int) -> None:
        told = StandIn(self.now - timedelta(seconds=ago), "0166-001-S0000001", UUID(int=9)) if offline else None
        earlier = self.transactions.get(id_)
        # A repeat of the till has the content of the first.
        if earlier is not None and earlier.request is not None and earlier.request.amount_tendered is not None:
            tendered = earlier.request.amount_tendered
        asked = self.sale(id_, stand_in=told, tendered=tendered)
        closed = self.closed_at is not None and (told is None or told.occurred_at > self.closed_at)
        outcome = decide.perform(
            asked, earlier, self.reference, self.terminal, shift_closed=closed, locked_for_s=locked, now=self.now
        )
        if isinstance(outcome, decide.Replayed):
            assert earlier is outcome.transaction
            # What has happened is never answered with a decline.
            assert not offline or earlier.state in STANDING
        elif isinstance(outcome, decide.Rejected):
            assert (earlier is not None and earlier.state is TransactionState.REVERSED) or (locked and not offline)
        else:
            self.write(outcome, earlier, offline=offline)

    def write(
        self,
        outcome: decide.Approved | decide.Declined | decide.Disputed,
        earlier: Transaction | None,
        *,
        offline: bool,
    ) -> None:
        transaction = outcome.transaction
        assert not (offline and isinstance(outcome, decide.Declined))
        assert earlier is None or (offline and earlier.state is TransactionState.DECLINED)
        transaction.answer = f"{transaction.state} {len(self.chain)}"
        if isinstance(outcome, decide.Approved):
            self.reference = outcome.reference
            self.events.append(outcome.event)
        if not isinstance(outcome, decide.Declined):
            self.terminal.receipts = outcome.receipts
            self.happened.add(transaction.transaction_id)
        self.enter(transaction, None if earlier is None else TransactionState.DECLINED)

    def enter(self, transaction: Transaction, after: TransactionState | None = None) -> None:
        self.transactions[transaction.transaction_id] = transaction
        entry = journal.append(self.terminal, transaction, after)
        self.chain.append((self.terminal.journal_length, entry, self.terminal.journal_head))

    @rule(id_=st.sampled_from(IDS), reason=st.sampled_from(["TIMEOUT", "CLERK_VOID"]), in_hand=st.booleans())
    def reverse(self, id_: Key, reason: str, in_hand: bool) -> None:
        earlier = self.transactions.get(id_)
        asked = Reverse("0166", id_, ReversalReason(reason), in_hand, 1)
        outcome = reversals.reverse(
            asked, earlier, self.reference, shift_closed=self.closed_at is not None, now=self.now
        )
        if isinstance(outcome, decide.Reversed):
            disputed = earlier is not None and earlier.state is TransactionState.DISPUTED
            assert not (disputed and outcome.event is not None)
            self.undo(outcome)
        elif isinstance(outcome, decide.Rejected):
            assert earlier is not None
            assert earlier.state in STANDING
            assert reason == "CLERK_VOID"

    def undo(self, outcome: decide.Reversed) -> None:
        if outcome.reference is not None and outcome.event is not None:
            self.reference = outcome.reference
            self.events.append(outcome.event)
        self.happened.discard(outcome.transaction.transaction_id)
        self.enter(outcome.transaction)

    @rule(id_=st.sampled_from(IDS), how=st.sampled_from(Resolution))
    def resolve(self, id_: Key, how: Resolution) -> None:
        earlier = self.transactions.get(id_)
        outcome = disputes.resolve(Resolve("0166", id_, how, 1, "admin", ""), earlier, self.reference, now=self.now)
        if isinstance(outcome, decide.Rejected):
            disputed = earlier is not None and earlier.state is TransactionState.DISPUTED
            # Of a dispute, only what would not add up is refused.
            assert not disputed or self.reference.state is State.DONE or earlier.amount_due != AMOUNT  # type: ignore[union-attr]
        elif isinstance(outcome, decide.Reversed):
            assert outcome.event is None
            self.undo(outcome)
        else:
            self.reference = outcome.reference
            self.events.append(outcome.event)
            self.enter(outcome.transaction, TransactionState.DISPUTED)

    @rule(status=st.sampled_from(["CANCELLED", "FOR PULL OUT", "DELIVERED TO STORE"]))
    def ecms_tells(self, status: str) -> None:
        moved = apply_status(self.reference, Status(TRACKING, status, "0166", self.now), self.now)
        if moved is not None:
            self.reference = moved

    @rule()
    def close_shift(self) -> None:
        self.closed_at = self.closed_at or self.now

    @rule()
    def time_passes(self) -> None:
        self.now += timedelta(seconds=600)

    @invariant()
    def the_money_of_an_id_is_there_once_and_only_if_it_happened(self) -> None:
        standing = {one.transaction_id for one in self.transactions.values() if one.state in STANDING}
        assert standing == self.happened
        receipts = [one.receipt_number for one in self.transactions.values() if one.receipt_number is not None]
        assert len(set(receipts)) == len(receipts) == self.terminal.receipts

    @invariant()
    def a_parcel_is_collected_once_for_exactly_what_is_due(self) -> None:
        approved = [one for one in self.transactions.values() if one.state is TransactionState.APPROVED]
        assert len(approved) == (self.reference.state is State.DONE) <= 1
        assert all(one.amount_due == AMOUNT for one in approved)
        assert all(one.transaction_id == self.reference.done_by for one in approved)

    @invariant()
    def ecms_is_told_of_approvals_and_their_reversals_alone(self) -> None:
        assert len({event.event_id for event in self.events}) == len(self.events)
        paid = sum(1 if event.payment is not None else -1 for event in self.events)
        assert paid == (self.reference.state is State.DONE)

    @invariant()
    def the_journal_agrees_with_the_rows(self) -> None:
        chain = Chain("0166", 1, [])
        for position, text, head in self.chain:
            entry = chain.follow(position, text, head)
            assert not isinstance(entry, Broken), entry
            broken = chain.compare(entry, self.row(UUID(entry["transactionId"])))
            assert broken is None, broken
        assert chain.end(Head(self.terminal.journal_length, self.terminal.journal_head)) is None
        assert chain.unfinished() is None
        reversed_ = [one for one in self.transactions.values() if one.state is TransactionState.REVERSED]
        assert chain.begun == len(self.transactions)
        assert chain.undone == len([one for one in reversed_ if one.request is not None])

    def row(self, id_: Key) -> dict[str, object]:
        """A transaction's row by the names that an entry has for its columns."""
        one = self.transactions[id_]
        shown = json.loads(journal.entry_of(one, 1))
        return shown | {
            "occurredAt": one.occurred_at.isoformat(),
            "reversedAt": None if one.reversed_at is None else one.reversed_at.isoformat(),
        }


StandInMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestStandIn = StandInMachine.TestCase
