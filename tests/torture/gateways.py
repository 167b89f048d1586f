"""Gateway processes on fixed ports, to be killed and started again."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from connect_gateway.processes import choose_port, tail
from torture.nursery import Nursery, is_running

_READY_WITHIN_S = 90.0
_ENDS_WITHIN_S = 60.0


class GatewayProcess:
    """One gateway, again and again on the same port; `settings` are its `CONNECT_…` variables."""

    def __init__(self, nursery: Nursery, settings: Mapping[str, str], log: Path) -> None:
        self.port = choose_port()
        self.log = log
        self._nursery = nursery
        self.settings = dict(settings) | {"CONNECT_HOST": "127.0.0.1", "CONNECT_PORT": str(self.port)}
        self.pid: int | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, *, crash_at: str | None = None, ready: bool = True) -> None:
        """Starts it, to die at a crash point if one is given, and waits until it is ready."""
        settings = self.settings | ({} if crash_at is None else {"CONNECT_CRASH_AT": crash_at})
        self.pid = await self._nursery.start(settings, self.log)
        if ready and not await self.becomes_ready():
            raise AssertionError(f"the gateway is not ready:\n{tail(self.log)}")

    async def becomes_ready(self) -> bool:
        """Waits until it is ready; False if it ended before."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_READY_WITHIN_S), aiohttp.ClientSession() as session:
                while self.alive:
                    if await _is_ready(session, self.url):
                        return True
                    await asyncio.sleep(0.01)
        return False

    @property
    def alive(self) -> bool:
        """Whether the process runs (or is frozen), as far as a look at it tells."""
        return self.pid is not None and is_running(self.pid)

    async def died(self) -> int:
        """Waits for its end; its exit status."""
        assert self.pid is not None
        status = await self._nursery.status(self.pid)
        self.pid = None
        return status

    async def end(self, number: signal.Signals = signal.SIGKILL) -> int | None:
        """Sends a signal that ends it and waits; None where it was not running."""
        if self.pid is None:
            return None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
        async with asyncio.timeout(_ENDS_WITHIN_S):
            return await self.died()


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/readyz", timeout=aiohttp.ClientTimeout(total=3)) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False
