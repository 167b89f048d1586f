"""The ECMS simulator's transition table against the published status flows. Needs nothing; well under a second."""

from collections import Counter
from itertools import product

import pytest
from connect_simulators.ecms.flows import (
    ELSEWHERE,
    END_STATES,
    STATES,
    TABLE,
    Flow,
    State,
    Trigger,
    has_ended,
    moves,
    route,
    step_by_status,
    step_to,
)
from connect_simulators.ecms.flows_document import DOCUMENT, document

SHIPMENTS = (Flow.MERCHANT_DELIVERY, Flow.DC_PICKUP)
RETURNS = (Flow.RETURN_COLLECTED, Flow.RETURN_DELIVERED)
DROP_OFFS = (Flow.DROP_OFF_STORE, Flow.DROP_OFF_DOOR)

TO_WAREHOUSE = {
    Flow.MERCHANT_DELIVERY: ["DELIVERED TO WAREHOUSE"],
    Flow.DC_PICKUP: [
        "FOR PICK UP",
        "ON VEHICLE TO WAREHOUSE",
        "ARRIVED AT WAREHOUSE",
        "DELIVERED TO WAREHOUSE",
    ],
}
TO_STORE = {
    False: ["FOR DELIVERY", "IN-TRANSIT"],
    True: ["FOR DELIVERY", "IN-TRANSIT", "DELIVERED TO WAREHOUSE_REGIONAL", "IN-TRANSIT_REGIONAL"],
}
AT_STORE = ["ON VEHICLE TO STORE", "ARRIVED AT STORE", "DELIVERED TO STORE"]
BACK = [
    "FOR PULL OUT",
    "PULLED OUT FROM STORE",
    "ON VEHICLE TO WAREHOUSE",
    "ARRIVED AT WAREHOUSE",
    "FOR RETURN TO MERCHANT",
    "RETURNED TO MERCHANT",
]
TRUCKED_IN = ["FOR PULL OUT", "ON VEHICLE TO WAREHOUSE", "ARRIVED AT WAREHOUSE", "DELIVERED TO WAREHOUSE"]
TO_MERCHANT = ["ON VEHICLE TO MERCHANT", "ARRIVED AT MERCHANT"]


def _statuses(flow: Flow, origin: State, status: str, *, regional: bool = False) -> list[str] | None:
    steps = route(flow, origin, status, regional=regional)
    return None if steps is None else [step.target.status for step in steps]


@pytest.mark.parametrize(("flow", "regional"), list(product(SHIPMENTS, (False, True))))
def test_a_shipment_goes_to_its_store_as_published(flow: Flow, regional: bool) -> None:
    expected = TO_WAREHOUSE[flow] + TO_STORE[regional] + AT_STORE
    assert _statuses(flow, State.CREATED, "DELIVERED TO STORE", regional=regional) == expected


@pytest.mark.parametrize("flow", SHIPMENTS)
def test_an_unclaimed_shipment_goes_back_as_published(flow: Flow) -> None:
    brought = TO_MERCHANT if flow is Flow.DC_PICKUP else []
    expected = BACK + brought
    assert _statuses(flow, State.DELIVERED_TO_STORE, expected[-1]) == expected


@pytest.mark.parametrize("flow", RETURNS)
def test_a_return_goes_back_as_published(flow: Flow) -> None:
    brought = TO_MERCHANT if flow is Flow.RETURN_DELIVERED else []
    expected = BACK + brought
    assert _statuses(flow, State.RETURNED, expected[-1]) == expected


@pytest.mark.parametrize(("regional", "home_regional"), list(product((False, True), repeat=2)))
def test_a_dropped_off_package_goes_as_published(regional: bool, home_regional: bool) -> None:
    def way(origin: State, status: str) -> list[str]:
        steps = route(Flow.DROP_OFF_STORE, origin, status, regional=regional, home_regional=home_regional)
        assert steps is not None
        return [step.target.status for step in steps]

    assert way(State.DROPPED_OFF, "DELIVERED TO STORE") == TRUCKED_IN + TO_STORE[regional] + AT_STORE
    unclaimed = [*BACK[:4], "DELIVERED TO WAREHOUSE", *TO_STORE[home_regional], *AT_STORE]
    assert way(State.PULLED_OUT_FROM_STORE, "DELIVERED TO STORE") == unclaimed[2:]
    assert way(State.DELIVERED_TO_STORE, "RETURNED TO MERCHANT") == unclaimed + BACK
    assert way(State.DELIVERED_TO_STORE_SELLER, "RETURNED TO MERCHANT") == BACK


