"""Reading the journals for whoever checks them: terminal by terminal, a batch at a time, never a whole table."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg

from connect_gateway.domain.chains import Broken, Chain, Head
from connect_gateway.ledger.hosts import AnyConnection

BATCH = 2_000

_TERMINALS = "SELECT store_id, pos, journal_length, journal_head FROM terminal ORDER BY store_id, pos"

# Steps from one terminal's first entry to the next terminal's, so that the journal's own index answers it at once.
_TERMINALS_OF_JOURNAL = """
WITH RECURSIVE found AS (
    (SELECT store_id, pos FROM whole_journal ORDER BY store_id, pos LIMIT 1)
    UNION ALL
    SELECT following.store_id, following.pos FROM found CROSS JOIN LATERAL (
        SELECT store_id, pos FROM whole_journal WHERE (store_id, pos) > (found.store_id, found.pos)
        ORDER BY store_id, pos LIMIT 1) AS following)
SELECT store_id, pos FROM found
"""
_TERMINAL = "SELECT journal_length, journal_head FROM terminal WHERE store_id = $1 AND pos = $2"
_ENTRIES = "SELECT position, entry, head FROM whole_journal WHERE store_id = $1 AND pos = $2 ORDER BY position"

# The answers themselves stay where they are: their hashes are worked out by PostgreSQL.
_ROWS = """
SELECT transaction_id, pos, type, reference, shift, business_date, code, amount_due, receipt_number, state,
    reversal_reason, occurred_at, reversed_at,
    encode(sha256(convert_to(coalesce(old_answer.answer, transaction.answer), 'UTF8')), 'hex') AS answer
FROM transaction LEFT JOIN old_answer USING (store_id, transaction_id, occurred_at)
WHERE store_id = $1 AND transaction_id = ANY($2::uuid[])
"""
_COUNTS = """
SELECT count(*), count(*) FILTER (WHERE state = 'REVERSED' AND type IS NOT NULL)
FROM transaction WHERE store_id = $1 AND pos = $2
"""
_NOT_ENTERED = """
SELECT transaction_id FROM transaction
WHERE store_id = $1 AND pos = $2 AND ($3::text IS NULL OR (state = $3 AND type IS NOT NULL))
  AND transaction_id NOT IN (
    SELECT (entry::json ->> 'transactionId')::uuid FROM whole_journal
    WHERE store_id = $1 AND pos = $2 AND ($3::text IS NULL OR entry::json ->> 'state' = $3))
LIMIT 1
"""


async def heads(connection: AnyConnection) -> list[tuple[str, int, Head]]:
    """Store, terminal and head of every terminal's chain, all of one moment, in order."""
    rows = await connection.fetch(_TERMINALS)
    return [(row[0], row[1], Head(row[2], row[3])) for row in rows]


async def terminals(connection: AnyConnection) -> list[tuple[str, int, int]]:
    """Every terminal that has a row or an entry, with how many entries its row counts, in order."""
    counted = {(store_id, pos): head.length for store_id, pos, head in await heads(connection)}
    for row in await connection.fetch(_TERMINALS_OF_JOURNAL):
        counted.setdefault((row["store_id"], row["pos"]), 0)
    return [(*key, length) for key, length in sorted(counted.items())]


async def verify(connection: AnyConnection, store_id: str, pos: int, kept: list[Head]) -> AsyncIterator[int | Broken]:
    """Checks one terminal: yields how many entries each batch had, and at the end the first that is wrong, if any.

    One snapshot, so that what tills do meanwhile is not taken for a fault. `kept` is what checkpoints hold of it.
    """
    chain = Chain(store_id, pos, kept)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        row = await connection.fetchrow(_TERMINAL, store_id, pos)
        cursor = await connection.cursor(_ENTRIES, store_id, pos)
        while batch := await cursor.fetch(BATCH):
            broken = await _check(connection, chain, store_id, batch)
            if broken is not None:
                yield broken
                return
            yield len(batch)
        broken = chain.end(None if row is None else Head(*row))
        if broken is None:
            broken = chain.unfinished() or await _check_counts(connection, chain, store_id, pos)
        if broken is not None:
            yield broken


async def _check(connection: AnyConnection, chain: Chain, store_id: str, batch: list[asyncpg.Record]) -> Broken | None:
    """The first entry of the batch that is wrong, in the chain or beside its transaction."""
    entries: list[dict[str, Any]] = []
    broken = None
    for position, text, head in batch:
        followed = chain.follow(position, text, head)
        if isinstance(followed, Broken):
            broken = followed
            break
        entries.append(followed)
    ids = [found for entry in entries if (found := _uuid(entry["transactionId"])) is not None]
    rows = {str(row["transaction_id"]): _named(row) for row in await connection.fetch(_ROWS, store_id, ids)}
    for entry in entries:
        differs = chain.compare(entry, rows.get(entry["transactionId"]))
        if differs is not None:
            return differs
    return broken


def _uuid(text: object) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None


def _named(row: asyncpg.Record) -> dict[str, Any]:
    """A transaction's row by the names that a journal's entry has for its columns."""
    return {
        "pos": row["pos"],
        "type": row["type"],
        "reference": row["reference"],
        "shift": row["shift"],
        "businessDate": None if row["business_date"] is None else row["business_date"].isoformat(),
        "code": row["code"],
        "amountDue": row["amount_due"],
        "receipt": row["receipt_number"],
        "answer": row["answer"],
        "state": row["state"],
        "reason": row["reversal_reason"],
        "occurredAt": row["occurred_at"].isoformat(),
        "reversedAt": None if row["reversed_at"] is None else row["reversed_at"].isoformat(),
    }


async def _check_counts(connection: AnyConnection, chain: Chain, store_id: str, pos: int) -> Broken | None:
    """Each transaction, and each reversal, has an entry: as many rows as entries, since no entry is without a row."""
    counted = await connection.fetchrow(_COUNTS, store_id, pos)
    assert counted is not None  # a count always has a row
    if counted[0] != chain.begun:
        return chain.not_entered(await connection.fetchval(_NOT_ENTERED, store_id, pos, None), "transaction")
    if counted[1] != chain.undone:
        return chain.not_entered(await connection.fetchval(_NOT_ENTERED, store_id, pos, "REVERSED"), "reversal of")
    return None
