"""A gateway made of nothing, for practice: the till speaks to it as to the real one, and nothing leaves the till."""

import hashlib
import json as jsonlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from connect_printing.paper import centre, pair, rule

from ..wire import Answer, Clock, WireClient, format_amount, parse_amount
from .results import Verdict
from .sales import digits


@dataclass
class _Parcel:
    reference: str
    kind: str
    action: str
    merchant: str
    amount_due: int
    label: str
    state: str = "OPEN"


_NOWHERE = "http://training.invalid"
_SHEET = (
    ("9900-0000-0017", "PAY_AND_CLAIM", "COLLECT", "Merchant A", 20_000, "309900000000000014"),
    ("9900-0000-0025", "PAY_AND_CLAIM", "COLLECT", "Merchant A", 129_950, "309900000000000025"),
    ("9900-0000-0033", "PAY_AND_CLAIM", "COLLECT", "Merchant B", 400_000, "309900000000000036"),
    ("9900-0000-0041", "CLAIM", "CLAIM", "Merchant B", 0, "309900000000000047"),
    ("9900-0000-0058", "CLAIM", "CLAIM", "Merchant A", 0, "309900000000000058"),
    ("9900-0000-0066", "RETURN", "ACCEPT_RETURN", "Merchant A", 0, "309900000000000069"),
)
_DONE = {
    "COLLECT": Verdict("KEEP", "RELEASE", "TRAINING: PAID\nKEEP CASH, RELEASE PARCEL"),
    "CLAIM": Verdict("NONE", "RELEASE", "TRAINING: CLAIMED\nRELEASE PARCEL"),
    "ACCEPT_RETURN": Verdict("NONE", "ACCEPT", "TRAINING: RETURN ACCEPTED\nKEEP PARCEL"),
}
_REFUSED = Verdict("RETURN", "HOLD", "TRAINING: REFUSED\nGIVE CASH BACK, HOLD PARCEL")
_HOLD = Verdict("NONE", "HOLD", "TRAINING")


