"""The till in a terminal window, with a pilot at the keys: a sale, a sale without a connection, the close. Seconds."""

import os
from pathlib import Path

from connect_simulators.pos.terminal import Terminal
from connect_simulators.pos.tui import Step, TillScreen
from countergateway import CounterGateway, gateway
from textual.pilot import Pilot
from textual.widgets import Input, Static

__all__ = ["gateway"]


async def enter(pilot: Pilot[None], text: str) -> None:
    """Types and waits until the till takes the next input."""
    scan = pilot.app.query_one("#scan", Input)
    scan.value = text
    await pilot.press("enter")
    await pilot.pause()
    while scan.disabled:
        await pilot.pause()


def shown(pilot: Pilot[None], name: str) -> str:
    return str(pilot.app.query_one(name, Static).render())


def take_picture(pilot: Pilot[None], name: str) -> None:
    if directory := os.environ.get("CONNECT_TEST_PICTURES"):
        pilot.app.save_screenshot(f"{name}.svg", path=directory)


async def test_a_clerk_sells_with_and_without_a_connection_and_closes(gateway: CounterGateway, tmp_path: Path) -> None:
    first, second, third = gateway.shelve(amount="1299.50"), gateway.shelve(), gateway.shelve("CLAIM")
    async with Terminal(gateway.config(tmp_path), gateway.clock) as terminal:
        await terminal.sync()
        screen = TillScreen(terminal, "ana")
        async with screen.run_test(size=(120, 40)) as pilot:
            assert screen.step is Step.FLOAT
            await enter(pilot, "1000")
            await enter(pilot, first.reference)
            assert screen.step is Step.LABEL
            await enter(pilot, first.label)
            take_picture(pilot, "till-cash")
            await enter(pilot, "1500")
            assert "PAID" in shown(pilot, "#band")
            assert pilot.app.query_one("#band").has_class("green")
            take_picture(pilot, "till-paid")
            gateway.away = True
            await enter(pilot, second.reference)
            assert "STAND-IN" in shown(pilot, "#details")
            await enter(pilot, second.label)
            await enter(pilot, "20x")
            assert pilot.app.query_one("#band").has_class("red")
            await enter(pilot, "200.00")
            assert "STAND-IN" in shown(pilot, "#band")
            assert "1 waiting" in shown(pilot, "#top")
            await enter(pilot, third.reference)
            await enter(pilot, "9" * 18)
            assert "wrong-label" in shown(pilot, "#band")
            take_picture(pilot, "till-refused")
            gateway.away = False
            await terminal.sync()
            await pilot.press("f10")
            await enter(pilot, "2499.50")
            assert terminal.shift is None
            assert "NO DIFFERENCES" in shown(pilot, "#paper")
    assert gateway.collections() == {first.reference: 1, second.reference: 1}


async def test_keys_void_reprint_and_practise(gateway: CounterGateway, tmp_path: Path) -> None:
    shelf = gateway.shelve("CLAIM")
    async with Terminal(gateway.config(tmp_path), gateway.clock) as terminal:
        screen = TillScreen(terminal, "ana")
        async with screen.run_test(size=(120, 40)) as pilot:
            await enter(pilot, "0")
            await enter(pilot, shelf.reference)
            await enter(pilot, shelf.label)
            await pilot.press("f7")
            assert "*** COPY 1 ***" in shown(pilot, "#paper")
            await pilot.press("f6")
            assert gateway.collections() == {}
            await pilot.press("f9")
            assert "TRAINING" in shown(pilot, "#top")
            asked = len(gateway.puts)
            await enter(pilot, "9900-0000-0041")
            await enter(pilot, "309900000000000047")
            assert "TRAINING" in shown(pilot, "#band")
            assert len(gateway.puts) == asked
