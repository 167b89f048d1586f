"""No statement of the counter reads a whole table or a whole index, however large it is. Seconds; needs PostgreSQL.

The gateway's connections plan with `enable_seqscan=off`, without merge and hash joins and for any values, so that a
sequential scan is what is left where no index serves a statement, and the plans of a ledger in which nobody has counted
a row tell what those of a full one are.
"""

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
from partners import next_tracking_number
from world import World

from connect_gateway.domain.codes import show_reference
from connect_gateway.ledger import events, groups, journals, tasks
from connect_gateway.ledger.database import _SERVER_SETTINGS

SMALL = {"fence", "client", "sandbox_clock", "schema_migration"}
"""Tables that do not grow with what is sold."""

_KINDS = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Every statement that goes to PostgreSQL through asyncpg's extended protocol."""
    seen: set[str] = set()
    prepare = asyncpg.Connection._get_statement

    async def noted(self: Any, query: str, *args: Any, **kwargs: Any) -> Any:
        seen.add(query)
        return await prepare(self, query, *args, **kwargs)

    monkeypatch.setattr(asyncpg.Connection, "_get_statement", noted)
    return seen


async def plan_of(connection: Any, query: str) -> Any:
    """How PostgreSQL would run a prepared statement, whatever its values."""
    await connection.execute(f"SET plan_cache_mode = force_generic_plan; PREPARE one AS {query}")
    values = ", ".join(["NULL"] * max((int(number) for number in re.findall(r"\$([0-9]+)", query)), default=0))
    explained = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE one{f'({values})' if values else ''}")
    await connection.execute("DEALLOCATE one")
    return json.loads(explained)[0]["Plan"]


OF_WHAT_WAITS = {"event_waiting", "event_held_up", "dispute_open", "task_open_once"}
"""Indexes that hold what waits alone, and are read whole to count or to sort that."""


def scanned(plan: Any) -> Iterator[str]:
    """Tables that a plan reads from end to end, by themselves or in the order of an index."""
    if plan.get("Node Type") == "Seq Scan":
        yield plan["Relation Name"]
    elif "Index Name" in plan and "Index Cond" not in plan and plan["Index Name"] not in OF_WHAT_WAITS:
        yield plan["Relation Name"] if "Relation Name" in plan else plan["Index Name"]
    for below in plan.get("Plans", ()):
        yield from scanned(below)


async def work(world: World) -> None:
    """A bit of everything that a counter and a kiosk do."""
    for _ in range(2):
        parcel = await world.ecms.ship_to_store()
        id_ = str(uuid.uuid4())
        assert (await world.till.look_up(parcel.reference)).status == 200
        approval = await world.till.collect(parcel, id_)
        assert approval.status == 201
        assert (await world.till.collect(parcel, id_)).status == 201
        assert (await world.till.inquire(id_)).status == 200
        number = approval.json["receipt"]["number"]
        assert (await world.till.call("GET", f"/pos/v1/receipts/{number}")).status == 200
        assert (await world.till.call("POST", f"/pos/v1/receipts/{number}/copies")).status == 201
        assert (await world.till.reverse(id_)).status == 200
    returned = await world.ecms.ask_for(trackingNumber=next_tracking_number())
    body = world.till.body("ACCEPT_RETURN", show_reference(returned.json["reference"].replace("-", "")))
    assert (await world.till.put(str(uuid.uuid4()), body)).status == 201
    assert (await world.till.look_up("500000000001")).status == 404
    assert (await world.till.call("GET", "/pos/v1/manifest")).status == 200
    await world.told(5)
    assert (await world.admin.call("GET", "/metrics")).status == 200


async def test_no_statement_of_the_counter_reads_a_whole_table(asked: set[str], world: World) -> None:
    await work(world)
    connection = await asyncpg.connect(world.database_url, server_settings=_SERVER_SETTINGS)
    found = {}
    checked = 0
    try:
        for query in sorted(asked):
            if _KINDS.match(query) is None or "pg_catalog" in query or "typeinfo" in query:
                continue
            checked += 1
            tables = set(scanned(await plan_of(connection, query))) - SMALL
            if tables:
                found[query] = tables
    finally:
        await connection.close()
    assert found == {}
    assert checked > 30
    assert any("FROM transaction" in query for query in asked)
    assert any("UPDATE reference" in query for query in asked)


