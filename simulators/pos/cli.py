"""`pos-sim`: a till on the command line. Exit status: 0 approved, 1 refused, 3 unknown; 2 misused."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ..commandline import make_console, sharing, state_dir_of
from ..patience import Patience
from ..wire import load_credentials
from .results import NO_ANSWER, Outcome, Result
from .till import StillOpen, Till, TillSettings
from .view import show, show_lookup

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)

_EXIT_STATUS = {
    Outcome.APPROVED: 0,
    Outcome.FOUND: 0,
    Outcome.REFUSED: 1,
    Outcome.REVERSED: 1,
    Outcome.UNKNOWN: 3,
}
_STATE_DIR = state_dir_of("pos-sim")
_WHOLE_OR_CENTS = re.compile(r"([0-9]{1,10})(?:\.([0-9]{2}))?")


class ReasonOption(Enum):
    """Why a transaction is undone."""

    TIMEOUT = "TIMEOUT"
    CANCELLED = "CANCELLED"
    CLERK_VOID = "CLERK_VOID"


@dataclass(frozen=True)
class _Desk:
    """What the options of every command come to."""

    as_json: bool
    open_till: Callable[[], Till]


def _options(  # one row for each option
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
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON in place of the screen.")] = False,
) -> _Desk:
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
    # A till is one machine: commands that are started side by side take turns.
    return _Desk(as_json, lambda: Till.open(url, client, state_dir, settings, wait=True))


_command = sharing(_options)
_Reference = Annotated[str, typer.Argument(help="The code that was scanned, with or without hyphens.")]
_Label = Annotated[str, typer.Option("--label", help="Tracking number on the parcel's label.")]
_Transaction = Annotated[str | None, typer.Argument(help="Its id; without one, the till's last.")]


def _run(desk: _Desk, work: Callable[[Till], Awaitable[Result]], *, reversing: bool = False) -> None:
    async def at_the_till() -> tuple[Result, int]:
        async with desk.open_till() as till:
            try:
                result = await work(till)
            except StillOpen as exc:
                result = Result(Outcome.UNKNOWN, exc.transaction_id, code="still-open", verdict=NO_ANSWER)
            return result, len(till.open_transactions)

    result, still_open = asyncio.run(at_the_till())
    _print(desk, result)
    if still_open:
        note = f"{still_open} still open in the journal: pos-sim resume settles it"
        make_console(stderr=True).print(note, style="yellow")
    as_asked = reversing and result.outcome is Outcome.REVERSED
    raise typer.Exit(0 if as_asked else _EXIT_STATUS[result.outcome])


def _print(desk: _Desk, result: Result) -> None:
    if desk.as_json:
        typer.echo(json.dumps(result.as_json(), ensure_ascii=False))
    elif "text" in result.body and result.receipt is None:
        typer.echo(result.body["text"])
    elif "action" in result.body:
        show_lookup(make_console(), result)
    else:
        show(make_console(), result)


@app.command()
@_command
def lookup(desk: _Desk, reference: _Reference) -> None:
    """What a scanned code is, what is owed, what to do next."""
    _run(desk, lambda till: till.lookup(reference))


@app.command()
@_command
def collect(
    desk: _Desk,
    reference: _Reference,
    label: _Label,
    tendered: Annotated[str, typer.Option("--tendered", help="Cash handed over: 200 or 200.00.")],
) -> None:
    """Take the cash for a parcel (COD) and release it."""
    match = _WHOLE_OR_CENTS.fullmatch(tendered)
    if match is None:
        raise typer.BadParameter("an amount is written 200 or 200.00", param_hint="--tendered")
    centavos = int(match[1]) * 100 + int(match[2] or 0)
    _run(desk, lambda till: till.collect(reference, label, centavos))


@app.command()
@_command
def claim(desk: _Desk, reference: _Reference, label: _Label) -> None:
    """Release a parcel that was paid for beforehand."""
    _run(desk, lambda till: till.claim(reference, label))


@app.command()
@_command
def accept_return(
    desk: _Desk, reference: _Reference, label: Annotated[str | None, typer.Option("--label")] = None
) -> None:
    """Take back a parcel for which the kiosk dispensed a return code."""
    _run(desk, lambda till: till.accept_return(reference, label))


@app.command()
@_command
def reverse(
    desk: _Desk,
    transaction_id: _Transaction = None,
    reason: Annotated[ReasonOption, typer.Option()] = ReasonOption.CLERK_VOID,
    parcel_in_hand: Annotated[bool, typer.Option("--parcel-in-hand/--parcel-gone")] = False,
) -> None:
    """Undo a transaction, whether or not it ever arrived."""

    async def work(till: Till) -> Result:
        return await till.reverse(_chosen(till, transaction_id), reason.value, parcel_in_hand=parcel_in_hand)

    _run(desk, work, reversing=True)


@app.command()
@_command
def inquire(desk: _Desk, transaction_id: _Transaction = None) -> None:
    """Ask what became of a transaction."""

    async def work(till: Till) -> Result:
        return await till.inquire(_chosen(till, transaction_id))

    _run(desk, work)


@app.command()
@_command
def receipt(
    desk: _Desk,
    number: Annotated[str, typer.Argument(help="Number on the receipt, SSSS-PPP-NNNNNNNN.")],
    text: Annotated[bool, typer.Option("--text", help="The paper alone.")] = False,
) -> None:
    """Look at an acknowledgement receipt; it is not reprinted."""
    _run(desk, lambda till: till.receipt(number, as_text=text))


@app.command()
@_command
def resume(desk: _Desk) -> None:
    """Settle whatever a crash or a dead network left open."""

    async def settle() -> list[Result]:
        async with desk.open_till() as till:
            return await till.resume()

    results = asyncio.run(settle())
    if desk.as_json:
        typer.echo(json.dumps([result.as_json() for result in results], ensure_ascii=False))
    else:
        console = make_console()
        for result in results:
            show(console, result)
        if not results:
            console.print("Nothing is open.")
    unknown = any(result.outcome is Outcome.UNKNOWN for result in results)
    raise typer.Exit(3 if unknown else 0)


def _chosen(till: Till, transaction_id: str | None) -> str:
    chosen = transaction_id or till.last_transaction
    if chosen is None:
        raise typer.BadParameter("this till has no transaction yet: name one", param_hint="TRANSACTION_ID")
    return chosen


def main() -> None:
    """The command `pos-sim`."""
    app()


if __name__ == "__main__":
    main()
