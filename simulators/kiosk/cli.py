"""`kiosk-sim`: a kiosk, also in the browser. Exit status: 0 done, 1 refused, 3 no answer; 2 misused."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.panel import Panel
from rich.prompt import Prompt
from rich.table import Table
from rich.text import Text

from ..commandline import make_console, paper, sharing, state_dir_of
from ..journal import JournalInUse
from ..patience import Patience
from ..web.serving import PagesConfig, read_pages_config
from ..wire import Credentials, WireClient, load_credentials
from .kiosk import Kiosk, KioskResult
from .printer import Printer
from .scripts import MOST_KIOSKS, Step, as_expected, ask_at_once, follow, read_script
from .serve import PRINTER_DIR, serve_kiosk

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)

_STATE_DIR = state_dir_of("kiosk-sim")


class TypeOption(Enum):
    """What the customer has in hand."""

    UID = "UID"
    ORDER_NUMBER = "ORDER_NUMBER"
    WAYBILL = "WAYBILL"


class Paper(Enum):
    """Whether the printer has paper."""

    IN = "in"
    OUT = "out"


@dataclass(frozen=True)
class _Desk:
    url: str
    client: Credentials
    state_dir: Path
    patience: Patience
    as_json: bool

    def open_kiosk(self) -> Kiosk:
        """The kiosk, once no other process has its journal."""
        return Kiosk.open(self.url, self.client, self.state_dir, self.patience, wait=True)


def _options(
    *,
    url: Annotated[str, typer.Option(envvar="KIOSK_SIM_URL", help="Address of the gateway.")] = "http://127.0.0.1:8711",
    credentials: Annotated[
        Path,
        typer.Option(envvar="KIOSK_SIM_CREDENTIALS", help="The sandbox's `clients` object; role kiosk."),
    ],
    state_dir: Annotated[
        Path, typer.Option(envvar="KIOSK_SIM_STATE_DIR", help="Where the kiosk keeps its journal.")
    ] = _STATE_DIR,
    timeout_s: Annotated[float, typer.Option(envvar="KIOSK_SIM_TIMEOUT_S", min=0.1, max=60)] = 5.0,
    give_up_s: Annotated[float, typer.Option(envvar="KIOSK_SIM_GIVE_UP_S", min=0, max=600)] = 20.0,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON in place of the screen.")] = False,
) -> _Desk:
    try:
        client = load_credentials(credentials, "kiosk")
    except (OSError, ValueError) as exc:
        raise typer.BadParameter(str(exc), param_hint="--credentials") from exc
    patience = Patience(timeout_s=timeout_s, give_up_s=give_up_s)
    return _Desk(url, client, state_dir, patience, as_json)


_command = sharing(_options)
_Code = Annotated[str, typer.Argument(help="The RETURN CODE, with or without hyphens.")]
_Type = Annotated[TypeOption, typer.Option("--type", help="What the identifier is.")]


def _ask(desk: _Desk, work: Callable[[Kiosk], Awaitable[KioskResult]]) -> KioskResult:
    async def at_the_kiosk() -> KioskResult:
        async with desk.open_kiosk() as kiosk:
            return await work(kiosk)

    return asyncio.run(at_the_kiosk())


def _finish(desk: _Desk, result: KioskResult) -> None:
    if desk.as_json:
        typer.echo(json.dumps(result.as_json(), ensure_ascii=False))
    else:
        _show(result)
    unknown = result.status is None or result.status >= 500
    raise typer.Exit(0 if result.ok else 3 if unknown else 1)


def _show(result: KioskResult) -> None:
    console = make_console()
    if not result.ok:
        text = Text(f"{result.sentence}\n")
        text.append(f"For our staff: {result.code}", style="dim")
        console.print(Panel(text, box=box.SQUARE, style="bold white on red", width=60))
    elif result.slip:
        console.print(paper(result.slip, str(result.body.get("returnCode") or result.body.get("reference", ""))))
    elif "text" in result.body:
        typer.echo(result.body["text"])
    else:
        table = Table.grid(padding=(0, 2))
        for name, value in result.body.items():
            if isinstance(value, str):
                table.add_row(Text(name, style="dim"), Text(value))
        console.print(table)


@app.command("return")
@_command
def request_return(
    desk: _Desk,
    identifier: Annotated[str, typer.Argument(help="What the customer types.")],
    identifier_type: _Type = TypeOption.ORDER_NUMBER,
    merchant_code: Annotated[str | None, typer.Option()] = None,
    mobile_number: Annotated[str | None, typer.Option(help="09xxxxxxxxx.")] = None,
) -> None:
    """Ask for a RETURN CODE and print its slip."""

    async def work(kiosk: Kiosk) -> KioskResult:
        return await kiosk.request_return(
            identifier_type.value, identifier, merchant_code=merchant_code, mobile_number=mobile_number
        )

    _finish(desk, _ask(desk, work))


@app.command()
@_command
def show(desk: _Desk, return_code: _Code) -> None:
    """What has become of a RETURN CODE."""
    _finish(desk, _ask(desk, lambda kiosk: kiosk.show(return_code)))


@app.command()
@_command
def slip(desk: _Desk, return_code: _Code) -> None:
    """The slip of a RETURN CODE, as text."""
    _finish(desk, _ask(desk, lambda kiosk: kiosk.slip(return_code)))


@app.command()
@_command
def label(desk: _Desk, booking_reference: Annotated[str, typer.Argument(help="Of the seller's drop-off.")]) -> None:
    """Print the label of a drop-off; ECMS hears FOR DROP OFF."""
    _finish(desk, _ask(desk, lambda kiosk: kiosk.label(booking_reference)))


@app.command()
@_command
def status(
    desk: _Desk, number: Annotated[str, typer.Argument(help="A tracking number, or a code of 12 digits.")]
) -> None:
    """Where a parcel is."""
    _finish(desk, _ask(desk, lambda kiosk: kiosk.parcel(number)))


@app.command()
@_command
def run(
    desk: _Desk,
    file: Annotated[
        Path | None, typer.Argument(help="JSON lines, one step each; without it, customers come to the screen.")
    ] = None,
) -> None:
    """Follow a script, one step after the other; 0 if each came out as it says. See the README for its lines."""
    if file is None:
        _serve_customers(desk)
        return
    try:
        steps = read_script(file)
    except (OSError, ValueError) as exc:
        raise typer.BadParameter(str(exc), param_hint="FILE") from exc
    raise typer.Exit(0 if asyncio.run(_follow(desk, steps)) else 1)


async def _follow(desk: _Desk, steps: list[Step]) -> bool:
    fine = True
    async with desk.open_kiosk() as kiosk:
        async for step, result in follow(kiosk, steps):
            came_out = as_expected(step, result)
            fine = fine and came_out
            if desk.as_json:
                typer.echo(json.dumps({"do": step.do, "asExpected": came_out, **result.as_json()}, ensure_ascii=False))
            else:
                typer.echo(f"{'ok  ' if came_out else 'WRONG'} {step.do}: {result.code or 'OK'}")
    return fine


@app.command()
@_command
def load(
    desk: _Desk,
    identifiers: Annotated[list[str], typer.Argument(help="What every kiosk asks for, one after the other.")],
    kiosks: Annotated[int, typer.Option(min=1, max=MOST_KIOSKS, help="How many ask at once.")] = 200,
    identifier_type: _Type = TypeOption.ORDER_NUMBER,
    merchant_code: Annotated[str | None, typer.Option()] = None,
) -> None:
    """Many kiosks ask for the same return codes at once; 0 if each identifier got one code and everybody got it."""

    async def all_of_them() -> dict[str, Any]:
        client = WireClient(
            desk.url, desk.client.client_id, desk.client.client_secret, timeout_s=desk.patience.timeout_s
        )
        async with client:
            return await ask_at_once(
                client,
                identifier_type.value,
                identifiers,
                kiosks=kiosks,
                patience=desk.patience,
                merchant_code=merchant_code,
            )

    figures = asyncio.run(all_of_them())
    if desk.as_json:
        typer.echo(json.dumps(figures))
    else:
        for name, value in figures.items():
            typer.echo(f"{name:26}{value}")
    raise typer.Exit(0 if figures["outcomes"].keys() == {"OK"} and figures["mostCodesOfOneIdentifier"] == 1 else 1)


@app.command()
def printer(
    paper_is: Annotated[Paper, typer.Argument(metavar="in|out", help="Load paper, or take it out.")],
    state_dir: Annotated[Path, typer.Option(envvar="KIOSK_SIM_STATE_DIR")] = _STATE_DIR,
) -> None:
    """Take the paper out of a kiosk's printer, or put some in, while it serves or not."""
    Printer(state_dir / PRINTER_DIR).set_paper(loaded=paper_is is Paper.IN)


