"""The ECMS simulator's time rules and jobs, over made-up moments; a file of SQLite. About 6 s."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from connect_simulators.ecms.clock import SimulatedClock
from connect_simulators.ecms.database import new_schema
from connect_simulators.ecms.flows import END_STATES, STATES, Flow, State
from connect_simulators.ecms.jobs import run_due
from connect_simulators.ecms.parcels import find_parcel
from connect_simulators.ecms.schedule import (
    CUT_OFF,
    RUNS_AT,
    STAY,
    Job,
    dispatch_day,
    next_run,
    ready_for_claiming,
    runs_between,
)
from connect_simulators.ecms.settings import keep_jobs_until
from connect_simulators.ecms.stores import READY_AFTER_DAYS, STORES, Zone
from connect_simulators.wire import PHILIPPINE_TIME
from hypothesis import given, settings
from hypothesis import strategies as st

MOMENTS = st.integers(1_577_836_800, 2_208_988_800).map(lambda second: datetime.fromtimestamp(second, UTC))
NUMBER = "1" * 18
FIRST = datetime(2026, 11, 22, 0, 0, tzinfo=PHILIPPINE_TIME)
IN_A_FORTNIGHT = st.integers(0, 14 * 86_400).map(lambda seconds: FIRST + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("received", "zone", "ready"),
    [
        ("2026-11-23 12:00:00", Zone.METRO_MANILA, "2026-11-24 08:00:00"),
        ("2026-11-23 12:00:01", Zone.METRO_MANILA, "2026-11-25 08:00:00"),
        ("2026-11-23 00:00:00", Zone.LUZON, "2026-11-26 08:00:00"),
        ("2026-11-23 23:59:59", Zone.VISAYAS, "2026-11-29 08:00:00"),
        ("2026-12-24 11:00:00", Zone.MINDANAO, "2027-01-03 08:00:00"),
    ],
)
def test_the_published_table(received: str, zone: Zone, ready: str) -> None:
    moment = datetime.fromisoformat(received).replace(tzinfo=PHILIPPINE_TIME)
    assert ready_for_claiming(moment, zone) == datetime.fromisoformat(ready).replace(tzinfo=PHILIPPINE_TIME)


@given(MOMENTS, st.sampled_from(Zone))
def test_ready_at_eight_as_many_days_after_the_cut_off_as_the_zone_says(received: datetime, zone: Zone) -> None:
    ready = ready_for_claiming(received, zone).astimezone(PHILIPPINE_TIME)
    cut_off = datetime.combine(dispatch_day(received), CUT_OFF, PHILIPPINE_TIME)
    assert ready.time() == time(8, 0)
    assert received <= cut_off < received + timedelta(days=1)
    assert (ready.date() - cut_off.date()).days == READY_AFTER_DAYS[zone]


@given(MOMENTS, MOMENTS, st.sampled_from(Zone))
def test_who_comes_first_is_ready_first(one: datetime, other: datetime, zone: Zone) -> None:
    first, second = sorted((one, other))
    assert ready_for_claiming(first, zone) <= ready_for_claiming(second, zone)


@given(MOMENTS, st.integers(0, 10 * 86_400), st.integers(0, 10 * 86_400))
def test_runs_are_the_same_however_the_time_passes(start: datetime, one: int, other: int) -> None:
    middle, end = start + timedelta(seconds=one), start + timedelta(seconds=one + other)
    whole = list(runs_between(start, end))
    assert whole == [*runs_between(start, middle), *runs_between(middle, end)]
    assert whole == sorted(whole, key=lambda run: run[0])
    assert all(at.astimezone(PHILIPPINE_TIME).time() == RUNS_AT[job] for at, job in whole)
    assert all(start < at <= end for at, _ in whole)
    if whole:
        assert whole[0] == next_run(start)


@contextmanager
def records() -> Iterator[sqlite3.Connection]:
    connection = new_schema()
    yield connection
    connection.close()


def put(connection: sqlite3.Connection, flow: Flow, state: State, **values: Any) -> None:
    """A parcel in a state; whatever its flow needs and `values` does not say is made up."""
    is_return, is_drop_off = flow.startswith("RETURN"), flow.startswith("DROP_OFF")
    row = {
        "tracking_number": NUMBER,
        "flow": flow,
        "state": state,
        "merchant_code": "001",
        "merchant": "Merchant A",
        "merchant_reference": "ORDER-1",
        "identifier": "ORDER-1" if is_return else None,
        "booking_reference": "AYW78" if is_drop_off else None,
        "delivery_type": "STORE" if is_drop_off else None,
        "payor": "SELLER" if is_drop_off else None,
        "fee_centavos": 3000 if is_drop_off else None,
        "origin_store_id": "0166" if is_drop_off else None,
        "payment_type": None if is_return else "PREPAID",
        "amount_centavos": 0,
        "store_id": "0400",
        "description": "",
        "details": "{}",
        "created_at": 0,
        "expires_at": 2**40 if is_return or is_drop_off else None,
        **values,
    }
    columns = ", ".join(row)
    connection.execute(f"INSERT INTO parcel ({columns}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))


def state_of(connection: sqlite3.Connection) -> State:
    parcel = find_parcel(connection, NUMBER)
    assert parcel is not None
    return parcel.state


def first_run(job: Job, after: datetime, *, at_once: bool = False) -> datetime:
    """The first run of a job after a moment, or at it."""
    begin = after - timedelta(seconds=1) if at_once else after
    return next(at for at, ran in runs_between(begin, begin + timedelta(days=2)) if ran is job)


@settings(max_examples=60, deadline=None)
@given(IN_A_FORTNIGHT, st.lists(st.integers(1, 3 * 86_400), max_size=12), st.integers(1, 3 * 86_400))
def test_seven_days_in_the_store_and_then_the_next_pull_out(since: datetime, jumps: list[int], last: int) -> None:
    with records() as connection:
        moment = int(since.timestamp())
        put(connection, Flow.MERCHANT_DELIVERY, State.DELIVERED_TO_STORE, store_since=moment)
        keep_jobs_until(connection, since)
        due = first_run(Job.PULL_OUT, since + STAY, at_once=True)
        now = since
        for jump in [*jumps, last]:
            now += timedelta(seconds=jump)
            run_due(connection, now)
            assert (state_of(connection) is State.FOR_PULL_OUT) == (now >= due)
        run_due(connection, due)
        (written,) = connection.execute("SELECT timestamp FROM event").fetchone()
        assert written == due.strftime("%Y-%m-%d %H:%M:%S"), "stamped with the run's own time"


@settings(max_examples=60, deadline=None)
@given(IN_A_FORTNIGHT, st.integers(0, 5 * 86_400))
def test_what_comes_by_noon_is_in_that_days_delivery_document(received: datetime, wait: int) -> None:
    with records() as connection:
        put(connection, Flow.DC_PICKUP, State.DELIVERED_TO_WAREHOUSE, received_at=int(received.timestamp()))
        keep_jobs_until(connection, received - timedelta(seconds=1))
        noon = datetime.combine(dispatch_day(received), CUT_OFF, PHILIPPINE_TIME)
        now = received + timedelta(seconds=wait)
        run_due(connection, now)
        assert (state_of(connection) is State.FOR_DELIVERY) == (now >= noon)


@settings(max_examples=60, deadline=None)
@given(IN_A_FORTNIGHT, st.dates(date(2026, 11, 15), date(2026, 12, 10)) | st.none(), st.integers(0, 20 * 86_400))
def test_a_pick_up_waits_for_its_date(created: datetime, wanted: date | None, wait: int) -> None:
    with records() as connection:
        details = "{}" if wanted is None else f'{{"pickup_date": "{wanted} 10:00:00"}}'
        put(connection, Flow.DC_PICKUP, State.CREATED, created_at=int(created.timestamp()), details=details)
        keep_jobs_until(connection, created)
        run = first_run(Job.PICK_UP, created)
        if wanted is not None:
            run = max(run, datetime.combine(wanted, RUNS_AT[Job.PICK_UP], PHILIPPINE_TIME))
        now = created + timedelta(seconds=wait)
        run_due(connection, now)
        assert (state_of(connection) is State.FOR_PICK_UP) == (now >= run)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([(Flow.DROP_OFF_STORE, State.FOR_DROP_OFF), (Flow.RETURN_COLLECTED, State.FOR_RETURN)]),
    IN_A_FORTNIGHT,
    st.integers(0, 3 * 86_400),
)
def test_what_nobody_brings_is_cancelled(where: tuple[Flow, State], expires: datetime, wait: int) -> None:
    with records() as connection:
        put(connection, *where, expires_at=int(expires.timestamp()))
        keep_jobs_until(connection, FIRST - timedelta(days=1))
        now = expires + timedelta(seconds=wait)
        run_due(connection, now)
        due = first_run(Job.EXPIRY, expires, at_once=True)
        assert (state_of(connection) is State.CANCELLED) == (now >= due)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(Flow), st.data(), st.sampled_from(list(STORES)))
def test_jobs_move_nothing_that_has_ended_and_never_fail(flow: Flow, data: st.DataObject, store: str) -> None:
    state = data.draw(st.sampled_from(sorted(STATES[flow])))
    moment = int(FIRST.timestamp())
    with records() as connection:
        put(
            connection,
            flow,
            state,
            store_id=store,
            created_at=moment,
            **dict.fromkeys(("received_at", "store_since", "dropped_at"), moment),
        )
        keep_jobs_until(connection, FIRST)
        run_due(connection, FIRST + timedelta(days=400))
        if state in END_STATES[flow]:
            assert state_of(connection) is state


def test_a_jump_over_decades_takes_no_time_where_nothing_waits() -> None:
    with records() as connection:
        put(connection, Flow.MERCHANT_DELIVERY, State.CLAIMED)
        keep_jobs_until(connection, datetime(2001, 1, 1, tzinfo=UTC))
        assert run_due(connection, datetime(2099, 1, 1, tzinfo=UTC)) == []


@given(st.integers(1, 86_400), st.integers(-(10**6), 10**6))
def test_a_fast_clock_runs_as_fast_as_it_says(speed: int, offset: int) -> None:
    machine = datetime.now(UTC)
    clock = SimulatedClock(timedelta(seconds=offset), speed, machine - timedelta(seconds=10))
    lasted = (clock.now() - machine - timedelta(seconds=offset)).total_seconds()
    # Ten seconds have passed ten times `speed` times; the machine's own since then come on top.
    assert lasted >= 10 * (speed - 1)
    clock.set(FIRST)
    assert clock.speed == speed
    assert clock.now() >= FIRST
