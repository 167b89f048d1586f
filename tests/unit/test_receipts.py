"""Receipts and slips, line by line. Milliseconds; needs nothing."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from domain_samples import approved

from connect_gateway.domain.states import TransactionType
from connect_gateway.receipts.acknowledgement import Receipt, receipt_text, verified_text
from connect_gateway.receipts.slip import ReturnSlip, slip_barcodes, slip_text
from connect_printing import paper

AT = datetime(2026, 3, 9, 18, 30, 15, tzinfo=UTC)
COLLECTED = Receipt(
    number="0166-001-00000042",
    type=TransactionType.COLLECT,
    store_id="0166",
    pos=1,
    shift=2,
    business_date=date(2026, 3, 9),
    clerk="ana",
    reference="991767890023",
    tracking_number="303105332614281200",
    merchant="Merchant A",
    merchant_reference="AXDY43322222524544",
    amount_due=20_000,
    amount_tendered=50_000,
    change=30_000,
    occurred_at=AT,
    verification_code="ABCD-EFGH",
)


def test_a_collection_on_paper() -> None:
    # The business date is the shift's; the time is Philippine time, past midnight already.
    assert receipt_text(COLLECTED) == [
        "           7-CONNECT",
        "    ACKNOWLEDGEMENT RECEIPT",
        "--------------------------------",
        "Store 0166         POS 1 Shift 2",
        "Business date         2026-03-09",
        "Date         2026-03-10 02:30:15",
        "Clerk                        ana",
        "AR No.         0166-001-00000042",
        "--------------------------------",
        "          PAY & CLAIM",
        "Reference         9917-6789-0023",
        "Tracking      303105332614281200",
        "Merchant              Merchant A",
        "Order         AXDY43322222524544",
        "--------------------------------",
        "Amount due            PHP 200.00",
        "Cash                  PHP 500.00",
        "Change                PHP 300.00",
        "--------------------------------",
        "Verification           ABCD-EFGH",
        "This is an acknowledgement",
        "receipt, not an official",
        "receipt.",
    ]


def test_a_copy_says_so_and_differs_in_nothing_else() -> None:
    copy = receipt_text(replace(COLLECTED, copy=3))
    assert [line.strip() for line in copy if line not in receipt_text(COLLECTED)] == ["*** COPY 3 ***"]


def test_a_reversal_says_so_names_the_original_and_gives_the_cash_back() -> None:
    lines = receipt_text(replace(COLLECTED, reversed_at=AT + timedelta(minutes=1)))
    assert lines[2:4] == ["        *** REVERSAL ***", "Reversed     2026-03-10 02:31:15"]
    assert "AR No.         0166-001-00000042" in lines
    assert "CASH RETURNED         PHP 200.00" in lines
    assert not any("Change" in line for line in lines)


@pytest.mark.parametrize("type_", TransactionType)
def test_without_cash_no_cash_is_spoken_of(type_: TransactionType) -> None:
    lines = receipt_text(replace(COLLECTED, type=type_, amount_due=0, amount_tendered=None, change=0))
    assert "Amount due              PHP 0.00" in lines
    assert not any(line.startswith(("Cash", "Change")) for line in lines)


@pytest.mark.parametrize(
    ("merchant", "printed"),
    [
        ("Señor Niño", "Señor Niño"),
        ("Sen\u0303or Nin\u0303o", "Señor Niño"),
        ("Café Ünion", "Café Ünion"),
        ("A\x1b@B\x00C\rD\nE", "A@BC D E"),
        ("A\u202eB\u200bC\u00adD", "ABCD"),
        ("\u20b1 peso", "? peso"),
        ("東京", "??"),
        ("\ud800x", "x"),
    ],
)
def test_what_a_name_looks_like_on_paper(merchant: str, printed: str) -> None:
    lines = receipt_text(replace(COLLECTED, merchant=merchant))
    assert "Merchant" + printed.rjust(24) in lines


def test_a_long_value_goes_below_its_label_and_is_never_cut() -> None:
    name = "The Very Long Trading Company of Quezon City and Elsewhere Incorporated"
    lines = receipt_text(replace(COLLECTED, merchant=name, merchant_reference="X" * 40))
    below = lines[lines.index("Merchant") + 1 : lines.index("Order")]
    assert " ".join(line.strip() for line in below) == name
    below = lines[lines.index("Order") + 1 :][:2]
    assert [line.strip() for line in below] == ["X" * 32, "X" * 8]


def test_an_empty_value_leaves_its_label() -> None:
    assert paper.pair("Order", "") == ["Order" + " " * 27]
    assert paper.wrap("") == [""]


@pytest.mark.parametrize(
    "change",
    [
        {"receipt_number": "0166-001-00000043"},
        {"tracking_number": "30310533261428120"},
        {"amount_due": 20_001},
        {"occurred_at": AT + timedelta(seconds=1)},
        {"reversed_at": AT},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_verification_code_is_made_over_what_somebody_would_want_to_change(change: dict[str, object]) -> None:
    paid = approved().transaction
    original = verified_text(paid, "COLLECT", "991767890023")
    assert verified_text(replace(paid, **change), "COLLECT", "991767890023") != original
    assert verified_text(paid, "CLAIM", "991767890023") != original
    assert verified_text(paid, "COLLECT", "182212342345") != original


def test_a_slip_on_paper() -> None:
    slip = ReturnSlip("991767890023", "303105332614281200", "Merchant A", "RET-1", AT)
    assert slip_text(slip) == [
        "             CLiQQ",
        "          RETURN CODE",
        "--------------------------------",
        "         9917-6789-0023",
        "--------------------------------",
        "Merchant              Merchant A",
        "Order                      RET-1",
        "Tracking      303105332614281200",
        "Valid until     2026-03-10 02:30",
        "--------------------------------",
        "Bring the item and this slip to",
        "the counter of any 7-Eleven",
        "store. The clerk scans the code",
        "and gives you a receipt.",
    ]
    assert not any("Valid" in line for line in slip_text(replace(slip, expires_at=None)))
    assert slip_barcodes(slip) == [
        {"symbology": "CODE128", "data": "991767890023"},
        {"symbology": "GS1-128", "data": "303105332614281200"},
    ]