@app.command()
def serve(
    *,
    config: Annotated[
        Path | None, typer.Option(help="JSON file of settings; the other options serve without one.")
    ] = None,
    exit_with_fd: Annotated[
        int | None, typer.Option(help="End when this inherited pipe does, that is, with the parent.")
    ] = None,
    host: Annotated[str, typer.Option(envvar="KIOSK_SIM_HOST")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="KIOSK_SIM_PORT", help="0 takes a free one.")] = 8713,
    url: Annotated[str, typer.Option(envvar="KIOSK_SIM_URL", help="Address of the gateway.")] = "http://127.0.0.1:8711",
    credentials: Annotated[
        Path | None, typer.Option(envvar="KIOSK_SIM_CREDENTIALS", help="The sandbox's `clients` object; role kiosk.")
    ] = None,
    state_dir: Annotated[Path, typer.Option(envvar="KIOSK_SIM_STATE_DIR")] = _STATE_DIR,
) -> None:
    """The kiosk's screen in the browser, until SIGTERM or SIGINT; one line of JSON on stdout says where."""
    try:
        if config is not None:
            chosen = read_pages_config(config)
        elif credentials is not None:
            chosen = PagesConfig(host, port, url, load_credentials(credentials, "kiosk"), state_dir)
        else:
            raise typer.BadParameter("is needed, or --config", param_hint="--credentials")
    except (OSError, ValueError) as exc:
        raise typer.BadParameter(str(exc)) from exc
    try:
        asyncio.run(serve_kiosk(chosen, exit_with_fd))
    except (OSError, JournalInUse) as exc:
        typer.echo(str(exc), err=True)
        raise typer.Exit(1) from exc


def _serve_customers(desk: _Desk) -> None:
    """One customer after the other at the screen, until an empty line or the end of the input."""
    console = make_console()
    while True:
        console.rule("Return an item")
        try:
            typed = Prompt.ask("Order number, or waybill number on the label (empty to stop)", console=console)
            if not typed.strip():
                return
            kind = Prompt.ask(
                "It is a",
                choices=[each.value for each in TypeOption],
                default="ORDER_NUMBER",
                console=console,
            )
        except (EOFError, KeyboardInterrupt):
            return
        result = _ask(desk, _returning(TypeOption(kind), typed.strip()))
        _show(result)


def _returning(kind: TypeOption, identifier: str) -> Callable[[Kiosk], Awaitable[KioskResult]]:
    return lambda kiosk: kiosk.request_return(kind.value, identifier)


def main() -> None:
    """The command `kiosk-sim`."""
    app()


if __name__ == "__main__":
    main()
