"""`python -m fuzz`: both campaigns in turn, for as long as is asked; exit status 0 only without a finding.

A round is named by a seed, and a finding by its round: `--only NAME --seed SEED --rounds 1` plays the round once more.
What hypothesis draws is the same again, and shrunk; how the machine times it is not.
"""

import argparse
import asyncio
import contextlib
import functools
import logging
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import structlog
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from connect_gateway.ledger.migrate import migrate
from connect_gateway.postgres import EmbeddedPostgres
from connect_gateway.temporary import temporary_home
from fuzz.campaigns import CAMPAIGNS, Size, copied

_TEMPLATE = "migrated"
_EXAMPLES = {"counter": 15, "bytes": 150}
_SAY_EVERY_S = 15.0


@dataclass
class Run:
    """What is going on, and what came of it."""

    minutes: float
    began: float = field(default_factory=time.monotonic)
    now: str = "starting"
    rounds: Counter[str] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)
    findings: list[tuple[str, int, str]] = field(default_factory=list)
    """Campaign, seed of the round, and what was found."""
    console: Console = field(default_factory=Console)

    @property
    def over(self) -> bool:
        return time.monotonic() - self.began > self.minutes * 60

    def say(self, finding: tuple[str, int, str]) -> None:
        """Prints a finding and what repeats it."""
        name, seed, text = finding
        self.console.print(f"[red]finding[/] (repeat with --only {name} --seed {seed} --rounds 1):")
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def line(self) -> Text:
        gone = time.monotonic() - self.began
        asked = self.counted["requests"] + self.counted["streams"]
        return Text(
            f"{gone:5.0f} of {self.minutes * 60:.0f} s  {self.now:<24} {sum(self.rounds.values())} rounds, "
            f"{self.counted['examples']} plays, {asked} requests and streams, {len(self.findings)} findings"
        )


def _play(run: Run, server_url: str, home: Path, first_seed: int, names: list[str], rounds: int) -> None:
    """Round after round, the campaigns in turn, until the time is over or so many rounds are played."""
    for number in range(rounds or sys.maxsize):
        name, seed = names[number % len(names)], first_seed + number
        if run.over:
            return
        run.now = f"{name} --seed {seed}"
        # Shrinking a play that takes seconds would use up the time: that is done where a round is repeated alone.
        shrink = name != "counter" or len(names) == 1
        size = Size(_EXAMPLES[name], random_seed=seed, shrink=shrink, stop=lambda: run.over)
        database = functools.partial(copied, server_url, _TEMPLATE, f"round_{seed}_{name}")
        with tempfile.TemporaryDirectory(prefix="round-", dir=home, ignore_cleanup_errors=True) as of_round:
            try:
                CAMPAIGNS[name](size, database, Path(of_round), run.counted)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
                run.findings.append((name, seed, _told(error)))
                run.say(run.findings[-1])
        run.rounds[name] += 1


def _told(error: BaseException) -> str:
    """An exception with the example that led to it, without the paths of this program."""
    return "".join(traceback.format_exception(error, limit=-4))


@contextlib.asynccontextmanager
async def _server() -> Any:
    async with temporary_home("connect-fuzz") as home, EmbeddedPostgres(home / "postgres") as server:
        connection = await asyncpg.connect(server.url)
        await connection.execute(f"CREATE DATABASE {_TEMPLATE}")
        await connection.close()
        await migrate(server.url_of(_TEMPLATE))
        yield server.url, home


async def _watched(run: Run, play: Callable[[str, Path], None]) -> None:
    console = run.console
    async with _server() as (server_url, home):
        playing = asyncio.create_task(asyncio.to_thread(play, server_url, home))
        try:
            if console.is_terminal:
                with Live(console=console, transient=True, get_renderable=run.line, refresh_per_second=4):
                    await asyncio.wait({playing})
            while not playing.done():
                console.print(run.line(), soft_wrap=True)
                await asyncio.wait({playing}, timeout=_SAY_EVERY_S)
        finally:
            # Interrupted, it comes to an end all the same: what plays needs the database for that.
            run.minutes = 0.0
            await asyncio.wait({playing})
        await playing


def _closing_table(run: Run) -> Table:
    table = Table(title=f"fuzzing, {time.monotonic() - run.began:.0f} s", title_justify="left")
    table.add_column("what")
    table.add_column("times", justify="right")
    for name, rounds in sorted(run.rounds.items()):
        table.add_row(f"rounds of {name}", str(rounds))
    for name, times in sorted(run.counted.items()):
        table.add_row(name, str(times))
    table.add_row("findings", str(len(run.findings)))
    return table


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long to go on (10)")
    parser.add_argument("--seed", type=int, default=None, help="the first round's; a new one where none is given")
    parser.add_argument("--rounds", type=int, default=0, help="stop after so many rounds")
    parser.add_argument("--only", choices=sorted(CAMPAIGNS), help="one campaign alone")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    logging.basicConfig(level=logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    run = Run(given.minutes)
    run.console.print(f"seed {seed} (repeat with --seed {seed})")
    names = [given.only] if given.only else list(CAMPAIGNS)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_watched(run, lambda url, home: _play(run, url, home, seed, names, given.rounds)))
    run.console.print(_closing_table(run))
    for finding in run.findings:
        run.say(finding)
    sys.exit(bool(run.findings))


if __name__ == "__main__":
    main()
