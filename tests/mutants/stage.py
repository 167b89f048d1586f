"""Where a gateway is judged: a database and an ECMS simulator of its own, and the conformance scenarios.

Every gateway is a program of its own, started from the source tree that is given; all of them share one PostgreSQL.
"""

import asyncio
import contextlib
import functools
import json
import os
import secrets
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from connect_gateway.clock import SystemClock
from connect_gateway.conformance.results import Run
from connect_gateway.conformance.runner import Conduct, run, select
from connect_gateway.conformance.scenarios import Pack, installed, load_pack
from connect_gateway.conformance.wire import Places, Wire
from connect_gateway.keys import generate_keys_file
from connect_gateway.ledger.clients import ensure_client
from connect_gateway.processes import appended, choose_port, end, tail

READY_WITHIN_S = 40.0
PATIENCE_S = 4.0
_STOPPED_WITHIN_S = 5.0
_ROLES = {"pos": ("0166", 1), "kiosk": ("0166", None), "ecms": (None, None), "app": (None, None), "admin": (None, None)}


class NotStarted(Exception):
    """A gateway that does not even start proves nothing; the message is the end of its log."""


@dataclass(frozen=True)
class Standing:
    """A gateway that is ready, with its ECMS."""

    places: Places
    clients: Mapping[str, Mapping[str, str]]


@contextlib.asynccontextmanager
async def gateway(source: Path, database_server: str, home: Path) -> AsyncIterator[Standing]:
    """The gateway of the source tree in `source` (the directory that holds `connect_gateway`), on a new database."""
    ports = {name: choose_port() for name in ("gateway", "ecms", "control")}
    clients = _clients()
    own = secrets.token_hex(32)
    async with _database(database_server) as database_url, contextlib.AsyncExitStack() as stack:
        for program, command, environment in (
            ("ecms", _ecms_command(home, ports, clients, own), {}),
            ("gateway", ["connect_gateway", "serve"], _settings(home, ports, database_url, own, source)),
        ):
            process = _start(command, os.environ | environment, home / f"{program}.log")
            stack.push_async_callback(end, process, (signal.SIGTERM, _STOPPED_WITHIN_S))
        await _ready(f"http://127.0.0.1:{ports['gateway']}", process, home / "gateway.log")
        await _admit(database_url, clients)
        places = Places(*(f"http://127.0.0.1:{ports[name]}" for name in ("gateway", "ecms", "control")))
        yield Standing(places, clients)


async def judge(standing: Standing, only: Sequence[str] = (), enough: int | None = None) -> Run:
    """Plays the scenarios against a gateway, until `enough` of them have failed."""
    pack = _pack()
    conduct = Conduct(PATIENCE_S, lambda _: None, lambda _: None, enough)
    async with Wire(standing.places, standing.clients) as wire:
        return await run(wire, pack, select(pack.scenarios, only, ()), conduct)


@functools.cache
def _pack() -> Pack:
    return load_pack(installed())


def _clients() -> dict[str, dict[str, str]]:
    made: dict[str, dict[str, str]] = {}
    for role, (store, pos) in _ROLES.items():
        made[role] = {"clientId": f"judged-{role}", "clientSecret": secrets.token_hex(32)}
        if store is not None:
            made[role]["storeId"] = store
        if pos is not None:
            made[role]["pos"] = str(pos)
    made["merchant"] = {"clientId": "judged-merchant", "clientSecret": secrets.token_hex(32), "merchantCode": "001"}
    return made


@contextlib.asynccontextmanager
async def _database(server: str) -> AsyncIterator[str]:
    name = f"judged_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        yield f"{server.rpartition('/')[0]}/{name}"
    finally:
        # A worker of autovacuum cannot be turned out by this role. The server is a temporary one, and takes it along.
        with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await connection.close()


async def _admit(database_url: str, clients: Mapping[str, Mapping[str, str]]) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        for role, (store, pos) in _ROLES.items():
            await ensure_client(
                connection,
                client_id=clients[role]["clientId"],
                secret=clients[role]["clientSecret"],
                role=role,
                store_id=store,
                pos=pos,
                now=SystemClock().now(),
            )
    finally:
        await connection.close()


def _ecms_command(
    home: Path, ports: Mapping[str, int], clients: Mapping[str, Mapping[str, str]], own: str
) -> list[str]:
    config: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": ports["ecms"],
        "controlPort": ports["control"],
        "dataFile": str(home / "ecms.sqlite"),
        "gateway": {
            "url": f"http://127.0.0.1:{ports['gateway']}",
            "clientId": clients["ecms"]["clientId"],
            "clientSecret": clients["ecms"]["clientSecret"],
        },
        "clients": [
            {**clients["merchant"], "role": "merchant", "merchant": "Merchant A", "flow": "MERCHANT_DELIVERY"},
            {"clientId": "gateway", "clientSecret": own, "role": "gateway"},
        ],
    }
    file = home / "ecms.json"
    file.write_text(json.dumps(config))
    return ["connect_simulators.ecms", "serve", "--config", str(file)]


def _settings(home: Path, ports: Mapping[str, int], database_url: str, own: str, source: Path) -> dict[str, str]:
    keys = home / "keys.json"
    generate_keys_file(keys)
    return {
        "PYTHONPATH": str(source),
        "CONNECT_HOST": "127.0.0.1",
        "CONNECT_PORT": str(ports["gateway"]),
        "CONNECT_DATABASE_URL": database_url,
        "CONNECT_KEYS_FILE": str(keys),
        "CONNECT_ECMS_URL": f"http://127.0.0.1:{ports['ecms']}",
        "CONNECT_ECMS_CLIENT_ID": "gateway",
        "CONNECT_ECMS_CLIENT_SECRET": own,
    }


def _start(command: list[str], environment: Mapping[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with appended(log) as output:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


async def _ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    async with aiohttp.ClientSession() as session:
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                while not await _says_ready(session, url):
                    if process.poll() is not None:
                        raise NotStarted(tail(log))
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise NotStarted(f"not ready after {READY_WITHIN_S:.0f} s:\n{tail(log)}") from None


async def _says_ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/readyz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False
