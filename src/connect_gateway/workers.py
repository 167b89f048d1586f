"""Several gateway processes behind one port: started together, started again when they die, exchanged one by one.

With them there may be a relay in a process of its own, kept likewise.

The port's listening sockets belong to the process that starts the others: one for each worker, all on the same address
(SO_REUSEPORT), so that the system spreads connections over them. A worker inherits its socket. When it dies or is
exchanged, what has connected meanwhile waits in the socket's queue for the next worker; nobody is refused.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog
from prometheus_client import multiprocess
from pydantic import SecretStr

from connect_gateway import logs
from connect_gateway.metrics import SHARED_DIRECTORY
from connect_gateway.processes import StartError, end, ended
from connect_gateway.settings import Settings

_BACKLOG = 1024
_READY_WITHIN_S = 60.0
_STOP_MARGIN_S = 15.0
"""Beyond the grace of a stopping gateway: for what it still tells ECMS and for its connections."""

_STEADY_S = 5.0
"""A worker that has lived for this long is started again at once; one that dies sooner, ever later."""

_LONGEST_PAUSE_S = 5.0

_log = structlog.get_logger("workers")


def run_workers(
    settings: Settings,
    count: int,
    *,
    relay_apart: bool = False,
    exit_with_fd: int | None = None,
    port_file: Path | None = None,
) -> None:
    """Serves with `count` processes until SIGTERM or SIGINT; SIGHUP exchanges them one by one.

    With `relay_apart` none of them relays: one more process does, and they wake it.

    The settings name a database and keys. StartError where a worker cannot be started at all.
    """
    if settings.sandbox:
        raise StartError("a sandbox has one gateway process: its clock is set in one")
    logs.configure(settings.log_level)
    with tempfile.TemporaryDirectory(prefix="connect-metrics-") as shared:
        asyncio.run(_Workers(settings, count, Path(shared), relay_apart=relay_apart).run(exit_with_fd, port_file))


@dataclass(slots=True, frozen=True)
class _Place:
    """What a process is there for: its command's words, and the descriptors that they name."""

    words: tuple[str, ...]
    handed: tuple[int, ...]


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    began: float


