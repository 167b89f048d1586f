"""A process and all that it has started, as one thing to freeze or to kill."""

import contextlib
import signal

import psutil


def family(pid: int) -> list[psutil.Process]:
    """The process and all of its descendants, eldest first."""
    eldest = psutil.Process(pid)
    return [eldest, *eldest.children(recursive=True)]


def send_to(processes: list[psutil.Process], number: signal.Signals) -> None:
    """Signals those that still live: PostgreSQL starts and ends helpers of its own at any moment."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
