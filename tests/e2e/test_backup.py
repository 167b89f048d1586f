"""A plain dump and a base backup with its WAL, made under load, and restored. Half a minute; starts PostgreSQLs.

The same steps as in docs/operations/backup.md.
"""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from load import Load, add_clients, keys_in, ledger_is_whole, nothing_is_lost
from partners import Parcel

from connect_gateway import checkpoints
from connect_gateway.clock import SystemClock
from connect_gateway.domain.chains import Fault
from connect_gateway.journal_command import verify_all
from connect_gateway.keys import generate_keys_file, load_keys
from connect_gateway.ledger import journals
from connect_gateway.ledger.migrate import migrate
from connect_gateway.osuser import OsUser
from connect_gateway.postgres import EmbeddedPostgres
from connect_gateway.server import serving
from connect_gateway.settings import Settings


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


@asynccontextmanager
async def gateway(database_url: str, home: Path) -> AsyncIterator[str]:
    settings = Settings(port=0, keys_file=keys_in(home))
    async with serving(settings, database_url, keys_in(home)) as port:
        yield f"http://127.0.0.1:{port}"


async def connect_gateway(database_url: str, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"CONNECT_DATABASE_URL": database_url, "CONNECT_KEYS_FILE": str(keys_in(home))}
    command = [sys.executable, "-m", "connect_gateway", *arguments]
    return await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, timeout=100, check=False
    )


async def checkpoint(database_url: str, home: Path, name: str) -> Path:
    connection = await asyncpg.connect(database_url)
    heads = await journals.heads(connection)
    await connection.close()
    checkpoints.write(home / name, heads, SystemClock().now(), load_keys(keys_in(home)))
    return home / name


async def faults(database_url: str, home: Path, *kept: Path) -> set[Fault]:
    connection = await asyncpg.connect(database_url)
    keys = load_keys(keys_in(home))
    _, broken = await verify_all(connection, [checkpoints.read(path, keys) for path in kept])
    await connection.close()
    return {one.fault for one in broken}


async def test_a_dump_under_load_is_one_moment_and_is_restored_whole(
    database_url: str, database_server: str, home: Path, session: aiohttp.ClientSession
) -> None:
    generate_keys_file(keys_in(home))
    await add_clients(database_url)
    dump, restored = home / "ledger.dump", f"{database_url}_restored"
    async with gateway(database_url, home) as url:
        load = Load(session, [url])
        async with load.going_on():
            await load.reach(20)
            before = dict(load.answered)
            early = await checkpoint(database_url, home, "early")
            made = await connect_gateway(database_url, home, "backup", str(dump))
            assert (made.returncode, made.stderr) == (0, "")
            await load.reach(10)
        late = await checkpoint(database_url, home, "late")
    assert (dump.stat().st_mode & 0o777) == 0o600
    again = await connect_gateway(database_url, home, "backup", str(dump))
    assert again.returncode == 1
    assert "never overwritten" in again.stderr

    server = await asyncpg.connect(database_server)
    await server.execute(f"CREATE DATABASE {restored.rpartition('/')[2]}")
    try:
        done = await connect_gateway(restored, home, "restore", str(dump))
        assert (done.returncode, done.stderr) == (0, "")
        twice = await connect_gateway(restored, home, "restore", str(dump))
        assert twice.returncode == 1
        assert len(before) <= await ledger_is_whole(restored) < len(load.answered)
        async with gateway(restored, home) as url:
            await nothing_is_lost(session, url, before)
        # Whole in itself, and as old as it is: what was kept elsewhere since tells.
        assert await faults(restored, home, early) == set()
        assert await faults(restored, home, early, late) == {Fault.TRUNCATED}
    finally:
        await server.execute(f"DROP DATABASE {restored.rpartition('/')[2]} WITH (FORCE)")
        await server.close()


