"""`connect-gateway settlement`: makes a Friday's settlement, writes its files, and notes what was paid."""

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer

from connect_gateway import settlement_files, settlement_pdf
from connect_gateway.clock import Clock, SettableClock
from connect_gateway.commandline import DataDir, complete_settings, read_settings
from connect_gateway.domain.settlement import is_friday, signed
from connect_gateway.ledger import sandbox_clock, settlements
from connect_gateway.ledger.database import Pool, Unavailable, open_pool
from connect_gateway.ledger.migrate import migrate
from connect_gateway.ledger.settlements import BeingMade, Paid, Settlement, TooEarly
from connect_gateway.processes import StartError
from connect_gateway.settings import Settings
from connect_gateway.settlement_files import Document

EXIT_DIFFERS = 3

Result = TypeVar("Result")

settlement_app = typer.Typer(
    invoke_without_command=True, help="The weekly settlement with merchants: collections to them, shipping fees back."
)

Friday = Annotated[str, typer.Option("--friday", help="The Friday of the transfer, YYYY-MM-DD.")]
Format = Literal["csv", "json", "pdf"]

_WRITERS: dict[Format, Callable[[Document], bytes]] = {
    "csv": settlement_files.as_csv,
    "json": settlement_files.as_json,
    "pdf": settlement_pdf.as_pdf,
}


@settlement_app.callback()
def settlement(
    context: typer.Context,
    *,
    friday: Annotated[str | None, typer.Option(help="The Friday of the transfer, YYYY-MM-DD.")] = None,
    as_: Annotated[Format | None, typer.Option("--format", help="Without --out, of what is printed: json.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the files here, all forms if none is named, and the bank's file.")
    ] = None,
    merchant: Annotated[str | None, typer.Option(help="This merchant's part alone, by its code.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Make a Friday's settlement and show it: all money taken Thursday of the week before through Wednesday.

    The first run freezes its lines; every later one gives the same bytes. Exit status 3: a line has lost its receipt.
    """
    if context.invoked_subcommand is not None:
        return
    if friday is None:
        raise typer.BadParameter("is needed", param_hint="--friday")
    day = _friday(friday)

    async def work(pool: Pool, clock: Clock) -> tuple[Document, list[str]]:
        made = await _make(pool, day, clock)
        wrong = await settlements.lines_without_receipt(pool, day)
        return await settlement_files.document_of(pool, made, merchant), wrong

    document, wrong = _with_ledger(data_dir, work)
    if out is None:
        sys.stdout.buffer.write(_WRITERS[as_ or "json"](document))
    else:
        _write(document, out, [as_] if as_ else list(_WRITERS), merchant)
    for line in wrong:
        typer.echo(f"The ledger has no such receipt any more: {line}", err=True)
    if wrong:
        sys.exit(EXIT_DIFFERS)


@settlement_app.command()
def paid(
    *,
    friday: Friday,
    merchant: Annotated[str, typer.Option(help="The merchant's code.")],
    bank_reference: Annotated[str, typer.Option(help="The bank's reference of the transfer.")],
    data_dir: DataDir = None,
) -> None:
    """Note that a merchant's remittance was transferred."""
    day = _friday(friday)
    if re.fullmatch("[ -~]{1,60}", bank_reference) is None:
        raise StartError("a bank reference is 1 to 60 printable ASCII characters")

    async def work(pool: Pool, clock: Clock) -> Paid:
        if await settlements.settlement(pool, day) is None:
            raise StartError(f"the settlement of {day} has not been made yet")
        account = await settlements.account_of(pool, day, merchant)
        if account is None or not account.payable:
            raise StartError(f"nothing is payable to merchant {merchant} on {day}")
        return await settlements.mark_paid(pool, day, account, bank_reference, by="command", now=clock.now())

    noted = _with_ledger(data_dir, work)
    if noted.bank_reference != bank_reference:
        raise StartError(f"it was paid before, with the bank reference {noted.bank_reference}")
    typer.echo(f"PHP {signed(noted.amount)} to merchant {merchant}: paid with {bank_reference}.")


def _friday(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise StartError("--friday is YYYY-MM-DD") from None
    if not is_friday(day):
        raise StartError(f"{day} is no Friday")
    return day


async def _make(pool: Pool, day: date, clock: Clock) -> Settlement:
    try:
        return await settlements.make(pool, day, clock.now())
    except TooEarly:
        raise StartError(f"the week is not over: this settlement can be made from {day} 00:00 on") from None
    except BeingMade:
        raise StartError("somebody else is making settlements at this moment; try again") from None


def _write(document: Document, out: Path, forms: list[Format], merchant: str | None) -> None:
    out.mkdir(parents=True, exist_ok=True)
    day = document.settlement.week.friday.isoformat()
    part = "" if merchant is None else "-" + re.sub("[^A-Za-z0-9_-]", "_", merchant)
    files = {f"settlement-{day}{part}.{form}": _WRITERS[form] for form in forms}
    files[f"remittance-{day}{part}.csv"] = settlement_files.remittance
    for name, writer in files.items():
        (out / name).write_bytes(writer(document))
        typer.echo(str(out / name))


def _with_ledger(data_dir: Path | None, work: Callable[[Pool, Clock], Awaitable[Result]]) -> Result:
    settings = read_settings(data_dir=data_dir)
    with complete_settings(settings) as complete:
        return asyncio.run(_run(complete, work))


async def _run(settings: Settings, work: Callable[[Pool, Clock], Awaitable[Result]]) -> Result:
    assert settings.database_url is not None  # this is what completes them
    url = settings.database_url.get_secret_value()
    try:
        await migrate(url)
        pool = await open_pool(url, 4)
        try:
            return await work(pool, SettableClock(await sandbox_clock.kept(pool)))
        finally:
            await pool.close()
    except Unavailable as error:
        raise StartError(str(error)) from error