def test_a_package_for_an_address_ends_with_its_last_published_status() -> None:
    flow = Flow.DROP_OFF_DOOR
    assert _statuses(flow, State.DROPPED_OFF, "IN-TRANSIT") == [*TRUCKED_IN, *TO_STORE[False]]
    assert _statuses(flow, State.DROPPED_OFF, "IN-TRANSIT_REGIONAL", regional=True) == [*TRUCKED_IN, *TO_STORE[True]]
    assert has_ended(flow, State.IN_TRANSIT, regional=False)
    assert not has_ended(flow, State.IN_TRANSIT, regional=True)


@pytest.mark.parametrize("flow", DROP_OFFS)
def test_a_seller_brings_what_was_booked_or_it_is_cancelled(flow: Flow) -> None:
    def origins(target: State, trigger: Trigger) -> dict[State, bool]:
        steps = {origin: step_to(flow, origin, target, trigger) for origin in STATES[flow]}
        return {origin: step.flagged for origin, step in steps.items() if step is not None}

    assert origins(State.FOR_DROP_OFF, Trigger.KIOSK_TRANSACTION) == {State.CREATED: False, State.CANCELLED: True}
    assert origins(State.DROPPED_OFF, Trigger.POS_TRANSACTION) == {
        State.FOR_DROP_OFF: False,
        State.CREATED: True,
        State.CANCELLED: True,
    }
    before = {State.CREATED, State.FOR_DROP_OFF}
    for trigger in (Trigger.MERCHANT_CANCELLATION, Trigger.EXPIRY):
        assert origins(State.CANCELLED, trigger) == dict.fromkeys(before, False)
    undone = origins(State.FOR_DROP_OFF, Trigger.POS_REVERSAL)
    assert undone == {state: state is not State.DROPPED_OFF for state in STATES[flow] - before - {State.CANCELLED}}


def test_a_seller_claims_what_came_back_and_a_late_claim_is_its_buyers_until_then() -> None:
    flow, claim = Flow.DROP_OFF_STORE, Trigger.POS_TRANSACTION
    by_seller = {State.DELIVERED_TO_STORE_SELLER} | {s for s in STATES[flow] if s.value.endswith("(left by seller)")}
    for origin in STATES[flow] - {State.CLAIMED, State.CLAIMED_SELLER}:
        step = step_by_status(flow, origin, "CLAIMED", claim)
        assert step is not None
        assert step.target is (State.CLAIMED_SELLER if origin in by_seller else State.CLAIMED)
        assert step.flagged == (origin not in {State.DELIVERED_TO_STORE, State.DELIVERED_TO_STORE_SELLER})
    reversal = step_by_status(flow, State.CLAIMED_SELLER, "DELIVERED TO STORE", Trigger.POS_REVERSAL)
    assert reversal is not None
    assert reversal.target is State.DELIVERED_TO_STORE_SELLER


def test_a_status_that_a_parcel_passes_twice_is_the_nearest_one_ahead() -> None:
    flow = Flow.DC_PICKUP
    assert _statuses(flow, State.CREATED, "ARRIVED AT WAREHOUSE") == TO_WAREHOUSE[flow][:3]
    assert _statuses(flow, State.DELIVERED_TO_STORE, "ARRIVED AT WAREHOUSE") == BACK[:4]


def test_rejection_is_a_branch_of_the_pickup_alone() -> None:
    assert _statuses(Flow.DC_PICKUP, State.CREATED, "REJECTED") == ["FOR PICK UP", "REJECTED"]
    assert _statuses(Flow.MERCHANT_DELIVERY, State.CREATED, "REJECTED") is None
    assert _statuses(Flow.DC_PICKUP, State.REJECTED, "DELIVERED TO WAREHOUSE") is None


@pytest.mark.parametrize("flow", Flow)
def test_no_route_goes_through_what_others_do(flow: Flow) -> None:
    for origin, target in product(STATES[flow], State):
        steps = route(flow, origin, target.status, regional=True) or ()
        assert not any(step.trigger in ELSEWHERE for step in steps)
    others = ("CLAIMED", "CANCELLED", "RETURNED", "FOR RETURN")
    for origin, status in product(STATES[flow], others):
        if origin.status != status:
            assert route(flow, origin, status, regional=False) is None


def test_the_merchant_can_cancel_until_the_parcel_is_loaded_for_its_store() -> None:
    late = {*AT_STORE, *BACK, *TO_MERCHANT, "CLAIMED", "CANCELLED", "REJECTED"}
    back = {State.BACK_ON_VEHICLE, State.BACK_AT_WAREHOUSE}
    early = {State.ON_VEHICLE_TO_WAREHOUSE, State.ARRIVED_AT_WAREHOUSE}
    for flow in SHIPMENTS:
        for origin in STATES[flow]:
            step = step_to(flow, origin, State.CANCELLED, Trigger.MERCHANT_CANCELLATION)
            allowed = origin in early or (origin.status not in late and origin not in back)
            assert (step is not None) == allowed, (flow, origin)


