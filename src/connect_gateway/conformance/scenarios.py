"""Scenario files: read, checked, and expanded into plain steps before anything is sent.

A file may use fragments (`fragments.json`), and a step may stand for many (`each`); both are worked out here, so that
what is played and reported is a flat list of requests.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

FRAGMENTS = "fragments.json"
STANDING = "standing.json"
PARTIES = ("pos", "kiosk", "app", "ecms", "admin", "nobody", "merchant", "control")
"""Who can send: clients of the gateway, `nobody` without a token, ECMS's merchant and its control port."""

AT_ECMS = frozenset({"merchant", "control"})

_RULE = re.compile(r"[A-Z]{2,8}-[0-9]{1,3}")
_PARAMETER = re.compile(r"<([a-zA-Z]+)>")
_REQUEST_KEYS = frozenset(
    {
        "who",
        "send",
        "body",
        "form",
        "raw",
        "headers",
        "token",
        "expect",
        "as",
        "note",
        "rules",
        "within",
        "anew",
        "goOn",
    }
)
_GROUP_KEYS = frozenset({"parallel", "times", "expect", "keep", "note", "rules"})
_EXPECT_KEYS = frozenset(
    {"status", "headers", "body", "problem", "verdict", "sameAs", "contains", "lacks", "lines", "empty", "type"}
)
_SCENARIO_KEYS = frozenset({"name", "title", "rules", "steps", "later", "finally"})


class ScenarioError(Exception):
    """A scenario file that cannot be played; the message says which scenario and why."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request and what is expected of its answer. `path` and all values may hold variables."""

    who: str
    method: str
    path: str
    body: Any = None
    form: Mapping[str, str] | None = None
    raw: Any = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    token: str | None = None
    expect: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    note: str = ""
    rules: tuple[str, ...] = ()
    within: bool = False
    """Whether the request is sent again until the answer is as expected, for as long as the patience lasts."""
    anew: tuple[str, ...] = ()
    """Variables that are made up afresh whenever the request is sent again."""
    go_on: bool = False
    """Whether the scenario goes on when this step fails: one of many samples that stand for themselves."""


@dataclass(frozen=True, slots=True)
class Group:
    """Requests that are sent at once, all of them `times` times, and what is expected of their answers together."""

    requests: tuple[Request, ...]
    times: int
    expect: Mapping[str, Any]
    keep: Mapping[str, int]
    """Names under which the one answer with a status is kept."""
    note: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Let:
    """Names for values."""

    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wait:
    """Time for something that nobody can see from outside, such as an attempt that fails."""

    seconds: float


Step = Request | Group | Let | Wait


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story with its steps; `later` is looked at once every scenario was played, `finally_` whatever happened."""

    chapter: str
    name: str
    title: str
    rules: tuple[str, ...]
    steps: tuple[Step, ...]
    later: tuple[Request, ...]
    finally_: tuple[Step, ...]

    @property
    def parties(self) -> frozenset[str]:
        """Whoever has a part in it."""
        every = [*_requests(self.steps), *self.later, *_requests(self.finally_)]
        return frozenset(request.who for request in every)

    @property
    def cited(self) -> frozenset[str]:
        """Every rule that the scenario judges."""
        cited = set(self.rules)
        for step in (*self.steps, *self.later):
            if isinstance(step, Request | Group):
                cited.update(step.rules)
        return frozenset(cited)


@dataclass(frozen=True, slots=True)
class Standing:
    """Something that holds of every answer, and the rules that say so."""

    name: str
    title: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pack:
    """All scenarios in the order of play, and what holds always."""

    scenarios: tuple[Scenario, ...]
    standing: Mapping[str, Standing]


def installed() -> Traversable:
    """Where the installed scenario files are."""
    return files("connect_protocol") / "scenarios"


def load_pack(directory: Traversable) -> Pack:
    """Every scenario file of a directory, in the order of their names. ScenarioError where one cannot be read."""
    fragments = _read(directory / FRAGMENTS)
    standing = {
        name: Standing(name, value["title"], _rules_of(value, name))
        for name, value in _read(directory / STANDING).items()
    }
    names = sorted(one.name for one in directory.iterdir() if one.name.endswith(".json"))
    scenarios: list[Scenario] = []
    for name in names:
        if name not in (FRAGMENTS, STANDING):
            scenarios += load_chapter(_read(directory / name), fragments)
    seen: set[str] = set()
    for scenario in scenarios:
        if scenario.name in seen:
            raise ScenarioError(f"two scenarios are named {scenario.name}")
        seen.add(scenario.name)
    return Pack(tuple(scenarios), standing)


def load_chapter(data: Mapping[str, Any], fragments: Mapping[str, Any]) -> list[Scenario]:
    """The scenarios of one file's content."""
    return [_scenario(data["title"], one, fragments) for one in data["scenarios"]]


def _read(file: Traversable) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ScenarioError(f"{file.name} cannot be read: {error}") from error


def _scenario(chapter: str, data: Mapping[str, Any], fragments: Mapping[str, Any]) -> Scenario:
    name = data.get("name", "a scenario without a name")
    _only(data, _SCENARIO_KEYS, name)
    expand = _Expander(name, fragments)
    later = tuple(expand.steps(data.get("later", [])))
    if not all(isinstance(step, Request) for step in later):
        raise ScenarioError(f"{name}: what is looked at later are single requests")
    return Scenario(
        chapter=chapter,
        name=name,
        title=data["title"],
        rules=_rules_of(data, name),
        steps=tuple(expand.steps(data["steps"])),
        later=tuple(step for step in later if isinstance(step, Request)),
        finally_=tuple(expand.steps(data.get("finally", []))),
    )


