"""COMMIT, and everything that can happen to its answer: one fate, one effect, and no word that was not true. About
40 s; needs PostgreSQL.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator

import pytest
from checks import refusal
from partners import Parcel, Reply
from pgproxy import PostgresProxy, Spoil
from world import World

from connect_gateway.domain import journal


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[PostgresProxy]:
    async with PostgresProxy(database_url) as made:
        yield made


@pytest.fixture
def gateway_database_url(proxy: PostgresProxy) -> str:
    return proxy.url


async def settled(world: World, parcel: Parcel, transaction_id: str) -> Reply:
    """The answer to the same PUT sent again until it settles the matter, as a till does."""
    async with asyncio.timeout(15):
        while True:
            reply = await world.till.collect(parcel, transaction_id)
            if reply.status != 503:
                return reply
            refusal(reply, 503, reply.json["code"])


async def one_effect(world: World, parcels: list[Parcel]) -> None:
    """Each parcel is collected once, with one receipt, one journal entry and one event; nothing else is there."""
    transactions = await world.fetch("SELECT * FROM transaction ORDER BY receipt_number")
    assert {row["state"] for row in transactions} == {"APPROVED"}
    assert sorted(row["reference"] for row in transactions) == sorted(
        parcel.reference.replace("-", "") for parcel in parcels
    )
    numbers = [row["receipt_number"] for row in transactions]
    assert numbers == [f"0166-001-{count:08d}" for count in range(1, len(parcels) + 1)]
    entries = await world.fetch("SELECT * FROM journal ORDER BY position")
    assert len(entries) == len(parcels)
    head = journal.FIRST_HEAD
    for entry in entries:
        head = journal.next_head(head, entry["entry"])
        assert entry["head"] == head
    told = await world.told(len(parcels))
    assert sorted(event["trackingNumber"] for event in told) == sorted(parcel.tracking_number for parcel in parcels)
    assert len(await world.fetch("SELECT FROM event")) == len(parcels)


@pytest.mark.parametrize("order", Spoil)
async def test_a_spoiled_commit_has_one_fate_and_one_effect(world: World, proxy: PostgresProxy, order: Spoil) -> None:
    parcels = [await world.ecms.ship_to_store() for _ in range(12)]
    ids = [str(uuid.uuid4()) for _ in parcels]
    struck = proxy.spoil(order)
    began = time.monotonic()
    first = asyncio.gather(*(world.till.collect(parcel, id_) for parcel, id_ in zip(parcels, ids, strict=True)))
    await asyncio.wait_for(struck.wait(), 5)
    replies = await first
    assert time.monotonic() - began < 5
    proxy.release()
    for reply in replies:
        if reply.status != 201:
            # Only where a connection kept silent does nobody know in time.
            assert order in (Spoil.HOLD, Spoil.SILENCE, Spoil.FREEZE_AFTER), (order, reply.raw)
            assert reply.json["code"] in ("outcome-unknown", "database-unavailable")
            refusal(reply, 503, reply.json["code"])
    # Whose COMMIT was answered hears so, whatever becomes of the connection afterwards.
    assert order is not Spoil.FREEZE_AFTER or any(reply.status == 201 for reply in replies)
    for parcel, id_, reply in zip(parcels, ids, replies, strict=True):
        last = await settled(world, parcel, id_)
        assert last.status == 201
        assert reply.status == 503 or reply.raw == last.raw
        assert (await world.till.inquire(id_)).raw == last.raw
    await one_effect(world, parcels)


async def test_a_commit_begins_the_next_group_and_nothing_stays_begun(world: World, proxy: PostgresProxy) -> None:
    parcels = [await world.ecms.ship_to_store() for _ in range(30)]
    begun = proxy.begun
    for parcel in parcels:
        assert (await world.till.collect(parcel)).status == 201
    assert proxy.chained == len(parcels)
    # Each came soon after the one before; a slow machine may have let a few go.
    assert proxy.begun - begun < len(parcels) / 2
    await one_effect(world, parcels)
    await nothing_begun(world)
    chained = proxy.chained
    parcels.append(await world.ecms.ship_to_store())
    assert (await world.till.collect(parcels[-1])).status == 201
    assert proxy.chained == chained + 1
    await one_effect(world, parcels)
    await nothing_begun(world)


async def nothing_begun(world: World) -> None:
    """Until no transaction waits for its first statement any more."""
    query = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
    async with asyncio.timeout(5):
        while await world.fetch(query):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("order", [Spoil.SWALLOW, Spoil.CUT_BEFORE])
async def test_a_spoiled_reversal_has_one_fate(world: World, proxy: PostgresProxy, order: Spoil) -> None:
    parcel = await world.ecms.ship_to_store()
    transaction_id, never_sent = str(uuid.uuid4()), str(uuid.uuid4())
    await world.till.collect(parcel, transaction_id)
    await world.noted()
    struck = proxy.spoil(order)
    undone = await world.till.reverse(transaction_id)
    assert struck.is_set()
    assert (undone.status, undone.json["state"]) == (200, "REVERSED")
    again = await world.till.reverse(transaction_id)
    assert again.raw == undone.raw
    assert (await world.till.inquire(transaction_id)).json["state"] == "REVERSED"
    refusal(await world.till.collect(parcel, transaction_id), 409, "transaction-reversed", "RETURN")
    told = await world.told(2)
    assert [event["status"] for event in told] == ["CLAIMED", "DELIVERED TO STORE"]

    await world.noted()
    struck = proxy.spoil(order)
    assert (await world.till.reverse(never_sent, "TIMEOUT")).status == 200
    assert struck.is_set()
    assert (await world.till.collect(parcel)).status == 201
    assert len(await world.fetch("SELECT FROM journal")) == 4


@pytest.mark.parametrize("order", [Spoil.SWALLOW, Spoil.CUT_BEFORE])
async def test_what_other_edges_commit_is_asked_again_and_is_there_once(
    world: World, proxy: PostgresProxy, order: Spoil
) -> None:
    body = {"trackingNumber": "303105332614281200", "merchantReference": "R-1"}
    struck = proxy.spoil(order)
    lost = await world.ecms.ask_for(**body)
    assert struck.is_set()
    assert lost.status in (201, 503)
    again = await world.ecms.ask_for(**body)
    assert again.status == 201
    assert len(await world.fetch("SELECT FROM reference")) == 1

    answer = {
        "trackingNumber": "303105332614281201",
        "merchant": "A",
        "merchantCode": "001",
        "merchantReference": "R-2",
    }
    world.ecms_server.answers["returns"] = [(200, answer)]
    path, asked = f"/kiosk/v1/returns/{uuid.uuid4()}", {"identifierType": "UID", "identifier": "R-2"}
    struck = proxy.spoil(order)
    lost = await world.kiosk.call("PUT", path, asked)
    assert struck.is_set()
    if lost.status != 201:
        refusal(lost, 503, "outcome-unknown")
    again = await world.kiosk.call("PUT", path, asked)
    assert again.status == 201
    assert len(await world.fetch("SELECT FROM reference")) == 2
    assert [event["status"] for event in await world.told(1)] == ["FOR RETURN"]
    assert len(await world.fetch("SELECT FROM event")) == 1


async def test_the_relay_sends_again_what_it_could_not_note_and_ecms_can_tell(
    world: World, proxy: PostgresProxy
) -> None:
    parcel = await world.ecms.ship_to_store()
    held = asyncio.Event()

    async def hold(request):  # ECMS has the event in hand: the next COMMIT is the relay's
        struck.append(proxy.spoil(Spoil.CUT_BEFORE))
        held.set()
        world.ecms_server.faults.clear()
        return await world.ecms_server.take(request)

    struck: list[asyncio.Event] = []
    world.ecms_server.faults["status"] = hold
    await world.till.collect(parcel)
    await asyncio.wait_for(held.wait(), 5)
    await asyncio.wait_for(struck[0].wait(), 5)
    # Its lease would run out by itself; nobody waits for that in a test.
    await world.fetch("UPDATE event SET due_at = now()")
    first, second = await world.told(2)
    assert first == second
    await world.noted()
