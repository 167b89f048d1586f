"""The embedded PostgreSQL: what it keeps, and what it makes of how earlier runs ended. About 30 s."""

import asyncio
import os
import signal
import socket
import stat
import sys
from pathlib import Path

import asyncpg
import psutil
import pytest

from connect_gateway.embedded import embedded_database
from connect_gateway.postgres import EmbeddedPostgres
from connect_gateway.processes import StartError


async def _run(url: str, *statements: str) -> object:
    """The value of the last statement."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close()


def _permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_data_port_and_password_are_kept_between_runs(home: Path) -> None:
    async with EmbeddedPostgres(home / "pg") as server:
        url = server.url
        await _run(url, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)", "SELECT 1")
    async with EmbeddedPostgres(home / "pg") as server:
        assert server.url == url
        assert await _run(url, "SELECT n FROM kept") == 7


async def test_durability_is_on_and_the_role_is_no_superuser(home: Path) -> None:
    async with EmbeddedPostgres(home / "pg") as server:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert await _run(server.url, f"SHOW {name}") == "on"
        assert await _run(server.url, "SELECT current_setting('is_superuser')") == "off"
        assert await _run(server.url, "CREATE DATABASE other TEMPLATE connect", "SELECT 1") == 1


async def test_no_one_gets_in_without_the_password_and_no_one_can_read_it(home: Path) -> None:
    async with EmbeddedPostgres(home / "pg") as server:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(server.url, password="connect")
        assert _permissions(home / "pg" / "passwords.json") == 0o600
        assert _permissions(home / "pg" / "postgres.log") == 0o600
        assert _permissions(home / "pg" / "pgdata") == 0o700


async def test_it_listens_on_loopback_alone_in_a_session_of_its_own(home: Path) -> None:
    async with EmbeddedPostgres(home / "pg") as server:
        listening = [c.laddr.ip for c in psutil.Process(server.pid).net_connections() if c.status == "LISTEN"]
        assert listening == ["127.0.0.1"]
        assert os.getsid(server.pid) == server.pid


async def test_two_programs_cannot_use_one_directory(home: Path) -> None:
    async with EmbeddedPostgres(home / "pg") as server:
        with pytest.raises(StartError, match=f"in use by another program .process {os.getpid()}"):
            await EmbeddedPostgres(home / "pg").start()
        assert await _run(server.url, "SELECT 1") == 1


async def test_what_was_committed_survives_kill_9_of_the_postmaster_while_its_backends_live(
    home: Path,
) -> None:
    server = EmbeddedPostgres(home / "pg")
    url = await server.start()
    await _run(url, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)", "SELECT 1")
    busy = await asyncpg.connect(url)
    under_way = asyncio.create_task(busy.execute("SELECT count(*) FROM generate_series(1, 40000000)"))
    await asyncio.sleep(0)
    os.kill(server.pid, signal.SIGKILL)
    assert await server.died() == -signal.SIGKILL
    await server.stop()

    async with EmbeddedPostgres(home / "pg") as again:
        assert again.url == url
        assert await _run(url, "SELECT n FROM kept") == 7
    await asyncio.gather(under_way, return_exceptions=True)
    busy.terminate()


async def test_a_frozen_backend_of_a_killed_postmaster_is_ended_at_last(home: Path) -> None:
    server = EmbeddedPostgres(home / "pg")
    connection = await asyncpg.connect(await server.start())
    backend = psutil.Process(await connection.fetchval("SELECT pg_backend_pid()"))
    backend.suspend()
    os.kill(server.pid, signal.SIGKILL)
    await server.died()
    await server.stop()

    async with EmbeddedPostgres(home / "pg"):
        assert not backend.is_running()
    connection.terminate()


async def test_an_orphaned_server_is_stopped_and_its_data_taken_over(home: Path) -> None:
    # The child starts a server and is killed without a chance to stop it.
    orphan = await _orphaned_server(home / "pg")
    async with EmbeddedPostgres(home / "pg") as server:
        assert not orphan.is_running()
        assert server.pid != orphan.pid
        assert await _run(server.url, "SELECT n FROM kept") == 7


async def test_an_orphan_is_stopped_without_starting_anything(home: Path) -> None:
    orphan = await _orphaned_server(home / "pg")
    await EmbeddedPostgres(home / "pg").stop_orphan()
    assert not orphan.is_running()


async def _orphaned_server(directory: Path) -> psutil.Process:
    program = (
        "import asyncio, asyncpg, os, pathlib, signal, sys\n"
        "from connect_gateway.postgres import EmbeddedPostgres\n"
        "async def main():\n"
        "    server = EmbeddedPostgres(pathlib.Path(sys.argv[1]))\n"
        "    connection = await asyncpg.connect(await server.start())\n"
        "    await connection.execute('CREATE TABLE kept AS SELECT 7 AS n')\n"
        "    print(server.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(directory), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await child.communicate()
    orphan = psutil.Process(int(output))
    assert orphan.is_running()
    return orphan


async def test_a_stale_pid_file_that_names_a_stranger_harms_nobody(home: Path) -> None:
    server = EmbeddedPostgres(home / "pg")
    await server.start()
    pid_file = home / "pg" / "pgdata" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    os.kill(server.pid, signal.SIGKILL)
    await server.died()
    await server.stop()
    stranger = await asyncio.create_subprocess_exec("sleep", "60")
    pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")

    async with EmbeddedPostgres(home / "pg") as again:
        assert await _run(again.url, "SELECT 1") == 1
    assert stranger.returncode is None
    stranger.kill()
    await stranger.wait()


async def test_a_taken_port_is_given_up_or_insisted_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connect_gateway.postgres._KEPT_PORT_S", 0.2)
    async with EmbeddedPostgres(home / "pg"):
        pass
    port = int((home / "pg" / "port").read_text())
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(StartError, match=f"port {port} is taken"):
            await EmbeddedPostgres(home / "pg", keep_port=True).start()
        async with EmbeddedPostgres(home / "pg") as server:
            assert f":{port}/" not in server.url
            assert await _run(server.url, "SELECT 1") == 1


async def test_a_server_that_cannot_start_says_why(home: Path) -> None:
    async with EmbeddedPostgres(home / "pg"):
        pass
    (home / "pg" / "pgdata" / "PG_VERSION").write_text("9\n")
    with pytest.raises(StartError, match=r"(?s)ended while starting.*9"):
        await EmbeddedPostgres(home / "pg").start()


def test_beside_a_blocking_program_it_comes_back_whenever_it_dies(home: Path) -> None:
    with embedded_database(home / "pg") as url:
        postmaster = psutil.Process(int((home / "pg" / "pgdata" / "postmaster.pid").read_text().split()[0]))
        postmaster.kill()

        async def until_it_answers() -> object:
            while True:
                try:
                    return await _run(url, "SELECT 1")
                except (OSError, asyncpg.PostgresError):
                    await asyncio.sleep(0.1)

        assert asyncio.run(asyncio.wait_for(until_it_answers(), 30)) == 1
        replacement = psutil.Process(int((home / "pg" / "pgdata" / "postmaster.pid").read_text().split()[0]))
    assert not postmaster.is_running()
    assert not replacement.is_running()
