"""`python -m connect_simulators.demo`: the main job played end to end against a sandbox of its own.

With `--once` it ends after the stories: exit status 0 only if ECMS's history agrees with every one of them.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from .commandline import make_console, paper
from .ecmscontrol import ControlFailed, EcmsControl
from .faultproxy import FaultProxy
from .kiosk import Kiosk
from .pos import Result, Till
from .pos.view import band
from .stories import STORIES, Parcel, Stage, Story, StoryFailed, Told, agrees, ensure_agrees, send_parcel
from .wire import NoAnswer, WireClient, credentials_of

_SANDBOX_READY_WITHIN_S = 120.0
_SANDBOX_STOPS_WITHIN_S = 60.0


class SandboxFailed(Exception):
    """The sandbox did not start; the message is what it wrote."""


class Screen:
    """Shows the stories on a terminal, or line by line where there is none."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextlib.contextmanager
    def step(self, text: str) -> Iterator[None]:
        """A step under way; it ticks when the block ends, and is crossed out if the block fails."""
        with self.console.status(f"  {escape(text)}"):
            try:
                yield
            except BaseException:
                self.console.print(Text(f"  ✗ {text}", style="red"))
                raise
        self.console.print(Text.assemble(("  ✓ ", "green"), text))

    def slip(self, lines: Iterable[str], title: str) -> None:
        """A receipt or a slip as the paper would look."""
        self.console.print(paper(lines, title))

    def verdict(self, result: Result) -> None:
        """What the till's display tells the clerk."""
        self.console.print(band(result))

    def timeline(self, tracking_number: str, events: Iterable[Mapping[str, Any]]) -> None:
        """Everything that ECMS knows of a parcel, in its order."""
        table = Table(title=f"ECMS on parcel {tracking_number}", title_justify="left")
        for heading in ("time", "status", "from", "payment", ""):
            table.add_column(heading, no_wrap=heading == "time")
        for event in events:
            status = f"{event['status']}\n{event['reason']}" if event.get("reason") else event["status"]
            payment = (event.get("payment") or {}).get("amount", "")
            applied = "applied" if event["applied"] else "repeat"
            table.add_row(event["timestamp"], status, event["source"], payment, applied)
        self.console.print(table)


@dataclass
class Ended:
    """How a story ended."""

    story: Story
    told: Told
    agreed: bool
    seconds: float


@contextlib.asynccontextmanager
async def running_sandbox(
    home: Path, data_dir: Path | None = None
) -> AsyncIterator[tuple[dict[str, Any], asyncio.subprocess.Process]]:
    """A sandbox of the demonstration's own, and the line of JSON that it printed; stopped at the end."""
    log_file = home / "sandbox.log"
    where = () if data_dir is None else ("--data-dir", str(data_dir))
    with log_file.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "connect_gateway", "sandbox", "--json", *where),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            # Ctrl-C is for the demonstration, which then stops the sandbox in good order.
            start_new_session=True,
        )
    try:
        yield await _read_line(process, log_file), process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), _SANDBOX_STOPS_WITHIN_S)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _read_line(process: asyncio.subprocess.Process, log_file: Path) -> dict[str, Any]:
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), _SANDBOX_READY_WITHIN_S)
        sandbox: dict[str, Any] = json.loads(line)
    except (TimeoutError, ValueError) as exc:
        raise SandboxFailed(f"the sandbox did not start:\n{_tail(log_file)}") from exc
    return sandbox


