"""A TCP proxy between the gateway and PostgreSQL that knows a COMMIT when it sees one, and spoils it on demand."""

import asyncio
import contextlib
from enum import Enum, auto
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

# A simple query, as asyncpg sends a statement without arguments: type, length, text, NUL.
_BEGIN = b"Q\x00\x00\x00\x0aBEGIN\x00"
_CHAINING = b"Q\x00\x00\x00\x15COMMIT AND CHAIN\x00"
_COMMIT = (b"Q\x00\x00\x00\x0bCOMMIT\x00", _CHAINING)


class Spoil(Enum):
    """What becomes of the next COMMIT, and of the connection that it was sent on."""

    CUT_BEFORE = auto()  # it never reaches the server; the connection is cut on both sides
    SWALLOW = auto()  # the server commits; its answer is swallowed and the connection cut
    SILENCE = auto()  # the server commits; its answer never comes, and the connection stays
    HOLD = auto()  # it is kept back until release(), and delivered then, whoever has given up meanwhile
    CUT_AFTER = auto()  # the answer comes through, and then the connection is cut
    FREEZE_AFTER = auto()  # the answer comes through, and then nothing does


class PostgresProxy:
    """Forwards to the PostgreSQL at `database_url`; without an order it changes nothing."""

    def __init__(self, database_url: str) -> None:
        parts = urlsplit(database_url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._parts = parts
        self._target = parts.hostname, parts.port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._order: Spoil | None = None
        self.begun = 0
        """How often a transaction was begun by a BEGIN."""
        self.chained = 0
        """How often a COMMIT began the next transaction."""
        self._struck = asyncio.Event()
        self._released = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """The database's URL by way of this proxy."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        credentials = self._parts.netloc.rpartition("@")[0]
        return self._parts._replace(netloc=f"{credentials}@127.0.0.1:{port}").geturl()

    def spoil(self, order: Spoil) -> asyncio.Event:
        """Spoils the next COMMIT; the event is set once that has happened."""
        self._order = order
        self._struck, self._released = asyncio.Event(), asyncio.Event()
        return self._struck

    def release(self) -> None:
        """Lets a COMMIT go that is kept back."""
        self._released.set()

    def calm(self) -> None:
        """Takes back an order that no COMMIT has come for, and lets go what is kept back."""
        self._order = None
        self._released.set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None or not self._server.is_serving():
            writer.close()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # One that is cancelled before its first step closes nothing by itself.
        task.add_done_callback(lambda _: writer.close())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._target)
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
            raise
        link = _Link(writer, server_writer)
        pumps = [
            asyncio.create_task(self._to_server(reader, link)),
            asyncio.create_task(self._to_client(server_reader, link)),
        ]
        try:
            # What is kept back still has to be delivered after its sender has gone.
            await asyncio.wait({pumps[0]})
        finally:
            # Closed before anything is waited for: whoever cancels this now must not leave them open.
            for each in (writer, server_writer):
                each.close()
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _to_server(self, reader: asyncio.StreamReader, link: "_Link") -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65_536):
                if link.frozen:
                    continue
                self.begun += chunk.endswith(_BEGIN)
                self.chained += chunk.endswith(_CHAINING)
                if self._order is not None and chunk.endswith(_COMMIT):
                    link.order, self._order = self._order, None
                    if link.order is Spoil.CUT_BEFORE:
                        self._struck.set()
                        link.client.transport.abort()
                        return
                    if link.order is Spoil.HOLD:
                        self._struck.set()
                        await self._released.wait()
                link.server.write(chunk)
                await link.server.drain()

    async def _to_client(self, reader: asyncio.StreamReader, link: "_Link") -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65_536):
                if link.order is Spoil.SWALLOW:
                    self._struck.set()
                    link.client.transport.abort()
                    break
                if link.order is Spoil.SILENCE:
                    self._struck.set()
                    continue
                if link.frozen:
                    continue
                link.client.write(chunk)
                await link.client.drain()
                if link.order is Spoil.FREEZE_AFTER:
                    link.frozen = True
                    self._struck.set()
                if link.order is Spoil.CUT_AFTER:
                    self._struck.set()
                    break
        link.client.close()


class _Link:
    """One connection through the proxy."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client = client
        self.server = server
        self.order: Spoil | None = None
        self.frozen = False
