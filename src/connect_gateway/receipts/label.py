"""The label that a kiosk prints for a seller's drop-off: it goes onto the parcel, and its code to the counter."""

from dataclasses import dataclass
from datetime import datetime

from connect_gateway.clock import PHILIPPINE_TIME
from connect_gateway.domain.codes import show_reference
from connect_gateway.domain.money import format_amount
from connect_printing.paper import Bars, Paper, centre, pair, rule, styled, wrap


@dataclass(slots=True, frozen=True)
class DropOffLabel:
    """What stands on the label. `destination_store_id` is None where the parcel goes to an address."""

    reference: str
    tracking_number: str
    booking_reference: str
    merchant: str
    destination_store_id: str | None
    amount_due: int
    expires_at: datetime | None


def label_text(label: DropOffLabel) -> list[str]:
    """The label in lines of at most 32 columns."""
    destination = "Address on file" if label.destination_store_id is None else f"Store {label.destination_store_id}"
    lines = [
        *centre("CLiQQ"),
        *centre("DROP-OFF"),
        rule(),
        *centre(show_reference(label.reference)),
        rule(),
        *pair("To", destination),
        *pair("Tracking", label.tracking_number),
        *pair("Booking", label.booking_reference),
        *pair("Merchant", label.merchant),
        *pair("To pay", "PHP " + format_amount(label.amount_due)),
    ]
    if label.expires_at is not None:
        lines += pair("Valid until", label.expires_at.astimezone(PHILIPPINE_TIME).strftime("%Y-%m-%d %H:%M"))
    return [
        *lines,
        rule(),
        *wrap("Put this label on the parcel and bring it to the counter of any 7-Eleven store."),
    ]


def label_barcodes(label: DropOffLabel) -> list[dict[str, str]]:
    """The label's barcodes: the parcel's own (GS1-128) and the code that the clerk scans first (Code 128)."""
    return [
        {"symbology": "GS1-128", "data": label.tracking_number},
        {"symbology": "CODE128", "data": label.reference},
    ]


def label_paper(label: DropOffLabel) -> Paper:
    """The label for a printer: the code twice as large with its barcode below, and the parcel's own at the end."""
    lines = label_text(label)
    shown = show_reference(label.reference)
    after_code = [line.strip() for line in lines].index(shown) + 1
    return (
        *styled(lines[:after_code], double=["CLiQQ", shown]),
        Bars("CODE128", label.reference),
        *styled(lines[after_code:], bold=["To "]),
        Bars("GS1-128", label.tracking_number, label.tracking_number),
    )
