"""A seller's drop-off at the kiosk, and where a parcel is. 15 s; needs PostgreSQL."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from checks import problem, refusal
from papers import barcodes_of, bars_of_pdf
from partners import Parcel, Partner, Reply, next_tracking_number
from world import World

from connect_printing import escpos


def path(booking: str) -> str:
    return f"/kiosk/v1/dropoffs/{quote(booking, safe='')}"


async def show(world: World, booking: str) -> Reply:
    return await world.kiosk.call("GET", path(booking))


async def label(world: World, booking: str, accept: str = "*/*", *, by: Partner | None = None) -> Reply:
    return await (by or world.kiosk).call("PUT", path(booking) + "/label", headers={"Accept": accept})


async def where(world: World, number: str) -> Reply:
    return await world.kiosk.call("GET", f"/kiosk/v1/parcels/{quote(number)}")


def seen(reply: Reply) -> tuple[str, str | None, str | None]:
    assert reply.status == 200, reply.raw
    return reply.json["status"], reply.json["location"], reply.json["claimableAt"]


async def dropped_off(world: World, booked: Parcel, id_: str = "") -> str:
    id_ = id_ or str(uuid.uuid4())
    world.ecms_server.answers["quote"] = [(200, {"amountDue": "0.00"})]
    done = await world.till.put(id_, world.till.body("DROP_OFF", booked.reference))
    assert done.status == 201, done.raw
    return id_


async def test_a_booking_is_found_and_its_label_printed_once_for_ecms(world: World) -> None:
    booked = await world.ecms.issue("DROP_OFF", "65.00", merchant="Tiangge ni Niña", merchantReference="BK/ñ 1?")
    await world.ecms.ship(amount="0.00", store_id="0170", trackingNumber=booked.tracking_number)
    found = await show(world, "BK/ñ 1?")
    assert found.json == {
        "bookingReference": "BK/ñ 1?",
        "reference": booked.reference,
        "state": "OPEN",
        "trackingNumber": booked.tracking_number,
        "merchant": "Tiangge ni Niña",
        "description": "",
        "amountDue": "65.00",
        "currency": "PHP",
        "destinationStoreId": "0170",
        "labelPrinted": False,
        "expiresAt": None,
    }
    assert "09" not in found.raw.decode().replace(booked.tracking_number, "").replace(booked.reference, "")

    printed = await label(world, "BK/ñ 1?")
    assert printed.status == 200
    assert printed.json["labelPrinted"] is True
    assert all(len(line) <= 32 for line in printed.json["label"]["text"])
    assert any("Store 0170" in line for line in printed.json["label"]["text"])
    assert printed.json["label"]["barcodes"] == [
        {"symbology": "GS1-128", "data": booked.tracking_number},
        {"symbology": "CODE128", "data": booked.reference.replace("-", "")},
    ]
    codes = [("CODE128", booked.reference.replace("-", "")), ("GS1-128", booked.tracking_number)]
    assert (await label(world, "BK/ñ 1?")).raw == printed.raw
    assert barcodes_of((await label(world, "BK/ñ 1?", "image/png")).raw) == codes
    assert barcodes_of(bars_of_pdf((await label(world, "BK/ñ 1?", "application/pdf")).raw)) == codes
    for_printer = (await label(world, "BK/ñ 1?", "application/vnd.escpos")).raw
    assert barcodes_of(escpos.png(for_printer)) == codes
    assert "Tiangge ni Niña" in escpos.text(for_printer)
    text = (await label(world, "BK/ñ 1?", "text/plain")).raw.decode()
    assert text.splitlines() == printed.json["label"]["text"]
    refusal(await label(world, "BK/ñ 1?", "video/mp4"), 406, "not-acceptable")

    await world.noted()
    [told] = world.ecms_server.events
    assert (told["status"], told["location"], told["merchantReference"]) == ("FOR DROP OFF", "0166", "BK/ñ 1?")


async def test_many_kiosks_print_one_label_at_once_and_ecms_hears_of_it_once(world: World) -> None:
    booked = await world.ecms.issue("DROP_OFF", "0.00")
    answers = await asyncio.gather(*(label(world, booked.merchant_reference) for _ in range(30)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.raw for answer in answers}) == 1
    await world.noted()
    assert [event["status"] for event in world.ecms_server.events] == ["FOR DROP OFF"]


async def test_the_label_of_what_is_over_is_not_printed(world: World) -> None:
    done = await world.ecms.issue("DROP_OFF", "0.00")
    await label(world, done.merchant_reference)
    id_ = await dropped_off(world, done)
    refusal(await label(world, done.merchant_reference), 409, "already-done")
    assert (await show(world, done.merchant_reference)).json["state"] == "DONE"
    # A reversed drop-off never happened: the same label is good again, and ECMS has heard where it stands.
    assert (await world.till.reverse(id_)).status == 200
    assert (await label(world, done.merchant_reference)).status == 200
    await world.noted()
    assert [event["status"] for event in world.ecms_server.events] == ["FOR DROP OFF", "DROPPED OFF", "FOR DROP OFF"]

    cancelled = await world.ecms.issue("DROP_OFF", "0.00")
    await world.ecms.tell(cancelled, "CANCELLED")
    refusal(await label(world, cancelled.merchant_reference), 409, "cancelled")
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat(timespec="seconds")
    expired = await world.ecms.issue("DROP_OFF", "0.00", expiresAt=yesterday)
    refusal(await label(world, expired.merchant_reference), 409, "expired")
    assert (await show(world, expired.merchant_reference)).json["labelPrinted"] is False
    await world.noted()
    assert len(world.ecms_server.events) == 3


async def test_what_nobody_booked_counts_as_guessing(world: World) -> None:
    booked = await world.ecms.issue("DROP_OFF", "0.00")
    refusal(await show(world, "BOOKING-0"), 404, "unknown-booking")
    refusal(await label(world, "BOOKING-0"), 404, "unknown-booking")
    refusal(await where(world, "500000000009"), 404, "unknown-parcel")
    refusal(await where(world, next_tracking_number()), 404, "unknown-parcel")
    refusal(await show(world, booked.reference), 404, "unknown-booking")
    for locked in (show(world, booked.merchant_reference), label(world, booked.merchant_reference)):
        answer = await locked
        refusal(answer, 429, "too-many-attempts")
        assert int(answer.headers["Retry-After"]) > 0
    refusal(await where(world, booked.tracking_number), 429, "too-many-attempts")


@pytest.mark.parametrize("given", ["x" * 41, "a\x1bb", "a\u2028"])
async def test_a_booking_s_reference_that_cannot_be_one(world: World, given: str) -> None:
    refusal(await show(world, given), 400, "malformed-request")
    refusal(await label(world, given), 400, "malformed-request")


@pytest.mark.parametrize("given", ["1", "1" * 13, "1" * 16, "1" * 19, "١" * 12, "abc"])
async def test_a_number_that_cannot_be_one(world: World, given: str) -> None:
    refusal(await where(world, given), 400, "malformed-request")


async def test_a_label_takes_no_body_and_a_till_has_no_part_in_it(world: World) -> None:
    booked = await world.ecms.issue("DROP_OFF", "0.00")
    with_body = await world.kiosk.call("PUT", path(booked.merchant_reference) + "/label", {})
    refusal(with_body, 400, "malformed-request")
    for method, route in (("GET", ""), ("PUT", "/label")):
        problem(await world.till.call(method, path(booked.merchant_reference) + route), 403, "wrong-role")
    problem(await world.till.call("GET", f"/kiosk/v1/parcels/{booked.tracking_number}"), 403, "wrong-role")
    app = await world.partner(Partner, "app", "app", None, None)
    assert (await label(world, booked.merchant_reference, by=app)).status == 200
    await world.noted()
    assert world.ecms_server.events[0]["location"] == "0000"


async def test_where_a_parcel_is_from_its_booking_to_its_buyer(world: World) -> None:
    booked = await world.ecms.issue("DROP_OFF", "0.00")
    assert seen(await where(world, booked.tracking_number)) == ("CREATED/ CONFIRMED", None, None)
    await label(world, booked.merchant_reference)
    assert seen(await where(world, booked.reference)) == ("FOR DROP OFF", "0166", None)
    await dropped_off(world, booked)
    assert seen(await where(world, booked.tracking_number)) == ("DROPPED OFF", "0166", None)
    claim = await world.ecms.ship(amount="0.00", store_id="0170", trackingNumber=booked.tracking_number)
    soon = datetime.now(UTC) + timedelta(seconds=2)
    await world.ecms.tell(booked, "IN-TRANSIT", at=soon, location="9001")
    assert seen(await where(world, claim.reference)) == ("IN-TRANSIT", "9001", None)
    # A late arrival is no news.
    await world.ecms.tell(booked, "FOR PULL OUT", at=soon - timedelta(seconds=1))
    assert seen(await where(world, claim.reference)) == ("IN-TRANSIT", "9001", None)
    await world.ecms.tell(booked, "DELIVERED TO STORE", at=soon + timedelta(seconds=1), location="0170")
    arrived = await where(world, f"{booked.tracking_number[:9]} {booked.tracking_number[9:]}")
    assert seen(arrived) == ("DELIVERED TO STORE", "0170", "0170")
    assert arrived.json.keys() == {"labelHint", "status", "location", "updatedAt", "claimableAt"}
    assert booked.tracking_number not in arrived.raw.decode()
    assert arrived.json["labelHint"] == booked.tracking_number[-4:]


async def test_a_payment_says_nothing_of_where_a_parcel_is(world: World) -> None:
    code = await world.ecms.issue("PAY", "10.00")
    body = world.till.body("PAY", code.reference, tender="CASH", amountTendered="10.00")
    assert (await world.till.put(str(uuid.uuid4()), body)).status == 201
    assert seen(await where(world, code.tracking_number)) == ("CREATED/ CONFIRMED", None, None)


async def test_a_claimed_parcel_was_last_seen_at_the_counter(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    assert seen(await where(world, parcel.reference)) == ("DELIVERED TO STORE", "0166", "0166")
    assert (await world.till.collect(parcel)).status == 201
    assert seen(await where(world, parcel.tracking_number)) == ("CLAIMED", "0166", None)
