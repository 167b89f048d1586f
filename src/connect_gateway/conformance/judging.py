"""Judging one answer, or the answers to requests that were sent at once."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from connect_gateway.conformance.matching import ABSENT, Differences, after, at, differences, short
from connect_gateway.conformance.wire import Answer

PROBLEM_TYPE = "application/problem+json"
COLUMNS = 32

_AMOUNT = re.compile(r"[0-9]{1,10}\.[0-9]{2}")
_AMOUNT_FIELDS = ("amountDue", "amountTendered", "change")
_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}\+08:00"
_TIME_FIELDS = ("occurredAt", "reversedAt", "expiresAt")
_WITH_VERDICT = ("/pos/v1/references/", "/pos/v1/transactions/")
_LEAST_ERROR = 400


def judge(expect: Mapping[str, Any], answer: Answer, kept: Callable[[str], Answer]) -> Differences:
    """What of an answer is not as a step expects; `kept` finds an earlier answer by its name."""
    found: Differences = []
    for key, expected in expect.items():
        found += _CHECKS[key](expected, answer, kept)
    return found


def _status(expected: Any, answer: Answer, _: Any) -> Differences:
    allowed = expected if isinstance(expected, list) else [expected]
    if answer.status in allowed:
        return []
    code = answer.body.get("code") if isinstance(answer.body, Mapping) else None
    return [f"status is {answer.status}{f' {code}' if code else ''}, expected {' or '.join(map(str, allowed))}"]


def _headers(expected: Mapping[str, Any], answer: Answer, _: Any) -> Differences:
    found: Differences = []
    for name, value in expected.items():
        found += differences(value, answer.headers.get(name, ABSENT), f"header {name}")
    return found


def _body(expected: Any, answer: Answer, _: Any) -> Differences:
    return differences(expected, answer.body)


def _problem(expected: str, answer: Answer, _: Any) -> Differences:
    code = answer.body.get("code") if isinstance(answer.body, Mapping) else None
    return [] if code == expected else [f"the problem's code is {code!r}, expected {expected!r}"]


def _verdict(expected: str, answer: Answer, _: Any) -> Differences:
    verdict = answer.body.get("verdict") if isinstance(answer.body, Mapping) else None
    if not isinstance(verdict, Mapping):
        return [f"there is no verdict, expected {expected}"]
    said = f"{verdict.get('cash')} {verdict.get('parcel')}"
    return [] if said == expected else [f"the verdict is {said}, expected {expected}"]


def _same_as(expected: str, answer: Answer, kept: Callable[[str], Answer]) -> Differences:
    first = kept(expected)
    found: Differences = []
    if answer.status != first.status:
        found.append(f"status is {answer.status}, expected {first.status} as before")
    if answer.raw != first.raw:
        found.append("the body differs from the one given before")
    return found


def _contains(expected: Sequence[str], answer: Answer, _: Any) -> Differences:
    text = answer.raw.decode("utf-8", "replace")
    return [f"the body lacks {short(one)}" for one in expected if one not in text]


def _lacks(expected: Sequence[str], answer: Answer, _: Any) -> Differences:
    text = answer.raw.decode("utf-8", "replace")
    return [f"the body has {short(one)}, which it must not" for one in expected if one in text]


def _lines(expected: Sequence[str], answer: Answer, _: Any) -> Differences:
    text = answer.raw.decode("utf-8", "replace")
    return [] if text.splitlines() == list(expected) else ["the text's lines are not those expected"]


def _empty(_expected: bool, answer: Answer, _: Any) -> Differences:
    return [] if not answer.raw else ["the body is not empty"]


def _type(expected: str, answer: Answer, _: Any) -> Differences:
    return [] if answer.media_type == expected else [f"the content type is {answer.media_type}, expected {expected}"]


_CHECKS: Mapping[str, Callable[[Any, Answer, Callable[[str], Answer]], Differences]] = {
    "status": _status,
    "problem": _problem,
    "verdict": _verdict,
    "headers": _headers,
    "body": _body,
    "sameAs": _same_as,
    "contains": _contains,
    "lacks": _lacks,
    "lines": _lines,
    "empty": _empty,
    "type": _type,
}


def judge_group(expect: Mapping[str, Any], answers: Sequence[Answer]) -> Differences:
    """What of many answers together is not as expected.

    `counts`: how many came with each status; `identical`: the status whose answers are alike to the byte; `replays`:
    how many say that they are one; `different`: where each has a value of its own; `consecutive`: where a number stands
    that follows from answer to answer.
    """
    found: Differences = []
    counts = {str(status): count for status, count in Counter(answer.status for answer in answers).items()}
    if "counts" in expect and counts != expect["counts"]:
        found.append(f"the answers by status are {counts}, expected {dict(expect['counts'])}")
    if "identical" in expect:
        bodies = {answer.raw for answer in answers if answer.status == expect["identical"]}
        if len(bodies) != 1:
            found.append(f"answers with status {expect['identical']} have {len(bodies)} different bodies, expected 1")
    if "replays" in expect:
        replays = sum(answer.headers.get("Idempotent-Replay") == "true" for answer in answers)
        # One more where the gateway was busy and the first answer was lost to a second request.
        if not expect["replays"] <= replays <= expect["replays"] + 1:
            found.append(f"{replays} answers say that they are a replay, expected {expect['replays']}")
    if "different" in expect:
        values = [at(answer.body, expect["different"]) for answer in answers]
        if len({repr(value) for value in values}) != len(values):
            found.append(f"{expect['different']} is not different in each answer: {short(values)}")
    if "consecutive" in expect:
        found += _consecutive([at(answer.body, expect["consecutive"]) for answer in answers], expect["consecutive"])
    return found


def _consecutive(numbers: list[Any], path: str) -> Differences:
    numbers = sorted(number for number in numbers if isinstance(number, str))
    for one, other in pairwise(numbers):
        if other != after(one):
            return [f"{path}: {other} does not follow {one}"]
    return []


def judge_always(answer: Answer, path: str) -> dict[str, Differences]:
    """What holds of every answer of a gateway, by the names of `standing.json`: only what applies to this answer."""
    failed = answer.status >= _LEAST_ERROR
    found: dict[str, Differences] = {
        "no-internal-error": ["an error of the gateway's own"] if answer.status == 500 else []
    }
    if failed and path.startswith("/ecms/"):
        found["ecms-error"] = _ecms_error(answer)
    elif failed and not path.startswith("/accounts/"):
        found["problem-document"] = _problem_document(answer)
    if path.startswith(_WITH_VERDICT) or (failed and path.startswith(("/pos/", "/kiosk/"))):
        found["verdict"] = _well_formed_verdict(at(answer.body, "verdict"))
    if isinstance(answer.body, Mapping):
        found |= _fields(answer.body)
    return found


def _fields(body: Mapping[str, Any]) -> dict[str, Differences]:
    """What holds of fields wherever they stand: amounts, times, and what goes on paper."""
    found: dict[str, Differences] = {}
    amounts = [name for name in _AMOUNT_FIELDS if name in body]
    if amounts:
        found["amounts"] = [
            f"{name} is {short(body[name])}, which is no amount"
            for name in amounts
            if not isinstance(body[name], str) or _AMOUNT.fullmatch(body[name]) is None
        ]
    times = [name for name in _TIME_FIELDS if body.get(name) is not None]
    if times:
        found["times"] = [each for name in times for each in differences({"$like": _TIME}, body[name], name)]
    for place in ("receipt.text", "slip.text", "text"):
        if at(body, place) is not ABSENT:
            found["paper"] = _paper(at(body, place))
    return found


def _problem_document(answer: Answer) -> Differences:
    if answer.media_type != PROBLEM_TYPE:
        return [f"an error of type {answer.media_type or 'none'}, expected {PROBLEM_TYPE}"]
    expected = {
        "type": {"$like": ".+"},
        "title": {"$like": ".+"},
        "status": answer.status,
        "detail": {"$like": ".+"},
        "code": {"$like": "[a-z][a-z0-9-]*"},
    }
    return differences(expected, answer.body, "the problem document")


def _ecms_error(answer: Answer) -> Differences:
    expected = {"errorCode": str(answer.status), "message": {"$like": ".+"}}
    return differences(expected, answer.body, "the error")


def _well_formed_verdict(verdict: Any) -> Differences:
    expected = {
        "cash": {"$oneOf": ["KEEP", "RETURN", "NONE"]},
        "parcel": {"$oneOf": ["RELEASE", "ACCEPT", "HOLD", "REFUSE"]},
        "display": {"$like": r"[^\n]{1,32}(\n[^\n]{1,32})?"},
    }
    return differences(expected, verdict, "verdict")


def _paper(lines: Any) -> Differences:
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        return ["the paper's text is no list of lines"]
    found = [f"a line has {len(line)} columns: {short(line)}" for line in lines if len(line) > COLUMNS]
    return found + [f"a line has a control character: {short(line)}" for line in lines if not line.isprintable()]
