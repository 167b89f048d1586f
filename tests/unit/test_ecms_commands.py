"""`ecms-sim scan`, `job` and `clock` against a simulator that is served. About 2 s."""

import asyncio
import json
from pathlib import Path

from click.testing import Result
from connect_simulators.ecms.cli import app
from ecms_served import Ecms, ecms
from typer.testing import CliRunner

__all__ = ["ecms"]


async def command(ecms: Ecms, *arguments: str, fed: str = "") -> Result:
    environment = {"ECMS_SIM_CONTROL_URL": ecms.control}
    return await asyncio.to_thread(CliRunner().invoke, app, arguments, input=fed, env=environment)


async def test_scans_by_command_one_and_many(ecms: Ecms, tmp_path: Path) -> None:
    numbers = [await ecms.shipment(merchantReference=f"ORDER-{number}") for number in range(3)]
    one = await command(ecms, "scan", "DELIVERED TO WAREHOUSE", numbers[0], "--trigger", "dc scanning")
    assert one.exit_code == 0, one.output
    assert f"{numbers[0]}  DELIVERED TO WAREHOUSE" in one.output
    again = await command(ecms, "scan", "DELIVERED TO WAREHOUSE", *numbers, "--json")
    assert again.exit_code == 1
    scans = json.loads(again.stdout)["scans"]
    assert [scan["refused"] is None for scan in scans] == [False, True, True]
    assert "possible: FOR DELIVERY by ECMS job" in scans[0]["refused"]

    job = await command(ecms, "job", "delivery")
    assert (job.exit_code, job.output.strip()) == (0, "delivery: 3 parcels moved")
    list_file = tmp_path / "numbers"
    list_file.write_text("\n".join(numbers[:2]))
    assert (await command(ecms, "scan", "IN-TRANSIT", "--file", str(list_file))).exit_code == 0
    assert (await command(ecms, "scan", "IN-TRANSIT", "--file", "-", fed=numbers[2])).exit_code == 0
    _, found = await ecms.driven("GET", "/parcels?status=IN-TRANSIT")
    assert found["total"] == 3


async def test_what_cannot_be_scanned_says_why(ecms: Ecms) -> None:
    number = await ecms.shipment()
    assert (await command(ecms, "scan", "IN-TRANSIT")).exit_code == 2
    assert (await command(ecms, "scan", "IN-TRANSIT", "--file", "/no/such/file")).exit_code == 2
    refused = await command(ecms, "scan", "CLAIMED", number)
    assert refused.exit_code == 1
    assert "CLAIMED does not follow CREATED/ CONFIRMED in MERCHANT_DELIVERY" in refused.output
    wrong = await command(ecms, "scan", "CLAIMED", number, "--trigger", "POS transaction")
    assert wrong.exit_code == 1
    assert "trigger: must be one of Trucker scanning" in wrong.output


async def test_the_clock_by_command(ecms: Ecms) -> None:
    shown = await command(ecms, "clock", "--set", "2026-11-24T07:00:00+08:00", "--speed", "60")
    assert shown.exit_code == 0, shown.output
    assert "60 times as fast; next: delivery at 2026-11-24T12:00:00+08:00" in shown.output
    assert (await command(ecms, "clock", "--speed", "1")).exit_code == 0
    back = await command(ecms, "clock", "2026-11-24T12:00:00+08:00")
    assert "next: pick-up at 2026-11-25T04:00:00+08:00" in back.output
    assert (await command(ecms, "clock", "--speed", "0")).exit_code == 1
    assert json.loads((await command(ecms, "clock", "--json")).stdout)["speed"] == 1
