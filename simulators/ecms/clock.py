"""The simulator's time, which can be set, and how ECMS writes times."""

import re
from datetime import UTC, datetime, timedelta

from ..wire import PHILIPPINE_TIME

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)

_ECMS_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")


class SimulatedClock:
    """The machine's clock, moved by an offset, and `speed` times as fast since `set_at` (a time of the machine's)."""

    def __init__(self, offset: timedelta = timedelta(0), speed: int = 1, set_at: datetime | None = None) -> None:
        self._offset = offset
        self._speed = speed
        self._set_at = set_at or datetime.now(UTC)

    @property
    def offset(self) -> timedelta:
        """How far the simulated time was ahead of the machine's when it was set."""
        return self._offset

    @property
    def speed(self) -> int:
        """How many simulated seconds pass in one."""
        return self._speed

    @property
    def set_at(self) -> datetime:
        """When, by the machine's clock, it was set."""
        return self._set_at

    def now(self) -> datetime:
        """The simulated moment, in UTC."""
        machine = datetime.now(UTC)
        moment = machine + self._offset + (self._speed - 1) * (machine - self._set_at)
        # A fast clock that was forgotten stops at the last moment that can be written.
        return min(moment, LATEST)

    def set(self, moment: datetime, speed: int | None = None) -> None:
        """Makes `moment` the present one; the clock runs on from there, as fast as before or with a new speed."""
        self._set_at = datetime.now(UTC)
        self._offset = moment - self._set_at
        self._speed = speed or self._speed


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
