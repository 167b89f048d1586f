"""A paper as PDF: one page of 80 mm, as long as the paper needs."""

import io

from reportlab.graphics import renderPDF
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from connect_printing import barcodes, layout, typeface
from connect_printing.paper import COLUMNS, RULE, Bars, Line, Paper


def pdf(paper: Paper) -> bytes:
    """The paper as PDF; the same bytes for the same paper, since it has no date and no random id."""
    typeface.register()
    buffer = io.BytesIO()
    length = layout.total_mm(paper) * mm
    canvas = Canvas(buffer, pagesize=(layout.WIDTH_MM * mm, length), invariant=1, pageCompression=1)
    canvas.setTitle("7-Eleven")
    for place in layout.placed(paper):
        if isinstance(place.what, Line):
            _line(canvas, place.what, length - (place.top_mm + place.height_mm / 2) * mm)
        else:
            _bars(canvas, place.what, length - (place.top_mm + layout.LINE_MM / 2) * mm)
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _line(canvas: Canvas, line: Line, middle: float) -> None:
    left = layout.LEFT_MM * mm
    column = layout.COLUMN_MM * mm
    if line.text == RULE:
        canvas.setLineWidth(0.6)
        canvas.setDash(column / 2, column / 2)
        canvas.line(left, middle, left + COLUMNS * column, middle)
        canvas.setDash()
        return
    size = column * (2 if line.double else 1) / typeface.ADVANCE
    canvas.setFont("DejaVuSansMono-Bold" if line.bold else "DejaVuSansMono", size)
    canvas.drawString(left, middle - 0.36 * size, line.text)


def _bars(canvas: Canvas, bars: Bars, top: float) -> None:
    code = barcodes.drawing(bars.symbology, bars.digits, layout.module_mm(bars) * mm, layout.BARS_MM * mm)
    left = (layout.WIDTH_MM * mm - code.width) / 2
    renderPDF.draw(code, canvas, left, top - layout.BARS_MM * mm)
    if bars.caption:
        caption = Line(bars.caption.center(COLUMNS).rstrip())
        _line(canvas, caption, top - (layout.BARS_MM + layout.LINE_MM / 2) * mm)
