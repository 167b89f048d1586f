"""Huge pages of a measurement: only what is missing is reserved, and all of it given back. Milliseconds."""

import contextlib
from pathlib import Path

import pytest

from bench import hugepages

_MIB = 2**20


class System:
    """The two files of the system, as they are where nobody has reserved anything but `free` of `count` pages."""

    def __init__(self, home: Path, *, count: int, free: int) -> None:
        self._count = home / "nr_hugepages"
        self._count.write_text(f"{count}\n")
        memory = home / "meminfo"
        memory.write_text(f"MemTotal:  8000000 kB\nHugePages_Free:    {free}\nHugepagesize:       2048 kB\n")
        self.files = {"_COUNT": self._count, "_MEMORY": memory}

    @property
    def count(self) -> int:
        return int(self._count.read_text())


def system(monkeypatch: pytest.MonkeyPatch, home: Path, *, count: int, free: int) -> System:
    made = System(home, count=count, free=free)
    for name, path in made.files.items():
        monkeypatch.setattr(hugepages, name, path)
    return made


def test_what_is_missing_is_reserved_and_given_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here = system(monkeypatch, tmp_path, count=10, free=3)
    with hugepages.reserved(15 * _MIB):
        assert here.count == 15  # 8 pages hold it, of which 3 are free
    assert here.count == 10


def test_they_are_given_back_after_a_failure_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here = system(monkeypatch, tmp_path, count=0, free=0)
    with contextlib.suppress(InterruptedError), hugepages.reserved(_MIB):
        assert here.count == 1
        raise InterruptedError
    assert here.count == 0


def test_what_is_there_already_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here = system(monkeypatch, tmp_path, count=10, free=8)
    here.files["_COUNT"].chmod(0o400)
    with hugepages.reserved(16 * _MIB):
        assert here.count == 10
    assert here.count == 10


def test_a_system_without_them_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(hugepages, "_MEMORY", tmp_path / "nothing")
    with hugepages.reserved(16 * _MIB):
        pass
