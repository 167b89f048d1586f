"""Return codes: from the kiosk to the counter of another store, and everything that can go wrong. Half a minute;
needs PostgreSQL.
"""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from checks import refusal
from partners import Partner, Reply, Till, next_tracking_number
from world import World

from connect_gateway.domain.codes import has_valid_check_digit

UNKNOWN = (404, {"errorCode": "404", "message": "merchantReference: unknown"})


def found(**fields: Any) -> tuple[int, dict[str, Any]]:
    """ECMS's answer to a return that may be made."""
    answer = {"trackingNumber": next_tracking_number(), "merchantCode": "001", "merchant": "Señor A"}
    given = (answer | {"merchantReference": "AXDY43322222524544"} | fields).items()
    return 200, {name: value for name, value in given if value is not None}


async def ask(
    world: World, identifier: str = "AXDY43322222524544", *, by: Partner | None = None, id_: str = "", **fields: Any
) -> Reply:
    body = {"identifierType": "ORDER_NUMBER", "identifier": identifier} | fields
    given = {name: value for name, value in body.items() if value is not None}
    return await (by or world.kiosk).call("PUT", f"/kiosk/v1/returns/{id_ or uuid.uuid4()}", given)


async def settled(world: World, by: Partner) -> Reply:
    """The answer that a patient kiosk gets: one that is told to come back later does so with the same request."""
    request_id = str(uuid.uuid4())
    async with asyncio.timeout(20):
        while (reply := await ask(world, by=by, id_=request_id)).status == 503:
            refusal(reply, 503, "database-unavailable")
    return reply


def code_of(reply: Reply) -> str:
    assert reply.status == 201, reply.raw
    return reply.json["returnCode"].replace("-", "")


def accept(till: Till, code: str, **fields: Any) -> dict[str, Any]:
    return till.body("ACCEPT_RETURN", code, **fields)


async def nothing_is_stored(world: World) -> None:
    for table in ("reference", "event", "return_request", "contact"):
        assert not await world.fetch(f"SELECT FROM {table}"), table


async def test_from_the_kiosk_to_the_counter_of_another_store(world: World) -> None:
    number = next_tracking_number()
    world.ecms_server.answers["returns"] = [found(trackingNumber=number)]
    before = datetime.now(UTC)
    reply = await ask(world, mobileNumber="09123456789", merchantCode="001")
    code = code_of(reply)
    assert has_valid_check_digit(code)
    assert (reply.json["trackingNumber"], reply.json["merchant"]) == (number, "Señor A")
    assert reply.json["merchantReference"] == "AXDY43322222524544"
    lasts = datetime.fromisoformat(reply.json["expiresAt"]) - before
    assert timedelta(days=7) - timedelta(seconds=1) < lasts < timedelta(days=7, seconds=20)
    assert world.ecms_server.asked == [
        (
            "returns",
            {
                "type": "RETURN",
                "identifierType": "ORDER_NUMBER",
                "merchantReference": "AXDY43322222524544",
                "merchantCode": "001",
                "mobileNumber": "09123456789",
            },
        )
    ]
    slip = reply.json["slip"]
    assert all(len(line) <= 32 for line in slip["text"])
    assert any(f"{code[:4]}-{code[4:8]}-{code[8:]}" in line for line in slip["text"])
    assert any("Señor A" in line for line in slip["text"])
    assert slip["barcodes"] == [
        {"symbology": "CODE128", "data": code},
        {"symbology": "GS1-128", "data": number},
    ]
    printed = await world.kiosk.call("GET", f"/kiosk/v1/returns/{code}/slip", headers={"Accept": "text/plain"})
    assert printed.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert printed.raw.decode().splitlines() == slip["text"]
    assert (await world.kiosk.call("GET", f"/kiosk/v1/returns/{reply.json['returnCode']}")).json == reply.json

    elsewhere = await world.partner(Till, "till-0001", "pos", "0001", None)
    seen = await elsewhere.look_up(code)
    assert (seen.json["kind"], seen.json["state"], seen.json["action"]) == ("RETURN", "OPEN", "ACCEPT_RETURN")
    assert seen.json["verdict"]["parcel"] == "HOLD"
    wrong = await elsewhere.put(str(uuid.uuid4()), accept(elsewhere, code, trackingNumber="1" * 18))
    refusal(wrong, 409, "wrong-label", parcel="REFUSE")
    taken = await elsewhere.put(str(uuid.uuid4()), accept(elsewhere, code, trackingNumber=number))
    assert taken.status == 201
    assert (taken.json["verdict"]["cash"], taken.json["verdict"]["parcel"]) == ("NONE", "ACCEPT")
    assert taken.json["receipt"]["number"] == "0001-001-00000001"
    again = await world.till.put(str(uuid.uuid4()), accept(world.till, code))
    refusal(again, 409, "already-done", parcel="REFUSE")

    first, second = await world.told(2)
    assert (first["status"], first["returnCode"].replace("-", ""), first["location"]) == ("FOR RETURN", code, "0166")
    assert (second["status"], second["location"]) == ("RETURNED", "0001")
    assert "payment" not in second
    assert {event["trackingNumber"] for event in (first, second)} == {number}


