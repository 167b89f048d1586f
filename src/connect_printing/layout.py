"""Where everything stands on a paper of 80 mm: the same places for a picture and for a PDF, in millimetres."""

from collections.abc import Iterator
from dataclasses import dataclass

from connect_printing import barcodes
from connect_printing.paper import COLUMNS, Bars, Line, Paper

WIDTH_MM = 80.0
COLUMN_MM = 2.0
LINE_MM = 4.25
MARGIN_MM = 6.0
LEFT_MM = (WIDTH_MM - COLUMNS * COLUMN_MM) / 2
BARS_MM = 14.0
MODULE_MM = 0.375
"""3 dots of 203 dpi; a code too wide for the paper gets 2."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A line or a barcode, with the upper edge of its place and that place's height."""

    what: Line | Bars
    top_mm: float
    height_mm: float


def placed(paper: Paper) -> Iterator[Placed]:
    """Everything on the paper, from the top."""
    top = MARGIN_MM
    for what in paper:
        height = height_mm(what)
        yield Placed(what, top, height)
        top += height


def total_mm(paper: Paper) -> float:
    """The paper's length."""
    return sum(map(height_mm, paper)) + 2 * MARGIN_MM


def height_mm(what: Line | Bars) -> float:
    """What a line or a barcode takes, the white around it included."""
    if isinstance(what, Line):
        return LINE_MM * (1.75 if what.double else 1.0)
    return BARS_MM + (LINE_MM if what.caption else 0) + LINE_MM


def module_mm(what: Bars) -> float:
    """The width of a barcode's module: as wide as the paper takes it."""
    wide = barcodes.module_count(what.symbology, what.digits)
    return MODULE_MM if wide * MODULE_MM <= WIDTH_MM else MODULE_MM * 2 / 3
