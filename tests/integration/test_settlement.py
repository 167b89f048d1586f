"""The weekly settlement over a gateway whose clock is set: each clause of it. About 20 s; needs PostgreSQL."""

import asyncio
import csv
import io
import json
import os
import random
import subprocess
import sys
import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import web
from checks import problem
from partners import Parcel, Reply, next_tracking_number
from world import World

from connect_gateway.clock import PHILIPPINE_TIME
from connect_gateway.domain.events import event_ids
from connect_gateway.domain.states import TransactionType
from connect_gateway.ledger import settlements
from connect_gateway.ledger.database import open_pool

FRIDAY = "2026-12-11"
NEXT = "2026-12-18"
PATH = "/admin/v1/settlements/"


async def at(world: World, text: str) -> None:
    """Makes a Philippine time the gateway's present; tokens do not outlive such a leap."""
    await world.set_clock(datetime.fromisoformat(text).replace(tzinfo=PHILIPPINE_TIME))
    for partner in (world.till, world.ecms, world.admin):
        await partner.log_in()


async def sell(world: World, day: str, **shipped: Any) -> tuple[str, Parcel, Reply]:
    parcel = await world.ecms.ship_to_store(**shipped)
    transaction_id = str(uuid.uuid4())
    if shipped.get("amount") == "0.00":
        body = world.till.body("CLAIM", parcel.reference, trackingNumber=parcel.tracking_number)
    else:
        body = world.till.collect_body(parcel, "4000.00")
    sold = await world.till.put(transaction_id, body | {"businessDate": day})
    assert sold.status == 201, sold.raw
    return transaction_id, parcel, sold


async def made(world: World, friday: str) -> dict[str, Any]:
    reply = await world.admin.call("POST", PATH + friday)
    assert reply.status == 200, reply.raw
    return (await world.admin.call("GET", PATH + friday)).json


def lines(settlement: dict[str, Any], merchant: str = "001") -> list[tuple[str, str, str, bool]]:
    found = [one for one in settlement["merchants"] if one["merchantCode"] == merchant]
    return [
        (line["kind"], line["amount"], line["businessDate"], line["late"]) for one in found for line in one["lines"]
    ]


async def a_week(world: World) -> dict[str, str]:
    """Sales of all kinds around a week; the receipts of some of them by name."""
    receipts = {}
    await at(world, "2026-12-03 09:00:00")
    first, _, sold = await sell(world, "2026-12-03", shippingFee="45.00")
    receipts["first"] = sold.json["receipt"]["number"]
    receipts["first id"] = first
    await sell(world, "2026-12-03", amount="0.00", shippingFee="50.00")
    await sell(world, "2026-12-03", amount="0.00")
    await sell(world, "2026-12-03", amount="1250.50", merchantCode="002", merchant="Señora B & Söhne")
    undone, _, _ = await sell(world, "2026-12-03", amount="700.00")
    assert (await world.till.reverse(undone)).status == 200
    await world.noted()
    await at(world, "2026-12-10 00:10:00")
    await sell(world, "2026-12-09", amount="99.99")
    await sell(world, "2026-12-10", amount="10.00")
    await world.noted()
    return receipts


async def test_a_week_goes_by_business_date_and_each_way_by_itself(world: World) -> None:
    """STL-1, STL-4, STL-5, STL-6, STL-7."""
    await a_week(world)
    await at(world, "2026-12-11 08:00:00")

    settlement = await made(world, FRIDAY)

    head = {name: settlement[name] for name in ("friday", "begins", "through", "toldBefore", "currency")}
    assert head == {
        "friday": FRIDAY,
        "begins": "2026-12-03",
        "through": "2026-12-09",
        "toldBefore": "2026-12-11T00:00:00.000+08:00",
        "currency": "PHP",
    }
    assert lines(settlement) == [
        ("SALE", "200.00", "2026-12-03", False),
        ("SALE", "0.00", "2026-12-03", False),
        ("SALE", "700.00", "2026-12-03", False),
        ("REVERSAL", "-700.00", "2026-12-03", False),
        ("SALE", "99.99", "2026-12-09", False),
    ]
    first, second = settlement["merchants"]
    del first["lines"], second["lines"]
    assert first == {
        "merchantCode": "001",
        "merchant": "Merchant A",
        "collected": "999.99",
        "reversed": "700.00",
        "payable": "299.99",
        "shippingFees": "95.00",
        "due": "95.00",
    }
    assert (second["merchantCode"], second["payable"], second["due"]) == ("002", "1250.50", "0.00")
    assert settlement["totals"] == {
        "merchants": 2,
        "lines": 6,
        "collected": "2250.49",
        "reversed": "700.00",
        "payable": "1550.49",
        "shippingFees": "95.00",
        "due": "95.00",
    }
    remittance = await world.admin.call("GET", f"{PATH}{FRIDAY}/remittance")
    assert remittance.raw.decode() == (
        "line,merchantCode,merchant,amount,currency,valueDate,paymentReference\r\n"
        "1,001,Merchant A,299.99,PHP,2026-12-11,7C-20261211-001\r\n"
        "2,002,Señora B & Söhne,1250.50,PHP,2026-12-11,7C-20261211-002\r\n"
    )
    one = await world.admin.call("GET", f"{PATH}{FRIDAY}?merchantCode=002")
    assert [merchant["merchantCode"] for merchant in one.json["merchants"]] == ["002"]


