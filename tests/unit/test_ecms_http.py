"""The ECMS simulator over real HTTP, with no gateway there: tokens, roles, returns, events, faults. About 5 s."""

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from connect_simulators.ecms.config import Config
from connect_simulators.ecms.server import running

SHIPMENT = {
    "merchantCode": "001",
    "merchant": "Merchant A",
    "mobileNumber": "09123456789",
    "merchantReference": "AXDY43322222524544",
    "deliveryLocationId": "0166",
    "shipping_weight": "0.5",
    "shipping_length": "12.3",
    "shipping_width": "12.3",
    "shipping_height": "12.3",
    "amount": "200.00",
    "paymentType": "COD",
}
PAYMENT = {
    "amount": "200.00",
    "receiptNumber": "0166-001-00000001",
    "store": "0166",
    "pos": "1",
    "shift": "1",
    "bdate": "2026-11-22",
}
SECRETS = {"shop-a": "a-secret", "shop-b": "b-secret", "connect-gateway": "g-secret"}


def config(data_file: Path, **changes: Any) -> Config:
    """Settings on free ports; where the gateway should be, nobody listens."""
    settings = {
        "port": 0,
        "controlPort": 0,
        "dataFile": str(data_file),
        "gateway": {"url": "http://127.0.0.1:9", "clientId": "ecms", "clientSecret": "unused"},
        "clients": [
            {
                "clientId": "shop-a",
                "clientSecret": "a-secret",
                "role": "merchant",
                "merchantCode": "001",
                "merchant": "Merchant A",
            },
            {
                "clientId": "shop-b",
                "clientSecret": "b-secret",
                "role": "merchant",
                "merchantCode": "002",
                "merchant": "Merchant B",
                "flow": "DC_PICKUP",
            },
            {"clientId": "connect-gateway", "clientSecret": "g-secret", "role": "gateway"},
        ],
    }
    return Config.model_validate_json(json.dumps({**settings, **changes}))


