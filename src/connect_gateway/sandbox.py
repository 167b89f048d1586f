"""`connect-gateway sandbox`: a database, the ECMS simulator and the gateway, ready to develop against.

The supervisor, this program, starts the others, each in its own session, and starts again what dies. They
hold the reading end of a pipe whose writing end it alone has, so they learn of its death, however it comes.
PostgreSQL knows no such pipe; whoever starts on the same directory next stops it.
"""

import asyncio
import contextlib
import functools
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from connect_gateway.clock import SystemClock
from connect_gateway.embedded import ensure_keys_file
from connect_gateway.ledger.clients import ensure_client
from connect_gateway.ledger.migrate import migrate
from connect_gateway.postgres import EmbeddedPostgres
from connect_gateway.processes import (
    DirectoryLock,
    StartError,
    appended,
    end,
    ended,
    port_becomes_free,
    tail,
    write_private,
)
from connect_gateway.sandbox_seed import seed
from connect_gateway.sandbox_state import SandboxState, ecms_config, load_state, pages_config
from connect_gateway.temporary import temporary_home

_log = logging.getLogger(__name__)

# An orphaned gateway may take its whole grace to answer what is under way before it lets go of its port.
_KEPT_PORT_S = 20.0
_READY_WITHIN_S = 60.0
_RESTART_AFTER_S = 1.0
_GATEWAY_STOP_S = 20.0
_OTHERS_STOP_S = 10.0
_PAGES = {"till": "connect_simulators.pos", "kiosk": "connect_simulators.kiosk"}
"""The programs that serve pages of their own."""


