"""What the till's scan field makes of what scanners and fingers type, and what it makes of a drawer's count."""

import string

import pytest
from connect_simulators.pos.pages.cash import DENOMINATIONS, counted, likely_tenders
from connect_simulators.pos.pages.scan import (
    AmountScan,
    LabelScan,
    NothingScan,
    ReceiptScan,
    ReferenceScan,
    UnreadableScan,
    read_scan,
)
from hypothesis import given
from hypothesis import strategies as st

LABEL = "301276061939392841"
digits = st.text("0123456789", min_size=1, max_size=20)


@pytest.mark.parametrize("typed", ["270860139888", "2708-6013-9888", " 2708 6013 9888\r\n", "]C0270860139888"])
def test_a_reference_is_twelve_digits(typed: str) -> None:
    assert read_scan(typed) == ReferenceScan("270860139888")
    assert ReferenceScan("270860139888").shown == "2708-6013-9888"


@pytest.mark.parametrize(
    "typed", [LABEL, f"]C1{LABEL}", f"]C1\x1d{LABEL}", f"\x1d{LABEL}", f"(00){LABEL}", f"]C100{LABEL}", f"{LABEL}\n"]
)
def test_a_label_is_read_with_or_without_its_function_character(typed: str) -> None:
    assert read_scan(typed) == LabelScan(LABEL)


def test_an_old_label_has_17_digits() -> None:
    assert read_scan("30310533261428120") == LabelScan("30310533261428120")


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("0166-001-00000001", "0166-001-00000001"),
        ("016600100000001", "0166-001-00000001"),
        ("0166-001-S0000003", "0166-001-S0000003"),
        ("0166-001-s0000003", "0166-001-S0000003"),
    ],
)
def test_a_receipt_is_known_by_its_number(typed: str, number: str) -> None:
    assert read_scan(typed) == ReceiptScan(number)


@pytest.mark.parametrize(
    ("typed", "centavos"), [("500", 50_000), ("1,000", 100_000), ("349.50", 34_950), ("0", 0), ("5.00", 500)]
)
def test_cash_is_keyed_in_as_it_is_said(typed: str, centavos: int) -> None:
    assert read_scan(typed) == AmountScan(centavos)


@pytest.mark.parametrize("typed", ["", "  ", "\r\n", "]C1"])
def test_enter_alone_goes_on(typed: str) -> None:
    assert read_scan(typed) == NothingScan()


@pytest.mark.parametrize(
    "typed",
    ["27086013988", "abc", "-500", "5.0", "5,00", "1e3", "٢٧٠٨٦٠١٣٩٨٨٨", "30127606193939284\x00", "9" * 80, "<script>"],
)
def test_anything_else_is_unreadable(typed: str) -> None:
    scan = read_scan(typed)
    assert isinstance(scan, UnreadableScan)
    assert scan.text.isprintable()


@given(st.text(max_size=200))
def test_whatever_is_typed_something_is_made_of_it(typed: str) -> None:
    scan = read_scan(typed)
    if isinstance(scan, ReferenceScan | LabelScan):
        number = scan.reference if isinstance(scan, ReferenceScan) else scan.tracking_number
        assert set(number) <= set(string.digits)


@given(digits, st.sampled_from(["", "]C1", "]C1\x1d", "\x1d"]))
def test_what_a_scanner_puts_before_the_data_changes_nothing(data: str, before: str) -> None:
    assert read_scan(before + data) == read_scan(data)


@given(st.dictionaries(st.sampled_from(DENOMINATIONS), st.integers(0, 9999)))
def test_a_drawer_is_the_sum_of_its_notes_and_coins(amounts: dict[int, int]) -> None:
    form = {str(worth): str(count) for worth, count in amounts.items()}
    assert counted(form) == sum(worth * count for worth, count in amounts.items())


@pytest.mark.parametrize("count", ["-1", "1.5", "10000", "x", "٣"])
def test_a_count_is_a_small_whole_number(count: str) -> None:
    assert counted({"100000": count}) is None


@given(st.integers(1, 1_000_000))
def test_every_quick_key_covers_what_is_due(due: int) -> None:
    tenders = likely_tenders(due)
    assert tenders[0] == due
    assert 1 <= len(tenders) <= 4
    assert tenders == sorted(set(tenders))