@dataclass
class Ecms:
    """A running simulator and one session to talk to it."""

    url: str
    control: str
    session: aiohttp.ClientSession

    async def token_request(self, form: dict[str, str], **options: Any) -> tuple[int, dict[str, Any]]:
        async with self.session.post(f"{self.url}/accounts/oauth2/token", data=form, **options) as answer:
            return answer.status, await answer.json()

    async def tokens(self, client_id: str) -> dict[str, Any]:
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": SECRETS[client_id],
        }
        status, body = await self.token_request(form)
        assert status == 200
        return body

    async def post(self, client_id: str, path: str, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
        token = (await self.tokens(client_id))["access_token"]
        headers = {"Authorization": f"Bearer {token}", **headers}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.session.post(self.url + path, data=raw, headers=headers) as answer:
            return answer.status, await answer.json()

    async def driven(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        async with self.session.request(method, self.control + path, json=body) as answer:
            return answer.status, await answer.json()

    async def shipment(self, **changes: str) -> str:
        """The tracking number of a shipment that is written down and waits for its claim code."""
        client = "shop-b" if changes.get("merchantCode") == "002" else "shop-a"
        status, answer = await self.post(client, "/ecms/api/v1/shipments", {**SHIPMENT, **changes})
        assert (status, answer["errorCode"]) == (503, "503")
        _, listed = await self.driven("GET", "/parcels?limit=1")
        number = listed["parcels"][0]["trackingNumber"]
        assert len(number) == 18
        return str(number)

    async def tell(self, tracking_number: str, status: str, **fields: Any) -> tuple[int, dict[str, Any]]:
        body = {
            "eventId": str(uuid.uuid4()),
            "trackingNumber": tracking_number,
            "merchantReference": "AXDY43322222524544",
            "status": status,
            "location": "0166",
            "timestamp": "2026-11-22 17:00:00",
            **fields,
        }
        return await self.post("connect-gateway", "/ecms/api/v1/status", body)

    async def give_back(self, identifier: str, **fields: str) -> tuple[int, dict[str, Any]]:
        body = {"merchantReference": identifier, "type": "RETURN", **fields}
        return await self.post("connect-gateway", "/ecms/api/v1/returns", body)

    async def history(self, tracking_number: str) -> list[dict[str, Any]]:
        _, parcel = await self.driven("GET", f"/parcels/{tracking_number}")
        events: list[dict[str, Any]] = parcel["events"]
        return events


@asynccontextmanager
async def serving(data_file: Path, **changes: Any) -> AsyncIterator[Ecms]:
    async with running(config(data_file, **changes)) as addresses, aiohttp.ClientSession() as session:
        yield Ecms(addresses["ecms"], addresses["ecmsControl"], session)


@pytest.fixture
async def ecms(tmp_path: Path) -> AsyncIterator[Ecms]:
    async with serving(tmp_path / "ecms.sqlite") as served:
        yield served


async def test_tokens_from_query_form_and_basic(ecms: Ecms) -> None:
    query = {
        "grant_type": "client_credentials",
        "client_id": "shop-a",
        "client_secret": "a-secret",
        "response_type": "token",
    }
    async with ecms.session.post(f"{ecms.url}/accounts/oauth2/token", params=query) as answer:
        body = await answer.json()
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
    assert body["token_type"] == "bearer"
    assert body["expires_in"] == 7200
    assert len(body["access_token"]) == len(body["refresh_token"]) == 43
    basic = {"Authorization": "Basic " + base64.b64encode(b"shop-a:a-secret").decode()}
    status, _ = await ecms.token_request({"grant_type": "client_credentials"}, headers=basic)
    assert status == 200


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": "client_credentials"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "x", "client_secret": "y"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "shop-a", "client_secret": "y"}, 401, "invalid_client"),
        ({"grant_type": "password", "client_id": "shop-a", "client_secret": "a-secret"}, 400, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "client_id": "shop-a", "client_secret": "a-secret"}, 400, "invalid_request"),
        (
            {"grant_type": "refresh_token", "client_id": "shop-a", "client_secret": "a-secret", "refresh_token": "x"},
            400,
            "invalid_grant",
        ),
    ],
)
async def test_token_errors(ecms: Ecms, form: dict[str, str], status: int, error: str) -> None:
    got, body = await ecms.token_request(form)
    assert (got, body["error"]) == (status, error)


async def test_a_refresh_token_works_once_and_its_reuse_ends_the_family(ecms: Ecms) -> None:
    first = await ecms.tokens("shop-a")
    refresh = {
        "grant_type": "refresh_token",
        "client_id": "shop-a",
        "client_secret": "a-secret",
        "refresh_token": first["refresh_token"],
    }
    status, second = await ecms.token_request(refresh)
    assert status == 200
    assert second["refresh_token"] != first["refresh_token"]
    assert (await ecms.token_request(refresh))[0] == 400
    assert (await ecms.token_request({**refresh, "refresh_token": second["refresh_token"]}))[0] == 400
    headers = {"Authorization": f"Bearer {second['access_token']}"}
    async with ecms.session.post(f"{ecms.url}/ecms/api/v1/shipments", headers=headers) as answer:
        assert answer.status == 401


async def test_tokens_expire_by_the_simulated_clock_and_outlive_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path / "ecms.sqlite") as ecms:
        headers = {"Authorization": f"Bearer {(await ecms.tokens('shop-a'))['access_token']}"}
    async with serving(tmp_path / "ecms.sqlite") as ecms:
        path = f"{ecms.url}/ecms/api/v1/cancelShipments"
        async with ecms.session.post(path, data=b"{}", headers=headers) as answer:
            assert answer.status == 400
        assert (await ecms.driven("PUT", "/clock", {"advanceSeconds": 7201}))[0] == 200
        async with ecms.session.post(path, data=b"{}", headers=headers) as answer:
            assert answer.status == 401


