"""A real browser for tests of pages: Debian's Chromium, headless, on an empty profile, with no network but loopback."""

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, async_playwright, expect

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_PATIENCE_MS = 20_000  # for a machine that is several times slower than this one
PICTURES = os.environ.get("CONNECT_TEST_PICTURES")
"""Where `shot` puts its pictures; without it they are made and thrown away."""


@contextlib.asynccontextmanager
async def browser(width: int, height: int, **options: Any) -> AsyncIterator[BrowserContext]:
    """A window of that size, in pixels; `options` are those of a Playwright context (`has_touch=True`, ...)."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=_ARGUMENTS)
        try:
            context = await chromium.new_context(viewport={"width": width, "height": height}, **options)
            context.set_default_timeout(_PATIENCE_MS)
            expect.set_options(timeout=_PATIENCE_MS)
            yield context
        finally:
            await chromium.close()


async def shot(page: Any, name: str) -> bytes:
    """A picture of the page; kept as `name`.png where `CONNECT_TEST_PICTURES` names a directory."""
    path = None if PICTURES is None else Path(PICTURES) / f"{name}.png"
    picture: bytes = await page.screenshot(path=path)
    return picture
