"""A transaction that is refused because too much waits: the short way and the long one. Seconds; needs PostgreSQL."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from hostile import ID, nothing_is_stored, transaction
from partners import Parcel
from world import World

from connect_gateway.edges import shedding
from connect_gateway.ledger.gather import Gatherer


class Raw:
    """One connection, on which requests go out as they are."""

    def __init__(self, world: World, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._token = world.till.token
        self._reader = reader
        self.writer = writer

    def request(self, id_: str = ID, parcel: Parcel | None = None) -> bytes:
        fields = {} if parcel is None else {"reference": parcel.reference, "trackingNumber": parcel.tracking_number}
        body = json.dumps(transaction(**fields)).encode()
        head = (
            f"PUT /pos/v1/transactions/{id_} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self._token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def answer(self) -> tuple[str, dict[str, str], bytes]:
        async with asyncio.timeout(5):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            headers = dict(sorted(line.split(": ", 1) for line in lines))
            body = await self._reader.readexactly(int(headers["Content-Length"]))
        del headers["Date"]
        return first, headers, body


@asynccontextmanager
async def connected(world: World) -> AsyncIterator[Raw]:
    address = urlsplit(world.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        yield Raw(world, reader, writer)
    finally:
        writer.close()


@pytest.fixture
def short_ways(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each whole request that could be refused the short way, whether it was."""
    taken: list[bool] = []
    answer_to = shedding.Shedding.answer_to

    def noted(self: shedding.Shedding, request: bytes) -> bytes | None:
        answer = answer_to(self, request)
        taken.append(answer is not None)
        return answer

    monkeypatch.setattr(shedding.Shedding, "answer_to", noted)
    return taken


async def test_both_ways_give_the_same_answer_and_count_it(
    world: World, monkeypatch: pytest.MonkeyPatch, short_ways: list[bool]
) -> None:
    async with connected(world) as short, connected(world) as long:
        monkeypatch.setattr(Gatherer, "is_full", True)
        for _ in range(2):
            short.writer.write(short.request())
            refused = await short.answer()
        assert short_ways == [True, True]
        # In two pieces it is no whole request, and from then on nothing on this connection is.
        first, second = long.request()[:100], long.request()[100:]
        long.writer.write(first)
        await long.writer.drain()
        # Whoever is answered now came behind the first piece, which has been read then.
        await world.admin.call("GET", "/metrics")
        long.writer.write(second)
        assert await long.answer() == refused
        long.writer.write(long.request())
        assert await long.answer() == refused
        assert short_ways.count(True) == 2
    assert refused[0] == "HTTP/1.1 503 Service Unavailable"
    assert refused[1]["Retry-After"] == "1"
    document = json.loads(refused[2])
    assert document["code"] == "overloaded"
    assert document["verdict"]["parcel"] == "HOLD"
    metrics = (await world.admin.call("GET", "/metrics")).raw.decode()
    [count] = [line for line in metrics.splitlines() if line.startswith("connect_requests_total{") and "503" in line]
    assert count.endswith(" 4.0")
    await nothing_is_stored(world)


async def test_the_connection_goes_on_behind_a_refusal(
    world: World, monkeypatch: pytest.MonkeyPatch, short_ways: list[bool]
) -> None:
    parcel = await world.ecms.ship_to_store()
    async with connected(world) as raw:
        for id_ in (ID, ID.replace("1", "2")):
            with monkeypatch.context() as patch:
                patch.setattr(Gatherer, "is_full", True)
                raw.writer.write(raw.request(id_, parcel))
                assert (await raw.answer())[0] == "HTTP/1.1 503 Service Unavailable"
            raw.writer.write(raw.request(ID, parcel))
            assert (await raw.answer())[0] == "HTTP/1.1 201 Created"
    assert [way for way in short_ways if way] == [True, True]
    assert len(await world.fetch("SELECT FROM transaction")) == 1


async def test_requests_behind_one_another_go_the_long_way(
    world: World, monkeypatch: pytest.MonkeyPatch, short_ways: list[bool]
) -> None:
    monkeypatch.setattr(Gatherer, "is_full", True)
    async with connected(world) as raw:
        raw.writer.write(raw.request() * 3)
        assert [(await raw.answer())[0] for _ in range(3)] == ["HTTP/1.1 503 Service Unavailable"] * 3
    # They never got as far as the question whether they go the short way.
    assert short_ways == []
