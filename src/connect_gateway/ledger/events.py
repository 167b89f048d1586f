"""Events for ECMS: written with what they tell of, leased to one relay at a time, noted when told."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from connect_gateway.domain.records import Event, Payment
from connect_gateway.ledger.database import (
    NOT_WAITED_FOR,
    STATEMENT_TIMEOUT_S,
    Connection,
    Pool,
    Row,
    connection_of,
    in_transaction,
    insert_rows,
)
from connect_gateway.ledger.rows import EVENT_COLUMNS, columns_of, event_values

REFUSED_EVENT = "ecms-refused-event"
"""Kind of the task for an event that ECMS will not take."""

OVERDUE_EVENT = "ecms-event-overdue"
"""Kind of the task for an event that is tried again and again."""

# The lock holds off whoever is about to note an earlier event as told: that one then finds the new event and lets
# it go.
_EARLIER = """
SELECT tracking_number, sequence, state FROM event WHERE tracking_number = ANY($1::text[])
ORDER BY tracking_number, sequence
FOR UPDATE
"""


async def insert(connection: Connection, events: Sequence[Event]) -> None:
    """Writes events inside the caller's transaction, each behind what its parcel still has to tell.

    Two transactions that enter a parcel's next event at once, through two references of that parcel, collide on its
    key; the second one is then tried again like any other that met one.
    """
    parcels = sorted({event.tracking_number for event in events})
    rows = await connection.fetch(_EARLIER, parcels, timeout=STATEMENT_TIMEOUT_S)
    await insert_rows(connection, "event", f"{EVENT_COLUMNS}, state", lined_up(events, [tuple(row) for row in rows]))


def lined_up(events: Sequence[Event], earlier: Iterable[tuple[str, int, str]]) -> list[tuple[Any, ...]]:
    """Numbers events behind the earlier ones of their parcels (tracking number, sequence and state, in sequence).

    Returns their values in the order of EVENT_COLUMNS, and their states.
    """
    last: dict[str, int] = {}
    untold: set[str] = set()
    for parcel, sequence, state in earlier:
        last[parcel] = sequence
        if state != "TOLD":
            untold.add(parcel)
    values = []
    for event in events:
        parcel = event.tracking_number
        event.sequence = last[parcel] = last.get(parcel, 0) + 1
        values.append((*event_values(event), "BEHIND" if parcel in untold else "WAITING"))
        untold.add(parcel)
    return sorted(values)


# The lease is `due_at` itself, pushed into the future: whoever dies with an event in hand loses it when that comes.
# It goes by the database's clock, the same for every process. A lease that a power cut undoes is taken again.
_LEASE = f"""
WITH due AS MATERIALIZED (
    SELECT tracking_number, sequence FROM event
    WHERE state = 'WAITING' AND due_at <= now()
    ORDER BY due_at
    LIMIT $1
    FOR UPDATE SKIP LOCKED)
UPDATE event SET due_at = now() + $2::integer * interval '1 millisecond', attempts = attempts + 1
FROM due, {NOT_WAITED_FOR}
WHERE event.tracking_number = due.tracking_number AND event.sequence = due.sequence
RETURNING {", ".join(f"event.{column}" for column in EVENT_COLUMNS.split(", "))}, attempts
"""  # noqa: S608 - columns of our own

_RESCUE = "UPDATE event SET due_at = now() WHERE state = 'WAITING' AND due_at > now() + interval '10 minutes'"


async def rescue(pool: Pool) -> None:
    """Makes due what no lease and no back-off can have put so far off: the database's clock was set back since."""
    async with connection_of(pool) as connection:
        await connection.execute(_RESCUE, timeout=STATEMENT_TIMEOUT_S)


async def lease(pool: Pool, limit: int, lease_ms: int) -> list[tuple[Event, int]]:
    """At most `limit` events that are due and first of their parcel, with how often each has been tried."""
    async with connection_of(pool) as connection:
        rows = await connection.fetch(_LEASE, limit, lease_ms, timeout=STATEMENT_TIMEOUT_S)
    return [(_event_of(row), row["attempts"]) for row in rows]


# From here on an event is found by its id, in an index that has no told ones. The state that it has to be in besides
# is a parameter, since a constant would let the planner go by the index of what waits instead: where nothing waited
# when the rows were counted that one looks shorter, and while ECMS is away it holds all of them.

# Locked in the same order as an insertion locks them, so that neither waits for the other in a circle.
_TOLD = """
WITH locked AS (
    SELECT tracking_number, sequence FROM event WHERE event_id = ANY($1::uuid[]) AND state <> 'TOLD'
    ORDER BY tracking_number, sequence
    FOR UPDATE)
UPDATE event SET state = 'TOLD', told_at = $2, last_error = NULL
FROM locked WHERE event.tracking_number = locked.tracking_number AND event.sequence = locked.sequence
RETURNING event.tracking_number, event.sequence + 1
"""
_LET_GO = """
UPDATE event SET state = 'WAITING', due_at = now()
WHERE state = $3 AND (tracking_number, sequence) IN (SELECT * FROM unnest($1::text[], $2::integer[]))
"""

