"""Gateway processes that start in no time: one process imports the program once and forks each gateway from itself.

What is forked is `connect-gateway serve` as anybody runs it, in a session of its own. Run as a program, this is the
process that forks: it reads one JSON object a line, `{"start": {environment}, "log": path}` or `{"wait": pid}`, and
answers one a line. With its end its gateways end, since they hold the reading end of a pipe that it has.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

import psutil


class Nursery:
    """Forks gateways; `source`, where it is given, is a directory with another copy of the program."""

    def __init__(self, source: Path | None = None) -> None:
        self._source = source
        self._process: asyncio.subprocess.Process | None = None
        self._asking = asyncio.Lock()

    async def __aenter__(self) -> Self:
        path = os.pathsep.join([*([str(self._source)] if self._source else []), str(Path(__file__).parents[1])])
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CONNECT_")}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "torture.nursery",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=inherited | {"PYTHONPATH": path},
        )
        imported = Path((await self._read())["from"])
        assert self._source is None or imported.is_relative_to(self._source), "the copy is not what would be run"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def start(self, environment: Mapping[str, str], log: Path) -> int:
        """Forks a gateway with these settings; its process id. It is not listening yet."""
        answer = await self._ask({"start": dict(environment), "log": str(log)})
        pid: int = answer["pid"]
        return pid

    async def status(self, pid: int) -> int:
        """The exit status of a gateway that has ended, as a shell shows it."""
        while is_running(pid):
            await asyncio.sleep(0.005)
        answer = await self._ask({"wait": pid})
        status: int = answer["status"]
        return status

    async def _ask(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        async with self._asking:
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            return await self._read()

    async def _read(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the nursery has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


def is_running(pid: int) -> bool:
    """Whether the process runs or is frozen; one that has ended and waits to be buried does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _serve_orders() -> None:
    from connect_gateway import cli

    life_line, _held = os.pipe()
    print(json.dumps({"from": cli.__file__}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        if "start" in order:
            pid = os.fork()
            if pid == 0:
                os.close(_held)
                _be_gateway(order, life_line)
            answer = {"pid": pid}
        else:
            _, raw = os.waitpid(order["wait"], 0)
            status = os.waitstatus_to_exitcode(raw)
            answer = {"status": status if status >= 0 else 128 - status}
        print(json.dumps(answer), flush=True)


def _be_gateway(order: dict[str, Any], life_line: int) -> NoReturn:
    """The forked half: becomes `connect-gateway serve`."""
    from connect_gateway import cli

    status = 1
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for target, handle in ((0, nothing), (1, log), (2, log)):
            os.dup2(handle, target)
        os.environ.update(order["start"])
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv = ["connect-gateway", "serve", "--exit-with-fd", str(life_line)]
        cli.main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve_orders()
