"""What the two published documents promise, sentence by sentence: the table in the simulator's README names a test for
each. Here are those that nothing else shows. About 5 s.
"""

import asyncio
import csv
import io
import re
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from aiohttp import web
from connect_simulators.ecms.flows import TABLE, Flow, Trigger
from connect_simulators.ecms.schedule import STAY, ready_for_claiming
from connect_simulators.ecms.stores import Zone
from connect_simulators.stories import SAMPLE_SHIPMENT
from ecms_served import Ecms, gateway, serving, ship
from papers import barcodes_of, bars_of_pdf

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "simulators/ecms/README.md"

# The published tables: status and trigger. The first row is where each begins.
OUT_AND_BACK = """
DELIVERED TO WAREHOUSE|DC scanning
FOR DELIVERY|ECMS job
IN-TRANSIT|DC scanning
DELIVERED TO WAREHOUSE_REGIONAL|Regional scanning
IN-TRANSIT_REGIONAL|Regional scanning
ON VEHICLE TO STORE|Trucker scanning
ARRIVED AT STORE|Trucker scanning
DELIVERED TO STORE|SBS receiving
CLAIMED|POS transaction
FOR PULL OUT|ECMS job
PULLED OUT FROM STORE|SBS Returns
ON VEHICLE TO WAREHOUSE|Trucker scanning
ARRIVED AT WAREHOUSE|Trucker scanning
FOR RETURN TO MERCHANT|DC scanning
RETURNED TO MERCHANT|DC scanning
CANCELLED|Merchant API transaction cancellation
"""
PICKED_UP = """
FOR PICK UP|ECMS job
REJECTED|Trucker scanning
ON VEHICLE TO MERCHANT|Trucker scanning
ARRIVED AT MERCHANT|Trucker scanning
"""
PUBLISHED = [
    *[(Flow.MERCHANT_DELIVERY, *row.split("|")) for row in OUT_AND_BACK.split("\n") if row],
    *[(Flow.DC_PICKUP, *row.split("|")) for row in (OUT_AND_BACK + PICKED_UP).split("\n") if row],
]


@pytest.fixture
async def ecms(tmp_path: Path) -> AsyncIterator[Ecms]:
    async with gateway() as url:
        address = {"url": url, "clientId": "ecms", "clientSecret": "unused"}
        async with serving(tmp_path / "ecms.sqlite", gateway=address) as served:
            yield served


def _cited() -> list[tuple[str, str]]:
    table = README.read_text(encoding="utf-8").partition("## What the published documents promise")[2]
    return re.findall(r"`(test_\w+\.py)::(test_\w+)`", table)


def test_every_test_that_the_readme_cites_exists() -> None:
    cited = _cited()
    assert len(cited) > 50
    written: dict[str, str] = defaultdict(str)
    for path in (ROOT / "tests").rglob("test_*.py"):
        written[path.name] += path.read_text(encoding="utf-8")
    for file, name in cited:
        assert re.search(rf"^\s*(async )?def {name}\(", written[file], re.MULTILINE), f"{file}::{name}"


@pytest.mark.parametrize(("flow", "status", "trigger"), PUBLISHED)
def test_every_published_status_has_its_published_trigger(flow: Flow, status: str, trigger: str) -> None:
    triggers = {step.trigger for step in TABLE if step.flow is flow and step.target.status == status}
    assert Trigger(trigger) in triggers
    # A claim that is undone is the one thing that the published tables leave out.
    assert triggers <= {Trigger(trigger)} | ({Trigger.POS_REVERSAL} if status == "DELIVERED TO STORE" else set())


def test_no_status_is_there_that_is_not_published() -> None:
    for flow in (Flow.MERCHANT_DELIVERY, Flow.DC_PICKUP):
        published = {status for one, status, _ in PUBLISHED if one is flow}
        assert {step.target.status for step in TABLE if step.flow is flow} == published


