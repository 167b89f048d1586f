"""The till in a real browser, before a real gateway: a clerk who scans, types and clicks. About half a minute."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from clerk import Clerk, a_clerk
from playwright.async_api import expect
from world import SECRET, World


@pytest.fixture
async def clerk(world: World, tmp_path: Path) -> AsyncIterator[Clerk]:
    async with a_clerk(world.url, tmp_path / "till") as made:
        yield made


async def test_a_customer_pays_and_takes_a_parcel(world: World, clerk: Clerk) -> None:
    parcel = await world.ecms.ship_to_store(amount="349.00")
    await clerk.open_shift()
    await clerk.scan(parcel.reference, "label")
    await expect(clerk.page.locator(".huge")).to_contain_text("349.00")
    await expect(clerk.page.locator(".hint")).to_have_text(parcel.tracking_number[-4:])
    await clerk.shot("label")
    await clerk.scan("300000000000000000")
    await clerk.band("red", "Wrong parcel")
    await clerk.shot("wrong-label")
    await clerk.scan(f"]C1{parcel.tracking_number}", "cash")
    await clerk.shot("cash")
    await clerk.scan("300")
    await clerk.band("red", "Not enough: ₱49.00 more")
    await clerk.press("F4", "result")
    await clerk.band("green", "Paid. Hand over the parcel.")
    await expect(clerk.page.locator(".change")).to_contain_text("151.00")
    receipt = clerk.page.get_by_role("img", name=re.compile("Receipt 0166-001-"))
    await expect(receipt).to_be_visible()
    assert await receipt.evaluate("image => image.naturalWidth") > 500
    await clerk.shot("paid")
    text = await clerk.page.request.get(clerk.url + (await receipt.get_attribute("src"))[1:].replace(".png", ".txt"))
    assert "Change                PHP 151.00" in await text.text()
    await clerk.scan("", "ready")
    [row] = await world.fetch("SELECT type, amount_due, amount_tendered FROM transaction")
    assert tuple(row) == ("COLLECT", 34_900, 50_000)


async def test_a_scanner_does_not_wait_for_answers(world: World, clerk: Clerk) -> None:
    parcel = await world.ecms.ship_to_store(amount="349.00")
    await clerk.open_shift()
    for typed in (parcel.reference, f"]C1{parcel.tracking_number}", "500"):
        await clerk.scan(typed)
    await clerk.at("result")
    await expect(clerk.page.locator(".change")).to_contain_text("151.00")


async def test_a_reload_and_a_second_tab_find_the_same_visit(world: World, clerk: Clerk) -> None:
    first, second = [await world.ecms.ship_to_store(amount=amount) for amount in ("200.00", "349.50")]
    prepaid = await world.ecms.ship_to_store(amount="0.00")
    await clerk.open_shift()
    for parcel in (first, second, prepaid):
        await clerk.scan(parcel.reference, "label")
        await clerk.scan(parcel.tracking_number)
    await clerk.at("cash")
    await expect(clerk.page.locator(".huge")).to_contain_text("549.50")
    await clerk.shot("several")
    other = replace(clerk, page=await clerk.page.context.new_page())
    await other.page.goto(clerk.url)
    await expect(other.page.locator(".item")).to_have_count(3)
    await clerk.page.reload()
    await clerk.scan("600", "result")
    await other.at("result")
    for page in (clerk.page, other.page):
        await expect(page.locator(".verdict")).to_have_count(3)
        await expect(page.locator(".change")).to_contain_text("50.50")
    await clerk.shot("several-paid")
    assert len(clerk.terminal.sales()) == 3


async def test_what_cannot_be_sold_is_told_apart(world: World, clerk: Clerk) -> None:
    waiting = await world.ecms.ship(amount="100.00")
    elsewhere = await world.ecms.ship_to_store(amount="100.00", store_id="0200")
    refused = await world.ecms.ship_to_store(amount="120.00")
    await clerk.open_shift()
    for typed, says in (
        (waiting.reference, "has not arrived yet"),
        (elsewhere.reference, "another store"),
        ("9999-9999-9999", "Nobody knows this code"),
        ("hello", "is not a code"),
        (refused.tracking_number, "Scan the customer's code first"),
    ):
        await clerk.scan(typed)
        await expect(clerk.page.locator(".notice")).to_contain_text(says)
    await clerk.scan(refused.reference, "label")
    await clerk.press("F8", "problem")
    await clerk.press("F4", "aside")
    await expect(clerk.page.locator(".guide li")).to_have_count(3)
    await clerk.shot("missing")
    await clerk.press("F2", "ready")
    # Meanwhile somebody else has done it: the gateway's word counts, and the cash goes back.
    await clerk.scan(refused.reference, "label")
    await clerk.scan(refused.tracking_number, "cash")
    assert (await world.till.collect(refused)).status == 201
    await clerk.press("F2", "result")
    await clerk.band("red", "This code was used before")
    await expect(clerk.page.get_by_text("Give back", exact=True)).to_be_visible()
    await expect(clerk.page.locator(".huge")).to_contain_text("120.00")
    await clerk.shot("refused")


async def test_a_sale_is_found_again_reprinted_and_voided(world: World, clerk: Clerk) -> None:
    parcel = await world.ecms.ship_to_store(amount="349.00")
    await clerk.open_shift()
    await clerk.sell(parcel, "500")
    [sale] = clerk.terminal.sales()
    assert sale.receipt_number is not None
    await clerk.press("F7", "sales")
    await clerk.press("ArrowDown")
    await clerk.press("Enter", "sale")
    await clerk.press("Escape", "sales")
    await clerk.shot("sales")
    await clerk.scan(sale.receipt_number, "sale")
    await clerk.press("F2")
    await clerk.band("green", "copy 1")
    await clerk.shot("reprinted")
    await clerk.press("F3")
    await clerk.band("green", "The gateway has it: sold.")
    await clerk.press("F4", "void")
    await clerk.shot("void")
    await clerk.press("F6", "gone")
    await clerk.press("Escape", "sale")
    await clerk.press("F4", "void")
    await clerk.press("F4", "sale")
    await clerk.band("green", "Undone. Give the cash back")
    await expect(clerk.page.locator(".huge")).to_contain_text("349.00")
    await clerk.shot("voided")
    assert [sale.state for sale in clerk.terminal.sales()] == ["REVERSED"]
    await clerk.sell(parcel, "349")
    await clerk.band("green", "Paid")


async def test_in_training_nothing_reaches_the_ledger(world: World, clerk: Clerk) -> None:
    await clerk.open_shift()
    await clerk.press("F10", "more")
    await clerk.press("F2", "ready")
    await expect(clerk.page.get_by_text("TRAINING")).to_be_visible()
    await clerk.shot("training")
    practice = next(each for each in clerk.terminal.training_parcels() if each["action"] == "COLLECT")
    await clerk.page.get_by_role("button", name=practice["reference"]).click()
    await clerk.at("label")
    await clerk.scan(practice["label"], "cash")
    await clerk.press("F2", "result")
    await clerk.shot("training-result")
    await clerk.press("F10", "more")
    await clerk.press("F2", "ready")
    await expect(clerk.page.get_by_text("TRAINING")).to_be_hidden()
    assert clerk.terminal.sales() == []
    assert await world.fetch("SELECT FROM transaction") == []


async def test_the_till_speaks_filipino_and_shows_the_wire_without_secrets(world: World, clerk: Clerk) -> None:
    parcel = await world.ecms.ship_to_store(amount="349.00")
    await clerk.open_shift()
    await clerk.page.get_by_role("button", name="Filipino").click()
    await expect(clerk.page.get_by_role("heading", name="I-scan ang code ng customer")).to_be_visible()
    await clerk.sell(parcel, "400")
    await clerk.band("green", "Bayad na. Ibigay ang parsela.")
    await clerk.shot("filipino")
    await clerk.press("F1", "help")
    await clerk.page.goto(clerk.url + "wire")
    await clerk.page.locator("summary").filter(has_text="/pos/v1/transactions/").first.click()
    await expect(clerk.page.locator("details[open]").first).to_contain_text(parcel.tracking_number)
    await clerk.shot("wire")
    shown = await clerk.page.content()
    assert SECRET not in shown
    assert "access_token" not in shown


async def test_what_no_page_sends_changes_nothing(world: World, clerk: Clerk) -> None:
    await clerk.open_shift()
    ask = clerk.page.request
    for path, form, status in (
        ("do/nothing", {}, 404),
        ("do/scan", {}, 400),
        ("do/remove", {"reference": "x"}, 400),
        ("do/remove", {"reference": "x", "why": "none"}, 200),
        ("do/panel", {"name": "../../etc/passwd"}, 200),
        ("do/panel", {"name": "sale", "id": "unknown"}, 200),
        ("do/open-shift", {"clerk": "a b"}, 200),
        ("do/close-shift", {"100000": "-1"}, 200),
        ("paper/0166-001-99999999.png", None, 404),
        ("part/secrets", None, 404),
    ):
        answer = await (ask.get(clerk.url + path) if form is None else ask.post(clerk.url + path, form=form))
        assert answer.status == status, path
    forged = await ask.post(clerk.url + "do/scan", form={"text": "1"}, headers={"Origin": "http://elsewhere.example"})
    assert forged.status == 403
    await clerk.scan("<b>&", "ready")
    await expect(clerk.page.locator(".notice")).to_contain_text("“<b>&” is not a code")
    assert await world.fetch("SELECT FROM transaction") == []


async def test_touch_alone_is_enough(world: World, clerk: Clerk) -> None:
    parcel = await world.ecms.ship_to_store(amount="349.00")
    await clerk.open_shift()
    await clerk.scan(parcel.reference, "label")
    await clerk.scan(parcel.tracking_number, "cash")
    for sign in "1400":
        await clerk.page.locator(f'[data-sign="{sign}"]').click()
    await clerk.page.get_by_label("Delete").click()
    await expect(clerk.page.get_by_label("Scan or type")).to_have_value("140")
    await clerk.page.locator('[data-sign="00"]').click()
    await clerk.page.get_by_role("button", name="Enter").click()
    await clerk.at("result")
    await expect(clerk.page.locator(".change")).to_contain_text("13,651.00")


async def test_a_shift_that_does_not_add_up_says_what_is_missing(world: World, clerk: Clerk) -> None:
    parcel = await world.ecms.ship_to_store(amount="349.00")
    await clerk.open_shift(thousands=1)
    await clerk.sell(parcel, "349")
    await clerk.press("F9", "shift")
    await clerk.page.get_by_label("₱1000").fill("1")
    await clerk.page.get_by_label("₱100", exact=True).fill("3")
    await expect(clerk.page.locator("[data-total]")).to_have_text("₱1,300.00")
    await clerk.shot("closing")
    await clerk.press("F2", "closed")
    await clerk.band("amber", "with differences")
    await expect(clerk.page.locator(".huge")).to_contain_text("49.00")
    await clerk.shot("short")
    await clerk.press("F2", "opening")
