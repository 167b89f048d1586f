"""Every way a parcel can move, in one table.

Statuses and triggers are those of the published status flows: the two B2C flows, the seller's drop-off (C2C) and
the return flow. A row says in which flows a parcel may go from one state to the next and who makes it go. Whatever
the table does not name is refused; nothing moves a parcel but a row. `FLOWS.md` shows all of it.

A state is the published status, except that a parcel passes some statuses more than once (ON VEHICLE TO WAREHOUSE
on its way in and again on its way back, for instance): each later passage has states of its own, with a word in
brackets, which are published under the same status.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

_BACK = " (back)"
"""Not claimed, on its way from the store to the DC."""
_IN = " (in)"
"""Dropped off by its seller, and listed for the truck to the DC."""
_SELLER = " (to seller)"
"""Not claimed by its buyer, on its way to the store where it was dropped off, for its seller to claim."""
_LEFT = " (left by seller)"
"""Not claimed by its seller either."""


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
    DROP_OFF_STORE = "DROP_OFF_STORE"
    """A seller's package, dropped off at one store and claimed at another (C2C)."""
    DROP_OFF_DOOR = "DROP_OFF_DOOR"
    """A seller's package, dropped off at a store and brought to an address (C2C)."""


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
    FOR_DROP_OFF = "FOR DROP OFF"
    DROPPED_OFF = "DROPPED OFF"
    FOR_PULL_OUT_IN = "FOR PULL OUT" + _IN
    DELIVERED_TO_WAREHOUSE_SELLER = "DELIVERED TO WAREHOUSE" + _SELLER
    FOR_DELIVERY_SELLER = "FOR DELIVERY" + _SELLER
    IN_TRANSIT_SELLER = "IN-TRANSIT" + _SELLER
    DELIVERED_TO_WAREHOUSE_REGIONAL_SELLER = "DELIVERED TO WAREHOUSE_REGIONAL" + _SELLER
    IN_TRANSIT_REGIONAL_SELLER = "IN-TRANSIT_REGIONAL" + _SELLER
    ON_VEHICLE_TO_STORE_SELLER = "ON VEHICLE TO STORE" + _SELLER
    ARRIVED_AT_STORE_SELLER = "ARRIVED AT STORE" + _SELLER
    DELIVERED_TO_STORE_SELLER = "DELIVERED TO STORE" + _SELLER
    CLAIMED_SELLER = "CLAIMED" + _SELLER
    FOR_PULL_OUT_LEFT = "FOR PULL OUT" + _LEFT
    PULLED_OUT_FROM_STORE_LEFT = "PULLED OUT FROM STORE" + _LEFT
    ON_VEHICLE_LEFT = "ON VEHICLE TO WAREHOUSE" + _LEFT
    AT_WAREHOUSE_LEFT = "ARRIVED AT WAREHOUSE" + _LEFT

    @property
    def status(self) -> str:
        """The published status."""
        return self.value.partition(" (")[0]

    @property
    def on_sellers_leg(self) -> bool:
        """Whether the parcel goes to, waits at or left the store where its seller had dropped it off."""
        return self.value.endswith((_SELLER, _LEFT))


class Trigger(StrEnum):
    """What makes a parcel move."""

    MERCHANT_CANCELLATION = "Merchant API transaction cancellation"
    ECMS_JOB = "ECMS job"
    EXPIRY = "ECMS job, expiry"
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
    Trigger.EXPIRY: "ecms",
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
        Trigger.EXPIRY,
        Trigger.KIOSK_TRANSACTION,
        Trigger.POS_TRANSACTION,
        Trigger.POS_REVERSAL,
    }
)
"""Triggers that come from outside ECMS, or with time alone; the rest are its own, and `route` plays them."""

SCANS = (
    Trigger.TRUCKER_SCANNING,
    Trigger.DC_SCANNING,
    Trigger.REGIONAL_SCANNING,
    Trigger.SBS_RECEIVING,
    Trigger.SBS_RETURNS,
    Trigger.ECMS_JOB,
)
"""What the control port makes a parcel move by."""


def trigger_named(text: str) -> Trigger:
    """A trigger by the published word for it, whatever its capitals; ValueError for others."""
    for trigger in SCANS:
        if trigger.casefold() == text.strip().casefold():
            return trigger
    raise ValueError(f"must be one of {', '.join(SCANS)}")


