"""What the programs that start other programs share: ports, locks, private files, the end of a process."""

import asyncio
import contextlib
import errno
import fcntl
import os
import random
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

# A system makes its outgoing connections from ports that start at 32768 on Linux and at 49152 elsewhere. One
# that is kept between runs is taken from below, so that no passing connection sits on it at the next start.
_KEPT_PORTS = range(15_000, 32_000)


class StartError(RuntimeError):
    """Something cannot be started. The message is for the person who started it and needs no traceback."""


def port_is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as candidate:
        # As servers do: connections of an earlier server that linger in TIME_WAIT are no obstacle.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def choose_port() -> int:
    """A port of 127.0.0.1 that is free now and fit to be kept."""
    for port in random.sample(_KEPT_PORTS, 200):
        if port_is_free(port):
            return port
    raise StartError("no free port was found on 127.0.0.1")


async def port_becomes_free(port: int, wait_s: float) -> bool:
    """Whether 127.0.0.1:`port` is free now or becomes so within `wait_s`."""
    give_up = time.monotonic() + wait_s
    while not port_is_free(port):
        if time.monotonic() > give_up:
            return False
        await asyncio.sleep(0.1)
    return True


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read, whole or not at all, also if the machine stops half-way."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Makes the names in a directory survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def tail(path: Path, lines: int = 20) -> str:
    """The last lines of a log, empty if there is none."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 64 * 1024))
        text = file.read().decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-lines:])
    return ""


class DirectoryLock:
    """Keeps two programs from working in one directory. The system lets go of it when the program ends."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._handle: int | None = None

    def acquire(self) -> None:
        """Takes the lock. Raises StartError if another program, or another part of this one, holds it."""
        handle = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(handle)
            raise StartError(f"{self._directory} is in use by another program (process {holder})") from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode("ascii"), 0)
        self._handle = handle

    def release(self) -> None:
        """Lets go. The file stays: removing it would let two programs hold locks on two files of one name."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


async def ended(process: subprocess.Popen[bytes]) -> int:
    """Waits until a process has ended and returns its exit status, as `Popen.wait` gives it.

    A thread of its own waits, one that does not hold up the end of the program: the event loop may end first.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[int] = loop.create_future()

    def settle(status: int) -> None:
        if not done.done():
            done.set_result(status)

    def wait() -> None:
        status = process.wait()
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile, and nobody waits any more
            loop.call_soon_threadsafe(settle, status)

    threading.Thread(target=wait, name=f"wait-for-{process.pid}", daemon=True).start()
    return await done


async def end(process: subprocess.Popen[bytes], *steps: tuple[signal.Signals, float]) -> int:
    """Ends a process that leads its own session and returns its exit status.

    Each step is a signal and the seconds given to obey it. What still lives then is killed with its group.
    """
    for number, patience_s in steps:
        if process.poll() is not None:
            break
        process.send_signal(number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended(process), patience_s)
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return await ended(process)


@contextlib.contextmanager
def appended(path: Path) -> Iterator[int]:
    """The descriptor of a private log file, opened for a child to write at its end."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        yield handle
    finally:
        os.close(handle)
