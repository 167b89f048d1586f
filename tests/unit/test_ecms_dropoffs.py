"""The seller's drop-off at the ECMS simulator: booking, fee, five a day, and what the counter tells. About 5 s."""

from pathlib import Path
from typing import Any

import pytest
from connect_simulators.ecms.fees import fee
from connect_simulators.ecms.stores import Zone
from ecms_served import SHIPMENT, Ecms, ecms, serving
from hypothesis import given
from hypothesis import strategies as st

__all__ = ["ecms"]

# The published sample, with a destination in Mindanao.
BOOKING = {
    "merchantCode": "001",
    "mobileNumber": "09123456789",
    "merchantReference": "C2C-1",
    "deliveryDate": "2015-08-02 17:55:59",
    "orderDate": "2015-08-01",
    "shipping_weight": "0.5",
    "shipping_length": "12.3",
    "shipping_width": "12.3",
    "shipping_height": "12.3",
    "description": "item description",
    "amount": "0",
    "shipmentPayor": "SELLER",
    "dropoffLocationId": "0166",
    "packageType": "C2C",
    "deliveryType": "STORE",
    "dest": {"deliveryLocationId": "0400"},
}
DOOR = {"deliveryType": "DOOR", "dest": {"address1": "1 Mabini Street", "city": "Davao City", "province": "Davao"}}
NOON = "2026-11-22T12:00:00+08:00"


async def book(ecms: Ecms, number: int, **changes: Any) -> dict[str, Any]:
    """The record of a booking that waits for its codes."""
    body = {**BOOKING, "merchantReference": f"C2C-{number}", **changes}
    status, answer = await ecms.post("shop-a", "/ecms/api/v1/dropoff", body)
    assert (status, answer["errorCode"]) == (503, "503")
    _, listed = await ecms.driven("GET", "/parcels?limit=1")
    _, parcel = await ecms.driven("GET", f"/parcels/{listed['parcels'][0]['trackingNumber']}")
    assert parcel["merchantReference"] == f"C2C-{number}"
    return parcel


async def ask(ecms: Ecms, parcel: dict[str, Any], store: str = "0166") -> tuple[int, dict[str, Any]]:
    body = {
        "trackingNumber": parcel["trackingNumber"],
        "bookingReference": parcel["bookingReference"],
        "returnCode": "182212342345",
        "storeId": store,
    }
    return await ecms.post("connect-gateway", "/ecms/api/v1/dropoff/quote", body)


def paid(amount: str, **fields: str) -> dict[str, Any]:
    place = {"receiptNumber": "0166-001-00000001", "store": "0166", "pos": "1", "shift": "1", "bdate": "2026-11-22"}
    return {"payment": {"amount": amount, **place}, "timestamp": "2026-11-22 12:30:00", **fields}


async def test_a_booking_says_what_it_costs_and_is_the_same_when_asked_for_again(ecms: Ecms) -> None:
    first = await book(ecms, 1)
    assert (first["flow"], first["storeId"], first["originStoreId"]) == ("DROP_OFF_STORE", "0400", "0166")
    assert (first["shippingFee"], first["amountDue"], first["kind"]) == ("75.00", "75.00", "DROP_OFF")
    assert len(first["trackingNumber"]) == 18
    assert len(first["bookingReference"]) == 5
    assert (await book(ecms, 1))["trackingNumber"] == first["trackingNumber"]
    by_merchant = await book(ecms, 2, shipmentPayor="MERCHANT", **DOOR)
    assert (by_merchant["shippingFee"], by_merchant["amountDue"]) == ("115.00", "0.00")
    assert (by_merchant["flow"], by_merchant["storeId"], by_merchant["zone"]) == ("DROP_OFF_DOOR", None, "Mindanao")
    status, answer = await ecms.post("shop-a", "/ecms/api/v1/shipments", {**SHIPMENT, "merchantReference": "C2C-1"})
    assert (status, answer["errorCode"]) == (409, "409")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"shipmentPayor": "BUYER"}, "shipmentPayor"),
        ({"deliveryType": "BOAT"}, "deliveryType"),
        ({"dropoffLocationId": "9001"}, "dropoffLocationId"),
        ({"dropoffLocationId": "8999"}, "dropoffLocationId"),
        ({"dest": {}}, "dest.deliveryLocationId"),
        ({"dest": {"deliveryLocationId": "9003"}}, "dest.deliveryLocationId"),
        ({"deliveryType": "DOOR"}, "dest.city"),
        ({**DOOR, "dest": {"address1": "x", "city": "Atlantis"}}, "dest.city"),
        ({**DOOR, "amount": "200.00", "paymentType": "COD"}, "amount"),
        ({"amount": "4000.01", "paymentType": "COD"}, "amount"),
        ({"shipping_weight": "10.1"}, "shipping_weight"),
        ({"shipping_length": "30.1", "shipping_width": "30", "shipping_height": "30"}, "shipping_length"),
        ({"mobileNumber": "0"}, "mobileNumber"),
        ({"dest": "0400"}, "dest"),
    ],
)
async def test_bookings_that_cannot_be(ecms: Ecms, changes: dict[str, Any], field: str) -> None:
    status, answer = await ecms.post("shop-a", "/ecms/api/v1/dropoff", {**BOOKING, **changes})
    assert (status, answer["errorCode"]) == (400, "400")
    assert field in answer["message"]


