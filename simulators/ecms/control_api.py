"""The control port: moves parcels, shows their history, makes the simulator fail, sets the time. No token;
loopback only.
"""

import re
from datetime import timedelta

from aiohttp import web

from .clock import EARLIEST, LATEST, read_rfc3339
from .messages import AdvanceRequest, ClockRequest, FaultsRequest, Refusal, SettingsRequest, parse
from .parcels import advance, list_parcels, show_parcel
from .settings import keep_clock_offset, keep_return_codes
from .simulator import SIMULATOR, read_body

GATEWAY_PATIENCE_S = 10.0

_LIMIT = re.compile(r"[1-9][0-9]{0,4}")
_DEFAULT_LIMIT = 1000


async def advance_parcel(request: web.Request) -> web.StreamResponse:
    """`POST /advance`: every step of the flow up to `to`, and the parcel once the gateway has been told of
    each.

    503 means that the steps are done and the gateway is still to be told; the same request waits for it
    again.
    """
    simulator = request.app[SIMULATOR]
    asked = parse(AdvanceRequest, await read_body(request))
    now = simulator.clock.now()
    await simulator.database.run(lambda connection: advance(connection, asked.tracking_number, asked.to, now))
    simulator.notifier.tell(asked.tracking_number)
    if not await simulator.notifier.told(asked.tracking_number, GATEWAY_PATIENCE_S):
        raise Refusal(503, f"The parcel is {asked.to}, but the gateway has not been told yet.")
    return web.json_response(
        await simulator.database.run(lambda connection: show_parcel(connection, asked.tracking_number))
    )


async def one_parcel(request: web.Request) -> web.StreamResponse:
    """`GET /parcels/{trackingNumber}`."""
    tracking_number = request.match_info["tracking_number"]
    return web.json_response(
        await request.app[SIMULATOR].database.run(lambda connection: show_parcel(connection, tracking_number))
    )


async def all_parcels(request: web.Request) -> web.StreamResponse:
    """`GET /parcels`, the newest first, at most `limit` of them."""
    text = request.query.get("limit", str(_DEFAULT_LIMIT))
    if _LIMIT.fullmatch(text) is None:
        raise Refusal(400, "limit: must be a number from 1 to 99999")
    limit = int(text)
    parcels = await request.app[SIMULATOR].database.run(lambda connection: list_parcels(connection, limit))
    return web.json_response({"parcels": parcels})


async def set_faults(request: web.Request) -> web.StreamResponse:
    """`PUT /faults`."""
    faults = request.app[SIMULATOR].faults
    faults.set(parse(FaultsRequest, await read_body(request)))
    return web.json_response(faults.show())


async def show_faults(request: web.Request) -> web.StreamResponse:
    """`GET /faults`."""
    return web.json_response(request.app[SIMULATOR].faults.show())


async def set_clock(request: web.Request) -> web.StreamResponse:
    """`PUT /clock`: the simulator's time, and in the sandbox the gateway's too (503 while the gateway is
    away).
    """
    simulator = request.app[SIMULATOR]
    asked = parse(ClockRequest, await read_body(request))
    if (text := asked.now or asked.time) is not None:
        moment = read_rfc3339(text)
    else:
        moment = simulator.clock.now() + timedelta(seconds=asked.advance_seconds or 0)
    if not EARLIEST <= moment <= LATEST:
        raise Refusal(400, "advanceSeconds: the time must lie between 2000 and 2100")
    simulator.clock.set(moment)
    offset = simulator.clock.offset
    await simulator.database.run(lambda connection: keep_clock_offset(connection, offset))
    if simulator.config.sandbox:
        simulator.notifier.tell_clock()
        if not await simulator.notifier.clock_told(GATEWAY_PATIENCE_S):
            raise Refusal(503, "The simulator's time is set, but the gateway has not been told yet.")
    return await show_clock(request)


async def show_clock(request: web.Request) -> web.StreamResponse:
    """`GET /clock`."""
    return web.json_response({"now": request.app[SIMULATOR].clock.now().isoformat()})


async def set_settings(request: web.Request) -> web.StreamResponse:
    """`PUT /settings`."""
    simulator = request.app[SIMULATOR]
    asked = parse(SettingsRequest, await read_body(request))
    await simulator.database.run(lambda connection: keep_return_codes(connection, asked.return_codes))
    simulator.return_codes = asked.return_codes
    return await show_settings(request)


async def show_settings(request: web.Request) -> web.StreamResponse:
    """`GET /settings`."""
    return web.json_response({"returnCodes": request.app[SIMULATOR].return_codes})
