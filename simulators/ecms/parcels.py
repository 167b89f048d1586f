"""The parcels' records: making shipments, moving them along the table, telling the gateway, showing their
history.

Every function here is work for the database: it takes the connection and runs alone.
"""

import json
import secrets
import sqlite3
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..wire import format_amount
from .clock import write_time
from .database import insert
from .flows import Flow, State, Step, Trigger, route, step_to
from .messages import CancelRequest, Refusal, ShipmentRequest
from .stores import CENTRAL_WAREHOUSE, MERCHANT_SITE, REGIONAL_WAREHOUSE, STORES

_AT_STORE = (State.ARRIVED_AT_STORE, State.DELIVERED_TO_STORE, State.FOR_PULL_OUT, State.PULLED_OUT_FROM_STORE)
_IN_REGION = (State.DELIVERED_TO_WAREHOUSE_REGIONAL, State.IN_TRANSIT_REGIONAL, State.ON_VEHICLE_TO_STORE)
_AT_MERCHANT = (
    *(State.CREATED, State.CANCELLED, State.FOR_PICK_UP, State.REJECTED),
    *(State.ON_VEHICLE_TO_WAREHOUSE, State.ARRIVED_AT_MERCHANT),
)


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel's record, as the database holds it; times are seconds of Unix time."""

    tracking_number: str
    flow: Flow
    state: State
    merchant_code: str
    merchant: str
    merchant_reference: str
    identifier: str | None
    payment_type: str | None
    amount_centavos: int
    store_id: str | None
    mobile_number: str | None
    description: str
    label: str | None
    claim_code: str | None
    return_code: str | None
    own_return_code: bool
    expires_at: int | None
    claimed_at: int | None
    flagged: bool

    @property
    def is_return(self) -> bool:
        """Whether this is a customer's return, and not a shipment."""
        return self.identifier is not None

    @property
    def regional(self) -> bool:
        """Whether its road leads through a regional warehouse."""
        return self.store_id in STORES and STORES[self.store_id].regional

    def site(self, state: State) -> str:
        """The 4-digit store or site where the parcel is in `state`."""
        if state in _AT_STORE and self.store_id is not None:
            return self.store_id
        if state in _AT_MERCHANT:
            return MERCHANT_SITE
        if state in _IN_REGION and self.store_id in STORES:
            return REGIONAL_WAREHOUSE.get(STORES[self.store_id].zone, CENTRAL_WAREHOUSE)
        return CENTRAL_WAREHOUSE


_COLUMNS = (
    "tracking_number, flow, state, merchant_code, merchant, merchant_reference, identifier, payment_type,"
    " amount_centavos, store_id, mobile_number, description, label, claim_code, return_code,"
    " own_return_code, expires_at, claimed_at, flagged"
)
_SELECT = f"SELECT {_COLUMNS} FROM parcel "  # noqa: S608 - a constant


def parcel_of(row: sqlite3.Row) -> Parcel:
    """The record in a row of `select_parcels`."""
    values = dict(row)
    values.update({name: bool(row[name]) for name in ("own_return_code", "flagged")})
    values.update(flow=Flow(row["flow"]), state=State(row["state"]))
    return Parcel(**values)


def select_parcels(connection: sqlite3.Connection, condition: str, parameters: tuple[Any, ...]) -> list[Parcel]:
    """All parcels for which `condition`, a constant of ours, holds."""
    return [parcel_of(row) for row in connection.execute(_SELECT + condition, parameters)]


def find_parcel(connection: sqlite3.Connection, tracking_number: str) -> Parcel | None:
    """The parcel with that tracking number."""
    found = select_parcels(connection, "WHERE tracking_number = ?", (tracking_number,))
    return found[0] if found else None


def new_tracking_number(connection: sqlite3.Connection) -> str:
    """18 digits, unpredictable, and not in use; the first is not 0."""
    while True:
        number = str(10**17 + secrets.randbelow(9 * 10**17))
        if find_parcel(connection, number) is None:
            return number


