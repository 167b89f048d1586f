"""Receipts, slips and labels in the form that the client wants them in."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from aiohttp import web

from connect_gateway.domain.verdicts import Verdict
from connect_gateway.edges.problems import Problem
from connect_printing import escpos, pdf, picture
from connect_printing.paper import Paper

JSON = "application/json"
TEXT = "text/plain"
PNG = "image/png"
PDF = "application/pdf"
ESCPOS = "application/vnd.escpos"

_PRINTERS: dict[str, Callable[[Paper], bytes]] = {PNG: picture.png, PDF: pdf.pdf, ESCPOS: escpos.encode}


def negotiated(request: web.Request, offered: Sequence[str], verdict: Verdict) -> str:
    """The offered media type that the client likes best; of those it likes as well, the one it names first.

    Without `Accept`, or where anything will do, it is the first that is offered. 406 `not-acceptable` otherwise, with
    the verdict.
    """
    wanted = list(_ranges(request.headers.get("Accept", "*/*")))
    refused = {range_ for range_, quality in wanted if not quality}
    for range_, quality in sorted(wanted, key=lambda one: -one[1]):
        for media_type in offered:
            everything_of_it = media_type.partition("/")[0] + "/*"
            if quality and media_type not in refused and range_ in (media_type, everything_of_it, "*/*"):
                return media_type
    raise Problem("not-acceptable", f"this comes as {', '.join(offered[:-1])} or {offered[-1]}", verdict)


def _ranges(accept: str) -> Iterable[tuple[str, float]]:
    """The media ranges of an Accept header with their quality (RFC 9110, 12.5.1); an unreadable one is taken for 1."""
    for part in accept.split(","):
        range_, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q" and value.strip().replace(".", "", 1).isdecimal():
                quality = float(value)
        yield range_, quality


async def get_ready(media_type: str) -> None:
    """Loads what prints this form. Done before something is counted, so that a slow start cannot come in between."""
    if media_type in _PRINTERS:
        await asyncio.to_thread(_PRINTERS[media_type], ())


async def response(media_type: str, paper: Paper, lines: Sequence[str], status: int = 200) -> web.Response:
    """The paper in one of these forms; as text, line by line."""
    if media_type == TEXT:
        text = "\n".join(lines) + "\n"
        return web.Response(text=text, status=status, content_type=TEXT, charset="utf-8", headers={"Vary": "Accept"})
    printed = await asyncio.to_thread(_PRINTERS[media_type], paper)
    return web.Response(body=printed, status=status, content_type=media_type, headers={"Vary": "Accept"})
