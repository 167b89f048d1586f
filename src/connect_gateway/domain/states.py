"""The states of a reference and every move between them, in one table.

A reference is what a clerk scans. Its state moves because of three parties: ECMS (a parcel arrives, is cancelled,
is pulled out), the counter (done, reversed) and the calendar (it lapses). Whatever stands not in `TRANSITIONS` does
not move the reference. `protocol/` shows the table as a diagram that is generated from here.

`EXPIRED` is never stored: it is how NOT_READY and OPEN look from `expires_at` on, so that no job has to run for
a code to stop being good.
"""

from enum import StrEnum


class Kind(StrEnum):
    """What a reference is for (`PAY_AND_CLAIM` is cash on delivery, `CLAIM` is prepaid)."""

    PAY_AND_CLAIM = "PAY_AND_CLAIM"
    CLAIM = "CLAIM"
    PAY = "PAY"
    RETURN = "RETURN"
    DROP_OFF = "DROP_OFF"


class TransactionType(StrEnum):
    """What a clerk does with a reference."""

    COLLECT = "COLLECT"
    CLAIM = "CLAIM"
    PAY = "PAY"
    ACCEPT_RETURN = "ACCEPT_RETURN"
    DROP_OFF = "DROP_OFF"


ACTION_OF_KIND = {
    Kind.PAY_AND_CLAIM: TransactionType.COLLECT,
    Kind.CLAIM: TransactionType.CLAIM,
    Kind.PAY: TransactionType.PAY,
    Kind.RETURN: TransactionType.ACCEPT_RETURN,
    Kind.DROP_OFF: TransactionType.DROP_OFF,
}

PARCEL_KINDS = frozenset({Kind.PAY_AND_CLAIM, Kind.CLAIM})
"""Kinds whose parcel waits at one store; the others are taken at any store."""

CASH_TYPES = frozenset({TransactionType.COLLECT, TransactionType.PAY, TransactionType.DROP_OFF})
"""Types in which the clerk takes cash from the customer; for a drop-off where there is a fee."""


class State(StrEnum):
    """Where a reference stands."""

    NOT_READY = "NOT_READY"
    OPEN = "OPEN"
    DONE = "DONE"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    PULLED_OUT = "PULLED_OUT"


class Trigger(StrEnum):
    """What can move a reference."""

    ARRIVE = "ARRIVE"
    CANCEL = "CANCEL"
    PULL_OUT = "PULL_OUT"
    LAPSE = "LAPSE"
    PERFORM = "PERFORM"
    ACCEPT = "ACCEPT"
    REVERSE = "REVERSE"


TRANSITIONS: dict[tuple[State, Trigger], State] = {
    (State.NOT_READY, Trigger.ARRIVE): State.OPEN,
    (State.NOT_READY, Trigger.CANCEL): State.CANCELLED,
    (State.NOT_READY, Trigger.PULL_OUT): State.PULLED_OUT,
    (State.NOT_READY, Trigger.LAPSE): State.EXPIRED,
    # A second arrival is the parcel at another store, and says which.
    (State.OPEN, Trigger.ARRIVE): State.OPEN,
    (State.OPEN, Trigger.CANCEL): State.CANCELLED,
    (State.OPEN, Trigger.PULL_OUT): State.PULLED_OUT,
    (State.OPEN, Trigger.LAPSE): State.EXPIRED,
    (State.OPEN, Trigger.PERFORM): State.DONE,
    # A disputed sale that a person accepts: the parcel has gone, whatever was decided of it meanwhile.
    (State.NOT_READY, Trigger.ACCEPT): State.DONE,
    (State.OPEN, Trigger.ACCEPT): State.DONE,
    (State.CANCELLED, Trigger.ACCEPT): State.DONE,
    (State.EXPIRED, Trigger.ACCEPT): State.DONE,
    (State.PULLED_OUT, Trigger.ACCEPT): State.DONE,
    # Nothing but a reversal moves what the counter has done.
    (State.DONE, Trigger.REVERSE): State.OPEN,
    # Of what has lapsed, ECMS may still say what became of it.
    (State.EXPIRED, Trigger.CANCEL): State.CANCELLED,
    (State.EXPIRED, Trigger.PULL_OUT): State.PULLED_OUT,
    # A parcel on its way back may be brought to a store once more (a seller's own, for instance).
    (State.PULLED_OUT, Trigger.ARRIVE): State.OPEN,
    (State.PULLED_OUT, Trigger.CANCEL): State.CANCELLED,
}

ECMS_STATUSES = frozenset(
    {
        "CREATED/ CONFIRMED",
        "CANCELLED",
        "FOR PICK UP",
        "REJECTED",
        "ON VEHICLE TO WAREHOUSE",
        "ARRIVED AT WAREHOUSE",
        "DELIVERED TO WAREHOUSE",
        "FOR DELIVERY",
        "IN-TRANSIT",
        "DELIVERED TO WAREHOUSE_REGIONAL",
        "IN-TRANSIT_REGIONAL",
        "ON VEHICLE TO STORE",
        "ARRIVED AT STORE",
        "DELIVERED TO STORE",
        "CLAIMED",
        "FOR PULL OUT",
        "PULLED OUT FROM STORE",
        "FOR RETURN TO MERCHANT",
        "RETURNED TO MERCHANT",
        "ON VEHICLE TO MERCHANT",
        "ARRIVED AT MERCHANT",
        "FOR RETURN",
        "RETURNED",
        "FOR DROP OFF",
        "DROPPED OFF",
    }
)
"""Every status of the published flows (CLiQQ Commerce B2C API, status flow; C2C and returns likewise)."""

_TRIGGER_OF_STATUS = {
    "DELIVERED TO STORE": Trigger.ARRIVE,
    "CANCELLED": Trigger.CANCEL,
    "REJECTED": Trigger.CANCEL,
    "FOR PULL OUT": Trigger.PULL_OUT,
    # Where FOR PULL OUT itself comes late or never, these say as surely that the parcel has left the store.
    "PULLED OUT FROM STORE": Trigger.PULL_OUT,
    "FOR RETURN TO MERCHANT": Trigger.PULL_OUT,
    "RETURNED TO MERCHANT": Trigger.PULL_OUT,
}


def trigger_of_status(kind: Kind, status: str) -> Trigger | None:
    """What an ECMS status means for a reference of this kind; None where it only tells where the parcel is.

    Arrival and pull-out speak of a parcel that waits to be claimed. A return or a drop-off has its own FOR PULL OUT
    after the counter has done its part, which is no news to the counter.
    """
    trigger = _TRIGGER_OF_STATUS.get(status)
    if trigger in (Trigger.ARRIVE, Trigger.PULL_OUT) and kind not in PARCEL_KINDS:
        return None
    return trigger
