"""The parcels' records: making shipments, moving parcels along the table, telling the gateway.

Every function here is work for the database: it takes the connection and runs alone.
"""

import json
import secrets
import sqlite3
import uuid
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from .clock import write_time
from .database import insert
from .fees import DC_ZONE, fee
from .flows import Flow, State, Step, Trigger, step_to
from .messages import CancelRequest, Refusal, ShipmentRequest
from .stores import (
    CENTRAL_WAREHOUSE,
    MERCHANT_SITE,
    OPEN,
    REGIONAL_WAREHOUSE,
    Zone,
    find_store,
    published_at,
    stores_on,
)

_S = State
_AT_STORE = frozenset(
    {_S.ARRIVED_AT_STORE, _S.DELIVERED_TO_STORE, _S.CLAIMED, _S.FOR_PULL_OUT, _S.PULLED_OUT_FROM_STORE}
)
_AT_SELLERS_STORE = frozenset(
    {
        *(_S.FOR_DROP_OFF, _S.DROPPED_OFF, _S.FOR_PULL_OUT_IN),
        *(_S.ARRIVED_AT_STORE_SELLER, _S.DELIVERED_TO_STORE_SELLER, _S.CLAIMED_SELLER),
        *(_S.FOR_PULL_OUT_LEFT, _S.PULLED_OUT_FROM_STORE_LEFT),
    }
)
_IN_REGION = frozenset({_S.DELIVERED_TO_WAREHOUSE_REGIONAL, _S.IN_TRANSIT_REGIONAL, _S.ON_VEHICLE_TO_STORE})
_IN_SELLERS_REGION = frozenset(
    {_S.DELIVERED_TO_WAREHOUSE_REGIONAL_SELLER, _S.IN_TRANSIT_REGIONAL_SELLER, _S.ON_VEHICLE_TO_STORE_SELLER}
)
_AT_MERCHANT = frozenset(
    {
        *(_S.CREATED, _S.CANCELLED, _S.FOR_PICK_UP, _S.REJECTED),
        *(_S.ON_VEHICLE_TO_WAREHOUSE, _S.ARRIVED_AT_MERCHANT),
    }
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
    booking_reference: str | None
    payment_type: str | None
    amount_centavos: int
    store_id: str | None
    origin_store_id: str | None
    dest_zone: str | None
    delivery_type: str | None
    payor: str | None
    fee_centavos: int | None
    mobile_number: str | None
    description: str
    label: str | None
    claim_code: str | None
    return_code: str | None
    own_return_code: bool
    created_at: int
    expires_at: int | None
    dropped_at: int | None
    received_at: int | None
    store_since: int | None
    claimed_at: int | None
    flagged: bool

    @property
    def is_return(self) -> bool:
        """Whether this is a customer's return, and not a shipment."""
        return self.identifier is not None

    @property
    def is_drop_off(self) -> bool:
        """Whether a seller brings this to a store."""
        return self.booking_reference is not None

    @property
    def zone(self) -> Zone | None:
        """Where it goes; None for a return."""
        store = None if self.is_return else find_store(self.store_id)
        if store is not None:
            return store.zone
        return None if self.dest_zone is None else Zone(self.dest_zone)

    @property
    def regional(self) -> bool:
        """Whether its road leads through a regional warehouse."""
        return self.zone in REGIONAL_WAREHOUSE

    @property
    def home_regional(self) -> bool:
        """Whether the way back to its seller's store leads through a regional warehouse."""
        store = find_store(self.origin_store_id)
        return store is not None and store.regional

    @property
    def due_at_drop_off(self) -> int:
        """The centavos that its seller pays when it is dropped off."""
        return self.fee_centavos or 0 if self.payor == "SELLER" else 0

    @property
    def due_from_merchant(self) -> int:
        """The centavos that its merchant owes for the shipping, once the counter has done its part."""
        if self.is_drop_off:
            return (self.fee_centavos or 0) - self.due_at_drop_off
        return 0 if self.zone is None else fee(DC_ZONE, self.zone, "STORE")

    def site(self, state: State) -> str:
        """The 4-digit store or site where the parcel is in `state`."""
        if state in _AT_STORE and self.store_id is not None:
            return self.store_id
        fetched = self.is_drop_off and state is _S.ON_VEHICLE_TO_WAREHOUSE
        if (state in _AT_SELLERS_STORE or fetched) and self.origin_store_id is not None:
            return self.origin_store_id
        if state in _AT_MERCHANT:
            return MERCHANT_SITE
        if state in _IN_REGION and self.zone is not None:
            return REGIONAL_WAREHOUSE.get(self.zone, CENTRAL_WAREHOUSE)
        if state in _IN_SELLERS_REGION and (store := find_store(self.origin_store_id)) is not None:
            return REGIONAL_WAREHOUSE.get(store.zone, CENTRAL_WAREHOUSE)
        return CENTRAL_WAREHOUSE


_NAMES = tuple(field.name for field in fields(Parcel))
_COLUMNS = ", ".join(_NAMES)
_SELECT = f"SELECT {_COLUMNS} FROM parcel "  # noqa: S608 - a constant


def parcel_of(row: sqlite3.Row) -> Parcel:
    """The record in a row of `select_parcels`."""
    values = {name: row[name] for name in _NAMES}
    values.update({name: bool(row[name]) for name in ("own_return_code", "flagged")})
    values.update(flow=Flow(row["flow"]), state=State(row["state"]))
    return Parcel(**values)


def select_parcels(
    connection: sqlite3.Connection, condition: str, parameters: tuple[Any, ...] | dict[str, Any]
) -> list[Parcel]:
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
    note_change(connection, parcel.tracking_number, "EVENT")
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


def note_change(connection: sqlite3.Connection, tracking_number: str, kind: str) -> None:
    """Says to whoever follows the simulator that a parcel's history grew (EVENT), or that the gateway heard (TOLD)."""
    insert(connection, "change", tracking_number=tracking_number, kind=kind)


def check_store(store_id: str, now: datetime, field: str) -> None:
    """`Refusal` 400 where the store list that is out now has no such store, or has it closed."""
    store = stores_on(published_at(now).date()).get(store_id)
    if store is None:
        raise Refusal(400, f"{field}: must be the 4 digits of a store in /stores.csv")
    if store.status != OPEN:
        raise Refusal(400, f"{field}: store {store_id} is {store.status.lower()}")


def request_shipment(connection: sqlite3.Connection, request: ShipmentRequest, flow: Flow, now: datetime) -> Parcel:
    """The shipment of this merchant and merchantReference, made now if there is none yet."""
    earlier = select_parcels(
        connection,
        "WHERE merchant_code = ? AND merchant_reference = ? AND identifier IS NULL",
        (request.merchant_code, request.merchant_reference),
    )
    if earlier:
        if earlier[0].is_drop_off:
            raise Refusal(409, "merchantReference: belongs to a drop-off.")
        return earlier[0]
    check_store(request.delivery_location_id, now, "deliveryLocationId")
    tracking_number = new_tracking_number(connection)
    details = request.details()
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
    parcel = known_parcel(connection, tracking_number)
    record(
        connection,
        parcel,
        status=State.CREATED.status,
        location=parcel.site(State.CREATED),
        at=write_time(now),
        source="merchant",
    )
    return parcel


def keep_codes(
    connection: sqlite3.Connection,
    tracking_number: str,
    *,
    claim_code: str | None = None,
    return_code: str | None = None,
) -> None:
    """Writes down references that the gateway has issued for a parcel."""
    connection.execute(
        "UPDATE parcel SET claim_code = coalesce(claim_code, ?), return_code = coalesce(return_code, ?)"
        " WHERE tracking_number = ?",
        (claim_code, return_code, tracking_number),
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


def take_step(connection: sqlite3.Connection, parcel: Parcel, step: Step, now: datetime, reason: str | None) -> None:
    """Moves the parcel, adds to its history and puts the status where the gateway will be told from."""
    moment = int(now.timestamp())
    moved = connection.execute(
        "UPDATE parcel SET state = ?, received_at = coalesce(?, received_at), store_since = coalesce(?, store_since)"
        " WHERE tracking_number = ? AND state = ?",
        (
            step.target,
            moment if step.target.status == State.DELIVERED_TO_WAREHOUSE else None,
            moment if step.target.status == State.DELIVERED_TO_STORE else None,
            parcel.tracking_number,
            step.origin,
        ),
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
    if not gateway_hears(parcel, step.target):
        return
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


def gateway_hears(parcel: Parcel, state: State) -> bool:
    """Whether the gateway is told of this state: of every one but a COD package's arrival at its seller's store.

    That arrival would open the buyer's code again, and the seller would be asked to pay for the own package.
    """
    return not (state is State.DELIVERED_TO_STORE_SELLER and parcel.payment_type == "COD")


def next_untold(connection: sqlite3.Connection, tracking_number: str) -> tuple[int, dict[str, str]] | None:
    """The oldest status of a parcel that the gateway has not been told: its number in the outbox, and
    itself.
    """
    row = connection.execute(
        "SELECT seq, message FROM outbox WHERE told = 0 AND tracking_number = ? ORDER BY seq LIMIT 1",
        (tracking_number,),
    ).fetchone()
    return None if row is None else (row["seq"], json.loads(row["message"]))


def mark_told(connection: sqlite3.Connection, tracking_number: str, seq: int, now: datetime) -> None:
    """Notes that the gateway has been told."""
    connection.execute("UPDATE outbox SET told = 1, told_at = ? WHERE seq = ?", (int(now.timestamp()), seq))
    note_change(connection, tracking_number, "TOLD")


def parcels_with_untold(connection: sqlite3.Connection) -> list[str]:
    """The tracking numbers of which the gateway has something to hear."""
    return [row[0] for row in connection.execute("SELECT DISTINCT tracking_number FROM outbox WHERE told = 0")]


def known_parcel(connection: sqlite3.Connection, tracking_number: str) -> Parcel:
    """The parcel with that tracking number; `Refusal` 404 where there is none."""
    parcel = find_parcel(connection, tracking_number)
    if parcel is None:
        raise Refusal(404, "trackingNumber: no parcel has this number.")
    return parcel
