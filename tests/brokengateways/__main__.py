"""`python -m brokengateways`: every broken gateway and the honest one, and who was caught by what. Minutes.

Exit status 0 only if all the broken ones were caught, each by an invariant that it breaks, and the honest one by none.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import asyncpg
from history.index import Violation
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from brokengateways.catalogue import BROKEN, Broken
from brokengateways.runner import judge
from brokengateways.scenarios import SCENARIOS
from connect_gateway.ledger.migrate import migrate
from connect_gateway.postgres import EmbeddedPostgres

_TEMPLATE = "migrated"

Case = tuple[Broken | None, str]
Found = dict[Case, list[Violation]]


async def judge_all(cases: list[Case], console: Console, lanes: int) -> Found:
    """Judges each case on a database of its own, a few at a time."""
    found: Found = {}
    waiting = iter(enumerate(cases))
    with tempfile.TemporaryDirectory(prefix="connect-broken-", ignore_cleanup_errors=True) as name:
        home = Path(name)
        async with EmbeddedPostgres(home / "postgres") as postgres:
            server = await asyncpg.connect(postgres.url)
            await server.execute(f"CREATE DATABASE {_TEMPLATE}")
            await migrate(postgres.url_of(_TEMPLATE))
            making = asyncio.Lock()
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            with Progress(*columns, console=console) as progress:
                shown = progress.add_task("judging", total=len(cases))

                async def lane() -> None:
                    for number, (broken, scenario) in waiting:
                        async with making:
                            await server.execute(f"CREATE DATABASE case_{number} TEMPLATE {_TEMPLATE}")
                        directory = home / f"case-{number}"
                        directory.mkdir(mode=0o711)
                        url = postgres.url_of(f"case_{number}")
                        found[broken, scenario] = await judge(broken, scenario, url, directory)
                        progress.update(shown, advance=1, description=broken.name if broken else f"honest: {scenario}")

                async with asyncio.TaskGroup() as group:
                    for _ in range(lanes):
                        group.create_task(lane())
            await server.close()
    return found


def show(found: Found, console: Console) -> bool:
    """The table; whether all is as it should be."""
    table = Table("gateway", "what it does", "scenario", "found to break")
    caught, honest = 0, True
    for (broken, scenario), violations in found.items():
        rules = sorted({f"{one.invariant} {one.rule}" for one in violations})
        if broken is None:
            honest = honest and not violations
            table.add_row("[bold]the honest one[/]", "", scenario, ", ".join(rules) or "nothing")
            continue
        is_caught = bool({one.invariant for one in violations} & broken.invariants)
        caught += is_caught
        table.add_row(broken.name, broken.does, scenario, ", ".join(rules) if is_caught else "[red]not caught[/]")
    console.print(table)
    total = sum(broken is not None for broken, _ in found)
    console.print(f"caught {caught} of {total} broken gateways; the honest one {'breaks nothing' if honest else 'too'}")
    return honest and caught == total


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m brokengateways", description=__doc__)
    parser.add_argument("--only", default="", help="only the gateways and scenarios whose name has this in it")
    parser.add_argument("--lanes", type=int, default=2, help="so many at a time")
    parser.add_argument("--explain", action="store_true", help="show the shortest history of each violation")
    given = parser.parse_args()
    cases: list[Case] = [(None, scenario) for scenario in SCENARIOS]
    cases += [(broken, broken.scenario) for broken in BROKEN]
    cases = [case for case in cases if given.only in (case[0].name if case[0] else case[1])]
    console = Console()
    found = asyncio.run(judge_all(cases, console, given.lanes))
    right = show(found, console)
    if given.explain:
        for (broken, scenario), violations in found.items():
            for violation in violations:
                console.print(f"[bold]{broken.name if broken else scenario}[/]", str(violation), highlight=False)
    sys.exit(not right)


if __name__ == "__main__":
    main()
