"""The OpenAPI document says what the code does: its file, its paths, its codes, its patterns, its examples."""

import re
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connect_gateway import openapi, server
from connect_gateway.domain.money import MAX_CASH_CENTAVOS, parse_amount
from connect_gateway.domain.refusals import Code
from connect_gateway.ecms.messages import parse_ecms_time
from connect_gateway.edges import patterns
from connect_gateway.edges.disputes import ResolutionMessage
from connect_gateway.edges.ecms import ReferenceRequest, StatusNotice
from connect_gateway.edges.kiosk import ReturnMessage
from connect_gateway.edges.parsing import parse_path_reference, parse_uuid, validate
from connect_gateway.edges.pos import Reversal, parse_transaction
from connect_gateway.edges.problems import STATUS_OF_CODE, Problem, dump
from connect_gateway.edges.settlements import PaymentMessage
from connect_gateway.edges.shifts import ShiftClose
from connect_gateway.openapi_operations import OPERATIONS

DOCUMENT = openapi.document()
PROJECT = Path(__file__).resolve().parents[2]

PARSERS = {
    "perform": lambda body: parse_transaction(dump(body).encode()),
    "reverse": lambda body: validate(Reversal, body),
    "closeShift": lambda body: validate(ShiftClose, body),
    "dispense": lambda body: validate(ReturnMessage, body),
    "createReference": lambda body: validate(ReferenceRequest, body),
    "tellStatus": lambda body: validate(StatusNotice, body),
    "markPaid": lambda body: validate(PaymentMessage, body),
    "resolveDispute": lambda body: validate(ResolutionMessage, body),
}


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, one) for path, item in DOCUMENT["paths"].items() for method, one in item.items()]


def test_the_file_is_what_the_code_gives() -> None:
    text = (PROJECT / openapi.FILE).read_text(encoding="utf-8")
    assert text == openapi.as_yaml(), "run: python -m connect_gateway.openapi --write"


@pytest.mark.parametrize("sandbox", [False, True])
def test_every_route_of_the_application_is_in_it_and_no_other(sandbox: bool) -> None:
    application = server._application(cast("Any", SimpleNamespace(sandbox=sandbox, metrics=None)))
    routes = {
        (route.method.lower(), re.sub("{[^}]+}", "{}", route.resource.canonical))
        for route in application.router.routes()
        if route.method != "HEAD" and route.resource is not None
    }
    if sandbox:
        # The sandbox's clock is a tool of development and no part of the protocol; OPS-6 has it nowhere else.
        routes.remove(("put", "/sandbox/v1/clock"))
    documented = {(method, re.sub("{[^}]+}", "{}", path)) for path, method, _ in operations()}
    assert documented == routes


def test_no_two_paths_are_the_same_but_for_the_names_in_them() -> None:
    shapes = [re.sub("{[^}]+}", "{}", path) for path in DOCUMENT["paths"]]
    assert len(set(shapes)) == len(shapes)


def test_every_code_is_a_refusal_of_some_operation() -> None:
    listed = {code for operation in OPERATIONS for code in openapi.codes_of(operation)}
    known = {str(code) for code in (*Code, *STATUS_OF_CODE)}
    # Whatever is in neither table is a refusal by state that one edge alone has.
    assert known - listed == {"internal-error"}
    for code in listed - known:
        assert Problem(code, "").status == 409


def test_operations_have_names_of_their_own_and_whoever_needs_a_token_is_named() -> None:
    names = [one["operationId"] for _, _, one in operations()]
    assert len(set(names)) == len(names)
    for path, _, one in operations():
        assert bool(one.get("security")) == path.startswith(("/pos/", "/kiosk/", "/ecms/", "/admin/"))
        if one.get("security"):
            assert {"401", "403", "405", "503"} <= set(one["responses"])


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.body], ids=lambda one: one.name)
def test_examples_of_bodies_are_read_by_the_edge(operation: Any) -> None:
    assert operation.body_examples
    for body in operation.body_examples.values():
        PARSERS[operation.name](body)
    if operation.path_examples:
        # Examples of one name belong together.
        assert all(set(of_path) == set(operation.body_examples) for of_path in operation.path_examples.values())


def test_examples_of_paths_are_read_by_the_edge() -> None:
    for operation in OPERATIONS:
        for name, examples in operation.path_examples.items():
            for example in examples.values():
                if name == "storeId":
                    assert re.fullmatch("[0-9]{4}", example)
                elif name.endswith("Id"):
                    parse_uuid(example, name)
                elif name in ("reference", "returnCode"):
                    parse_path_reference(example)


def reads(parse: Any, text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


@given(st.dates(date(1960, 1, 1)))
def test_the_pattern_of_days_takes_each_day_of_its_years(day: date) -> None:
    matched = re.fullmatch(patterns.ECMS_TIME, f"{day.isoformat()} 23:59:59") is not None
    assert matched == (1970 <= day.year <= 9990)


@given(st.from_regex(r"[0-9]{4}-[0-3][0-9]-[0-3][0-9] [0-2][0-9]:[0-6][0-9]:[0-6][0-9]", fullmatch=True))
def test_the_pattern_of_times_takes_no_day_that_cannot_be(text: str) -> None:
    if re.fullmatch(patterns.ECMS_TIME, text, re.ASCII) is not None:
        parse_ecms_time(text)


def test_the_pattern_of_days_knows_every_leap_year() -> None:
    for year in range(1970, 9991):
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        assert (re.fullmatch(patterns.ECMS_TIME, f"{year:04d}-02-29 00:00:00") is not None) == leap, year


@given(st.from_regex(rf"{patterns.AMOUNT}|0{{0,9}}[0-4]{{1,4}}\.[0-9]{{2}}", fullmatch=True))
def test_the_patterns_of_what_is_paid_and_what_is_not_take_what_the_edge_takes(text: str) -> None:
    if not reads(parse_amount, text):
        return
    amount = parse_amount(text)
    assert (re.fullmatch(patterns.COD_AMOUNT, text) is not None) == (0 < amount <= MAX_CASH_CENTAVOS)
    assert (re.fullmatch(patterns.NO_AMOUNT, text) is not None) == (amount == 0)


@given(st.text(alphabet="0123456789 -x\n٣", max_size=20) | st.from_regex(patterns.REFERENCE, fullmatch=True))
def test_the_pattern_of_references_takes_what_the_edge_takes(text: str) -> None:
    def parse(text: str) -> str:
        try:
            return parse_path_reference(text)
        except Problem as problem:
            raise ValueError from problem

    assert (re.fullmatch(patterns.REFERENCE, text) is not None) == reads(parse, text)
