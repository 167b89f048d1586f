"""What a run is reported as, and what the command says when there is nothing to report. Seconds; needs nothing."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from mutants.defects import DEFECTS, misfits
from mutants.run import PAGE

import connect_gateway
from connect_gateway import conformance
from connect_gateway.conformance.page import page
from connect_gateway.conformance.play import _excerpt_of_answer, _excerpt_of_sent
from connect_gateway.conformance.reports import as_json, junit
from connect_gateway.conformance.results import Run, ScenarioResult, StepResult, rules_of
from connect_gateway.conformance.runner import NotJudged, select
from connect_gateway.conformance.scenarios import Request, Scenario
from connect_gateway.conformance.wire import Answer, Sent

PACKAGE = Path(connect_gateway.__file__).parent


def _scenario(name: str, *rules: str) -> Scenario:
    return Scenario("Chapter & more", name, f"The story of <{name}>", rules, (), (), ())


def _run() -> Run:
    good = ScenarioResult(_scenario("good", "AB-1"), [StepResult("a step", ("AB-2",), [], kept=("AB-3",))])
    bad = ScenarioResult(
        _scenario("bad"),
        [
            StepResult("kept", ("AB-2",), []),
            StepResult("a <step>", ("AB-4",), ["x is 1\x00, expected 2"], "PUT /x\n{}", "500\n\x1b", broken=("AB-3",)),
        ],
    )
    idle = ScenarioResult(_scenario("idle", "AB-5"), reason="needs --ecms")
    results = [good, bad, idle]
    texts = {f"AB-{number}": f"Rule <{number}>" for number in range(1, 7)}
    return Run("http://127.0.0.1:1", "2026-11-22T17:30:00+00:00", 1.5, results, rules_of(results, texts), ["AB-6"])


def test_a_rule_is_broken_where_one_scenario_breaks_it() -> None:
    outcomes = {rule.rule: (rule.outcome, rule.broken_in) for rule in _run().rules}
    assert outcomes == {
        "AB-1": ("passed", []),
        "AB-2": ("passed", []),
        "AB-3": ("failed", ["bad"]),
        "AB-4": ("failed", ["bad"]),
        "AB-5": ("not run", []),
    }


def test_junit() -> None:
    root = ET.fromstring(junit(_run()))  # noqa: S314 - it was written a moment ago
    suites = {suite.get("name"): suite for suite in root}
    assert [suites["Chapter & more"].get(name) for name in ("tests", "failures", "skipped")] == ["3", "1", "1"]
    assert [suites["rules"].get(name) for name in ("tests", "failures", "skipped")] == ["5", "2", "1"]
    failure = suites["Chapter & more"].find("testcase[@name='bad']/failure")
    assert failure is not None
    assert "x is 1\ufffd, expected 2" in (failure.text or "")


def test_the_page_needs_nothing_beside_itself() -> None:
    html = page(_run())
    assert "<!doctype html>" in html
    assert "&lt;step&gt;" in html
    assert "<step>" not in html
    assert all(target.startswith("#") for target in re.findall(r"""(?:src|href)=["']?([^"'> ]*)""", html))
    assert "url(" not in html
    assert "It does not conform" in html
    assert "AB-6" in html


def test_json() -> None:
    body = json.loads(as_json(_run()))
    assert (body["passed"], body["failed"], body["notRun"]) == (1, 1, 1)
    assert body["scenarios"][1]["failures"][0]["differences"] == ["x is 1\x00, expected 2"]
    assert body["scenarios"][2]["reason"] == "needs --ecms"


def test_no_secret_is_shown() -> None:
    form = b"grant_type=refresh_token&client_secret=canary1&refresh_token=canary2"
    sent = Sent("POST", "http://x/token?client_secret=canary3&a=b", {"Authorization": "Bearer canary4"}, form)
    raw = b'{"refresh_token":"canary5","token_type":"bearer","access_token": "canary6"}'
    shown = _excerpt_of_sent(sent) + _excerpt_of_answer(Answer(200, {}, raw, None))
    assert "canary" not in shown
    assert "token_type" in shown


def test_scenarios_are_chosen_by_name_or_chapter() -> None:
    every = [_scenario("collect"), _scenario("collect-exactly"), _scenario("claim")]
    assert [one.name for one in select(every, ["collect"], [])] == ["collect", "collect-exactly"]
    assert [one.name for one in select(every, ["chapter & MORE"], ["collect"])] == ["claim"]
    with pytest.raises(NotJudged, match="no scenario or chapter is called x"):
        select(every, [], ["x"])


def test_a_scenario_knows_whom_it_needs() -> None:
    steps = (Request("pos", "GET", "/"), Request("merchant", "POST", "/"))
    made = Scenario("c", "n", "t", (), steps, (Request("control", "GET", "/"),), ())
    assert made.parties == {"pos", "merchant", "control"}


def test_the_judge_knows_nothing_of_what_it_judges() -> None:
    for file in Path(conformance.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                own = name.startswith("connect_gateway.conformance")
                assert own or not name.startswith("connect_"), f"{file.name} imports {name}"


def test_every_defect_fits_the_source() -> None:
    assert [f"{one.defect.name}: {one.count} times in {one.defect.file}" for one in misfits(PACKAGE)] == []
    assert len({defect.name for defect in DEFECTS}) == len(DEFECTS) >= 25
    for defect in DEFECTS:
        file = PACKAGE / defect.file
        if file.suffix == ".py":
            ast.parse(file.read_text(encoding="utf-8").replace(defect.old, defect.new))


def test_the_page_of_the_protocol_shows_every_defect_as_caught() -> None:
    rows = re.findall(r"^\| ([a-z0-9-]+) \|.*\| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    shown = {name: caught for name, caught in rows if name != "defect"}
    assert shown.keys() == {defect.name for defect in DEFECTS}, "make mutants writes the table"
    assert all(re.fullmatch("`[a-z0-9-]+`(, `[a-z0-9-]+`)*", caught) for caught in shown.values())


@pytest.mark.parametrize(
    ("credentials", "options", "said"),
    [
        (None, (), "cannot be read"),
        ("[]", (), "no object of clients"),
        ("{}", ("--only", "nothing"), "no scenario or chapter is called nothing"),
        ("{}", ("--ecms", "http://127.0.0.1:1"), "belong together"),
        ('{"kiosk":{"clientId":"k","clientSecret":"canary"}}', (), "127.0.0.1:1"),
    ],
)
def test_a_gateway_that_cannot_be_judged(
    tmp_path: Path, credentials: str | None, options: tuple[str, ...], said: str
) -> None:
    file = tmp_path / "credentials.json"
    if credentials is not None:
        file.write_text(credentials)
    command = [sys.executable, "-m", "connect_gateway", "conformance", "--url", "http://127.0.0.1:1"]
    done = subprocess.run(
        [*command, "--credentials", str(file), *options], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert "canary" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
