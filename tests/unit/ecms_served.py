"""A served ECMS simulator for tests that speak HTTP to it: behind it is nobody, or a gateway that takes everything."""

import itertools
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from connect_simulators.ecms.config import Config
from connect_simulators.ecms.server import running

SHIPMENT = {
    "merchantCode": "001",
    "merchant": "Merchant A",
    "mobileNumber": "09123456789",
    "merchantReference": "AXDY43322222524544",
    "deliveryLocationId": "0166",
    "shipping_weight": "0.5",
    "shipping_length": "12.3",
    "shipping_width": "12.3",
    "shipping_height": "12.3",
    "amount": "200.00",
    "paymentType": "COD",
}
PAYMENT = {
    "amount": "200.00",
    "receiptNumber": "0166-001-00000001",
    "store": "0166",
    "pos": "1",
    "shift": "1",
    "bdate": "2026-11-22",
}
SECRETS = {"shop-a": "a-secret", "shop-b": "b-secret", "connect-gateway": "g-secret"}


def config(data_file: Path, **changes: Any) -> Config:
    """Settings on free ports; where the gateway should be, nobody listens."""
    settings = {
        "port": 0,
        "controlPort": 0,
        "dataFile": str(data_file),
        "gateway": {"url": "http://127.0.0.1:9", "clientId": "ecms", "clientSecret": "unused"},
        "clients": [
            {
                "clientId": "shop-a",
                "clientSecret": "a-secret",
                "role": "merchant",
                "merchantCode": "001",
                "merchant": "Merchant A",
            },
            {
                "clientId": "shop-b",
                "clientSecret": "b-secret",
                "role": "merchant",
                "merchantCode": "002",
                "merchant": "Merchant B",
                "flow": "DC_PICKUP",
            },
            {"clientId": "connect-gateway", "clientSecret": "g-secret", "role": "gateway"},
        ],
    }
    return Config.model_validate_json(json.dumps({**settings, **changes}))


@dataclass
class Ecms:
    """A running simulator and one session to talk to it."""

    url: str
    control: str
    session: aiohttp.ClientSession

    async def token_request(self, form: dict[str, str], **options: Any) -> tuple[int, dict[str, Any]]:
        async with self.session.post(f"{self.url}/accounts/oauth2/token", data=form, **options) as answer:
            return answer.status, await answer.json()

    async def tokens(self, client_id: str) -> dict[str, Any]:
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": SECRETS[client_id],
        }
        status, body = await self.token_request(form)
        assert status == 200
        return body

    async def post(self, client_id: str, path: str, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
        token = (await self.tokens(client_id))["access_token"]
        headers = {"Authorization": f"Bearer {token}", **headers}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.session.post(self.url + path, data=raw, headers=headers) as answer:
            return answer.status, await answer.json()

    async def driven(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        async with self.session.request(method, self.control + path, json=body) as answer:
            return answer.status, await answer.json()

    async def shipment(self, **changes: str) -> str:
        """The tracking number of a shipment that is written down and waits for its claim code."""
        client = "shop-b" if changes.get("merchantCode") == "002" else "shop-a"
        status, answer = await self.post(client, "/ecms/api/v1/shipments", {**SHIPMENT, **changes})
        assert (status, answer["errorCode"]) == (503, "503")
        _, listed = await self.driven("GET", "/parcels?limit=1")
        number = listed["parcels"][0]["trackingNumber"]
        assert len(number) == 18
        return str(number)

    async def tell(self, tracking_number: str, status: str, **fields: Any) -> tuple[int, dict[str, Any]]:
        body = {
            "eventId": str(uuid.uuid4()),
            "trackingNumber": tracking_number,
            "merchantReference": "AXDY43322222524544",
            "status": status,
            "location": "0166",
            "timestamp": "2026-11-22 17:00:00",
            **fields,
        }
        return await self.post("connect-gateway", "/ecms/api/v1/status", body)

    async def give_back(self, identifier: str, **fields: str) -> tuple[int, dict[str, Any]]:
        body = {"merchantReference": identifier, "type": "RETURN", **fields}
        return await self.post("connect-gateway", "/ecms/api/v1/returns", body)

    async def history(self, tracking_number: str) -> list[dict[str, Any]]:
        _, parcel = await self.driven("GET", f"/parcels/{tracking_number}")
        events: list[dict[str, Any]] = parcel["events"]
        return events


@asynccontextmanager
async def serving(data_file: Path, **changes: Any) -> AsyncIterator[Ecms]:
    async with running(config(data_file, **changes)) as addresses, aiohttp.ClientSession() as session:
        yield Ecms(addresses["ecms"], addresses["ecmsControl"], session)


@asynccontextmanager
async def gateway() -> AsyncIterator[str]:
    """A gateway that issues references and takes every status."""
    references = itertools.count(991767890023)

    async def token(_: web.Request) -> web.Response:
        return web.json_response({"access_token": "t", "token_type": "bearer", "expires_in": 7200})

    async def reference(_: web.Request) -> web.Response:
        return web.json_response({"reference": str(next(references))}, status=201)

    async def status(_: web.Request) -> web.Response:
        return web.Response(status=204)

    application = web.Application()
    application.router.add_post("/accounts/oauth2/token", token)
    application.router.add_post("/ecms/v1/references", reference)
    application.router.add_post("/ecms/v1/status", status)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def ship(ecms: Ecms, reference: str, **changes: str) -> str:
    """The tracking number of a shipment that has its claim code; behind the simulator is `gateway`."""
    body = {**SHIPMENT, "merchantReference": reference, **changes}
    client = "shop-b" if body["merchantCode"] == "002" else "shop-a"
    status, answer = await ecms.post(client, "/ecms/api/v1/shipments", body)
    assert status == 200
    return str(answer["trackingNumber"])


@pytest.fixture
async def ecms(tmp_path: Path) -> AsyncIterator[Ecms]:
    async with serving(tmp_path / "ecms.sqlite") as served:
        yield served