async def test_the_same_code_for_the_same_request_and_for_the_same_identifier(world: World) -> None:
    world.ecms_server.answers["returns"] = [found()]
    request_id = str(uuid.uuid4())
    first = await ask(world, id_=request_id)
    code = code_of(first)
    again = await ask(world, id_=request_id)
    assert (again.status, again.raw) == (201, first.raw)
    assert again.headers["Idempotent-Replay"] == "true"
    assert len(world.ecms_server.asked) == 1
    assert code_of(await ask(world)) == code
    app = await world.partner(Partner, "app", "app", None, None)
    assert code_of(await ask(world, by=app)) == code
    # A request id is its client's own.
    assert code_of(await ask(world, by=app, id_=request_id)) == code
    refusal(await ask(world, "ANOTHER", id_=request_id), 409, "request-mismatch")
    refusal(await ask(world, id_=request_id, mobileNumber="09123456789"), 409, "request-mismatch")
    assert len(await world.fetch("SELECT FROM reference")) == 1
    assert [event["status"] for event in await world.told(1)] == ["FOR RETURN"]
    assert len(await world.fetch("SELECT FROM event")) == 1


async def test_the_same_return_named_in_another_way_has_the_same_code(world: World) -> None:
    # ECMS knows by its own rules that it is the same return; an edition of it says no more than its tracking number.
    sparse = found(merchantCode=None, merchantReference=None, merchant=None)
    world.ecms_server.answers["returns"] = [sparse]
    code = code_of(await ask(world, merchantCode="001"))
    assert code_of(await ask(world)) == code
    assert code_of(await ask(world, "30310533261428120", identifierType="WAYBILL")) == code
    assert len(await world.fetch("SELECT FROM event")) == 1


async def test_two_hundred_kiosks_at_once_get_one_code(world: World) -> None:
    world.ecms_server.answers["returns"] = [found()]
    app = await world.partner(Partner, "app", "app", None, None)
    replies = await asyncio.gather(*(settled(world, by) for by in (world.kiosk, app) for _ in range(100)))
    assert len({code_of(reply) for reply in replies}) == 1
    assert len({reply.raw for reply in replies}) == 1
    assert len(await world.fetch("SELECT FROM reference")) == 1
    assert len(await world.fetch("SELECT FROM event")) == 1
    assert len(await world.fetch("SELECT FROM return_request")) == 200


