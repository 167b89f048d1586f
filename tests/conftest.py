"""What every tier of tests stands on: one PostgreSQL for the whole run, and a fresh database for each test.

The process that starts pytest starts the server too, on a temporary directory, with durability on as always;
its xdist workers are told where it is. It migrates one database, and each test gets a copy of that.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import hypothesis
import psutil
import pytest
from families import freeze, send_to

from connect_gateway.ledger.migrate import migrate
from connect_gateway.postgres import EmbeddedPostgres
from connect_gateway.temporary import temporary_home

# How long an example takes says how busy the machine is, and nothing about what is tested.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")

TEMPLATE = "migrated"

# A worker of autovacuum in a test's database belongs to the superuser, and the tests' own role cannot send it away
# when the database is dropped.
_SETTINGS = {"autovacuum": "off"}
_SERVER = pytest.StashKey["SharedPostgres"]()


class SharedPostgres:
    """The run's PostgreSQL: started when it is first asked for, stopped with the run."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None
        self._stack = contextlib.AsyncExitStack()
        self._url = ""

    @property
    def url(self) -> str:
        if self._runner is None:
            self._runner = asyncio.Runner()
            self._url = self._runner.run(self._start())
        return self._url

    async def _start(self) -> str:
        home = await self._stack.enter_async_context(temporary_home("connect-tests"))
        server = await self._stack.enter_async_context(EmbeddedPostgres(home / "postgres", settings=_SETTINGS))
        connection = await asyncpg.connect(server.url)
        await connection.execute(f"CREATE DATABASE {TEMPLATE}")
        await connection.close()
        await migrate(server.url_of(TEMPLATE))
        return server.url

    def stop(self) -> None:
        if self._runner is not None:
            self._runner.run(self._stack.aclose())
            self._runner.close()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.stash[_SERVER] = SharedPostgres()


def pytest_configure_node(node: Any) -> None:
    """Called in xdist's controller for each worker, before it starts."""
    node.workerinput["database_server"] = node.config.stash[_SERVER].url


def pytest_unconfigure(config: pytest.Config) -> None:
    if _SERVER in config.stash:
        config.stash[_SERVER].stop()


@pytest.fixture(scope="session")
def database_server(request: pytest.FixtureRequest) -> str:
    """The URL of the run's PostgreSQL; its database `connect` is empty, and its role may make others."""
    workerinput = getattr(request.config, "workerinput", None)
    return workerinput["database_server"] if workerinput else request.config.stash[_SERVER].url


@pytest.fixture
async def database_url(database_server: str) -> AsyncIterator[str]:
    """The URL of a database of this test's own, migrated and empty."""
    name = f"test_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(database_server)
    # Copying files makes two checkpoints and yet takes less than logging every page of the copy.
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
    try:
        yield f"{database_server.rpartition('/')[0]}/{name}"
    finally:
        await _drop(connection, name)
        await connection.close()


async def _drop(connection: "asyncpg.Connection[asyncpg.Record]", name: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
            except asyncpg.InsufficientPrivilegeError:
                # An autovacuum worker is in there just now; it is not for this role to end it.
                await asyncio.sleep(0.1)
            else:
                return


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory with a short path that PostgreSQL's user may pass through, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="connect-test-", ignore_cleanup_errors=True) as name:
        yield Path(name)


class RunningSandbox:
    """A `connect-gateway sandbox --json` that is ready, and what its line said."""

    def __init__(self, command: list[str], cwd: Path, environment: dict[str, str], log: Path) -> None:
        self._log = log
        self._printed = b""
        with log.open("ab") as stderr:
            self.process = subprocess.Popen(
                command, cwd=cwd, env=os.environ | environment, stdout=subprocess.PIPE, stderr=stderr
            )
        assert self.process.stdout is not None
        self._stdout = self.process.stdout
        too_long = threading.Timer(90, self.process.kill)
        too_long.start()
        line = self._stdout.readline()
        too_long.cancel()
        assert line, f"the sandbox did not start:\n{self.stderr}"
        self.facts: dict[str, Any] = json.loads(line)

    @property
    def stderr(self) -> str:
        return self._log.read_text(encoding="utf-8")

    @property
    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def kill_everything(self) -> None:
        """As a power cut would: kill -9 to the supervisor and all that it started, PostgreSQL too."""
        victims = freeze(self.process.pid)
        send_to(victims, signal.SIGKILL)
        self.process.wait(10)
        psutil.wait_procs(victims, timeout=10)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, bytes]:
        """Its exit status, and what it printed after its line."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        status = self.process.wait(60)
        if not self._stdout.closed:
            with self._stdout:
                self._printed = self._stdout.read()
        return status, self._printed


@pytest.fixture
def start_sandbox(home: Path) -> Iterator[Callable[..., RunningSandbox]]:
    """Starts a sandbox with further options and waits for its line; what still runs then is stopped after.

    Temporary sandboxes live under the fixture `home`. `pages`: with what is served to browsers.
    """
    started: list[RunningSandbox] = []

    def start(*options: str, executable: Path | None = None, cwd: Path = home, pages: bool = False) -> RunningSandbox:
        program = [str(executable)] if executable else [sys.executable, "-m", "connect_gateway"]
        sandbox = RunningSandbox(
            [*program, "sandbox", "--json", "--pages" if pages else "--no-pages", *options],
            cwd,
            {"TMPDIR": str(home)},
            home / "sandbox.stderr",
        )
        started.append(sandbox)
        return sandbox

    yield start
    for sandbox in started:
        sandbox.stop()
