"""A broken gateway for each invariant is caught, and the honest one is not. A minute; needs PostgreSQL.

`python -m brokengateways`, from `tests/`, plays all of them and shows who was caught by what.
"""

from pathlib import Path

import pytest

from brokengateways.catalogue import BROKEN, Broken
from brokengateways.runner import judge, misfits
from brokengateways.scenarios import SCENARIOS

SHORT = (
    "transaction-key-dropped",
    "no-guard-on-a-reference",
    "answer-before-commit",
    "unknown-taken-for-failed",
    "event-outside-the-transaction",
    "receipt-number-outside-the-transaction",
    "other-content-replayed",
    "cod-given-away",
    "codes-in-sequence",
    "journal-without-declines",
    "late-status-counts",
    "told-before-it-is-sent",
    "order-ignored",
)
CHOSEN = [broken for broken in BROKEN if broken.name in SHORT]


def test_the_selection_has_each_invariant() -> None:
    assert len(CHOSEN) == len(SHORT)
    assert {invariant for broken in CHOSEN for invariant in broken.invariants} == {f"I{n}" for n in range(1, 10)}


def test_each_change_fits_the_program() -> None:
    assert not misfits()


def test_each_scenario_catches_somebody() -> None:
    assert {broken.scenario for broken in BROKEN} == set(SCENARIOS)


@pytest.mark.parametrize("scenario", sorted({broken.scenario for broken in CHOSEN}))
async def test_the_honest_gateway_comes_through(scenario: str, database_url: str, home: Path) -> None:
    assert [str(one) for one in await judge(None, scenario, database_url, home)] == []


@pytest.mark.parametrize("broken", CHOSEN, ids=lambda broken: broken.name)
async def test_a_broken_gateway_is_caught(broken: Broken, database_url: str, home: Path) -> None:
    found = await judge(broken, broken.scenario, database_url, home)
    assert {one.invariant for one in found} & broken.invariants, [str(one) for one in found]
