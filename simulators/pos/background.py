"""What a till does while nobody stands before it: settle, forward, and know what waits at the store."""

import asyncio
import contextlib
from collections.abc import Callable

from .assembly import Parts
from .fetch import refresh_manifest
from .recovery import Notices


class Background:
    """Runs `sync` again and again: every `probe_s` while the gateway is away, else as often as the manifest says."""

    def __init__(self, parts: Parts, notices: Notices, told: Callable[[str], None], *, probe_s: float) -> None:
        self._parts = parts
        self._notices = notices
        self._told = told
        self._probe_s = probe_s
        self._one_at_a_time = asyncio.Lock()
        self._woken = asyncio.Event()
        # What was refused is sent again each time that the gateway comes back, and after a start.
        self._came_back = True

    def wake(self, *, came_back: bool = False) -> None:
        """Has the next round begin now."""
        self._came_back = self._came_back or came_back
        self._woken.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        await self._settle()
        while True:
            self._woken.clear()
            await self.sync()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s()):
                    await self._woken.wait()

    async def sync(self) -> None:
        """One round: the manifest, which is a probe too; then, if somebody is there, everything that waits."""
        async with self._one_at_a_time:
            await refresh_manifest(self._parts.client, self._parts.stand_in.store)
            if not self._parts.link.away:
                await self._settle()
                refused_too, self._came_back = self._came_back, False
                if not await self._parts.forwarder.forward(refused_too=refused_too):
                    self._came_back = refused_too
            self._told("status")

    def _pause_s(self) -> float:
        link, limits = self._parts.link, self._parts.stand_in.manifest.limits
        if link.in_doubt:
            return min(1.0, self._probe_s)
        return self._probe_s if link.away else float(limits.refresh_s if limits else 60)

    async def _settle(self) -> None:
        self._notices.add(self._parts.till.open_transactions)
        for result in await self._parts.till.resume():
            if result.transaction_id is not None:
                self._told("recovered")
