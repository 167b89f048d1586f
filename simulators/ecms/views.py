"""What the control port and the console show: a parcel with its whole history, and parcels by what is asked for.

Every function here is work for the database: it takes the connection and runs alone.
"""

import json
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..formats import show_reference
from ..wire import PHILIPPINE_TIME, format_amount
from .flows import END_STATES, Flow, State, has_ended, moves
from .parcels import Parcel, known_parcel, parcel_of
from .schedule import STAY, ready_for_claiming
from .stores import Zone, find_store

_AT_STORE = (State.DELIVERED_TO_STORE, State.DELIVERED_TO_STORE_SELLER)
_KINDS = {
    "RETURN": "identifier IS NOT NULL",
    "DROP_OFF": "booking_reference IS NOT NULL",
    "SHIPMENT": "identifier IS NULL AND booking_reference IS NULL",
}
KINDS = tuple(_KINDS)
_UNTOLD = "EXISTS (SELECT 1 FROM outbox WHERE outbox.tracking_number = parcel.tracking_number AND told = 0)"


@dataclass(frozen=True, slots=True)
class ParcelFilter:
    """Which parcels; None where it does not matter. `search` is a part of a number, reference or code."""

    status: str | None = None
    kind: str | None = None
    flow: str | None = None
    merchant_code: str | None = None
    store_id: str | None = None
    zone: str | None = None
    flagged: bool | None = None
    ended: bool | None = None
    untold: bool | None = None
    search: str | None = None

    def condition(self) -> tuple[str, list[Any]]:
        """The condition in SQL, and its parameters."""
        parts: list[str] = ["1"]
        values: list[Any] = []

        def add(text: str, *parameters: Any) -> None:
            parts.append(f"({text})")
            values.extend(parameters)

        if self.status is not None:
            add("state = ? OR state GLOB ?", self.status, f"{self.status} (*")
        if self.kind is not None:
            add(_KINDS.get(self.kind, "0"))
        if self.flow is not None:
            add("flow = ?", self.flow)
        if self.merchant_code is not None:
            add("merchant_code = ?", self.merchant_code)
        if self.store_id is not None:
            add("store_id = ? OR origin_store_id = ?", self.store_id, self.store_id)
        if self.zone is not None:
            add(_IN_ZONE, self.zone)
        if self.flagged is not None:
            add("flagged = ?", self.flagged)
        if self.ended is not None:
            add(_ENDED if self.ended else f"NOT ({_ENDED})")
        if self.untold is not None:
            add(_UNTOLD if self.untold else f"NOT {_UNTOLD}")
        if self.search is not None:
            _add_search(add, self.search)
        return " AND ".join(parts), values


def _add_search(add: Any, text: str) -> None:
    digits = text.replace("-", "").replace(" ", "")
    codes = (
        "" if not digits.isdigit() else " OR instr(coalesce(claim_code, ''), ?) OR instr(coalesce(return_code, ''), ?)"
    )
    add(
        "instr(tracking_number, ?) OR instr(lower(merchant_reference), lower(?))"
        f" OR instr(coalesce(booking_reference, ''), upper(?)){codes}",
        digits or text,
        text,
        text,
        *([digits, digits] if codes else []),
    )


