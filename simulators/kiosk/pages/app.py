"""The kiosk's pages: return an item, send a parcel, find a parcel. A handler is: parse, one call, show."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from connect_printing import barcodes, escpos

from ...web import LANGUAGE_COOKIE, page, setup_pages
from ..kiosk import PAPER_FORMS, Kiosk, KioskResult, PaperForm, sentence_of
from ..printer import OutOfPaper, Printer
from . import entries, words
from .entries import Entry
from .visits import IDLE_S, TOUCH_EVERY_S, Visit, Visits

_HERE = Path(__file__).parent
_NUMBER = "{number:[0-9]{1,9}}"


def kiosk_app(kiosk: Kiosk, printer: Printer, store_id: str) -> web.Application:
    """The application of one kiosk's screen; whoever makes it closes `kiosk`."""
    app = web.Application(client_max_size=16 * 1024)
    setup_pages(
        app,
        _HERE,
        globals_={
            "store": store_id,
            "idle_s": IDLE_S,
            "touch_every_s": TOUCH_EVERY_S,
            "say_moment": words.say_moment,
            "sentence_of": sentence_of,
        },
    )
    pages = _Pages(kiosk, printer)
    app.router.add_routes(pages.routes())

    async def forget(_: web.Application) -> None:
        pages.visits.forget_all()

    app.on_cleanup.append(forget)
    return app


