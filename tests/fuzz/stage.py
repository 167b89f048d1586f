"""What the counter's campaign plays on: a gateway process, a network and a database connection to spoil, and an ECMS.

hypothesis calls its rules one after another and without an event loop, so everything here lives in a loop of its own
thread, and `Loop.run` is the way in.
"""

import asyncio
import contextlib
import random
import threading
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import asyncpg
from aiohttp import web
from aiohttp.test_utils import TestServer
from history.recording import Recorder, RecordingWire
from partners import EcmsServer
from pgproxy import PostgresProxy, Spoil
from torture.gateways import GatewayProcess
from torture.network import Network, Trouble
from torture.nursery import Nursery
from torture.stage import SECRET, admit_clients, gateway_settings

from connect_gateway.clock import SystemClock
from connect_gateway.ledger.clients import ensure_client

T = TypeVar("T")

_EVERYTHING_WITHIN_S = 120.0
_DRAINED_WITHIN_S = 60.0
_TILL_TIMEOUT_S = 30.0
"""Longer than a gateway takes on any machine: whoever gives up before leaves a request behind that nobody waits for."""
ECMS_MODES = ("none", "down", "error-500", "error-in-200", "429", "garbage", "redirect", "apply-then-fail", "slow")


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fuzz", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(_wind_up(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What the coroutine comes to, in the loop's thread."""
        bounded = asyncio.wait_for(work, _EVERYTHING_WITHIN_S)
        return asyncio.run_coroutine_threadsafe(bounded, self._loop).result()


