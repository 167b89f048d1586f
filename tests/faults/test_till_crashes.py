"""A till dies at each of its crash points and is started again: it finishes or reverses what it was at, says so, and
agrees with the gateway to the centavo. About 30 s; needs PostgreSQL.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from connect_simulators.faultproxy import Fault, FaultProxy
from connect_simulators.pos import crashpoints
from partners import Parcel
from world import SECRET, World, add_client

pytestmark = pytest.mark.timeout(240)

NURSERY = Path(__file__).parents[1] / "tillnursery.py"
# A real gateway takes every well-formed stand-in sale; what it would not take is in the property tests.
PLAYED = sorted(each for each in crashpoints.POINTS if not each.startswith("forward_refused"))
LATER = ["put-before-send:2", "put-after-answer:3", "begun-after-write:3", "paper-before-print:4"]


class Nursery:
    """Tills of one world, each with a network that the test can cut."""

    def __init__(self, process: asyncio.subprocess.Process, world: World, proxy: FaultProxy, directory: Path) -> None:
        self.process = process
        self.world = world
        self.proxy = proxy
        self.directory = directory
        self.disputed: Parcel | None = None

    async def live(self, what: str, pos: int, parcels: list[Parcel], crash: str | None) -> tuple[int, dict[str, Any]]:
        """The exit status of a till that does `what`, and what it said."""
        wish = {
            "do": what, "crash": crash, "gateway": self.proxy.url, "clientId": f"till-{pos}", "clientSecret": SECRET,
            "storeId": "0166", "pos": str(pos), "dataDir": str(self.directory / str(pos)),
            "parcels": [{"reference": each.reference, "label": each.tracking_number} for each in parcels],
        }  # fmt: skip
        said: dict[str, Any] = {}
        self.write(wish)
        assert self.process.stdout is not None
        while True:
            line = json.loads(await self.process.stdout.readline())
            if "ended" in line:
                return line["ended"], said
            said |= line
            if line.get("ask") == "cut":
                self.proxy.inject(Fault.REFUSE)
            elif line.get("ask") == "mend":
                self.proxy.inject(Fault.PASS)
                # Meanwhile the parcel that was just sold has been called back.
                assert (await self.world.ecms.tell(parcels[-1], "FOR PULL OUT")).status == 204
            if "ask" in line:
                self.write({})

    def write(self, content: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(content).encode() + b"\n")


@contextlib.asynccontextmanager
async def nursery_in(world: World, directory: Path) -> AsyncIterator[Nursery]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, str(NURSERY), stdin=pipe, stdout=pipe)
    async with FaultProxy(world.url) as proxy:
        yield Nursery(process, world, proxy, directory)
    assert process.stdin is not None
    process.stdin.close()
    await process.wait()


def journal(file: Path) -> list[dict[str, Any]]:
    """The whole lines of a journal."""
    lines = file.read_bytes().splitlines(keepends=True) if file.exists() else []
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


async def play(nursery: Nursery, pos: int, crash: str | None) -> None:
    world = nursery.world
    await add_client(world.database_url, f"till-{pos}", "pos", "0166", pos)
    amounts = ("200.00", "300.00", "150.50", "0.00", "99.99")
    parcels = [await world.ecms.ship_to_store(amount=amount) for amount in amounts]
    status, said = await nursery.live("sell", pos, parcels, crash)
    assert status == (0 if crash is None else crashpoints.STATUS)
    nursery.proxy.inject(Fault.PASS)
    kept = nursery.directory / str(pos) / "till" / "journal.jsonl"
    if crash is not None:
        before = journal(kept)
        status, said = await nursery.live("recover", pos, parcels, None)
        assert status == 0
        assert said["open"] == []
        if not any(each["event"] == "SHIFT_CLOSING" for each in before):
            begun = {each["transactionId"] for each in before if each["event"] == "BEGUN"}
            assert begun - _seen(before) <= set(said["told"])
    await agree(world, pos, parcels, journal(kept), said["closed"])


def _seen(records: list[dict[str, Any]]) -> set[str]:
    return {each["transactionId"] for each in records if each["event"] == "SHOWN"}


async def agree(
    world: World, pos: int, parcels: list[Parcel], records: list[dict[str, Any]], closed: dict[str, Any] | None
) -> None:
    """The gateway's books against the till's: no parcel is sold twice, and no cash is lost."""
    rows = await world.fetch(
        "SELECT transaction_id::text AS id, state, reference, amount_due FROM transaction WHERE pos = $1", pos
    )
    approved = [row for row in rows if row["state"] == "APPROVED"]
    assert len({row["reference"] for row in approved}) == len(approved)
    for parcel in parcels:
        assert sum(row["reference"] == parcel.reference for row in approved) <= 1
    if not any(each["event"] == "SHIFT_OPENED" for each in records):
        assert rows == []
        return
    assert closed is not None
    assert closed["differences"] == []
    assert (closed["cashOver"], closed["cashShort"]) == ("0.00", "0.00")
    begun = {each["transactionId"] for each in records if each["event"] == "BEGUN"}
    assert {row["id"] for row in rows} <= begun
    cash = sum(row["amount_due"] for row in rows if row["state"] in {"APPROVED", "DISPUTED"})
    assert closed["cashCounted"] == f"{cash // 100}.{cash % 100:02d}"


async def test_a_shift_in_which_nothing_dies_closes_without_a_difference(world: World, tmp_path: Path) -> None:
    async with nursery_in(world, tmp_path) as nursery:
        await play(nursery, 2, None)
    (disputed,) = await world.fetch("SELECT business_date FROM transaction WHERE state = 'DISPUTED'")
    assert isinstance(disputed["business_date"], date)
    papers = sorted(each.name for each in (tmp_path / "2" / "papers").iterdir())
    assert "0166-002-00000001.escpos" in papers
    assert "0166-002-S0000003-2.escpos" in papers


async def test_a_till_that_dies_at_any_point_agrees_with_the_gateway_afterwards(world: World, tmp_path: Path) -> None:
    """Never two collections, no lost cash; and never a stand-in sale under an id with a reversal (STD-15)."""
    async with nursery_in(world, tmp_path) as nursery:
        for pos, crash in enumerate([*PLAYED, *LATER], start=10):
            try:
                await play(nursery, pos, crash)
            except (AssertionError, ValueError) as error:
                error.add_note(f"the till died at {crash}")
                raise
