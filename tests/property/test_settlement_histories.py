"""The weekly settlement over made-up histories: whatever is told when, all weeks together come to the ledger. About
5 s; needs nothing.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from connect_gateway.domain.settlement import (
    Account,
    Line,
    LineKind,
    Sale,
    Week,
    is_friday,
    lines_due,
    open_since,
    signed,
    week_of,
)
from connect_gateway.domain.states import TransactionType

FIRST = Week(date(2026, 12, 11))
START = datetime(2026, 12, 2, 16, 0, tzinfo=UTC)
"""Thursday 3 December, 00:00 in the Philippines."""


@given(st.dates(date(2015, 1, 1), date(2100, 1, 1)))
def test_each_business_date_belongs_to_one_week_from_thursday_to_wednesday(day: date) -> None:
    """STL-1."""
    week = week_of(day)
    assert is_friday(week.friday)
    assert week.begins <= day <= week.through
    assert (week.begins.weekday(), week.through.weekday()) == (3, 2)
    assert (week.through - week.begins).days == 6
    assert week_of(week.through + timedelta(days=1)).friday == week.friday + timedelta(days=7)
    assert week.told_before.isoformat() == f"{week.friday}T00:00:00+08:00"


@st.composite
def sales(draw: st.DrawFn) -> Sale:
    hours = st.integers(0, 24 * 35)
    sold_at = START + timedelta(hours=draw(hours))
    told_at = sold_at + timedelta(hours=draw(st.sampled_from([0, 1, 30, 24 * 10])))
    reversed_at = reversal_told_at = None
    if draw(st.booleans()):
        reversed_at = sold_at + timedelta(hours=draw(st.sampled_from([0, 1, 20, 24 * 8])))
        # ECMS is told in order.
        reversal_told_at = max(told_at, reversed_at) + timedelta(hours=draw(st.sampled_from([0, 2, 24 * 9])))
    day = (sold_at + timedelta(hours=8)).date() + timedelta(days=draw(st.integers(-2, 2)))
    return Sale(
        store_id="0166",
        transaction_id=UUID(int=draw(st.integers(1, 2**60))),
        type=TransactionType.COLLECT,
        receipt_number="0166-001-00000001",
        business_date=day,
        reference="991767890023",
        tracking_number="303105332614281200",
        merchant_code=draw(st.sampled_from(["001", "002"])),
        merchant="Merchant",
        merchant_reference="A",
        amount=draw(st.integers(0, 400_000)),
        fee=draw(st.integers(0, 10_000)),
        sold_at=sold_at,
        told_at=told_at,
        reversed_at=reversed_at,
        reversal_told_at=reversal_told_at,
    )


def as_known(sale: Sale, moment: datetime) -> Sale:
    """What the ledger holds of a sale at a moment."""

    def known(at: datetime | None) -> datetime | None:
        return at if at is not None and at <= moment else None

    return replace(
        sale,
        told_at=known(sale.told_at),
        reversed_at=known(sale.reversed_at),
        reversal_told_at=known(sale.reversal_told_at),
    )


@settings(max_examples=300, deadline=None)
@given(st.lists(sales(), max_size=12), st.integers(0, 60))
def test_all_weeks_together_come_to_the_ledger(history: list[Sale], run_late_h: int) -> None:
    """STL-9: after each week, what was settled and what has not been settled yet are what the ledger has."""
    settled: dict[int, list[tuple[Week, Line]]] = {number: [] for number in range(len(history))}
    for count in range(12):
        week = Week(FIRST.friday + timedelta(days=7 * count))
        # A run that is late by some hours freezes the same lines.
        moment = week.told_before + timedelta(hours=run_late_h)
        for number, sale in enumerate(history):
            kinds = {line.kind for _, line in settled[number]}
            if sale.sold_at > moment:
                continue
            known = replace(
                as_known(sale, moment),
                sale_settled=LineKind.SALE in kinds,
                reversal_settled=LineKind.REVERSAL in kinds,
            )
            due = lines_due(known, week)
            settled[number] += [(week, line) for line in due]
            check(known, week, [line for _, line in settled[number]], due)
    for number, sale in enumerate(history):
        lines = [line for _, line in settled[number]]
        # Everything has been told by now.
        standing = 0 if sale.reversed_at is not None else 1
        assert sum(line.amount for line in lines) == sale.amount * standing
        assert sum(line.fee for line in lines) == sale.fee * standing
        assert [line.kind for line in lines] == [LineKind.SALE, LineKind.REVERSAL][: 2 - standing]
        check_weeks(sale, settled[number])


def check(known: Sale, week: Week, lines: list[Line], due: list[Line]) -> None:
    """What is not settled after a week has its reason, and is looked at again."""
    kinds = [line.kind for line in lines]
    assert kinds in ([], [LineKind.SALE], [LineKind.SALE, LineKind.REVERSAL])
    told = known.told_at is not None and known.told_at < week.told_before
    if LineKind.SALE not in kinds:
        assert not told or known.business_date > week.through
        assert open_since(known, due) == known.sold_at
    elif known.reversed_at is not None and LineKind.REVERSAL not in kinds:
        told = known.reversal_told_at is not None and known.reversal_told_at < week.told_before
        assert not told or (known.reversed_at + timedelta(hours=8)).date() > week.through
        assert open_since(known, due) == known.reversed_at
    else:
        assert open_since(known, due) is None


def check_weeks(sale: Sale, lines: list[tuple[Week, Line]]) -> None:
    for week, line in lines:
        assert line.told_at < week.told_before
        if line.kind is LineKind.SALE:
            assert sale.business_date <= week.through
            assert line.late == (sale.business_date < week.begins)
    if len(lines) == 2 and lines[0][0] != lines[1][0]:
        # A reversal of what was settled before: a negative line of its own week, or marked as late.
        week, line = lines[1]
        day = (line.happened_at + timedelta(hours=8)).date()
        assert day <= week.through
        assert line.late == (day < week.begins)


@given(st.lists(sales(), min_size=1, max_size=12))
def test_what_goes_each_way_adds_up(history: list[Sale]) -> None:
    """STL-6: fees are not kept back, and whatever was taken back goes the other way."""
    account = Account("001", "Merchant")
    week = Week(FIRST.friday + timedelta(days=70))
    lines = [line for sale in history for line in lines_due(sale, week)]
    for line in lines:
        account.add(line)
    assert account.payable >= 0 <= account.due
    assert account.payable - account.due == sum(line.amount - line.fee for line in lines)
    assert account.lines == len(lines)


def test_amounts_of_a_settlement_have_a_sign() -> None:
    assert [signed(amount) for amount in (0, 5, -5, 20_000, -123_456)] == [
        "0.00",
        "0.05",
        "-0.05",
        "200.00",
        "-1234.56",
    ]
