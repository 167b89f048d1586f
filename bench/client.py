"""A client of our own, a program by itself: `steady` sends at a fixed rate whatever comes back, `busy` a fixed count.

`steady` is an open loop. Request k is due at start + k / rate and its latency counts from then, not from when it could
be sent, so that a stall is felt by every request that was due meanwhile. Each takes a connection that is free, or opens
a further one; what has no answer in the end counts as if it had come then. The loop waits in select(2), whose
time-out is exact to some 0.1 ms where epoll's is to 1 ms. `crowd` is the same by thousands a second, where what a
request costs this program matters more than the millisecond in which it is due; its loop is uvloop's.
`busy` is a closed loop: each of its connections sends the next request once it has its answer.
The last line printed is one of JSON.
"""

import argparse
import asyncio
import gc
import json
import re
import selectors
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import uvloop

_LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: ([0-9]+)\r\n")
_DRAIN_S = 10.0
_CONNECTIONS_AT_FIRST = 64
_CONNECTIONS = 900
"""At most, since select(2) knows no more than 1,024 descriptors."""

Answered = Callable[["Connection", int], None]


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self, answered: Answered) -> None:
        self._answered = answered
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self.due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no class of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes, due: float) -> None:
        assert self._transport is not None
        self.due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = self._received.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(self._received, 0, head + 2)
        if len(self._received) < head + 4 + (0 if length is None else int(length[1])):
            return
        status = int(self._received[9:12])
        self._received = b""
        self._answered(self, status)

    def connection_lost(self, error: Exception | None) -> None:
        self._answered(self, 0)

    def close(self) -> None:
        assert self._transport is not None
        self._transport.abort()


def records_of(file: Path, record_bytes: int, first: int, *, again: bool) -> Iterator[bytes]:
    """The file's requests from the `first` on; from its beginning again where they may be repeated."""
    with file.open("rb", buffering=1 << 20) as source:
        source.seek(first * record_bytes)
        while True:
            record = source.read(record_bytes)
            if len(record) == record_bytes:
                yield record
            elif again:
                source.seek(0)
            else:
                return


async def steady(port: int, requests: Iterator[bytes], rate: float, seconds: float, warm_up_s: float) -> dict[str, Any]:
    """Latencies in milliseconds of what was due after the warm-up, with statuses counted."""
    return await _Steady(port, requests, warm_up_s).run(rate, int(rate * (seconds + warm_up_s)))


class _Steady:
    """The open loop: what is under way, and what came of it."""

    def __init__(self, port: int, requests: Iterator[bytes], warm_up_s: float) -> None:
        self._port = port
        self._requests = requests
        self._began = time.perf_counter() + 0.1
        self._counts_from = self._began + warm_up_s
        self._opened: list[Connection] = []
        self._free: deque[Connection] = deque()
        self._waiting: deque[float] = deque()
        self._under_way = 0
        self._latencies_ms: list[float] = []
        self._accepted_ms: list[float] = []
        self._late_ms: list[float] = []
        self._statuses: dict[int, int] = {}

    async def run(self, rate: float, count: int) -> dict[str, Any]:
        for _ in range(_CONNECTIONS_AT_FIRST):
            self._free.append(await self._open())
        for k in range(count):
            due = self._began + k / rate
            wait = due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            await self._send(due)
        give_up = time.perf_counter() + _DRAIN_S
        while self._under_way and time.perf_counter() < give_up:
            await asyncio.sleep(0.01)
        return self._result(count)

    async def _open(self) -> Connection:
        loop = asyncio.get_running_loop()
        connection = (await loop.create_connection(lambda: Connection(self._answered), "127.0.0.1", self._port))[1]
        self._opened.append(connection)
        return connection

    async def _send(self, due: float) -> None:
        self._under_way += 1
        if not self._free and len(self._opened) >= _CONNECTIONS:
            self._waiting.append(due)
            return
        connection = self._free.popleft() if self._free else await self._open()
        if due >= self._counts_from:
            self._late_ms.append((time.perf_counter() - due) * 1000)
        connection.send(next(self._requests), due)

    def _answered(self, connection: Connection, status: int) -> None:
        if connection.due:
            self._under_way -= 1
            if connection.due >= self._counts_from:
                self._latencies_ms.append((time.perf_counter() - connection.due) * 1000)
                self._statuses[status] = self._statuses.get(status, 0) + 1
                if 200 <= status < 300:
                    self._accepted_ms.append(self._latencies_ms[-1])
        connection.due = 0.0
        if status and self._waiting:
            connection.send(next(self._requests), self._waiting.popleft())
        elif status:
            self._free.append(connection)

    def _result(self, count: int) -> dict[str, Any]:
        unanswered = [connection.due for connection in self._opened if connection.due] + list(self._waiting)
        now = time.perf_counter()
        self._latencies_ms += [(now - due) * 1000 for due in unanswered if due >= self._counts_from]
        for connection in self._opened:
            connection.due = 0.0
            connection.close()
        self._late_ms.sort()
        return {
            "sent": count - len(self._waiting),
            "answered": sum(n for status, n in self._statuses.items() if 200 <= status < 300),
            "statuses": self._statuses,
            "unanswered": len(unanswered),
            "connections": len(self._opened),
            "sent_late_ms_p99": self._late_ms[int(len(self._late_ms) * 0.99)],
            "accepted_ms": [round(latency, 3) for latency in self._accepted_ms],
            "latencies_ms": [round(latency, 3) for latency in self._latencies_ms],
        }


