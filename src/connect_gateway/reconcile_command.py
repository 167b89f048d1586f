"""`connect-gateway reconcile`: its options, its progress, its report and its exit status."""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from connect_gateway.clock import PHILIPPINE_TIME, SettableClock
from connect_gateway.commandline import DataDir, complete_settings, read_settings
from connect_gateway.ecms.history import History, HistoryFile, Inquiry
from connect_gateway.ledger import sandbox_clock
from connect_gateway.ledger.database import Unavailable, open_pool
from connect_gateway.ledger.migrate import migrate
from connect_gateway.processes import StartError
from connect_gateway.reconcile import SIDES
from connect_gateway.reconcile import reconcile as compare
from connect_gateway.settings import Settings

EXIT_BREAKS = 3
_PROGRESS_EVERY_S = 2.0


def reconcile(
    *,
    business_date: Annotated[
        str | None, typer.Option("--date", help="The business date, YYYY-MM-DD; without it, yesterday's.")
    ] = None,
    ecms_history: Annotated[
        str | None,
        typer.Option(help="ECMS's own side: a file of JSON lines, or the address of something that answers by parcel."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Compare a business date three ways: tills' closes, ledger, ECMS. Name every break, and cure what is sure.

    What only a person can decide goes into the work list. Run it daily, after the last shift of the date was closed.
    Exit status 0: no break is left; 3: breaks are left.
    """
    chosen = _date(business_date)
    settings = read_settings(data_dir=data_dir)
    with complete_settings(settings) as complete:
        report = asyncio.run(_run(complete, chosen, ecms_history))
    typer.echo(json.dumps(report, ensure_ascii=False) if as_json else _text(report))
    if report["breaks"]:
        sys.exit(EXIT_BREAKS)


def _date(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise StartError("--date is YYYY-MM-DD") from None


async def _run(settings: Settings, business_date: date | None, ecms_history: str | None) -> dict[str, Any]:
    assert settings.database_url is not None  # this is what completes them
    url = settings.database_url.get_secret_value()
    try:
        await migrate(url)
        pool = await open_pool(url, 4)
        try:
            now = SettableClock(await sandbox_clock.kept(pool)).now()
            chosen = business_date or _yesterday(now)
            async with _history(ecms_history) as history:
                return await compare(pool, chosen, history, now, _Progress())
        finally:
            await pool.close()
    except Unavailable as error:
        raise StartError(str(error)) from error


def _yesterday(now: datetime) -> date:
    return now.astimezone(PHILIPPINE_TIME).date() - timedelta(days=1)


@contextlib.asynccontextmanager
async def _history(place: str | None) -> AsyncIterator[History | None]:
    if place is None:
        yield None
    elif place.startswith(("http://", "https://")):
        async with Inquiry(place) as inquiry:
            yield inquiry
    else:
        try:
            file = HistoryFile(Path(place))
        except ValueError as error:
            raise StartError(f"{place}: {error}") from error
        yield file


class _Progress:
    """Says on standard error how far it is, every few seconds."""

    def __init__(self) -> None:
        self._say_at = time.monotonic() + _PROGRESS_EVERY_S

    def __call__(self, shifts: int) -> None:
        if time.monotonic() >= self._say_at:
            self._say_at = time.monotonic() + _PROGRESS_EVERY_S
            typer.echo(f"{shifts:,} shifts compared", err=True)


def _text(report: dict[str, Any]) -> str:
    shifts, cash = report["shifts"], report["cash"]
    lines = [
        f"Business date {report['businessDate']}, made at {report['madeAt']}",
        f"Shifts: {shifts['closed']} closed, {shifts['open']} open",
        f"Cash: {cash['counted']} counted, {cash['ledger']} in the ledger",
        f"ECMS: {report['ecms']}",
    ]
    for side in SIDES:
        sums = report["sums"][side]
        shown = ", ".join(f"{type_} {one['count']} x {one['amount']}" for type_, one in (sums or {}).items())
        lines.append(f"  {side:<8}{'not asked' if sums is None else shown or 'nothing'}")
    lines += [f"healed: {one['remedy']} {one['subject']}: {one['detail']}" for one in report["healed"]]
    lines += [f"{one['break']}: {one['subject']} (store {one['store']}): {one['detail']}" for one in report["listed"]]
    count = sum(report["breaks"].values())
    lines.append(f"{count} breaks, {report['forPeople']} of them in the work list." if count else "No break.")
    return "\n".join(lines)
