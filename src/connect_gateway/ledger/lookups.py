"""Reading: references gathered into one query, transactions and receipts one by one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from connect_gateway.domain.records import Reference, Transaction
from connect_gateway.ledger.archive import bring_answers
from connect_gateway.ledger.database import (
    STATEMENT_TIMEOUT_S,
    Connection,
    Pool,
    Row,
    connection_of,
    in_transaction,
)
from connect_gateway.ledger.gather import ANSWER_WITHIN_S, Gatherer
from connect_gateway.ledger.rows import REFERENCE_COLUMNS, TRANSACTION_COLUMNS, reference_of, transaction_of

GROUP_LIMIT = 512
WAITING_LIMIT = 8_192


@dataclass(slots=True, frozen=True)
class Found:
    """What a lookup finds: the reference, if anybody knows it, and until when the client is locked out."""

    reference: Reference | None
    locked_until: datetime | None


_REFERENCES = f"SELECT {REFERENCE_COLUMNS} FROM reference WHERE reference = ANY($1::text[])"  # noqa: S608 - own columns
_LOCKOUTS = "SELECT client_id, locked_until FROM lockout WHERE client_id = ANY($1::text[])"


class Lookups:
    """Looks references up for tills; calls that come together share their queries."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._gatherer: Gatherer[tuple[str, str], Found] = Gatherer(
            self._flush, group_limit=GROUP_LIMIT, waiting_limit=WAITING_LIMIT, answer_within_s=ANSWER_WITHIN_S
        )

    async def find(self, reference: str, client_id: str) -> Found:
        """The reference and the client's lockout; Unavailable where the database is away."""
        return await self._gatherer.submit((reference, client_id))

    async def _flush(self, asked: list[tuple[str, str]]) -> Sequence[Found]:
        async with connection_of(self._pool) as connection:
            rows = await connection.fetch(
                _REFERENCES, [reference for reference, _ in asked], timeout=STATEMENT_TIMEOUT_S
            )
            locked = await connection.fetch(
                _LOCKOUTS, list({client for _, client in asked}), timeout=STATEMENT_TIMEOUT_S
            )
        references = {row["reference"]: reference_of(row) for row in rows}
        until = {row["client_id"]: row["locked_until"] for row in locked}
        return [Found(references.get(reference), until.get(client)) for reference, client in asked]


_BY_ID = f"SELECT {TRANSACTION_COLUMNS} FROM transaction WHERE store_id = $1 AND transaction_id = $2"  # noqa: S608
_BY_RECEIPT = f"SELECT {TRANSACTION_COLUMNS} FROM transaction WHERE store_id = $1 AND receipt_number = $2"  # noqa: S608
_MERCHANT_OF = f"SELECT {REFERENCE_COLUMNS} FROM reference WHERE reference = $1"  # noqa: S608 - own columns


async def transaction(pool: Pool, store_id: str, transaction_id: UUID) -> tuple[Transaction, Reference | None] | None:
    """A store's transaction and what it was about; None where the store has none of that id.

    A till acts on this as it would on the first answer, so it has to outlive a failover as well. A primary that crashed
    while a COMMIT waited for the standby shows that row when it is back, whether or not the standby has it. The
    row's lock makes this reading a commit of its own, which is answered only once the standby has all before it.
    """

    async def work(connection: Connection) -> tuple[Transaction, Reference | None] | None:
        query = f"{_BY_ID} FOR KEY SHARE"
        row = await connection.fetchrow(query, store_id, transaction_id, timeout=STATEMENT_TIMEOUT_S)
        return await _with_reference(connection, row)

    return await in_transaction(pool, work, "inquiry")


async def receipt(pool: Pool, store_id: str, number: str) -> tuple[Transaction, Reference | None] | None:
    """The approved (perhaps reversed) transaction behind a receipt of the store."""
    async with connection_of(pool) as connection:
        return await _with_reference(
            connection, await connection.fetchrow(_BY_RECEIPT, store_id, number, timeout=STATEMENT_TIMEOUT_S)
        )


async def _with_reference(connection: Connection, row: Row | None) -> tuple[Transaction, Reference | None] | None:
    if row is None:
        return None
    found = transaction_of(row)
    await bring_answers(connection, [found])
    if found.request is None:
        return found, None
    about = await connection.fetchrow(_MERCHANT_OF, found.request.reference, timeout=STATEMENT_TIMEOUT_S)
    return found, None if about is None else reference_of(about)


_NEXT_COPY = """
INSERT INTO receipt_copy (store_id, receipt_number, copy, printed_at, client_id)
SELECT $1, $2, coalesce(max(copy), 0) + 1, $3, $4 FROM receipt_copy WHERE store_id = $1 AND receipt_number = $2
RETURNING copy
"""


async def count_copy(
    pool: Pool, store_id: str, number: str, client_id: str, now: datetime
) -> tuple[Transaction, Reference | None, int] | None:
    """Counts a reprint of the receipt: the transaction behind it, its reference, and which copy it is, from 1.

    None where the store has no such receipt. All that a reprint shows is read before COMMIT: to whoever could not read
    it afterwards it would seem that nothing had been counted.
    """

    async def work(connection: Connection) -> tuple[Transaction, Reference | None, int] | None:
        # The transaction's own row stands for the counter, so that two reprints at once are counted one by one.
        row = await connection.fetchrow(f"{_BY_RECEIPT} FOR UPDATE", store_id, number, timeout=STATEMENT_TIMEOUT_S)
        found = await _with_reference(connection, row)
        if found is None:
            return None
        copy: int = await connection.fetchval(_NEXT_COPY, store_id, number, now, client_id, timeout=STATEMENT_TIMEOUT_S)
        return *found, copy

    return await in_transaction(pool, work, "copy")
