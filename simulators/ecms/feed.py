"""What changes, as it changes, for the console, for webhooks and for tests."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from .database import Database

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Change:
    """A parcel's history grew (`EVENT`), the gateway has heard what it was told of a parcel (`TOLD`), or an attempt to
    tell its merchant has ended, well or not (`MERCHANT`).

    `seq` counts all changes of the data file; a follower that remembers it goes on from there.
    """

    seq: int
    tracking_number: str
    kind: str

    def show(self) -> dict[str, Any]:
        """As JSON."""
        return {"seq": self.seq, "trackingNumber": self.tracking_number, "kind": self.kind}


class Feed:
    """Hands every change out to every subscriber, in order, and only once it is on the disk."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._news: set[asyncio.Event] = set()
        database.on_write = self._wake

    def _wake(self) -> None:
        for news in self._news:
            news.set()

    async def subscribe(self, after: int | None = None) -> AsyncIterator[Change]:
        """The changes after number `after`, or those that come from now on; it ends with its task."""
        news = asyncio.Event()
        self._news.add(news)
        try:
            seq = await self._database.run(newest_change) if after is None else after
            while True:
                news.clear()
                changes = await self._database.run(partial(_after, seq=seq))
                for change in changes:
                    seq = change.seq
                    yield change
                if not changes:
                    await news.wait()
        finally:
            self._news.discard(news)


def newest_change(connection: sqlite3.Connection) -> int:
    """The number of the newest change; `subscribe` after it gives what comes from now on."""
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM change").fetchone()[0])


def _after(connection: sqlite3.Connection, seq: int) -> list[Change]:
    rows = connection.execute(
        "SELECT seq, tracking_number, kind FROM change WHERE seq > ? ORDER BY seq LIMIT ?", (seq, _AT_ONCE)
    )
    return [Change(*row) for row in rows]
