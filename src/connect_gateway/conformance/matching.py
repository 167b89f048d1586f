"""Expectations: what an answer should be, compared with what it is.

An expected object is a subset of the real one, since additions break nobody; a list has as many elements as expected;
an object with a `$` member is a matcher (`_MATCHERS`, described in `protocol/CONFORMANCE.md`).
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

Differences = list[str]

_SHORT = 160


def differences(expected: Any, actual: Any, path: str = "body") -> Differences:
    """What of `actual` is not as expected, in sentences; empty where all is."""
    if isinstance(expected, Mapping):
        matcher = next((key for key in expected if key.startswith("$")), None)
        if matcher is not None:
            return _MATCHERS[matcher](expected, actual, path)
        return _object(expected, actual, path)
    if isinstance(expected, list):
        return _list(expected, actual, path)
    if type(expected) is not type(actual) or expected != actual:
        return [f"{path} is {short(actual)}, expected {short(expected)}"]
    return []


def short(value: Any) -> str:
    """A value in few words."""
    text = repr(value)
    return text if len(text) <= _SHORT else text[: _SHORT - 1] + "…"


class _Absent:
    """Stands for a member that is not there."""

    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent()


def _object(expected: Mapping[str, Any], actual: Any, path: str) -> Differences:
    if not isinstance(actual, Mapping):
        return [f"{path} is {short(actual)}, expected an object"]
    found: Differences = []
    for key, value in expected.items():
        found += differences(value, actual.get(key, ABSENT), f"{path}.{key}")
    return found


def _list(expected: list[Any], actual: Any, path: str) -> Differences:
    if not isinstance(actual, list) or len(actual) != len(expected):
        return [f"{path} is {short(actual)}, expected a list of {len(expected)}"]
    found: Differences = []
    for index, (one, other) in enumerate(zip(expected, actual, strict=True)):
        found += differences(one, other, f"{path}[{index}]")
    return found


def _like(expected: Mapping[str, Any], actual: Any, path: str) -> Differences:
    if isinstance(actual, str) and re.fullmatch(expected["$like"], actual, re.DOTALL) is not None:
        return []
    return [f"{path} is {short(actual)}, expected a text like {expected['$like']}"]


def _absent(_: Mapping[str, Any], actual: Any, path: str) -> Differences:
    return [] if actual is ABSENT else [f"{path} is {short(actual)}, expected none"]


def _not(expected: Mapping[str, Any], actual: Any, path: str) -> Differences:
    return [f"{path} is {short(actual)}, expected another"] if actual == expected["$not"] else []


def _one_of(expected: Mapping[str, Any], actual: Any, path: str) -> Differences:
    return [] if actual in expected["$oneOf"] else [f"{path} is {short(actual)}, expected one of {expected['$oneOf']}"]


def _length(expected: Mapping[str, Any], actual: Any, path: str) -> Differences:
    length = len(actual) if isinstance(actual, list | str) else None
    return [] if length == expected["$length"] else [f"{path} has length {length}, expected {expected['$length']}"]


def _next(expected: Mapping[str, Any], actual: Any, path: str) -> Differences:
    wanted = after(expected["$next"])
    return [] if actual == wanted else [f"{path} is {short(actual)}, expected {wanted}, the number that follows"]


def _last(expected: Mapping[str, Any], actual: Any, path: str) -> Differences:
    wanted = expected["of"][-expected["$last"] :]
    return [] if actual == wanted else [f"{path} is {short(actual)}, expected {wanted}"]


def _digits(expected: Mapping[str, Any], actual: Any, path: str) -> Differences:
    wanted = expected["$digits"]
    same = isinstance(actual, str) and re.sub("[^0-9]", "", actual) == re.sub("[^0-9]", "", wanted)
    return [] if same else [f"{path} is {short(actual)}, expected {wanted}"]


def _filter(expected: Mapping[str, Any], actual: Any, path: str) -> Differences:
    if not isinstance(actual, list):
        return [f"{path} is {short(actual)}, expected a list"]
    chosen = [one for one in actual if not differences(expected["$filter"], one)]
    found = _list(expected["$is"], chosen, f"{path} with {expected['$filter']}")
    if found and len(chosen) != len(expected["$is"]):
        said = [one.get("status", one) if isinstance(one, Mapping) else one for one in chosen]
        return [f"{path} with {expected['$filter']} is {short(said)}, expected {len(expected['$is'])} of them"]
    return found


def _has(expected: Mapping[str, Any], actual: Any, path: str) -> Differences:
    if isinstance(actual, list) and any(not differences(expected["$has"], one) for one in actual):
        return []
    return [f"{path} has no element like {short(expected['$has'])}"]


_MATCHERS: Mapping[str, Callable[[Mapping[str, Any], Any, str], Differences]] = {
    "$like": _like,
    "$absent": _absent,
    "$not": _not,
    "$oneOf": _one_of,
    "$length": _length,
    "$next": _next,
    "$last": _last,
    "$digits": _digits,
    "$filter": _filter,
    "$has": _has,
}


def after(number: str) -> str:
    """The receipt number that follows: its last group of digits one higher."""
    terminal, _, count = number.rpartition("-")
    return f"{terminal}-{int(count) + 1:0{len(count)}d}"


def at(value: Any, path: str) -> Any:
    """What stands at a dotted path within a value; ABSENT where there is nothing."""
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return ABSENT
        value = value[part]
    return value
