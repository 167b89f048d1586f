"""For those who run it: health, metrics, and the one work list. Half a minute; needs PostgreSQL."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from checks import problem
from partners import Parcel, Till
from world import World

REFUSED = (400, {"errorCode": "400", "message": "status: no such thing"})
TAKEN = (200, {"errorCode": "200", "message": "ok"})


async def tasks_of(world: World, count: int) -> list[dict[str, Any]]:
    """The work list, once it has so many entries."""
    async with asyncio.timeout(20):
        while True:
            found = (await world.admin.call("GET", "/admin/v1/tasks")).json["tasks"]
            if len(found) == count:
                return found
            await asyncio.sleep(0.02)


async def until(world: World, name: str, value: float) -> None:
    """Until a sample on the page of metrics has this value."""
    async with asyncio.timeout(10):
        while True:
            page = (await world.admin.call("GET", "/metrics")).raw.decode()
            if f"\n{name} {value:.1f}\n" in page:
                return
            await asyncio.sleep(0.02)


async def test_health_readiness_and_metrics(world: World) -> None:
    without = {"Authorization": ""}
    assert (await world.admin.call("GET", "/healthz", headers=without)).json == {"status": "alive"}
    assert (await world.admin.call("GET", "/readyz", headers=without)).json == {"status": "ready"}
    parcel = await world.ecms.ship_to_store()
    await world.till.collect(parcel)
    await world.till.collect(parcel)
    await world.told(1)
    reply = await world.admin.call("GET", "/metrics", headers=without)
    assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    page = reply.raw.decode()
    assert 'connect_transactions_total{outcome="approved",type="COLLECT"} 1.0' in page
    assert 'connect_transactions_total{outcome="declined",type="COLLECT"} 1.0' in page
    route = '{method="PUT",route="/pos/v1/transactions/{transactionId}",status="201"} 1.0'
    assert f"connect_requests_total{route}" in page
    # ECMS has the event a moment before the relay has noted that it has.
    async with asyncio.timeout(10):
        while 'connect_deliveries_total{result="told"} 1.0' not in page:
            page = (await world.admin.call("GET", "/metrics", headers=without)).raw.decode()
    # Whatever a client makes up becomes no label.
    await world.admin.call("GET", "/no/such/path/991767890023")
    page = (await world.admin.call("GET", "/metrics", headers=without)).raw.decode()
    assert "no/such" not in page
    for name in ("healthz", "readyz", "metrics"):
        problem(await world.admin.call("POST", f"/{name}"), 405, "method-not-allowed")


async def test_a_database_that_this_program_has_not_migrated_is_not_ready(world: World) -> None:
    await world.fetch("DELETE FROM schema_migration WHERE version = 1")
    reply = await world.admin.call("GET", "/readyz")
    assert (reply.status, reply.json) == (503, {"status": "not-migrated", "pending": [1]})
    assert (await world.admin.call("GET", "/healthz")).status == 200


async def test_what_ecms_refuses_waits_for_a_person_and_holds_up_its_own_parcel_alone(world: World) -> None:
    server = world.ecms_server
    stuck, other = [await world.ecms.ship_to_store() for _ in range(2)]
    server.answers["status"] = [REFUSED, TAKEN]
    transaction_id = str(uuid.uuid4())
    await world.till.collect(stuck, transaction_id)
    [task] = await tasks_of(world, 1)
    assert task["kind"] == "ecms-refused-event"
    assert stuck.tracking_number in task["detail"]
    assert "400 status: no such thing" in task["detail"]
    assert task["closedAt"] is None
    assert task["subject"] == server.seen[0]["eventId"]

    await world.till.reverse(transaction_id)
    await world.till.collect(stuck)
    await world.till.collect(other)
    assert [event["trackingNumber"] for event in await world.told(1)] == [other.tracking_number]
    await until(world, 'connect_events{state="waiting"}', 2)
    await until(world, 'connect_events{state="refused"}', 1)
    await until(world, "connect_open_tasks", 1)

    path = f"/admin/v1/tasks/{task['taskId']}"
    problem(await world.admin.call("POST", path + "/close"), 409, "task-not-closable")
    closed = await world.admin.call("POST", path + "/resend")
    assert (closed.status, closed.json["closedBy"]) == (200, "admin")
    problem(await world.admin.call("POST", path + "/resend"), 409, "task-not-closable")

    told = await world.told(4)
    of_stuck = [event for event in told if event["trackingNumber"] == stuck.tracking_number]
    assert [event["status"] for event in of_stuck] == ["CLAIMED", "DELIVERED TO STORE", "CLAIMED"]
    assert of_stuck[0]["eventId"] == server.seen[0]["eventId"]
    assert await tasks_of(world, 0) == []
    await until(world, 'connect_events{state="waiting"}', 0)
    await until(world, "connect_open_tasks", 0)


async def test_an_event_that_is_refused_again_is_a_task_again(world: World) -> None:
    world.ecms_server.answers["status"] = [REFUSED, REFUSED, TAKEN]
    await world.till.collect(await world.ecms.ship_to_store())
    [first] = await tasks_of(world, 1)
    await world.admin.call("POST", f"/admin/v1/tasks/{first['taskId']}/resend")
    async with asyncio.timeout(10):
        while len(world.ecms_server.seen) < 2:
            await asyncio.sleep(0.02)
    [second] = await tasks_of(world, 1)
    assert second["taskId"] != first["taskId"]
    await world.admin.call("POST", f"/admin/v1/tasks/{second['taskId']}/resend")
    await world.told(1)
    assert await tasks_of(world, 0) == []


async def test_a_refusal_is_a_task_whatever_ecms_says(world: World) -> None:
    messages = ["\u0000", "\ud800", "x" * 5_000, ["a", {"b": None}], None, "\x1b[2J\r\nfake"]
    for count, message in enumerate(messages, start=1):
        world.ecms_server.answers["status"] = [(422, {"errorCode": "422", "message": message})]
        await world.till.collect(await world.ecms.ship_to_store())
        *_, task = await tasks_of(world, count)
        assert task["kind"] == "ecms-refused-event"
        assert "422" in task["detail"]
        assert len(task["detail"]) < 500
        assert task["detail"].isprintable()


async def test_what_is_tried_in_vain_is_shown_and_goes_by_itself_in_the_end(world: World) -> None:
    """REL-9."""
    world.ecms_server.answers["status"] = [(200, {"errorCode": "500", "message": "later"})]
    parcel = await world.ecms.ship_to_store()
    await world.till.collect(parcel)
    async with asyncio.timeout(10):
        while not world.ecms_server.seen:
            await asyncio.sleep(0.02)
    # Nobody waits for ten attempts in a test.
    await world.fetch("UPDATE event SET attempts = 9, due_at = now()")
    [task] = await tasks_of(world, 1)
    assert task["kind"] == "ecms-event-overdue"
    closed = await world.admin.call("POST", f"/admin/v1/tasks/{task['taskId']}/resend")
    assert closed.status == 200
    # It is still not delivered, so it does not disappear from the list.
    await world.fetch("UPDATE event SET due_at = now()")
    [again] = await tasks_of(world, 1)
    assert again["taskId"] != task["taskId"]
    world.ecms_server.answers["status"] = [TAKEN]
    await world.fetch("UPDATE event SET due_at = now()")
    await world.told(1)
    assert await tasks_of(world, 0) == []


async def test_a_store_that_guesses_all_day_raises_one_alarm_that_a_person_closes(world: World) -> None:
    """ATT-6."""
    await world.fetch(
        "INSERT INTO attempt (client_id, attempt_id, at, unknown, store_id)"
        " SELECT 'till', gen_random_uuid(), now() - interval '2 hours', false, '0166' FROM generate_series(1, 98)"
    )
    await world.till.look_up("500000000000")
    assert await tasks_of(world, 0) == []
    for number in (1, 2):
        await world.till.look_up(f"50000000000{number}")
    [task] = await tasks_of(world, 1)
    assert (task["kind"], task["subject"]) == ("guessing-alarm", "0166")
    path = f"/admin/v1/tasks/{task['taskId']}"
    problem(await world.admin.call("POST", path + "/resend"), 409, "task-not-closable")
    assert (await world.admin.call("POST", path + "/close")).json["closedBy"] == "admin"
    assert await tasks_of(world, 0) == []


async def test_tasks_that_are_none(world: World) -> None:
    for action in ("resend", "close"):
        problem(await world.admin.call("POST", f"/admin/v1/tasks/{uuid.uuid4()}/{action}"), 404, "unknown-task")
        problem(await world.admin.call("POST", f"/admin/v1/tasks/1/{action}"), 400, "malformed-request")


async def test_another_stores_references_count_by_the_hour_alone(world: World) -> None:
    elsewhere: list[Parcel] = [await world.ecms.ship_to_store(store_id="0001") for _ in range(2)]
    for attempt in range(19):
        reply = await world.till.look_up(elsewhere[attempt % 2].reference)
        problem(reply, 409, "wrong-store")
    problem(await world.till.look_up(elsewhere[0].reference), 409, "wrong-store")
    problem(await world.till.look_up(elsewhere[0].reference), 429, "too-many-attempts")


async def test_a_lockout_ends_grows_and_is_forgotten_after_a_day(world: World) -> None:
    now = datetime.now(UTC)

    async def locked_for(at: datetime) -> int:
        await world.set_clock(at)
        for number in range(5):
            problem(await world.till.look_up(f"50000000000{number}"), 404, "unknown-reference")
        reply = await world.till.look_up("500000000009")
        problem(reply, 429, "too-many-attempts")
        return int(reply.headers["Retry-After"])

    assert 29 <= await locked_for(now) <= 31
    assert 59 <= await locked_for(now + timedelta(seconds=40)) <= 61
    assert 119 <= await locked_for(now + timedelta(seconds=120)) <= 121
    later = now + timedelta(hours=1, minutes=59)
    assert 239 <= await locked_for(later) <= 241
    assert (await world.till.look_up("500000000009")).status == 429
    # A clock that was set back locks nobody out for longer than a lockout lasts.
    await world.set_clock(now - timedelta(hours=12))
    reply = await world.till.look_up("500000000009")
    assert (reply.status, int(reply.headers["Retry-After"])) == (429, 3_600)


async def test_only_new_transactions_are_locked_out(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    new = await world.ecms.ship_to_store()
    transaction_id, unsent = str(uuid.uuid4()), str(uuid.uuid4())
    paid = await world.till.collect(parcel, transaction_id)
    for _ in range(5):
        await world.till.collect(parcel, reference="500000000000")
    locked = await world.till.collect(new, unsent)
    problem(locked, 429, "too-many-attempts")
    assert (await world.till.collect(parcel, transaction_id)).raw == paid.raw
    assert (await world.till.inquire(transaction_id)).raw == paid.raw
    assert (await world.till.reverse(transaction_id)).status == 200
    assert (await world.till.reverse(str(uuid.uuid4()), "TIMEOUT")).status == 200
    # The refusal was no outcome: the same id runs once the wait is over.
    await world.set_clock(datetime.now(UTC) + timedelta(seconds=32))
    assert (await world.till.collect(new, unsent)).status == 201
    other = await world.partner(Till, "till-2", "pos", "0166", None)
    assert (await other.look_up(parcel.reference)).status == 200
