"""The commands of `pos-sim` that are no transaction: the shift, stand-in, and the till that stays open."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from ..commandline import make_console
from ..journal import JournalInUse
from ..wire import format_amount, system_clock
from . import crashpoints, drawer
from .assembly import Parts
from .drawer import ShiftIsOpen
from .fetch import refresh_manifest
from .options import EXIT_STATUS, Desk, centavos_of, command, show_result, with_parts
from .printing import paper_of_lines
from .results import Result
from .status import limits_status, manifest_status
from .terminal import Terminal, read_config

_stand_in = typer.Typer(no_args_is_help=True, help="What the till may do, and has done, without a connection.")


def add_shift_commands(app: typer.Typer) -> None:
    """Adds the commands of this module to `pos-sim`."""
    app.command()(open_shift)
    app.command()(close_shift)
    app.add_typer(_stand_in, name="stand-in")
    app.command()(serve)
    app.command()(tui)


@command
def open_shift(
    desk: Desk, float_: Annotated[str, typer.Option("--float", help="Cash in the drawer to begin with.")] = "0"
) -> None:
    """Open the next shift of today's business date."""

    async def work(parts: Parts) -> dict[str, Any]:
        settings, centavos = parts.till.settings, centavos_of(float_, "--float")
        return drawer.open_shift(parts.till.book, settings.pos, settings.clerk, centavos, system_clock).as_json()

    try:
        opened = with_parts(desk, work)
    except ShiftIsOpen as exc:
        raise typer.BadParameter(str(exc)) from exc
    typer.echo(json.dumps(opened) if desk.as_json else f"Shift {opened['shift']} of {opened['businessDate']} is open.")


@command
def close_shift(
    desk: Desk, counted: Annotated[str, typer.Option("--counted", help="The whole drawer, its float included.")]
) -> None:
    """Close the shift: the one that was opened, else the one that the options name, without a float."""

    async def work(parts: Parts) -> Result:
        till = parts.till
        if till.open_transactions:
            raise typer.BadParameter("a sale is not settled: pos-sim resume settles it")
        if till.book.sales.shift is None:
            drawer.open_shift_as(till.book, till.place(), 0)
        counted_centavos = centavos_of(counted, "--counted")
        result = await drawer.close_shift(till.book, parts.forwarder, counted_centavos, desk.store_id, system_clock)
        if desk.printer.target != "screen":
            desk.printer.print(paper_of_lines(result.body["text"]), "close")
        return result

    result = with_parts(desk, work)
    show_result(desk, result)
    raise typer.Exit(EXIT_STATUS[result.outcome])


@_stand_in.command("status")
@command
def stand_in_status(desk: Desk) -> None:
    """The manifest that is on the disk, what it still allows, what waits, and what is in dispute."""

    async def work(parts: Parts) -> dict[str, Any]:
        return _status(parts)

    _show_status(desk, with_parts(desk, work))


@_stand_in.command("refresh")
@command
def stand_in_refresh(desk: Desk) -> None:
    """Ask the gateway for the manifest; from then on the commands may sell without a connection."""

    async def work(parts: Parts) -> dict[str, Any]:
        await refresh_manifest(parts.client, parts.stand_in.store)
        return _status(parts)

    status = with_parts(desk, work)
    _show_status(desk, status)
    raise typer.Exit(0 if status["manifest"] is not None and status["manifest"]["usable"] else 3)


@_stand_in.command("forward")
@command
def stand_in_forward(desk: Desk) -> None:
    """Tell the gateway what was sold meanwhile; exit status 3 where something still waits."""

    async def work(parts: Parts) -> dict[str, Any]:
        await parts.forwarder.forward(refused_too=True)
        return _status(parts)

    status = with_parts(desk, work)
    _show_status(desk, status)
    raise typer.Exit(3 if status["waiting"] else 0)


def serve(
    config: Annotated[Path, typer.Option(help="JSON file: host, port, gateway, client, dataDir.")],
    exit_with_fd: Annotated[
        int | None, typer.Option(help="End when this inherited pipe does, that is, with the parent.")
    ] = None,
) -> None:
    """Serve the till in the browser until SIGTERM or SIGINT; one line of JSON says where."""
    # Only this command needs the pages and their libraries.
    from ..web import serve_pages  # noqa: PLC0415
    from .pages import make_app  # noqa: PLC0415

    async def at_work() -> None:
        crashpoints.arm_from_environment()
        chosen = read_config(config)
        async with Terminal(chosen) as terminal:
            await serve_pages(make_app(terminal, chosen), chosen.host, chosen.port, exit_with_fd)

    try:
        asyncio.run(at_work())
    except (OSError, ValueError, JournalInUse) as exc:
        make_console(stderr=True).print(str(exc), style="red")
        raise typer.Exit(2) from exc


def tui(
    config: Annotated[Path, typer.Option(help="JSON file: gateway, client, dataDir.")],
    clerk: Annotated[str, typer.Option(envvar="POS_SIM_CLERK")] = "clerk01",
) -> None:
    """The till in this terminal window."""
    # Only this command needs a screen.
    from .tui import TillScreen  # noqa: PLC0415

    async def at_work() -> None:
        crashpoints.arm_from_environment()
        async with Terminal(read_config(config)) as terminal:
            await TillScreen(terminal, clerk).run_async()

    try:
        asyncio.run(at_work())
    except (OSError, ValueError, JournalInUse) as exc:
        make_console(stderr=True).print(str(exc), style="red")
        raise typer.Exit(2) from exc


def _status(parts: Parts) -> dict[str, Any]:
    book = parts.till.book
    manifest = manifest_status(parts.stand_in, system_clock())
    limits = limits_status(parts.stand_in, book.queue)
    return {
        "manifest": manifest.as_json() if manifest else None,
        "problem": parts.stand_in.store.problem,
        "limits": limits.as_json() if limits else None,
        "waiting": [
            {"transactionId": each.transaction_id, "receiptNumber": each.receipt_number, "refused": each.refused}
            for each in book.queue.waiting()
        ],
        "waitingAmount": format_amount(book.queue.total),
        "conflicts": [each.as_json() for each in book.queue.conflicts()],
    }


def _show_status(desk: Desk, status: dict[str, Any]) -> None:
    if desk.as_json:
        typer.echo(json.dumps(status, ensure_ascii=False))
        return
    table = Table.grid(padding=(0, 2))
    manifest, limits = status["manifest"], status["limits"]
    if manifest is None:
        table.add_row("Manifest", f"none ({status['problem'] or 'not asked for yet'})")
    else:
        usable = "usable" if manifest["usable"] else f"not usable: {manifest['why']}"
        table.add_row("Manifest", f"{manifest['parcels']} parcels, {manifest['ageSeconds']} s old, {usable}")
        table.add_row("Still allowed", f"{limits['leftCount']} sales, PHP {limits['leftTotal']}")
    table.add_row("Waiting", f"{len(status['waiting'])} sales, PHP {status['waitingAmount']}")
    for conflict in status["conflicts"]:
        table.add_row("Conflict", f"{conflict['receiptNumber']} {conflict['reference']}: {conflict['code']}")
    make_console().print(table)
