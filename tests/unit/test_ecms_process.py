"""The ECMS simulator as a process: it loses nothing to kill -9 and ends when it is told to. About 6 s."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import aiohttp
import pytest

CLIENTS = [
    {"clientId": "shop", "clientSecret": "shop-secret", "role": "merchant", "merchantCode": "001", "merchant": "A"},
    {"clientId": "gateway", "clientSecret": "gateway-secret", "role": "gateway"},
]
RETURNS = 30


class Process:
    """One `ecms-sim serve`, whose line has been read."""

    def __init__(self, config: Path, *options: str, pass_fds: tuple[int, ...] = ()) -> None:
        command = [sys.executable, "-m", "connect_simulators.ecms", "serve", "--config", str(config), *options]
        self.popen = subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=pass_fds, start_new_session=True)
        assert self.popen.stdout is not None
        self.addresses: dict[str, str] = json.loads(self.popen.stdout.readline())

    def end(self, number: signal.Signals) -> int:
        self.popen.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        status = self.popen.wait(10)
        assert self.popen.stdout is not None
        assert self.popen.stdout.read() == b""
        self.popen.stdout.close()
        return status


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.json"
    gateway = {"url": "http://127.0.0.1:9", "clientId": "ecms", "clientSecret": "unused"}
    settings = {"port": 0, "controlPort": 0, "dataFile": str(tmp_path / "data" / "ecms.sqlite")}
    file.write_text(json.dumps({**settings, "gateway": gateway, "clients": CLIENTS}))
    return file


async def _token(session: aiohttp.ClientSession, url: str, client: dict[str, str]) -> str:
    form = {
        "grant_type": "client_credentials",
        "client_id": client["clientId"],
        "client_secret": client["clientSecret"],
    }
    async with session.post(f"{url}/accounts/oauth2/token", data=form) as answer:
        return str((await answer.json())["access_token"])


async def _post(session: aiohttp.ClientSession, url: str, token: str, body: dict[str, Any]) -> dict[str, Any]:
    async with session.post(url, json=body, headers={"Authorization": f"Bearer {token}"}) as answer:
        assert answer.status == 200
        result: dict[str, Any] = await answer.json()
        return result


async def test_kill_9_loses_no_event_that_was_answered(config: Path) -> None:
    process = Process(config)
    url = process.addresses["ecms"]
    answered: list[str] = []
    async with aiohttp.ClientSession() as session:
        shop, token = [await _token(session, url, client) for client in CLIENTS]
        identifiers = [f"UID-{number}" for number in range(RETURNS)]
        body = {"merchantCode": "001", "identifiers": identifiers}
        await _post(session, f"{url}/ecms/api/v1/returnIds", shop, body)

        async def give_back(identifier: str) -> None:
            asked = {"merchantReference": identifier, "type": "RETURN"}
            made = await _post(session, f"{url}/ecms/api/v1/returns", token, asked)
            event = {
                "eventId": str(uuid.uuid4()),
                "trackingNumber": made["trackingNumber"],
                "merchantReference": identifier,
                "status": "FOR RETURN",
                "location": "0166",
                "timestamp": "2026-11-22 17:00:00",
                "returnCode": "991767890023",
            }
            await _post(session, f"{url}/ecms/api/v1/status", token, event)
            answered.append(made["trackingNumber"])
            if len(answered) == RETURNS // 2:
                process.popen.kill()

        await asyncio.gather(*(give_back(identifier) for identifier in identifiers), return_exceptions=True)
        assert process.wait() == -signal.SIGKILL
        assert len(answered) >= RETURNS // 2

        process = Process(config)
        for number in answered:
            async with session.get(f"{process.addresses['ecmsControl']}/parcels/{number}") as answer:
                parcel = await answer.json()
            assert parcel["status"] == "FOR RETURN"
            applied = [event["status"] for event in parcel["events"] if event["applied"]]
            assert applied == ["CREATED/ CONFIRMED", "FOR RETURN"]
        # The access token was answered before the kill as well.
        asked = {"merchantReference": identifiers[0], "type": "RETURN"}
        await _post(session, f"{process.addresses['ecms']}/ecms/api/v1/returns", token, asked)
    assert process.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(config: Path, number: signal.Signals) -> None:
    assert Process(config).end(number) == 0


def test_it_ends_with_the_pipe_of_its_parent(config: Path) -> None:
    reading, writing = os.pipe()
    process = Process(config, "--exit-with-fd", str(reading), pass_fds=(reading,))
    os.close(reading)
    assert process.popen.poll() is None
    os.close(writing)
    assert process.wait() == 0


def test_settings_that_cannot_be_are_said_without_secrets(config: Path) -> None:
    settings = json.loads(config.read_text())
    settings["clients"].append({**CLIENTS[0], "clientSecret": "very-secret"})
    settings["unknown"] = "very-secret"
    config.write_text(json.dumps(settings))
    command = [sys.executable, "-m", "connect_simulators.ecms", "serve", "--config", str(config)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert ended.returncode == 2
    assert "unknown" in ended.stderr
    assert "very-secret" not in ended.stderr + ended.stdout
