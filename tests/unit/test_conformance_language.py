"""The language of the scenario files: variables, matchers, fragments. Milliseconds; needs nothing."""

import json
import re
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from connect_gateway.conformance.judging import judge, judge_always, judge_group
from connect_gateway.conformance.matching import ABSENT, at, differences
from connect_gateway.conformance.scenarios import (
    Group,
    Let,
    Request,
    ScenarioError,
    Wait,
    installed,
    load_chapter,
    load_pack,
)
from connect_gateway.conformance.specification import read_rules, rule_texts
from connect_gateway.conformance.values import UnknownVariable, Values
from connect_gateway.conformance.wire import Answer, encode

NOW = datetime(2026, 11, 22, 17, 30, tzinfo=UTC)
"""In the Philippines it is the 23rd already."""


def answer(status: int, body: Any, content_type: str = "application/json", **headers: str) -> Answer:
    raw = json.dumps(body).encode()
    return Answer(status, {"Content-Type": content_type, **headers}, raw, body)


def scenario(*steps: Any, fragments: dict[str, Any] | None = None) -> tuple[Any, ...]:
    chapter = {"title": "Chapter", "scenarios": [{"name": "one", "title": "One", "steps": list(steps)}]}
    return load_chapter(chapter, fragments or {})[0].steps


def values() -> Values:
    return Values({"pos": {"clientId": "till", "clientSecret": "s", "storeId": "0166", "pos": "7"}}, NOW)


# Variables


def test_made_up_values_stay_the_same_within_a_scenario() -> None:
    made = values()
    assert made.fill("{uuid:a}") == made.fill("{uuid:a}") != made.fill("{uuid:b}")
    assert made.fill("{uuid:a}") != values().fill("{uuid:a}")
    assert re.fullmatch("[1-9][0-9]{17}", made.fill("{digits18:a}"))
    first = made.fill("{word:a}")
    made.forget(("word:a",))
    assert made.fill("{word:a}") != first


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{today}", "2026-11-23"),
        ("{today-2}", "2026-11-21"),
        ("{ecms-time}", "2026-11-23 01:30:00"),
        ("{ecms-time-60}", "2026-11-23 01:29:00"),
        ("{time+3600}", "2026-11-23T02:30:00+08:00"),
        ("{pos.storeId}/{pos.pos}", "0166/7"),
        ("{elsewhere}", "0167"),
        ("{basic:pos}", "dGlsbDpz"),
        ('{"a":{}}', '{"a":{}}'),
    ],
)
def test_variables(text: str, expected: str) -> None:
    assert values().fill(text) == expected


def test_a_text_that_is_one_variable_takes_the_values_type() -> None:
    made = values()
    made.keep("a", {"receipt": {"text": ["x"]}})
    assert made.fill({"text": "{a.receipt.text}", "in": ["{a.receipt}"]}) == {"text": ["x"], "in": [{"text": ["x"]}]}
    with pytest.raises(UnknownVariable, match="receipts"):
        made.fill("{a.receipts}")


# Matchers


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        ([{"a": 1}], [{"a": 1, "b": 2}]),
        ({"$like": "[0-9]+"}, "12"),
        ({"a": {"$absent": True}}, {}),
        ({"$not": "x"}, "y"),
        ({"$oneOf": ["x", "y"]}, "y"),
        ({"$length": 2}, [1, 2]),
        ({"$next": "0166-001-00000009"}, "0166-001-00000010"),
        ({"$next": "0166-001-99999999"}, "0166-001-100000000"),
        ({"$last": 4, "of": "123456"}, "3456"),
        ({"$digits": "1234-5678-9012"}, "123456789012"),
        ({"$filter": {"s": "a"}, "$is": [{"n": 1}, {"n": 3}]}, [{"s": "a", "n": 1}, {"s": "b"}, {"s": "a", "n": 3}]),
        ({"$has": {"n": 2}}, [{"n": 1}, {"n": 2, "m": 3}]),
        (None, None),
    ],
)
def test_what_matches(expected: Any, actual: Any) -> None:
    assert differences(expected, actual) == []


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": None}, {}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": 1.0}),
        ([1], [1, 2]),
        ({"a": 1}, "a"),
        ({"$like": "[0-9]+"}, "12\n"),
        ({"$like": "[0-9]+"}, 12),
        ({"a": {"$absent": True}}, {"a": None}),
        ({"$not": "x"}, "x"),
        ({"$oneOf": ["x"]}, "y"),
        ({"$length": 2}, [1]),
        ({"$next": "0166-001-00000009"}, "0166-001-00000011"),
        ({"$last": 4, "of": "123456"}, "123456"),
        ({"$filter": {"s": "a"}, "$is": [{"n": 1}]}, [{"s": "a", "n": 1}, {"s": "a", "n": 1}]),
        ({"$has": {"n": 2}}, []),
    ],
)
def test_what_does_not_match(expected: Any, actual: Any) -> None:
    assert differences(expected, actual) != []


