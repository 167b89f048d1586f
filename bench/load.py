"""What drives a side: wrk, pgbench and the client of our own."""

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.children import ROOT, python
from bench.errors import BenchError
from bench.plan import PGBENCH_CLIENTS
from bench.stock import Database, Records
from connect_gateway.load_demo import TENDERED
from connect_gateway.osuser import OsUser

_HERE = Path(__file__).resolve().parent
SQL = _HERE / "sql"
_PROCESSED = re.compile(r"actually processed: ([0-9]+)")
_RATE = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
_VARIABLE = re.compile(r"(?<!:):([a-z_]+)")

COLLECT_PARAMETERS = (
    "transaction_id",
    "store",
    "pos",
    "reference",
    "tracking_number",
    "tendered",
    "business_date",
    "entry",
    "answer",
)
"""In the order in which a program binds them."""


@dataclass(frozen=True)
class Driven:
    """What came of driving a side: answers a second, and how many requests were used up."""

    rate: float
    answered: int
    sent: int
    latency_ms: dict[str, float]


def ensure_wrk() -> None:
    """wrk from the system's packages, installed where we may."""
    if shutil.which("wrk"):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "--yes", "--quiet", "wrk"], check=False, capture_output=True)  # noqa: S607
    if not shutil.which("wrk"):
        raise BenchError("wrk is needed (on Debian and Ubuntu: apt-get install wrk)")


async def wrk(
    port: int, records: Records, first: int, *, connections: int, seconds: int, again: bool = False
) -> Driven:
    """Keeps `connections` requests under way for so long.

    BenchError where an answer is no success, or where the requests run out. They are sent `again` instead to a server
    to which they are all the same.
    """
    left = records.count - first
    command = [
        "wrk",
        "--threads=1",
        f"--connections={connections}",
        f"--duration={seconds}s",
        "--timeout=30s",
        f"--script={_HERE / 'replay.lua'}",
        f"http://127.0.0.1:{port}/",
        "--",
        str(records.path),
        str(records.record_bytes),
        str(first),
        str(left),
        *(["again"] if again else []),
    ]
    told = json.loads((await _output(command)).splitlines()[-1])
    if told["refused"] or told["broken"]:
        broken = f"{told['broken']} connections broke"
        raise BenchError(f"of {told['answered']} answers {told['refused']} were refusals; {broken}")
    if told["exhausted"]:
        raise BenchError(f"{left} requests did not last for {seconds} s")
    return Driven(told["answered"] / told["seconds"], told["answered"], told["sent"], told["latency_ms"])


@dataclass(frozen=True)
class Texts:
    """What a COLLECT writes that is made outside the database: as long as the gateway makes it."""

    answer: str
    entry: str


async def pgbench(
    database: Database, script: Path, texts: Texts | None, *, clients: int = PGBENCH_CLIENTS, seconds: int
) -> Driven:
    """Runs a script for so long, prepared, one transaction each."""
    stock = database.stock
    variables: dict[str, object] = {
        "first": database.used,
        "i": 0,
        "clients": clients,
        "skipped": stock.transactions,
        "stride": stock.stride,
        "open": stock.open,
        "tendered": TENDERED,
        "business_date": stock.business_date.isoformat(),
    }
    if texts is not None:
        variables |= {"entry": texts.entry, "answer": texts.answer}
    url = urlsplit(database.url)
    command = [
        str(OsUser().binary("pgbench")),
        "--no-vacuum",
        "--protocol=prepared",
        f"--client={clients}",
        f"--jobs={min(clients, os.cpu_count() or 1)}",
        f"--time={seconds}",
        f"--file={script}",
        *(f"--define={name}={value}" for name, value in variables.items()),
        f"--host={url.hostname}",
        f"--port={url.port}",
        f"--username={url.username}",
        database.name,
    ]
    output = await _output(command, {"PGPASSWORD": url.password or ""})
    processed, rate = _PROCESSED.search(output), _RATE.search(output)
    if processed is None or rate is None:
        raise BenchError(f"pgbench did nothing within {seconds} s:\n{output[-800:]}")
    count = int(processed[1])
    # Clients go on evenly, not equally: the one that got furthest says how many parcels were touched at most.
    touched = int(count * 1.2) + 100 * clients
    return Driven(float(rate[1]), count, touched, {"mean": clients / float(rate[1]) * 1000})


def pgbench_script(path: Path, kind: str) -> Path:
    """Writes the script for pgbench: `collect` (one statement), `steps` (one by one) or `lookup`."""
    parcel = (SQL / "parcel.pgbench").read_text()
    if kind == "steps":
        body = (SQL / "steps.pgbench").read_text()
    else:
        body = statement(kind).replace(":transaction_id::uuid", "uuidv7()") + ";\n"
    path.write_text(parcel + body)
    path.chmod(0o644)
    return path


def statement(kind: str) -> str:
    """A statement of ours without its comment, its variables by name."""
    lines = (SQL / f"{kind}.sql").read_text().splitlines()
    return "\n".join(line for line in lines if not line.startswith("--"))


def numbered(sql: str, names: Sequence[str]) -> str:
    """A statement with `$1`, `$2`, … in place of its variables, as a driver binds them."""
    return _VARIABLE.sub(lambda found: f"${names.index(found[1]) + 1}", sql)


async def own_client(kind: str, port: int, sources: Sequence[tuple[Records, int]], *options: str) -> dict[str, Any]:
    """Runs the client of our own and returns what it says."""
    records = [f"--records={source.path}:{source.record_bytes}:{first}" for source, first in sources]
    command = python("bench.client", kind, f"--port={port}", *records, *options)
    told: dict[str, Any] = json.loads((await _output(command)).splitlines()[-1])
    return told


async def _output(command: Sequence[str], environment: dict[str, str] | None = None) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        output, errors = await process.communicate()
    except BaseException:
        process.terminate()
        await process.wait()
        raise
    if process.returncode != 0:
        raise BenchError(f"{command[0]} ended with {process.returncode}: {errors.decode()[:800]}")
    return output.decode()
