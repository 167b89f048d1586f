"""The ECMS simulator over real HTTP: faults, the control port, hostile bytes. Needs no gateway; about 6 s."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from ecms_served import PAYMENT, Ecms, ecms, serving

__all__ = ["ecms"]

HOSTILE = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"\xff\xfe{}",
    b"\x00" * 100,
    b"[" * 60_000,
    b'{"a":' * 10_000,
    b'{"trackingNumber":' + b"9" * 5_000 + b"}",
    b'{"trackingNumber":"\\ud800","merchantReference":"\\ud800"}',
    b'{"trackingNumber":"\\u0000"}',
    b'{"mode":1e999,"probability":NaN}',
    b'{"now":"9999-99-99T99:99:99+99:99"}',
    b'{"advanceSeconds":' + b"9" * 400 + b"}",
    b"grant_type=client_credentials&client_id=%00&client_secret=%ff%fe",
    b"grant_type=%F0%9F&grant_type=a",
    b"=&=&=",
]


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
        assert len((await answer.text()).splitlines()) >= 401
    async with ecms.session.get(f"{ecms.url}/labels/{'x' * 32}.pdf") as answer:
        assert answer.status == 404


async def _statuses(ecms: Ecms, method: str, url: str, headers: dict[str, str]) -> set[int]:
    statuses = set()
    for raw in (*HOSTILE, b" " * (64 * 1024 + 1)):
        async with ecms.session.request(method, url, data=raw, headers=headers) as answer:
            body = await answer.json()
            assert body.get("errorCode", str(answer.status)) == str(answer.status)
            statuses.add(answer.status)
    return statuses


@pytest.mark.parametrize("path", ["shipments", "cancelShipments", "returnIds", "returns", "status"])
async def test_hostile_bytes_are_malformed_and_nothing_else(ecms: Ecms, path: str) -> None:
    client_id = "connect-gateway" if path in ("returns", "status") else "shop-a"
    headers = {"Authorization": f"Bearer {(await ecms.tokens(client_id))['access_token']}"}
    assert await _statuses(ecms, "POST", f"{ecms.url}/ecms/api/v1/{path}", headers) == {400, 413}


async def test_hostile_bytes_at_the_token_endpoint_and_the_control_port(ecms: Ecms) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert await _statuses(ecms, "POST", f"{ecms.url}/accounts/oauth2/token", form) == {400, 401, 413}
    for header in ("Bearer \udcff", "Bearer", "Bearer  ", "Basic Og==", "x" * 4_000):
        headers = {"Authorization": header.encode("utf-8", "replace").decode()}
        async with ecms.session.post(f"{ecms.url}/ecms/api/v1/status", headers=headers) as answer:
            assert answer.status == 401
    for basic in ("Basic", "Basic !", "Basic /w==", "Digest x", "Basic Og=="):
        status, body = await ecms.token_request({"grant_type": "client_credentials"}, headers={"Authorization": basic})
        assert (status, body["error"]) == (401, "invalid_client")
    for method, path in (("POST", "/advance"), ("PUT", "/faults"), ("PUT", "/clock"), ("PUT", "/settings")):
        assert await _statuses(ecms, method, ecms.control + path, {}) == {400, 413}
