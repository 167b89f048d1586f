"""`connect-gateway archive`: what is old moves out of the way of what is not."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from connect_gateway.clock import PHILIPPINE_TIME
from connect_gateway.commandline import DataDir, complete_settings, read_settings
from connect_gateway.ledger.archive import move
from connect_gateway.ledger.database import open_pool
from connect_gateway.ledger.migrate import migrate
from connect_gateway.processes import StartError

_YOUNGEST = timedelta(days=7)
"""What a till or a person may still come back to within the days of a stand-in sale or a shift stays where it is."""


def archive(
    *,
    before: Annotated[str, typer.Option(help="Everything from before this Philippine date moves, YYYY-MM-DD.")],
    data_dir: DataDir = None,
) -> None:
    """Move old answers and journal entries into tables by month, while gateways go on working.

    Ids stay where they are, and a repeat of an old one still gets its first answer. It may be stopped and run again.
    """
    try:
        moment = datetime.fromisoformat(before).replace(tzinfo=PHILIPPINE_TIME)
    except ValueError:
        raise StartError("--before is YYYY-MM-DD") from None
    if moment > datetime.now(UTC) - _YOUNGEST:
        raise StartError(f"--before must be at least {_YOUNGEST.days} days ago")
    settings = read_settings(data_dir=data_dir)
    with complete_settings(settings) as complete:
        assert complete.database_url is not None  # this is what completes them
        moved = asyncio.run(_run(complete.database_url.get_secret_value(), moment))
    typer.echo(f"{moved:,} answers and journal entries from before {before} are out of the way.")


async def _run(database_url: str, before: datetime) -> int:
    await migrate(database_url)
    pool = await open_pool(database_url, 4)
    moved = 0
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[moved]:,} moved"),
        TimeRemainingColumn(),
    )
    try:
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task("Looking through the pages", total=None, moved=0)
            async for looked, total, rows in move(pool, before):
                moved += rows
                progress.update(task, completed=looked, total=total, moved=moved)
    finally:
        await pool.close()
    return moved
