"""Closing a shift, under its terminal's lock, so that no transaction slips in beside it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from connect_gateway.domain import journal, shifts
from connect_gateway.domain.decide import is_near
from connect_gateway.domain.records import Transaction, TransactionState
from connect_gateway.domain.shifts import Close, Line, line_of
from connect_gateway.domain.states import TransactionType
from connect_gateway.ledger.database import STATEMENT_TIMEOUT_S, Connection, Pool, connection_of, in_transaction
from connect_gateway.ledger.rows import TRANSACTION_COLUMNS, transaction_of

_CLOSE_TIMEOUT_S = 10.0
"""A close reads a whole shift, a few thousand rows at most, and nobody stands waiting at the counter."""


@dataclass(slots=True, frozen=True)
class Shift:
    """Which shift."""

    store_id: str
    pos: int
    business_date: date
    shift: int


@dataclass(slots=True, frozen=True)
class Closed:
    """The close's answer, and whether it is the first one's, repeated."""

    answer: str
    replay: bool


class ClosedOtherwise(Exception):
    """The shift was closed before with other content."""


class TooFarAway(Exception):
    """The shift is not closed yet, and its business date cannot be one of these days'."""


LATE_COLUMNS = "store_id, pos, business_date, shift, position, transaction_id, state, at"
"""What a row of `late_entry` has."""


def late_values(transaction: Transaction, position: int) -> tuple[Any, ...]:
    """A row of `late_entry`: a transaction that changed after its shift's close; `position` is that of its entry."""
    request = transaction.request
    assert request is not None  # what never arrived belongs to no shift
    place = (request.store_id, request.pos, request.business_date, request.shift)
    at = transaction.reversed_at or transaction.occurred_at
    return (*place, position, transaction.transaction_id, transaction.state, at)


@dataclass(slots=True, frozen=True)
class Late:
    """A transaction that changed after its shift had been closed, and when; what is due in centavos."""

    transaction_id: UUID
    type: TransactionType
    state: TransactionState
    amount: int
    at: datetime


_CLOSED = """
SELECT answer FROM shift
WHERE store_id = $1 AND pos = $2 AND business_date = $3 AND shift = $4 AND closed_at IS NOT NULL
"""
_LATE = """
SELECT late.transaction_id, transaction.type, late.state, transaction.amount_due, late.at
FROM late_entry AS late JOIN transaction USING (store_id, transaction_id)
WHERE late.store_id = $1 AND late.pos = $2 AND late.business_date = $3 AND late.shift = $4
ORDER BY late.position
"""


async def closed(pool: Pool, shift: Shift) -> tuple[str, list[Late]] | None:
    """The close's answer, and what came after it in the order of its coming; None of a shift that is not closed."""
    key = (shift.store_id, shift.pos, shift.business_date, shift.shift)
    async with connection_of(pool) as connection:
        answer: str | None = await connection.fetchval(_CLOSED, *key, timeout=STATEMENT_TIMEOUT_S)
        rows = await connection.fetch(_LATE, *key, timeout=STATEMENT_TIMEOUT_S)
    if answer is None:
        return None
    return answer, [Late(row[0], TransactionType(row[1]), TransactionState(row[2]), row[3], row[4]) for row in rows]


_LOCK_TERMINAL = "SELECT FROM terminal WHERE store_id = $1 AND pos = $2 FOR UPDATE"
_NEW_TERMINAL = """
INSERT INTO terminal (store_id, pos, receipts, journal_length, journal_head) VALUES ($1, $2, 0, 0, $3)
ON CONFLICT DO NOTHING
"""
_READ = """
SELECT closed_at, fingerprint, answer FROM shift
WHERE store_id = $1 AND pos = $2 AND business_date = $3 AND shift = $4
"""
_TRANSACTIONS = f"""
SELECT {TRANSACTION_COLUMNS} FROM transaction
WHERE store_id = $1 AND pos = $2 AND business_date = $3 AND shift = $4
"""  # noqa: S608 - columns of our own
_BY_IDS = f"""
SELECT {TRANSACTION_COLUMNS} FROM transaction WHERE store_id = $1 AND transaction_id = ANY($2::uuid[])
"""  # noqa: S608 - columns of our own
_CLOSE = """
INSERT INTO shift (store_id, pos, business_date, shift, opened_at, closed_at, fingerprint, answer)
VALUES ($1, $2, $3, $4, $5, $5, $6, $7)
ON CONFLICT (store_id, pos, business_date, shift) DO UPDATE SET
    closed_at = excluded.closed_at, fingerprint = excluded.fingerprint, answer = excluded.answer
"""


async def close(
    pool: Pool,
    shift: Shift,
    cash_counted: int,
    lines: Sequence[Line],
    *,
    fingerprint: bytes,
    render: Callable[[Close], str],
    now: datetime,
) -> Closed:
    """Closes the shift, differences or not; a shift that is closed answers a repeat as it did.

    ClosedOtherwise where it was closed with other content, TooFarAway where it would be closed on a wrong date.
    """
    key = (shift.store_id, shift.pos, shift.business_date, shift.shift)

    async def work(connection: Connection) -> Closed:
        await connection.execute(
            _NEW_TERMINAL, shift.store_id, shift.pos, journal.FIRST_HEAD, timeout=STATEMENT_TIMEOUT_S
        )
        await connection.execute(_LOCK_TERMINAL, shift.store_id, shift.pos, timeout=STATEMENT_TIMEOUT_S)
        row = await connection.fetchrow(_READ, *key, timeout=STATEMENT_TIMEOUT_S)
        if row is not None and row["closed_at"] is not None:
            if row["fingerprint"] != fingerprint:
                raise ClosedOtherwise
            return Closed(row["answer"], replay=True)
        if not is_near(shift.business_date, now):
            raise TooFarAway
        own, all_named = await _lines(connection, shift, [line.transaction_id for line in lines])
        answer = render(shifts.close(cash_counted, lines, all_named, own))
        await connection.execute(_CLOSE, *key, now, fingerprint, answer, timeout=STATEMENT_TIMEOUT_S)
        return Closed(answer, replay=False)

    return await in_transaction(pool, work, "shift")


async def _lines(
    connection: Connection, shift: Shift, named: Sequence[UUID]
) -> tuple[dict[UUID, Line], dict[UUID, Line]]:
    """What the ledger holds of the shift, and that with whatever else of the store the till's ids name."""
    rows = await connection.fetch(
        _TRANSACTIONS, shift.store_id, shift.pos, shift.business_date, shift.shift, timeout=_CLOSE_TIMEOUT_S
    )
    own = {row["transaction_id"]: line_of(transaction_of(row)) for row in rows}
    elsewhere = [one for one in named if one not in own]
    found = await connection.fetch(_BY_IDS, shift.store_id, elsewhere, timeout=_CLOSE_TIMEOUT_S)
    # An id that was reversed before it arrived belongs to no shift; one of another shift is not this one's.
    tombstones = {row["transaction_id"]: line_of(transaction_of(row)) for row in found if row["type"] is None}
    return own, own | tombstones
