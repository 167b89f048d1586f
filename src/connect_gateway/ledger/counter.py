"""The counter's commands, committed in groups.

A group is one database transaction: its rows are locked and read in one order (transactions, references,
terminals), the domain decides one command after another over them, and everything that follows is written set-based
(`groups`). Only after COMMIT was answered is anybody told.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from connect_gateway.clock import Clock
from connect_gateway.crashpoints import reach
from connect_gateway.domain import attempts, decide, disputes, journal, reversals
from connect_gateway.domain.records import (
    STANDING,
    Perform,
    Quote,
    Reference,
    Resolve,
    Reverse,
    Transaction,
    TransactionState,
)
from connect_gateway.ledger import groups, standins
from connect_gateway.ledger.database import (
    STATEMENT_TIMEOUT_S,
    Chain,
    Connection,
    FateUnknown,
    Pool,
    RolledBack,
    Unavailable,
    in_transaction,
)
from connect_gateway.ledger.gather import ANSWER_WITHIN_S, Gatherer, Overloaded
from connect_gateway.ledger.groups import Group, ShiftKey
from connect_gateway.ledger.shifts import late_values

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
        self._chain = Chain(pool)

    def admit(self) -> None:
        """Overloaded where a command would be refused just now: said before anything is spent on it."""
        if self.is_full:
            raise Overloaded

    @property
    def is_full(self) -> bool:
        """Whether a command would be refused just now."""
        return self._gatherer.is_full

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
        await self._chain.end()

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
            group = await groups.read(
                connection, [one.command for one in commands], [one.client_id for one in commands]
            )
            reach("counter", "after-reads")
            # Only now, with its rows locked, has every earlier change of them a time before this one.
            now = self._clock.now()
            outcomes = [self._decide(group, command, now) for command in commands]
            await groups.write(connection, group, now)
            committed_events = len(group.events)
            return outcomes

        outcomes = await in_transaction(self._pool, work, "counter", chain=self._chain)
        if committed_events:
            self._told()
        return outcomes

    def _decide(self, group: Group, asked: CounterCommand, now: datetime) -> decide.Outcome:
        command = asked.command
        if isinstance(command, Perform):
            return self._perform(group, command, asked, now)
        if isinstance(command, Resolve):
            return _resolve(group, command, now)
        return _reverse(group, command, asked.client_id, now)

    def _perform(self, group: Group, command: Perform, asked: CounterCommand, now: datetime) -> decide.Outcome:
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
    group: Group, outcome: decide.Approved | decide.Declined | decide.Disputed, earlier: Transaction | None
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


def _resolve(group: Group, command: Resolve, now: datetime) -> decide.Outcome:
    key = (command.store_id, command.transaction_id)
    earlier = group.transactions.get(key)
    reference = None
    if earlier is not None and earlier.request is not None:
        reference = group.references.get(earlier.request.reference)
    outcome = disputes.resolve(command, earlier, reference, now=now)
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


def _reverse(group: Group, command: Reverse, client_id: str, now: datetime) -> decide.Outcome:
    key = (command.store_id, command.transaction_id)
    earlier = group.transactions.get(key)
    request = None if earlier is None else earlier.request
    reference = None if request is None else group.references.get(request.reference)
    shift_closed = request is not None and _is_closed(group, request)
    outcome = reversals.reverse(command, earlier, reference, shift_closed=shift_closed, now=now)
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


def _is_closed(group: Group, request: Perform) -> bool:
    return group.shifts.get((request.store_id, request.pos, request.business_date, request.shift)) is not None


def _enter_reversal(group: Group, outcome: decide.Reversed) -> None:
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


def _move(group: Group, before: Reference, after: Reference) -> None:
    group.moved.setdefault(before.reference, before.state)
    group.references[after.reference] = after


def _enter(group: Group, transaction: Transaction, after: TransactionState | None = None) -> None:
    terminal = group.terminals[transaction.store_id, transaction.pos]
    entry = journal.append(terminal, transaction, after)
    group.journal.append((terminal.store_id, terminal.pos, terminal.journal_length, entry, terminal.journal_head))
