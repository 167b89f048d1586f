"""Selling while the gateway is away: what the manifest and its limits allow, and the paper that says so.

Nothing here sends or writes; `Till` asks, and writes down what it does before it shows it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connect_printing.paper import centre, pair, rule, wrap

from ..wire import PHILIPPINE_TIME, Clock, format_amount, parse_amount
from .book import Book
from .link import Link
from .manifest import Manifest, ManifestStore, Parcel
from .results import Verdict

WHY = {
    "needs-connection": "NO CONNECTION: TRY AGAIN LATER",
    "not-in-manifest": "NO CONNECTION: CODE NOT ON LIST",
    "already-done": "DONE ALREADY",
    "wrong-action": "NOT THE RIGHT TRANSACTION",
    "wrong-label": "LABEL IS OF ANOTHER PARCEL",
    "expired": "THE CODE HAS EXPIRED",
    "tender-too-small": "CASH IS LESS THAN AMOUNT DUE",
}
"""The first line for the clerk of the till's own refusals; the others are about the list and its limits."""

PAID = Verdict("KEEP", "RELEASE", "PAID (STAND-IN)\nKEEP CASH, RELEASE PARCEL")
CLAIMED = Verdict("NONE", "RELEASE", "CLAIMED (STAND-IN)\nRELEASE PARCEL")
VOIDED = {
    "KEEP": Verdict("RETURN", "HOLD", "REVERSED (STAND-IN)\nGIVE CASH BACK, HOLD PARCEL"),
    "NONE": Verdict("NONE", "HOLD", "REVERSED (STAND-IN)\nHOLD PARCEL"),
}
_SLACK = timedelta(minutes=5)


@dataclass(frozen=True)
class Offer:
    """A sale that the manifest allows now; `amount_due` is centavos."""

    parcel: Parcel
    manifest_id: str
    amount_due: int


class StandIn:
    """The manifest in `store` and the link to the gateway, for one terminal of `store_id`."""

    def __init__(self, store: ManifestStore, link: Link, store_id: str, clock: Clock) -> None:
        self.store = store
        self.link = link
        self._store_id = store_id
        self._clock = clock

    @property
    def away(self) -> bool:
        """Whether the till has no connection."""
        return self.link.away

    @property
    def manifest(self) -> Manifest:
        """What the gateway last gave."""
        return self.store.manifest

    def unusable(self) -> str | None:
        """Why nothing may be sold on the strength of the manifest; None while it may."""
        manifest, now = self.manifest, self._clock()
        if manifest.issued_at is None or manifest.expires_at is None or manifest.limits is None:
            return self.store.problem or "no-manifest"
        if now < manifest.issued_at - _SLACK:
            return "clock-behind"
        if now > manifest.expires_at or now > manifest.issued_at + timedelta(seconds=manifest.limits.max_age_s):
            return "manifest-too-old"
        return None

    def offer(self, request: Mapping[str, Any], book: Book) -> Offer | str:
        """What the sale comes to as a stand-in, or the code of the reason why it may not be made."""
        manifest, limits = self.manifest, self.manifest.limits
        if request["type"] not in {"COLLECT", "CLAIM"}:
            return "needs-connection"
        if (why := self.unusable()) is not None:
            return why
        assert limits is not None
        parcel = manifest.find(request["reference"])
        if book.sales.done_by(request["reference"]) is not None:
            return "already-done"
        if parcel is None:
            return "not-in-manifest"
        return (
            _unfit(parcel, request, self._clock())
            or _over(parcel, limits.max_amount, limits.max_total - book.queue.total)
            or ("count-over-limit" if book.queue.count >= limits.max_count else None)
            or Offer(parcel, manifest.manifest_id, parcel.amount_due)
        )

    def of_sale(self, offer: Offer, pos: str, made: int) -> dict[str, str]:
        """The request's `standIn`: when it happened, its receipt in a series of its own, and by which manifest."""
        return {
            "occurredAt": self._clock().astimezone(PHILIPPINE_TIME).isoformat(timespec="milliseconds"),
            "receiptNumber": f"{self._store_id}-{int(pos):03d}-S{made + 1:07d}",
            "manifestId": offer.manifest_id,
        }

    def body(self, request: Mapping[str, Any], offer: Offer, stand_in: Mapping[str, str]) -> dict[str, Any]:
        """The sale in the shape of the gateway's own answer, so that whoever shows one can show the other."""
        verdict = PAID if request["type"] == "COLLECT" else CLAIMED
        tendered = parse_amount(request.get("amountTendered", "0.00"))
        due = offer.amount_due if "tender" in request else 0
        body = {
            "type": request["type"],
            "reference": offer.parcel.shown["reference"],
            "trackingNumber": request["trackingNumber"],
            "state": "APPROVED",
            "merchant": str(offer.parcel.shown.get("merchant", "")),
            "merchantReference": str(offer.parcel.shown.get("merchantReference", "")),
            "amountDue": format_amount(due),
            "amountTendered": format_amount(tendered),
            "change": format_amount(tendered - due),
            "currency": "PHP",
            "occurredAt": stand_in["occurredAt"],
            "verdict": verdict.as_json(),
        }
        text = receipt_lines(request, body, stand_in["receiptNumber"], self._store_id)
        receipt = {"number": stand_in["receiptNumber"], "copy": 0, "text": text, "verificationCode": None}
        return {**body, "receipt": receipt}

    def lookup(self, reference: str) -> dict[str, Any] | None:
        """What a lookup would answer, as far as the manifest knows; None where it may not be relied on."""
        parcel = self.manifest.find(reference)
        if parcel is None or self.unusable() is not None:
            return None
        assert self.manifest.issued_at is not None
        shown = {name: value for name, value in parcel.shown.items() if name != "label"}
        age = self._clock() - self.manifest.issued_at
        return {
            **shown,
            "labelHint": parcel.shown["label"].get("hint"),
            "standIn": True,
            "manifestAgeSeconds": max(0, int(age.total_seconds())),
        }


