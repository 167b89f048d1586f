"""The primary dies, its standby takes over, the old one comes back harmless. Half a minute; starts two PostgreSQLs.

What is checked: every COLLECT that was answered is there on whichever server is the primary (RPO 0), and how long it
takes until the next one is answered (RTO, printed with `-s`).
"""

import asyncio
import signal
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import psutil
import pytest
from families import freeze, send_to
from partners import Parcel
from world import World

from connect_gateway.domain import journal
from connect_gateway.ledger import hosts
from connect_gateway.ledger.migrate import migrate
from connect_gateway.processes import StartError
from connect_gateway.standby import Node, Pair

PARCELS = 90
WORKERS = 8
RTO_LIMIT_S = 10.0
"""Generous, for a machine that runs other tests beside this one; measured alone it is about one second."""


@pytest.fixture
async def pair(home: Path) -> AsyncIterator[Pair]:
    home.chmod(0o711)
    async with Pair(home / "pair") as started:
        await migrate(started.url)
        yield started


@pytest.fixture
def database_url(pair: Pair) -> str:
    return pair.url


@dataclass
class Queue:
    """Customers who pay, one after another at each counter; a till repeats what got no answer."""

    world: World
    answered: dict[str, bytes] = field(default_factory=dict)
    answered_at: list[tuple[float, float]] = field(default_factory=list)
    """When each was first sent, and when it was answered."""
    other: Counter[int] = field(default_factory=Counter)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def serve(self, parcels: list[Parcel]) -> None:
        waiting = list(parcels)
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(self._counter(waiting))

    async def _counter(self, waiting: list[Parcel]) -> None:
        while waiting:
            parcel, transaction_id, sent = waiting.pop(), str(uuid.uuid4()), time.monotonic()
            while True:
                reply = await self.world.till.collect(parcel, transaction_id)
                if reply.status == 201:
                    break
                self.other[reply.status] += 1
                assert reply.status == 503, reply.raw
                assert reply.json["verdict"]["parcel"] == "HOLD"
                await asyncio.sleep(0.02)
            self.answered[transaction_id] = reply.raw
            self.answered_at.append((sent, time.monotonic()))
            async with self.changed:
                self.changed.notify_all()

    async def reached(self, count: int) -> None:
        async with self.changed, asyncio.timeout(60):
            await self.changed.wait_for(lambda: len(self.answered) >= count)

    def outage_s(self, since: float) -> float:
        """From `since` to the first answer to something that was sent afterwards."""
        return min(answered for sent, answered in self.answered_at if sent > since) - since


async def nothing_is_lost(world: World, queue: Queue) -> None:
    """I1, I2, I4, I5, I6 and I8, on the server that is the primary now."""
    for transaction_id, answer in queue.answered.items():
        inquired = await world.till.inquire(transaction_id)
        assert (inquired.status, inquired.raw) == (200, answer)
    rows = await world.fetch("SELECT receipt_number FROM transaction WHERE state = 'APPROVED' ORDER BY 1")
    expected = [f"0166-001-{number:08d}" for number in range(1, len(queue.answered) + 1)]
    assert [row["receipt_number"] for row in rows] == expected
    told = await world.told(len(queue.answered))
    assert len({event["eventId"] for event in told}) == len(queue.answered)
    head = journal.FIRST_HEAD
    for row in await world.fetch("SELECT entry, head FROM journal ORDER BY position"):
        head = journal.next_head(head, row["entry"])
        assert row["head"] == head
    [terminal] = await world.fetch("SELECT journal_head FROM terminal")
    assert terminal["journal_head"] == head


async def refuses_writes(url: str) -> None:
    connection = await asyncpg.connect(url)
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await connection.execute("UPDATE fence SET touched_at = now()")
    await connection.close()


def url_of(pair: Pair, node: Node) -> str:
    """The address of one server, whatever it is at the moment."""
    return f"postgresql://connect:{pair.primary.password}@{node.host}/connect"


def reversed_hosts(url: str) -> str:
    parts = urlsplit(url)
    credentials, _, named = parts.netloc.rpartition("@")
    first, second = named.split(",")
    return parts._replace(netloc=f"{credentials}@{second},{first}").geturl()


