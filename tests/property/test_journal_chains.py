"""A chain that anybody has touched is noticed, at the first entry that is wrong. Seconds; needs nothing."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st

from connect_gateway.domain import journal
from connect_gateway.domain.chains import Broken, Chain, Fault, Head
from connect_gateway.domain.records import Perform, ReversalReason, Terminal, Transaction, TransactionState
from connect_gateway.domain.refusals import Code
from connect_gateway.domain.states import TransactionType

Row = tuple[int, str, bytes]


def transaction(number: int) -> Transaction:
    request = Perform(
        store_id="0166",
        transaction_id=UUID(int=number),
        type=TransactionType.CLAIM,
        reference=f"{number:012d}",
        pos=1,
        shift=1,
        business_date=date(2026, 11, 22),
        clerk="ana",
        tracking_number=f"{number:018d}",
        tender=None,
        amount_tendered=None,
    )
    return Transaction(
        store_id="0166",
        transaction_id=UUID(int=number),
        request=request,
        pos=1,
        state=TransactionState.APPROVED,
        code=None,
        tracking_number=request.tracking_number,
        amount_due=0,
        change=0,
        receipt_number=f"0166-001-{number:08d}",
        occurred_at=datetime(2026, 11, 22, tzinfo=UTC) + timedelta(seconds=number),
        reversed_at=None,
        reversal_reason=None,
        status=201,
        answer=f"answer {number}",
    )


@given(
    st.sampled_from(list(TransactionState)),
    st.booleans(),
    st.sampled_from([None, *Code]),
    st.sampled_from([None, *ReversalReason]),
    st.integers(0, 400_000),
)
def test_an_entry_is_json_without_blanks(
    state: TransactionState, known: bool, code: Code | None, reason: ReversalReason | None, due: int
) -> None:
    """It is written out by hand, and says the same as an encoder would."""
    about = replace(transaction(7), state=state, code=code, reversal_reason=reason, amount_due=due)
    if reason is not None:
        about = replace(about, reversed_at=about.occurred_at)
    if not known:
        about = replace(about, request=None, receipt_number=None)
    entry = journal.entry_of(about, 12)
    read = json.loads(entry)
    assert json.dumps(read, separators=(",", ":")) == entry
    assert (read["n"], read["state"], read["code"], read["amountDue"]) == (12, state, code, due)
    assert (read["type"], read["shift"]) == (("CLAIM", 1) if known else (None, None))


def chain_of(length: int) -> tuple[list[Row], Head]:
    """A terminal's journal as the ledger writes it, and what its row then says."""
    terminal = Terminal("0166", 1, 0, 0, journal.FIRST_HEAD)
    rows = []
    for number in range(1, length + 1):
        entry = journal.append(terminal, transaction(number))
        rows.append((terminal.journal_length, entry, terminal.journal_head))
    return rows, Head(terminal.journal_length, terminal.journal_head)


def checked(rows: list[Row], terminal: Head | None, *kept: Head) -> Broken | None:
    chain = Chain("0166", 1, list(kept))
    for row in rows:
        followed = chain.follow(*row)
        if isinstance(followed, Broken):
            return followed
    return chain.end(terminal)


def rehashed(rows: list[Row]) -> tuple[list[Row], Head]:
    """The same entries with every hash worked out anew, as one would who can write to the whole database."""
    head, made = journal.FIRST_HEAD, []
    for position, entry, _ in rows:
        head = journal.next_head(head, entry)
        made.append((position, entry, head))
    return made, Head(len(made), head)


lengths = st.integers(min_value=2, max_value=12)


