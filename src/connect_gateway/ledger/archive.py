"""What is old moves out of the way: answers and journal entries, into tables by month.

The ids stay in `transaction` for ever, with everything that a decision or a count needs, so that none of them ever runs
twice; a repeat of an old one gets its answer from here, to the byte. Nothing is thrown away.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import asyncpg

from connect_gateway.domain.records import Transaction
from connect_gateway.ledger.database import STATEMENT_TIMEOUT_S, Connection, Pool, connection_of, in_transaction
from connect_gateway.ledger.rows import columns_of

BLOCKS = 512
"""Pages of 8 kB that one step looks through, in a transaction of its own."""

_STEP_TIMEOUT_S = 60.0

_ANSWERS = """
SELECT store_id, transaction_id, answer FROM old_answer
WHERE (store_id, transaction_id, occurred_at) IN (SELECT * FROM unnest($1::text[], $2::uuid[], $3::timestamptz[]))
"""


async def bring_answers(connection: Connection, found: Sequence[Transaction]) -> None:
    """Puts the answers that have been moved back into the records that were read; the rows stay as they are."""
    missing = [one for one in found if one.status and not one.answer]
    if not missing:
        return
    keys = [(one.store_id, one.transaction_id, one.occurred_at) for one in missing]
    rows = await connection.fetch(_ANSWERS, *columns_of(keys, 3), timeout=STATEMENT_TIMEOUT_S)
    answers = {(row["store_id"], row["transaction_id"]): row["answer"] for row in rows}
    for one in missing:
        one.answer = answers[one.store_id, one.transaction_id]


# A disputed sale is still talked about. Rows that somebody holds just now are left to the next run.
_MOVE_ANSWERS = """
WITH old AS (
    SELECT store_id, transaction_id, occurred_at, answer FROM transaction
    WHERE ctid >= format('(%s,0)', $1::bigint)::tid AND ctid < format('(%s,0)', $2::bigint)::tid
      AND occurred_at < $3 AND answer <> '' AND status <> 0 AND state <> 'DISPUTED'
    FOR UPDATE SKIP LOCKED
), kept AS (
    INSERT INTO old_answer SELECT * FROM old RETURNING store_id, transaction_id
)
UPDATE transaction SET answer = '' FROM kept
WHERE transaction.store_id = kept.store_id AND transaction.transaction_id = kept.transaction_id
"""

_MOVE_JOURNAL = """
WITH old AS (
    DELETE FROM journal
    WHERE ctid >= format('(%s,0)', $1::bigint)::tid AND ctid < format('(%s,0)', $2::bigint)::tid
      AND (entry::json ->> 'at')::timestamptz < $3
    RETURNING store_id, pos, position, (entry::json ->> 'at')::timestamptz AS entered_at, entry, head
)
INSERT INTO old_journal SELECT * FROM old
"""

_MONTHS = """
SELECT min(month) FROM (
    SELECT min(occurred_at) AS month FROM transaction WHERE answer <> '' AND status <> 0
    UNION ALL SELECT min((entry::json ->> 'at')::timestamptz) FROM journal
) AS oldest
"""


async def move(pool: Pool, before: datetime) -> AsyncIterator[tuple[int, int, int]]:
    """Moves what is from before that moment; tills go on working meanwhile.

    Yields after each step how many pages were looked through, how many there are, and how many rows the step moved.
    """
    async with connection_of(pool) as connection:
        # One look at everything tells where the months begin; there is no index for it, which would cost each sale.
        oldest = await connection.fetchval(_MONTHS, timeout=None)
        sizes = [
            (statement, int(await connection.fetchval(f"SELECT pg_relation_size('{table}') / 8192")))
            for table, statement in (("transaction", _MOVE_ANSWERS), ("journal", _MOVE_JOURNAL))
        ]
    total = sum(size for _, size in sizes)
    if oldest is None or oldest >= before:
        return
    await _make_months(pool, oldest, before)
    looked = 0
    for statement, size in sizes:
        for first in range(0, size, BLOCKS):
            last = min(first + BLOCKS, size)
            moved = await _step(pool, statement, first, last, before)
            looked += last - first
            yield looked, total, moved


async def _step(pool: Pool, statement: str, first: int, last: int, before: datetime) -> int:
    async def work(connection: Connection) -> int:
        tag = await connection.execute(statement, first, last, before, timeout=_STEP_TIMEOUT_S)
        return int(tag.split()[-1])

    return await in_transaction(pool, work)


async def _make_months(pool: Pool, oldest: datetime, before: datetime) -> None:
    """Partitions for every month from the oldest row to `before`, by UTC."""
    month = oldest.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    async with connection_of(pool) as connection:
        while month < before:
            following = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
            for table in ("old_answer", "old_journal"):
                statement = (
                    f"CREATE TABLE IF NOT EXISTS {table}_{month:%Y_%m} PARTITION OF {table} "
                    f"FOR VALUES FROM ('{month.isoformat()}') TO ('{following.isoformat()}')"
                )
                try:
                    await connection.execute(statement, timeout=STATEMENT_TIMEOUT_S)
                except asyncpg.UniqueViolationError:
                    # Another run has just made it.
                    continue
            month = following
