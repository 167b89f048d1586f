"""Sales that a till made by itself: taken as what has happened, and disputed where the ledger says otherwise. Needs
PostgreSQL.
"""

import asyncio
import json
import subprocess
import sys
import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from partners import Parcel, Reply, Till, business_date
from world import SECRET, World

from connect_gateway.domain.chains import Broken
from connect_gateway.ledger import journals
from connect_gateway.ledger.database import open_pool
from connect_gateway.reconcile import reconcile

NUMBER = "0166-001-S0000001"


def stand_in(*, ago: timedelta = timedelta(minutes=5), number: str = NUMBER) -> dict[str, str]:
    at = datetime.now(UTC) - ago
    return {"occurredAt": at.isoformat(), "receiptNumber": number, "manifestId": str(uuid.uuid4())}


async def forward(world: World, parcel: Parcel, transaction_id: str | None = None, **fields: Any) -> Reply:
    """A COLLECT that has happened, told of now."""
    return await world.till.collect(parcel, transaction_id, **({"standIn": stand_in()} | fields))


async def resolve(world: World, transaction_id: str, resolution: str, store: str = "0166", **more: str) -> Reply:
    body = {"resolution": resolution, **more}
    return await world.admin.call("PUT", f"/admin/v1/disputes/{store}/{transaction_id}/resolution", body)


async def open_tasks(world: World) -> list[tuple[str, str]]:
    tasks = (await world.admin.call("GET", "/admin/v1/tasks")).json["tasks"]
    return [(task["kind"], task["subject"]) for task in tasks]


async def journals_are_whole(world: World) -> None:
    connection = await asyncpg.connect(world.database_url)
    try:
        for store_id, pos, _ in await journals.terminals(connection):
            found = [step async for step in journals.verify(connection, store_id, pos, [])]
            assert not [step for step in found if isinstance(step, Broken)], found
    finally:
        await connection.close()


async def test_a_sale_that_the_ledger_agrees_with_is_approved(world: World) -> None:
    """STD-8."""
    parcel = await world.ecms.ship_to_store()
    transaction_id = str(uuid.uuid4())
    told = stand_in()

    taken = await forward(world, parcel, transaction_id, standIn=told)

    assert (taken.status, taken.json["state"]) == (201, "APPROVED")
    assert taken.json["receipt"]["number"] == "0166-001-00000001"
    assert taken.json["standIn"]["receiptNumber"] == NUMBER
    text = taken.json["receipt"]["text"]
    assert any(line.startswith("Stand-in") and NUMBER in line for line in text)
    assert any(line.startswith("Sold") for line in text)
    [event] = await world.told(1)
    assert event["payment"]["amount"] == "200.00"
    again = await forward(world, parcel, transaction_id, standIn=stand_in(number="0166-001-S0000009"))
    assert (again.raw, again.headers["Idempotent-Replay"]) == (taken.raw, "true")
    online = await world.till.collect(parcel, transaction_id)
    assert online.raw == taken.raw
    assert (await world.till.inquire(transaction_id)).raw == taken.raw
    shown = await world.till.call("GET", "/pos/v1/receipts/0166-001-00000001")
    assert shown.json == taken.json["receipt"]
    undone = await world.till.reverse(transaction_id)
    assert any(NUMBER in line for line in undone.json["receipt"]["text"])
    await journals_are_whole(world)


async def test_a_prepaid_parcel_may_be_released_by_a_stand_in(world: World) -> None:
    parcel = await world.ecms.ship_to_store(amount="0.00")
    body = world.till.body("CLAIM", parcel.reference, trackingNumber=parcel.tracking_number, standIn=stand_in())
    taken = await world.till.put(str(uuid.uuid4()), body)
    assert (taken.status, taken.json["state"], taken.json["verdict"]["cash"]) == (201, "APPROVED", "NONE")


async def test_an_online_sale_whose_answer_was_lost_is_finished_offline_under_the_same_id(world: World) -> None:
    """STD-7."""
    parcel = await world.ecms.ship_to_store()
    transaction_id = str(uuid.uuid4())
    online = await world.till.collect(parcel, transaction_id)

    finished = await forward(world, parcel, transaction_id)

    assert finished.raw == online.raw
    assert await world.fetch("SELECT FROM dispute") == []
    assert len(await world.fetch("SELECT FROM transaction")) == 1


