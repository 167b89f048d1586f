"""The one work list: everything that waits for a person."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from connect_gateway.ledger.database import (
    STATEMENT_TIMEOUT_S,
    Connection,
    Pool,
    connection_of,
    in_transaction,
)
from connect_gateway.ledger.events import OVERDUE_EVENT, REFUSED_EVENT
from connect_gateway.ledger.standins import DISPUTED_SALE

_EVENT_TASKS = (REFUSED_EVENT, OVERDUE_EVENT)


@dataclass(slots=True, frozen=True)
class Task:
    """Something for a person. `subject` is the id of what it is about, by `kind`."""

    task_id: UUID
    kind: str
    subject: str
    detail: str
    opened_at: datetime
    closed_at: datetime | None
    closed_by: str | None


_COLUMNS = "task_id, kind, subject, detail, opened_at, closed_at, closed_by"


async def open_tasks(pool: Pool, limit: int = 1_000) -> list[Task]:
    """What waits, oldest first."""
    async with connection_of(pool) as connection:
        rows = await connection.fetch(
            f"SELECT {_COLUMNS} FROM task WHERE closed_at IS NULL ORDER BY opened_at LIMIT $1",  # noqa: S608
            limit,
            timeout=STATEMENT_TIMEOUT_S,
        )
    return [Task(*row) for row in rows]


async def get(pool: Pool, task_id: UUID) -> Task | None:
    """One task, open or closed."""
    async with connection_of(pool) as connection:
        row = await connection.fetchrow(
            f"SELECT {_COLUMNS} FROM task WHERE task_id = $1",  # noqa: S608 - columns of our own
            task_id,
            timeout=STATEMENT_TIMEOUT_S,
        )
    return None if row is None else Task(*row)


_RESEND = """
UPDATE event SET state = 'WAITING', due_at = now() WHERE event_id = $1 AND state IN ('WAITING', 'REFUSED')
"""


async def close(pool: Pool, task_id: UUID, by: str, now: datetime, *, resend: bool) -> bool:
    """Closes an open task and, with `resend`, puts the event it is about back on the road to ECMS.

    False where the task is not open, or is about no event although `resend` was asked for, or is about a dispute,
    which ends by its resolution alone.
    """

    async def work(connection: Connection) -> bool:
        row = await connection.fetchrow(
            "SELECT kind, subject FROM task WHERE task_id = $1 AND closed_at IS NULL FOR UPDATE",
            task_id,
            timeout=STATEMENT_TIMEOUT_S,
        )
        if row is None or row["kind"] == DISPUTED_SALE or (row["kind"] in _EVENT_TASKS) != resend:
            # An event is never dropped: its task ends by sending it again and in no other way.
            return False
        if resend:
            await connection.execute(
                _RESEND,
                UUID(row["subject"]),
                timeout=STATEMENT_TIMEOUT_S,
            )
        await connection.execute(
            "UPDATE task SET closed_at = $2, closed_by = $3 WHERE task_id = $1",
            task_id,
            now,
            by,
            timeout=STATEMENT_TIMEOUT_S,
        )
        return True

    return await in_transaction(pool, work, "task")
