"""The defects: each is one change of one text, in one place of the real gateway's source.

`old` stands in `file` exactly once (a test holds that), and `new` takes its place. A defect is something that a person
might really write, and each one breaks a promise that somebody outside can see broken.
"""

from dataclasses import dataclass
from pathlib import Path

from mutants.catalogue_counter import COUNTER
from mutants.catalogue_edges import EDGES
from mutants.catalogue_relay import RELAY
from mutants.catalogue_sales import SALES
from mutants.defect import Defect

DEFECTS: tuple[Defect, ...] = (*COUNTER, *EDGES, *RELAY, *SALES)


@dataclass(frozen=True)
class Misfit:
    """A defect whose text does not stand exactly once in its file any more."""

    defect: Defect
    count: int


def misfits(package: Path) -> list[Misfit]:
    """The defects that do not fit the source in `package`."""
    found = []
    for defect in DEFECTS:
        count = (package / defect.file).read_text(encoding="utf-8").count(defect.old)
        if count != 1:
            found.append(Misfit(defect, count))
    return found


def put(defect: Defect, package: Path) -> None:
    """Changes the one place in the copy of the source in `package`."""
    file = package / defect.file
    text = file.read_text(encoding="utf-8")
    if text.count(defect.old) != 1:
        raise ValueError(f"{defect.name}: its text stands {text.count(defect.old)} times in {defect.file}")
    file.write_text(text.replace(defect.old, defect.new), encoding="utf-8")
