"""The counter's decisions one by one: the order of refusal, repeats, reversals, events. Milliseconds; needs nothing."""

import itertools
from dataclasses import fields, replace
from datetime import date, timedelta
from uuid import UUID

import pytest
from domain_samples import ID, NOW, TRACKING, approved, command, performed, reference, reversal, terminal

from connect_gateway.domain import decide, journal, reversals
from connect_gateway.domain.records import Perform, Quote, ReversalReason, TransactionState
from connect_gateway.domain.refusals import Code
from connect_gateway.domain.states import PARCEL_KINDS, Kind, State, TransactionType

STATUS_OF_KIND = {
    Kind.PAY_AND_CLAIM: "CLAIMED",
    Kind.CLAIM: "CLAIMED",
    Kind.PAY: "PAID",
    Kind.RETURN: "RETURNED",
    Kind.DROP_OFF: "DROPPED OFF",
}
REVERSED_OF_KIND = {
    Kind.PAY_AND_CLAIM: ("DELIVERED TO STORE", "CLAIM REVERSED"),
    Kind.CLAIM: ("DELIVERED TO STORE", "CLAIM REVERSED"),
    Kind.PAY: ("UNPAID", "PAYMENT REVERSED"),
    Kind.RETURN: ("FOR RETURN", "RETURN REVERSED"),
    Kind.DROP_OFF: ("FOR DROP OFF", "DROP-OFF REVERSED"),
}
CODE_OF_STATE = {
    State.NOT_READY: "not-ready",
    State.DONE: "already-done",
    State.CANCELLED: "cancelled",
    State.EXPIRED: "expired",
    State.PULLED_OUT: "pulled-out",
}


def in_state(kind: Kind, state: State):
    if state is State.EXPIRED:
        return reference(kind, expires_at=NOW)
    if state is State.DONE:
        return reference(kind, state=state, done_store="0166", done_by=UUID(int=1))
    return reference(kind, state=state)


@pytest.mark.parametrize(("kind", "state"), list(itertools.product(Kind, State)))
def test_each_kind_in_each_state(kind: Kind, state: State) -> None:
    outcome = performed(command(kind), in_state(kind, state))
    if state is State.OPEN:
        assert isinstance(outcome, decide.Approved)
        return
    assert isinstance(outcome, decide.Declined)
    assert outcome.refusal.code == outcome.transaction.code == CODE_OF_STATE[state]
    assert outcome.transaction.receipt_number is None


@pytest.mark.parametrize(("kind", "type_"), list(itertools.product(Kind, TransactionType)))
def test_each_kind_takes_its_own_action_alone(kind: Kind, type_: TransactionType) -> None:
    if decide.ACTION_OF_KIND[kind] is type_:
        return
    outcome = performed(command(kind, type=type_), reference(kind))
    assert isinstance(outcome, decide.Declined)
    assert outcome.refusal.code == "wrong-action"


def test_refusals_come_in_their_order() -> None:
    """Each step repairs the fault that was named and finds the next one."""
    worst = command(
        type=TransactionType.CLAIM, tracking_number="1" * 18, amount_tendered=1, business_date=date(2020, 1, 1)
    )
    parcel = reference(store_id="0001", state=State.CANCELLED)
    closed = {"shift_closed": True, "locked_for_s": 7}

    outcome = performed(worst, parcel, **closed)
    assert isinstance(outcome, decide.Rejected)
    assert (outcome.refusal.code, outcome.refusal.retry_after_s) == ("too-many-attempts", 7)

    def declined(asked: Perform, known, **given) -> str:
        outcome = performed(asked, known, **given)
        assert isinstance(outcome, decide.Declined)
        return outcome.refusal.code

    assert declined(worst, None, shift_closed=True) == "wrong-business-date"
    asked = replace(worst, business_date=date(2026, 3, 9))
    assert declined(asked, None, shift_closed=True) == "shift-closed"
    assert declined(asked, None) == "unknown-reference"
    assert declined(asked, parcel) == "wrong-store"
    assert declined(asked, replace(parcel, store_id="0166")) == "wrong-action"
    asked = replace(asked, type=TransactionType.COLLECT)
    assert declined(asked, replace(parcel, store_id="0166")) == "cancelled"
    assert declined(asked, reference()) == "wrong-label"
    assert declined(replace(asked, tracking_number=TRACKING), reference()) == "tender-too-small"
    assert isinstance(
        performed(replace(asked, tracking_number=TRACKING, amount_tendered=20_000), reference()), decide.Approved
    )


