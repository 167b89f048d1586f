"""What a certification came to: on the terminal, as JSON and as JUnit XML."""

import contextlib
import importlib.metadata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.etree import ElementTree as ET

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from connect_gateway.certification.exercises import CHAPTERS, Exercise
from connect_gateway.certification.figures import SPECIFIED, Figures
from connect_gateway.certification.playing import Result
from connect_gateway.certification.seen import Check
from connect_gateway.certification.traffic import exchange_json
from connect_gateway.clock import PHILIPPINE_TIME

REHEARSAL = "played with other figures than the specification's"


@dataclass(frozen=True, slots=True)
class Report:
    """A whole certification: the till's command, its figures, and what came of each exercise."""

    till: Sequence[str]
    figures: Figures
    began_at: datetime
    seconds: float
    results: Sequence[Result]

    @property
    def passed(self) -> bool:
        """Whether nothing was found against the till."""
        return all(result.passed for result in self.results)

    @property
    def as_specified(self) -> bool:
        """Whether the till was played with the figures of the specification."""
        return self.figures == SPECIFIED

    @property
    def version(self) -> str:
        """The gateway's version."""
        return importlib.metadata.version("connect-gateway")

    def by_chapter(self) -> Iterator[tuple[str, list[Result]]]:
        """The results under the headings of their exercises."""
        for chapter, exercises in CHAPTERS.items():
            found = [result for result in self.results if result.exercise in exercises]
            if found:
                yield chapter, found

    def by_rule(self) -> dict[str, list[tuple[Result, Check]]]:
        """Every opinion under the rules that it rests on."""
        found: dict[str, list[tuple[Result, Check]]] = {}
        for result in self.results:
            for check in result.checks:
                for rule in check.rules:
                    found.setdefault(rule, []).append((result, check))
        return dict(sorted(found.items(), key=lambda item: _in_order(item[0])))


class Screen:
    """Tells of the exercises as they end, with a bar of progress where there is a terminal."""

    def __init__(self, console: Console, count: int) -> None:
        self._console = console
        self._under_way: list[str] = []
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._bar = self._progress.add_task("starting a gateway", total=count)

    @contextlib.contextmanager
    def showing(self, *, bar: bool) -> Iterator[None]:
        """Shows the bar while the block runs, if it is wanted and there is a terminal."""
        if not (bar and self._console.is_terminal):
            yield
            return
        with self._progress:
            yield

    def begun(self, exercise: Exercise) -> None:
        """An exercise begins."""
        self._under_way.append(exercise.name)
        self._describe()

    def ended(self, result: Result) -> None:
        """An exercise has ended."""
        self._under_way.remove(result.exercise.name)
        self._describe()
        self._progress.advance(self._bar)
        mark, style = ("✓", "green") if result.passed else ("✗", "red")
        line = Text.assemble(
            (f"{mark} ", style),
            (f"{result.exercise.name:<22} ", "bold"),
            f"{result.exercise.title}  ",
            (f"{result.seconds:.1f} s", "dim"),
        )
        self._console.print(line)
        for check in result.checks:
            if check.passed is not True:
                self._console.print(_line_of(check))

    def summary(self, report: Report) -> None:
        """The last words."""
        failed = sum(not result.passed for result in report.results)
        unseen = {check.claim for result in report.results for check in result.checks if check.passed is None}
        self._console.print()
        if unseen:
            self._console.print(f"The till showed no verdict in {len(unseen)} places; nothing was judged there.")
        if not report.as_specified:
            self._console.print(f"A rehearsal: {REHEARSAL}.")
        last = f"{len(report.results) - failed} passed, {failed} failed"
        self._console.print(last, style="red" if failed else "green")

    def _describe(self) -> None:
        self._progress.update(self._bar, description=", ".join(self._under_way) or "done")


def as_json(report: Report) -> dict[str, Any]:
    """The whole report as one object."""
    return {
        "till": list(report.till),
        "gateway": report.version,
        "beganAt": report.began_at.astimezone(PHILIPPINE_TIME).isoformat(timespec="seconds"),
        "seconds": round(report.seconds, 1),
        "figures": report.figures.as_json(),
        "asSpecified": report.as_specified,
        "passed": report.passed,
        "exercises": [_result_json(result) for result in report.results],
    }


def as_junit(report: Report) -> bytes:
    """The report as JUnit XML: a test case for each exercise."""
    failed = sum(not result.passed for result in report.results)
    suite = ET.Element(
        "testsuite",
        name="certification of a till",
        tests=str(len(report.results)),
        failures=str(failed),
        errors="0",
        time=f"{report.seconds:.3f}",
        timestamp=report.began_at.isoformat(timespec="seconds"),
    )
    for chapter, results in report.by_chapter():
        for result in results:
            case = ET.SubElement(
                suite, "testcase", classname=chapter, name=result.exercise.name, time=f"{result.seconds:.3f}"
            )
            if result.failures:
                first = result.failures[0]
                text = "\n".join(_plain(check) for check in result.failures)
                failure = ET.SubElement(case, "failure", message=printable(_plain(first)))
                failure.text = printable(text)
    ET.indent(suite)
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(suite, encoding="unicode").encode()


def printable(text: str) -> str:
    """Without what XML has no place for: a till may have sent anything."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "�" for sign in text)


def _result_json(result: Result) -> dict[str, Any]:
    seen = result.seen
    return {
        "name": result.exercise.name,
        "title": result.exercise.title,
        "rules": list(result.exercise.rules),
        "passed": result.passed,
        "seconds": round(result.seconds, 1),
        "checks": [check.as_json() for check in result.checks],
        "ledger": dict(seen.ledger),
        "notes": [{"atS": round(note.at_s, 3), "step": note.step, "text": note.text} for note in seen.traffic.notes],
        "exchanges": [exchange_json(exchange) for exchange in seen.traffic.exchanges],
    }


def _line_of(check: Check) -> Text:
    mark, style = ("✗", "red") if check.passed is False else ("?", "yellow")
    found = f": {check.found}" if check.found else ""
    return Text(f"    {mark} {' '.join(check.rules)}  {printable(check.claim + found)}", style=style)


def _plain(check: Check) -> str:
    return f"{' '.join(check.rules)}: {check.claim}; found: {check.found or 'otherwise'}"


def _in_order(rule: str) -> tuple[str, int]:
    chapter, _, number = rule.partition("-")
    return chapter, int(number)


def rules_of(checks: Iterable[Check]) -> list[str]:
    """The rules that opinions rest on, each once, in order."""
    return sorted({rule for check in checks for rule in check.rules}, key=_in_order)
