"""What `load-demo` leaves is a ledger like any other: its chains hold, and a gateway goes on from it.

Needs PostgreSQL; some 10 s.
"""

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from partners import Till
from world import SECRET, add_client

from connect_gateway import load_demo
from connect_gateway.clock import SystemClock
from connect_gateway.journal_command import verify_all
from connect_gateway.keys import generate_keys_file
from connect_gateway.load_demo import BIG_STORES, STORES
from connect_gateway.processes import StartError
from connect_gateway.server import serving
from connect_gateway.settings import Settings

REFERENCES = 2_000
TRANSACTIONS = 1_300


def load(url: str, keys: Path, references: int = REFERENCES, transactions: int = TRANSACTIONS) -> list[tuple[str, int]]:
    told: list[tuple[str, int]] = []
    load_demo.load_demo(
        url,
        keys,
        references=references,
        transactions=transactions,
        now=SystemClock().now(),
        progress=lambda doing, done: told.append((doing, done)),
    )
    return told


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    generate_keys_file(path)
    return path


async def one(url: str, query: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_the_loaded_ledger_is_whole_and_the_gateway_goes_on_from_it(database_url: str, keys: Path) -> None:
    told = await asyncio.to_thread(load, database_url, keys)
    assert told[-1] == ("Loaded", REFERENCES)

    connection = await asyncpg.connect(database_url)
    assert await verify_all(connection, []) == (TRANSACTIONS, [])
    await connection.close()
    assert await one(database_url, "SELECT count(*) FROM reference WHERE state = 'DONE'") == TRANSACTIONS
    assert await one(database_url, "SELECT count(*) FROM reference WHERE state = 'OPEN'") == REFERENCES - TRANSACTIONS
    assert await one(database_url, "SELECT count(*) FROM event WHERE state = 'TOLD'") == TRANSACTIONS
    assert await one(database_url, "SELECT sum(receipts) FROM terminal") == TRANSACTIONS
    gaps = "SELECT count(*) FROM terminal WHERE receipts <> (SELECT count(*) FROM transaction USING_TERMINAL)"
    own = "WHERE transaction.store_id = terminal.store_id AND transaction.pos = terminal.pos"
    assert await one(database_url, gaps.replace("USING_TERMINAL", own)) == 0

    await play(database_url, keys)


async def play(database_url: str, keys: Path) -> None:
    """An old transaction is shown as it was, its receipt carries a code of this gateway's, an open parcel is paid."""
    done, waiting = 0, TRANSACTIONS
    settings = Settings(port=0, ecms_client_secret="of no matter", keys_file=keys)  # type: ignore[arg-type]
    async with (
        serving(settings, database_url, keys) as port,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        url = f"http://127.0.0.1:{port}"

        async def till(n: int) -> Till:
            client = f"till-{n}"
            await add_client(database_url, client, "pos", load_demo.store_of(n), None)
            made = Till(session, url, client, SECRET)
            await made.log_in()
            return made

        old_till, new_till = await till(done), await till(waiting)
        number = load_demo.reference_number(done)
        row = f"SELECT transaction_id FROM transaction WHERE reference = '{number}'"
        inquiry = await old_till.inquire(str(await one(database_url, row)))
        assert inquiry.status == 200
        receipt = inquiry.json["receipt"]
        shown = await old_till.call("GET", f"/pos/v1/receipts/{receipt['number']}")
        assert (shown.json["verificationCode"], shown.json["text"]) == (receipt["verificationCode"], receipt["text"])

        looked_up = await new_till.look_up(load_demo.reference_number(waiting))
        assert (looked_up.json["state"], looked_up.json["action"]) == ("OPEN", "COLLECT")
        before = await one(database_url, "SELECT sum(receipts) FROM terminal")
        body = new_till.body(
            "COLLECT",
            load_demo.reference_number(waiting),
            trackingNumber=load_demo.tracking_number(waiting),
            tender="CASH",
            amountTendered="4000.00",
            pos=str(load_demo.pos_of(waiting)),
        )
        paid = await new_till.put(str(uuid.uuid4()), body)
        assert paid.status == 201, paid.raw
        assert json.loads(paid.raw)["amountDue"] == looked_up.json["amountDue"]
        assert await one(database_url, "SELECT sum(receipts) FROM terminal") == before + 1


async def test_a_ledger_with_rows_is_left_alone(database_url: str, keys: Path) -> None:
    await asyncio.to_thread(load, database_url, keys, 20, 10)
    with pytest.raises(StartError, match="an empty ledger"):
        await asyncio.to_thread(load, database_url, keys, 20, 10)
    assert await one(database_url, "SELECT count(*) FROM reference") == 20


def test_more_cannot_be_collected_than_there_is(keys: Path) -> None:
    with pytest.raises(StartError, match="more transactions"):
        load("postgresql://nobody@127.0.0.1:1/none", keys, 10, 11)


def test_every_parcel_has_numbers_of_its_own_and_every_terminal_its_share() -> None:
    parcels = range(60_000)
    assert len({load_demo.reference_number(n) for n in parcels}) == len(parcels)
    assert all(len(load_demo.reference_number(n)) == 12 for n in (0, 1, 10**8, 9 * 10**11 - 1))
    assert len({load_demo.tracking_number(n) for n in parcels}) == len(parcels)
    terminals = {(load_demo.store_of(n), load_demo.pos_of(n)) for n in parcels}
    assert len(terminals) == 3 * BIG_STORES + 2 * (STORES - BIG_STORES) == 1_000
    assert {load_demo.amount_due_of(n) for n in parcels} <= set(range(1, load_demo.TENDERED + 1))
