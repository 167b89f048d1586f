"""A parcel's timeline as a picture: who moved it, in lanes, and beside each status what the gateway and the merchant
were told of it, and when.

This module works out where everything stands; `templates/timeline.svg` draws it.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ..clock import read_time
from ..flows import SCANS, TABLE, Flow
from ..stores import CENTRAL_WAREHOUSE, MERCHANT_SITE, REGIONAL_WAREHOUSE, find_store

LANES = {
    "merchant": "Merchant",
    "ecms": "ECMS",
    "dc": "DC",
    "regional": "Regional",
    "trucker": "Trucker",
    "store": "Store",
    "kiosk": "Kiosk",
    "counter": "Counter",
}
_TIME_WIDTH = 150
_LANE_WIDTH = 70
_STATUS_WIDTH = 330
_GATEWAY_WIDTH = 176
_MERCHANT_WIDTH = 226
_TOP = 64
_ROW = 54
_NOTE = 19
_GAP = 26
_LONG = timedelta(hours=6)
_DAY = "%a %d %b"
_SOURCES_OF_TRIGGERS = {trigger.value: trigger.source for trigger in SCANS}
_SITES = {CENTRAL_WAREHOUSE: "DC, Pasig", MERCHANT_SITE: "the merchant's place"} | {
    site: f"warehouse, {zone.value}" for zone, site in REGIONAL_WAREHOUSE.items()
}


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody was told of a status: `mark` is heard, waiting, failed, teller or nobody."""

    mark: str
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One status: its place in the picture, and what is written there. `look` is the node's colour."""

    x: float
    y: float
    look: str
    day: str
    time: str
    status: str
    place: str
    notes: tuple[str, ...]
    gateway: Told
    merchant: Told


@dataclass(frozen=True, slots=True)
class Gap:
    """A long time in which nothing happened."""

    y: float
    text: str


