"""A paper as a picture, as it would lie on the counter."""

import io

from PIL import Image, ImageDraw

from connect_printing import barcodes, layout, typeface
from connect_printing.layout import COLUMN_MM, LINE_MM, WIDTH_MM
from connect_printing.paper import COLUMNS, RULE, Bars, Line, Paper

DPI = 203
"""Dots per inch of most receipt printers: 8 dots for each millimetre."""

_INK = 16
_WHITE = 255


def png(paper: Paper, dpi: int = DPI) -> bytes:
    """The paper as PNG: 80 mm wide, white, in shades of grey; the same bytes for the same paper."""
    buffer = io.BytesIO()
    image(paper, dpi).save(buffer, "PNG", optimize=False, dpi=(dpi, dpi))
    return buffer.getvalue()


def image(paper: Paper, dpi: int = DPI) -> Image.Image:
    """The same as a Pillow image of mode `L`."""
    sheet = _Sheet(paper, dpi)
    for place in layout.placed(paper):
        if isinstance(place.what, Line):
            sheet.line(place.what, place.top_mm, place.height_mm)
        else:
            sheet.bars(place.what, place.top_mm)
    return sheet.image


class _Sheet:
    def __init__(self, paper: Paper, dpi: int) -> None:
        self._dpi = dpi
        # Columns stand on whole dots, so that every letter has the same sharp edges wherever it stands.
        self._column = max(1, self._px(COLUMN_MM))
        self.image = Image.new("L", (self._px(WIDTH_MM), self._px(layout.total_mm(paper))), _WHITE)
        self._draw = ImageDraw.Draw(self.image)
        self._left = (self.image.width - COLUMNS * self._column) // 2

    def _px(self, millimetres: float) -> int:
        return round(millimetres * self._dpi / 25.4)

    def line(self, line: Line, top_mm: float, height_mm: float) -> None:
        middle = self._px(top_mm + height_mm / 2)
        if line.text == RULE:
            self._rule(middle)
            return
        column = self._column * (2 if line.double else 1)
        font = typeface.pillow(column / typeface.ADVANCE, bold=line.bold)
        for place, character in enumerate(line.text):
            if character != " ":
                # Half the height of a capital below the middle is where the letters stand.
                baseline = middle + round(0.36 * column / typeface.ADVANCE)
                self._draw.text((self._left + place * column, baseline), character, _INK, font, anchor="ls")

    def _rule(self, middle: int) -> None:
        dash = self._column // 2
        for place in range(COLUMNS):
            left = self._left + place * self._column
            self._draw.rectangle((left, middle - 1, left + dash, middle), fill=_INK)

    def bars(self, bars: Bars, top_mm: float) -> None:
        module = max(1, self._px(layout.module_mm(bars)))
        code = barcodes.raster(bars.symbology, bars.digits, module, self._px(layout.BARS_MM))
        self.image.paste(code, ((self.image.width - code.width) // 2, self._px(top_mm + LINE_MM / 2)))
        if bars.caption:
            self.line(Line(bars.caption.center(COLUMNS).rstrip()), top_mm + LINE_MM / 2 + layout.BARS_MM, LINE_MM)
