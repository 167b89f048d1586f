"""ECMS's side: references and statuses, asked for twice, in any order and wrongly. Half a minute; needs PostgreSQL."""

import asyncio
import itertools
import uuid
from datetime import UTC, datetime, timedelta

from checks import ecms_error, refusal
from partners import Parcel, Reply, Till, ecms_time, next_tracking_number
from world import World

from connect_gateway.domain.codes import has_valid_check_digit
from connect_gateway.domain.states import ECMS_STATUSES
from connect_gateway.keys import load_keys
from connect_gateway.ledger import parcels
from connect_gateway.ledger.database import open_pool

PARCEL = {
    "kind": "PAY_AND_CLAIM",
    "paymentType": "COD",
    "amount": "200.00",
    "storeId": "0166",
    "merchantReference": "AXDY43322222524544",
}
SAMPLES = ["9917-6789-0023", "1822-1234-2345", "1822-3134-7365", "9913-0850-0305", "1500-1001-1002"]
NOW = datetime.now(UTC).replace(microsecond=0)


def digits(reply: Reply) -> str:
    assert reply.status == 201, reply.raw
    return reply.json["reference"].replace("-", "")


async def state_of(world: World, parcel: Parcel) -> str:
    [row] = await world.fetch("SELECT state FROM reference WHERE tracking_number = $1", parcel.tracking_number)
    return row["state"]


async def test_a_reference_is_issued_once_for_each_tracking_number_and_kind(world: World) -> None:
    number = next_tracking_number()
    replies = await asyncio.gather(*(world.ecms.ask_for(**PARCEL, trackingNumber=number) for _ in range(20)))
    references = {digits(reply) for reply in replies}
    assert len(references) == 1
    assert has_valid_check_digit(references.pop())
    assert len({reply.raw for reply in replies}) == 1
    seventeen = await world.ecms.ask_for(**PARCEL, trackingNumber="30310533261428120")
    assert digits(seventeen) not in references
    assert len(await world.fetch("SELECT FROM reference")) == 2
    # Of the same parcel, told once more with its own reference.
    again = await world.ecms.ask_for(**PARCEL, trackingNumber=number, reference=replies[0].json["reference"])
    assert again.raw == replies[0].raw


async def test_ecms_brings_its_own_references_whatever_their_check_digit(world: World) -> None:
    for sample in SAMPLES:
        number = next_tracking_number()
        reply = await world.ecms.ask_for(**PARCEL, trackingNumber=number, reference=sample)
        assert digits(reply) == sample.replace("-", "")
        parcel = Parcel(number, sample, PARCEL["merchantReference"])
        await world.ecms.tell(parcel, "DELIVERED TO STORE")
        assert (await world.till.look_up(sample)).json["state"] == "OPEN"
        assert (await world.till.collect(parcel)).status == 201


async def test_conflicts_are_refused_and_change_nothing(world: World) -> None:
    number, taken = next_tracking_number(), next_tracking_number()
    reference = digits(await world.ecms.ask_for(**PARCEL, trackingNumber=number))
    await world.ecms.ask_for(**PARCEL, trackingNumber=taken, reference=SAMPLES[0])
    before = await world.fetch("SELECT * FROM reference ORDER BY reference")

    conflicts = [
        {"reference": SAMPLES[1]},
        {"amount": "200.01"},
        {"merchantReference": "ANOTHER"},
        {"merchantCode": "002"},
        {"kind": "CLAIM", "paymentType": "PREPAID", "amount": "0.00"},
        {"trackingNumber": next_tracking_number(), "reference": reference},
        {"trackingNumber": next_tracking_number(), "reference": SAMPLES[0]},
    ]
    for otherwise in conflicts:
        reply = await world.ecms.ask_for(**PARCEL | {"trackingNumber": number} | otherwise)
        ecms_error(reply, 409, "reference-conflict")
    assert await world.fetch("SELECT * FROM reference ORDER BY reference") == before
    assert digits(await world.ecms.ask_for(**PARCEL, trackingNumber=number)) == reference