def test_a_difference_says_where_it_is() -> None:
    assert differences({"a": [{"b": 1}]}, {"a": [{"b": 2}]}) == ["body.a[0].b is 2, expected 1"]
    assert at({"a": {"b": 1}}, "a.b") == 1
    assert at({"a": 1}, "a.b") is ABSENT


# Judging


@pytest.mark.parametrize(
    ("expect", "wrong"),
    [
        ({"status": 409}, None),
        ({"status": [200, 409]}, None),
        ({"status": 200}, "status is 409 wrong-label, expected 200"),
        ({"problem": "wrong-label"}, None),
        ({"problem": "wrong-store"}, "the problem's code is 'wrong-label', expected 'wrong-store'"),
        ({"verdict": "RETURN HOLD"}, None),
        ({"verdict": "NONE HOLD"}, "the verdict is RETURN HOLD, expected NONE HOLD"),
        ({"contains": ["wrong-label"], "lacks": ["0912"]}, None),
        ({"lacks": ["wrong-label"]}, "the body has 'wrong-label', which it must not"),
        ({"headers": {"Retry-After": {"$absent": True}}}, None),
        ({"headers": {"Retry-After": "5"}}, "header Retry-After is absent, expected '5'"),
        ({"empty": True}, "the body is not empty"),
        ({"type": "application/problem+json"}, None),
    ],
)
def test_judging_an_answer(expect: dict[str, Any], wrong: str | None) -> None:
    body = {"code": "wrong-label", "verdict": {"cash": "RETURN", "parcel": "HOLD"}}
    given = answer(409, body, "application/problem+json; charset=utf-8")
    assert judge(expect, given, lambda _: given) == ([] if wrong is None else [wrong])


def test_a_repeat_is_the_same_to_the_byte() -> None:
    first = answer(201, {"a": 1})
    assert judge({"sameAs": "a"}, answer(201, {"a": 1}), lambda _: first) == []
    assert judge({"sameAs": "a"}, answer(200, {"a": 1}), lambda _: first) != []
    assert judge({"sameAs": "a"}, Answer(201, {}, b'{"a":1}', {"a": 1}), lambda _: first) != []


def test_judging_many_answers() -> None:
    one = answer(201, {"n": "0166-001-00000001"})
    other = Answer(201, {"Idempotent-Replay": "true"}, one.raw, one.body)
    assert judge_group({"counts": {"201": 2}, "identical": 201, "replays": 1}, [one, other]) == []
    assert len(judge_group({"counts": {"201": 1}, "replays": 2, "different": "n"}, [one, other])) == 3
    third = answer(201, {"n": "0166-001-00000003"})
    assert judge_group({"consecutive": "n"}, [third, one]) == ["n: 0166-001-00000003 does not follow 0166-001-00000001"]
    assert judge_group({"identical": 201}, [one, third]) != []


@pytest.mark.parametrize(
    ("given", "path", "broken"),
    [
        (answer(500, {}), "/pos/v1/receipts/1", {"no-internal-error", "problem-document", "verdict"}),
        (answer(404, {"code": "x"}), "/admin/v1/tasks", {"problem-document"}),
        (answer(409, {"errorCode": "400", "message": "m"}), "/ecms/v1/status", {"ecms-error"}),
        (answer(409, {"errorCode": "409", "message": "m"}), "/ecms/v1/status", set()),
        (answer(200, {"state": "OPEN"}), "/pos/v1/references/1", {"verdict"}),
        (answer(200, {"change": 1.5}), "/kiosk/v1/returns/1", {"amounts"}),
        (answer(200, {"expiresAt": "2026-11-22T17:30:00Z"}), "/kiosk/v1/returns/1", {"times"}),
        (answer(200, {"expiresAt": None, "slip": {"text": ["x" * 33]}}), "/kiosk/v1/returns/1", {"paper"}),
        (answer(200, {"slip": {"text": ["a\x1b"]}}), "/kiosk/v1/returns/1", {"paper"}),
        (answer(400, {"error": "invalid_grant"}), "/accounts/oauth2/token", set()),
    ],
)
def test_what_holds_of_every_answer(given: Answer, path: str, broken: set[str]) -> None:
    assert {name for name, wrong in judge_always(given, path).items() if wrong} == broken


