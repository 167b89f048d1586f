"""`journal verify` and `journal checkpoint` on real journals, tampered with in every way. Half a minute; PostgreSQL."""

import asyncio
import base64
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from partners import Till
from world import World

from connect_gateway.checkpoints import CheckpointError, read, write
from connect_gateway.clock import SystemClock
from connect_gateway.domain import journal
from connect_gateway.domain.chains import Broken, Fault
from connect_gateway.journal_command import verify_all
from connect_gateway.keys import KeysError, generate_keys_file, load_keys
from connect_gateway.ledger import journals

STORE, POS = "0166", 1


@dataclass
class Shop:
    """A shop that has had a morning: two terminals; approved, declined and reversed, also before it arrived."""

    world: World
    connection: "asyncpg.Connection[asyncpg.Record]"

    async def verify(self, *checkpoints: Path) -> list[Broken]:
        keys = load_keys(self.world.settings.keys_file or Path())
        return (await verify_all(self.connection, [read(path, keys) for path in checkpoints]))[1]

    async def checkpoint(self, path: Path) -> Path:
        keys = load_keys(self.world.settings.keys_file or Path())
        write(path, await journals.heads(self.connection), SystemClock().now(), keys)
        return path


@pytest.fixture
async def shop(world: World) -> Any:
    await a_morning(world)
    connection = await asyncpg.connect(world.database_url)
    yield Shop(world, connection)
    await connection.close()


async def a_morning(world: World) -> None:
    """Seven entries at terminal 1, and one each at terminals 0 and 2."""
    sold, voided, declined = str(uuid.uuid4()), str(uuid.uuid4()), str(uuid.uuid4())
    other = await world.partner(Till, "till-2", "pos", STORE, None)
    other.pos = "2"
    first, second, absent = [await world.ecms.ship_to_store() for _ in range(2)] + [await world.ecms.ship()]
    assert (await world.till.collect(first, sold)).status == 201
    assert (await world.till.collect(second, voided)).status == 201
    assert (await world.till.collect(absent, declined)).status == 409
    assert (await world.till.reverse(voided)).status == 200
    assert (await world.till.reverse(declined)).status == 200
    assert (await world.till.reverse(str(uuid.uuid4()), "TIMEOUT")).status == 200
    assert (await world.till.collect(second)).status == 201
    assert (await other.collect(await world.ecms.ship_to_store())).status == 201
    assert (await other.reverse(str(uuid.uuid4()), "TIMEOUT")).status == 200


async def test_a_journal_that_nobody_touched_is_whole_while_it_grows(shop: Shop, tmp_path: Path) -> None:
    assert [(pos, length) for _, pos, length in await journals.terminals(shop.connection)] == [(0, 1), (1, 7), (2, 1)]
    early = await shop.checkpoint(tmp_path / "early")
    parcels = [await shop.world.ecms.ship_to_store() for _ in range(40)]

    async def sell() -> None:
        for parcel in parcels:
            assert (await shop.world.till.collect(parcel)).status == 201

    selling = asyncio.create_task(sell())
    while not selling.done():
        assert await shop.verify(early) == []
    await selling
    late = await shop.checkpoint(tmp_path / "late")
    assert await shop.verify(early, late) == []


ENTRY = "UPDATE journal SET entry = {} WHERE pos = 1 AND position = 3"
MOVE = "UPDATE journal SET position = {} WHERE pos = 1 AND position = {}"
ROW = "UPDATE transaction SET {} WHERE transaction_id = ({})"
ID_OF = "SELECT (entry::json ->> 'transactionId')::uuid FROM journal WHERE pos = 1 AND position = {}"
UNENTERED = """
INSERT INTO transaction (store_id, transaction_id, pos, state, amount_due, change, occurred_at, reversed_at,
    reversal_reason, status, answer)
VALUES ('0166', gen_random_uuid(), 1, 'REVERSED', 0, 0, now(), now(), 'TIMEOUT', 0, '')
"""
SHORTENED = """
UPDATE terminal SET journal_length = 7, journal_head = (SELECT head FROM journal WHERE pos = 1 AND position = 7)
WHERE pos = 1
"""
UNDONE = "state = 'REVERSED', reversed_at = now(), reversal_reason = 'TIMEOUT'"

