"""A closed shift and what came after; tills, ledger and ECMS compared. Half a minute; needs PostgreSQL."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from aiohttp import web
from aiohttp.test_utils import TestServer
from checks import problem
from partners import Reply, Till, business_date
from world import World

from connect_gateway.domain.events import event_ids
from connect_gateway.domain.states import TransactionType
from connect_gateway.ecms.history import History, HistoryFile, Inquiry
from connect_gateway.ledger.database import open_pool
from connect_gateway.reconcile import reconcile


def line(transaction_id: str, amount: str = "200.00", state: str = "APPROVED") -> dict[str, Any]:
    return {"transactionId": transaction_id, "type": "COLLECT", "state": state, "amount": amount}


def path(shift: str = "1", till: Till | None = None) -> str:
    return f"/pos/v1/shifts/{business_date()}/{till.pos if till else 1}/{shift}"


async def close(world: World, cash: str, lines: list[dict[str, Any]], shift: str = "1") -> Reply:
    reply = await world.till.call("PUT", path(shift), {"cashCounted": cash, "transactions": lines})
    assert reply.status == 200, reply.raw
    return reply


async def sell(world: World, **fields: Any) -> str:
    transaction_id = str(uuid.uuid4())
    assert (await world.till.collect(await world.ecms.ship_to_store(), transaction_id, **fields)).status == 201
    return transaction_id


def event_id(transaction_id: str, *, reversal: bool = False) -> str:
    return str(event_ids("0166", uuid.UUID(transaction_id), TransactionType.COLLECT)[reversal])


async def compare(world: World, history: History | None = None) -> dict[str, Any]:
    """Reconciles today, tomorrow morning."""
    pool = await open_pool(world.database_url, 4)
    try:
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        return await reconcile(pool, date.fromisoformat(business_date()), history, tomorrow)
    finally:
        await pool.close()


def listed(report: dict[str, Any]) -> set[tuple[str, str]]:
    return {(one["break"], one["subject"]) for one in report["listed"]}


async def tasks(world: World) -> set[tuple[str, str]]:
    found = (await world.admin.call("GET", "/admin/v1/tasks")).json["tasks"]
    return {(one["kind"].removeprefix("reconciliation-"), one["subject"]) for one in found}


async def test_a_closed_shift_is_shown_with_what_came_after(world: World) -> None:
    sold, undone = [await sell(world) for _ in range(2)]
    problem(await world.till.call("GET", path()), 404, "unknown-shift")
    closed = await close(world, "400.00", [line(sold), line(undone)])

    shown = await world.till.call("GET", path())
    assert shown.json == closed.json | {"late": []}
    assert (await world.till.reverse(undone, "TIMEOUT", parcel_in_hand=False)).status == 200
    assert (await world.till.reverse(undone, "TIMEOUT", parcel_in_hand=False)).status == 200
    shown = await world.till.call("GET", path())
    [late] = shown.json["late"]
    assert shown.json == closed.json | {"late": [late]}
    assert late | {"at": ""} == {
        "transactionId": undone,
        "type": "COLLECT",
        "state": "REVERSED",
        "amount": "200.00",
        "at": "",
    }
    assert (await world.till.call("PUT", path(), {"cashCounted": "400.00", "transactions": []})).status == 409
    problem(await world.till.call("GET", path().replace("/1/1", "/7/1")), 403, "wrong-terminal")


async def test_late_goes_by_the_order_of_things_and_not_by_clocks(world: World) -> None:
    undone = await sell(world)
    await close(world, "200.00", [line(undone)])
    await world.set_clock(datetime.now(UTC) - timedelta(hours=1))
    assert (await world.till.reverse(undone, "TIMEOUT")).status == 200
    [late] = (await world.till.call("GET", path())).json["late"]
    assert late["transactionId"] == undone


async def test_a_day_that_agrees_has_no_break(world: World) -> None:
    sold, voided = [await sell(world) for _ in range(2)]
    await world.till.reverse(voided)
    await world.told(3)
    await world.noted()
    await close(world, "200.00", [line(sold), line(voided, state="REVERSED")])

    async with ecms_answers(world) as url, Inquiry(url) as history:
        report = await compare(world, history)

    assert (report["breaks"], report["listed"], report["healed"]) == ({}, [], [])
    assert report["shifts"] == {"closed": 1, "open": 0}
    assert report["cash"] == {"counted": "200.00", "ledger": "200.00"}
    assert report["sums"] == {
        side: {"COLLECT": {"count": 1, "amount": "200.00"}} for side in ("tills", "ledger", "told", "ecms")
    }
    assert await tasks(world) == set()
    kept = await world.admin.call("GET", f"/admin/v1/reconciliations/{business_date()}")
    assert kept.json == report
    problem(await world.admin.call("GET", "/admin/v1/reconciliations/2015-08-01"), 404, "unknown-reconciliation")
    problem(await world.admin.call("GET", "/admin/v1/reconciliations/today"), 400, "malformed-request")
    problem(await world.till.call("GET", f"/admin/v1/reconciliations/{business_date()}"), 403, "wrong-role")


async def test_every_break_between_till_and_ledger_is_named_once(world: World) -> None:
    there, here, amount, state, late, agreed = [str(uuid.uuid4())] + [await sell(world) for _ in range(5)]
    await sell(world, shift="2")
    reported = [
        *(line(there), line(amount, amount="150.00"), line(state, state="REVERSED")),
        *(line(late), line(agreed, state="REVERSED")),
    ]
    await close(world, "900.00", reported)
    # The till had reversed this one already, and its reversal arrives now; nobody had reversed the other.
    await world.till.reverse(agreed, "TIMEOUT")
    await world.till.reverse(late, "TIMEOUT")

    report = await compare(world)

    shift = f"0166/{business_date()}/1"
    expected = {
        ("missing-here", there),
        ("missing-there", here),
        ("amount-differs", amount),
        ("state-differs", state),
        ("reversed-late", late),
        ("cash-differs", f"{shift}/1"),
        ("shift-not-closed", f"{shift}/2"),
    }
    await world.told(8)
    assert {one for one in listed(report) if one[0] != "not-told"} == expected
    assert await tasks(world) == expected
    assert report["forPeople"] == len(expected)
    assert report["ecms"] == "not-asked"
    assert report["sums"]["ecms"] is None
    assert {one for one in listed(await compare(world)) if one[0] != "not-told"} == expected
    assert len(await world.fetch("SELECT FROM task")) == len(expected)


async def test_what_has_come_right_leaves_the_work_list_and_what_a_person_closed_stays_closed(world: World) -> None:
    unsent, wrong = await sell(world), str(uuid.uuid4())
    await world.told(1)
    await world.noted()
    await close(world, "0.00", [line(unsent, state="REVERSED"), line(wrong)])
    await compare(world)
    first = await tasks(world)
    assert ("state-differs", unsent) in first
    found = (await world.admin.call("GET", "/admin/v1/tasks")).json["tasks"]
    [looked_after] = [one["taskId"] for one in found if one["subject"] == wrong]
    assert (await world.admin.call("POST", f"/admin/v1/tasks/{looked_after}/close")).status == 200
    await world.till.reverse(unsent, "TIMEOUT")
    await world.told(2)
    await world.noted()

    report = await compare(world)

    assert listed(report) == {("missing-here", wrong)}
    assert report["forPeople"] == 0
    assert await tasks(world) == set()


@asynccontextmanager
async def ecms_answers(world: World, without: set[str] = frozenset(), **more: Any) -> AsyncIterator[str]:  # type: ignore[assignment]
    """ECMS's own history by parcel, made of what it was told, `without` some events and with some `more`."""

    async def parcel(request: web.Request) -> web.Response:
        number = request.match_info["number"]
        if "unknown" in more and number in more["unknown"]:
            return web.json_response({}, status=404)
        return web.json_response(history_of(world, number, without, more.get("changed", {}), more.get("extra", [])))

    app = web.Application()
    app.router.add_get("/parcels/{number}", parcel)
    server = TestServer(app)
    await server.start_server()
    yield str(server.make_url("")).rstrip("/")
    await server.close()


