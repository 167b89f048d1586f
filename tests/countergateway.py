"""The gateway as a till sees it, in one object: parcels, transactions, a signed manifest, and a switch to be away.

What it decides is the wire's; how a real gateway comes to it is for the other tiers.
"""

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from connect_simulators.patience import Patience
from connect_simulators.pos.config import TerminalConfig
from connect_simulators.wire import Credentials
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

CLIENT = Credentials("till", "secret", "0166", "1")
HOLD = {"cash": "NONE", "parcel": "HOLD", "display": "HOLD"}
LIMITS = {"maxAgeSeconds": 14400, "maxAmount": "4000.00", "maxTotal": "6000.00", "maxCount": 5}
PATIENCE = Patience(timeout_s=5, first_wait_s=0.01, longest_wait_s=0.05, give_up_s=0.4)
NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


@dataclass
class Shelf:
    """A parcel at the store."""

    reference: str
    action: str
    amount: str
    label: str
    state: str = "OPEN"
    changed: int = 0

    def in_manifest(self) -> dict[str, Any]:
        if self.state != "OPEN":
            return {"reference": self.reference, "state": "GONE"}
        salt = hashlib.sha256(self.reference.encode()).digest()[:8]
        digest = hashlib.sha256(salt + self.label.encode()).hexdigest()
        return {
            "reference": self.reference, "kind": "PAY_AND_CLAIM" if self.action == "COLLECT" else "CLAIM",
            "action": self.action, "state": "OPEN", "merchant": "Niño's Shop", "merchantReference": "ORDER-1",
            "description": "Shoes", "amountDue": self.amount, "currency": "PHP", "expiresAt": None,
            "label": {"salt": salt.hex(), "digest": digest, "hint": self.label[-4:]},
        }  # fmt: skip


