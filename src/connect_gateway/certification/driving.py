"""How a till is asked to do a job: through a command, or through the person who stands before it."""

import asyncio
import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any, Protocol

from connect_gateway.certification.figures import START_S, Figures
from connect_gateway.certification.jobs import Job, Parcel, cash_of, label_of, words_for_the_clerk
from connect_gateway.processes import StartError, tail

PLACEHOLDERS = (
    "url", "credentials", "state_dir", "action", "reference", "label", "tendered", "parcel", "timeout_s", "give_up_s",
    "first_wait_s", "longest_wait_s",
)  # fmt: skip

POS_SIM = (
    *(sys.executable, "-P", "-m", "connect_simulators.pos", "{action}", "{reference}", "--json"),
    *("--label={label}", "--tendered={tendered}", "--{parcel}"),
    *("--url={url}", "--credentials={credentials}", "--state-dir={state_dir}"),
    *("--timeout-s={timeout_s}", "--give-up-s={give_up_s}"),
    *("--first-wait-s={first_wait_s}", "--longest-wait-s={longest_wait_s}"),
)
"""The till that is certified where no other is named."""


class NotATill(StartError):
    """The till's command cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a till finds the gateway, its credentials file, and a directory for what it keeps."""

    url: str
    credentials: Path
    state_dir: Path


@dataclass(frozen=True, slots=True)
class Shown:
    """A verdict as the till showed it; `transaction_id` where the till says whose it is."""

    cash: str
    parcel: str
    transaction_id: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """How a job ended: what the till showed, if it told; `overrun` where it had to be stopped."""

    shown: tuple[Shown, ...]
    overrun: bool = False
    killed: bool = False
    complaint: str = ""


class Driver(Protocol):
    """Asks a till to do jobs."""

    async def do(self, job: Job, parcel: Parcel, place: Place, kill: asyncio.Event) -> Done:
        """Has one job done; where the job has the till killed, that happens once `kill` is set."""
        ...


class CommandDriver:
    """A till that is a command: one run for each job, with the placeholders filled in.

    A word with a placeholder that has no value in this job is left out.
    """

    def __init__(self, words: Sequence[str], figures: Figures) -> None:
        self._words = check_words(words)
        self._figures = figures

    async def do(self, job: Job, parcel: Parcel, place: Place, kill: asyncio.Event) -> Done:
        """Runs the command. It is killed with its whole session where the job says so, or where it does not end."""
        command = fill_in(self._words, self._values(job, parcel, place))
        errors = place.state_dir.parent / "till.stderr"
        with errors.open("wb") as stderr:
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    start_new_session=True,
                )
            except OSError as error:
                raise NotATill(f"the till cannot be started: {command[0]}: {error.strerror}") from None
        try:
            return await self._watch(process, job, errors, kill)
        finally:
            _kill(process)
            await process.wait()

    async def _watch(self, process: asyncio.subprocess.Process, job: Job, errors: Path, kill: asyncio.Event) -> Done:
        assert process.stdout is not None
        printing = asyncio.create_task(process.stdout.read())
        killing = asyncio.create_task(kill.wait())
        waits_for = {printing, killing} if job.killed_at else {printing}
        done, _ = await asyncio.wait(
            waits_for,
            timeout=self._figures.job_s + START_S,
            return_when=asyncio.FIRST_COMPLETED,
        )
        killing.cancel()
        if printing not in done:
            printing.cancel()
            return Done((), killed=killing in done, overrun=killing not in done)
        printed = await printing
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), START_S)
        shown = read_shown(printed)
        complaint = "" if shown or job.killed_at else tail(errors, 3)
        return Done(shown, complaint=complaint)

    def _values(self, job: Job, parcel: Parcel, place: Place) -> dict[str, str]:
        values: dict[str, str | None] = {
            "url": place.url,
            "credentials": str(place.credentials),
            "state_dir": str(place.state_dir),
            "action": job.action.value,
            "timeout_s": f"{self._figures.timeout_s:g}",
            "give_up_s": f"{self._figures.give_up_s:g}",
            "first_wait_s": f"{self._figures.first_wait_s:g}",
            "longest_wait_s": f"{self._figures.longest_wait_s:g}",
            "label": label_of(job, parcel),
            "tendered": cash_of(job, parcel),
        }
        if job.action.value == "reverse":
            values["parcel"] = "parcel-in-hand" if job.parcel_in_hand else "parcel-gone"
        elif label_of(job, parcel) is not None:
            values["reference"] = parcel.reference
        return {name: value for name, value in values.items() if value is not None}


