"""The time rules: when a package is ready for claiming, how long it may stay, and when ECMS's jobs run.

All of it is Philippine time. Holidays move nothing: the published table knows none.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from ..wire import PHILIPPINE_TIME
from .stores import READY_AFTER_DAYS, Zone

CUT_OFF = time(12, 0)
"""What the DC has by noon, noon included, goes out that day: T+0 (seed, technical notes)."""

READY_AT = time(8, 0)

STAY = timedelta(days=7)
"""How long a package may stay in the store (seed, technical notes)."""


class Job(StrEnum):
    """What ECMS does by itself, each once a day."""

    PICK_UP = "pick-up"
    """CREATED/ CONFIRMED -> FOR PICK UP: the pick-up document of the day."""
    PULL_OUT = "pull-out"
    """Unclaimed, returned and dropped off packages -> FOR PULL OUT: the APOs of the day."""
    EXPIRY = "expiry"
    """Returns and drop-offs that nobody brought in time -> CANCELLED."""
    DELIVERY = "delivery"
    """DELIVERED TO WAREHOUSE -> FOR DELIVERY: the delivery documents (DR) of the day, at the cut-off."""


RUNS_AT = {Job.PICK_UP: time(4, 0), Job.PULL_OUT: time(5, 0), Job.EXPIRY: time(5, 30), Job.DELIVERY: CUT_OFF}


def dispatch_day(received: datetime) -> date:
    """T: the day on which a package that the DC received at that moment goes out."""
    local = received.astimezone(PHILIPPINE_TIME)
    in_time = local.time() <= CUT_OFF
    return local.date() if in_time else local.date() + timedelta(days=1)


def ready_for_claiming(received: datetime, zone: Zone) -> datetime:
    """When a package that the DC received at that moment is promised to be ready at a store of the zone."""
    day = dispatch_day(received) + timedelta(days=READY_AFTER_DAYS[zone])
    return datetime.combine(day, READY_AT, PHILIPPINE_TIME)


def next_run(after: datetime) -> tuple[datetime, Job]:
    """The first run of a job after a moment."""
    return next(_runs_from(after))


def runs_between(after: datetime, until: datetime) -> Iterator[tuple[datetime, Job]]:
    """Every run of a job after the first moment and up to the second, that one included, in order."""
    for at, job in _runs_from(after):
        if at > until:
            return
        yield at, job


def _runs_from(after: datetime) -> Iterator[tuple[datetime, Job]]:
    day = after.astimezone(PHILIPPINE_TIME).date()
    while True:
        for job, clock_time in RUNS_AT.items():
            at = datetime.combine(day, clock_time, PHILIPPINE_TIME)
            if at > after:
                yield at, job
        day += timedelta(days=1)
