"""What every side stands on: one PostgreSQL with durability on, databases copied from templates, keys and requests."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import psutil

from bench import hugepages
from bench.errors import BenchError
from bench.show import Show
from bench.stock import Database, Records, Stock, collect_request, lookup_request, tokens, write_records
from connect_gateway.clock import PHILIPPINE_TIME, SystemClock
from connect_gateway.domain.journal import FIRST_HEAD
from connect_gateway.keys import generate_keys_file, hash_secret
from connect_gateway.ledger.clients import ensure_client, new_secret
from connect_gateway.load_demo import BIG_STORES, STORES, load_demo
from connect_gateway.postgres import ROLE, EmbeddedPostgres
from connect_gateway.temporary import temporary_home

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

_BYTES_OF_REFERENCE = 700
_BYTES_OF_TRANSACTION = 5_000
"""With indexes, and what a load leaves in the write-ahead log."""

_TERMINALS = [
    (f"{store:04d}", pos) for store in range(1, STORES + 1) for pos in range(1, 4 if store <= BIG_STORES else 3)
]
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})

_SHARE_OF_MEMORY = 3
"""A third of the machine's memory is PostgreSQL's own, as on a server that runs little else."""

_ROOM_BESIDE_BUFFERS = 20
"""A twentieth more, for what PostgreSQL shares beside its buffers."""

_SEGMENTS = 128
"""2 GiB of write-ahead log in files that are there already, as on a server that has worked for a while.

