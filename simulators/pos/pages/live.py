"""Tells every open page that something has changed, so that it asks for its parts again."""

import asyncio
import time
from collections.abc import AsyncIterator


class Changes:
    """Counts the versions of the parts of a page: the `stage`, the `status` above it and the `wire` view."""

    def __init__(self) -> None:
        # A page that outlives this process is not to take another one's version for its own.
        first = time.time_ns() // 1_000_000
        self.versions = {"stage": first, "status": first, "wire": first}
        self._changed = asyncio.Event()
        self._ended = False

    def end(self) -> None:
        """Ends every `follow`: the till is stopping."""
        self._ended = True
        self._bump()

    def stage(self) -> None:
        """What the clerk works with has changed, and with it, it may be, the status."""
        self._bump("stage", "status")

    def status(self) -> None:
        """The connection, what waits, the shift or the printer has changed."""
        self._bump("status")

    def wire(self) -> None:
        """A request has been answered."""
        self._bump("wire")

    async def follow(self) -> AsyncIterator[str]:
        """First every part, then those that have changed; changes that come close together are told once."""
        seen = dict.fromkeys(self.versions, 0)
        while not self._ended:
            changed = self._changed
            for part, version in self.versions.items():
                if seen[part] != version:
                    seen[part] = version
                    yield part
            if seen == self.versions:
                await changed.wait()

    def _bump(self, *parts: str) -> None:
        for part in parts:
            self.versions[part] += 1
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
