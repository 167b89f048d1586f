"""Barcodes: Code 128 in set C, and GS1-128, which is the same with FNC1 in front.

zint works out the bars; pictures and PDF draw the very same ones, so that a code that reads back in one reads back in
the other. Module widths that suit thermal printers: 2 to 3 dots of 203 dpi.
"""

from functools import lru_cache
from typing import Any

import zint
from PIL import Image, ImageDraw
from reportlab.graphics.shapes import Drawing, Rect
from reportlab.lib.colors import black

from connect_printing.paper import Symbology

QUIET_MODULES = 10
"""White at both sides, without which no reader finds the first bar (ISO/IEC 15417)."""


@lru_cache(maxsize=256)
def modules(symbology: Symbology, digits: str) -> str:
    """The bars, module by module from the left: `1` is black; without quiet zones."""
    symbol = zint.Symbol()
    symbol.symbology = zint.Symbology.CODE128
    symbol.input_mode = zint.InputMode.EXTRA_ESCAPE
    symbol.show_hrt = False
    symbol.height = 1
    symbol.scale = 0.5  # one pixel for each module
    function_1 = r"\^1" if symbology == "GS1-128" else ""
    # Set C as far as there are pairs: \^C and \^B choose the set, \^1 is FNC1.
    pairs = len(digits) - len(digits) % 2
    in_c = rf"\^C{function_1}{digits[:pairs]}" if pairs else rf"\^B{function_1}"
    in_b = rf"\^B{digits[pairs:]}" if pairs and pairs < len(digits) else digits[pairs:]
    symbol.encode(in_c + in_b)
    symbol.buffer()
    assert symbol.bitmap is not None  # buffer() has made it
    rows: Any = symbol.bitmap.tolist()
    return "".join("0" if red else "1" for red, _, _ in rows[0])


def bars(symbology: Symbology, digits: str) -> list[tuple[int, int]]:
    """The black bars as (first module, modules), quiet zone included in the count from the left."""
    found: list[tuple[int, int]] = []
    for place, module in enumerate(modules(symbology, digits), QUIET_MODULES):
        if module == "1":
            if found and sum(found[-1]) == place:
                found[-1] = (found[-1][0], found[-1][1] + 1)
            else:
                found.append((place, 1))
    return found


def module_count(symbology: Symbology, digits: str) -> int:
    """How many modules wide the barcode is, with its quiet zones."""
    return len(modules(symbology, digits)) + 2 * QUIET_MODULES


def raster(symbology: Symbology, digits: str, module_px: int = 3, height_px: int = 100) -> Image.Image:
    """The barcode as a grey picture (mode `L`) with its quiet zones."""
    image = Image.new("L", (module_count(symbology, digits) * module_px, height_px), 255)
    draw = ImageDraw.Draw(image)
    for first, width in bars(symbology, digits):
        draw.rectangle((first * module_px, 0, (first + width) * module_px - 1, height_px - 1), fill=0)
    return image


def drawing(symbology: Symbology, digits: str, module_pt: float = 1.06, height_pt: float = 36.0) -> Drawing:
    """The barcode for a reportlab page, with its quiet zones; 1.06 pt are 3 dots of 203 dpi."""
    made = Drawing(module_count(symbology, digits) * module_pt, height_pt)
    for first, width in bars(symbology, digits):
        bar = Rect(first * module_pt, 0, width * module_pt, height_pt)
        bar.fillColor = black
        bar.strokeColor = None
        made.add(bar)
    return made
