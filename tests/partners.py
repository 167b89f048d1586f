"""The gateway's partners as tests play them: a till, a kiosk and ECMS over real HTTP, on free loopback ports."""

import io
import itertools
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from aiohttp import web

from connect_gateway.clock import PHILIPPINE_TIME

_tracking = itertools.count(300_000_000_000_000_001)


def next_tracking_number() -> str:
    """An 18-digit tracking number that no other parcel of this process has."""
    return str(next(_tracking))


def business_date() -> str:
    return datetime.now(PHILIPPINE_TIME).date().isoformat()


def ecms_time(moment: datetime | None = None) -> str:
    return (moment or datetime.now(UTC)).astimezone(PHILIPPINE_TIME).strftime("%Y-%m-%d %H:%M:%S")


@dataclass
class Reply:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> dict[str, Any]:
        body = json.loads(self.raw)
        assert isinstance(body, dict)
        return body


class Partner:
    """A client application with its token."""

    def __init__(self, session: aiohttp.ClientSession, url: str, client_id: str, secret: str) -> None:
        self.session = session
        self.url = url
        self.client_id = client_id
        self.secret = secret
        self.token = ""

    async def log_in(self) -> None:
        form = {"client_id": self.client_id, "client_secret": self.secret, "grant_type": "client_credentials"}
        async with self.session.post(f"{self.url}/accounts/oauth2/token", data=form) as response:
            assert response.status == 200, await response.text()
            self.token = (await response.json())["access_token"]

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        content = raw if raw is not None else None if body is None else json.dumps(body).encode()
        data = None if content is None else io.BytesIO(content)
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        async with self.session.request(method, self.url + path, data=data, headers=sent) as response:
            return Reply(response.status, response.headers, await response.read())


class Till(Partner):
    """A POS terminal."""

    pos = "1"

    def body(self, type_: str, reference: str, **fields: Any) -> dict[str, Any]:
        common = {
            "type": type_,
            "reference": reference,
            "pos": self.pos,
            "shift": "1",
            "businessDate": business_date(),
            "clerk": "ana",
        }
        return common | fields

    def collect_body(self, parcel: "Parcel", tendered: str = "500.00", **fields: Any) -> dict[str, Any]:
        given = {"trackingNumber": parcel.tracking_number, "tender": "CASH", "amountTendered": tendered}
        return self.body("COLLECT", parcel.reference) | given | fields

    async def put(self, transaction_id: str, body: dict[str, Any]) -> Reply:
        return await self.call("PUT", f"/pos/v1/transactions/{transaction_id}", body)

    async def collect(self, parcel: "Parcel", transaction_id: str | None = None, **fields: Any) -> Reply:
        return await self.put(transaction_id or str(uuid.uuid4()), self.collect_body(parcel, **fields))

    async def look_up(self, reference: str) -> Reply:
        return await self.call("GET", f"/pos/v1/references/{reference}")

    async def inquire(self, transaction_id: str) -> Reply:
        return await self.call("GET", f"/pos/v1/transactions/{transaction_id}")

    async def reverse(self, transaction_id: str, reason: str = "CLERK_VOID", *, parcel_in_hand: bool = True) -> Reply:
        body = {"reason": reason, "parcelInHand": parcel_in_hand}
        return await self.call("PUT", f"/pos/v1/transactions/{transaction_id}/reversal", body)


@dataclass
class Parcel:
    """A parcel as ECMS and the customer know it."""

    tracking_number: str
    reference: str
    merchant_reference: str


