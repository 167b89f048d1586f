"""Labels for whoever has their name, and the day's documents on the control port."""

import asyncio
from datetime import date

from aiohttp import web

from .document_sheets import document_pdf
from .documents import Kind, document_csv, list_documents, read_document
from .labels import find_label, label_pdf
from .messages import Refusal
from .simulator import SIMULATOR

_PDF = "application/pdf"


async def label(request: web.Request) -> web.StreamResponse:
    """`GET /labels/{name}.pdf`: the shipping label. Its name cannot be guessed; whoever has it may read it."""
    name = request.match_info["name"]
    found = await request.app[SIMULATOR].database.run(lambda connection: find_label(connection, name))
    if found is None:
        raise Refusal(404, "There is no such label.")
    return web.Response(body=label_pdf(found), content_type=_PDF)


async def all_documents(request: web.Request) -> web.StreamResponse:
    """`GET /documents`: which there are, the newest first."""
    return web.json_response({"documents": await request.app[SIMULATOR].database.run(list_documents)})


async def one_document(request: web.Request) -> web.StreamResponse:
    """`GET /documents/{apo|pickup|dr}/{YYYY-MM-DD}.{pdf|csv}`; a day without any is an empty one."""
    kind = Kind(request.match_info["kind"])
    try:
        day = date.fromisoformat(request.match_info["day"])
    except ValueError:
        raise Refusal(404, "There is no such day.") from None
    document = await request.app[SIMULATOR].database.run(lambda connection: read_document(connection, kind, day))
    if request.match_info["form"] == "csv":
        return web.Response(text=document_csv(document), content_type="text/csv")
    # Thousands of packages are thousands of barcodes: the gateway must not wait for them.
    return web.Response(body=await asyncio.to_thread(document_pdf, document), content_type=_PDF)
