"""What the simulator's PDFs share: their typeface, which is inside them, and text that fits where it stands."""

from pathlib import Path
from typing import IO

import reportlab
from reportlab.pdfbase.pdfmetrics import getRegisteredFontNames, registerFont, stringWidth
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from connect_printing.paper import printable

# Bitstream Vera comes with reportlab. A typeface that is not inside the file is another one on every machine.
PLAIN, BOLD = "Vera", "VeraBd"
_FONTS = Path(reportlab.__file__).parent / "fonts"


def new_canvas(file: IO[bytes], size: tuple[float, float], title: str) -> Canvas:
    """An empty PDF; the same drawing on it makes the same bytes."""
    register_fonts()
    canvas = Canvas(file, pagesize=size, invariant=1)
    canvas.setTitle(title)
    canvas.setAuthor("ECMS")
    return canvas


def register_fonts() -> None:
    """Makes the typeface known to reportlab."""
    for name in {PLAIN, BOLD} - set(getRegisteredFontNames()):
        registerFont(TTFont(name, str(_FONTS / f"{name}.ttf")))


def fitted(text: str, font: str, size: float, width: float | None) -> str:
    """The text in characters that can be printed, and as much of it as `width` (in points) holds."""
    shown = printable(text)
    if width is None or stringWidth(shown, font, size) <= width:
        return shown
    while shown and stringWidth(shown + "...", font, size) > width:
        shown = shown[:-1]
    return shown.rstrip() + "..."
