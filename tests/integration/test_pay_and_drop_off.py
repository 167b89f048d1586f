"""PAY and DROP_OFF at any store: money, fee, refusals, what ECMS hears, the close. 20 s; needs PostgreSQL."""

import asyncio
import uuid
from typing import Any

import pytest
from aiohttp import web
from checks import ecms_error, refusal
from partners import Parcel, Partner, Reply, Till, business_date
from world import World


def quoted(amount: str) -> list[tuple[int, Any]]:
    return [(200, {"errorCode": "200", "amountDue": amount, "shippingFee": amount})]


DAILY_LIMIT = (409, {"errorCode": "409", "message": "5 packages a day", "code": "daily-limit"})


async def pay(till: Till, parcel: Parcel, id_: str = "", *, tendered: str = "500.00", **fields: Any) -> Reply:
    given = {"tender": "CASH", "amountTendered": tendered} | fields
    return await till.put(id_ or str(uuid.uuid4()), till.body("PAY", parcel.reference, **given))


async def drop_off(till: Till, parcel: Parcel, id_: str = "", **fields: Any) -> Reply:
    return await till.put(id_ or str(uuid.uuid4()), till.body("DROP_OFF", parcel.reference, **fields))


def cash(amount: str) -> dict[str, str]:
    return {"tender": "CASH", "amountTendered": amount}


def moves(reply: Reply) -> tuple[str, str]:
    verdict = reply.json["verdict"]
    return verdict["cash"], verdict["parcel"]


@pytest.fixture
async def elsewhere(world: World) -> Till:
    """A till of a store that no parcel is bound for."""
    return await world.partner(Till, "till-0001", "pos", "0001", None)


async def test_a_payment_is_taken_at_any_store_and_can_be_undone(world: World, elsewhere: Till) -> None:
    code = await world.ecms.issue("PAY", "150.00")
    seen = await elsewhere.look_up(code.reference)
    assert (seen.json["kind"], seen.json["action"], seen.json["amountDue"]) == ("PAY", "PAY", "150.00")

    first = str(uuid.uuid4())
    paid = await pay(elsewhere, code, first)
    assert (paid.status, paid.json["amountDue"], paid.json["change"]) == (201, "150.00", "350.00")
    assert moves(paid) == ("KEEP", "HOLD")
    assert "              PAY" in paid.json["receipt"]["text"]
    assert (await pay(elsewhere, code, first)).raw == paid.raw
    refusal(await pay(world.till, code), 409, "already-done", cash="RETURN")

    # Nothing was handed out, so nothing has to be in hand.
    undone = await elsewhere.reverse(first, parcel_in_hand=False)
    assert (undone.status, moves(undone)) == (200, ("RETURN", "HOLD"))
    again = await pay(world.till, code, tendered="150.00")
    assert again.status == 201
    told = await world.told(3)
    assert [(one["status"], one.get("reason"), one["location"]) for one in told] == [
        ("PAID", None, "0001"),
        ("UNPAID", "PAYMENT REVERSED", "0001"),
        ("PAID", None, "0166"),
    ]
    assert told[0]["payment"] == {
        "amount": "150.00",
        "receiptNumber": paid.json["receipt"]["number"],
        "store": "0001",
        "pos": "1",
        "shift": "1",
        "bdate": business_date(),
    }
    assert "payment" not in told[1]


async def test_a_payment_that_is_not_enough_or_no_more_wanted_is_refused(world: World) -> None:
    code = await world.ecms.issue("PAY", "150.00")
    refusal(await pay(world.till, code, tendered="149.99"), 409, "tender-too-small", cash="RETURN")
    refusal(
        await world.till.put(str(uuid.uuid4()), world.till.body("CLAIM", code.reference, trackingNumber="1")),
        409,
        "wrong-action",
    )
    for otherwise in ({"tender": "CARD"}, {"amountTendered": None}, {"trackingNumber": code.tracking_number}):
        refusal(await pay(world.till, code, **otherwise), 400, "malformed-request")
    assert (await world.ecms.tell(code, "CANCELLED")).status == 204
    refusal(await pay(world.till, code), 409, "cancelled", cash="RETURN")


