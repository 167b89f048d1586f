"""`connect-gateway load-demo`: fills an empty ledger with what a chain of stores leaves behind in years.

Every parcel is cash on delivery and follows from its number alone, so that whoever knows the number knows the
parcel. The oldest ones have been collected: their transactions are decided, rendered and chained by the same functions
as the counter's own, written by COPY, and told to ECMS long ago. Each process loads the stores of its share, so that a
terminal's receipts and journal are made in their order by one.
"""

import asyncio
import multiprocessing
import multiprocessing.connection
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import uuid_utils
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from connect_gateway.clock import PHILIPPINE_TIME, SystemClock
from connect_gateway.domain import decide, journal
from connect_gateway.domain.records import Perform, Reference, Terminal
from connect_gateway.domain.states import Kind, State, TransactionType
from connect_gateway.edges.answers import answer_with
from connect_gateway.keys import KeysError, load_keys
from connect_gateway.ledger.migrate import migrate
from connect_gateway.ledger.rows import (
    EVENT_COLUMNS,
    REFERENCE_COLUMNS,
    TRANSACTION_COLUMNS,
    columns_of,
    event_values,
    transaction_values,
)
from connect_gateway.processes import StartError
from connect_gateway.settings import Settings

STORES = 400
BIG_STORES = 200
"""Stores with three terminals; the others have two, which makes 1,000."""

TENDERED = 400_000
"""What every customer hands over, in centavos: enough for any parcel."""

_PAST = timedelta(days=60)
"""Over how many days the transactions are spread, up to now."""

_WAITED = timedelta(days=2)
"""How long a parcel had been at its store when it was collected."""

_BATCH = 10_000
_LONG_S = 3_600.0


def reference_number(n: int) -> str:
    """The 12 digits of parcel `n` (from 0): all different below 9 * 10**11, scattered over the whole range."""
    return str(100_000_000_000 + n * 618_033_988_751 % 900_000_000_000)


def tracking_number(n: int) -> str:
    """The 18 digits on parcel `n`'s label."""
    return str(100_000_000_000_000_000 + n)


def store_of(n: int) -> str:
    """The store where parcel `n` waits."""
    return f"{n % STORES + 1:04d}"


def pos_of(n: int) -> int:
    """The terminal of its store at which parcel `n` is collected."""
    return 1 + n // STORES % (3 if n % STORES < BIG_STORES else 2)


def amount_due_of(n: int) -> int:
    """What is due for parcel `n`, in centavos."""
    return 10_000 + n * 7_919 % 3_900 * 100


def open_reference(n: int) -> Reference:
    """Parcel `n` as it waits at its store."""
    return Reference(
        reference=reference_number(n),
        kind=Kind.PAY_AND_CLAIM,
        tracking_number=tracking_number(n),
        merchant_code="001",
        merchant="Merchant A",
        merchant_reference=f"DEMO{n:010d}",
        description="Parcel of the demonstration",
        amount_due=amount_due_of(n),
        store_id=store_of(n),
        state=State.OPEN,
        expires_at=None,
        status_at=None,
        done_store=None,
        done_by=None,
    )


def transaction_id_at(now: datetime) -> UUID:
    """A transaction's id as a till makes it at this moment."""
    made = uuid_utils.uuid7(nanoseconds=int(now.timestamp() * 1_000_000) * 1_000)
    return UUID(bytes=made.bytes)


def collection(n: int, now: datetime) -> Perform:
    """The clerk's command that collects parcel `n` at this moment."""
    return Perform(
        store_id=store_of(n),
        transaction_id=transaction_id_at(now),
        type=TransactionType.COLLECT,
        reference=reference_number(n),
        pos=pos_of(n),
        shift=1,
        business_date=now.astimezone(PHILIPPINE_TIME).date(),
        clerk="ana",
        tracking_number=tracking_number(n),
        tender="CASH",
        amount_tendered=TENDERED,
    )


@dataclass(frozen=True)
class Plan:
    """What is to be loaded, and where. Parcels 0 to `transactions` - 1 are collected, up to `references` - 1 open."""

    database_url: str
    keys_file: Path
    references: int
    transactions: int
    now: datetime
    shares: int


