"""Temporary directories that do not outlive their program for long, even one that was killed.

A program that is killed cannot tidy up. So each directory says which program made it, and whoever makes the
next one of its kind removes those whose program is gone, once the PostgreSQL that may still run there is
stopped.
"""

import asyncio
import contextlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil

from connect_gateway.postgres import EmbeddedPostgres
from connect_gateway.processes import DirectoryLock, StartError, write_private

_log = logging.getLogger(__name__)

_MARKER = "supervisor.json"
_REMOVED_WITHIN_S = 10.0


@contextlib.asynccontextmanager
async def temporary_home(kind: str) -> AsyncIterator[Path]:
    """A directory for one run; those of killed programs of the same kind are removed first.

    Its lock is held meanwhile. A PostgreSQL in it is expected in its sub-directory `postgres`.
    """
    await _remove_abandoned(kind)
    home = _make(kind)
    try:
        with DirectoryLock(home):
            supervisor = {"pid": os.getpid(), "startedAt": psutil.Process().create_time()}
            write_private(home / _MARKER, json.dumps(supervisor))
            yield home
    finally:
        await _remove(home)


def _make(kind: str) -> Path:
    home = Path(tempfile.mkdtemp(prefix=f"{kind}-"))
    # PostgreSQL may run as another user, who has to pass. What lies here is private file by file.
    home.chmod(0o711)
    return home


async def _remove_abandoned(kind: str) -> None:
    for home in _abandoned(kind):
        # The lock is the proof: a live program holds that of its directory, whatever its marker says.
        with contextlib.suppress(StartError, OSError), DirectoryLock(home):
            _log.info("removing %s, left behind by a program that was killed", home)
            await EmbeddedPostgres(home / "postgres").stop_orphan()
            await _remove(home)


def _abandoned(kind: str) -> list[Path]:
    return [home for home in Path(tempfile.gettempdir()).glob(f"{kind}-*") if _is_abandoned(home)]


def _is_abandoned(home: Path) -> bool:
    """Whether this is a directory of ours whose program is not there any more."""
    try:
        if home.is_symlink() or home.stat().st_uid != os.geteuid():
            return False
        supervisor = json.loads((home / _MARKER).read_text(encoding="utf-8"))
        started_at = psutil.Process(int(supervisor["pid"])).create_time()
        return abs(started_at - float(supervisor["startedAt"])) > 1.0
    except psutil.NoSuchProcess:
        return True
    except (OSError, ValueError, LookupError, TypeError, psutil.Error):
        return False


async def _remove(home: Path) -> None:
    """Removes a directory, also while a program that is about to end still writes a last line into it."""
    give_up = time.monotonic() + _REMOVED_WITHIN_S
    while _could_not_remove(home):
        if time.monotonic() > give_up:
            _log.warning("%s could not be removed", home)
            return
        await asyncio.sleep(0.1)


def _could_not_remove(home: Path) -> bool:
    shutil.rmtree(home, ignore_errors=True)
    return home.exists()
