"""aiohttp with nothing around it: `/sync` answers once 8 kB are safe on the disk, every other path at once.

The 8 kB go where a database's log would put them: over a file that is there already, so that fdatasync writes data
alone. Several threads with a file each keep requests from waiting for one another.
"""

import argparse
import asyncio
import os
import queue
import threading
from pathlib import Path

import uvloop
from aiohttp import web

from bench.children import leave_with_parent

_BLOCK = b"\xa5" * 8192
_BLOCKS = 512
_FILES = 8


class _Log:
    """A file of 4 MiB that is written round and round."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.pwrite(self._file, _BLOCK * _BLOCKS, 0)
        os.fsync(self._file)
        self._next = 0

    def append(self) -> None:
        os.pwrite(self._file, _BLOCK, self._next * len(_BLOCK))
        self._next = (self._next + 1) % _BLOCKS
        os.fdatasync(self._file)


def application(directory: Path) -> web.Application:
    logs: queue.SimpleQueue[_Log] = queue.SimpleQueue()
    for number in range(_FILES):
        logs.put(_Log(directory / f"fdatasync-{number}"))

    def write() -> None:
        log = logs.get()
        log.append()
        logs.put(log)

    async def sync(request: web.Request) -> web.Response:
        await asyncio.to_thread(write)
        return web.json_response({"written": len(_BLOCK)})

    async def at_once(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"padding": "x" * 1500})

    app = web.Application()
    app.add_routes([web.get("/sync", sync), web.route("*", "/{path:.*}", at_once)])
    return app


async def _serve(directory: Path, port_file: Path) -> None:
    runner = web.AppRunner(application(directory), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    port_file.write_text(str(runner.addresses[0][1]))
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--port-file", type=Path, required=True)
    asked = parser.parse_args()
    threading.Thread(target=leave_with_parent, daemon=True).start()
    uvloop.run(_serve(asked.directory, asked.port_file))


if __name__ == "__main__":
    main()
