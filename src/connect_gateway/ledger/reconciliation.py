"""What a reconciliation reads and writes: a date's shifts in batches, its report, its tasks and its cures."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from connect_gateway.domain.money import parse_amount
from connect_gateway.domain.reconciliation import Place, Sold, TillClose, Told
from connect_gateway.domain.records import TransactionState
from connect_gateway.domain.shifts import Line, Sum
from connect_gateway.domain.states import TransactionType
from connect_gateway.ledger import events
from connect_gateway.ledger.database import (
    STATEMENT_TIMEOUT_S,
    Connection,
    Pool,
    Row,
    connection_of,
    in_transaction,
)
from connect_gateway.ledger.rows import columns_of

TASK_PREFIX = "reconciliation-"
BATCH = 50
"""Shifts that are held in memory at once; each is a few hundred transactions."""

_READ_TIMEOUT_S = 60.0
"""Nobody at a counter waits for a reconciliation."""


@dataclass(slots=True, frozen=True)
class Account:
    """A shift as the ledger holds it: its close, if it has one, and all of its transactions."""

    place: Place
    close: TillClose | None
    sold: dict[UUID, Sold]
    late: dict[UUID, TransactionState]


_SHIFTS = """
SELECT store_id, pos, shift, answer FROM shift
WHERE business_date = $1 AND (store_id, pos, shift) > ($2, $3, $4)
ORDER BY store_id, pos, shift LIMIT $5
"""
_TRANSACTIONS = """
SELECT store_id, pos, shift, transaction_id, type, state, amount_due, tracking_number, receipt_number,
    dispute.opened_at IS NOT NULL AND dispute.resolution IS DISTINCT FROM 'ACCEPTED' AS disputed
FROM transaction LEFT JOIN dispute USING (store_id, transaction_id)
WHERE (store_id, pos, business_date, shift)
   IN (SELECT store_id, pos, $1::date, shift FROM unnest($2::text[], $3::integer[], $4::integer[])
       AS asked (store_id, pos, shift))
"""
# An id that was reversed before it arrived belongs to no shift, though a till may list it.
_TOMBSTONES = """
SELECT transaction_id FROM transaction WHERE store_id = $1 AND transaction_id = ANY($2::uuid[]) AND type IS NULL
"""
_LATE = """
SELECT store_id, pos, shift, transaction_id, state FROM late_entry
WHERE (store_id, pos, business_date, shift)
   IN (SELECT store_id, pos, $1::date, shift FROM unnest($2::text[], $3::integer[], $4::integer[])
       AS asked (store_id, pos, shift))
ORDER BY position
"""


async def accounts(pool: Pool, business_date: date) -> AsyncIterator[list[Account]]:
    """Every shift of a business date, in batches, in order."""
    after: tuple[str, int, int] = ("", -1, -1)
    while True:
        async with connection_of(pool) as connection:
            rows = await connection.fetch(_SHIFTS, business_date, *after, BATCH, timeout=_READ_TIMEOUT_S)
            if not rows:
                return
            batch = await _accounts(connection, business_date, rows)
        yield batch
        after = (rows[-1]["store_id"], rows[-1]["pos"], rows[-1]["shift"])


async def _accounts(connection: Connection, business_date: date, shifts: Sequence[Row]) -> list[Account]:
    made = {}
    for row in shifts:
        place = Place(row["store_id"], row["pos"], business_date.isoformat(), row["shift"])
        close = None if row["answer"] is None else till_close(row["answer"])
        made[row["store_id"], row["pos"], row["shift"]] = Account(place, close, {}, {})
    keys = columns_of(sorted(made), 3)
    for row in await connection.fetch(_TRANSACTIONS, business_date, *keys, timeout=_READ_TIMEOUT_S):
        type_ = None if row["type"] is None else TransactionType(row["type"])
        line = Line(row["transaction_id"], type_, TransactionState(row["state"]), row["amount_due"])
        account = made[row["store_id"], row["pos"], row["shift"]]
        account.sold[line.transaction_id] = Sold(line, row["tracking_number"], row["receipt_number"], row["disputed"])
    for row in await connection.fetch(_LATE, business_date, *keys, timeout=_READ_TIMEOUT_S):
        made[row["store_id"], row["pos"], row["shift"]].late[row["transaction_id"]] = TransactionState(row["state"])
    for account in made.values():
        await _add_tombstones(connection, account)
    return list(made.values())


async def _add_tombstones(connection: Connection, account: Account) -> None:
    elsewhere = [one for one in (account.close.lines if account.close else {}) if one not in account.sold]
    if not elsewhere:
        return
    found = await connection.fetch(_TOMBSTONES, account.place.store_id, elsewhere, timeout=_READ_TIMEOUT_S)
    for row in found:
        line = Line(row["transaction_id"], None, TransactionState.REVERSED, 0)
        account.sold[line.transaction_id] = Sold(line, None, None)


def till_close(answer: str) -> TillClose:
    """A till's account out of the answer that its close was given (`edges/shifts.py`)."""
    body = json.loads(answer)
    sums = {
        # A sum may have more digits than an amount on the wire.
        TransactionType(type_): Sum(one["count"], int(one["amount"].replace(".", "")))
        for type_, one in body["sums"]["till"].items()
    }
    lines = {}
    for difference in body["differences"]:
        transaction_id, till = UUID(difference["transactionId"]), difference["till"]
        lines[transaction_id] = None if till is None else _line(transaction_id, till)
    return TillClose(sums, parse_amount(body["cashCounted"]), lines)