async def test_a_drop_off_costs_what_was_booked_where_it_really_happens(world: World, elsewhere: Till) -> None:
    parcel = await world.ecms.issue("DROP_OFF", "65.00")
    world.ecms_server.answers["quote"] = quoted("65")
    seen = await elsewhere.look_up(parcel.reference)
    assert (seen.json["kind"], seen.json["action"], seen.json["amountDue"]) == ("DROP_OFF", "DROP_OFF", "65.00")

    id_ = str(uuid.uuid4())
    taken = await drop_off(elsewhere, parcel, id_, trackingNumber=parcel.tracking_number, **cash("100.00"))
    assert (taken.status, taken.json["change"], moves(taken)) == (201, "35.00", ("KEEP", "ACCEPT"))
    assert world.ecms_server.asked == [
        (
            "quote",
            {
                "trackingNumber": parcel.tracking_number,
                "bookingReference": parcel.merchant_reference,
                "returnCode": parcel.reference.replace("-", ""),
                "storeId": "0001",
            },
        )
    ]
    again = await drop_off(elsewhere, parcel, id_, trackingNumber=parcel.tracking_number, **cash("100.00"))
    assert (again.raw, again.headers["Idempotent-Replay"]) == (taken.raw, "true")
    refusal(await drop_off(world.till, parcel, **cash("65.00")), 409, "already-done", cash="RETURN", parcel="REFUSE")
    assert len(world.ecms_server.asked) == 1, "neither a repeat nor a used reference is a question for ECMS"

    undone = await elsewhere.reverse(id_)
    assert (undone.status, moves(undone)) == (200, ("RETURN", "HOLD"))
    refusal(
        await drop_off(elsewhere, parcel, id_, trackingNumber=parcel.tracking_number, **cash("100.00")),
        409,
        "transaction-reversed",
        cash="RETURN",
        parcel="REFUSE",
    )
    assert len(world.ecms_server.asked) == 1
    told = await world.told(2)
    assert [(one["status"], one.get("reason"), "payment" in one, "returnCode" in one) for one in told] == [
        ("DROPPED OFF", None, True, False),
        ("FOR DROP OFF", "DROP-OFF REVERSED", False, False),
    ]
    assert told[0]["payment"]["amount"] == "65.00"


async def test_a_drop_off_that_the_merchant_pays_moves_no_cash(world: World) -> None:
    parcel = await world.ecms.issue("DROP_OFF", "0.00")
    world.ecms_server.answers["quote"] = quoted("0.00")
    id_ = str(uuid.uuid4())
    taken = await drop_off(world.till, parcel, id_)
    assert (taken.status, taken.json["amountTendered"], moves(taken)) == (201, "0.00", ("NONE", "ACCEPT"))
    undone = await world.till.reverse(id_)
    assert moves(undone) == ("NONE", "HOLD")
    told = await world.told(2)
    assert [one["status"] for one in told] == ["DROPPED OFF", "FOR DROP OFF"]
    assert not any("payment" in one for one in told)


async def test_another_fee_and_a_full_day_are_refused_for_good(world: World) -> None:
    """POS-35, POS-36 and POS-38."""
    parcel = await world.ecms.issue("DROP_OFF", "65.00")
    for answer, code in ((quoted("80.00"), "fee-differs"), ([DAILY_LIMIT], "daily-limit")):
        world.ecms_server.answers["quote"] = answer
        id_ = str(uuid.uuid4())
        refused = await drop_off(world.till, parcel, id_, **cash("100.00"))
        refusal(refused, 409, code, cash="RETURN", parcel="REFUSE")
        asked = len(world.ecms_server.asked)
        world.ecms_server.answers["quote"] = quoted("65.00")
        repeated = await drop_off(world.till, parcel, id_, **cash("100.00"))
        assert (repeated.raw, repeated.headers["Idempotent-Replay"]) == (refused.raw, "true")
        assert len(world.ecms_server.asked) == asked
        assert (await world.till.inquire(id_)).json["problem"]["code"] == code
    assert (await drop_off(world.till, parcel, **cash("65.00"))).status == 201, "with a new id it is decided anew"


