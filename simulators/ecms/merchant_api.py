"""What merchants ask of ECMS: tokens, shipments, cancellations, return identifiers, labels, the store
list.
"""

from aiohttp import web

from ..wire import format_amount
from .codes import make_sure_of_codes
from .config import GatewayClient, MerchantClient
from .dropoffs import book
from .faults import hang_up
from .flows import Flow
from .gateway import GatewayAway
from .messages import CancelRequest, DropOffRequest, Refusal, ReturnIdsRequest, ShipmentRequest, parse
from .oauth import OAuthError, authenticate, issue, read_token_request
from .parcels import Parcel, cancel, request_shipment
from .returns import submit_identifiers
from .simulator import SIMULATOR, Simulator, client_of, read_body
from .stores import published_at, stores_csv
from .views import show_code

# A cancellation is done once it is written down; whoever asks next should find that the gateway has heard,
# too.
CANCEL_WAITS_FOR_GATEWAY_S = 1.0


async def token(request: web.Request) -> web.StreamResponse:
    """`POST /accounts/oauth2/token`."""
    simulator = request.app[SIMULATOR]
    try:
        asked = read_token_request(
            request.rel_url.raw_query_string, await _form(request), request.headers.get("Authorization")
        )
        client = authenticate(asked, simulator.clients)
        if isinstance(client, GatewayClient) and simulator.faults.down:
            return hang_up(request)
        now = simulator.clock.now()
        outcome = await simulator.database.run(lambda connection: issue(connection, asked, now))
        if isinstance(outcome, OAuthError):
            raise outcome
    except OAuthError as exc:
        return _token_error(exc)
    return _uncached(web.json_response(outcome.show()))


async def _form(request: web.Request) -> bytes:
    body = await read_body(request)
    if body and request.content_type not in ("application/x-www-form-urlencoded", "application/octet-stream"):
        raise OAuthError("invalid_request", "The body must be application/x-www-form-urlencoded.")
    return body


def _token_error(error: OAuthError) -> web.Response:
    answer = web.json_response({"error": error.error, "error_description": error.description}, status=error.status)
    if error.status == 401:
        answer.headers["WWW-Authenticate"] = 'Basic realm="ECMS"'
    return _uncached(answer)


def _uncached(answer: web.Response) -> web.Response:
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Pragma"] = "no-cache"
    return answer


async def shipments(request: web.Request) -> web.StreamResponse:
    """`POST /ecms/api/v1/shipments`: the shipment is written down first, then the gateway is asked for its
    reference.

    While the gateway is away the answer is 503; the same request again goes on with the same shipment.
    """
    simulator = request.app[SIMULATOR]
    client = await client_of(request, MerchantClient)
    asked = parse(ShipmentRequest, await read_body(request))
    _only_its_own(client, asked.merchant_code)
    now = simulator.clock.now()
    shipment = await simulator.database.run(
        lambda connection: request_shipment(connection, asked, Flow(client.flow), now)
    )
    shipment = await _with_codes(simulator, shipment)
    return web.json_response(
        {
            "trackingNumber": shipment.tracking_number,
            "shippingLabel": _label_url(simulator, shipment),
            "claimCode": show_code(shipment.claim_code),
        }
    )


async def drop_off(request: web.Request) -> web.StreamResponse:
    """`POST /ecms/api/v1/dropoff`: a booking, written down and given its codes as a shipment is."""
    simulator = request.app[SIMULATOR]
    client = await client_of(request, MerchantClient)
    asked = parse(DropOffRequest, await read_body(request))
    _only_its_own(client, asked.merchant_code)
    now = simulator.clock.now()
    booking = await simulator.database.run(lambda connection: book(connection, asked, client.merchant, now))
    booking = await _with_codes(simulator, booking)
    return web.json_response(
        {
            "bookingReference": booking.booking_reference,
            "trackingNumber": booking.tracking_number,
            "returnCode": show_code(booking.return_code),
            "claimCode": show_code(booking.claim_code),
            "amountDue": format_amount(booking.due_at_drop_off),
            "shippingFee": format_amount(booking.fee_centavos or 0),
            "shippingLabel": _label_url(simulator, booking),
        }
    )


async def _with_codes(simulator: Simulator, parcel: Parcel) -> Parcel:
    try:
        return await make_sure_of_codes(simulator.database, simulator.gateway, parcel)
    except GatewayAway:
        raise Refusal(503, "The 7-Connect gateway cannot be reached; send the request again.") from None


def _label_url(simulator: Simulator, parcel: Parcel) -> str:
    return f"{simulator.url}/labels/{parcel.label}.pdf"


async def cancel_shipments(request: web.Request) -> web.StreamResponse:
    """`POST /ecms/api/v1/cancelShipments`."""
    simulator = request.app[SIMULATOR]
    client = await client_of(request, MerchantClient)
    asked = parse(CancelRequest, await read_body(request))
    now = simulator.clock.now()
    await simulator.database.run(lambda connection: cancel(connection, asked, client.merchant_code, now))
    simulator.notifier.tell(asked.tracking_number)
    await simulator.notifier.told(asked.tracking_number, CANCEL_WAITS_FOR_GATEWAY_S)
    return web.json_response({"errorCode": "200", "message": "Shipment has been cancelled."})


async def return_ids(request: web.Request) -> web.StreamResponse:
    """`POST /ecms/api/v1/returnIds`."""
    simulator = request.app[SIMULATOR]
    client = await client_of(request, MerchantClient)
    asked = parse(ReturnIdsRequest, await read_body(request))
    _only_its_own(client, asked.merchant_code)
    now = simulator.clock.now()
    count = await simulator.database.run(lambda connection: submit_identifiers(connection, asked, client.merchant, now))
    return web.json_response({"errorCode": "200", "message": f"{count} identifiers can be returned."})


async def store_list(request: web.Request) -> web.StreamResponse:
    """`GET /stores.csv`, published daily at 06:00."""
    published = published_at(request.app[SIMULATOR].clock.now())
    answer = web.Response(text=stores_csv(published.date()), content_type="text/csv")
    answer.last_modified = published
    return answer


def _only_its_own(client: MerchantClient, merchant_code: str) -> None:
    if merchant_code != client.merchant_code:
        raise Refusal(403, "merchantCode: belongs to another merchant.")
