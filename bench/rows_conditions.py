"""COLLECT as conditions change: the ledger grown, ECMS away, a second process; and the relay by itself."""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

import aiohttp

from bench import sides
from bench.drive import Bench, Side, audit, in_turn, once, over_http
from bench.errors import BenchError
from bench.findings import Line, Row, Target
from bench.load import Driven, own_client
from bench.plan import CONNECTIONS, ECMS_DELAY_MS
from bench.rows_one import percentile
from bench.rows_throughput import database_of
from bench.stock import Database, Records

_RATE_LIMIT = 8_000
"""COLLECTs a second that no single process reaches: so many requests are prepared for each second."""

_NORMAL, _TOO_MUCH = 0.8, 1.5
"""Shares of what one process can serve."""

_WARM_UP_S = 2
"""Before what comes at a share of the capacity is counted, in seconds: at least."""

_FIRST_EVENT_WITHIN_S = 30.0


async def growth(bench: Bench) -> list[Line]:
    """COLLECT with little and with much stored. Each round starts its own process on each size.

    All rounds stand behind one checkpoint, the first of them right behind it: a ledger that works makes one in minutes,
    and what costs most behind it, the first change of each page, is behind a large one for longer.
    """
    ground, plan = bench.ground, bench.plan
    small, *grown = plan.grown
    largest = grown[-1]
    stocks = {size: await ground.stock(*size) for size in plan.grown}
    whole = {size: ground.whole(stocks[size]) for size in grown}
    rates: dict[tuple[int, int], list[float]] = {size: [] for size in plan.grown}
    async with AsyncExitStack() as stack:
        # Too little is stored in the small one for all rounds, and a copy that is made or dropped is a checkpoint.
        fresh = [await stack.enter_async_context(database_of(bench, stocks[small])) for _ in range(plan.growth_rounds)]
        for database in whole.values():
            await ground.warm(database)
        await ground.checkpoint()
        for number, unused in enumerate(fresh, start=1):
            for size in plan.grown:
                # What lies between the two is there for the plot.
                if size in (small, largest) or number <= plan.further_rounds:
                    driven = await _measure_grown(bench, whole.get(size, unused), number)
                    rates[size].append(driven.rate)
            # Of its few rows most have changed now, so that the server would clear up behind it within a minute: in the
            # other side's rounds, whose own tables are too large to need that once.
            await ground.clear_up(unused)
    for database in whole.values():
        await audit(bench, "the gateway", database)
    for size in plan.grown:
        bench.findings.growth += [(size[1], rate) for rate in rates[size]]
    figure = f"COLLECT with {largest[0]:,} references and {largest[1]:,} transactions stored"
    rounds = tuple(zip(rates[largest], rates[small], strict=True))
    note = "" if plan.name == "full" else "the full form has 10,000,000 and 5,000,000"
    return [Row("growth", figure, f"the same with {small[0]:,} and {small[1]:,}", "/s", rounds, Target(0.9), note)]


async def _measure_grown(bench: Bench, database: Database, number: int) -> Driven:
    stock, plan = database.stock, bench.plan
    records = bench.ground.collects(stock, plan.growth_rounds * (plan.seconds + plan.warm_up_s) * _RATE_LIMIT)
    async with sides.gateway(bench.ground, database, None) as served:
        side = over_http("gateway", served, database, records)
        label = f"{stock.transactions:,} transactions stored, round {number}"
        name = f"Growth, {stock.transactions:,} stored"
        return await once(bench, f"Growth: {label}", name, side, checkpoint=False)


async def ecms(bench: Bench) -> list[Line]:
    """COLLECT with ECMS away and with ECMS taking events; and the relay by itself, on the backlog of the former.

    Each measurement has a process of its own, so that none relays what another has left.
    """
    ground, plan = bench.ground, bench.plan
    stock = await ground.stock(plan.references, 0)
    rates: list[tuple[float, float, float]] = []
    async with AsyncExitStack() as stack:
        away = await stack.enter_async_context(database_of(bench, stock))
        there = await stack.enter_async_context(database_of(bench, stock))
        stub = await stack.enter_async_context(sides.ecms_stub(ground, ECMS_DELAY_MS))
        for number in range(1, plan.rounds + 1):
            of = f"round {number} of {plan.rounds}"
            without = await _collect_once(bench, f"ECMS away, {of}", "ECMS away", away, None)
            with_ecms = await _collect_once(bench, f"ECMS there, {of}", "ECMS there", there, stub)
            told = await _drain(bench, f"Relay: the backlog drains, {of}", away, stub)
            rates.append((without.rate, with_ecms.rate, told))
        for database in (away, there):
            await audit(bench, "the gateway", database)
    what = f"with ECMS there, answering in {ECMS_DELAY_MS} ms"
    figure = f"Relay: events told each second to an ECMS that answers in {ECMS_DELAY_MS} ms"
    pairs = tuple((without, with_ecms) for without, with_ecms, _ in rates)
    relayed = tuple((told, without) for without, _, told in rates)
    return [
        Row("ecms", "COLLECT with ECMS away for the whole run", what, "/s", pairs, Target(0.9)),
        Row("ecms", figure, "COLLECT that a single process sustains", "/s", relayed, Target(1.0)),
    ]


async def _collect_once(bench: Bench, label: str, name: str, database: Database, stub: sides.Served | None) -> Driven:
    records = bench.ground.collects(database.stock, bench.plan.references)
    async with sides.gateway(bench.ground, database, stub) as served:
        return await once(bench, f"COLLECT: {label}", "COLLECT", over_http(name, served, database, records))


