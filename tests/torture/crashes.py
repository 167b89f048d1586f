"""Lets a gateway die at each of its crash points while each kind of work is under way, and looks what became of it.

A case: one gateway prepares, another one dies, the ledger is looked at, a third one is sent the
same request again, ECMS hears what it has to hear, and the checker judges the whole history.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from connect_simulators.wire import Answer
from history.checker import check
from history.records import History

from connect_gateway.crashpoints import STATUS
from connect_gateway.processes import tail
from torture.deeds import DEEDS, Deed, Send
from torture.nursery import Nursery
from torture.stage import Stage, stage

_DIES_WITHIN_S = 15.0
_DRAINED_WITHIN_S = 20.0


@dataclass(frozen=True)
class Case:
    """One kind of work, dying at one point."""

    deed: Deed
    point: str

    def __str__(self) -> str:
        return f"{self.point} / {self.deed.name}"


@dataclass(frozen=True)
class Observed:
    """What a case came to; `wrong` says what it should not have."""

    case: Case
    ledger: str
    again: str
    ecms: str
    wrong: tuple[str, ...]


CASES = tuple(Case(deed, point) for deed in DEEDS for point in deed.points)


def covering(cases: Sequence[Case] = CASES) -> list[Case]:
    """Some of the cases, such that each point and each kind of work is there."""
    chosen: list[Case] = []
    points: set[str] = set()
    deeds: dict[str, int] = dict.fromkeys((case.deed.name for case in cases), 0)
    for point in dict.fromkeys(case.point for case in cases):
        # Each point with the kind of work that has had the fewest.
        case = min((case for case in cases if case.point == point), key=lambda one: deeds[one.deed.name])
        chosen.append(case)
        points.add(point)
        deeds[case.deed.name] += 1
    missing = [name for name, times in deeds.items() if not times]
    return chosen + [next(case for case in cases if case.deed.name == name) for name in missing]


async def run_case(case: Case, nursery: Nursery, database_url: str, home: Path) -> Observed:
    """Plays one case on a database of its own."""
    async with stage(nursery, database_url, home) as world:
        await world.gateway.start()
        send = await case.deed.prepare(world)
        await world.gateway.end()
        if case.deed.between is not None:
            await case.deed.between(world)
        before = await _snapshot(database_url)
        wrong = await _die(world, case, send)
        after = await _snapshot(database_url)
        await world.ecms_fails("none")
        # The lease of whoever died is over.
        await world.execute("UPDATE event SET due_at = now() WHERE state = 'WAITING'")
        world.recorder.calm = True
        await world.gateway.start()
        answer = await send()
        if answer is None or answer.status not in case.deed.answers:
            wrong.append(f"the same request again was answered {answer and (answer.status, answer.raw[:200])}")
        if not await world.drained(_DRAINED_WITHIN_S):
            wrong.append("ECMS has not heard everything")
        wrong += await world.codes_that_differ()
        history = await world.history()
        wrong += [str(violation) for violation in check(history)]
        end = _changed(before, await _snapshot(database_url))
        heard = _heard(case.deed, history)
        return Observed(case, _ledger(_changed(before, after), end), _again(answer), heard, tuple(wrong))


async def _die(world: Stage, case: Case, send: Send) -> list[str]:
    """Sends the request to a gateway that dies at the point; what is wrong, should it not."""
    await world.gateway.start(crash_at=case.point, ready=False)
    sent = asyncio.ensure_future(send()) if await world.gateway.becomes_ready() else None
    wrong: list[str] = []
    try:
        async with asyncio.timeout(_DIES_WITHIN_S):
            status = await world.gateway.died()
        if status != STATUS:
            wrong.append(f"it ended with status {status}:\n{tail(world.gateway.log)}")
    except TimeoutError:
        wrong.append("it did not come by the point")
        await world.gateway.end()
    if sent is not None:
        await sent
    return wrong


_TABLES = {
    "transaction": "*",
    "reference": "*",
    "journal": "*",
    "terminal": "*",
    "shift": "*",
    "event": "event_id, state, told_at",
    "task": "*",
    "return_request": "*",
    "booking": "*",
    "receipt_copy": "*",
    "token": "*",
    "attempt": "*",
}


async def _snapshot(database_url: str) -> dict[str, str]:
    """What the ledger holds, as a hash of each table. An event's lease is nothing that it says."""
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        return {
            table: await connection.fetchval(
                f"SELECT coalesce(md5(string_agg(one::text, '|' ORDER BY one::text)), '') "
                f"FROM (SELECT {columns} FROM {table}) AS one"
            )
            for table, columns in _TABLES.items()
        }
    finally:
        await connection.close()


def _changed(before: dict[str, str], after: dict[str, str]) -> frozenset[str]:
    return frozenset(table for table in before if before[table] != after[table])


def _ledger(at_death: frozenset[str], at_the_end: frozenset[str]) -> str:
    if not at_death:
        return "nothing"
    return "everything" if at_death >= at_the_end - {"token"} else ", ".join(sorted(at_death))


def _again(answer: Answer | None) -> str:
    if answer is None:
        return "no answer"
    stored = answer.headers.get("Idempotent-Replay") == "true"
    return f"{answer.status}, the stored answer" if stored else str(answer.status)


def _heard(deed: Deed, history: History) -> str:
    """How often ECMS was told of what the work was about; the rest it heard while the stage was set."""
    if history.tasks:
        return "refuses it, which the work list says"
    if not any(point.startswith(("relay", "told")) for point in deed.points):
        return "–"
    deliveries = [one for rows in history.deliveries.values() for one in rows if one.source in ("counter", "kiosk")]
    return "hears it once" if all(one.applied for one in deliveries) else "hears it twice, applies it once"


async def run_cases(
    cases: Sequence[Case], databases: Sequence[str], home: Path, observed: Callable[[Observed], None]
) -> None:
    """Plays many cases, one at a time on each database, and hands each result over as it comes."""
    waiting = iter(enumerate(cases))

    async def lane(nursery: Nursery, database_url: str) -> None:
        for number, case in waiting:
            directory = home / f"case-{number}"
            directory.mkdir()
            await _empty(database_url)
            observed(await run_case(case, nursery, database_url, directory))

    async with Nursery() as nursery, asyncio.TaskGroup() as group:
        for database_url in databases:
            group.create_task(lane(nursery, database_url))


async def _empty(database_url: str) -> None:
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        tables = await connection.fetch(
            "SELECT tablename FROM pg_tables "
            "WHERE schemaname = 'public' AND tablename NOT IN ('schema_migration', 'fence')"
        )
        await connection.execute(f"TRUNCATE {', '.join(row['tablename'] for row in tables)}")
    finally:
        await connection.close()