async def busy(port: int, sources: list[Iterator[bytes]], count: int, connections: int) -> dict[str, Any]:
    """Sends `count` requests, one of each source in turn, and returns how they were answered."""
    loop = asyncio.get_running_loop()
    finished = loop.create_future()
    statuses: dict[int, int] = {}
    sent = answers = 0

    def send(connection: Connection) -> None:
        nonlocal sent
        if sent < count:
            request = next(sources[sent % len(sources)])
            sent += 1
            connection.send(request, 1.0)

    def answered(connection: Connection, status: int) -> None:
        nonlocal answers
        if not connection.due:
            return
        connection.due = 0.0
        answers += 1
        statuses[status] = statuses.get(status, 0) + 1
        if answers == count or status == 0:
            if not finished.done():
                finished.set_result(None)
        else:
            send(connection)

    opened = [
        (await loop.create_connection(lambda: Connection(answered), "127.0.0.1", port))[1] for _ in range(connections)
    ]
    began = time.perf_counter()
    for connection in opened:
        send(connection)
    await finished
    seconds = time.perf_counter() - began
    for connection in opened:
        connection.close()
    return {
        "sent": sent,
        "answered": statuses.get(200, 0) + statuses.get(201, 0),
        "statuses": statuses,
        "seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("steady", "crowd", "busy"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--records", action="append", required=True, help="FILE:RECORD_BYTES:FIRST, several in turn")
    parser.add_argument("--again", action="store_true", help="requests may be repeated")
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--warm-up", type=float, default=0)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--connections", type=int, default=1)
    asked = parser.parse_args()
    sources = []
    for records in asked.records:
        file, record_bytes, first = records.rsplit(":", 2)
        sources.append(records_of(Path(file), int(record_bytes), int(first), again=asked.again))
    if asked.kind in ("steady", "crowd"):
        # A collection of garbage would stall every request that is due meanwhile, and there is none to speak of.
        gc.disable()
        work = steady(asked.port, sources[0], asked.rate, asked.seconds, asked.warm_up)
    else:
        work = busy(asked.port, sources, asked.count, asked.connections)
    with asyncio.Runner(loop_factory=_LOOPS[asked.kind]) as runner:
        print(json.dumps(runner.run(work)))


_LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "steady": lambda: asyncio.SelectorEventLoop(selectors.SelectSelector()),
    "crowd": uvloop.new_event_loop,
    "busy": uvloop.new_event_loop,
}


if __name__ == "__main__":
    main()
