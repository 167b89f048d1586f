"""Every state with every trigger, every ECMS status with every kind. Milliseconds; needs nothing."""

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest
from domain_samples import NOW, reference

from connect_gateway.domain.parcels import Status, apply_status, state_of_new
from connect_gateway.domain.states import (
    ACTION_OF_KIND,
    ECMS_STATUSES,
    PARCEL_KINDS,
    TRANSITIONS,
    Kind,
    State,
    TransactionType,
    Trigger,
    trigger_of_status,
)

# The moves as the wire contract tells them, written down a second time on purpose: whoever changes the table has
# to change the story, too.
MOVES = {
    "NOT_READY": {
        "ARRIVE": "OPEN",
        "CANCEL": "CANCELLED",
        "PULL_OUT": "PULLED_OUT",
        "LAPSE": "EXPIRED",
        "ACCEPT": "DONE",
    },
    "OPEN": {
        "ARRIVE": "OPEN",
        "CANCEL": "CANCELLED",
        "PULL_OUT": "PULLED_OUT",
        "LAPSE": "EXPIRED",
        "PERFORM": "DONE",
        "ACCEPT": "DONE",
    },
    "DONE": {"REVERSE": "OPEN"},
    "CANCELLED": {"ACCEPT": "DONE"},
    "EXPIRED": {"CANCEL": "CANCELLED", "PULL_OUT": "PULLED_OUT", "ACCEPT": "DONE"},
    "PULLED_OUT": {"ARRIVE": "OPEN", "CANCEL": "CANCELLED", "ACCEPT": "DONE"},
}
CLOSING = {"CANCELLED": Trigger.CANCEL, "REJECTED": Trigger.CANCEL}
OF_WAITING_PARCELS = {
    "DELIVERED TO STORE": Trigger.ARRIVE,
    "FOR PULL OUT": Trigger.PULL_OUT,
    "PULLED OUT FROM STORE": Trigger.PULL_OUT,
    "FOR RETURN TO MERCHANT": Trigger.PULL_OUT,
    "RETURNED TO MERCHANT": Trigger.PULL_OUT,
}


@pytest.mark.parametrize(("state", "trigger"), list(itertools.product(State, Trigger)))
def test_each_state_with_each_trigger(state: State, trigger: Trigger) -> None:
    expected = MOVES[state].get(trigger)
    assert TRANSITIONS.get((state, trigger)) == expected


def test_a_reference_leaves_done_by_a_reversal_alone_and_enters_it_by_the_counter_alone() -> None:
    assert {trigger for (state, trigger) in TRANSITIONS if state is State.DONE} == {Trigger.REVERSE}
    into_done = {(state, trigger) for (state, trigger), target in TRANSITIONS.items() if target is State.DONE}
    performed = {(state, trigger) for state, trigger in into_done if trigger is not Trigger.ACCEPT}
    assert performed == {(State.OPEN, Trigger.PERFORM)}
    assert into_done - performed == {(state, Trigger.ACCEPT) for state in State if state is not State.DONE}


@pytest.mark.parametrize(("status", "kind"), list(itertools.product(sorted(ECMS_STATUSES), Kind)))
def test_each_status_with_each_kind(status: str, kind: Kind) -> None:
    expected = CLOSING.get(status)
    if kind in PARCEL_KINDS:
        expected = expected or OF_WAITING_PARCELS.get(status)
    assert trigger_of_status(kind, status) is expected


@pytest.mark.parametrize("kind", Kind)
def test_a_status_that_nobody_published_moves_nothing(kind: Kind) -> None:
    assert trigger_of_status(kind, "DELIVERED TO STORE ") is None
    assert trigger_of_status(kind, "delivered to store") is None