def record(
    connection: sqlite3.Connection,
    parcel: Parcel,
    *,
    status: str,
    location: str | None,
    at: str,
    source: str,
    reason: str | None = None,
) -> None:
    """Adds a status of ECMS's own to the parcel's history; `at` is ECMS's spelling of a time."""
    insert(
        connection,
        "event",
        event_id=str(uuid.uuid4()),
        tracking_number=parcel.tracking_number,
        status=status,
        location=location,
        timestamp=at,
        reason=reason,
        source=source,
        applied=1,
    )


def request_shipment(connection: sqlite3.Connection, request: ShipmentRequest, flow: Flow, now: datetime) -> Parcel:
    """The shipment of this merchant and merchantReference, made now if there is none yet."""
    earlier = select_parcels(
        connection,
        "WHERE merchant_code = ? AND merchant_reference = ? AND identifier IS NULL",
        (request.merchant_code, request.merchant_reference),
    )
    if earlier:
        return earlier[0]
    tracking_number = new_tracking_number(connection)
    details = request.model_dump(
        mode="json",
        include={"shipping_weight", "shipping_length", "shipping_width", "shipping_height", "package_type"}
        | {"delivery_date", "order_date", "pickup_date", "address"},
    )
    insert(
        connection,
        "parcel",
        tracking_number=tracking_number,
        flow=flow,
        state=State.CREATED,
        merchant_code=request.merchant_code,
        merchant=request.merchant,
        merchant_reference=request.merchant_reference,
        payment_type=request.payment_type or "PREPAID",
        amount_centavos=request.amount,
        store_id=request.delivery_location_id,
        mobile_number=request.mobile_number,
        description=request.description or "",
        details=json.dumps(details),
        label=secrets.token_urlsafe(24),
        created_at=int(now.timestamp()),
    )
    parcel = _known(connection, tracking_number)
    record(
        connection,
        parcel,
        status=State.CREATED.status,
        location=parcel.site(State.CREATED),
        at=write_time(now),
        source="merchant",
    )
    return parcel


def keep_claim_code(connection: sqlite3.Connection, tracking_number: str, claim_code: str) -> None:
    """Writes down the reference that the gateway has issued for a shipment."""
    connection.execute(
        "UPDATE parcel SET claim_code = ? WHERE tracking_number = ? AND claim_code IS NULL",
        (claim_code, tracking_number),
    )


def cancel(connection: sqlite3.Connection, request: CancelRequest, merchant_code: str, now: datetime) -> None:
    """Cancels a merchant's shipment; cancelled already, it stays so. `Refusal` where it is too late."""
    parcel = find_parcel(connection, request.tracking_number)
    # Another merchant's parcel is unknown to this one.
    if parcel is None or parcel.is_return or parcel.merchant_code != merchant_code:
        raise Refusal(404, "trackingNumber: no shipment of yours has this number.")
    if parcel.state is State.CANCELLED:
        return
    step = step_to(parcel.flow, parcel.state, State.CANCELLED, Trigger.MERCHANT_CANCELLATION)
    if step is None:
        raise Refusal(409, f"The shipment is {parcel.state.status} and can no longer be cancelled.")
    take_step(connection, parcel, step, now, request.reason)


def advance(connection: sqlite3.Connection, tracking_number: str, status: str, now: datetime) -> None:
    """Takes a parcel through every step of ECMS's own up to `status`; already there, it stays."""
    parcel = _known(connection, tracking_number)
    steps = route(parcel.flow, parcel.state, status, regional=parcel.regional)
    if steps is None:
        raise Refusal(409, f"to: no step of ECMS's own leads from {parcel.state.status} there.")
    for step in steps:
        reason = "Item was not handed over." if step.target is State.REJECTED else None
        take_step(connection, parcel, step, now, reason)


