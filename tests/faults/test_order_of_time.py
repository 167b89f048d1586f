"""What waited for a lock has the time of its decision, so that a reference's moves follow one another. Seconds."""

import asyncio
from datetime import UTC, datetime

import asyncpg
from world import World

_WAITS = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


async def test_a_sale_that_waited_is_as_late_as_its_decision(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    connection = await asyncpg.connect(world.database_url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM reference FOR UPDATE")
            asked = asyncio.create_task(world.till.collect(parcel))
            async with asyncio.timeout(5):
                while not await connection.fetchval(_WAITS):
                    await asyncio.sleep(0.01)
            let_go = datetime.now(UTC)
    finally:
        await connection.close()
    reply = await asked
    assert reply.status == 201
    to_the_millisecond = let_go.replace(microsecond=let_go.microsecond // 1000 * 1000)
    assert datetime.fromisoformat(reply.json["occurredAt"]) >= to_the_millisecond
