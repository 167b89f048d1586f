"""What the clerk is told for each code and each type, against the wire contract. Milliseconds; needs nothing."""

import itertools

import pytest

from connect_gateway.domain import verdicts
from connect_gateway.domain.refusals import Code
from connect_gateway.domain.states import Kind, State, TransactionType
from connect_gateway.domain.verdicts import Verdict

# Answers that leave the transaction's own fate open: no cash and no parcel may move because of them.
SETTLES_NOTHING = {
    "malformed-request",
    "unknown-transaction",
    "wrong-terminal",
    "transaction-mismatch",
    "parcel-not-in-hand",
    "too-late-to-reverse",
    "dispute-resolved",
    "dispute-not-acceptable",
    "too-many-attempts",
    "ecms-unavailable",
}
REFUSED = {
    "COLLECT": ("RETURN", "HOLD"),
    "CLAIM": ("NONE", "HOLD"),
    "PAY": ("RETURN", "HOLD"),
    "ACCEPT_RETURN": ("NONE", "REFUSE"),
    "DROP_OFF": ("RETURN", "REFUSE"),
}


def fits_the_display(verdict: Verdict) -> bool:
    lines = verdict.display.split("\n")
    return 1 <= len(lines) <= 2 and all(line.isascii() and line.isprintable() and len(line) <= 32 for line in lines)


@pytest.mark.parametrize(("code", "type_"), list(itertools.product(Code, [*TransactionType, None])))
def test_each_refusal_of_each_type(code: Code, type_: TransactionType | None) -> None:
    verdict = verdicts.of_refusal(code, type_)
    expected = ("NONE", "HOLD") if type_ is None or code in SETTLES_NOTHING else REFUSED[type_]
    assert (verdict.cash, verdict.parcel) == expected
    assert fits_the_display(verdict)


@pytest.mark.parametrize(
    ("type_", "amount", "cash", "parcel"),
    [
        ("COLLECT", 20_000, "KEEP", "RELEASE"),
        ("CLAIM", 0, "NONE", "RELEASE"),
        ("PAY", 20_000, "KEEP", "HOLD"),
        ("ACCEPT_RETURN", 0, "NONE", "ACCEPT"),
        ("DROP_OFF", 0, "NONE", "ACCEPT"),
        ("DROP_OFF", 4_500, "KEEP", "ACCEPT"),
    ],
)
def test_each_approval(type_: str, amount: int, cash: str, parcel: str) -> None:
    verdict = verdicts.of_approval(TransactionType(type_), amount)
    assert (verdict.cash, verdict.parcel) == (cash, parcel)
    assert fits_the_display(verdict)


@pytest.mark.parametrize(("type_", "cash"), [("COLLECT", "KEEP"), ("CLAIM", "NONE")])
def test_a_dispute_says_what_has_happened(type_: str, cash: str) -> None:
    verdict = verdicts.of_dispute(TransactionType(type_))
    assert (verdict.cash, verdict.parcel) == (cash, "RELEASE")
    assert fits_the_display(verdict)


@pytest.mark.parametrize("type_", [*TransactionType, None])
def test_a_reversal_gives_cash_back_where_cash_was_taken(type_: TransactionType | None) -> None:
    verdict = verdicts.of_reversal(type_)
    takes_no_cash = type_ in ("CLAIM", "ACCEPT_RETURN")
    assert (verdict.cash, verdict.parcel) == ("NONE" if takes_no_cash else "RETURN", "HOLD")
    assert fits_the_display(verdict)


def test_a_drop_off_that_cost_nothing_gives_nothing_back() -> None:
    verdict = verdicts.of_reversal(TransactionType.DROP_OFF, cash_taken=False)
    assert (verdict.cash, verdict.parcel) == ("NONE", "HOLD")
    # Of every other type the type alone says whether cash was taken.
    for type_ in (TransactionType.COLLECT, TransactionType.PAY, None):
        assert verdicts.of_reversal(type_, cash_taken=False).cash == "RETURN"


@pytest.mark.parametrize(("kind", "state"), list(itertools.product(Kind, State)))
def test_a_lookup_moves_nothing_and_refuses_what_cannot_be_taken_in(kind: Kind, state: State) -> None:
    verdict = verdicts.of_lookup(kind, state)
    refuses = kind in ("RETURN", "DROP_OFF") and state is not State.OPEN
    assert (verdict.cash, verdict.parcel) == ("NONE", "REFUSE" if refuses else "HOLD")
    assert fits_the_display(verdict)


def test_nobody_moves_anything_while_it_is_unknown() -> None:
    assert (verdicts.UNKNOWN.cash, verdicts.UNKNOWN.parcel) == ("NONE", "HOLD")
    assert fits_the_display(verdicts.UNKNOWN)
