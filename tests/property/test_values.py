"""Amounts, references, receipts and the journal under any input. About 10 s; needs nothing."""

import string
import unicodedata
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st

from connect_gateway.domain import codes, journal
from connect_gateway.domain.money import format_amount, parse_amount
from connect_gateway.domain.records import Terminal, Transaction, TransactionState
from connect_gateway.domain.states import TransactionType
from connect_gateway.receipts.acknowledgement import Receipt, receipt_text
from connect_gateway.receipts.slip import ReturnSlip, slip_text
from connect_printing import paper

DIGITS = st.text(string.digits, min_size=11, max_size=11)
MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(9989, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(st.integers(0, 10**12 - 1))
def test_an_amount_is_read_as_it_was_written(centavos: int) -> None:
    assert parse_amount(format_amount(centavos)) == centavos


@given(st.text(max_size=14))
@example("1.00\n")
@example("１.００")
def test_whatever_is_read_as_an_amount_is_one(text: str) -> None:
    try:
        centavos = parse_amount(text)
    except ValueError:
        return
    whole, _, cents = text.partition(".")
    assert set(whole + cents) <= set("0123456789")
    assert centavos == int(whole + cents)


@given(DIGITS)
def test_a_check_digit_finds_every_wrong_digit_and_every_swap_of_neighbours(eleven: str) -> None:
    reference = eleven + codes.check_digit(eleven)
    assert codes.has_valid_check_digit(reference)
    for place, digit in enumerate(reference):
        for wrong in string.digits.replace(digit, ""):
            assert not codes.has_valid_check_digit(reference[:place] + wrong + reference[place + 1 :])
    for place in range(11):
        first, second = reference[place], reference[place + 1]
        if first != second:
            swapped = reference[:place] + second + first + reference[place + 2 :]
            assert not codes.has_valid_check_digit(swapped)


@given(st.lists(st.sampled_from(["-", " ", *string.digits]), max_size=20).map("".join))
def test_a_reference_is_its_digits_however_it_is_written(text: str) -> None:
    digits = "".join(character for character in text if character in string.digits)
    if len(digits) == 12:
        assert codes.parse_reference(text) == digits
        assert codes.parse_reference(codes.show_reference(digits)) == digits


def test_issued_references_are_valid_twelve_digits_and_differ() -> None:
    issued = {codes.issue_reference() for _ in range(2_000)}
    assert len(issued) == 2_000
    assert all(len(one) == 12 and one.isdecimal() and one[0] != "0" for one in issued)
    assert all(codes.has_valid_check_digit(one) for one in issued)
    # Nothing of the first eleven digits is constant or counts up.
    assert all(len({one[place] for one in issued}) >= 9 for place in range(11))


NAMES = st.text(st.characters(), max_size=120)
RECEIPTS = st.builds(
    Receipt,
    number=st.just("0166-9999-12345678"),
    type=st.sampled_from(TransactionType),
    store_id=st.just("0166"),
    pos=st.integers(0, 9999),
    shift=st.integers(0, 99),
    business_date=st.dates(date(1970, 1, 1), date(9990, 1, 1)),
    clerk=st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=20),
    reference=st.just("991767890023"),
    tracking_number=st.sampled_from(["30310533261428120", "303105332614281200"]),
    merchant=NAMES,
    merchant_reference=NAMES,
    amount_due=st.integers(0, 400_000),
    amount_tendered=st.none() | st.integers(0, 10**12 - 1),
    change=st.integers(0, 10**12 - 1),
    occurred_at=MOMENTS,
    verification_code=st.just("ABCD-EFGH"),
    copy=st.integers(0, 10**6),
    reversed_at=st.none() | MOMENTS,
)


def assert_printable(lines: list[str]) -> None:
    for line in lines:
        assert len(line) <= paper.COLUMNS
        line.encode("latin-1")
        assert not any(unicodedata.category(character)[0] == "C" for character in line)


@given(RECEIPTS)
def test_a_receipt_fits_its_paper_and_carries_no_control_byte_of_anybodys(receipt: Receipt) -> None:
    lines = receipt_text(receipt)
    assert_printable(lines)
    together = "\n".join(lines)
    assert receipt.number in together
    assert "9917-6789-0023" in together
    assert ("*** REVERSAL ***" in together) == (receipt.reversed_at is not None)
    assert (f"*** COPY {receipt.copy} ***" in together) == (receipt.copy > 0)


@given(NAMES, NAMES, st.none() | MOMENTS)
@example("\x1b@\r\n\x00", "A" * 120, None)
def test_a_slip_fits_its_paper(merchant: str, order: str, expires_at: datetime | None) -> None:
    assert_printable(slip_text(ReturnSlip("991767890023", "303105332614281200", merchant, order, expires_at)))


@given(st.text(max_size=200))
def test_nothing_printable_is_lost_when_text_is_wrapped(text: str) -> None:
    kept = paper.printable(text)
    assert "".join("".join(paper.wrap(text)).split()) == "".join(kept.split())
    assert "".join("".join(paper.pair("Order", text)).split()) == "Order" + "".join(kept.split())


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=12), st.data())
def test_whoever_touches_the_journal_changes_its_head(amounts: list[int], data: st.DataObject) -> None:
    terminal = Terminal("0166", 1, 0, 0, journal.FIRST_HEAD)
    moment = datetime(2026, 3, 9, tzinfo=UTC)
    entries = [
        journal.append(terminal, _declined(amount, moment + timedelta(seconds=at))) for at, amount in enumerate(amounts)
    ]
    assert _head_of(entries) == terminal.journal_head
    place = data.draw(st.integers(0, len(entries) - 1))
    removed = entries[:place] + entries[place + 1 :]
    altered = [*entries[:place], entries[place].replace('"amountDue":', '"amountDue":1'), *entries[place + 1 :]]
    reordered = [*entries[1:], entries[0]]
    assert all(_head_of(tampered) != terminal.journal_head for tampered in (removed, altered, reordered))


def _head_of(entries: list[str]) -> bytes:
    head = journal.FIRST_HEAD
    for entry in entries:
        head = journal.next_head(head, entry)
    return head


def _declined(amount: int, at: datetime) -> Transaction:
    template = Transaction(
        store_id="0166",
        transaction_id=UUID(int=7),
        request=None,
        pos=1,
        state=TransactionState.DECLINED,
        code=None,
        tracking_number=None,
        amount_due=0,
        change=0,
        receipt_number=None,
        occurred_at=at,
        reversed_at=None,
        reversal_reason=None,
        status=409,
        answer="{}",
    )
    return replace(template, amount_due=amount)
