"""A network that loses, delays, doubles and cuts: a TCP proxy that knows where an HTTP message ends.

It stands before one or more servers, as a load balancer does: a request goes to any of them that takes the connection.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import TracebackType
from typing import Self

_LONGEST_EXCHANGE_S = 30.0
_HEAD_LIMIT = 65_536


class Trouble(StrEnum):
    """What can happen to one request and its answer."""

    LOSE_REQUEST = "request lost"
    CUT_REQUEST = "request cut in half"
    DELAY_REQUEST = "request delayed"
    LATE_REQUEST = "connection reset, request arrives later"
    RESET = "connection reset while it is served"
    LOSE_ANSWER = "answer lost"
    SILENCE = "answer never comes"
    DELAY_ANSWER = "answer delayed"
    CUT_ANSWER = "answer cut in half"
    DOUBLE = "request doubled"
    LATE_DOUBLE = "request repeated later"


Weather = Mapping[Trouble, float]
"""The probability of each trouble; the rest of the requests pass."""

CALM: Weather = {}
ROUGH: Weather = dict.fromkeys(Trouble, 0.015)
STORM: Weather = dict.fromkeys(Trouble, 0.04)


class Network:
    """The way to some servers. `counted` has how often each trouble struck."""

    def __init__(self, targets: Sequence[int], rng: random.Random, *, longest_delay_s: float) -> None:
        self.weather = CALM
        self.counted: Counter[Trouble] = Counter()
        self._targets = list(targets)
        self._rng = rng
        self._longest_delay_s = longest_delay_s
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._stragglers: set[asyncio.Task[bytes | None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_HEAD_LIMIT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        under_way = [*self._connections, *self._stragglers]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where the servers are reached by way of this network."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def settled(self) -> None:
        """Waits until nothing is on its way any more that nobody waits for."""
        while self._stragglers:
            await asyncio.wait(self._stragglers)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None or not self._server.is_serving():
            writer.close()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        # One that is cancelled before its first step closes nothing by itself.
        task.add_done_callback(lambda _: writer.close())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError):
                while (request := await _message(reader)) is not None:
                    answer = await self._carry(request, writer)
                    if answer is None:
                        return
                    writer.write(answer)
                    await writer.drain()
        finally:
            writer.transport.abort()

    def _draw(self) -> Trouble | None:
        """What befalls the next request."""
        left = self._rng.random()
        for trouble, probability in self.weather.items():
            left -= probability
            if left < 0:
                self.counted[trouble] += 1
                return trouble
        return None

    async def _carry(self, request: bytes, writer: asyncio.StreamWriter) -> bytes | None:
        """The answer that gets back; None where the connection ends instead."""
        match self._draw():
            case None:
                return await self._exchange(request)
            case Trouble.LOSE_REQUEST:
                return None
            case Trouble.CUT_REQUEST:
                await self._exchange(request[: len(request) // 2], whole=False)
                return None
            case Trouble.DELAY_REQUEST:
                await self._pause()
                return await self._exchange(request)
            case Trouble.LATE_REQUEST | Trouble.RESET as trouble:
                self._straggle(request, later=trouble is Trouble.LATE_REQUEST)
                return None
            case Trouble.DOUBLE | Trouble.LATE_DOUBLE as trouble:
                self._straggle(request, later=trouble is Trouble.LATE_DOUBLE)
                return await self._exchange(request)
            case trouble:
                return await self._spoil(trouble, await self._exchange(request), writer)

    async def _spoil(self, trouble: Trouble, answer: bytes | None, writer: asyncio.StreamWriter) -> bytes | None:
        if answer is None or trouble is Trouble.LOSE_ANSWER:
            return None
        if trouble is Trouble.DELAY_ANSWER:
            await self._pause()
            return answer
        if trouble is Trouble.CUT_ANSWER:
            writer.write(answer[: len(answer) // 2])
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            return None
        # Nothing comes and nothing ends, until the client has had enough.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_closed(writer), _LONGEST_EXCHANGE_S)
        return None

    def _straggle(self, request: bytes, *, later: bool) -> None:
        """Delivers a request for which nobody waits."""

        async def deliver() -> bytes | None:
            if later:
                await self._pause()
            return await self._exchange(request)

        straggler = asyncio.create_task(deliver())
        self._stragglers.add(straggler)
        straggler.add_done_callback(self._stragglers.discard)

    async def _pause(self) -> None:
        await asyncio.sleep(self._rng.uniform(0.05, self._longest_delay_s))

    async def _exchange(self, request: bytes, *, whole: bool = True) -> bytes | None:
        """One request to one server and its answer, over a connection of its own; None where there is none."""
        connection = await self._connect()
        if connection is None:
            return None
        reader, writer = connection
        try:
            async with asyncio.timeout(_LONGEST_EXCHANGE_S):
                writer.write(request)
                await writer.drain()
                return await _message(reader) if whole else None
        except (OSError, TimeoutError):
            return None
        finally:
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for port in self._rng.sample(self._targets, len(self._targets)):
            try:
                return await asyncio.open_connection("127.0.0.1", port, limit=_HEAD_LIMIT)
            except OSError:
                continue
        return None


async def _message(reader: asyncio.StreamReader) -> bytes | None:
    """One whole HTTP message, whose length its head says; None where the connection ends before."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        return head + await reader.readexactly(_length_of_body(head))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        return None


def _length_of_body(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return int(value)
    return 0


async def _closed(writer: asyncio.StreamWriter) -> None:
    while not writer.transport.is_closing():
        await asyncio.sleep(0.1)
