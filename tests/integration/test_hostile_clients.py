"""Clients that want what is not theirs: others' parcels, guessed codes, secrets. Seconds; needs PostgreSQL."""

import asyncio
import json
import uuid
from typing import Any

import pytest
import structlog
from checks import ecms_error, refusal
from hostile import ID, REFERENCE, RETURN
from partners import Till, next_tracking_number
from world import SECRET, World

from connect_gateway import logs


async def test_another_stores_parcels_transactions_and_receipts(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    transaction_id = str(uuid.uuid4())
    paid = await world.till.collect(parcel, transaction_id)
    thief = await world.partner(Till, "thief", "pos", "0001", None)
    refusal(await thief.inquire(transaction_id), 404, "unknown-transaction")
    number = paid.json["receipt"]["number"]
    refusal(await thief.call("GET", f"/pos/v1/receipts/{number}"), 404, "unknown-receipt")
    refusal(await thief.call("POST", f"/pos/v1/receipts/{number}/copies"), 404, "unknown-receipt")
    # An id is its store's own: this one is new there, and reversing it undoes nothing elsewhere.
    assert (await thief.reverse(transaction_id, "TIMEOUT")).status == 200
    assert (await world.till.inquire(transaction_id)).raw == paid.raw
    refusal(await thief.collect(parcel, transaction_id), 409, "transaction-reversed", "RETURN")
    refusal(await thief.collect(parcel), 409, "wrong-store", "RETURN")


async def test_a_receipt_carries_no_control_byte_and_no_markup_of_a_customers(world: World) -> None:
    name = "Señor <b>&amp; \u202eSons\u200b東"
    parcel = await world.ecms.ship_to_store(merchant=name, description="'; DROP TABLE reference; --")
    seen = await world.till.look_up(parcel.reference)
    assert (seen.json["merchant"], seen.json["description"]) == (name, "'; DROP TABLE reference; --")
    paid = await world.till.collect(parcel)
    lines = paid.json["receipt"]["text"]
    assert any("Señor <b>&amp; Sons?" in line for line in lines)
    paper = await world.till.call(
        "GET", f"/pos/v1/receipts/{paid.json['receipt']['number']}", headers={"Accept": "text/plain"}
    )
    assert paper.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert not [byte for byte in paper.raw.replace(b"\n", b"") if byte < 32]


async def test_guessing_at_once_is_no_way_round_the_lockout(world: World) -> None:
    replies = await asyncio.gather(*(world.till.look_up(f"50000000{number:04d}") for number in range(100)))
    assert {reply.status for reply in replies} <= {404, 429}
    refusal(await world.till.look_up("500000009999"), 429, "too-many-attempts")
    [row] = await world.fetch("SELECT strikes FROM lockout")
    assert row["strikes"] >= 1
    assert (await world.till.inquire(ID)).status == 404


async def test_no_secret_and_no_number_of_a_customer_is_ever_logged_or_measured(
    world: World, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    canary = "09987654321"
    query = f"grant_type=client_credentials&client_id=till&client_secret={SECRET.replace(' ', '+')}"
    logs.configure("DEBUG")
    try:
        async with world.session.post(f"{world.url}/accounts/oauth2/token?{query}") as response:
            tokens = await response.json()
        spoiled = query.replace("client_id=till", "client_id=nobody")
        await world.till.call("POST", f"/accounts/oauth2/token?{spoiled}")
        parcel = await world.ecms.ship_to_store(mobileNumber=canary)
        transaction_id = str(uuid.uuid4())
        await world.till.collect(parcel, transaction_id)
        await world.till.reverse(transaction_id)
        answer = {"trackingNumber": next_tracking_number(), "merchant": "A"}
        world.ecms_server.answers["returns"] = [
            (404, {"message": f"no {canary}"}),
            (500, {"message": canary}),
            (200, answer),
        ]
        for _ in range(3):
            body = RETURN | {"mobileNumber": canary}
            await world.kiosk.call("PUT", f"/kiosk/v1/returns/{uuid.uuid4()}", body)
        await world.ecms.call("POST", "/ecms/v1/references", REFERENCE | {"mobileNumber": canary, "colour": canary})
        # An error of the gateway's own, with its traceback in the log.
        await world.fetch("ALTER TABLE contact RENAME TO gone")
        broken = await world.ecms.ask_for(mobileNumber=canary)
        ecms_error(broken, 500, "internal-error")
        assert canary not in broken.raw.decode()
        await world.fetch("ALTER TABLE gone RENAME TO contact")
        await world.told(3)
        metrics = (await world.admin.call("GET", "/metrics")).raw.decode()
    finally:
        structlog.reset_defaults()
    lines = capsys.readouterr().err.splitlines()
    events = [json.loads(line) for line in lines]
    assert len(events) > 12
    assert any(event["event"] == "internal-error" for event in events)
    everything = "\n".join([*lines, caplog.text, metrics])
    secrets = [SECRET, SECRET.replace(" ", "+"), "of no matter", canary, canary[2:], *map(str, tokens.values())]
    secrets += [partner.token for partner in (world.till, world.kiosk, world.ecms, world.admin)]
    secrets.remove("7200")
    secrets.remove("bearer")
    for secret in secrets:
        assert secret not in everything
    # Not even a reference stands in a label: whoever may read the metrics may not collect a parcel.
    assert parcel.reference.replace("-", "") not in metrics.replace("-", "")
    stored = json.dumps([[str(value) for value in row.values()] for row in await dump(world)])
    assert canary not in stored
    assert tokens["access_token"] not in stored


async def dump(world: World) -> list[Any]:
    rows: list[Any] = []
    for table in (
        "reference",
        "transaction",
        "journal",
        "event",
        "contact",
        "token",
        "client",
        "return_request",
        "task",
    ):
        rows += await world.fetch(f"SELECT * FROM {table}")
    return rows