class _Pages:
    def __init__(self, kiosk: Kiosk, printer: Printer) -> None:
        self._kiosk = kiosk
        self._printer = printer
        self.visits = Visits()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self.start),
            web.post("/end", self.end),
            web.post("/touched", self.touched),
            web.post("/scan", self.scan),
            web.get("/return", self.kinds),
            web.get("/return/mobile", self.mobile),
            web.post("/return/mobile", self.keep_mobile),
            web.get("/return/check", self.check),
            web.get("/return/code", self.code),
            web.post("/return/code", self.dispense),
            web.post("/return/print", self.print_slip),
            web.get("/return/slip.{form:png|pdf|escpos}", self.slip),
            web.get("/return/{kind}", self.identifier),
            web.post("/return/{kind}", self.keep_identifier),
            web.get("/send", self.booking_reference),
            web.post("/send", self.find_booking),
            web.get("/send/booking", self.booking),
            web.get("/send/label", self.label),
            web.post("/send/label", self.print_label),
            web.post("/send/print", self.print_label),
            web.get("/send/label.{form:png|pdf|escpos}", self.label_paper),
            web.get("/parcel", self.parcel_number),
            web.post("/parcel", self.find_parcel),
            web.get("/parcel/status", self.parcel),
            web.get("/staff", self.staff),
            web.post("/staff/paper", self.set_paper),
            web.get(f"/staff/printouts/{_NUMBER}.{{form:png|escpos}}", self.printout),
        ]

    # Beginning and end of a visit

    async def start(self, request: web.Request) -> web.StreamResponse:
        answer = page(request, "start.html")
        self.visits.end(request, answer)
        return answer

    async def end(self, request: web.Request) -> web.StreamResponse:
        answer = web.HTTPSeeOther("/")
        self.visits.end(request, answer)
        answer.del_cookie(LANGUAGE_COOKIE, path="/")
        raise answer

    async def touched(self, request: web.Request) -> web.StreamResponse:
        self.visits.of(request)
        return web.Response(status=204)

    async def scan(self, request: web.Request) -> web.StreamResponse:
        """A barcode that was scanned where nothing is typed: at the start, or in place of choosing an identifier."""
        form = await request.post()
        typed = str(form.get("typed", ""))
        if form.get("at") == "return":
            found = entries.scanned_identifier(typed)
            if found is None:
                raise web.HTTPSeeOther("/return")
            return await self._keep_identifier(request, *found)
        number = entries.PARCEL.read(typed)
        if number is None:
            raise web.HTTPSeeOther("/")
        return await self._find_parcel(request, number)

    # Return an item

    async def kinds(self, request: web.Request) -> web.StreamResponse:
        return page(request, "kinds.html", kinds=entries.IDENTIFIERS)

    async def identifier(self, request: web.Request) -> web.StreamResponse:
        return _entry(request, _kind(request), back="/return")

    async def keep_identifier(self, request: web.Request) -> web.StreamResponse:
        entry = _kind(request)
        identifier = entry.read(await _typed(request))
        if identifier is None:
            return _entry(request, entry, back="/return", wrong=True)
        return await self._keep_identifier(request, entry, identifier)

    async def _keep_identifier(self, request: web.Request, entry: Entry, identifier: str) -> web.StreamResponse:
        answer = web.HTTPSeeOther("/return/mobile")
        visit = self.visits.begin(request, answer)
        visit.entry, visit.identifier, visit.returned, visit.commands = entry, identifier, None, b""
        raise answer

    async def mobile(self, request: web.Request) -> web.StreamResponse:
        visit = self._visit(request)
        return _entry(request, entries.MOBILE, back=f"/return/{_entry_of(visit).name}", secret=True)

    async def keep_mobile(self, request: web.Request) -> web.StreamResponse:
        visit = self._visit(request)
        typed = await _typed(request)
        mobile = entries.MOBILE.read(typed) if typed else ""
        if mobile is None:
            back = f"/return/{_entry_of(visit).name}"
            return _entry(request, entries.MOBILE, back=back, secret=True, wrong=True)
        visit.mobile, visit.returned, visit.commands = mobile, None, b""
        raise web.HTTPSeeOther("/return/check")

    async def check(self, request: web.Request) -> web.StreamResponse:
        visit = self._visit(request)
        shown = entries.masked(visit.mobile) if visit.mobile else ""
        return page(request, "check.html", entry=_entry_of(visit), identifier=visit.identifier, mobile=shown)

    async def dispense(self, request: web.Request) -> web.StreamResponse:
        """Asks for the code, once for each visit, and prints its slip."""
        visit = self._visit(request)
        entry = _entry_of(visit)
        assert entry.identifier_type is not None, "a return begins with an identifier"
        async with visit.asking:
            if visit.returned is None or not visit.returned.ok:
                visit.returned = await self._kiosk.request_return(
                    entry.identifier_type, visit.identifier, mobile_number=visit.mobile or None
                )
                if visit.returned.ok:
                    # The gateway has it now; nothing here needs it any more.
                    visit.mobile = ""
                    await self._print(visit, "slip", self._slip_of(visit.returned))
        raise web.HTTPSeeOther("/return/code")

    async def code(self, request: web.Request) -> web.StreamResponse:
        visit = self._visit(request)
        if visit.returned is None:
            raise web.HTTPSeeOther("/return/check")
        if not visit.returned.ok:
            retype = f"/return/{_entry_of(visit).name}"
            return _failure(request, visit.returned, retry="/return/code", retype=retype, back="/return/check")
        code = str(visit.returned.body["returnCode"])
        return page(
            request,
            "code.html",
            code=code,
            bars=_bars(code),
            returned=visit.returned.body,
            paper=visit.paper,
        )

    async def print_slip(self, request: web.Request) -> web.StreamResponse:
        """Prints the same slip again, which has the same code."""
        visit = self._visit(request)
        if visit.returned is None or not visit.returned.ok:
            raise web.HTTPSeeOther("/return/check")
        async with visit.asking:
            await self._print(visit, "slip", self._slip_of(visit.returned))
        return self._printed(request, visit, "/return/code", "slip")

    async def slip(self, request: web.Request) -> web.StreamResponse:
        visit = self._visit(request)
        if visit.returned is None or not visit.returned.ok:
            raise web.HTTPNotFound
        form = _form(request)
        return _document(await self._kiosk.slip(str(visit.returned.body["returnCode"]), form), form)

    def _slip_of(self, returned: KioskResult) -> Callable[[], Awaitable[KioskResult]]:
        return lambda: self._kiosk.slip(str(returned.body["returnCode"]), "escpos")

    # Send a parcel

    async def booking_reference(self, request: web.Request) -> web.StreamResponse:
        return _entry(request, entries.BOOKING, back="/", go="find")

    async def find_booking(self, request: web.Request) -> web.StreamResponse:
        reference = entries.BOOKING.read(await _typed(request))
        if reference is None:
            return _entry(request, entries.BOOKING, back="/", go="find", wrong=True)
        answer = web.HTTPSeeOther("/send/booking")
        visit = self.visits.begin(request, answer)
        visit.booking_reference, visit.label, visit.commands = reference, None, b""
        visit.booking = await self._kiosk.booking(reference)
        raise answer

    async def booking(self, request: web.Request) -> web.StreamResponse:
        visit = self._visit(request)
        if visit.booking is None:
            raise web.HTTPSeeOther("/send")
        if not visit.booking.ok:
            return _failure(request, visit.booking, retry="/send", retype="/send", back="/send", typed=visit)
        return page(request, "booking.html", booking=visit.booking.body)

    async def print_label(self, request: web.Request) -> web.StreamResponse:
        """Prints the label. The gateway tells ECMS the first time, and gives the same label every time."""
        visit = self._visit(request)
        if visit.booking is None or not visit.booking.ok:
            raise web.HTTPSeeOther("/send")
        async with visit.asking:
            if visit.label is None or not visit.label.ok:
                visit.label = await self._kiosk.label(visit.booking_reference)
            if visit.label.ok:
                await self._print(visit, "label", lambda: self._kiosk.label(visit.booking_reference, "escpos"))
        return self._printed(request, visit, "/send/label", "label")

    async def label(self, request: web.Request) -> web.StreamResponse:
        visit = self._visit(request)
        if visit.label is None:
            raise web.HTTPSeeOther("/send/booking" if visit.booking is not None else "/send")
        if not visit.label.ok:
            return _failure(request, visit.label, retry="/send/label", retype="/send", back="/send/booking")
        return page(request, "label.html", booking=visit.label.body, paper=visit.paper)

    async def label_paper(self, request: web.Request) -> web.StreamResponse:
        visit = self._visit(request)
        if visit.label is None or not visit.label.ok:
            raise web.HTTPNotFound
        form = _form(request)
        return _document(await self._kiosk.label(visit.booking_reference, form), form)

    # Where is my parcel

    async def parcel_number(self, request: web.Request) -> web.StreamResponse:
        return _entry(request, entries.PARCEL, back="/", go="look")

    async def find_parcel(self, request: web.Request) -> web.StreamResponse:
        number = entries.PARCEL.read(await _typed(request))
        if number is None:
            return _entry(request, entries.PARCEL, back="/", go="look", wrong=True)
        return await self._find_parcel(request, number)

    async def _find_parcel(self, request: web.Request, number: str) -> web.StreamResponse:
        answer = web.HTTPSeeOther("/parcel/status")
        visit = self.visits.begin(request, answer)
        visit.identifier = number
        visit.parcel = await self._kiosk.parcel(number)
        raise answer

    async def parcel(self, request: web.Request) -> web.StreamResponse:
        visit = self._visit(request)
        if visit.parcel is None:
            raise web.HTTPSeeOther("/parcel")
        if not visit.parcel.ok:
            return _failure(request, visit.parcel, retry="/parcel", retype="/parcel", back="/parcel", typed=visit)
        found = visit.parcel.body
        stage, status = words.status_of(str(found["status"]))
        return page(
            request,
            "parcel.html",
            parcel=found,
            stage=stage,
            stages=words.STAGES,
            status=status,
        )

    # For the staff

    async def staff(self, request: web.Request) -> web.StreamResponse:
        visit = self.visits.of(request)
        returned = visit.returned if visit is not None and visit.returned is not None and visit.returned.ok else None
        label = visit.label if visit is not None and visit.label is not None and visit.label.ok else None
        return page(
            request,
            "staff.html",
            has_paper=self._printer.has_paper,
            printouts=self._printer.printouts()[:12],
            on_screen="return/slip" if returned is not None else "send/label" if label is not None else "",
        )

    async def set_paper(self, request: web.Request) -> web.StreamResponse:
        self._printer.set_paper(loaded=(await request.post()).get("loaded") == "yes")
        raise web.HTTPSeeOther("/staff")

    async def printout(self, request: web.Request) -> web.StreamResponse:
        commands = self._printer.content(int(request.match_info["number"]))
        if commands is None:
            raise web.HTTPNotFound
        form = _form(request)
        return web.Response(body=escpos.png(commands) if form == "png" else commands, content_type=PAPER_FORMS[form])

    # What several of them need

    def _visit(self, request: web.Request) -> Visit:
        visit = self.visits.of(request)
        if visit is None:
            raise web.HTTPSeeOther("/")
        return visit

    async def _print(self, visit: Visit, name: str, fetch: Callable[[], Awaitable[KioskResult]]) -> None:
        if not visit.commands:
            fetched = await fetch()
            if not fetched.ok:
                visit.paper = "not-fetched"
                return
            visit.commands = fetched.content
        try:
            self._printer.print(name, visit.commands)
        except OutOfPaper:
            visit.paper = "no-paper"
        else:
            visit.paper = "printed"

    def _printed(self, request: web.Request, visit: Visit, where: str, what: str) -> web.StreamResponse:
        """After printing: the part of the page that says how it went, or the whole page."""
        if request.headers.get("HX-Request") != "true":
            raise web.HTTPSeeOther(where)
        if visit.label is not None and not visit.label.ok:
            return web.Response(headers={"HX-Redirect": where})
        return page(request, "paper.html", paper=visit.paper, what=what)


