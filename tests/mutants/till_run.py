"""Certifies the unchanged till and one for each defect: `python -m mutants.till_run`, from `tests/`; about 20 minutes.

Exit status 0 only if the unchanged till passes every exercise and every other one is caught. With `--write` the table
of what caught which goes into `protocol/CERTIFICATION.md`, between its markers.
"""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
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

_SHOWN = 4


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
    mutants: Sequence[TillMutant], tell: Callable[[TillMutant | None, list[Result], float], None]
) -> None:
    """Certifies the unchanged till and all the others, one after another in one sandbox."""
    async with open_stage() as stage:
        for mutant in (None, *mutants):
            began = time.monotonic()
            results = await certify(mutant, EXERCISES.values(), stage)
            tell(mutant, results, time.monotonic() - began)


def named(names: Sequence[str], *, quote: str = "") -> str:
    """The first few of the exercises that caught a till, and how many more did."""
    more = len(names) - _SHOWN
    shown = ", ".join(f"{quote}{name}{quote}" for name in names[:_SHOWN])
    return shown + (f" and {more} more" if more > 0 else "")


def table(caught: Mapping[str, Sequence[str]]) -> str:
    """The table of `CERTIFICATION.md`."""
    count = sum(bool(names) for names in caught.values())
    lines = [
        f"{count} of {len(caught)} tills with a defect are caught; the unchanged till passes every exercise.",
        "",
        "| till | what is wrong with it | in | caught by |",
        "|---|---|---|---|",
    ]
    for mutant in TILL_MUTANTS:
        by = named(caught[mutant.name], quote="`") or "**nothing**"
        lines.append(f"| {mutant.name} | {mutant.does} | `{mutant.file}` | {by} |")
    return "\n".join(lines)


def write_table(text: str, page: Path = PAGE) -> None:
    """Puts the table between the markers of the page."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{page} has no markers for the table")
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", default=[], help="certify the till with this defect alone")
    parser.add_argument("--write", action="store_true", help="write the table into protocol/CERTIFICATION.md")
    options = parser.parse_args()
    if unknown := set(options.only) - {each.name for each in TILL_MUTANTS}:
        sys.exit(f"no such till: {', '.join(unknown)}")
    if unfit := misfits():
        sys.exit(f"these changes do not fit once: {unfit}")
    mutants = [each for each in TILL_MUTANTS if not options.only or each.name in options.only]
    console = Console(highlight=False)
    caught: dict[str, list[str]] = {}
    wrong: list[str] = []
    columns = (TextColumn("{task.description:<32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(mutants) + 1)

        def tell(mutant: TillMutant | None, results: list[Result], seconds: float) -> None:
            failed = [result for result in results if not result.passed]
            names = [result.exercise.name for result in failed]
            label = "unchanged" if mutant is None else mutant.name
            if mutant is not None:
                caught[label] = names
            if bool(names) != (mutant is not None):
                wrong.append(label)
            mark = "[bold red]WRONG[/]" if label in wrong else "[green]ok[/]   "
            said = f"caught by {named(names)}" if names else "passes every exercise"
            progress.update(task, advance=1, description=label)
            console.print(f"{mark}  {label:<32} {said}  [dim]{seconds:.0f} s[/]", soft_wrap=True)
            if mutant is None:
                for result in failed:
                    for check in result.failures:
                        console.print(f"       {result.exercise.name}: {check.claim}: {check.found}", markup=False)

        asyncio.run(certify_all(mutants, tell))
    console.print(f"\n{sum(map(bool, caught.values()))} of {len(mutants)} tills with a defect caught")
    if options.write and not options.only and not wrong:
        write_table(table(caught))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