@pytest.mark.parametrize(
    ("client_id", "path", "status"),
    [
        ("connect-gateway", "/ecms/api/v1/shipments", 403),
        ("connect-gateway", "/ecms/api/v1/cancelShipments", 403),
        ("connect-gateway", "/ecms/api/v1/returnIds", 403),
        ("shop-a", "/ecms/api/v1/returns", 403),
        ("shop-a", "/ecms/api/v1/status", 403),
        ("shop-a", "/ecms/api/v1/nothing", 404),
        ("shop-a", "/stores.csv", 405),
        ("shop-b", "/ecms/api/v1/shipments", 403),
    ],
)
async def test_who_may_do_what(ecms: Ecms, client_id: str, path: str, status: int) -> None:
    got, body = await ecms.post(client_id, path, SHIPMENT)
    assert (got, body["errorCode"]) == (status, str(status))


async def test_an_unauthenticated_or_oversized_request_is_refused_in_ecms_style(ecms: Ecms) -> None:
    async with ecms.session.post(f"{ecms.url}/ecms/api/v1/shipments", json=SHIPMENT) as answer:
        assert answer.status == 401
        assert (await answer.json())["errorCode"] == "401"
    status, body = await ecms.post("shop-a", "/ecms/api/v1/shipments", b" " * (64 * 1024 + 1))
    assert (status, body["errorCode"]) == (413, "413")
    status, _ = await ecms.post("shop-a", "/ecms/api/v1/shipments", b"x", **{"Content-Encoding": "gzip"})
    assert status in (400, 415)


async def test_a_shipment_without_the_gateway_is_written_down_once(ecms: Ecms) -> None:
    first = await ecms.shipment()
    assert await ecms.shipment(amount="150.00") == first
    _, parcel = await ecms.driven("GET", f"/parcels/{first}")
    assert (parcel["amount"], parcel["claimCode"], parcel["status"]) == ("200.00", None, "CREATED/ CONFIRMED")
    assert await ecms.shipment(merchantReference="another") != first


async def test_a_merchant_cannot_cancel_anothers_shipment(ecms: Ecms) -> None:
    number = await ecms.shipment()
    body = {"trackingNumber": number, "reason": "inventory status"}
    assert (await ecms.post("shop-b", "/ecms/api/v1/cancelShipments", body))[0] == 404
    status, answer = await ecms.post("shop-a", "/ecms/api/v1/cancelShipments", body)
    assert (status, answer) == (200, {"errorCode": "200", "message": "Shipment has been cancelled."})
    assert (await ecms.post("shop-a", "/ecms/api/v1/cancelShipments", body))[0] == 200
    _, parcel = await ecms.driven("GET", f"/parcels/{number}")
    assert (parcel["status"], parcel["told"]) == ("CANCELLED", False)
    assert [event["status"] for event in parcel["events"]] == ["CREATED/ CONFIRMED", "CANCELLED"]


async def test_a_claim_is_applied_once_and_wins_over_a_cancellation(ecms: Ecms) -> None:
    number = await ecms.shipment()
    await ecms.post("shop-a", "/ecms/api/v1/cancelShipments", {"trackingNumber": number})
    event = {"eventId": "event-1", "payment": PAYMENT}
    for _ in range(3):
        status, answer = await ecms.tell(number, "CLAIMED", **event)
        assert (status, answer["errorCode"]) == (200, "200")
    claims = [one for one in await ecms.history(number) if one["status"] == "CLAIMED"]
    assert [one["applied"] for one in claims] == [True, False, False]
    assert claims[0]["flagged"] == "CLAIMED after CANCELLED"
    assert claims[0]["payment"] == PAYMENT
    assert claims[0]["source"] == "counter"
    assert (await ecms.tell(number, "CLAIMED", **event, timestamp="2026-11-22 17:00:01"))[0] == 409
    assert (await ecms.tell(number, "CLAIMED", payment=PAYMENT))[0] == 409
    assert (await ecms.tell(number, "DELIVERED TO STORE", reason="CLAIM REVERSED"))[0] == 200
    assert (await ecms.tell(number, "CLAIMED", payment=PAYMENT))[0] == 200


