"""Amounts, references and guessing, at their edges. Milliseconds; needs nothing."""

from datetime import timedelta

import pytest
from domain_samples import NOW

from connect_gateway.domain import attempts, codes
from connect_gateway.domain.attempts import Attempts
from connect_gateway.domain.money import format_amount, parse_amount


@pytest.mark.parametrize(
    ("text", "centavos"),
    [("0.00", 0), ("0.01", 1), ("00.10", 10), ("200.00", 20_000), ("4000.00", 400_000), ("9999999999.99", 10**12 - 1)],
)
def test_amounts_are_centavos(text: str, centavos: int) -> None:
    assert parse_amount(text) == centavos


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.0", "1.000", "1.005", ".50", "-1.00", "-0.00", "+1.00", "1e2", "1E+2", "1_000.00", "1,000.00", "NaN"]
    + ["Infinity", " 1.00", "1.00 ", "1.00\n", "1.00\x00", "12345678901.00", "1٫00", "١.٠٠", "１.００", "0x1.00"],
)
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match="an amount is"):
        parse_amount(text)


def test_no_negative_amount_is_ever_written() -> None:
    with pytest.raises(ValueError, match="never negative"):
        format_amount(-1)


@pytest.mark.parametrize(
    "text", ["9917-6789-0023", "991767890023", "9917 6789 0023", "9-9-1-767890023", "9917- 67890023"]
)
def test_references_are_read_with_and_without_hyphens_and_spaces(text: str) -> None:
    assert codes.parse_reference(text) == "991767890023"


@pytest.mark.parametrize(
    "text",
    ["", "99176789002", "9917678900234", "9917-6789-002X", "9917_6789_0023", "9917\t6789\t0023", "991767890023\n"]
    + [
        "٩٩١٧٦٧٨٩٠٠٢٣",
        "９９１７６７８９００２３",
        "9917–6789–0023",
        "9917\u00a06789\u00a00023",
        "+99176789002",
        "²91767890023",
    ],
)
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(ValueError, match="12 digits"):
        codes.parse_reference(text)


def test_the_published_check_digits() -> None:
    # Verhoeff's own example and others of the literature: 236 takes 3, 12345 takes 1, 142857 takes 0.
    assert [codes.check_digit(digits) for digits in ("236", "12345", "142857", "123456789012")] == ["3", "1", "0", "0"]


def test_the_published_samples_are_references_whatever_their_check_digit() -> None:
    samples = ["9917-6789-0023", "1822-1234-2345", "1822-3134-7365", "9913-0850-0305", "1500-1001-1002"]
    assert [codes.show_reference(codes.parse_reference(sample)) for sample in samples] == samples
    assert not all(codes.has_valid_check_digit(codes.parse_reference(sample)) for sample in samples)


@pytest.mark.parametrize(
    ("counted", "seconds"),
    [
        (Attempts(0, 0, 0), 0),
        (Attempts(4, 19, 9), 0),
        (Attempts(5, 5, 0), 30),
        (Attempts(0, 20, 0), 30),
        (Attempts(5, 5, 1), 60),
        (Attempts(5, 5, 6), 1_920),
        (Attempts(5, 5, 7), 3_600),
        (Attempts(5, 5, 10**9), 3_600),
    ],
)
def test_a_lockout_grows_and_has_an_end(counted: Attempts, seconds: int) -> None:
    assert attempts.lockout_s(counted) == seconds


def test_the_seconds_that_are_left_never_send_a_till_too_early_nor_away_for_ever() -> None:
    assert attempts.seconds_left(None, NOW) == 0
    assert attempts.seconds_left(NOW, NOW) == 0
    assert attempts.seconds_left(NOW + timedelta(milliseconds=1), NOW) == 1
    assert attempts.seconds_left(NOW + timedelta(seconds=30), NOW) >= 30
    assert attempts.seconds_left(NOW + timedelta(days=30), NOW) == attempts.LONGEST_LOCKOUT_S