@given(lengths)
def test_an_untouched_chain_is_whole(length: int) -> None:
    rows, terminal = chain_of(length)
    assert checked(rows, terminal) is None
    assert checked(rows, terminal, Head(length // 2, rows[length // 2 - 1][2]), terminal) is None


@given(lengths, st.data())
def test_whatever_is_changed_in_one_entry_is_found_there(length: int, data: st.DataObject) -> None:
    rows, terminal = chain_of(length)
    at = data.draw(st.integers(min_value=0, max_value=length - 1))
    position, entry, head = rows[at]
    if data.draw(st.booleans()):
        index = data.draw(st.integers(min_value=0, max_value=len(entry) - 1))
        other = data.draw(st.characters(codec="utf-8", exclude_characters="\x00" + entry[index]))
        rows[at] = (position, entry[:index] + other + entry[index + 1 :], head)
    else:
        index = data.draw(st.integers(min_value=0, max_value=31))
        rows[at] = (position, entry, head[:index] + bytes([head[index] ^ 1]) + head[index + 1 :])
    found = checked(rows, terminal)
    assert found is not None
    assert found.position == position
    assert found.fault in (Fault.ALTERED, Fault.REORDERED)


@given(lengths, st.data())
def test_a_removed_entry_is_found_whether_or_not_the_rest_is_renumbered(length: int, data: st.DataObject) -> None:
    rows, terminal = chain_of(length)
    gone = data.draw(st.integers(min_value=1, max_value=length))
    left = [row for row in rows if row[0] != gone]
    found = checked(left, terminal)
    assert found is not None
    assert (found.position, found.fault) == (gone, Fault.TRUNCATED if gone == length else Fault.REMOVED)
    closed = [(position, entry, head) for position, (_, entry, head) in enumerate(left, 1)]
    found = checked(closed, terminal)
    assert found is not None
    assert found.position == gone


@given(lengths, st.data())
@example(2, None)
def test_two_entries_that_changed_places_are_found(length: int, data: st.DataObject | None) -> None:
    rows, terminal = chain_of(length)
    places = st.lists(st.integers(min_value=0, max_value=length - 1), min_size=2, max_size=2, unique=True)
    first, second = (0, 1) if data is None else sorted(data.draw(places))
    rows[first], rows[second] = (rows[first][0], *rows[second][1:]), (rows[second][0], *rows[first][1:])
    found = checked(rows, terminal)
    assert found is not None
    assert (found.position, found.fault) == (first + 1, Fault.REORDERED)


@given(lengths, st.data())
def test_a_tail_that_was_cut_off_is_found_by_the_terminal_and_by_a_checkpoint(length: int, data: st.DataObject) -> None:
    rows, terminal = chain_of(length)
    left = data.draw(st.integers(min_value=0, max_value=length - 1))
    found = checked(rows[:left], terminal)
    assert found is not None
    assert (found.position, found.fault) == (left + 1, Fault.TRUNCATED)
    # Who sets the terminal's row back as well is found by what was kept elsewhere, an old backup likewise.
    agreeing = Head(left, rows[left - 1][2] if left else journal.FIRST_HEAD)
    assert checked(rows[:left], agreeing) is None
    found = checked(rows[:left], agreeing, terminal)
    assert found is not None
    assert (found.position, found.fault) == (left + 1, Fault.TRUNCATED)


@given(lengths, st.data())
def test_a_chain_that_was_written_anew_is_found_by_a_checkpoint(length: int, data: st.DataObject) -> None:
    rows, terminal = chain_of(length)
    at = data.draw(st.integers(min_value=0, max_value=length - 1))
    before = data.draw(st.integers(min_value=0, max_value=at))
    forged = json.loads(rows[at][1]) | {"amountDue": 1}
    rows[at] = (rows[at][0], json.dumps(forged, separators=(",", ":")), rows[at][2])
    anew, row = rehashed(rows)
    assert checked(anew, row) is None
    kept = [Head(before, rows[before - 1][2])] if before else []
    found = checked(anew, row, *kept, terminal)
    assert found is not None
    # Between the last checkpoint that agrees and the first that does not.
    assert (found.position, found.fault) == (before + 1, Fault.REWRITTEN)


def test_a_terminal_whose_row_is_wrong_or_gone() -> None:
    rows, terminal = chain_of(3)
    for row in (None, replace(terminal, head=bytes(32)), replace(terminal, length=2)):
        assert checked(rows, row) is not None
    assert checked([], None) is None