@pytest.mark.parametrize(
    ("amount", "payment", "status"),
    [
        ("200.00", PAYMENT, 200),
        ("200.00", None, 422),
        ("200.00", {**PAYMENT, "amount": "199.99"}, 422),
        ("0", None, 200),
        ("0", {**PAYMENT, "amount": "0.00"}, 200),
        ("0", PAYMENT, 422),
    ],
)
async def test_a_claim_carries_the_exact_amount(
    ecms: Ecms, amount: str, payment: dict[str, str] | None, status: int
) -> None:
    number = await ecms.shipment(amount=amount, paymentType="COD" if amount != "0" else "PREPAID")
    assert (await ecms.tell(number, "CLAIMED", payment=payment))[0] == status
    last = (await ecms.history(number))[-1]
    assert last["applied"] is (status == 200)
    assert ("refused" in last) is (status != 200)


async def test_events_that_do_not_fit_are_refused(ecms: Ecms) -> None:
    number = await ecms.shipment()
    assert (await ecms.tell("999999999999999999", "CLAIMED"))[0] == 404
    assert (await ecms.tell(number, "RETURNED"))[0] == 409
    assert (await ecms.tell(number, "DROPPED OFF"))[0] == 409
    assert (await ecms.tell(number, "DELIVERED TO STORE", reason="CLAIM REVERSED"))[0] == 409
    body = {"eventId": "a", "trackingNumber": number}
    status, _ = await ecms.post("connect-gateway", "/ecms/api/v1/status", body, **{"Idempotency-Key": "a"})
    assert status == 400


async def test_a_submitted_identifier_is_returned_once(ecms: Ecms) -> None:
    submitted = {"merchantCode": "001", "identifiers": ["UID-1", "UID-2"], "validDays": 3}
    assert (await ecms.post("shop-a", "/ecms/api/v1/returnIds", submitted))[0] == 200
    status, first = await ecms.give_back("UID-1", identifierType="UID")
    assert status == 200
    assert set(first) == {"trackingNumber", "merchantCode", "merchant", "merchantReference", "expiresAt"}
    assert (await ecms.give_back("UID-1", merchantCode="001"))[1] == first
    assert (await ecms.give_back("UID-1", merchantCode="002"))[0] == 404
    assert (await ecms.give_back("unheard of"))[0] == 404
    number = first["trackingNumber"]
    told = {"merchantReference": "UID-1"}
    assert (await ecms.tell(number, "FOR RETURN", **told))[0] == 422
    assert (await ecms.tell(number, "FOR RETURN", returnCode="991767890023", **told))[0] == 200
    assert (await ecms.give_back("UID-1"))[1] == first
    assert (await ecms.tell(number, "RETURNED", **told))[0] == 200
    assert (await ecms.give_back("UID-1"))[0] == 409
    assert (await ecms.tell(number, "FOR RETURN", reason="RETURN REVERSED", **told))[0] == 200
    assert (await ecms.give_back("UID-1"))[1] == first
    sources = [(event["status"], event["source"]) for event in await ecms.history(number) if event["applied"]]
    assert sources[1:] == [("FOR RETURN", "kiosk"), ("RETURNED", "counter"), ("FOR RETURN", "counter")]


async def test_returns_and_identifiers_expire(ecms: Ecms) -> None:
    submitted = {"merchantCode": "001", "identifiers": ["UID-1"], "validDays": 10}
    await ecms.post("shop-a", "/ecms/api/v1/returnIds", submitted)
    _, first = await ecms.give_back("UID-1")
    await ecms.driven("PUT", "/clock", {"advanceSeconds": 7 * 86400 + 1})
    _, second = await ecms.give_back("UID-1")
    assert second["trackingNumber"] != first["trackingNumber"]
    assert second["expiresAt"] > first["expiresAt"]
    await ecms.driven("PUT", "/clock", {"advanceSeconds": 3 * 86400})
    assert (await ecms.give_back("UID-1"))[0] == 410


