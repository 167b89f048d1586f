"""A gateway that starts waits for its database, wherever in its start the database goes away. Seconds."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from connect_gateway.server import serving
from connect_gateway.settings import Settings


class Gate:
    """A way to PostgreSQL that lets some connections through, then none, then all again."""

    def __init__(self, database_url: str, passes: int) -> None:
        self._parts = urlsplit(database_url)
        self._passes = passes
        self._tasks: set[asyncio.Task[None]] = set()
        self.refused = asyncio.Event()
        self.url = ""

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Gate"]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        credentials = self._parts.netloc.rpartition("@")[0]
        port = server.sockets[0].getsockname()[1]
        self.url = self._parts._replace(netloc=f"{credentials}@127.0.0.1:{port}").geturl()
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def open(self) -> None:
        self._passes = 1_000

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._passes:
            self.refused.set()
            writer.transport.abort()
            return
        self._passes -= 1
        task = asyncio.create_task(self._forward(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # One that is cancelled before its first step closes nothing by itself.
        task.add_done_callback(lambda _: writer.close())

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        await asyncio.gather(_copy(reader, back), _copy(there, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65_536):
                writer.write(chunk)
                await writer.drain()
    finally:
        writer.transport.abort()


# The first connection is the migration's.
@pytest.mark.parametrize("passes", [0, 1])
async def test_a_database_that_goes_away_while_the_gateway_starts_is_waited_for(
    passes: int, database_url: str, settings: Settings
) -> None:
    assert settings.keys_file is not None
    async with Gate(database_url, passes).serving() as gate:
        context = serving(settings, gate.url, settings.keys_file)
        starting = asyncio.ensure_future(context.__aenter__())
        await asyncio.wait_for(gate.refused.wait(), 10)
        gate.open()
        assert await asyncio.wait_for(starting, 10)
        await context.__aexit__(None, None, None)