class Machine:
    """A PostgreSQL that archives its WAL, and PostgreSQL's own programs to back it up and restore it with."""

    def __init__(self, home: Path) -> None:
        home.chmod(0o711)
        self.user = OsUser()
        self.home = home
        self.archive, self.base = home / "archive", home / "base"
        for directory in (home, self.archive, self.base):
            directory.mkdir(exist_ok=True)
            self.user.admit(directory)
        for directory in (self.archive, self.base):
            directory.chmod(0o700)
            self.user.own(directory)
        archive_command = f"test ! -f {self.archive}/%f && cp %p {self.archive}/%f.part && mv {self.archive}/%f.part"
        self.server = EmbeddedPostgres(
            home / "server",
            settings={"archive_mode": "on", "archive_command": f"{archive_command} {self.archive}/%f"},
        )

    async def base_backup(self) -> None:
        """Takes the base backup, while the server goes on."""
        passwords = self.home / "passfile"
        passwords.write_text(f"*:*:*:postgres:{self.server._passwords['postgres']}\n")
        passwords.chmod(0o600)
        self.user.own(passwords)
        address = f"host=127.0.0.1 port={self.server._port} user=postgres passfile={passwords}"
        await self.run("pg_basebackup", "--dbname", address, "--pgdata", str(self.base), "--checkpoint=fast")

    async def run(self, program: str, *options: str) -> None:
        command = [str(self.user.binary(program)), *options]
        ended = await asyncio.to_thread(
            subprocess.run, command, cwd=self.base, capture_output=True, text=True, check=False, **self.user.identity
        )
        assert ended.returncode == 0, ended.stderr

    async def as_superuser(self, statement: str) -> None:
        connection = await self.server._connect_as_superuser()
        await connection.execute(statement)
        await connection.close()

    def restored(self, name: str, **target: str) -> EmbeddedPostgres:
        """A server out of the base backup and the archive, up to a target."""
        directory = self.home / name
        directory.mkdir()
        shutil.copytree(self.base, directory / "pgdata", copy_function=shutil.copy2)
        shutil.copy(self.home / "server" / "passwords.json", directory)
        (directory / "pgdata" / "recovery.signal").touch()
        for path in (directory / "pgdata", *(directory / "pgdata").rglob("*")):
            self.user.own(path)
        restore = {"restore_command": f"cp {self.archive}/%f %p", "recovery_target_action": "promote"}
        return EmbeddedPostgres(directory, settings=restore | target | {"archive_mode": "off"})


async def test_a_base_backup_and_its_wal_bring_back_any_moment(home: Path, session: aiohttp.ClientSession) -> None:
    generate_keys_file(keys_in(home))
    machine = Machine(home)
    moments: list[dict[str, tuple[Parcel, bytes]]] = []
    async with machine.server as server:
        await migrate(server.url)
        await add_clients(server.url)
        async with gateway(server.url, home) as url:
            load = Load(session, [url])
            async with load.going_on():
                await load.reach(10)
                await machine.base_backup()
                await load.reach(20)
                moments.append(dict(load.answered))
                await machine.as_superuser("SELECT pg_create_restore_point('before_the_mistake')")
                await load.reach(10)
            moments.append(dict(load.answered))
        kept = await checkpoint(server.url, home, "kept")
        await machine.as_superuser("SELECT pg_switch_wal()")
        # The archive has everything once the server has been stopped in good order.
    # The machine is gone; the base backup, the archive, the keys and a checkpoint are elsewhere.
    shutil.rmtree(home / "server" / "pgdata")

    async with machine.restored("whole") as server:
        assert await ledger_is_whole(server.url) == len(moments[1])
        assert await faults(server.url, home, kept) == set()
        async with gateway(server.url, home) as url:
            await nothing_is_lost(session, url, moments[1])
            # It goes on from there.
            load = Load(session, [url])
            async with load.going_on():
                await load.reach(5)
        await ledger_is_whole(server.url)
    async with machine.restored("earlier", recovery_target_name="before_the_mistake") as server:
        assert len(moments[0]) <= await ledger_is_whole(server.url) < len(moments[1])
        async with gateway(server.url, home) as url:
            await nothing_is_lost(session, url, moments[0])
        assert await faults(server.url, home, kept) == {Fault.TRUNCATED}
