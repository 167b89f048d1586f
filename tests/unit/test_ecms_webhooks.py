"""Merchants are told over real HTTP: in order for each parcel, again until they answer 200, over restarts. 6 s."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from connect_simulators.ecms.merchant import Behaviour, MerchantEndpoint
from connect_simulators.ecms.signing import new_secret, signed_headers
from ecms_served import Ecms, ecms, serving
from test_ecms_process import Process

__all__ = ["ecms"]

TO_STORE = ["CREATED/ CONFIRMED", "DELIVERED TO WAREHOUSE", "FOR DELIVERY", "IN-TRANSIT"]


class Merchant(MerchantEndpoint):
    """A merchant's endpoint of which a test can wait for the next delivery, heard or not."""

    def __init__(self, secret: str) -> None:
        self.shown: asyncio.Queue[tuple[dict[str, Any], bool]] = asyncio.Queue()
        super().__init__(secret, lambda status, again: self.shown.put_nowait((status, again)))
        self.runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        self.runner = web.AppRunner(self.application(), handler_cancellation=True, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", self.port).start()
        self.port = self.runner.addresses[0][1]

    async def stop(self) -> None:
        if self.runner is not None:
            await self.runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/webhooks"

    async def hear(self, count: int) -> list[dict[str, Any]]:
        """The next so many statuses that it has not heard before."""
        heard: list[dict[str, Any]] = []
        async with asyncio.timeout(30):
            while len(heard) < count:
                status, again = await self.shown.get()
                if not again:
                    heard.append(status)
        return heard


@pytest.fixture
async def merchant() -> AsyncIterator[Merchant]:
    endpoint = Merchant(new_secret())
    await endpoint.start()
    yield endpoint
    await endpoint.stop()


async def subscribe(ecms: Ecms, merchant: Merchant, merchant_code: str = "001") -> None:
    status, answer = await ecms.driven(
        "PUT", f"/webhooks/{merchant_code}", {"url": merchant.url, "secret": merchant.secret}
    )
    assert (status, answer["secret"]) == (200, merchant.secret)


async def waiting(ecms: Ecms, merchant_code: str = "001") -> int:
    _, answer = await ecms.driven("GET", "/webhooks")
    return next(int(one["waiting"]) for one in answer["webhooks"] if one["merchantCode"] == merchant_code)


async def scan(ecms: Ecms, number: str, *statuses: str) -> None:
    for status in statuses:
        assert (await ecms.driven("POST", "/scan", {"trackingNumber": number, "status": status}))[0] == 200


async def test_a_merchant_is_told_every_status_in_the_published_shape(ecms: Ecms, merchant: Merchant) -> None:
    await subscribe(ecms, merchant, "002")
    number = await ecms.shipment(merchantCode="002", merchant="Merchant B")
    await scan(ecms, number, "FOR PICK UP", "REJECTED")
    created, for_pick_up, rejected = await merchant.hear(3)
    assert created.keys() == {"trackingNumber", "merchantReference", "status", "location", "timestamp"}
    assert created["trackingNumber"] == number
    assert created["merchantReference"] == "AXDY43322222524544"
    assert (created["status"], created["location"]) == ("CREATED/ CONFIRMED", "9900")
    history = await ecms.history(number)
    assert [one["timestamp"] for one in (created, for_pick_up, rejected)] == [one["timestamp"] for one in history]
    assert (rejected["status"], rejected["reason"]) == ("REJECTED", "Item was not handed over.")


@pytest.mark.parametrize("mode", ["error-500", "hang-up", "stall", "hear-then-fail"])
async def test_a_merchant_that_fails_is_told_again_and_in_order(tmp_path: Path, merchant: Merchant, mode: str) -> None:
    async with serving(tmp_path / "ecms.sqlite", webhookTimeoutS=0.5) as ecms:
        await subscribe(ecms, merchant)
        merchant.behaviour = Behaviour.model_validate({"mode": mode, "times": 3})
        number = await ecms.shipment()
        await scan(ecms, number, *TO_STORE[1:])
        assert [one["status"] for one in await merchant.hear(4)] == TO_STORE
        assert merchant.behaviour.mode == "none"


async def test_a_merchant_that_is_away_holds_up_nobody_else(tmp_path: Path, merchant: Merchant) -> None:
    async with serving(tmp_path / "ecms.sqlite", webhookTimeoutS=60) as ecms:
        stalled = Merchant(merchant.secret)
        stalled.behaviour = Behaviour(mode="stall")
        await stalled.start()
        await subscribe(ecms, stalled)
        await subscribe(ecms, merchant, "002")
        for place in range(20):
            await ecms.shipment(merchantReference=f"STALLED-{place}")
        number = await ecms.shipment(merchantCode="002", merchant="Merchant B")
        assert [one["trackingNumber"] for one in await merchant.hear(1)] == [number]
        assert await waiting(ecms) == 20
        await stalled.stop()


async def test_nothing_is_lost_when_either_side_is_restarted(tmp_path: Path, merchant: Merchant) -> None:
    async with serving(tmp_path / "ecms.sqlite") as ecms:
        await subscribe(ecms, merchant)
        number = await ecms.shipment()
        await merchant.hear(1)
        await merchant.stop()
        await scan(ecms, number, *TO_STORE[1:])
        assert await waiting(ecms) == 3
    await merchant.start()
    async with serving(tmp_path / "ecms.sqlite") as ecms:
        assert [one["status"] for one in await merchant.hear(3)] == TO_STORE[1:]
        await scan(ecms, number, "ON VEHICLE TO STORE")
        assert [one["status"] for one in await merchant.hear(1)] == ["ON VEHICLE TO STORE"]


async def test_kill_9_loses_no_status_that_a_merchant_has_not_heard(tmp_path: Path, merchant: Merchant) -> None:
    shop = {"clientId": "shop-a", "clientSecret": "a-secret", "role": "merchant", "merchantCode": "001"}
    webhook = {"url": merchant.url, "secret": merchant.secret}
    settings = {
        "port": 0,
        "controlPort": 0,
        "dataFile": str(tmp_path / "ecms.sqlite"),
        "gateway": {"url": "http://127.0.0.1:9", "clientId": "ecms", "clientSecret": "unused"},
        "clients": [{**shop, "merchant": "Merchant A", "webhook": webhook}],
    }
    config = tmp_path / "ecms.json"
    config.write_text(json.dumps(settings))
    await merchant.stop()
    async with aiohttp.ClientSession() as session:
        first = Process(config)
        ecms = Ecms(first.addresses["ecms"], first.addresses["ecmsControl"], session)
        number = await ecms.shipment()
        await scan(ecms, number, *TO_STORE[1:])
        first.end(signal.SIGKILL)
        await merchant.start()
        second = Process(config)
        assert [one["status"] for one in await merchant.hear(4)] == TO_STORE
        assert second.end(signal.SIGTERM) == 0


async def test_a_redirect_is_not_followed_and_anything_but_200_is_no_answer(ecms: Ecms, merchant: Merchant) -> None:
    answers = iter([web.Response(status=302, headers={"Location": merchant.url}), web.Response(status=204)])
    bodies: list[bytes] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.read())
        return next(answers, None) or web.Response()

    application = web.Application()
    application.router.add_post("/", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    assert (await ecms.driven("PUT", "/webhooks/001", {"url": url}))[0] == 200
    number = await ecms.shipment()
    async with asyncio.timeout(20):
        while await waiting(ecms):
            await next_change(ecms)
    await runner.cleanup()
    assert len(bodies) == 3
    assert len(set(bodies)) == 1
    assert json.loads(bodies[0])["trackingNumber"] == number
    assert merchant.shown.empty()


async def next_change(ecms: Ecms) -> None:
    """Returns once the simulator has written something down, or within a second."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1), ecms.session.get(ecms.control + "/changes") as stream:
            await stream.content.readuntil(b"\r\n\r\n")


async def test_who_subscribes_late_hears_what_happens_from_then_on(ecms: Ecms, merchant: Merchant) -> None:
    number = await ecms.shipment()
    await subscribe(ecms, merchant)
    await scan(ecms, number, "DELIVERED TO WAREHOUSE")
    assert [one["status"] for one in await merchant.hear(1)] == ["DELIVERED TO WAREHOUSE"]


async def test_a_new_address_takes_over_what_the_old_one_has_not_heard(ecms: Ecms, merchant: Merchant) -> None:
    gone = Merchant(merchant.secret)
    await gone.start()
    await gone.stop()
    await subscribe(ecms, gone)
    number = await ecms.shipment()
    _, answer = await ecms.driven("PUT", "/webhooks/001", {"url": merchant.url})
    assert answer["secret"] == merchant.secret
    assert [one["trackingNumber"] for one in await merchant.hear(1)] == [number]


async def test_who_unsubscribes_hears_nothing_more(ecms: Ecms, merchant: Merchant) -> None:
    await subscribe(ecms, merchant)
    async with ecms.session.delete(ecms.control + "/webhooks/001") as answer:
        assert answer.status == 204
    async with ecms.session.delete(ecms.control + "/webhooks/001") as answer:
        assert answer.status == 404
    await ecms.shipment()
    assert (await ecms.driven("GET", "/webhooks"))[1] == {"webhooks": []}


@pytest.mark.parametrize(
    ("merchant_code", "body", "status"),
    [
        ("999", {"url": "http://127.0.0.1:1/"}, 404),
        ("001", {"url": "file:///etc/hosts"}, 400),
        ("001", {"url": "http://user@127.0.0.1/"}, 400),
        ("001", {"url": "http://127.0.0.1:1/", "secret": "short"}, 400),
        ("001", {}, 400),
    ],
)
async def test_what_is_no_webhook(ecms: Ecms, merchant_code: str, body: dict[str, str], status: int) -> None:
    assert (await ecms.driven("PUT", f"/webhooks/{merchant_code}", body))[0] == status


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"trackingNumber":1,"merchantReference":"","status":"","location":"","timestamp":""}']
)
async def test_the_endpoint_takes_nothing_but_signed_statuses(merchant: Merchant, body: bytes) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.post(merchant.url, data=body) as answer:
            assert answer.status == 401
        headers = signed_headers(merchant.secret, "1", int(merchant.now().timestamp()), body)
        async with session.post(merchant.url, data=body, headers=headers) as answer:
            assert answer.status == 400


async def test_the_command_hears_prints_and_fails_as_it_is_told(ecms: Ecms) -> None:
    options = ["--control-url", ecms.control, "--fail", "error-500", "--times", "2", "--json"]
    command = [sys.executable, "-m", "connect_simulators.ecms", "merchant", *options]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(60):
        address = json.loads(await process.stdout.readline())
        assert address["secret"].startswith("whsec_")
        number = await ecms.shipment()
        heard = json.loads(await process.stdout.readline())
        assert (heard["trackingNumber"], heard["status"], heard["again"]) == (number, "CREATED/ CONFIRMED", False)
        async with ecms.session.get(address["merchant"].replace("/webhooks", "/received")) as answer:
            assert [one["trackingNumber"] for one in (await answer.json())["received"]] == [number]
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
