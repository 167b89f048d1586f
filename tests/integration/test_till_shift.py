"""A clerk's whole shift in the browser, with all that can come up in one; a till that is killed in a sale. 40 s."""

import asyncio
import json
import signal
import sys
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from browser import browser
from clerk import Clerk, a_clerk
from connect_simulators.faultproxy import Fault, FaultProxy
from connect_simulators.pos.pages.cash import DENOMINATIONS
from partners import Parcel
from playwright.async_api import expect
from world import SECRET, World


class Time:
    """The store's clock, which the test moves."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


async def count_drawer(clerk: Clerk, centavos: int) -> None:
    """Fills in the closing form with as few notes and coins as there may be, and closes."""
    await clerk.press("F9", "shift")
    for worth in DENOMINATIONS:
        count, centavos = divmod(centavos, worth)
        if count:
            await clerk.page.locator(f'[name="{worth}"]').fill(str(count))
    await clerk.press("F2", "closed")


async def test_a_whole_shift_closes_without_a_difference(world: World, tmp_path: Path) -> None:
    time = Time()
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(FaultProxy(world.url))
        clerk = await stack.enter_async_context(
            a_clerk(proxy.url, tmp_path / "till", time, stand_in_after_s=3.0, probe_s=0.2)
        )
        waiting = [await world.ecms.ship_to_store(amount=f"{amount}.00") for amount in (120, 999, 50, 4000, 349)]
        await clerk.open_shift()
        taken = await the_morning(world, clerk)
        taken += await the_answer_that_was_lost(world, clerk, proxy)
        taken += await the_hour_without_connection(world, clerk, proxy, time, waiting)
        last = await world.ecms.ship_to_store(amount="75.25")
        await clerk.sell(last, "100")
        taken += 7_525
        await clerk.scan("", "ready")
        states = [sale.state for sale in clerk.terminal.sales()]
        await count_drawer(clerk, 200_000 + taken)
        await clerk.band("green", "Everything agrees")
        await clerk.shot("closed")
    assert (states.count("APPROVED"), states.count("REVERSED"), states.count("DECLINED")) == (18, 1, 1)
    [shift] = await world.fetch("SELECT answer FROM shift")
    answer = json.loads(shift["answer"])
    assert (answer["cashOver"], answer["cashShort"], answer["differences"]) == ("0.00", "0.00", [])
    assert answer["cashExpected"] == f"{taken // 100}.{taken % 100:02d}"


async def the_morning(world: World, clerk: Clerk) -> int:
    """Thirteen customers of all kinds; the centavos that stay in the drawer."""
    for amount, cash in (
        ("200.00", "200"),
        ("349.50", "500"),
        ("1299.00", "1300"),
        ("10.00", "1000"),
        ("89.75", "89.75"),
    ):
        await clerk.sell(await world.ecms.ship_to_store(amount=amount), cash)
        await clerk.band("green", "Paid. Hand over the parcel.")
    await clerk.sell(await world.ecms.ship_to_store(amount="0.00"))
    await clerk.band("green", "Hand over the parcel.")
    returned = await world.ecms.ask_for()
    await clerk.scan(returned.json["reference"], "release")
    await clerk.scan("", "result")
    await clerk.band("green", "Return taken in.")
    bill = await world.ecms.issue("PAY", "150.00")
    await clerk.scan(bill.reference, "cash")
    await clerk.press("F2", "result")
    await clerk.band("green", "Paid. Give the receipt.")
    dropped = await world.ecms.issue("DROP_OFF", "65.00")
    world.ecms_server.answers["quote"] = [(200, {"errorCode": "200", "amountDue": "65", "shippingFee": "65"})]
    await clerk.scan(dropped.reference, "cash")
    await clerk.scan("70", "result")
    await clerk.band("green", "Drop-off taken in.")
    await two_parcels(world, clerk)
    await one_that_was_cancelled(world, clerk)
    await one_who_refuses(world, clerk)
    await one_that_is_voided(world, clerk)
    return 20_000 + 34_950 + 129_900 + 1_000 + 8_975 + 15_000 + 6_500 + 30_000


async def two_parcels(world: World, clerk: Clerk) -> None:
    for parcel in (await world.ecms.ship_to_store(amount="300.00"), await world.ecms.ship_to_store(amount="0.00")):
        await clerk.scan(parcel.reference, "label")
        await clerk.scan(parcel.tracking_number, "cash")
    await clerk.scan("1000", "result")
    await expect(clerk.page.locator(".change")).to_contain_text("700.00")


async def one_that_was_cancelled(world: World, clerk: Clerk) -> None:
    parcel = await world.ecms.ship_to_store(amount="60.00")
    await clerk.scan(parcel.reference, "label")
    await clerk.scan(parcel.tracking_number, "cash")
    assert (await world.ecms.tell(parcel, "CANCELLED")).status == 204
    await clerk.scan("100", "result")
    await clerk.band("red", "The order was cancelled.")
    await expect(clerk.page.locator(".huge")).to_contain_text("100.00")


async def one_who_refuses(world: World, clerk: Clerk) -> None:
    parcel = await world.ecms.ship_to_store(amount="60.00")
    await clerk.scan(parcel.reference, "label")
    await clerk.press("F8", "problem")
    await clerk.press("F2", "aside")
    await clerk.scan("", "ready")


async def one_that_is_voided(world: World, clerk: Clerk) -> None:
    await clerk.sell(await world.ecms.ship_to_store(amount="45.00"), "50")
    number = clerk.terminal.sales()[0].receipt_number
    assert number is not None
    await clerk.scan(number, "sale")
    await clerk.press("F4", "void")
    await clerk.press("F2", "sale")
    await clerk.band("green", "Undone.")
    await clerk.press("Escape", "sales")
    await clerk.press("Escape", "result")


async def the_answer_that_was_lost(world: World, clerk: Clerk, proxy: FaultProxy) -> int:
    parcel = await world.ecms.ship_to_store(amount="500.00")
    await clerk.scan(parcel.reference, "label")
    await clerk.scan(parcel.tracking_number, "cash")
    struck = proxy.inject(Fault.DROP_ANSWER)
    await clerk.press("F2", "result")
    assert struck.is_set()
    await clerk.band("green", "Paid.")
    return 50_000


async def the_hour_without_connection(
    world: World, clerk: Clerk, proxy: FaultProxy, time: Time, parcels: list[Parcel]
) -> int:
    await clerk.terminal.sync()
    proxy.inject(Fault.REFUSE)
    for _ in range(2):
        await clerk.terminal.sync()
    await expect(clerk.page.locator(".away-bar")).to_be_visible()
    for parcel, cash in zip(parcels, ("200", "1000", "50", "4000", "500"), strict=True):
        time.ahead += timedelta(minutes=12)
        await clerk.sell(parcel, cash)
        await expect(clerk.page.locator(".verdict .badge")).to_have_text("without connection")
    await expect(clerk.page.locator("#status")).to_contain_text("5 to be sent")
    await clerk.shot("stand-in")
    await clerk.press("F10", "more")
    await clerk.shot("connection")
    await clerk.press("Escape", "result")
    await world.set_clock(time())
    proxy.inject(Fault.PASS)
    await clerk.terminal.sync()
    await expect(clerk.page.locator(".away-bar")).to_be_hidden()
    await expect(clerk.page.locator("#status")).not_to_contain_text("to be sent")
    assert clerk.terminal.conflicts == []
    return 12_000 + 99_900 + 5_000 + 400_000 + 34_900


async def test_what_the_gateway_disputes_is_for_the_manager(world: World, tmp_path: Path) -> None:
    parcel = await world.ecms.ship_to_store(amount="349.00")
    async with (
        FaultProxy(world.url) as proxy,
        a_clerk(proxy.url, tmp_path / "till", stand_in_after_s=3.0, probe_s=60.0) as clerk,
    ):
        await clerk.open_shift()
        await clerk.terminal.sync()
        proxy.inject(Fault.REFUSE)
        for _ in range(2):
            await clerk.terminal.sync()
        await clerk.sell(parcel, "400")
        assert (await world.ecms.tell(parcel, "CANCELLED")).status == 204
        proxy.inject(Fault.PASS)
        await clerk.terminal.sync()
        await expect(clerk.page.locator("#status")).to_contain_text("1 for the manager")
        await clerk.press("F10", "more")
        await expect(clerk.page.locator("article")).to_contain_text("The order was cancelled.")
        await clerk.shot("conflict")
        await clerk.page.get_by_role("button", name="Noted").click()
        await expect(clerk.page.locator("#status")).not_to_contain_text("for the manager")
        await clerk.press("Escape", "result")
        await count_drawer(clerk, 200_000 + 34_900)
        await clerk.band("green", "Everything agrees")


async def serve(config: Path) -> tuple[asyncio.subprocess.Process, str]:
    """The command as the sandbox starts it, and where its pages are."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "connect_simulators.pos", "serve", "--config", str(config), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    line = json.loads(await process.stdout.readline())
    return process, str(line["url"])


