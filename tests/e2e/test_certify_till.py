"""The certification itself: the unchanged till passes, tills with a defect do not. About a minute.

All exercises against all tills with a defect: `python -m mutants.till_run`, from `tests/`.
"""

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from mutants import till_run
from mutants.till_mutants import TILL_MUTANTS

from connect_gateway.certification.driving import POS_SIM, fill_in
from connect_gateway.certification.exercises import EXERCISES
from connect_gateway.certification.stage import open_stage
from connect_gateway.processes import choose_port

pytestmark = pytest.mark.timeout(300)

QUICK = ("--timeout-s=1", "--give-up-s=6", "--first-wait-s=0.1", "--longest-wait-s=0.8")
COMMAND = (sys.executable, "-m", "connect_gateway", "certify-till", *QUICK)


async def test_two_tills_with_a_defect_are_caught_and_the_unchanged_one_passes() -> None:
    names = ("plain-sale", "answer-lost", "unavailable", "crash-after-sending")
    exercises = [EXERCISES[name] for name in names]
    async with open_stage() as stage:
        passed = await till_run.certify(None, exercises, stage)
        assert [(each.exercise.name, each.failures) for each in passed] == [(name, []) for name in names]
        for mutant in (each for each in TILL_MUTANTS if each.short):
            played = [EXERCISES[name] for name in ("plain-sale", *mutant.caught_by)]
            results = await till_run.certify(mutant, played, stage)
            assert tuple(each.exercise.name for each in results if not each.passed) == mutant.caught_by


def test_the_command_writes_its_reports(tmp_path: Path) -> None:
    files = {name: tmp_path / f"report.{name}" for name in ("json", "junit", "html")}
    options = [f"--{name}={file}" for name, file in files.items()]
    done = subprocess.run(
        [*COMMAND, "--only=wrong-label", "--only=gateway-restarts", *options],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("2 passed, 0 failed\n")
    assert [each["name"] for each in json.loads(files["json"].read_text())["exercises"]] == [
        *("wrong-label", "gateway-restarts")
    ]
    assert ET.fromstring(files["junit"].read_bytes()).get("failures") == "0"  # noqa: S314 - our own
    assert "REHEARSAL PASSED: 2 exercises" in files["html"].read_text(encoding="utf-8")


@pytest.fixture
def state() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="connect-person-") as name:
        yield Path(name)


def test_a_person_at_the_till(state: Path) -> None:
    port = choose_port()
    with subprocess.Popen(
        [*COMMAND, "--manual", f"--listen={port}", "--only=void"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as judge:  # fmt: skip
        too_long = threading.Timer(240, judge.kill)
        too_long.start()
        said = _serve(judge, port, state)
        too_long.cancel()
    assert judge.returncode == 0, said
    assert "1 passed, 0 failed" in said


def _serve(judge: subprocess.Popen[str], port: int, state: Path) -> str:
    """Does with the POS simulator what the judge asks of a person, and returns everything that it said."""
    assert judge.stdout is not None
    assert judge.stdin is not None
    said, secrets = "", {}
    for line in judge.stdout:
        said += line
        for what in ("client id", "client secret"):
            if line.strip().startswith(what):
                secrets[what] = line.split()[-1]
        if "At the till:" not in line:
            continue
        client = {"clientId": secrets["client id"], "clientSecret": secrets["client secret"], "pos": "1"}
        (state / "credentials.json").write_text(json.dumps({"pos": client}))
        values = {
            "url": f"http://127.0.0.1:{port}",
            "credentials": str(state / "credentials.json"),
            "state_dir": str(state / "till"),
        }
        if "Void" in line:
            values |= {"action": "reverse", "parcel": "parcel-gone" if "not there" in line else "parcel-in-hand"}
        else:
            digits = [word.strip(",.") for word in line.split() if word[0].isdigit()]
            values |= {"action": "collect"} | dict(zip(("reference", "label", "tendered"), digits, strict=True))
        done = subprocess.run(fill_in(POS_SIM, values), capture_output=True, timeout=60, check=False)
        verdict = json.loads(done.stdout)["verdict"]
        judge.stdin.write(f"{verdict['cash']} {verdict['parcel']}\n")
        judge.stdin.flush()
    return said