async def test_a_claimed_shipment_is_returned_by_either_of_its_names(ecms: Ecms) -> None:
    number = await ecms.shipment()
    reference = SHIPMENT["merchantReference"]
    assert (await ecms.give_back(number, identifierType="WAYBILL"))[0] == 404
    await ecms.tell(number, "CLAIMED", payment=PAYMENT)
    status, by_waybill = await ecms.give_back(number, identifierType="WAYBILL")
    assert status == 200
    assert (await ecms.give_back(reference, identifierType="ORDER_NUMBER"))[1] == by_waybill
    assert (await ecms.give_back(reference, identifierType="UID"))[0] == 404
    assert by_waybill["merchantReference"] == reference
    assert by_waybill["trackingNumber"] != number


async def test_an_identifier_of_two_merchants_needs_the_merchants_code(ecms: Ecms) -> None:
    for client, code in (("shop-a", "001"), ("shop-b", "002")):
        await ecms.post(client, "/ecms/api/v1/returnIds", {"merchantCode": code, "identifiers": ["SAME"]})
    assert (await ecms.give_back("SAME"))[0] == 404
    assert (await ecms.give_back("SAME", merchantCode="002"))[1]["merchant"] == "Merchant B"


async def test_the_later_edition_of_ecms_brings_return_codes(ecms: Ecms) -> None:
    await ecms.post("shop-a", "/ecms/api/v1/returnIds", {"merchantCode": "001", "identifiers": ["UID-1"]})
    assert (await ecms.driven("PUT", "/settings", {"returnCodes": True}))[1] == {"returnCodes": True}
    _, answer = await ecms.give_back("UID-1")
    assert len(answer["returnCode"].replace("-", "")) == 12
    told = {"merchantReference": "UID-1", "returnCode": "000000000000"}
    assert (await ecms.tell(answer["trackingNumber"], "FOR RETURN", **told))[0] == 422
    told["returnCode"] = answer["returnCode"]
    assert (await ecms.tell(answer["trackingNumber"], "FOR RETURN", **told))[0] == 200


async def _fault(ecms: Ecms, mode: str, **options: Any) -> None:
    status, answer = await ecms.driven("PUT", "/faults", {"mode": mode, **options})
    assert (status, answer["mode"]) == (200, mode)


async def test_faults_that_answer_wrongly(ecms: Ecms) -> None:
    number = await ecms.shipment()
    event = {"eventId": "e", "payment": PAYMENT}
    await _fault(ecms, "error-500")
    assert (await ecms.tell(number, "CLAIMED", **event))[0] == 500
    await _fault(ecms, "garbage")
    with pytest.raises(ValueError, match=r"codec|Expecting|control"):
        await ecms.tell(number, "CLAIMED", **event)
    assert len(await ecms.history(number)) == 1
    await _fault(ecms, "apply-then-fail")
    assert (await ecms.tell(number, "CLAIMED", **event))[0] == 500
    await _fault(ecms, "none")
    assert (await ecms.tell(number, "CLAIMED", **event))[0] == 200
    assert [one["applied"] for one in (await ecms.history(number))[1:]] == [True, False]


async def test_twice_records_a_repeat(ecms: Ecms) -> None:
    number = await ecms.shipment()
    await _fault(ecms, "twice")
    assert (await ecms.tell(number, "CLAIMED", payment=PAYMENT))[0] == 200
    assert [one["applied"] for one in (await ecms.history(number))[1:]] == [True, False]


