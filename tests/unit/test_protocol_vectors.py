"""The vectors of `protocol/vectors/`, against the gateway's own parsers and printers. Milliseconds."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from importlib.resources import files
from typing import Any
from uuid import UUID

import pytest
from pydantic import TypeAdapter, ValidationError

from connect_gateway.domain import codes, money
from connect_gateway.domain.records import Event, Payment
from connect_gateway.domain.states import TransactionType
from connect_gateway.ecms.messages import parse_ecms_time, status_body
from connect_gateway.edges import parsing
from connect_gateway.receipts.acknowledgement import Receipt, receipt_text
from connect_gateway.receipts.slip import ReturnSlip, slip_barcodes, slip_text


def vectors(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(
        (files("connect_protocol") / "vectors" / f"{name}.json").read_text(encoding="utf-8")
    )
    return content


REFERENCES = vectors("references")
AMOUNTS = vectors("amounts")
TRACKING = vectors("tracking-numbers")
FIELDS = {field["field"]: field for field in vectors("fields")["fields"]}


def reads(field: Any) -> Callable[[object], Any]:
    """How the edges read a field; ValueError (pydantic's is one) where they refuse it."""
    adapter: TypeAdapter[Any] = TypeAdapter(field)
    return lambda value: adapter.validate_python(value, strict=True)


READERS = {
    "pos": reads(parsing.PosField),
    "shift": reads(parsing.ShiftField),
    "clerk": reads(parsing.ClerkField),
    "businessDate": lambda text: reads(parsing.DateField)(text).isoformat(),
    "storeId": reads(parsing.StoreField),
    "mobileNumber": reads(parsing.MobileField),
}


@pytest.mark.parametrize("vector", REFERENCES["valid"], ids=lambda vector: repr(vector["text"]))
def test_references_that_are_read(vector: dict[str, str]) -> None:
    assert reads(parsing.ReferenceField)(vector["text"]) == vector["digits"]


@pytest.mark.parametrize("vector", REFERENCES["invalid"], ids=lambda vector: vector["why"])
def test_references_that_are_refused(vector: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="a reference has 12 digits"):
        codes.parse_reference(vector["text"])


def test_references_are_shown_with_hyphens() -> None:
    for vector in REFERENCES["shown"]:
        assert codes.show_reference(vector["digits"]) == vector["text"]


def test_check_digits() -> None:
    check = REFERENCES["checkDigit"]
    for vector in check["digitOf"]:
        assert codes.check_digit(vector["digits"]) == vector["digit"]
    assert all(codes.has_valid_check_digit(reference) for reference in check["right"])
    assert not any(codes.has_valid_check_digit(reference) for reference in check["wrong"])
    for reference in check["takenAlthoughWrong"]:
        assert not codes.has_valid_check_digit(reference)
        assert codes.parse_reference(reference) == reference


@pytest.mark.parametrize("vector", AMOUNTS["valid"], ids=lambda vector: vector["text"])
def test_amounts_that_are_read(vector: dict[str, Any]) -> None:
    assert reads(parsing.AmountField)(vector["text"]) == vector["centavos"]


@pytest.mark.parametrize("vector", AMOUNTS["invalid"], ids=lambda vector: repr(vector["text"]))
def test_amounts_that_are_refused(vector: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        reads(parsing.AmountField)(vector["text"])


@pytest.mark.parametrize("vector", AMOUNTS["invalidValues"], ids=lambda vector: vector["why"])
def test_values_that_are_no_amounts(vector: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        reads(parsing.AmountField)(vector["json"])


def test_amounts_are_written_in_one_way() -> None:
    for vector in AMOUNTS["canonical"]:
        assert money.format_amount(vector["centavos"]) == vector["text"]


def test_tracking_numbers() -> None:
    for text in TRACKING["valid"]:
        assert reads(parsing.TrackingField)(text) == text
    for vector in TRACKING["invalid"]:
        with pytest.raises(ValidationError):
            reads(parsing.TrackingField)(vector["text"])


def test_labels() -> None:
    for text in TRACKING["labels"]["valid"]:
        assert reads(parsing.LabelField)(text) == text
    for vector in TRACKING["labels"]["invalid"]:
        with pytest.raises(ValidationError):
            reads(parsing.LabelField)(vector["text"])


@pytest.mark.parametrize("name", READERS)
def test_fields(name: str) -> None:
    for vector in FIELDS[name]["valid"]:
        assert READERS[name](vector["text"]) == vector["value"]
    for text in FIELDS[name]["invalid"]:
        with pytest.raises(ValidationError):
            READERS[name](text)
    assert set(FIELDS) == set(READERS)


@pytest.mark.parametrize(("form", "field"), [("rfc3339", parsing.MomentField), ("ecms", parsing.EcmsMomentField)])
def test_times(form: str, field: Any) -> None:
    vector = vectors("times")[form]
    for one in vector["valid"]:
        assert reads(field)(one["text"]).astimezone(UTC).isoformat() == one["utc"]
    for one in vector["invalid"]:
        with pytest.raises(ValidationError):
            reads(field)(one["text"])


def centavos(text: str | None) -> int:
    return 0 if text is None else money.parse_amount(text)


def receipt_of(given: dict[str, Any]) -> Receipt:
    tendered, reversed_at = given["amountTendered"], given["reversedAt"]
    return Receipt(
        number=given["number"],
        type=TransactionType(given["type"]),
        store_id=given["storeId"],
        pos=given["pos"],
        shift=given["shift"],
        business_date=date.fromisoformat(given["businessDate"]),
        clerk=given["clerk"],
        reference=given["reference"],
        tracking_number=given["trackingNumber"],
        merchant=given["merchant"],
        merchant_reference=given["merchantReference"],
        amount_due=centavos(given["amountDue"]),
        amount_tendered=None if tendered is None else centavos(tendered),
        change=centavos(given["change"]),
        occurred_at=datetime.fromisoformat(given["occurredAt"]),
        verification_code=given["verificationCode"],
        copy=given["copy"],
        reversed_at=None if reversed_at is None else datetime.fromisoformat(reversed_at),
    )


@pytest.mark.parametrize("vector", vectors("receipts")["receipts"], ids=lambda vector: vector["about"])
def test_receipts_byte_for_byte(vector: dict[str, Any]) -> None:
    assert receipt_text(receipt_of(vector["input"])) == vector["text"]
    assert all(len(line) <= 32 and line.isprintable() for line in vector["text"])


@pytest.mark.parametrize("vector", vectors("slips")["slips"], ids=lambda vector: vector["about"])
def test_slips_byte_for_byte(vector: dict[str, Any]) -> None:
    given = vector["input"]
    slip = ReturnSlip(
        return_code=given["returnCode"],
        tracking_number=given["trackingNumber"],
        merchant=given["merchant"],
        merchant_reference=given["merchantReference"],
        expires_at=None if given["expiresAt"] is None else datetime.fromisoformat(given["expiresAt"]),
    )
    assert slip_text(slip) == vector["text"]
    assert slip_barcodes(slip) == vector["barcodes"]


def event_of(body: dict[str, Any]) -> Event:
    """The ledger's event that ECMS is told with this body."""
    given = body.get("payment")
    payment = given and Payment(
        amount=money.parse_amount(given["amount"]),
        receipt_number=given["receiptNumber"],
        store_id=given["store"],
        pos=int(given["pos"]),
        shift=int(given["shift"]),
        business_date=date.fromisoformat(given["bdate"]),
    )
    return Event(
        event_id=UUID(body["eventId"]),
        tracking_number=body["trackingNumber"],
        merchant_reference=body["merchantReference"],
        status=body["status"],
        location=body["location"],
        occurred_at=parse_ecms_time(body["timestamp"]),
        reason=body.get("reason"),
        return_code=body.get("returnCode", "").replace("-", "") or None,
        payment=payment,
    )


@pytest.mark.parametrize(
    "vector", [one for one in vectors("messages")["toEcms"] if one["valid"]], ids=lambda vector: vector["about"]
)
def test_events_are_told_to_ecms_as_the_vectors_say(vector: dict[str, Any]) -> None:
    assert status_body(event_of(vector["body"])) == vector["body"]


def test_each_file_names_the_rules_that_it_is_about() -> None:
    spec = (files("connect_protocol") / "SPEC.md").read_text(encoding="utf-8")
    for name in (
        "references",
        "amounts",
        "tracking-numbers",
        "fields",
        "times",
        "receipts",
        "slips",
        "tokens",
        "messages",
    ):
        assert vectors(name)["rules"]
        for rule in vectors(name)["rules"]:
            assert f"- **{rule}** " in spec
