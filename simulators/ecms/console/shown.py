"""How the console writes things: times, money, colours of statuses."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ...wire import PHILIPPINE_TIME

_COLOURS = {
    "CLAIMED": "green",
    "DELIVERED TO STORE": "green",
    "RETURNED": "green",
    "DROPPED OFF": "green",
    "CANCELLED": "red",
    "REJECTED": "red",
    "FOR PULL OUT": "amber",
    "PULLED OUT FROM STORE": "amber",
    "FOR RETURN TO MERCHANT": "amber",
    "RETURNED TO MERCHANT": "amber",
    "ON VEHICLE TO MERCHANT": "amber",
    "ARRIVED AT MERCHANT": "amber",
    "CREATED/ CONFIRMED": "",
    "FOR PICK UP": "",
    "FOR DROP OFF": "",
    "FOR RETURN": "",
}
_KINDS = {"SHIPMENT": "Shipment", "DROP_OFF": "Drop-off", "RETURN": "Return"}


def colour(status: str) -> str:
    """A status' colour: green at the counter, amber on the way back, red where it went wrong, blue on the road."""
    return _COLOURS.get(status, "blue")


def local(moment: str | datetime | None) -> str:
    """A moment in Philippine time, `22 Nov 08:00`; empty for none."""
    if moment is None:
        return ""
    at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"{at.astimezone(PHILIPPINE_TIME):%d %b %H:%M}"


def pieces(tracking_number: str) -> str:
    """A tracking number in groups of four."""
    return " ".join(tracking_number[start : start + 4] for start in range(0, len(tracking_number), 4))


def thousands(number: int) -> str:
    """`12,345`."""
    return f"{number:,}"


def kind_name(kind: str) -> str:
    """A kind of parcel in words."""
    return _KINDS.get(kind, kind)


FILTERS: dict[str, Callable[..., Any]] = {
    "colour": colour,
    "local": local,
    "pieces": pieces,
    "thousands": thousands,
    "kind_name": kind_name,
}
"""Names that every template knows."""
