"""Whole ways through everything, from the first touch of the kiosk on. About 20 s.

A return: kiosk, counter, ECMS, the merchant's own system, the list of what the trucker takes. A drop-off: the
seller's booking at ECMS, its label from the kiosk.
"""

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from browser import browser, shot
from connect_simulators.ecms.signing import verify
from connect_simulators.ecmscontrol import EcmsControl
from connect_simulators.wire import WireClient
from partners import Till
from playwright.async_api import BrowserContext, expect

from connect_gateway.clock import PHILIPPINE_TIME

ORDER = "ROAD-2026-0001"
DROPPED_OFF_ORDER = "ROAD-2026-0002"


class Merchant:
    """A shop's own system: what it was told, each with a signature that holds."""

    def __init__(self) -> None:
        self.secret = ""
        self.told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def hear(self, request: web.Request) -> web.Response:
        body = await request.read()
        verify(self.secret, request.headers, body, time.time())
        self.told.put_nowait(json.loads(body))
        return web.Response()

    async def hears(self, status: str, order: str) -> dict[str, Any]:
        """The next thing it is told of this status and order.

        What the sandbox begins with reaches ECMS once the sandbox is ready, so it may be among what the shop hears.
        """
        async with asyncio.timeout(30):
            while True:
                told = await self.told.get()
                if (told["status"], told["merchantReference"]) == (status, order):
                    return told


async def test_from_the_kiosk_to_the_counter_to_the_merchant_and_the_trucker(
    start_sandbox: Callable[..., Any],
) -> None:
    sandbox = await asyncio.to_thread(start_sandbox, pages=True)
    merchant = Merchant()
    app = web.Application()
    app.router.add_post("/", merchant.hear)
    async with (
        TestServer(app, host="127.0.0.1") as shop,
        aiohttp.ClientSession() as session,
        EcmsControl(sandbox.facts["ecmsControl"]) as ecms,
        browser(1080, 1920, has_touch=True) as window,
    ):
        await the_merchant_allows_the_return(sandbox.facts, session, merchant, str(shop.make_url("/")))
        code = await the_customer_gets_a_code(window, sandbox.facts["pages"]["kiosk"])
        tracking_number = (await merchant.hears("FOR RETURN", ORDER))["trackingNumber"]

        client = sandbox.facts["clients"]["pos"]
        till = Till(session, sandbox.facts["gateway"], client["clientId"], client["clientSecret"])
        await till.log_in()
        taken = await till.put(str(uuid.uuid4()), till.body("ACCEPT_RETURN", code))
        assert taken.status == 201, taken.raw
        assert (taken.json["verdict"]["parcel"], taken.json["trackingNumber"]) == ("ACCEPT", tracking_number)
        receipt = await till.call("GET", f"/pos/v1/receipts/{taken.json['receipt']['number']}")
        assert code in "\n".join(receipt.json["text"])

        returned = await merchant.hears("RETURNED", ORDER)
        assert (returned["trackingNumber"], returned["location"]) == (tracking_number, "0166")
        await ecms.advance(tracking_number, "FOR PULL OUT")
        applied = [event["status"] for event in await ecms.history(tracking_number) if event["applied"]]
        assert applied[-3:] == ["FOR RETURN", "RETURNED", "FOR PULL OUT"]
        await merchant.hears("FOR PULL OUT", ORDER)
        assert tracking_number in await the_truckers_list(sandbox.facts, session)
        await ecms_shows_it(window, sandbox.facts["pages"]["ecms"], tracking_number)

        booked = await the_seller_books(sandbox.facts)
        await the_seller_prints_the_label(window, sandbox.facts["pages"]["kiosk"], booked["bookingReference"])
        assert (await merchant.hears("FOR DROP OFF", DROPPED_OFF_ORDER))["trackingNumber"] == booked["trackingNumber"]


async def the_merchant_allows_the_return(
    facts: dict[str, Any], session: aiohttp.ClientSession, merchant: Merchant, url: str
) -> None:
    async with session.put(f"{facts['ecmsControl']}/webhooks/001", json={"url": url}) as answer:
        assert answer.status == 200, await answer.text()
        merchant.secret = (await answer.json())["secret"]
    client = facts["clients"]["merchant"]
    async with WireClient(facts["ecms"], client["clientId"], client["clientSecret"]) as ecms:
        body = {"merchantCode": "001", "identifiers": [ORDER], "validDays": 30}
        answer = await ecms.request("POST", "/ecms/api/v1/returnIds", json=body)
    assert answer.status == 200, answer.raw


async def the_customer_gets_a_code(window: BrowserContext, url: str) -> str:
    page = await window.new_page()
    await page.goto(url)
    await page.get_by_role("link", name="Return an item").tap()
    await page.get_by_role("link", name="Order number").tap()
    for sign in ORDER:
        await page.locator(f'[data-key="{sign}"]').tap()
    await page.get_by_role("button", name="Continue").tap()
    await page.get_by_role("button", name="Continue without it").tap()
    await page.get_by_role("button", name="Get my RETURN CODE").tap()
    code = await page.locator("#code").inner_text()
    await shot(page, "way-kiosk")
    await page.close()
    return code


async def the_seller_books(facts: dict[str, Any]) -> dict[str, Any]:
    client = facts["clients"]["merchant"]
    body = {
        "merchantCode": "001",
        "mobileNumber": "09123456789",
        "merchantReference": DROPPED_OFF_ORDER,
        "shipping_weight": "0.5",
        "shipping_length": "12.3",
        "shipping_width": "12.3",
        "shipping_height": "12.3",
        "amount": "0",
        "paymentType": "PREPAID",
        "shipmentPayor": "SELLER",
        "dropoffLocationId": "0166",
        "deliveryType": "STORE",
        "dest": {"deliveryLocationId": "0170"},
    }
    async with WireClient(facts["ecms"], client["clientId"], client["clientSecret"]) as ecms:
        answer = await ecms.request("POST", "/ecms/api/v1/dropoff", json=body)
    assert answer.status == 200, answer.raw
    return dict(answer.body or {})


async def the_seller_prints_the_label(window: BrowserContext, url: str, booking_reference: str) -> None:
    page = await window.new_page()
    await page.goto(url)
    await page.get_by_role("link", name="Send a parcel").tap()
    for sign in booking_reference:
        await page.locator(f'[data-key="{sign}"]').tap()
    await page.get_by_role("button", name="Find it").tap()
    await page.get_by_role("button", name="Print the label").tap()
    await expect(page.locator("#paper")).to_contain_text("Your label is printed.")
    await shot(page, "way-label")


async def the_truckers_list(facts: dict[str, Any], session: aiohttp.ClientSession) -> str:
    """Today's Authority to Pull-out."""
    today = datetime.now(PHILIPPINE_TIME).date()
    async with session.get(f"{facts['ecmsControl']}/documents/apo/{today}.csv") as answer:
        assert answer.status == 200
        return await answer.text()


async def ecms_shows_it(window: BrowserContext, url: str, tracking_number: str) -> None:
    page = await window.new_page()
    await page.set_viewport_size({"width": 1280, "height": 800})
    await page.goto(f"{url}parcels/{tracking_number}")
    for status in ("FOR RETURN", "RETURNED", "FOR PULL OUT"):
        await expect(page.get_by_text(status, exact=True).first).to_be_visible()
    await shot(page, "way-ecms")
