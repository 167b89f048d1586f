"""`ecms-sim scan` and `ecms-sim job`: parcels moved by hand, one step of the table at a time."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from ..wire import Answer, NoAnswer
from .control import Control
from .flows import SCANS
from .schedule import Job

_AT_ONCE = 1000

ControlUrl = Annotated[str, typer.Option(envvar="ECMS_SIM_CONTROL_URL", help="Where its control port is.")]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as it came.")]
DEFAULT_CONTROL_URL = "http://127.0.0.1:8087"


def scan(
    status: Annotated[str, typer.Argument(help='The status to scan, such as "IN-TRANSIT".')],
    tracking_numbers: Annotated[list[str] | None, typer.Argument(help="The parcels' tracking numbers.")] = None,
    *,
    file: Annotated[Path | None, typer.Option(help="More tracking numbers, one a line; - is standard input.")] = None,
    trigger: Annotated[str | None, typer.Option(help=f"Who scans: {', '.join(SCANS)}. Else the table knows.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why, where a parcel is rejected.")] = None,
    control_url: ControlUrl = DEFAULT_CONTROL_URL,
    as_json: Json = False,
) -> None:
    """Scan parcels: each takes the one step that its flow has to this status. Exit status 1: some were refused."""
    numbers = [*(tracking_numbers or ()), *_numbers_in(file)]
    if not numbers:
        _fail("Give tracking numbers, or a --file of them.", 2)
    named = {"trigger": trigger, "reason": reason}
    chosen = {"status": status, **{name: value for name, value in named.items() if value is not None}}
    scans: list[dict[str, Any]] = []
    for first in range(0, len(numbers), _AT_ONCE):
        body = {**chosen, "trackingNumbers": numbers[first : first + _AT_ONCE]}
        scans += _done(_ask(control_url, "POST", "/scan", body))["scans"]
    refused = [one for one in scans if one["refused"] is not None]
    if as_json:
        typer.echo(json.dumps({"scans": scans}))
    else:
        for one in scans:
            typer.echo(f"{one['trackingNumber']}  {one['refused'] or one['status']}", err=one["refused"] is not None)
        typer.echo(f"{len(scans) - len(refused)} scanned, {len(refused)} refused")
    if refused:
        raise typer.Exit(1)


def job(
    name: Annotated[Job, typer.Argument(help="Which of ECMS's daily jobs to run now.")],
    control_url: ControlUrl = DEFAULT_CONTROL_URL,
    as_json: Json = False,
) -> None:
    """Run one of ECMS's daily jobs now, instead of at its time."""
    answer = _done(_ask(control_url, "POST", "/jobs", {"job": name.value}))
    typer.echo(json.dumps(answer) if as_json else f"{name.value}: {answer['moved']} parcels moved")


def _numbers_in(file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        _fail(f"{file}: {exc}", 2)
    return text.split()


def _ask(url: str, method: str, path: str, body: dict[str, Any]) -> Answer:
    async def ask() -> Answer:
        async with Control(url) as control:
            return await control.request(method, path, body)

    try:
        return asyncio.run(ask())
    except (NoAnswer, ValueError) as exc:
        _fail(f"No answer: {exc}", 2)


def _done(answer: Answer) -> dict[str, Any]:
    if answer.status != 200 or answer.body is None:
        _fail(f"Refused ({answer.status}): {(answer.body or {}).get('message')}", 1)
    return answer.body


def _fail(message: str, status: int) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(status)