class _Workers:
    """The places, and for each a task that keeps a worker at it."""

    def __init__(self, settings: Settings, count: int, shared: Path, *, relay_apart: bool) -> None:
        self._settings = settings
        self._shared = shared
        self._sockets = _listening(settings.host, settings.port, count)
        self._bell = _bell() if relay_apart else None
        self._places = [_counter(listening.fileno(), self._bell) for listening in self._sockets]
        if self._bell is not None:
            self._places.append(_relay(self._bell))
        self._renew = [asyncio.Event() for _ in self._places]
        self._stop = asyncio.Event()
        # Workers read its other end; it comes to its end with this process, however that dies.
        self._life_line, self._held = os.pipe()

    async def run(self, exit_with_fd: int | None, port_file: Path | None) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._exchange)
        if exit_with_fd is not None:
            loop.add_reader(exit_with_fd, self._stop.set)
        try:
            first = [await self._started(place) for place in self._places]
            port = self._sockets[0].getsockname()[1]
            if port_file is not None:
                port_file.write_text(str(port))
            _log.info("listening", host=self._settings.host, port=port, workers=len(self._sockets))
            async with asyncio.TaskGroup() as keeping:
                for nth, worker in enumerate(first):
                    keeping.create_task(self._keep(nth, worker))
        finally:
            for listening in self._sockets:
                listening.close()
            for descriptor in (self._held, self._life_line, *(self._bell or ())):
                os.close(descriptor)

    def _exchange(self) -> None:
        for renew in self._renew:
            renew.set()

    async def _keep(self, nth: int, worker: _Worker) -> None:
        """Keeps one worker at a place until all are to stop."""
        place, renew, pause_s = self._places[nth], self._renew[nth], 0.1
        while True:
            dead = asyncio.ensure_future(ended(worker.process))
            stopping = asyncio.ensure_future(self._stop.wait())
            renewing = asyncio.ensure_future(renew.wait())
            await asyncio.wait({dead, stopping, renewing}, return_when=asyncio.FIRST_COMPLETED)
            for waiting in (dead, stopping, renewing):
                waiting.cancel()
            if self._stop.is_set():
                await self._end(worker)
                return
            if renew.is_set() and worker.process.poll() is None:
                renew.clear()
                worker = await self._exchanged(place, worker)
                continue
            _log.error("worker-died", worker=worker.process.pid, status=worker.process.poll())
            self._forget(worker)
            pause_s = 0.1 if time.monotonic() - worker.began > _STEADY_S else min(2 * pause_s, _LONGEST_PAUSE_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause_s)
            if self._stop.is_set():
                return
            try:
                worker = await self._started(place)
            except StartError as error:
                _log.error("worker-not-started", error=str(error))

    async def _exchanged(self, place: _Place, old: _Worker) -> _Worker:
        """A new worker at the old one's place; the old one stays where the new one does not come up."""
        try:
            new = await self._started(place)
        except StartError as error:
            _log.error("worker-not-exchanged", error=str(error))
            return old
        await self._end(old)
        _log.info("worker-exchanged", old=old.process.pid, new=new.process.pid)
        return new

    async def _end(self, worker: _Worker) -> None:
        patience_s = self._settings.shutdown_grace_ms / 1000 + _STOP_MARGIN_S
        await end(worker.process, (signal.SIGTERM, patience_s))
        self._forget(worker)

    def _forget(self, worker: _Worker) -> None:
        """What it counted stays in the sums; its gauges go."""
        multiprocess.mark_process_dead(worker.process.pid, str(self._shared))  # type: ignore[no-untyped-call]

    async def _started(self, place: _Place) -> _Worker:
        """A worker that does its work; StartError where it ends before or does not come to it in time."""
        reading, writing = os.pipe()
        command = [sys.executable, "-P", "-m", "connect_gateway", *place.words]
        command += ["--exit-with-fd", str(self._life_line), "--ready-fd", str(writing)]
        handed = (*place.handed, self._life_line, writing)
        try:
            process = subprocess.Popen(  # noqa: ASYNC220, S603 - our own program and numbers; it returns at once
                command, env=self._environment(), pass_fds=handed, stdin=subprocess.DEVNULL, start_new_session=True
            )
        finally:
            os.close(writing)
        worker = _Worker(process, time.monotonic())
        try:
            if not await _ready(reading):
                raise StartError(f"a gateway process ended with status {await ended(process)} before it was ready")
        except TimeoutError:
            raise StartError(f"a gateway process was not ready within {_READY_WITHIN_S:.0f} s") from None
        finally:
            os.close(reading)
            if sys.exc_info()[0] is not None:
                await end(process)
        return worker

    def _environment(self) -> dict[str, str]:
        """The settings as they are here, whatever the environment and the file say when a worker starts again."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CONNECT_")}
        environment[SHARED_DIRECTORY] = str(self._shared)
        for name in type(self._settings).model_fields:
            value = getattr(self._settings, name)
            if value is not None:
                text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
                environment[f"CONNECT_{name.upper()}"] = text
        return environment


def _bell() -> tuple[int, int]:
    """A pipe by which gateways wake the relay: its two ends, of which the second never makes anybody wait."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    return reading, writing


def _counter(listening: int, bell: tuple[int, int] | None) -> _Place:
    place = _Place(("serve", "--listen-fd", str(listening)), (listening,))
    if bell is None:
        return place
    return _Place((*place.words, "--bell-fd", str(bell[1])), (*place.handed, bell[1]))


def _relay(bell: tuple[int, int]) -> _Place:
    return _Place(("relay", "--bell-fd", str(bell[0])), (bell[0],))


async def _ready(reading: int) -> bool:
    """Whether the worker said that it is ready; it ended where the pipe does."""
    loop = asyncio.get_running_loop()
    said: asyncio.Future[bool] = loop.create_future()

    def readable() -> None:
        loop.remove_reader(reading)
        said.set_result(bool(os.read(reading, 1)))

    loop.add_reader(reading, readable)
    try:
        async with asyncio.timeout(_READY_WITHIN_S):
            return await said
    finally:
        loop.remove_reader(reading)


def _listening(host: str, port: int, count: int) -> list[socket.socket]:
    """`count` sockets that listen on one address; a port of 0 becomes a free one, the same for all."""
    made: list[socket.socket] = []
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    with _closed_on_error(made):
        for _ in range(count):
            one = socket.socket(family, socket.SOCK_STREAM)
            made.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind((host, port))
            port = one.getsockname()[1]
        for one in made:
            one.listen(_BACKLOG)
    return made


@contextlib.contextmanager
def _closed_on_error(made: list[socket.socket]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for one in made:
            one.close()
        raise
