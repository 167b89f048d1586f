"""The main job over HTTP: collect, claim, accept a return, inquire, reverse. A minute; needs PostgreSQL."""

import asyncio
import uuid

import pytest
from partners import Till
from world import World

from connect_gateway.ledger import lookups
from connect_gateway.ledger.database import Unavailable


async def test_a_cod_parcel_is_paid_for_and_released(world: World) -> None:
    parcel = await world.ecms.ship_to_store(amount="200.00")

    seen = await world.till.look_up(parcel.reference)
    assert seen.status == 200
    assert seen.json["action"] == "COLLECT"
    assert seen.json["amountDue"] == "200.00"
    assert seen.json["labelHint"] == parcel.tracking_number[-4:]
    assert parcel.tracking_number not in seen.raw.decode()

    transaction_id = str(uuid.uuid4())
    paid = await world.till.collect(parcel, transaction_id)
    assert paid.status == 201
    assert paid.json["state"] == "APPROVED"
    assert paid.json["change"] == "300.00"
    assert paid.json["receipt"]["number"] == "0166-001-00000001"
    assert paid.json["verdict"]["cash"] == "KEEP"
    assert paid.json["verdict"]["parcel"] == "RELEASE"
    assert all(len(line) <= 32 for line in paid.json["receipt"]["text"])

    again = await world.till.collect(parcel, transaction_id)
    assert (again.status, again.raw) == (201, paid.raw)
    assert again.headers["Idempotent-Replay"] == "true"
    assert (await world.till.inquire(transaction_id)).raw == paid.raw

    [event] = await world.told(1)
    assert event["status"] == "CLAIMED"
    assert event["payment"]["amount"] == "200.00"
    assert event["payment"]["receiptNumber"] == "0166-001-00000001"


