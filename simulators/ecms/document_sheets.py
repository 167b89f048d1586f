"""The documents of `documents.py` as PDF: A4, a summary by route first, then a sheet for each place, to be signed."""

import io
from dataclasses import dataclass
from itertools import groupby

from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from connect_printing import barcodes

from ..wire import format_amount
from .documents import Document, Kind, Line
from .sheets import BOLD, PLAIN, fitted, new_canvas

_WIDTH, _HEIGHT = A4
_MARGIN = 15 * mm
_INNER = _WIDTH - 2 * _MARGIN
_ROW = 15 * mm
_BOTTOM = 20 * mm
_SIGNATURES = 30 * mm
_MODULE_PT = 3 * 72 / 203
_INK, _SOFT, _LINE = HexColor("#17202b"), HexColor("#5b6875"), HexColor("#d5dbe1")

_HANDS = {
    Kind.APO: ("Released by the store", "Fetched by the trucker"),
    Kind.PICK_UP: ("Handed over by the merchant", "Fetched by the trucker"),
    Kind.DELIVERY: ("Brought by the trucker", "Received by the store"),
}


def document_pdf(document: Document) -> bytes:
    """The document as PDF; the same lines make the same bytes."""
    file = io.BytesIO()
    canvas = new_canvas(file, A4, f"{document.kind.heading} {document.day.isoformat()}")
    pages = _Pages(canvas, document)
    _draw_summary(pages)
    for lines in document.sheets():
        _draw_sheet(pages, lines)
    pages.end()
    canvas.save()
    return file.getvalue()


@dataclass
class _Pages:
    """A canvas with a place on it, `y`, and a new page when that has come to the end."""

    canvas: Canvas
    document: Document
    y: float = 0.0
    number: int = 0

    def begin(self, title: str, about: str) -> None:
        """A new page with its head."""
        self.end()
        self.number += 1
        top = _HEIGHT - _MARGIN
        self.write(_MARGIN, top - 4 * mm, title, 17, BOLD, width=_INNER - 50 * mm)
        self.write(_MARGIN, top - 10 * mm, about, 9.5, color=_SOFT, width=_INNER - 50 * mm)
        self.write_right(top - 4 * mm, self.document.day.isoformat(), 12, BOLD)
        self.write_right(top - 10 * mm, self.document.kind.heading, 8.5, color=_SOFT)
        self.rule(top - 14 * mm, 1.2, _INK)
        self.y = top - 22 * mm

    def end(self) -> None:
        """Finishes the page that was begun."""
        if self.number:
            self.write(_MARGIN, 10 * mm, "7-Eleven e-commerce, ECMS", 7, color=_SOFT)
            self.write_right(10 * mm, f"Page {self.number}", 7, color=_SOFT)
            self.canvas.showPage()

    def write(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        font: str = PLAIN,
        *,
        color: Color = _INK,
        width: float | None = None,
    ) -> None:
        self.canvas.setFillColor(color)
        self.canvas.setFont(font, size)
        self.canvas.drawString(x, y, fitted(text, font, size, width))

    def write_right(
        self, y: float, text: str, size: float, font: str = PLAIN, *, color: Color = _INK, x: float = _WIDTH - _MARGIN
    ) -> None:
        self.canvas.setFillColor(color)
        self.canvas.setFont(font, size)
        self.canvas.drawRightString(x, y, text)

    def rule(self, y: float, thickness: float = 0.5, color: Color = _LINE) -> None:
        self.canvas.setStrokeColor(color)
        self.canvas.setLineWidth(thickness)
        self.canvas.line(_MARGIN, y, _WIDTH - _MARGIN, y)


def _draw_summary(pages: _Pages) -> None:
    document = pages.document
    places = len(document.sheets())
    pages.begin(document.kind.heading, f"{_count(len(document.lines), 'package')} at {_count(places, 'place')}")
    if not document.lines:
        pages.write(_MARGIN, pages.y, "Nothing was added to this document.", 10)
    for route, of_route in groupby(document.sheets(), key=lambda lines: lines[0].route):
        sheets = list(of_route)
        if pages.y < _BOTTOM + 12 * mm:
            pages.begin(document.kind.heading, "Summary, continued")
        pages.write(_MARGIN, pages.y, f"Route {route}", 11, BOLD)
        pages.write_right(pages.y, _count(sum(map(len, sheets)), "package"), 10, BOLD)
        pages.y -= 6 * mm
        for lines in sheets:
            if pages.y < _BOTTOM:
                pages.begin(document.kind.heading, f"Summary, continued: route {route}")
            pages.write(_MARGIN + 4 * mm, pages.y, lines[0].place, 9.5, width=30 * mm)
            pages.write(_MARGIN + 36 * mm, pages.y, lines[0].place_name, 9.5, color=_SOFT, width=110 * mm)
            pages.write_right(pages.y, str(len(lines)), 9.5)
            pages.y -= 5.2 * mm
        pages.y -= 4 * mm


