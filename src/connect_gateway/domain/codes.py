"""Twelve-digit references: how they are read, shown, issued and guarded against typing errors."""

import re
import secrets

_REFERENCE = re.compile(r"[0-9]{12}")

# Verhoeff's tables (J. Verhoeff, Error Detecting Decimal Codes, 1969): the multiplication of the dihedral
# group D5 and the powers of a permutation. The code finds every single wrong digit and every swap of neighbours.
_MULTIPLY = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
    (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
    (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
    (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
_INVERSE = (0, 4, 3, 2, 1, 5, 6, 7, 8, 9)
_FIRST_PERMUTATION = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def _permutations() -> tuple[tuple[int, ...], ...]:
    rows = [tuple(range(10))]
    for _ in range(7):
        rows.append(tuple(_FIRST_PERMUTATION[digit] for digit in rows[-1]))
    return tuple(rows)


_PERMUTE = _permutations()


def _checksum(digits: str, first_position: int) -> int:
    check = 0
    for position, digit in enumerate(reversed(digits), start=first_position):
        check = _MULTIPLY[check][_PERMUTE[position % 8][int(digit)]]
    return check


def check_digit(digits: str) -> str:
    """The Verhoeff digit that belongs behind `digits`."""
    return str(_INVERSE[_checksum(digits, 1)])


def has_valid_check_digit(digits: str) -> bool:
    """Whether the last digit is the Verhoeff digit of the others.

    True of every reference issued here; never demanded of one that ECMS brought (its published samples fail it).
    """
    return _checksum(digits, 0) == 0


def parse_reference(text: str) -> str:
    """The 12 digits of a reference written with or without hyphens and spaces; ValueError otherwise."""
    digits = text.replace("-", "").replace(" ", "")
    if _REFERENCE.fullmatch(digits) is None:
        raise ValueError("a reference has 12 digits")
    return digits


def show_reference(reference: str) -> str:
    """A reference as people read it, `9917-6789-0023`."""
    return f"{reference[:4]}-{reference[4:8]}-{reference[8:]}"


def issue_reference() -> str:
    """A new reference: 11 unpredictable digits, the first not 0, and their check digit."""
    digits = str(10**10 + secrets.randbelow(9 * 10**10))
    return digits + check_digit(digits)
