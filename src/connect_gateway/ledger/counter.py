"""The counter's commands, committed in groups.

A group is one database transaction: its rows are locked and read in one order (transactions, references,
terminals), the domain decides one command after another over them, and everything that follows is written set-based.
Only after COMMIT was answered is anybody told.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from connect_gateway.clock import Clock
from connect_gateway.crashpoints import reach
from connect_gateway.domain import attempts, decide, journal
from connect_gateway.domain.records import (
    STANDING,
    Event,
    Perform,
    Quote,
    Reference,
    Resolve,
    Reverse,
    Terminal,
    Transaction,
    TransactionState,
)
from connect_gateway.ledger import events, standins
from connect_gateway.ledger.archive import bring_answers
from connect_gateway.ledger.database import (
    STATEMENT_TIMEOUT_S,
    Connection,
    FateUnknown,
    Pool,
    RolledBack,
    Unavailable,
    in_transaction,
    insert_rows,
)
from connect_gateway.ledger.gather import ANSWER_WITHIN_S, Gatherer, Overloaded
from connect_gateway.ledger.rows import (
    REFERENCE_COLUMNS,
    TRANSACTION_COLUMNS,
    columns_of,
    reference_of,
    transaction_of,
    transaction_values,
)
from connect_gateway.ledger.shifts import LATE_COLUMNS, late_values

GROUP_LIMIT = 128
WAITING_LIMIT = 4_096
SHED_AFTER_S = 0.5
"""For so long a queue that does not end may be a rush; then it is more than can be served."""

_READ_BACKS = 2

Answer = Callable[[decide.Approved | decide.Declined | decide.Disputed], tuple[int, str]]
"""Renders an outcome as (HTTP status, body), inside the group, so that the answer is stored with what it says."""


@dataclass(slots=True, frozen=True)
class CounterCommand:
    """What a till, or a person who looks after a dispute, asks for, and whose token asks."""

    command: Perform | Reverse | Resolve
    client_id: str
    quote: Quote | None = None
    """What ECMS says of a drop-off, asked before; a database transaction waits for no other program."""


ShiftKey = tuple[str, int, object, int]


@dataclass(slots=True)
class _Group:
    """What a group has read and what it is going to write."""

    transactions: dict[tuple[str, UUID], Transaction] = field(default_factory=dict)
    references: dict[str, Reference] = field(default_factory=dict)
    terminals: dict[tuple[str, int], Terminal] = field(default_factory=dict)
    shifts: dict[ShiftKey, datetime | None] = field(default_factory=dict)
    """When each was closed; None of one that is open."""
    locked_until: dict[str, datetime] = field(default_factory=dict)

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


class Counter:
    """Where tills' commands go. `told` is called once events were committed, to wake the relay."""

    def __init__(self, pool: Pool, clock: Clock, answer: Answer, told: Callable[[], None]) -> None:
        self._pool = pool
        self._clock = clock
        self._answer = answer
        self._told = told
        self._gatherer: Gatherer[CounterCommand, decide.Outcome] = Gatherer(
            self._commit_group,
            group_limit=GROUP_LIMIT,
            waiting_limit=WAITING_LIMIT,
            answer_within_s=ANSWER_WITHIN_S,
            shed_after_s=SHED_AFTER_S,
        )

    def admit(self) -> None:
        """Overloaded where a command would be refused just now: said before anything is spent on it."""
        if self._gatherer.is_full:
            raise Overloaded

    async def submit(self, command: CounterCommand, waited_s: float = 0.0) -> decide.Outcome:
        """Decides and commits; Unavailable where it was not done, FateUnknown where that could not be found out.

        `waited_s` is for how long the till has waited already.
        """
        try:
            return await self._gatherer.submit(command, waited_s)
        except TimeoutError as error:
            raise FateUnknown("the ledger did not answer in time") from error

    async def drain(self) -> None:
        """Waits until every command has its outcome."""
        await self._gatherer.drain()

    async def _commit_group(self, commands: list[CounterCommand]) -> Sequence[decide.Outcome | Exception]:
        try:
            return await self._attempt(commands)
        except FateUnknown as doubt:
            return await self._read_back(commands, doubt)
        except Unavailable:
            raise
        except (asyncpg.PostgresError, RolledBack) as error:
            return await self._isolate(commands, error)

    async def _read_back(self, commands: list[CounterCommand], doubt: FateUnknown) -> Sequence[decide.Outcome]:
        """Finds out what became of a group by sending it again.

        What was committed is there under its ids and answers as it did; what was not is decided anew. The row
        locks of a COMMIT that is still under way make the second attempt wait for it, and the fence makes it a
        commit of its own.
        """
        for _ in range(_READ_BACKS):
            try:
                return await self._attempt(commands, fence=True)
            except FateUnknown:
                continue
            except Exception as error:
                # Nothing of this attempt happened, but the first one's fate stays open.
                raise doubt from error
        raise doubt

    async def _isolate(self, commands: list[CounterCommand], error: Exception) -> Sequence[decide.Outcome | Exception]:
        """Halves a group that the database refused, so that one bad command fails alone.

        A single command is tried once more: two processes that met on one id collide on its key, and the second of
        them finds the first one's outcome.
        """
        if len(commands) == 1:
            try:
                return await self._attempt(commands)
            except (FateUnknown, Unavailable):
                raise
            except (asyncpg.PostgresError, RolledBack) as second:
                raise second from error
        middle = len(commands) // 2
        results: list[decide.Outcome | Exception] = []
        for half in (commands[:middle], commands[middle:]):
            try:
                results.extend(await self._commit_group(half))
            except Exception as failure:  # noqa: BLE001 - the other half has its own fate
                results.extend([failure] * len(half))
        return results

    async def _attempt(self, commands: list[CounterCommand], *, fence: bool = False) -> list[decide.Outcome]:
        committed_events = 0

        async def work(connection: Connection) -> list[decide.Outcome]:
            nonlocal committed_events
            if fence:
                await connection.execute("UPDATE fence SET touched_at = now()", timeout=STATEMENT_TIMEOUT_S)
            group = await _read(connection, commands)
            reach("counter", "after-reads")
            # Only now, with its rows locked, has every earlier change of them a time before this one.
            now = self._clock.now()
            outcomes = [self._decide(group, command, now) for command in commands]
            await _write(connection, group, now)
            committed_events = len(group.events)
            return outcomes

        outcomes = await in_transaction(self._pool, work, "counter")
        if committed_events:
            self._told()
        return outcomes

    def _decide(self, group: _Group, asked: CounterCommand, now: datetime) -> decide.Outcome:
        command = asked.command
        if isinstance(command, Perform):
            return self._perform(group, command, asked, now)
        if isinstance(command, Resolve):
            return _resolve(group, command, now)
        return _reverse(group, command, asked.client_id, now)

    def _perform(self, group: _Group, command: Perform, asked: CounterCommand, now: datetime) -> decide.Outcome:
        key = (command.store_id, command.transaction_id)
        reference = group.references.get(command.reference)
        terminal = group.terminals[command.store_id, command.pos]
        shift: ShiftKey = (command.store_id, command.pos, command.business_date, command.shift)
        closed_at = group.shifts.get(shift)
        earlier = group.transactions.get(key)
        outcome = decide.perform(
            command,
            earlier,
            reference,
            terminal,
            shift_closed=_is_closed_for(command, closed_at),
            locked_for_s=attempts.seconds_left(group.locked_until.get(asked.client_id), now),
            now=now,
            quote=asked.quote,
        )
        if isinstance(outcome, decide.Replayed | decide.Rejected):
            return outcome
        transaction = outcome.transaction
        transaction.status, transaction.answer = self._answer(outcome)
        if isinstance(outcome, decide.Approved):
            assert reference is not None
            terminal.receipts = outcome.receipts
            _move(group, reference, outcome.reference)
            group.events.append(outcome.event)
        elif isinstance(outcome, decide.Disputed):
            terminal.receipts = outcome.receipts
        if shift not in group.shifts:
            group.shifts[shift] = None
            group.new_shifts[shift] = now
        group.transactions[key] = transaction
        if command.stand_in is not None:
            _stand_in(group, outcome, earlier)
        else:
            group.new_transactions[key] = transaction
            _enter(group, transaction)
        if closed_at is not None and transaction.state in STANDING:
            group.late.append(late_values(transaction, group.journal[-1][2]))
        return outcome


