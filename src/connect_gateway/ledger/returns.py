"""Return codes: a kiosk's request, the code it got and the event that tells ECMS, in one transaction."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

import asyncpg

from connect_gateway.domain.records import Event, Reference
from connect_gateway.domain.states import State
from connect_gateway.ledger import events
from connect_gateway.ledger.database import (
    STATEMENT_TIMEOUT_S,
    Connection,
    Pool,
    Row,
    connection_of,
    in_transaction,
)
from connect_gateway.ledger.parcels import Conflict, NewReference, insert_reference
from connect_gateway.ledger.rows import REFERENCE_COLUMNS, reference_of

_EVENT_NAMESPACE = UUID("b1d7f3f2-0a52-4b39-8a0c-7d4a3d2a9b64")


@dataclass(slots=True, frozen=True)
class ReturnRequest:
    """A kiosk's request: its own id, unique for each client, and a keyed fingerprint of what it asked."""

    client_id: str
    request_id: UUID
    fingerprint: bytes


_EARLIER = f"""
SELECT request.fingerprint, {", ".join("reference." + name for name in REFERENCE_COLUMNS.split(", "))}
FROM return_request AS request JOIN reference USING (reference)
WHERE request.client_id = $1 AND request.request_id = $2
"""  # noqa: S608 - columns of our own


async def earlier(pool: Pool, request: ReturnRequest) -> tuple[bool, Reference] | None:
    """What the same request id was answered: (whether the content is the same, the return); None at first sight."""
    async with connection_of(pool) as connection:
        row = await connection.fetchrow(_EARLIER, request.client_id, request.request_id, timeout=STATEMENT_TIMEOUT_S)
    return None if row is None else _answered(row, request)


def _answered(row: Row, request: ReturnRequest) -> tuple[bool, Reference]:
    values = list(row.values())
    return values[0] == request.fingerprint, reference_of(values[1:])


_OF_PARCEL = f"SELECT {REFERENCE_COLUMNS} FROM reference WHERE tracking_number = $1 AND kind = $2"  # noqa: S608

_REMEMBER = """
INSERT INTO return_request (client_id, request_id, fingerprint, reference, requested_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
"""


async def dispense(pool: Pool, request: ReturnRequest, new: NewReference, location: str, now: datetime) -> Reference:
    """Gives the parcel's return code, issuing it where there is none yet, and remembers a request that got a good one.

    ECMS hears FOR RETURN with the code, once for each code. By its tracking number ECMS says that it is the same
    return, however the customer has named it; Conflict where ECMS now brings another code for it, or somebody else's.
    """

    async def work(connection: Connection) -> Reference:
        row = await connection.fetchrow(_OF_PARCEL, new.tracking_number, new.kind, timeout=STATEMENT_TIMEOUT_S)
        if row is None:
            reference = await insert_reference(connection, new, now)
            await events.insert(connection, [_event(reference, location, now)])
        else:
            reference = reference_of(row)
            if new.reference not in (None, reference.reference):
                raise Conflict("returnCode", "the return has another code already")
        if reference.state_at(now) is State.OPEN:
            # A code that is used or has lapsed is refused, and that may change: the request stays unanswered.
            await connection.execute(
                _REMEMBER,
                request.client_id,
                request.request_id,
                request.fingerprint,
                reference.reference,
                now,
                timeout=STATEMENT_TIMEOUT_S,
            )
        return reference

    try:
        return await in_transaction(pool, work, "dispense")
    except asyncpg.UniqueViolationError:
        # Two kiosks asked for one identifier at once; the other one's code is there by now, and is this one's too.
        return await in_transaction(pool, work, "dispense")


def _event(reference: Reference, location: str, now: datetime) -> Event:
    return Event(
        event_id=uuid5(_EVENT_NAMESPACE, reference.reference),
        tracking_number=reference.tracking_number,
        merchant_reference=reference.merchant_reference,
        status="FOR RETURN",
        location=location,
        occurred_at=now,
        return_code=reference.reference,
    )


_BY_CODE = f"SELECT {REFERENCE_COLUMNS} FROM reference WHERE reference = $1 AND kind = 'RETURN'"  # noqa: S608


async def by_code(pool: Pool, reference: str) -> Reference | None:
    """The return behind a code."""
    async with connection_of(pool) as connection:
        row = await connection.fetchrow(_BY_CODE, reference, timeout=STATEMENT_TIMEOUT_S)
    return None if row is None else reference_of(row)
