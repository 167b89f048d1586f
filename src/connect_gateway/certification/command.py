"""`connect-gateway certify-till`."""

import asyncio
import json as jsonlib
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from connect_gateway.certification import reports
from connect_gateway.certification.driving import POS_SIM, CommandDriver, Driver, ManualDriver
from connect_gateway.certification.exercises import EXERCISES, Exercise
from connect_gateway.certification.figures import SPECIFIED, Figures
from connect_gateway.certification.page import as_page
from connect_gateway.certification.playing import Listening, play_all
from connect_gateway.certification.reports import Report, Screen
from connect_gateway.certification.stage import Stage, open_stage
from connect_gateway.processes import StartError

_FAILED, _NOT_JUDGED = 1, 2


def certify_till(
    *,
    till: Annotated[
        list[str] | None,
        typer.Argument(metavar="-- TILL COMMAND", help="The till, with placeholders; without one the POS simulator."),
    ] = None,
    manual: Annotated[bool, typer.Option("--manual", help="A person works the till and is told what to do.")] = False,
    listen: Annotated[
        str | None, typer.Option(metavar="[HOST:]PORT", help="One address for all exercises, played one by one.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this exercise; may be repeated.")] = None,
    timeout_s: Annotated[
        float, typer.Option(min=0.1, max=60, help="The till's time-out of an attempt.")
    ] = SPECIFIED.timeout_s,
    give_up_s: Annotated[
        float, typer.Option(min=1, max=600, help="How long the till sends a sale.")
    ] = SPECIFIED.give_up_s,
    first_wait_s: Annotated[
        float, typer.Option(min=0.01, max=60, help="The till's first wait between attempts.")
    ] = SPECIFIED.first_wait_s,
    longest_wait_s: Annotated[
        float, typer.Option(min=0.01, max=60, help="Its longest wait.")
    ] = SPECIFIED.longest_wait_s,
    json: Annotated[Path | None, typer.Option(help="Write the report here as JSON.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write it here as a page with pictures.")] = None,
    junit: Annotated[Path | None, typer.Option(help="Write it here as JUnit XML.")] = None,
) -> None:
    """Have a till sell while the network fails, and judge what it does.

    Exit status 0: every exercise passed. 1: one failed. 2: the till could not be judged.
    """
    figures = Figures(timeout_s, give_up_s, first_wait_s, longest_wait_s)
    exercises = _chosen(only)
    try:
        listening = _listening(listen, manual=manual)
        words = list(till or POS_SIM)
        driver: Driver = ManualDriver() if manual else CommandDriver(words, figures)
        command = ["a person at the till"] if manual else words
        report = asyncio.run(_certify(exercises, driver, command, figures, listening, manual=manual))
        _write(report, json=json, html=html, junit=junit)
    except (StartError, OSError) as error:
        typer.echo(f"connect-gateway: {error}", err=True)
        raise typer.Exit(_NOT_JUDGED) from None
    raise typer.Exit(0 if report.passed else _FAILED)


async def _certify(
    exercises: list[Exercise],
    driver: Driver,
    command: list[str],
    figures: Figures,
    listening: Listening,
    *,
    manual: bool,
) -> Report:
    screen = Screen(Console(highlight=False), len(exercises))
    with screen.showing(bar=not manual):
        async with open_stage() as stage:
            if manual:
                _introduce(stage, listening)
            began_at, began = datetime.now(UTC), time.monotonic()
            results = await play_all(
                exercises, stage, driver, figures, listening=listening, begun=screen.begun, ended=screen.ended
            )
            report = Report(command, figures, began_at, time.monotonic() - began, results)
    screen.summary(report)
    return report


def _introduce(stage: Stage, listening: Listening) -> None:
    print("Set the till up with")
    print(f"  gateway        {listening.url(listening.port or 0)}")
    print(f"  client id      {stage.till['clientId']}")
    print(f"  client secret  {stage.till['clientSecret']}")
    print(f"  store, pos     {stage.till['storeId']}, {stage.till['pos']}", flush=True)


def _chosen(names: list[str] | None) -> list[Exercise]:
    if unknown := sorted(set(names or ()) - set(EXERCISES)):
        message = f"no exercise is called {', '.join(unknown)}; there are {', '.join(EXERCISES)}"
        raise typer.BadParameter(message, param_hint="--only")
    return [exercise for name, exercise in EXERCISES.items() if not names or name in names]


def _listening(listen: str | None, *, manual: bool) -> Listening:
    if listen is None:
        return Listening(port=8712) if manual else Listening()
    host, _, port = listen.rpartition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise typer.BadParameter("a port is a number from 1 to 65535", param_hint="--listen")
    return Listening(host or "127.0.0.1", int(port))


def _write(report: Report, *, json: Path | None, html: Path | None, junit: Path | None) -> None:
    if json is not None:
        json.write_text(jsonlib.dumps(reports.as_json(report), indent=1, ensure_ascii=False), encoding="utf-8")
    if html is not None:
        html.write_text(as_page(report), encoding="utf-8")
    if junit is not None:
        junit.write_bytes(reports.as_junit(report))