TAMPERING: list[tuple[list[str], int, Fault]] = [
    ([ENTRY.format("""replace(entry, '"amountDue":20000', '"amountDue":10000')""")], 3, Fault.ALTERED),
    ([ENTRY.format("'no entry'")], 3, Fault.ALTERED),
    (["UPDATE journal SET head = sha256(head) WHERE pos = 1 AND position = 3"], 3, Fault.ALTERED),
    (["DELETE FROM journal WHERE pos = 1 AND position = 3"], 3, Fault.REMOVED),
    (["DELETE FROM journal WHERE pos = 1 AND position <= 2"], 1, Fault.REMOVED),
    ([MOVE.format(100, 3), MOVE.format(3, 5), MOVE.format(5, 100)], 3, Fault.REORDERED),
    (
        ["DELETE FROM journal WHERE pos = 1 AND position = 3", *(MOVE.format(n - 1, n) for n in (4, 5, 6, 7))],
        3,
        Fault.REORDERED,
    ),
    (["DELETE FROM journal WHERE pos = 1 AND position >= 6"], 6, Fault.TRUNCATED),
    (["DELETE FROM journal WHERE pos = 1"], 1, Fault.TRUNCATED),
    (["DELETE FROM terminal WHERE pos = 1"], 1, Fault.REMOVED),
    (["UPDATE terminal SET journal_head = sha256(journal_head) WHERE pos = 1"], 7, Fault.ALTERED),
    (["UPDATE transaction SET answer = answer || ' ' WHERE receipt_number = '0166-001-00000001'"], 1, Fault.DIFFERS),
    ([ROW.format("amount_due = 1, amount_tendered = 1, change = 0", ID_OF.format(1))], 1, Fault.DIFFERS),
    ([ROW.format("shift = 2", ID_OF.format(1))], 1, Fault.DIFFERS),
    ([ROW.format("reversal_reason = 'TIMEOUT'", ID_OF.format(4))], 4, Fault.DIFFERS),
    ([f"DELETE FROM transaction WHERE transaction_id = ({ID_OF.format(3)})"], 3, Fault.DIFFERS),
    # Done or undone behind the journal's back.
    ([ROW.format(UNDONE, ID_OF.format(1))], 8, Fault.NOT_ENTERED),
    ([UNENTERED], 8, Fault.NOT_ENTERED),
]


async def test_the_first_bad_entry_is_named(shop: Shop) -> None:
    for statements, position, fault in TAMPERING:
        tampering = shop.connection.transaction(isolation="repeatable_read")
        await tampering.start()
        for statement in statements:
            assert (await shop.connection.execute(statement)).split()[-1] != "0", statement
        [broken] = await shop.verify()
        found = (broken.store_id, broken.pos, broken.position, broken.fault)
        assert found == (STORE, POS, position, fault), (statements, broken)
        await tampering.rollback()
    assert await shop.verify() == []


async def rewrite(connection: "asyncpg.Connection[asyncpg.Record]", change: Callable[[str], str]) -> None:
    """Alters terminal 1's first entry and everything that hangs on it: the work of who may write anywhere."""
    head = journal.FIRST_HEAD
    for row in await connection.fetch("SELECT position, entry FROM journal WHERE pos = 1 ORDER BY position"):
        entry = change(row["entry"]) if row["position"] == 1 else row["entry"]
        head = journal.next_head(head, entry)
        query = "UPDATE journal SET entry = $2, head = $3 WHERE pos = 1 AND position = $1"
        await connection.execute(query, row["position"], entry, head)
    await connection.execute("UPDATE terminal SET journal_head = $1 WHERE pos = 1", head)


async def test_a_journal_written_anew_differs_from_its_transactions_and_from_what_was_kept(
    shop: Shop, tmp_path: Path
) -> None:
    kept = await shop.checkpoint(tmp_path / "kept")
    await rewrite(shop.connection, lambda entry: entry.replace('"amountDue":20000', '"amountDue":10000'))
    [broken] = await shop.verify()
    assert (broken.position, broken.fault) == (1, Fault.DIFFERS)
    changed = "amount_due = 10000, amount_tendered = 10000, change = 0"
    await shop.connection.execute(ROW.format(changed, ID_OF.format(1)))
    assert await shop.verify() == []
    [broken] = await shop.verify(kept)
    assert (broken.position, broken.fault) == (1, Fault.REWRITTEN)


