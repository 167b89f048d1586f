"""The ECMS simulator's records: a file of the first version, the feed, filters and paging, the clock and its jobs.

About 4 s.
"""

import json
import sqlite3
from pathlib import Path
from typing import Any

import aiohttp
from ecms_served import SHIPMENT, Ecms, ecms, serving

__all__ = ["ecms"]

FIRST_VERSION = Path(__file__).with_name("ecms_first_version.sql")


async def test_a_file_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    file = tmp_path / "ecms.sqlite"
    connection = sqlite3.connect(file)
    connection.executescript(FIRST_VERSION.read_text(encoding="utf-8"))
    connection.close()
    async with serving(file) as served:
        number = "303105332614281200"
        _, parcel = await served.driven("GET", f"/parcels/{number}")
        assert (parcel["status"], parcel["told"], parcel["claimCode"]) == (
            "DELIVERED TO STORE",
            False,
            "9917-6789-0023",
        )
        assert [event["status"] for event in parcel["events"]] == ["CREATED/ CONFIRMED", "DELIVERED TO STORE"]
        assert (await served.driven("POST", "/scan", {"trackingNumber": number, "status": "FOR PULL OUT"}))[0] == 200
        _, parcel = await served.driven("GET", f"/parcels/{number}")
        assert parcel["status"] == "FOR PULL OUT"
        assert [message["status"] for message in parcel["outbox"]] == ["DELIVERED TO STORE", "FOR PULL OUT"]
    async with serving(file) as again:
        assert (await again.driven("GET", f"/parcels/{number}"))[1]["status"] == "FOR PULL OUT"


async def _next(events: aiohttp.StreamReader) -> dict[str, Any]:
    while not (line := (await events.readline()).decode()).startswith("data:"):
        assert line, "the stream has ended"
    found: dict[str, Any] = json.loads(line.removeprefix("data:"))
    return found


async def test_changes_are_told_in_order_and_again_from_where_one_left_off(ecms: Ecms) -> None:
    first = await ecms.shipment()
    async with ecms.session.get(f"{ecms.control}/changes?after=0") as stream:
        assert await _next(stream.content) == {"seq": 1, "trackingNumber": first, "kind": "EVENT"}
        second = await ecms.shipment(merchantReference="ORDER-2")
        await ecms.driven("POST", "/scan", {"trackingNumber": second, "status": "DELIVERED TO WAREHOUSE"})
        assert [(await _next(stream.content))["trackingNumber"] for _ in range(2)] == [second, second]
    async with ecms.session.get(f"{ecms.control}/changes", headers={"Last-Event-ID": "2"}) as stream:
        assert (await _next(stream.content))["seq"] == 3
    assert (await ecms.driven("GET", "/changes?after=x"))[0] == 400


async def test_parcels_are_found_by_filter_and_page_by_page(ecms: Ecms) -> None:
    async def numbers(query: str) -> list[str]:
        status, found = await ecms.driven("GET", f"/parcels?{query}")
        assert status == 200
        assert found["total"] == len(found["parcels"]), query
        return [parcel["merchantReference"] for parcel in found["parcels"]]

    stores = {"ORDER-1": "0166", "ORDER-2": "0400", "ORDER-3": "0300"}
    made = {
        reference: await ecms.shipment(merchantReference=reference, deliveryLocationId=store)
        for reference, store in stores.items()
    }
    made["ORDER-4"] = await ecms.shipment(merchantReference="ORDER-4", merchantCode="002", merchant="Merchant B")
    bulk = {"trackingNumbers": [made["ORDER-1"], made["ORDER-4"], "9" * 18], "status": "DELIVERED TO WAREHOUSE"}
    _, answer = await ecms.driven("POST", "/scan", bulk)
    assert [scan["refused"] is None for scan in answer["scans"]] == [True, False, False]
    await ecms.post("shop-a", "/ecms/api/v1/cancelShipments", {"trackingNumber": made["ORDER-3"]})
    assert await numbers("") == ["ORDER-4", "ORDER-3", "ORDER-2", "ORDER-1"]
    assert await numbers("status=DELIVERED TO WAREHOUSE") == ["ORDER-1"]
    assert await numbers("zone=Mindanao") == ["ORDER-2"]
    assert await numbers("storeId=0166&ended=false") == ["ORDER-4", "ORDER-1"]
    assert await numbers("ended=true") == ["ORDER-3"]
    assert await numbers("flow=DC_PICKUP") == await numbers("merchantCode=002") == ["ORDER-4"]
    assert await numbers("search=order-2") == await numbers(f"search={made['ORDER-2'][3:]}") == ["ORDER-2"]
    assert await numbers("kind=RETURN") == await numbers("flagged=true") == await numbers("search=%25") == []
    assert await numbers("untold=true&kind=SHIPMENT") == ["ORDER-3", "ORDER-1"]
    assert (await ecms.driven("GET", "/parcels?flagged=perhaps"))[0] == 400

    seen: list[str] = []
    page: dict[str, Any] = {"next": 99999}
    while page["next"] is not None:
        _, page = await ecms.driven("GET", f"/parcels?limit=3&before={page['next']}")
        assert page["total"] == 4
        seen += [parcel["merchantReference"] for parcel in page["parcels"]]
    assert seen == ["ORDER-4", "ORDER-3", "ORDER-2", "ORDER-1"]