async def test_the_order_of_refusal_has_the_fee_last(world: World) -> None:
    parcel = await world.ecms.issue("DROP_OFF", "65.00")
    world.ecms_server.answers["quote"] = quoted("80.00")
    wrong = {"trackingNumber": "1" * 18}
    refusal(
        await drop_off(world.till, parcel, **wrong, **cash("1.00")), 409, "wrong-label", cash="RETURN", parcel="REFUSE"
    )
    refusal(
        await drop_off(world.till, parcel, **cash("64.99")), 409, "tender-too-small", cash="RETURN", parcel="REFUSE"
    )
    refusal(await drop_off(world.till, parcel), 409, "tender-too-small", cash="RETURN", parcel="REFUSE")
    refusal(await drop_off(world.till, parcel, **cash("65.00")), 409, "fee-differs", cash="RETURN", parcel="REFUSE")
    for half in ({"tender": "CASH"}, {"amountTendered": "65.00"}):
        refusal(await drop_off(world.till, parcel, **half), 400, "malformed-request")


@pytest.mark.parametrize(
    "answer",
    [
        (500, {}),
        (404, {"errorCode": "404", "message": "no such booking"}),
        (409, {"errorCode": "409", "message": "something else"}),
        (200, {"errorCode": "200"}),
        (200, {"amountDue": 65}),
        (200, {"amountDue": "-65.00"}),
        (200, {"amountDue": "65.0"}),
    ],
)
async def test_without_an_answer_of_ecms_nothing_happens(world: World, answer: tuple[int, Any]) -> None:
    """POS-37."""
    parcel = await world.ecms.issue("DROP_OFF", "65.00")
    world.ecms_server.answers["quote"] = [answer]
    id_ = str(uuid.uuid4())
    held = await drop_off(world.till, parcel, id_, **cash("65.00"))
    refusal(held, 503, "ecms-unavailable")
    assert held.headers["Retry-After"] == "5"
    assert not await world.fetch("SELECT FROM transaction")
    assert (await world.till.inquire(id_)).status == 404
    world.ecms_server.answers["quote"] = quoted("65.00")
    assert (await drop_off(world.till, parcel, id_, **cash("65.00"))).status == 201


async def test_a_till_does_not_wait_for_an_ecms_that_does_not_answer(world: World) -> None:
    parcel = await world.ecms.issue("DROP_OFF", "0.00")
    asked = asyncio.Event()
    released = asyncio.Event()

    async def silent(_: web.Request) -> web.StreamResponse:
        asked.set()
        await released.wait()
        return web.json_response({"amountDue": "0.00"})

    world.ecms_server.faults["quote"] = silent
    held = asyncio.create_task(drop_off(world.till, parcel))
    await asked.wait()
    # The counter is not held up by it: nothing is asked within a transaction of the ledger.
    cod = await world.ecms.ship_to_store()
    assert (await world.till.collect(cod)).status == 201
    refusal(await held, 503, "ecms-unavailable")
    released.set()


