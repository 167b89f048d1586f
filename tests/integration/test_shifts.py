"""Closing a shift: both sides' sums, every difference, and what is shut afterwards. Seconds; needs PostgreSQL."""

import uuid
from typing import Any

from partners import Reply, Till, business_date
from world import World


async def close(till: Till, cash: str, lines: list[dict[str, Any]], shift: str = "1") -> Reply:
    body = {"cashCounted": cash, "transactions": lines}
    return await till.call("PUT", f"/pos/v1/shifts/{business_date()}/{till.pos}/{shift}", body)


def line(transaction_id: str, amount: str = "200.00", state: str = "APPROVED") -> dict[str, Any]:
    return {"transactionId": transaction_id, "type": "COLLECT", "state": state, "amount": amount}


async def test_a_shift_that_agrees_closes_and_is_shut(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    sold, voided = str(uuid.uuid4()), str(uuid.uuid4())
    await world.till.collect(parcel, voided)
    await world.till.reverse(voided)
    await world.till.collect(parcel, sold)
    lines = [line(sold), line(voided, state="REVERSED")]

    closed = await close(world.till, "200.00", lines)

    assert closed.status == 200
    assert closed.json["differences"] == []
    assert closed.json["cashExpected"] == "200.00"
    assert closed.json["sums"]["ledger"] == {"COLLECT": {"count": 1, "amount": "200.00"}}
    assert closed.json["sums"]["till"] == closed.json["sums"]["ledger"]
    again = await close(world.till, "200.00", lines)
    assert (again.status, again.raw) == (200, closed.raw)
    assert again.headers["Idempotent-Replay"] == "true"
    other = await close(world.till, "100.00", lines)
    assert (other.status, other.json["code"]) == (409, "shift-closed")

    another = await world.ecms.ship_to_store()
    late = await world.till.collect(another)
    assert (late.status, late.json["code"]) == (409, "shift-closed")
    assert (await world.till.collect(another, shift="2")).status == 201
    void = await world.till.reverse(sold)
    assert (void.status, void.json["code"]) == (409, "too-late-to-reverse")
    assert (await world.till.reverse(sold, "TIMEOUT")).status == 200


async def test_every_difference_is_named(world: World) -> None:
    there, here, amount, state = (str(uuid.uuid4()) for _ in range(4))
    for transaction_id in (here, amount, state):
        assert (await world.till.collect(await world.ecms.ship_to_store(), transaction_id)).status == 201
    reported = [line(there), line(amount, amount="150.00"), line(state, state="REVERSED")]

    closed = await close(world.till, "650.00", reported)

    found = {one["transactionId"]: one["difference"] for one in closed.json["differences"]}
    assert found == {
        there: "missing-here",
        here: "missing-there",
        amount: "amount-differs",
        state: "state-differs",
    }
    assert (closed.json["cashExpected"], closed.json["cashOver"]) == ("600.00", "50.00")


async def test_what_had_no_effect_makes_no_difference(world: World) -> None:
    declined, unsent = str(uuid.uuid4()), str(uuid.uuid4())
    await world.till.collect(await world.ecms.ship(), declined)
    await world.till.reverse(unsent, "TIMEOUT")

    closed = await close(world.till, "0.00", [line(unsent, state="REVERSED")])

    assert closed.json["differences"] == []


async def test_a_close_is_large_or_malformed(world: World) -> None:
    many = await close(world.till, "0.00", [line(str(uuid.uuid4()), state="DECLINED") for _ in range(2_000)])
    assert many.status == 200
    twice = str(uuid.uuid4())
    doubled = await close(world.till, "0.00", [line(twice), line(twice)], shift="2")
    assert (doubled.status, doubled.json["code"]) == (422, "transaction-mismatch")
    path = f"/pos/v1/shifts/{business_date()}/7/1"
    elsewhere = await world.till.call("PUT", path, {"cashCounted": "0.00", "transactions": []})
    assert (elsewhere.status, elsewhere.json["code"]) == (403, "wrong-terminal")
    whole = await world.till.call("PUT", f"/pos/v1/shifts/{business_date()}/1/3", raw=b" " * (1_048_576 + 1))
    assert (whole.status, whole.json["code"]) == (413, "request-too-large")
