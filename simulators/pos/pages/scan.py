"""What the scan field is given: by a scanner, which types fast and ends with Enter, or by hand."""

import re
from dataclasses import dataclass

from ...formats import show_reference

_LONGEST = 80
# What a scanner may put before the data: the AIM identifier of Code 128 (`]C1` for GS1-128), and FNC1 as it types it.
_AIM_IDENTIFIER = re.compile(r"\](?:C[0-4]|e0|E[0-4])")
_FNC1 = "\x1d"
_RECEIPT = re.compile(r"[0-9]{4}-[0-9]{3,4}-S?[0-9]{7,8}")
_RECEIPT_BARCODE = re.compile(r"([0-9]{4})([0-9]{3})([0-9]{8})")
_AMOUNT = re.compile(r"([0-9]{1,6}|[0-9]{1,3},[0-9]{3})(?:\.([0-9]{2}))?")
_SERIAL_SHIPPING = re.compile(r"\(?00\)?([0-9]{18})")


@dataclass(frozen=True)
class ReferenceScan:
    """The code that the customer shows: 12 digits."""

    reference: str

    @property
    def shown(self) -> str:
        """As it stands on paper, `9917-6789-0023`."""
        return show_reference(self.reference)


@dataclass(frozen=True)
class LabelScan:
    """The tracking number on a parcel: 17 or 18 digits."""

    tracking_number: str


@dataclass(frozen=True)
class ReceiptScan:
    """The number of an acknowledgement receipt."""

    number: str


@dataclass(frozen=True)
class AmountScan:
    """Cash that was keyed in, in centavos."""

    centavos: int


@dataclass(frozen=True)
class NothingScan:
    """Enter alone: go on."""


@dataclass(frozen=True)
class UnreadableScan:
    """Something else, shortened to be shown."""

    text: str


Scan = ReferenceScan | LabelScan | ReceiptScan | AmountScan | NothingScan | UnreadableScan


def read_scan(typed: str) -> Scan:
    """Tells by its form what was scanned or typed.

    A label is GS1-128 with or without its FNC1, its AIM identifier or the application identifier `(00)`; a reference
    may have hyphens or blanks; a receipt's barcode is its number without them. Digits of other scripts are unreadable.
    """
    text = _AIM_IDENTIFIER.sub("", typed.strip(" \t\r\n")[:_LONGEST], count=1).strip(f"{_FNC1} ")
    if not text:
        return NothingScan()
    if _RECEIPT.fullmatch(text.upper()):
        return ReceiptScan(text.upper())
    if match := _AMOUNT.fullmatch(text):
        return AmountScan(int(match[1].replace(",", "")) * 100 + int(match[2] or 0))
    if match := _SERIAL_SHIPPING.fullmatch(text):
        return LabelScan(match[1])
    digits = text.replace("-", "").replace(" ", "")
    if digits.isascii() and digits.isdigit():
        if len(digits) == 12:
            return ReferenceScan(digits)
        if len(digits) in {17, 18}:
            return LabelScan(digits)
        if match := _RECEIPT_BARCODE.fullmatch(digits):
            return ReceiptScan("-".join(match.groups()))
    return UnreadableScan("".join(sign if sign.isprintable() else "?" for sign in text)[:30])
