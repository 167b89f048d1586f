"""Closing a shift, under its terminal's lock, so that no transaction slips in beside it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from connect_gateway.domain import journal, shifts
from connect_gateway.domain.decide import is_near
from connect_gateway.domain.shifts import Close, Line, line_of
from connect_gateway.ledger.database import STATEMENT_TIMEOUT_S, Connection, Pool, in_transaction
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
