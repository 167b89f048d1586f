"""Guessing: a client that names references which nobody knows is locked out for a growing time.

Figures: `SPEC.md`, guessing. Those of other stores are real references and count by the hour alone.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

UNKNOWN_IN_A_MINUTE = 5
ATTEMPTS_IN_AN_HOUR = 20
ALARM_IN_A_DAY = 100
FIRST_LOCKOUT_S = 30
LONGEST_LOCKOUT_S = 3_600
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass(slots=True, frozen=True)
class Attempts:
    """What a client has named lately, in counts; `strikes` is how often it was locked out within a day."""

    unknown_in_minute: int
    all_in_hour: int
    strikes: int


def lockout_s(attempts: Attempts) -> int:
    """For how many seconds the client is now locked out; 0 where it is not."""
    if attempts.unknown_in_minute < UNKNOWN_IN_A_MINUTE and attempts.all_in_hour < ATTEMPTS_IN_AN_HOUR:
        return 0
    return int(min(FIRST_LOCKOUT_S * 2 ** min(attempts.strikes, 10), LONGEST_LOCKOUT_S))


def seconds_left(locked_until: datetime | None, now: datetime) -> int:
    """Whole seconds until the lockout ends, at least 1 while it holds."""
    if locked_until is None or locked_until <= now:
        return 0
    # A clock set back must not lock a till out for longer than any lockout lasts.
    return min(int((locked_until - now).total_seconds()) + 1, LONGEST_LOCKOUT_S)
