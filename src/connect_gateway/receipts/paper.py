"""Text for a paper of 32 columns: what came from outside is made printable, wrapped and never cut in silence."""

import textwrap
import unicodedata

COLUMNS = 32


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


def wrap(text: str) -> list[str]:
    """A text in lines of at most 32 columns; words longer than a line are broken."""
    clean = printable(text)
    if len(clean) <= COLUMNS and "  " not in clean:
        return [clean.strip()]
    return textwrap.wrap(clean, COLUMNS, break_on_hyphens=False) or [""]


def pair(left: str, right: str) -> list[str]:
    """A label of our own at the left edge and its value at the right; the value goes below where both do not fit."""
    right = printable(right)
    if len(left) + 1 + len(right) <= COLUMNS:
        return [left + right.rjust(COLUMNS - len(left))]
    return [left, *(line.rjust(COLUMNS) for line in wrap(right))]


def centre(text: str) -> list[str]:
    """A text in the middle of the paper."""
    return [line.center(COLUMNS).rstrip() for line in wrap(text)]


def rule() -> str:
    """A line across the paper."""
    return "-" * COLUMNS