@pytest.mark.parametrize("kind", Kind)
def test_parcels_are_handed_out_at_their_own_store_and_everything_else_anywhere(kind: Kind) -> None:
    refusal = decide.wrong_store(reference(kind), "0001")
    assert (refusal is not None) == (kind in PARCEL_KINDS)
    assert decide.wrong_store(reference(kind), "0166") is None


@pytest.mark.parametrize(("days", "near"), [(-3, False), (-2, True), (0, True), (2, True), (3, False)])
def test_a_business_date_is_near_the_philippine_date(days: int, near: bool) -> None:
    # 23:30 of the 8th in UTC is the 9th in the Philippines.
    now = NOW.replace(day=8, hour=23, minute=30)
    outcome = performed(command(business_date=date(2026, 3, 9) + timedelta(days=days)), reference(), now=now)
    assert isinstance(outcome, decide.Approved) == near
    assert near or isinstance(outcome, decide.Declined)


@pytest.mark.parametrize("kind", Kind)
def test_an_approval_takes_exactly_what_is_due_counts_its_receipt_and_tells_ecms(kind: Kind) -> None:
    outcome = performed(command(kind), reference(kind), at=terminal(receipts=41))
    assert isinstance(outcome, decide.Approved)
    cash = kind in (Kind.PAY_AND_CLAIM, Kind.PAY)
    made = outcome.transaction
    assert (made.state, made.code, made.receipt_number) == (TransactionState.APPROVED, None, "0166-001-00000042")
    assert (made.amount_due, made.change) == ((20_000, 30_000) if cash else (0, 0))
    assert made.tracking_number == TRACKING
    assert outcome.receipts == 42
    moved = outcome.reference
    assert (moved.state, moved.done_store, moved.done_by) == (State.DONE, "0166", ID)
    event = outcome.event
    assert event.status == STATUS_OF_KIND[kind]
    assert (event.tracking_number, event.location) == (TRACKING, "0166")
    assert (event.payment is not None) == cash
    if event.payment is not None:
        assert (event.payment.amount, event.payment.receipt_number) == (20_000, "0166-001-00000042")


@pytest.mark.parametrize("pos", [0, 7, 999, 9999])
def test_a_receipt_number_names_store_terminal_and_count(pos: int) -> None:
    assert decide.receipt_number("0166", pos, 12) == f"0166-{pos:03d}-00000012"


def test_a_return_needs_no_label_but_a_wrong_one_is_refused() -> None:
    assert isinstance(performed(command(Kind.RETURN, tracking_number=None), reference(Kind.RETURN)), decide.Approved)
    outcome = performed(command(Kind.RETURN, tracking_number="1" * 18), reference(Kind.RETURN))
    assert isinstance(outcome, decide.Declined)
    assert outcome.refusal.code == "wrong-label"


def test_a_drop_off_is_decided_by_what_ecms_says_of_it_and_by_nothing_before_that() -> None:
    booked = reference(Kind.DROP_OFF, amount_due=6_500)
    paid = command(Kind.DROP_OFF, tender="CASH", amount_tendered=6_500)
    for quote, code in ((Quote(None), "daily-limit"), (Quote(6_499), "fee-differs"), (Quote(0), "fee-differs")):
        outcome = performed(paid, booked, quote=quote)
        assert isinstance(outcome, decide.Declined)
        assert outcome.refusal.code == code
    unanswered = performed(paid, booked, quote=None)
    assert isinstance(unanswered, decide.Rejected)
    assert (unanswered.refusal.code, unanswered.refusal.retry_after_s) == ("ecms-unavailable", 5)
    poor = performed(replace(paid, amount_tendered=6_499), booked, quote=None)
    assert isinstance(poor, decide.Declined)
    assert poor.refusal.code == "tender-too-small"
    taken = performed(paid, booked, quote=Quote(6_500))
    assert isinstance(taken, decide.Approved)
    assert taken.event.payment is not None
    assert taken.event.payment.amount == 6_500
    assert isinstance(performed(paid, booked, quote=None, earlier=taken.transaction), decide.Replayed)


