"""`kiosk-sim`: a kiosk on the command line. Exit status: 0 done, 1 refused, 3 no answer; 2 misused."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.panel import Panel
from rich.prompt import Prompt
from rich.table import Table
from rich.text import Text

from ..commandline import make_console, paper, sharing, state_dir_of
from ..patience import Patience
from ..wire import load_credentials
from .kiosk import Kiosk, KioskResult

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)

_STATE_DIR = state_dir_of("kiosk-sim")


class TypeOption(Enum):
    """What the customer has in hand."""

    UID = "UID"
    ORDER_NUMBER = "ORDER_NUMBER"
    WAYBILL = "WAYBILL"


@dataclass(frozen=True)
class _Desk:
    as_json: bool
    open_kiosk: Callable[[], Kiosk]


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
    return _Desk(as_json, lambda: Kiosk.open(url, client, state_dir, patience, wait=True))


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
        console.print(paper(result.slip, str(result.body.get("returnCode", ""))))
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
def run(desk: _Desk) -> None:
    """Serve one customer after the other at the screen, until an empty line or the end of the input."""
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