def _tail(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")[-3000:]


@contextlib.asynccontextmanager
async def open_stage(sandbox: Mapping[str, Any], home: Path, screen: Screen) -> AsyncIterator[Stage]:
    """The simulators, each with its own client of the sandbox."""
    clients = {role: credentials_of(client) for role, client in sandbox["clients"].items()}
    merchant = clients["merchant"]
    async with contextlib.AsyncExitStack() as stack:
        network = await stack.enter_async_context(FaultProxy(sandbox["gateway"]))
        yield Stage(
            show=screen,
            network=network,
            merchant=await stack.enter_async_context(
                WireClient(sandbox["ecms"], merchant.client_id, merchant.client_secret)
            ),
            control=await stack.enter_async_context(EcmsControl(sandbox["ecmsControl"])),
            till=await stack.enter_async_context(Till.open(network.url, clients["pos"], home / "till")),
            kiosk=await stack.enter_async_context(Kiosk.open(sandbox["gateway"], clients["kiosk"], home / "kiosk")),
        )


async def play(stage: Stage, screen: Screen) -> list[Ended]:
    """Plays every story and compares ECMS's history with it."""
    ended = []
    for number, story in enumerate(STORIES, start=1):
        screen.console.rule(f"[bold]{number}/{len(STORIES)}  {story.title}", align="left")
        ended.append(await _play_one(stage, screen, story))
    screen.console.rule("[bold]The end", align="left")
    # Whatever ECMS was told twice or too much since its story ended is found here.
    for each in ended:
        each.agreed = each.agreed and await agrees(stage, each.told)
    return ended


async def _play_one(stage: Stage, screen: Screen, story: Story) -> Ended:
    told, began_s, agreed = Told(), time.monotonic(), False
    try:
        await story.play(stage, told)
        with screen.step("ECMS's history says the same"):
            await ensure_agrees(stage, told)
        agreed = True
    except (StoryFailed, ControlFailed, NoAnswer) as exc:
        screen.console.print(Text(f"    {exc}", style="red"))
    seconds = time.monotonic() - began_s
    for tracking_number in told.expected:
        with contextlib.suppress(ControlFailed):
            screen.timeline(tracking_number, await stage.control.history(tracking_number))
    return Ended(story, told, agreed, seconds)


def show_summary(screen: Screen, ended: Iterable[Ended]) -> bool:
    """The table at the end; whether every story's history agrees."""
    table = Table()
    for heading in ("", "story", "receipts", "ECMS agrees", "seconds"):
        table.add_column(heading)
    every = True
    for number, each in enumerate(ended, start=1):
        every = every and each.agreed
        answer = Text("yes", style="green") if each.agreed else Text("NO", style="bold red")
        receipts = "\n".join(each.told.receipts)
        table.add_row(str(number), each.story.title, receipts, answer, f"{each.seconds:.1f}")
    screen.console.print(table)
    return every


def show_what_to_try(screen: Screen, sandbox: Mapping[str, Any], home: Path, parcel: Parcel) -> None:
    """Commands that can be pasted as they are; the secrets stay in files."""
    credentials, curl = home / "credentials.json", home / "pos.curl"
    client = sandbox["clients"]["pos"]
    _write_private(credentials, json.dumps(sandbox["clients"]))
    _write_private(curl, f'user = "{client["clientId"]}:{client["clientSecret"]}"\n')
    gateway, control = sandbox["gateway"], sandbox["ecmsControl"]
    pos, kiosk, ecms = (_command(f"{name}-sim", name) for name in ("pos", "kiosk", "ecms"))
    collect = f"{pos} collect {parcel.claim_code} --label {parcel.tracking_number} --tendered 500"
    ship = f"{ecms} ship --merchant-reference MY-ORDER-1 --amount 150.00 --json"
    grant = f"curl -sK {curl} -d grant_type=client_credentials {gateway}/accounts/oauth2/token"
    lines = (
        f"# Parcel {parcel.tracking_number} waits at the store, PHP {parcel.amount} to pay.",
        f"export POS_SIM_URL={gateway} POS_SIM_CREDENTIALS={credentials} POS_SIM_STATE_DIR={home / 'my-till'}",
        f"{pos} lookup {parcel.claim_code}",
        collect,
        f"{pos} inquire",
        f"{pos} reverse --reason CLERK_VOID --parcel-in-hand",
        collect,
        "",
        "# The customer brings it back.",
        f"export KIOSK_SIM_URL={gateway} KIOSK_SIM_CREDENTIALS={credentials}",
        f"export KIOSK_SIM_STATE_DIR={home / 'my-kiosk'}",
        f"{kiosk} return {parcel.merchant_reference} --type ORDER_NUMBER --merchant-code 001",
        "",
        "# What ECMS was told; ECMS failing and coming back; a parcel of your own, and its way to the store.",
        f"export ECMS_SIM_URL={sandbox['ecms']} ECMS_SIM_CONTROL_URL={control}",
        f"export ECMS_SIM_CREDENTIALS={credentials}",
        f"{ecms} parcel {parcel.tracking_number}",
        f"{ecms} faults down",
        f"{ecms} faults none",
        f"TRACKING=$({ship} | {_picking('trackingNumber')})",
        f'{ecms} advance "$TRACKING" "DELIVERED TO STORE"',
        f'curl -s {control}/parcels/"$TRACKING" | {_picking("claimCode")}',
        "",
        "# The wire itself.",
        f"TOKEN=$({grant} | {_picking('access_token')})",
        f'curl -s -H "Authorization: Bearer $TOKEN" {gateway}/pos/v1/references/{parcel.claim_code}',
    )
    screen.console.rule("[bold]The sandbox stays up: paste these into another terminal", align="left")
    for line in lines:
        # Wrapped lines could not be pasted.
        screen.console.print(Text(line, style="dim" if line.startswith("#") else ""), soft_wrap=True)
    screen.console.rule("Ctrl-C stops everything", align="left")


def _picking(name: str) -> str:
    return f"python3 -c \"import json,sys;print(json.load(sys.stdin)['{name}'])\""


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def _command(name: str, package: str) -> str:
    beside = Path(sys.executable).with_name(name)
    if shutil.which(name):
        return name
    return str(beside) if beside.exists() else f"{sys.executable} -m connect_simulators.{package}"


async def demonstrate(*, once: bool) -> int:
    """The whole demonstration; its exit status."""
    screen = Screen(make_console())
    with tempfile.TemporaryDirectory(prefix="connect-demo-") as directory:
        home = Path(directory)
        async with contextlib.AsyncExitStack() as stack:
            with screen.step("a sandbox starts: PostgreSQL, the ECMS simulator, the gateway"):
                sandbox, process = await stack.enter_async_context(running_sandbox(home))
            stage = await stack.enter_async_context(open_stage(sandbox, home, screen))
            every = show_summary(screen, await play(stage, screen))
            if not once:
                parcel = await send_parcel(stage, number=len(STORIES))
                show_what_to_try(screen, sandbox, home, parcel)
                await _until_stopped(process)
    return 0 if every else 1


async def _until_stopped(sandbox: asyncio.subprocess.Process) -> None:
    """Until Ctrl-C or SIGTERM; SandboxFailed if the sandbox ends first."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    stopped, ended = asyncio.create_task(stop.wait()), asyncio.create_task(sandbox.wait())
    await asyncio.wait({stopped, ended}, return_when=asyncio.FIRST_COMPLETED)
    for task in (stopped, ended):
        task.cancel()
    if not stop.is_set():
        raise SandboxFailed("the sandbox ended by itself")


async def _main(*, once: bool) -> int:
    """Turns SIGINT and SIGTERM during the stories into a cancellation, so that the sandbox is stopped."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return await demonstrate(once=once)
    except asyncio.CancelledError:
        return 130
    except (SandboxFailed, StoryFailed, ControlFailed, NoAnswer) as exc:
        sys.stderr.write(f"{exc}\n")
        return 1


def main() -> None:
    """`python -m connect_simulators.demo [--once]`."""
    parser = argparse.ArgumentParser(prog="connect_simulators.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the stories")
    sys.exit(asyncio.run(_main(once=parser.parse_args().once)))


if __name__ == "__main__":
    main()
