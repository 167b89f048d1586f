"""`connect-gateway sandbox` as a POS vendor runs it, its deaths included. About a minute."""

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

Start = Callable[..., Any]


def _is_ready(facts: dict[str, Any]) -> bool:
    try:
        with urllib.request.urlopen(f"{facts['gateway']}/readyz", timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _listens(url: str) -> bool:
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname, address.port), timeout=5).close()
    except OSError:
        return False
    return True


def _eventually(condition: Callable[[], bool], within_s: float = 30) -> bool:
    give_up = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.1)
    return True


def _alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; one that has ended and whose end nobody has looked at yet does not."""
    alive = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                alive.append(process)
    return alive


def _works_in(process: psutil.Process, home: Path) -> bool:
    try:
        return process.name() == "postgres" and str(home) in process.cwd()
    except psutil.Error:  # another test's, which has ended since, or another user's
        return False


def _named(processes: list[psutil.Process], word: str) -> psutil.Process:
    found = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if word in process.cmdline():
                found.append(process)
    (one,) = found
    return one


def test_one_line_says_it_all_and_nothing_stays_behind(start_sandbox: Start, home: Path) -> None:
    sandbox = start_sandbox()
    facts = sandbox.facts
    assert list(facts) == ["gateway", "ecms", "ecmsControl", "database", "gatewayPid", "clients"]
    fields = {role: set(client) for role, client in facts["clients"].items()}
    credentials = {"clientId", "clientSecret"}
    assert fields == {
        "pos": credentials | {"storeId", "pos"},
        "kiosk": credentials | {"storeId"},
        "ecms": credentials,
        "app": credentials,
        "admin": credentials,
        "merchant": credentials | {"merchantCode"},
    }
    assert facts["clients"]["pos"]["storeId"] == facts["clients"]["kiosk"]["storeId"] == "0166"
    assert facts["clients"]["pos"]["pos"] == "1"
    assert facts["clients"]["merchant"]["merchantCode"] == "001"
    assert len({client["clientSecret"] for client in facts["clients"].values()}) == 6
    assert _is_ready(facts)
    assert _listens(facts["ecms"])
    assert _listens(facts["ecmsControl"])
    assert "serve" in psutil.Process(facts["gatewayPid"]).cmdline()

    descendants = sandbox.descendants
    assert len(descendants) >= 3
    assert sandbox.stop() == (0, b"")
    assert not _alive(descendants)
    assert not list(home.glob("connect-sandbox-*"))


def test_ctrl_c_stops_it_as_well(start_sandbox: Start, home: Path) -> None:
    sandbox = start_sandbox()
    descendants = sandbox.descendants
    assert sandbox.stop(signal.SIGINT) == (0, b"")
    assert not _alive(descendants)
    assert not list(home.glob("connect-sandbox-*"))


def test_stopped_while_it_starts_it_leaves_nothing_either(home: Path) -> None:
    command = [sys.executable, "-m", "connect_gateway", "sandbox", "--json"]
    environment = os.environ | {"TMPDIR": str(home)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert _eventually(lambda: bool(list(home.glob("connect-sandbox-*/postgres/pgdata*"))))
        descendants = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        assert process.communicate(timeout=60)[0] == b""
    assert not _alive(descendants)
    assert not list(home.glob("connect-sandbox-*"))


def test_killed_with_all_that_it_started_it_comes_back_as_it_was(start_sandbox: Start, home: Path) -> None:
    first = start_sandbox("--data-dir", str(home / "kept"))
    first.kill_everything()
    again = start_sandbox("--data-dir", str(home / "kept"))
    assert {**again.facts, "gatewayPid": 0} == {**first.facts, "gatewayPid": 0}
    assert _is_ready(again.facts)

    credentials = home / "kept" / "credentials.json"
    assert json.loads(credentials.read_text()) == again.facts["clients"]
    for private in ("credentials.json", "sandbox.json", "keys.json", "ecms/config.json"):
        assert stat.S_IMODE((home / "kept" / private).stat().st_mode) == 0o600
    assert again.stop() == (0, b"")


def test_killed_alone_its_children_leave_and_the_next_one_tidies_up(start_sandbox: Start, home: Path) -> None:
    killed = start_sandbox()
    descendants = killed.descendants
    programs = [_named(descendants, "connect_gateway"), _named(descendants, "connect_simulators.ecms")]
    killed.process.kill()
    killed.process.wait()
    assert _eventually(lambda: not any(program.is_running() for program in programs))
    (abandoned,) = home.glob("connect-sandbox-*")

    start_sandbox()
    assert not abandoned.exists()
    assert not _alive(descendants)


def test_killed_alone_it_comes_back_while_its_children_are_still_leaving(start_sandbox: Start, home: Path) -> None:
    killed = start_sandbox("--data-dir", str(home / "kept"))
    killed.process.kill()
    killed.process.wait()
    again = start_sandbox("--data-dir", str(home / "kept"))
    assert {**again.facts, "gatewayPid": 0} == {**killed.facts, "gatewayPid": 0}


def test_whatever_dies_is_started_again_where_it_was(start_sandbox: Start) -> None:
    sandbox = start_sandbox()
    _named(sandbox.descendants, "connect_simulators.ecms").kill()
    assert _eventually(lambda: not _listens(sandbox.facts["ecms"]), 5)
    assert _eventually(lambda: _listens(sandbox.facts["ecms"]))
    for victim in ("connect_gateway", "-D"):  # the gateway, and PostgreSQL's postmaster
        _named(sandbox.descendants, victim).kill()
        assert _eventually(lambda: not _is_ready(sandbox.facts), 5)
        assert _eventually(lambda: _is_ready(sandbox.facts))
    assert "starting it again" in sandbox.stderr
    assert sandbox.stop() == (0, b"")


def _refusal(home: Path, *options: str) -> str:
    """What a sandbox says that does not start: on stderr alone, and without a traceback."""
    command = [sys.executable, "-m", "connect_gateway", "sandbox", "--json", *options]
    done = subprocess.run(
        command,
        env=os.environ | {"TMPDIR": str(home)},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr.partition("while starting:")[0]
    return done.stderr


def test_a_second_one_on_the_same_directory_is_refused(start_sandbox: Start, home: Path) -> None:
    first = start_sandbox("--data-dir", str(home / "kept"))
    assert "in use by another program" in _refusal(home, "--data-dir", str(home / "kept"))
    assert _is_ready(first.facts)


def test_a_program_that_cannot_start_is_shown_with_the_end_of_its_log(home: Path) -> None:
    (home / "kept").mkdir()
    (home / "kept" / "keys.json").write_text("no keys")
    said = _refusal(home, "--data-dir", str(home / "kept"))
    assert "gateway ended with status 1 while starting:" in said
    assert "keys.json" in said
    assert not _alive([one for one in psutil.process_iter() if _works_in(one, home)])


def test_for_people_it_says_the_same_in_words(home: Path) -> None:
    command = [sys.executable, "-m", "connect_gateway", "sandbox", "--data-dir", str(home / "kept")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.terminate()
        text = line + process.stdout.read()
    assert line.startswith("The sandbox is ready")
    for client in json.loads((home / "kept" / "credentials.json").read_text()).values():
        assert client["clientId"] in text
        assert client["clientSecret"] in text


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_wrong_settings_are_told_in_a_line_without_their_values(command: str) -> None:
    environment = os.environ | {
        "CONNECT_PORT": "canary-7",
        "CONNECT_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x",
    }
    done = subprocess.run(
        [sys.executable, "-m", "connect_gateway", command], env=environment, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "port" in done.stderr
    assert "canary-7" not in done.stderr
    assert "Traceback" not in done.stderr
