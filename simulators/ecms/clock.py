"""The simulator's time, which can be set, and how ECMS writes times."""

import re
from datetime import UTC, datetime, timedelta

from ..wire import PHILIPPINE_TIME

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)

_ECMS_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")


class SimulatedClock:
    """The machine's clock, moved by an offset."""

    def __init__(self, offset: timedelta = timedelta(0)) -> None:
        self._offset = offset

    @property
    def offset(self) -> timedelta:
        """How far the simulated time is ahead of the machine's."""
        return self._offset

    def now(self) -> datetime:
        """The simulated moment, in UTC."""
        return datetime.now(UTC) + self._offset

    def set(self, moment: datetime) -> None:
        """Makes `moment` the present one; the clock runs on from there."""
        self._offset = moment - datetime.now(UTC)


def write_time(moment: datetime) -> str:
    """`YYYY-MM-DD HH:MM:SS`, Philippine time, as on all of ECMS's own endpoints."""
    return moment.astimezone(PHILIPPINE_TIME).strftime("%Y-%m-%d %H:%M:%S")


def read_time(text: str) -> datetime:
    """The moment that ECMS's spelling of a time names; ValueError for anything else."""
    if _ECMS_TIME.fullmatch(text) is None:
        raise ValueError("must be written YYYY-MM-DD HH:MM:SS")
    return datetime.fromisoformat(text).replace(tzinfo=PHILIPPINE_TIME)


def read_rfc3339(text: str) -> datetime:
    """A moment with its offset, between 2000 and 2100; ValueError for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("now must be an RFC 3339 time, such as 2026-11-22T08:00:00+08:00") from None
    if moment.tzinfo is None:
        raise ValueError("the time needs an offset, such as +08:00 or Z")
    if not EARLIEST <= moment <= LATEST:
        raise ValueError("the time must lie between 2000 and 2100")
    return moment.astimezone(UTC)