def receipt_lines(request: Mapping[str, Any], body: Mapping[str, Any], number: str, store_id: str) -> list[str]:
    """The paper of a stand-in sale: at most 32 columns, marked as what it is."""
    at = datetime.fromisoformat(body["occurredAt"]).astimezone(PHILIPPINE_TIME)
    lines = [
        *centre("7-CONNECT"),
        *centre("ACKNOWLEDGEMENT RECEIPT"),
        *centre("*** STAND-IN ***"),
        rule(),
        *pair(f"Store {store_id}", f"POS {request['pos']} Shift {request['shift']}"),
        *pair("Business date", request["businessDate"]),
        *pair("Date", at.isoformat(" ", "seconds")[:19]),
        *pair("Clerk", request["clerk"]),
        *pair("AR No.", number),
        rule(),
        *centre("PAY & CLAIM" if request["type"] == "COLLECT" else "CLAIM (PREPAID)"),
        *pair("Reference", body["reference"]),
        *pair("Tracking", body["trackingNumber"]),
        *pair("Merchant", body["merchant"]),
        *pair("Order", body["merchantReference"]),
        rule(),
        *pair("Amount due", f"PHP {body['amountDue']}"),
    ]
    if "tender" in request:
        lines += [*pair("Cash", f"PHP {body['amountTendered']}"), *pair("Change", f"PHP {body['change']}")]
    return [
        *lines,
        rule(),
        *wrap("Made without a connection. It is confirmed as soon as the store is connected again."),
        *wrap("This is an acknowledgement receipt, not an official receipt."),
    ]


def slip_lines(receipt: list[str], at: datetime) -> list[str]:
    """The slip of a stand-in sale's reversal, made from its receipt."""
    marked = next(position for position, line in enumerate(receipt) if "*** STAND-IN ***" in line) + 1
    reversed_ = [*centre("*** REVERSAL ***"), *pair("Reversed", at.isoformat(" ", "seconds")[:19])]
    kept = [line for line in receipt[marked:] if not line.startswith(("Cash ", "Change "))]
    return [*receipt[:marked], *reversed_, *(line.replace("Amount due", "CASH BACK ", 1) for line in kept)]


def copy_lines(receipt: list[str], copy: int) -> list[str]:
    """A stand-in receipt printed again, marked as the copy that it is."""
    marked = next(position for position, line in enumerate(receipt) if "*** STAND-IN ***" in line) + 1
    return [*receipt[:marked], *centre(f"*** COPY {copy} ***"), *receipt[marked:]]


def _unfit(parcel: Parcel, request: Mapping[str, Any], now: datetime) -> str | None:
    if parcel.action != request["type"]:
        return "wrong-action"
    if parcel.expires_at is not None and now >= parcel.expires_at:
        return "expired"
    if not parcel.is_labelled(request["trackingNumber"]):
        return "wrong-label"
    if parcel.action == "COLLECT" and parse_amount(request["amountTendered"]) < parcel.amount_due:
        return "tender-too-small"
    return None


def _over(parcel: Parcel, max_amount: int, left: int) -> str | None:
    if parcel.amount_due > max_amount:
        return "amount-over-limit"
    return "total-over-limit" if parcel.amount_due > left else None
