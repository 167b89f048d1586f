"""Where the time of a COLLECT and of a lookup goes: py-spy, pg_stat_statements and what connections wait for.

Under full load, and of a COLLECT also at the steady rate, where what counts is not how much is done but how soon.
"""

import asyncio
import collections
import contextlib
import os
import re
import shutil
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import asyncpg
from rich.console import Console

from bench import report, sides
from bench.drive import Bench, Side, looking_up, metered, over_http
from bench.errors import BenchError
from bench.findings import Findings
from bench.ground import Ground, open_ground
from bench.load import Driven, own_client
from bench.meter import Costs
from bench.plan import CONNECTIONS, ECMS_DELAY_MS, STEADY_RATE, Plan
from bench.rows_one import percentile
from bench.rows_throughput import database_of
from bench.show import Show
from bench.stock import Database, Records

_SAMPLES_A_SECOND = 250
_WAIT_EVERY_S = 0.02
_TOP = 25
_TRIPS = 500
_STATEMENTS_SHOWN = 12
_LIMITS = Path(__file__).resolve().parent / "limits.md"
"""What follows from the profiles, written by a person; it ends the section."""
_FRAME = re.compile(r"^(?P<function>.+?) \((?P<file>[^()]+?)(?::[0-9]+)?\)$")


@dataclass
class Stacks:
    """Samples of stacks: how often each function was running, and how often it was on the way."""

    total: int
    own: collections.Counter[str]
    within: collections.Counter[str]
    parts: collections.Counter[str]
    """By part of the program: a package, or a sub-package of ours."""


@dataclass
class _Profile:
    name: str
    driven: Driven
    costs: Costs
    stacks: Stacks
    statements: list[asyncpg.Record]
    waits: collections.Counter[str]
    trip_us: float
    """How long the database takes to be asked for nothing and to answer, while nothing else goes on."""


async def profile(plan: Plan, console: Console) -> None:
    """Profiles them and writes the section of RESULTS.md."""
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if spy is None:
        raise BenchError("py-spy is missing: install requirements-bench.txt")
    show = Show(console)
    with show.live(3):
        async with open_ground(show, preload="pg_stat_statements") as ground:
            bench = Bench(ground, plan, show, Findings())
            stock = await ground.stock(plan.references, 0)
            collects, lookups = ground.collects(stock, plan.references), ground.lookups(stock, plan.references)
            found = []
            async with database_of(bench, stock) as database, sides.gateway(ground, database, None) as served:
                side = over_http("COLLECT", served, database, collects)
                found.append(await _profile_one(bench, spy, side, served, database))
            show.done(1)
            async with database_of(bench, stock) as database, sides.gateway(ground, database, None) as served:
                side = looking_up("Lookup", served, lookups)
                found.append(await _profile_one(bench, spy, side, served, database))
            show.done(2)
            async with (
                sides.ecms_stub(ground, ECMS_DELAY_MS) as stub,
                database_of(bench, stock) as database,
                sides.gateway(ground, database, stub, relay_apart=True) as served,
            ):
                side = _steadily(served, database, collects)
                found.append(await _profile_one(bench, spy, side, served, database))
            show.done(3)
    body = "\n".join(_section(one) for one in found)
    if _LIMITS.exists():
        body += "\n" + _LIMITS.read_text()
    report.write_profile(body)
    console.print(body, markup=False, highlight=False)


def _steadily(served: sides.Served, database: Database, records: Records) -> Side:
    """COLLECT at the steady rate."""

    async def drive(seconds: int, _connections: int) -> Driven:
        options = (f"--rate={STEADY_RATE}", f"--seconds={seconds}")
        told = await own_client("steady", served.port, [(records, database.used)], *options)
        database.used += told["sent"]
        database.collected += told["answered"]
        latency_ms = {f"p{percent}": percentile(told["latencies_ms"], percent) for percent in (50, 99)}
        return Driven(told["answered"] / seconds, told["answered"], told["sent"], latency_ms)

    return Side(f"COLLECT at {STEADY_RATE} a second, ECMS there", drive, (served.pid,))


