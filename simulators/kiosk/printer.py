"""The kiosk's printer, simulated: what it prints is a file, and its paper can run out.

Its state is in files, so that a test, a helper's page and a command can take the paper out while the kiosk runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..wire import PHILIPPINE_TIME, Clock, system_clock

_KEPT = 100
_SUFFIX = ".escpos"


class OutOfPaper(Exception):
    """Nothing was printed; once there is paper, the same can be printed."""


@dataclass(frozen=True)
class Printout:
    """Something that was printed: its number, what it is, and when."""

    number: int
    name: str
    at: datetime


class Printer:
    """A printer that keeps its newest 100 printouts as files of ESC/POS in `directory`."""

    def __init__(self, directory: Path, clock: Clock = system_clock) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = directory
        self._clock = clock
        self._no_paper = directory / "no-paper"

    @property
    def has_paper(self) -> bool:
        return not self._no_paper.exists()

    def set_paper(self, *, loaded: bool) -> None:
        """Loads paper, or takes it out."""
        if loaded:
            self._no_paper.unlink(missing_ok=True)
        else:
            self._no_paper.touch(mode=0o600)

    def print(self, name: str, commands: bytes) -> Printout:
        """Prints `commands`, a stream of ESC/POS; `name` (letters, digits, hyphens) says what it is. OutOfPaper."""
        if not self.has_paper:
            raise OutOfPaper
        earlier = [printout.number for printout in self.printouts()]
        number = max(earlier, default=0) + 1
        file = self._directory / f"{number:06d}-{name}{_SUFFIX}"
        file.touch(mode=0o600)
        file.write_bytes(commands)
        for old in sorted(earlier)[: max(0, len(earlier) + 1 - _KEPT)]:
            self._file(old).unlink()
        return Printout(number, name, self._clock())

    def printouts(self) -> list[Printout]:
        """What was printed, the newest first."""
        return sorted(self._read(), key=lambda printout: -printout.number)

    def content(self, number: int) -> bytes | None:
        """The ESC/POS of a printout; None where there is none of that number."""
        try:
            return self._file(number).read_bytes()
        except FileNotFoundError:
            return None

    def _read(self) -> Iterator[Printout]:
        for file in self._directory.glob(f"*{_SUFFIX}"):
            number, _, name = file.name.removesuffix(_SUFFIX).partition("-")
            yield Printout(int(number), name, datetime.fromtimestamp(file.stat().st_mtime, PHILIPPINE_TIME))

    def _file(self, number: int) -> Path:
        return next(self._directory.glob(f"{number:06d}-*{_SUFFIX}"), self._directory / "none")
