"""`kiosk-sim` as a script uses it, on a real gateway. About 10 s."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from connect_simulators.kiosk.scripts import ask_at_once, read_script
from connect_simulators.patience import Patience
from connect_simulators.wire import WireClient
from partners import Parcel, next_tracking_number
from world import SECRET, World


async def kiosk_sim(world: World, home: Path, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Its exit status, and the lines of JSON that it printed."""
    credentials = home / "credentials.json"
    credentials.write_text(json.dumps({"kiosk": {"clientId": "kiosk", "clientSecret": SECRET, "storeId": "0166"}}))
    options = ["--url", world.url, "--credentials", str(credentials), "--state-dir", str(home / "kiosk"), "--json"]
    command, *rest = arguments
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "connect_simulators.kiosk", command, *options, *rest),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ,
    )
    out, _ = await program.communicate()
    assert program.returncode is not None
    return program.returncode, [json.loads(line) for line in out.splitlines()]


def returnable(world: World, order: str) -> None:
    answer = {"trackingNumber": next_tracking_number(), "merchantCode": "001", "merchant": "Merchant A"}
    world.ecms_server.answers["returns"] = [(200, answer | {"merchantReference": order})]


async def booked(world: World) -> Parcel:
    return await world.ecms.issue("DROP_OFF", "65.00", merchantReference="AYW78")


async def test_a_script_goes_through_everything_that_a_kiosk_does(world: World, tmp_path: Path) -> None:
    returnable(world, "A1")
    await booked(world)
    script = tmp_path / "morning.jsonl"
    script.write_text(
        "# one customer after the other\n\n"
        '{"do": "return", "identifierType": "ORDER_NUMBER", "identifier": "A1"}\n'
        '{"do": "status", "number": "$returnCode"}\n'
        '{"do": "label", "bookingReference": "AYW78"}\n'
        '{"do": "status", "number": "$trackingNumber"}\n'
        '{"do": "booking", "bookingReference": "NONE", "expect": "unknown-booking"}\n'
    )
    status, lines = await kiosk_sim(world, tmp_path, "run", str(script))
    assert [(line["do"], line["code"], line["asExpected"]) for line in lines] == [
        ("return", None, True),
        ("status", None, True),
        ("label", None, True),
        ("status", None, True),
        ("booking", "unknown-booking", True),
    ]
    assert status == 0
    assert (lines[1]["body"]["status"], lines[3]["body"]["status"]) == ("FOR RETURN", "FOR DROP OFF")

    script.write_text('{"do": "status", "number": "123456789012"}\n')
    status, lines = await kiosk_sim(world, tmp_path, "run", str(script))
    assert (status, lines[0]["asExpected"], lines[0]["sentence"][:13]) == (1, False, "We could not ")


async def test_label_and_status_are_commands_of_their_own(world: World, tmp_path: Path) -> None:
    parcel = await booked(world)
    status, (label,) = await kiosk_sim(world, tmp_path, "label", "AYW78")
    assert (status, label["ok"], label["body"]["reference"]) == (0, True, parcel.reference)
    status, (seen,) = await kiosk_sim(world, tmp_path, "status", parcel.tracking_number)
    assert (status, seen["body"]["labelHint"]) == (0, parcel.tracking_number[-4:])
    status, (unknown,) = await kiosk_sim(world, tmp_path, "status", "123456789012345678")
    assert (status, unknown["code"]) == (1, "unknown-parcel")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("no JSON", "line 1"),
        ('{"do": "dance"}', "do is one of"),
        ('{"do": "status", "identifier": "1"}', "status takes number"),
        ('{"do": "status", "number": 1}', "an object of texts"),
    ],
)
def test_a_script_that_cannot_be_read_says_where(tmp_path: Path, line: str, words: str) -> None:
    file = tmp_path / "script"
    file.write_text(line)
    with pytest.raises(ValueError, match=words):
        read_script(file)


async def test_200_kiosks_that_ask_at_once_get_one_code(world: World) -> None:
    returnable(world, "A1")
    async with WireClient(world.url, "kiosk", SECRET, timeout_s=30) as client:
        patience = Patience(timeout_s=30, give_up_s=60)
        figures = await ask_at_once(client, "ORDER_NUMBER", ["A1"], kiosks=200, patience=patience)
    assert figures["outcomes"] == {"OK": 200}
    assert (figures["requests"], figures["codes"]) == (200, 1)
    assert [event["status"] for event in await world.told(1)] == ["FOR RETURN"]
