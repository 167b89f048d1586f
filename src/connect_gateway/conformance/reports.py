"""A run as text, as JUnit XML and as JSON."""

import json
from collections.abc import Callable, Iterable
from typing import Any
from xml.etree import ElementTree as ET

from rich.console import Console
from rich.table import Table
from rich.text import Text

from connect_gateway.conformance.results import Outcome, RuleResult, Run, ScenarioResult, StepResult

_STYLE: dict[Outcome, str] = {"passed": "green", "failed": "bold red", "not run": "yellow"}


def print_run(run: Run, console: Console) -> None:
    """The verdict for people: chapters, what failed and why, rules, totals."""
    table = Table(box=None, pad_edge=False)
    table.add_column("chapter")
    for name in ("passed", "failed", "not run"):
        table.add_column(name, justify="right")
    for chapter, results in run.chapters():
        counts = [sum(one.outcome == outcome for one in results) for outcome in _STYLE]
        table.add_row(chapter, *(str(count or "") for count in counts))
    console.print(table)

    def say(line: str, style: str = "") -> None:
        # Wrapped by the terminal alone: what was sent and answered is to be searched and copied as it is.
        console.print(Text(line, style=style), soft_wrap=True)

    for result in run.scenarios:
        if result.outcome == "failed":
            _print_failure(result, say)
    not_run = [result for result in run.scenarios if result.outcome == "not run"]
    if not_run:
        say("\nnot run:", _STYLE["not run"])
    for result in not_run:
        say(f"  {result.scenario.name}: {result.reason}")
    broken = [rule for rule in run.rules if rule.outcome == "failed"]
    if broken:
        say("\nrules broken:", _STYLE["failed"])
    for rule in broken:
        say(f"  {rule.rule} {rule.text}\n    in {', '.join(rule.broken_in)}")
    say("\n" + summary(run), _STYLE["failed" if run.count("failed") else "passed"])


def summary(run: Run) -> str:
    """The run in a line."""
    rules = {outcome: sum(rule.outcome == outcome for rule in run.rules) for outcome in _STYLE}
    return (
        f"{run.count('passed')} scenarios passed, {run.count('failed')} failed, {run.count('not run')} not run;"
        f" {rules['passed']} rules kept, {rules['failed']} broken, {rules['not run']} not judged; {run.seconds:.1f} s"
    )


def _print_failure(result: ScenarioResult, say: Callable[[str, str], None]) -> None:
    scenario = result.scenario
    say(f"\nFAILED {scenario.name}: {scenario.title}", _STYLE["failed"])
    for step in result.failures:
        say("  " + _heading(step), "")
        for difference in step.differences:
            say("    - " + difference, "")
        for excerpt in (step.sent, step.answered):
            if excerpt:
                say("      " + excerpt.replace("\n", "\n      "), "dim")


def _heading(step: StepResult) -> str:
    rules = sorted({*step.rules, *step.broken})
    return f"{step.title}  [{', '.join(rules)}]" if rules else step.title


def junit(run: Run) -> bytes:
    """JUnit XML: a suite for each chapter with its scenarios, and one with the rules."""
    root = ET.Element("testsuites", name="conformance", time=f"{run.seconds:.3f}")
    for chapter, results in run.chapters():
        suite = _suite(root, chapter, [result.outcome for result in results], run.started)
        for result in results:
            scenario = result.scenario
            case = ET.SubElement(suite, "testcase", classname=chapter, name=scenario.name, time=f"{result.seconds:.3f}")
            _outcome(case, result.outcome, _failure_text(result), result.reason)
    suite = _suite(root, "rules", [rule.outcome for rule in run.rules], run.started)
    for rule in run.rules:
        case = ET.SubElement(suite, "testcase", classname="rules", name=rule.rule, time="0")
        _outcome(case, rule.outcome, f"{rule.text}\nbroken in {', '.join(rule.broken_in)}", "no scenario came to it")
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _suite(root: ET.Element, name: str, outcomes: list[Outcome], started: str) -> ET.Element:
    return ET.SubElement(
        root,
        "testsuite",
        name=name,
        timestamp=started,
        tests=str(len(outcomes)),
        failures=str(outcomes.count("failed")),
        skipped=str(outcomes.count("not run")),
        errors="0",
    )


def _outcome(case: ET.Element, outcome: Outcome, failure: str, reason: str) -> None:
    if outcome == "failed":
        element = ET.SubElement(case, "failure", message=_xml_text(failure.partition("\n")[0]))
        element.text = _xml_text(failure)
    elif outcome == "not run":
        ET.SubElement(case, "skipped", message=reason)


def _failure_text(result: ScenarioResult) -> str:
    lines: list[str] = []
    for step in result.failures:
        lines += [_heading(step), *("- " + difference for difference in step.differences), step.sent, step.answered]
    return "\n".join(line for line in lines if line)


def _xml_text(text: str) -> str:
    """Without what XML 1.0 cannot hold."""
    return "".join(character if character >= " " or character in "\n\t" else "�" for character in text)


def as_json(run: Run) -> str:
    """The run for programs."""
    body = {
        "url": run.url,
        "started": run.started,
        "seconds": round(run.seconds, 3),
        "passed": run.count("passed"),
        "failed": run.count("failed"),
        "notRun": run.count("not run"),
        "scenarios": [_scenario_json(result) for result in run.scenarios],
        "rules": [_rule_json(rule) for rule in run.rules],
        "unjudged": run.unjudged,
    }
    return json.dumps(body, ensure_ascii=False, indent=1) + "\n"


def _scenario_json(result: ScenarioResult) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": result.scenario.name,
        "chapter": result.scenario.chapter,
        "title": result.scenario.title,
        "outcome": result.outcome,
        "seconds": round(result.seconds, 3),
        "rules": sorted(result.scenario.cited),
    }
    if result.reason:
        made["reason"] = result.reason
    if result.outcome == "failed":
        made["failures"] = list(_failures_json(result.failures))
    return made


def _failures_json(steps: Iterable[StepResult]) -> Iterable[dict[str, Any]]:
    for step in steps:
        yield {
            "step": step.title,
            "rules": sorted({*step.rules, *step.broken}),
            "differences": step.differences,
            "sent": step.sent,
            "answered": step.answered,
        }


def _rule_json(rule: RuleResult) -> dict[str, Any]:
    return {
        "rule": rule.rule,
        "outcome": rule.outcome,
        "text": rule.text,
        "scenarios": rule.scenarios,
        "brokenIn": rule.broken_in,
    }
