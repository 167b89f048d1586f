"""The simulator's one file: SQLite, written by one thread that commits many requests' work together.

Work is a function of the connection. It runs alone, in the order of asking, and its result is handed out only
after a commit that has reached the disk, so that nothing that was answered is lost, however the program ends.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from .stores import find_store

T = TypeVar("T")

_SCHEMA_VERSION = 2
_MOST_IN_ONE_COMMIT = 200

_PARCEL = """
-- Shipments, drop-offs and returns. `identifier` is what a return was asked for by; nothing else has one. A return
-- code is what is scanned when a package is handed in: ECMS's own, or one that the gateway has given out.
-- `store_id` is where the package is claimed (none where it goes to an address in `dest_zone`),
-- `origin_store_id` where it was, or is to be, dropped off;
-- `received_at` is when the DC had it, `store_since` when its store had it, by the simulator's clock.
CREATE TABLE parcel (
    tracking_number     TEXT PRIMARY KEY,
    flow                TEXT NOT NULL,
    state               TEXT NOT NULL,
    merchant_code       TEXT NOT NULL,
    merchant            TEXT NOT NULL,
    merchant_reference  TEXT NOT NULL,
    identifier          TEXT,
    booking_reference   TEXT UNIQUE,
    payment_type        TEXT CHECK (payment_type IN ('COD', 'PREPAID')),
    amount_centavos     INTEGER NOT NULL CHECK (amount_centavos BETWEEN 0 AND 400000),
    store_id            TEXT,
    origin_store_id     TEXT,
    dest_zone           TEXT,
    delivery_type       TEXT CHECK (delivery_type IN ('STORE', 'DOOR')),
    payor               TEXT CHECK (payor IN ('MERCHANT', 'SELLER')),
    fee_centavos        INTEGER CHECK (fee_centavos BETWEEN 0 AND 400000),
    mobile_number       TEXT,
    description         TEXT NOT NULL,
    details             TEXT NOT NULL,
    label               TEXT UNIQUE,
    claim_code          TEXT,
    return_code         TEXT,
    own_return_code     INTEGER NOT NULL DEFAULT 0,
    created_at          INTEGER NOT NULL,
    expires_at          INTEGER,
    dropped_at          INTEGER,
    received_at         INTEGER,
    store_since         INTEGER,
    claimed_at          INTEGER,
    flagged             INTEGER NOT NULL DEFAULT 0,
    CHECK ((identifier IS NULL) = (payment_type IS NOT NULL)),
    CHECK ((identifier IS NULL AND booking_reference IS NULL) = (expires_at IS NULL)),
    CHECK ((booking_reference IS NULL) = (delivery_type IS NULL)),
    CHECK ((booking_reference IS NULL) = (payor IS NULL)),
    CHECK ((booking_reference IS NULL) = (fee_centavos IS NULL)),
    CHECK (identifier IS NOT NULL OR (payment_type = 'COD') = (amount_centavos > 0))
) STRICT;

CREATE UNIQUE INDEX parcel_one_shipment ON parcel (merchant_code, merchant_reference)
    WHERE identifier IS NULL;

CREATE INDEX parcel_reference ON parcel (merchant_reference) WHERE identifier IS NULL;

CREATE INDEX parcel_return ON parcel (merchant_code, identifier) WHERE identifier IS NOT NULL;

CREATE INDEX parcel_state ON parcel (state);
"""

_VERSION_1_COLUMNS = (
    "tracking_number, flow, state, merchant_code, merchant, merchant_reference, identifier, payment_type,"
    " amount_centavos, store_id, mobile_number, description, details, label, claim_code, return_code,"
    " own_return_code, created_at, expires_at, claimed_at, flagged"
)

_ADDED = """
-- What whoever follows the simulator is told of: a parcel's history grew, the gateway has heard of it, or its merchant
-- has been tried.
CREATE TABLE change (
    seq              INTEGER PRIMARY KEY AUTOINCREMENT,
    tracking_number  TEXT NOT NULL REFERENCES parcel,
    kind             TEXT NOT NULL CHECK (kind IN ('EVENT', 'TOLD', 'MERCHANT'))
) STRICT;

