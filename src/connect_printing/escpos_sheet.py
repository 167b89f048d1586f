"""The picture of what an ESC/POS printer has printed: its dots, its 12 x 24 letters, and white paper around them."""

import io
from collections.abc import Iterable

from PIL import Image, ImageDraw

from connect_printing import barcodes, typeface
from connect_printing.escpos_reader import Align, Barcode, Printed, Text

_COLUMN = 12
_LINE = 30
_MARGIN = 40
"""58 mm of paper are 464 dots of 203 dpi, of which 384 can be printed on."""

_INK = 24


def sheet_png(printed: Iterable[Printed], width_dots: int, dpi: int) -> bytes:
    """PNG of the printed lines and barcodes on a roll that prints `width_dots` dots; drawn at 203 dpi, then scaled."""
    rows = [_barcode(one, width_dots) if isinstance(one, Barcode) else _text(one, width_dots) for one in printed]
    sheet = Image.new("L", (width_dots + 2 * _MARGIN, sum(row.height for row in rows) + 2 * _MARGIN), 255)
    top = _MARGIN
    for row in rows:
        sheet.paste(row, (_MARGIN, top))
        top += row.height
    if dpi != 203:
        sheet = sheet.resize(
            (round(sheet.width * dpi / 203), round(sheet.height * dpi / 203)), Image.Resampling.LANCZOS
        )
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", dpi=(dpi, dpi))
    return buffer.getvalue()


def _text(line: Text, width: int) -> Image.Image:
    times = 2 if line.double else 1
    column = _COLUMN * times
    row = Image.new("L", (width, _LINE * times), 255)
    draw = ImageDraw.Draw(row)
    font = typeface.pillow(column / typeface.ADVANCE, bold=line.bold)
    text = line.text.rstrip() if line.align == "left" else line.text.strip()
    left = _left(line.align, len(text) * column, width)
    for place, character in enumerate(text):
        draw.text((left + place * column, 22 * times), character, _INK, font, anchor="ls")
    return row


def _barcode(code: Barcode, width: int) -> Image.Image:
    bars = barcodes.raster(code.symbology, code.digits, code.module_dots, code.height_dots)
    row = Image.new("L", (width, code.height_dots + 8), 255)
    row.paste(bars, (_left(code.align, bars.width, width), 4))
    return row


def _left(align: Align, taken: int, width: int) -> int:
    return {"left": 0, "center": (width - taken) // 2, "right": width - taken}[align]
