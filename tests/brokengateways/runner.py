"""Breaks a copy of the program, plays a scenario to it, and lets the checker judge."""

import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from history.facts import NotCalm
from history.index import Violation
from pgproxy import PostgresProxy
from torture.nursery import Nursery
from torture.stage import STORE, Stage, stage

import connect_gateway
from brokengateways.catalogue import BROKEN, Broken
from brokengateways.scenarios import OTHER_STORE, SCENARIOS, Played, Scenario
from connect_gateway.ledger.migrate import migrate
from connect_gateway.postgres import EmbeddedPostgres

PROGRAM = Path(connect_gateway.__file__).parent
_DRAINED_WITHIN_S = 12.0
_SETTINGS = {"CONNECT_ECMS_TIMEOUT_MS": "1000"}
"""A fifth of what it is: a lease is over after 4 s."""


def misfits() -> dict[str, int]:
    """Changes whose text does not stand in its file exactly once, with the number of times that it does."""
    counts = {
        f"{broken.name}: {change.file}: {change.old.strip()[:60]}": (PROGRAM / change.file)
        .read_text()
        .count(change.old)
        for broken in BROKEN
        for change in broken.changes
    }
    return {name: count for name, count in counts.items() if count != 1}


def break_copy(broken: Broken, directory: Path) -> Path:
    """A copy of the program with the changes; the directory to import it from."""
    copy = directory / "program"
    shutil.copytree(PROGRAM, copy / PROGRAM.name, ignore=shutil.ignore_patterns("__pycache__"))
    for change in broken.changes:
        file = copy / PROGRAM.name / change.file
        file.write_text(file.read_text(encoding="utf-8").replace(change.old, change.new), encoding="utf-8")
    return copy


async def judge(broken: Broken | None, scenario: str, database_url: str, home: Path) -> list[Violation]:
    """What the checker finds after a scenario: with a broken gateway, or with the honest one.

    The database at `database_url` is migrated and empty.
    """
    source = None if broken is None else break_copy(broken, home)
    played = SCENARIOS[scenario]
    async with Nursery(source) as nursery, _world(played, nursery, database_url, home) as world:
        if broken is not None and broken.sql:
            await world.stage.execute(broken.sql)
        for gateway in world.stage.gateways:
            await gateway.start()
        await played.play(world)
        return await _judged(world.stage)


@contextlib.asynccontextmanager
async def _world(scenario: Scenario, nursery: Nursery, database_url: str, home: Path) -> AsyncIterator[Played]:
    async with contextlib.AsyncExitStack() as stack:
        postgres, proxy, settings = None, None, dict(_SETTINGS)
        if scenario.own_postgres:
            postgres = await stack.enter_async_context(EmbeddedPostgres(home / "postgres"))
            database_url = postgres.url
            await migrate(database_url)
        if scenario.proxy:
            proxy = await stack.enter_async_context(PostgresProxy(database_url))
            settings["CONNECT_DATABASE_URL"] = proxy.url
        made = await stack.enter_async_context(
            stage(nursery, database_url, home, gateways=2, stores=(STORE, OTHER_STORE), settings=settings)
        )
        yield Played(made, postgres, proxy)


async def _judged(world: Stage) -> list[Violation]:
    for gateway in world.gateways:
        if not gateway.alive:
            await gateway.start()
    await world.ecms_fails("none")
    await world.drained(_DRAINED_WITHIN_S)
    try:
        return await world.verdict()
    except NotCalm:
        # It answers nobody any more, which is an answer, too.
        return []
