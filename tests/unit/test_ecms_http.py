"""The ECMS simulator over real HTTP: tokens, roles, shipments, events, returns. Needs no gateway; about 4 s."""

import base64
from pathlib import Path

import pytest
from ecms_served import PAYMENT, SHIPMENT, Ecms, ecms, serving

__all__ = ["ecms"]


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
    """REL-10."""
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