class ManualDriver:
    """A till with a person before it, who is told what to do, does it, and says what the till shows."""

    async def do(self, job: Job, parcel: Parcel, place: Place, kill: asyncio.Event) -> Done:
        """Tells the person, and waits for Enter."""
        print(f"\n  At the till: {words_for_the_clerk(job, parcel)}", flush=True)
        if job.killed_at is not None:
            print("  ... and keep a hand at its plug.", flush=True)
            await kill.wait()
            await _ask("  NOW: pull the plug! Then press Enter: ")
            return Done((), killed=True)
        answer = await _ask("  Done? Type what the till shows for cash and parcel, such as KEEP RELEASE, then Enter: ")
        words = answer.upper().replace(",", " ").split()
        return Done((Shown(words[0], words[1]),) if len(words) == 2 else ())


def check_words(words: Sequence[str]) -> tuple[str, ...]:
    """The words of a till's command; one that holds blanks alone is split as a shell would. NotATill if misused."""
    if len(words) == 1:
        words = shlex.split(words[0])
    if not words:
        raise NotATill("the till's command is empty")
    try:
        used = {name for word in words for _, name, _, _ in Formatter().parse(word) if name is not None}
    except ValueError as error:
        raise NotATill(f"the till's command: {error}") from None
    if strange := sorted(used - set(PLACEHOLDERS)):
        raise NotATill(f"the till's command has unknown placeholders: {', '.join(strange)}")
    if missing := sorted({"url", "action"} - used):
        raise NotATill(f"the till's command lacks placeholders: {', '.join(missing)}")
    if "{" not in words[0] and shutil.which(words[0]) is None:
        raise NotATill(f"the till's command is not there: {words[0]}")
    return tuple(words)


def fill_in(words: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """The words with their placeholders filled in, without those that have a placeholder without a value."""
    command = []
    for word in words:
        names = {name for _, name, _, _ in Formatter().parse(word) if name is not None}
        if names <= set(values):
            command.append(word.format_map(values))
    return command


def read_shown(printed: bytes) -> tuple[Shown, ...]:
    """The verdicts in the last line of JSON that a till printed: `{"verdict": {"cash", "parcel"}}`, or a list."""
    for line in reversed(printed.decode("utf-8", "replace").splitlines()):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        results = value if isinstance(value, list) else [value]
        return tuple(shown for shown in map(_shown, results) if shown is not None)
    return ()


def _shown(result: Any) -> Shown | None:
    verdict = result.get("verdict") if isinstance(result, dict) else None
    if not isinstance(verdict, dict):
        return None
    transaction_id = result.get("transactionId")
    named = transaction_id.lower() if isinstance(transaction_id, str) else None
    return Shown(str(verdict.get("cash")), str(verdict.get("parcel")), named)


def _kill(process: asyncio.subprocess.Process) -> None:
    # The whole session: a till that is a script has started the till proper.
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _ask(question: str) -> Awaitable[str]:
    """Asks the person at the terminal. The thread that waits does not hold up the end of the program."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()
    print(question, end="", flush=True)

    def settle(line: str) -> None:
        if answer.done():
            return
        if line:
            answer.set_result(line.strip())
        else:
            answer.set_exception(NotATill("nobody answers: the input has come to its end"))

    def wait() -> None:
        line = sys.stdin.readline()
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle, line)

    threading.Thread(target=wait, name="person", daemon=True).start()
    return answer
