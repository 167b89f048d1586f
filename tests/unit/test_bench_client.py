"""The client that latencies are measured with, and the servers that cost next to nothing."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import repeat
from pathlib import Path

import aiohttp
import pytest

from bench.client import busy, records_of, steady
from bench.stubs import Ecms, Stub

REQUEST = b"PUT /x HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\nhello"


@asynccontextmanager
async def served(protocol: type[Stub]) -> AsyncIterator[int]:
    """The port of a server in this loop; every connection to it has ended when the block has been left."""
    there: set[Stub] = set()

    class Counted(protocol):  # type: ignore[misc, valid-type]
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            there.add(self)

        def connection_lost(self, error: Exception | None) -> None:
            there.discard(self)

    server = await asyncio.get_running_loop().create_server(Counted, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    while there:
        await asyncio.sleep(0)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with served(Stub) as number:
        yield number


async def test_a_steady_rate_is_kept_and_every_latency_counts_from_when_it_was_due(port: int) -> None:
    told = await steady(port, repeat(REQUEST), 200, 0.5, 0.1)
    assert told["sent"] == 120
    assert told["unanswered"] == 0
    assert sum(told["statuses"].values()) == told["answered"] == len(told["latencies_ms"])
    assert 99 <= told["answered"] <= 101


async def test_a_stall_is_felt_by_every_request_that_was_due_meanwhile() -> None:
    class Stalling(Stub):
        def answer(self, request: bytes) -> None:
            loop = asyncio.get_running_loop()
            loop.call_later(max(0.0, stalled_until - loop.time()), super().answer, request)

    loop = asyncio.get_running_loop()
    stalled_until = loop.time() + 0.7
    async with served(Stalling) as port:
        told = await steady(port, repeat(REQUEST), 100, 0.5, 0)
    latencies = sorted(told["latencies_ms"])
    assert told["unanswered"] == 0
    assert latencies[-1] - latencies[0] > 300, "those that were due first waited longest"


async def test_a_count_is_sent_once_each(port: int) -> None:
    told = await busy(port, [repeat(REQUEST), repeat(REQUEST)], 500, 8)
    assert (told["sent"], told["answered"]) == (500, 500)


def test_records_are_read_from_the_place_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "records"
    file.write_bytes(b"aabbccdd")
    assert list(records_of(file, 2, 1, again=False)) == [b"bb", b"cc", b"dd"]
    endless: Iterator[bytes] = records_of(file, 2, 3, again=True)
    assert [next(endless) for _ in range(3)] == [b"dd", b"aa", b"bb"]


async def test_the_stub_of_ecms_gives_a_token_takes_statuses_and_counts_them() -> None:
    async with served(Ecms) as port, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        async with session.post("/accounts/oauth2/token", data={"grant_type": "client_credentials"}) as response:
            assert (await response.json())["access_token"]
        async with session.get("/count") as response:
            before = (await response.json())["told"]
        for _ in range(3):
            async with session.post("/ecms/api/v1/status", json={"eventId": "x"}) as response:
                assert (await response.json())["errorCode"] == "200"
        async with session.get("/count") as response:
            assert (await response.json())["told"] == before + 3
