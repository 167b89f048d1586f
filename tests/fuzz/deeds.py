"""What tills, kiosks and ECMS ask of a gateway, as the model sees it: each deed is one request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from connect_simulators.wire import PHILIPPINE_TIME, format_amount

ACTION = {
    "PAY_AND_CLAIM": "COLLECT",
    "CLAIM": "CLAIM",
    "PAY": "PAY",
    "RETURN": "ACCEPT_RETURN",
    "DROP_OFF": "DROP_OFF",
}
WAIT_AT_A_STORE = frozenset({"PAY_AND_CLAIM", "CLAIM"})
"""Kinds of which ECMS says that they have arrived; the others are open from the start, and at every store."""

LONG_AGO = datetime(2026, 1, 1, 8, 0, tzinfo=PHILIPPINE_TIME)
FAR_AHEAD = datetime(2100, 1, 1, 8, 0, tzinfo=PHILIPPINE_TIME)
"""ECMS's times count from one of these: what the counter does lies between them, whatever the time is."""


@dataclass(frozen=True, slots=True)
class Order:
    """A parcel as it was ordered, or an item that may be returned; `amount` in centavos, `store` None for a return."""

    kind: str
    reference: str
    tracking_number: str
    store: str | None
    amount: int
    lapsed: bool = False
    """Its expiry lies in the past."""


@dataclass(frozen=True, slots=True)
class Sale:
    """A clerk does something with a reference; `order` is None for a reference that nobody issued."""

    transaction_id: str
    store: str
    type: str
    reference: str
    pos: int
    shift: int
    clerk: str = "ana"
    label: str | None = None
    tendered: int | None = None

    @property
    def content(self) -> tuple[tuple[str, object], ...]:
        """Its fields in the order in which two requests are compared (POS-11)."""
        return (
            ("type", self.type),
            ("reference", self.reference),
            ("pos", self.pos),
            ("shift", self.shift),
            ("clerk", self.clerk),
            ("trackingNumber", self.label),
            ("amountTendered", self.tendered),
        )


@dataclass(frozen=True, slots=True)
class Reversal:
    transaction_id: str
    store: str
    reason: str
    in_hand: bool


@dataclass(frozen=True, slots=True)
class Inquiry:
    transaction_id: str
    store: str


@dataclass(frozen=True, slots=True)
class Lookup:
    reference: str
    store: str


@dataclass(frozen=True, slots=True)
class Copy:
    """A reprint of a transaction's receipt."""

    receipt: str
    store: str


@dataclass(frozen=True, slots=True)
class Close:
    """A shift's close. `lines`: id, type, state, amount; `counted` in centavos."""

    store: str
    pos: int
    shift: int
    counted: int
    lines: tuple[tuple[str, str, str, int], ...]


@dataclass(frozen=True, slots=True)
class Ship:
    """ECMS asks for a parcel's reference, and brings its own."""

    order: Order


@dataclass(frozen=True, slots=True)
class Tell:
    """ECMS says where a parcel is. `at` counts seconds, below 0 from LONG_AGO and from 0 on from FAR_AHEAD."""

    tracking_number: str
    status: str
    store: str
    at: int


@dataclass(frozen=True, slots=True)
class Dispense:
    """A customer types an identifier at a kiosk; `tracking_number` is what ECMS makes of it, None for nothing."""

    request_id: str
    identifier: str
    tracking_number: str | None


Deed = Sale | Reversal | Inquiry | Lookup | Copy | Close | Ship | Tell | Dispense


@dataclass(frozen=True, slots=True)
class Request:
    """A deed as it is sent; `who` is the client application."""

    who: str
    method: str
    path: str
    body: Mapping[str, Any] | None = field(default=None)


def request_of(deed: Deed, business_date: str) -> Request:
    """How a deed goes over the wire."""
    match deed:
        case Sale():
            return Request(deed.store, "PUT", f"/pos/v1/transactions/{deed.transaction_id}", _sale(deed, business_date))
        case Reversal():
            body = {"reason": deed.reason, "parcelInHand": deed.in_hand}
            return Request(deed.store, "PUT", f"/pos/v1/transactions/{deed.transaction_id}/reversal", body)
        case Inquiry():
            return Request(deed.store, "GET", f"/pos/v1/transactions/{deed.transaction_id}")
        case Lookup():
            return Request(deed.store, "GET", f"/pos/v1/references/{deed.reference}")
        case Copy():
            return Request(deed.store, "POST", f"/pos/v1/receipts/{deed.receipt}/copies")
        case Close():
            lines = [
                {"transactionId": id_, "type": type_, "state": state, "amount": format_amount(amount)}
                for id_, type_, state, amount in deed.lines
            ]
            path = f"/pos/v1/shifts/{business_date}/{deed.pos}/{deed.shift}"
            return Request(deed.store, "PUT", path, {"cashCounted": format_amount(deed.counted), "transactions": lines})
        case Ship():
            return Request("ecms", "POST", "/ecms/v1/references", _order(deed.order))
        case Tell():
            return Request("ecms", "POST", "/ecms/v1/status", _status(deed))
        case Dispense():
            body = {"identifierType": "UID", "identifier": deed.identifier}
            return Request("kiosk", "PUT", f"/kiosk/v1/returns/{deed.request_id}", body)


def _sale(sale: Sale, business_date: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": sale.type,
        "reference": sale.reference,
        "pos": str(sale.pos),
        "shift": str(sale.shift),
        "businessDate": business_date,
        "clerk": sale.clerk,
    }
    if sale.label is not None:
        body["trackingNumber"] = sale.label
    if sale.tendered is not None:
        body |= {"tender": "CASH", "amountTendered": format_amount(sale.tendered)}
    return body


def _order(order: Order) -> dict[str, Any]:
    body: dict[str, Any] = {
        "kind": order.kind,
        "trackingNumber": order.tracking_number,
        "merchantCode": "001",
        "merchant": "Merchant A",
        "merchantReference": f"ORDER-{order.tracking_number}",
        "amount": format_amount(order.amount),
        "description": "item description",
        "reference": order.reference,
    }
    if order.kind in WAIT_AT_A_STORE:
        body |= {"paymentType": "COD" if order.amount else "PREPAID", "storeId": order.store}
    return body | ({"expiresAt": "2015-08-02 17:55:59"} if order.lapsed else {})


def _status(tell: Tell) -> dict[str, Any]:
    base = LONG_AGO + timedelta(days=1) if tell.at < 0 else FAR_AHEAD
    return {
        "trackingNumber": tell.tracking_number,
        "merchantReference": f"ORDER-{tell.tracking_number}",
        "status": tell.status,
        "location": tell.store,
        "timestamp": (base + timedelta(seconds=tell.at)).strftime("%Y-%m-%d %H:%M:%S"),
    }