async def test_every_line_is_traceable_to_its_receipt(world: World) -> None:
    """STL-8."""
    receipts = await a_week(world)
    await at(world, "2026-12-11 08:00:00")
    settlement = await made(world, FRIDAY)
    for merchant in settlement["merchants"]:
        for line in merchant["lines"]:
            receipt = await world.till.call("GET", f"/pos/v1/receipts/{line['receiptNumber']}")
            assert receipt.status == 200
            found = (await world.till.inquire(line["transactionId"])).json
            assert found["receipt"]["number"] == line["receiptNumber"]
            assert found["reference"] == line["reference"]
            expected = "0.00" if line["type"] == "CLAIM" else found["amountDue"]
            assert line["amount"].lstrip("-") == expected
    [[row]] = [
        [line for line in merchant["lines"] if line["receiptNumber"] == receipts["first"]]
        for merchant in settlement["merchants"]
        if merchant["merchantCode"] == "001"
    ]
    assert (row["shippingFee"], row["transactionId"]) == ("45.00", receipts["first id"])
    pool = await open_pool(world.database_url, 4)
    try:
        assert await settlements.lines_without_receipt(pool, date.fromisoformat(FRIDAY)) == []
        connection = await asyncpg.connect(world.database_url)
        await connection.execute("UPDATE settlement_line SET amount = amount + 1 WHERE amount > 120000")
        await connection.close()
        [wrong] = await settlements.lines_without_receipt(pool, date.fromisoformat(FRIDAY))
        assert wrong.startswith("SALE 0166-001-")
    finally:
        await pool.close()


async def test_what_is_late_falls_into_the_next_week_and_a_reversal_into_its_own(world: World) -> None:
    """STL-2, STL-3: the first run freezes its lines, and what comes later stands in a later week."""
    receipts = await a_week(world)

    async def away(_: web.Request) -> web.Response:
        return web.json_response({}, status=500)

    world.ecms_server.faults["status"] = away
    await at(world, "2026-12-09 15:00:00")
    await sell(world, "2026-12-09", amount="333.00")
    await at(world, "2026-12-11 00:30:00")
    del world.ecms_server.faults["status"]
    await world.noted()
    frozen = {form: await world.admin.call("GET", PATH + FRIDAY, headers={"Accept": form}) for form in ("text/csv",)}
    assert problem(frozen["text/csv"], 404, "unknown-settlement")
    before = await made(world, FRIDAY)
    assert "333.00" not in [amount for _, amount, _, _ in lines(before)]
    forms = ("application/json", "text/csv", "application/pdf")
    first = [(await world.admin.call("GET", PATH + FRIDAY, headers={"Accept": form})).raw for form in forms]

    await at(world, "2026-12-11 12:00:00")
    assert (await world.till.reverse(receipts["first id"])).status == 200
    await sell(world, "2026-12-09", amount="1.11")
    await world.noted()
    await at(world, "2026-12-18 08:00:00")
    assert (await made(world, FRIDAY)) == before
    again = [(await world.admin.call("GET", PATH + FRIDAY, headers={"Accept": form})).raw for form in forms]
    assert again == first
    assert again[2].startswith(b"%PDF")

    following = await made(world, NEXT)
    assert sorted(lines(following)) == [
        ("REVERSAL", "-200.00", "2026-12-03", False),
        ("SALE", "1.11", "2026-12-09", True),
        ("SALE", "10.00", "2026-12-10", False),
        ("SALE", "333.00", "2026-12-09", True),
    ]
    [merchant] = following["merchants"]
    assert (merchant["payable"], merchant["shippingFees"]) == ("189.11", "-45.00")
    rows = list(csv.DictReader(io.StringIO((await csv_of(world, NEXT)).decode())))
    assert [row["late"] for row in rows if row["amount"] in ("333.00", "1.11")] == ["LATE", "LATE"]
    assert all(row["receiptNumber"] for row in rows)


