"""`pos-sim`: a till on the command line. Exit status: 0 approved, 1 refused, 3 unknown; 2 misused."""

import json
from enum import Enum
from typing import Annotated

import typer

from ..commandline import make_console
from .assembly import Parts
from .cli_shift import add_shift_commands
from .options import (
    Desk,
    Label,
    Reference,
    TransactionId,
    centavos_of,
    chosen_of,
    command,
    print_receipt,
    run,
    with_parts,
)
from .results import Outcome, Result
from .till import Till
from .view import show

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
add_shift_commands(app)


class ReasonOption(Enum):
    """Why a transaction is undone."""

    TIMEOUT = "TIMEOUT"
    CANCELLED = "CANCELLED"
    CLERK_VOID = "CLERK_VOID"


@app.command()
@command
def lookup(desk: Desk, reference: Reference) -> None:
    """What a scanned code is, what is owed, what to do next."""
    run(desk, lambda till: till.lookup(reference))


@app.command()
@command
def collect(
    desk: Desk,
    reference: Reference,
    label: Label,
    tendered: Annotated[str, typer.Option("--tendered", help="Cash handed over: 200 or 200.00.")],
) -> None:
    """Take the cash for a parcel (COD) and release it."""
    centavos = centavos_of(tendered, "--tendered")
    run(desk, lambda till: till.collect(reference, label, centavos))


@app.command()
@command
def claim(desk: Desk, reference: Reference, label: Label) -> None:
    """Release a parcel that was paid for beforehand."""
    run(desk, lambda till: till.claim(reference, label))


@app.command()
@command
def pay(
    desk: Desk,
    reference: Reference,
    tendered: Annotated[str, typer.Option("--tendered", help="Cash handed over: 200 or 200.00.")],
) -> None:
    """Take the cash for an order."""
    centavos = centavos_of(tendered, "--tendered")
    run(desk, lambda till: till.pay(reference, centavos))


@app.command()
@command
def drop_off(
    desk: Desk,
    reference: Reference,
    label: Annotated[str | None, typer.Option("--label")] = None,
    tendered: Annotated[str | None, typer.Option("--tendered", help="Where there is a fee.")] = None,
) -> None:
    """Take a parcel that a customer sends."""
    centavos = None if tendered is None else centavos_of(tendered, "--tendered")
    run(desk, lambda till: till.drop_off(reference, label, centavos))


@app.command()
@command
def accept_return(
    desk: Desk, reference: Reference, label: Annotated[str | None, typer.Option("--label")] = None
) -> None:
    """Take back a parcel for which the kiosk dispensed a return code."""
    run(desk, lambda till: till.accept_return(reference, label))


@app.command()
@command
def reverse(
    desk: Desk,
    transaction_id: TransactionId = None,
    reason: Annotated[ReasonOption, typer.Option()] = ReasonOption.CLERK_VOID,
    parcel_in_hand: Annotated[bool, typer.Option("--parcel-in-hand/--parcel-gone")] = False,
) -> None:
    """Undo a transaction, whether or not it ever arrived."""

    async def work(till: Till) -> Result:
        return await till.reverse(chosen_of(till, transaction_id), reason.value, parcel_in_hand=parcel_in_hand)

    run(desk, work, reversing=True)


@app.command()
@command
def inquire(desk: Desk, transaction_id: TransactionId = None) -> None:
    """Ask what became of a transaction."""

    async def work(till: Till) -> Result:
        return await till.inquire(chosen_of(till, transaction_id))

    run(desk, work)


@app.command()
@command
def receipt(
    desk: Desk,
    number: Annotated[str, typer.Argument(help="Number on the receipt, SSSS-PPP-NNNNNNNN.")],
    text: Annotated[bool, typer.Option("--text", help="The paper alone.")] = False,
    copy: Annotated[bool, typer.Option("--copy", help="Print it again.")] = False,
) -> None:
    """Look at an acknowledgement receipt, or print it again: a copy is counted and marked."""
    run(desk, (lambda till: till.copy(number)) if copy else (lambda till: till.receipt(number, as_text=text)))


@app.command()
@command
def resume(desk: Desk) -> None:
    """Settle whatever a crash or a dead network left open, and forward what was sold meanwhile."""

    async def settle(parts: Parts) -> list[Result]:
        results = await parts.till.resume()
        for result in results:
            if result.outcome is not Outcome.UNKNOWN and result.transaction_id is not None:
                print_receipt(desk, result)
        if await parts.forwarder.forward(refused_too=True):
            return results
        waiting = parts.till.book.queue.waiting()
        return results + [Result(Outcome.UNKNOWN, each.transaction_id, code="not-forwarded") for each in waiting]

    results = with_parts(desk, settle)
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


def main() -> None:
    """The command `pos-sim`."""
    app()


if __name__ == "__main__":
    main()
