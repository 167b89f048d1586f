"""The guards in the database, with the first guards taken away on purpose. About 10 s; needs PostgreSQL."""

import asyncio
import uuid

import pytest
from checks import refusal
from partners import Till, next_tracking_number
from world import World

from connect_gateway.domain import decide
from connect_gateway.domain.records import Reference
from connect_gateway.domain.states import State
from connect_gateway.ledger import groups


async def test_without_its_lock_a_reference_still_moves_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """I1, I7, I9: two stores take one return at once, and neither waits for the other to read it."""
    lock = "one.reference = wanted.reference\n        FOR UPDATE"
    assert groups._READ.count(lock) == 1
    monkeypatch.setattr(groups, "_READ", groups._READ.replace(lock, "one.reference = wanted.reference"))
    elsewhere = await world.partner(Till, "till-0001", "pos", "0001", None)
    async with world.another_gateway() as url:
        tills = [world.till, world.at(elsewhere, url)]
        for _ in range(10):
            reply = await world.ecms.ask_for(trackingNumber=next_tracking_number())
            code = reply.json["reference"]
            taken = await asyncio.gather(
                *(till.put(str(uuid.uuid4()), till.body("ACCEPT_RETURN", code)) for till in tills)
            )
            assert sorted(answer.status for answer in taken) == [201, 409]
            [refused] = [answer for answer in taken if answer.status == 409]
            refusal(refused, 409, "already-done", parcel="REFUSE")


async def test_a_reference_that_is_done_is_not_done_again_whatever_the_domain_says(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I1: at most one approved transaction stands on a reference."""
    parcel = await world.ecms.ship_to_store()
    assert (await world.till.collect(parcel)).status == 201
    monkeypatch.setattr(Reference, "state_at", lambda _self, _now: State.OPEN)
    refusal(await world.till.collect(parcel), 500, "internal-error")
    assert len(await world.fetch("SELECT FROM transaction")) == 1
    assert len(await world.fetch("SELECT FROM event")) == 1


async def test_a_parcel_is_not_released_elsewhere_whatever_the_domain_says(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I3: a parcel is released at its own store."""
    parcel = await world.ecms.ship_to_store(store_id="0001")
    monkeypatch.setattr(decide, "wrong_store", lambda _reference, _store_id: None)
    refusal(await world.till.collect(parcel), 500, "internal-error")
    assert not await world.fetch("SELECT FROM transaction")
    assert not await world.fetch("SELECT FROM event")


async def test_a_receipt_number_is_not_given_twice_whatever_the_domain_says(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I2: each approved transaction has a receipt of its own."""
    first, second = [await world.ecms.ship_to_store() for _ in range(2)]
    assert (await world.till.collect(first)).status == 201
    monkeypatch.setattr(decide, "receipt_number", lambda _store, _pos, _count: "0166-001-00000001")
    refusal(await world.till.collect(second), 500, "internal-error")
    assert (await world.till.look_up(second.reference)).json["state"] == "OPEN"
