"""Certifies the unchanged till and one for each defect: `python -m mutants.till_run`, from `tests/`; about 5 minutes.

Exit status 0 only if the unchanged till passes every exercise and every other one is caught by each exercise that is
there for it. With `--write` the table of what catches which goes into `protocol/CERTIFICATION.md`, between its markers.
"""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import connect_simulators
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from connect_gateway.certification.driving import POS_SIM, CommandDriver
from connect_gateway.certification.exercises import EXERCISES, Exercise
from connect_gateway.certification.figures import Figures
from connect_gateway.certification.playing import Listening, Result, play_all
from connect_gateway.certification.stage import Stage, open_stage
from mutants.till_mutants import TILL_MUTANTS, TillMutant

PACKAGE = Path(connect_simulators.__file__).parent
PAGE = Path(__file__).parents[2] / "protocol" / "CERTIFICATION.md"
BEGIN, END = "<!-- generated: tills -->", "<!-- end of generated -->"
FIGURES = Figures(timeout_s=1.0, give_up_s=6.0, first_wait_s=0.1, longest_wait_s=0.8)
"""A fifth of the specification's."""


def misfits() -> dict[str, int]:
    """The tills whose change does not stand in its file exactly once, with the number of times that it does."""
    counts = {each.name: (PACKAGE / each.file).read_text(encoding="utf-8").count(each.old) for each in TILL_MUTANTS}
    return {name: count for name, count in counts.items() if count != 1}


def make_till(directory: Path, mutant: TillMutant | None) -> list[str]:
    """A copy of the POS simulator in `directory`, with the change, and the command that runs it."""
    package = directory / "connect_simulators"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    if mutant is not None:
        file = package / mutant.file
        file.write_text(file.read_text(encoding="utf-8").replace(mutant.old, mutant.new), encoding="utf-8")
    imported = subprocess.run(
        [sys.executable, "-P", "-c", "import connect_simulators; print(connect_simulators.__file__)"],
        env=os.environ | {"PYTHONPATH": str(directory)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(imported.stdout.strip()).parent == package, "the copy is not what would be run"
    return ["env", f"PYTHONPATH={directory}", *POS_SIM]


async def certify(mutant: TillMutant | None, exercises: Iterable[Exercise], stage: Stage) -> list[Result]:
    """What the exercises find of one till; None is the unchanged one."""
    with tempfile.TemporaryDirectory(prefix="connect-till-") as directory:
        driver = CommandDriver(make_till(Path(directory), mutant), FIGURES)
        return await play_all(
            exercises, stage, driver, FIGURES, listening=Listening(), begun=lambda _: None, ended=lambda _: None
        )


async def certify_all(
    mutants: Sequence[TillMutant],
    tell: Callable[[TillMutant | None, list[Result], float], None],
    *,
    every_exercise: bool,
) -> None:
    """Certifies the unchanged till and all the others, one after another in one sandbox."""
    async with open_stage() as stage:
        for mutant in (None, *mutants):
            began = time.monotonic()
            exercises = list(EXERCISES.values())
            if mutant is not None and not every_exercise:
                exercises = [EXERCISES[name] for name in mutant.caught_by]
            tell(mutant, await certify(mutant, exercises, stage), time.monotonic() - began)


def table() -> str:
    """The table of `CERTIFICATION.md`; it holds once every exercise has caught the tills that it is there for."""
    count = len(TILL_MUTANTS)
    lines = [
        f"{count} of {count} tills with a defect are caught; the unchanged till passes every exercise.",
        "",
        "| till | what is wrong with it | in | caught by, among others |",
        "|---|---|---|---|",
    ]
    for mutant in TILL_MUTANTS:
        by = ", ".join(f"`{name}`" for name in mutant.caught_by)
        lines.append(f"| {mutant.name} | {mutant.does} | `{mutant.file}` | {by} |")
    return "\n".join(lines)


def write_table(text: str, page: Path = PAGE) -> None:
    """Puts the table between the markers of the page."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{page} has no markers for the table")
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


class Teller:
    """Says what became of each till, and keeps what was not as it should be."""

    def __init__(self, console: Console, progress: Progress, count: int) -> None:
        self._console = console
        self._progress = progress
        self._task = progress.add_task("", total=count)
        self.caught = 0
        self.wrong: list[str] = []

    def tell(self, mutant: TillMutant | None, results: list[Result], seconds: float) -> None:
        """One till has been certified."""
        failed = {result.exercise.name: result.failures for result in results if not result.passed}
        label = "unchanged" if mutant is None else mutant.name
        missed = [] if mutant is None else [name for name in mutant.caught_by if name not in failed]
        self.caught += bool(mutant and failed)
        if missed or (mutant is None and failed):
            self.wrong.append(label)
        said = f"caught by {', '.join(failed)}" if failed else "passes"
        if missed:
            said += f"; NOT by {', '.join(missed)}"
        mark = "[bold red]WRONG[/]" if label in self.wrong else "[green]ok[/]   "
        self._progress.update(self._task, advance=1, description=label)
        self._console.print(f"{mark}  {label:<32} {said}  [dim]{seconds:.0f} s[/]", soft_wrap=True)
        for name, checks in failed.items():
            for check in checks:
                style = "red" if mutant is None else "dim"
                found = f"           {name}: {check.claim}: {check.found}"
                self._console.print(found, style=style, markup=False, soft_wrap=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", default=[], help="certify the till with this defect alone")
    parser.add_argument(
        "--every", action="store_true", help="play every exercise, not only those that are there for it"
    )
    parser.add_argument("--write", action="store_true", help="write the table into protocol/CERTIFICATION.md")
    options = parser.parse_args()
    if unknown := set(options.only) - {each.name for each in TILL_MUTANTS}:
        sys.exit(f"no such till: {', '.join(unknown)}")
    if unfit := misfits():
        sys.exit(f"these changes do not fit once: {unfit}")
    mutants = [each for each in TILL_MUTANTS if not options.only or each.name in options.only]
    console = Console(highlight=False)
    columns = (TextColumn("{task.description:<32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        teller = Teller(console, progress, len(mutants) + 1)
        asyncio.run(certify_all(mutants, teller.tell, every_exercise=options.every))
    console.print(f"\n{teller.caught} of {len(mutants)} tills with a defect caught")
    if teller.wrong:
        sys.exit(f"not as it should be: {', '.join(teller.wrong)}")
    if options.write and not options.only:
        write_table(table())


if __name__ == "__main__":
    main()
