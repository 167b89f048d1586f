"""Every way a parcel can move, in one table.

Statuses and triggers are those of the published status flows: the two B2C flows and the return flow. A row
says in which flows a parcel may go from one state to the next and who makes it go. Whatever the table does
not name is refused; nothing moves a parcel but a row.

A state is the published status, except that a parcel passes ON VEHICLE TO WAREHOUSE and ARRIVED AT WAREHOUSE
on its way in and again on its way back: the way back has states of its own, which are published under the
same status.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

_BACK = " (back)"


class Flow(StrEnum):
    """Which road a parcel takes; a merchant's setting decides it."""

    MERCHANT_DELIVERY = "MERCHANT_DELIVERY"
    """The merchant delivers to the DC, and fetches there what comes back."""
    DC_PICKUP = "DC_PICKUP"
    """The DC's trucks fetch parcels from the seller, and bring back there what comes back."""
    RETURN_COLLECTED = "RETURN_COLLECTED"
    """A customer's return, fetched by the merchant at the DC."""
    RETURN_DELIVERED = "RETURN_DELIVERED"
    """A customer's return, brought to the merchant."""


class State(StrEnum):
    """Where a parcel is in its flow."""

    CREATED = "CREATED/ CONFIRMED"
    CANCELLED = "CANCELLED"
    FOR_PICK_UP = "FOR PICK UP"
    REJECTED = "REJECTED"
    ON_VEHICLE_TO_WAREHOUSE = "ON VEHICLE TO WAREHOUSE"
    ARRIVED_AT_WAREHOUSE = "ARRIVED AT WAREHOUSE"
    DELIVERED_TO_WAREHOUSE = "DELIVERED TO WAREHOUSE"
    FOR_DELIVERY = "FOR DELIVERY"
    IN_TRANSIT = "IN-TRANSIT"
    DELIVERED_TO_WAREHOUSE_REGIONAL = "DELIVERED TO WAREHOUSE_REGIONAL"
    IN_TRANSIT_REGIONAL = "IN-TRANSIT_REGIONAL"
    ON_VEHICLE_TO_STORE = "ON VEHICLE TO STORE"
    ARRIVED_AT_STORE = "ARRIVED AT STORE"
    DELIVERED_TO_STORE = "DELIVERED TO STORE"
    CLAIMED = "CLAIMED"
    FOR_RETURN = "FOR RETURN"
    RETURNED = "RETURNED"
    FOR_PULL_OUT = "FOR PULL OUT"
    PULLED_OUT_FROM_STORE = "PULLED OUT FROM STORE"
    BACK_ON_VEHICLE = "ON VEHICLE TO WAREHOUSE" + _BACK
    BACK_AT_WAREHOUSE = "ARRIVED AT WAREHOUSE" + _BACK
    FOR_RETURN_TO_MERCHANT = "FOR RETURN TO MERCHANT"
    RETURNED_TO_MERCHANT = "RETURNED TO MERCHANT"
    ON_VEHICLE_TO_MERCHANT = "ON VEHICLE TO MERCHANT"
    ARRIVED_AT_MERCHANT = "ARRIVED AT MERCHANT"
    # Of the seller's drop-off, which has no flow in this table: the gateway may tell them, and no parcel
    # takes them.
    FOR_DROP_OFF = "FOR DROP OFF"
    DROPPED_OFF = "DROPPED OFF"

    @property
    def status(self) -> str:
        """The published status."""
        return self.value.removesuffix(_BACK)


class Trigger(StrEnum):
    """What makes a parcel move."""

    MERCHANT_CANCELLATION = "Merchant API transaction cancellation"
    ECMS_JOB = "ECMS job"
    TRUCKER_SCANNING = "Trucker scanning"
    DC_SCANNING = "DC scanning"
    REGIONAL_SCANNING = "Regional scanning"
    SBS_RECEIVING = "SBS receiving"
    SBS_RETURNS = "SBS Returns"
    KIOSK_TRANSACTION = "Kiosk transaction"
    POS_TRANSACTION = "POS transaction"
    POS_REVERSAL = "POS reversal"

    @property
    def source(self) -> str:
        """Who that is, as a parcel's history names it."""
        return _SOURCES[self]


_SOURCES = {
    Trigger.MERCHANT_CANCELLATION: "merchant",
    Trigger.ECMS_JOB: "ecms",
    Trigger.TRUCKER_SCANNING: "trucker",
    Trigger.DC_SCANNING: "dc",
    Trigger.REGIONAL_SCANNING: "regional",
    Trigger.SBS_RECEIVING: "store",
    Trigger.SBS_RETURNS: "store",
    Trigger.KIOSK_TRANSACTION: "kiosk",
    Trigger.POS_TRANSACTION: "counter",
    Trigger.POS_REVERSAL: "counter",
}

