"""The shipping label: one A6 page (105 x 148 mm) to print on a label printer of 203 dpi or more.

Both barcodes are as a scanner at the counter reads them: Code 128 set C of the claim code's 12 digits, and GS1-128
set C (FNC1 first) of the tracking number. The same parcel has the same bytes.
"""

import io
import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from reportlab.graphics import renderPDF
from reportlab.lib.pagesizes import A6
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from connect_printing import barcodes
from connect_printing.paper import Bars, printable

from ..wire import format_amount
from .sheets import BOLD, PLAIN, fitted, new_canvas
from .stores import find_store
from .views import show_code

MODULE_PT = 4 * 72 / 203
"""A barcode's narrowest bar: 4 dots of a 203 dpi printer, so that no bar ends between two dots, and the 0.5 mm that
GS1 wants of parcels (General Specifications, symbol specification table 5).
"""

_WIDTH, _HEIGHT = A6
_MARGIN = 5 * mm
_INNER = _WIDTH - 2 * _MARGIN
_BAR_HEIGHT = 17 * mm


@dataclass(frozen=True, slots=True)
class Label:
    """What stands on a label. `store_id` is None for a delivery to the door, which has an `address` instead."""

    tracking_number: str
    merchant: str
    merchant_code: str
    merchant_reference: str
    description: str
    store_id: str | None
    address: str
    cod_centavos: int | None
    claim_code: str | None
    weight_kg: str


def find_label(connection: sqlite3.Connection, name: str) -> Label | None:
    """The label of that name."""
    row = connection.execute(
        "SELECT tracking_number, merchant, merchant_code, merchant_reference, description, store_id, payment_type,"
        " amount_centavos, claim_code, details FROM parcel WHERE label = ?",
        (name,),
    ).fetchone()
    return None if row is None else _label_of(row)


def _label_of(row: sqlite3.Row) -> Label:
    details: dict[str, Any] = json.loads(row["details"])
    return Label(
        tracking_number=row["tracking_number"],
        merchant=row["merchant"],
        merchant_code=row["merchant_code"],
        merchant_reference=row["merchant_reference"],
        description=row["description"],
        store_id=row["store_id"],
        address=address_line(details),
        cod_centavos=row["amount_centavos"] if row["payment_type"] == "COD" else None,
        claim_code=row["claim_code"],
        weight_kg=str(details.get("shipping_weight") or ""),
    )


def address_line(details: dict[str, Any]) -> str:
    """The address in a parcel's details, on one line."""
    address = details.get("address") or {}
    return ", ".join(str(address[name]) for name in ("address1", "address2", "city", "province") if address.get(name))


def label_pdf(label: Label) -> bytes:
    """The label as a PDF of one page."""
    file = io.BytesIO()
    canvas = new_canvas(file, A6, f"Shipping label {label.tracking_number}")
    _draw_head(canvas, label)
    _draw_destination(canvas, label)
    _draw_sender(canvas, label)
    _draw_payment(canvas, label)
    if label.claim_code is not None:
        _write(canvas, (_MARGIN, 72 * mm), "CLAIM CODE", 6.5)
        _draw_code(canvas, 69 * mm, Bars("CODE128", label.claim_code, show_code(label.claim_code) or ""))
    groups = " ".join(label.tracking_number[start : start + 4] for start in range(0, len(label.tracking_number), 4))
    _write(canvas, (_MARGIN, 40 * mm), "TRACKING NUMBER", 6.5)
    _draw_code(canvas, 37 * mm, Bars("GS1-128", label.tracking_number, groups))
    _write(canvas, (_MARGIN, 4 * mm), "7-Eleven e-commerce  ·  ECMS", 6.5, width=_INNER)
    canvas.showPage()
    canvas.save()
    return file.getvalue()


def _draw_head(canvas: Canvas, label: Label) -> None:
    """A black band that a sorter reads from afar: the zone, and the trucker's route."""
    store = find_store(label.store_id)
    bottom = _HEIGHT - 17 * mm
    canvas.rect(0, bottom, _WIDTH, 17 * mm, stroke=0, fill=1)
    canvas.setFillGray(1)
    zone = store.zone.value if store is not None else "To the door"
    _write(canvas, (_MARGIN, bottom + 10 * mm), "SHIPPING LABEL", 7)
    _write(canvas, (_MARGIN, bottom + 4 * mm), zone, 11, BOLD, width=_INNER - 36 * mm)
    if store is not None:
        _write_right(canvas, bottom + 4.5 * mm, store.route, 22)
    canvas.setFillGray(0)


