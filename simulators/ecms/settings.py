"""What was set through the control port and outlives a restart: the time, and which edition of ECMS this
is.
"""

import sqlite3
from datetime import timedelta


def keep_clock_offset(connection: sqlite3.Connection, offset: timedelta) -> None:
    """Writes down how far the simulated time is ahead of the machine's."""
    _keep(connection, "clock_offset_s", str(offset.total_seconds()))


def clock_offset(connection: sqlite3.Connection) -> timedelta:
    """How far the simulated time is ahead of the machine's; nothing where it was never set."""
    return timedelta(seconds=float(_kept(connection, "clock_offset_s") or 0))


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
