"""What merchants ask of ECMS: tokens, shipments, cancellations, return identifiers, labels, the store
list.
"""

from aiohttp import web

from .config import GatewayClient, MerchantClient
from .faults import hang_up
from .flows import Flow
from .gateway import GatewayAway
from .messages import CancelRequest, Refusal, ReturnIdsRequest, ShipmentRequest, parse
from .oauth import OAuthError, authenticate, issue, read_token_request
from .parcels import Parcel, cancel, keep_claim_code, request_shipment, select_parcels, show_code
from .returns import submit_identifiers
from .simulator import SIMULATOR, client_of, read_body
from .stores import STORES, published_at, stores_csv

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
    claim_code = shipment.claim_code
    if claim_code is None:
        try:
            claim_code = code = await simulator.gateway.issue_reference(shipment)
        except GatewayAway:
            raise Refusal(503, "The 7-Connect gateway cannot be reached; send the request again.") from None
        await simulator.database.run(lambda connection: keep_claim_code(connection, shipment.tracking_number, code))
    return web.json_response(
        {
            "trackingNumber": shipment.tracking_number,
            "shippingLabel": f"{simulator.url}/labels/{shipment.label}.txt",
            "claimCode": show_code(claim_code),
        }
    )


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


async def label(request: web.Request) -> web.StreamResponse:
    """`GET /labels/{name}.txt`: the shipping label as plain text. Whoever has its name may read it."""
    name = request.match_info["name"]
    found = await request.app[SIMULATOR].database.run(
        lambda connection: select_parcels(connection, "WHERE label = ?", (name,))
    )
    if not found:
        raise Refusal(404, "There is no such label.")
    return web.Response(text=_label_text(found[0]))


def _label_text(shipment: Parcel) -> str:
    store = STORES.get(shipment.store_id or "")
    pieces = [shipment.tracking_number[start : start + 4] for start in range(0, 18, 4)]
    lines = [
        "7-ELEVEN E-COMMERCE SHIPMENT",
        "",
        f"Tracking number  {shipment.tracking_number}",
        f"                 {' '.join(pieces)}",
        f"Merchant         {shipment.merchant} ({shipment.merchant_code})",
        f"Reference        {shipment.merchant_reference}",
        f"Deliver to       store {shipment.store_id}" + (f", {store.name}" if store else ""),
        f"Payment          {'COD' if shipment.payment_type == 'COD' else 'PREPAID'}",
    ]
    return "\n".join(lines) + "\n"


async def store_list(request: web.Request) -> web.StreamResponse:
    """`GET /stores.csv`, published daily at 06:00."""
    answer = web.Response(text=stores_csv(), content_type="text/csv")
    answer.last_modified = published_at(request.app[SIMULATOR].clock.now())
    return answer


def _only_its_own(client: MerchantClient, merchant_code: str) -> None:
    if merchant_code != client.merchant_code:
        raise Refusal(403, "merchantCode: belongs to another merchant.")
