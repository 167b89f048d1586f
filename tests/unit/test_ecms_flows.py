"""The ECMS simulator's transition table against the published status flows. Needs nothing; well under a second."""

from collections import Counter
from itertools import product

import pytest
from connect_simulators.ecms.flows import ELSEWHERE, STATES, TABLE, Flow, State, Trigger, route, step_to

SHIPMENTS = (Flow.MERCHANT_DELIVERY, Flow.DC_PICKUP)
RETURNS = (Flow.RETURN_COLLECTED, Flow.RETURN_DELIVERED)

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

    assert origins(State.FOR_RETURN, Trigger.KIOSK_TRANSACTION) == {State.CREATED: False}
    assert origins(State.RETURNED, Trigger.POS_TRANSACTION) == {State.FOR_RETURN: False, State.CREATED: True}
    reversals = origins(State.FOR_RETURN, Trigger.POS_REVERSAL)
    assert reversals.pop(State.RETURNED) is False
    assert set(reversals) == STATES[flow] - {State.CREATED, State.FOR_RETURN, State.RETURNED}
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
