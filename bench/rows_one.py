"""Rows about one request or one process: latency at a steady rate, memory, a receipt as a picture, ceilings."""

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from statistics import median
from typing import Any

import aiohttp
import psutil

from bench import sides
from bench.drive import Bench, Side, audit, metered
from bench.errors import BenchError, NotHere
from bench.findings import Fact, Line, NotMeasured, Row, Target
from bench.load import Driven, own_client, wrk
from bench.plan import CONNECTIONS, ECMS_DELAY_MS, PEER_WORKERS, STEADY_RATE, Plan
from bench.rows_throughput import database_of
from bench.stock import Database, Records

_ROUNDS = 3
_COLLECT, _FASTIFY, _SYNCED = "COLLECT, ECMS there", "Fastify, ECMS not told", "one fdatasync"
_MIB = 2**20
_SAMPLE_S = 0.5


async def steady(bench: Bench) -> list[Line]:
    """p99 of COLLECT at a steady rate, against the median of a handler that waits for one fdatasync.

    To be known besides: against that handler's own p99, and against Fastify's, which tells ECMS nothing.
    """
    ground, plan = bench.ground, bench.plan
    stock = await ground.stock(plan.references, 0)
    records = ground.collects(stock, _ROUNDS * STEADY_RATE * (plan.steady_s + 5))
    collecting: dict[str, tuple[sides.Served, Database]] = {}
    latencies: dict[str, list[list[float]]] = defaultdict(list)
    missing = ""
    async with AsyncExitStack() as stack:
        stub = await stack.enter_async_context(sides.ecms_stub(ground, ECMS_DELAY_MS))
        database = await stack.enter_async_context(database_of(bench, stock))
        served = await stack.enter_async_context(sides.gateway(ground, database, stub, relay_apart=True))
        collecting[_COLLECT] = served, database
        database = await stack.enter_async_context(database_of(bench, stock))
        try:
            collecting[_FASTIFY] = await stack.enter_async_context(sides.fastify(ground, database)), database
        except NotHere as error:
            missing = str(error)
        bare = await stack.enter_async_context(sides.bare_aiohttp(ground))
        synced = _one_record(bench, "sync", b"GET /sync HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        for number in range(1, _ROUNDS + 1):
            for name, (served, database) in collecting.items():
                await ground.checkpoint()
                label = f"Steady {STEADY_RATE}/s: {name}, round {number} of {_ROUNDS}"
                told = await _at_steady_rate(bench, label, served, (records, database.used))
                database.used += told["sent"]
                database.collected += told["answered"]
                latencies[name].append(told["latencies_ms"])
            label = f"Steady {STEADY_RATE}/s: {_SYNCED}, round {number} of {_ROUNDS}"
            told = await _at_steady_rate(bench, label, bare, (synced, 0), "--again")
            latencies[_SYNCED].append(told["latencies_ms"])
        for name, (_, database) in collecting.items():
            await audit(bench, name, database)
    for name, rounds in latencies.items():
        bench.findings.steady_ms[name] = [one for each in rounds for one in each]
    return _steady_lines(plan, latencies, missing)


def _steady_lines(plan: Plan, latencies: Mapping[str, list[list[float]]], missing: str) -> list[Line]:
    figure = f"p99 of COLLECT at {STEADY_RATE}/s steady for {plan.steady_s} s, with ECMS there (`--relay-apart`)"
    handler = "of a bare aiohttp handler that waits for one 8 kB fdatasync, at the same rate"
    note = "" if plan.name == "full" else "the full form takes 60 s"

    def against(other: str, what: str, percent: int, target: Target | None = None) -> Row:
        ours = [percentile(each, 99) for each in latencies[_COLLECT]]
        theirs = [percentile(each, percent) for each in latencies[other]]
        return Row("steady", figure, what, " ms", tuple(zip(ours, theirs, strict=True)), target, note)

    lines: list[Line] = [
        against(_SYNCED, f"p50 {handler}", 50, Target(10, at_least=False)),
        against(_SYNCED, f"p99 {handler}", 99),
    ]
    if missing:
        lines.append(NotMeasured("steady", f"{figure}, against Fastify", missing))
    else:
        what = f"p99 of the same writes in Fastify + pg, {PEER_WORKERS} workers, at the same rate; ECMS not told"
        lines.append(against(_FASTIFY, what, 99))
    return lines


async def _at_steady_rate(
    bench: Bench, label: str, served: sides.Served, source: tuple[Records, int], *options: str
) -> dict[str, Any]:
    seconds, warm_up_s = bench.plan.steady_s, bench.plan.warm_up_s
    async with bench.show.timing(label, seconds + warm_up_s + 1):
        told = await own_client(
            "steady",
            served.port,
            [source],
            f"--rate={STEADY_RATE}",
            f"--seconds={seconds}",
            f"--warm-up={warm_up_s}",
            *options,
        )
    if told["answered"] != sum(told["statuses"].values()):
        raise BenchError(f"at {STEADY_RATE}/s there were other answers than successes: {told['statuses']}")
    latencies = told["latencies_ms"]
    bench.show.say(
        f"  {label}: p50 [bold]{percentile(latencies, 50):.2f}[/bold] ms, p99 [bold]{percentile(latencies, 99):.2f}"
        f"[/bold] ms over {told['connections']} connections; sent up to {told['sent_late_ms_p99']:.2f} ms late (p99)"
    )
    return told


async def memory(bench: Bench) -> list[Line]:
    """Memory of a gateway process that scans and collects, with ECMS there."""
    ground = bench.ground
    few, many = bench.plan.memory_requests
    stock = await ground.stock(bench.plan.references, 0)
    files = [ground.lookups(stock, many // 2), ground.collects(stock, many // 2)]
    async with AsyncExitStack() as stack:
        stub = await stack.enter_async_context(sides.ecms_stub(ground, ECMS_DELAY_MS))
        database = await stack.enter_async_context(database_of(bench, stock))
        served = await stack.enter_async_context(sides.gateway(ground, database, stub))
        process = psutil.Process(served.pid)
        with bench.show.counting("Memory: requests answered", many) as progress:
            sampling = asyncio.create_task(_sample(bench, process, database, progress))
            try:
                early = await _after(process, served, files, 0, few)
                late = await _after(process, served, files, few, many)
            finally:
                sampling.cancel()
                with suppress(asyncio.CancelledError):
                    await sampling
    bench.show.say(f"  Memory: [bold]{early:.1f}[/bold] MiB after {few:,}, [bold]{late:.1f}[/bold] after {many:,}")
    figure = f"Memory of one gateway process after {many:,} requests"
    note = "scans and collections in turn" + ("" if many >= 1_000_000 else "; the full form has 1,000,000")
    return [Row("memory", figure, f"after {few:,}", " MiB", ((late, early),), Target(1.1, at_least=False), note)]


async def _after(process: psutil.Process, served: sides.Served, files: list[Records], first: int, last: int) -> float:
    """Resident memory once requests `first` to `last` have been answered."""
    told = await own_client(
        "busy",
        served.port,
        [(file, first // 2) for file in files],
        f"--count={last - first}",
        f"--connections={CONNECTIONS}",
    )
    if told["answered"] != last - first:
        raise BenchError(f"of {last - first} requests these came back: {told['statuses']}")
    return float(process.memory_info().rss / _MIB)


async def _sample(bench: Bench, process: psutil.Process, database: Database, progress: Any) -> None:
    began = time.monotonic()
    while True:
        # Each collection comes behind a scan; what the ledger has counts for two requests.
        row = (await bench.ground.fetch(database, "SELECT sum(receipts)::bigint AS n FROM terminal"))[0]
        answered = 2 * int(row["n"] or 0)
        progress(answered)
        bench.findings.memory.append((time.monotonic() - began, answered, process.memory_info().rss / _MIB))
        await asyncio.sleep(_SAMPLE_S)


async def receipt(bench: Bench) -> list[Line]:
    """A receipt as a picture, one after another."""
    ground, count = bench.ground, bench.plan.receipts
    stock = await ground.stock(bench.plan.references, 0)
    figure = "PNG receipt"
    async with database_of(bench, stock) as database, sides.gateway(ground, database, None) as served:
        await own_client(
            "busy", served.port, [(ground.collects(stock, count), 0)], f"--count={count}", "--connections=1"
        )
        rows = await ground.fetch(database, "SELECT store_id, receipt_number FROM transaction")
        times = []
        with bench.show.counting(figure, count) as progress:
            async with aiohttp.ClientSession(served.url) as session:
                for done, (store_id, number) in enumerate(rows, start=1):
                    token = stock.tokens[int(store_id) - 1]
                    headers = {"Accept": "image/png", "Authorization": f"Bearer {token}"}
                    began = time.perf_counter()
                    async with session.get(f"/pos/v1/receipts/{number}", headers=headers) as response:
                        picture = await response.read()
                    times.append((time.perf_counter() - began) * 1000)
                    if response.status == 406:
                        return [NotMeasured("receipt", figure, "not built yet: the gateway offers no picture")]
                    if response.status != 200 or not picture.startswith(b"\x89PNG"):
                        raise BenchError(f"a receipt was answered with {response.status}")
                    progress(done)
    text = f"{median(times):.1f} ms each, at most {max(times):.1f} ms"
    return [Fact("receipt", figure, text, f"{count} receipts, one after another, through HTTP")]


async def ceilings(bench: Bench) -> list[Line]:
    """What the load generators can do at most here, so that they are seen not to be what is measured."""
    ground, plan = bench.ground, bench.plan
    stock = await ground.stock(plan.references, 0)
    records = ground.collects(stock, plan.references)
    async with AsyncExitStack() as stack:
        same = await stack.enter_async_context(sides.same_answer(ground))
        bare = await stack.enter_async_context(sides.bare_aiohttp(ground))
        async with bench.show.timing("What wrk can do", 4):
            fastest = await _ceiling(bench, "a server that always says the same", same, records)
            plain = await _ceiling(bench, "a bare aiohttp handler", bare, records)
        told = await _at_steady_rate(bench, "What the steady client adds", same, (records, 0), "--again")
    floor = told["latencies_ms"]
    return [
        Fact("ceilings", "wrk, against a server that always says the same", f"{fastest.rate:,.0f}/s"),
        Fact("ceilings", "wrk, against a bare aiohttp handler", f"{plain.rate:,.0f}/s"),
        Fact(
            "ceilings",
            f"the steady client at {STEADY_RATE}/s, against a server that always says the same",
            f"p50 {percentile(floor, 50):.2f} ms, p99 {percentile(floor, 99):.2f} ms",
            "part of every latency measured with it",
        ),
    ]


async def _ceiling(bench: Bench, name: str, served: sides.Served, records: Records) -> Driven:
    async def drive(seconds: int, connections: int) -> Driven:
        return await wrk(served.port, records, 0, connections=connections, seconds=seconds, again=True)

    driven, costs = await metered(bench, Side(name, drive, (served.pid,)), 2, CONNECTIONS)
    bench.findings.costs[f"wrk against {name}"] = [costs]
    return driven


def _one_record(bench: Bench, name: str, request: bytes) -> Records:
    path = bench.ground.home / f"{name}.requests"
    path.write_bytes(request)
    return Records(path, len(request), 1)


def percentile(values: list[float], percent: float) -> float:
    """The value that so many percent of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