def _kind(request: web.Request) -> Entry:
    entry = entries.IDENTIFIERS.get(request.match_info["kind"])
    if entry is None:
        raise web.HTTPNotFound
    return entry


def _entry_of(visit: Visit) -> Entry:
    if visit.entry is None:
        raise web.HTTPSeeOther("/return")
    return visit.entry


async def _typed(request: web.Request) -> str:
    return str((await request.post()).get("typed", ""))


def _entry(
    request: web.Request, entry: Entry, *, back: str, go: str = "continue", secret: bool = False, wrong: bool = False
) -> web.Response:
    status = 422 if wrong else 200
    return page(request, "entry.html", status, entry=entry, back=back, go=go, secret=secret, wrong=wrong)


def _failure(
    request: web.Request, failed: KioskResult, *, retry: str, retype: str, back: str, typed: Visit | None = None
) -> web.Response:
    """Why it did not work, and what the customer can do: send it again, or type it again."""
    passing = failed.status is None or failed.status >= 500 or failed.code == "too-many-attempts"
    again = ""
    if typed is not None:
        again = typed.booking_reference if retry == "/send" else typed.identifier
    values: dict[str, Any] = {
        "failed": failed,
        "passing": passing,
        "retry": retry,
        "retype": retype,
        "back": back,
        "typed": again,
        "minutes": -(-int(failed.retry_after_s) // 60),
    }
    return page(request, "failure.html", 200, **values)


def _form(request: web.Request) -> PaperForm:
    form: Any = request.match_info["form"]
    return form


def _document(result: KioskResult, form: PaperForm) -> web.Response:
    if not result.ok:
        raise web.HTTPServiceUnavailable
    return web.Response(body=result.content, content_type=PAPER_FORMS[form])


def _bars(code: str) -> dict[str, Any]:
    """A code's barcode as a picture is drawn from it: black bars (first module, modules) and the width in modules."""
    digits = code.replace("-", "")
    return {"bars": barcodes.bars("CODE128", digits), "width": barcodes.module_count("CODE128", digits)}
