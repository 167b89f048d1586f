"""Parcels, one parcel, and documents."""

import sqlite3
from typing import Any

from aiohttp import web

from ...web import page
from ..config import MerchantClient
from ..control_api import read_filter
from ..documents import list_documents
from ..feed import newest_change
from ..messages import Refusal, ScanRequest
from ..scans import scan
from ..simulator import SIMULATOR, Simulator
from ..stores import Zone, find_store
from ..views import KINDS, ParcelFilter, count_statuses, find_parcels, show_parcel
from ..webhooks import deliveries_of
from .picture import draw
from .shown import kind_name

PAGE_SIZE = 25


def frame_of(simulator: Simulator) -> dict[str, Any]:
    """What the head of every page shows."""
    return {"now": simulator.clock.now(), "speed": simulator.clock.speed, "faults": simulator.faults.show()}


async def parcels(request: web.Request) -> web.StreamResponse:
    """`GET /`: the parcels that the query's filters leave, the newest first."""
    simulator = request.app[SIMULATOR]
    try:
        wanted = read_filter(request.query)
    except Refusal as refusal:
        raise web.HTTPBadRequest(reason=refusal.message) from None
    text = request.query.get("before", "")
    before = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None

    def read(connection: sqlite3.Connection) -> dict[str, Any]:
        found = find_parcels(connection, wanted, PAGE_SIZE, before)
        every = count_statuses(connection, ParcelFilter())
        return {"found": found, "statuses": every, "seq": newest_change(connection)}

    older = request.rel_url
    shown = await simulator.database.run(read)
    return page(
        request,
        "parcels.html",
        **frame_of(simulator),
        **shown,
        query=request.query,
        older=older.update_query(before=str(shown["found"]["next"])) if shown["found"]["next"] else None,
        newest=older.without_query_params("before") if before is not None else None,
        status_options=[(status, f"{status} ({count:,})") for status, count in sorted(shown["statuses"].items())],
        kind_options=[(kind, kind_name(kind)) for kind in KINDS],
        zone_options=[(zone.value, zone.value) for zone in Zone],
        merchant_options=[
            (one.merchant_code, one.merchant) for one in simulator.config.clients if isinstance(one, MerchantClient)
        ],
    )


async def parcel(request: web.Request) -> web.StreamResponse:
    """`GET /parcels/{trackingNumber}`: the parcel, its timeline and what may happen to it now."""
    return await _show_parcel(request, None)


async def make_scan(request: web.Request) -> web.StreamResponse:
    """`POST /parcels/{trackingNumber}/scan` with `status` and `trigger`: one of the moves that the page offers."""
    form = await request.post()
    try:
        asked = ScanRequest.model_validate(
            {
                "trackingNumber": request.match_info["tracking_number"],
                "status": form.get("status", ""),
                "trigger": form.get("trigger", ""),
            }
        )
    except ValueError:
        raise web.HTTPBadRequest(reason="This is no scan.") from None
    (outcome,) = await scan(request.app[SIMULATOR], asked)
    return await _show_parcel(request, outcome.refused)


async def tell_again(request: web.Request) -> web.StreamResponse:
    """`POST /parcels/{trackingNumber}/tell`: the gateway and the merchant are tried at once, instead of later."""
    simulator, tracking_number = request.app[SIMULATOR], request.match_info["tracking_number"]
    simulator.notifier.tell(tracking_number)
    simulator.webhooks.tell(tracking_number)
    return await _show_parcel(request, None)


async def _show_parcel(request: web.Request, refused: str | None) -> web.StreamResponse:
    simulator, tracking_number = request.app[SIMULATOR], request.match_info["tracking_number"]

    def read(connection: sqlite3.Connection) -> tuple[dict[str, Any], dict[str, dict[str, Any]], int]:
        shown = show_parcel(connection, tracking_number)
        return shown, deliveries_of(connection, tracking_number), newest_change(connection)

    try:
        shown, deliveries, seq = await simulator.database.run(read)
    except Refusal as refusal:
        raise web.HTTPNotFound(reason=refusal.message) from None
    return page(
        request,
        "parcel.html",
        **frame_of(simulator),
        parcel=shown,
        store=find_store(shown["storeId"]),
        origin=find_store(shown["originStoreId"]),
        picture=draw(shown, deliveries),
        waiting=any(not one["toldAt"] for one in deliveries.values()) or not shown["told"],
        refused=refused,
        seq=seq,
        ecms=simulator.url,
    )


async def documents(request: web.Request) -> web.StreamResponse:
    """`GET /documents`: the documents of every day."""
    simulator = request.app[SIMULATOR]

    def read(connection: sqlite3.Connection) -> tuple[list[dict[str, Any]], int]:
        return list_documents(connection), newest_change(connection)

    found, seq = await simulator.database.run(read)
    return page(request, "documents.html", **frame_of(simulator), documents=found, seq=seq)