async def test_an_older_ledger_than_the_checkpoint_is_named_and_an_older_checkpoint_holds(
    shop: Shop, tmp_path: Path
) -> None:
    early = await shop.checkpoint(tmp_path / "early")
    await shop.world.till.reverse(str(uuid.uuid4()), "TIMEOUT")
    late = await shop.checkpoint(tmp_path / "late")
    assert await shop.verify(early, late) == []
    # The ledger as it was at the early checkpoint, whole in itself.
    for statement in (
        "DELETE FROM transaction WHERE pos = 1 AND occurred_at = (SELECT max(occurred_at) FROM transaction)",
        "DELETE FROM journal WHERE pos = 1 AND position = 8",
        SHORTENED,
    ):
        assert (await shop.connection.execute(statement)).split()[-1] == "1"
    assert await shop.verify() == []
    assert await shop.verify(early) == []
    [broken] = await shop.verify(early, late)
    assert (broken.position, broken.fault) == (8, Fault.TRUNCATED)


async def test_a_checkpoint_is_signed_and_whole(shop: Shop, tmp_path: Path) -> None:
    keys = load_keys(shop.world.settings.keys_file or Path())
    path = await shop.checkpoint(tmp_path / "kept")
    text = path.read_text()
    made = read(path, keys)
    assert made.entries == 9
    lines = text.splitlines(keepends=True)
    forged = ["".join(lines[:1] + lines[2:]), text.replace('"length": 7', '"length": 6'), "".join(lines[:-1]), "", "{}"]
    for content in forged:
        path.write_text(content)
        with pytest.raises(CheckpointError):
            read(path, keys)
    path.write_text(text)
    generate_keys_file(tmp_path / "others.json")
    with pytest.raises(CheckpointError, match="not signed with our key"):
        read(path, load_keys(tmp_path / "others.json"))
    with pytest.raises(CheckpointError, match="cannot read"):
        read(tmp_path / "nothing", keys)


async def test_keys_from_before_there_were_checkpoints_serve_and_say_what_they_lack(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    generate_keys_file(path)
    data = json.loads(path.read_text())
    newest = base64.b64encode(bytes(range(32))).decode()
    first, content = dict(data), b"heads"
    del first["journal"]
    path.write_text(json.dumps(first))
    old = load_keys(path)
    with pytest.raises(KeysError, match='no "journal" key'):
        old.sign(content)
    with pytest.raises(KeysError, match="version 1"):
        old.is_signed(content, 1, bytes(64))
    path.write_text(json.dumps(data))
    version, signature = load_keys(path).sign(content)
    path.write_text(json.dumps(data | {"journal": data["journal"] | {"2": newest}}))
    rotated = load_keys(path)
    assert rotated.is_signed(content, version, signature)
    assert rotated.sign(content)[0] == 2
    assert not rotated.is_signed(content + b".", version, signature)


def command(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "CONNECT_DATABASE_URL": world.database_url,
        "CONNECT_KEYS_FILE": str(world.settings.keys_file),
    }
    program = [sys.executable, "-m", "connect_gateway", "journal", *arguments]
    return subprocess.run(program, env=environment, capture_output=True, text=True, timeout=60, check=False)


async def test_the_command_reports_and_exits_by_what_it_found(shop: Shop, tmp_path: Path) -> None:
    kept = str(tmp_path / "kept")
    made = await asyncio.to_thread(command, shop.world, "checkpoint", "--out", kept)
    assert (made.returncode, made.stderr) == (0, "")
    assert "3 terminals, 9 entries" in made.stdout
    whole = await asyncio.to_thread(command, shop.world, "verify", "--checkpoint", kept)
    assert (whole.returncode, whole.stderr) == (0, "")
    assert "against 1 checkpoint: every chain is whole" in whole.stdout
    await shop.connection.execute("DELETE FROM journal WHERE pos = 1 AND position = 2")
    broken = await asyncio.to_thread(command, shop.world, "verify", "--checkpoint", kept, "--json")
    assert broken.returncode == 1
    [found] = json.loads(broken.stdout)["broken"]
    assert (found["store_id"], found["pos"], found["position"], found["fault"]) == (STORE, 1, 2, "removed")