def _is_closed_for(command: Perform, closed_at: datetime | None) -> bool:
    """Whether a shift is closed to a command: a sale that was made before the close may still be told of."""
    return closed_at is not None and (command.stand_in is None or command.stand_in.occurred_at > closed_at)


def _stand_in(
    group: _Group, outcome: decide.Approved | decide.Declined | decide.Disputed, earlier: Transaction | None
) -> None:
    transaction = outcome.transaction
    key = transaction.store_id, transaction.transaction_id
    assert transaction.request is not None
    assert transaction.request.stand_in is not None
    standing = group.standing = group.standing or standins.Standing()
    standing.taken.append((transaction, transaction.request.stand_in))
    if isinstance(outcome, decide.Disputed):
        standing.disputed.append((transaction, outcome.refusal))
    if earlier is None or key in group.new_transactions:
        group.new_transactions[key] = transaction
    else:
        standing.sold_after_all[key] = transaction
    _enter(group, transaction, None if earlier is None else TransactionState.DECLINED)


def _resolve(group: _Group, command: Resolve, now: datetime) -> decide.Outcome:
    key = (command.store_id, command.transaction_id)
    earlier = group.transactions.get(key)
    reference = None
    if earlier is not None and earlier.request is not None:
        reference = group.references.get(earlier.request.reference)
    outcome = decide.resolve(command, earlier, reference, now=now)
    if isinstance(outcome, decide.Rejected):
        return outcome
    standing = group.standing = group.standing or standins.Standing()
    standing.resolved.append((outcome.transaction, command.resolution, command.by, command.note))
    group.transactions[key] = outcome.transaction
    if isinstance(outcome, decide.Reversed):
        _enter_reversal(group, outcome)
        return outcome
    assert reference is not None
    _move(group, reference, outcome.reference)
    group.events.append(outcome.event)
    standing.accepted.append(outcome.transaction)
    _enter(group, outcome.transaction, TransactionState.DISPUTED)
    return outcome