async def conflicts(world: World) -> dict[str, tuple[Parcel, dict[str, Any]]]:
    """A parcel for each conflict that a sale can meet, by the code of the answer."""
    made: dict[str, tuple[Parcel, dict[str, Any]]] = {}
    for code in ("already-done", "cancelled", "pulled-out", "wrong-label", "tender-too-small", "wrong-business-date"):
        made[code] = await world.ecms.ship_to_store(), {}
    await world.till.collect(made["already-done"][0])
    await world.ecms.tell(made["cancelled"][0], "CANCELLED")
    await world.ecms.tell(made["pulled-out"][0], "FOR PULL OUT")
    made["wrong-label"][1]["trackingNumber"] = "300000000000999999"
    made["tender-too-small"][1]["tendered"] = "150.00"
    made["wrong-business-date"][1]["standIn"] = stand_in(ago=timedelta(days=8))
    made["not-ready"] = await world.ecms.ship(), {}
    made["wrong-store"] = await world.ecms.ship_to_store(store_id="0001"), {}
    made["expired"] = await world.ecms.ship_to_store(expiresAt="2020-01-01T00:00:00+08:00"), {}
    unknown = Parcel("300000000000888888", "9999-9999-9999", "x")
    made["unknown-reference"] = unknown, {}
    return made


async def test_each_conflict_is_recorded_as_a_dispute_and_nothing_is_declined(world: World) -> None:
    """STD-9."""
    made = await conflicts(world)
    told_before = len(await world.told(1))
    ids = {}
    for code, (parcel, fields) in made.items():
        ids[code] = str(uuid.uuid4())
        answer = await forward(world, parcel, ids[code], **fields)
        assert (answer.status, answer.json["state"]) == (201, "DISPUTED"), (code, answer.raw)
        assert answer.json["problem"]["code"] == code
        assert answer.json["verdict"] == {
            "cash": "KEEP",
            "parcel": "RELEASE",
            "display": "RECORDED, BUT IN DISPUTE\nKEEP CASH, OFFICE DECIDES",
        }
        expected = {"tender-too-small": "150.00", "unknown-reference": "500.00"}.get(code, "200.00")
        assert answer.json["amountDue"] == expected, code
        again = await forward(world, parcel, ids[code], **fields)
        assert (again.raw, again.headers["Idempotent-Replay"]) == (answer.raw, "true")
        assert (await world.till.inquire(ids[code])).raw == answer.raw
        receipt = await world.till.call("GET", f"/pos/v1/receipts/{answer.json['receipt']['number']}")
        assert receipt.json == answer.json["receipt"]
    assert sorted(await open_tasks(world)) == sorted(("disputed-sale", f"0166/{one}") for one in ids.values())
    listed = (await world.admin.call("GET", "/admin/v1/disputes")).json["disputes"]
    assert {one["transactionId"]: one["code"] for one in listed} == {id_: code for code, id_ in ids.items()}
    await world.noted()
    assert len(await world.told(1)) == told_before
    await journals_are_whole(world)


async def test_a_task_of_a_dispute_ends_by_its_resolution_alone(world: World) -> None:
    """OPS-7."""
    parcel = await world.ecms.ship()
    await forward(world, parcel)
    [task] = (await world.admin.call("GET", "/admin/v1/tasks")).json["tasks"]
    for action in ("close", "resend"):
        refused = await world.admin.call("POST", f"/admin/v1/tasks/{task['taskId']}/{action}")
        assert refused.json["code"] == "task-not-closable"


