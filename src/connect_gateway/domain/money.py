"""Amounts: whole centavos inside, a string such as `200.00` outside, never a float."""

import re

MAX_CASH_CENTAVOS = 400_000
"""The most cash for one parcel, PHP 4,000.00 (CLiQQ Commerce B2C API, technical notes)."""

AMOUNT_PATTERN = r"^[0-9]{1,10}\.[0-9]{2}\z"
_AMOUNT = re.compile(r"[0-9]{1,10}\.[0-9]{2}")


def parse_amount(text: str) -> int:
    """Centavos of an amount on the wire; ValueError where it is not `[0-9]{1,10}\\.[0-9]{2}`."""
    if _AMOUNT.fullmatch(text) is None:
        raise ValueError("an amount is 1 to 10 digits, a point and 2 digits")
    return int(text[:-3]) * 100 + int(text[-2:])


def format_amount(centavos: int) -> str:
    """The amount as it stands on the wire."""
    if centavos < 0:
        raise ValueError("an amount on the wire is never negative")
    return f"{centavos // 100}.{centavos % 100:02d}"
