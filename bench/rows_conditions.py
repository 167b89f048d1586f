"""COLLECT as conditions change: the ledger grown, ECMS away, a second process; and the relay by itself."""

import asyncio
import time
from contextlib import AsyncExitStack

import aiohttp

from bench import sides
from bench.drive import Bench, Side, audit, in_turn, once, over_http
from bench.findings import Line, Row, Target
from bench.load import Driven
from bench.plan import CONNECTIONS, ECMS_DELAY_MS
from bench.rows_throughput import database_of
from bench.stock import Database

_RATE_LIMIT = 15_000
"""COLLECTs a second that no side reaches: so many requests are prepared for each second."""


async def growth(bench: Bench) -> list[Line]:
    """COLLECT with little and with much stored. Each round starts its own process on each size."""
    ground, plan = bench.ground, bench.plan
    small, *grown = plan.grown
    stocks = {size: await ground.stock(*size) for size in plan.grown}
    whole = {size: ground.whole(stocks[size]) for size in grown}
    rates: dict[tuple[int, int], list[float]] = {size: [] for size in plan.grown}
    for number in range(1, plan.rounds + 1):
        for size in plan.grown:
            async with AsyncExitStack() as stack:
                database = whole.get(size)
                if database is None:
                    database = await stack.enter_async_context(database_of(bench, stocks[size]))
                driven = await _measure_grown(bench, database, number)
            rates[size].append(driven.rate)
    for database in whole.values():
        await audit(bench, "the gateway", database)
    for size in plan.grown:
        bench.findings.growth += [(size[1], rate) for rate in rates[size]]
    largest = grown[-1]
    figure = f"COLLECT with {largest[0]:,} references and {largest[1]:,} transactions stored"
    rounds = tuple(zip(rates[largest], rates[small], strict=True))
    note = "" if plan.name == "full" else "the full form has 10,000,000 and 5,000,000"
    return [Row("growth", figure, f"the same with {small[0]:,} and {small[1]:,}", "/s", rounds, Target(0.9), note)]


async def _measure_grown(bench: Bench, database: Database, number: int) -> Driven:
    stock, plan = database.stock, bench.plan
    records = bench.ground.collects(stock, plan.rounds * (plan.seconds + plan.warm_up_s) * _RATE_LIMIT)
    async with sides.gateway(bench.ground, database, None) as served:
        side = over_http("gateway", served, database, records)
        label = f"{stock.transactions:,} transactions stored, round {number} of {plan.rounds}"
        return await once(bench, f"Growth: {label}", f"Growth, {stock.transactions:,} stored", side)


async def ecms(bench: Bench) -> list[Line]:
    """COLLECT with ECMS away and with ECMS taking events, each in 50 ms."""
    ground, plan = bench.ground, bench.plan
    stock = await ground.stock(plan.references, 0)
    records = ground.collects(stock, plan.references)
    async with AsyncExitStack() as stack:
        stub = await stack.enter_async_context(sides.ecms_stub(ground, ECMS_DELAY_MS))
        driven: list[Side] = []
        databases: list[Database] = []
        for name, up in (("ECMS away", None), ("ECMS there", stub)):
            database = await stack.enter_async_context(database_of(bench, stock))
            served = await stack.enter_async_context(sides.gateway(ground, database, up))
            driven.append(over_http(name, served, database, records))
            databases.append(database)
        await in_turn(bench, "COLLECT", driven, plan.rounds)
        told = await _told(stub)
        for database in databases:
            await audit(bench, "the gateway", database)
    away, there = driven
    rounds = tuple(zip(away.rates, there.rates, strict=True))
    note = f"meanwhile ECMS was told {told:,} events"
    what = f"with ECMS there, answering in {ECMS_DELAY_MS} ms"
    return [Row("ecms", "COLLECT with ECMS away for the whole run", what, "/s", rounds, Target(0.9), note)]


async def relay(bench: Bench) -> list[Line]:
    """Events told a second, from the backlog that a COLLECT run without ECMS leaves behind."""
    ground, plan = bench.ground, bench.plan
    stock = await ground.stock(plan.references, 0)
    records = ground.collects(stock, plan.references)
    rounds = []
    for number in range(1, plan.rounds + 1):
        async with database_of(bench, stock) as database:
            async with sides.gateway(ground, database, None) as served:
                side = over_http("gateway, ECMS away", served, database, records)
                label = f"Relay: the backlog grows, round {number} of {plan.rounds}"
                collected = await once(bench, label, "Relay", side)
            await audit(bench, "the gateway", database)
            async with (
                sides.ecms_stub(ground, ECMS_DELAY_MS) as stub,
                sides.gateway(ground, database, stub),
                bench.show.timing(f"Relay: the backlog drains, round {number} of {plan.rounds}", plan.seconds + 1),
            ):
                told = await _drain_rate(stub, database.collected, plan.seconds)
            bench.show.say(f"  Relay: [bold]{told:,.0f}[/bold] events told a second")
            rounds.append((told, collected.rate))
    figure = f"Relay: events told each second to an ECMS that answers in {ECMS_DELAY_MS} ms"
    return [Row("relay", figure, "COLLECT that a single process sustains", "/s", tuple(rounds), Target(1.0))]


async def _drain_rate(stub: sides.Served, backlog: int, seconds: float) -> float:
    """Events a second from the first one on, for so long or until nearly none are left."""
    give_up = time.monotonic() + 30
    while not (first := await _told(stub)) and time.monotonic() < give_up:
        await asyncio.sleep(0.05)
    began = time.monotonic()
    told, now = first, began
    while now - began < seconds and told < backlog * 0.95:
        await asyncio.sleep(0.1)
        told, now = await _told(stub), time.monotonic()
    return (told - first) / max(now - began, 0.001)


async def _told(stub: sides.Served) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"{stub.url}/count") as response:
        return int((await response.json())["told"])


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
        await in_turn(bench, "COLLECT", [two, one], plan.rounds)
        whole = Database(database.name, database.url, stock)
        whole.used = sum(half.used for half in halves) - stock.open // 2
        whole.collected = sum(half.collected for half in halves)
        await audit(bench, "the gateways", whole)
    rounds = tuple(zip(two.rates, one.rates, strict=True))
    note = "both processors are shared with the database and the load here"
    figure = "COLLECT through 2 gateway processes on one database"
    return [Row("processes", figure, "1 process", "/s", rounds, note=note)]
