"""The kiosk's screen in Chromium, by touch, and its pages over HTTP, on a real gateway. About 30 s."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import zxingcpp
from aiohttp.test_utils import TestServer, unused_port
from browser import browser, shot
from connect_simulators.kiosk import Kiosk
from connect_simulators.kiosk.pages import kiosk_app
from connect_simulators.kiosk.printer import Printer
from connect_simulators.patience import Patience
from connect_simulators.wire import Credentials
from partners import ecms_time, next_tracking_number
from PIL import Image
from playwright.async_api import Page, expect
from world import SECRET, World

from connect_printing import escpos

UPRIGHT, ACROSS = (1080, 1920), (1280, 800)
PATIENCE = Patience(timeout_s=5, first_wait_s=0.05, longest_wait_s=0.1, give_up_s=0.3)
ORDER = "AXDY43322222524544"

# Whatever can be touched is large enough for a finger, and nothing lies beside the screen or under another thing.
_TOO_SMALL = """() => [...document.querySelectorAll('a, button, input:not([type=hidden])')]
    .filter(one => one.checkVisibility() && !one.matches('.skip'))
    .filter(one => { const box = one.getBoundingClientRect();
        return box.height < 44 || box.width < 44 || box.left < 0 || box.right > innerWidth; })
    .map(one => one.outerHTML)"""
_OVERFLOW = """() => [document.documentElement, document.querySelector('main')]
    .map(one => [one.scrollWidth - one.clientWidth, one.scrollHeight - one.clientHeight])"""


class Screen:
    """A kiosk's screen, and the printer below it."""

    def __init__(self, url: str, printer: Printer) -> None:
        self.url = url
        self.printer = printer


@contextlib.asynccontextmanager
async def kiosk_at(url: str, home: Path) -> AsyncIterator[Screen]:
    printer = Printer(home / "printer")
    kiosk = Kiosk.open(url, Credentials("kiosk", SECRET, "0166"), home, PATIENCE)
    async with kiosk, TestServer(kiosk_app(kiosk, printer, "0166"), host="127.0.0.1") as server:
        yield Screen(str(server.make_url("/")), printer)


@pytest.fixture
async def screen(world: World, tmp_path: Path) -> AsyncIterator[Screen]:
    async with kiosk_at(world.url, tmp_path / "kiosk") as opened:
        yield opened


def returnable(world: World) -> dict[str, Any]:
    """Makes ECMS know what the customer returns; answers what it says of it."""
    answer = {
        "trackingNumber": next_tracking_number(),
        "merchantCode": "001",
        "merchant": "Merchant A",
        "merchantReference": ORDER,
        "expiresAt": ecms_time(datetime.now(UTC) + timedelta(days=7)),
    }
    world.ecms_server.answers["returns"] = [(200, answer)]
    return answer


async def tap(page: Page, name: str, then: str | None = None) -> None:
    """Touches what has this name, and waits for the screen with the heading `then`."""
    await page.get_by_role("link", name=name).or_(page.get_by_role("button", name=name)).first.tap()
    if then is not None:
        await expect(page.get_by_role("heading", level=1)).to_have_text(then)
        # A screen is there before its script is, and what a scanner types in between nobody hears.
        await page.wait_for_load_state()


async def type_on_screen(page: Page, text: str) -> None:
    for sign in text:
        await page.locator(f'[data-key="{sign}"]').tap()


async def look(page: Page, name: str) -> None:
    """Takes a picture, and sees that a finger finds everything."""
    await page.evaluate("document.fonts.ready.then(() => null)")
    await shot(page, name)
    assert await page.evaluate(_TOO_SMALL) == [], name
    assert await page.evaluate(_OVERFLOW) == [[0, 0], [0, 0]], name
    assert await page.locator("header, main, h1").count() >= 3, name


