"""The seller's drop-off (C2C): its booking, its fee, and how many a seller may bring in a day.

Every function here is work for the database: it takes the connection and runs alone.
"""

import json
import secrets
import sqlite3
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from ..wire import PHILIPPINE_TIME, format_amount
from .clock import write_time
from .database import insert
from .fees import fee
from .flows import Flow, State
from .messages import DropOffRequest, QuoteRequest, Refusal
from .parcels import Parcel, check_store, find_parcel, known_parcel, new_tracking_number, record, select_parcels
from .stores import Zone, find_store, zone_of_city

MOST_A_DAY = 5
"""Packages that a seller may book, and drop off, on one Philippine day."""

BOOKING_LASTS = timedelta(days=7)
"""How long a booked package may be brought to a counter; nothing published says it, a return's 7 days are its model."""

# Letters and digits that nobody takes for one another.
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_DIGITS = "23456789"


@dataclass(frozen=True, slots=True)
class Quote:
    """What a drop-off costs, in centavos, and what of that the seller pays at the counter."""

    fee_centavos: int
    due_centavos: int

    def show(self) -> dict[str, str]:
        """As the gateway is answered."""
        return {
            "errorCode": "200",
            "amountDue": format_amount(self.due_centavos),
            "shippingFee": format_amount(self.fee_centavos),
        }


def book(connection: sqlite3.Connection, request: DropOffRequest, merchant: str, now: datetime) -> Parcel:
    """The booking of this merchant and merchantReference, made now if there is none yet."""
    earlier = select_parcels(
        connection,
        "WHERE merchant_code = ? AND merchant_reference = ? AND identifier IS NULL",
        (request.merchant_code, request.merchant_reference),
    )
    if earlier:
        if not earlier[0].is_drop_off:
            raise Refusal(409, "merchantReference: belongs to a shipment.")
        return earlier[0]
    check_store(request.dropoff_location_id, now, "dropoffLocationId")
    zone = _destination_zone(request, now)
    if _booked_today(connection, request, now) >= MOST_A_DAY:
        raise Refusal(409, f"mobileNumber: this seller has booked {MOST_A_DAY} packages today.", "daily-limit")
    return _make_booking(connection, request, merchant, zone, now)


def quote(connection: sqlite3.Connection, request: QuoteRequest, now: datetime) -> Quote:
    """The fee for the store where the package is really dropped off; `Refusal` 409 where it is one too many today."""
    parcel = known_parcel(connection, request.tracking_number)
    if parcel.booking_reference is None or parcel.booking_reference != request.booking_reference:
        raise Refusal(404, "bookingReference: no drop-off has it with this trackingNumber.")
    store = find_store(request.store_id)
    if store is None or parcel.zone is None:
        raise Refusal(404, "storeId: no store has this number.")
    if dropped_off_on_day(connection, parcel, now) >= MOST_A_DAY:
        raise Refusal(409, f"The seller has dropped off {MOST_A_DAY} packages today.", "daily-limit")
    centavos = fee(store.zone, parcel.zone, parcel.delivery_type or "STORE")
    return Quote(centavos, centavos if parcel.payor == "SELLER" else 0)


def dropped_off_on_day(connection: sqlite3.Connection, parcel: Parcel, moment: datetime) -> int:
    """How many other packages of the same seller were dropped off on that Philippine day."""
    first, last = _day_of(moment)
    count = connection.execute(
        "SELECT count(*) FROM parcel WHERE booking_reference IS NOT NULL AND merchant_code = ? AND mobile_number = ?"
        " AND dropped_at >= ? AND dropped_at < ? AND tracking_number <> ?",
        (parcel.merchant_code, parcel.mobile_number, first, last, parcel.tracking_number),
    ).fetchone()[0]
    return int(count)


def _destination_zone(request: DropOffRequest, now: datetime) -> Zone:
    dest = request.dest
    if request.delivery_type == "STORE":
        if dest.delivery_location_id is None:
            raise Refusal(400, "dest.deliveryLocationId: is missing")
        check_store(dest.delivery_location_id, now, "dest.deliveryLocationId")
        store = find_store(dest.delivery_location_id)
        assert store is not None, "it was on the list a moment ago"
        return store.zone
    zone = zone_of_city(dest.city or "")
    if zone is None or not dest.address1:
        raise Refusal(400, "dest.city: must be a city of /stores.csv, with an address1 in it")
    return zone


def _booked_today(connection: sqlite3.Connection, request: DropOffRequest, now: datetime) -> int:
    first, last = _day_of(now)
    count = connection.execute(
        "SELECT count(*) FROM parcel WHERE booking_reference IS NOT NULL AND merchant_code = ? AND mobile_number = ?"
        " AND created_at >= ? AND created_at < ? AND state <> ?",
        (request.merchant_code, request.mobile_number, first, last, State.CANCELLED),
    ).fetchone()[0]
    return int(count)


def _day_of(moment: datetime) -> tuple[int, int]:
    first = datetime.combine(moment.astimezone(PHILIPPINE_TIME).date(), time(0), PHILIPPINE_TIME)
    return int(first.timestamp()), int((first + timedelta(days=1)).timestamp())


def _make_booking(
    connection: sqlite3.Connection, request: DropOffRequest, merchant: str, zone: Zone, now: datetime
) -> Parcel:
    origin = find_store(request.dropoff_location_id)
    assert origin is not None, "it was on the list a moment ago"
    to_store = request.delivery_type == "STORE"
    tracking_number = new_tracking_number(connection)
    insert(
        connection,
        "parcel",
        tracking_number=tracking_number,
        flow=Flow.DROP_OFF_STORE if to_store else Flow.DROP_OFF_DOOR,
        state=State.CREATED,
        merchant_code=request.merchant_code,
        merchant=request.merchant or merchant,
        merchant_reference=request.merchant_reference,
        booking_reference=_new_booking_reference(connection),
        payment_type=request.payment_type or "PREPAID",
        amount_centavos=request.amount,
        store_id=request.dest.delivery_location_id if to_store else None,
        origin_store_id=request.dropoff_location_id,
        dest_zone=zone,
        delivery_type=request.delivery_type,
        payor=request.shipment_payor,
        fee_centavos=fee(origin.zone, zone, request.delivery_type),
        mobile_number=request.mobile_number,
        description=request.description or "",
        details=json.dumps(request.details()),
        label=secrets.token_urlsafe(24),
        created_at=int(now.timestamp()),
        expires_at=int((now + BOOKING_LASTS).timestamp()),
    )
    parcel = find_parcel(connection, tracking_number)
    assert parcel is not None, "it was written a moment ago"
    created = State.CREATED
    record(
        connection, parcel, status=created.status, location=parcel.site(created), at=write_time(now), source="merchant"
    )
    return parcel


def _new_booking_reference(connection: sqlite3.Connection) -> str:
    while True:
        made = "".join(secrets.choice(letters) for letters in (_LETTERS,) * 3 + (_DIGITS,) * 2)
        if not select_parcels(connection, "WHERE booking_reference = ?", (made,)):
            return made
