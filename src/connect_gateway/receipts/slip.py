"""The slip that a kiosk prints with a return code."""

from dataclasses import dataclass
from datetime import datetime

from connect_gateway.clock import PHILIPPINE_TIME
from connect_gateway.domain.codes import show_reference
from connect_printing.paper import Bars, Paper, centre, pair, rule, styled, wrap


@dataclass(slots=True, frozen=True)
class ReturnSlip:
    """What the customer takes to the counter."""

    return_code: str
    tracking_number: str
    merchant: str
    merchant_reference: str
    expires_at: datetime | None


def slip_text(slip: ReturnSlip) -> list[str]:
    """The slip in lines of at most 32 columns."""
    lines = [
        *centre("CLiQQ"),
        *centre("RETURN CODE"),
        rule(),
        *centre(show_reference(slip.return_code)),
        rule(),
        *pair("Merchant", slip.merchant),
        *pair("Order", slip.merchant_reference),
        *pair("Tracking", slip.tracking_number),
    ]
    if slip.expires_at is not None:
        lines += pair("Valid until", slip.expires_at.astimezone(PHILIPPINE_TIME).strftime("%Y-%m-%d %H:%M"))
    return [
        *lines,
        rule(),
        *wrap(
            "Bring the item and this slip to the counter of any 7-Eleven store. The clerk scans the code and gives"
            " you a receipt."
        ),
    ]


def slip_paper(slip: ReturnSlip) -> Paper:
    """The slip for a printer: the code twice as large with its barcode below, and the parcel's own at the end."""
    lines = slip_text(slip)
    shown = show_reference(slip.return_code)
    after_code = [line.strip() for line in lines].index(shown) + 1
    return (
        *styled(lines[:after_code], double=["CLiQQ", shown]),
        Bars("CODE128", slip.return_code),
        *styled(lines[after_code:], bold=["Valid until"]),
        Bars("GS1-128", slip.tracking_number, slip.tracking_number),
    )


def slip_barcodes(slip: ReturnSlip) -> list[dict[str, str]]:
    """The slip's barcodes: Code 128 (set C) of the code's digits alone, GS1-128 (set C) of the tracking number."""
    return [
        {"symbology": "CODE128", "data": slip.return_code},
        {"symbology": "GS1-128", "data": slip.tracking_number},
    ]
