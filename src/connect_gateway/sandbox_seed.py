"""Puts the demo parcels into a sandbox's ledger, through the ledger's own functions and as of their own day."""

from datetime import UTC, datetime
from pathlib import Path

from connect_gateway import demo_parcels as demo
from connect_gateway.demo_parcels import DemoParcel
from connect_gateway.domain.parcels import Status
from connect_gateway.edges.answers import answer_with
from connect_gateway.edges.kiosk import ReturnMessage, return_request
from connect_gateway.keys import Keys, load_keys
from connect_gateway.ledger import parcels, returns
from connect_gateway.ledger.counter import Counter, CounterCommand
from connect_gateway.ledger.database import Pool, open_pool
from connect_gateway.ledger.parcels import NewReference

_CLIENT_ID = "demo-seed"


class _DemoClock:
    """The day on which the demo parcels were at the counter."""

    def now(self) -> datetime:
        return demo.DONE_AT.astimezone(UTC)


async def seed(database_url: str, keys_file: Path, kiosk_client_id: str) -> None:
    """Makes the demo parcels be there. Whatever has become of them since an earlier start stays as it is."""
    keys = load_keys(keys_file)
    pool = await open_pool(database_url, 1)
    try:
        for parcel in demo.SHIPMENTS:
            await parcels.create_reference(pool, _new_reference(parcel, keys), demo.ARRIVED_AT)
            arrival = Status(parcel.tracking_number, "DELIVERED TO STORE", demo.STORE_ID, demo.ARRIVED_AT)
            await parcels.apply(pool, arrival, demo.ARRIVED_AT)
        for parcel in (*demo.PAYMENTS, *demo.DROP_OFFS):
            await parcels.create_reference(pool, _new_reference(parcel, keys), demo.ARRIVED_AT)
        await _dispense(pool, keys, kiosk_client_id)
        counter = Counter(pool, _DemoClock(), answer_with(keys), lambda: None)
        for command in demo.COMMANDS:
            await counter.submit(CounterCommand(command, _CLIENT_ID))
        await counter.drain()
    finally:
        await pool.close()


async def _dispense(pool: Pool, keys: Keys, kiosk_client_id: str) -> None:
    for parcel, request_id in (
        (demo.RETURN, demo.RETURN_REQUEST_ID),
        (demo.RETURN_ACCEPTED, demo.RETURN_ACCEPTED_REQUEST_ID),
    ):
        message = ReturnMessage.model_validate(demo.return_message(parcel))
        request = return_request(keys, kiosk_client_id, request_id, message)
        await returns.dispense(pool, request, _new_reference(parcel, keys), demo.STORE_ID, demo.ARRIVED_AT)


def _new_reference(parcel: DemoParcel, keys: Keys) -> NewReference:
    is_return = parcel in demo.RETURNS
    return NewReference(
        kind=parcel.kind,
        tracking_number=parcel.tracking_number,
        merchant_code=demo.MERCHANT_CODE,
        merchant=demo.MERCHANT,
        merchant_reference=parcel.order,
        description=parcel.description,
        amount_due=parcel.amount_due,
        store_id=demo.STORE_ID if parcel in demo.SHIPMENTS else None,
        expires_at=demo.RETURNABLE_UNTIL if is_return else None,
        reference=parcel.reference,
        mobile=keys.seal_mobile(demo.MOBILE_NUMBER),
    )
