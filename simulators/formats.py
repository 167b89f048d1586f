"""References and tracking numbers as everybody writes them, and the check digit with which an issued reference ends."""

import re

_REFERENCE = re.compile(r"[0-9]{12}")
_TRACKING = re.compile(r"[0-9]{17,18}")


def read_reference(text: str) -> str:
    """The 12 digits of a reference, wherever hyphens and spaces stand; ValueError for anything else."""
    digits = text.replace("-", "").replace(" ", "")
    if _REFERENCE.fullmatch(digits) is None:
        raise ValueError("a reference has 12 digits")
    return digits


def show_reference(digits: str) -> str:
    """A reference as it stands on paper: `9917-6789-0023`."""
    return "-".join(digits[place : place + 4] for place in range(0, len(digits), 4))


def read_tracking_number(text: str) -> str:
    """A tracking number, as it is; ValueError for what is none."""
    if _TRACKING.fullmatch(text) is None:
        raise ValueError("a tracking number has 17 or 18 digits")
    return text


def check_digit(digits: str) -> str:
    """The Verhoeff digit for some digits."""
    # Whatever the digit's own place adds has to bring the sum of the others back to nothing.
    total = _sum(digits + "0")
    return next(str(digit) for digit in range(10) if _together(total, digit) == 0)


def may_be_mistyped(reference: str) -> bool:
    """Whether a reference would have another check digit, had the gateway issued it.

    It is a reason to ask the clerk to look again and none to refuse: what ECMS brings follows no such rule.
    """
    return _sum(reference) != 0


def _sum(digits: str) -> int:
    """The digits one after another in the group, from the right, each moved by its place."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        total = _together(total, _moved(int(digit), place))
    return total


def _together(left: int, right: int) -> int:
    """The product in the symmetry group of a pentagon: 0 to 4 turn it, 5 to 9 turn it over as well."""
    turn = left % 5 + right % 5 if left < 5 else left % 5 - right % 5
    return turn % 5 + 5 * ((left < 5) != (right < 5))


def _moved(digit: int, place: int) -> int:
    """Verhoeff's permutation, as often as the digit is places from the right."""
    for _ in range(place % 8):
        digit = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[digit]
    return digit
