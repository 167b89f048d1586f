"""The ECMS simulator's store list. Needs nothing; well under a second."""

import csv
import io
from collections import Counter
from datetime import UTC, date, datetime, timedelta

from connect_simulators.ecms.stores import (
    FIRST_OPENING,
    OPEN,
    STORES,
    Zone,
    find_store,
    published_at,
    stores_csv,
    stores_on,
    zone_of_city,
)


def test_there_are_400_stores_with_names_of_their_own() -> None:
    assert list(STORES) == [f"{number:04d}" for number in range(1, 401)]
    assert len({store.name for store in STORES.values()}) == 400
    assert Counter(store.zone for store in STORES.values()) == {
        Zone.METRO_MANILA: 240,
        Zone.LUZON: 80,
        Zone.VISAYAS: 40,
        Zone.MINDANAO: 40,
    }


def test_the_demo_store_is_in_greater_metro_manila() -> None:
    assert STORES["0166"].zone is Zone.METRO_MANILA
    assert not STORES["0166"].regional
    assert STORES["0400"].regional


def test_the_csv_lists_every_store() -> None:
    rows = list(csv.DictReader(io.StringIO(stores_csv(date(2025, 12, 31)))))
    assert [row["storeId"] for row in rows] == list(STORES)
    assert rows[165]["zone"] == "Greater Metro Manila"
    assert rows[165]["readyForClaiming"] == "T+1 08:00"
    assert all(row["status"] and row["name"] and row["city"] and row["route"] for row in rows)


def test_one_store_opens_a_day_and_none_is_lost() -> None:
    before = stores_on(FIRST_OPENING - timedelta(days=1))
    assert list(before) == list(STORES)
    for days in range(40):
        after = stores_on(FIRST_OPENING + timedelta(days=days))
        (opened,) = set(after) - set(before)
        assert set(before) < set(after)
        assert opened == f"{401 + days:04d}"
        assert find_store(opened) == after[opened]
        assert zone_of_city(after[opened].city) is after[opened].zone
        before = after


def test_stores_close_for_renovation_and_open_again() -> None:
    days = [FIRST_OPENING + timedelta(days=number) for number in range(300)]
    closed = Counter(
        store.store_id for day in days for store in stores_on(day).values() if store.status == "CLOSED FOR RENOVATION"
    )
    assert all(store_id.endswith("7") for store_id in closed)
    assert {closed[store_id] for store_id in STORES if store_id.endswith("7")} == {30}
    assert all(stores_on(day)["0166"].status == OPEN for day in days)


def test_numbers_that_are_no_store() -> None:
    for number in (None, "", "0000", "9001", "9900", "12", "00401", "abcd", "٠٤٠١"):
        assert find_store(number) is None
    assert zone_of_city(" cebu CITY ") is Zone.VISAYAS
    assert zone_of_city("Atlantis") is None


def test_the_list_is_published_at_six_philippine_time() -> None:
    before = datetime(2026, 11, 21, 21, 59, 59, tzinfo=UTC)  # 05:59:59 on the 22nd there
    after = datetime(2026, 11, 21, 22, 0, 0, tzinfo=UTC)
    assert published_at(before).isoformat() == "2026-11-21T06:00:00+08:00"
    assert published_at(after).isoformat() == "2026-11-22T06:00:00+08:00"