async def _wind_up() -> None:
    """Lets everything end that is still under way, and what was closed be gone."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
    for _ in range(10):
        await asyncio.sleep(0)


class FickleEcms(EcmsServer):
    """ECMS as the gateway meets it; `mode` says how it misbehaves, `applied` what it has applied, once each."""

    def __init__(self) -> None:
        super().__init__()
        self.mode = "none"
        self.applied: dict[str, list[tuple[str, str | None]]] = defaultdict(list)
        self.returnable: dict[str, str] = {}
        """Tracking numbers by identifier."""
        self.fees: dict[str, str] = {}
        """What is paid for a drop-off, by its tracking number."""
        self._heard: set[str] = set()
        for path, work in (("status", self._apply), ("returns", self._make_return), ("quote", self._quote_fee)):
            self.faults[path] = self._misbehaving(work)

    def _misbehaving(self, work: Any) -> Any:
        async def handler(request: web.Request) -> web.StreamResponse:
            body = await request.json()
            match self.mode:
                case "down":
                    assert request.transport is not None
                    request.transport.abort()
                    return web.Response(status=500)
                case "error-500":
                    return web.Response(status=500)
                case "error-in-200":
                    return web.json_response({"errorCode": "500", "message": "no"})
                case "429":
                    return web.Response(status=429)
                case "garbage":
                    return web.Response(text="<html>")
                case "redirect":
                    raise web.HTTPTemporaryRedirect("/elsewhere")
                case "apply-then-fail":
                    work(body)
                    return web.Response(status=500)
                case "slow":
                    await asyncio.sleep(0.2)
            status, answer = work(body)
            return web.json_response(answer, status=status)

        return handler

    def _apply(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if body["eventId"] not in self._heard:
            self._heard.add(body["eventId"])
            self.applied[body["trackingNumber"]].append((body["status"], body.get("reason")))
        return 200, {"errorCode": "200", "message": "ok"}

    def _quote_fee(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        fee = self.fees.get(body["trackingNumber"])
        if fee is None:
            return 404, {"errorCode": "404", "message": "unknown"}
        return 200, {"errorCode": "200", "amountDue": fee}

    def _make_return(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        tracking = self.returnable.get(body["merchantReference"])
        if tracking is None:
            return 404, {"errorCode": "404", "message": "unknown"}
        return 200, {"trackingNumber": tracking, "merchant": "Merchant A", "merchantCode": "001"}


@dataclass
class Stage:
    """Everything around one gateway on one database."""

    database_url: str
    gateway: GatewayProcess
    network: Network
    database: PostgresProxy
    ecms: FickleEcms
    recorder: Recorder = field(default_factory=Recorder)
    counted: Counter[str] = field(default_factory=Counter)
    stores: int = 0
    armed: bool = False
    """Whether the gateway is to die at a crash point."""
    _wires: dict[str, RecordingWire] = field(default_factory=dict)

    async def new_stores(self) -> tuple[str, str]:
        """Two stores that nobody has used yet, each with a client for its tills and one for its kiosk."""
        made = tuple(f"{number:04d}" for number in (self.stores + 1, self.stores + 2))
        self.stores += 2
        connection = await asyncpg.connect(self.database_url, timeout=10)
        try:
            for store in made:
                for role in ("pos", "kiosk"):
                    await ensure_client(
                        connection,
                        client_id=f"{role}-{store}",
                        secret=SECRET,
                        role=role,
                        store_id=store,
                        pos=None,
                        now=SystemClock().now(),
                    )
        finally:
            await connection.close()
        return made[0], made[1]

    def wire(self, client_id: str) -> RecordingWire:
        """A client application's way to the gateway, through the network."""
        if client_id not in self._wires:
            store = client_id.partition("-")[2]
            self._wires[client_id] = RecordingWire(
                self.recorder, client_id, self.network.url, client_id, SECRET, store=store, timeout_s=_TILL_TIMEOUT_S
            )
        return self._wires[client_id]

    async def start(self, crash_at: str | None = None) -> None:
        """Starts the gateway, to die at a crash point if one is given."""
        self.armed = crash_at is not None
        await self.gateway.start(crash_at=crash_at, ready=not self.armed)
        if self.armed:
            # It may die before it is ready, where it finds work left over.
            await self.gateway.becomes_ready()

    async def stand_up_again(self) -> None:
        """Starts the gateway again if it has died, after its last statements are done with."""
        if not self.gateway.alive:
            if self.gateway.pid is not None:
                await self.gateway.died()
            self.counted["gateway died"] += 1
            await self.nothing_under_way()
            await self.start()

    async def calm(self) -> None:
        """Mends everything."""
        self.network.weather = {}
        self.database.calm()
        self.ecms.mode = "none"
        await self.network.settled()
        if self.armed and self.gateway.alive:
            await self.gateway.end()
        await self.stand_up_again()
        await self.nothing_under_way()

    async def nothing_under_way(self) -> None:
        """Waits until no request is on its way any more and no connection of the gateway has a transaction open."""
        await self.network.settled()
        connection = await asyncpg.connect(self.database_url, timeout=10)
        try:
            async with asyncio.timeout(_DRAINED_WITHIN_S):
                while await connection.fetchval(_AT_WORK):
                    await asyncio.sleep(0.01)
        finally:
            await connection.close()

    async def terminate_backends(self) -> None:
        """Ends every connection that the gateway has to the database."""
        connection = await asyncpg.connect(self.database_url, timeout=10)
        try:
            await connection.execute(_TERMINATE)
        finally:
            await connection.close()

    async def drained(self, tracking_numbers: list[str]) -> None:
        """Waits until ECMS has heard all that there is to tell of these parcels."""
        connection = await asyncpg.connect(self.database_url, timeout=10)
        try:
            async with asyncio.timeout(_DRAINED_WITHIN_S):
                while await connection.fetchval(_UNTOLD, tracking_numbers):
                    await asyncio.sleep(0.02)
        finally:
            await connection.close()

    async def close(self) -> None:
        for wire in self._wires.values():
            await wire.close()


_OF_THE_GATEWAY = "application_name = 'connect-gateway' AND datname = current_database()"
_AT_WORK = f"SELECT count(*) FROM pg_stat_activity WHERE {_OF_THE_GATEWAY} AND state <> 'idle'"
_TERMINATE = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {_OF_THE_GATEWAY}"
_UNTOLD = "SELECT count(*) FROM event WHERE state <> 'TOLD' AND tracking_number = ANY($1)"


@contextlib.asynccontextmanager
async def playing(nursery: Nursery, database_url: str, home: Path, seed: int) -> AsyncIterator[Stage]:
    """A stage with a gateway that is ready, on a database that is migrated and empty."""
    await admit_clients(database_url, ())
    ecms = FickleEcms()
    server = TestServer(ecms.application())
    await server.start_server()
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(server.close)
        proxy = await stack.enter_async_context(PostgresProxy(database_url))
        settings = gateway_settings(home, proxy.url, str(server.make_url("")).rstrip("/"))
        gateway = GatewayProcess(nursery, settings, home / "gateway.log")
        network = Network([gateway.port], random.Random(seed), longest_delay_s=0.5)
        await stack.enter_async_context(network)
        made = Stage(database_url, gateway, network, proxy, ecms)
        stack.push_async_callback(gateway.end)
        stack.push_async_callback(made.close)
        await made.start()
        yield made


__all__ = ["ECMS_MODES", "FickleEcms", "Loop", "Spoil", "Stage", "Trouble", "playing"]