def _reverse(group: _Group, command: Reverse, client_id: str, now: datetime) -> decide.Outcome:
    key = (command.store_id, command.transaction_id)
    earlier = group.transactions.get(key)
    request = None if earlier is None else earlier.request
    reference = None if request is None else group.references.get(request.reference)
    shift_closed = request is not None and _is_closed(group, request)
    outcome = decide.reverse(command, earlier, reference, shift_closed=shift_closed, now=now)
    if not isinstance(outcome, decide.Reversed):
        return outcome
    if outcome.reference is not None and outcome.event is not None:
        assert reference is not None
        _move(group, reference, outcome.reference)
        group.events.append(outcome.event)
    if earlier is not None and earlier.state is TransactionState.DISPUTED:
        standing = group.standing = group.standing or standins.Standing()
        standing.resolved.append((outcome.transaction, standins.REVERSED, client_id, ""))
    group.transactions[key] = outcome.transaction
    if earlier is None:
        group.new_transactions[key] = outcome.transaction
    _enter_reversal(group, outcome)
    return outcome


def _is_closed(group: _Group, request: Perform) -> bool:
    return group.shifts.get((request.store_id, request.pos, request.business_date, request.shift)) is not None


def _enter_reversal(group: _Group, outcome: decide.Reversed) -> None:
    undone = outcome.transaction
    key = undone.store_id, undone.transaction_id
    if key in group.new_transactions:
        group.new_transactions[key] = undone
    elif group.standing is not None and key in group.standing.sold_after_all:
        group.standing.sold_after_all[key] = undone
    else:
        group.reversed_transactions[key] = undone
    _enter(group, undone)
    if undone.was_approved and undone.request is not None and _is_closed(group, undone.request):
        group.late.append(late_values(undone, group.journal[-1][2]))


def _move(group: _Group, before: Reference, after: Reference) -> None:
    group.moved.setdefault(before.reference, before.state)
    group.references[after.reference] = after


def _enter(group: _Group, transaction: Transaction, after: TransactionState | None = None) -> None:
    terminal = group.terminals[transaction.store_id, transaction.pos]
    entry = journal.append(terminal, transaction, after)
    group.journal.append((terminal.store_id, terminal.pos, terminal.journal_length, entry, terminal.journal_head))