ELSEWHERE = frozenset(
    {
        Trigger.MERCHANT_CANCELLATION,
        Trigger.KIOSK_TRANSACTION,
        Trigger.POS_TRANSACTION,
        Trigger.POS_REVERSAL,
    }
)
"""Triggers that come from outside ECMS; the rest are its own, and `route` plays them."""


@dataclass(frozen=True, slots=True)
class Step:
    """One row: in `flow`, `trigger` takes a parcel from `origin` to `target`.

    `regional` is None where the store's zone does not matter, True for parcels that pass a regional warehouse
    alone, False for the others. `flagged` marks what the counter did although ECMS had decided otherwise
    meanwhile.
    """

    flow: Flow
    origin: State
    target: State
    trigger: Trigger
    regional: bool | None = None
    flagged: bool = False


_BOTH = (Flow.MERCHANT_DELIVERY, Flow.DC_PICKUP)
_PICKUP = (Flow.DC_PICKUP,)
_RETURNS = (Flow.RETURN_COLLECTED, Flow.RETURN_DELIVERED)
_ALL = _BOTH + _RETURNS
_BROUGHT_BACK = (Flow.DC_PICKUP, Flow.RETURN_DELIVERED)

_S, _T = State, Trigger

_ROWS: tuple[tuple[tuple[Flow, ...], State, State, Trigger, bool | None], ...] = (
    # Into the warehouse.
    ((Flow.MERCHANT_DELIVERY,), _S.CREATED, _S.DELIVERED_TO_WAREHOUSE, _T.DC_SCANNING, None),
    (_PICKUP, _S.CREATED, _S.FOR_PICK_UP, _T.ECMS_JOB, None),
    (_PICKUP, _S.FOR_PICK_UP, _S.REJECTED, _T.TRUCKER_SCANNING, None),
    (_PICKUP, _S.FOR_PICK_UP, _S.ON_VEHICLE_TO_WAREHOUSE, _T.TRUCKER_SCANNING, None),
    (_PICKUP, _S.ON_VEHICLE_TO_WAREHOUSE, _S.ARRIVED_AT_WAREHOUSE, _T.TRUCKER_SCANNING, None),
    (_PICKUP, _S.ARRIVED_AT_WAREHOUSE, _S.DELIVERED_TO_WAREHOUSE, _T.DC_SCANNING, None),
    # Out to the store, through the region's warehouse where there is one.
    (_BOTH, _S.DELIVERED_TO_WAREHOUSE, _S.FOR_DELIVERY, _T.ECMS_JOB, None),
    (_BOTH, _S.FOR_DELIVERY, _S.IN_TRANSIT, _T.DC_SCANNING, None),
    (_BOTH, _S.IN_TRANSIT, _S.ON_VEHICLE_TO_STORE, _T.TRUCKER_SCANNING, False),
    (_BOTH, _S.IN_TRANSIT, _S.DELIVERED_TO_WAREHOUSE_REGIONAL, _T.REGIONAL_SCANNING, True),
    (_BOTH, _S.DELIVERED_TO_WAREHOUSE_REGIONAL, _S.IN_TRANSIT_REGIONAL, _T.REGIONAL_SCANNING, True),
    (_BOTH, _S.IN_TRANSIT_REGIONAL, _S.ON_VEHICLE_TO_STORE, _T.TRUCKER_SCANNING, True),
    (_BOTH, _S.ON_VEHICLE_TO_STORE, _S.ARRIVED_AT_STORE, _T.TRUCKER_SCANNING, None),
    (_BOTH, _S.ARRIVED_AT_STORE, _S.DELIVERED_TO_STORE, _T.SBS_RECEIVING, None),
    # Claimed, or its claim undone.
    (_BOTH, _S.DELIVERED_TO_STORE, _S.CLAIMED, _T.POS_TRANSACTION, None),
    (_BOTH, _S.CLAIMED, _S.DELIVERED_TO_STORE, _T.POS_REVERSAL, None),
    # A return: the kiosk gives the code out, the counter takes the package.
    (_RETURNS, _S.CREATED, _S.FOR_RETURN, _T.KIOSK_TRANSACTION, None),
    (_RETURNS, _S.FOR_RETURN, _S.RETURNED, _T.POS_TRANSACTION, None),
    (_RETURNS, _S.RETURNED, _S.FOR_RETURN, _T.POS_REVERSAL, None),
    # Back: what nobody claimed, and what was returned.
    (_BOTH, _S.DELIVERED_TO_STORE, _S.FOR_PULL_OUT, _T.ECMS_JOB, None),
    (_RETURNS, _S.RETURNED, _S.FOR_PULL_OUT, _T.ECMS_JOB, None),
    (_ALL, _S.FOR_PULL_OUT, _S.PULLED_OUT_FROM_STORE, _T.SBS_RETURNS, None),
    (_ALL, _S.PULLED_OUT_FROM_STORE, _S.BACK_ON_VEHICLE, _T.TRUCKER_SCANNING, None),
    (_ALL, _S.BACK_ON_VEHICLE, _S.BACK_AT_WAREHOUSE, _T.TRUCKER_SCANNING, None),
    (_ALL, _S.BACK_AT_WAREHOUSE, _S.FOR_RETURN_TO_MERCHANT, _T.DC_SCANNING, None),
    (_ALL, _S.FOR_RETURN_TO_MERCHANT, _S.RETURNED_TO_MERCHANT, _T.DC_SCANNING, None),
    (_BROUGHT_BACK, _S.RETURNED_TO_MERCHANT, _S.ON_VEHICLE_TO_MERCHANT, _T.TRUCKER_SCANNING, None),
    (_BROUGHT_BACK, _S.ON_VEHICLE_TO_MERCHANT, _S.ARRIVED_AT_MERCHANT, _T.TRUCKER_SCANNING, None),
)

