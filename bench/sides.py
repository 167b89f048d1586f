"""The gateway, its peers and ECMS, started for a measurement and stopped after it."""

import filecmp
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.children import answers, child, port_from, python
from bench.errors import BenchError, NotHere
from bench.ground import Ground
from bench.load import COLLECT_PARAMETERS, numbered, statement
from bench.plan import PEER_WORKERS, POOL
from bench.stock import Database
from connect_gateway.processes import choose_port

_PEERS = Path(__file__).resolve().parent / "peers"


@dataclass(frozen=True)
class Served:
    """Something that answers HTTP on a port of loopback."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def gateway(
    ground: Ground, database: Database, ecms: Served | None, *, workers: int = 1, relay_apart: bool = False
) -> AsyncIterator[Served]:
    """A gateway with its own settings' defaults. Without an ECMS it finds nobody at that address."""
    log, port_file = _files(ground, "gateway")
    ecms_port = choose_port() if ecms is None else ecms.port
    environment = {
        "CONNECT_DATABASE_URL": database.url,
        "CONNECT_DATABASE_POOL_SIZE": str(POOL),
        "CONNECT_KEYS_FILE": str(ground.keys_file),
        "CONNECT_ECMS_URL": f"http://127.0.0.1:{ecms_port}",
        "CONNECT_ECMS_CLIENT_SECRET": "of no matter to a stub",
        "CONNECT_LOG_LEVEL": "ERROR",
    }
    command = python("connect_gateway", "serve", "--port=0", f"--port-file={port_file}", "--exit-with-fd=0")
    command.append(f"--workers={workers}")
    if relay_apart:
        command.append("--relay-apart")
    async with child(command, log, environment) as process:
        yield Served(await port_from(port_file, process, log), process.pid)


@asynccontextmanager
async def ecms_stub(ground: Ground, delay_ms: float) -> AsyncIterator[Served]:
    """An ECMS that takes everything, so long after it was asked."""
    log, port_file = _files(ground, "ecms")
    command = python("bench.stubs", "ecms", f"--delay-ms={delay_ms}", f"--port-file={port_file}")
    async with child(command, log, {}) as process:
        yield Served(await port_from(port_file, process, log), process.pid)


@asynccontextmanager
async def same_answer(ground: Ground) -> AsyncIterator[Served]:
    """A server that reads next to nothing and always says the same: what the load generator can do at most."""
    log, port_file = _files(ground, "same")
    async with child(python("bench.stubs", "same", f"--port-file={port_file}"), log, {}) as process:
        yield Served(await port_from(port_file, process, log), process.pid)


@asynccontextmanager
async def bare_aiohttp(ground: Ground) -> AsyncIterator[Served]:
    """aiohttp alone; `/sync` waits for one fdatasync of 8 kB on the disk that the database is on."""
    log, port_file = _files(ground, "bare")
    command = python("bench.peers.bare_aiohttp", f"--directory={ground.home}", f"--port-file={port_file}")
    async with child(command, log, {}) as process:
        yield Served(await port_from(port_file, process, log), process.pid)


@asynccontextmanager
async def fastapi(ground: Ground, database: Database) -> AsyncIterator[Served]:
    """FastAPI and SQLAlchemy."""
    log, _ = _files(ground, "fastapi")
    port = choose_port()
    command = python("bench.peers.fastapi_sqlalchemy", f"--port={port}", f"--workers={PEER_WORKERS}")
    environment = {"DATABASE_URL": database.url, "POOL_SIZE": str(POOL)}
    async with child(command, log, environment) as process:
        await answers(f"http://127.0.0.1:{port}/", process, log)
        yield Served(port, process.pid)


@asynccontextmanager
async def fastify(ground: Ground, database: Database) -> AsyncIterator[Served]:
    """Fastify and pg. NotHere where there is no Node.js, or its packages cannot be had."""
    modules = _node_modules()
    log, _ = _files(ground, "fastify")
    collect, lookup = ground.home / "collect.numbered.sql", ground.home / "lookup.numbered.sql"
    collect.write_text(numbered(statement("collect"), COLLECT_PARAMETERS))
    lookup.write_text(numbered(statement("lookup"), ("reference",)))
    port = choose_port()
    environment = {
        "DATABASE_URL": database.url,
        "POOL_SIZE": str(POOL),
        "WORKERS": str(PEER_WORKERS),
        "PORT": str(port),
        "COLLECT_SQL": str(collect),
        "LOOKUP_SQL": str(lookup),
        "NODE_PATH": str(modules),
        "NODE_ENV": "production",
    }
    async with child(["node", str(_PEERS / "fastify" / "server.js")], log, environment) as process:
        await answers(f"http://127.0.0.1:{port}/", process, log)
        yield Served(port, process.pid)


def _node_modules() -> Path:
    """Fastify's packages, installed beside this interpreter's."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise NotHere("Node.js and npm are not on this machine")
    home = Path(sys.prefix) / "bench-fastify"
    wanted, have = _PEERS / "fastify" / "package.json", home / "package.json"
    modules = home / "node_modules"
    if have.exists() and filecmp.cmp(wanted, have, shallow=False) and (modules / "fastify").is_dir():
        return modules
    home.mkdir(exist_ok=True)
    shutil.copy(wanted, have)
    command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
    done = subprocess.run(command, cwd=home, check=False, capture_output=True, text=True)  # noqa: S603 - constant
    if done.returncode != 0:
        have.unlink()
        raise NotHere(f"npm cannot install Fastify: {(done.stderr or done.stdout).strip()[:200]}")
    return modules


_started = 0


def _files(ground: Ground, name: str) -> tuple[Path, Path]:
    """A log and a file for the port, of this start alone."""
    global _started  # noqa: PLW0603 - a count of what this program has started
    _started += 1
    stem = ground.home / f"{name}-{_started}"
    return stem.with_suffix(".log"), stem.with_suffix(".port")


def ensure_environment() -> None:
    """BenchError where the packages of the measurements are missing."""
    for module in ("fastapi", "sqlalchemy", "uvicorn", "matplotlib"):
        try:
            __import__(module)
        except ImportError as error:
            raise BenchError(f"{module} is missing: install requirements-bench.txt, as `make bench` does") from error