def take_step(connection: sqlite3.Connection, parcel: Parcel, step: Step, now: datetime, reason: str | None) -> None:
    """Moves the parcel, adds to its history and puts the status where the gateway will be told from."""
    moved = connection.execute(
        "UPDATE parcel SET state = ? WHERE tracking_number = ? AND state = ?",
        (step.target, parcel.tracking_number, step.origin),
    )
    if moved.rowcount != 1:
        raise RuntimeError(f"{parcel.tracking_number} is not {step.origin}")
    status, location, at = step.target.status, parcel.site(step.target), write_time(now)
    record(
        connection,
        parcel,
        status=status,
        location=location,
        at=at,
        source=step.trigger.source,
        reason=reason,
    )
    message = {
        "trackingNumber": parcel.tracking_number,
        "merchantReference": parcel.merchant_reference,
        "status": status,
        "location": location,
        "timestamp": at,
    }
    if reason:
        message["reason"] = reason
    insert(connection, "outbox", tracking_number=parcel.tracking_number, message=json.dumps(message))


def next_untold(connection: sqlite3.Connection, tracking_number: str) -> tuple[int, dict[str, str]] | None:
    """The oldest status of a parcel that the gateway has not been told: its number in the outbox, and
    itself.
    """
    row = connection.execute(
        "SELECT seq, message FROM outbox WHERE told = 0 AND tracking_number = ? ORDER BY seq LIMIT 1",
        (tracking_number,),
    ).fetchone()
    return None if row is None else (row["seq"], json.loads(row["message"]))


def mark_told(connection: sqlite3.Connection, seq: int) -> None:
    """Notes that the gateway has been told."""
    connection.execute("UPDATE outbox SET told = 1 WHERE seq = ?", (seq,))


def parcels_with_untold(connection: sqlite3.Connection) -> list[str]:
    """The tracking numbers of which the gateway has something to hear."""
    return [row[0] for row in connection.execute("SELECT DISTINCT tracking_number FROM outbox WHERE told = 0")]


def show_parcel(connection: sqlite3.Connection, tracking_number: str) -> dict[str, Any]:
    """The control port's view of a parcel with its whole history; `Refusal` 404 where there is none."""
    parcel = _known(connection, tracking_number)
    rows = connection.execute(
        "SELECT event_id, status, location, timestamp, reason, source, applied, payment, flagged, refused"
        " FROM event WHERE tracking_number = ? ORDER BY seq",
        (tracking_number,),
    )
    return {
        **_summary(parcel),
        "flow": parcel.flow,
        "merchant": parcel.merchant,
        "paymentType": parcel.payment_type,
        "amount": format_amount(parcel.amount_centavos),
        "claimCode": show_code(parcel.claim_code),
        "returnCode": show_code(parcel.return_code),
        "told": next_untold(connection, tracking_number) is None,
        "events": [_show_event(row) for row in rows],
    }


def list_parcels(connection: sqlite3.Connection, limit: int) -> list[dict[str, Any]]:
    """The newest parcels first, without their histories."""
    return [_summary(parcel) for parcel in select_parcels(connection, "ORDER BY rowid DESC LIMIT ?", (limit,))]


def show_code(code: str | None) -> str | None:
    """A reference as people read it, `XXXX-XXXX-XXXX`."""
    return None if code is None else f"{code[:4]}-{code[4:8]}-{code[8:]}"


def _known(connection: sqlite3.Connection, tracking_number: str) -> Parcel:
    parcel = find_parcel(connection, tracking_number)
    if parcel is None:
        raise Refusal(404, "trackingNumber: no parcel has this number.")
    return parcel


def _summary(parcel: Parcel) -> dict[str, Any]:
    return {
        "trackingNumber": parcel.tracking_number,
        "kind": "RETURN" if parcel.is_return else "SHIPMENT",
        "status": parcel.state.status,
        "merchantCode": parcel.merchant_code,
        "merchantReference": parcel.merchant_reference,
        "storeId": parcel.store_id,
        "flagged": parcel.flagged,
    }


def _show_event(row: sqlite3.Row) -> dict[str, Any]:
    event = {
        "eventId": row["event_id"],
        "status": row["status"],
        "location": row["location"],
        "timestamp": row["timestamp"],
        "reason": row["reason"],
        "source": row["source"],
        "applied": bool(row["applied"]),
    }
    if row["payment"] is not None:
        event["payment"] = json.loads(row["payment"])
    for name in ("flagged", "refused"):
        if row[name] is not None:
            event[name] = row[name]
    return event