def _draw_destination(canvas: Canvas, label: Label) -> None:
    store = find_store(label.store_id)
    top = _HEIGHT - 23 * mm
    _write(canvas, (_MARGIN, top), "DELIVER TO", 6.5)
    if store is not None:
        _write(canvas, (_MARGIN, top - 10 * mm), f"Store {store.store_id}", 26, BOLD)
        _write(canvas, (_MARGIN, top - 15.5 * mm), store.name, 11, width=_INNER)
    else:
        _write(canvas, (_MARGIN, top - 8 * mm), "Door", 20, BOLD)
        _write(canvas, (_MARGIN, top - 15.5 * mm), label.address, 9, width=_INNER)


def _draw_sender(canvas: Canvas, label: Label) -> None:
    top = _HEIGHT - 43 * mm
    _rule(canvas, top + 1.5 * mm)
    half = _INNER / 2
    _write(canvas, (_MARGIN, top - 2.5 * mm), "FROM", 6.5)
    _write(canvas, (_MARGIN, top - 7 * mm), f"{label.merchant} ({label.merchant_code})", 10, BOLD, width=half - 2 * mm)
    _write(canvas, (_MARGIN, top - 11 * mm), label.merchant_reference, 8, width=half - 2 * mm)
    _write(canvas, (_MARGIN + half, top - 2.5 * mm), "CONTENT", 6.5)
    _write(canvas, (_MARGIN + half, top - 7 * mm), label.description or "not stated", 9, width=half)
    if label.weight_kg:
        _write(canvas, (_MARGIN + half, top - 11 * mm), f"{label.weight_kg} kg", 8, width=half)


def _draw_payment(canvas: Canvas, label: Label) -> None:
    bottom = _HEIGHT - 67 * mm
    canvas.setLineWidth(1.4)
    canvas.roundRect(_MARGIN, bottom, _INNER, 9.5 * mm, 1.5 * mm, stroke=1, fill=0)
    if label.cod_centavos is None:
        _write(canvas, (_MARGIN + 3 * mm, bottom + 3 * mm), "PREPAID", 14, BOLD)
        _write_right(canvas, bottom + 3 * mm, "nothing to collect", 9, inset=3 * mm, font=PLAIN)
    else:
        _write(canvas, (_MARGIN + 3 * mm, bottom + 3 * mm), "COLLECT (COD)", 9, BOLD)
        _write_right(canvas, bottom + 2.6 * mm, f"PHP {format_amount(label.cod_centavos)}", 17, inset=3 * mm)


def _draw_code(canvas: Canvas, top: float, code: Bars) -> None:
    drawing = barcodes.drawing(code.symbology, code.digits, module_pt=MODULE_PT, height_pt=_BAR_HEIGHT)
    renderPDF.draw(drawing, canvas, (_WIDTH - drawing.width) / 2, top - _BAR_HEIGHT + 1 * mm)
    canvas.setFillGray(0)
    canvas.setFont(BOLD, 13)
    canvas.drawCentredString(_WIDTH / 2, top - _BAR_HEIGHT - 4.2 * mm, code.caption)


def _rule(canvas: Canvas, y: float) -> None:
    canvas.setLineWidth(0.6)
    canvas.line(_MARGIN, y, _WIDTH - _MARGIN, y)


def _write(
    canvas: Canvas, place: tuple[float, float], text: str, size: float, font: str = PLAIN, *, width: float | None = None
) -> None:
    canvas.setFont(font, size)
    canvas.drawString(*place, fitted(text, font, size, width))


def _write_right(canvas: Canvas, y: float, text: str, size: float, *, inset: float = 0, font: str = BOLD) -> None:
    canvas.setFont(font, size)
    canvas.drawRightString(_WIDTH - _MARGIN - inset, y, printable(text))