async def test_kind_payment_type_and_amount_in_every_combination(world: World) -> None:
    kinds, types = ("PAY_AND_CLAIM", "CLAIM", "RETURN"), ("COD", "PREPAID", None)
    amounts = ("0.00", "0.01", "4000.00", "4000.01", None)
    good = {("PAY_AND_CLAIM", "COD", "0.01"), ("PAY_AND_CLAIM", "COD", "4000.00"), ("CLAIM", "PREPAID", "0.00")}
    good |= {("RETURN", None, "0.00"), ("RETURN", None, None)}
    made = 0
    for kind, type_, amount in itertools.product(kinds, types, amounts):
        asked = {"kind": kind, "paymentType": type_, "amount": amount, "storeId": "0166"}
        reply = await world.ecms.ask_for(**asked)
        if (kind, type_, amount) in good:
            made += 1
            assert reply.status == 201, (asked, reply.raw)
        elif kind != "RETURN" and (type_ is None or amount is None):
            ecms_error(reply, 400, "malformed-request")
        else:
            ecms_error(reply, 409, "payment-type-mismatch")
    rows = await world.fetch("SELECT kind, amount_due FROM reference")
    assert len(rows) == made == len(good)
    assert {(row["kind"], row["amount_due"]) for row in rows} == {
        ("PAY_AND_CLAIM", 1),
        ("PAY_AND_CLAIM", 400_000),
        ("CLAIM", 0),
        ("RETURN", 0),
    }


async def test_what_is_no_request_for_a_reference(world: World) -> None:
    wrong = [
        {"kind": "OTHER"},
        {"kind": "pay_and_claim"},
        {"kind": None},
        {"trackingNumber": "1" * 16},
        {"trackingNumber": "1" * 19},
        {"trackingNumber": int("1" * 18)},
        {"merchantCode": ""},
        {"merchant": "x" * 101},
        {"merchant": "A\nB"},
        {"merchantReference": "x" * 41},
        {"merchantReference": None},
        {"description": "\u0007"},
        {"description": "x" * 3001},
        {"storeId": None},
        {"storeId": "166"},
        {"storeId": "٠١٦٦"},
        {"amount": 200},
        {"amount": "200"},
        {"amount": "-1.00"},
        {"paymentType": "cod"},
        {"mobileNumber": "9123456789"},
        {"mobileNumber": "+639123456789"},
        {"expiresAt": "2026-13-01T00:00:00+08:00"},
        {"expiresAt": "2026-02-30 00:00:00"},
        {"expiresAt": "2026-03-09T12:00:00"},
        {"reference": "9917-6789-002"},
        {"reference": 991767890023},
        {"somethingElse": "x"},
    ]
    for otherwise in wrong:
        reply = await world.ecms.ask_for(**PARCEL | otherwise)
        ecms_error(reply, 400, "malformed-request")
    assert not await world.fetch("SELECT FROM reference")


async def test_the_mobile_number_is_sealed_and_shown_to_no_till(world: World) -> None:
    number = next_tracking_number()
    reference = digits(await world.ecms.ask_for(**PARCEL, trackingNumber=number, mobileNumber="09123456789"))
    [row] = await world.fetch("SELECT * FROM contact")
    assert row["reference"] == reference
    assert b"09123456789" not in row["mobile"] + row["mobile_index"]
    assert world.settings.keys_file is not None
    keys = load_keys(world.settings.keys_file)
    assert keys.open_mobile(row["key_version"], row["mobile"]) == "09123456789"
    assert keys.seal_mobile("09123456789").index == row["mobile_index"]
    assert b"09123456789" not in (await world.till.look_up(reference)).raw


