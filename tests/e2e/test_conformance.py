"""The scenarios against the sandbox, as a vendor runs them, and against gateways with a defect. About a minute."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from mutants.defects import DEFECTS
from mutants.run import try_out

Start = Callable[..., Any]


def _conformance(home: Path, facts: dict[str, Any], *options: str, ecms: bool) -> "subprocess.CompletedProcess[str]":
    credentials = home / "clients.json"
    credentials.write_text(json.dumps(facts["clients"]))
    command = [sys.executable, "-m", "connect_gateway", "conformance", "--url", facts["gateway"]]
    command += ["--credentials", str(credentials), *options]
    if ecms:
        command += ["--ecms", facts["ecms"], "--ecms-control", facts["ecmsControl"]]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)


def test_the_sandbox_conforms(start_sandbox: Start, home: Path) -> None:
    facts = start_sandbox().facts
    few = _conformance(home, facts, "--only", "collect-exactly", "--only", "hears-collect", ecms=False)
    assert few.returncode == 3, few.stdout + few.stderr
    assert "hears-collect: needs --ecms and --ecms-control" in few.stdout

    reports = {name: home / f"report.{name}" for name in ("junit", "html", "json")}
    options = [text for name, file in reports.items() for text in (f"--{name}", str(file))]
    done = _conformance(home, facts, *options, ecms=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d{3} scenarios passed, 0 failed, 0 not run", done.stdout)

    suites = ET.parse(reports["junit"]).getroot()  # noqa: S314 - it was written a moment ago
    assert sum(int(suite.get("tests", "")) for suite in suites) > 200
    assert not suites.findall(".//failure")
    body = json.loads(reports["json"].read_text())
    assert body["failed"] == body["notRun"] == 0
    assert {rule["outcome"] for rule in body["rules"]} == {"passed"}
    written = done.stdout + "".join(file.read_text() for file in reports.values())
    for client in facts["clients"].values():
        assert client["clientSecret"] not in written


@pytest.mark.parametrize(
    ("name", "chapter"),
    [("double-collection", "Refusals"), ("replay-changed", "Repeats and inquiries"), ("event-lost", "What ECMS hears")],
)
async def test_a_defect_is_caught(name: str, chapter: str, database_server: str) -> None:
    (defect,) = (one for one in DEFECTS if one.name == name)
    verdict = await try_out(defect, database_server, [chapter])
    assert not verdict.trouble
    assert verdict.caught_by
