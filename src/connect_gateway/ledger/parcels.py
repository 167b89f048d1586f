"""What ECMS writes: references and statuses. Each is one transaction over the rows of one parcel."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from connect_gateway.domain.codes import issue_reference
from connect_gateway.domain.parcels import Status, apply_status, state_of_new
from connect_gateway.domain.records import Reference
from connect_gateway.domain.states import PARCEL_KINDS, Kind
from connect_gateway.keys import SealedMobile
from connect_gateway.ledger import manifests
from connect_gateway.ledger.database import STATEMENT_TIMEOUT_S, Connection, Pool, connection_of, in_transaction
from connect_gateway.ledger.rows import REFERENCE_COLUMNS, reference_of

_ISSUE_TRIES = 8


@dataclass(slots=True, frozen=True)
class NewReference:
    """What ECMS asks a reference for; `reference` is there where ECMS brings its own."""

    kind: Kind
    tracking_number: str
    merchant_code: str
    merchant: str
    merchant_reference: str
    description: str
    amount_due: int
    store_id: str | None
    expires_at: datetime | None
    reference: str | None
    mobile: SealedMobile | None
    receipt_remarks: str = ""
    shipping_fee: int | None = None
    """What the parcel's shipping costs its merchant; None where nothing is said of it."""


class Conflict(Exception):
    """The tracking number or the reference is taken by something else; `field` says which of ECMS's fields."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


_BY_TRACKING = f"""
SELECT {REFERENCE_COLUMNS} FROM reference WHERE tracking_number = $1 ORDER BY reference FOR UPDATE
"""  # noqa: S608 - columns of our own

_INSERT = f"""
INSERT INTO reference ({REFERENCE_COLUMNS}, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, NULL, NULL, $13, $14)
ON CONFLICT DO NOTHING
"""  # noqa: S608 - columns of our own

_INSERT_BOOKING = "INSERT INTO booking (booking_reference, reference) VALUES ($1, $2) ON CONFLICT DO NOTHING"

_INSERT_FEE = "INSERT INTO shipping_fee (reference, fee) VALUES ($1, $2)"
_FEE = "SELECT fee FROM shipping_fee WHERE reference = $1"

_INSERT_CONTACT = """
INSERT INTO contact (reference, key_version, mobile, mobile_index, created_at) VALUES ($1, $2, $3, $4, $5)
"""


async def create_reference(pool: Pool, new: NewReference, now: datetime) -> Reference:
    """Keeps a reference for ECMS, once for each tracking number and kind.

    Asking again with the same content answers the reference of the first time; Conflict where the content differs or
    the reference that ECMS brings is another parcel's.
    """

    async def work(connection: Connection) -> Reference:
        return await insert_reference(connection, new, now)

    try:
        return await in_transaction(pool, work, "reference")
    except asyncpg.UniqueViolationError:
        # Two requests for one parcel met; the other one has committed by now, and is found.
        return await in_transaction(pool, work, "reference")


async def insert_reference(connection: Connection, new: NewReference, now: datetime) -> Reference:
    """`create_reference` inside the caller's transaction."""
    for row in await connection.fetch(_BY_TRACKING, new.tracking_number, timeout=STATEMENT_TIMEOUT_S):
        known = reference_of(row)
        if known.kind is new.kind:
            _compare(known, new)
            fee = await connection.fetchval(_FEE, known.reference, timeout=STATEMENT_TIMEOUT_S) or 0
            if new.shipping_fee not in (None, fee):
                raise Conflict("shippingFee", "the parcel is known with another shipping fee")
            return known
        if known.kind in PARCEL_KINDS and new.kind in PARCEL_KINDS:
            raise Conflict("kind", "the parcel is known under another payment type")
    candidates = [new.reference] if new.reference is not None else [issue_reference() for _ in range(_ISSUE_TRIES)]
    for candidate in candidates:
        made = _reference_of_new(new, candidate)
        tag = await connection.execute(
            _INSERT,
            made.reference,
            made.kind,
            made.tracking_number,
            made.merchant_code,
            made.merchant,
            made.merchant_reference,
            made.description,
            made.amount_due,
            made.store_id,
            made.state,
            made.expires_at,
            made.status_at,
            made.receipt_remarks,
            now,
            timeout=STATEMENT_TIMEOUT_S,
        )
        if tag == "INSERT 0 1":
            await _keep_booking(connection, made)
            await _keep_contact(connection, made.reference, new.mobile, now)
            if new.shipping_fee:
                await connection.execute(_INSERT_FEE, made.reference, new.shipping_fee, timeout=STATEMENT_TIMEOUT_S)
            return made
        if await connection.fetchval(
            "SELECT EXISTS (SELECT FROM reference WHERE tracking_number = $1 AND kind = $2)",
            new.tracking_number,
            new.kind,
            timeout=STATEMENT_TIMEOUT_S,
        ):
            raise asyncpg.UniqueViolationError("the same parcel was entered at the same moment")
    raise Conflict("reference", "the reference belongs to another parcel")