@pytest.mark.parametrize(("state", "status"), list(itertools.product(State, sorted(ECMS_STATUSES))))
def test_a_status_moves_a_parcel_by_the_table_and_in_no_other_way(state: State, status: str) -> None:
    if state is State.EXPIRED:
        known = reference(state=State.OPEN, expires_at=NOW - timedelta(seconds=1))
    else:
        known = reference(state=state)
    moved = apply_status(known, Status(known.tracking_number, status, "0200", NOW), NOW)

    trigger = CLOSING.get(status) or OF_WAITING_PARCELS.get(status)
    # A parcel that lapsed while it was on its way has arrived none the less; nobody can claim it all the same.
    seen = State.OPEN if state is State.EXPIRED and trigger is Trigger.ARRIVE else state
    expected = None if trigger is None else MOVES[seen].get(trigger)
    assert (None if moved is None else moved.state) == expected
    if moved is not None:
        assert moved.status_at == NOW
        assert moved.store_id == ("0200" if trigger is Trigger.ARRIVE else "0166")


def test_a_late_status_moves_nothing_and_of_equal_times_the_later_arrival_counts() -> None:
    known = reference(status_at=NOW)
    late = Status(known.tracking_number, "CANCELLED", "0166", NOW - timedelta(seconds=1))
    assert apply_status(known, late, NOW) is None
    equal = apply_status(known, Status(known.tracking_number, "CANCELLED", "0166", NOW), NOW)
    assert equal is not None
    assert equal.state is State.CANCELLED


def test_an_arrival_of_the_same_second_does_not_open_what_was_pulled_out() -> None:
    """It may be the one from before, repeated; found by torture, seed 303."""
    gone = reference(state=State.PULLED_OUT, status_at=NOW)
    arrival = Status(gone.tracking_number, "DELIVERED TO STORE", "0166", NOW)
    assert apply_status(gone, arrival, NOW) is None
    later = apply_status(gone, replace(arrival, at=NOW + timedelta(seconds=1)), NOW)
    assert later is not None
    assert later.state is State.OPEN


def test_a_status_never_touches_what_it_does_not_speak_of() -> None:
    known = reference()
    moved = apply_status(known, Status(known.tracking_number, "DELIVERED TO STORE", "0200", NOW), NOW)
    assert moved == reference(store_id="0200", status_at=NOW)
    assert known == reference()


@pytest.mark.parametrize("kind", Kind)
def test_a_parcel_has_to_arrive_first_and_everything_else_is_open_at_once(kind: Kind) -> None:
    parcel = kind in (Kind.PAY_AND_CLAIM, Kind.CLAIM)
    assert state_of_new(kind) is (State.NOT_READY if parcel else State.OPEN)


@pytest.mark.parametrize("state", [state for state in State if state is not State.EXPIRED])
def test_open_and_not_ready_lapse_at_the_very_moment_and_nothing_else_does(state: State) -> None:
    known = reference(state=state, expires_at=NOW)
    assert known.state_at(NOW - timedelta(microseconds=1)) is state
    lapses = (state, Trigger.LAPSE) in TRANSITIONS
    assert known.state_at(NOW) is (State.EXPIRED if lapses else state)


def test_each_kind_has_its_one_action() -> None:
    assert sorted(ACTION_OF_KIND) == sorted(Kind)
    assert sorted(ACTION_OF_KIND.values()) == sorted(TransactionType)


@pytest.mark.parametrize("status", ["FOR PULL OUT", "PULLED OUT FROM STORE"])
def test_a_drop_off_that_leaves_its_store_is_no_news_to_the_buyer(status: str) -> None:
    bound = reference(Kind.CLAIM, state=State.NOT_READY)
    leaves = Status(bound.tracking_number, status, "0001", NOW)
    assert apply_status(bound, leaves, NOW, dropped_off=True) is None
    moved = apply_status(bound, leaves, NOW)
    assert moved is not None
    assert moved.state is State.PULLED_OUT
    # Once it has reached the buyer's store, a pull-out is one.
    waits = reference(Kind.CLAIM, state=State.OPEN)
    moved = apply_status(waits, leaves, NOW, dropped_off=True)
    assert moved is not None
    assert moved.state is State.PULLED_OUT
