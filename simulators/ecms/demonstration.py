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


def put_in(connection: sqlite3.Connection, config: Config, return_flows: dict[str, Flow]) -> None:
    """Puts in those of the configuration's demo parcels that are not there yet."""
    merchants = {client.merchant_code: client for client in config.clients if isinstance(client, MerchantClient)}
    for demo in config.demo_parcels:
        if find_parcel(connection, demo.tracking_number) is None:
            merchant = merchants[demo.merchant_code]
            flow = return_flows[demo.merchant_code] if demo.is_return else Flow(merchant.flow)
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
        details="{}",
        label=None if demo.is_return else secrets.token_urlsafe(24),
        claim_code=demo.reference,
        created_at=int(read_time(demo.at).timestamp()),
        expires_at=None if demo.expires_at is None else int(read_time(demo.expires_at).timestamp()),
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
    else:
        _bring_to_store(connection, parcel, demo.at)


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
