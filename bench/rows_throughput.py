"""COLLECT and lookup under full load, against PostgreSQL alone and against what else one would write."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from statistics import median

from bench import sides
from bench.drive import (
    Bench,
    Side,
    audit,
    audit_tables,
    in_turn,
    looking_up,
    metered,
    once,
    over_http,
    texts_of,
    under_pgbench,
)
from bench.errors import NotHere
from bench.findings import Line, NotMeasured, Row, Target
from bench.ground import Ground
from bench.plan import CONNECTIONS, PEER_WORKERS, PGBENCH_CLIENTS, WORKERS
from bench.stock import Database, Stock

GATEWAY = "gateway"
_COLLECT = f"COLLECT through HTTP, everything on, {CONNECTIONS} connections"
_LOOKUP = f"Lookup through HTTP, {CONNECTIONS} connections"

Peer = Callable[[Ground, Database], AbstractAsyncContextManager[sides.Served]]


@asynccontextmanager
async def database_of(bench: Bench, stock: Stock) -> AsyncIterator[Database]:
    """A fresh database that goes when the block is left."""
    database = await bench.ground.fresh(stock)
    try:
        yield database
    finally:
        await bench.ground.drop(database)


async def collect(bench: Bench) -> list[Line]:
    """The gateway, pgbench, FastAPI and Fastify doing the same five writes."""
    ground, plan = bench.ground, bench.plan
    stock = await ground.stock(plan.references, 0)
    records = ground.collects(stock, plan.references)
    async with AsyncExitStack() as stack:
        databases: dict[str, Database] = {}
        driven: dict[str, Side] = {}
        missing: dict[str, str] = {}

        async def add(name: str, start: Peer) -> None:
            database = await stack.enter_async_context(database_of(bench, stock))
            try:
                served = await stack.enter_async_context(start(ground, database))
            except NotHere as error:
                missing[name] = str(error)
                return
            databases[name], driven[name] = database, over_http(name, served, database, records)

        await add(GATEWAY, lambda ground, database: sides.gateway(ground, database, None, workers=WORKERS))
        await driven[GATEWAY].drive(1, 8)
        texts = await texts_of(bench, databases[GATEWAY])
        await audit_tables(bench, databases[GATEWAY])
        database = await stack.enter_async_context(database_of(bench, stock))
        databases["pgbench"], driven["pgbench"] = database, under_pgbench(bench, "collect", database, texts)
        await add("FastAPI", sides.fastapi)
        await add("Fastify", sides.fastify)

        await in_turn(bench, "COLLECT", list(driven.values()), plan.rounds)
        steps = under_pgbench(bench, "steps", database, texts)
        await once(bench, f"COLLECT: {steps.name}", "COLLECT", steps)
        await _sweep(bench, driven)
        for name, database in databases.items():
            await audit(bench, name, database)
    for name, side in driven.items():
        bench.findings.closed_ms[name] = side.measured[-1].latency_ms
    return _collect_lines(driven, missing, steps)


def _collect_lines(driven: dict[str, Side], missing: dict[str, str], steps: Side) -> list[Line]:
    against = {
        "pgbench": (f"pgbench, the same writes in one statement, {PGBENCH_CLIENTS} clients, no HTTP", 1.0),
        "FastAPI": (f"the same work in FastAPI + SQLAlchemy (async), {PEER_WORKERS} workers", 10.0),
        "Fastify": (f"the same statement in Fastify + pg, {PEER_WORKERS} workers", 1.5),
    }
    lines: list[Line] = []
    for name, (what, bound) in against.items():
        if name in missing:
            lines.append(NotMeasured("collect", f"{_COLLECT}, against {name}", missing[name]))
            continue
        rounds = tuple(zip(driven[GATEWAY].rates, driven[name].rates, strict=True))
        lines.append(Row("collect", _COLLECT, what, "/s", rounds, Target(bound)))
    one_by_one = f"pgbench, the same writes statement by statement, {PGBENCH_CLIENTS} clients, no HTTP"
    rounds = tuple((rate, steps.rates[0]) for rate in driven[GATEWAY].rates)
    lines.append(Row("collect", _COLLECT, one_by_one, "/s", rounds, note="one round of pgbench"))
    return lines


async def _sweep(bench: Bench, driven: dict[str, Side]) -> None:
    """Rates by number of connections, for the plot."""
    for connections in bench.plan.sweep:
        for name, side in driven.items():
            if connections == side.connections or connections > side.most_connections:
                continue
            label = f"COLLECT: {name}, {connections} connections"
            async with bench.show.timing(label, bench.plan.sweep_s):
                one, _ = await metered(bench, side, bench.plan.sweep_s, connections)
            bench.findings.connections.setdefault(name, []).append((connections, one.rate))
    for name, side in driven.items():
        points = [*bench.findings.connections.get(name, []), (side.connections, median(side.rates))]
        bench.findings.connections[name] = sorted(points)


async def lookup(bench: Bench) -> list[Line]:
    """The gateway, pgbench and Fastify reading a reference by its number."""
    ground, plan = bench.ground, bench.plan
    stock = await ground.stock(plan.references, 0)
    records = ground.lookups(stock, plan.references)
    missing = ""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(database_of(bench, stock))
        served = await stack.enter_async_context(sides.gateway(ground, database, None, workers=WORKERS))
        ours = looking_up(GATEWAY, served, records)
        alone = under_pgbench(bench, "lookup", database, None)
        driven = [ours, alone]
        try:
            peer = await stack.enter_async_context(sides.fastify(ground, database))
            driven.append(looking_up("Fastify", peer, records))
        except NotHere as error:
            missing = str(error)
        await in_turn(bench, "Lookup", driven, plan.rounds)
    by_key = f"pgbench, select by key, {PGBENCH_CLIENTS} clients, no HTTP"
    lines: list[Line] = [
        Row("lookup", _LOOKUP, by_key, "/s", tuple(zip(ours.rates, alone.rates, strict=True)), Target(0.3))
    ]
    what = f"the same select in Fastify + pg, {PEER_WORKERS} workers"
    if missing:
        lines.append(NotMeasured("lookup", f"{_LOOKUP}, against Fastify", missing))
    else:
        rounds = tuple(zip(ours.rates, driven[2].rates, strict=True))
        lines.append(Row("lookup", _LOOKUP, what, "/s", rounds, Target(1.5)))
    return lines