# The merchant may cancel until the parcel is loaded for its store.
_CANCELLABLE: tuple[tuple[tuple[Flow, ...], State], ...] = (
    (_BOTH, _S.CREATED),
    (_PICKUP, _S.FOR_PICK_UP),
    (_PICKUP, _S.ON_VEHICLE_TO_WAREHOUSE),
    (_PICKUP, _S.ARRIVED_AT_WAREHOUSE),
    (_BOTH, _S.DELIVERED_TO_WAREHOUSE),
    (_BOTH, _S.FOR_DELIVERY),
    (_BOTH, _S.IN_TRANSIT),
    (_BOTH, _S.DELIVERED_TO_WAREHOUSE_REGIONAL),
    (_BOTH, _S.IN_TRANSIT_REGIONAL),
)

# What the counter did wins over what was decided meanwhile: these rows exist, flagged, for every other state
# of the flow, too. Left out are the states in which the counter cannot have done it: claimed already, or not
# taken in yet.
_COUNTER_WINS: tuple[tuple[tuple[Flow, ...], State, Trigger, frozenset[State]], ...] = (
    (_BOTH, _S.CLAIMED, _T.POS_TRANSACTION, frozenset({_S.CLAIMED})),
    (_RETURNS, _S.RETURNED, _T.POS_TRANSACTION, frozenset(State) - {_S.CREATED}),
    (_RETURNS, _S.FOR_RETURN, _T.POS_REVERSAL, frozenset({_S.CREATED, _S.FOR_RETURN})),
)


def _states_of(flow: Flow, steps: Iterable[Step]) -> frozenset[State]:
    return frozenset(state for step in steps if step.flow is flow for state in (step.origin, step.target))


def _table() -> tuple[Step, ...]:
    steps = [
        Step(flow, origin, target, trigger, regional)
        for flows, origin, target, trigger, regional in _ROWS
        for flow in flows
    ]
    steps += [
        Step(flow, origin, State.CANCELLED, Trigger.MERCHANT_CANCELLATION)
        for flows, origin in _CANCELLABLE
        for flow in flows
    ]
    regular = {(step.flow, step.origin, step.target, step.trigger) for step in steps}
    for flows, target, trigger, excluded in _COUNTER_WINS:
        for flow in flows:
            for origin in sorted(_states_of(flow, steps) - excluded):
                if (flow, origin, target, trigger) not in regular:
                    steps.append(Step(flow, origin, target, trigger, flagged=True))
    return tuple(steps)


TABLE = _table()
STATES = {flow: _states_of(flow, TABLE) for flow in Flow}
"""The states that a parcel of each flow can be in."""

_STEPS = {(step.flow, step.origin, step.target, step.trigger): step for step in TABLE}


def step_to(flow: Flow, origin: State, target: State, trigger: Trigger) -> Step | None:
    """The row by which `trigger` takes a parcel from `origin` to `target`, or None: it is refused."""
    return _STEPS.get((flow, origin, target, trigger))


def route(flow: Flow, origin: State, status: str, *, regional: bool) -> tuple[Step, ...] | None:
    """ECMS's own steps from `origin` to the nearest state that is published as `status`; None where no way
    leads there.

    The counter's, the kiosk's and the merchant's steps are theirs: no route goes through them.
    """
    ways: deque[tuple[State, tuple[Step, ...]]] = deque([(origin, ())])
    seen = {origin}
    while ways:
        state, way = ways.popleft()
        if state.status == status:
            return way
        for step in TABLE:
            if step.flow is not flow or step.origin is not state or step.target in seen:
                continue
            if step.trigger in ELSEWHERE or step.regional not in (None, regional):
                continue
            seen.add(step.target)
            ways.append((step.target, (*way, step)))
    return None