async def test_the_fee_is_worked_out_again_for_the_store_where_the_drop_off_happens(ecms: Ecms) -> None:
    parcel = await book(ecms, 1)
    assert await ask(ecms, parcel) == (200, {"errorCode": "200", "amountDue": "75.00", "shippingFee": "75.00"})
    assert (await ask(ecms, parcel, "0400"))[1]["amountDue"] == "30.00"
    merchants = await book(ecms, 2, shipmentPayor="MERCHANT")
    assert (await ask(ecms, merchants))[1] == {"errorCode": "200", "amountDue": "0.00", "shippingFee": "75.00"}
    assert (await ask(ecms, {**parcel, "bookingReference": "WRONG"}))[0] == 404
    assert (await ask(ecms, parcel, "9001"))[0] == 404
    status, _ = await ecms.post("shop-a", "/ecms/api/v1/dropoff/quote", {})
    assert status == 403


async def test_five_a_day_for_each_seller(tmp_path: Path) -> None:
    async with serving(tmp_path / "ecms.sqlite", gateway=_nowhere(), sandbox=False) as ecms:
        await ecms.driven("PUT", "/clock", {"now": NOON})
        parcels = [await book(ecms, number) for number in range(5)]
        status, answer = await ecms.post("shop-a", "/ecms/api/v1/dropoff", {**BOOKING, "merchantReference": "C2C-9"})
        assert (status, answer["code"]) == (409, "daily-limit")
        other = await book(ecms, 9, mobileNumber="09987654321")
        for parcel in parcels:
            assert (await ask(ecms, parcel))[0] == 200
            number = parcel["trackingNumber"]
            assert (
                await ecms.tell(number, "DROPPED OFF", merchantReference=parcel["bookingReference"], **paid("75.00"))
            )[0] == 200
        await ecms.driven("PUT", "/clock", {"now": "2026-11-22T23:00:00+08:00"})
        assert (await ask(ecms, other))[0] == 200
        await ecms.driven("PUT", "/clock", {"now": "2026-11-23T01:00:00+08:00"})
        sixth = await book(ecms, 6)
        assert (await ask(ecms, sixth))[0] == 200, "another day"
        # Back on the day of the five, one more is one too many, until one of them is undone.
        await ecms.driven("PUT", "/clock", {"now": NOON})
        status, answer = await ask(ecms, sixth)
        assert (status, answer["code"]) == (409, "daily-limit")
        undone = await ecms.tell(
            parcels[0]["trackingNumber"], "FOR DROP OFF", reason="DROP-OFF REVERSED", timestamp="2026-11-22 12:40:00"
        )
        assert undone[0] == 200
        assert (await ask(ecms, sixth))[0] == 200


def _nowhere() -> dict[str, str]:
    return {"url": "http://127.0.0.1:9", "clientId": "ecms", "clientSecret": "unused"}


async def test_what_the_kiosk_and_the_counter_tell(ecms: Ecms) -> None:
    parcel = await book(ecms, 1)
    number, reference = parcel["trackingNumber"], {"merchantReference": parcel["bookingReference"]}
    assert (await ecms.tell(number, "FOR DROP OFF", **reference))[0] == 200
    assert (await ecms.tell(number, "DROPPED OFF", **reference, **paid("65.00")))[0] == 422
    assert (await ecms.tell(number, "DROPPED OFF", **reference, **paid("75.00", location="0170")))[0] == 200
    _, after = await ecms.driven("GET", f"/parcels/{number}")
    assert (after["status"], after["originStoreId"], after["flagged"]) == ("DROPPED OFF", "0170", False)
    # The truck of that store takes it along.
    await ecms.driven("POST", "/jobs", {"job": "pull-out"})
    scan = {"trackingNumber": number, "status": "ON VEHICLE TO WAREHOUSE", "trigger": "Trucker scanning"}
    assert (await ecms.driven("POST", "/scan", scan))[0] == 200
    assert (await ecms.history(number))[-1]["location"] == "0170"
    status, answer = await ecms.driven("POST", "/scan", scan)
    assert (status, answer["errorCode"]) == (409, "409")
    assert "possible: ARRIVED AT WAREHOUSE by Trucker scanning" in answer["message"]


async def test_money_alone_moves_nothing(ecms: Ecms) -> None:
    number = await ecms.shipment()
    assert (await ecms.tell(number, "PAID", **paid("150.00")))[0] == 200
    assert (await ecms.tell(number, "UNPAID", reason="PAYMENT REVERSED", **paid("150.00")))[0] == 200
    assert (await ecms.tell(number, "UNPAID", **paid("150.00")))[0] == 400
    _, parcel = await ecms.driven("GET", f"/parcels/{number}")
    assert parcel["status"] == "CREATED/ CONFIRMED"
    assert [event["status"] for event in parcel["events"]] == ["CREATED/ CONFIRMED", "PAID", "UNPAID"]


@given(st.sampled_from(Zone), st.sampled_from(Zone), st.sampled_from(["STORE", "DOOR"]))
def test_the_fee_goes_by_distance_and_is_the_same_both_ways(origin: Zone, destination: Zone, delivery: str) -> None:
    centavos = fee(origin, destination, delivery)
    assert centavos == fee(destination, origin, delivery)
    assert 3_000 <= fee(origin, origin, delivery) <= centavos <= 400_000
    assert (fee(origin, destination, "DOOR") > fee(origin, destination, "STORE")) is True
