"""The cash drawer: its denominations, and the notes that a clerk is likely to be handed."""

import re
from collections.abc import Mapping

DENOMINATIONS = (100_000, 50_000, 20_000, 10_000, 5_000, 2_000, 1_000, 500, 100, 25, 5, 1)
"""Notes and coins in use in the Philippines, in centavos; the 20 is counted once, note or coin."""

_HANDED_OVER = (100_000, 50_000, 10_000, 5_000)
_HOW_MANY = re.compile(r"[0-9]{1,4}")


def counted(amounts: Mapping[str, str]) -> int | None:
    """Centavos in the drawer, from how many there are of each denomination (`{"50000": "3"}`; an empty one is none).

    None where one of them is not a small whole number.
    """
    total = 0
    for denomination in DENOMINATIONS:
        text = amounts.get(str(denomination), "").strip() or "0"
        if not _HOW_MANY.fullmatch(text):
            return None
        total += denomination * int(text)
    return total


def likely_tenders(due: int) -> list[int]:
    """The exact amount first, then up to three that notes make and that cover it, smaller ones before larger ones."""
    rounded = sorted({-(-due // note) * note for note in _HANDED_OVER} - {due})
    return [due, *rounded[-3:]]
