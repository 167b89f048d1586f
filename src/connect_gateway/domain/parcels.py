"""What ECMS tells the gateway: references to keep, and statuses that move them."""

from dataclasses import dataclass, replace
from datetime import datetime

from connect_gateway.domain.records import Reference
from connect_gateway.domain.states import PARCEL_KINDS, TRANSITIONS, Kind, State, Trigger, trigger_of_status


@dataclass(slots=True, frozen=True)
class Status:
    """One status of a parcel. `location` is a 4-digit store or site; `at` is ECMS's own time of it."""

    tracking_number: str
    status: str
    location: str
    at: datetime


def apply_status(reference: Reference, status: Status, now: datetime, *, dropped_off: bool = False) -> Reference | None:
    """The reference as the status leaves it, or None where it moves nothing.

    A status older than the newest one that counted is a late arrival; of equal times the one that arrives later
    counts, except that only a newer arrival opens what was pulled out. What the counter has done is moved by no status.
    `dropped_off` says that the parcel began as a seller's drop-off: its first FOR PULL OUT is how it leaves the store
    where it was dropped off, and says nothing to the buyer, whose store it has not reached.
    """
    trigger = trigger_of_status(reference.kind, status.status)
    if trigger is None or (reference.status_at is not None and status.at < reference.status_at):
        return None
    if dropped_off and trigger is Trigger.PULL_OUT and reference.state is State.NOT_READY:
        return None
    # An arrival is told of a parcel that has lapsed, too; the lapse is how it looks, not where it stands.
    standing = reference.state if trigger is Trigger.ARRIVE else reference.state_at(now)
    target = TRANSITIONS.get((standing, trigger))
    if target is None:
        return None
    if standing is State.PULLED_OUT and trigger is Trigger.ARRIVE and status.at == reference.status_at:
        # Of equal times this may be the arrival from before, repeated; only what is newer for sure goes back.
        return None
    return replace(
        reference,
        state=target,
        store_id=status.location if trigger is Trigger.ARRIVE else reference.store_id,
        status_at=status.at,
    )


def state_of_new(kind: Kind) -> State:
    """A parcel has to arrive before anybody can claim it; everything else is open from the start."""
    return State.NOT_READY if kind in PARCEL_KINDS else State.OPEN
