"""`connect-gateway conformance`: its options, its progress, its reports and its exit status."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from connect_gateway.conformance.page import page
from connect_gateway.conformance.reports import as_json, junit, print_run
from connect_gateway.conformance.results import Run
from connect_gateway.conformance.runner import Conduct, NotJudged, run, select
from connect_gateway.conformance.scenarios import Pack, Scenario, ScenarioError, installed, load_pack
from connect_gateway.conformance.wire import Places, Wire

PATIENCE_S = 10.0
EXIT_FAILED = 1
EXIT_NOT_JUDGED = 2
EXIT_NOT_ALL_RUN = 3


def conformance(
    *,
    url: Annotated[str, typer.Option(help="The gateway to judge.")],
    credentials: Annotated[Path, typer.Option(help="File with the `clients` object that the sandbox prints.")],
    ecms: Annotated[str | None, typer.Option(help="The ECMS simulator that this gateway speaks with.")] = None,
    ecms_control: Annotated[str | None, typer.Option(help="Its control port.")] = None,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML here.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write one HTML page here.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write JSON here.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Play this scenario or chapter alone; also the beginning of a name.")
    ] = None,
    skip: Annotated[list[str] | None, typer.Option(help="Leave this scenario or chapter out.")] = None,
    patience: Annotated[float, typer.Option(help="Seconds that ECMS may take to hear of something.")] = PATIENCE_S,
) -> None:
    """Judge any gateway over HTTP by the scenario files of the protocol, rule by rule.

    Exit status 0: every scenario passed. 1: one failed. 2: the gateway could not be judged. 3: nothing failed, but
    scenarios were not run (those that need ECMS, without --ecms).
    """
    console = Console(highlight=False)
    try:
        places = Places(_address(url), *_addresses_of_ecms(ecms, ecms_control))
        clients = read_credentials(credentials)
        pack = load_pack(installed())
        chosen = select(pack.scenarios, only or [], skip or [])
        found = asyncio.run(_run(Wire(places, clients), pack, chosen, patience_s=patience, console=console))
    except (NotJudged, ScenarioError) as error:
        _stop(str(error))
    print_run(found, console)
    write_reports(found, junit_file=junit, html_file=html, json_file=json_file)
    if found.count("failed"):
        sys.exit(EXIT_FAILED)
    if found.count("not run"):
        sys.exit(EXIT_NOT_ALL_RUN)


def read_credentials(file: Path) -> dict[str, dict[str, str]]:
    """The clients of a credentials file, by role. NotJudged where it is none."""
    try:
        data: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NotJudged(f"{file} cannot be read: {error}") from error
    if not isinstance(data, dict) or not all(_is_client(client) for client in data.values()):
        raise NotJudged(f'{file} is no object of clients, such as {{"pos": {{"clientId": …, "clientSecret": …}}}}')
    return data


def write_reports(found: Run, *, junit_file: Path | None, html_file: Path | None, json_file: Path | None) -> None:
    """Writes each report that has a place. NotJudged where one cannot be written."""
    if junit_file is not None:
        junit_file.write_bytes(junit(found))
    if html_file is not None:
        html_file.write_text(page(found), encoding="utf-8")
    if json_file is not None:
        json_file.write_text(as_json(found), encoding="utf-8")


def _is_client(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(name), str) for name in ("clientId", "clientSecret"))


def _address(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise NotJudged(f"{url} is no HTTP address")
    return url.rstrip("/")


def _addresses_of_ecms(ecms: str | None, control: str | None) -> tuple[str | None, str | None]:
    if ecms is None and control is None:
        return None, None
    if ecms is None or control is None:
        raise NotJudged("--ecms and --ecms-control belong together")
    return _address(ecms), _address(control)


def _stop(message: str) -> NoReturn:
    print(f"connect-gateway: {message}", file=sys.stderr)
    sys.exit(EXIT_NOT_JUDGED)


async def _run(wire: Wire, pack: Pack, chosen: list[Scenario], *, patience_s: float, console: Console) -> Run:
    async with wire:
        with _progress(len(chosen), console) as told:
            return await run(wire, pack, chosen, Conduct(patience_s, told, console.print))


@contextmanager
def _progress(total: int, console: Console) -> Iterator[Callable[[Scenario], None]]:
    """A bar that says which scenario is played; nothing where nobody watches."""
    columns = (
        TextColumn("{task.description:<44}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total + 1)

        def told(scenario: Scenario) -> None:
            progress.update(task, advance=1, description=scenario.name)

        yield told
