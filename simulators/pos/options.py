"""What every command of `pos-sim` has: its options, the till that they come to, and how a result is shown."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from ..commandline import make_console, sharing, state_dir_of
from ..patience import Patience
from ..wire import load_credentials
from . import crashpoints
from .assembly import Parts, assemble
from .config import TerminalConfig
from .printing import Printer, paper_of
from .results import NO_ANSWER, Outcome, Result
from .till import StillOpen, Till, TillSettings
from .view import show, show_lookup

T = TypeVar("T")

EXIT_STATUS = {
    Outcome.APPROVED: 0,
    Outcome.STOOD_IN: 0,
    Outcome.FOUND: 0,
    Outcome.REFUSED: 1,
    Outcome.REVERSED: 1,
    Outcome.UNKNOWN: 3,
}
_STATE_DIR = state_dir_of("pos-sim")
_WHOLE_OR_CENTS = re.compile(r"([0-9]{1,10})(?:\.([0-9]{2}))?")


def centavos_of(amount: str, option: str) -> int:
    """Whole centavos of an amount that a person wrote: 200 or 200.00."""
    match = _WHOLE_OR_CENTS.fullmatch(amount)
    if match is None:
        raise typer.BadParameter("an amount is written 200 or 200.00", param_hint=option)
    return int(match[1]) * 100 + int(match[2] or 0)


@dataclass(frozen=True)
class Desk:
    """What the options of every command come to."""

    as_json: bool
    store_id: str
    printer: Printer
    open_parts: Callable[[], Parts]


def options(  # one row for each option
    *,
    url: Annotated[str, typer.Option(envvar="POS_SIM_URL", help="Address of the gateway.")] = "http://127.0.0.1:8711",
    credentials: Annotated[
        Path, typer.Option(envvar="POS_SIM_CREDENTIALS", help="The sandbox's `clients` object; role pos.")
    ],
    state_dir: Annotated[
        Path, typer.Option(envvar="POS_SIM_STATE_DIR", help="Where the till keeps its journal.")
    ] = _STATE_DIR,
    pos: Annotated[
        str | None, typer.Option(envvar="POS_SIM_POS", help="Terminal number; else the credentials'.")
    ] = None,
    shift: Annotated[str, typer.Option(envvar="POS_SIM_SHIFT")] = "1",
    clerk: Annotated[str, typer.Option(envvar="POS_SIM_CLERK")] = "clerk01",
    business_date: Annotated[
        datetime | None,
        typer.Option(envvar="POS_SIM_BUSINESS_DATE", formats=["%Y-%m-%d"], help="Else the Philippine date."),
    ] = None,
    timeout_s: Annotated[float, typer.Option(envvar="POS_SIM_TIMEOUT_S", min=0.1, max=60)] = 5.0,
    give_up_s: Annotated[float, typer.Option(envvar="POS_SIM_GIVE_UP_S", min=0, max=600)] = 30.0,
    first_wait_s: Annotated[float, typer.Option(min=0.01, max=60)] = 0.5,
    longest_wait_s: Annotated[float, typer.Option(min=0.01, max=60)] = 4.0,
    printer: Annotated[
        str, typer.Option(envvar="POS_SIM_PRINTER", help="screen, file:DIR, or tcp://HOST:9100.")
    ] = "screen",
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON in place of the screen.")] = False,
) -> Desk:
    """What the options come to."""
    try:
        client = load_credentials(credentials, "pos")
    except (OSError, ValueError) as exc:
        raise typer.BadParameter(str(exc), param_hint="--credentials") from exc
    settings = TillSettings(
        pos=pos or client.pos or "1",
        shift=shift,
        clerk=clerk,
        business_date=business_date.date() if business_date else None,
        patience=Patience(timeout_s, first_wait_s, longest_wait_s, give_up_s),
        reversal_give_up_s=give_up_s / 2,
    )
    try:
        crashpoints.arm_from_environment()
        paper = Printer(printer)
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc
    config = TerminalConfig(url, client, state_dir, patience=settings.patience)
    # A till is one machine: commands that are started side by side take turns.
    return Desk(as_json, config.store_id, paper, lambda: assemble(config, settings, wait=True))


command = sharing(options)
Reference = Annotated[str, typer.Argument(help="The code that was scanned, with or without hyphens.")]
Label = Annotated[str, typer.Option("--label", help="Tracking number on the parcel's label.")]
TransactionId = Annotated[str | None, typer.Argument(help="Its id; without one, the till's last.")]


def run(desk: Desk, work: Callable[[Till], Awaitable[Result]], *, reversing: bool = False) -> None:
    """Does `work` at the till, prints and shows what came of it, and ends with the exit status for it."""

    async def at_the_till(parts: Parts) -> tuple[Result, int]:
        try:
            result = await work(parts.till)
        except StillOpen as exc:
            result = Result(Outcome.UNKNOWN, exc.transaction_id, code="still-open", verdict=NO_ANSWER)
        print_receipt(desk, result)
        show_result(desk, result)
        if result.transaction_id is not None:
            parts.till.book.shown(result.transaction_id)
        return result, len(parts.till.open_transactions)

    result, still_open = with_parts(desk, at_the_till)
    if still_open:
        note = f"{still_open} still open in the journal: pos-sim resume settles it"
        make_console(stderr=True).print(note, style="yellow")
    as_asked = reversing and result.outcome is Outcome.REVERSED
    raise typer.Exit(0 if as_asked else EXIT_STATUS[result.outcome])


def with_parts(desk: Desk, work: Callable[[Parts], Awaitable[T]]) -> T:
    """Does `work` with the till open, and closes it."""

    async def opened() -> T:
        parts = desk.open_parts()
        try:
            return await work(parts)
        finally:
            await parts.close()

    return asyncio.run(opened())


def print_receipt(desk: Desk, result: Result) -> None:
    """Prints the receipt of a result, if it has one, unless the screen is the printer."""
    if result.receipt is None or desk.printer.target == "screen":
        return
    desk.printer.print(paper_of(result), result.receipt.number)
    if desk.printer.error is not None:
        make_console(stderr=True).print(f"not printed: {desk.printer.error}", style="red")


def show_result(desk: Desk, result: Result) -> None:
    """As a line of JSON, or on the clerk's screen."""
    if desk.as_json:
        typer.echo(json.dumps(result.as_json(), ensure_ascii=False))
    elif "text" in result.body and result.receipt is None:
        text = result.body["text"]
        typer.echo(text if isinstance(text, str) else "\n".join(text))
    elif "action" in result.body:
        show_lookup(make_console(), result)
    else:
        show(make_console(), result)


def chosen_of(till: Till, transaction_id: str | None) -> str:
    """The transaction that was named, or the till's last."""
    chosen = transaction_id or till.last_transaction
    if chosen is None:
        raise typer.BadParameter("this till has no transaction yet: name one", param_hint="TRANSACTION_ID")
    return chosen