async def test_tokens_are_asked_for_and_refreshed_by_url_parameters_as_published(ecms: Ecms) -> None:
    asked = {"client_id": "shop-a", "client_secret": "a-secret", "response_type": "token"}
    path = f"{ecms.url}/accounts/oauth2/token?"
    async with ecms.session.post(path + urlencode({**asked, "grant_type": "client_credentials"})) as answer:
        first = await answer.json()
    assert first.keys() == {"refresh_token", "token_type", "access_token", "expires_in"}
    assert (first["token_type"], first["expires_in"]) == ("bearer", 7200)
    refresh = {**asked, "grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    async with ecms.session.post(path + urlencode(refresh)) as answer:
        assert (answer.status, (await answer.json()).keys()) == (200, first.keys())


async def test_the_published_request_is_answered_with_number_label_and_claim_code(ecms: Ecms) -> None:
    status, answer = await ecms.post("shop-a", "/ecms/api/v1/shipments", SAMPLE_SHIPMENT)
    assert status == 200
    assert answer.keys() == {"trackingNumber", "shippingLabel", "claimCode"}
    assert re.fullmatch(r"[0-9]{18}", answer["trackingNumber"])
    assert re.fullmatch(r"[0-9]{4}-[0-9]{4}-[0-9]{4}", answer["claimCode"])
    assert re.fullmatch(re.escape(ecms.url) + r"/labels/[\w-]{32}\.pdf", answer["shippingLabel"])
    async with ecms.session.get(answer["shippingLabel"]) as label:
        read = barcodes_of(bars_of_pdf(await label.read()))
    assert read == [("CODE128", answer["claimCode"].replace("-", "")), ("GS1-128", answer["trackingNumber"])]


async def test_prepaid_is_an_amount_of_0_and_cod_says_so(ecms: Ecms) -> None:
    prepaid = {**SAMPLE_SHIPMENT, "amount": "0", "paymentType": "", "merchantReference": "PREPAID"}
    for body, payment in ((prepaid, ("PREPAID", "0.00")), (SAMPLE_SHIPMENT, ("COD", "200.00"))):
        _, answer = await ecms.post("shop-a", "/ecms/api/v1/shipments", body)
        _, parcel = await ecms.driven("GET", f"/parcels/{answer['trackingNumber']}")
        assert (parcel["paymentType"], parcel["amount"]) == payment


async def test_a_cancellation_is_answered_as_published(ecms: Ecms) -> None:
    number = await ship(ecms, "ORDER-1")
    answer = await ecms.post(
        "shop-a", "/ecms/api/v1/cancelShipments", {"trackingNumber": number, "reason": "inventory status"}
    )
    assert answer == (200, {"errorCode": "200", "message": "Shipment has been cancelled."})
    assert (await ecms.history(number))[-1]["reason"] == "inventory status"


@pytest.mark.parametrize(
    ("zone", "days"), [(Zone.METRO_MANILA, 1), (Zone.LUZON, 3), (Zone.VISAYAS, 5), (Zone.MINDANAO, 10)]
)
def test_ready_for_claiming_by_zone_and_cut_off(zone: Zone, days: int) -> None:
    noon = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)  # 12:00 in the Philippines
    for received, late in ((noon, 0), (noon + timedelta(seconds=1), 1)):
        ready = ready_for_claiming(received, zone).astimezone(UTC)
        assert ready == datetime(2026, 11, 23, 0, 0, tzinfo=UTC) + timedelta(days=days + late)


async def test_after_seven_days_in_the_store_it_is_pulled_out_and_not_before(ecms: Ecms) -> None:
    assert timedelta(days=7) == STAY
    await ecms.driven("PUT", "/clock", {"now": "2027-01-04T13:00:00+08:00"})
    number = await ship(ecms, "ORDER-1")
    await ecms.driven("POST", "/advance", {"trackingNumber": number, "to": "DELIVERED TO STORE"})
    # Pull-out is at 05:00: that of the seventh day is too early, that of the eighth is the one.
    await ecms.driven("PUT", "/clock", {"now": "2027-01-11T12:59:00+08:00"})
    assert (await ecms.history(number))[-1]["status"] == "DELIVERED TO STORE"
    await ecms.driven("PUT", "/clock", {"now": "2027-01-12T05:00:01+08:00"})
    assert (await ecms.history(number))[-1]["status"] == "FOR PULL OUT"


async def test_a_return_is_told_to_its_merchant_and_listed_in_the_apo(ecms: Ecms) -> None:
    heard: asyncio.Queue[dict[str, str]] = asyncio.Queue()

    async def hear(request: web.Request) -> web.Response:
        heard.put_nowait(await request.json())
        return web.Response()

    application = web.Application()
    application.router.add_post("/", hear)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await ecms.driven("PUT", "/clock", {"now": "2027-01-04T13:00:00+08:00"})
    await ecms.driven("PUT", "/webhooks/001", {"url": f"http://127.0.0.1:{runner.addresses[0][1]}/"})
    await ecms.post("shop-a", "/ecms/api/v1/returnIds", {"merchantCode": "001", "identifiers": ["UID-1"]})
    _, began = await ecms.give_back("UID-1")
    number = began["trackingNumber"]
    told = {"merchantReference": "UID-1", "timestamp": "2027-01-04 13:00:00", "location": "0012"}
    for status in ("FOR RETURN", "RETURNED"):
        assert (await ecms.tell(number, status, **told, returnCode="991767890023"))[0] == 200
    await ecms.driven("PUT", "/clock", {"now": "2027-01-05T05:00:01+08:00"})
    async with ecms.session.get(ecms.control + "/documents/apo/2027-01-05.csv") as answer:
        (row,) = csv.DictReader(io.StringIO(await answer.text()))
    assert (row["trackingNumber"], row["storeId"]) == (number, "0012")
    async with asyncio.timeout(30):
        statuses = [(await heard.get())["status"] for _ in range(4)]
    assert statuses == ["CREATED/ CONFIRMED", "FOR RETURN", "RETURNED", "FOR PULL OUT"]
    await runner.cleanup()
