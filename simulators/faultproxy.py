"""A TCP proxy on loopback with faults to switch on: the network between till and gateway, at its worst.

After `struck = proxy.inject(Fault.DROP_ANSWER)` a client that speaks to `proxy.url` loses one answer, and
`await struck.wait()` returns once the server has done its work and the answer has been swallowed.
"""

import asyncio
import contextlib
from enum import Enum
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_CHUNK_BYTES = 64 * 1024


class Fault(Enum):
    """What happens to the next answer, or, for REFUSE, to every connection."""

    PASS = "pass"  # noqa: S105 - not a password
    DROP_ANSWER = "drop-answer"  # the request goes through, the answer is swallowed, the connection cut
    CUT_ANSWER = "cut-answer"  # half of the answer comes back, then the connection is cut
    DELAY = "delay"  # the answer is held back until release(), or for delay_s
    REFUSE = "refuse"  # open connections are cut and new ones reset: no request reaches the server


class FaultProxy:
    """Forwards to the server at `target_url` (plain HTTP); without a fault it changes nothing."""

    def __init__(self, target_url: str) -> None:
        target = urlsplit(target_url)
        if target.scheme != "http" or target.hostname is None or target.port is None:
            raise ValueError(f"not http://host:port: {target_url!r}")
        self._target = (target.hostname, target.port)
        self._server: asyncio.Server | None = None
        self._fault = Fault.PASS
        self._times_left = 0
        self._delay_s: float | None = None
        self._struck = asyncio.Event()
        self._released = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    @property
    def url(self) -> str:
        """The address that a client uses in place of the server's."""
        if self._server is None:
            raise RuntimeError("the proxy has not been started")
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def inject(self, fault: Fault, *, times: int = 1, delay_s: float | None = None) -> asyncio.Event:
        """Switches to `fault` for the next `times` answers (REFUSE and PASS: until the next inject).

        The event that is handed back is set once the fault has struck. `delay_s` is DELAY's alone: without
        it the answer is held until `release()`.
        """
        self._fault, self._times_left, self._delay_s = fault, times, delay_s
        self._struck, self._released = asyncio.Event(), asyncio.Event()
        if fault is Fault.REFUSE:
            for writer in self._open:
                writer.transport.abort()
        return self._struck

    def release(self) -> None:
        """Lets every answer go that is held back."""
        self._released.set()

    def _take_fault(self) -> Fault:
        """The fault for the answer that begins now; the last one that was ordered switches back to PASS."""
        fault = self._fault
        if fault in (Fault.PASS, Fault.REFUSE):
            return fault
        self._times_left -= 1
        if self._times_left <= 0:
            self._fault = Fault.PASS
        return fault

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None or not self._server.is_serving():
            writer.close()
            return
        # Tasks of our own: asyncio complains of those that it makes itself when they are cancelled.
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # One that is cancelled before its first step closes nothing by itself.
        task.add_done_callback(lambda _: writer.close())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._fault is Fault.REFUSE:
            self._struck.set()
            writer.transport.abort()
            return
        self._open.add(writer)
        try:
            with contextlib.suppress(OSError):
                await self._forward(reader, writer)
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(*self._target)
        requests = asyncio.create_task(_copy(reader, server_writer))
        answers = asyncio.create_task(self._copy_answers(server_reader, writer))
        try:
            await asyncio.wait({requests, answers}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Closed before anything is waited for: whoever cancels this now must not leave it open.
            server_writer.close()
            for task in (requests, answers):
                task.cancel()
            await asyncio.gather(requests, answers, return_exceptions=True)
            with contextlib.suppress(OSError):
                await server_writer.wait_closed()

    async def _copy_answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            # The server has begun to answer, so it has done its work: now the answer's fate is decided.
            fault, struck = self._take_fault(), self._struck
            if fault is Fault.DELAY:
                struck.set()
                await self._hold()
            elif fault is Fault.CUT_ANSWER:
                writer.write(chunk[: len(chunk) // 2])
                await writer.drain()
                # A graceful end, so that the half that was written does arrive.
                writer.close()
                await writer.wait_closed()
            if fault in (Fault.DROP_ANSWER, Fault.CUT_ANSWER, Fault.REFUSE):
                struck.set()
                return
            writer.write(chunk)
            await writer.drain()

    async def _hold(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._released.wait(), self._delay_s)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()
