"""A group of the counter's commands in the database: read and locked by one statement, written by another.

What a group costs is mostly the trips to the database, of which it makes three: reading, writing, COMMIT. A fourth one,
BEGIN, comes before the first group after a pause; to all others the COMMIT before was that.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from connect_gateway.crashpoints import reach
from connect_gateway.domain import journal
from connect_gateway.domain.records import Event, Perform, Reference, Resolve, Reverse, Terminal, Transaction
from connect_gateway.ledger import events, standins
from connect_gateway.ledger.archive import bring_answers
from connect_gateway.ledger.database import STATEMENT_TIMEOUT_S, Connection, RolledBack, insert_rows
from connect_gateway.ledger.rows import (
    EVENT_COLUMNS,
    EVENT_TYPES,
    REFERENCE_COLUMNS,
    TRANSACTION_COLUMNS,
    TRANSACTION_TYPES,
    columns_of,
    reference_of,
    transaction_of,
    transaction_values,
)
from connect_gateway.ledger.shifts import LATE_COLUMNS

ShiftKey = tuple[str, int, object, int]


@dataclass(slots=True)
class Group:
    """What a group has read and what it is going to write."""

    transactions: dict[tuple[str, UUID], Transaction] = field(default_factory=dict)
    references: dict[str, Reference] = field(default_factory=dict)
    terminals: dict[tuple[str, int], Terminal] = field(default_factory=dict)
    shifts: dict[ShiftKey, datetime | None] = field(default_factory=dict)
    """When each was closed; None of one that is open."""
    locked_until: dict[str, datetime] = field(default_factory=dict)
    earlier: list[tuple[str, int, str]] = field(default_factory=list)
    """Events of the group's parcels that are there already: tracking number, sequence, state."""

    new_transactions: dict[tuple[str, UUID], Transaction] = field(default_factory=dict)
    reversed_transactions: dict[tuple[str, UUID], Transaction] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    """References that moved, with the state in which they were read: the guard of their update."""
    new_shifts: dict[ShiftKey, datetime] = field(default_factory=dict)
    journal: list[tuple[str, int, int, str, bytes]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    late: list[tuple[Any, ...]] = field(default_factory=list)
    standing: standins.Standing | None = None
    """What there is to write of stand-in sales, where there are any."""


# Row by row by its key, whatever the planner thinks of the tables' sizes: LATERAL leaves it no other way. The parts are
# evaluated in the order in which they stand and the keys come sorted, so that every group locks in the same order.
#
# All parts see the database as it was when the statement began, and a row that had to be waited for as it is since.
# What others have inserted while it waited is not seen: whoever inserts the same then meets its key, and is tried
# again. That goes for a transaction, a shift and an event alike, and it is why a shift's row is locked although its
# terminal's is.
_READ = f"""
WITH known AS MATERIALIZED (
    SELECT found.* FROM unnest($1::text[], $2::uuid[]) AS wanted (store_id, transaction_id), LATERAL (
        SELECT {TRANSACTION_COLUMNS} FROM transaction AS one
        WHERE one.store_id = wanted.store_id AND one.transaction_id = wanted.transaction_id
        FOR UPDATE) AS found
), parcel AS MATERIALIZED (
    SELECT found.* FROM (
        SELECT unnest($3::text[]) AS reference UNION SELECT reference FROM known ORDER BY 1) AS wanted, LATERAL (
        SELECT {REFERENCE_COLUMNS} FROM reference AS one WHERE one.reference = wanted.reference
        FOR UPDATE) AS found
), counted AS MATERIALIZED (
    SELECT found.* FROM (
        SELECT * FROM unnest($4::text[], $5::integer[]) AS asked (store_id, pos)
        UNION SELECT store_id, pos FROM known ORDER BY 1, 2) AS wanted, LATERAL (
        SELECT store_id, pos, receipts, journal_length, journal_head FROM terminal AS one
        WHERE one.store_id = wanted.store_id AND one.pos = wanted.pos
        FOR UPDATE) AS found
), opened AS MATERIALIZED (
    SELECT found.* FROM (
        SELECT * FROM unnest($6::text[], $7::integer[], $8::date[], $9::integer[])
            AS asked (store_id, pos, business_date, shift)
        UNION SELECT store_id, pos, business_date, shift FROM known ORDER BY 1, 2, 3, 4) AS wanted, LATERAL (
        SELECT store_id, pos, business_date, shift, closed_at FROM shift AS one
        WHERE one.store_id = wanted.store_id AND one.pos = wanted.pos
            AND one.business_date = wanted.business_date AND one.shift = wanted.shift
        FOR UPDATE) AS found
), earlier AS MATERIALIZED (
    SELECT found.* FROM (SELECT DISTINCT tracking_number FROM parcel ORDER BY 1) AS wanted, LATERAL (
        SELECT tracking_number, sequence, state FROM event AS one WHERE one.tracking_number = wanted.tracking_number
        ORDER BY sequence
        FOR UPDATE) AS found
)
SELECT 1 AS part, ROW(known.*) AS found FROM known
UNION ALL SELECT 2, ROW(parcel.*) FROM parcel
UNION ALL SELECT 3, ROW(counted.*) FROM counted
UNION ALL SELECT 4, ROW(opened.*) FROM opened
UNION ALL SELECT 5, ROW(earlier.*) FROM earlier
UNION ALL SELECT 6, ROW(client_id, locked_until) FROM lockout WHERE client_id = ANY($10::text[])
"""  # noqa: S608 - columns of our own

_NEW_TERMINALS = """
INSERT INTO terminal (store_id, pos, receipts, journal_length, journal_head)
SELECT store_id, pos, 0, 0, $3 FROM unnest($1::text[], $2::integer[]) AS new (store_id, pos)
ORDER BY store_id, pos
ON CONFLICT DO NOTHING
"""


async def read(
    connection: Connection, commands: Sequence[Perform | Reverse | Resolve], clients: Sequence[str]
) -> Group:
    """Reads and locks what the commands, asked for by these clients, are decided upon."""
    keys = sorted({(command.store_id, command.transaction_id) for command in commands})
    performed = [command for command in commands if isinstance(command, Perform)]
    references = sorted({command.reference for command in performed})
    terminals = sorted({(command.store_id, command.pos) for command in commands})
    shifts = sorted({(one.store_id, one.pos, one.business_date, one.shift) for one in performed})
    asked = (
        *columns_of(keys, 2),
        references,
        *columns_of(terminals, 2),
        *columns_of(shifts, 4),
        sorted(set(clients)),
    )
    group = await _read(connection, asked)
    wanted = {*terminals, *((found.store_id, found.pos) for found in group.transactions.values())}
    missing = sorted(wanted - group.terminals.keys())
    if missing:
        new = (*columns_of(missing, 2), journal.FIRST_HEAD)
        await connection.execute(_NEW_TERMINALS, *new, timeout=STATEMENT_TIMEOUT_S)
        group = await _read(connection, asked)
    await bring_answers(connection, list(group.transactions.values()))
    return group


async def _read(connection: Connection, asked: tuple[list[Any], ...]) -> Group:
    group = Group()
    for part, found in await connection.fetch(_READ, *asked, timeout=STATEMENT_TIMEOUT_S):
        if part == 1:
            transaction = transaction_of(found)
            group.transactions[transaction.store_id, transaction.transaction_id] = transaction
        elif part == 2:
            reference = reference_of(found)
            group.references[reference.reference] = reference
        elif part == 3:
            terminal = Terminal(*found)
            group.terminals[terminal.store_id, terminal.pos] = terminal
        elif part == 4:
            store_id, pos, business_date, shift, closed_at = found
            group.shifts[store_id, pos, business_date, shift] = closed_at
        elif part == 5:
            group.earlier.append(tuple(found))
        else:
            client_id, until = found
            group.locked_until[client_id] = until
    return group


def _unnest(types: str, first: int) -> str:
    """`unnest` over arrays of these types, of which the first is parameter number `first`."""
    return f"unnest({', '.join(f'${first + n}::{one}[]' for n, one in enumerate(types.split(', ')))})"


_MOVED = "text, text, text, text, uuid, timestamptz"
_UNDONE = "text, uuid, timestamptz, text"
_OPENED = "text, integer, date, integer, timestamptz"
_ENTERED = "text, integer, bigint, text, bytea"
_COUNTED = "text, integer, bigint, bigint, bytea"
_WIDTHS = [
    kinds.count(",") + 1
    for kinds in (_MOVED, _UNDONE, TRANSACTION_TYPES, _OPENED, _ENTERED, _COUNTED, f"{EVENT_TYPES}, text")
]
_FIRSTS = [1 + sum(_WIDTHS[:place]) for place in range(len(_WIDTHS))]

# The parts touch rows that are locked, or new ones, each another; in which order does not matter.
_WRITE = f"""
WITH moved AS (
    UPDATE reference SET
        state = moved.state, done_store = moved.done_store, done_by = moved.done_by, status_at = moved.status_at
    FROM {_unnest(_MOVED, _FIRSTS[0])} AS moved (reference, was, state, done_store, done_by, status_at)
    WHERE reference.reference = moved.reference AND reference.state = moved.was
    RETURNING true
), undone AS (
    UPDATE transaction SET state = 'REVERSED', reversed_at = undone.reversed_at, reversal_reason = undone.reason
    FROM {_unnest(_UNDONE, _FIRSTS[1])} AS undone (store_id, transaction_id, reversed_at, reason)
    WHERE transaction.store_id = undone.store_id AND transaction.transaction_id = undone.transaction_id
      AND transaction.state <> 'REVERSED'
    RETURNING true
), made AS (
    INSERT INTO transaction ({TRANSACTION_COLUMNS}) SELECT * FROM {_unnest(TRANSACTION_TYPES, _FIRSTS[2])}
), opened AS (
    INSERT INTO shift (store_id, pos, business_date, shift, opened_at) SELECT * FROM {_unnest(_OPENED, _FIRSTS[3])}
), entered AS (
    INSERT INTO journal (store_id, pos, position, entry, head) SELECT * FROM {_unnest(_ENTERED, _FIRSTS[4])}
), counted AS (
    UPDATE terminal SET
        receipts = counted.receipts, journal_length = counted.journal_length, journal_head = counted.journal_head
    FROM {_unnest(_COUNTED, _FIRSTS[5])} AS counted (store_id, pos, receipts, journal_length, journal_head)
    WHERE terminal.store_id = counted.store_id AND terminal.pos = counted.pos
    RETURNING true
), told AS (
    INSERT INTO event ({EVENT_COLUMNS}, state) SELECT * FROM {_unnest(f"{EVENT_TYPES}, text", _FIRSTS[6])}
)
SELECT (SELECT count(*) FROM moved), (SELECT count(*) FROM undone), (SELECT count(*) FROM counted)
"""  # noqa: S608 - names of our own


async def write(connection: Connection, group: Group, now: datetime) -> None:
    """Writes what was decided; RolledBack where the ledger is not what it was decided upon."""
    if not group.journal:
        return
    if group.standing is not None:
        await standins.write(connection, group.standing, now)
    if group.late:
        await insert_rows(connection, "late_entry", LATE_COLUMNS, group.late)
    moved = [
        (key, was, one.state, one.done_store, one.done_by, one.status_at)
        for key, was, one in ((key, was, group.references[key]) for key, was in sorted(group.moved.items()))
    ]
    undone = [
        (one.store_id, one.transaction_id, one.reversed_at, one.reversal_reason)
        for _, one in sorted(group.reversed_transactions.items())
    ]
    made = [transaction_values(one) for _, one in sorted(group.new_transactions.items())]
    opened = sorted((*key, at) for key, at in group.new_shifts.items())
    counted = [
        (one.store_id, one.pos, one.receipts, one.journal_length, one.journal_head)
        for one in (group.terminals[key] for key in sorted({(entry[0], entry[1]) for entry in group.journal}))
    ]
    told = events.lined_up(group.events, group.earlier)
    parts: list[Sequence[tuple[Any, ...]]] = [moved, undone, made, opened, group.journal, counted, told]
    values = [column for part, width in zip(parts, _WIDTHS, strict=True) for column in columns_of(part, width)]
    row = await connection.fetchrow(_WRITE, *values, timeout=STATEMENT_TIMEOUT_S)
    decided = (len(moved), len(undone), len(counted))
    # The rows were locked and read a moment ago.
    if row is None or tuple(row) != decided:
        raise RolledBack(f"references, transactions and terminals changed: {row}, where {decided} was decided")
    reach("counter", "after-writes")