async def test_ecms_own_return_code_and_expiry_are_used(world: World) -> None:
    expires_at = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
    philippine = (expires_at + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M:%S")
    world.ecms_server.answers["returns"] = [found(returnCode="9917-6789-0023", expiresAt=philippine)]
    reply = await ask(world)
    assert code_of(reply) == "991767890023"
    assert datetime.fromisoformat(reply.json["expiresAt"]) == expires_at
    assert code_of(await ask(world)) == "991767890023"
    [event] = await world.told(1)
    assert event["returnCode"].replace("-", "") == "991767890023"

    await world.set_clock(expires_at + timedelta(seconds=1))
    refusal(
        await world.till.put(str(uuid.uuid4()), accept(world.till, "991767890023")), 409, "expired", parcel="REFUSE"
    )
    refusal(await ask(world), 409, "return-expired")


async def test_after_a_code_has_expired_a_return_that_ecms_begins_anew_gets_a_new_one(world: World) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
    world.ecms_server.answers["returns"] = [found(expiresAt=soon.isoformat()), found()]
    old = code_of(await ask(world))
    await world.set_clock(soon + timedelta(seconds=1))
    new = code_of(await ask(world))
    assert new != old
    assert has_valid_check_digit(new)
    till = world.till
    refusal(await till.put(str(uuid.uuid4()), accept(till, old)), 409, "expired", parcel="REFUSE")
    assert (await till.put(str(uuid.uuid4()), accept(till, new))).status == 201
    told = await world.told(3)
    assert [(one["status"], one.get("returnCode", "").replace("-", "")) for one in told] == [
        ("FOR RETURN", old),
        ("FOR RETURN", new),
        ("RETURNED", ""),
    ]


async def test_an_app_has_no_store(world: World) -> None:
    world.ecms_server.answers["returns"] = [found()]
    app = await world.partner(Partner, "app", "app", None, None)
    code_of(await ask(world, by=app))
    [event] = await world.told(1)
    assert event["location"] == "0000"


async def test_what_ecms_refuses_leaves_nothing_behind(world: World) -> None:
    answers = {
        "unknown-identifier": [UNKNOWN, (400, {"errorCode": "400"}), (422, {"errorCode": "422"})],
        "already-returned": [(409, {"errorCode": "409", "message": "has been returned"})],
        "return-expired": [(410, {"errorCode": "410", "message": "its return period is over"})],
    }
    for code, each in answers.items():
        for answer in each:
            world.ecms_server.answers["returns"] = [answer]
            status = 404 if code == "unknown-identifier" else 409
            refusal(await ask(world), status, code)
    await nothing_is_stored(world)
    # What ECMS does not know, or does not even take, counts as a guess; what it knows too well does not.
    assert len(await world.fetch("SELECT FROM attempt WHERE unknown")) == 3


async def test_while_ecms_is_away_or_unreadable_nothing_is_half_issued(world: World) -> None:
    async def hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def garbage(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"\x00<html>", content_type="application/json")

    async def redirect(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "/ecms/api/v1/status"})

    for fault in (hang_up, garbage, redirect):
        world.ecms_server.faults["returns"] = fault
        assert refusal(await ask(world), 503, "ecms-unavailable")
    world.ecms_server.faults.clear()
    unreadable = [
        (500, {"errorCode": "500"}),
        (503, {}),
        (429, {"errorCode": "429"}),
        (403, {"errorCode": "403"}),
        (200, {"errorCode": "500", "message": "an error in a 200"}),
        (200, {"errorCode": "404", "trackingNumber": None}),
        (200, []),
        found(trackingNumber="123"),
        found(trackingNumber=303105332614281200),
        found(returnCode="9917-6789"),
        found(expiresAt="tomorrow"),
        found(merchant="A\x1b@"),
        found(merchantReference="\ud800"),
    ]
    for answer in unreadable:
        world.ecms_server.answers["returns"] = [answer]
        reply = await ask(world)
        refusal(reply, 503, "ecms-unavailable")
        assert int(reply.headers["Retry-After"]) > 0
    await nothing_is_stored(world)
    world.ecms_server.answers["returns"] = [found()]
    code_of(await ask(world))


async def test_a_used_code_is_handed_out_no_more_to_a_new_request_however_often_it_asks(world: World) -> None:
    world.ecms_server.answers["returns"] = [found()]
    code = code_of(await ask(world))
    assert (await world.till.put(str(uuid.uuid4()), accept(world.till, code))).status == 201
    request_id = str(uuid.uuid4())
    for _ in range(3):
        refusal(await ask(world, id_=request_id), 409, "already-returned")