_LOCK_TRANSACTIONS = f"""
SELECT {TRANSACTION_COLUMNS} FROM transaction
WHERE (store_id, transaction_id) IN (SELECT * FROM unnest($1::text[], $2::uuid[]))
ORDER BY store_id, transaction_id
FOR UPDATE
"""  # noqa: S608 - columns of our own

_LOCK_REFERENCES = f"""
SELECT {REFERENCE_COLUMNS} FROM reference WHERE reference = ANY($1::text[]) ORDER BY reference FOR UPDATE
"""  # noqa: S608 - columns of our own

_LOCK_TERMINALS = """
SELECT store_id, pos, receipts, journal_length, journal_head FROM terminal
WHERE (store_id, pos) IN (SELECT * FROM unnest($1::text[], $2::integer[]))
ORDER BY store_id, pos
FOR UPDATE
"""

_NEW_TERMINALS = """
INSERT INTO terminal (store_id, pos, receipts, journal_length, journal_head)
SELECT store_id, pos, 0, 0, $3 FROM unnest($1::text[], $2::integer[]) AS new (store_id, pos)
ORDER BY store_id, pos
ON CONFLICT DO NOTHING
"""

# A shift's row changes only under its terminal's lock, so that it needs none of its own; read with it, a lockout
# costs no round trip.
_READ_SHIFTS_AND_LOCKOUTS = """
SELECT store_id, pos, business_date, shift, closed_at AS moment FROM shift
WHERE (store_id, pos, business_date, shift)
   IN (SELECT * FROM unnest($1::text[], $2::integer[], $3::date[], $4::integer[]))
UNION ALL
SELECT client_id, NULL, NULL, NULL, locked_until FROM lockout WHERE client_id = ANY($5::text[])
"""


async def _read(connection: Connection, commands: list[CounterCommand]) -> _Group:
    group = _Group()
    asked = [command.command for command in commands]
    keys = sorted({(command.store_id, command.transaction_id) for command in asked})
    rows = await connection.fetch(_LOCK_TRANSACTIONS, *columns_of(keys, 2), timeout=STATEMENT_TIMEOUT_S)
    for row in rows:
        transaction = transaction_of(row)
        group.transactions[transaction.store_id, transaction.transaction_id] = transaction
    await bring_answers(connection, list(group.transactions.values()))
    performed = [command for command in asked if isinstance(command, Perform)]
    performed += [found.request for found in group.transactions.values() if found.request is not None]
    wanted = sorted({command.reference for command in performed})
    if wanted:
        for row in await connection.fetch(_LOCK_REFERENCES, wanted, timeout=STATEMENT_TIMEOUT_S):
            group.references[row["reference"]] = reference_of(row)
    terminals = {(command.store_id, command.pos) for command in asked}
    terminals.update((found.store_id, found.pos) for found in group.transactions.values())
    await _read_terminals(connection, group, terminals)
    await _read_shifts_and_lockouts(connection, group, performed, {command.client_id for command in commands})
    return group


async def _read_terminals(connection: Connection, group: _Group, wanted: set[tuple[str, int]]) -> None:
    keys = sorted(wanted)
    rows = await connection.fetch(_LOCK_TERMINALS, *columns_of(keys, 2), timeout=STATEMENT_TIMEOUT_S)
    if len(rows) < len(keys):
        await connection.execute(_NEW_TERMINALS, *columns_of(keys, 2), journal.FIRST_HEAD, timeout=STATEMENT_TIMEOUT_S)
        rows = await connection.fetch(_LOCK_TERMINALS, *columns_of(keys, 2), timeout=STATEMENT_TIMEOUT_S)
    for row in rows:
        group.terminals[row["store_id"], row["pos"]] = Terminal(*row)


async def _read_shifts_and_lockouts(
    connection: Connection, group: _Group, performed: Iterable[Perform], clients: set[str]
) -> None:
    keys = sorted({(one.store_id, one.pos, one.business_date, one.shift) for one in performed})
    rows = await connection.fetch(
        _READ_SHIFTS_AND_LOCKOUTS, *columns_of(keys, 4), sorted(clients), timeout=STATEMENT_TIMEOUT_S
    )
    for row in rows:
        if row["pos"] is None:
            group.locked_until[row["store_id"]] = row["moment"]
        else:
            group.shifts[row["store_id"], row["pos"], row["business_date"], row["shift"]] = row["moment"]