@pytest.mark.parametrize("size", [UPRIGHT, ACROSS], ids=["upright", "across"])
async def test_a_customer_returns_an_item_by_touch_alone(world: World, screen: Screen, size: tuple[int, int]) -> None:
    returnable(world)
    way = "upright" if size is UPRIGHT else "across"
    async with browser(*size, has_touch=True) as context:
        page = await context.new_page()
        await page.goto(screen.url)
        await look(page, f"kiosk-{way}-1-start")
        await tap(page, "Return an item", "What do you have of the item?")
        await look(page, f"kiosk-{way}-2-kinds")
        await tap(page, "Order number", "Type your order number")
        await type_on_screen(page, ORDER)
        await expect(page.locator("#typed")).to_have_value(ORDER)
        await look(page, f"kiosk-{way}-3-order")
        await tap(page, "Continue", "Your mobile number?")
        await type_on_screen(page, "09123456789")
        await look(page, f"kiosk-{way}-4-mobile")
        await tap(page, "Continue", "Is this right?")
        await expect(page.locator("#mobile")).to_have_text("09*****6789")
        await look(page, f"kiosk-{way}-5-check")
        await tap(page, "Get my RETURN CODE", "Your RETURN CODE")
        code = await page.locator("#code").inner_text()
        await expect(page.locator("#merchant")).to_have_text("Merchant A")
        await expect(page.locator("#until")).to_contain_text(str((datetime.now(UTC) + timedelta(days=7)).year))
        await look(page, f"kiosk-{way}-6-code")
        assert "09123456789" not in await page.content()
        bars = Image.open(io.BytesIO(await page.locator("svg.barcode").screenshot()))
    assert [found.text for found in zxingcpp.read_barcodes(bars)] == [code.replace("-", "")]
    reference = await world.till.look_up(code)
    assert (reference.status, reference.json["action"]) == (200, "ACCEPT_RETURN")
    (printed,) = screen.printer.printouts()
    assert code.replace("-", "") in readable(screen.printer.content(printed.number))


def readable(commands: bytes | None) -> str:
    assert commands is not None
    return escpos.text(commands).replace("-", "")


async def test_without_a_touch_everything_is_cleared_after_a_minute(world: World, screen: Screen) -> None:
    returnable(world)
    async with browser(*UPRIGHT, has_touch=True) as context:
        page = await context.new_page()
        await page.clock.install()
        await page.goto(screen.url)
        await tap(page, "Filipino", "Kumusta! Ano ang gusto mong gawin?")
        await tap(page, "Magsauli ng item", "Ano ang hawak mo para sa item?")
        await tap(page, "Order number", "I-type ang order number mo")
        await type_on_screen(page, "A1")
        await page.clock.run_for(46_000)
        await expect(page.get_by_role("dialog")).to_contain_text("Nandiyan ka pa ba?")
        await shot(page, "kiosk-idle")
        await tap(page, "Kailangan ko pa ng oras")
        await page.clock.run_for(30_000)
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await tap(page, "Magpatuloy", "Ang mobile number mo?")
        await tap(page, "Magpatuloy nang wala nito", "Tama ba ito?")
        await tap(page, "Kunin ang RETURN CODE", "Ang RETURN CODE mo")
        await look(page, "kiosk-filipino-code")
        kept = await context.cookies()
        await page.clock.run_for(61_000)
        await expect(page.get_by_role("heading", level=1)).to_have_text("Hello! What would you like to do?")
        assert {cookie["name"] for cookie in kept} == {"language", "visit"}
        assert await context.cookies() == []
        # Neither the way back nor the old cookie shows anything of it.
        await context.add_cookies([{"name": c["name"], "value": c["value"], "url": screen.url} for c in kept])
        await page.goto(screen.url + "return/code")
        await expect(page.locator("#code")).to_have_count(0)


async def test_out_of_paper_the_code_stays_and_is_printed_again(world: World, screen: Screen) -> None:
    returnable(world)
    async with browser(*UPRIGHT, has_touch=True) as context:
        helper = await context.new_page()
        await helper.goto(screen.url + "staff")
        await tap(helper, "Take the paper out")
        page = await context.new_page()
        await page.goto(screen.url)
        await tap(page, "Return an item", "What do you have of the item?")
        await page.keyboard.type("]C1303105332614281201")  # a scanner, in place of a choice
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Your mobile number?")
        await tap(page, "Continue without it", "Is this right?")
        await expect(page.locator("#identifier")).to_have_text("303105332614281201")
        await tap(page, "Get my RETURN CODE", "Your RETURN CODE")
        code = await page.locator("#code").inner_text()
        await expect(page.get_by_role("alert")).to_contain_text("printer-out-of-paper")
        await look(page, "kiosk-no-paper")
        await tap(page, "Print again")
        await expect(page.get_by_role("alert")).to_contain_text("out of paper")
        assert screen.printer.printouts() == []
        await tap(helper, "Load paper")
        await expect(helper.locator("#paper")).to_have_text("Paper is loaded.")
        await tap(page, "Print again")
        await expect(page.locator("#paper")).to_contain_text("Your slip is printed.")
        assert await page.locator("#code").inner_text() == code
        (printed,) = screen.printer.printouts()
        assert code.replace("-", "") in readable(screen.printer.content(printed.number))
        await helper.reload()
        await expect(helper.locator(".printouts img")).to_have_count(1)
        await shot(helper, "kiosk-staff")