async def _profile_one(bench: Bench, spy: str, side: Side, served: sides.Served, database: Database) -> _Profile:
    plan = bench.plan
    admin = await bench.ground.administrator(database.name)
    try:
        await admin.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        trip_us = await _trip(admin)
        async with bench.show.timing(f"Profile of {side.name}", plan.warm_up_s + 2 * plan.profile_s + 3):
            await bench.ground.checkpoint()
            await side.drive(plan.warm_up_s, CONNECTIONS)
            # What it costs is read without the sampler, which stops the process for each sample.
            await admin.execute("SELECT pg_stat_statements_reset()")
            waits: collections.Counter[str] = collections.Counter()
            watching = asyncio.create_task(_watch_waits(admin, database, waits))
            driven, costs = await metered(bench, side, plan.profile_s, CONNECTIONS)
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
            statements = await admin.fetch(_STATEMENTS, database.name)
            stacks = await _spy(bench.ground, spy, side, served.pid, plan.profile_s)
    finally:
        await admin.close()
    return _Profile(side.name, driven, costs, stacks, statements, waits, trip_us)


async def _trip(connection: "asyncpg.Connection[asyncpg.Record]") -> float:
    """Microseconds of a trip to the database and back, the median of many."""
    taken = []
    for _ in range(_TRIPS):
        began = time.perf_counter()
        await connection.fetchval("SELECT 1")
        taken.append(time.perf_counter() - began)
    return median(taken) * 1e6


