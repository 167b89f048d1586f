"""What waits at a store, and what of it has changed since a till last asked.

A cursor is a count of ECMS's changes and the length of each terminal's journal. Both only grow under a lock that is
held until the change commits, so that a change which becomes visible late has a number beyond every cursor given
before; a cursor never skips one. The counter writes nothing for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from connect_gateway.domain.records import Reference
from connect_gateway.domain.states import PARCEL_KINDS, State
from connect_gateway.ledger.database import STATEMENT_TIMEOUT_S, Connection, Pool, connection_of
from connect_gateway.ledger.rows import REFERENCE_COLUMNS, columns_of, reference_of

_READ_TIMEOUT_S = 1.5


@dataclass(slots=True, frozen=True)
class Cursor:
    """How much of a store's changes has been seen."""

    changes: int
    journals: Mapping[int, int]
    """Entries of each terminal's journal."""


@dataclass(slots=True, frozen=True)
class Parcels:
    """What a manifest tells: `whole` where it is all that waits, otherwise what has changed, waiting or not."""

    cursor: Cursor
    parcels: list[Reference]
    whole: bool


_CHANGES = "SELECT changes FROM store_change WHERE store_id = $1"
_JOURNALS = "SELECT pos, journal_length FROM terminal WHERE store_id = $1"
_PREFIXED = ", ".join(f"reference.{column}" for column in REFERENCE_COLUMNS.split(", "))
_WHOLE = f"""
SELECT {_PREFIXED} FROM waiting JOIN reference ON reference.reference = waiting.reference
WHERE waiting.store_id = $1 AND reference.store_id = $1 AND reference.state = 'OPEN'
ORDER BY reference.reference
"""  # noqa: S608 - columns of our own
_CHANGED = """
SELECT reference FROM waiting WHERE store_id = $1 AND change > $2
UNION
SELECT journal.entry::json ->> 'reference'
FROM unnest($3::integer[], $4::bigint[]) AS seen (pos, position)
JOIN journal ON journal.store_id = $1 AND journal.pos = seen.pos AND journal.position > seen.position
"""
_REFERENCES = f"""
SELECT {REFERENCE_COLUMNS} FROM reference WHERE reference = ANY($1::text[]) AND kind = ANY($2::text[])
ORDER BY reference
"""  # noqa: S608 - columns of our own


async def parcels(pool: Pool, store_id: str, since: Cursor | None) -> Parcels:
    """The parcels that wait at a store, or those that have changed since; all of them where the cursor is none of ours.

    The counts are read first: what commits while the rest is read is told now, and once more the next time.
    """
    async with connection_of(pool) as connection:
        changes = await connection.fetchval(_CHANGES, store_id, timeout=STATEMENT_TIMEOUT_S) or 0
        rows = await connection.fetch(_JOURNALS, store_id, timeout=STATEMENT_TIMEOUT_S)
        cursor = Cursor(changes, {row["pos"]: row["journal_length"] for row in rows})
        if since is None or not _goes_before(since, cursor):
            found = await connection.fetch(_WHOLE, store_id, timeout=_READ_TIMEOUT_S)
            return Parcels(cursor, [reference_of(row) for row in found], whole=True)
        if since == cursor:
            return Parcels(cursor, [], whole=False)
        return Parcels(cursor, await _changed(connection, store_id, since, cursor), whole=False)


def _goes_before(since: Cursor, cursor: Cursor) -> bool:
    """Whether a cursor can have been given by this ledger; one of a ledger that was lost since can be ahead of it."""
    return since.changes <= cursor.changes and all(
        length <= cursor.journals.get(pos, -1) for pos, length in since.journals.items()
    )


async def _changed(connection: Connection, store_id: str, since: Cursor, cursor: Cursor) -> list[Reference]:
    grown = [
        (pos, since.journals.get(pos, 0))
        for pos, length in sorted(cursor.journals.items())
        if length > since.journals.get(pos, 0)
    ]
    rows = await connection.fetch(_CHANGED, store_id, since.changes, *columns_of(grown, 2), timeout=_READ_TIMEOUT_S)
    names = [row[0] for row in rows if row[0] is not None]
    found = await connection.fetch(_REFERENCES, names, sorted(PARCEL_KINDS), timeout=_READ_TIMEOUT_S)
    return [reference_of(row) for row in found]


_NOTE = """
WITH counted AS (
    INSERT INTO store_change (store_id, changes) VALUES ($1, 1)
    ON CONFLICT (store_id) DO UPDATE SET changes = store_change.changes + 1
    RETURNING store_id, changes)
INSERT INTO waiting (store_id, reference, change, changed_at) SELECT store_id, $2, changes, $3 FROM counted
ON CONFLICT (store_id, reference) DO UPDATE SET change = excluded.change, changed_at = excluded.changed_at
"""


async def note(connection: Connection, moves: Sequence[tuple[Reference, Reference]], now: datetime) -> None:
    """Counts what ECMS has moved, before and after, in the caller's transaction and as the last of its locks."""
    noted = {
        (store_id, after.reference)
        for before, after in moves
        if after.kind in PARCEL_KINDS and State.OPEN in (before.state, after.state)
        for store_id in (before.store_id, after.store_id)
        if store_id is not None
    }
    for store_id, reference in sorted(noted):
        await connection.execute(_NOTE, store_id, reference, now, timeout=STATEMENT_TIMEOUT_S)


_PURGE = """
DELETE FROM waiting USING reference
WHERE waiting.changed_at < $1 AND reference.reference = waiting.reference AND reference.state <> 'OPEN'
"""


async def purge(pool: Pool, before: datetime) -> None:
    """Forgets what has left its store long ago, and what no cursor that is still good can ask for."""
    async with connection_of(pool) as connection:
        await connection.execute(_PURGE, before, timeout=30)