async def test_a_parcel_arrives_where_ecms_says_and_may_move_on(world: World) -> None:
    parcel = await world.ecms.ship(store_id="0166")
    elsewhere = await world.partner(Till, "till-0001", "pos", "0001", None)
    assert (await world.till.look_up(parcel.reference)).json["state"] == "NOT_READY"
    for status in ("ARRIVED AT STORE", "IN-TRANSIT", "CREATED/ CONFIRMED", "CREATED/CONFIRMED"):
        assert (await world.ecms.tell(parcel, status)).status == 204
    assert (await world.till.look_up(parcel.reference)).json["state"] == "NOT_READY"

    await world.ecms.tell(parcel, "DELIVERED TO STORE", at=NOW, location="0001")
    refusal(await world.till.look_up(parcel.reference), 409, "wrong-store")
    assert (await elsewhere.look_up(parcel.reference)).json["action"] == "COLLECT"
    await world.ecms.tell(parcel, "DELIVERED TO STORE", at=NOW + timedelta(seconds=1), location="0166")
    refusal(await elsewhere.collect(parcel), 409, "wrong-store", "RETURN")
    assert (await world.till.collect(parcel)).status == 201


async def test_late_repeated_and_simultaneous_statuses(world: World) -> None:
    parcel = await world.ecms.ship()

    async def tell(status: str, seconds: int) -> str:
        assert (await world.ecms.tell(parcel, status, at=NOW + timedelta(seconds=seconds))).status == 204
        return await state_of(world, parcel)

    assert await tell("DELIVERED TO STORE", -60) == "OPEN"
    assert await tell("DELIVERED TO STORE", -60) == "OPEN"
    assert await tell("FOR PULL OUT", -90) == "OPEN", "a late arrival moved the parcel backwards"
    assert await tell("FOR PULL OUT", -30) == "PULLED_OUT"
    assert await tell("FOR PULL OUT", -30) == "PULLED_OUT"
    assert await tell("DELIVERED TO STORE", -60) == "PULLED_OUT", "a repeat opened what was pulled out since"
    assert await tell("DELIVERED TO STORE", -30) == "PULLED_OUT", "of equal times it may be a repeat"
    assert await tell("DELIVERED TO STORE", -29) == "OPEN"
    assert await tell("CANCELLED", -20) == "CANCELLED"
    assert await tell("DELIVERED TO STORE", -10) == "CANCELLED"


async def test_what_closes_a_reference(world: World) -> None:
    closing = {"CANCELLED": "cancelled", "REJECTED": "cancelled", "FOR PULL OUT": "pulled-out"}
    for status, code in closing.items():
        for arrived in (True, False):
            parcel = await (world.ecms.ship_to_store() if arrived else world.ecms.ship())
            await world.ecms.tell(parcel, status)
            refusal(await world.till.collect(parcel), 409, code, "RETURN")
            assert (await world.till.look_up(parcel.reference)).json["action"] == "NONE"
    # A RETURN's own pull-out comes after the counter's part and is no news to it.
    number = next_tracking_number()
    code = digits(await world.ecms.ask_for(trackingNumber=number))
    await world.ecms.tell(Parcel(number, code, "RET-1"), "FOR PULL OUT")
    assert (await world.till.look_up(code)).json["state"] == "OPEN"
    await world.ecms.tell(Parcel(number, code, "RET-1"), "CANCELLED")
    assert (await world.till.look_up(code)).json["verdict"]["parcel"] == "REFUSE"


