"""The certification's page and reports say what the certification does. Milliseconds."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from mutants import till_run
from mutants.till_mutants import TILL_MUTANTS

from connect_gateway.certification.driving import PLACEHOLDERS, Done, Shown
from connect_gateway.certification.exercises import EXERCISES, exercise_table
from connect_gateway.certification.figures import SPECIFIED, Figures
from connect_gateway.certification.jobs import Parcel
from connect_gateway.certification.page import as_page
from connect_gateway.certification.playing import Result
from connect_gateway.certification.reports import Report, as_json, as_junit
from connect_gateway.certification.seen import Check, Seen
from connect_gateway.certification.traffic import Ending, Kind, Traffic
from connect_gateway.certification.wire import Answer

PROTOCOL = Path(__file__).resolve().parents[2] / "protocol"
PAGE = (PROTOCOL / "CERTIFICATION.md").read_text(encoding="utf-8")
SPEC = (PROTOCOL / "SPEC.md").read_text(encoding="utf-8")


def rules() -> set[str]:
    return set(re.findall(r"^- \*\*([A-Z]{3}-\d+)\*\*", SPEC + PAGE, re.MULTILINE))


def test_the_page_has_every_exercise() -> None:
    block = PAGE.partition("<!-- generated: exercises -->\n")[2].partition("\n<!-- end of generated -->")[0]
    assert block == exercise_table()


def test_every_rule_that_is_cited_exists() -> None:
    cited = {rule for exercise in EXERCISES.values() for rule in exercise.rules}
    source = Path(till_run.__file__).parents[2] / "src" / "connect_gateway" / "certification"
    for file in source.glob("checks_of_*.py"):
        cited |= set(re.findall(r'"([A-Z]{3}-\d+)"', file.read_text(encoding="utf-8")))
    assert len(cited) > 25
    assert cited <= rules()
    assert {f"TIL-{number}" for number in range(1, 8)} <= cited
    assert {rule for rule in rules() if rule.startswith("CER-")} <= cited


def test_the_rules_of_the_page_are_numbered_and_each_has_one_must() -> None:
    found = re.findall(r"^- \*\*CER-(\d+)\*\* (.*?)(?=^- \*\*|^\s*$)", PAGE, re.MULTILINE | re.DOTALL)
    assert [int(number) for number, _ in found] == list(range(1, len(found) + 1))
    assert all(text.count("MUST") == 1 for _, text in found)


def test_the_page_has_every_placeholder_and_the_figures() -> None:
    assert all(f"`{{{name}}}`" in PAGE for name in PLACEHOLDERS)
    assert f"after {SPECIFIED.job_s:g} s" in PAGE
    for shown in ("| 5 s, for the whole answer |", "| 0.5, 1, 2, 4, 4 … s |", "| until 30 s after it began |"):
        assert shown in PAGE


def test_each_changed_till_fits_its_place_and_is_on_the_page() -> None:
    assert till_run.misfits() == {}
    assert all(mutant.caught_by and set(mutant.caught_by) <= set(EXERCISES) for mutant in TILL_MUTANTS)
    names = [mutant.name for mutant in TILL_MUTANTS]
    assert len(names) == len(set(names)) >= 10
    block = PAGE.partition("<!-- generated: tills -->\n")[2].partition("\n<!-- end of generated -->")[0]
    assert block == till_run.table(), "run: python -m mutants.till_run --write, from tests/"


@pytest.fixture
async def report() -> Report:
    """A report with a failed exercise, and with what a till might do to a page."""
    evil = "<script>alert('\x1b[31m')</script>"
    traffic = Traffic()
    traffic.note(f"the clerk does {evil}")
    path = "/pos/v1/transactions/0f0e0d0c-0000-4000-8000-00000000000a"
    exchange = traffic.begin("PUT", path, {"Authorization": "Bearer secret"}, b'{"reference": "' + evil.encode())
    exchange.fault = "half of the answer comes"
    traffic.end(exchange, Ending.CUT)
    again = traffic.begin("PUT", path, {}, b"{}")
    traffic.end(again, Ending.ANSWERED, Answer(201, {}, b"", {"state": "APPROVED"}))
    other = traffic.begin("GET", f"/{evil}", {}, b"")
    traffic.end(other, Ending.LEFT)
    assert [each.kind for each in traffic.exchanges] == [Kind.TRANSACTION, Kind.TRANSACTION, Kind.OTHER]
    seen = Seen(
        EXERCISES["answer-cut"], SPECIFIED, Parcel("1", "2", "3.00"), traffic, {0: Done((Shown("KEEP", evil),))}, {}
    )
    checks = (
        Check(("TIL-3", "TIL-4"), "good", True),
        Check(("TIL-4",), "bad", False, evil),
        Check(("GEN-16",), "unseen", None, "no verdict"),
    )
    results = [Result(seen, checks, 1.5)]
    return Report(["./till", "{action}", evil], Figures(timeout_s=1), datetime(2026, 11, 22, tzinfo=UTC), 2.0, results)


async def test_the_report_as_junit(report: Report) -> None:
    suite = ET.fromstring(as_junit(report))  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert str(failure.get("message")).startswith("TIL-4: bad; found: <script>")


async def test_the_report_as_json(report: Report) -> None:
    written = json.dumps(as_json(report))
    read = json.loads(written)
    assert (read["passed"], read["asSpecified"], read["figures"]["timeoutS"]) == (False, False, 1)
    (exercise,) = read["exercises"]
    assert exercise["name"] == "answer-cut"
    assert [check["passed"] for check in exercise["checks"]] == [True, False, None]
    assert [each["ending"] for each in exercise["exchanges"]] == ["cut", "answered", "left"]
    assert "secret" not in written


async def test_the_report_as_a_page(report: Report) -> None:
    page = as_page(report)
    assert "NOT PASSED: 1 of 1 exercises failed" in page
    assert "<script" not in page
    assert "\x1b" not in page
    assert page.count("<svg") == page.count("</svg>") == 1
    assert not re.search(r'(?:src|href)="(?!#)', page)
    assert '<td><code>TIL-4</code></td><td><span class="bad">✗ <a href="#answer-cut">' in page
    ET.fromstring(re.search("<svg.*</svg>", page, re.DOTALL)[0])  # type: ignore[index]  # noqa: S314 - our own