def load_demo(
    database_url: str,
    keys_file: Path,
    *,
    references: int,
    transactions: int,
    now: datetime,
    progress: Callable[[str, int], None],
) -> None:
    """Migrates the database and loads the parcels; `progress` is told what is being done and how many are in.

    StartError where the ledger is not empty, or where more is to be collected than there is.
    """
    if not 0 <= transactions <= references:
        raise StartError("there cannot be more transactions than references")
    progress("Bringing the database to this program's schema", 0)
    asyncio.run(_make_ready(database_url))
    shares = min(os.cpu_count() or 1, 8)
    _load_shares(Plan(database_url, keys_file, references, transactions, now, shares), progress)
    progress("Tidying up and counting for the planner", references)
    asyncio.run(_vacuum(database_url))
    progress("Loaded", references)


def show_load_demo(settings: Settings, *, references: int, transactions: int) -> None:
    """`load_demo` into the database of the settings, with a progress bar."""
    assert settings.database_url is not None, "the command completes the settings"
    if settings.keys_file is None:
        raise KeysError("CONNECT_KEYS_FILE is needed: receipts carry a code that the gateway's keys make")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=references)
        load_demo(
            settings.database_url.get_secret_value(),
            settings.keys_file,
            references=references,
            transactions=transactions,
            now=SystemClock().now(),
            progress=lambda doing, done: bar.update(task, description=doing, completed=done),
        )


async def _make_ready(database_url: str) -> None:
    await migrate(database_url)
    connection = await asyncpg.connect(database_url)
    try:
        for table in ("reference", "transaction", "terminal", "event"):
            if await connection.fetchval(f"SELECT EXISTS (SELECT FROM {table})"):  # noqa: S608 - names of our own
                raise StartError(f"load-demo fills an empty ledger; this one has rows in the table {table}")
    finally:
        await connection.close()


