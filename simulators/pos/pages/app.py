"""The till in the browser: pages over one terminal, for a clerk with a scanner or a touch screen."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp_sse
from aiohttp import web

from ...web import page, setup_pages
from .. import printing
from ..terminal import Terminal, TerminalConfig
from ..till import Reason
from .cash import DENOMINATIONS, counted, likely_tenders
from .desk import Desk
from .live import Changes
from .storage import Document
from .words import clock_time, guidance, minutes, peso, pretty, say, tone_of, verdict, wire_peso

_DESK: web.AppKey[Desk] = web.AppKey("desk", Desk)
_HERE = Path(__file__).parent
_CLERK = re.compile(r"[A-Za-z0-9._-]{1,20}")


class _Form(dict[str, str]):
    """The fields of a form; one that is missing is the sender's fault."""

    def __missing__(self, name: str) -> str:
        raise web.HTTPBadRequest(reason=f"{name} is missing")


def make_app(terminal: Terminal, config: TerminalConfig) -> web.Application:
    """The application that serves the till; the terminal is open as long as the application runs."""
    app = web.Application()
    names = {
        "peso": peso,
        "wire_peso": wire_peso,
        "at": clock_time,
        "denominations": DENOMINATIONS,
        "likely_tenders": likely_tenders,
        "store": config.client.store_id or "",
        "pos": config.client.pos or "1",
        "say": say,
        "verdict": verdict,
        "guidance": guidance,
        "tone_of": tone_of,
        "minutes": minutes,
        "pretty": pretty,
    }
    setup_pages(app, _HERE, globals_=names)
    app[_DESK] = Desk(terminal, Document(config.data_dir / "visit.json"), Changes())
    app.cleanup_ctx.append(_following)
    app.on_shutdown.append(_end_streams)
    app.router.add_get("/", _start)
    app.router.add_get("/part/{part:stage|status|wire}", _part)
    app.router.add_get("/events", _events)
    app.router.add_get("/wire", _wire)
    app.router.add_get("/paper/{number}.{form:png|txt}", _paper)
    app.router.add_post("/do/{doing}", _do)
    return app


async def _following(app: web.Application) -> AsyncIterator[None]:
    """Hands the terminal's own events on to the pages."""
    desk = app[_DESK]

    async def follow() -> None:
        async for what in desk.terminal.events():
            if what == "wire":
                desk.changes.wire()
            elif what == "status":
                desk.changes.status()
            else:
                desk.settle_up()

    task = asyncio.create_task(follow())
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _end_streams(app: web.Application) -> None:
    app[_DESK].changes.end()


async def _start(request: web.Request) -> web.StreamResponse:
    return await _delivered(request, _rendered(request, "till.html"))


async def _part(request: web.Request) -> web.StreamResponse:
    changes, part = request.app[_DESK].changes, request.match_info["part"]
    if request.query.get("seen") == str(changes.versions[part]):
        return web.Response(status=204)
    answer = _rendered(request, f"{part}.html", part)
    return await _delivered(request, answer) if part == "stage" else answer


def _rendered(request: web.Request, template: str, part: str = "stage") -> web.Response:
    """The part's version goes along, so that a page never puts an older one in a newer one's place."""
    desk = request.app[_DESK]
    answer = page(request, template, **desk.facts(), versions=desk.changes.versions)
    answer.headers["Till-Version"] = str(desk.changes.versions[part])
    return answer


async def _delivered(request: web.Request, answer: web.Response) -> web.StreamResponse:
    """Delivers a page with the stage, and only then tells the terminal that its verdicts have been seen."""
    desk = request.app[_DESK]
    verdicts = desk.verdicts()
    await answer.prepare(request)
    await answer.write_eof()
    desk.shown(verdicts)
    return answer


async def _events(request: web.Request) -> web.StreamResponse:
    async with aiohttp_sse.sse_response(request) as stream:
        changes = request.app[_DESK].changes.follow()
        with contextlib.suppress(ConnectionResetError):
            async for part in changes:
                await stream.send("changed", event=part)
    return stream


async def _wire(request: web.Request) -> web.Response:
    return _rendered(request, "wire_page.html", "wire")


async def _paper(request: web.Request) -> web.Response:
    paper = request.app[_DESK].terminal.paper(request.match_info["number"])
    if paper is None:
        raise web.HTTPNotFound
    if request.match_info["form"] == "txt":
        return web.Response(text=printing.text(paper), content_type="text/plain")
    return web.Response(body=printing.png(paper), content_type="image/png")


async def _do(request: web.Request) -> web.StreamResponse:
    doing = _DOINGS.get(request.match_info["doing"])
    if doing is None:
        raise web.HTTPNotFound
    posted = await request.post()
    await doing(request.app[_DESK], _Form({name: value for name, value in posted.items() if isinstance(value, str)}))
    return await _delivered(request, _rendered(request, "stage.html"))


async def _open_shift(desk: Desk, form: _Form) -> None:
    drawer = counted(form)
    if not _CLERK.fullmatch(form["clerk"].strip()):
        await desk.refuse("notice.clerk-unreadable")
    elif drawer is None:
        await desk.refuse("notice.count-unreadable")
    else:
        await desk.open_shift(form["clerk"].strip(), drawer)


async def _close_shift(desk: Desk, form: _Form) -> None:
    drawer = counted(form)
    await (desk.refuse("notice.count-unreadable") if drawer is None else desk.close_shift(drawer))


async def _void(desk: Desk, form: _Form) -> None:
    reason: Reason = "CANCELLED" if form["reason"] == "CANCELLED" else "CLERK_VOID"
    await desk.void(form["id"], reason, parcel_in_hand=form.get("hand") == "yes")


async def _train(desk: Desk, form: _Form) -> None:
    await desk.train(on=form["on"] == "yes")


_DOINGS: dict[str, Callable[[Desk, _Form], Awaitable[None]]] = {
    "scan": lambda desk, form: desk.scan(form["text"]),
    "tender": lambda desk, form: desk.scan(form["amount"]),
    "go-on": lambda desk, form: desk.go_on(),
    "leave": lambda desk, form: desk.leave(),
    "remove": lambda desk, form: desk.remove(form["reference"], form["why"]),
    "panel": lambda desk, form: desk.open_panel(form["name"], form.get("id", "")),
    "reprint": lambda desk, form: desk.reprint(form["id"]),
    "inquire": lambda desk, form: desk.inquire(form["id"]),
    "void": _void,
    "open-shift": _open_shift,
    "close-shift": _close_shift,
    "train": _train,
    "conflict-seen": lambda desk, form: desk.conflict_seen(form["id"]),
}
