"""What can be switched: faults, the clock, ECMS's own jobs; and where merchants are told."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from ...web import page
from ...wire import PHILIPPINE_TIME
from ..clock import EARLIEST, LATEST
from ..control_api import turn_clock
from ..feed import newest_change
from ..jobs import run_job
from ..messages import FaultsRequest, Refusal
from ..schedule import READY_AT, Job, next_run
from ..simulator import SIMULATOR
from ..webhooks import list_targets
from .pages import frame_of

FAULTS = {
    "none": ("None", "ECMS does its work."),
    "down": ("Down", "The connection breaks without an answer, at the token endpoint too."),
    "error-500": ("500", "An error, and nothing is done."),
    "timeout": ("Time-out", "No answer at all, and nothing is done."),
    "garbage": ("Garbage", "200 with bytes that are no JSON."),
    "slow": ("Slow", "Done, and answered 3 s later."),
    "apply-then-fail": ("Applies, then fails", "Done, and answered 500."),
    "twice": ("Twice", "Each request arrives twice."),
}
_LEAPS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
_JOBS = {
    Job.PICK_UP: "Pick-up document",
    Job.PULL_OUT: "Pull-out, APO",
    Job.EXPIRY: "Expiry",
    Job.DELIVERY: "Delivery document",
}


async def controls(request: web.Request) -> web.StreamResponse:
    """`GET /controls`."""
    return await _show(request)


async def _show(request: web.Request, *, said: str = "", refused: str = "") -> web.StreamResponse:
    simulator = request.app[SIMULATOR]
    now = simulator.clock.now()
    at, job = next_run(now)
    webhooks = await simulator.database.run(list_targets)
    return page(
        request,
        "controls.html",
        **frame_of(simulator),
        modes=FAULTS,
        jobs=_JOBS,
        next_job=(_JOBS[job], at),
        local_now=f"{now.astimezone(PHILIPPINE_TIME):%Y-%m-%dT%H:%M}",
        webhooks=webhooks,
        said=said,
        refused=refused,
        seq=await simulator.database.run(newest_change),
    )


async def set_faults(request: web.Request) -> web.StreamResponse:
    """`POST /controls/faults` with `mode` and `percent`."""
    form = await request.post()
    try:
        asked = FaultsRequest.model_validate(
            {"mode": form.get("mode", ""), "probability": int(str(form.get("percent", "100"))) / 100}
        )
    except ValueError:
        raise web.HTTPBadRequest(reason="This is no fault.") from None
    request.app[SIMULATOR].faults.set(asked)
    return await _show(request, said=f"Faults: {FAULTS[asked.mode][0]}.")


async def set_clock(request: web.Request) -> web.StreamResponse:
    """`POST /controls/clock` with `leap` (hour, morning, day, week), or `at` (local time), and perhaps `speed`."""
    simulator, form = request.app[SIMULATOR], await request.post()
    now = simulator.clock.now()
    try:
        moment = _moment(form, now)
        speed = int(str(form["speed"])) if form.get("speed") else simulator.clock.speed
    except (ValueError, OverflowError):
        raise web.HTTPBadRequest(reason="This is no time.") from None
    if not EARLIEST <= moment <= LATEST or not 1 <= speed <= 86_400:
        raise web.HTTPBadRequest(reason="This is no time.")
    try:
        await turn_clock(simulator, moment, speed)
    except Refusal as refusal:
        return await _show(request, refused=refusal.message)
    return await _show(request, said="The clock is set, and the jobs until then have run.")


def _moment(form: Mapping[str, Any], now: datetime) -> datetime:
    leap = form.get("leap")
    if leap in _LEAPS:
        return now + _LEAPS[str(leap)]
    if leap == "morning":
        today = datetime.combine(now.astimezone(PHILIPPINE_TIME).date(), READY_AT, PHILIPPINE_TIME)
        return today if today > now else today + timedelta(days=1)
    if form.get("at"):
        return datetime.fromisoformat(str(form["at"])).replace(tzinfo=PHILIPPINE_TIME)
    return now


async def run_job_now(request: web.Request) -> web.StreamResponse:
    """`POST /controls/jobs` with `job`."""
    simulator, form = request.app[SIMULATOR], await request.post()
    try:
        job = Job(str(form.get("job", "")))
    except ValueError:
        raise web.HTTPBadRequest(reason="This is no job.") from None
    now = simulator.clock.now()
    moved = await simulator.database.run(lambda connection: run_job(connection, job, now))
    for tracking_number in moved:
        simulator.notifier.tell(tracking_number)
    return await _show(request, said=f"{_JOBS[job]}: {len(moved)} moved.")