A file that has to be made and filled first holds every commit up for 15 ms, a dozen times in a minute of a steady run.
"""

_READ_BY_A_SALE = """
SELECT oid::regclass::text FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND (relkind = 'i' OR oid IN ('reference'::regclass, 'terminal'::regclass))
"""
"""All indexes, and the tables whose rows are changed; to the others rows are only added."""


class Ground:
    """The run's database server and files, under `home`."""

    def __init__(self, home: Path, postgres: EmbeddedPostgres, admin: Connection, show: Show) -> None:
        self.home = home
        self.postgres = postgres
        self.keys_file = home / "keys.json"
        self.huge_pages = "unknown"
        """`on` where the server's memory is in them."""
        self._admin = admin
        self._show = show
        self._stocks: dict[tuple[int, int], Stock] = {}
        self._records: dict[tuple[str, str, int], Records] = {}
        self._databases = 0

    async def stock(self, references: int, transactions: int) -> Stock:
        """A template with so many parcels, made when it is first asked for."""
        key = (references, transactions)
        if key not in self._stocks:
            self._stocks[key] = await self._make_stock(references, transactions)
        return self._stocks[key]

    async def fresh(self, stock: Stock) -> Database:
        """A database of its own for one side, as the template is, in memory. Makes a checkpoint."""
        self._databases += 1
        name = f"side_{self._databases}"
        await self._admin.execute(f"CREATE DATABASE {name} OWNER {ROLE} TEMPLATE {stock.database} STRATEGY FILE_COPY")
        database = Database(name, self.postgres.url_of(name), stock)
        await self.warm(database)
        return database

    def whole(self, stock: Stock) -> Database:
        """The template itself, where it is too large to be copied."""
        return Database(stock.database, self.postgres.url_of(stock.database), stock)

    async def warm(self, database: Database) -> None:
        """Reads what a sale reads into the database's memory, where a server that has worked for a while has it.

        Otherwise the first sales wait for the disk at each page, and how long depends on what the system has kept of
        the files, which not all systems do.
        """
        admin = await self.administrator(database.name)
        try:
            await admin.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
            for row in await admin.fetch(_READ_BY_A_SALE):
                await admin.execute("SELECT pg_prewarm($1::regclass)", row[0], timeout=600)
        finally:
            await admin.close()

    async def clear_up(self, database: Database) -> None:
        """Does what autovacuum would do in a database within a minute."""
        admin = await self.administrator(database.name)
        try:
            await admin.execute("VACUUM (ANALYZE)", timeout=300)
        finally:
            await admin.close()

    async def drop(self, database: Database) -> None:
        """Removes a copy. Makes a checkpoint."""
        await self._admin.execute(f"DROP DATABASE {database.name} WITH (FORCE)")

    async def checkpoint(self) -> None:
        """Sides that are compared begin right behind one, so that none pays for what another has written."""
        await self._admin.execute("CHECKPOINT", timeout=300)

    async def wal_bytes(self) -> int:
        """How much has ever been written to the write-ahead log."""
        return int(await self._admin.fetchval("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))

    async def administrator(self, database: str) -> Connection:
        """A connection to one database as the superuser."""
        return await _administrator(self.home, self.postgres, database)

    async def fetch(self, database: Database, query: str) -> list[asyncpg.Record]:
        """Rows of one database."""
        connection = await asyncpg.connect(database.url)
        try:
            return await connection.fetch(query, timeout=600)
        finally:
            await connection.close()

    def collects(self, stock: Stock, count: int) -> Records:
        """Requests that collect the first `count` parcels, each once."""
        return self._file("collect", stock, count)

    def lookups(self, stock: Stock, count: int) -> Records:
        """Requests that look the first `count` parcels up."""
        return self._file("lookup", stock, count)

    def _file(self, kind: str, stock: Stock, count: int) -> Records:
        count = min(count, stock.open)
        key = (kind, stock.database, count)
        if key not in self._records:
            request = collect_request if kind == "collect" else lookup_request
            path = self.home / f"{kind}-{stock.database}-{count}.requests"
            self._records[key] = write_records(path, stock, count, request)
        return self._records[key]

    async def _make_stock(self, references: int, transactions: int) -> Stock:
        self._check_space(references, transactions)
        name = f"stock_{references}_{transactions}"
        await self._admin.execute(f"CREATE DATABASE {name} OWNER {ROLE}")
        url = self.postgres.url_of(name)
        now = SystemClock().now()
        business_date = now.astimezone(PHILIPPINE_TIME).date()
        label = f"Loading {references:,} references and {transactions:,} transactions"
        with self._show.counting(label, references) as progress:
            await asyncio.to_thread(
                load_demo,
                url,
                self.keys_file,
                references=references,
                transactions=transactions,
                now=now,
                progress=lambda _, done: progress(done),
            )
        stock = Stock(name, references, transactions, tokens(), business_date)
        connection = await asyncpg.connect(url)
        try:
            await _add_tills(connection, stock)
        finally:
            await connection.close()
        return stock

    def _check_space(self, references: int, transactions: int) -> None:
        needed = references * _BYTES_OF_REFERENCE + transactions * _BYTES_OF_TRANSACTION + 14 * 2**30
        free = shutil.disk_usage(self.home).free
        if free < needed:
            raise BenchError(
                f"{references:,} references and {transactions:,} transactions need {needed / 2**30:.0f} GiB of disk; "
                f"{free / 2**30:.0f} GiB are free where TMPDIR points"
            )


async def _add_tills(connection: Connection, stock: Stock) -> None:
    """A client with a token for each store; its terminals and their open shifts, so that no side has to make them."""
    now = SystemClock().now()
    expires_at = now + timedelta(days=7)
    for number, token in enumerate(stock.tokens, start=1):
        client_id = f"bench-{number:04d}"
        await ensure_client(
            connection,
            client_id=client_id,
            secret=new_secret(),
            role="pos",
            store_id=f"{number:04d}",
            pos=None,
            now=now,
        )
        await connection.execute(
            "INSERT INTO token (token_hash, use, client_id, family, expires_at) VALUES ($1, 'ACCESS', $2, $3, $4)",
            hash_secret(token),
            client_id,
            uuid4(),
            expires_at,
        )
    await connection.executemany(
        "INSERT INTO terminal (store_id, pos, receipts, journal_length, journal_head) VALUES ($1, $2, 0, 0, $3) "
        "ON CONFLICT DO NOTHING",
        [(*terminal, FIRST_HEAD) for terminal in _TERMINALS],
    )
    await connection.executemany(
        "INSERT INTO shift (store_id, pos, business_date, shift, opened_at) VALUES ($1, $2, $3, 1, $4) "
        "ON CONFLICT DO NOTHING",
        [(*terminal, stock.business_date, now) for terminal in _TERMINALS],
    )
    await connection.execute("VACUUM (ANALYZE) client, token, terminal, shift", timeout=60)


@asynccontextmanager
async def open_ground(show: Show, *, preload: str | None = None) -> AsyncIterator[Ground]:
    """A server on a temporary directory while the block runs; `preload` is a library that it loads at start."""
    async with temporary_home("connect-bench") as home:
        if file_system(home) in _IN_MEMORY:
            raise BenchError("TMPDIR lies in memory, where durability costs nothing; point it to a disk")
        memory = psutil.virtual_memory().total // _SHARE_OF_MEMORY
        settings = {
            "shared_buffers": f"{memory // 2**20}MB",
            # Checkpoints come when they are ordered: half of this is more than any row logs from one to the next.
            "max_wal_size": "16GB",
            "min_wal_size": f"{_SEGMENTS * 16}MB",
            "checkpoint_timeout": "1h",
        }
        if preload is not None:
            settings["shared_preload_libraries"] = preload
        with hugepages.reserved(memory + memory // _ROOM_BESIDE_BUFFERS):
            async with EmbeddedPostgres(home / "postgres", settings=settings) as postgres:
                admin = await _administrator(home, postgres)
                await _cheapen_log_ins(admin, postgres)
                await _make_segments(admin)
                generate_keys_file(home / "keys.json")
                try:
                    ground = Ground(home, postgres, admin, show)
                    ground.huge_pages = await admin.fetchval("SHOW huge_pages_status")
                    yield ground
                finally:
                    await admin.close()


async def _administrator(home: Path, postgres: EmbeddedPostgres, database: str = "postgres") -> Connection:
    """A connection as the superuser, who alone may order a checkpoint or add an extension."""
    passwords = json.loads((home / "postgres" / "passwords.json").read_text())
    return await asyncpg.connect(postgres.url_of(database), user="postgres", password=passwords["postgres"], timeout=30)


async def _cheapen_log_ins(admin: Connection, postgres: EmbeddedPostgres) -> None:
    """Stores the role's password so that checking it costs next to nothing.

    pgbench opens its connections anew for each measurement, which would count as the database's work.
    """
    await admin.execute("SET scram_iterations = 1")
    # The password is a hexadecimal number of our own making.
    await admin.execute(f"ALTER ROLE {ROLE} PASSWORD '{urlsplit(postgres.url).password}'")


async def _make_segments(admin: Connection) -> None:
    """Begins one file of the log after another; the checkpoint then keeps them for later."""
    for _ in range(_SEGMENTS):
        await admin.execute("SELECT pg_logical_emit_message(false, 'bench', 'a new file')")
        await admin.execute("SELECT pg_switch_wal()")
    await admin.execute("CHECKPOINT", timeout=300)


def file_system(directory: Path) -> str:
    """The type of the file system that a directory is on."""
    holding = [part for part in psutil.disk_partitions(all=True) if directory.resolve().is_relative_to(part.mountpoint)]
    return max(holding, key=lambda part: len(part.mountpoint)).fstype if holding else "unknown"