def _list_of(values: list[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


_ENDED = " OR ".join(
    f"(flow = '{flow}' AND state IN ({_list_of(sorted(states))}))" for flow, states in END_STATES.items()
).replace(
    f"(flow = '{Flow.DROP_OFF_DOOR}' AND state",
    f"(flow = '{Flow.DROP_OFF_DOOR}' AND NOT (state = 'IN-TRANSIT' AND dest_zone <> '{Zone.METRO_MANILA}') AND state",
)
_IN_ZONE = "coalesce(dest_zone, zone_of_store(store_id)) = ? AND identifier IS NULL"


def find_parcels(
    connection: sqlite3.Connection, wanted: ParcelFilter, limit: int = 50, before: int | None = None
) -> dict[str, Any]:
    """The newest parcels first: `{"parcels": […], "total": n, "next": …}`; `next` as `before` gives the next page, and
    is None on the last one.
    """
    condition, values = wanted.condition()
    total = connection.execute(f"SELECT count(*) FROM parcel WHERE {condition}", values).fetchone()[0]  # noqa: S608
    rows = connection.execute(
        f"SELECT *, rowid AS place, {_UNTOLD} AS untold FROM parcel"  # noqa: S608 - conditions of our own
        f" WHERE ({condition}) AND rowid < ? ORDER BY rowid DESC LIMIT ?",
        (*values, before if before is not None else 2**62, limit + 1),
    ).fetchall()
    shown = [_summary(parcel_of(row), told=not row["untold"]) for row in rows[:limit]]
    return {"parcels": shown, "total": total, "next": rows[limit - 1]["place"] if len(rows) > limit else None}


def count_statuses(connection: sqlite3.Connection, wanted: ParcelFilter) -> dict[str, int]:
    """How many parcels are in each published status, of those that are wanted."""
    condition, values = wanted.condition()
    counts: dict[str, int] = {}
    for state, count in connection.execute(
        f"SELECT state, count(*) FROM parcel WHERE {condition} GROUP BY state",  # noqa: S608 - conditions of our own
        values,
    ):
        status = State(state).status
        counts[status] = counts.get(status, 0) + count
    return counts


def show_parcel(connection: sqlite3.Connection, tracking_number: str) -> dict[str, Any]:
    """A parcel with its whole history and what the gateway was told; `Refusal` 404 where there is none."""
    parcel = known_parcel(connection, tracking_number)
    events = connection.execute(
        "SELECT event_id, status, location, timestamp, reason, source, applied, payment, flagged, refused"
        " FROM event WHERE tracking_number = ? ORDER BY seq",
        (tracking_number,),
    )
    outbox = [
        _show_told(row)
        for row in connection.execute(
            "SELECT message, told, told_at FROM outbox WHERE tracking_number = ? ORDER BY seq", (tracking_number,)
        )
    ]
    steps = moves(parcel.flow, parcel.state, regional=parcel.regional, home_regional=parcel.home_regional)
    return {
        **_summary(parcel, told=all(message["told"] for message in outbox)),
        "description": parcel.description,
        "originStoreId": parcel.origin_store_id,
        "deliveryType": parcel.delivery_type,
        "shipmentPayor": parcel.payor,
        "dueFromMerchant": format_amount(parcel.due_from_merchant),
        "shippingFee": None if parcel.fee_centavos is None else format_amount(parcel.fee_centavos),
        "amountDue": format_amount(parcel.due_at_drop_off) if parcel.is_drop_off else None,
        "claimCode": show_code(parcel.claim_code),
        "returnCode": show_code(parcel.return_code),
        "label": parcel.label,
        "pullOutAt": _pull_out_at(parcel),
        "expiresAt": _rfc3339(parcel.expires_at),
        "moves": [{"trigger": step.trigger, "status": step.target.status} for step in steps],
        "events": [_show_event(row) for row in events],
        "outbox": outbox,
    }


def show_code(code: str | None) -> str | None:
    """A reference as people read it, `9917-6789-0023`."""
    return None if code is None else show_reference(code)


def _summary(parcel: Parcel, *, told: bool) -> dict[str, Any]:
    home = find_store(parcel.origin_store_id)
    kind = "RETURN" if parcel.is_return else "DROP_OFF" if parcel.is_drop_off else "SHIPMENT"
    return {
        "trackingNumber": parcel.tracking_number,
        "kind": kind,
        "flow": parcel.flow,
        "status": parcel.state.status,
        "state": parcel.state,
        "merchantCode": parcel.merchant_code,
        "merchant": parcel.merchant,
        "merchantReference": parcel.merchant_reference,
        "bookingReference": parcel.booking_reference,
        "storeId": parcel.store_id,
        "zone": parcel.zone,
        "homeZone": None if home is None else home.zone,
        "paymentType": parcel.payment_type,
        "amount": format_amount(parcel.amount_centavos),
        "flagged": parcel.flagged,
        "ended": has_ended(parcel.flow, parcel.state, regional=parcel.regional),
        "told": told,
        "since": _rfc3339(parcel.created_at),
        "readyAt": _ready_at(parcel),
    }


def _show_event(row: sqlite3.Row) -> dict[str, Any]:
    event = {
        "eventId": row["event_id"],
        "status": row["status"],
        "location": row["location"],
        "timestamp": row["timestamp"],
        "reason": row["reason"],
        "source": row["source"],
        "applied": bool(row["applied"]),
    }
    if row["payment"] is not None:
        event["payment"] = json.loads(row["payment"])
    for name in ("flagged", "refused"):
        if row[name] is not None:
            event[name] = row[name]
    return event


def _show_told(row: sqlite3.Row) -> dict[str, Any]:
    message = json.loads(row["message"])
    return {
        "status": message["status"],
        "location": message["location"],
        "timestamp": message["timestamp"],
        "told": bool(row["told"]),
        "toldAt": _rfc3339(row["told_at"]),
    }


def _ready_at(parcel: Parcel) -> str | None:
    home = find_store(parcel.origin_store_id)
    zone = home.zone if parcel.state.on_sellers_leg and home is not None else parcel.zone
    if parcel.received_at is None or zone is None or parcel.delivery_type == "DOOR":
        return None
    return ready_for_claiming(datetime.fromtimestamp(parcel.received_at, UTC), zone).isoformat()


def _pull_out_at(parcel: Parcel) -> str | None:
    if parcel.store_since is None or parcel.state not in _AT_STORE:
        return None
    return _rfc3339(parcel.store_since + int(STAY.total_seconds()))


def _rfc3339(moment: int | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, PHILIPPINE_TIME).isoformat()
