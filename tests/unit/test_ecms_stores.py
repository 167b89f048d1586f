"""The ECMS simulator's store list. Needs nothing; well under a second."""

import csv
import io
from collections import Counter
from datetime import UTC, datetime

from connect_simulators.ecms.stores import STORES, Zone, published_at, stores_csv


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
    rows = list(csv.DictReader(io.StringIO(stores_csv())))
    assert [row["storeId"] for row in rows] == list(STORES)
    assert rows[165]["zone"] == "Greater Metro Manila"
    assert all(row["status"] == "OPEN" and row["name"] and row["city"] for row in rows)


def test_the_list_is_published_at_six_philippine_time() -> None:
    before = datetime(2026, 11, 21, 21, 59, 59, tzinfo=UTC)  # 05:59:59 on the 22nd there
    after = datetime(2026, 11, 21, 22, 0, 0, tzinfo=UTC)
    assert published_at(before).isoformat() == "2026-11-21T06:00:00+08:00"
    assert published_at(after).isoformat() == "2026-11-22T06:00:00+08:00"
