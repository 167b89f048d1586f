"""A process and all that it has started, as one thing to freeze or to kill."""

import contextlib
import signal
import time

import psutil


def family(pid: int) -> list[psutil.Process]:
    """The process and all of its descendants, eldest first; one that is born meanwhile may be missing."""
    eldest = psutil.Process(pid)
    return [eldest, *eldest.children(recursive=True)]


def freeze(pid: int) -> list[psutil.Process]:
    """Stops the process and all of its descendants, and names them, eldest first.

    Each is seen to have stopped before its children are listed, since a fork that was under way when the signal came is
    finished first. PostgreSQL forks for every connection, and a backend that stayed awake would answer.
    """
    frozen: list[psutil.Process] = []
    awake = [psutil.Process(pid)]
    while awake:
        send_to(awake, signal.SIGSTOP)
        frozen += awake
        awake = [child for parent in awake for child in _children_when_stopped(parent)]
    return frozen


def _children_when_stopped(parent: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        # Only of one's own children does the system tell that they have stopped; of others one has to ask.
        while parent.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE):
            time.sleep(0.0001)
        return parent.children()
    return []


def send_to(processes: list[psutil.Process], number: signal.Signals) -> None:
    """Signals those that still live: PostgreSQL starts and ends helpers of its own at any moment."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