@pytest.mark.parametrize("flow", SHIPMENTS)
def test_a_claim_wins_over_whatever_was_decided_meanwhile(flow: Flow) -> None:
    for origin in STATES[flow]:
        step = step_to(flow, origin, State.CLAIMED, Trigger.POS_TRANSACTION)
        if origin is State.CLAIMED:
            assert step is None
        else:
            assert step is not None
            assert step.flagged == (origin is not State.DELIVERED_TO_STORE)
    reversible = {
        origin for origin in STATES[flow] if step_to(flow, origin, State.DELIVERED_TO_STORE, Trigger.POS_REVERSAL)
    }
    assert reversible == {State.CLAIMED}


@pytest.mark.parametrize("flow", RETURNS)
def test_the_counter_and_the_kiosk_on_a_return(flow: Flow) -> None:
    def origins(target: State, trigger: Trigger) -> dict[State, bool]:
        steps = {origin: step_to(flow, origin, target, trigger) for origin in STATES[flow]}
        return {origin: step.flagged for origin, step in steps.items() if step is not None}

    late = {State.CANCELLED: True}
    assert origins(State.FOR_RETURN, Trigger.KIOSK_TRANSACTION) == {State.CREATED: False} | late
    assert origins(State.RETURNED, Trigger.POS_TRANSACTION) == {State.FOR_RETURN: False, State.CREATED: True} | late
    assert origins(State.CANCELLED, Trigger.EXPIRY) == {State.CREATED: False, State.FOR_RETURN: False}
    reversals = origins(State.FOR_RETURN, Trigger.POS_REVERSAL)
    assert reversals.pop(State.RETURNED) is False
    assert set(reversals) == STATES[flow] - {State.CREATED, State.FOR_RETURN, State.RETURNED, State.CANCELLED}
    assert all(reversals.values())


@pytest.mark.parametrize("flow", Flow)
def test_every_state_and_trigger_is_decided_once(flow: Flow) -> None:
    rows = Counter((step.origin, step.target, step.trigger) for step in TABLE if step.flow is flow)
    assert set(rows.values()) == {1}
    for origin, target, trigger in product(State, State, Trigger):
        step = step_to(flow, origin, target, trigger)
        assert (step is not None) == ((origin, target, trigger) in rows)
    # Of each state there is at most one way on for each kind of zone, except where a person decides.
    for origin, regional in product(STATES[flow], (False, True)):
        own = [
            step.target
            for step in TABLE
            if step.flow is flow
            and step.origin is origin
            and step.trigger not in ELSEWHERE
            and step.regional in (None, regional)
        ]
        assert len(own) <= (2 if origin is State.FOR_PICK_UP else 1)


@pytest.mark.parametrize("flow", Flow)
def test_every_state_can_be_reached(flow: Flow) -> None:
    reached, frontier = {State.CREATED}, [State.CREATED]
    while frontier:
        origin = frontier.pop()
        new = {step.target for step in TABLE if step.flow is flow and step.origin is origin} - reached
        reached |= new
        frontier += new
    assert reached == STATES[flow]


@pytest.mark.parametrize("flow", Flow)
def test_what_is_published_alike_is_never_two_rows(flow: Flow) -> None:
    rows = Counter((step.origin, step.target.status, step.trigger) for step in TABLE if step.flow is flow)
    assert set(rows.values()) == {1}
    for step in TABLE:
        assert step_by_status(step.flow, step.origin, step.target.status, step.trigger) is step


@pytest.mark.parametrize(("flow", "zone"), list(product(Flow, (False, True))))
def test_a_parcel_is_never_stuck(flow: Flow, zone: bool) -> None:
    """Along its own road a parcel has ended, has one way on, or waits for the counter, the kiosk or the calendar."""
    frontier, seen = [State.CREATED], {State.CREATED}
    while frontier:
        state = frontier.pop()
        own = moves(flow, state, regional=zone, home_regional=zone)
        waits = step_to(flow, state, State.CANCELLED, Trigger.EXPIRY) is not None
        assert bool(own) + waits + has_ended(flow, state, regional=zone) == 1, state
        zones = {None, zone}
        new = {s.target for s in TABLE if s.flow is flow and s.origin is state and s.regional in zones} - seen
        seen |= new
        frontier += new
    assert END_STATES[flow] <= STATES[flow]


def test_the_document_shows_the_table() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), (
        "python -m connect_simulators.ecms.flows_document --write"
    )
