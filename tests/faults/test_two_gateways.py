"""Two gateways on one database: whoever asks whichever of them, it happens once. About 15 s; needs PostgreSQL."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from checks import refusal
from partners import Ecms, Partner, Reply, Till, next_tracking_number
from world import World


@dataclass
class Pair:
    """The same partners, each of them at both gateways."""

    world: World
    tills: tuple[Till, Till]
    kiosks: tuple[Partner, Partner]
    ecms: tuple[Ecms, Ecms]


@pytest.fixture
async def pair(world: World) -> AsyncIterator[Pair]:
    till = await world.partner(Till, "till-2", "pos", "0166", None)
    till.pos = "2"
    async with world.another_gateway() as url:
        other = world.at(till, url)
        other.pos = "2"
        yield Pair(
            world, (till, other), (world.kiosk, world.at(world.kiosk, url)), (world.ecms, world.at(world.ecms, url))
        )


async def test_the_same_id_at_both_is_one_transaction(pair: Pair) -> None:
    for _ in range(5):
        parcel = await pair.world.ecms.ship_to_store()
        transaction_id = str(uuid.uuid4())
        replies = await asyncio.gather(
            *(till.collect(parcel, transaction_id) for till in pair.tills for _ in range(10))
        )
        assert {reply.status for reply in replies} == {201}
        assert len({reply.raw for reply in replies}) == 1
    rows = await pair.world.fetch("SELECT receipt_number FROM transaction ORDER BY receipt_number")
    assert [row["receipt_number"] for row in rows] == [f"0166-002-{count:08d}" for count in range(1, 6)]
    told = await pair.world.told(5)
    assert len({event["eventId"] for event in told}) == 5


async def test_one_reference_at_both_is_collected_once(pair: Pair) -> None:
    for _ in range(10):
        parcel = await pair.world.ecms.ship_to_store()
        replies = await asyncio.gather(*(till.collect(parcel) for till in (*pair.tills, *pair.tills)))
        assert sorted(reply.status for reply in replies) == [201, 409, 409, 409]
        for reply in replies:
            if reply.status == 409:
                refusal(reply, 409, "already-done", "RETURN")
    numbers = [row["receipt_number"] for row in await pair.world.fetch("SELECT receipt_number FROM transaction")]
    assert sorted(filter(None, numbers)) == [f"0166-002-{count:08d}" for count in range(1, 11)]
    journal = await pair.world.fetch("SELECT position FROM journal ORDER BY position")
    assert [row["position"] for row in journal] == list(range(1, 41))


async def test_a_release_and_its_reversal_at_once_end_alike_for_both(pair: Pair) -> None:
    first, second = pair.tills
    for _ in range(10):
        parcel = await pair.world.ecms.ship_to_store()
        transaction_id = str(uuid.uuid4())
        collected, undone = await asyncio.gather(
            first.collect(parcel, transaction_id), second.reverse(transaction_id, "TIMEOUT", parcel_in_hand=False)
        )
        assert undone.status == 200
        if collected.status != 201:
            refusal(collected, 409, "transaction-reversed", "RETURN")
        # Whichever came first: in the end it is undone, and stays so.
        for till in pair.tills:
            assert (await till.inquire(transaction_id)).json["state"] == "REVERSED"
            assert (await till.collect(parcel, transaction_id)).status == 409
            assert (await till.look_up(parcel.reference)).json["state"] == "OPEN"
    balance = await pair.world.fetch(
        "SELECT count(*) FILTER (WHERE status = 'CLAIMED') AS done,"
        " count(*) FILTER (WHERE status <> 'CLAIMED') AS undone FROM event"
    )
    assert balance[0]["done"] == balance[0]["undone"]


async def test_a_parcel_told_to_both_has_one_reference(pair: Pair) -> None:
    for _ in range(5):
        body = {"trackingNumber": next_tracking_number(), "merchantReference": "R-1"}
        replies = await asyncio.gather(*(ecms.ask_for(**body) for ecms in pair.ecms for _ in range(5)))
        assert {reply.status for reply in replies} == {201}
        assert len({reply.raw for reply in replies}) == 1


async def test_fifty_kiosks_at_both_get_one_code(pair: Pair) -> None:
    answer = {
        "trackingNumber": next_tracking_number(),
        "merchantCode": "001",
        "merchant": "A",
        "merchantReference": "R-1",
    }
    pair.world.ecms_server.answers["returns"] = [(200, answer)]
    asked = {"identifierType": "UID", "identifier": "R-1"}

    async def settled(kiosk: Partner) -> Reply:
        path = f"/kiosk/v1/returns/{uuid.uuid4()}"
        async with asyncio.timeout(20):
            while (reply := await kiosk.call("PUT", path, asked)).status == 503:
                refusal(reply, 503, "database-unavailable")
        return reply

    replies = await asyncio.gather(*(settled(kiosk) for kiosk in pair.kiosks for _ in range(25)))
    assert {reply.status for reply in replies} == {201}
    assert len({reply.raw for reply in replies}) == 1
    assert [event["status"] for event in await pair.world.told(1)] == ["FOR RETURN"]
    assert len(await pair.world.fetch("SELECT FROM event")) == 1


async def test_two_relays_keep_the_order_of_each_parcel(pair: Pair) -> None:
    parcels = [await pair.world.ecms.ship_to_store() for _ in range(5)]
    for parcel in parcels:
        for till in pair.tills:
            transaction_id = str(uuid.uuid4())
            assert (await till.collect(parcel, transaction_id)).status == 201
            assert (await till.reverse(transaction_id)).status == 200
    await pair.world.noted()
    events = pair.world.ecms_server.events
    assert len({event["eventId"] for event in events}) == 20
    for parcel in parcels:
        statuses = [event["status"] for event in events if event["trackingNumber"] == parcel.tracking_number]
        assert statuses == ["CLAIMED", "DELIVERED TO STORE"] * 2


async def test_a_client_shut_out_at_one_is_shut_out_at_the_other(pair: Pair) -> None:
    for till in pair.tills:
        assert (await till.inquire(str(uuid.uuid4()))).status == 404
    await pair.world.fetch("UPDATE client SET disabled_at = now() WHERE client_id = 'till-2'")
    async with asyncio.timeout(1.5):
        for till in pair.tills:
            while (await till.inquire(str(uuid.uuid4()))).status != 401:
                await asyncio.sleep(0.02)