-- Where each merchant is told of its parcels, from the event after `since` on.
CREATE TABLE webhook_target (
    merchant_code  TEXT PRIMARY KEY,
    url            TEXT NOT NULL,
    secret         TEXT NOT NULL,
    since          INTEGER NOT NULL
) STRICT;

-- How telling the merchant of an event went; one that was never tried has no row, one that is told has `told_at`.
CREATE TABLE webhook (
    seq       INTEGER PRIMARY KEY REFERENCES event,
    attempts  INTEGER NOT NULL,
    outcome   TEXT NOT NULL,
    tried_at  INTEGER NOT NULL,
    told_at   INTEGER
) STRICT;
"""

_SCHEMA = f"""
CREATE TABLE setting (
    name   TEXT PRIMARY KEY,
    value  TEXT NOT NULL
) STRICT;

-- Access and refresh tokens, as hashes. A family grew from one grant of client credentials.
CREATE TABLE token (
    hash        TEXT PRIMARY KEY,
    use         TEXT NOT NULL CHECK (use IN ('ACCESS', 'REFRESH')),
    client_id   TEXT NOT NULL,
    family      TEXT NOT NULL,
    expires_at  INTEGER NOT NULL,
    used        INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX token_family ON token (family);

CREATE INDEX token_expiry ON token (expires_at);

{_PARCEL}
-- Every status that a parcel went through or was told of, in order of arrival.
CREATE TABLE event (
    seq              INTEGER PRIMARY KEY,
    event_id         TEXT NOT NULL,
    tracking_number  TEXT NOT NULL REFERENCES parcel,
    status           TEXT NOT NULL,
    location         TEXT,
    timestamp        TEXT NOT NULL,
    reason           TEXT,
    source           TEXT NOT NULL,
    applied          INTEGER NOT NULL,
    content          TEXT,
    payment          TEXT,
    flagged          TEXT,
    refused          TEXT
) STRICT;

CREATE UNIQUE INDEX event_applied_once ON event (event_id) WHERE applied = 1;

CREATE INDEX event_parcel ON event (tracking_number, seq);

-- What the gateway has still to be told, or has been told.
CREATE TABLE outbox (
    seq              INTEGER PRIMARY KEY AUTOINCREMENT,
    tracking_number  TEXT NOT NULL REFERENCES parcel,
    message          TEXT NOT NULL,
    told             INTEGER NOT NULL DEFAULT 0,
    told_at          INTEGER
) STRICT;

CREATE INDEX outbox_waiting ON outbox (tracking_number, seq) WHERE told = 0;

CREATE TABLE return_id (
    identifier     TEXT NOT NULL,
    merchant_code  TEXT NOT NULL,
    merchant       TEXT NOT NULL,
    valid_until    INTEGER NOT NULL,
    PRIMARY KEY (identifier, merchant_code)
) STRICT;
{_ADDED}"""

# A file of version 1 knows no drop-offs and no time in the store. Its parcels are copied into the new table, which
# the other tables go on referring to by its name.
_UPGRADE = f"""
ALTER TABLE parcel RENAME TO parcel_1;
DROP INDEX parcel_one_shipment;
DROP INDEX parcel_reference;
DROP INDEX parcel_return;
{_PARCEL}
INSERT INTO parcel ({_VERSION_1_COLUMNS}) SELECT {_VERSION_1_COLUMNS} FROM parcel_1;
DROP TABLE parcel_1;
ALTER TABLE outbox ADD COLUMN told_at INTEGER;
{_ADDED}"""  # noqa: S608 - constants


def insert(connection: sqlite3.Connection, table: str, **values: str | int | None) -> None:
    """Adds a row; the names of the table and of its columns are the program's own."""
    columns, places = ", ".join(values), ", ".join("?" * len(values))
    connection.execute(
        f"INSERT INTO {table} ({columns}) VALUES ({places})",  # noqa: S608 - no text of anybody else's
        tuple(values.values()),
    )


class DatabaseInUse(Exception):
    """Another simulator works on this file."""


class _Job:
    __slots__ = ("error", "future", "loop", "result", "work", "wrote")

    def __init__(self, work: Callable[[sqlite3.Connection], Any]) -> None:
        self.work = work
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None
        self.wrote = False

    def settle(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Database:
    """Runs work on the file; see the module."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.on_write: Callable[[], None] = lambda: None
        """Called after work that has written something is on the disk."""

    async def open(self) -> None:
        """Opens the file, making it where there is none; `DatabaseInUse`, OSError or sqlite3.Error where
        it fails.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        opening = _Job(lambda _: None)
        self._thread = threading.Thread(target=self._run, args=(opening,), name="ecms-database", daemon=True)
        self._thread.start()
        await opening.future

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The result of `work`, once it is on the disk. What `work` raises is raised here, and nothing of
        it stays.
        """
        job = _Job(work)
        self._jobs.put(job)
        result: T = await job.future
        if job.wrote:
            self.on_write()
        return result

    async def close(self) -> None:
        """Finishes what waits and closes the file."""
        if self._thread is not None:
            self._jobs.put(None)
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join)
            self._thread = None

    def _run(self, opening: _Job) -> None:
        try:
            connection = _connect(self._path)
        except Exception as exc:  # noqa: BLE001 - handed to whoever opens
            opening.error = exc
            _settle([opening])
            return
        _settle([opening])
        going = True
        while going:
            jobs, going = self._take()
            _commit_together(connection, jobs)
        connection.close()

    def _take(self) -> tuple[list[_Job], bool]:
        """Waits for work and takes all that is there; False once the end was asked for."""
        jobs: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            jobs.append(job)
            if len(jobs) == _MOST_IN_ONE_COMMIT or self._jobs.empty():
                return jobs, True
            job = self._jobs.get()
        return jobs, False


def new_schema() -> sqlite3.Connection:
    """Empty records that are nowhere but in memory, for whoever tries out work on them."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    _prepare(connection)
    connection.executescript(f"BEGIN;{_SCHEMA}COMMIT;")
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.row_factory = sqlite3.Row
    connection.create_function("zone_of_store", 1, _zone_of_store, deterministic=True)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=0.5)
    _prepare(connection)
    try:
        # The file belongs to one simulator at a time: two would tell the gateway everything twice.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            connection.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {_SCHEMA_VERSION};COMMIT;")
        elif version == 1:
            _upgrade(connection)
        elif version != _SCHEMA_VERSION:
            raise sqlite3.DatabaseError(f"{path} was written by another edition of the simulator")
    except sqlite3.OperationalError as exc:
        connection.close()
        if "locked" in str(exc):
            raise DatabaseInUse(f"{path} is in use by another simulator") from exc
        raise
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _zone_of_store(store_id: str | None) -> str | None:
    store = find_store(store_id)
    return None if store is None else store.zone.value


def _upgrade(connection: sqlite3.Connection) -> None:
    # Renamed in the old way, the table takes no references of others with it; they are checked at the end.
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("PRAGMA legacy_alter_table = ON")
    connection.executescript(f"BEGIN;{_UPGRADE}PRAGMA user_version = {_SCHEMA_VERSION};COMMIT;")
    connection.execute("PRAGMA legacy_alter_table = OFF")
    connection.execute("PRAGMA foreign_keys = ON")
    if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
        raise sqlite3.DatabaseError("an event of the earlier edition belongs to no parcel")


def _commit_together(connection: sqlite3.Connection, jobs: list[_Job]) -> None:
    try:
        connection.execute("BEGIN IMMEDIATE")
        for job in jobs:
            _run_alone(connection, job)
        connection.execute("COMMIT")
    except sqlite3.Error as exc:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        for job in jobs:
            job.error = exc
    _settle(jobs)


def _run_alone(connection: sqlite3.Connection, job: _Job) -> None:
    connection.execute("SAVEPOINT job")
    before = connection.total_changes
    try:
        job.result = job.work(connection)
    except Exception as exc:  # noqa: BLE001 - handed to whoever asked for the work
        job.error = exc
        connection.execute("ROLLBACK TO job")
    else:
        job.wrote = connection.total_changes > before
    connection.execute("RELEASE job")


def _settle(jobs: list[_Job]) -> None:
    for job in jobs:
        if not job.loop.is_closed():
            job.loop.call_soon_threadsafe(job.settle)