@pytest.mark.parametrize("tendered", [0, 19_999, 20_000, 20_001, 10**12 - 1])
def test_cash_covers_the_amount_due_to_the_centavo(tendered: int) -> None:
    outcome = performed(command(amount_tendered=tendered), reference())
    if tendered < 20_000:
        assert isinstance(outcome, decide.Declined)
        assert outcome.refusal.code == "tender-too-small"
    else:
        assert isinstance(outcome, decide.Approved)
        assert outcome.transaction.change == tendered - 20_000


OTHERWISE = {
    "type": (TransactionType.CLAIM, "type"),
    "reference": ("182212342345", "reference"),
    "pos": (2, "pos"),
    "shift": (2, "shift"),
    "business_date": (date(2026, 3, 10), "businessDate"),
    "clerk": ("ben", "clerk"),
    "tracking_number": ("1" * 18, "trackingNumber"),
    "tender": (None, "tender"),
    "amount_tendered": (50_001, "amountTendered"),
}


def test_every_field_of_a_transaction_is_compared() -> None:
    # What is told of a stand-in sale is no part of its content.
    assert {one.name for one in fields(Perform)} - {"store_id", "transaction_id", "stand_in"} == set(OTHERWISE)


@pytest.mark.parametrize("field", OTHERWISE)
def test_the_same_id_with_one_other_field_is_refused_and_the_field_named(field: str) -> None:
    value, name = OTHERWISE[field]
    outcome = performed(command(**{field: value}), reference(), earlier=approved().transaction)
    assert isinstance(outcome, decide.Rejected)
    assert (outcome.refusal.code, outcome.refusal.field) == ("transaction-mismatch", name)


def test_of_several_differences_the_first_one_is_named() -> None:
    for after, field in enumerate(OTHERWISE, start=1):
        later = dict(list(OTHERWISE.items())[after - 1 :])
        other = command(**{each: value for each, (value, _) in later.items()})
        assert decide.first_difference(other, command()) == OTHERWISE[field][1]


@pytest.mark.parametrize("spoiled", ["lockout", "shift", "date", "reference"])
def test_a_repeat_is_answered_whatever_has_changed_since(spoiled: str) -> None:
    first = approved().transaction
    known = reference(state=State.DONE, done_store="0166", done_by=ID)
    given = {
        "lockout": {"locked_for_s": 30},
        "shift": {"shift_closed": True},
        "date": {"now": NOW + timedelta(days=400)},
        "reference": {},
    }[spoiled]
    outcome = performed(command(), None if spoiled == "reference" else known, earlier=first, **given)
    assert isinstance(outcome, decide.Replayed)
    assert outcome.transaction is first


@pytest.mark.parametrize("reason", ReversalReason)
@pytest.mark.parametrize("in_hand", [True, False])
@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("kind", Kind)
def test_each_reversal_of_an_approval(kind: Kind, reason: ReversalReason, in_hand: bool, closed: bool) -> None:
    first = approved(kind)
    outcome = reversals.reverse(
        reversal(reason=reason, parcel_in_hand=in_hand),
        first.transaction,
        first.reference,
        shift_closed=closed,
        now=NOW,
    )
    # Of a payment nothing is handed out, so that nothing has to be in hand.
    if reason is not ReversalReason.TIMEOUT and not in_hand and kind is not Kind.PAY:
        assert isinstance(outcome, decide.Rejected)
        assert outcome.refusal.code == "parcel-not-in-hand"
        return
    if reason is not ReversalReason.TIMEOUT and closed:
        assert isinstance(outcome, decide.Rejected)
        assert outcome.refusal.code == "too-late-to-reverse"
        return
    assert isinstance(outcome, decide.Reversed)
    assert outcome.transaction.state is TransactionState.REVERSED
    assert (outcome.transaction.reversed_at, outcome.transaction.reversal_reason) == (NOW, reason)
    assert outcome.transaction.receipt_number == first.transaction.receipt_number
    opened, event = outcome.reference, outcome.event
    assert opened is not None
    assert event is not None
    assert (opened.state, opened.done_by, opened.done_store) == (State.OPEN, None, None)
    assert opened.status_at == NOW.replace(microsecond=0)
    assert (event.status, event.reason) == REVERSED_OF_KIND[kind]
    assert event.return_code == (opened.reference if kind is Kind.RETURN else None)
    assert event.event_id != first.event.event_id


