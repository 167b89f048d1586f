"""What stands on a paper, before it is known how it is printed."""

from dataclasses import dataclass
from typing import Literal

COLUMNS = 32
Symbology = Literal["CODE128", "GS1-128"]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of at most 32 columns (16 where it is `double`: twice as wide and high)."""

    text: str
    bold: bool = False
    double: bool = False


@dataclass(frozen=True, slots=True)
class Bars:
    """A barcode in set C: an even number of digits; `GS1-128` puts FNC1 first. `caption` stands below it."""

    symbology: Symbology
    digits: str
    caption: str = ""


Paper = tuple[Line | Bars, ...]
