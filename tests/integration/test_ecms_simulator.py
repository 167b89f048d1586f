"""The ECMS simulator with the real gateway, in a sandbox of its own, driven by its own command. About 15 s."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TO_STORE = [
    "DELIVERED TO WAREHOUSE",
    "FOR DELIVERY",
    "IN-TRANSIT",
    "ON VEHICLE TO STORE",
    "ARRIVED AT STORE",
    "DELIVERED TO STORE",
]


class Driver:
    """`ecms-sim` against one sandbox."""

    def __init__(self, facts: dict[str, Any], credentials: Path) -> None:
        credentials.write_text(json.dumps(facts["clients"]))
        self._environment = {
            "ECMS_SIM_URL": facts["ecms"],
            "ECMS_SIM_CONTROL_URL": facts["ecmsControl"],
            "ECMS_SIM_CREDENTIALS": str(credentials),
        }

    def __call__(self, *arguments: str, status: int = 0) -> str:
        ended = subprocess.run(
            [sys.executable, "-m", "connect_simulators.ecms", *arguments],
            env=os.environ | self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert ended.returncode == status, ended.stderr
        return ended.stdout

    def json(self, *arguments: str, status: int = 0) -> dict[str, Any]:
        result: dict[str, Any] = json.loads(self(*arguments, "--json", status=status))
        return result


@pytest.fixture
def sandbox(start_sandbox: Callable[..., Any]) -> Any:
    return start_sandbox()


@pytest.fixture
def ecms_sim(sandbox: Any, home: Path) -> Driver:
    return Driver(sandbox.facts, home / "credentials.json")


def test_a_shipment_from_the_merchant_to_the_store(ecms_sim: Driver) -> None:
    shipment = ecms_sim.json("ship")
    number = shipment["trackingNumber"]
    assert len(number) == 18
    assert len(shipment["claimCode"].replace("-", "")) == 12
    assert ecms_sim.json("ship") == shipment
    parcel = ecms_sim.json("advance", number, "DELIVERED TO STORE")
    assert parcel["told"] is True
    assert [event["status"] for event in parcel["events"]] == ["CREATED/ CONFIRMED", *TO_STORE]
    timeline = ecms_sim("parcel", number)
    assert all(status in timeline for status in TO_STORE)
    assert "errorCode" in ecms_sim.json("cancel", number, status=1)

    prepaid = ecms_sim.json("ship", "--amount", "0", "--merchant-reference", "PREPAID-1")
    ecms_sim("cancel", prepaid["trackingNumber"])
    cancelled = ecms_sim.json("parcel", prepaid["trackingNumber"])
    assert (cancelled["status"], cancelled["told"]) == ("CANCELLED", True)
    assert "4000" in ecms_sim.json("ship", "--amount", "4000.01", status=1)["message"]


def test_what_the_gateway_missed_it_is_told_when_it_is_back(sandbox: Any, ecms_sim: Driver) -> None:
    number = ecms_sim.json("ship")["trackingNumber"]
    os.kill(sandbox.facts["gatewayPid"], signal.SIGKILL)
    # The sandbox starts the gateway again; the simulator goes on telling until then.
    parcel = ecms_sim.json("advance", number, "DELIVERED TO STORE")
    assert parcel["told"] is True
    assert parcel["status"] == "DELIVERED TO STORE"
