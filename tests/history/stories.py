"""Histories without a gateway: a small ledger of its own plays stories, right ones, for the checker to judge.

A test takes such a story, plants one lie in it, and expects the checker to find that one.
"""

import json
import math
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from history.records import Delivery, Ending, Fate, History, LedgerEvent, Operation, Parcel, Terminal

STORE = "0166"
BEGAN = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
_TYPE_OF_KIND = {"PAY_AND_CLAIM": "COLLECT", "CLAIM": "CLAIM", "RETURN": "ACCEPT_RETURN"}
_STATUS = {"COLLECT": "CLAIMED", "CLAIM": "CLAIMED", "ACCEPT_RETURN": "RETURNED"}
_UNDONE = {
    "COLLECT": ("DELIVERED TO STORE", "CLAIM REVERSED"),
    "CLAIM": ("DELIVERED TO STORE", "CLAIM REVERSED"),
    "ACCEPT_RETURN": ("FOR RETURN", "RETURN REVERSED"),
}


@dataclass
class _Sold:
    type: str
    parcel: Parcel
    pos: int
    state: str
    number: str | None
    answer: str


@dataclass
class Story:
    """A history that grows by what happens in it; `history()` is all of it, with the facts as they are by then."""

    operations: list[Operation] = field(default_factory=list)
    parcels: dict[str, Parcel] = field(default_factory=dict)
    sold: dict[str, _Sold | None] = field(default_factory=dict)
    events: dict[str, list[LedgerEvent]] = field(default_factory=lambda: defaultdict(list))
    deliveries: dict[str, list[Delivery]] = field(default_factory=lambda: defaultdict(list))
    journals: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    receipts: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    states: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self.seconds)

    def note(
        self,
        action: str,
        subject: str,
        content: dict[str, Any],
        body: dict[str, Any] | str | None,
        status: int = 200,
        *,
        lost: bool = False,
        replay: bool = False,
    ) -> Operation:
        """One operation that was answered with `body`, or whose answer was lost."""
        self.seconds += 2
        moment = self.now.timestamp()
        fate = Fate.UNKNOWN if lost else Fate.OK if status < 400 else Fate.FAIL
        text = body if isinstance(body, str) or body is None else json.dumps(body)
        made = Operation(
            number=len(self.operations) + 1,
            client=f"till {STORE}/{content.get('pos', 1)}",
            action=action,
            subject=subject,
            store=STORE,
            content=content,
            invoked=moment - 1,
            completed=math.inf if lost else moment,
            fate=fate,
            status=None if lost else status,
            answer=None if lost else text,
            replay=replay,
        )
        self.operations.append(made)
        return made

    def ship(self, name: int = 1, kind: str = "PAY_AND_CLAIM", *, arrives: bool = True) -> Parcel:
        """A parcel of 200.00 (or a prepaid one), at the store unless it does not arrive yet."""
        reference = f"{name * 7:03d}123456789"
        amount = 20_000 if kind == "PAY_AND_CLAIM" else 0
        parcel = Parcel(reference, kind, f"3{reference}00001", STORE, amount)
        self.parcels[reference] = parcel
        self.states[reference] = "NOT_READY"
        self.note("SHIP", parcel.tracking_number, {"trackingNumber": parcel.tracking_number}, {"reference": reference})
        if arrives:
            self.tell(parcel, "DELIVERED TO STORE", "OPEN")
        return parcel

    def tell(self, parcel: Parcel, status: str, state: str, *, at: str | None = None) -> None:
        """ECMS tells a status, which leaves the reference in `state`."""
        stamp = at or (self.now + timedelta(seconds=2)).strftime("%Y-%m-%d %H:%M:%S")
        content = {"status": status, "location": STORE, "timestamp": stamp}
        self.note("STATUS", parcel.tracking_number, content, None, 204)
        self.states[parcel.reference] = state

    def dispense(self, name: int = 1, *, code: str | None = None) -> Parcel:
        """A kiosk gets a return code for the identifier `RET-<name>`."""
        reference = code or f"9{name * 13:02d}987654321"
        expires_at = self.now + timedelta(days=7)
        parcel = Parcel(reference, "RETURN", f"4{reference}00001", None, 0, expires_at, f"RET-{name}")
        body = {
            "returnCode": f"{reference[:4]}-{reference[4:8]}-{reference[8:]}",
            "trackingNumber": parcel.tracking_number,
            "expiresAt": expires_at.isoformat(),
        }
        self.parcels[reference] = parcel
        self.states[reference] = "OPEN"
        self.note("DISPENSE", f"request-{reference}", {"identifier": parcel.identifier}, body, 201)
        self._event(parcel, "FOR RETURN", None, None, source="kiosk")
        return parcel

    def sell(self, id_: str, parcel: Parcel, *, pos: int = 1, lost: bool = False, **sent: Any) -> Operation:
        """A till does what the parcel is for; a repeat is answered as the first one was."""
        type_ = _TYPE_OF_KIND[parcel.kind]
        content = self._content(type_, parcel, pos) | sent
        known = self.sold.get(id_)
        if id_ in self.sold and (known is None or known.state == "REVERSED"):
            return self.note(type_, id_, content, {"code": "transaction-reversed"}, 409, lost=lost)
        if known is not None:
            status = 201 if known.state == "APPROVED" else 409
            return self.note(type_, id_, content, known.answer, status, lost=lost, replay=True)
        if self.states[parcel.reference] != "OPEN":
            code = {"DONE": "already-done", "NOT_READY": "not-ready"}.get(self.states[parcel.reference], "cancelled")
            answer = json.dumps({"code": code, "status": 409})
            declined = self.sold[id_] = _Sold(type_, parcel, pos, "DECLINED", None, answer)
            self._enter(id_, declined, code)
            return self.note(type_, id_, content, answer, 409, lost=lost)
        self.receipts[pos] += 1
        number = f"{STORE}-{pos:03d}-{self.receipts[pos]:08d}"
        answer = json.dumps(self._approved(id_, type_, parcel, number))
        sold = self.sold[id_] = _Sold(type_, parcel, pos, "APPROVED", number, answer)
        self.states[parcel.reference] = "DONE"
        self._enter(id_, sold, None)
        self._event(parcel, _STATUS[type_], None, number if type_ == "COLLECT" else None)
        return self.note(type_, id_, content, answer, 201, lost=lost)

    def _content(self, type_: str, parcel: Parcel, pos: int) -> dict[str, Any]:
        content: dict[str, Any] = {
            "type": type_,
            "reference": parcel.reference,
            "pos": str(pos),
            "shift": "1",
            "businessDate": "2026-01-05",
            "clerk": "ana",
            "trackingNumber": parcel.tracking_number,
        }
        return content | ({"tender": "CASH", "amountTendered": "500.00"} if type_ == "COLLECT" else {})

    def _approved(self, id_: str, type_: str, parcel: Parcel, number: str) -> dict[str, Any]:
        cash = type_ == "COLLECT"
        return {
            "transactionId": id_,
            "type": type_,
            "reference": parcel.reference,
            "state": "APPROVED",
            "amountDue": "200.00" if cash else "0.00",
            "amountTendered": "500.00" if cash else "0.00",
            "change": "300.00" if cash else "0.00",
            "receipt": {"number": number},
            "occurredAt": self.now.isoformat(),
            "verdict": {"parcel": "ACCEPT" if type_ == "ACCEPT_RETURN" else "RELEASE"},
        }

    def reverse(self, id_: str, *, pos: int = 1, lost: bool = False) -> Operation:
        """A till undoes a transaction, known or not."""
        sold = self.sold.get(id_)
        if id_ not in self.sold:
            self.sold[id_] = None
            self._journal(pos, {"transactionId": id_, "state": "REVERSED", "receipt": None, "amountDue": 0})
        elif sold is not None and sold.state != "REVERSED":
            was_approved, sold.state = sold.state == "APPROVED", "REVERSED"
            self._enter(id_, sold, None)
            if was_approved:
                self.states[sold.parcel.reference] = "OPEN"
                self._event(sold.parcel, *_UNDONE[sold.type], None)
        body = {"transactionId": id_, "state": "REVERSED"}
        return self.note("REVERSE", id_, {"reason": "TIMEOUT", "parcelInHand": True}, body, lost=lost)

    def inquire(self, id_: str) -> Operation:
        """What became of a transaction."""
        ending = self._ending(id_)
        return self.note("INQUIRE", id_, {}, ending.answer, ending.status)

    def close(self, pos: int = 1) -> Operation:
        """The shift is closed with all its cash in the drawer."""
        cash = sum(
            20_000
            for sold in self.sold.values()
            if sold and (sold.state, sold.pos) == ("APPROVED", pos) and sold.type == "COLLECT"
        )
        amount = f"{cash // 100}.{cash % 100:02d}"
        content = {"pos": str(pos), "shift": "1", "businessDate": "2026-01-05", "cashCounted": amount}
        return self.note("CLOSE", f"{STORE}/{pos}/1", content, {"cashExpected": amount, "differences": []})

    def _event(
        self, parcel: Parcel, status: str, reason: str | None, number: str | None, *, source: str = "counter"
    ) -> None:
        rows = self.events[parcel.tracking_number]
        event_id = f"event-{parcel.tracking_number}-{len(rows) + 1}"
        rows.append(LedgerEvent(event_id, len(rows) + 1, status, "TOLD", self.now))
        amount = None if number is None else 20_000
        delivery = Delivery(event_id, status, reason, source, applied=True, receipt_number=number, amount=amount)
        self.deliveries[parcel.tracking_number].append(delivery)

    def _enter(self, id_: str, sold: _Sold, code: str | None) -> None:
        amount = 20_000 if sold.parcel.kind == "PAY_AND_CLAIM" else 0
        entry = {"transactionId": id_, "state": sold.state, "receipt": sold.number, "amountDue": amount, "code": code}
        self._journal(sold.pos, entry)

    def _journal(self, pos: int, entry: dict[str, Any]) -> None:
        self.journals[pos].append(json.dumps({"n": len(self.journals[pos]) + 1, **entry}))

    def _ending(self, id_: str) -> Ending:
        if id_ not in self.sold:
            return Ending(STORE, id_, 404, json.dumps({"code": "unknown-transaction"}))
        sold = self.sold[id_]
        if sold is None:
            return Ending(STORE, id_, 200, json.dumps({"transactionId": id_, "state": "REVERSED"}))
        if sold.state == "APPROVED":
            return Ending(STORE, id_, 200, sold.answer)
        body = {"transactionId": id_, "type": sold.type, "reference": sold.parcel.reference, "state": sold.state}
        if sold.number is not None:
            body |= {"receipt": {"number": sold.number}, "amountDue": json.loads(sold.answer)["amountDue"]}  # type: ignore[dict-item]
        return Ending(STORE, id_, 200, json.dumps(body))

    def history(self) -> History:
        """The story so far, and what would be found."""
        terminals = [self._terminal(pos) for pos in self.journals]
        return History(
            operations=list(self.operations),
            parcels=dict(self.parcels),
            endings={id_: self._ending(id_) for id_ in {*self.sold, *self._asked()}},
            receipts={
                sold.number: json.dumps({"number": sold.number}) for sold in self.sold.values() if sold and sold.number
            },
            states=dict(self.states),
            deliveries={
                parcel.tracking_number: tuple(self.deliveries[parcel.tracking_number])
                for parcel in self.parcels.values()
            },
            events={tracking: tuple(rows) for tracking, rows in self.events.items()},
            terminals={terminal.key: terminal for terminal in terminals},
        )

    def _asked(self) -> set[str]:
        return {one.subject for one in self.operations if one.action in _STATUS or one.action == "REVERSE"}

    def _terminal(self, pos: int) -> Terminal:
        head, entries = bytes(32), []
        for position, entry in enumerate(self.journals[pos], start=1):
            head = sha256(head + entry.encode()).digest()
            entries.append((position, entry, head.hex()))
        return Terminal(STORE, pos, self.receipts[pos], len(entries), head.hex(), tuple(entries))