class Child:
    """One of the programs that the supervisor keeps running."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], home: Path) -> None:
        self.name = name
        self.log_file = home / "logs" / f"{name}.log"
        self._command = command
        self._environment = environment
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} is not started")
        return self._process

    def start(self, life_line: int) -> None:
        """Starts it. `life_line` is the end of the pipe that ends with the supervisor."""
        with appended(self.log_file) as output:
            self._process = subprocess.Popen(  # noqa: S603 - the command is made of our own constants and paths
                [sys.executable, "-P", "-m", *self._command, "--exit-with-fd", str(life_line)],
                cwd=self._home,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(life_line,),
                start_new_session=True,
            )

    async def died(self) -> int:
        return await ended(self._running)

    def check(self) -> None:
        """Raises StartError with the end of its log if it is not alive."""
        status = self._running.poll()
        if status is not None:
            raise StartError(f"{self.name} ended with status {status} while starting:\n{tail(self.log_file)}")

    async def stop(self, patience_s: float) -> None:
        if self._process is not None:
            await end(self._process, (signal.SIGTERM, patience_s))


class Sandbox:
    """All the programs of one sandbox, in one directory, which the caller has locked."""

    def __init__(self, home: Path, *, pages: bool = False) -> None:
        self._home = home
        self._pages = _PAGES if pages else {}
        self._postgres = EmbeddedPostgres(home / "postgres", keep_port=True)
        self._gateway: Child | None = None
        self._others: list[Child] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._life_line, self._life_line_held = os.pipe()

    async def start(self) -> dict[str, Any]:
        """Starts everything and returns what the sandbox's line says. Raises StartError; then call `stop`."""
        for name in ("logs", "ecms", *self._pages):
            (self._home / name).mkdir(mode=0o700, exist_ok=True)
        state = load_state(self._home)
        served = {"ecms": (state.ports.ecms, state.ports.ecms_control)} | {
            name: (getattr(state.ports, name),) for name in self._pages
        }
        for port in (state.ports.gateway, *(port for ports in served.values() for port in ports)):
            if not await port_becomes_free(port, _KEPT_PORT_S):
                raise StartError(f"this sandbox's port {port} is taken by another program")
        database_url = await self._postgres.start()
        await migrate(database_url)
        await _ensure_clients(database_url, state)
        self._gateway = self._gateway_child(state, database_url)
        self._others = [self._ecms_child(state), *(self._pages_child(state, name) for name in self._pages)]
        for child in (self._gateway, *self._others):
            child.start(self._life_line)
        await _wait_until_ready(self._gateway, state.ports.gateway, {c: served[c.name] for c in self._others})
        await seed(database_url, self._home / "keys.json", state.clients["kiosk"].client_id)
        self._keepers = [
            asyncio.create_task(self._postgres.keep()),
            *(asyncio.create_task(self._keep(child)) for child in (self._gateway, *self._others)),
        ]
        facts = {
            "gateway": f"http://127.0.0.1:{state.ports.gateway}",
            "ecms": f"http://127.0.0.1:{state.ports.ecms}",
            "ecmsControl": f"http://127.0.0.1:{state.ports.ecms_control}",
            "database": database_url,
            "gatewayPid": self._gateway.pid,
            "clients": state.printed_clients(),
        }
        if self._pages:
            facts["pages"] = {name: f"http://127.0.0.1:{served[name][0]}/" for name in self._pages} | {
                "ecms": f"{facts['ecmsControl']}/console/"
            }
        return facts

    async def stop(self) -> None:
        """Stops everything, the database last, so that nobody misses it. Also after a start that failed."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        if self._gateway is not None:
            await self._gateway.stop(_GATEWAY_STOP_S)
        await asyncio.gather(*(child.stop(_OTHERS_STOP_S) for child in self._others))
        await self._postgres.stop()
        for handle in (self._life_line, self._life_line_held):
            os.close(handle)

    def _gateway_child(self, state: SandboxState, database_url: str) -> Child:
        keys_file = self._home / "keys.json"
        ensure_keys_file(keys_file)
        settings = {
            "CONNECT_HOST": "127.0.0.1",
            "CONNECT_PORT": str(state.ports.gateway),
            "CONNECT_DATA_DIR": str(self._home),
            "CONNECT_DATABASE_URL": database_url,
            "CONNECT_KEYS_FILE": str(keys_file),
            "CONNECT_ECMS_URL": f"http://127.0.0.1:{state.ports.ecms}",
            "CONNECT_ECMS_CLIENT_ID": state.gateway_at_ecms.client_id,
            "CONNECT_ECMS_CLIENT_SECRET": state.gateway_at_ecms.client_secret,
            "CONNECT_SANDBOX": "true",
        }
        return Child("gateway", ["connect_gateway", "serve"], _environment(settings), self._home)

    def _ecms_child(self, state: SandboxState) -> Child:
        config_file = self._home / "ecms" / "config.json"
        write_private(config_file, json.dumps(ecms_config(state, self._home / "ecms" / "ecms.sqlite"), indent=1))
        command = ["connect_simulators.ecms", "serve", "--config", str(config_file)]
        return Child("ecms", command, _environment({}), self._home)

    def _pages_child(self, state: SandboxState, name: str) -> Child:
        config_file = self._home / name / "config.json"
        write_private(config_file, json.dumps(pages_config(state, name, self._home / name / "state"), indent=1))
        return Child(name, [self._pages[name], "serve", "--config", str(config_file)], _environment({}), self._home)

    async def _keep(self, child: Child) -> None:
        while True:
            status = await child.died()
            _log.warning("%s ended with status %d; starting it again", child.name, status)
            await asyncio.sleep(_RESTART_AFTER_S)
            child.start(self._life_line)


def _environment(settings: dict[str, str]) -> dict[str, str]:
    """This program's environment without settings of its own, which are meant for another gateway."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CONNECT_")}
    return inherited | settings


async def _ensure_clients(database_url: str, state: SandboxState) -> None:
    now = SystemClock().now()
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        roles = {role: client for role, client in state.clients.items() if role != "merchant"}
        for role, client in (*roles.items(), ("pos", state.till_in_browser)):
            await ensure_client(
                connection,
                client_id=client.client_id,
                secret=client.client_secret,
                role=role,
                store_id=client.store_id,
                pos=int(client.pos) if client.pos else None,
                now=now,
            )
    finally:
        await connection.close()