def indexes(plan: Any) -> Iterator[str]:
    """Indexes by which a plan finds rows."""
    if "Index Name" in plan:
        yield plan["Index Name"]
    for below in plan.get("Plans", ()):
        yield from indexes(below)


@pytest.mark.parametrize("query", [groups._READ, groups._WRITE])
async def test_a_group_finds_each_row_by_its_whole_key(world: World, query: str) -> None:
    """An index that begins like the key would do as well where nobody has counted the rows, and read a store's all."""
    connection = await asyncpg.connect(world.database_url, server_settings=_SERVER_SETTINGS)
    try:
        found = set(indexes(await plan_of(connection, query)))
    finally:
        await connection.close()
    keys = {f"{table}_pkey" for table in ("transaction", "reference", "terminal", "event", "lockout")}
    assert found <= keys | {"shift_pkey", "shift_of_date"}
    assert {"transaction_pkey", "reference_pkey", "terminal_pkey"} <= found


_REVERSED_LONG_AGO = """
INSERT INTO transaction (store_id, transaction_id, pos, state, amount_due, change, occurred_at, reversed_at,
    reversal_reason, status, answer)
SELECT lpad((n % 400)::text, 4, '0'), gen_random_uuid(), 1 + n / 400 % 3, 'REVERSED', 0, 0, now(), now(),
    'TIMEOUT', 0, repeat('-', 500)
FROM generate_series(1, 20000) AS n
"""


@pytest.mark.parametrize("query", [journals._COUNTS, journals._NOT_ENTERED])
async def test_what_a_terminal_sold_is_found_without_reading_what_all_sold(world: World, query: str) -> None:
    """The key of transactions begins with their ids; a terminal's are found by their shifts, date by date."""
    connection = await asyncpg.connect(world.database_url)
    try:
        await connection.execute(_REVERSED_LONG_AGO)
        await connection.execute("ANALYZE transaction")
        plan = await plan_of(connection, query)
    finally:
        await connection.close()
    assert "transaction" not in set(scanned(plan))
    assert "transaction_shift" in set(indexes(plan))


_TOLD_LONG_AGO = """
INSERT INTO event (
    tracking_number, sequence, event_id, merchant_reference, status, location, occurred_at, state, told_at)
SELECT 'T-' || n, 1, gen_random_uuid(), 'M-' || n, 'CLAIMED', '0166', now(), 'TOLD', now()
FROM generate_series(1, 5000) AS n
"""


@pytest.mark.parametrize("query", [events._TOLD, events._LET_GO, events._RETRY, events._REFUSE, tasks._RESEND])
async def test_an_event_is_found_by_its_key_however_many_wait(world: World, query: str) -> None:
    """Where nothing waited when the rows were counted, the index of what waits looks shorter than any key."""
    connection = await asyncpg.connect(world.database_url, server_settings=_SERVER_SETTINGS)
    try:
        await connection.execute(_TOLD_LONG_AGO)
        await connection.execute("ANALYZE event")
        found = set(indexes(await plan_of(connection, query)))
    finally:
        await connection.close()
    assert found
    assert found <= {"event_id", "event_pkey"}


async def test_a_whole_index_would_be_noticed(world: World) -> None:
    connection = await asyncpg.connect(world.database_url, server_settings=_SERVER_SETTINGS)
    try:
        plan = await plan_of(connection, "SELECT store_id FROM transaction ORDER BY transaction_id, store_id")
    finally:
        await connection.close()
    assert list(scanned(plan)) == ["transaction"]


async def test_a_whole_table_would_be_noticed(world: World) -> None:
    connection = await asyncpg.connect(world.database_url, server_settings=_SERVER_SETTINGS)
    try:
        plan = await plan_of(connection, "SELECT FROM transaction WHERE clerk = $1")
    finally:
        await connection.close()
    assert list(scanned(plan)) == ["transaction"]