# Files


def test_every_installed_scenario_can_be_played_and_cites_rules_that_there_are() -> None:
    pack, rules = load_pack(installed()), rule_texts()
    assert len(pack.scenarios) > 100
    for scenario_ in pack.scenarios:
        assert scenario_.cited <= rules.keys(), scenario_.name
    for standing in pack.standing.values():
        assert set(standing.rules) <= rules.keys()
    guessing = [one.name for one in pack.scenarios if "ATT-1" in one.cited]
    assert [one.name for one in pack.scenarios][-len(guessing) :] == guessing, "a lockout has to come last"


def test_few_unknown_references_are_named_before_the_lockout() -> None:
    """Each client may have guessed 4 times by then, and the app never: its own guesses are counted one by one."""
    unknown: Counter[str] = Counter()
    for scenario_ in load_pack(installed()).scenarios:
        if "ATT-1" in scenario_.cited:
            break
        for step in scenario_.steps:
            if isinstance(step, Request) and step.expect.get("problem") in _GUESSES:
                unknown[step.who] += 1
    assert 0 < max(unknown.values()) <= 4
    assert unknown["app"] == 0


_GUESSES = {f"unknown-{what}" for what in ("reference", "identifier", "return", "booking", "parcel")}


def test_a_fragments_last_step_takes_what_its_user_adds() -> None:
    fragments = {
        "sale": {
            "parameters": {"id": None, "cash": "5.00"},
            "steps": [
                {"let": {"<id>": "x"}},
                {"who": "pos", "send": "PUT /<id>", "body": {"cash": "<cash>", "clerk": "ana"}, "rules": ["POS-1"]},
            ],
        }
    }
    let, sale = scenario(
        {"use": "sale", "with": {"id": "a"}, "body": {"clerk": None, "pos": "1"}, "rules": ["POS-2"], "as": "a"},
        fragments=fragments,
    )
    assert let == Let({"a": "x"})
    assert (sale.method, sale.path, sale.body, sale.name) == ("PUT", "/a", {"cash": "5.00", "pos": "1"}, "a")
    assert sale.rules == ("POS-1", "POS-2")


def test_a_step_with_samples_stands_for_many_that_stand_for_themselves() -> None:
    one, two = scenario({"each": [{"v": 1}, {"v": "x"}], "who": "pos", "send": "PUT /<v>", "body": {"v": "<v>"}})
    assert (one.path, one.body, one.go_on) == ("/1", {"v": 1}, True)
    assert (two.path, two.body) == ("/x", {"v": "x"})


def test_groups_and_waits() -> None:
    group, wait = scenario({"parallel": [{"who": "pos", "send": "GET /"}], "times": 3}, {"wait": 0.5})
    assert isinstance(group, Group)
    assert group.times == 3
    assert wait == Wait(0.5)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"who": "pos", "send": "GET /", "expects": {}}, "expects means nothing"),
        ({"who": "pos", "send": "GET /", "expect": {"code": 1}}, "code means nothing"),
        ({"who": "nobody's", "send": "GET /"}, "nobody is called"),
        ({"who": "pos", "send": "GET /", "rules": ["POS1"]}, "no rule's number"),
        ({"use": "nothing"}, "no fragment nothing"),
        ({"use": "f"}, "f needs a"),
        ({"use": "f", "with": {"a": 1, "b": 2}}, "no parameter b"),
        ({"parallel": [{"wait": 1}]}, "only requests"),
    ],
)
def test_a_file_that_cannot_be_played_says_why(step: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        scenario(step, fragments={"f": {"parameters": {"a": None}, "steps": []}})


def test_bodies_can_be_spelled_out_to_the_byte() -> None:
    assert encode("a") == b"a"
    assert encode(["{", {"text": "[", "times": 3}, {"base64": "AP8="}]) == b"{[[[\x00\xff"
    assert len(encode(["{}", {"padTo": 65_536}])) == 65_536


def test_rules_are_read_from_the_specification() -> None:
    text = "- **AB-1** One `x` MUST\n  hold ([see](y.md)).\n- **AB-2** Two.\n\n- no rule\n"
    assert read_rules(text) == {"AB-1": "One x MUST hold (see).", "AB-2": "Two."}
    with pytest.raises(ValueError, match="two rules AB-1"):
        read_rules("- **AB-1** a\n- **AB-1** b\n")
