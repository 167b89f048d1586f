"""What is going on, shown for as long as it goes on."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

_TICK_S = 0.2


class Show:
    """A bar over the whole run, a bar for what is being measured, and a line for each thing that was."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._run = self._progress.add_task("The run", total=None, count="")
        self._rows = 0

    @contextmanager
    def live(self, rows: int) -> Iterator[None]:
        """Shows the bars while the block runs; the run has so many rows."""
        self._rows = rows
        self._progress.update(self._run, total=rows, count=f"0 of {rows} measurements")
        with self._progress:
            yield

    def done(self, rows: int) -> None:
        """So many rows of the run are measured."""
        self._progress.update(self._run, completed=rows, count=f"{rows} of {self._rows} measurements")

    def say(self, line: str) -> None:
        """A line that stays."""
        self.console.print(line, highlight=False)

    @asynccontextmanager
    async def timing(self, label: str, seconds: float) -> AsyncIterator[None]:
        """A bar that fills by the clock, for what takes so long."""
        task = self._progress.add_task(label, total=seconds, count=f"{seconds:.0f} s")
        began = time.monotonic()

        async def tick() -> None:
            while True:
                self._progress.update(task, completed=time.monotonic() - began)
                await asyncio.sleep(_TICK_S)

        ticking = asyncio.create_task(tick())
        try:
            yield
        finally:
            ticking.cancel()
            with suppress(asyncio.CancelledError):
                await ticking
            self._progress.remove_task(task)

    @contextmanager
    def counting(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        """A bar that fills by count; the block is given what to call with how many are done."""
        task = self._progress.add_task(label, total=total, count=f"0 of {total:,}")
        try:
            yield lambda done: self._progress.update(task, completed=done, count=f"{done:,} of {total:,}")
        finally:
            self._progress.remove_task(task)
