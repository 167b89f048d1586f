"""What has moved out of the way answers as before: replays, inquiries, reversals, the journal. Needs PostgreSQL."""

import itertools
import uuid
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from checks import refusal
from partners import Parcel, Reply
from typer.testing import CliRunner
from world import World

from connect_gateway.cli import app
from connect_gateway.journal_command import verify_all
from connect_gateway.ledger.archive import BLOCKS, move
from connect_gateway.ledger.database import open_pool


async def archived(world: World, before: datetime) -> int:
    pool = await open_pool(world.database_url, 2)
    try:
        steps = [step async for step in move(pool, before)]
    finally:
        await pool.close()
    if steps:
        assert steps[-1][0] == steps[-1][1]
    assert all(after[0] - earlier[0] <= BLOCKS for earlier, after in itertools.pairwise(steps))
    return sum(rows for _, _, rows in steps)


async def hot(world: World) -> tuple[int, int]:
    [row] = await world.fetch(
        "SELECT (SELECT count(*) FROM transaction WHERE answer <> ''), (SELECT count(*) FROM journal)"
    )
    return row[0], row[1]


async def a_day(world: World) -> tuple[dict[str, tuple[Parcel, Reply]], str]:
    """An approval, a decline and a reversal, with what they were answered, and an id that was reversed unseen."""
    there, absent, undone = await world.ecms.ship_to_store(), await world.ecms.ship(), await world.ecms.ship_to_store()
    told = {}
    for parcel in (there, absent, undone):
        id_ = str(uuid.uuid4())
        told[id_] = (parcel, await world.till.collect(parcel, id_))
    assert [reply.status for _, reply in told.values()] == [201, 409, 201]
    voided = list(told)[-1]
    assert (await world.till.reverse(voided)).status == 200
    never = str(uuid.uuid4())
    assert (await world.till.reverse(never, "TIMEOUT")).status == 200
    return told, never


async def test_what_is_archived_is_answered_as_ever_and_never_runs_again(world: World) -> None:
    told, never = await a_day(world)
    (sold, (parcel, approval)), (declined, (absent, decline)), (voided, (undone, _)) = told.items()
    inquiries = {id_: (await world.till.inquire(id_)).raw for id_ in (*told, never)}
    receipt = approval.json["receipt"]["number"]
    paper = (await world.till.call("GET", f"/pos/v1/receipts/{receipt}")).raw
    assert await hot(world) == (3, 5)

    assert await archived(world, datetime.now(UTC) + timedelta(days=1)) == 8
    assert await hot(world) == (0, 0)
    assert await archived(world, datetime.now(UTC) + timedelta(days=1)) == 0

    for id_, about, answered in ((sold, parcel, approval), (declined, absent, decline)):
        again = await world.till.collect(about, id_)
        assert (again.status, again.raw) == (answered.status, answered.raw)
        assert again.headers["Idempotent-Replay"] == "true"
    refusal(await world.till.collect(undone, sold), 422, "transaction-mismatch")
    refusal(await world.till.collect(undone, voided), 409, "transaction-reversed", "RETURN", "HOLD")
    refusal(await world.till.collect(undone, never), 409, "transaction-reversed", "RETURN", "HOLD")
    assert {id_: (await world.till.inquire(id_)).raw for id_ in inquiries} == inquiries
    assert (await world.till.call("GET", f"/pos/v1/receipts/{receipt}")).raw == paper
    assert (await world.till.reverse(sold, "TIMEOUT")).status == 200
    assert (await world.till.collect(parcel)).status == 201
    assert await hot(world) == (1, 2)
    assert await archived(world, datetime.now(UTC) + timedelta(days=1)) == 3
    assert (await world.till.inquire(sold)).json["state"] == "REVERSED"


async def test_the_journal_is_whole_wherever_its_entries_lie(world: World) -> None:
    await a_day(world)
    assert await archived(world, datetime.now(UTC) + timedelta(days=1)) == 8
    await a_day(world)
    connection = await asyncpg.connect(world.database_url)
    try:
        assert (await verify_all(connection, []))[1] == []
        await connection.execute("UPDATE old_journal SET entry = replace(entry, '20000', '10000') WHERE position = 1")
        assert len((await verify_all(connection, []))[1]) == 1
        await connection.execute("UPDATE old_journal SET entry = replace(entry, '10000', '20000') WHERE position = 1")
        await connection.execute("UPDATE old_answer SET answer = answer || ' ' WHERE answer LIKE '%APPROVED%'")
        assert len((await verify_all(connection, []))[1]) == 1
    finally:
        await connection.close()


async def test_what_is_young_stays(world: World) -> None:
    await a_day(world)
    assert await archived(world, datetime.now(UTC) - timedelta(days=1)) == 0
    assert await hot(world) == (3, 5)


@pytest.mark.parametrize("before", ["yesterday", "2026-13-01", f"{datetime.now(UTC):%Y-%m-%d}"])
def test_the_command_moves_nothing_that_is_young_or_unclear(before: str) -> None:
    assert CliRunner().invoke(app, ["archive", "--before", before]).exit_code != 0