async def _spy(ground: Ground, spy: str, side: Side, pid: int, seconds: int) -> Stacks:
    output = ground.home / f"stacks-{side.name.split(',')[0].replace(' ', '-')}.txt"
    process = await asyncio.create_subprocess_exec(
        spy,
        "record",
        f"--pid={pid}",
        "--subprocesses",
        "--format=raw",
        f"--rate={_SAMPLES_A_SECOND}",
        f"--duration={max(1, seconds - 1)}",
        f"--output={output}",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    await side.drive(seconds, CONNECTIONS)
    said, _ = await process.communicate()
    if process.returncode != 0 or not output.exists():
        raise BenchError(f"py-spy could not look into the gateway: {said.decode()[-300:].strip()}")
    return read_stacks(output.read_text().splitlines())


def read_stacks(lines: Iterable[str]) -> Stacks:
    """Counts py-spy's raw lines, `frame;frame;… count`, the outermost frame first."""
    stacks = Stacks(0, collections.Counter(), collections.Counter(), collections.Counter())
    for line in lines:
        stack, _, count = line.rpartition(" ")
        if not stack or not count.isdigit():
            continue
        frames = [_without_line(frame) for frame in stack.split(";") if not frame.startswith(("process ", "thread "))]
        if not frames:
            continue
        stacks.total += int(count)
        stacks.own[frames[-1]] += int(count)
        stacks.parts[_part_of(frames[-1])] += int(count)
        for frame in set(frames):
            stacks.within[frame] += int(count)
    return stacks


def _without_line(frame: str) -> str:
    found = _FRAME.match(frame)
    return frame if found is None else f"{found['function']} ({found['file']})"


def _part_of(frame: str) -> str:
    """`connect_gateway/ledger`, or the package of somebody else."""
    found = _FRAME.match(frame)
    if found is None:
        return frame
    file = found["file"].rpartition("site-packages/")[2]
    folders = file.split("/")
    if "connect_gateway" in folders:
        own = folders[folders.index("connect_gateway") :]
        return "/".join(own[:2])
    return folders[0] if len(folders) > 1 else file


_STATEMENTS = """
SELECT query, calls, total_exec_time AS ms, rows, wal_bytes
FROM pg_stat_statements JOIN pg_database ON pg_database.oid = dbid
WHERE datname = $1 AND query NOT ILIKE '%pg_stat%'
ORDER BY total_exec_time DESC
"""

_WAITS = """
SELECT coalesce(wait_event_type || ': ' || wait_event, 'running') AS what FROM pg_stat_activity
WHERE datname = $1 AND application_name = 'connect-gateway' AND state <> 'idle'
"""


async def _watch_waits(
    admin: "asyncpg.Connection[asyncpg.Record]", database: Database, waits: collections.Counter[str]
) -> None:
    """What the gateway's connections do or wait for, looked at again and again until cancelled."""
    while True:
        waits.update(row["what"] for row in await admin.fetch(_WAITS, database.name))
        await asyncio.sleep(_WAIT_EVERY_S)


def _section(one: _Profile) -> str:
    costs, stacks = one.costs, one.stacks
    text = f"### {one.name}\n\n"
    each_us = costs.database_us + costs.server_us + costs.load_us
    busy = each_us * one.driven.rate / 1e6 / (os.cpu_count() or 1)
    calls = sum(row["calls"] for row in one.statements)
    text += (
        f"{one.driven.rate:,.0f} a second, with p50 {one.driven.latency_ms['p50']:.1f} ms and p99 "
        f"{one.driven.latency_ms['p99']:.1f} ms. Processor time for each: "
        f"{costs.database_us:.0f} µs PostgreSQL, {costs.server_us:.0f} µs gateway, {costs.load_us:.0f} µs the load's "
        f"client; they had {busy:.0%} of the machine, and others {costs.others:.0%}. {costs.wal_bytes:,.0f} bytes "
        f"logged. {calls / max(one.driven.answered, 1):.2f} trips to the database "
        f"for each; a trip for nothing takes {one.trip_us:.0f} µs here while nothing else goes on.\n\n"
    )
    samples = f"py-spy, {stacks.total:,} samples, time in C with its caller"
    text += f"The gateway's {costs.server_us:.0f} µs by part ({samples}):\n\n"
    text += _shares(stacks.parts.most_common(15), stacks.total, costs.server_us, "part")
    text += "\nFunctions by their own time:\n\n"
    text += _shares(stacks.own.most_common(_TOP), stacks.total, costs.server_us, "function")
    text += "\nFunctions of the gateway by time in and below them:\n\n"
    ours = [(name, count) for name, count in stacks.within.most_common() if "connect_gateway/" in name][:_TOP]
    text += _shares(ours, stacks.total, costs.server_us, "function")
    text += "\nStatements (pg_stat_statements):\n\n" + _statement_table(one)
    everything = max(sum(one.waits.values()), 1)
    waits = ", ".join(f"{what} {count / everything:.0%}" for what, count in one.waits.most_common(8))
    return text + f"\nWhat its connections were doing while a statement was open: {waits or 'never seen'}.\n"


def _shares(counted: list[tuple[str, int]], total: int, server_us: float, head: str) -> str:
    text = f"| {head} | share | µs |\n|---|---|---|\n"
    for name, count in counted:
        share = count / max(total, 1)
        text += f"| `{name}` | {share:.1%} | {share * server_us:.1f} |\n"
    return text


def _statement_table(one: _Profile) -> str:
    requests = max(one.driven.answered, 1)
    text = "| statement | µs for each request | calls | requests for each call | ms a call | bytes logged a request |\n"
    text += "|---|---|---|---|---|---|\n"
    for row in one.statements[:_STATEMENTS_SHOWN]:
        query = " ".join(row["query"].split())[:100].replace("|", "\\|")
        text += (
            f"| `{query}` | {row['ms'] * 1000 / requests:.1f} | {row['calls']:,} | {requests / row['calls']:.1f} "
            f"| {row['ms'] / row['calls']:.3f} | {float(row['wal_bytes']) / requests:,.0f} |\n"
        )
    return text