async def csv_of(world: World, friday: str) -> bytes:
    return (await world.admin.call("GET", PATH + friday, headers={"Accept": "text/csv"})).raw


async def test_weeks_that_nobody_settled_are_made_first(world: World) -> None:
    """STL-3: whenever somebody gets round to it, each line stands in its own week."""
    await a_week(world)
    await at(world, "2027-01-08 08:00:00")
    assert (await made(world, "2027-01-08"))["totals"]["lines"] == 0
    rows = await world.fetch("SELECT friday FROM settlement ORDER BY friday")
    assert [row["friday"].isoformat() for row in rows] == [FRIDAY, NEXT, "2026-12-25", "2027-01-01", "2027-01-08"]
    assert len((await world.admin.call("GET", PATH + FRIDAY)).json["merchants"]) == 2
    assert lines((await world.admin.call("GET", PATH + NEXT)).json) == [("SALE", "10.00", "2026-12-10", False)]
    # One from before anything was sold is empty, and takes nothing from anybody.
    assert (await made(world, "2026-11-06"))["totals"]["lines"] == 0


async def test_disputed_cash_is_settled_once_a_person_has_accepted_it(world: World) -> None:
    """STL-4: ECMS has not been told of it before."""
    await at(world, "2026-12-07 09:00:00")
    parcel = await world.ecms.ship(amount="500.00")
    transaction_id = str(uuid.uuid4())
    told = {
        "occurredAt": "2026-12-07T08:00:00+08:00",
        "receiptNumber": "0166-001-S0000001",
        "manifestId": transaction_id,
    }
    body = world.till.collect_body(parcel) | {"businessDate": "2026-12-07", "standIn": told}
    assert (await world.till.put(transaction_id, body)).json["state"] == "DISPUTED"
    await at(world, "2026-12-11 08:00:00")
    assert (await made(world, FRIDAY))["totals"]["lines"] == 0
    accepted = await world.admin.call(
        "PUT", f"/admin/v1/disputes/0166/{transaction_id}/resolution", {"resolution": "ACCEPTED"}
    )
    assert accepted.status == 200
    await world.told(1)
    await world.noted()
    await at(world, "2026-12-18 08:00:00")
    assert lines(await made(world, NEXT)) == [("SALE", "500.00", "2026-12-07", True)]


async def test_a_remittance_is_marked_as_paid_once(world: World) -> None:
    """STL-10."""
    await a_week(world)
    await at(world, "2026-12-11 08:00:00")
    await made(world, FRIDAY)
    path = f"{PATH}{FRIDAY}/payments/001"
    paid = await world.admin.call("PUT", path, {"bankReference": "BPI 4711"})
    assert paid.status == 200
    assert (paid.json["amount"], paid.json["paidBy"]) == ("299.99", "admin")
    assert (await world.admin.call("PUT", path, {"bankReference": "BPI 4711"})).raw == paid.raw
    problem(await world.admin.call("PUT", path, {"bankReference": "BPI 4712"}), 409, "already-paid")
    problem(
        await world.admin.call("PUT", f"{PATH}{FRIDAY}/payments/404", {"bankReference": "x"}), 404, "unknown-merchant"
    )
    listed = await world.admin.call("GET", f"{PATH}{FRIDAY}/payments")
    assert listed.json == {"payments": [paid.json]}
    await at(world, "2026-12-11 12:00:00")
    await world.till.reverse((await world.fetch("SELECT transaction_id FROM settlement_line LIMIT 1"))[0][0])


async def test_a_settlement_is_not_made_early_nor_for_another_day_nor_by_others(world: World) -> None:
    """STL-2."""
    await at(world, "2026-12-10 23:59:59")
    problem(await world.admin.call("POST", PATH + FRIDAY), 409, "settlement-too-early")
    problem(await world.admin.call("POST", PATH + "2026-12-10"), 404, "unknown-settlement")
    problem(await world.admin.call("POST", PATH + "0001-01-05"), 404, "unknown-settlement")
    problem(await world.admin.call("GET", PATH + "tomorrow"), 400, "malformed-request")
    problem(await world.admin.call("GET", PATH + FRIDAY), 404, "unknown-settlement")
    for partner in (world.till, world.ecms):
        problem(await partner.call("POST", PATH + FRIDAY), 403, "wrong-role")
    await at(world, "2026-12-11 00:00:00")
    replies = await asyncio.gather(*(world.admin.call("POST", PATH + FRIDAY) for _ in range(5)))
    assert {reply.status for reply in replies} == {200}
    assert len({reply.raw for reply in replies}) == 1
    problem(await world.admin.call("GET", PATH + FRIDAY, headers={"Accept": "image/png"}), 406, "not-acceptable")


