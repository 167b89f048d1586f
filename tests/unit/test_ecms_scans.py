"""Every status by every trigger, in every state of every flow: what the table knows happens, the rest is refused.

Needs a file of SQLite; about 6 s.
"""

import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest
from connect_simulators.ecms.database import Database, insert
from connect_simulators.ecms.flows import SCANS, STATES, TABLE, Flow, State, Trigger, moves
from connect_simulators.ecms.messages import Refusal, ScanRequest, parse
from connect_simulators.ecms.parcels import Parcel, find_parcel
from connect_simulators.ecms.scans import advance, scan_one

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
STATUSES = sorted({state.status for state in State})
METRO, FAR = "0166", "0400"


@pytest.fixture
async def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "ecms.sqlite")
    await opened.open()
    yield opened
    await opened.close()


def put(connection: sqlite3.Connection, number: str, flow: Flow, state: State, *, store: str, home: str) -> Parcel:
    """A parcel in a state, however it came there."""
    is_return, is_drop_off = flow.startswith("RETURN"), flow.startswith("DROP_OFF")
    insert(
        connection,
        "parcel",
        tracking_number=number,
        flow=flow,
        state=state,
        merchant_code="001",
        merchant="Merchant A",
        merchant_reference=number,
        identifier=number if is_return else None,
        booking_reference=number if is_drop_off else None,
        delivery_type="STORE" if is_drop_off else None,
        payor="SELLER" if is_drop_off else None,
        fee_centavos=3000 if is_drop_off else None,
        origin_store_id=home if is_drop_off else None,
        payment_type=None if is_return else "PREPAID",
        amount_centavos=0,
        store_id=store,
        description="",
        details="{}",
        created_at=0,
        expires_at=2**31 if is_return or is_drop_off else None,
    )
    parcel = find_parcel(connection, number)
    assert parcel is not None
    return parcel


def request(status: str, trigger: Trigger | None = None, number: str = "1" * 18) -> ScanRequest:
    return ScanRequest.model_construct(tracking_number=number, status=status, trigger=trigger)


@pytest.mark.parametrize("flow", Flow)
async def test_what_the_table_does_not_know_is_refused(database: Database, flow: Flow) -> None:
    asked: list[tuple[str, Trigger | None]] = list(product(STATUSES, (*Trigger, None)))

    def work(connection: sqlite3.Connection) -> tuple[int, int]:
        taken = refused = 0
        for count, (state, (store, home)) in enumerate(product(STATES[flow], ((METRO, FAR), (FAR, METRO)))):
            number = str(10**17 + count)
            parcel = put(connection, number, flow, state, store=store, home=home)
            possible = {
                (step.target.status, step.trigger): step.target
                for step in moves(flow, state, regional=parcel.regional, home_regional=parcel.home_regional)
            }
            for status, trigger in asked:
                target = next((to for (s, by), to in possible.items() if s == status and trigger in (None, by)), None)
                if target is None:
                    outcome = scan_one(connection, number, request(status, trigger, number), NOW)
                    assert outcome.refused is not None
                    assert status in outcome.refused
                    assert state.status in outcome.refused
                    refused += 1
                else:
                    connection.execute("SAVEPOINT one")
                    outcome = scan_one(connection, number, request(status, trigger, number), NOW)
                    after = find_parcel(connection, number)
                    assert after is not None
                    assert (outcome.status, outcome.refused, after.state) == (status, None, target)
                    taken += 1
                    connection.execute("ROLLBACK TO one")
                    connection.execute("RELEASE one")
            assert find_parcel(connection, number) == parcel
        assert connection.execute("SELECT count(*) FROM event").fetchone()[0] == 0
        return taken, refused

    taken, refused = await database.run(work)
    assert taken + refused == 2 * len(STATES[flow]) * len(asked)
    own = [step for step in TABLE if step.flow is flow and step.trigger in SCANS]
    # Each of ECMS's own rows was taken, by its trigger and without one, for those zones that it is for.
    assert taken == sum(2 * (2 if step.regional is None else 1) for step in own)