@dataclass(frozen=True, slots=True)
class Step:
    """One row: in `flow`, `trigger` takes a parcel from `origin` to `target`.

    `regional` is None where the store's zone does not matter, True for parcels that pass a regional warehouse
    alone, False for the others; on the way to the seller it is the zone of the seller's store. `flagged` marks what
    the counter did although ECMS had decided otherwise meanwhile.
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
_C2C = (Flow.DROP_OFF_STORE,)
_DROP_OFFS = (Flow.DROP_OFF_STORE, Flow.DROP_OFF_DOOR)
_TO_STORE = _BOTH + _C2C
_OUTWARD = _BOTH + _DROP_OFFS
_PULLED_OUT = _ALL + _C2C
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
    # Dropped off by its seller. The truck that fetches what is to be pulled out takes it along.
    (_DROP_OFFS, _S.CREATED, _S.FOR_DROP_OFF, _T.KIOSK_TRANSACTION, None),
    (_DROP_OFFS, _S.FOR_DROP_OFF, _S.DROPPED_OFF, _T.POS_TRANSACTION, None),
    (_DROP_OFFS, _S.DROPPED_OFF, _S.FOR_DROP_OFF, _T.POS_REVERSAL, None),
    (_DROP_OFFS, _S.DROPPED_OFF, _S.FOR_PULL_OUT_IN, _T.ECMS_JOB, None),
    (_DROP_OFFS, _S.FOR_PULL_OUT_IN, _S.ON_VEHICLE_TO_WAREHOUSE, _T.TRUCKER_SCANNING, None),
    (_DROP_OFFS, _S.ON_VEHICLE_TO_WAREHOUSE, _S.ARRIVED_AT_WAREHOUSE, _T.TRUCKER_SCANNING, None),
    (_DROP_OFFS, _S.ARRIVED_AT_WAREHOUSE, _S.DELIVERED_TO_WAREHOUSE, _T.DC_SCANNING, None),
    # Out, through the region's warehouse where there is one, to the store. Of a package for an address no status is
    # published beyond the last IN-TRANSIT.
    (_OUTWARD, _S.DELIVERED_TO_WAREHOUSE, _S.FOR_DELIVERY, _T.ECMS_JOB, None),
    (_OUTWARD, _S.FOR_DELIVERY, _S.IN_TRANSIT, _T.DC_SCANNING, None),
    (_TO_STORE, _S.IN_TRANSIT, _S.ON_VEHICLE_TO_STORE, _T.TRUCKER_SCANNING, False),
    (_OUTWARD, _S.IN_TRANSIT, _S.DELIVERED_TO_WAREHOUSE_REGIONAL, _T.REGIONAL_SCANNING, True),
    (_OUTWARD, _S.DELIVERED_TO_WAREHOUSE_REGIONAL, _S.IN_TRANSIT_REGIONAL, _T.REGIONAL_SCANNING, True),
    (_TO_STORE, _S.IN_TRANSIT_REGIONAL, _S.ON_VEHICLE_TO_STORE, _T.TRUCKER_SCANNING, True),
    (_TO_STORE, _S.ON_VEHICLE_TO_STORE, _S.ARRIVED_AT_STORE, _T.TRUCKER_SCANNING, None),
    (_TO_STORE, _S.ARRIVED_AT_STORE, _S.DELIVERED_TO_STORE, _T.SBS_RECEIVING, None),
    # Claimed, or its claim undone.
    (_TO_STORE, _S.DELIVERED_TO_STORE, _S.CLAIMED, _T.POS_TRANSACTION, None),
    (_TO_STORE, _S.CLAIMED, _S.DELIVERED_TO_STORE, _T.POS_REVERSAL, None),
    # A return: the kiosk gives the code out, the counter takes the package.
    (_RETURNS, _S.CREATED, _S.FOR_RETURN, _T.KIOSK_TRANSACTION, None),
    (_RETURNS, _S.FOR_RETURN, _S.RETURNED, _T.POS_TRANSACTION, None),
    (_RETURNS, _S.RETURNED, _S.FOR_RETURN, _T.POS_REVERSAL, None),
    # Back: what nobody claimed, and what was returned.
    (_TO_STORE, _S.DELIVERED_TO_STORE, _S.FOR_PULL_OUT, _T.ECMS_JOB, None),
    (_RETURNS, _S.RETURNED, _S.FOR_PULL_OUT, _T.ECMS_JOB, None),
    (_PULLED_OUT, _S.FOR_PULL_OUT, _S.PULLED_OUT_FROM_STORE, _T.SBS_RETURNS, None),
    (_PULLED_OUT, _S.PULLED_OUT_FROM_STORE, _S.BACK_ON_VEHICLE, _T.TRUCKER_SCANNING, None),
    (_PULLED_OUT, _S.BACK_ON_VEHICLE, _S.BACK_AT_WAREHOUSE, _T.TRUCKER_SCANNING, None),
    (_ALL, _S.BACK_AT_WAREHOUSE, _S.FOR_RETURN_TO_MERCHANT, _T.DC_SCANNING, None),
    (_PULLED_OUT, _S.FOR_RETURN_TO_MERCHANT, _S.RETURNED_TO_MERCHANT, _T.DC_SCANNING, None),
    (_BROUGHT_BACK, _S.RETURNED_TO_MERCHANT, _S.ON_VEHICLE_TO_MERCHANT, _T.TRUCKER_SCANNING, None),
    (_BROUGHT_BACK, _S.ON_VEHICLE_TO_MERCHANT, _S.ARRIVED_AT_MERCHANT, _T.TRUCKER_SCANNING, None),
    # What a seller dropped off and the buyer left goes to the store where it was dropped off, for the seller.
    (_C2C, _S.BACK_AT_WAREHOUSE, _S.DELIVERED_TO_WAREHOUSE_SELLER, _T.DC_SCANNING, None),
    (_C2C, _S.DELIVERED_TO_WAREHOUSE_SELLER, _S.FOR_DELIVERY_SELLER, _T.ECMS_JOB, None),
    (_C2C, _S.FOR_DELIVERY_SELLER, _S.IN_TRANSIT_SELLER, _T.DC_SCANNING, None),
    (_C2C, _S.IN_TRANSIT_SELLER, _S.ON_VEHICLE_TO_STORE_SELLER, _T.TRUCKER_SCANNING, False),
    (_C2C, _S.IN_TRANSIT_SELLER, _S.DELIVERED_TO_WAREHOUSE_REGIONAL_SELLER, _T.REGIONAL_SCANNING, True),
    (_C2C, _S.DELIVERED_TO_WAREHOUSE_REGIONAL_SELLER, _S.IN_TRANSIT_REGIONAL_SELLER, _T.REGIONAL_SCANNING, True),
    (_C2C, _S.IN_TRANSIT_REGIONAL_SELLER, _S.ON_VEHICLE_TO_STORE_SELLER, _T.TRUCKER_SCANNING, True),
    (_C2C, _S.ON_VEHICLE_TO_STORE_SELLER, _S.ARRIVED_AT_STORE_SELLER, _T.TRUCKER_SCANNING, None),
    (_C2C, _S.ARRIVED_AT_STORE_SELLER, _S.DELIVERED_TO_STORE_SELLER, _T.SBS_RECEIVING, None),
    (_C2C, _S.DELIVERED_TO_STORE_SELLER, _S.CLAIMED_SELLER, _T.POS_TRANSACTION, None),
    (_C2C, _S.CLAIMED_SELLER, _S.DELIVERED_TO_STORE_SELLER, _T.POS_REVERSAL, None),
    # Left by the seller too, it waits at the DC for its merchant.
    (_C2C, _S.DELIVERED_TO_STORE_SELLER, _S.FOR_PULL_OUT_LEFT, _T.ECMS_JOB, None),
    (_C2C, _S.FOR_PULL_OUT_LEFT, _S.PULLED_OUT_FROM_STORE_LEFT, _T.SBS_RETURNS, None),
    (_C2C, _S.PULLED_OUT_FROM_STORE_LEFT, _S.ON_VEHICLE_LEFT, _T.TRUCKER_SCANNING, None),
    (_C2C, _S.ON_VEHICLE_LEFT, _S.AT_WAREHOUSE_LEFT, _T.TRUCKER_SCANNING, None),
    (_C2C, _S.AT_WAREHOUSE_LEFT, _S.FOR_RETURN_TO_MERCHANT, _T.DC_SCANNING, None),
    # What nobody brought in time.
    (_RETURNS, _S.CREATED, _S.CANCELLED, _T.EXPIRY, None),
    (_RETURNS, _S.FOR_RETURN, _S.CANCELLED, _T.EXPIRY, None),
    (_DROP_OFFS, _S.CREATED, _S.CANCELLED, _T.EXPIRY, None),
    (_DROP_OFFS, _S.FOR_DROP_OFF, _S.CANCELLED, _T.EXPIRY, None),
)

END_STATES: dict[Flow, frozenset[State]] = {
    Flow.MERCHANT_DELIVERY: frozenset({_S.CLAIMED, _S.CANCELLED, _S.RETURNED_TO_MERCHANT}),
    Flow.DC_PICKUP: frozenset({_S.CLAIMED, _S.CANCELLED, _S.REJECTED, _S.ARRIVED_AT_MERCHANT}),
    Flow.RETURN_COLLECTED: frozenset({_S.CANCELLED, _S.RETURNED_TO_MERCHANT}),
    Flow.RETURN_DELIVERED: frozenset({_S.CANCELLED, _S.ARRIVED_AT_MERCHANT}),
    Flow.DROP_OFF_STORE: frozenset({_S.CLAIMED, _S.CLAIMED_SELLER, _S.CANCELLED, _S.RETURNED_TO_MERCHANT}),
    Flow.DROP_OFF_DOOR: frozenset({_S.CANCELLED, _S.IN_TRANSIT, _S.IN_TRANSIT_REGIONAL}),
}
"""Where a parcel's way ends (for an address in a region, only the last of the two IN-TRANSITs does). Nothing but the
counter moves it from there, which can undo a claim or have taken what was cancelled meanwhile.
"""

# The merchant may cancel until the parcel is loaded for its store, a booked drop-off until it is dropped off.
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
    (_DROP_OFFS, _S.CREATED),
    (_DROP_OFFS, _S.FOR_DROP_OFF),
)

_SELLERS = frozenset({_S.FOR_PULL_OUT_LEFT, _S.PULLED_OUT_FROM_STORE_LEFT, _S.ON_VEHICLE_LEFT, _S.AT_WAREHOUSE_LEFT})
_CLAIMS = frozenset({_S.CLAIMED, _S.CLAIMED_SELLER})
_NOT_IN_YET = frozenset({_S.CREATED, _S.FOR_RETURN, _S.FOR_DROP_OFF, _S.CANCELLED})

# What the counter did wins over what was decided meanwhile: these rows exist, flagged, for every other state
# of the flow, too. Left out are the states in which the counter cannot have done it: claimed already, or not
# taken in yet.
_COUNTER_WINS: tuple[tuple[tuple[Flow, ...], State, Trigger, frozenset[State]], ...] = (
    (_BOTH, _S.CLAIMED, _T.POS_TRANSACTION, _CLAIMS),
    (_C2C, _S.CLAIMED, _T.POS_TRANSACTION, _CLAIMS | _SELLERS | {_S.DELIVERED_TO_STORE_SELLER}),
    (_C2C, _S.CLAIMED_SELLER, _T.POS_TRANSACTION, frozenset(State) - _SELLERS),
    (_RETURNS, _S.RETURNED, _T.POS_TRANSACTION, frozenset(State) - {_S.CREATED, _S.CANCELLED}),
    (_RETURNS, _S.FOR_RETURN, _T.POS_REVERSAL, _NOT_IN_YET),
    (_DROP_OFFS, _S.DROPPED_OFF, _T.POS_TRANSACTION, frozenset(State) - {_S.CREATED, _S.CANCELLED}),
    (_DROP_OFFS, _S.FOR_DROP_OFF, _T.POS_REVERSAL, _NOT_IN_YET),
    # A code that the kiosk gave out, or a label that it printed, a moment before the cancellation was heard of: what
    # the counter did with it comes next, and must find its way.
    (_RETURNS, _S.FOR_RETURN, _T.KIOSK_TRANSACTION, frozenset(State) - {_S.CANCELLED}),
    (_DROP_OFFS, _S.FOR_DROP_OFF, _T.KIOSK_TRANSACTION, frozenset(State) - {_S.CANCELLED}),
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

_OWN: dict[tuple[Flow, State], list[Step]] = {}
for _step in TABLE:
    if _step.trigger not in ELSEWHERE:
        _OWN.setdefault((_step.flow, _step.origin), []).append(_step)

_STEPS = {(step.flow, step.origin, step.target, step.trigger): step for step in TABLE}


def step_to(flow: Flow, origin: State, target: State, trigger: Trigger) -> Step | None:
    """The row by which `trigger` takes a parcel from `origin` to `target`, or None: it is refused."""
    return _STEPS.get((flow, origin, target, trigger))


_BY_STATUS = {(step.flow, step.origin, step.target.status, step.trigger): step for step in TABLE}


def step_by_status(flow: Flow, origin: State, status: str, trigger: Trigger) -> Step | None:
    """The row by which `trigger` takes a parcel from `origin` to what is published as `status`; there is never
    more than one.
    """
    return _BY_STATUS.get((flow, origin, status, trigger))


def moves(flow: Flow, origin: State, *, regional: bool, home_regional: bool = False) -> tuple[Step, ...]:
    """ECMS's own steps from `origin`, for a parcel whose store (`regional`) or whose seller's store
    (`home_regional`) lies behind a regional warehouse.
    """
    zones = {None, home_regional if origin.on_sellers_leg else regional}
    return tuple(step for step in _OWN.get((flow, origin), ()) if step.regional in zones)


def has_ended(flow: Flow, state: State, *, regional: bool) -> bool:
    """Whether nothing of ECMS's own happens to the parcel any more."""
    return state in END_STATES[flow] and not (flow is Flow.DROP_OFF_DOOR and moves(flow, state, regional=regional))


def route(
    flow: Flow, origin: State, status: str, *, regional: bool, home_regional: bool = False
) -> tuple[Step, ...] | None:
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
        for step in moves(flow, state, regional=regional, home_regional=home_regional):
            if step.target not in seen:
                seen.add(step.target)
                ways.append((step.target, (*way, step)))
    return None
