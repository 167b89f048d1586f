"""Measuring sides in turn: A B C, A B C, …, each behind a checkpoint and warm."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bench.errors import BenchError
from bench.findings import Findings
from bench.ground import Ground
from bench.load import Driven, Texts, pgbench, pgbench_script, wrk
from bench.meter import Costs, Meter
from bench.plan import CONNECTIONS, PGBENCH_CLIENTS, Plan
from bench.show import Show
from bench.sides import Served
from bench.stock import Database, Records

OUTSIDE = "SSSS-PPP-NNNNNNNN"
"""Stands in an answer that is made outside the database for the receipt's number, which only the database knows."""


@dataclass
class Bench:
    """What every row is given."""

    ground: Ground
    plan: Plan
    show: Show
    findings: Findings


@dataclass
class Side:
    """Something that can be driven for so many seconds with so many connections."""

    name: str
    drive: Callable[[int, int], Awaitable[Driven]]
    servers: tuple[int, ...] = ()
    connections: int = CONNECTIONS
    most_connections: int = 1_000
    measured: list[Driven] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        return [one.rate for one in self.measured]


def over_http(name: str, served: Served, database: Database, records: Records) -> Side:
    """A side that collects parcels, each once, for wrk."""

    async def drive(seconds: int, connections: int) -> Driven:
        driven = await wrk(served.port, records, database.used, connections=connections, seconds=seconds)
        database.used += driven.sent
        database.collected += driven.answered
        return driven

    return Side(name, drive, (served.pid,))


def looking_up(name: str, served: Served, records: Records) -> Side:
    """A side that looks parcels up, for wrk; the same ones each time, since that changes nothing."""

    async def drive(seconds: int, connections: int) -> Driven:
        return await wrk(served.port, records, 0, connections=connections, seconds=seconds)

    return Side(name, drive, (served.pid,))


def under_pgbench(bench: Bench, kind: str, database: Database, texts: Texts | None) -> Side:
    """The database alone: `collect` in one statement, `steps` one by one, or `lookup`."""
    script = pgbench_script(bench.ground.home / f"{kind}.pgbench", kind)
    lookup = kind == "lookup"

    async def drive(seconds: int, connections: int) -> Driven:
        driven = await pgbench(database, script, texts, clients=connections, seconds=seconds)
        if not lookup:
            database.used += driven.sent
            database.collected += driven.answered
        return driven

    name = {"steps": "pgbench, statement by statement"}.get(kind, "pgbench")
    # Each client of pgbench is a connection of the database, which has 200 for everybody.
    return Side(name, drive, (), PGBENCH_CLIENTS, most_connections=100)


async def in_turn(bench: Bench, what: str, sides: Sequence[Side], rounds: int) -> None:
    """Measures each side in each round."""
    for number in range(1, rounds + 1):
        for side in sides:
            await once(bench, f"{what}: {side.name}, round {number} of {rounds}", what, side)


async def once(bench: Bench, label: str, what: str, side: Side, *, checkpoint: bool = True) -> Driven:
    """One measurement of one side, behind a checkpoint if asked, warmed up where it is the first."""
    plan = bench.plan
    warm_up_s = 0 if side.measured else plan.warm_up_s
    async with bench.show.timing(label, warm_up_s + plan.seconds + 1):
        if checkpoint:
            await bench.ground.checkpoint()
        if warm_up_s:
            await side.drive(warm_up_s, side.connections)
        driven, costs = await metered(bench, side, plan.seconds, side.connections)
    if not driven.answered:
        raise BenchError(f"{side.name} answered nothing within {plan.seconds} s")
    side.measured.append(driven)
    bench.findings.costs.setdefault(f"{what}: {side.name}", []).append(costs)
    bench.show.say(
        f"  {label}: [bold]{driven.rate:,.0f}[/bold]/s   processor time for each: "
        f"{costs.database_us:.0f} µs PostgreSQL, {costs.server_us:.0f} µs server, {costs.load_us:.0f} µs load; "
        f"{costs.wal_bytes:,.0f} bytes logged, {costs.read_bytes:,.0f} read from disks; "
        f"others had {costs.others:.0%} of the machine"
    )
    return driven


async def metered(bench: Bench, side: Side, seconds: int, connections: int) -> tuple[Driven, Costs]:
    """Drives a side and reads what that cost."""
    meter = Meter(bench.ground, side.servers)
    await meter.start()
    driven = await side.drive(seconds, connections)
    return driven, await meter.stop(driven.answered)


async def texts_of(bench: Bench, database: Database) -> Texts:
    """What the gateway itself writes for a COLLECT, taken from a ledger that it has written to."""
    rows = await bench.ground.fetch(
        database,
        "SELECT answer, receipt_number, entry FROM transaction JOIN journal USING (store_id, pos) "
        "WHERE state = 'APPROVED' LIMIT 1",
    )
    if not rows:
        raise BenchError("the gateway has collected nothing")
    answer, number, entry = rows[0]
    return Texts(answer.replace(number, OUTSIDE), entry)


_LEDGER = """
SELECT (SELECT sum(receipts) FROM terminal)::bigint AS receipts,
    (SELECT sum(journal_length) FROM terminal)::bigint AS journal_length,
    (SELECT count(*) FROM reference WHERE state = 'DONE') AS done,
    (SELECT count(*) FROM transaction WHERE state = 'APPROVED') AS approved,
    (SELECT count(*) FROM journal) AS journal,
    (SELECT count(*) FROM event) AS events
"""


async def audit(bench: Bench, name: str, database: Database) -> None:
    """BenchError unless each collection is there whole: as many as were answered, at most as many as were sent."""
    row = (await bench.ground.fetch(database, _LEDGER))[0]
    already = database.stock.transactions
    counts = {key: count - already for key, count in row.items()}
    found = set(counts.values())
    if len(found) != 1 or not database.collected <= counts["done"] <= database.used:
        raise BenchError(f"{name} answered {database.collected} of {database.used} collections and wrote {counts}")


_TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
"""


async def audit_tables(bench: Bench, database: Database) -> None:
    """BenchError where a COLLECT of the gateway adds rows to other tables than the peers' do."""
    template = bench.ground.whole(database.stock)
    grown = set()
    for row in await bench.ground.fetch(database, _TABLES):
        table = row["relname"]
        count = f'SELECT count(*) FROM "{table}"'  # noqa: S608 - a name from the catalogue
        before, after = [(await bench.ground.fetch(one, count))[0][0] for one in (template, database)]
        if after > before:
            grown.add(table)
    if grown != {"transaction", "journal", "event"}:
        raise BenchError(f"a COLLECT adds rows to {sorted(grown)}; the peers' statement has to do the same")