class TrainingGateway(WireClient):
    """Answers every request of a till by itself; `client` of a `Till`, it makes that one a till for practice."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(_NOWHERE, "training", "training")
        self._clock = clock
        self._parcels = {digits(row[0]): _Parcel(*row) for row in _SHEET}
        self._answers: dict[str, dict[str, Any]] = {}
        self._receipts: dict[str, dict[str, Any]] = {}

    def sheet(self) -> list[dict[str, str]]:
        """The codes to practise with."""
        return [
            {
                "reference": each.reference,
                "kind": each.kind,
                "action": each.action,
                "merchant": each.merchant,
                "amountDue": format_amount(each.amount_due),
                "label": each.label,
                "state": each.state,
            }
            for each in self._parcels.values()
        ]

    async def request(
        self, method: str, path: str, *, json: Any | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Answers as the gateway would, as far as a practising clerk can tell."""
        sent: Mapping[str, Any] = json or {}
        match [method, *(unquote(part) for part in path.strip("/").split("/")[2:])]:
            case ["GET", "references", reference]:
                return self._lookup(reference)
            case ["PUT", "transactions", transaction_id]:
                return self._perform(transaction_id, sent)
            case ["GET", "transactions", transaction_id] if transaction_id in self._answers:
                return _answer(200, self._answers[transaction_id])
            case ["PUT", "transactions", transaction_id, "reversal"]:
                return self._reverse(transaction_id, sent)
            case ["GET" | "POST", "receipts", number, *_] if number in self._receipts:
                return self._receipt(number, again=method == "POST")
            case ["PUT", "shifts", _, _, _]:
                return self._close(sent)
        return _refusal(404, "unknown", _HOLD)

    def _lookup(self, reference: str) -> Answer:
        parcel = self._parcels.get(digits(reference))
        if parcel is None:
            return _refusal(404, "unknown-reference", _REFUSED)
        shown = {
            "reference": parcel.reference,
            "kind": parcel.kind,
            "state": parcel.state,
            "action": parcel.action if parcel.state == "OPEN" else "NONE",
            "merchant": parcel.merchant,
            "merchantReference": "TRAINING",
            "description": "Parcel for practice",
            "amountDue": format_amount(parcel.amount_due),
            "currency": "PHP",
            "labelHint": parcel.label[-4:],
            "expiresAt": None,
            "verdict": Verdict("NONE", "HOLD", f"TRAINING\n{parcel.action}").as_json(),
        }
        return _answer(200, shown)

    def _perform(self, transaction_id: str, request: Mapping[str, Any]) -> Answer:
        parcel = self._parcels.get(digits(request["reference"]))
        code = _refused(parcel, request)
        if code is not None or parcel is None:
            return _refusal(404 if parcel is None else 409, code or "unknown-reference", _REFUSED)
        parcel.state = "DONE"
        number = f"TRAINING-{len(self._receipts) + 1:04d}"
        tendered = parse_amount(request.get("amountTendered", "0.00"))
        body = {
            "transactionId": transaction_id,
            "type": request["type"],
            "reference": parcel.reference,
            "trackingNumber": parcel.label,
            "state": "APPROVED",
            "amountDue": format_amount(parcel.amount_due),
            "amountTendered": format_amount(tendered),
            "change": format_amount(tendered - parcel.amount_due),
            "currency": "PHP",
            "occurredAt": self._clock().isoformat(timespec="milliseconds"),
            "verdict": _DONE[parcel.action].as_json(),
        }
        code_of = hashlib.sha256(transaction_id.encode()).hexdigest()[:8].upper()
        receipt = {"number": number, "copy": 0, "text": _lines(body, number), "verificationCode": code_of}
        self._answers[transaction_id] = self._receipts[number] = {**body, "receipt": receipt}
        return _answer(201, self._answers[transaction_id])

    def _reverse(self, transaction_id: str, reversal: Mapping[str, Any]) -> Answer:
        done = self._answers.get(transaction_id)
        if done is not None and not reversal["parcelInHand"] and reversal["reason"] != "TIMEOUT":
            return _refusal(409, "parcel-not-in-hand", Verdict("KEEP", "RELEASE", "TRAINING\nTHE SALE STANDS"))
        if done is not None:
            self._parcels[digits(done["reference"])].state = "OPEN"
            done["state"] = "REVERSED"
        cash = "RETURN" if done is not None and "KEEP" in done["verdict"]["cash"] else "NONE"
        verdict = Verdict(cash, "HOLD", "TRAINING: REVERSED\nHOLD PARCEL").as_json()
        known = {name: done[name] for name in ("type", "reference", "amountDue")} if done is not None else {}
        return _answer(200, {"transactionId": transaction_id, "state": "REVERSED", **known, "verdict": verdict})

    def _receipt(self, number: str, *, again: bool) -> Answer:
        receipt = self._receipts[number]["receipt"]
        if again:
            receipt["copy"] += 1
        lines = receipt["text"]
        marked = [lines[0], *centre(f"*** COPY {receipt['copy']} ***"), *lines[1:]] if receipt["copy"] else lines
        return _answer(201 if again else 200, {**receipt, "text": marked, "verdict": _HOLD.as_json()})

    def _close(self, request: Mapping[str, Any]) -> Answer:
        sums: dict[str, dict[str, Any]] = {}
        for line in request["transactions"]:
            if line["state"] == "APPROVED":
                so_far = sums.setdefault(line["type"], {"count": 0, "amount": "0.00"})
                so_far["count"] += 1
                so_far["amount"] = format_amount(parse_amount(so_far["amount"]) + parse_amount(line["amount"]))
        expected = sum(parse_amount(each["amount"]) for each in sums.values())
        over = parse_amount(request["cashCounted"]) - expected
        body = {
            "currency": "PHP",
            "cashCounted": request["cashCounted"],
            "cashExpected": format_amount(expected),
            "cashOver": format_amount(max(0, over)),
            "cashShort": format_amount(max(0, -over)),
            "sums": {"till": sums, "ledger": sums},
            "differences": [],
            "verdict": Verdict("NONE", "HOLD", "TRAINING: SHIFT CLOSED").as_json(),
        }
        return _answer(200, body)


def _refused(parcel: _Parcel | None, request: Mapping[str, Any]) -> str | None:
    if parcel is None:
        return "unknown-reference"
    if parcel.action != request["type"]:
        return "wrong-action"
    if parcel.state != "OPEN":
        return "already-done"
    if request.get("trackingNumber", parcel.label) != parcel.label:
        return "wrong-label"
    if parse_amount(request.get("amountTendered", "0.00")) < parcel.amount_due:
        return "tender-too-small"
    return None


def _lines(body: Mapping[str, Any], number: str) -> list[str]:
    return [
        *centre("*** TRAINING ***"),
        *centre("NOT A RECEIPT"),
        rule(),
        *pair("No.", number),
        *pair("Type", str(body["type"])),
        *pair("Reference", str(body["reference"])),
        *pair("Amount due", f"PHP {body['amountDue']}"),
        *pair("Cash", f"PHP {body['amountTendered']}"),
        *pair("Change", f"PHP {body['change']}"),
        rule(),
        *centre("NOTHING WAS SOLD"),
    ]


def _refusal(status: int, code: str, verdict: Verdict) -> Answer:
    return _answer(status, {"code": code, "title": "Training", "verdict": verdict.as_json()})


def _answer(status: int, body: dict[str, Any]) -> Answer:
    # What is handed out is a copy: a replay later must not show what has happened since.
    raw = jsonlib.dumps(body).encode()
    return Answer(status, {"Content-Type": "application/json"}, raw, jsonlib.loads(raw))
