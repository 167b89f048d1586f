"""A clerk before the till in the browser, who scans, types and clicks."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestServer
from browser import browser, shot
from connect_simulators.patience import Patience
from connect_simulators.pos.pages import make_app
from connect_simulators.pos.terminal import Terminal, TerminalConfig
from connect_simulators.wire import Clock, Credentials, system_clock
from partners import Parcel
from playwright.async_api import Page, expect
from world import SECRET

_PAPER_IS_OUT = (
    "Promise.allSettled(document.getAnimations().filter(a => a.animationName === 'out').map(a => a.finished))"
)
QUICK = Patience(timeout_s=5, first_wait_s=0.05, longest_wait_s=0.2, give_up_s=20)


@dataclass
class Clerk:
    """Somebody before the till: `page` is what is on the screen, `terminal` what stands behind it."""

    page: Page
    terminal: Terminal
    url: str

    async def at(self, step: str) -> None:
        await expect(self.page.locator(f"#stage[data-step={step}]")).to_be_visible()

    async def scan(self, typed: str, then: str | None = None) -> None:
        await self.page.keyboard.type(typed)
        await self.page.keyboard.press("Enter")
        if then is not None:
            await self.at(then)

    async def press(self, key: str, then: str | None = None) -> None:
        await self.page.keyboard.press(key)
        if then is not None:
            await self.at(then)

    async def open_shift(self, thousands: int = 2) -> None:
        await self.at("opening")
        await self.scan("ana")
        await self.page.keyboard.type(str(thousands))
        await self.press("F2", "ready")

    async def sell(self, parcel: Parcel, cash: str | None = None) -> None:
        """One parcel from its code to the verdict; without cash it was paid for before."""
        await self.scan(parcel.reference, "label")
        await self.scan(f"]C1{parcel.tracking_number}", "release" if cash is None else "cash")
        await self.scan(cash or "", "result")

    async def band(self, tone: str, says: str) -> None:
        await expect(self.page.locator(f".band.{tone}").first).to_contain_text(says)

    async def shot(self, name: str) -> None:
        # The paper slides out of the printer; a picture is taken of it lying there. A paper that was put in another's
        # place meanwhile ends the first one's slide, which is no failure.
        await self.page.evaluate(_PAPER_IS_OUT)
        await shot(self.page, name)


@contextlib.asynccontextmanager
async def a_clerk(gateway: str, directory: Path, clock: Clock = system_clock, **changed: Any) -> AsyncIterator[Clerk]:
    """A till of its own at `gateway`, and a browser window before it."""
    config = TerminalConfig(gateway, Credentials("till", SECRET, "0166", "1"), directory, patience=QUICK)
    async with (
        Terminal(replace(config, **changed), clock) as terminal,
        TestServer(make_app(terminal, config), host="127.0.0.1") as server,
        browser(1024, 768) as context,
    ):
        page = await context.new_page()
        await page.goto(str(server.make_url("/")))
        yield Clerk(page, terminal, str(server.make_url("/")))
