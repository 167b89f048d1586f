"""Judges the unchanged gateway and one gateway for each defect: `python -m mutants.run`, from `tests/`.

Exit status 0 only if the unchanged gateway passes every scenario and every other one is caught. With `--write` the
table of what caught which goes into `protocol/CONFORMANCE.md`, between its markers.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import connect_gateway
from connect_gateway.conformance.results import Run
from connect_gateway.postgres import EmbeddedPostgres
from connect_gateway.temporary import temporary_home
from mutants.defect import Defect
from mutants.defects import DEFECTS, misfits, put
from mutants.stage import NotStarted, gateway, judge

PACKAGE = Path(connect_gateway.__file__).parent
PAGE = Path(__file__).parents[2] / "protocol" / "CONFORMANCE.md"
BEGIN, END = "<!-- generated: defects -->", "<!-- end of generated -->"
JUDGED_WITHIN_S = 150.0
ENOUGH = 3
"""A gateway that has failed so many scenarios is caught; the rest would only take time."""


@dataclass
class Verdict:
    """What became of one gateway; `defect` is None of the unchanged one, `trouble` is there where it proves nothing."""

    defect: Defect | None
    run: Run | None = None
    trouble: str = ""

    @property
    def name(self) -> str:
        return "unchanged" if self.defect is None else self.defect.name

    @property
    def caught_by(self) -> list[str]:
        if self.run is None:
            return []
        return [one.scenario.name for one in self.run.scenarios if one.outcome == "failed"][:ENOUGH]

    @property
    def as_it_should_be(self) -> bool:
        if self.trouble or self.run is None:
            return False
        return bool(self.caught_by) if self.defect is not None else not (self.caught_by or self.run.count("not run"))


def copy_of_source(target: Path, source: Path = PACKAGE.parent) -> Path:
    """Copies the gateway's package from `source` into `target`, with what was compiled of it, for a quick start.

    What it prints with stands beside it and goes along.
    """
    shutil.copytree(source / "connect_printing", target / "connect_printing")
    return Path(shutil.copytree(source / PACKAGE.name, target / PACKAGE.name))


async def try_out(
    defect: Defect | None, database_server: str, only: Sequence[str] = (), source: Path = PACKAGE.parent
) -> Verdict:
    """Starts a gateway with the defect, or the unchanged one, and judges it."""
    verdict = Verdict(defect)
    with tempfile.TemporaryDirectory(prefix="connect-judged-", ignore_cleanup_errors=True) as name:
        home = Path(name)
        package = copy_of_source(home / "source", source)
        if defect is not None:
            put(defect, package)
        try:
            async with asyncio.timeout(JUDGED_WITHIN_S), gateway(package.parent, database_server, home) as standing:
                verdict.run = await judge(standing, only, None if defect is None else ENOUGH)
        except NotStarted as error:
            verdict.trouble = f"does not start: {error}"
        except TimeoutError:
            verdict.trouble = f"not judged within {JUDGED_WITHIN_S:.0f} s"
    return verdict


async def try_all(defects: Sequence[Defect], jobs: int, console: Console) -> list[Verdict]:
    """Judges the unchanged gateway and all the others, so many at a time."""
    wanted: list[Defect | None] = [None, *defects]
    columns = (TextColumn("{task.description:<36}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    places = asyncio.Semaphore(jobs)
    # The source as it is now: whoever goes on working on it does not disturb the run.
    async with temporary_home("connect-mutants") as home, EmbeddedPostgres(home / "postgres") as server:
        source = copy_of_source(home / "source").parent
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            task = progress.add_task("", total=len(wanted))

            async def one(defect: Defect | None) -> Verdict:
                async with places:
                    began = time.monotonic()
                    verdict = await try_out(defect, server.url, source=source)
                    progress.update(task, advance=1, description=verdict.name)
                    console.print(_line(verdict, time.monotonic() - began), soft_wrap=True, highlight=False)
                    return verdict

            return list(await asyncio.gather(*(one(defect) for defect in wanted)))


def _line(verdict: Verdict, seconds: float) -> str:
    mark = "[green]ok[/]     " if verdict.as_it_should_be else "[bold red]WRONG[/]  "
    if verdict.trouble:
        said = verdict.trouble
    elif verdict.defect is None:
        said = f"fails {', '.join(verdict.caught_by)}" if verdict.caught_by else "passes every scenario"
    else:
        said = f"caught by {', '.join(verdict.caught_by)}" if verdict.caught_by else "not caught"
    return f"{mark}{verdict.name:<34} {said}  [dim]{seconds:.0f} s[/]"


def table(verdicts: Sequence[Verdict]) -> str:
    """The table of `CONFORMANCE.md`."""
    judged = [(one.defect, one.caught_by) for one in verdicts if one.defect is not None]
    caught = sum(bool(by) for _, by in judged)
    lines = [
        f"{caught} of {len(judged)} defects are caught; the unchanged gateway passes every scenario.",
        "",
        f"| defect | what is wrong with it | in | caught by (the first {ENOUGH}) |",
        "|---|---|---|---|",
    ]
    for defect, by in judged:
        named = ", ".join(f"`{name}`" for name in by) or "**nothing**"
        lines.append(f"| {defect.name} | {defect.about} | `{defect.file}` | {named} |")
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
    parser.add_argument("--only", action="append", default=[], help="judge the gateway with this defect alone")
    parser.add_argument("--jobs", type=int, choices=(1, 2), default=2, help="how many at a time (2)")
    parser.add_argument("--write", action="store_true", help="write the table into protocol/CONFORMANCE.md")
    options = parser.parse_args()
    console = Console(highlight=False)
    unfit = misfits(PACKAGE)
    for one in unfit:
        console.print(f"{one.defect.name}: its text stands {one.count} times in {one.defect.file}")
    unknown = set(options.only) - {defect.name for defect in DEFECTS}
    if unfit or unknown:
        sys.exit(f"no such defect: {', '.join(unknown)}" if unknown else 2)
    defects = [defect for defect in DEFECTS if not options.only or defect.name in options.only]
    verdicts = asyncio.run(try_all(defects, options.jobs, console))
    wrong = [verdict.name for verdict in verdicts if not verdict.as_it_should_be]
    killed = sum(bool(one.caught_by) for one in verdicts if one.defect is not None)
    console.print(f"\n{killed} of {len(defects)} defects caught" + (f"; wrong: {', '.join(wrong)}" if wrong else ""))
    if options.write and not options.only:
        write_table(table(verdicts))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