class _Expander:
    """Turns the steps of one scenario into requests."""

    def __init__(self, scenario: str, fragments: Mapping[str, Any]) -> None:
        self._scenario = scenario
        self._fragments = fragments

    def steps(self, raw: list[Any]) -> Iterator[Step]:
        for step in raw:
            yield from self._step(step)

    def _step(self, step: Mapping[str, Any]) -> Iterator[Step]:
        if "each" in step:
            rest = {key: value for key, value in step.items() if key != "each"}
            for sample in step["each"]:
                yield from self._step({"goOn": True, **_fill(rest, sample)})
        elif "use" in step:
            yield from self.steps(self._used(step))
        elif "let" in step:
            yield Let(step["let"])
        elif "wait" in step:
            yield Wait(step["wait"])
        elif "parallel" in step:
            yield self._group(step)
        else:
            yield self._request(step)

    def _used(self, step: Mapping[str, Any]) -> list[Any]:
        """The steps of a fragment, the last one with what this step says beyond."""
        name = step["use"]
        if name not in self._fragments:
            raise ScenarioError(f"{self._scenario}: there is no fragment {name}")
        fragment = self._fragments[name]
        given = step.get("with", {})
        known = fragment.get("parameters", {})
        if not given.keys() <= known.keys():
            raise ScenarioError(f"{self._scenario}: {name} has no parameter {', '.join(given.keys() - known.keys())}")
        missing = [key for key, value in known.items() if value is None and key not in given]
        if missing:
            raise ScenarioError(f"{self._scenario}: {name} needs {', '.join(missing)}")
        # A default may name another parameter.
        values = _fill(known | given, known | given)
        steps = [_fill(one, values) for one in fragment["steps"]]
        extra = {key: value for key, value in step.items() if key not in ("use", "with")}
        if extra:
            steps[-1] = _merged(steps[-1], extra)
        return steps

    def _group(self, step: Mapping[str, Any]) -> Group:
        _only(step, _GROUP_KEYS, self._scenario)
        requests = []
        for one in self.steps(step["parallel"]):
            if not isinstance(one, Request):
                raise ScenarioError(f"{self._scenario}: only requests can be sent at once")
            requests.append(one)
        return Group(
            requests=tuple(requests),
            times=step.get("times", 1),
            expect=step.get("expect", {}),
            keep=step.get("keep", {}),
            note=step.get("note", ""),
            rules=_rules_of(step, self._scenario),
        )

    def _request(self, step: Mapping[str, Any]) -> Request:
        _only(step, _REQUEST_KEYS, self._scenario)
        expect = step.get("expect", {})
        _only(expect, _EXPECT_KEYS, self._scenario)
        if step.get("who") not in PARTIES:
            raise ScenarioError(f"{self._scenario}: nobody is called {step.get('who')}")
        method, _, path = step["send"].partition(" ")
        return Request(
            who=step["who"],
            method=method,
            path=path,
            body=step.get("body"),
            form=step.get("form"),
            raw=step.get("raw"),
            headers=step.get("headers", {}),
            token=step.get("token"),
            expect=expect,
            name=step.get("as"),
            note=step.get("note", ""),
            rules=_rules_of(step, self._scenario),
            within=step.get("within", False),
            anew=tuple(step.get("anew", ())),
            go_on=step.get("goOn", False),
        )


def _requests(steps: tuple[Step, ...]) -> Iterator[Request]:
    for step in steps:
        if isinstance(step, Request):
            yield step
        elif isinstance(step, Group):
            yield from step.requests


def _rules_of(data: Mapping[str, Any], where: str) -> tuple[str, ...]:
    rules = tuple(data.get("rules", ()))
    for rule in rules:
        if _RULE.fullmatch(rule) is None:
            raise ScenarioError(f"{where}: {rule!r} is no rule's number")
    return rules


def _only(data: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    unknown = data.keys() - known
    if unknown:
        raise ScenarioError(f"{where}: {', '.join(sorted(unknown))} means nothing there")


def _merged(base: Any, extra: Mapping[str, Any]) -> Any:
    """A step with another one's additions: objects are merged, a list of rules grows, null takes a member away."""
    made = dict(base)
    for key, value in extra.items():
        if value is None:
            made.pop(key, None)
        elif key == "rules":
            made[key] = [*made.get(key, []), *value]
        elif isinstance(value, Mapping) and isinstance(made.get(key), Mapping) and not _is_matcher(value):
            made[key] = _merged(made[key], value)
        else:
            made[key] = value
    return made


def _is_matcher(value: Mapping[str, Any]) -> bool:
    return any(key.startswith("$") for key in value)


def _fill(template: Any, values: Mapping[str, Any]) -> Any:
    """A template with the `<name>` of each value in its place; a text that is nothing else takes the value's type."""
    if isinstance(template, str):
        whole = _PARAMETER.fullmatch(template)
        if whole is not None and whole[1] in values:
            return values[whole[1]]
        return _PARAMETER.sub(lambda found: str(values.get(found[1], found[0])), template)
    if isinstance(template, Mapping):
        return {_fill(key, values): _fill(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [_fill(value, values) for value in template]
    return template