def _line(transaction_id: UUID, side: dict[str, Any]) -> Line:
    type_ = None if side["type"] is None else TransactionType(side["type"])
    return Line(transaction_id, type_, TransactionState(side["state"]), parse_amount(side["amount"]))


_EVENTS = """
SELECT event_id, tracking_number, sequence, state, payment_amount, receipt_number FROM event
WHERE tracking_number = ANY($1::text[]) ORDER BY tracking_number, sequence
"""


async def events_of(pool: Pool, tracking_numbers: Sequence[str]) -> dict[str, list[Told]]:
    """All events of these parcels, of each in the order of telling."""
    found: dict[str, list[Told]] = {number: [] for number in tracking_numbers}
    async with connection_of(pool) as connection:
        for row in await connection.fetch(_EVENTS, list(tracking_numbers), timeout=_READ_TIMEOUT_S):
            found[row["tracking_number"]].append(Told(*row))
    return found


# What is sent again goes out in the order it has: the first at once, each other one behind the one before.
_SEND_AGAIN = """
UPDATE event SET state = CASE sequence WHEN $2 THEN 'WAITING' ELSE 'BEHIND' END, due_at = now(), told_at = NULL
WHERE tracking_number = $1 AND sequence >= $2
"""


async def send_again(pool: Pool, first: Told) -> bool:
    """Puts a told event, and all after it, back on the road to ECMS, which knows each by its id.

    False where that cannot be done now.
    """

    async def work(connection: Connection) -> bool:
        rows = await connection.fetch(
            "SELECT sequence, state FROM event WHERE tracking_number = $1 ORDER BY sequence FOR UPDATE",
            first.tracking_number,
            timeout=STATEMENT_TIMEOUT_S,
        )
        # Where something later is on its way, or waits for a person, that comes first.
        if {row["state"] for row in rows if row["sequence"] >= first.sequence} != {"TOLD"}:
            return False
        await connection.execute(_SEND_AGAIN, first.tracking_number, first.sequence, timeout=STATEMENT_TIMEOUT_S)
        return True

    return await in_transaction(pool, work)


async def note_told(pool: Pool, event: Told, now: datetime) -> None:
    """ECMS itself says that it has the event."""
    await events.note_told(pool, [event.event_id], now, delayed=[event.event_id])


_LOOKED_AFTER = """
SELECT EXISTS (SELECT FROM task WHERE subject = $1 AND kind = $2 AND closed_at IS NOT NULL AND closed_by <> $3)
"""
_CURED = """
UPDATE task SET closed_at = $4, closed_by = $5
WHERE closed_at IS NULL AND starts_with(kind, $1) AND starts_with(detail, $2) AND NOT (kind || ' ' || subject = ANY($3))
"""
_BY = "reconciliation"


async def keep_tasks(pool: Pool, business_date: date, wanted: Sequence[tuple[str, str, str]], now: datetime) -> int:
    """Opens a task for each (kind, subject, detail) and closes this date's that are not wanted any more.

    What a person has looked after and closed stays closed. Returns how many are wanted and were not closed by a person.
    """
    prefix = f"{business_date.isoformat()}: "
    kept = 0
    for start in range(0, len(wanted), BATCH):
        some = wanted[start : start + BATCH]

        async def work(connection: Connection, some: Sequence[tuple[str, str, str]] = some) -> int:
            opened = 0
            for kind, subject, detail in some:
                name = TASK_PREFIX + kind
                if not await connection.fetchval(_LOOKED_AFTER, subject, name, _BY, timeout=STATEMENT_TIMEOUT_S):
                    await events.open_task(connection, name, subject, prefix + detail, now)
                    opened += 1
            return opened

        kept += await in_transaction(pool, work, "task")

    async def close(connection: Connection) -> None:
        names = [f"{TASK_PREFIX}{kind} {subject}" for kind, subject, _ in wanted]
        await connection.execute(_CURED, TASK_PREFIX, prefix, names, now, _BY, timeout=_READ_TIMEOUT_S)

    await in_transaction(pool, close, "task")
    return kept


_KEEP = """
INSERT INTO reconciliation (business_date, made_at, report) VALUES ($1, $2, $3)
ON CONFLICT (business_date) DO UPDATE SET made_at = excluded.made_at, report = excluded.report
"""


async def keep(pool: Pool, business_date: date, made_at: datetime, report: str) -> None:
    """Keeps the report, in place of an earlier one of the date."""
    async with connection_of(pool) as connection:
        await connection.execute(_KEEP, business_date, made_at, report, timeout=STATEMENT_TIMEOUT_S)


async def kept(pool: Pool, business_date: date) -> str | None:
    """The newest report of the date."""
    async with connection_of(pool) as connection:
        report: str | None = await connection.fetchval(
            "SELECT report FROM reconciliation WHERE business_date = $1", business_date, timeout=STATEMENT_TIMEOUT_S
        )
    return report
