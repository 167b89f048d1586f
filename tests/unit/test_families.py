"""What a frozen family is: nobody of it is left awake, though it forked all the while."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest
from families import family, freeze, send_to

# Forks as fast as it can, each child for a fifth of a second; ends by itself after 10 s.
_FORKING = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
until = time.monotonic() + 10
print("forking", flush=True)
while time.monotonic() < until:
    if not os.fork():
        time.sleep(0.2)
        os._exit(0)
    time.sleep(0.0005)
"""


@pytest.fixture
def forking() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", _FORKING], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        send_to(family(process.pid), signal.SIGKILL)


def test_nobody_is_born_into_a_family_that_is_being_frozen(forking: subprocess.Popen[bytes]) -> None:
    eldest = psutil.Process(forking.pid)
    for _ in range(10):
        frozen = freeze(forking.pid)
        assert frozen[0] == eldest
        assert eldest.status() == psutil.STATUS_STOPPED
        unseen = [process for process in family(forking.pid) if process not in frozen]
        send_to(frozen, signal.SIGCONT)
        assert not unseen
