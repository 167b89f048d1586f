"""Stand-in sales and disputes: written in the transaction of the group that decides them, read for people."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from connect_gateway.domain.records import Reference, StandIn, Transaction
from connect_gateway.domain.refusals import Refusal
from connect_gateway.ledger.database import (
    STATEMENT_TIMEOUT_S,
    Connection,
    Pool,
    RolledBack,
    connection_of,
)
from connect_gateway.ledger.events import open_task
from connect_gateway.ledger.rows import (
    REFERENCE_COLUMNS,
    TRANSACTION_COLUMNS,
    reference_of,
    transaction_of,
    transaction_values,
)

DISPUTED_SALE = "disputed-sale"
"""Kind of the task for a dispute; its subject is the store and the transaction's id, `0166/6d0f…`."""

REVERSED = "REVERSED"
"""How a dispute ends that the till itself has undone."""


@dataclass(slots=True)
class Standing:
    """What a group is going to write of stand-in sales, which is nothing in nearly every group."""

    taken: list[tuple[Transaction, StandIn]] = field(default_factory=list)
    disputed: list[tuple[Transaction, Refusal]] = field(default_factory=list)
    resolved: list[tuple[Transaction, str, str, str]] = field(default_factory=list)
    """Transaction, how, by whom, and a note."""
    accepted: list[Transaction] = field(default_factory=list)
    sold_after_all: dict[tuple[str, UUID], Transaction] = field(default_factory=dict)
    """Transactions that had been declined, and of which the till said that they had happened."""


_TRANSACTION_WIDTH = TRANSACTION_COLUMNS.count(",") + 1

_TAKE = """
INSERT INTO stand_in (store_id, transaction_id, receipt_number, occurred_at, manifest_id, taken_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""
_DISPUTE = "INSERT INTO dispute (store_id, transaction_id, code, detail, opened_at) VALUES ($1, $2, $3, $4, $5)"
_RESOLVE = """
UPDATE dispute SET resolution = $3, resolved_at = $4, resolved_by = $5, note = $6
WHERE store_id = $1 AND transaction_id = $2 AND resolution IS NULL
"""
_CLOSE_TASK = """
UPDATE task SET closed_at = $3, closed_by = $4 WHERE subject = $1 AND kind = $2 AND closed_at IS NULL
"""
_ACCEPT = """
UPDATE transaction SET state = 'APPROVED' WHERE store_id = $1 AND transaction_id = $2 AND state = 'DISPUTED'
"""
_REMOVE_DECLINED = """
DELETE FROM transaction WHERE store_id = $1 AND transaction_id = $2 AND state = 'DECLINED'
"""
_INSERT_TRANSACTION = f"""
INSERT INTO transaction ({TRANSACTION_COLUMNS})
VALUES ({", ".join(f"${number}" for number in range(1, _TRANSACTION_WIDTH + 1))})
"""  # noqa: S608 - columns of our own


async def write(connection: Connection, standing: Standing, now: datetime) -> None:
    """Writes what a group has decided of stand-in sales, beside their transactions."""
    for key, sold in sorted(standing.sold_after_all.items()):
        await _expect_one(connection, _REMOVE_DECLINED, *key)
        await _expect_one(connection, _INSERT_TRANSACTION, *transaction_values(sold))
    for transaction in standing.accepted:
        await _expect_one(connection, _ACCEPT, transaction.store_id, transaction.transaction_id)
    for transaction, told in standing.taken:
        values = (told.receipt_number, told.occurred_at, told.manifest_id, now)
        await _expect_one(connection, _TAKE, transaction.store_id, transaction.transaction_id, *values)
    for transaction, refusal in standing.disputed:
        key = transaction.store_id, transaction.transaction_id
        await _expect_one(connection, _DISPUTE, *key, refusal.code, refusal.detail, now)
        detail = f"{refusal.code}: {refusal.detail}; receipt {transaction.receipt_number}"
        await open_task(connection, DISPUTED_SALE, subject_of(*key), detail, now)
    for transaction, how, by, note in standing.resolved:
        key = transaction.store_id, transaction.transaction_id
        await _expect_one(connection, _RESOLVE, *key, how, now, by, note)
        await connection.execute(_CLOSE_TASK, subject_of(*key), DISPUTED_SALE, now, by, timeout=STATEMENT_TIMEOUT_S)


async def _expect_one(connection: Connection, query: str, *values: Any) -> None:
    """The rows were locked and read a moment ago: another count means that the ledger is not what was decided upon."""
    tag = await connection.execute(query, *values, timeout=STATEMENT_TIMEOUT_S)
    if tag.split()[-1] != "1":
        raise RolledBack(f"{tag} where one row was decided")


def subject_of(store_id: str, transaction_id: UUID) -> str:
    """The subject of a dispute's task."""
    return f"{store_id}/{transaction_id}"


@dataclass(slots=True, frozen=True)
class Dispute:
    """A dispute, open while `resolution` is None, and the sale that it is about."""

    transaction: Transaction
    reference: Reference | None
    stand_in: StandIn
    code: str
    detail: str
    opened_at: datetime
    resolution: str | None
    resolved_at: datetime | None
    resolved_by: str | None
    note: str | None


_DISPUTES = f"""
SELECT {", ".join(f"transaction.{column}" for column in TRANSACTION_COLUMNS.split(", "))},
    stand_in.receipt_number AS stand_in_number, stand_in.occurred_at AS stood_in_at, stand_in.manifest_id,
    dispute.code AS dispute_code, dispute.detail, dispute.opened_at, dispute.resolution, dispute.resolved_at,
    dispute.resolved_by, dispute.note
FROM dispute
JOIN transaction USING (store_id, transaction_id)
JOIN stand_in USING (store_id, transaction_id)
"""  # noqa: S608 - columns of our own
_OPEN = f"{_DISPUTES} WHERE dispute.resolution IS NULL ORDER BY dispute.opened_at, transaction_id LIMIT $1"
_ONE = f"{_DISPUTES} WHERE dispute.store_id = $1 AND dispute.transaction_id = $2"
_REFERENCES = f"SELECT {REFERENCE_COLUMNS} FROM reference WHERE reference = ANY($1::text[])"  # noqa: S608 - own columns


async def open_disputes(pool: Pool, limit: int = 1_000) -> list[Dispute]:
    """What waits for a person, oldest first."""
    async with connection_of(pool) as connection:
        rows = await connection.fetch(_OPEN, limit, timeout=STATEMENT_TIMEOUT_S)
        return await _with_references(connection, rows)


async def dispute(pool: Pool, store_id: str, transaction_id: UUID) -> Dispute | None:
    """One dispute, open or resolved."""
    async with connection_of(pool) as connection:
        rows = await connection.fetch(_ONE, store_id, transaction_id, timeout=STATEMENT_TIMEOUT_S)
        found = await _with_references(connection, rows)
    return found[0] if found else None


async def _with_references(connection: Connection, rows: Sequence[Any]) -> list[Dispute]:
    names = [row["reference"] for row in rows]
    found = await connection.fetch(_REFERENCES, names, timeout=STATEMENT_TIMEOUT_S)
    references = {row["reference"]: reference_of(row) for row in found}
    return [
        Dispute(
            transaction_of(row[:_TRANSACTION_WIDTH]),
            references.get(row["reference"]),
            StandIn(row["stood_in_at"], row["stand_in_number"], row["manifest_id"]),
            row["dispute_code"],
            row["detail"],
            row["opened_at"],
            row["resolution"],
            row["resolved_at"],
            row["resolved_by"],
            row["note"],
        )
        for row in rows
    ]