@pytest.mark.parametrize("status", ["CANCELLED", "FOR PULL OUT"])
async def test_an_accepted_sale_is_one_like_any_other(world: World, status: str) -> None:
    """STD-11, STD-14."""
    parcel = await world.ecms.ship_to_store()
    await world.ecms.tell(parcel, status)
    transaction_id = str(uuid.uuid4())
    disputed = await forward(world, parcel, transaction_id)

    ended = await resolve(world, transaction_id, "ACCEPTED", note="parcel was handed out, seen on camera")

    assert (ended.status, ended.json["state"], ended.json["resolution"]) == (200, "APPROVED", "ACCEPTED")
    assert (ended.json["resolvedBy"], ended.json["note"]) == ("admin", "parcel was handed out, seen on camera")
    assert (await resolve(world, transaction_id, "ACCEPTED")).raw == ended.raw
    assert (await resolve(world, transaction_id, "REFUNDED")).json["code"] == "dispute-resolved"
    [event] = await world.told(1)
    assert (event["status"], event["payment"]["amount"]) == ("CLAIMED", "200.00")
    assert event["payment"]["receiptNumber"] == disputed.json["receipt"]["number"]
    assert await open_tasks(world) == []
    found = await world.till.inquire(transaction_id)
    assert found.json["state"] == "APPROVED"
    assert "problem" not in found.json
    assert found.json["verdict"]["display"].startswith("PAID - RELEASE PARCEL")
    # What was answered is answered again, for ever.
    assert (await forward(world, parcel, transaction_id)).raw == disputed.raw
    assert (await world.till.collect(parcel)).json["code"] == "already-done"
    # From now on it can be reversed like any other, and ECMS hears of it.
    assert (await world.till.reverse(transaction_id)).json["state"] == "REVERSED"
    assert [one["status"] for one in await world.told(2)] == ["CLAIMED", "DELIVERED TO STORE"]
    await journals_are_whole(world)


async def test_what_would_not_add_up_cannot_be_accepted_but_refunded(world: World) -> None:
    """STD-11, STD-12."""
    made = await conflicts(world)
    acceptable = {"cancelled", "pulled-out", "not-ready", "expired", "wrong-business-date"}
    for code, (parcel, fields) in made.items():
        transaction_id = str(uuid.uuid4())
        await forward(world, parcel, transaction_id, **fields)
        accepted = await resolve(world, transaction_id, "ACCEPTED")
        if code in acceptable:
            assert accepted.json["state"] == "APPROVED", (code, accepted.raw)
            continue
        assert accepted.json["code"] == "dispute-not-acceptable", (code, accepted.raw)
        refunded = await resolve(world, transaction_id, "REFUNDED")
        assert (refunded.json["state"], refunded.json["resolution"]) == ("REVERSED", "REFUNDED")
        found = await world.till.inquire(transaction_id)
        assert (found.json["state"], found.json["reason"]) == ("REVERSED", "REFUNDED")
        assert found.json["verdict"]["cash"] == "RETURN"
    assert await open_tasks(world) == []
    # Sold once online, and once each of what was accepted: ECMS hears of these alone.
    await world.noted()
    assert [event["status"] for event in await world.told(6)] == ["CLAIMED"] * 6
    await journals_are_whole(world)


