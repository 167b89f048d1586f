"""What the gateway asks of ECMS: a return's tracking number, and to hear what the counter did."""

from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from .clock import write_time
from .config import GatewayClient
from .counter import apply_event
from .dropoffs import quote
from .messages import QuoteRequest, Refusal, ReturnRequest, StatusEvent, parse
from .parcels import Parcel
from .returns import begin_return
from .simulator import SIMULATOR, client_of, read_body
from .views import show_code


async def returns(request: web.Request) -> web.StreamResponse:
    """`POST /ecms/api/v1/returns`."""
    simulator = request.app[SIMULATOR]
    await client_of(request, GatewayClient)
    asked = parse(ReturnRequest, await read_body(request))
    now, flows = simulator.clock.now(), simulator.return_flows
    parcel = await simulator.database.run(
        lambda connection: begin_return(connection, asked, flows, now, with_code=simulator.return_codes)
    )
    return web.json_response(_show_return(parcel))


def _show_return(parcel: Parcel) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "trackingNumber": parcel.tracking_number,
        "merchantCode": parcel.merchant_code,
        "merchant": parcel.merchant,
        "merchantReference": parcel.merchant_reference,
        "expiresAt": write_time(datetime.fromtimestamp(parcel.expires_at or 0, UTC)),
    }
    if parcel.own_return_code:
        answer["returnCode"] = show_code(parcel.return_code)
    return answer


async def drop_off_quote(request: web.Request) -> web.StreamResponse:
    """`POST /ecms/api/v1/dropoff/quote`."""
    simulator = request.app[SIMULATOR]
    await client_of(request, GatewayClient)
    asked = parse(QuoteRequest, await read_body(request))
    now = simulator.clock.now()
    return web.json_response((await simulator.database.run(lambda connection: quote(connection, asked, now))).show())


async def status(request: web.Request) -> web.StreamResponse:
    """`POST /ecms/api/v1/status`: 200 for an event that counts, also where it is a repeat."""
    simulator = request.app[SIMULATOR]
    await client_of(request, GatewayClient)
    event = parse(StatusEvent, await read_body(request))
    if request.headers.get("Idempotency-Key", event.event_id) != event.event_id:
        raise Refusal(400, "Idempotency-Key: differs from eventId.")
    now = simulator.clock.now()
    outcome = await simulator.database.run(lambda connection: apply_event(connection, event, now))
    if isinstance(outcome, Refusal):
        raise outcome
    done = "was known already" if outcome.repeated else "has been applied"
    return web.json_response({"errorCode": "200", "message": f"Status {done}."})
