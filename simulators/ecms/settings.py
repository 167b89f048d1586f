"""What was set through the control port and outlives a restart: the time, and which edition of ECMS this
is.
"""

import sqlite3
from datetime import datetime, timedelta

from .clock import SimulatedClock


def keep_clock(connection: sqlite3.Connection, clock: SimulatedClock) -> None:
    """Writes down how far the simulated time is ahead of the machine's, and how fast it runs from when on."""
    _keep(connection, "clock_offset_s", str(clock.offset.total_seconds()))
    _keep(connection, "clock_set_at", clock.set_at.isoformat())
    _keep(connection, "clock_speed", str(clock.speed))


def kept_clock(connection: sqlite3.Connection) -> SimulatedClock:
    """The clock as it was set; the machine's own where it never was."""
    offset = timedelta(seconds=float(_kept(connection, "clock_offset_s") or 0))
    set_at = _kept(connection, "clock_set_at")
    speed = int(_kept(connection, "clock_speed") or 1)
    return SimulatedClock(offset, speed, None if set_at is None else datetime.fromisoformat(set_at))


def keep_jobs_until(connection: sqlite3.Connection, moment: datetime) -> None:
    """Writes down up to when all jobs have been run."""
    _keep(connection, "jobs_until", moment.isoformat())


def jobs_until(connection: sqlite3.Connection) -> datetime | None:
    """Up to when all jobs have been run; None before the first start."""
    kept = _kept(connection, "jobs_until")
    return None if kept is None else datetime.fromisoformat(kept)


def keep_return_codes(connection: sqlite3.Connection, on: bool) -> None:
    """Writes down whether ECMS issues return codes itself."""
    _keep(connection, "return_codes", str(on))


def return_codes(connection: sqlite3.Connection, *, default: bool) -> bool:
    """Whether ECMS issues return codes itself."""
    kept = _kept(connection, "return_codes")
    return default if kept is None else kept == str(True)


def _keep(connection: sqlite3.Connection, name: str, value: str) -> None:
    connection.execute(
        "INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )


def _kept(connection: sqlite3.Connection, name: str) -> str | None:
    row = connection.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row["value"])
