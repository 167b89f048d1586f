"""Customers' returns: which identifiers may be returned, and the new parcel that a return is.

Every function here is work for the database: it takes the connection and runs alone.
"""

import json
import secrets
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from .clock import write_time
from .database import insert
from .flows import Flow, State
from .messages import Refusal, ReturnIdsRequest, ReturnRequest
from .parcels import Parcel, find_parcel, new_tracking_number, record, select_parcels
from .stores import MERCHANT_SITE

RETURN_LASTS = timedelta(days=7)
"""How long a return that was begun may be brought to a counter (wire contract)."""

RETURNABLE_AFTER_CLAIM = timedelta(days=30)
"""How long a claimed shipment can be returned without the merchant's having submitted anything."""

# Cancelled is a return that was not brought in time; what it was for may be returned in a new one.
_NOT_RETURNED = (State.CREATED, State.FOR_RETURN, State.CANCELLED)


@dataclass(frozen=True, slots=True)
class _Returnable:
    """Something that a customer may return: `identifier` is its one name, however the customer named it."""

    merchant_code: str
    merchant: str
    identifier: str
    valid_until: int
    mobile_number: str | None


def submit_identifiers(connection: sqlite3.Connection, request: ReturnIdsRequest, merchant: str, now: datetime) -> int:
    """Makes a merchant's identifiers returnable, or longer so; answers how many there were."""
    valid_until = int((now + timedelta(days=request.valid_days)).timestamp())
    identifiers = set(request.identifiers)
    connection.executemany(
        "INSERT INTO return_id (identifier, merchant_code, merchant, valid_until) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (identifier, merchant_code) DO UPDATE SET valid_until = excluded.valid_until",
        [(identifier, request.merchant_code, merchant, valid_until) for identifier in identifiers],
    )
    return len(identifiers)


def begin_return(
    connection: sqlite3.Connection,
    request: ReturnRequest,
    flow_of_merchant: dict[str, Flow],
    now: datetime,
    *,
    with_code: bool,
) -> Parcel:
    """The open return of what the customer named, made now if there is none.

    `Refusal` 404 where nobody knows the identifier, 409 where it has been returned, 410 where it is too late.
    """
    returnable = _find_returnable(connection, request)
    earlier = select_parcels(
        connection,
        "WHERE merchant_code = ? AND identifier = ? ORDER BY rowid DESC",
        (returnable.merchant_code, returnable.identifier),
    )
    if any(parcel.state not in _NOT_RETURNED for parcel in earlier):
        raise Refusal(409, "merchantReference: has been returned already.")
    moment = int(now.timestamp())
    for parcel in earlier:
        if parcel.state is not State.CANCELLED and (parcel.expires_at or 0) > moment:
            return parcel
    if returnable.valid_until <= moment:
        raise Refusal(410, "merchantReference: its return period is over.")
    flow = flow_of_merchant.get(returnable.merchant_code, Flow.RETURN_COLLECTED)
    return _make_return(connection, returnable, request, flow, now, with_code=with_code)


def _find_returnable(connection: sqlite3.Connection, request: ReturnRequest) -> _Returnable:
    found = {
        (returnable.merchant_code, returnable.identifier): returnable
        # What the merchant has submitted comes last: its period is the one that the merchant has set.
        for returnable in (*_claimed_shipments(connection, request), *_submitted(connection, request))
        if request.merchant_code in (None, returnable.merchant_code)
    }
    if len(found) > 1:
        raise Refusal(404, "merchantCode: several merchants know this identifier; name one of them.")
    if not found:
        raise Refusal(404, "merchantReference: nobody has submitted this identifier for return.")
    return next(iter(found.values()))


def _submitted(connection: sqlite3.Connection, request: ReturnRequest) -> list[_Returnable]:
    rows = connection.execute(
        "SELECT merchant_code, merchant, identifier, valid_until FROM return_id WHERE identifier = ?",
        (request.merchant_reference,),
    )
    return [
        _Returnable(
            row["merchant_code"],
            row["merchant"],
            _one_name(connection, row["merchant_code"], row["identifier"]),
            row["valid_until"],
            request.mobile_number,
        )
        for row in rows
    ]


def _one_name(connection: sqlite3.Connection, merchant_code: str, identifier: str) -> str:
    """A shipment's merchantReference where `identifier` is its tracking number: it is the same package."""
    shipment = find_parcel(connection, identifier)
    if shipment is None or shipment.is_return or shipment.merchant_code != merchant_code:
        return identifier
    return shipment.merchant_reference


def _claimed_shipments(connection: sqlite3.Connection, request: ReturnRequest) -> list[_Returnable]:
    shipments: list[Parcel] = []
    if request.identifier_type in (None, "WAYBILL"):
        shipments += select_parcels(
            connection, "WHERE tracking_number = ? AND identifier IS NULL", (request.merchant_reference,)
        )
    if request.identifier_type in (None, "ORDER_NUMBER"):
        shipments += select_parcels(
            connection, "WHERE merchant_reference = ? AND identifier IS NULL", (request.merchant_reference,)
        )
    return [
        _Returnable(
            shipment.merchant_code,
            shipment.merchant,
            shipment.merchant_reference,
            shipment.claimed_at + int(RETURNABLE_AFTER_CLAIM.total_seconds()),
            shipment.mobile_number,
        )
        for shipment in shipments
        if shipment.claimed_at is not None
    ]


def _make_return(
    connection: sqlite3.Connection,
    returnable: _Returnable,
    request: ReturnRequest,
    flow: Flow,
    now: datetime,
    *,
    with_code: bool,
) -> Parcel:
    tracking_number = new_tracking_number(connection)
    insert(
        connection,
        "parcel",
        tracking_number=tracking_number,
        flow=flow,
        state=State.CREATED,
        merchant_code=returnable.merchant_code,
        merchant=returnable.merchant,
        merchant_reference=returnable.identifier,
        identifier=returnable.identifier,
        amount_centavos=0,
        mobile_number=request.mobile_number or returnable.mobile_number,
        description="RETURN",
        details=json.dumps({"identifierType": request.identifier_type}),
        return_code=_new_return_code(connection) if with_code else None,
        own_return_code=with_code,
        created_at=int(now.timestamp()),
        expires_at=min(int((now + RETURN_LASTS).timestamp()), returnable.valid_until),
    )
    parcel = find_parcel(connection, tracking_number)
    if parcel is None:
        raise RuntimeError(f"{tracking_number} was not written")
    record(
        connection,
        parcel,
        status=State.CREATED.status,
        location=MERCHANT_SITE,
        at=write_time(now),
        source="ecms",
    )
    return parcel


def _new_return_code(connection: sqlite3.Connection) -> str:
    while True:
        code = str(10**11 + secrets.randbelow(9 * 10**11))
        if not select_parcels(connection, "WHERE return_code = ?", (code,)):
            return code
