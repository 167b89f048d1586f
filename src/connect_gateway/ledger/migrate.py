"""Numbered SQL migrations, applied at start; any number of programs may start at once."""

import asyncio
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources

import asyncpg
import structlog

from connect_gateway.ledger import hosts

_log = structlog.get_logger("migrate")

_LOCK = 0x436F6E6E65637447  # "ConnectG", the advisory lock that one migrating program holds
_POLL_S = 0.1
_LOCK_TIMEOUT_MS = 300
_AGAIN_AFTER_S = 0.5

_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migration (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class MigrationError(Exception):
    """The database's schema and this program's migrations do not go together; nothing was changed."""


@dataclass(frozen=True)
class Migration:
    """One file of `migrations/`, `NNNN_name.sql`."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return sha256(self.sql.encode()).hexdigest()

    @property
    def statements(self) -> list[str]:
        """The file's statements: each ends with a semicolon at the end of a line."""
        lines = [line for line in self.sql.splitlines() if not line.lstrip().startswith("--")]
        parts = "\n".join(lines).split(";\n")
        return [part.strip().rstrip(";") for part in parts if part.strip()]


def load_migrations() -> list[Migration]:
    """All migrations that this program knows, in order."""
    found = []
    for file in resources.files("connect_gateway.ledger.migrations").iterdir():
        if file.name.endswith(".sql"):
            number, _, name = file.name.removesuffix(".sql").partition("_")
            found.append(Migration(int(number), name, file.read_text(encoding="utf-8")))
    return sorted(found, key=lambda migration: migration.version)


async def migrate(database_url: str) -> None:
    """Brings the database to this program's schema; MigrationError where it cannot be."""
    connection = await hosts.connect(database_url, timeout=10)
    try:
        # A blocking lock would deadlock with CREATE INDEX CONCURRENTLY in another starter, hence the polling.
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
            await asyncio.sleep(_POLL_S)
        await connection.execute(_TABLE)
        await _apply(connection, load_migrations())
    finally:
        await connection.close(timeout=5)


async def pending(connection: "asyncpg.Connection[asyncpg.Record]") -> list[Migration]:
    """The migrations that the database has not seen yet."""
    if await connection.fetchval("SELECT to_regclass('schema_migration')") is None:
        return load_migrations()
    applied = {row["version"] for row in await connection.fetch("SELECT version FROM schema_migration")}
    return [migration for migration in load_migrations() if migration.version not in applied]


async def _apply(connection: "asyncpg.Connection[asyncpg.Record]", migrations: list[Migration]) -> None:
    rows = await connection.fetch("SELECT version, name, checksum FROM schema_migration ORDER BY version")
    known = {migration.version: migration for migration in migrations}
    for row in rows:
        migration = known.get(row["version"])
        if migration is not None and migration.checksum != row["checksum"]:
            raise MigrationError(f"migration {row['version']} ({row['name']}) was changed after it had been applied")
    applied = {row["version"] for row in rows}
    for migration in migrations:
        while migration.version not in applied:
            try:
                await _apply_one(connection, migration)
                applied.add(migration.version)
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                _log.warning("migration-waits", version=migration.version, name=migration.name)
                await asyncio.sleep(_AGAIN_AFTER_S)


async def _apply_one(connection: "asyncpg.Connection[asyncpg.Record]", migration: Migration) -> None:
    """Applies a migration, or none of it where a table it needs is in use for long, by a dump for instance.

    Whoever waits for such a lock makes all that come later wait behind it, the tills among them. So it waits
    for a moment only, lets them through, and tries again.
    """
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}")
        for statement in migration.statements:
            await connection.execute(statement)
        await connection.execute(
            "INSERT INTO schema_migration (version, name, checksum) VALUES ($1, $2, $3)",
            migration.version,
            migration.name,
            migration.checksum,
        )