async def test_a_shift_closes_with_payments_and_fees_in_its_drawer(world: World) -> None:
    world.ecms_server.answers["quote"] = quoted("65.00")
    ids = {kind: str(uuid.uuid4()) for kind in ("PAY", "DROP_OFF")}
    await pay(world.till, await world.ecms.issue("PAY", "150.00"), ids["PAY"])
    await drop_off(world.till, await world.ecms.issue("DROP_OFF", "65.00"), ids["DROP_OFF"], **cash("65.00"))
    amounts = {"PAY": "150.00", "DROP_OFF": "65.00"}
    lines = [
        {"transactionId": ids[kind], "type": kind, "state": "APPROVED", "amount": amounts[kind]} for kind in amounts
    ]
    closed = await world.till.call(
        "PUT", f"/pos/v1/shifts/{business_date()}/1/1", {"cashCounted": "215.00", "transactions": lines}
    )
    assert (closed.status, closed.json["cashExpected"], closed.json["differences"]) == (200, "215.00", [])
    assert (
        closed.json["sums"]["ledger"]
        == closed.json["sums"]["till"]
        == {kind: {"count": 1, "amount": amount} for kind, amount in amounts.items()}
    )


async def test_ecms_says_what_a_payment_or_drop_off_costs_and_no_more(world: World) -> None:
    for kind, amount, status in (
        ("PAY", "0.00", 409),
        ("PAY", "4000.01", 409),
        ("PAY", None, 400),
        ("DROP_OFF", "4000.01", 409),
        ("DROP_OFF", None, 400),
    ):
        code = "payment-type-mismatch" if status == 409 else "malformed-request"
        ecms_error(await world.ecms.ask_for(kind=kind, amount=amount), status, code)
    ecms_error(await world.ecms.ask_for(kind="PAY", amount="1.00", paymentType="COD"), 409, "payment-type-mismatch")
    booked = await world.ecms.issue("DROP_OFF", "65.00", merchantReference="BOOKING-1")
    again = await world.ecms.ask_for(
        kind="DROP_OFF", amount="65.00", merchantReference="BOOKING-1", trackingNumber=booked.tracking_number
    )
    assert (again.status, again.json["reference"]) == (201, booked.reference)
    taken = await world.ecms.ask_for(kind="DROP_OFF", amount="65.00", merchantReference="BOOKING-1")
    assert ecms_error(taken, 409, "reference-conflict")["message"]
    assert len(await world.fetch("SELECT FROM reference")) == 1, "what was refused left nothing"


async def test_a_drop_off_and_the_parcel_s_claim_share_a_tracking_number(world: World) -> None:
    """ECM-19."""
    booked = await world.ecms.issue("DROP_OFF", "0.00")
    world.ecms_server.answers["quote"] = quoted("0.00")
    claim = await world.ecms.ship(amount="0.00", store_id="0170", trackingNumber=booked.tracking_number)
    assert (await drop_off(world.till, booked)).status == 201
    for status in ("FOR PULL OUT", "ON VEHICLE TO WAREHOUSE", "DELIVERED TO STORE"):
        assert (await world.ecms.tell(booked, status, location="0170")).status == 204
    buyer_store: Partner = await world.partner(Till, "till-0170", "pos", "0170", None)
    seen = await buyer_store.call("GET", f"/pos/v1/references/{claim.reference}")
    assert (seen.json["state"], seen.json["action"]) == ("OPEN", "CLAIM")
    assert (await world.till.look_up(booked.reference)).json["state"] == "DONE"


async def test_remarks_of_the_merchant_stand_on_the_receipt(world: World) -> None:
    parcel = await world.ecms.ship_to_store(
        receiptRemarks="Salamat po!|Balik-bayan box ng Niño Trading Corporation, Quezon City"
    )
    lines = (await world.till.collect(parcel)).json["receipt"]["text"]
    at = lines.index("Salamat po!")
    assert lines[at + 1 : at + 3] == ["Balik-bayan box ng Niño Trading", "Corporation, Quezon City"]
    ecms_error(await world.ecms.ask_for(receiptRemarks="x" * 661), 400, "malformed-request")
    ecms_error(await world.ecms.ask_for(receiptRemarks="a\x1bb"), 400, "malformed-request")
