"""Huge pages for the database's memory: reserved for a run where the system lets it, and given back.

Of a large ledger each sale touches pages that none has touched for a while. With pages of 4 kB the processor has
forgotten where each of them lies; with pages of 2 MB it has not. PostgreSQL takes them by itself where they are.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

_COUNT = Path("/proc/sys/vm/nr_hugepages")
_MEMORY = Path("/proc/meminfo")


@contextlib.contextmanager
def reserved(needed_bytes: int) -> Iterator[None]:
    """Sees to it that so much is free in huge pages while the block runs; does nothing where that cannot be had."""
    before = _more_for(needed_bytes)
    try:
        yield
    finally:
        if before is not None:
            _COUNT.write_text(str(before))


def _more_for(needed_bytes: int) -> int | None:
    """Reserves what is missing. Returns how many there were, or None where their number is as it was."""
    try:
        size, free = _of_memory("Hugepagesize"), _of_memory("HugePages_Free")
        missing = -(-needed_bytes // size) - free
        if missing <= 0:
            return None
        before = int(_COUNT.read_text())
        _COUNT.write_text(str(before + missing))
        if int(_COUNT.read_text()) == before + missing:
            return before
        # Memory is in too many pieces: a part would be kept from everybody and used by nobody.
        _COUNT.write_text(str(before))
    except (OSError, KeyError):
        # Another system, or the run may not.
        return None
    return None


def _of_memory(name: str) -> int:
    """A figure of the system's, in bytes where it is of kilobytes."""
    for line in _MEMORY.read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            number, _, unit = value.strip().partition(" ")
            return int(number) * (1024 if unit == "kB" else 1)
    raise KeyError(name)
