"""`ecms-sim month`: its options, its progress bar, its closing table and its exit status."""

import asyncio
import contextlib
import json
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ...demo import SandboxFailed
from ...wire import NoAnswer, format_amount
from .audit import Audit, audit
from .days import Month
from .plan import DAYS, make_plan
from .stage import MonthFailed, open_stage

_SHOWN_COMPLAINTS = 20


def month(
    *,
    parcels: Annotated[int, typer.Option(min=1, max=10_000, help="How many shipments, drop-offs and returns.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed plans the same month.")] = 7,
    sandbox: Annotated[
        Path | None, typer.Option(help="The line of JSON of a running sandbox; without it, one is started.")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="That sandbox's --data-dir.")] = None,
) -> None:
    """Play a month of 30 days on a sandbox, and compare ECMS, the tills and the gateway to the centavo.

    Exit status 0: everything has ended and agrees; 1: it does not; 2: wrong options.
    """
    if (sandbox is None) != (data_dir is None):
        typer.echo("--sandbox and --data-dir belong together.", err=True)
        raise typer.Exit(2)
    try:
        facts = None if sandbox is None else json.loads(sandbox.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        typer.echo(f"{sandbox}: {exc}", err=True)
        raise typer.Exit(2) from exc
    sys.exit(asyncio.run(_until_done(parcels, seed, facts, data_dir)))


async def _until_done(parcels: int, seed: int, facts: dict[str, Any] | None, data_dir: Path | None) -> int:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        # The sandbox has to be stopped in good order.
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    console = Console()
    try:
        return await play_month(console, parcels, seed, facts, data_dir)
    except asyncio.CancelledError:
        return 130
    except (MonthFailed, SandboxFailed, NoAnswer, TimeoutError) as exc:
        console.print(f"[red]The month has failed:[/] {exc or type(exc).__name__}")
        return 1


async def play_month(
    console: Console, parcels: int, seed: int, facts: dict[str, Any] | None, data_dir: Path | None
) -> int:
    """Plays and audits a month; the exit status."""
    began_s = time.monotonic()
    plan = make_plan(parcels, seed)
    with tempfile.TemporaryDirectory(prefix="connect-month-") as directory:
        async with open_stage(Path(directory), facts, data_dir) as stage:
            with _progress(console, len(plan)) as tell:
                played = Month(stage, plan, tell)
                await played.play()
            found = await audit(played)
            _show(console, played, found, time.monotonic() - began_s)
    return 1 if found.complaints else 0


@contextlib.contextmanager
def _progress(console: Console, parcels: int) -> Iterator[Any]:
    columns = (
        TextColumn("[bold]day {task.fields[day]:>2} of {task.fields[days]}"),
        BarColumn(bar_width=None),
        TextColumn("{task.completed:>5} of {task.fields[parcels]} ended"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=parcels, day=0, days=DAYS, parcels=parcels)

        def tell(day: int, ended: int, parcels: int) -> None:
            bar.update(task, completed=ended, total=parcels, day=day, parcels=parcels)

        yield tell


def _show(console: Console, played: Month, found: Audit, seconds: float) -> None:
    table = Table(title=f"{DAYS} days from {played.first_day}", title_justify="left", title_style="bold")
    for heading in ("sent", "what became of it", "count"):
        table.add_column(heading, justify="right" if heading == "count" else "left")
    fates = Counter((journey.item.kind, journey.item.fate) for journey in played.journeys)
    kind_before = None
    for (kind, fate), count in sorted(fates.items(), key=lambda entry: (entry[0][0], -entry[1])):
        table.add_row("" if kind == kind_before else kind, fate, str(count), end_section=False)
        kind_before = kind
    console.print(table)
    ends = Table(title="where they ended", title_justify="left", title_style="bold")
    ends.add_column("status")
    ends.add_column("parcels", justify="right")
    for status, count in found.ends.most_common():
        ends.add_row(status, str(count))
    console.print(ends)
    money = Table(title="cash taken and kept, PHP", title_justify="left", title_style="bold")
    for heading in ("", "amount"):
        money.add_column(heading, justify="right" if heading else "left")
    for side, centavos in found.sides():
        money.add_row(side, format_amount(centavos))
    console.print(money)
    transactions = len(played.counters.deeds)
    console.print(
        f"{sum(found.ends.values())} parcels, {found.events} events, {transactions} transactions at the counters,"
        f" {played.counters.refusals} refused as they must be; {seconds:.0f} s."
    )
    for complaint in found.complaints[:_SHOWN_COMPLAINTS]:
        console.print(f"[red]✗[/] {complaint}")
    if len(found.complaints) > _SHOWN_COMPLAINTS:
        console.print(f"[red]and {len(found.complaints) - _SHOWN_COMPLAINTS} more[/]")
    if not found.complaints:
        console.print("[green]✓[/] Every parcel has ended, and all sides agree to the centavo.")