async def book(world: World, booking: str) -> None:
    """A seller's drop-off at any store, for a buyer who collects at store 0170."""
    number = next_tracking_number()
    common = {"trackingNumber": number, "merchant": "Aling Nena", "description": "handwoven bag"}
    seller = {"kind": "DROP_OFF", "merchantReference": booking, "amount": "65.00"}
    buyer = {
        "kind": "CLAIM",
        "merchantReference": booking,
        "amount": "0.00",
        "paymentType": "PREPAID",
        "storeId": "0170",
    }
    for each in (seller, buyer):
        reply = await world.ecms.ask_for(**common, **each)
        assert reply.status == 201, reply.raw


async def test_a_seller_finds_the_booking_and_sticks_on_the_label(world: World, screen: Screen) -> None:
    await book(world, "AYW78")
    async with browser(*UPRIGHT, has_touch=True) as context:
        page = await context.new_page()
        await page.goto(screen.url)
        await tap(page, "Send a parcel", "Type or scan your booking reference")
        await type_on_screen(page, "AYW78")
        await tap(page, "Find it", "Is this your parcel?")
        await expect(page.locator("#fee")).to_have_text("PHP 65.00")
        await look(page, "kiosk-send-1-booking")
        await tap(page, "Print the label", "Stick the label on your parcel")
        code = await page.locator("#code").inner_text()
        await expect(page.locator("#paper")).to_contain_text("Your label is printed.")
        await look(page, "kiosk-send-2-label")
        async with page.expect_response("**/send/print"):
            await tap(page, "Print again")
        await tap(page, "Home", "Hello! What would you like to do?")
    labels = [screen.printer.content(printout.number) for printout in screen.printer.printouts()]
    assert len(labels) == 2
    assert labels[0] == labels[1]
    assert code.replace("-", "") in readable(labels[0])
    reference = await world.till.look_up(code)
    assert (reference.json["action"], reference.json["amountDue"]) == ("DROP_OFF", "65.00")
    assert [event["status"] for event in await world.told(1)] == ["FOR DROP OFF"]


async def test_where_a_parcel_is_says_nothing_personal(world: World, screen: Screen) -> None:
    parcel = await world.ecms.ship_to_store()
    async with browser(*ACROSS, has_touch=True) as context:
        page = await context.new_page()
        await page.goto(screen.url)
        await page.keyboard.type(parcel.tracking_number)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Your parcel waits for you at the store.")
        await expect(page.get_by_text("It is ready for you at store 0166.")).to_be_visible()
        await look(page, "kiosk-parcel")
        for secret in (
            parcel.merchant_reference,
            parcel.tracking_number,
            parcel.reference,
            "200.00",
            "Merchant A",
            "0912",
        ):
            assert secret not in await page.content()
        await tap(page, "Look up another parcel", "Type or scan a number of your parcel")
        await look(page, "kiosk-parcel-number")
        await type_on_screen(page, "123456789012")
        await tap(page, "Look it up", "Sorry, that did not work")
        await expect(page.locator("#helper")).to_have_text("unknown-parcel")
        await look(page, "kiosk-failure")


