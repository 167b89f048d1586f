"""What stands on a paper, before it is known how it is printed, and how text gets onto it.

What came from outside is made printable, wrapped and never cut in silence. A `Paper` is right by construction: no
printer of this package has to look for a line that is too long or a character that it does not have.
"""

import re
import textwrap
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

COLUMNS = 32
Symbology = Literal["CODE128", "GS1-128"]

_DIGITS = re.compile("[0-9]{1,22}")
RULE = "-" * COLUMNS


@dataclass(frozen=True, slots=True)
class Line:
    """A printable line of at most 32 columns (16 where it is `double`: twice as wide and high); else ValueError."""

    text: str
    bold: bool = False
    double: bool = False

    def __post_init__(self) -> None:
        if len(self.text) > (COLUMNS // 2 if self.double else COLUMNS):
            raise ValueError("the line is wider than the paper")
        if printable(self.text) != self.text:
            raise ValueError("the line has a character that no receipt printer has")


@dataclass(frozen=True, slots=True)
class Bars:
    """A barcode of 1 to 22 digits in set C; `GS1-128` puts FNC1 first. `caption` stands below it, like a line.

    An odd last digit stands in set B, since set C has pairs alone. Readers give back the digits as they are here.
    """

    symbology: Symbology
    digits: str
    caption: str = ""

    def __post_init__(self) -> None:
        if _DIGITS.fullmatch(self.digits) is None:
            raise ValueError("a barcode has 1 to 22 digits")
        Line(self.caption)


Paper = tuple[Line | Bars, ...]


def printable(text: str) -> str:
    """The text in characters that a receipt printer has (Latin-1, ñ and the like included), on one line.

    Control characters never reach the paper: they would be commands to the printer. What has no such character
    prints as `?`.
    """
    if text.isascii() and text.isprintable():
        return text
    composed = unicodedata.normalize("NFC", text)
    spaced = "".join(" " if character.isspace() else character for character in composed)
    kept = "".join(character for character in spaced if unicodedata.category(character)[0] != "C")
    return kept.encode("latin-1", "replace").decode("latin-1")


def wrap(text: str, columns: int = COLUMNS) -> list[str]:
    """A text in lines of at most so many columns; words longer than a line are broken."""
    clean = printable(text)
    if len(clean) <= columns and "  " not in clean:
        return [clean.strip()]
    return textwrap.wrap(clean, columns, break_on_hyphens=False) or [""]


def pair(left: str, right: str) -> list[str]:
    """A label of our own at the left edge and its value at the right; the value goes below where both do not fit."""
    right = printable(right)
    if len(left) + 1 + len(right) <= COLUMNS:
        return [left + right.rjust(COLUMNS - len(left))]
    return [left, *(line.rjust(COLUMNS) for line in wrap(right))]


def centre(text: str, columns: int = COLUMNS) -> list[str]:
    """A text in the middle of the paper."""
    return [line.center(columns).rstrip() for line in wrap(text, columns)]


def rule() -> str:
    """A line across the paper."""
    return RULE


def from_text(lines: Iterable[str]) -> Paper:
    """A paper of plain lines; those that are too long are wrapped."""
    paper: list[Line | Bars] = []
    for text in lines:
        clean = printable(text).rstrip()
        paper += [Line(clean)] if len(clean) <= COLUMNS else [Line(part) for part in wrap(clean)]
    return tuple(paper)


def styled(
    lines: Iterable[str], *, double: Iterable[str] = (), bold: Iterable[str] = (), bars: Iterable[Bars] = ()
) -> Paper:
    """A paper of lines with a hierarchy, and barcodes below them.

    Lines that say nothing but one of `double` are twice as large; bold are those in the middle of the paper and those
    that begin with one of `bold`.
    """
    large = set(double)
    labels = tuple(bold)
    return (*(_styled(line, large, labels) for line in lines), *bars)


def _styled(text: str, large: set[str], labels: tuple[str, ...]) -> Line:
    words = text.strip()
    if words in large and len(words) <= COLUMNS // 2:
        return Line(words.center(COLUMNS // 2).rstrip(), bold=True, double=True)
    in_the_middle = text.startswith(" ") and text == words.center(COLUMNS).rstrip()
    return Line(text, bold=in_the_middle or text.startswith(labels))
