"""DejaVu Sans Mono, in which everything is drawn, so that a paper is the same on every machine."""

from functools import lru_cache
from pathlib import Path

from PIL import ImageFont
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

ADVANCE = 1233 / 2048
"""Width of every character, in parts of the font's size."""

_FONTS = Path(__file__).parent / "fonts"


def path(*, bold: bool = False) -> str:
    """The font's file."""
    return str(_FONTS / ("DejaVuSansMono-Bold.ttf" if bold else "DejaVuSansMono.ttf"))


@lru_cache(maxsize=32)
def pillow(size_px: float, *, bold: bool) -> ImageFont.FreeTypeFont:
    """The font for Pillow."""
    return ImageFont.truetype(path(bold=bold), size_px, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=1)
def register() -> None:
    """Makes `DejaVuSansMono` and `DejaVuSansMono-Bold` known to reportlab; more than once does no harm."""
    for name, bold in (("DejaVuSansMono", False), ("DejaVuSansMono-Bold", True)):
        pdfmetrics.registerFont(TTFont(name, path(bold=bold)))
