"""The documents by which packages are fetched and brought: what stands in them, and as CSV.

They are read from the history: a document of a day lists what ECMS added to it that day, Philippine time, less what
was cancelled, or claimed at the counter, since then. So there is nothing to keep, and nothing that could disagree.
"""

import csv
import io
import json
import sqlite3
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import groupby
from typing import Any

from ..wire import format_amount
from .labels import address_line
from .stores import find_store

DOOR = "DOOR"
"""In place of a store's number: the package goes to an address."""


class Kind(StrEnum):
    """Which document; its value is its name in an address."""

    APO = "apo"
    """Authority to pull out: what a trucker fetches from stores."""
    PICK_UP = "pickup"
    """What a trucker fetches from merchants (DC pick-up)."""
    DELIVERY = "dr"
    """Delivery document (DR): what a trucker brings to stores."""

    @property
    def heading(self) -> str:
        """As it is printed."""
        return _HEADINGS[self]


_HEADINGS = {Kind.APO: "Authority to Pull Out", Kind.PICK_UP: "Pick-up Document", Kind.DELIVERY: "Delivery Document"}
_STATUSES = {Kind.APO: "FOR PULL OUT", Kind.PICK_UP: "FOR PICK UP", Kind.DELIVERY: "FOR DELIVERY"}
_KINDS = {status: kind for kind, status in _STATUSES.items()}


@dataclass(frozen=True, slots=True)
class Line:
    """One package: where the trucker of `route` fetches or brings it, and what it is."""

    route: str
    place: str
    place_name: str
    zone: str
    tracking_number: str
    merchant_code: str
    merchant: str
    merchant_reference: str
    description: str
    weight_kg: str
    cod_centavos: int
    listed_at: str


@dataclass(frozen=True, slots=True)
class Document:
    """A day's document, its lines by route, place and tracking number."""

    kind: Kind
    day: date
    lines: tuple[Line, ...]

    def sheets(self) -> list[tuple[Line, ...]]:
        """The lines of each place of each route, in order."""
        return [tuple(lines) for _, lines in groupby(self.lines, key=lambda line: (line.route, line.place))]


def read_document(connection: sqlite3.Connection, kind: Kind, day: date) -> Document:
    """The document of that day; without lines where nothing was added to it.

    What the counter did wins: a package that was claimed after all is not there to be pulled out.
    """
    rows = connection.execute(
        "SELECT parcel.*, event.location, min(event.timestamp) AS listed_at, EXISTS (SELECT 1 FROM event AS earlier"
        " WHERE earlier.tracking_number = event.tracking_number AND earlier.seq < event.seq AND earlier.applied = 1"
        " AND earlier.status = 'PULLED OUT FROM STORE') AS goes_back FROM event JOIN parcel USING (tracking_number)"
        " WHERE event.applied = 1 AND event.status = ? AND substr(event.timestamp, 1, 10) = ?"
        " AND parcel.state <> 'CANCELLED' AND NOT (parcel.state = 'CLAIMED' AND event.status = 'FOR PULL OUT')"
        " GROUP BY event.tracking_number",
        (_STATUSES[kind], day.isoformat()),
    )
    lines = sorted((_line(kind, row) for row in rows), key=lambda line: (line.route, line.place, line.tracking_number))
    return Document(kind, day, tuple(lines))


def list_documents(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """Which documents there are, the newest day first: `kind`, `date`, `title`, and `listed`, of how many packages."""
    rows = connection.execute(
        "SELECT status, substr(timestamp, 1, 10) AS day, count(DISTINCT tracking_number) AS listed FROM event"
        " WHERE applied = 1 AND status IN ('FOR PULL OUT', 'FOR PICK UP', 'FOR DELIVERY')"
        " GROUP BY status, day ORDER BY day DESC, status"
    )
    return [
        {
            "kind": _KINDS[row["status"]].value,
            "date": row["day"],
            "title": _KINDS[row["status"]].heading,
            "listed": row["listed"],
        }
        for row in rows
    ]


def _line(kind: Kind, row: sqlite3.Row) -> Line:
    details: dict[str, Any] = json.loads(row["details"])
    route, place, place_name, zone = _place(kind, row, details)
    return Line(
        route=route,
        place=place,
        place_name=place_name,
        zone=zone,
        tracking_number=row["tracking_number"],
        merchant_code=row["merchant_code"],
        merchant=row["merchant"],
        merchant_reference=row["merchant_reference"],
        description=row["description"],
        weight_kg=str(details.get("shipping_weight") or ""),
        cod_centavos=row["amount_centavos"] if row["payment_type"] == "COD" else 0,
        listed_at=row["listed_at"],
    )


def _place(kind: Kind, row: sqlite3.Row, details: dict[str, Any]) -> tuple[str, str, str, str]:
    """Route, place, name and zone."""
    if kind is Kind.PICK_UP:
        # Picking up is for high-volume sellers alone: each has a truck of its own.
        return f"PU-{row['merchant_code']}", row["merchant_code"], row["merchant"], ""
    if kind is Kind.APO:
        store = find_store(row["location"])
    else:
        # A drop-off that its buyer left goes back to the store of its seller.
        store = find_store(row["origin_store_id"] if row["goes_back"] else row["store_id"])
    if store is not None:
        return store.route, store.store_id, store.name, store.zone.value
    return f"{DOOR} {row['dest_zone'] or ''}".strip(), DOOR, address_line(details), row["dest_zone"] or ""


_COLUMNS = (
    *("document", "date", "route", "storeId", "store", "zone", "trackingNumber", "merchantCode", "merchant"),
    *("merchantReference", "description", "weightKg", "cashOnDelivery", "listedAt"),
)


def document_csv(document: Document) -> str:
    """The document as CSV, a line for each package. Of a pick-up, `storeId` and `store` are the merchant's."""
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(_COLUMNS)
    for line in document.lines:
        lines.writerow(
            (
                *(document.kind.value.upper(), document.day.isoformat(), line.route, line.place),
                *(_cell(line.place_name), line.zone, line.tracking_number, line.merchant_code, _cell(line.merchant)),
                *(_cell(line.merchant_reference), _cell(line.description), line.weight_kg),
                *(format_amount(line.cod_centavos), line.listed_at),
            )
        )
    return text.getvalue()


def _cell(text: str) -> str:
    """A merchant's text, which a spreadsheet must not take for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