async def _write(connection: Connection, group: _Group, now: datetime) -> None:
    if not group.journal:
        return
    await _write_references(connection, group)
    reach("counter", "after-references")
    if group.standing is not None:
        await standins.write(connection, group.standing, now)
    await _write_transactions(connection, group)
    reach("counter", "after-transactions")
    if group.new_shifts:
        shifts = sorted((*key, opened_at) for key, opened_at in group.new_shifts.items())
        await connection.execute(_INSERT_SHIFTS, *columns_of(shifts, 5), timeout=STATEMENT_TIMEOUT_S)
        reach("counter", "after-shifts")
    if group.late:
        await insert_rows(connection, "late_entry", LATE_COLUMNS, group.late)
    await insert_rows(connection, "journal", "store_id, pos, position, entry, head", group.journal)
    reach("counter", "after-journal")
    written = {(store_id, pos) for store_id, pos, *_ in group.journal}
    terminals = [group.terminals[key] for key in sorted(written)]
    rows = [(one.store_id, one.pos, one.receipts, one.journal_length, one.journal_head) for one in terminals]
    await connection.execute(_UPDATE_TERMINALS, *columns_of(rows, 5), timeout=STATEMENT_TIMEOUT_S)
    reach("counter", "after-terminals")
    await events.insert(connection, group.events)
    reach("counter", "after-events")


_UPDATE_REFERENCES = """
UPDATE reference SET
    state = moved.state, done_store = moved.done_store, done_by = moved.done_by,
    status_at = moved.status_at
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::timestamptz[])
    AS moved (reference, was, state, done_store, done_by, status_at)
WHERE reference.reference = moved.reference AND reference.state = moved.was
"""

_REVERSE_TRANSACTIONS = """
UPDATE transaction SET
    state = 'REVERSED', reversed_at = undone.reversed_at, reversal_reason = undone.reason
FROM unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::text[])
    AS undone (store_id, transaction_id, reversed_at, reason)
WHERE transaction.store_id = undone.store_id AND transaction.transaction_id = undone.transaction_id
  AND transaction.state <> 'REVERSED'
"""

_INSERT_SHIFTS = """
INSERT INTO shift (store_id, pos, business_date, shift, opened_at)
SELECT * FROM unnest($1::text[], $2::integer[], $3::date[], $4::integer[], $5::timestamptz[])
"""

_UPDATE_TERMINALS = """
UPDATE terminal SET
    receipts = written.receipts, journal_length = written.journal_length, journal_head = written.journal_head
FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::bytea[])
    AS written (store_id, pos, receipts, journal_length, journal_head)
WHERE terminal.store_id = written.store_id AND terminal.pos = written.pos
"""


async def _write_references(connection: Connection, group: _Group) -> None:
    if not group.moved:
        return
    rows = []
    for key, was in sorted(group.moved.items()):
        moved = group.references[key]
        rows.append((key, was, moved.state, moved.done_store, moved.done_by, moved.status_at))
    tag = await connection.execute(_UPDATE_REFERENCES, *columns_of(rows, 6), timeout=STATEMENT_TIMEOUT_S)
    _expect(tag, "UPDATE", len(rows))


async def _write_transactions(connection: Connection, group: _Group) -> None:
    if group.new_transactions:
        rows = [transaction_values(one) for _, one in sorted(group.new_transactions.items())]
        await insert_rows(connection, "transaction", TRANSACTION_COLUMNS, rows)
    if group.reversed_transactions:
        undone = [
            (one.store_id, one.transaction_id, one.reversed_at, one.reversal_reason)
            for _, one in sorted(group.reversed_transactions.items())
        ]
        tag = await connection.execute(_REVERSE_TRANSACTIONS, *columns_of(undone, 4), timeout=STATEMENT_TIMEOUT_S)
        _expect(tag, "UPDATE", len(undone))


def _expect(tag: str, verb: str, count: int) -> None:
    """The rows were locked and read a moment ago: another count means that the ledger is not what was decided upon."""
    if tag != f"{verb} {count}":
        raise RolledBack(f"{tag} where {verb} {count} was decided")