@dataclass
class Picture:
    """All of it, in units of the viewBox."""

    lanes: list[tuple[float, str]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    path: str = ""
    next_path: str = ""
    status_x: float = 0.0
    gateway_x: float = 0.0
    merchant_x: float = 0.0
    width: float = 0.0
    height: float = 0.0


def draw(parcel: dict[str, Any], deliveries: dict[str, dict[str, Any]]) -> Picture:
    """The picture of a parcel as `views.show_parcel` shows it; `deliveries` is of `webhooks.deliveries_of`."""
    lanes = _lanes_of(parcel)
    picture = Picture(lanes=[(_x(place), LANES[name]) for place, name in enumerate(lanes)])
    picture.status_x = _TIME_WIDTH + len(lanes) * _LANE_WIDTH + 14
    picture.gateway_x = picture.status_x + _STATUS_WIDTH
    picture.merchant_x = picture.gateway_x + _GATEWAY_WIDTH
    picture.width = picture.merchant_x + _MERCHANT_WIDTH
    outbox = list(parcel["outbox"])
    y, before, day = float(_TOP), None, ""
    way: list[tuple[float, float]] = []
    for event in parcel["events"]:
        at = read_time(event["timestamp"])
        if before is not None and at - before >= _LONG:
            picture.gaps.append(Gap(y - _ROW / 2 + _GAP / 2 - 2, _lapse(at - before)))
            y += _GAP
        before = at
        merchant = _merchant(deliveries.get(event["eventId"]) if event["applied"] else None)
        row = _row(event, (_x(lanes.index(event["source"])), y), day, _gateway(event, outbox), merchant)
        day = at.strftime(_DAY)
        picture.rows.append(row)
        if event["applied"]:
            way.append((row.x, y))
        y += _ROW + _NOTE * len(row.notes)
    picture.path = _line_through(way)
    picture.next_path = _draw_next(picture, parcel, lanes, way[-1:], y)
    picture.height = (picture.rows[-1].y if picture.rows else _TOP) + _ROW
    return picture


def _lanes_of(parcel: dict[str, Any]) -> list[str]:
    flow = Flow(parcel["flow"])
    used = {event["source"] for event in parcel["events"]}
    possible = {step.trigger.source for step in TABLE if step.flow is flow} | {"merchant"}
    if "regional" not in used and not any(move["trigger"] == "Regional scanning" for move in parcel["moves"]):
        possible.discard("regional")
    return [name for name in LANES if name in possible | used]


def _x(place: int) -> float:
    return _TIME_WIDTH + (place + 0.5) * _LANE_WIDTH


def _row(event: dict[str, Any], node: tuple[float, float], day_before: str, gateway: Told, merchant: Told) -> Row:
    at = read_time(event["timestamp"])
    day = at.strftime(_DAY)
    return Row(
        x=node[0],
        y=node[1],
        look=_look(event),
        day="" if day == day_before else day,
        time=at.strftime("%H:%M:%S"),
        status=event["status"],
        place=place_name(event["location"]),
        notes=_notes(event),
        gateway=gateway,
        merchant=merchant,
    )


def _look(event: dict[str, Any]) -> str:
    if event.get("refused"):
        return "refused"
    if not event["applied"]:
        return "repeat"
    if event.get("flagged"):
        return "flagged"
    return "counter" if event["source"] in ("counter", "kiosk") else "own"


def _notes(event: dict[str, Any]) -> tuple[str, ...]:
    notes: list[str] = []
    if event["reason"]:
        notes.append(str(event["reason"]))
    if payment := event.get("payment"):
        notes.append(f"Paid PHP {payment['amount']}, receipt {payment['receiptNumber']}")
    if event.get("flagged"):
        notes.append(f"Look at this: {event['flagged']}")
    if event.get("refused"):
        notes.append(f"Refused: {event['refused']}")
    elif not event["applied"]:
        notes.append("Told again; it counts once")
    return tuple(_short(note) for note in notes)


def _short(text: str) -> str:
    return text if len(text) <= 62 else text[:61].rstrip() + "…"


def _gateway(event: dict[str, Any], outbox: list[dict[str, Any]]) -> Told:
    """What the gateway was told: the oldest message of the outbox that is this status."""
    if event["source"] in ("counter", "kiosk"):
        return Told("teller", "told ECMS")
    if not outbox or (outbox[0]["status"], outbox[0]["timestamp"]) != (event["status"], event["timestamp"]):
        return Told("nobody", "")
    message = outbox.pop(0)
    if not message["told"]:
        return Told("waiting", "waits to be told")
    at = message["toldAt"]
    return Told("heard", f"told {datetime.fromisoformat(at):%d %b %H:%M:%S}" if at else "told")


def _merchant(delivery: dict[str, Any] | None) -> Told:
    if delivery is None:
        return Told("nobody", "")
    if delivery["toldAt"]:
        again = f", attempt {delivery['attempts']}" if delivery["attempts"] > 1 else ""
        return Told("heard", f"told {read_time(delivery['toldAt']):%d %b %H:%M:%S}{again}")
    if delivery["attempts"]:
        return Told("failed", f"{delivery['attempts']} × {delivery['outcome']}")
    return Told("waiting", "waits to be told")


def place_name(location: str | None) -> str:
    """A store's or a site's number with its name."""
    if not location:
        return ""
    store = find_store(location)
    name = store.name if store is not None else _SITES.get(location)
    return f"{location}, {name}" if name else location


def _lapse(time: timedelta) -> str:
    hours = int(time.total_seconds() // 3600)
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h later" if days else f"{hours} h later"


def _line_through(points: list[tuple[float, float]]) -> str:
    """A path that goes straight down within a lane, and in a curve from one lane to another."""
    if not points:
        return ""
    x, y = points[0]
    parts = [f"M{x:g} {y:g}"]
    for next_x, next_y in points[1:]:
        middle = (y + next_y) / 2
        parts.append(f"C{x:g} {middle:g} {next_x:g} {middle:g} {next_x:g} {next_y:g}")
        x, y = next_x, next_y
    return "".join(parts)


def _draw_next(
    picture: Picture, parcel: dict[str, Any], lanes: list[str], last: list[tuple[float, float]], y: float
) -> str:
    """What may happen next, as rows that are not there yet; the dashed paths that lead to them."""
    parts: list[str] = []
    nobody = Told("nobody", "")
    for move in parcel["moves"]:
        source = _SOURCES_OF_TRIGGERS[move["trigger"]]
        x = _x(lanes.index(source))
        picture.rows.append(Row(x, y, "next", "", "", move["status"], f"next: {move['trigger']}", (), nobody, nobody))
        parts.append(_line_through([*last, (x, y)]))
        y += _ROW
    return "".join(parts)
