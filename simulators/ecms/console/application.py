"""The application of the console's pages, mounted on the control port."""

from pathlib import Path

from aiohttp import web

from ...web import setup_pages
from ..simulator import SIMULATOR, Simulator
from . import controls, live, pages
from .shown import FILTERS

PREFIX = "/console"
_TRACKING_NUMBER = "{tracking_number:[0-9]{17,18}}"


def console_application(simulator: Simulator) -> web.Application:
    """All pages, under `PREFIX`."""
    application = web.Application()
    application[SIMULATOR] = simulator
    setup_pages(application, Path(__file__).parent, prefix=PREFIX, globals_=FILTERS)
    application[live.STREAMS] = live.Streams()
    application.on_shutdown.append(live.end_streams)
    application.router.add_routes(
        [
            web.get("/", pages.parcels),
            web.get(f"/parcels/{_TRACKING_NUMBER}", pages.parcel),
            web.post(f"/parcels/{_TRACKING_NUMBER}/scan", pages.make_scan),
            web.post(f"/parcels/{_TRACKING_NUMBER}/tell", pages.tell_again),
            web.get("/documents", pages.documents),
            web.get("/controls", controls.controls),
            web.post("/controls/faults", controls.set_faults),
            web.post("/controls/clock", controls.set_clock),
            web.post("/controls/jobs", controls.run_job_now),
            web.get("/live", live.follow),
        ]
    )
    return application