async def _vacuum(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        for table in ("reference", "transaction", "journal", "event", "terminal", "shift"):
            # A table that was counted as empty is planned for as empty until somebody counts it again.
            if await connection.fetchval(f"SELECT EXISTS (SELECT FROM {table})"):  # noqa: S608 - names of our own
                await connection.execute(f"VACUUM (ANALYZE) {table}", timeout=_LONG_S)
    finally:
        await connection.close()


def _load_shares(plan: Plan, progress: Callable[[str, int], None]) -> None:
    context = multiprocessing.get_context("spawn")
    loaded = context.Array("q", plan.shares)
    failed = context.Event()
    with ProcessPoolExecutor(plan.shares, context, initializer=_share_state, initargs=(loaded, failed)) as pool:
        working = [pool.submit(_load_share, plan, share) for share in range(plan.shares)]
        try:
            while not all(future.done() for future in working):
                progress("Loading", sum(loaded[:]))
                time.sleep(0.1)
        except BaseException:
            # The pool is left only when its processes have stopped, which they do behind their present batch.
            failed.set()
            raise
        for future in working:
            future.result()


_loaded: Any = None
_failed: Any = None


def _share_state(loaded: Any, failed: Any) -> None:
    """Gives a loading process what it shares with the others, which only inheritance can carry."""
    global _loaded, _failed
    _loaded, _failed = loaded, failed
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """Ends this process when the one that started it has ended, however that came."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "a process of a pool has one"
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)


def _load_share(plan: Plan, share: int) -> None:
    try:
        asyncio.run(_copy_share(plan, share))
    except BaseException:
        _failed.set()
        raise


async def _copy_share(plan: Plan, share: int) -> None:
    connection = await asyncpg.connect(plan.database_url)
    try:
        loader = _Loader(plan)
        parcels = _parcels(plan, share)
        while (part := tuple(islice(parcels, _BATCH))) and not _failed.is_set():
            batch = loader.batch(part)
            async with connection.transaction():
                await _copy(connection, batch)
            _loaded[share] += len(part)
    finally:
        await connection.close()


def _parcels(plan: Plan, share: int) -> Iterator[int]:
    """The parcels of the share's stores, oldest first."""
    for first in range(0, plan.references, STORES):
        yield from islice(range(first, min(first + STORES, plan.references)), share, None, plan.shares)


@dataclass
class _Batch:
    """Rows to be copied, and the terminals and shifts that they moved."""

    references: list[tuple[Any, ...]] = field(default_factory=list)
    transactions: list[tuple[Any, ...]] = field(default_factory=list)
    journal: list[tuple[Any, ...]] = field(default_factory=list)
    events: list[tuple[Any, ...]] = field(default_factory=list)
    terminals: dict[tuple[str, int], Terminal] = field(default_factory=dict)
    shifts: dict[tuple[str, int, date, int], datetime] = field(default_factory=dict)


class _Loader:
    """Makes rows of parcels, one after another."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._answer = answer_with(load_keys(plan.keys_file))
        self._terminals: dict[tuple[str, int], Terminal] = {}
        self._began = plan.now - _PAST
        self._step = _PAST / max(plan.transactions, 1)

    def batch(self, parcels: tuple[int, ...]) -> _Batch:
        made = _Batch()
        for n in parcels:
            reference = open_reference(n)
            if n < self._plan.transactions:
                arrived_at = self._began + n * self._step - _WAITED
                reference.status_at = arrived_at
                reference = self._collect(made, n, reference)
            else:
                arrived_at = self._plan.now
                reference.status_at = arrived_at
            made.references.append((*_reference_values(reference), arrived_at))
        return made

    def _collect(self, made: _Batch, n: int, reference: Reference) -> Reference:
        now = self._began + n * self._step
        command = collection(n, now)
        key = (command.store_id, command.pos)
        terminal = self._terminals.get(key)
        if terminal is None:
            terminal = self._terminals[key] = Terminal(*key, 0, 0, journal.FIRST_HEAD)
        outcome = decide.perform(command, None, reference, terminal, shift_closed=False, locked_for_s=0, now=now)
        assert isinstance(outcome, decide.Approved), "an open parcel at its own store is collected"
        transaction = outcome.transaction
        transaction.status, transaction.answer = self._answer(outcome)
        terminal.receipts = outcome.receipts
        entry = journal.append(terminal, transaction)
        outcome.event.sequence = 1
        made.transactions.append(transaction_values(transaction))
        made.journal.append((*key, terminal.journal_length, entry, terminal.journal_head))
        made.events.append((*event_values(outcome.event), "TOLD", 1, now, now))
        made.terminals[key] = terminal
        made.shifts.setdefault((*key, command.business_date, command.shift), now)
        return outcome.reference


_reference_values = attrgetter(*REFERENCE_COLUMNS.split(", "))
_terminal_values = attrgetter("store_id", "pos", "receipts", "journal_length", "journal_head")

_KEEP_TERMINALS = """
INSERT INTO terminal (store_id, pos, receipts, journal_length, journal_head)
SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::bytea[])
ON CONFLICT (store_id, pos) DO UPDATE SET
    receipts = excluded.receipts, journal_length = excluded.journal_length, journal_head = excluded.journal_head
"""

_KEEP_SHIFTS = """
INSERT INTO shift (store_id, pos, business_date, shift, opened_at)
SELECT * FROM unnest($1::text[], $2::integer[], $3::date[], $4::integer[], $5::timestamptz[])
ON CONFLICT DO NOTHING
"""


async def _copy(connection: "asyncpg.Connection[asyncpg.Record]", batch: _Batch) -> None:
    """Writes a batch inside the caller's transaction: with it, every terminal is where its rows say."""
    for table, columns, rows in (
        ("reference", REFERENCE_COLUMNS + ", created_at", batch.references),
        ("transaction", TRANSACTION_COLUMNS, batch.transactions),
        ("journal", "store_id, pos, position, entry, head", batch.journal),
        ("event", EVENT_COLUMNS + ", state, attempts, due_at, told_at", batch.events),
    ):
        if rows:
            await connection.copy_records_to_table(table, records=rows, columns=columns.split(", "), timeout=_LONG_S)
    terminals = [_terminal_values(terminal) for terminal in batch.terminals.values()]
    await connection.execute(_KEEP_TERMINALS, *columns_of(terminals, 5), timeout=_LONG_S)
    shifts = [(*key, opened_at) for key, opened_at in batch.shifts.items()]
    await connection.execute(_KEEP_SHIFTS, *columns_of(shifts, 5), timeout=_LONG_S)