async def test_what_was_answered_outlives_the_primary_twice(pair: Pair, world: World) -> None:
    queue = Queue(world)
    keeping = asyncio.create_task(pair.keep())
    for turn in (1, 2):
        parcels = [await world.ecms.ship_to_store() for _ in range(PARCELS)]
        before = len(queue.answered)
        serving = asyncio.create_task(queue.serve(parcels))
        await queue.reached(before + PARCELS // 3)
        old, killed_at, answered = pair.primary, time.monotonic(), len(queue.answered)
        psutil.Process(old.pid).kill()
        await serving
        outage_s = queue.outage_s(killed_at)
        print(f"failover {turn}: {answered} COLLECTs answered before, the next one {outage_s:.2f} s after the kill")
        assert outage_s < RTO_LIMIT_S
        async with asyncio.timeout(60):
            while not pair.in_step:
                assert not keeping.done(), keeping.exception()
                await asyncio.sleep(0.05)
        # The old one is back, as a standby: it takes no writes, and nobody who names both hosts gets to it.
        assert pair.standby is old
        await refuses_writes(url_of(pair, old))
        for address in (pair.url, reversed_hosts(pair.url)):
            connection = await hosts.connect(address, timeout=5)
            assert not await connection.fetchval("SELECT pg_is_in_recovery()")
            await connection.close()
    keeping.cancel()
    await asyncio.wait({keeping})
    assert len(queue.answered) == 2 * PARCELS
    await nothing_is_lost(world, queue)
    print(f"all {len(queue.answered)} answered COLLECTs are there; answered otherwise: {dict(queue.other)}")


async def test_nothing_is_answered_that_only_one_server_has(pair: Pair, world: World) -> None:
    """A frozen standby, and then a primary that crashes and comes back while nobody follows it."""
    [parcel, other] = [await world.ecms.ship_to_store() for _ in range(2)]
    transaction_id = str(uuid.uuid4())
    frozen = freeze(pair.standby.pid)
    try:
        reply = await world.till.collect(parcel, transaction_id)
        assert (reply.status, reply.json["code"]) == (503, "outcome-unknown")
        primary = pair.primary
        await primary.kill()
        await primary.start()
        # The row is here now, for its COMMIT was on this disk; on the other it is not, so nobody may hear of it.
        [row] = await world.fetch("SELECT state FROM transaction")
        assert row["state"] == "APPROVED"
        inquired = await world.till.inquire(transaction_id)
        assert inquired.status == 503
        assert (await world.till.collect(parcel, transaction_id)).status == 503
        await stays_unanswered(url_of(pair, primary))
    finally:
        send_to(frozen, signal.SIGCONT)
    while (inquired := await world.till.inquire(transaction_id)).status == 503:
        await asyncio.sleep(0.1)
    assert inquired.status == 200
    assert (await world.till.collect(parcel, transaction_id)).raw == inquired.raw
    await a_frozen_primary_is_replaced(pair, world, other)
    assert (await world.till.inquire(transaction_id)).raw == inquired.raw


async def stays_unanswered(url: str) -> None:
    """A write on a primary that nobody follows gets no answer, so that a stray one takes no writes of anybody."""
    connection = await asyncpg.connect(url)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            # asyncpg would cancel a statement of its own time-out, and so the wait for the standby.
            await asyncio.shield(connection.execute("UPDATE fence SET touched_at = now()"))
    connection.terminate()


async def a_frozen_primary_is_replaced(pair: Pair, world: World, parcel: Parcel) -> None:
    """Nothing refuses the connections of a frozen one: the tills wait, the second host is found all the same."""
    old = pair.primary
    freeze(old.pid)
    began = time.monotonic()
    assert (await world.till.collect(parcel)).status == 503
    assert time.monotonic() - began < 2
    await pair.fail_over()
    with pytest.raises(StartError, match="not in step"):
        await pair.fail_over()
    while (reply := await world.till.collect(parcel)).status == 503:
        await asyncio.sleep(0.05)
    assert reply.status == 201
    # Whoever starts the old one now gets a standby.
    await old.start()
    await refuses_writes(url_of(pair, old))
    await old.stop()
