"""How the pages of a simulator are served: a file of settings, one line that says where, an end with the parent."""

import asyncio
import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from ..lifeline import stop_at_end_of
from ..wire import Credentials, credentials_of

_SHUTDOWN_GRACE_S = 3.0


@dataclass(frozen=True)
class PagesConfig:
    """Where the pages listen, the gateway they speak to and as whom, and where the simulator keeps its state."""

    host: str
    port: int
    gateway: str
    client: Credentials
    data_dir: Path


def read_pages_config(file: Path) -> PagesConfig:
    """Reads `{"host","port","gateway","client":{"clientId",…},"dataDir"}`; ValueError says what is wrong with it."""
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is not JSON") from error
    return PagesConfig(
        host=_field(given, "host", str),
        port=_field(given, "port", int),
        gateway=_field(given, "gateway", str),
        client=credentials_of(_field(given, "client", dict)),
        data_dir=Path(_field(given, "dataDir", str)),
    )


def _field(given: Any, name: str, kind: type) -> Any:
    value = given.get(name) if isinstance(given, dict) else None
    if isinstance(value, kind):
        return value
    raise ValueError(f"{name} is missing, or no {kind.__name__}")


async def serve_pages(app: web.Application, host: str, port: int, exit_with_fd: int | None = None) -> None:
    """Serves until SIGTERM, SIGINT, or the end of the pipe `exit_with_fd`; one line of JSON says where: `{"url"}`."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if exit_with_fd is not None:
        stop_at_end_of(exit_with_fd, stopping.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_GRACE_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        sys.stdout.write(json.dumps({"url": f"http://{host}:{runner.addresses[0][1]}/"}) + "\n")
        sys.stdout.flush()
        await stopping.wait()
    finally:
        await runner.cleanup()