async def test_a_till_that_was_killed_in_a_sale_says_how_it_ended(world: World, tmp_path: Path) -> None:
    config = tmp_path / "till.json"
    parcel = await world.ecms.ship_to_store(amount="349.00")
    client = {"clientId": "till", "clientSecret": SECRET, "storeId": "0166", "pos": "1"}
    async with FaultProxy(world.url) as proxy, browser(1024, 768) as context:
        settings: dict[str, Any] = {"gateway": proxy.url, "client": client, "dataDir": str(tmp_path / "till")}
        config.write_text(json.dumps(settings))
        process, url = await serve(config)
        try:
            page = await context.new_page()
            await page.goto(url)
            # The page alone is looked at here: what stands behind it is another process.
            clerk = Clerk(page, None, url)  # type: ignore[arg-type]
            await clerk.open_shift()
            await clerk.scan(parcel.reference, "label")
            await clerk.scan(parcel.tracking_number, "cash")
            struck = proxy.inject(Fault.DELAY)
            await clerk.scan("500", "working")
            await clerk.shot("working")
            await struck.wait()
            process.kill()
            await process.wait()
            await expect(page.locator(".gone")).to_be_visible()
            proxy.release()
            process, url = await serve(config)
            await page.goto(url)
            await clerk.at("recovered")
            await expect(page.locator(".recovered")).to_contain_text("The sale was finished: it stands.")
            await clerk.shot("recovered")
            await clerk.scan("", "result")
            await clerk.band("green", "Paid. Hand over the parcel.")
            await expect(page.locator(".change")).to_contain_text("151.00")
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 20) == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    [row] = await world.fetch("SELECT count(*) AS sales FROM transaction WHERE state = 'APPROVED'")
    assert row["sales"] == 1