async def test_the_shipping_fee_is_part_of_a_reference(world: World) -> None:
    """ECM-20."""
    parcel = await world.ecms.ship(shippingFee="45.00")
    body = {
        "kind": "PAY_AND_CLAIM",
        "trackingNumber": parcel.tracking_number,
        "merchantCode": "001",
        "merchant": "Merchant A",
        "merchantReference": parcel.merchant_reference,
        "paymentType": "COD",
        "amount": "200.00",
        "storeId": "0166",
        "shippingFee": "45.00",
    }
    assert (await world.ecms.call("POST", "/ecms/v1/references", body)).status == 201
    other = await world.ecms.call("POST", "/ecms/v1/references", body | {"shippingFee": "46.00"})
    assert (other.status, other.json["code"]) == (409, "reference-conflict")
    large = await world.ecms.call(
        "POST", "/ecms/v1/references", body | {"trackingNumber": next_tracking_number(), "shippingFee": "4000.01"}
    )
    assert (large.status, large.json["code"]) == (409, "payment-type-mismatch")


async def test_the_command_gives_the_same_bytes_and_the_api_s(world: World, tmp_path: Path) -> None:
    """STL-3, STL-8: CSV, JSON, PDF and the bank's file."""
    await a_week(world)
    await at(world, "2026-12-11 08:00:00")

    async def run(*arguments: str) -> tuple[int, bytes]:
        command = [sys.executable, "-m", "connect_gateway", "settlement", *arguments]
        environment = os.environ | {
            "CONNECT_DATABASE_URL": world.database_url,
            "CONNECT_KEYS_FILE": str(world.settings.keys_file),
        }
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output, _ = await process.communicate()
        return process.returncode or 0, output

    status, output = await run("--friday", FRIDAY, "--out", str(tmp_path / "one"))
    assert status == 0, output
    names = [f"settlement-{FRIDAY}.csv", f"settlement-{FRIDAY}.json", f"settlement-{FRIDAY}.pdf"]
    assert output.decode().split() == [str(tmp_path / "one" / name) for name in [*names, f"remittance-{FRIDAY}.csv"]]
    await run("--friday", FRIDAY, "--out", str(tmp_path / "two"))
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
    forms = ("text/csv", "application/json", "application/pdf")
    for name, form in zip(names, forms, strict=True):
        shown = await world.admin.call("GET", PATH + FRIDAY, headers={"Accept": form})
        assert shown.raw == (tmp_path / "one" / name).read_bytes(), name
    _, printed = await run("--friday", FRIDAY, "--merchant", "002")
    assert json.loads(printed)["totals"]["payable"] == "1250.50"
    assert (await run("--friday", "2026-12-12")) == (1, b"connect-gateway: 2026-12-12 is no Friday\n")
    assert b"the week is not over" in (await run("--friday", NEXT))[1]
    mark = ("paid", "--friday", FRIDAY, "--merchant", "002", "--bank-reference", "BPI 1")
    assert (await run(*mark)) == (0, b"PHP 1250.50 to merchant 002: paid with BPI 1.\n")
    assert b"it was paid before" in (await run(*mark[:-1], "BPI 2"))[1]


