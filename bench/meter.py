"""What a measurement cost: processor time by who spent it, bytes in the write-ahead log, and bytes read from disks.

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
    read_bytes: float
    others: float


@dataclass(frozen=True)
class _Reading:
    """Seconds of processor time had until now, by whom; `machine` is all there was, `idle` what nobody took of it."""

    database: float
    server: float
    load: float
    machine: float
    idle: float
    wal_bytes: int
    read_bytes: int


class Meter:
    """Reads the clocks before and after a measurement. `servers` are the processes that answer, without PostgreSQL."""

    def __init__(self, ground: Ground, servers: Sequence[int]) -> None:
        self._ground = ground
        self._servers = servers
        self._began: _Reading | None = None

    async def start(self) -> None:
        self._began = await self._read()

    async def stop(self, requests: int) -> Costs:
        """The costs since `start`, shared among so many requests."""
        before, after = self._began, await self._read()
        assert before is not None, "it was started"
        count = max(requests, 1)
        database, server, load = (
            getattr(after, part) - getattr(before, part) for part in ("database", "server", "load")
        )
        taken = after.machine - before.machine - (after.idle - before.idle)
        return Costs(
            database / count * 1e6,
            server / count * 1e6,
            load / count * 1e6,
            (after.wal_bytes - before.wal_bytes) / count,
            (after.read_bytes - before.read_bytes) / count,
            max(0.0, taken - database - server - load) / max(after.machine - before.machine, 0.001),
        )

    async def _read(self) -> _Reading:
        wal_bytes = await self._ground.wal_bytes()
        times, disks = psutil.cpu_times(), psutil.disk_io_counters()
        # What was run and has ended: the programs that make the load.
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return _Reading(
            processor_time(self._ground.postgres.pid),
            sum(processor_time(pid) for pid in self._servers),
            children.ru_utime + children.ru_stime,
            sum(times[:8]),
            times.idle + getattr(times, "iowait", 0.0),
            wal_bytes,
            0 if disks is None else disks.read_bytes,
        )


def processor_time(pid: int) -> float:
    """Seconds that a process and all below it have had, those that have ended included."""
    root = psutil.Process(pid)
    seconds = 0.0
    for process in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds
