"""A small world to break: gateways on one database, ECMS, and client applications that write down what they do."""

import asyncio
import contextlib
import itertools
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import asyncpg
from connect_simulators.ecms.config import Config
from connect_simulators.ecms.server import running
from connect_simulators.ecmscontrol import ControlFailed, EcmsControl
from connect_simulators.wire import PHILIPPINE_TIME, Answer, NoAnswer, WireClient, format_amount, parse_amount
from history.checker import check
from history.facts import gather
from history.index import Violation
from history.recording import Recorder, RecordingWire
from history.records import History, Parcel, digits

from connect_gateway.clock import SystemClock
from connect_gateway.keys import generate_keys_file
from connect_gateway.ledger.clients import ensure_client
from torture.gateways import GatewayProcess
from torture.nursery import Nursery

STORE = "0166"
MERCHANT = "001"
SECRET = secrets.token_urlsafe(32)
_POLL_S = 0.02
_AWAITED_S = 15.0


@dataclass
class Stage:
    """Everybody on it. Client applications are made as they are needed."""

    home: Path
    database_url: str
    gateways: list[GatewayProcess]
    recorder: Recorder
    ecms_url: str
    control: EcmsControl
    control_url: str
    parcels: list[Parcel] = field(default_factory=list)
    numbers: Callable[[], int] = field(default_factory=lambda: itertools.count(1).__next__)
    _clients: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    @property
    def gateway(self) -> GatewayProcess:
        return self.gateways[0]

    def wire(self, who: str, client_id: str, *, store: str = "", url: str | None = None) -> RecordingWire:
        """A client application of the gateway, or of whatever else listens at `url`."""
        made = RecordingWire(self.recorder, who, url or self.gateway.url, client_id, SECRET, store=store)
        self._clients.push_async_callback(made.close)
        return made

    def till(self, pos: int = 1, *, store: str = STORE, gateway: int = 0) -> RecordingWire:
        """A till's wire to one of the gateways."""
        url = self.gateways[gateway].url
        return self.wire(f"till {store}/{pos}", f"pos-{store}", store=store, url=url)

    async def close(self) -> None:
        await self._clients.aclose()

    async def ship(self, amount: str = "200.00", *, arrives: bool = True) -> Parcel:
        """A parcel that ECMS's merchant ships, at its store unless it does not arrive yet; 0.00 is a prepaid one."""
        number = self.numbers()
        merchant = self.wire("merchant", "merchant", url=self.ecms_url)
        body = {
            "merchantCode": MERCHANT,
            "merchant": "Merchant A",
            "mobileNumber": "09123456789",
            "merchantReference": f"ORDER-{number}",
            "deliveryLocationId": STORE,
            "shipping_weight": "0.5",
            "shipping_length": "12.3",
            "shipping_width": "12.3",
            "shipping_height": "12.3",
            "description": "item description",
            "amount": amount,
            "paymentType": "PREPAID" if amount == "0.00" else "COD",
        }
        pending = self.recorder.begin("merchant", "SHIP", body["merchantReference"], STORE, body)
        answer = await merchant.request("POST", "/ecms/api/v1/shipments", json=body)
        pending.end(answer)
        assert answer.status == 200, answer.raw
        assert answer.body
        kind = "CLAIM" if amount == "0.00" else "PAY_AND_CLAIM"
        made = Parcel(
            digits(answer.body["claimCode"]), kind, answer.body["trackingNumber"], STORE, parse_amount(amount)
        )
        self.parcels.append(made)
        if arrives:
            await self.advance(made, "DELIVERED TO STORE")
        return made

    async def advance(self, parcel: Parcel, to: str) -> None:
        """ECMS moves a parcel along its road and tells the gateway."""
        content = {"status": to, "location": STORE}
        pending = self.recorder.begin("ecms", "STATUS", parcel.tracking_number, STORE, content)
        try:
            await self.control.advance(parcel.tracking_number, to)
        except ControlFailed:
            pending.end(None)
            raise
        pending.end(Answer(204, {}, b"", None))

    async def order(self, amount: str = "200.00", *, arrives: bool = True, **fields: Any) -> Parcel:
        """A parcel of which the gateway knows and ECMS itself does not: the stage plays ECMS."""
        body = order_body(str(300_000_000_000_000_000 + self.numbers()), amount) | fields
        answer = await self.wire("ecms", "ecms").request("POST", "/ecms/v1/references", json=body)
        made = self.ordered(body, answer)
        if arrives:
            told = await self.wire("ecms", "ecms").request(
                "POST", "/ecms/v1/status", json=status_body(made, "DELIVERED TO STORE")
            )
            assert told.status == 204, told.raw
        return made

    def ordered(self, body: Mapping[str, Any], answer: Answer) -> Parcel:
        """The parcel of which the gateway was told."""
        assert answer.status == 201, answer.raw
        reference = digits((answer.body or {})["reference"])
        expires_at = datetime.fromisoformat(body["expiresAt"]) if "expiresAt" in body else None
        amount = parse_amount(body.get("amount", "0.00"))
        made = Parcel(reference, body["kind"], body["trackingNumber"], body.get("storeId"), amount, expires_at)
        if made not in self.parcels:
            self.parcels.append(made)
        return made

    async def token(self, grant: dict[str, str]) -> Answer | None:
        """What the token endpoint answers to the admin's credentials and `grant`."""
        form = {"client_id": "admin", "client_secret": SECRET, **grant}
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.post(f"{self.gateway.url}/accounts/oauth2/token", data=form) as response,
            ):
                return Answer(response.status, response.headers, await response.read(), await response.json())
        except (aiohttp.ClientError, OSError):
            return None

    async def execute(self, statement: str) -> None:
        """Changes the ledger behind the gateway's back."""
        connection = await asyncpg.connect(self.database_url, timeout=10)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def awaited(self, query: str) -> Any:
        """What a query finds in the ledger, as soon as it finds anything."""
        connection = await asyncpg.connect(self.database_url, timeout=10)
        try:
            async with asyncio.timeout(_AWAITED_S):
                while not (found := await connection.fetchval(query)):
                    await asyncio.sleep(_POLL_S)
        finally:
            await connection.close()
        return found

    async def booked(self) -> Parcel:
        """A drop-off that a seller has booked at ECMS, whose label is going to be printed: see `identifier`."""
        merchant = self.wire("merchant", "merchant", url=self.ecms_url)
        sides = {f"shipping_{side}": "12.3" for side in ("length", "width", "height")}
        body = {
            "merchantCode": MERCHANT,
            "merchantReference": f"SELLER-{self.numbers()}",
            "mobileNumber": "09123456789",
            "shipmentPayor": "SELLER",
            "dropoffLocationId": STORE,
            "deliveryType": "STORE",
            "dest": {"deliveryLocationId": STORE},
            "description": "item description",
            "amount": "0",
            "shipping_weight": "0.5",
            **sides,
        }
        answer = await merchant.request("POST", "/ecms/api/v1/dropoff", json=body)
        assert answer.status == 200, answer.raw
        booked = answer.body or {}
        tracking, fee = booked["trackingNumber"], parse_amount(booked["amountDue"])
        made = Parcel(digits(booked["returnCode"]), "DROP_OFF", tracking, None, fee, None, booked["bookingReference"])
        self.parcels += [made, Parcel(digits(booked["claimCode"]), "CLAIM", tracking, STORE, 0)]
        return made

    async def codes_that_differ(self) -> list[str]:
        """Returns whose code ECMS and the gateway do not agree on, now that ECMS has heard everything."""
        wrong = []
        for parcel in self.parcels:
            if parcel.kind == "RETURN" and parcel.identifier is not None:
                there = digits((await self.control.parcel(parcel.tracking_number))["returnCode"] or "")
                if there != parcel.reference:
                    wrong.append(f"the gateway gave {parcel.reference} for {parcel.identifier}, ECMS has {there}")
        return wrong

    async def returnable(self) -> str:
        """An identifier that its merchant lets customers return by."""
        identifier = f"RET-{self.numbers()}"
        merchant = self.wire("merchant", "merchant", url=self.ecms_url)
        body = {"merchantCode": MERCHANT, "identifiers": [identifier], "validDays": 30}
        answer = await merchant.request("POST", "/ecms/api/v1/returnIds", json=body)
        assert answer.status == 200, answer.raw
        return identifier

    def returned(self, identifier: str, answer: Answer) -> Parcel:
        """The return that a kiosk was given a code for."""
        body = answer.body or {}
        made = Parcel(
            digits(body["returnCode"]),
            "RETURN",
            body["trackingNumber"],
            None,
            0,
            datetime.fromisoformat(body["expiresAt"]),
            identifier,
        )
        if made not in self.parcels:
            self.parcels.append(made)
        return made

    async def ecms_fails(self, mode: str, probability: float = 1.0) -> None:
        """Makes ECMS fail at what the gateway asks of it, or, with `none`, not any more."""
        body = {"mode": mode, "probability": probability}
        async with (
            aiohttp.ClientSession() as session,
            session.put(f"{self.control_url}/faults", json=body) as answer,
        ):
            assert answer.status == 200, await answer.text()

    async def drained(self, within_s: float) -> bool:
        """Whether ECMS comes to hear all that it is to hear, save what waits for a person."""
        connection = await asyncpg.connect(self.database_url, timeout=10)
        try:
            async with asyncio.timeout(within_s):
                while await connection.fetchval(_BACKLOG):
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            return False
        finally:
            await connection.close()
        return True

    async def history(self) -> History:
        """All that happened, with what is found now."""
        tills: dict[str, WireClient] = {}
        for store in {STORE, *(one.store for one in self.recorder.operations if one.store)}:
            tills[store] = WireClient(self.gateway.url, f"pos-{store}", SECRET)
            self._clients.push_async_callback(tills[store].close)
        return await gather(
            self.recorder.done(), self.parcels, tills=tills, control=self.control, database_url=self.database_url
        )

    async def verdict(self) -> list[Violation]:
        """What the run breaks."""
        return check(await self.history())


