"""Programs that a measurement starts: each in its own session, told of our end by the end of its standard input."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from bench.errors import BenchError
from connect_gateway.processes import end, tail

ROOT = Path(__file__).resolve().parent.parent
_READY_WITHIN_S = 60.0


@asynccontextmanager
async def child(
    command: Sequence[str], log: Path, environment: Mapping[str, str]
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Runs a program while the block runs. It sees our own environment without settings of the gateway's."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CONNECT_")}
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603, ASYNC220 - commands of our own; starting one takes no time
            command,
            cwd=ROOT,
            env={**inherited, "PYTHONPATH": str(ROOT), **environment},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await end(process, (signal.SIGTERM, 15.0))


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


async def port_from(file: Path, process: subprocess.Popen[bytes], log: Path) -> int:
    """The port that a program writes into a file once it listens."""
    give_up = time.monotonic() + _READY_WITHIN_S
    while not file.exists() or not file.read_text().strip():
        _still_there(process, log, give_up)
        await asyncio.sleep(0.05)
    return int(file.read_text())


async def answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Waits until something answers HTTP at `url`, whatever it says."""
    give_up = time.monotonic() + _READY_WITHIN_S
    async with aiohttp.ClientSession() as session:
        while True:
            _still_there(process, log, give_up)
            try:
                async with session.get(url):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)


def _still_there(process: subprocess.Popen[bytes], log: Path, give_up: float) -> None:
    name = " ".join(map(str, process.args)) if isinstance(process.args, list | tuple) else str(process.args)
    if process.poll() is not None:
        raise BenchError(f"{name} ended with status {process.returncode}:\n{tail(log)}")
    if time.monotonic() > give_up:
        raise BenchError(f"{name} is not ready after {_READY_WITHIN_S:.0f} s:\n{tail(log)}")


def leave_with_parent() -> None:
    """For programs of ours that are measured against: ends the process when its standard input does."""
    while sys.stdin.buffer.read(4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