async def test_a_code_is_good_again_after_its_acceptance_was_reversed(world: World) -> None:
    world.ecms_server.answers["returns"] = [found()]
    code = code_of(await ask(world))
    transaction_id = str(uuid.uuid4())
    await world.till.put(transaction_id, accept(world.till, code))
    undone = await world.till.reverse(transaction_id)
    assert (undone.json["verdict"]["cash"], undone.json["verdict"]["parcel"]) == ("NONE", "HOLD")
    assert code_of(await ask(world)) == code
    assert (await world.till.put(str(uuid.uuid4()), accept(world.till, code))).status == 201
    told = await world.told(4)
    assert [event["status"] for event in told] == ["FOR RETURN", "RETURNED", "FOR RETURN", "RETURNED"]
    assert told[2]["reason"] == "RETURN REVERSED"
    assert told[2]["returnCode"].replace("-", "") == code


async def test_who_types_too_many_unknown_identifiers_waits_but_keeps_what_it_has(world: World) -> None:
    world.ecms_server.answers["returns"] = [found(), UNKNOWN]
    request_id = str(uuid.uuid4())
    first = await ask(world, id_=request_id)
    for number in range(5):
        refusal(await ask(world, f"GUESS-{number}"), 404, "unknown-identifier")
    locked = await ask(world)
    refusal(locked, 429, "too-many-attempts")
    assert 0 < int(locked.headers["Retry-After"]) <= 31
    refusal(await world.kiosk.call("GET", f"/kiosk/v1/returns/{code_of(first)}"), 429, "too-many-attempts")
    assert (await ask(world, id_=request_id)).raw == first.raw
    other = await world.partner(Partner, "kiosk-2", "kiosk", "0001", None)
    refusal(await ask(world, "GUESS", by=other), 404, "unknown-identifier")
    asked = len(world.ecms_server.asked)
    await world.set_clock(datetime.now(UTC) + timedelta(seconds=32))
    refusal(await ask(world, "GUESS"), 404, "unknown-identifier")
    assert len(world.ecms_server.asked) == asked + 1


async def test_guessed_return_codes_count_too(world: World) -> None:
    for number in range(5):
        refusal(await world.kiosk.call("GET", f"/kiosk/v1/returns/50000000000{number}"), 404, "unknown-return")
    refusal(await world.kiosk.call("GET", "/kiosk/v1/returns/500000000009/slip"), 429, "too-many-attempts")


async def test_the_code_of_a_parcel_is_no_return_code(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    refusal(await world.kiosk.call("GET", f"/kiosk/v1/returns/{parcel.reference}"), 404, "unknown-return")


async def test_what_is_no_request_for_a_return(world: World) -> None:
    good = {"identifierType": "UID", "identifier": "X"}
    path = f"/kiosk/v1/returns/{uuid.uuid4()}"
    for otherwise in (
        {"identifierType": "EMAIL"},
        {"identifierType": None},
        {"identifier": ""},
        {"identifier": "x" * 41},
        {"identifier": "A\r\nSet-Cookie: x"},
        {"identifier": 7},
        {"merchantCode": ""},
        {"merchantCode": "x" * 16},
        {"mobileNumber": "0912345678"},
        {"mobileNumber": "09１２３４５６７８９"},
        {"storeId": "0166"},
    ):
        refusal(await world.kiosk.call("PUT", path, good | otherwise), 400, "malformed-request")
    for request_id in ("1", "x" * 36, "11111111-2222-4333-8444-55555555555", "11111111-2222-4333-8444-5555555555555"):
        refusal(await ask(world, id_=request_id), 400, "malformed-request")
    for code in ("1", "99176789002３", "A" * 12):
        refusal(await world.kiosk.call("GET", f"/kiosk/v1/returns/{code}"), 400, "malformed-request")
    assert not world.ecms_server.asked
    wrong = await world.kiosk.call("GET", "/kiosk/v1/returns/500000000009/slip", headers={"Accept": "image/png"})
    assert wrong.status in (404, 406)
