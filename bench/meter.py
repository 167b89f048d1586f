"""What a measurement cost: processor time by who spent it, and bytes in the write-ahead log.

On a machine that others use too, processor time for each request says more than a rate does.
"""

import contextlib
import resource
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from bench.ground import Ground


@dataclass(frozen=True)
class Costs:
    """Microseconds of processor time and bytes for one request; `others` is the share of the machine they took."""

    database_us: float
    server_us: float
    load_us: float
    wal_bytes: float
    others: float


class Meter:
    """Reads the clocks before and after a measurement. `servers` are the processes that answer, without PostgreSQL."""

    def __init__(self, ground: Ground, servers: Sequence[int]) -> None:
        self._ground = ground
        self._servers = servers

    async def start(self) -> None:
        self._began = await self._read()

    async def stop(self, requests: int) -> Costs:
        """The costs since `start`, shared among so many requests."""
        ended = await self._read()
        database, server, load, wal, machine = (
            after - before for before, after in zip(self._began, ended, strict=True)
        )
        count = max(requests, 1)
        capacity = max(machine, 0.001)
        idle = self._idle()
        others = max(0.0, 1 - (database + server + load + idle) / capacity)
        return Costs(database / count * 1e6, server / count * 1e6, load / count * 1e6, wal / count, others)

    async def _read(self) -> tuple[float, float, float, float, float]:
        times = psutil.cpu_times()
        self._idle_before, self._idle_now = getattr(self, "_idle_now", 0.0), times.idle + times.iowait
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (
            processor_time(self._ground.postgres.pid),
            sum(processor_time(pid) for pid in self._servers),
            children.ru_utime + children.ru_stime,
            float(await self._ground.wal_bytes()),
            sum(times[:8]),
        )

    def _idle(self) -> float:
        return self._idle_now - self._idle_before


def processor_time(pid: int) -> float:
    """Seconds that a process and all below it have had, those that have ended included."""
    root = psutil.Process(pid)
    seconds = 0.0
    for process in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds
