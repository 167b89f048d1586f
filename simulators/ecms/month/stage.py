"""The platform on which the month is played: a sandbox, its clients, its clock, and ECMS's scans."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ...demo import running_sandbox
from ...journal import Journal
from ...kiosk import Kiosk
from ...pos import Till, TillSettings
from ...wire import PHILIPPINE_TIME, Answer, Credentials, WireClient, credentials_of
from ..control import Control
from .plan import STORE_OF

_AT_ONCE = 1000
_TIMEOUT_S = 30.0


class MonthFailed(Exception):
    """Something did not go as it must; the message says what."""


@dataclass
class Counter:
    """One store's till, and the connection by which it closes its shifts."""

    store_id: str
    till: Till
    wire: WireClient
    lock: asyncio.Lock


class Stage:
    """Everything that the month plays with. `now` is the simulated moment, set by `move_to`."""

    def __init__(self, facts: Mapping[str, Any], control: Control, merchants: Mapping[str, WireClient]) -> None:
        self.facts = facts
        self.merchants = merchants
        self.counters: dict[str, Counter] = {}
        self.kiosk: Kiosk
        self.admin: WireClient
        self.now = datetime.now(PHILIPPINE_TIME)
        self._control = control

    async def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The control port's answer; `MonthFailed` where it refuses."""
        answer = await self._control.request(method, path, body)
        if answer.status != 200 or answer.body is None:
            raise MonthFailed(f"ECMS, {method} {path}: {answer.status} {answer.body}")
        return answer.body

    async def move_to(self, moment: datetime) -> None:
        """Lets the time pass, ECMS's jobs with it, until the gateway has been told of everything."""
        self.now = moment
        await self.control("PUT", "/clock", {"now": moment.isoformat()})
        await self.settle()

    async def settle(self) -> None:
        """Waits until the gateway has been told of everything."""
        for _ in range(6):
            answer = await self._control.request("POST", "/settle")
            if answer.status == 200:
                return
        raise MonthFailed("the gateway does not take what ECMS tells")

    async def scan(self, numbers: Iterable[str], status: str) -> None:
        """One scan of many parcels; `MonthFailed` where the table refuses one."""
        waiting = list(numbers)
        for first in range(0, len(waiting), _AT_ONCE):
            some = waiting[first : first + _AT_ONCE]
            answer = await self.control("POST", "/scan", {"trackingNumbers": some, "status": status})
            refused = [scan for scan in answer["scans"] if scan["refused"] is not None]
            if refused:
                raise MonthFailed(f"scan {status}: {refused[0]}")

    async def parcels(self, query: str = "") -> list[dict[str, Any]]:
        """What ECMS has, the oldest first."""
        found = await self.control("GET", f"/parcels?limit=99999&{query}")
        return list(reversed(found["parcels"]))

    async def history(self, tracking_number: str) -> dict[str, Any]:
        """One parcel with all its events."""
        return await self.control("GET", f"/parcels/{tracking_number}")

    async def merchant(self, code: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """What ECMS answers a merchant; `MonthFailed` where it is not 200."""
        answer: Answer = await self.merchants[code].request("POST", path, json=body)
        if answer.status != 200 or answer.body is None:
            raise MonthFailed(f"merchant {code}, {path}: {answer.status} {answer.body}")
        return answer.body


@contextlib.asynccontextmanager
async def open_stage(
    home: Path, given: Mapping[str, Any] | None = None, data_dir: Path | None = None
) -> AsyncIterator[Stage]:
    """A stage on a sandbox: the one whose line of JSON is `given` and whose directory is `data_dir`, or one of its own,
    gone afterwards.
    """
    async with contextlib.AsyncExitStack() as stack:
        data = data_dir or home / "sandbox"
        facts: Mapping[str, Any]
        if given is None:
            facts, _ = await stack.enter_async_context(running_sandbox(home, data))
        else:
            facts = given
        clients = _merchants_of(data)
        control = await stack.enter_async_context(Control(facts["ecmsControl"]))

        async def wire(url: str, credentials: Credentials) -> WireClient:
            client = WireClient(url, credentials.client_id, credentials.client_secret, timeout_s=_TIMEOUT_S)
            return await stack.enter_async_context(client)

        stage = Stage(
            facts, control, {code: await wire(facts["ecms"], credentials_of(c)) for code, c in clients.items()}
        )
        stage.now = datetime.fromisoformat((await stage.control("GET", "/clock"))["now"]).astimezone(PHILIPPINE_TIME)
        gateway = facts["gateway"]
        stage.admin = await wire(gateway, credentials_of(facts["clients"]["admin"]))
        journal = stack.enter_context(Journal(home / "kiosk"))
        app = await wire(gateway, credentials_of(facts["clients"]["app"]))
        stage.kiosk = Kiosk(app, journal, clock=lambda: stage.now)
        made = await asyncio.gather(*(_till_client(facts, store_id) for store_id in STORE_OF.values()))
        for store_id, credentials in zip(STORE_OF.values(), made, strict=True):
            client = await wire(gateway, credentials)
            till_journal = stack.enter_context(Journal(home / f"till-{store_id}"))
            till = Till(client, till_journal, TillSettings(pos="9"), clock=lambda: stage.now)
            stage.counters[store_id] = Counter(store_id, till, client, asyncio.Lock())
        yield stage


def _merchants_of(data: Path) -> dict[str, Any]:
    """The merchants that the sandbox's ECMS knows, by their code."""
    config = json.loads((data / "ecms" / "config.json").read_text(encoding="utf-8"))
    return {client["merchantCode"]: client for client in config["clients"] if client["role"] == "merchant"}


async def _till_client(facts: Mapping[str, Any], store_id: str) -> Credentials:
    made = await gateway_command(
        facts, "client", "add", f"month-{store_id}", "--role", "pos", "--store", store_id, "--json"
    )
    return credentials_of(json.loads(made))


async def gateway_command(facts: Mapping[str, Any], *arguments: str) -> bytes:
    """What `connect-gateway …` prints, run on the sandbox's database; `MonthFailed` where it fails."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "connect_gateway", *arguments),
        env={**os.environ, "CONNECT_DATABASE_URL": facts["database"]},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, errors = await process.communicate()
    if process.returncode != 0:
        raise MonthFailed(f"connect-gateway {' '.join(arguments[:2])}: {errors.decode(errors='replace')[-500:]}")
    return printed
