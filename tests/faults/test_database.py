"""A database that fails in the middle of a group: nothing half-done, and one command's fault is its own. About 20 s;
needs PostgreSQL.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator

import asyncpg
import structlog
from checks import ecms_error, refusal
from partners import Parcel, Reply
from world import World

WAITING = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'connect-gateway' AND wait_event_type = 'Lock'
"""


@contextlib.asynccontextmanager
async def locked(world: World, parcel: Parcel) -> AsyncIterator[asyncpg.Connection]:
    """Holds the lock of a parcel's reference for as long as the block runs."""
    connection = await asyncpg.connect(world.database_url)
    try:
        async with connection.transaction():
            number = parcel.reference.replace("-", "")
            await connection.execute("SELECT FROM reference WHERE reference = $1 FOR UPDATE", number)
            yield connection
    finally:
        await connection.close()


async def waits_for_a_lock(connection: asyncpg.Connection) -> int:
    """The backend of the gateway that waits for a lock, once one does."""
    async with asyncio.timeout(5):
        while True:
            pid = await connection.fetchval(WAITING)
            if pid is not None:
                return int(pid)
            await asyncio.sleep(0.01)


async def test_a_backend_that_is_ended_in_the_middle_leaves_no_trace(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    transaction_id = str(uuid.uuid4())
    async with locked(world, parcel) as connection:
        collecting = asyncio.create_task(world.till.collect(parcel, transaction_id))
        pid = await waits_for_a_lock(connection)
        assert await connection.fetchval("SELECT pg_terminate_backend($1)", pid)
        refusal(await collecting, 503, "database-unavailable")
    for table in ("transaction", "journal", "event"):
        assert not await world.fetch(f"SELECT FROM {table}")
    assert (await world.till.inquire(transaction_id)).status == 404
    paid = await world.till.collect(parcel, transaction_id)
    assert (paid.status, paid.json["receipt"]["number"]) == (201, "0166-001-00000001")


async def test_all_backends_ended_at_once_are_replaced(world: World) -> None:
    parcels = [await world.ecms.ship_to_store() for _ in range(10)]
    ids = [str(uuid.uuid4()) for _ in parcels]
    under_way = asyncio.gather(*(world.till.collect(parcel, id_) for parcel, id_ in zip(parcels, ids, strict=True)))
    await world.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'connect-gateway'"
    )
    first = await under_way
    for reply in first:
        if reply.status != 201:
            refusal(reply, 503, reply.json["code"])
    async with asyncio.timeout(10):
        for parcel, id_ in zip(parcels, ids, strict=True):
            while (await world.till.collect(parcel, id_)).status != 201:
                await asyncio.sleep(0.02)
    numbers = [row["receipt_number"] for row in await world.fetch("SELECT receipt_number FROM transaction")]
    assert sorted(numbers) == [f"0166-001-{count:08d}" for count in range(1, 11)]
    assert len({event["eventId"] for event in await world.told(10)}) == 10


async def test_a_lock_that_somebody_keeps_is_no_error_of_the_gateways_own(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    transaction_id = str(uuid.uuid4())
    async with locked(world, parcel):
        began = time.monotonic()
        collected, told = await asyncio.gather(
            world.till.collect(parcel, transaction_id), world.ecms.tell(parcel, "CANCELLED")
        )
        assert time.monotonic() - began < 4
        refusal(collected, 503, collected.json["code"])
        ecms_error(told, 503)
        assert told.headers["Retry-After"]
    async with asyncio.timeout(10):
        while (last := await world.till.collect(parcel, transaction_id)).status == 503:
            await asyncio.sleep(0.02)
    assert last.status == 201
    assert len(await world.fetch("SELECT FROM event")) == 1


async def together(world: World, blocker: Parcel, commands: list[tuple[Parcel, str]]) -> list[Reply]:
    """Sends commands so that they form one group: while another one waits for a lock."""
    async with locked(world, blocker) as connection:
        first = asyncio.create_task(world.till.collect(blocker))
        await waits_for_a_lock(connection)
        others = [asyncio.create_task(world.till.collect(parcel, id_)) for parcel, id_ in commands]
        # One that needs no database shows that all before it have come in.
        await world.till.call("GET", "/healthz")
        await asyncio.gather(*(world.till.call("GET", "/readyz") for _ in range(3)))
    assert (await first).status == 201
    return list(await asyncio.gather(*others))


async def test_one_poisonous_command_of_a_group_fails_alone(world: World) -> None:
    blocker = await world.ecms.ship_to_store()
    parcels = [await world.ecms.ship_to_store() for _ in range(12)]
    poison = parcels[5]
    # Something that the database will not have, whatever it may be.
    await world.fetch(
        f"ALTER TABLE transaction ADD CONSTRAINT poison CHECK (reference <> '{poison.reference.replace('-', '')}')"
    )
    ids = [str(uuid.uuid4()) for _ in parcels]
    replies = await together(world, blocker, list(zip(parcels, ids, strict=True)))
    for parcel, id_, first in zip(parcels, ids, replies, strict=True):
        reply = first
        while reply.status == 503:
            # It takes a few commits to find the one at fault, and a till is not kept waiting for that.
            refusal(reply, 503, "outcome-unknown")
            reply = await world.till.collect(parcel, id_)
        if parcel is poison:
            refusal(reply, 500, "internal-error")
        else:
            assert reply.status == 201, reply.raw
    assert len(await world.fetch("SELECT FROM transaction")) == 12
    # The poison took no receipt number and left its reference as it was.
    numbers = [row["receipt_number"] for row in await world.fetch("SELECT receipt_number FROM transaction")]
    assert sorted(numbers) == [f"0166-001-{count:08d}" for count in range(1, 13)]
    await world.fetch("ALTER TABLE transaction DROP CONSTRAINT poison")
    assert (await world.till.collect(poison, ids[5])).status == 201


async def test_commands_of_one_group_see_each_other(world: World) -> None:
    blocker, parcel = [await world.ecms.ship_to_store() for _ in range(2)]
    one, two = str(uuid.uuid4()), str(uuid.uuid4())
    first, other, again = await together(world, blocker, [(parcel, one), (parcel, two), (parcel, one)])
    assert first.raw == again.raw
    assert {first.status, other.status} == {201, 409}
    refused = other if first.status == 201 else first
    refusal(refused, 409, "already-done", "RETURN")
    assert len(await world.fetch("SELECT FROM transaction WHERE state = 'APPROVED'")) == 2
    assert len(await world.fetch("SELECT FROM transaction")) == 3


async def test_a_decline_is_answered_even_where_the_guess_cannot_be_counted(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    transaction_id = str(uuid.uuid4())
    await world.fetch("ALTER TABLE attempt RENAME TO gone")
    declined = await world.till.collect(parcel, transaction_id, reference="500000000000")
    refusal(declined, 404, "unknown-reference", "RETURN")
    again = await world.till.collect(parcel, transaction_id, reference="500000000000")
    assert again.raw == declined.raw


async def test_a_relay_that_met_an_error_goes_on(world: World) -> None:
    with structlog.testing.capture_logs() as logged:
        await world.fetch("ALTER TABLE event RENAME TO gone")
        async with asyncio.timeout(10):
            while not any(entry["event"] == "relay-stumbled" for entry in logged):
                await asyncio.sleep(0.02)
        await world.fetch("ALTER TABLE gone RENAME TO event")
    assert (await world.till.collect(await world.ecms.ship_to_store())).status == 201
    assert [event["status"] for event in await world.told(1)] == ["CLAIMED"]