def test_an_approval_stays_what_it_was_when_its_reversal_is_refused() -> None:
    first = approved()
    before = replace(first.transaction)
    reversals.reverse(reversal(parcel_in_hand=False), first.transaction, first.reference, shift_closed=False, now=NOW)
    assert first.transaction == before


@pytest.mark.parametrize("reason", ReversalReason)
def test_an_id_that_never_arrived_is_reversed_for_good(reason: ReversalReason) -> None:
    outcome = reversals.reverse(reversal(reason=reason, parcel_in_hand=False), None, None, shift_closed=False, now=NOW)
    assert isinstance(outcome, decide.Reversed)
    assert outcome.event is None
    assert outcome.transaction.request is None
    late = performed(command(), reference(), earlier=outcome.transaction)
    assert isinstance(late, decide.Rejected)
    assert late.refusal.code == "transaction-reversed"


def test_reversing_what_is_declined_or_reversed_changes_nothing_for_ecms() -> None:
    declined = performed(command(amount_tendered=1), reference())
    assert isinstance(declined, decide.Declined)
    outcome = reversals.reverse(
        reversal(parcel_in_hand=False), declined.transaction, reference(), shift_closed=True, now=NOW
    )
    assert isinstance(outcome, decide.Reversed)
    assert (outcome.reference, outcome.event) == (None, None)
    again = reversals.reverse(reversal(), outcome.transaction, reference(), shift_closed=True, now=NOW)
    assert isinstance(again, decide.AlreadyReversed)
    repeat = performed(command(amount_tendered=1), reference(), earlier=outcome.transaction)
    assert isinstance(repeat, decide.Rejected)
    assert repeat.refusal.code == "transaction-reversed"


def test_a_till_that_is_bound_to_a_terminal_reverses_its_own_transactions_alone() -> None:
    first = approved()
    given = {"shift_closed": False, "now": NOW}
    other = reversals.reverse(reversal(pos=2), first.transaction, first.reference, **given)
    assert isinstance(other, decide.Rejected)
    assert other.refusal.code == "wrong-terminal"
    assert isinstance(reversals.reverse(reversal(pos=1), first.transaction, first.reference, **given), decide.Reversed)


def test_a_reversal_is_the_newest_word_on_the_parcel_even_where_the_clock_went_back() -> None:
    first = approved()
    later = NOW + timedelta(hours=1)
    known = replace(first.reference, status_at=later)
    outcome = reversals.reverse(reversal(), first.transaction, known, shift_closed=False, now=NOW)
    assert isinstance(outcome, decide.Reversed)
    assert outcome.reference is not None
    assert outcome.reference.status_at == later


def test_the_same_decision_has_the_same_event_id_and_another_one_another() -> None:
    ids = {approved(kind).event.event_id for kind in (Kind.PAY_AND_CLAIM, Kind.PAY_AND_CLAIM)}
    assert len(ids) == 1
    elsewhere = performed(command(store_id="0001"), reference(store_id="0001"))
    assert isinstance(elsewhere, decide.Approved)
    assert elsewhere.event.event_id not in ids


def test_the_codes_of_declines_are_all_of_the_refusals_enumeration() -> None:
    assert {*CODE_OF_STATE.values(), "wrong-label", "wrong-action", "wrong-store"} <= set(Code)


def test_the_journal_tells_of_each_state_and_of_no_person() -> None:
    first = approved()
    at = terminal()
    entries = [journal.append(at, first.transaction)]
    undone = reversals.reverse(reversal(), first.transaction, first.reference, shift_closed=False, now=NOW)
    assert isinstance(undone, decide.Reversed)
    entries.append(journal.append(at, undone.transaction))
    tombstone = reversals.reverse(reversal(transaction_id=UUID(int=9)), None, None, shift_closed=False, now=NOW)
    assert isinstance(tombstone, decide.Reversed)
    entries.append(journal.append(at, tombstone.transaction))

    assert at.journal_length == 3
    head = journal.FIRST_HEAD
    for entry in entries:
        head = journal.next_head(head, entry)
    assert at.journal_head == head
    assert [f'"n":{n}' in entry for n, entry in enumerate(entries, start=1)] == [True] * 3
    assert all("Merchant" not in entry and "ana" not in entry for entry in entries)