_CLOSE_TASKS = """
UPDATE task SET closed_at = $2, closed_by = 'relay' WHERE subject = ANY($1::text[]) AND closed_at IS NULL
"""


async def note_told(pool: Pool, event_ids: Sequence[UUID], now: datetime, *, delayed: Sequence[UUID]) -> None:
    """ECMS has these events. If a power cut makes us forget it, they are sent again; ECMS knows them by their ids.

    Those of them that were `delayed` may stand in the work list; what ECMS took at once never has.
    """

    async def work(connection: Connection) -> None:
        rows = await connection.fetch(_TOLD, event_ids, now, timeout=STATEMENT_TIMEOUT_S)
        following = sorted(tuple(row) for row in rows)
        await connection.execute(_LET_GO, *columns_of(following, 2), "BEHIND", timeout=STATEMENT_TIMEOUT_S)
        if delayed:
            subjects = [str(event_id) for event_id in delayed]
            await connection.execute(_CLOSE_TASKS, subjects, now, timeout=STATEMENT_TIMEOUT_S)

    await in_transaction(pool, work, "told", forgettable=True)


_RETRY = """
UPDATE event SET due_at = now() + $2::integer * interval '1 millisecond', last_error = $3
WHERE event_id = $1 AND state <> 'TOLD' AND state = $4
"""


async def note_retry(pool: Pool, event_id: UUID, delay_ms: int, error: str) -> None:
    """The event is to be tried again after the delay."""
    async with connection_of(pool) as connection:
        await connection.execute(_RETRY, event_id, delay_ms, error, "WAITING", timeout=STATEMENT_TIMEOUT_S)


_REFUSE = """
UPDATE event SET state = 'REFUSED', last_error = $2 WHERE event_id = $1 AND state <> 'TOLD' AND state = $3
"""

_OPEN_TASK = """
INSERT INTO task (task_id, kind, subject, detail, opened_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (subject, kind) WHERE closed_at IS NULL DO NOTHING
"""


async def note_refused(pool: Pool, event: Event, error: str, now: datetime) -> None:
    """ECMS will not take the event: it waits, and a person finds it in the work list."""

    async def work(connection: Connection) -> None:
        tag = await connection.execute(_REFUSE, event.event_id, error, "WAITING", timeout=STATEMENT_TIMEOUT_S)
        if tag == "UPDATE 1":
            detail = f"{event.status} of {event.tracking_number}: {error}"
            await open_task(connection, REFUSED_EVENT, str(event.event_id), detail, now)

    await in_transaction(pool, work, "refused")


async def note_overdue(pool: Pool, event: Event, error: str, now: datetime) -> None:
    """The event has failed often: it is tried on, and a person can see it until ECMS takes it."""

    async def work(connection: Connection) -> None:
        detail = f"{event.status} of {event.tracking_number}: {error}"
        await open_task(connection, OVERDUE_EVENT, str(event.event_id), detail, now)

    await in_transaction(pool, work, "overdue")


async def open_task(connection: Connection, kind: str, subject: str, detail: str, now: datetime) -> None:
    """Puts something into the work list, inside the caller's transaction; once while it is open."""
    await connection.execute(_OPEN_TASK, uuid4(), kind, subject, detail, now, timeout=STATEMENT_TIMEOUT_S)


_BACKLOG = """
SELECT count(*) AS n, 'WAITING' AS state FROM event WHERE state = 'WAITING'
UNION ALL SELECT count(*), 'BEHIND' FROM event WHERE state = 'BEHIND'
UNION ALL SELECT count(*), 'REFUSED' FROM event WHERE state = 'REFUSED'
"""


async def backlog(pool: Pool) -> dict[str, int]:
    """How many events wait (WAITING) and how many ECMS has refused (REFUSED)."""
    async with connection_of(pool) as connection:
        rows = await connection.fetch(_BACKLOG, timeout=STATEMENT_TIMEOUT_S)
    counts = {row["state"]: row["n"] for row in rows}
    return {"WAITING": counts["WAITING"] + counts["BEHIND"], "REFUSED": counts["REFUSED"]}


def _event_of(row: Row) -> Event:
    payment = None
    if row["payment_amount"] is not None:
        payment = Payment(
            amount=row["payment_amount"],
            receipt_number=row["receipt_number"],
            store_id=row["location"],
            pos=row["pos"],
            shift=row["shift"],
            business_date=row["business_date"],
        )
    return Event(
        event_id=row["event_id"],
        tracking_number=row["tracking_number"],
        merchant_reference=row["merchant_reference"],
        status=row["status"],
        location=row["location"],
        occurred_at=row["occurred_at"],
        reason=row["reason"],
        return_code=row["return_code"],
        payment=payment,
        sequence=row["sequence"],
    )
