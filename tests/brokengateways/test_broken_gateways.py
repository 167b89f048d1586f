"""Each broken gateway is caught, and the honest one comes through all that catches them. Two minutes; needs PostgreSQL.

`make broken-gateways` shows who was caught by what.
"""

from pathlib import Path

import pytest

from brokengateways.catalogue import BROKEN, Broken
from brokengateways.runner import judge, misfits
from brokengateways.scenarios import SCENARIOS


def test_each_change_fits_the_program() -> None:
    assert not misfits()


def test_each_scenario_catches_somebody() -> None:
    assert {broken.scenario for broken in BROKEN} == set(SCENARIOS)


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_the_honest_gateway_comes_through(scenario: str, database_url: str, home: Path) -> None:
    assert [str(one) for one in await judge(None, scenario, database_url, home)] == []


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
async def test_a_broken_gateway_is_caught(broken: Broken, database_url: str, home: Path) -> None:
    found = await judge(broken, broken.scenario, database_url, home)
    assert {one.invariant for one in found} & broken.invariants, [str(one) for one in found]