# What stands behind an event that ECMS refused waits with it.
_BACKLOG = """
SELECT count(*) FROM event WHERE state <> 'TOLD' AND NOT EXISTS (
    SELECT FROM event AS stuck WHERE stuck.tracking_number = event.tracking_number AND stuck.state = 'REFUSED')
"""


def order_body(tracking_number: str, amount: str) -> dict[str, Any]:
    """The body in which ECMS asks for a parcel's reference."""
    prepaid = amount == "0.00"
    return {
        "kind": "CLAIM" if prepaid else "PAY_AND_CLAIM",
        "trackingNumber": tracking_number,
        "merchantCode": MERCHANT,
        "merchant": "Merchant A",
        "merchantReference": f"ORDER-{tracking_number}",
        "paymentType": "PREPAID" if prepaid else "COD",
        "amount": amount,
        "storeId": STORE,
        "description": "item description",
    }


def status_body(parcel: Parcel, status: str, at: datetime | None = None) -> dict[str, Any]:
    """The body in which ECMS tells where a parcel is."""
    return {
        "trackingNumber": parcel.tracking_number,
        "merchantReference": f"ORDER-{parcel.tracking_number}",
        "status": status,
        "location": STORE,
        "timestamp": (at or datetime.now(PHILIPPINE_TIME)).strftime("%Y-%m-%d %H:%M:%S"),
    }