async def test_a_hundred_identical_collects_are_one(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    transaction_id = str(uuid.uuid4())

    answers = await asyncio.gather(*(world.till.collect(parcel, transaction_id) for _ in range(100)))

    assert {answer.status for answer in answers} == {201}
    assert len({answer.raw for answer in answers}) == 1
    rows = await world.fetch("SELECT receipt_number FROM transaction")
    assert [row["receipt_number"] for row in rows] == ["0166-001-00000001"]
    assert len(await world.fetch("SELECT FROM event")) == 1


async def test_of_two_tills_one_wins(world: World) -> None:
    other = await world.partner(Till, "till-2", "pos", "0166", None)
    other.pos = "2"
    for _ in range(20):
        parcel = await world.ecms.ship_to_store()
        answers = await asyncio.gather(world.till.collect(parcel), other.collect(parcel))
        assert sorted(answer.status for answer in answers) == [201, 409]
        [refused] = [answer.json for answer in answers if answer.status == 409]
        assert refused["code"] == "already-done"
        assert refused["verdict"]["cash"] == "RETURN"


async def test_a_void_opens_the_reference_again_and_ecms_hears_of_both(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    first = str(uuid.uuid4())
    paid = await world.till.collect(parcel, first)

    undone = await world.till.reverse(first)
    assert undone.status == 200
    assert undone.json["state"] == "REVERSED"
    assert undone.json["verdict"]["cash"] == "RETURN"
    assert undone.json["receipt"]["number"] == paid.json["receipt"]["number"]
    assert (await world.till.collect(parcel, first)).json["code"] == "transaction-reversed"
    assert (await world.till.inquire(first)).json["state"] == "REVERSED"

    second = await world.till.collect(parcel)
    assert second.json["receipt"]["number"] == "0166-001-00000002"
    told = await world.told(3)
    assert [event["status"] for event in told] == ["CLAIMED", "DELIVERED TO STORE", "CLAIMED"]
    assert told[1]["reason"] == "CLAIM REVERSED"


async def test_an_id_reversed_before_it_arrives_never_runs(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    transaction_id = str(uuid.uuid4())

    undone = await world.till.reverse(transaction_id, "TIMEOUT", parcel_in_hand=False)
    assert (undone.status, undone.json["state"]) == (200, "REVERSED")
    late = await world.till.collect(parcel, transaction_id)
    assert (late.status, late.json["code"]) == (409, "transaction-reversed")
    assert (await world.till.look_up(parcel.reference)).json["state"] == "OPEN"


async def test_a_void_needs_the_parcel(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    transaction_id = str(uuid.uuid4())
    await world.till.collect(parcel, transaction_id)

    refused = await world.till.reverse(transaction_id, "CANCELLED", parcel_in_hand=False)
    assert (refused.status, refused.json["code"]) == (409, "parcel-not-in-hand")
    assert (await world.till.inquire(transaction_id)).json["state"] == "APPROVED"


async def test_the_same_id_with_other_content_is_refused_and_names_the_field(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    transaction_id = str(uuid.uuid4())
    await world.till.collect(parcel, transaction_id)

    for field, value in (("clerk", "ben"), ("amountTendered", "300.00"), ("shift", "2")):
        answer = await world.till.collect(parcel, transaction_id, **{field: value})
        assert (answer.status, answer.json["code"], answer.json["field"]) == (422, "transaction-mismatch", field)
    # Written otherwise, but the same value.
    assert (await world.till.collect(parcel, transaction_id, pos="01")).status == 201


async def test_refusals_are_outcomes_and_are_answered_again(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    transaction_id = str(uuid.uuid4())

    wrong = await world.till.collect(parcel, transaction_id, trackingNumber="300000000000999999")
    assert (wrong.status, wrong.json["code"]) == (409, "wrong-label")
    again = await world.till.collect(parcel, transaction_id, trackingNumber="300000000000999999")
    assert (again.status, again.raw) == (409, wrong.raw)
    assert again.headers["Idempotent-Replay"] == "true"
    found = await world.till.inquire(transaction_id)
    assert found.json["state"] == "DECLINED"
    assert found.json["problem"] == wrong.json
    undone = await world.till.reverse(transaction_id)
    assert undone.json["state"] == "REVERSED"


async def test_each_refusal_has_its_code(world: World) -> None:
    cod = await world.ecms.ship_to_store()
    not_ready = await world.ecms.ship()
    elsewhere = await world.ecms.ship_to_store(store_id="0001")
    cancelled = await world.ecms.ship()
    await world.ecms.tell(cancelled, "CANCELLED")
    pulled_out = await world.ecms.ship_to_store()
    await world.ecms.tell(pulled_out, "FOR PULL OUT")
    expired = await world.ecms.ship_to_store(expiresAt="2020-01-01T00:00:00+08:00")

    async def code_of(parcel, **fields) -> str:
        return (await world.till.collect(parcel, **fields)).json["code"]

    assert await code_of(cod, tendered="199.99") == "tender-too-small"
    assert await code_of(not_ready) == "not-ready"
    assert await code_of(elsewhere) == "wrong-store"
    assert await code_of(cancelled) == "cancelled"
    assert await code_of(pulled_out) == "pulled-out"
    assert await code_of(expired) == "expired"
    claim = world.till.body("CLAIM", cod.reference, trackingNumber=cod.tracking_number)
    assert (await world.till.put(str(uuid.uuid4()), claim)).json["code"] == "wrong-action"
    unknown = await world.till.collect(cod, reference="999999999999")
    assert (unknown.status, unknown.json["code"]) == (404, "unknown-reference")
    assert (await world.till.collect(cod)).status == 201
    assert await code_of(cod) == "already-done"


async def test_a_prepaid_parcel_is_claimed_without_cash(world: World) -> None:
    parcel = await world.ecms.ship_to_store(amount="0.00")
    body = world.till.body("CLAIM", parcel.reference, trackingNumber=parcel.tracking_number)

    claimed = await world.till.put(str(uuid.uuid4()), body)

    assert claimed.status == 201
    assert claimed.json["verdict"]["cash"] == "NONE"
    assert claimed.json["verdict"]["parcel"] == "RELEASE"
    [event] = await world.told(1)
    assert "payment" not in event


async def test_receipts_are_shown_and_copies_are_counted(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    paid = await world.till.collect(parcel)
    path = f"/pos/v1/receipts/{paid.json['receipt']['number']}"

    shown = await world.till.call("GET", path)
    assert shown.json == paid.json["receipt"]
    paper = await world.till.call("GET", path, headers={"Accept": "text/plain"})
    assert paper.raw.decode().splitlines() == paid.json["receipt"]["text"]
    copies = [(await world.till.call("POST", path + "/copies")).json for _ in range(2)]
    assert [copy["copy"] for copy in copies] == [1, 2]
    assert any("COPY 2" in line for line in copies[1]["text"])
    assert (await world.till.call("GET", "/pos/v1/receipts/0166-001-00000099")).status == 404


async def test_guessing_locks_a_till_out_but_not_from_what_it_has_done(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    transaction_id = str(uuid.uuid4())
    await world.till.collect(parcel, transaction_id)
    for number in range(5):
        assert (await world.till.look_up(f"50000000000{number}")).status == 404

    locked = await world.till.look_up(parcel.reference)
    assert locked.status == 429
    assert int(locked.headers["Retry-After"]) > 0
    assert locked.json["verdict"]["parcel"] == "HOLD"
    assert (await world.till.collect(parcel)).status == 429
    assert (await world.till.collect(parcel, transaction_id)).status == 201
    assert (await world.till.inquire(transaction_id)).status == 200
    assert (await world.till.reverse(transaction_id)).status == 200


async def test_references_of_one_parcel_share_its_order_of_events(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    body = {
        "kind": "RETURN",
        "trackingNumber": parcel.tracking_number,
        "merchantCode": "001",
        "merchant": "Merchant A",
        "merchantReference": parcel.merchant_reference,
    }
    code = (await world.ecms.call("POST", "/ecms/v1/references", body)).json["reference"]
    assert (await world.till.collect(parcel)).status == 201

    returned = await world.till.put(str(uuid.uuid4()), world.till.body("ACCEPT_RETURN", code))

    assert returned.status == 201
    assert [event["status"] for event in await world.told(2)] == ["CLAIMED", "RETURNED"]


async def test_a_reprint_that_was_counted_is_answered_without_another_look_into_the_ledger(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by fuzzing: the look after COMMIT failed, and the till heard that nothing had happened."""
    approval = await world.till.collect(await world.ecms.ship_to_store())

    async def away(*_asked: object) -> None:
        raise Unavailable("the connection was cut")

    monkeypatch.setattr(lookups, "receipt", away)
    reprint = await world.till.call("POST", f"/pos/v1/receipts/{approval.json['receipt']['number']}/copies")
    assert reprint.status == 201, reprint.json
    assert reprint.json["copy"] == 1
