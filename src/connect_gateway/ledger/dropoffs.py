"""Drop-offs as a kiosk sees them: found by their booking, their label printed, and ECMS told of it once."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

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
from connect_gateway.ledger.rows import REFERENCE_COLUMNS, reference_of

_EVENT_NAMESPACE = UUID("0f2b8c1e-6a35-4f4a-8c52-1d7e9b3a5f60")


@dataclass(slots=True, frozen=True)
class DropOff:
    """A drop-off's reference, the store that its parcel is bound for (None: to an address, or not known), and whether
    its label has been printed.
    """

    reference: Reference
    destination_store_id: str | None
    label_printed: bool


_PREFIXED = ", ".join(f"reference.{column}" for column in REFERENCE_COLUMNS.split(", "))
_BY_BOOKING = f"""
SELECT {_PREFIXED}, booking.label_printed_at IS NOT NULL, parcel.store_id
FROM booking JOIN reference USING (reference)
LEFT JOIN reference AS parcel
    ON parcel.tracking_number = reference.tracking_number AND parcel.kind IN ('PAY_AND_CLAIM', 'CLAIM')
WHERE booking.booking_reference = $1
"""  # noqa: S608 - columns of our own


async def by_booking(pool: Pool, booking_reference: str) -> DropOff | None:
    """The drop-off of a booking."""
    async with connection_of(pool) as connection:
        row = await connection.fetchrow(_BY_BOOKING, booking_reference, timeout=STATEMENT_TIMEOUT_S)
    return None if row is None else _drop_off_of(row)


def _drop_off_of(row: Row) -> DropOff:
    *values, label_printed, destination = row.values()
    return DropOff(reference_of(values), destination, label_printed)


_PRINTED = "UPDATE booking SET label_printed_at = $2 WHERE booking_reference = $1 AND label_printed_at IS NULL"


async def print_label(pool: Pool, booking_reference: str, location: str, now: datetime) -> DropOff | None:
    """The drop-off whose label is printed now; ECMS hears FOR DROP OFF the first time.

    Nothing is noted of one that can be dropped off no more: the caller sees that by its state.
    """

    async def work(connection: Connection) -> DropOff | None:
        row = await connection.fetchrow(
            f"{_BY_BOOKING} FOR UPDATE OF reference", booking_reference, timeout=STATEMENT_TIMEOUT_S
        )
        if row is None:
            return None
        found = _drop_off_of(row)
        if found.label_printed or found.reference.state_at(now) is not State.OPEN:
            return found
        # What was read of the booking may be from before the reference's lock was waited for: the update decides.
        tag = await connection.execute(_PRINTED, booking_reference, now, timeout=STATEMENT_TIMEOUT_S)
        if tag == "UPDATE 1":
            await events.insert(connection, [_event(found.reference, location, now)])
        return DropOff(found.reference, found.destination_store_id, label_printed=True)

    return await in_transaction(pool, work, "label")


def _event(reference: Reference, location: str, now: datetime) -> Event:
    return Event(
        event_id=uuid5(_EVENT_NAMESPACE, reference.reference),
        tracking_number=reference.tracking_number,
        merchant_reference=reference.merchant_reference,
        status="FOR DROP OFF",
        location=location,
        occurred_at=now,
    )