def _draw_sheet(pages: _Pages, lines: tuple[Line, ...]) -> None:
    kind, first = pages.document.kind, lines[0]
    who = "Merchant" if kind is Kind.PICK_UP else "Store"
    title = first.place if first.place.isalpha() else f"{who} {first.place}"
    about = ", ".join(part for part in (first.place_name, first.zone) if part)
    pages.begin(title, about)
    _draw_sheet_head(pages, lines)
    for number, line in enumerate(lines, 1):
        last = number == len(lines)
        if pages.y - _ROW < _BOTTOM + (_SIGNATURES if last else 0):
            pages.begin(title, about + ", continued")
            _draw_sheet_head(pages, lines)
        _draw_line(pages, number, line)
    _draw_signatures(pages)


def _draw_sheet_head(pages: _Pages, lines: tuple[Line, ...]) -> None:
    pages.write(_MARGIN, pages.y, f"Route {lines[0].route}", 10, BOLD)
    pages.write_right(pages.y, _count(len(lines), "package"), 10, BOLD)
    pages.y -= 6.5 * mm
    for x, name in ((10, "Tracking number"), (76, "Merchant and reference"), (130, "Content")):
        pages.write(_MARGIN + x * mm, pages.y, name, 7.5, color=_SOFT)
    pages.write_right(pages.y, "COD, PHP", 7.5, color=_SOFT)
    pages.y -= 2 * mm
    pages.rule(pages.y)


def _draw_line(pages: _Pages, number: int, line: Line) -> None:
    top = pages.y
    pages.write(_MARGIN, top - 6 * mm, str(number), 9)
    _draw_bars(pages.canvas, _MARGIN + 5 * mm, top - 10 * mm, line.tracking_number)
    digits = line.tracking_number
    groups = " ".join(digits[start : start + 4] for start in range(0, len(digits), 4))
    pages.write(_MARGIN + 10 * mm, top - 13.2 * mm, groups, 7.5)
    pages.write(_MARGIN + 76 * mm, top - 6 * mm, line.merchant, 9, BOLD, width=52 * mm)
    pages.write(_MARGIN + 76 * mm, top - 10.5 * mm, line.merchant_reference, 8, color=_SOFT, width=52 * mm)
    pages.write(_MARGIN + 130 * mm, top - 6 * mm, line.description or "not stated", 8.5, width=33 * mm)
    if line.weight_kg:
        pages.write(_MARGIN + 130 * mm, top - 10.5 * mm, f"{line.weight_kg} kg", 8, color=_SOFT)
    pages.write_right(top - 6 * mm, format_amount(line.cod_centavos) if line.cod_centavos else "-", 9)
    pages.y -= _ROW
    pages.rule(pages.y)


def _draw_bars(canvas: Canvas, x: float, bottom: float, digits: str) -> None:
    """One path for a whole barcode: a document has thousands of bars."""
    path = canvas.beginPath()
    for first, width in barcodes.bars("GS1-128", digits):
        path.rect(x + first * _MODULE_PT, bottom, width * _MODULE_PT, 8.5 * mm)
    canvas.setFillColor(HexColor("#000000"))
    canvas.drawPath(path, stroke=0, fill=1)


def _draw_signatures(pages: _Pages) -> None:
    y = pages.y - 20 * mm
    half = (_INNER - 12 * mm) / 2
    for x, who in zip((_MARGIN, _MARGIN + half + 12 * mm), _HANDS[pages.document.kind], strict=True):
        pages.canvas.setStrokeColor(_INK)
        pages.canvas.setLineWidth(0.7)
        pages.canvas.line(x, y, x + half, y)
        pages.write(x, y - 4 * mm, f"{who}: name, signature, date and time", 7.5, color=_SOFT)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
