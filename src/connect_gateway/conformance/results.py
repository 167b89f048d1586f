"""What a run found out: by step, by scenario and by rule."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from connect_gateway.conformance.scenarios import Pack, Scenario

Outcome = Literal["passed", "failed", "not run"]


@dataclass(slots=True)
class StepResult:
    """One step as it was played. `sent` and `answered` are excerpts for people, without any secret."""

    title: str
    rules: tuple[str, ...]
    differences: list[str]
    sent: str = ""
    answered: str = ""
    ms: float = 0.0
    broken: tuple[str, ...] = ()
    """Standing rules that the answer broke, beside the step's own."""
    kept: tuple[str, ...] = ()
    """Standing rules that the answer was looked at for and kept."""

    @property
    def passed(self) -> bool:
        return not self.differences


@dataclass(slots=True)
class ScenarioResult:
    """One scenario as it was played; `reason` says why it was not run."""

    scenario: Scenario
    steps: list[StepResult] = field(default_factory=list)
    reason: str = ""
    seconds: float = 0.0

    @property
    def outcome(self) -> Outcome:
        if self.reason:
            return "not run"
        return "passed" if all(step.passed for step in self.steps) else "failed"

    @property
    def failures(self) -> list[StepResult]:
        return [step for step in self.steps if not step.passed]


@dataclass(slots=True)
class RuleResult:
    """One rule: which scenarios looked at it, and which of them found it broken."""

    rule: str
    text: str
    scenarios: list[str] = field(default_factory=list)
    broken_in: list[str] = field(default_factory=list)
    judged: bool = False

    @property
    def outcome(self) -> Outcome:
        if self.broken_in:
            return "failed"
        return "passed" if self.judged else "not run"


@dataclass(slots=True)
class Run:
    """A whole run."""

    url: str
    started: str
    seconds: float
    scenarios: list[ScenarioResult]
    rules: list[RuleResult]
    unjudged: list[str]
    """Rules of the specification that no scenario looks at: those of tills, of paper, of operating."""

    def count(self, outcome: Outcome) -> int:
        """How many scenarios came out so."""
        return sum(one.outcome == outcome for one in self.scenarios)

    def chapters(self) -> Iterator[tuple[str, list[ScenarioResult]]]:
        """The scenarios by chapter, in the order of play."""
        chapters: dict[str, list[ScenarioResult]] = {}
        for one in self.scenarios:
            chapters.setdefault(one.scenario.chapter, []).append(one)
        yield from chapters.items()


def rules_of(results: Sequence[ScenarioResult], texts: dict[str, str]) -> list[RuleResult]:
    """Every rule that was cited, in the order of the specification."""
    found: dict[str, RuleResult] = {}
    for result in results:
        for rule in sorted(result.scenario.cited):
            _rule(found, texts, rule).scenarios.append(result.scenario.name)
        if result.outcome == "not run":
            continue
        for rule in result.scenario.rules:
            _note(_rule(found, texts, rule), result, broken=result.outcome == "failed")
        for step in result.steps:
            for rule in step.rules:
                _note(_rule(found, texts, rule), result, broken=not step.passed)
            for rule in step.kept:
                _note(_rule(found, texts, rule), result, broken=False)
            for rule in step.broken:
                _note(_rule(found, texts, rule), result, broken=True)
    order = {rule: place for place, rule in enumerate(texts)}
    return sorted(found.values(), key=lambda one: (order.get(one.rule, len(order)), _key(one.rule)))


def _rule(found: dict[str, RuleResult], texts: dict[str, str], rule: str) -> RuleResult:
    return found.setdefault(rule, RuleResult(rule, texts.get(rule, "")))


def _note(rule: RuleResult, result: ScenarioResult, *, broken: bool) -> None:
    rule.judged = True
    name = result.scenario.name
    if broken and name not in rule.broken_in:
        rule.broken_in.append(name)


def _key(rule: str) -> tuple[str, int]:
    family, _, number = rule.partition("-")
    return family, int(number)


def unjudged(pack: Pack, texts: dict[str, str]) -> list[str]:
    """The specification's rules that no scenario cites."""
    cited = {rule for scenario in pack.scenarios for rule in scenario.cited}
    cited.update(rule for one in pack.standing.values() for rule in one.rules)
    return [rule for rule in texts if rule not in cited]
