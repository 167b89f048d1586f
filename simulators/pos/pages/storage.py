"""One JSON document on disk, replaced as a whole: after a crash it is the old one or the new one."""

import json
import os
from pathlib import Path
from typing import Any


class Document:
    """The document at `path`; its directory is there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Any] | None:
        """What was written last; None where nothing was."""
        try:
            value: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return value

    def write(self, value: dict[str, Any]) -> None:
        """When it returns, `value` survives a crash of the machine."""
        beside = self._path.with_suffix(".new")
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
