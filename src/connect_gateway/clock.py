"""The time, as something that is passed in."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Protocol

PHILIPPINE_TIME = timezone(timedelta(hours=8), "PHT")


class Clock(Protocol):
    """Whatever can say what time it is."""

    def now(self) -> datetime:
        """The present moment, in UTC, aware of its zone."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SettableClock:
    """A clock that can be set and then runs on, for the sandbox and for tests."""

    def __init__(self, ahead: timedelta = timedelta(0)) -> None:
        self.ahead = ahead
        """How far it is ahead of the machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def set(self, moment: datetime) -> None:
        """Makes `moment` the present one."""
        self.ahead = moment - datetime.now(UTC)
