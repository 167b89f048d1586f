"""The database is killed, frozen, or too full of connections: 503 with HOLD within 2 s, and well again by itself.

A quarter of a minute; starts a PostgreSQL of its own.
"""

import asyncio
import signal
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest
from families import freeze, send_to
from partners import Reply, Till, business_date
from world import World

from connect_gateway.ledger.migrate import migrate
from connect_gateway.postgres import EmbeddedPostgres

WITHIN_S = 2.0


@pytest.fixture
async def server(home: Path) -> AsyncIterator[EmbeddedPostgres]:
    home.chmod(0o711)
    async with EmbeddedPostgres(home / "postgres", keep_port=True) as started:
        await migrate(started.url)
        yield started


@pytest.fixture
def database_url(server: EmbeddedPostgres) -> str:
    return server.url


class Asked:
    """Everything that a till and a kiosk can ask."""

    def __init__(self, world: World, reference: str, receipt: str) -> None:
        self._world = world
        self._reference = reference
        self._receipt = receipt

    def all(self) -> dict[str, Callable[[], Awaitable[Reply]]]:
        till, kiosk = self._world.till.call, self._world.kiosk.call
        one, shift = f"/pos/v1/transactions/{uuid.uuid4()}", f"/pos/v1/shifts/{business_date()}/1/1"
        body = self._world.till.body("COLLECT", self._reference)
        sold = body | {"trackingNumber": "3" * 18, "tender": "CASH", "amountTendered": "500.00"}
        undone = {"reason": "TIMEOUT", "parcelInHand": False}
        asked = {"identifierType": "UID", "identifier": "UID-1"}
        returned = f"/kiosk/v1/returns/{uuid.uuid4()}"
        return {
            "look up": lambda: till("GET", f"/pos/v1/references/{self._reference}"),
            "perform": lambda: till("PUT", one, sold),
            "inquire": lambda: till("GET", one),
            "reverse": lambda: till("PUT", f"{one}/reversal", undone),
            "receipt": lambda: till("GET", f"/pos/v1/receipts/{self._receipt}"),
            "copy": lambda: till("POST", f"/pos/v1/receipts/{self._receipt}/copies"),
            "close": lambda: till("PUT", shift, {"cashCounted": "0.00", "transactions": []}),
            "show shift": lambda: till("GET", shift),
            "return": lambda: kiosk("PUT", returned, asked),
        }


async def all_hold(asked: Asked) -> None:
    """Every question at once, and then one after another, as tills do: none waits for long."""
    names = asked.all()
    began = time.monotonic()

    async def ask(name: str, question: Callable[[], Awaitable[Reply]]) -> None:
        sent = time.monotonic()
        reply = await question()
        seconds = time.monotonic() - sent
        assert seconds < WITHIN_S, (name, seconds)
        assert reply.status == 503, (name, reply.raw)
        verdict = reply.json["verdict"]
        assert (verdict["cash"], verdict["parcel"]) == ("NONE", "HOLD"), (name, verdict)

    await asyncio.gather(*(ask(*one) for one in names.items()))
    await asyncio.gather(*(ask(*one) for one in asked.all().items()))
    print(f"2 x {len(names)} questions answered in {time.monotonic() - began:.2f} s")


async def well_again(world: World, within_s: float) -> float:
    """How long until a parcel can be paid for again."""
    began = time.monotonic()
    async with asyncio.timeout(within_s):
        while (await world.till.call("GET", "/readyz")).status != 200:
            await asyncio.sleep(0.05)
        parcel = await world.ecms.ship_to_store()
        transaction_id = str(uuid.uuid4())
        while (reply := await world.till.collect(parcel, transaction_id)).status == 503:
            await asyncio.sleep(0.05)
    assert reply.status == 201
    return time.monotonic() - began


async def test_the_till_is_told_to_hold_and_all_is_well_again_by_itself(server: EmbeddedPostgres, world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    sold = await world.till.collect(parcel)
    waiting = await world.ecms.ship_to_store()
    asked = Asked(world, waiting.reference, sold.json["receipt"]["number"])

    await server.kill()
    await all_hold(asked)
    assert (await world.till.call("GET", "/healthz")).status == 200
    assert (await world.till.call("GET", "/readyz")).status == 503
    assert (await world.till.call("GET", "/metrics")).status == 200
    await server.start()
    print(f"killed, and well again {await well_again(world, 20):.2f} s after it was back")

    frozen = freeze(server.pid)
    try:
        await all_hold(asked)
    finally:
        send_to(frozen, signal.SIGCONT)
    print(f"frozen, and well again {await well_again(world, 20):.2f} s after it thawed")

    connection = await asyncpg.connect(server.url)
    statement = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = $1"
    await connection.execute(statement.replace("$1", "'connect'"))
    await connection.close()
    assert (await world.till.collect(waiting)).status in (201, 503)
    print(f"connections cut, and well again after {await well_again(world, 20):.2f} s")
    approved = await world.fetch("SELECT count(*) AS n FROM transaction WHERE state = 'APPROVED'")
    await world.told(approved[0]["n"])


async def test_a_slow_database_keeps_nobody_waiting_for_one_thing_after_another(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    till = await world.partner(Till, "slow", "pos", "0166", None)
    holders = [await asyncpg.connect(world.database_url) for _ in range(2)]
    for holder, table in zip(holders, ("token", "reference"), strict=True):
        await holder.execute("BEGIN")
        await holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
    let_go = asyncio.get_running_loop().call_later(0.9, lambda: asyncio.ensure_future(holders[0].execute("ROLLBACK")))
    try:
        began = time.monotonic()
        replies = await asyncio.gather(
            till.collect(parcel), till.reverse(str(uuid.uuid4())), till.look_up(parcel.reference)
        )
        assert time.monotonic() - began < WITHIN_S
    finally:
        let_go.cancel()
        for holder in holders:
            await holder.close()
    # The reversal has nothing to do with the table that is locked, but may stand behind the one that has.
    for reply in (replies[0], replies[2]):
        assert reply.status == 503, reply.raw
        assert reply.json["verdict"]["parcel"] == "HOLD"
    assert (await till.collect(parcel)).status in (201, 409)
