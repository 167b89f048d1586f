"""The console of the ECMS simulator in Chromium: what a person sees and switches, and what comes of it. 15 s."""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from browser import browser, shot
from ecms_served import PAYMENT, Ecms, gateway, serving, ship
from playwright.async_api import Page, expect

NOON = "2027-01-04T09:30:00+08:00"


@pytest.fixture
async def ecms(tmp_path: Path) -> AsyncIterator[Ecms]:
    async with gateway() as url:
        address = {"url": url, "clientId": "ecms", "clientSecret": "unused"}
        async with serving(tmp_path / "ecms.sqlite", gateway=address) as served:
            await served.driven("PUT", "/clock", {"now": NOON})
            yield served


async def open_page(page: Page, ecms: Ecms, path: str = "/console/") -> list[str]:
    """Opens a page; what the browser complains of is added to the list."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(ecms.control + path)
    return complaints


async def test_parcels_are_found_followed_and_scanned_and_the_page_follows_by_itself(ecms: Ecms) -> None:
    number = await ship(ecms, "AXDY43322222524544")
    for place, (store, amount) in enumerate(itertools.product(("0012", "0251", "0330", "0390"), ("0", "1499.00"))):
        paid = {"amount": amount, "paymentType": "" if amount == "0" else "COD"}
        await ship(ecms, f"ORDER-{place:04d}", deliveryLocationId=store, **paid)
    await ship(ecms, "SELLER-77", merchantCode="002", merchant="Merchant B")
    async with browser(1440, 900) as context:
        page = await context.new_page()
        complaints = await open_page(page, ecms)
        rows = page.locator("#list tbody tr")
        await expect(rows).to_have_count(10)
        await ecms.driven("POST", "/advance", {"trackingNumber": number, "to": "IN-TRANSIT"})
        await expect(rows.filter(has_text="IN-TRANSIT")).to_have_count(1)
        await shot(page, "ecms-parcels")
        await page.fill("#search", "order-")
        await expect(rows).to_have_count(8)
        await page.select_option("#zone", "Mindanao")
        await expect(rows).to_have_count(2)
        assert "zone=Mindanao" in page.url
        await page.goto(f"{ecms.control}/console/?search=AXDY")
        await rows.get_by_role("link").click()
        await expect(page.locator("#status")).to_have_text("IN-TRANSIT")
        moves = page.locator(".move")
        await expect(moves).to_have_text(["ON VEHICLE TO STORETrucker scanning"])
        for status in ("ON VEHICLE TO STORE", "ARRIVED AT STORE", "DELIVERED TO STORE"):
            await moves.filter(has_text=status).click()
            await expect(page.locator("#status")).to_have_text(status)
        assert (await ecms.tell(number, "CLAIMED", payment=PAYMENT, timestamp="2027-01-04 09:31:00"))[0] == 200
        await expect(page.locator("#status")).to_have_text("CLAIMED")
        await expect(page.locator(".timeline .status")).to_have_count(8)
        await expect(page.locator(".told.heard")).to_have_count(6)
        await expect(moves).to_have_count(0)
        await shot(page, "ecms-parcel")
        assert not complaints


async def test_a_merchant_that_is_not_told_is_seen_and_the_counter_wins_over_a_pull_out(ecms: Ecms) -> None:
    await ecms.driven("PUT", "/webhooks/001", {"url": "http://127.0.0.1:9/"})
    number = await ship(ecms, "AXDY43322222524544", deliveryLocationId="0390")
    await ecms.driven("POST", "/advance", {"trackingNumber": number, "to": "DELIVERED TO STORE"})
    await ecms.driven("PUT", "/clock", {"advanceSeconds": 8 * 86_400})
    claim = {"payment": {**PAYMENT, "store": "0390"}, "location": "0390", "timestamp": "2027-01-12 09:31:00"}
    assert (await ecms.tell(number, "CLAIMED", **claim))[0] == 200
    async with browser(1440, 1100) as context:
        page = await context.new_page()
        complaints = await open_page(page, ecms, f"/console/parcels/{number}")
        await expect(page.locator(".told.failed").first).to_be_visible()
        await expect(page.locator(".event.flagged .note")).to_contain_text(
            ["Paid PHP 200.00", "CLAIMED after FOR PULL OUT"]
        )
        await expect(page.locator(".lapse")).to_have_count(1)
        await expect(page.get_by_role("button", name="Tell them now")).to_be_visible()
        await shot(page, "ecms-parcel-flagged")
        await page.get_by_role("link", name="Documents").click()
        await expect(page.locator("#documents tbody tr")).to_have_count(2)
        await shot(page, "ecms-documents")
        assert not complaints


async def test_faults_the_clock_and_jobs_are_switched(ecms: Ecms) -> None:
    number = await ship(ecms, "SELLER-77", merchantCode="002", merchant="Merchant B")
    async with browser(1440, 1000) as context:
        page = await context.new_page()
        complaints = await open_page(page, ecms, "/console/controls")
        await page.get_by_label("Applies, then fails").check()
        await page.get_by_role("button", name="Switch").click()
        await expect(page.locator("#state .badge.red")).to_have_text("Failing: apply-then-fail")
        assert (await ecms.driven("GET", "/faults"))[1] == {"mode": "apply-then-fail", "probability": 1.0}
        await shot(page, "ecms-controls")
        await ecms.driven("PUT", "/faults", {"mode": "none"})
        await expect(page.locator("#state .badge")).to_have_count(0)
        await page.get_by_role("button", name="Pick-up document").click()
        await expect(page.get_by_role("status")).to_have_text("Pick-up document: 1 moved.")
        await page.get_by_role("button", name="Next 08:00").click()
        await expect(page.locator(".huge")).to_contain_text("Tue 05 Jan 08:00")
        await page.get_by_label("Set to").fill("2027-02-01T10:00")
        await page.get_by_label("Speed").select_option("3600")
        await page.get_by_role("button", name="Set", exact=True).click()
        await expect(page.locator("#state .speed")).to_have_text("× 3600")
        assert (await ecms.history(number))[-1]["status"] == "FOR PICK UP"
        assert not complaints


@pytest.mark.parametrize(
    ("path", "form", "status"),
    [
        ("/parcels/303105332614281205", None, 404),
        ("/?flagged=perhaps", None, 400),
        ("/controls/faults", {"mode": "fire"}, 400),
        ("/controls/faults", {"mode": "down", "percent": "1e9"}, 400),
        ("/controls/clock", {"at": "yesterday"}, 400),
        ("/controls/clock", {"at": "9999-01-01T00:00"}, 400),
        ("/controls/clock", {"speed": "0"}, 400),
        ("/controls/jobs", {"job": "sleep"}, 400),
        ("/parcels/303105332614281205/scan", {"status": "CLAIMED", "trigger": "POS"}, 400),
    ],
)
async def test_what_the_console_refuses(ecms: Ecms, path: str, form: dict[str, Any] | None, status: int) -> None:
    method = "GET" if form is None else "POST"
    async with ecms.session.request(method, f"{ecms.control}/console{path}", data=form) as answer:
        assert (answer.status, answer.content_type) == (status, "text/html")


async def test_a_scan_that_came_too_late_is_refused_with_what_is_possible(ecms: Ecms) -> None:
    number = await ship(ecms, "ORDER-1")
    form = {"status": "IN-TRANSIT", "trigger": "DC scanning"}
    async with ecms.session.post(f"{ecms.control}/console/parcels/{number}/scan", data=form) as answer:
        assert "DELIVERED TO WAREHOUSE by DC scanning" in await answer.text()
    assert len(await ecms.history(number)) == 1


async def test_another_sites_page_switches_nothing(ecms: Ecms) -> None:
    headers = {"Origin": "http://elsewhere.example"}
    async with ecms.session.post(
        f"{ecms.control}/console/controls/faults", data={"mode": "down"}, headers=headers
    ) as answer:
        assert answer.status == 403
    assert (await ecms.driven("GET", "/faults"))[1]["mode"] == "none"


async def test_an_open_page_does_not_hold_up_the_end(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as session, serving(tmp_path / "ecms.sqlite") as served:
        stream = await session.get(served.control + "/console/live")
        assert stream.content_type == "text/event-stream"
    async with aiohttp.ClientSession() as session, serving(tmp_path / "ecms.sqlite") as served:
        assert (await served.driven("GET", "/faults"))[0] == 200