def history_of(
    world: World, number: str, without: set[str], changed: dict[str, Any], extra: list[dict[str, Any]]
) -> dict[str, Any]:
    told = [
        one for one in world.ecms_server.events if one["trackingNumber"] == number and one["eventId"] not in without
    ]
    events = [{**one, "applied": True, "source": "counter"} | changed.get(one["eventId"], {}) for one in told]
    events += [one for one in extra if one["trackingNumber"] == number]
    return {"trackingNumber": number, "events": events}


async def parcel_of(world: World, transaction_id: str) -> str:
    query = "SELECT tracking_number FROM transaction WHERE transaction_id = $1"
    return str((await world.fetch(query, uuid.UUID(transaction_id)))[0]["tracking_number"])


async def test_what_ecms_has_lost_is_told_again_where_that_is_sure(world: World) -> None:
    lost, both, first_of_two, unknown = [await sell(world) for _ in range(4)]
    for transaction_id in (both, first_of_two):
        await world.till.reverse(transaction_id)
    await world.told(6)
    await world.noted()
    lines = [line(lost), line(unknown), line(both, state="REVERSED"), line(first_of_two, state="REVERSED")]
    await close(world, "400.00", lines)
    without = {event_id(one) for one in (lost, both, first_of_two, unknown)} | {event_id(both, reversal=True)}
    unknown_parcel = await parcel_of(world, unknown)

    async with ecms_answers(world, without, unknown={unknown_parcel}) as url, Inquiry(url) as history:
        report = await compare(world, history)

    healed = {(one["remedy"], one["subject"]) for one in report["healed"]}
    # Of what has a successor there, and of a parcel that ECMS does not know, nothing is sure.
    assert healed == {("send-again", event_id(lost)), ("send-again", event_id(both))}
    assert listed(report) == {
        ("missing-at-ecms", event_id(first_of_two)),
        ("missing-at-ecms", event_id(unknown)),
    }
    told = await world.told(9)
    assert [one["eventId"] for one in told[6:] if one["trackingNumber"] == await parcel_of(world, both)] == [
        event_id(both),
        event_id(both, reversal=True),
    ]
    assert sum(one["eventId"] == event_id(lost) for one in told) == 2


