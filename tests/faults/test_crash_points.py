"""A gateway dies at each crash point once, and during each kind of work: nothing is lost, nothing doubled.

`make crash-points` plays every point with every kind of work. A minute; needs PostgreSQL.
"""

import ast
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from torture.crashes import CASES, Case, covering, run_case
from torture.nursery import Nursery

import connect_gateway
from connect_gateway import crashpoints

PROGRAM = Path(connect_gateway.__file__).parent


@pytest.fixture
async def nursery() -> AsyncIterator[Nursery]:
    async with Nursery() as made:
        yield made


@pytest.mark.parametrize("case", covering(), ids=str)
async def test_a_gateway_that_dies_there_loses_and_doubles_nothing(
    case: Case, nursery: Nursery, database_url: str, tmp_path: Path
) -> None:
    observed = await run_case(case, nursery, database_url, tmp_path)
    assert not observed.wrong, "\n".join(observed.wrong)


def test_every_point_is_played() -> None:
    assert {case.point for case in CASES} == crashpoints.POINTS
    assert {case.point for case in covering()} == crashpoints.POINTS
    assert {case.deed for case in covering()} == {case.deed for case in CASES}


def calls(function: str) -> Iterator[ast.Call]:
    """Calls in what a gateway runs; reconciling and archiving are commands of their own, which serve nobody."""
    commands = {PROGRAM / "ledger" / name for name in ("reconciliation.py", "archive.py")}
    for file in sorted(set(PROGRAM.rglob("*.py")) - commands):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", None) == function:
                yield node


def constant(node: ast.expr) -> str:
    assert isinstance(node, ast.Constant), ast.dump(node)
    assert isinstance(node.value, str)
    return node.value


def test_every_point_is_in_the_list_and_every_transaction_has_its_own() -> None:
    transactions = [constant(call.args[2]) for call in calls("in_transaction")]
    assert set(transactions) == set(crashpoints.TRANSACTIONS)
    points = set()
    for call in calls("reach"):
        name, place = call.args[0], constant(call.args[1])
        # Those around a transaction are reached where its name is passed on.
        names = [name.value] if isinstance(name, ast.Constant) else transactions
        points.update(f"{each}-{place}" for each in names)
    assert points == crashpoints.POINTS


def serve(**settings: str) -> subprocess.CompletedProcess[str]:
    """A gateway that cannot start for another reason, which it comes to only after this one."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CONNECT_")}
    return subprocess.run(
        [sys.executable, "-m", "connect_gateway", "serve"],
        env=environment | {"CONNECT_DATABASE_URL": "postgresql://127.0.0.1:1/none", **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_outside_a_sandbox_no_point_counts(tmp_path: Path) -> None:
    ended = serve(CONNECT_CRASH_AT="counter-before-commit", CONNECT_KEYS_FILE=str(tmp_path / "none.json"))
    assert "crash-point-ignored" in ended.stdout + ended.stderr


def test_a_point_that_is_none_is_refused(tmp_path: Path) -> None:
    ended = serve(CONNECT_CRASH_AT="nowhere", CONNECT_SANDBOX="true", CONNECT_KEYS_FILE=str(tmp_path / "none.json"))
    assert ended.returncode != 0
    assert "CONNECT_CRASH_AT names no crash point" in ended.stderr