async def test_no_status_moves_what_the_counter_has_done(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    transaction_id = str(uuid.uuid4())
    await world.till.collect(parcel, transaction_id)
    later = NOW + timedelta(minutes=5)
    for status in sorted(ECMS_STATUSES):
        assert (await world.ecms.tell(parcel, status, at=later, location="0001")).status == 204
    assert await state_of(world, parcel) == "DONE"
    assert (await world.till.inquire(transaction_id)).json["state"] == "APPROVED"


async def test_after_a_reversal_only_what_happened_since_counts(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    transaction_id = str(uuid.uuid4())
    await world.till.collect(parcel, transaction_id)
    before = datetime.now(UTC) - timedelta(minutes=1)
    await world.ecms.tell(parcel, "FOR PULL OUT", at=before)
    await world.till.reverse(transaction_id)
    assert await state_of(world, parcel) == "OPEN"
    await world.ecms.tell(parcel, "FOR PULL OUT", at=before)
    assert await state_of(world, parcel) == "OPEN", "a status from before the reversal closed it"
    await world.ecms.tell(parcel, "FOR PULL OUT", at=datetime.now(UTC))
    assert await state_of(world, parcel) == "PULLED_OUT", "ECMS's newest word counts, in the same second too"


async def test_what_is_no_status(world: World) -> None:
    parcel = await world.ecms.ship()
    body = {
        "trackingNumber": parcel.tracking_number,
        "merchantReference": parcel.merchant_reference,
        "status": "DELIVERED TO STORE",
        "location": "0166",
        "timestamp": ecms_time(),
    }
    wrong = [
        {"trackingNumber": "30310533261428120", "_expected": 404},
        {"trackingNumber": None},
        {"status": "DELIVERED"},
        {"status": "delivered to store"},
        {"status": "DELIVERED TO STORE\n"},
        {"status": None},
        {"location": "166"},
        {"location": None},
        {"timestamp": "2026-03-09T12:00:00+08:00"},
        {"timestamp": "2026-02-30 12:00:00"},
        {"timestamp": "٢٠٢٦-٠٣-٠٩ ١٢:٠٠:٠٠"},
        {"timestamp": "2026-3-9 12:00:00    "},
        {"timestamp": 1_773_000_000},
        {"reason": "x" * 201},
        {"reason": "\x1b[2J"},
        {"eventId": str(uuid.uuid4())},
    ]
    for otherwise in wrong:
        expected = otherwise.pop("_expected", 400)
        sent = {name: value for name, value in (body | otherwise).items() if value is not None}
        reply = await world.ecms.call("POST", "/ecms/v1/status", sent)
        ecms_error(reply, expected, "malformed-request" if expected == 400 else "not-found")
    assert await state_of(world, parcel) == "NOT_READY"
    # The sample of the published page is of 2015, and a status may have a reason.
    old = body | {"timestamp": "2015-08-02 17:55:59", "reason": "Señor said so"}
    assert (await world.ecms.call("POST", "/ecms/v1/status", old)).status == 204
    assert await state_of(world, parcel) == "OPEN"


async def test_statuses_and_collections_of_one_parcel_at_once_leave_it_in_one_state(world: World) -> None:
    for _ in range(5):
        parcel = await world.ecms.ship_to_store()
        collected, told = await asyncio.gather(
            world.till.collect(parcel), world.ecms.tell(parcel, "CANCELLED", at=datetime.now(UTC))
        )
        assert told.status == 204
        state = await state_of(world, parcel)
        if collected.status == 201:
            assert state == "DONE"
        else:
            refusal(collected, 409, "cancelled", "RETURN")
            assert state == "CANCELLED"


async def test_a_mobile_number_is_erased_in_time_and_breaks_nothing(world: World) -> None:
    old, new = await world.ecms.ship_to_store(), await world.ecms.ship_to_store()
    now = datetime.now(UTC)
    long_ago = now - timedelta(days=91)
    old_reference, new_reference = (one.reference.replace("-", "") for one in (old, new))
    await world.fetch("UPDATE contact SET created_at = $2 WHERE reference = $1", old_reference, long_ago)
    pool = await open_pool(world.database_url, 4)

    assert await parcels.purge_contacts(pool, now - timedelta(days=90)) == 1

    await pool.close()
    assert [row["reference"] for row in await world.fetch("SELECT reference FROM contact")] == [new_reference]
    assert (await world.till.collect(old)).status == 201
