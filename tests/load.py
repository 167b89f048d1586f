"""A counter that sells for as long as it is asked to, and remembers every answer that it was given."""

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from partners import Ecms, Parcel, Till
from world import SECRET, add_client

from connect_gateway.domain.chains import Broken
from connect_gateway.journal_command import verify_all


async def add_clients(database_url: str) -> None:
    """A till that may be any terminal of store 0166, and ECMS."""
    await add_client(database_url, "till", "pos", "0166", None)
    await add_client(database_url, "ecms", "ecms", None, None)


class Load:
    """Sells parcels one after another, at terminals of the same store, through the gateways in `urls` in turn.

    What is not answered, or with a 503, is sent again to the next one, under the same id.
    """

    def __init__(self, session: aiohttp.ClientSession, urls: list[str]) -> None:
        self.session = session
        self.urls = urls
        self.answered: dict[str, tuple[Parcel, bytes]] = {}
        self.again: Counter[str] = Counter()
        self._turn = 0

    def _next(self, kind: type[Any], client_id: str, tokens: dict[str, str]) -> Any:
        self._turn += 1
        made = kind(self.session, self.urls[self._turn % len(self.urls)], client_id, SECRET)
        made.token = tokens[client_id]
        return made

    async def sell(self, pos: int, enough: asyncio.Event) -> None:
        """Sells at one terminal until it is `enough`."""
        tokens = {}
        for client_id in ("till", "ecms"):
            partner = Ecms(self.session, self.urls[0], client_id, SECRET)
            await partner.log_in()
            tokens[client_id] = partner.token
        while not enough.is_set():
            parcel = await self._ship(tokens)
            transaction_id = str(uuid.uuid4())
            body: dict[str, Any] | None = None
            while True:
                till = self._next(Till, "till", tokens)
                till.pos = str(pos)
                body = body or till.collect_body(parcel)
                try:
                    reply = await till.put(transaction_id, body)
                except (aiohttp.ClientError, OSError) as error:
                    self.again[type(error).__name__] += 1
                    await asyncio.sleep(0.02)
                    continue
                if reply.status == 201:
                    self.answered[transaction_id] = (parcel, reply.raw)
                    break
                assert reply.status == 503, reply.raw
                self.again[reply.json["code"]] += 1
                await asyncio.sleep(0.02)

    async def _ship(self, tokens: dict[str, str]) -> Parcel:
        while True:
            try:
                parcel: Parcel = await self._next(Ecms, "ecms", tokens).ship_to_store()
            except (aiohttp.ClientError, OSError) as error:
                self.again[type(error).__name__] += 1
                await asyncio.sleep(0.02)
            except AssertionError as error:
                # Only a 503 is sent again; anything else is what it looks like.
                if "database-unavailable" not in str(error) and "outcome-unknown" not in str(error):
                    raise
                await asyncio.sleep(0.02)
            else:
                return parcel

    @contextlib.asynccontextmanager
    async def going_on(self, terminals: int = 2) -> AsyncIterator[None]:
        """Sells while the block runs."""
        enough = asyncio.Event()
        selling = [asyncio.create_task(self.sell(pos + 1, enough)) for pos in range(terminals)]
        try:
            yield
        finally:
            enough.set()
            await asyncio.gather(*selling)

    async def reach(self, count: int) -> None:
        """Waits until so many more have been answered."""
        wanted = len(self.answered) + count
        async with asyncio.timeout(60):
            while len(self.answered) < wanted:
                await asyncio.sleep(0.01)


async def nothing_is_lost(session: aiohttp.ClientSession, url: str, answered: dict[str, tuple[Parcel, bytes]]) -> None:
    """Every answer that was given is given again, to the byte."""
    till = Till(session, url, "till", SECRET)
    await till.log_in()
    waiting = list(answered)

    async def inquire() -> None:
        while waiting:
            transaction_id = waiting.pop()
            inquired = await till.inquire(transaction_id)
            assert (inquired.status, inquired.raw) == (200, answered[transaction_id][1])

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(inquire())


async def ledger_is_whole(database_url: str) -> int:
    """Receipts have no gap, the journal is whole, each collection has its event; how many approved there are."""
    connection = await asyncpg.connect(database_url)
    try:
        gaps = await connection.fetch(
            "SELECT pos FROM transaction WHERE receipt_number IS NOT NULL GROUP BY pos"
            " HAVING count(*) <> max(right(receipt_number, 8)::integer)"
        )
        assert gaps == []
        assert await verify(connection) == []
        assert await connection.fetchval("SELECT count(*) FROM transaction WHERE state = 'APPROVED'") == (
            await connection.fetchval("SELECT count(*) FROM event WHERE status = 'CLAIMED'")
        )
        return int(await connection.fetchval("SELECT count(*) FROM transaction WHERE state = 'APPROVED'"))
    finally:
        await connection.close()


async def verify(connection: Any) -> list[Broken]:
    return (await verify_all(connection, []))[1]


def keys_in(home: Path) -> Path:
    """Where a test keeps its gateway's keys."""
    return home / "keys.json"