def sale(parcel: Parcel, *, pos: int = 1, **fields: Any) -> dict[str, Any]:
    """The body of the transaction that a parcel is for; cash is 500.00, or whatever is due above it."""
    type_ = {"PAY_AND_CLAIM": "COLLECT", "CLAIM": "CLAIM", "RETURN": "ACCEPT_RETURN"}[parcel.kind]
    body: dict[str, Any] = {
        "type": type_,
        "reference": parcel.reference,
        "pos": str(pos),
        "shift": "1",
        "businessDate": datetime.now(PHILIPPINE_TIME).date().isoformat(),
        "clerk": "ana",
        "trackingNumber": parcel.tracking_number,
    }
    if type_ == "COLLECT":
        body |= {"tender": "CASH", "amountTendered": format_amount(max(50_000, parcel.amount))}
    return body | fields


async def attempted(wire: WireClient, method: str, path: str, body: Any = None) -> Answer | None:
    """One request; None where no answer came."""
    try:
        return await wire.request(method, path, json=body)
    except NoAnswer:
        return None


CLIENTS = (
    ("kiosk", "kiosk", STORE),
    ("ecms", "ecms", None),
    ("app", "app", None),
    ("admin", "admin", None),
)


async def admit_clients(database_url: str, stores: tuple[str, ...]) -> None:
    """The client applications of the gateway: a till's for each store, `pos-<store>`, and one for each other role."""
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        for client_id, role, store in (*((f"pos-{store}", "pos", store) for store in stores), *CLIENTS):
            await ensure_client(
                connection,
                client_id=client_id,
                secret=SECRET,
                role=role,
                store_id=store,
                pos=None,
                now=SystemClock().now(),
            )
    finally:
        await connection.close()