async def _wait_until_ready(gateway: Child, gateway_port: int, others: dict[Child, tuple[int, ...]]) -> None:
    """Waits until the gateway says that it is ready and each of the others listens on all of its ports."""
    async with aiohttp.ClientSession() as session:
        await _wait_for(gateway, lambda: _is_ready(session, gateway_port))
    for child, ports in others.items():
        for port in ports:
            await _wait_for(child, functools.partial(_listens, port))
    # Whoever answered has to be ours, not a stranger on the same port.
    for child in (gateway, *others):
        child.check()


async def _wait_for(child: Child, is_ready: Callable[[], Awaitable[bool]]) -> None:
    try:
        async with asyncio.timeout(_READY_WITHIN_S):
            while not await is_ready():
                child.check()
                await asyncio.sleep(0.05)
    except TimeoutError:
        said = f"{child.name} is not ready after {_READY_WITHIN_S:.0f} s:\n{tail(child.log_file)}"
        raise StartError(said) from None


async def _is_ready(session: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with session.get(f"http://127.0.0.1:{port}/readyz", timeout=aiohttp.ClientTimeout(total=5)) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


@contextlib.asynccontextmanager
async def _home(data_dir: Path | None) -> AsyncIterator[Path]:
    """The sandbox's directory, locked: the one that was asked for, or one for this run alone."""
    if data_dir is None:
        async with temporary_home("connect-sandbox") as home:
            yield home
        return
    with DirectoryLock(data_dir):
        yield data_dir


async def _run(data_dir: Path | None, *, as_json: bool, pages: bool) -> None:
    asked_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # nohup has SIGHUP ignored, and so it stays.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
    async with _home(data_dir) as home:
        sandbox = Sandbox(home, pages=pages)
        try:
            starting = asyncio.create_task(sandbox.start())
            stopping = asyncio.create_task(asked_to_stop.wait())
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
                stopping.cancel()
                return
            facts = await starting
            print(json.dumps(facts) if as_json else _for_people(facts, home), flush=True)
            await stopping
        finally:
            await sandbox.stop()


def run_sandbox(data_dir: Path | None, *, as_json: bool, pages: bool = True) -> None:
    """Runs a sandbox until SIGTERM or SIGINT; once it is ready, prints its line, or its text for people.

    `pages`: with the till, the kiosk and ECMS's console in the browser.

    Raises StartError if it cannot be started. Nothing stays behind but a `data_dir` that was asked for.
    """
    if data_dir is not None:
        data_dir = data_dir.absolute()
        data_dir.mkdir(parents=True, exist_ok=True)
    asyncio.run(_run(data_dir, as_json=as_json, pages=pages))


def _for_people(facts: dict[str, Any], home: Path) -> str:
    """The line's facts, and what to do with them."""
    pos = facts["clients"]["pos"]
    names = {"till": "the till", "kiosk": "the kiosk", "ecms": "ECMS's console"}
    pages = [f"  {names[name]:<14} {url}" for name, url in facts.get("pages", {}).items()]
    lines = [
        "The sandbox is ready. Ctrl-C stops it.",
        "",
        *(["In the browser:", *pages, ""] if pages else []),
        f"  gateway        {facts['gateway']}   (process {facts['gatewayPid']})",
        f"  ECMS           {facts['ecms']}",
        f"  its control    {facts['ecmsControl']}",
        f"  database       {facts['database']}",
        f"  logs           {home / 'logs'}",
        f"  credentials    {home / 'credentials.json'}",
        "",
    ]
    for role, client in facts["clients"].items():
        named = {"storeId": "store", "pos": "pos", "merchantCode": "merchant"}
        bound = ", ".join(f"{word} {client[name]}" for name, word in named.items() if name in client)
        lines.append(f"  {role:<9} {client['clientId']:<14} {client['clientSecret']}  {bound}".rstrip())
    lines += [
        "",
        "A token for the till:",
        f"  curl -s {facts['gateway']}/accounts/oauth2/token -d grant_type=client_credentials \\",
        f"    -d client_id={pos['clientId']} -d client_secret={pos['clientSecret']}",
    ]
    return "\n".join(lines)
