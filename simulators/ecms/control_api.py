"""The control port: moves parcels, shows their history, makes the simulator fail, sets the time. No token;
loopback only.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from aiohttp import web
from aiohttp_sse import sse_response

from .clock import EARLIEST, LATEST, read_rfc3339
from .jobs import run_job
from .messages import (
    AdvanceRequest,
    ClockRequest,
    FaultsRequest,
    JobRequest,
    Refusal,
    ScanRequest,
    SettingsRequest,
    parse,
)
from .parcels import parcels_with_untold
from .scans import advance, scan
from .schedule import next_run
from .settings import keep_clock, keep_return_codes
from .simulator import SIMULATOR, Simulator, read_body
from .views import ParcelFilter, find_parcels, show_parcel

GATEWAY_PATIENCE_S = 10.0

_NUMBER = re.compile(r"[1-9][0-9]{0,4}")
_CHANGE = re.compile(r"[0-9]{1,18}")
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


async def scan_parcels(request: web.Request) -> web.StreamResponse:
    """`POST /scan`: one step for one parcel (409 where the table does not know it), or for many, each for itself."""
    asked = parse(ScanRequest, await read_body(request))
    outcomes = await scan(request.app[SIMULATOR], asked)
    if asked.tracking_number is not None and (refused := outcomes[0].refused) is not None:
        raise Refusal(404 if outcomes[0].status is None else 409, refused)
    return web.json_response({"scans": [outcome.show() for outcome in outcomes]})


async def run_one_job(request: web.Request) -> web.StreamResponse:
    """`POST /jobs`: a job of ECMS's own, now instead of at its time."""
    simulator = request.app[SIMULATOR]
    asked = parse(JobRequest, await read_body(request))
    now = simulator.clock.now()
    moved = await simulator.database.run(lambda connection: run_job(connection, asked.job, now))
    for tracking_number in moved:
        simulator.notifier.tell(tracking_number)
    return web.json_response({"job": asked.job, "moved": len(moved)})


async def settle(request: web.Request) -> web.StreamResponse:
    """`POST /settle`: answers once the gateway has been told of everything, or 503 where it has not in 10 s."""
    simulator = request.app[SIMULATOR]
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + GATEWAY_PATIENCE_S
    while numbers := await simulator.database.run(parcels_with_untold):
        for number in numbers:
            simulator.notifier.tell(number)
            if not await simulator.notifier.told(number, deadline_s - loop.time()):
                raise Refusal(503, f"The gateway has not been told of {len(numbers)} parcels yet.")
    return web.json_response({"told": True})


async def follow_changes(request: web.Request) -> web.StreamResponse:
    """`GET /changes`: server-sent events, from `after` or `Last-Event-ID` on; each is a change as JSON."""
    text = request.headers.get("Last-Event-ID") or request.query.get("after")
    if text is not None and _CHANGE.fullmatch(text) is None:
        raise Refusal(400, "after: must be the number of a change")
    async with sse_response(request) as response:
        async for change in request.app[SIMULATOR].feed.subscribe(None if text is None else int(text)):
            await response.send(json.dumps(change.show()), id=str(change.seq))
    return response


async def one_parcel(request: web.Request) -> web.StreamResponse:
    """`GET /parcels/{trackingNumber}`."""
    tracking_number = request.match_info["tracking_number"]
    return web.json_response(
        await request.app[SIMULATOR].database.run(lambda connection: show_parcel(connection, tracking_number))
    )


async def all_parcels(request: web.Request) -> web.StreamResponse:
    """`GET /parcels`, the newest first, at most `limit` of them: those that the query's filters leave."""
    limit = _number(request, "limit") or _DEFAULT_LIMIT
    before = _number(request, "before")
    wanted = read_filter(request.query)
    return web.json_response(
        await request.app[SIMULATOR].database.run(lambda connection: find_parcels(connection, wanted, limit, before))
    )


def read_filter(query: Mapping[str, str]) -> ParcelFilter:
    """The filter in a query; an empty field is no filter. `Refusal` 400 where one cannot be read."""

    def truth(name: str) -> bool | None:
        text = query.get(name) or None
        if text not in (None, "true", "false"):
            raise Refusal(400, f"{name}: must be true or false")
        return None if text is None else text == "true"

    return ParcelFilter(
        status=query.get("status") or None,
        kind=query.get("kind") or None,
        flow=query.get("flow") or None,
        merchant_code=query.get("merchantCode") or None,
        store_id=query.get("storeId") or None,
        zone=query.get("zone") or None,
        flagged=truth("flagged"),
        ended=truth("ended"),
        untold=truth("untold"),
        search=(query.get("search") or "").strip() or None,
    )


def _number(request: web.Request, name: str) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    if _NUMBER.fullmatch(text) is None:
        raise Refusal(400, f"{name}: must be a number from 1 to 99999")
    return int(text)


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
    before = simulator.clock.now()
    if (text := asked.now or asked.time) is not None:
        moment = read_rfc3339(text)
    else:
        moment = before + timedelta(seconds=asked.advance_seconds or 0)
    if not EARLIEST <= moment <= LATEST:
        raise Refusal(400, "advanceSeconds: the time must lie between 2000 and 2100")
    await turn_clock(simulator, moment, asked.speed)
    return await show_clock(request)


async def turn_clock(simulator: Simulator, moment: datetime, speed: int | None) -> None:
    """Makes `moment` the present one and runs the jobs until then; `Refusal` 503 while the gateway is away."""
    simulator.clock.set(moment, speed)
    await simulator.database.run(lambda connection: keep_clock(connection, simulator.clock))
    if simulator.config.sandbox:
        simulator.notifier.tell_clock()
        if not await simulator.notifier.clock_told(GATEWAY_PATIENCE_S):
            raise Refusal(503, "The simulator's time is set, but the gateway has not been told yet.")
    await simulator.jobs.catch_up()


async def show_clock(request: web.Request) -> web.StreamResponse:
    """`GET /clock`."""
    clock = request.app[SIMULATOR].clock
    now = clock.now()
    at, job = next_run(now)
    return web.json_response(
        {"now": now.isoformat(), "speed": clock.speed, "nextJob": {"job": job, "at": at.isoformat()}}
    )


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