class Customer:
    """Somebody at the screen, without a browser."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self._url = url

    async def get(self, path: str) -> str:
        async with self.session.get(self._url + path) as answer:
            return await answer.text()

    async def post(self, path: str, **form: str) -> str:
        async with self.session.post(self._url + path, data=form) as answer:
            return await answer.text()

    async def ask(self, order: str, mobile: str = "") -> str:
        await self.post("return/order-number", typed=order)
        await self.post("return/mobile", typed=mobile)
        return await self.post("return/code")


@contextlib.asynccontextmanager
async def customer(screen: Screen) -> AsyncIterator[Customer]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield Customer(session, screen.url)


def _error(status: int, code: str) -> Callable[[World], None]:
    def plan(world: World) -> None:
        world.ecms_server.answers["returns"] = [(status, {"errorCode": str(status), "message": code})]

    return plan


@pytest.mark.parametrize(
    ("status", "code", "words", "passes"),
    [
        (404, "unknown-identifier", "We could not find this number.", False),
        (410, "return-expired", "The time for returning this item is over.", False),
        (409, "already-returned", "This item has been returned already.", False),
        (500, "ecms-unavailable", "We cannot make return codes at the moment.", True),
    ],
)
async def test_each_failure_is_a_sentence_for_the_customer_and_a_code_for_the_helper(
    world: World, screen: Screen, status: int, code: str, words: str, *, passes: bool
) -> None:
    _error(status, code)(world)
    async with customer(screen) as somebody:
        page = await somebody.ask("A1")
        assert words in page
        assert f'<code id="helper">{code}</code>' in page
        assert ("Try again" in page) == passes
        returnable(world)
        if passes:
            assert "Your RETURN CODE" in await somebody.post("return/code")


async def test_guessing_is_locked_and_says_for_how_long(world: World, screen: Screen) -> None:
    _error(404, "unknown")(world)
    async with customer(screen) as somebody:
        pages = [await somebody.ask(f"GUESS{number}") for number in range(6)]
        assert "unknown-identifier" in pages[4]
        assert '<code id="helper">too-many-attempts</code>' in pages[5]
        assert "Please wait 1 min." in pages[5]


async def test_with_no_gateway_nothing_is_lost(world: World, tmp_path: Path) -> None:
    returnable(world)
    async with kiosk_at(f"http://127.0.0.1:{unused_port()}", tmp_path / "a") as screen, customer(screen) as somebody:
        assert '<code id="helper">no-answer</code>' in await somebody.ask(ORDER)
    async with kiosk_at(world.url, tmp_path / "a") as screen, customer(screen) as somebody:
        assert "Your RETURN CODE" in await somebody.ask(ORDER)


async def test_a_slip_is_printed_again_although_the_gateway_has_gone(world: World, tmp_path: Path) -> None:
    returnable(world)
    gateway = contextlib.AsyncExitStack()
    url = await gateway.enter_async_context(world.another_gateway())
    async with gateway, kiosk_at(url, tmp_path / "a") as screen, customer(screen) as somebody:
        screen.printer.set_paper(loaded=False)
        assert "printer-out-of-paper" in await somebody.ask(ORDER)
        await gateway.aclose()
        screen.printer.set_paper(loaded=True)
        assert "Your slip is printed." in await somebody.post("return/print")
    (printed,) = screen.printer.printouts()
    assert "RETURN CODE" in readable(screen.printer.content(printed.number))


async def test_two_touches_of_one_button_ask_once(world: World, screen: Screen) -> None:
    returnable(world)
    async with customer(screen) as somebody:
        await somebody.post("return/uid", typed="A-1")
        await somebody.post("return/mobile", typed="09123456789")
        pages = await asyncio.gather(*(somebody.post("return/code") for _ in range(5)))
        assert all("Your RETURN CODE" in page for page in pages)
    assert len(world.ecms_server.asked) == 1
    assert world.ecms_server.asked[0][1]["mobileNumber"] == "09123456789"
    assert len(screen.printer.printouts()) == 1


@pytest.mark.parametrize(
    ("kind", "typed"),
    [("waybill", "12345"), ("order-number", ""), ("uid", "x" * 41), ("uid", "ñ"), ("waybill", "१" * 18)],
)
async def test_what_cannot_be_is_asked_for_again_and_never_sent(
    world: World, screen: Screen, kind: str, typed: str
) -> None:
    async with customer(screen) as somebody:
        assert 'role="alert"' in await somebody.post(f"return/{kind}", typed=typed)
    assert world.ecms_server.asked == []


async def test_the_slip_comes_in_every_form_and_only_to_its_customer(world: World, screen: Screen) -> None:
    returnable(world)
    async with customer(screen) as somebody, aiohttp.ClientSession() as stranger:
        await somebody.ask(ORDER)
        for form, magic in (("png", b"\x89PNG"), ("pdf", b"%PDF"), ("escpos", b"\x1b@")):
            async with somebody.session.get(f"{screen.url}return/slip.{form}") as answer:
                assert (answer.status, (await answer.read())[: len(magic)]) == (200, magic)
            async with stranger.get(f"{screen.url}return/slip.{form}", allow_redirects=False) as answer:
                assert answer.status == 303
        await somebody.get("")
        assert "Your RETURN CODE" not in await somebody.get("return/code")