async def test_down_cuts_the_gateway_off_and_nobody_else(ecms: Ecms) -> None:
    number = await ecms.shipment()
    token = (await ecms.tokens("connect-gateway"))["access_token"]
    await _fault(ecms, "down")
    with pytest.raises(aiohttp.ClientError):
        await ecms.tokens("connect-gateway")
    with pytest.raises(aiohttp.ClientError):
        await ecms.session.post(f"{ecms.url}/ecms/api/v1/status", headers={"Authorization": f"Bearer {token}"})
    assert await ecms.shipment() == number
    await _fault(ecms, "none")
    assert (await ecms.tell(number, "CLAIMED", payment=PAYMENT))[0] == 200


async def test_slow_and_silent(ecms: Ecms) -> None:
    number = await ecms.shipment()
    token = (await ecms.tokens("connect-gateway"))["access_token"]

    async def answered_within(seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                headers = {"Authorization": f"Bearer {token}"}
                await ecms.session.post(f"{ecms.url}/ecms/api/v1/status", data=b"{}", headers=headers)
        except TimeoutError:
            return False
        return True

    await _fault(ecms, "timeout")
    assert not await answered_within(0.3)
    await _fault(ecms, "slow")
    begun = asyncio.get_running_loop().time()
    assert await answered_within(4)
    assert asyncio.get_running_loop().time() - begun >= 2.9
    assert len(await ecms.history(number)) == 1


async def test_the_same_seed_fails_the_same_requests(ecms: Ecms) -> None:
    number = await ecms.shipment()

    async def statuses() -> list[int]:
        await _fault(ecms, "error-500", probability=0.5, seed=7)
        return [(await ecms.tell(number, "RETURNED"))[0] for _ in range(12)]

    first = await statuses()
    assert set(first) == {409, 500}
    assert await statuses() == first


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/advance", {"trackingNumber": "999999999999999999", "to": "DELIVERED TO STORE"}, 404),
        ("POST", "/advance", {"trackingNumber": "12", "to": "DELIVERED TO STORE"}, 400),
        ("POST", "/advance", {"to": "DELIVERED TO STORE"}, 400),
        ("GET", "/parcels/999999999999999999", None, 404),
        ("GET", "/parcels/1", None, 404),
        ("GET", "/parcels?limit=0", None, 400),
        ("PUT", "/faults", {"mode": "sometimes"}, 400),
        ("PUT", "/clock", {"now": "yesterday"}, 400),
        ("PUT", "/clock", {"advanceSeconds": 10**15}, 400),
        ("DELETE", "/faults", None, 405),
    ],
)
async def test_control_refusals(ecms: Ecms, method: str, path: str, body: Any, status: int) -> None:
    got, answer = await ecms.driven(method, path, body)
    assert (got, answer["errorCode"]) == (status, str(status))


async def test_what_the_table_does_not_know_is_no_way(ecms: Ecms) -> None:
    number = await ecms.shipment()
    for status in ("CLAIMED", "CANCELLED", "RETURNED", "NOWHERE", ""):
        body = {"trackingNumber": number, "to": status}
        assert (await ecms.driven("POST", "/advance", body))[0] == 409


async def test_the_clock_is_kept_over_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path / "ecms.sqlite") as ecms:
        status, answer = await ecms.driven("PUT", "/clock", {"now": "2030-01-02T03:04:05+08:00"})
        assert (status, answer["now"][:16]) == (200, "2030-01-01T19:04")
    async with serving(tmp_path / "ecms.sqlite") as ecms:
        assert (await ecms.driven("GET", "/clock"))[1]["now"][:16] == "2030-01-01T19:04"


async def test_one_file_serves_one_simulator(tmp_path: Path) -> None:
    async with serving(tmp_path / "ecms.sqlite"):
        with pytest.raises(Exception, match="in use by another simulator"):
            async with serving(tmp_path / "ecms.sqlite"):
                pass


async def test_the_store_list_and_unknown_labels(ecms: Ecms) -> None:
    async with ecms.session.get(f"{ecms.url}/stores.csv") as answer:
        assert answer.content_type == "text/csv"
        assert len((await answer.text()).splitlines()) == 401
    async with ecms.session.get(f"{ecms.url}/labels/{'x' * 32}.txt") as answer:
        assert answer.status == 404
