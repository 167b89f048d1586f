"""Closing a shift: what the till says happened, against what the ledger holds.

Only what moves money or a parcel is compared. A decline that one side does not list is no difference, since it had no
effect on either.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from connect_gateway.domain.records import STANDING, Transaction, TransactionState
from connect_gateway.domain.states import CASH_TYPES, TransactionType


class Difference(StrEnum):
    """How till and ledger can disagree on a transaction."""

    MISSING_HERE = "missing-here"
    MISSING_THERE = "missing-there"
    AMOUNT_DIFFERS = "amount-differs"
    STATE_DIFFERS = "state-differs"


@dataclass(slots=True, frozen=True)
class Line:
    """One transaction as one side has it; `amount` is what was due, in centavos. `type` is None where unknown."""

    transaction_id: UUID
    type: TransactionType | None
    state: TransactionState
    amount: int


@dataclass(slots=True, frozen=True)
class Disagreement:
    """One transaction on which the sides differ."""

    transaction_id: UUID
    difference: Difference
    till: Line | None
    ledger: Line | None


@dataclass(slots=True, frozen=True)
class Sum:
    """Transactions of one type whose cash is in the drawer: approved, or in dispute."""

    count: int
    amount: int


@dataclass(slots=True, frozen=True)
class Close:
    """A shift's close: sums by type of both sides, what the drawer should hold, and every difference."""

    till: dict[TransactionType, Sum]
    ledger: dict[TransactionType, Sum]
    cash_expected: int
    cash_counted: int
    differences: list[Disagreement]


def line_of(transaction: Transaction) -> Line:
    """A transaction of the ledger as a line of a close."""
    type_ = None if transaction.request is None else transaction.request.type
    return Line(transaction.transaction_id, type_, transaction.state, transaction.amount_due)


def close(cash_counted: int, till: Iterable[Line], ledger: Mapping[UUID, Line], shift: Mapping[UUID, Line]) -> Close:
    """Compares both sides.

    `shift` is what the ledger holds under this shift, `ledger` that and whatever else the till's ids name.
    """
    listed = {line.transaction_id: line for line in till}
    differences = [compared(line, ledger.get(line.transaction_id)) for line in listed.values()]
    differences += [
        Disagreement(line.transaction_id, Difference.MISSING_THERE, None, line)
        for line in shift.values()
        if line.transaction_id not in listed and line.state is not TransactionState.DECLINED
    ]
    sums = _sums(shift.values())
    return Close(
        till=_sums(listed.values()),
        ledger=sums,
        cash_expected=sum(sums[type_].amount for type_ in CASH_TYPES if type_ in sums),
        cash_counted=cash_counted,
        differences=sorted(
            (one for one in differences if one is not None), key=lambda one: (one.difference, one.transaction_id.int)
        ),
    )


def compared(till: Line, ledger: Line | None) -> Disagreement | None:
    """How both sides differ on what the till lists; None where they agree."""
    if ledger is None:
        if till.state is TransactionState.DECLINED:
            return None
        return Disagreement(till.transaction_id, Difference.MISSING_HERE, till, None)
    # A till that has not been told yet has a disputed sale for approved; the cash is the same.
    if till.state is not ledger.state and not {till.state, ledger.state} <= STANDING:
        return Disagreement(till.transaction_id, Difference.STATE_DIFFERS, till, ledger)
    # Of an id that was reversed before it arrived the ledger knows no amount, and no money moved.
    if till.amount != ledger.amount and ledger.type is not None and till.state is not TransactionState.DECLINED:
        return Disagreement(till.transaction_id, Difference.AMOUNT_DIFFERS, till, ledger)
    return None


def _sums(lines: Iterable[Line]) -> dict[TransactionType, Sum]:
    sums: dict[TransactionType, Sum] = {}
    for line in lines:
        if line.state in STANDING and line.type is not None:
            so_far = sums.get(line.type, Sum(0, 0))
            sums[line.type] = Sum(so_far.count + 1, so_far.amount + line.amount)
    return dict(sorted(sums.items()))
