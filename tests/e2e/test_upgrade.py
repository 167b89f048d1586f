"""Over one migration and back under load: the old program serves, the schema moves, both serve, the old one again.

The old program is this one without its newest migration, in a directory of its own. Half a minute; PostgreSQL.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from load import Load, add_clients, keys_in, ledger_is_whole, nothing_is_lost

from connect_gateway.keys import generate_keys_file
from connect_gateway.ledger.migrate import load_migrations


@pytest.fixture
async def empty_database_url(database_server: str) -> AsyncIterator[str]:
    """A database that nobody has migrated."""
    name = f"upgrade_{os.urandom(8).hex()}"
    connection = await asyncpg.connect(database_server)
    await connection.execute(f"CREATE DATABASE {name}")
    try:
        yield f"{database_server.rpartition('/')[0]}/{name}"
    finally:
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await connection.close()


class Program:
    """An installed edition of the gateway: this one, or a copy of it at `directory`."""

    def __init__(self, home: Path, database_url: str, directory: Path | None = None) -> None:
        self._home = home
        self._environment = os.environ | {
            "CONNECT_DATABASE_URL": database_url,
            "CONNECT_KEYS_FILE": str(keys_in(home)),
            "CONNECT_PORT": "0",
            "CONNECT_LOG_LEVEL": "WARNING",
        }
        if directory is not None:
            self._environment["PYTHONPATH"] = str(directory)
        self._started = 0

    async def migrate(self) -> None:
        command = [sys.executable, "-m", "connect_gateway", "migrate"]
        ended = await asyncio.to_thread(
            subprocess.run,
            command,
            env=self._environment,
            cwd=self._home,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr

    def _start(self, port_file: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "connect_gateway", "serve", "--port-file", str(port_file)]
        with (self._home / "gateway.stderr").open("ab") as log:
            return subprocess.Popen(command, env=self._environment, cwd=self._home, stderr=log)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[tuple[str, subprocess.Popen[bytes]]]:
        """A gateway process that listens; gives its address and itself."""
        self._started += 1
        port_file = self._home / f"port-{id(self)}-{self._started}"
        process = self._start(port_file)
        try:
            async with asyncio.timeout(90):
                while not (port_file.exists() and port_file.read_text()):
                    assert process.poll() is None, (self._home / "gateway.stderr").read_text()
                    await asyncio.sleep(0.05)
            yield f"http://127.0.0.1:{port_file.read_text()}", process
        finally:
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 30) == 0


def without_newest_migration(home: Path) -> Path:
    """A copy of the installed program that knows all migrations but the newest."""
    newest = load_migrations()[-1]
    copy = home / "old" / "connect_gateway"
    shutil.copytree(Path(str(files("connect_gateway"))), copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "ledger" / "migrations" / f"{newest.version:04d}_{newest.name}.sql").unlink()
    return copy.parent


async def versions(database_url: str) -> list[int]:
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch("SELECT version FROM schema_migration ORDER BY version")
    await connection.close()
    return [row["version"] for row in rows]


async def test_an_upgrade_and_its_roll_back_under_load_lose_nothing(empty_database_url: str, home: Path) -> None:
    url = empty_database_url
    generate_keys_file(keys_in(home))
    known = [migration.version for migration in load_migrations()]
    old, new = Program(home, url, without_newest_migration(home)), Program(home, url)
    async with aiohttp.ClientSession() as session, old.serving() as (first, _):
        assert await versions(url) == known[:-1]
        await add_clients(url)
        load = Load(session, [first])
        async with load.going_on():
            await load.reach(20)
            await new.migrate()
            assert await versions(url) == known
            await load.reach(20)
            async with new.serving() as (second, _):
                load.urls[:] = [first, second]
                await load.reach(40)
                # Upgraded: the new one alone. Its partner stops in the usual way, under load.
                load.urls[:] = [second]
                await load.reach(20)
                # Rolled back: the old one starts on the new schema, and both serve again.
                async with old.serving() as (third, _):
                    load.urls[:] = [second, third]
                    await load.reach(20)
                    load.urls[:] = [third]
                    await load.reach(20)
                    load.urls[:] = [first]
            await load.reach(20)
        assert await ledger_is_whole(url) == len(load.answered)
        await nothing_is_lost(session, first, load.answered)
        print(f"{len(load.answered)} answered, none lost; sent again: {dict(load.again)}")
        # Nobody had to wait for more than a moment, and nothing was refused that another try would not have had.
        assert sum(load.again.values()) <= len(load.answered)