async def fill(connection: "asyncpg.Connection[asyncpg.Record]", seed: int) -> None:
    """A made-up history of five weeks, written past the gateway: sales, reversals, and when each was told."""
    draw = random.Random(seed)
    start = datetime(2026, 12, 2, 16, tzinfo=UTC)
    await connection.execute(
        "INSERT INTO shift (store_id, pos, business_date, shift, opened_at) VALUES ('0166', 1, '2026-12-03', 1, now())"
    )
    for number in range(200):
        reference, tracking = f"{number:012d}", f"{300_000_000_000_000_000 + number}"
        kind, type_ = draw.choice([("PAY_AND_CLAIM", TransactionType.COLLECT), ("CLAIM", TransactionType.CLAIM)])
        amount = draw.randint(1, 400_000) if kind == "PAY_AND_CLAIM" else 0
        sold_at = start + timedelta(hours=draw.uniform(0, 24 * 30))
        told_at = sold_at + timedelta(hours=draw.choice([0, 0, 0, 30, 200]))
        reversed_at = sold_at + timedelta(hours=draw.choice([0, 5, 200])) if draw.random() < 0.4 else None
        id_ = uuid.UUID(int=draw.getrandbits(128))
        await connection.execute(
            "INSERT INTO reference (reference, kind, tracking_number, merchant_code, merchant, merchant_reference,"
            " description, amount_due, store_id, state, created_at, done_store, done_by)"
            " VALUES ($1, $2, $3, $4, 'Merchant', 'A', '', $5, '0166', $6, $7, $8, $9)",
            *(reference, kind, tracking, draw.choice(["001", "002"]), amount),
            *("OPEN" if reversed_at else "DONE", sold_at),
            *((None, None) if reversed_at else ("0166", id_)),
        )
        if draw.random() < 0.5:
            await connection.execute("INSERT INTO shipping_fee VALUES ($1, $2)", reference, draw.randint(1, 9_999))
        await connection.execute(
            "INSERT INTO transaction (store_id, transaction_id, pos, type, reference, shift, business_date, clerk,"
            " state, tracking_number, amount_due, change, receipt_number, occurred_at, reversed_at, reversal_reason,"
            " status, answer) VALUES ('0166', $1, 1, $2, $3, 1, $4, 'ana', $5, $6, $7, 0, $8, $9, $10, $11, 201, '')",
            *(id_, type_, reference, (sold_at + timedelta(hours=8 + draw.choice([0, 0, -24, 24]))).date()),
            *("REVERSED" if reversed_at else "APPROVED", tracking, amount, f"0166-001-{number:08d}", sold_at),
            *(reversed_at, "TIMEOUT" if reversed_at else None),
        )
        for sequence, event_id in enumerate(event_ids("0166", id_, type_)[: 2 if reversed_at else 1], start=1):
            told_at = max(told_at, reversed_at or told_at) + timedelta(hours=draw.choice([0, 0, 100]))
            await connection.execute(
                "INSERT INTO event (tracking_number, sequence, event_id, merchant_reference, status, location,"
                " occurred_at, state, told_at) VALUES ($1, $2, $3, 'A', 'CLAIMED', '0166', $4, 'TOLD', $5)",
                *(tracking, sequence, event_id, sold_at, told_at),
            )


@pytest.mark.parametrize("seed", [7, 8, 9])
async def test_settlements_and_what_is_not_settled_yet_are_the_ledger(database_url: str, seed: int) -> None:
    """STL-9, to the centavo, after each week."""
    connection = await asyncpg.connect(database_url)
    pool = await open_pool(database_url, 4)
    try:
        await fill(connection, seed)
        for week in range(10):
            friday = date(2026, 12, 11) + timedelta(days=7 * week)
            made = await settlements.make(pool, friday, datetime(2027, 6, 1, tzinfo=UTC))
            assert made.week.friday == friday
            settled, untold = await connection.fetchrow(_SETTLED, friday)
            ledger = await connection.fetchval(_LEDGER, friday)
            assert settled + untold == ledger
        assert untold == 0
        fees = await connection.fetchval("SELECT sum(fee)::bigint FROM settlement_line")
        assert fees == await connection.fetchval(_FEES)
        # It has read what was new alone, and has missed nothing.
        doubled = await connection.fetch(
            "SELECT transaction_id, kind FROM settlement_line GROUP BY 1, 2 HAVING count(*) > 1"
        )
        assert doubled == []
    finally:
        await pool.close()
        await connection.close()


# What was settled up to a Friday; and what of the ledger was not, by reasons that the lines know nothing of.
_SETTLED = """
WITH effect AS (
    SELECT t.transaction_id, t.business_date, t.amount_due AS amount, 'SALE' AS kind, e.told_at, t.business_date AS day
    FROM transaction t JOIN event e ON e.tracking_number = t.tracking_number AND e.sequence = 1
    UNION ALL
    SELECT t.transaction_id, t.business_date, -t.amount_due, 'REVERSAL', e.told_at,
        (t.reversed_at + interval '8 hours')::date
    FROM transaction t JOIN event e ON e.tracking_number = t.tracking_number AND e.sequence = 2)
SELECT (SELECT coalesce(sum(amount), 0)::bigint FROM settlement_line WHERE friday <= $1),
    coalesce(sum(effect.amount) FILTER (WHERE line.kind IS NULL), 0)::bigint
FROM effect LEFT JOIN settlement_line AS line
    ON line.transaction_id = effect.transaction_id AND line.kind = effect.kind AND line.friday <= $1
"""
_FEES = """
SELECT coalesce(sum(fee), 0)::bigint FROM shipping_fee JOIN transaction USING (reference) WHERE state = 'APPROVED'
"""
_LEDGER = (
    "SELECT coalesce(sum(amount_due), 0)::bigint FROM transaction WHERE state = 'APPROVED' AND $1::date IS NOT NULL"
)