@dataclass
class CounterGateway:
    """`away` cuts every connection; `lost` cuts it once the work is done."""

    now: datetime = NOON
    url: str = ""
    away: bool = False
    lost: bool = False
    shelves: dict[str, Shelf] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=lambda: dict(LIMITS))
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    puts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    closes: list[dict[str, Any]] = field(default_factory=list)
    tamper: Callable[[dict[str, Any]], dict[str, Any]] = lambda envelope: envelope
    refuse: dict[str, str] = field(default_factory=dict)
    copies: int = 0

    def clock(self) -> datetime:
        return self.now

    def shelve(self, action: str = "COLLECT", amount: str = "200.00") -> Shelf:
        number = len(self.shelves) + 1
        made = Shelf(f"9917-6789-{number:04d}", action, amount if action == "COLLECT" else "0.00", f"{number:018d}")
        made.changed = number
        self.shelves[made.reference] = made
        return made

    def config(self, directory: Any, **changed: Any) -> TerminalConfig:
        given = {"patience": PATIENCE, "reversal_give_up_s": 0.4, "stand_in_after_s": 0.2, "probe_s": 0.05}
        return TerminalConfig(self.url, CLIENT, directory, **(given | changed))

    def collections(self) -> dict[str, int]:
        """How often each reference has been collected and not given back."""
        done: dict[str, int] = {}
        for answer in self.answers.values():
            if answer.get("state") == "APPROVED":
                done[answer["reference"]] = done.get(answer["reference"], 0) + 1
        return done

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._gate])
        app.router.add_post("/accounts/oauth2/token", self._token)
        app.router.add_get("/pos/v1/references/{reference}", self._lookup)
        app.router.add_get("/pos/v1/manifest", self._manifest)
        app.router.add_get("/pos/v1/manifest/keys", self._keys)
        app.router.add_put("/pos/v1/transactions/{id}", self._put)
        app.router.add_get("/pos/v1/transactions/{id}", self._get)
        app.router.add_put("/pos/v1/transactions/{id}/reversal", self._reverse)
        app.router.add_post("/pos/v1/receipts/{number}/copies", self._copy)
        app.router.add_put("/pos/v1/shifts/{date}/{pos}/{shift}", self._close)
        return app

    @web.middleware
    async def _gate(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.away:
            return self._cut(request)
        self.requests.append(f"{request.method} {request.path_qs}")
        response: web.StreamResponse = await handler(request)
        if self.lost:
            return self._cut(request)
        return response

    def _cut(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def _token(self, _: web.Request) -> web.Response:
        return web.json_response({"access_token": "a", "refresh_token": "r", "expires_in": 7200})

    async def _lookup(self, request: web.Request) -> web.Response:
        shelf = self.shelves.get(request.match_info["reference"])
        if shelf is None:
            return web.json_response({"code": "unknown-reference", "verdict": HOLD}, status=404)
        shown = {"reference": shelf.reference, "action": shelf.action, "state": shelf.state, "amountDue": shelf.amount}
        return web.json_response({**shown, "labelHint": shelf.label[-4:], "verdict": HOLD})

    async def _keys(self, _: web.Request) -> web.Response:
        public = self.key.public_key().public_bytes_raw()
        return web.json_response({"keys": [{"keyId": "k1", "publicKey": _encoded(public)}]})

    async def _manifest(self, request: web.Request) -> web.Response:
        since = request.query.get("since")
        changed = [shelf for shelf in self.shelves.values() if since is None or shelf.changed > int(since)]
        if since is None:
            changed = [shelf for shelf in changed if shelf.state == "OPEN"]
        newest = max((shelf.changed for shelf in self.shelves.values()), default=0)
        document = {
            "manifestId": str(uuid4()), "storeId": "0166", "issuedAt": self.now.isoformat(),
            "expiresAt": (self.now + timedelta(hours=24)).isoformat(), "since": since, "cursor": str(newest),
            "limits": self.limits, "parcels": [shelf.in_manifest() for shelf in changed],
        }  # fmt: skip
        return web.json_response(self.tamper(self.sealed(document)))

    def sealed(self, document: dict[str, Any], key_id: str = "k1") -> dict[str, Any]:
        text = json.dumps(document).encode()
        return {"manifest": _encoded(text), "keyId": key_id, "signature": _encoded(self.key.sign(text))}

    async def _put(self, request: web.Request) -> web.Response:
        transaction_id, body = request.match_info["id"], await request.json()
        self.puts.append((transaction_id, body))
        if code := self.refuse.get(body["reference"]):
            return web.json_response({"code": code, "verdict": HOLD}, status=400)
        replayed = transaction_id in self.answers
        if not replayed:
            self.answers[transaction_id] = self._decided(transaction_id, body)
        answer = self.answers[transaction_id]
        if answer["state"] == "REVERSED":
            return web.json_response({"code": "transaction-reversed", "verdict": HOLD}, status=409)
        status = 409 if answer["state"] == "DECLINED" else 201
        return web.json_response(answer, status=status, headers={"Idempotent-Replay": "true"} if replayed else {})

    def _decided(self, transaction_id: str, body: dict[str, Any]) -> dict[str, Any]:
        shelf = self.shelves[body["reference"]]
        told = {"transactionId": transaction_id, "type": body["type"], "reference": shelf.reference}
        told["amountDue"] = shelf.amount
        if shelf.state != "OPEN":
            verdict = {"cash": "RETURN", "parcel": "HOLD", "display": shelf.state}
            problem = {"code": "already-done", "verdict": verdict}
            return {**told, "state": "DISPUTED" if "standIn" in body else "DECLINED", **problem}
        self._move(shelf, "DONE")
        number = f"0166-001-{len(self.answers) + 1:08d}"
        receipt = {"number": number, "copy": 0, "text": ["7-CONNECT", number], "verificationCode": "X"}
        verdict = {"cash": "KEEP", "parcel": "RELEASE", "display": "PAID"}
        return {**told, "state": "APPROVED", "receipt": receipt, "verdict": verdict, "change": "0.00"}

    def _move(self, shelf: Shelf, state: str) -> None:
        shelf.state = state
        shelf.changed = max(each.changed for each in self.shelves.values()) + 1

    def take_away(self, shelf: Shelf) -> None:
        """ECMS pulls the parcel out."""
        self._move(shelf, "PULLED_OUT")

    async def _get(self, request: web.Request) -> web.Response:
        found = self.answers.get(request.match_info["id"])
        if found is None:
            return web.json_response({"code": "unknown-transaction", "verdict": HOLD}, status=404)
        return web.json_response(found)

    async def _reverse(self, request: web.Request) -> web.Response:
        transaction_id = request.match_info["id"]
        found = self.answers.get(transaction_id)
        if found is not None and found["state"] == "APPROVED":
            self._move(self.shelves[found["reference"]], "OPEN")
        verdict = {"cash": "RETURN", "parcel": "HOLD", "display": "REVERSED"}
        answer = {**(found or {}), "transactionId": transaction_id, "state": "REVERSED", "verdict": verdict}
        self.answers[transaction_id] = answer
        return web.json_response(answer)

    async def _copy(self, request: web.Request) -> web.Response:
        self.copies += 1
        lines = ["7-CONNECT", f"*** COPY {self.copies} ***"]
        number = request.match_info["number"]
        return web.json_response({"number": number, "copy": self.copies, "text": lines}, status=201)

    async def _close(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.closes.append(body)
        sums = {"COLLECT": {"count": len(body["transactions"]), "amount": body["cashCounted"]}}
        return web.json_response({"sums": {"till": sums, "ledger": sums}, "differences": [], "verdict": HOLD})


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@pytest.fixture
async def gateway() -> AsyncIterator[CounterGateway]:
    made = CounterGateway()
    async with TestServer(made.application(), host="127.0.0.1") as running:
        made.url = str(running.make_url("")).rstrip("/")
        yield made