@pytest.mark.parametrize(
    ("flow", "origin", "status", "locations"),
    [
        (Flow.MERCHANT_DELIVERY, State.CREATED, "DELIVERED TO STORE", ["9001", "9001", "9001", "9004", "9004", "9004"]),
        (Flow.DROP_OFF_STORE, State.DROPPED_OFF, "DELIVERED TO WAREHOUSE", ["0166", "0166", "9001", "9001"]),
        (Flow.DROP_OFF_STORE, State.FOR_PULL_OUT, "ARRIVED AT WAREHOUSE", ["0400", "9001", "9001"]),
        (Flow.DROP_OFF_STORE, State.IN_TRANSIT_SELLER, "DELIVERED TO STORE", ["9001", "0166", "0166"]),
        (Flow.DC_PICKUP, State.CREATED, "ARRIVED AT WAREHOUSE", ["9900", "9900", "9001"]),
    ],
)
async def test_each_status_says_where_the_parcel_is(
    database: Database, flow: Flow, origin: State, status: str, locations: list[str]
) -> None:
    def work(connection: sqlite3.Connection) -> list[str]:
        put(connection, "1" * 18, flow, origin, store=FAR, home=METRO)
        advance(connection, "1" * 18, status, NOW)
        return [row[0] for row in connection.execute("SELECT location FROM event ORDER BY seq")]

    assert (await database.run(work))[: len(locations)] == locations


async def test_an_unknown_parcel_and_many_at_once(database: Database) -> None:
    def work(connection: sqlite3.Connection) -> list[str | None]:
        put(connection, "1" * 18, Flow.MERCHANT_DELIVERY, State.CREATED, store=METRO, home=METRO)
        return [scan_one(connection, n * 18, request("DELIVERED TO WAREHOUSE"), NOW).refused for n in "12"]

    assert await database.run(work) == [None, "no parcel has this number"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"status":"IN-TRANSIT"}', "trackingNumber"),
        (
            b'{"status":"IN-TRANSIT","trackingNumber":"111111111111111111","trackingNumbers":["111111111111111111"]}',
            "track",
        ),
        (b'{"status":"IN-TRANSIT","trackingNumber":"111111111111111111","trigger":"POS transaction"}', "trigger"),
        (b'{"status":"IN-TRANSIT","trackingNumber":"111111111111111111","trigger":5}', "trigger"),
        (b'{"trackingNumber":"111111111111111111"}', "status"),
    ],
)
def test_scans_that_cannot_be_read(body: bytes, field: str) -> None:
    with pytest.raises(Refusal, match=field):
        parse(ScanRequest, body)


def test_a_trigger_is_read_whatever_its_capitals() -> None:
    body = (
        b'{"status":"IN-TRANSIT","trackingNumbers":["111111111111111111","111111111111111111"],"trigger":"dc SCANNING"}'
    )
    asked = parse(ScanRequest, body)
    assert asked.trigger is Trigger.DC_SCANNING
    assert asked.numbers == ("1" * 18,)


async def test_a_cod_package_is_not_offered_to_its_seller_for_the_buyers_money(database: Database) -> None:
    def told(connection: sqlite3.Connection, payment: str, amount: int) -> Callable[[], int]:
        number = str(10**17 + amount)
        put(connection, number, Flow.DROP_OFF_STORE, State.ARRIVED_AT_STORE_SELLER, store=FAR, home=METRO)
        connection.execute(
            "UPDATE parcel SET payment_type = ?, amount_centavos = ? WHERE tracking_number = ?",
            (payment, amount, number),
        )
        assert scan_one(connection, number, request("DELIVERED TO STORE", number=number), NOW).refused is None
        return connection.execute("SELECT count(*) FROM outbox WHERE tracking_number = ?", (number,)).fetchone()[0]

    assert await database.run(lambda connection: told(connection, "PREPAID", 0)) == 1
    assert await database.run(lambda connection: told(connection, "COD", 100)) == 0
