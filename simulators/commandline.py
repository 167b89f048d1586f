"""What the simulators' command lines share: options that every command has, and paper on a screen."""

import inspect
import io
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

PAPER_COLUMNS = 32

T = TypeVar("T")


def sharing(options: Callable[..., T]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a typer command the parameters of `options` too, and what they come to as its first argument."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(command).parameters.values())[1:]
        shared = list(inspect.signature(options).parameters.values())

        def run(**values: Any) -> None:
            context = options(**{each.name: values.pop(each.name) for each in shared})
            command(context, **values)

        every = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*own, *shared)]
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in every}
        return run

    return decorate


def state_dir_of(command: str) -> Path:
    """Where a simulator keeps its journal if it is not told otherwise."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / command


def make_console(*, stderr: bool = False) -> Console:
    """A console that never fails over a character that the terminal's encoding lacks."""
    stream = sys.stderr if stderr else sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    return Console(file=stream, highlight=False)


def paper(lines: Iterable[str], title: str) -> Panel:
    """A slip of 32 columns as it comes out of the printer."""
    text = Text("\n".join(line[:PAPER_COLUMNS] for line in lines), style="black on white", no_wrap=True)
    return Panel(text, title=title, box=box.HEAVY_EDGE, width=PAPER_COLUMNS + 4, style="black on white")