async def test_a_double_sale_is_accepted_once_the_other_one_is_undone(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    online, offline = str(uuid.uuid4()), str(uuid.uuid4())
    await world.till.collect(parcel, online)
    await forward(world, parcel, offline)
    assert (await resolve(world, offline, "ACCEPTED")).json["code"] == "dispute-not-acceptable"
    await world.till.reverse(online)
    assert (await resolve(world, offline, "ACCEPTED")).json["state"] == "APPROVED"
    told = [event["status"] for event in await world.told(3)]
    assert told == ["CLAIMED", "DELIVERED TO STORE", "CLAIMED"]


async def test_a_till_may_undo_a_disputed_sale_with_the_parcel_in_hand(world: World) -> None:
    """STD-13."""
    parcel = await world.ecms.ship()
    transaction_id = str(uuid.uuid4())
    await forward(world, parcel, transaction_id)
    refused = await world.till.reverse(transaction_id, parcel_in_hand=False)
    assert refused.json["code"] == "parcel-not-in-hand"

    undone = await world.till.reverse(transaction_id)

    assert (undone.json["state"], undone.json["verdict"]["cash"]) == ("REVERSED", "RETURN")
    assert await open_tasks(world) == []
    shown = (await world.admin.call("GET", f"/admin/v1/disputes/0166/{transaction_id}")).json
    assert (shown["resolution"], shown["resolvedBy"]) == ("REVERSED", "till")
    assert (await resolve(world, transaction_id, "ACCEPTED")).json["code"] == "dispute-resolved"
    await world.noted()
    assert world.ecms_server.events == []
    assert (await forward(world, parcel, transaction_id)).json["code"] == "transaction-reversed"
    await journals_are_whole(world)


@pytest.mark.parametrize("arrives", [False, True])
async def test_a_decline_that_the_till_never_heard_of_gives_way_to_what_happened(world: World, arrives: bool) -> None:
    parcel = await world.ecms.ship()
    transaction_id = str(uuid.uuid4())
    declined = await world.till.collect(parcel, transaction_id)
    assert declined.json["code"] == "not-ready"
    if arrives:
        await world.ecms.tell(parcel, "DELIVERED TO STORE")

    taken = await forward(world, parcel, transaction_id)

    assert (taken.status, taken.json["state"]) == (201, "APPROVED" if arrives else "DISPUTED")
    assert (await world.till.collect(parcel, transaction_id)).raw == taken.raw
    assert len(await world.fetch("SELECT FROM transaction")) == 1
    if not arrives:
        assert (await resolve(world, transaction_id, "ACCEPTED")).json["state"] == "APPROVED"
    assert len(await world.told(1)) == 1
    await journals_are_whole(world)


async def test_a_reversed_id_never_runs_not_even_as_a_stand_in(world: World) -> None:
    """STD-15: this is what a till would run into."""
    parcel = await world.ecms.ship_to_store()
    transaction_id = str(uuid.uuid4())
    await world.till.reverse(transaction_id, "TIMEOUT")
    assert (await forward(world, parcel, transaction_id)).json["code"] == "transaction-reversed"


async def test_a_lockout_stops_no_sale_that_has_happened(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    for number in range(5):
        await world.till.look_up(f"50000000000{number}")
    assert (await world.till.collect(parcel)).status == 429
    assert (await forward(world, parcel)).json["state"] == "APPROVED"


async def test_what_is_malformed_is_refused_as_such(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    for wrong in (
        {"occurredAt": "2026-01-01"},
        {"receiptNumber": "0166-001-00000001"},
        {"manifestId": "x"},
        {"more": 1},
    ):
        answer = await forward(world, parcel, standIn=stand_in() | wrong)
        assert (answer.status, answer.json["code"]) == (400, "malformed-request")
    code = (await world.ecms.ask_for()).json["reference"]
    accepts = world.till.body("ACCEPT_RETURN", code, standIn=stand_in())
    assert (await world.till.put(str(uuid.uuid4()), accepts)).status == 400
    assert await world.fetch("SELECT FROM transaction") == []


async def close(world: World, counted: str, *lines: tuple[str, str, str]) -> Reply:
    body = {
        "cashCounted": counted,
        "transactions": [
            {"transactionId": id_, "type": "COLLECT", "state": state, "amount": amount} for id_, state, amount in lines
        ],
    }
    return await world.till.call("PUT", f"/pos/v1/shifts/{business_date()}/1/1", body)


async def test_a_shift_counts_the_cash_of_disputed_sales(world: World) -> None:
    agreed, disputed = await world.ecms.ship_to_store(), await world.ecms.ship()
    ids = [str(uuid.uuid4()) for _ in range(2)]
    await world.till.collect(agreed, ids[0])
    await forward(world, disputed, ids[1])

    closed = await close(world, "400.00", (ids[0], "APPROVED", "200.00"), (ids[1], "DISPUTED", "200.00"))

    assert closed.json["differences"] == []
    assert (closed.json["cashExpected"], closed.json["cashOver"]) == ("400.00", "0.00")
    assert closed.json["sums"]["ledger"] == {"COLLECT": {"count": 2, "amount": "400.00"}}
    await resolve(world, ids[1], "REFUNDED")
    late = (await world.till.call("GET", f"/pos/v1/shifts/{business_date()}/1/1")).json["late"]
    assert [(one["transactionId"], one["state"]) for one in late] == [(ids[1], "REVERSED")]


async def test_a_sale_from_before_the_close_is_still_taken_and_listed_as_late(world: World) -> None:
    """STD-10, SHF-7."""
    good, bad, after = await world.ecms.ship_to_store(), await world.ecms.ship(), await world.ecms.ship_to_store()
    ids = [str(uuid.uuid4()) for _ in range(3)]
    closed = await close(world, "400.00", *((id_, "APPROVED", "200.00") for id_ in ids[:2]))
    assert [one["difference"] for one in closed.json["differences"]] == ["missing-here"] * 2

    assert (await forward(world, good, ids[0])).json["state"] == "APPROVED"
    assert (await forward(world, bad, ids[1])).json["problem"]["code"] == "not-ready"
    later = stand_in(ago=timedelta(seconds=-60))
    assert (await forward(world, after, ids[2], standIn=later)).json["problem"]["code"] == "shift-closed"

    late = (await world.till.call("GET", f"/pos/v1/shifts/{business_date()}/1/1")).json["late"]
    assert [(one["transactionId"], one["state"]) for one in late] == [
        (ids[0], "APPROVED"),
        (ids[1], "DISPUTED"),
        (ids[2], "DISPUTED"),
    ]
    assert (await resolve(world, ids[2], "ACCEPTED")).json["state"] == "APPROVED"


async def test_disputes_are_for_administrators(world: World) -> None:
    for partner in (world.till, world.kiosk, world.ecms):
        assert (await partner.call("GET", "/admin/v1/disputes")).json["code"] == "wrong-role"
    unknown = str(uuid.uuid4())
    assert (await world.admin.call("GET", f"/admin/v1/disputes/0166/{unknown}")).json["code"] == "unknown-dispute"
    assert (await resolve(world, unknown, "ACCEPTED")).json["code"] == "unknown-dispute"
    assert (await resolve(world, unknown, "PERHAPS")).json["code"] == "malformed-request"
    assert (await resolve(world, unknown, "ACCEPTED", store="1")).json["code"] == "malformed-request"


async def test_another_stores_till_has_its_own_ids(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    transaction_id = str(uuid.uuid4())
    await forward(world, parcel, transaction_id)
    other = await world.partner(Till, "other-till", "pos", "0001", None)
    answer = await other.collect(parcel, transaction_id, standIn=stand_in(number="0001-001-S0000001"))
    assert (answer.json["state"], answer.json["problem"]["code"]) == ("DISPUTED", "wrong-store")


async def test_a_reconciliation_names_disputes_and_leaves_their_task_alone(world: World) -> None:
    refunded, accepted, waits = [await world.ecms.ship() for _ in range(3)]
    ids = [str(uuid.uuid4()) for _ in range(3)]
    for parcel, id_ in zip((refunded, accepted, waits), ids, strict=True):
        await forward(world, parcel, id_)
    await resolve(world, ids[0], "REFUNDED")
    await resolve(world, ids[1], "ACCEPTED")
    await world.told(1)
    await world.noted()
    await close(world, "400.00", (ids[0], "REVERSED", "200.00"), *((id_, "DISPUTED", "200.00") for id_ in ids[1:]))

    pool = await open_pool(world.database_url, 4)
    try:
        today = date.fromisoformat(business_date())
        report = await reconcile(pool, today, None, datetime.now(UTC) + timedelta(days=1))
    finally:
        await pool.close()

    assert report["breaks"] == {"disputed": 1}
    assert [one["subject"] for one in report["listed"]] == [ids[2]]
    assert report["sums"]["ledger"]["COLLECT"] == {"count": 2, "amount": "400.00"}
    assert report["sums"]["told"]["COLLECT"] == {"count": 1, "amount": "200.00"}
    assert await open_tasks(world) == [("disputed-sale", f"0166/{ids[2]}")]


async def test_the_command_lists_and_resolves(world: World, tmp_path: Path) -> None:
    parcel = await world.ecms.ship()
    transaction_id = str(uuid.uuid4())
    await forward(world, parcel, transaction_id)
    credentials = tmp_path / "credentials.json"
    credentials.write_text(json.dumps({"admin": {"clientId": "admin", "clientSecret": SECRET}}))
    where = ["--url", world.url, "--credentials", str(credentials)]

    async def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "connect_gateway", "disputes", *arguments, *where]
        done = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output, _ = await done.communicate()
        return output.decode()

    [listed] = json.loads(await run("list", "--json"))
    assert listed["transactionId"] == transaction_id
    assert NUMBER in await run("list")
    assert "ACCEPTED: the transaction is APPROVED." in await run("resolve", "0166", transaction_id, "accepted")
    assert "the dispute has ended already" in await run("resolve", "0166", transaction_id, "REFUNDED")