async def test_the_clock_takes_the_jobs_with_it(ecms: Ecms) -> None:
    await ecms.driven("PUT", "/clock", {"now": "2026-11-23T09:00:00+08:00"})
    number = await ecms.shipment()
    await ecms.driven("POST", "/scan", {"trackingNumber": number, "status": "DELIVERED TO WAREHOUSE"})
    _, clock = await ecms.driven("PUT", "/clock", {"now": "2026-11-23T11:59:00+08:00"})
    assert clock["nextJob"] == {"job": "delivery", "at": "2026-11-23T12:00:00+08:00"}
    _, parcel = await ecms.driven("GET", f"/parcels/{number}")
    assert (parcel["status"], parcel["readyAt"]) == ("DELIVERED TO WAREHOUSE", "2026-11-24T08:00:00+08:00")
    await ecms.driven("PUT", "/clock", {"now": "2026-11-24T07:00:00+08:00"})
    last = (await ecms.history(number))[-1]
    assert (last["status"], last["timestamp"], last["source"]) == ("FOR DELIVERY", "2026-11-23 12:00:00", "ecms")
    for status in ("IN-TRANSIT", "ON VEHICLE TO STORE", "ARRIVED AT STORE", "DELIVERED TO STORE"):
        assert (await ecms.driven("POST", "/scan", {"trackingNumber": number, "status": status}))[0] == 200
    _, parcel = await ecms.driven("GET", f"/parcels/{number}")
    assert parcel["pullOutAt"].startswith("2026-12-01T07:00")
    await ecms.driven("PUT", "/clock", {"advanceSeconds": 30 * 86_400})
    assert [(event["status"], event["timestamp"]) for event in (await ecms.history(number))[-1:]] == [
        ("FOR PULL OUT", "2026-12-02 05:00:00")
    ]


async def test_a_fast_clock_runs_the_jobs_by_itself(ecms: Ecms) -> None:
    await ecms.driven("PUT", "/clock", {"now": "2026-11-23T11:00:00+08:00"})
    number = await ecms.shipment()
    await ecms.driven("POST", "/scan", {"trackingNumber": number, "status": "DELIVERED TO WAREHOUSE"})
    async with ecms.session.get(f"{ecms.control}/changes?after=2") as stream:
        _, clock = await ecms.driven("PUT", "/clock", {"speed": 36_000})
        assert clock["speed"] == 36_000
        assert (await _next(stream.content))["trackingNumber"] == number
    last = (await ecms.history(number))[-1]
    assert (last["status"], last["timestamp"]) == ("FOR DELIVERY", "2026-11-23 12:00:00")
    assert (await ecms.driven("PUT", "/clock", {"speed": 0}))[0] == 400


async def test_what_the_clock_was_set_to_outlives_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path / "ecms.sqlite") as served:
        await served.driven("PUT", "/clock", {"now": "2030-01-01T00:00:00+08:00", "speed": 60})
    async with serving(tmp_path / "ecms.sqlite") as served:
        _, clock = await served.driven("GET", "/clock")
        assert clock["now"] > "2029-12-31T16:00"
        assert clock["now"] < "2030-02"
        assert clock["speed"] == 60


async def test_a_store_that_is_closed_takes_no_parcels(ecms: Ecms) -> None:
    async with ecms.session.get(f"{ecms.url}/stores.csv") as answer:
        lines = (await answer.text()).splitlines()
    closed = next(line.split(",")[0] for line in lines if line.endswith("CLOSED FOR RENOVATION"))
    body = {"merchantReference": "ORDER-9", "deliveryLocationId": closed}
    status, answer = await ecms.post("shop-a", "/ecms/api/v1/shipments", {**SHIPMENT, **body})
    assert status == 400
    assert answer["message"] == f"deliveryLocationId: store {closed} is closed for renovation"