class Ecms(Partner):
    """ECMS as it speaks to the gateway."""

    async def ship(self, *, amount: str = "200.00", store_id: str = "0166", **fields: Any) -> Parcel:
        """A COD parcel (or, with an amount of 0.00, a prepaid one) that has not arrived yet."""
        cod = amount != "0.00"
        tracking_number = next_tracking_number()
        body = {
            "kind": "PAY_AND_CLAIM" if cod else "CLAIM",
            "trackingNumber": tracking_number,
            "merchantCode": "001",
            "merchant": "Merchant A",
            "merchantReference": "AXDY43322222524544",
            "paymentType": "COD" if cod else "PREPAID",
            "amount": amount,
            "storeId": store_id,
            "mobileNumber": "09123456789",
            "description": "item description",
        }
        reply = await self.call("POST", "/ecms/v1/references", body | fields)
        assert reply.status == 201, reply.raw
        return Parcel(tracking_number, reply.json["reference"], "AXDY43322222524544")

    async def tell(self, parcel: Parcel, status: str, *, at: datetime | None = None, location: str = "0166") -> Reply:
        body = {
            "trackingNumber": parcel.tracking_number,
            "merchantReference": parcel.merchant_reference,
            "status": status,
            "location": location,
            "timestamp": ecms_time(at),
        }
        return await self.call("POST", "/ecms/v1/status", body)

    async def ask_for(self, **fields: Any) -> Reply:
        """`POST /ecms/v1/references` of a return, or of whatever `fields` make of it; a field of None is left out."""
        body = {
            "kind": "RETURN",
            "trackingNumber": next_tracking_number(),
            "merchantCode": "001",
            "merchant": "Merchant A",
            "merchantReference": "RET-1",
        }
        given = {name: value for name, value in (body | fields).items() if value is not None}
        return await self.call("POST", "/ecms/v1/references", given)

    async def issue(self, kind: str, amount: str, **fields: Any) -> Parcel:
        """A PAY or DROP_OFF reference; of a drop-off, the order is the booking's reference."""
        number = next_tracking_number()
        order = fields.pop("merchantReference", f"BOOKING-{number}")
        reply = await self.ask_for(kind=kind, trackingNumber=number, merchantReference=order, amount=amount, **fields)
        assert reply.status == 201, reply.raw
        return Parcel(number, reply.json["reference"], order)

    async def ship_to_store(self, **fields: Any) -> Parcel:
        """A parcel that waits at its store, since an hour ago."""
        parcel = await self.ship(**fields)
        arrived = datetime.now(UTC) - timedelta(hours=1)
        reply = await self.tell(parcel, "DELIVERED TO STORE", at=arrived, location=fields.get("store_id", "0166"))
        assert reply.status == 204, reply.raw
        return parcel


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class EcmsServer:
    """ECMS as the gateway asks it: keeps what it is told, and answers as `answers` says for a path, in turn.

    An answer is (status, body); the last one stands for good. Where `faults` has a handler for a path (`token`,
    `status`, `returns` or `quote`), that one answers instead, whatever it pleases. `seen` has every status that came,
    `events` those that were taken, repeats included.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    seen: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    grants: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    faults: dict[str, Handler] = field(default_factory=dict)
    url: str = ""

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/accounts/oauth2/token", self._token)
        app.router.add_post("/ecms/api/v1/status", self._status)
        app.router.add_post("/ecms/api/v1/returns", self._returns)
        app.router.add_post("/ecms/api/v1/dropoff/quote", self._quote)
        return app

    async def _token(self, request: web.Request) -> web.StreamResponse:
        self.grants.append(dict(await request.post()))
        if "token" in self.faults:
            return await self.faults["token"](request)
        return self.granted()

    def granted(self, expires_in: float = 7200) -> web.Response:
        """Fresh tokens."""
        tokens = {"access_token": uuid.uuid4().hex, "refresh_token": uuid.uuid4().hex}
        return web.json_response(tokens | {"token_type": "bearer", "expires_in": expires_in})

    async def _status(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        assert request.headers["Idempotency-Key"] == body["eventId"]
        self.seen.append(body)
        if "status" in self.faults:
            return await self.faults["status"](request)
        return await self.take(request)

    async def take(self, request: web.Request) -> web.Response:
        """Takes a status as it should be taken, or as `answers` says."""
        status, answer = self._next("status", (200, {"errorCode": "200", "message": "ok"}))
        if status == 200 and isinstance(answer, dict) and answer.get("errorCode") == "200":
            self.events.append(await request.json())
        return web.json_response(answer, status=status)

    async def _returns(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(("returns", await request.json()))
        if "returns" in self.faults:
            return await self.faults["returns"](request)
        status, answer = self._next("returns", (404, {"errorCode": "404", "message": "unknown"}))
        return web.json_response(answer, status=status)

    async def _quote(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(("quote", await request.json()))
        if "quote" in self.faults:
            return await self.faults["quote"](request)
        status, answer = self._next("quote", (404, {"errorCode": "404", "message": "unknown"}))
        return web.json_response(answer, status=status)

    def _next(self, path: str, default: tuple[int, Any]) -> tuple[int, Any]:
        planned = self.answers.get(path, [])
        if not planned:
            return default
        return planned.pop(0) if len(planned) > 1 else planned[0]
