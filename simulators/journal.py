"""The journal that a till and a kiosk keep on disk: what was decided is written down before anything is sent.

One line of JSON for each record, appended and flushed to the disk (fsync) before `append` returns. A process
that is killed in mid-write leaves at most one torn last line; nothing was sent on the strength of it, so it
is cut off when the journal is opened again.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_FILE_NAME = "journal.jsonl"


class JournalInUse(Exception):
    """Another process works with this journal: one of the two could reverse what the other gets approved."""


class Journal:
    """The journal in `state_dir`, which is made where it does not exist; one process at a time holds it.

    `wait` says whether to wait for the process that holds it, or to raise JournalInUse.
    """

    def __init__(self, state_dir: Path, *, wait: bool = False) -> None:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = state_dir / _FILE_NAME
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            self._lock(wait=wait)
            self._cut_torn_line()
            _sync_directory(state_dir)
        except BaseException:
            os.close(self._fd)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets the next process have the journal."""
        os.close(self._fd)

    def append(self, record: dict[str, Any]) -> None:
        """Writes one record; when it returns, the record survives a crash of the machine."""
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        while line:
            line = line[os.write(self._fd, line) :]
        os.fsync(self._fd)

    def records(self) -> Iterator[dict[str, Any]]:
        """Every record so far, the oldest first."""
        with self.path.open("rb") as lines:
            for line in lines:
                yield json.loads(line)

    def _lock(self, *, wait: bool) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as exc:
            raise JournalInUse(f"{self.path} is in use by another process") from exc

    def _cut_torn_line(self) -> None:
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(self._fd, whole)
            os.fsync(self._fd)


def _sync_directory(directory: Path) -> None:
    # A new file is found again after a crash of the machine only once its directory has reached the disk.
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
