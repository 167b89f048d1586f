"""Where a parcel was last seen: by ECMS, whose newest status is kept, or by the counter, whose events are."""

from dataclasses import dataclass
from datetime import datetime

from connect_gateway.domain.records import Reference
from connect_gateway.ledger.database import STATEMENT_TIMEOUT_S, Connection, Pool, connection_of
from connect_gateway.ledger.rows import REFERENCE_COLUMNS, reference_of


@dataclass(slots=True, frozen=True)
class Seen:
    """A parcel's references and the newest that is known of it; `location` is None before it was anywhere."""

    references: list[Reference]
    status: str
    location: str | None
    at: datetime


_BY_NUMBER = f"SELECT {REFERENCE_COLUMNS}, created_at FROM reference WHERE tracking_number = $1"  # noqa: S608 - own
_BY_REFERENCE = f"""
SELECT {REFERENCE_COLUMNS}, created_at FROM reference
WHERE tracking_number = (SELECT tracking_number FROM reference WHERE reference = $1)
"""  # noqa: S608 - columns of our own

# Of equal times the counter's word is the newer one: it is told to ECMS, and not the other way round.
_NEWEST = """
SELECT status, location, at FROM (
    SELECT status, location, at, 0 AS order_of_equals FROM whereabouts WHERE tracking_number = $1
    UNION ALL
    (SELECT status, location, date_trunc('second', occurred_at), 1 FROM event
     WHERE tracking_number = $1 AND status NOT IN ('PAID', 'UNPAID') ORDER BY sequence DESC LIMIT 1)
) AS told
ORDER BY at DESC, order_of_equals DESC
LIMIT 1
"""


async def of_parcel(pool: Pool, *, tracking_number: str | None = None, reference: str | None = None) -> Seen | None:
    """What is known of a parcel, by its tracking number or by one of its references; None where it is not known."""
    async with connection_of(pool) as connection:
        return await _find(connection, tracking_number, reference)


async def _find(connection: Connection, tracking_number: str | None, reference: str | None) -> Seen | None:
    query, value = (_BY_NUMBER, tracking_number) if reference is None else (_BY_REFERENCE, reference)
    rows = await connection.fetch(query, value, timeout=STATEMENT_TIMEOUT_S)
    if not rows:
        return None
    references = [reference_of(list(row.values())[:-1]) for row in rows]
    newest = await connection.fetchrow(_NEWEST, references[0].tracking_number, timeout=STATEMENT_TIMEOUT_S)
    if newest is None:
        return Seen(references, "CREATED/ CONFIRMED", None, min(row["created_at"] for row in rows))
    return Seen(references, newest["status"], newest["location"], newest["at"])