async def _drain(bench: Bench, label: str, database: Database, stub: sides.Served) -> float:
    """Events told a second by a process that finds a backlog and has nothing else to do."""
    seconds = bench.plan.seconds
    row = (await bench.ground.fetch(database, "SELECT count(*) AS n FROM event WHERE state <> 'TOLD'"))[0]
    before = await _told(stub)
    async with sides.gateway(bench.ground, database, stub), bench.show.timing(label, seconds + 1):
        rate = await _drain_rate(stub, before, before + int(row["n"] * 0.95), seconds)
    bench.show.say(f"  {label}: [bold]{rate:,.0f}[/bold]/s")
    return rate


async def _drain_rate(stub: sides.Served, before: int, enough: int, seconds: float) -> float:
    """Events a second from the first one on, for so long or until nearly none are left."""
    give_up = time.monotonic() + _FIRST_EVENT_WITHIN_S
    while (first := await _told(stub)) == before and time.monotonic() < give_up:
        await asyncio.sleep(0.05)
    began = time.monotonic()
    told, now = first, began
    while now - began < seconds and told < enough:
        await asyncio.sleep(0.1)
        told, now = await _told(stub), time.monotonic()
    return (told - first) / max(now - began, 0.001)


async def _told(stub: sides.Served) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"{stub.url}/count") as response:
        return int((await response.json())["told"])


async def _at_share(
    bench: Bench, label: str, served: sides.Served, source: tuple[Records, Database], rate: float
) -> dict[str, Any]:
    records, database = source
    plan = bench.plan
    await bench.ground.checkpoint()
    async with bench.show.timing(f"Overload: {label}", plan.seconds + plan.warm_up_s + 1):
        told = await own_client(
            "crowd",
            served.port,
            [(records, database.used)],
            f"--rate={rate:.0f}",
            f"--seconds={plan.seconds}",
            f"--warm-up={max(_WARM_UP_S, plan.warm_up_s)}",
        )
    database.used += told["sent"]
    database.collected += told["answered"]
    if set(told["statuses"]) - {"201", "503"}:
        raise BenchError(f"there were other answers than 201 and 503: {told['statuses']}")
    accepted = told["accepted_ms"]
    bench.show.say(
        f"  Overload: {label} ({rate:,.0f}/s): p50 [bold]{percentile(accepted, 50):.1f}[/bold] ms, p99 [bold]"
        f"{percentile(accepted, 99):.1f}[/bold] ms of what was accepted; {told['statuses']}"
    )
    return told


async def overload(bench: Bench) -> list[Line]:
    """What is accepted while half as much again comes as can be served; the rest is told to come back."""
    ground, plan = bench.ground, bench.plan
    # What is refused is not sent again either.
    longest = plan.seconds + max(_WARM_UP_S, plan.warm_up_s)
    needed = int((1 + plan.overload_rounds * (_NORMAL + _TOO_MUCH)) * longest * _RATE_LIMIT)
    stock = await ground.stock(max(plan.references, needed), 0)
    records = ground.collects(stock, needed)
    rounds, shed = [], []
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(database_of(bench, stock))
        served = await stack.enter_async_context(sides.gateway(ground, database, None))
        capacity = await once(bench, "Overload: capacity", "COLLECT", over_http("gateway", served, database, records))
        for number in range(1, plan.overload_rounds + 1):
            of = f"round {number} of {plan.overload_rounds}"
            normal, too_much = [
                await _at_share(bench, f"{share} x, {of}", served, (records, database), share * capacity.rate)
                for share in (_NORMAL, _TOO_MUCH)
            ]
            rounds.append((percentile(too_much["accepted_ms"], 99), percentile(normal["accepted_ms"], 99)))
            shed.append(too_much["statuses"].get("503", 0) / max(1, sum(too_much["statuses"].values())))
        await audit(bench, "the gateway", database)
    figure = f"p99 of the COLLECTs accepted while {_TOO_MUCH} x of what can be served comes in"
    note = f"{max(shed):.0%} were told to come back (503, Retry-After, HOLD); every accepted one is in the ledger"
    return [Row("overload", figure, f"p99 at {_NORMAL} x", " ms", tuple(rounds), Target(2.0, at_least=False), note)]


async def processes(bench: Bench) -> list[Line]:
    """One gateway process, and two on one database."""
    ground, plan = bench.ground, bench.plan
    stock = await ground.stock(plan.references, 0)
    records = ground.collects(stock, plan.references)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(database_of(bench, stock))
        first = await stack.enter_async_context(sides.gateway(ground, database, None))
        second = await stack.enter_async_context(sides.gateway(ground, database, None))
        halves = [database, Database(database.name, database.url, stock, used=stock.open // 2)]
        one = over_http("one process", first, database, records)
        pair = [over_http("", served, half, records) for served, half in zip((first, second), halves, strict=True)]

        async def both(seconds: int, connections: int) -> Driven:
            parts = await asyncio.gather(*(side.drive(seconds, connections // 2) for side in pair))
            latency = {name: max(part.latency_ms[name] for part in parts) for name in parts[0].latency_ms}
            return Driven(
                sum(part.rate for part in parts),
                sum(part.answered for part in parts),
                sum(part.sent for part in parts),
                latency,
            )

        two = Side("two processes", both, (first.pid, second.pid), CONNECTIONS)
        await in_turn(bench, "COLLECT", [two, one], plan.further_rounds)
        whole = Database(database.name, database.url, stock)
        whole.used = sum(half.used for half in halves) - stock.open // 2
        whole.collected = sum(half.collected for half in halves)
        await audit(bench, "the gateways", whole)
    rounds = tuple(zip(two.rates, one.rates, strict=True))
    note = "both processors are shared with the database and the load here"
    figure = "COLLECT through 2 gateway processes on one database"
    return [Row("processes", figure, "1 process", "/s", rounds, note=note)]
