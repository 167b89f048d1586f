"""The control port's part of webhooks: where each merchant is told."""

from aiohttp import web

from .messages import Refusal, WebhookRequest, parse
from .simulator import SIMULATOR, read_body
from .webhooks import list_targets, remove_target, set_target


async def set_webhook(request: web.Request) -> web.StreamResponse:
    """`PUT /webhooks/{merchantCode}` with `{"url","secret"?}`: answers with the secret."""
    simulator = request.app[SIMULATOR]
    merchant_code = request.match_info["merchant_code"]
    if merchant_code not in simulator.return_flows:
        raise Refusal(404, "merchantCode: there is no such merchant.")
    asked = parse(WebhookRequest, await read_body(request))
    target = await simulator.database.run(lambda connection: set_target(connection, merchant_code, asked))
    await simulator.webhooks.resume()
    return web.json_response(target)


async def remove_webhook(request: web.Request) -> web.StreamResponse:
    """`DELETE /webhooks/{merchantCode}`: the merchant is told nothing any more."""
    merchant_code = request.match_info["merchant_code"]
    await request.app[SIMULATOR].database.run(lambda connection: remove_target(connection, merchant_code))
    return web.Response(status=204)


async def show_webhooks(request: web.Request) -> web.StreamResponse:
    """`GET /webhooks`: who is told where, and how many statuses wait."""
    return web.json_response({"webhooks": await request.app[SIMULATOR].database.run(list_targets)})
