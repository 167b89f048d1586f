"""A migration whose table is in use for long keeps nobody at the counter waiting. Seconds; needs PostgreSQL."""

import asyncio
import time
from dataclasses import replace

import asyncpg
import pytest
from world import World

from connect_gateway.ledger import migrate


async def test_tills_go_on_while_a_migration_waits_for_a_dump(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    known = migrate.load_migrations()
    statement = "ALTER TABLE transaction ADD COLUMN remark text;\n"
    following = replace(known[-1], version=known[-1].version + 1, name="remark", sql=statement)
    monkeypatch.setattr(migrate, "load_migrations", lambda: [*known, following])
    dump = await asyncpg.connect(world.database_url)
    reading = dump.transaction()
    await reading.start()
    await dump.execute("LOCK TABLE transaction IN ACCESS SHARE MODE")

    migrating = asyncio.create_task(migrate.migrate(world.database_url))
    began = time.monotonic()
    while time.monotonic() - began < 3:
        assert not migrating.done(), migrating.exception()
        assert (await world.till.collect(await world.ecms.ship_to_store())).status == 201
    await reading.rollback()
    await dump.close()

    await asyncio.wait_for(migrating, 10)
    assert await world.fetch("SELECT remark FROM transaction")
    assert (await world.till.collect(await world.ecms.ship_to_store())).status == 201
