"""A short part of what `make fuzz` plays, the same in every run. Half a minute; needs PostgreSQL.

What fuzzing has found is kept where it belongs: as tests of the edge that it was found on, which say so.
"""

import contextlib
from collections import Counter
from pathlib import Path

from connect_gateway import openapi
from fuzz.campaigns import Size, bytes_round, counter_round
from fuzz.messages import messages, route_of


def test_tills_kiosks_and_ecms_with_everything_failing(database_url: str, tmp_path: Path) -> None:
    counted: Counter[str] = Counter()
    size = Size(examples=5, steps=15, slow=False)
    counter_round(size, lambda: contextlib.nullcontext(database_url), tmp_path, counted)
    assert counted["requests"] > 50
    assert counted["examples"] == 5


def test_bytes_that_nobody_expects(database_url: str, tmp_path: Path) -> None:
    counted: Counter[str] = Counter()
    bytes_round(Size(examples=15), lambda: contextlib.nullcontext(database_url), tmp_path, counted)
    assert counted["streams"] > 50
    assert counted["answered malformed-request"] > 0
    assert counted["answered 200"] > 0


def test_every_route_is_fuzzed() -> None:
    reached = {route_of(message.method, message.target) for message in messages("2026-11-22", "secret")}
    documented = {(method, path) for path, item in openapi.document()["paths"].items() for method in item}
    assert reached == documented
