"""The schema: made from nothing by any number of starters at once, guarded, and fit for every statement. Needs
PostgreSQL.
"""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator
from importlib import resources

import asyncpg
import pytest

from connect_gateway.ledger import migrate as module
from connect_gateway.ledger.migrate import Migration, MigrationError, load_migrations, migrate, pending


@pytest.fixture
async def empty_url(database_server: str) -> AsyncIterator[str]:
    name = f"empty_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(database_server)
    await connection.execute(f"CREATE DATABASE {name} STRATEGY FILE_COPY")
    yield f"{database_server.rpartition('/')[0]}/{name}"
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


async def test_many_programs_may_start_at_once_on_an_empty_database(empty_url: str) -> None:
    connection = await asyncpg.connect(empty_url)
    assert await pending(connection) == load_migrations()
    await asyncio.gather(*(migrate(empty_url) for _ in range(8)))
    rows = await connection.fetch("SELECT version FROM schema_migration ORDER BY version")
    assert [row["version"] for row in rows] == [migration.version for migration in load_migrations()]
    assert await pending(connection) == []
    await migrate(empty_url)
    await connection.close()


async def test_a_migration_that_fails_leaves_nothing_of_itself(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    good = Migration(1, "good", "CREATE TABLE a (n int);\n-- a comment; with a semicolon;\nCREATE TABLE b (n int);\n")
    bad = Migration(2, "bad", "CREATE TABLE c (n int);\nCREATE TABLE a (n int);\n")
    assert good.statements == ["CREATE TABLE a (n int)", "CREATE TABLE b (n int)"]
    monkeypatch.setattr(module, "load_migrations", lambda: [good, bad])
    with pytest.raises(asyncpg.DuplicateTableError):
        await migrate(empty_url)
    connection = await asyncpg.connect(empty_url)
    assert await connection.fetchval("SELECT to_regclass('b')") == "b"
    assert await connection.fetchval("SELECT to_regclass('c')") is None
    assert [migration.version for migration in await pending(connection)] == [2]
    # Repaired, it goes on where it stood.
    mended = Migration(2, "mended", "CREATE TABLE c (n int);\n")
    monkeypatch.setattr(module, "load_migrations", lambda: [good, mended])
    await migrate(empty_url)
    assert await pending(connection) == []
    await connection.close()


async def test_a_migration_that_was_changed_after_it_had_run_is_refused(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = load_migrations()
    changed = Migration(first.version, first.name, first.sql + "\nCREATE TABLE more (n int);\n")
    monkeypatch.setattr(module, "load_migrations", lambda: [changed, *others])
    with pytest.raises(MigrationError, match="was changed after it had been applied"):
        await migrate(database_url)
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT to_regclass('more')") is None
    await connection.close()


async def test_an_older_program_starts_on_a_newer_schema(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "load_migrations", lambda: load_migrations()[:1])
    await migrate(database_url)


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [migration.version for migration in load_migrations()] == list(range(1, len(load_migrations()) + 1))
    assert all(migration.statements for migration in load_migrations())
    folder = resources.files("connect_gateway.ledger.migrations")
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    assert all(re.fullmatch(r"[0-9]{4}_[a-z_]+\.sql", name) for name in names)


async def test_no_trigger_no_sequence_and_a_key_on_every_table(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == 0
    assert await connection.fetchval("SELECT count(*) FROM pg_class WHERE relkind = 'S'") == 0
    keyless = await connection.fetch(
        "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace AND nspname = 'public'"
        " WHERE relkind = 'r' AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = pg_class.oid AND indisprimary)"
    )
    assert keyless == []
    await connection.close()


BROKEN = {
    # What each invariant's second guard, the one in the database, must refuse.
    "a reference done by nobody": "UPDATE reference SET state = 'DONE'",
    "a reference open but done": "UPDATE reference SET done_by = gen_random_uuid(), done_store = '0166'",
    "a parcel released elsewhere": (
        "UPDATE reference SET state = 'DONE', done_by = gen_random_uuid(), done_store = '0001'"
    ),
    "a COD parcel without an amount": "UPDATE reference SET amount_due = 0",
    "more than the cash limit": "UPDATE reference SET amount_due = 400001",
    "a state that is none": "UPDATE reference SET state = 'EXPIRED'",
    "a parcel without a store": "UPDATE reference SET store_id = NULL",
    "an approval without a receipt": "UPDATE transaction SET receipt_number = NULL",
    "change that is not the rest": "UPDATE transaction SET change = change + 1",
    "a reversal without a time": "UPDATE transaction SET state = 'REVERSED'",
    "a decline without a code": "UPDATE transaction SET state = 'DECLINED', receipt_number = NULL",
    "a second approval of a reference": (
        "INSERT INTO transaction SELECT store_id, gen_random_uuid(), pos, type, reference, shift, business_date, clerk,"
        " scanned_label, tender, amount_tendered, state, code, tracking_number, amount_due, change,"
        " '0166-001-00000002', occurred_at, reversed_at, reversal_reason, status, answer FROM transaction"
    ),
    "a receipt number twice": (
        "INSERT INTO transaction SELECT store_id, gen_random_uuid(), pos, type, '182212342345', shift, business_date,"
        " clerk, scanned_label, tender, amount_tendered, state, code, tracking_number, amount_due, change,"
        " receipt_number, occurred_at, reversed_at, reversal_reason, status, answer FROM transaction"
    ),
    "an event told at no time": "UPDATE event SET state = 'TOLD', told_at = NULL",
    "half a payment": "UPDATE event SET receipt_number = NULL",
    "a journal position twice": "INSERT INTO journal SELECT * FROM journal",
    "a journal shorter than its receipts": "UPDATE terminal SET journal_length = 0",
}


async def test_the_database_refuses_what_breaks_an_invariant(world) -> None:
    paid = await world.till.collect(await world.ecms.ship_to_store())
    assert paid.status == 201
    await world.told(1)
    connection = await asyncpg.connect(world.database_url)
    names = ["reference", "transaction", "event", "journal", "terminal"]
    before = [await connection.fetch(f"SELECT * FROM {name}") for name in names]
    opened = "UPDATE reference SET state = 'OPEN', done_by = NULL, done_store = NULL"
    for name, statement in BROKEN.items():
        change = connection.transaction()
        await change.start()
        if statement.startswith("UPDATE reference"):
            await connection.execute(opened)
        try:
            await connection.execute(statement)
        except asyncpg.IntegrityConstraintViolationError:
            pass
        else:
            raise AssertionError(name)
        finally:
            await change.rollback()
    assert [await connection.fetch(f"SELECT * FROM {name}") for name in names] == before
    await connection.close()
