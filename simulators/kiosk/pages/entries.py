"""What a customer types or scans: for each kind its keys, its form, and what becomes of a scanner's signs."""

import re
from dataclasses import dataclass

from ..kiosk import IdentifierType

_DIGITS = ("123", "456", "789")
_LETTERS = ("1234567890", "QWERTYUIOP", "ASDFGHJKL", "ZXCVBNM")
# What a scanner in keyboard mode may put before a GS1-128 barcode's digits (ISO/IEC 15424), and FNC1 within it.
_SCANNER_SIGNS = re.compile(r"^\][A-Za-z][0-9]|[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Entry:
    """One thing to type: `name` is its key in the texts, `rows` are its keys, `extra` further signs it may have."""

    name: str
    form: re.Pattern[str]
    most: int
    rows: tuple[str, ...] = _LETTERS
    extra: str = ""
    identifier_type: IdentifierType | None = None

    @property
    def digits_alone(self) -> bool:
        return self.rows is _DIGITS

    def read(self, typed: str) -> str | None:
        """What was typed, as it is sent on; None where it cannot be this."""
        text = _SCANNER_SIGNS.sub("", typed.strip())
        if self.digits_alone:
            text = re.sub(r"[ -]", "", text)
        return text if self.form.fullmatch(text) else None


_ANYTHING = re.compile(r"[ -~]{1,40}")

UID = Entry("uid", _ANYTHING, 40, extra="-", identifier_type="UID")
ORDER_NUMBER = Entry("order-number", _ANYTHING, 40, extra="-_/.#", identifier_type="ORDER_NUMBER")
WAYBILL = Entry("waybill", re.compile("[0-9]{17,18}"), 18, _DIGITS, identifier_type="WAYBILL")
MOBILE = Entry("mobile", re.compile("09[0-9]{9}"), 11, _DIGITS)
BOOKING = Entry("booking", _ANYTHING, 40, extra="-")
PARCEL = Entry("parcel", re.compile("[0-9]{12}|[0-9]{17,18}"), 18, _DIGITS)

IDENTIFIERS = {entry.name: entry for entry in (UID, ORDER_NUMBER, WAYBILL)}


def scanned_identifier(typed: str) -> tuple[Entry, str] | None:
    """What was scanned in place of a choice: a label's digits are a waybill, anything else an order number."""
    for entry in (WAYBILL, ORDER_NUMBER):
        text = entry.read(typed)
        if text is not None:
            return entry, text
    return None


def masked(mobile: str) -> str:
    """A mobile number as it may stand on a screen."""
    return f"{mobile[:2]}*****{mobile[-4:]}"