async def _keep_booking(connection: Connection, made: Reference) -> None:
    """A drop-off is found at the kiosk by its booking's reference, so that no two of them may have the same."""
    if made.kind is Kind.DROP_OFF:
        tag = await connection.execute(
            _INSERT_BOOKING, made.merchant_reference, made.reference, timeout=STATEMENT_TIMEOUT_S
        )
        if tag != "INSERT 0 1":
            raise Conflict("merchantReference", "the booking's reference is another drop-off's")


async def _keep_contact(connection: Connection, reference: str, mobile: SealedMobile | None, now: datetime) -> None:
    if mobile is not None:
        await connection.execute(
            _INSERT_CONTACT,
            reference,
            mobile.key_version,
            mobile.sealed,
            mobile.index,
            now,
            timeout=STATEMENT_TIMEOUT_S,
        )


def _reference_of_new(new: NewReference, reference: str) -> Reference:
    return Reference(
        reference=reference,
        kind=new.kind,
        tracking_number=new.tracking_number,
        merchant_code=new.merchant_code,
        merchant=new.merchant,
        merchant_reference=new.merchant_reference,
        description=new.description,
        amount_due=new.amount_due,
        store_id=new.store_id,
        state=state_of_new(new.kind),
        expires_at=new.expires_at,
        status_at=None,
        done_store=None,
        done_by=None,
        receipt_remarks=new.receipt_remarks,
    )


def _compare(known: Reference, new: NewReference) -> None:
    """Another amount or another order under a known tracking number is a mistake that somebody would pay for."""
    if new.reference is not None and new.reference != known.reference:
        raise Conflict("reference", "the parcel has another reference already")
    if known.amount_due != new.amount_due:
        raise Conflict("amount", "the parcel is known with another amount")
    if (known.merchant_code, known.merchant_reference) != (new.merchant_code, new.merchant_reference):
        raise Conflict("merchantReference", "the tracking number is known of another order")


async def purge_contacts(pool: Pool, before: datetime) -> int:
    """Erases the mobile numbers that were kept before a moment; the count of them."""
    async with connection_of(pool) as connection:
        tag = await connection.execute("DELETE FROM contact WHERE created_at < $1", before, timeout=30)
    return int(tag.split()[-1])


_MOVE = "UPDATE reference SET state = $2, store_id = $3, status_at = $4 WHERE reference = $1 AND state = $5"


# References of the parcel are locked before this row, so that two statuses of it come one after the other.
_KEEP_PLACE = """
INSERT INTO whereabouts (tracking_number, status, location, at) VALUES ($1, $2, $3, $4)
ON CONFLICT (tracking_number) DO UPDATE SET status = excluded.status, location = excluded.location, at = excluded.at
WHERE whereabouts.at <= excluded.at
"""


async def apply(pool: Pool, status: Status, now: datetime) -> bool:
    """Applies an ECMS status to every reference of the parcel; False where the parcel is not known."""

    async def work(connection: Connection) -> bool:
        rows = await connection.fetch(_BY_TRACKING, status.tracking_number, timeout=STATEMENT_TIMEOUT_S)
        known_here = [reference_of(row) for row in rows]
        dropped_off = any(known.kind is Kind.DROP_OFF for known in known_here)
        moves = []
        for known in known_here:
            moved = apply_status(known, status, now, dropped_off=dropped_off)
            if moved is not None:
                await connection.execute(
                    _MOVE,
                    moved.reference,
                    moved.state,
                    moved.store_id,
                    moved.status_at,
                    known.state,
                    timeout=STATEMENT_TIMEOUT_S,
                )
                moves.append((known, moved))
        await manifests.note(connection, moves, now)
        if rows:
            place = (status.tracking_number, status.status, status.location, status.at)
            await connection.execute(_KEEP_PLACE, *place, timeout=STATEMENT_TIMEOUT_S)
        return bool(rows)

    return await in_transaction(pool, work, "status")
