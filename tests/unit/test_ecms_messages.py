"""What the ECMS simulator's endpoints take and refuse, field by field. Needs nothing; well under a second."""

import json
from typing import Any

import pytest
from connect_simulators.ecms.messages import (
    ClockRequest,
    FaultsRequest,
    Refusal,
    ReturnIdsRequest,
    ShipmentRequest,
    StatusEvent,
    parse,
)
from connect_simulators.stories import SAMPLE_SHIPMENT

EVENT: dict[str, Any] = {
    "eventId": "6d0f6a5e-5c55-4f0b-9d0d-3f3f1f6f7c11",
    "trackingNumber": "30310533261428120",
    "merchantReference": "AXDY43322222524544",
    "status": "CLAIMED",
    "location": "0166",
    "timestamp": "2015-08-05 09:30:00",
    "payment": {
        "amount": "200.00",
        "receiptNumber": "0166-001-00000001",
        "store": "0166",
        "pos": "1",
        "shift": "1",
        "bdate": "2015-08-05",
    },
}
GONE = object()


def _body(sample: dict[str, Any], changes: dict[str, Any]) -> bytes:
    body = {**sample, **changes}
    return json.dumps({name: value for name, value in body.items() if value is not GONE}).encode()


@pytest.mark.parametrize(
    ("changes", "amount"),
    [
        ({}, 20000),
        ({"amount": "200"}, 20000),
        ({"amount": "0.01"}, 1),
        ({"amount": "4000.00"}, 400000),
        ({"amount": "4000"}, 400000),
        ({"amount": "0", "paymentType": "PREPAID"}, 0),
        ({"amount": "0.00", "paymentType": "PREPAID"}, 0),
        ({"amount": "0", "paymentType": GONE}, 0),
        ({"amount": "0", "paymentType": None}, 0),
        ({"amount": "0", "paymentType": ""}, 0),
        ({"somethingElse": {"deep": [1, 2]}}, 20000),
        ({"shipping_weight": GONE, "shippingWeight": "0.5"}, 20000),
        ({"shipping_weight": 0.5, "shipping_length": 12}, 20000),
        ({"shipping_length": "30", "shipping_width": "30", "shipping_height": "30"}, 20000),
        ({"shipping_length": "100", "shipping_width": "27", "shipping_height": "10"}, 20000),
        ({"shipping_weight": "10"}, 20000),
        ({"deliveryDate": GONE, "orderDate": "", "pickupDate": None, "address": GONE}, 20000),
        ({"description": GONE, "packageType": GONE}, 20000),
        ({"deliveryLocationId": "0001"}, 20000),
        ({"deliveryLocationId": "0400"}, 20000),
        ({"address": {"address1": "Rizal St.", "landmark": "church"}}, 20000),
    ],
)
def test_shipments_that_are_taken(changes: dict[str, Any], amount: int) -> None:
    assert parse(ShipmentRequest, _body(SAMPLE_SHIPMENT, changes)).amount == amount


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        *[({"amount": amount}, "amount") for amount in ("4000.01", "4001", "99999999999", "-1", "-0", "+1")],
        *[({"amount": amount}, "amount") for amount in ("1.005", "1.5", "1e2", "1_000", "NaN", "", " 5 ", "5\n")],
        *[({"amount": amount}, "amount") for amount in ("٢٠٠", "２００", 200, 200.0, True, None, [], {}, GONE)],
        ({"amount": "0"}, "amount"),
        ({"paymentType": "PREPAID"}, "amount"),
        ({"paymentType": GONE}, "paymentType"),
        ({"paymentType": "CARD"}, "paymentType"),
        ({"paymentType": "cod"}, "paymentType"),
        *[({"deliveryLocationId": store}, "deliveryLocationId") for store in ("0000", "9001", "166", "٠١٦٦", 166)],
        ({"deliveryLocationId": GONE}, "deliveryLocationId"),
        *[({"mobileNumber": mobile}, "mobileNumber") for mobile in ("9123456789", "+639123456789", "0912345678")],
        *[({"mobileNumber": mobile}, "mobileNumber") for mobile in ("09123456789\n", "0912345678９", None, GONE)],
        *[({"shipping_weight": weight}, "shipping_weight") for weight in ("10.01", "0", "-1", "1e1", "NaN", "")],
        *[({"shipping_weight": weight}, "shipping_weight") for weight in (0, -1, True, None, [], GONE, "1,5")],
        ({"shipping_length": "100.1"}, "shipping_length"),
        ({"shipping_height": "0.0"}, "shipping_height"),
        ({"shipping_length": "30.1", "shipping_width": "30", "shipping_height": "30"}, "shipping_length"),
        ({"merchantReference": ""}, "merchantReference"),
        ({"merchantReference": "x" * 41}, "merchantReference"),
        ({"merchantReference": "a\x1b[2J"}, "merchantReference"),
        ({"merchantReference": "a\x00"}, "merchantReference"),
        ({"merchantReference": " a"}, "merchantReference"),
        ({"merchant": "a\u2028b"}, "merchant"),
        ({"merchant": "a\r\nSet-Cookie: x"}, "merchant"),
        ({"merchantCode": "0 1"}, "merchantCode"),
        ({"description": "x" * 201}, "description"),
        ({"deliveryDate": "2015-02-30 17:55:59"}, "deliveryDate"),
        ({"orderDate": "01.08.2015"}, "orderDate"),
        ({"address": "xxx"}, "address"),
        ({"address": {"city": 5}}, "address.city"),
    ],
)
def test_shipments_that_cannot_be(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse(ShipmentRequest, _body(SAMPLE_SHIPMENT, changes))
    assert caught.value.status == 400
    assert field in caught.value.message


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"amount":' + b"[" * 30_000,
        b'{"merchantCode":' + b"9" * 5_000 + b"}",
        b'{"shipping_weight":' + b"9" * 5_000 + b"}",
        b'{"shipping_weight":1e999999}',
        b'{"shipping_weight":NaN}',
        b'{"merchant":"\\ud800"}',
        b'{"\\ud800":1}',
        b'{"merchant":"\\u0000"}',
        b'{"merchantCode":"001"}{"merchantCode":"002"}',
    ],
)
def test_bytes_that_are_no_shipment(raw: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        parse(ShipmentRequest, raw)
    assert caught.value.status == 400
    json.dumps(caught.value.message).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"trackingNumber": "303105332614281200"},
        {"payment": GONE},
        {"status": "DELIVERED TO STORE", "reason": "CLAIM REVERSED", "payment": GONE},
        {"status": "FOR RETURN", "returnCode": "9917-6789-0023", "payment": GONE},
        {"status": "FOR RETURN", "returnCode": "991767890023", "location": "", "payment": GONE},
        {"status": "FOR RETURN", "reason": "RETURN REVERSED", "payment": GONE},
        {"status": "DROPPED OFF"},
    ],
)
def test_events_that_are_taken(changes: dict[str, Any]) -> None:
    assert parse(StatusEvent, _body(EVENT, changes)).event_id == EVENT["eventId"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"eventId": GONE}, "eventId"),
        ({"eventId": "x" * 65}, "eventId"),
        ({"eventId": "a b"}, "eventId"),
        ({"trackingNumber": "3031053326142812"}, "trackingNumber"),
        ({"status": "claimed"}, "status"),
        ({"status": "FOR PULL OUT"}, "status"),
        ({"status": "DELIVERED TO STORE"}, "reason"),
        ({"reason": "CLAIM REVERSED"}, "reason"),
        ({"reason": "because"}, "reason"),
        ({"timestamp": "2015-08-05T09:30:00+08:00"}, "timestamp"),
        ({"timestamp": "2015-08-05 25:30:00"}, "timestamp"),
        ({"location": "16"}, "location"),
        ({"returnCode": "12345"}, "returnCode"),
        ({"surprise": 1}, "surprise"),
        ({"payment": {**EVENT["payment"], "amount": "200"}}, "payment.amount"),
        ({"payment": {**EVENT["payment"], "amount": 200}}, "payment.amount"),
        ({"payment": {**EVENT["payment"], "amount": "4000.01"}}, "payment.amount"),
        ({"payment": {"amount": "200.00"}}, "payment.receiptNumber"),
    ],
)
def test_events_that_cannot_be(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse(StatusEvent, _body(EVENT, changes))
    assert caught.value.status == 400
    assert field in caught.value.message


@pytest.mark.parametrize(
    ("model", "body", "field"),
    [
        (ReturnIdsRequest, {"merchantCode": "001", "identifiers": []}, "identifiers"),
        (ReturnIdsRequest, {"merchantCode": "001", "identifiers": ["a"] * 1001}, "identifiers"),
        (ReturnIdsRequest, {"merchantCode": "001", "identifiers": ["a", ""]}, "identifiers.1"),
        (ReturnIdsRequest, {"merchantCode": "001", "identifiers": ["a"], "validDays": 0}, "validDays"),
        (ReturnIdsRequest, {"merchantCode": "001", "identifiers": ["a"], "validDays": "30"}, "validDays"),
        (FaultsRequest, {"mode": "sometimes"}, "mode"),
        (FaultsRequest, {"mode": "down", "probability": 1.1}, "probability"),
        (ClockRequest, {}, "now"),
        (ClockRequest, {"now": "2026-11-22T08:00:00+08:00", "advanceSeconds": 1}, "now"),
        (ClockRequest, {"now": "2026-11-22 08:00:00"}, "offset"),
        (ClockRequest, {"now": "1999-01-01T00:00:00Z"}, "between"),
        (ClockRequest, {"now": "soon"}, "now"),
    ],
)
def test_other_requests_that_cannot_be(model: Any, body: dict[str, Any], field: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse(model, json.dumps(body).encode())
    assert caught.value.status == 400
    assert field in caught.value.message
