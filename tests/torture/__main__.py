"""`python -m torture`: tills, kiosks and an ECMS at work with two gateways, everything breaking; then the reckoning.

Exit status 0 only if no invariant was broken, nothing stayed behind and everything was settled. `--seed` repeats a plan
of faults and customers; the machine's own timing is never quite the same.
"""

import argparse
import asyncio
import logging
import random
import sys
import tempfile
from pathlib import Path

from history.records import save
from rich.console import Console
from rich.live import Live

from torture.report import closing_table, line, progress
from torture.run import Torture, torture

_REFRESH_S = 0.5
_LOG_EVERY_S = 15.0


async def _watched(run: Torture, home: Path, console: Console) -> None:
    """Runs it and shows how far it is: in place on a terminal, else a line now and then."""
    running = asyncio.create_task(torture(run, home))
    if console.is_terminal:
        with Live(progress(run), console=console, transient=True) as live:
            while not running.done():
                await asyncio.wait({running}, timeout=_REFRESH_S)
                live.update(progress(run))
    while not running.done():
        console.print(line(run), highlight=False)
        await asyncio.wait({running}, timeout=_LOG_EVERY_S)
    await running


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m torture", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long things break (10)")
    parser.add_argument("--seed", type=int, default=None, help="the plan; a new one where none is given")
    parser.add_argument("--keep", type=Path, default=None, help="keep the logs and the history in this directory")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    logging.basicConfig(level=logging.ERROR)
    console = Console()
    console.print(f"seed {seed} (repeat with --seed {seed} --minutes {given.minutes:g})")
    run = Torture(seed, given.minutes * 60)
    with tempfile.TemporaryDirectory(prefix="connect-torture-", ignore_cleanup_errors=True) as name:
        home = given.keep.absolute() if given.keep is not None else Path(name)
        home.mkdir(parents=True, exist_ok=True)
        asyncio.run(_watched(run, home, console))
        if given.keep is not None:
            save(run.history, home / "history.json")
    console.print(closing_table(run))
    for complaint in run.complaints:
        console.print(f"[red]{complaint}[/]")
    for violation in run.violations:
        console.print(f"[red]{violation}[/]", highlight=False)
    sys.exit(bool(run.complaints or run.violations))


if __name__ == "__main__":
    main()