async def test_what_ecms_has_already_is_not_told_for_ever(world: World) -> None:
    world.ecms_server.answers["status"] = [(409, {"errorCode": "409", "message": "no"})]
    refused = await sell(world)
    while (state := (await world.fetch("SELECT state FROM event"))[0]["state"]) != "REFUSED":
        assert state == "WAITING"
    await close(world, "200.00", [line(refused)])
    assert listed(await compare(world)) == {("refused-by-ecms", event_id(refused))}
    event = {
        "trackingNumber": await parcel_of(world, refused),
        "eventId": event_id(refused),
        "applied": True,
        "source": "counter",
        "payment": {"amount": "200.00"},
    }

    async with ecms_answers(world, extra=[event]) as url, Inquiry(url) as history:
        report = await compare(world, history)

    assert [(one["remedy"], one["subject"]) for one in report["healed"]] == [("note-told", event_id(refused))]
    assert report["breaks"] == {}
    assert await tasks(world) == set()


async def test_every_break_with_ecms_is_named_and_a_file_cures_nothing(world: World, tmp_path: Path) -> None:
    lost, twice, other = [await sell(world) for _ in range(3)]
    await world.told(3)
    await world.noted()
    await close(world, "600.00", [line(one) for one in (lost, twice, other)])
    parcels = [await parcel_of(world, one) for one in (lost, twice, other)]
    strange, repeat = str(uuid.uuid4()), {"trackingNumber": parcels[1], "applied": True, "source": "counter"}
    [told] = [one for one in world.ecms_server.events if one["eventId"] == event_id(twice)]
    extra = [
        repeat | {"eventId": event_id(twice), "payment": told["payment"]},
        repeat | {"eventId": strange},
        repeat | {"eventId": str(uuid.uuid4()), "source": "trucker"},
    ]
    changed = {event_id(other): {"payment": {"amount": "20.00"}}}
    file = tmp_path / "ecms.jsonl"
    histories = [history_of(world, number, {event_id(lost)}, changed, extra) for number in parcels]
    file.write_text("".join(json.dumps(one) + "\n" for one in histories))

    report = await compare(world, HistoryFile(file))

    assert listed(report) == {
        ("missing-at-ecms", event_id(lost)),
        ("applied-twice-at-ecms", event_id(twice)),
        ("differs-at-ecms", event_id(other)),
        ("unknown-to-ledger", strange),
    }
    assert (report["healed"], report["ecms"]) == ([], "file")
    assert report["sums"]["ecms"] == {"COLLECT": {"count": 2, "amount": "400.00"}}


async def test_an_event_that_is_not_there_or_says_something_else_is_named(world: World) -> None:
    missing, differs, undone = [await sell(world) for _ in range(3)]
    await world.till.reverse(undone)
    await world.told(4)
    await world.noted()
    await close(world, "400.00", [line(missing), line(differs), line(undone, state="REVERSED")])
    connection = await asyncpg.connect(world.database_url)
    await connection.execute("DELETE FROM event WHERE event_id = $1", uuid.UUID(event_id(missing)))
    await connection.execute("DELETE FROM event WHERE event_id = $1", uuid.UUID(event_id(undone, reversal=True)))
    query = "UPDATE event SET payment_amount = 1 WHERE event_id = $1"
    await connection.execute(query, uuid.UUID(event_id(differs)))
    await connection.close()

    report = await compare(world)

    assert listed(report) == {
        ("event-missing", missing),
        ("event-missing", undone),
        ("event-differs", event_id(differs)),
    }


async def test_an_ecms_that_cannot_be_asked_is_said_to_be_away(world: World) -> None:
    sold = await sell(world)
    await world.told(1)
    await world.noted()
    await close(world, "200.00", [line(sold)])
    async with Inquiry("http://127.0.0.1:9") as history:
        report = await compare(world, history)
    assert (report["ecms"], report["breaks"], report["sums"]["ecms"]) == ("unavailable", {}, None)


async def test_the_command_reports_and_exits_by_what_it_found(world: World) -> None:
    sold = await sell(world)
    await world.told(1)
    await world.noted()
    await close(world, "100.00", [line(sold)])
    environment = os.environ | {
        "CONNECT_DATABASE_URL": world.database_url,
        "CONNECT_KEYS_FILE": str(world.settings.keys_file),
    }
    program = [sys.executable, "-m", "connect_gateway", "reconcile", "--date", business_date()]
    ended = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=60, check=False)  # noqa: ASYNC221
    assert (ended.returncode, ended.stderr) == (3, "")
    assert "cash-differs" in ended.stdout
    assert "1 breaks, 1 of them in the work list." in ended.stdout
    wrong = subprocess.run(  # noqa: ASYNC221
        [*program[:-1], "today"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert wrong.returncode == 1
    assert "YYYY-MM-DD" in wrong.stderr