def gateway_settings(home: Path, database_url: str, ecms_url: str) -> dict[str, str]:
    """The settings that gateways on one database share."""
    keys = home / "keys.json"
    if not keys.exists():
        generate_keys_file(keys)
    return {
        "CONNECT_DATABASE_URL": database_url,
        "CONNECT_KEYS_FILE": str(keys),
        "CONNECT_ECMS_URL": ecms_url,
        "CONNECT_ECMS_CLIENT_SECRET": SECRET,
        "CONNECT_SANDBOX": "true",
    }


def ecms_config(home: Path, gateway_url: str, *, port: int = 0, control_port: int = 0) -> dict[str, Any]:
    """The configuration of the ECMS simulator."""
    merchant = {"clientId": "merchant", "role": "merchant", "merchantCode": MERCHANT, "merchant": "Merchant A"}
    return {
        "port": port,
        "controlPort": control_port,
        "dataFile": str(home / "ecms.sqlite"),
        "gateway": {"url": gateway_url, "clientId": "ecms", "clientSecret": SECRET},
        "clients": [
            {**merchant, "clientSecret": SECRET},
            {"clientId": "connect-gateway", "clientSecret": SECRET, "role": "gateway"},
        ],
    }


@contextlib.asynccontextmanager
async def stage(
    nursery: Nursery,
    database_url: str,
    home: Path,
    *,
    gateways: int = 1,
    stores: tuple[str, ...] = (STORE,),
    settings: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[Stage]:
    """A stage whose gateways are not started yet; ECMS lives in this process. What still runs in the end is killed.

    `settings` are settings of the gateways in place of the usual ones.
    """
    await admit_clients(database_url, stores)
    processes = [GatewayProcess(nursery, {}, home / f"gateway-{number + 1}.log") for number in range(gateways)]
    config = Config.model_validate(ecms_config(home, processes[0].url))
    async with running(config) as addresses, EcmsControl(addresses["ecmsControl"]) as control:
        for process in processes:
            process.settings.update(gateway_settings(home, database_url, addresses["ecms"]) | dict(settings))
        made = Stage(home, database_url, processes, Recorder(), addresses["ecms"], control, addresses["ecmsControl"])
        try:
            yield made
        finally:
            await made.close()
            for process in processes:
                await process.end()
