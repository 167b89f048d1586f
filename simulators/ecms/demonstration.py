"""Parcels that the sandbox holds from its first moment: whoever starts it says which, and the gateway has them too.

Each is put in once, as if it had come its way earlier; nobody is told of it. From then on it is a parcel like any
other. Every function here is work for the database: it takes the connection and runs alone.
"""

import secrets
import sqlite3

from .clock import read_time
from .config import Config, DemoParcel, MerchantClient
from .database import insert
from .flows import Flow, State, route
from .parcels import Parcel, find_parcel, record
from .stores import find_store

_NEVER = "2099-12-31 23:59:59"


def put_in(connection: sqlite3.Connection, config: Config, return_flows: dict[str, Flow]) -> None:
    """Puts in those of the configuration's demo parcels that are not there yet."""
    merchants = {client.merchant_code: client for client in config.clients if isinstance(client, MerchantClient)}
    for demo in config.demo_parcels:
        if find_parcel(connection, demo.tracking_number) is None:
            merchant = merchants[demo.merchant_code]
            flow = return_flows[demo.merchant_code] if demo.is_return else Flow(merchant.flow)
            if demo.booking_reference is not None:
                flow = Flow.DROP_OFF_STORE
            _put_in(connection, demo, merchant.merchant, flow)


def _put_in(connection: sqlite3.Connection, demo: DemoParcel, merchant: str, flow: Flow) -> None:
    insert(
        connection,
        "parcel",
        tracking_number=demo.tracking_number,
        flow=flow,
        state=State.CREATED,
        merchant_code=demo.merchant_code,
        merchant=merchant,
        merchant_reference=demo.merchant_reference,
        identifier=demo.merchant_reference if demo.is_return else None,
        payment_type=demo.payment_type,
        amount_centavos=demo.amount,
        store_id=demo.store_id,
        mobile_number=demo.mobile_number,
        description=demo.description,
        **_as_drop_off(demo),
        details="{}",
        label=None if demo.is_return else secrets.token_urlsafe(24),
        claim_code=demo.reference,
        created_at=int(read_time(demo.at).timestamp()),
        expires_at=_expiry(demo),
    )
    parcel = find_parcel(connection, demo.tracking_number)
    assert parcel is not None, "it was put in a moment ago"
    _enter(connection, parcel, State.CREATED, "merchant", demo.at)
    if demo.is_return:
        insert(
            connection,
            "return_id",
            identifier=demo.merchant_reference,
            merchant_code=demo.merchant_code,
            merchant=merchant,
            valid_until=parcel.expires_at,
        )
    elif demo.booking_reference is None:
        _bring_to_store(connection, parcel, demo.at)


def _expiry(demo: DemoParcel) -> int | None:
    # A booking that is there from the start is as good in years as on the first day.
    expires_at = demo.expires_at or (None if demo.booking_reference is None else _NEVER)
    return None if expires_at is None else int(read_time(expires_at).timestamp())


def _as_drop_off(demo: DemoParcel) -> dict[str, str | int]:
    """What a booking has beyond a shipment: it stays within its own store's zone, and the seller pays."""
    store = find_store(demo.store_id or "")
    if demo.booking_reference is None or store is None:
        return {}
    return {
        "booking_reference": demo.booking_reference,
        "origin_store_id": store.store_id,
        "dest_zone": store.zone,
        "delivery_type": "STORE",
        "payor": "SELLER",
        "fee_centavos": demo.fee,
        "return_code": demo.reference or "",
    }


def _bring_to_store(connection: sqlite3.Connection, parcel: Parcel, at: str) -> None:
    arrived = State.DELIVERED_TO_STORE
    steps = route(parcel.flow, parcel.state, arrived.status, regional=parcel.regional) or ()
    for step in steps:
        _enter(connection, parcel, step.target, step.trigger.source, at)
    connection.execute(
        "UPDATE parcel SET state = ? WHERE tracking_number = ?",
        (arrived, parcel.tracking_number),
    )


def _enter(connection: sqlite3.Connection, parcel: Parcel, state: State, source: str, at: str) -> None:
    record(connection, parcel, status=state.status, location=parcel.site(state), at=at, source=source)
