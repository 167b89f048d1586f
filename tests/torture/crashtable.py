"""`python -m torture.crashtable`: every crash point with every kind of work that passes it, and what came of each.

About two minutes on an idle machine of two cores. Exit status 0 only if nothing was wrong. With `--write` the table
goes into ARCHITECTURE.md, between its markers.
"""

import argparse
import asyncio
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import asyncpg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from connect_gateway.ledger.migrate import migrate
from connect_gateway.postgres import EmbeddedPostgres
from torture.crashes import CASES, Case, Observed, covering, run_cases

DOCUMENT = Path(__file__).parents[2] / "ARCHITECTURE.md"
BEGIN, END = "<!-- generated: crash-points -->", "<!-- end of generated -->"


def table(results: Sequence[Observed]) -> str:
    """What was observed, as Markdown: what came to the same shares a row."""
    order = {str(case): place for place, case in enumerate(CASES)}
    came_to: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    for one in sorted(results, key=lambda one: order[str(one.case)]):
        came_to[one.case.point, one.ledger, one.again, one.ecms].append(one.case.deed.name)
    rows: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for (point, *found), names in came_to.items():
        rows[", ".join(names), *found].append(f"`{point}`")
    lines = [
        f"{len(results)} deaths were played: at {len({one.case.point for one in results})} points, during each kind of",
        "work that passes them. A new process was then sent the same request.",
        "",
        "| it dies during | at | the ledger then has | the same request again | ECMS in the end |",
        "|---|---|---|---|---|",
        *(f"| {names} | {', '.join(points)} | {' | '.join(found)} |" for (names, *found), points in rows.items()),
    ]
    return "\n".join(lines)


def write(results: Sequence[Observed], document: Path) -> None:
    """Puts the table between the document's markers; ValueError where it has none."""
    text = document.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{document} has no markers for the table")
    document.write_text(f"{before}{BEGIN}\n{table(results)}\n{END}{after}", encoding="utf-8")


async def play(cases: Sequence[Case], console: Console, lanes: int) -> list[Observed]:
    """Plays the cases on a PostgreSQL of their own and shows how far it is."""
    results: list[Observed] = []
    with tempfile.TemporaryDirectory(prefix="connect-crashes-", ignore_cleanup_errors=True) as name:
        home = Path(name)
        async with EmbeddedPostgres(home / "postgres") as postgres:
            databases = [await _new_database(postgres, f"lane_{lane}") for lane in range(lanes)]
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            with Progress(*columns, console=console) as progress:
                shown = progress.add_task("dying", total=len(cases))

                def observed(one: Observed) -> None:
                    results.append(one)
                    progress.update(shown, advance=1, description=str(one.case))
                    if one.wrong:
                        progress.console.print(f"[red]{one.case}[/]", *one.wrong, sep="\n  ")

                await run_cases(cases, databases, home, observed)
    return results


async def _new_database(postgres: EmbeddedPostgres, name: str) -> str:
    connection = await asyncpg.connect(postgres.url)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    await migrate(postgres.url_of(name))
    return postgres.url_of(name)


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m torture.crashtable", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into ARCHITECTURE.md")
    parser.add_argument("--only", default="", help="only the cases whose name has this in it")
    parser.add_argument("--short", action="store_true", help="each point once and each kind of work once")
    parser.add_argument("--lanes", type=int, default=2, help="so many at a time")
    given = parser.parse_args()
    cases = [case for case in (covering() if given.short else CASES) if given.only in str(case)]
    console = Console()
    results = asyncio.run(play(cases, console, given.lanes))
    wrong = [one for one in results if one.wrong]
    points, deeds = ({getattr(one.case, name) for one in results} for name in ("point", "deed"))
    console.print(
        f"{len(results)} deaths at {len(points)} points during {len(deeds)} kinds of work; {len(wrong)} wrong"
    )
    if given.write and not wrong and len(results) == len(CASES):
        write(results, DOCUMENT)
        console.print(f"the table is in {DOCUMENT.name}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
