"""What the figures were measured on, without names of the machine or of places on it."""

import os
import platform
import subprocess
import time
from pathlib import Path
from statistics import median

import psutil

from bench.ground import Ground, file_system

_SYNCS = 200


def machine(ground: Ground) -> dict[str, str]:
    """Facts of the machine and the programs, in the order in which they are shown."""
    return {
        "Processors": f"{os.cpu_count()} x {_processor()}",
        "Memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "System": f"{platform.system()} {platform.release().split('-')[0]}",
        "Database's disk": f"{file_system(ground.home)}, {_fdatasync_ms(ground.home):.2f} ms for 8 kB with fdatasync",
        "Python": platform.python_version(),
        "PostgreSQL": "18 (embedded), fsync, synchronous_commit and full_page_writes on; "
        f"huge pages {ground.huge_pages}",
        "Node.js": _first_line(["node", "--version"]),
        "wrk": _first_line(["wrk", "--version"]),
        "Busy with other things when the run began": f"load average {os.getloadavg()[0]:.1f}",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _fdatasync_ms(directory: Path) -> float:
    path = directory / "fdatasync"
    times = []
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.pwrite(file, bytes(8192 * _SYNCS), 0)
        os.fsync(file)
        for number in range(_SYNCS):
            began = time.perf_counter()
            os.pwrite(file, b"\xa5" * 8192, number * 8192)
            os.fdatasync(file)
            times.append((time.perf_counter() - began) * 1000)
    finally:
        os.close(file)
        path.unlink()
    return median(times)


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=10)  # noqa: S603 - constants
    except OSError:
        return "not here"
    return ((done.stdout or done.stderr).splitlines() or ["unknown"])[0].split(" [")[0].removeprefix("wrk ")
