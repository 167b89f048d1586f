"""The one who breaks things: faults at random from a seed, each mended before the next of its kind."""

import asyncio
import contextlib
import os
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable

import aiohttp
import asyncpg
import psutil

from torture.network import ROUGH, STORM
from torture.services import Services

_ECMS_FAULTS = ("down", "error-500", "timeout", "garbage", "slow", "apply-then-fail", "twice")
_DATABASE_BACK_WITHIN_S = 180.0

Fault = Callable[[], Awaitable[None]]


class Nemesis:
    """Breaks services until it is told to stop; `counted` has how often each fault was injected."""

    def __init__(self, services: Services, rng: random.Random) -> None:
        self.counted: Counter[str] = Counter()
        self.now: list[str] = []
        """What is broken at the moment."""
        self._services = services
        self._rng = rng

    async def run(self, closing: asyncio.Event) -> None:
        """Four go about it at once: with the gateways, with the database, with the network and with ECMS."""
        gateways = (
            (self._kill_gateway, 5),
            (self._kill_both_gateways, 1),
            (self._stop_gateway, 2),
            (self._freeze_gateway, 3),
        )
        database = (
            (self._kill_postgres, 1),
            (self._kill_backend, 1),
            (self._terminate_backends, 3),
            (self._freeze_backends, 5),
        )
        ecms = ((self._lying_ecms, 6), (self._kill_ecms, 1))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._go_on(gateways, 2.0, 6.0, closing))
            group.create_task(self._go_on(database, 2.0, 6.0, closing))
            group.create_task(self._go_on(((self._bad_weather, 1),), 1.0, 3.0, closing))
            group.create_task(self._go_on(ecms, 1.0, 4.0, closing))

    async def _go_on(
        self, faults: tuple[tuple[Fault, int], ...], least_s: float, most_s: float, closing: asyncio.Event
    ) -> None:
        rng = random.Random(self._rng.random())
        choices, weights = zip(*faults, strict=True)
        while not closing.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(closing.wait(), rng.uniform(least_s, most_s))
            if closing.is_set():
                return
            fault = rng.choices(choices, weights)[0]
            name = fault.__name__.strip("_").replace("_", " ")
            self.counted[name] += 1
            self.now.append(name)
            try:
                await fault()
            finally:
                self.now.remove(name)

    async def _pause(self, least_s: float, most_s: float) -> None:
        await asyncio.sleep(self._rng.uniform(least_s, most_s))

    async def _kill_gateway(self) -> None:
        gateway = self._rng.choice(self._services.gateways)
        await gateway.end()
        await self._pause(0.1, 2.0)
        await gateway.start()

    async def _kill_both_gateways(self) -> None:
        await asyncio.gather(*(gateway.end() for gateway in self._services.gateways))
        await self._pause(0.1, 1.0)
        await asyncio.gather(*(gateway.start() for gateway in self._services.gateways))

    async def _stop_gateway(self) -> None:
        """In good order, under load."""
        gateway = self._rng.choice(self._services.gateways)
        await gateway.end(signal.SIGTERM)
        await gateway.start()

    async def _freeze_gateway(self) -> None:
        gateway = self._rng.choice(self._services.gateways)
        assert gateway.pid is not None
        os.kill(gateway.pid, signal.SIGSTOP)
        await self._pause(0.5, 4.0)
        os.kill(gateway.pid, signal.SIGCONT)

    async def _kill_postgres(self) -> None:
        """The postmaster, with kill -9: its children follow, and it is started again on what they have written."""
        pid = self._services.postgres.pid
        os.kill(pid, signal.SIGKILL)
        await self._database_back(unlike=pid)

    async def _kill_backend(self) -> None:
        """PostgreSQL restarts all of itself when one of its processes is killed."""
        if backends := self._services.backends():
            with contextlib.suppress(psutil.Error):
                self._rng.choice(backends).kill()
            await asyncio.sleep(0.2)
            await self._database_back()

    async def _database_back(self, unlike: int | None = None) -> None:
        async with asyncio.timeout(_DATABASE_BACK_WITHIN_S):
            while True:
                with contextlib.suppress(RuntimeError):
                    if self._services.postgres.pid != unlike and await self._services.database_answers():
                        return
                await asyncio.sleep(0.1)

    async def _terminate_backends(self) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection = await asyncpg.connect(self._services.database_url, timeout=2)
            try:
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'connect-gateway' AND random() < 0.5",
                    timeout=2,
                )
            finally:
                await connection.close(timeout=2)

    async def _freeze_backends(self) -> None:
        """Some of the gateways' connections answer nothing for a while, longer than anybody waits."""
        backends = [backend for backend in self._services.backends() if self._rng.random() < 0.6]
        for number, least_s, most_s in ((signal.SIGSTOP, 0.3, 4.0), (signal.SIGCONT, 0.0, 0.0)):
            for backend in backends:
                with contextlib.suppress(psutil.Error):
                    backend.send_signal(number)
            await self._pause(least_s, most_s)

    async def _bad_weather(self) -> None:
        networks = self._rng.sample(self._services.networks, self._rng.randint(1, 3))
        for network in networks:
            network.weather = self._rng.choice((ROUGH, STORM))
        await self._pause(2.0, 8.0)
        for network in networks:
            network.weather = {}

    async def _lying_ecms(self) -> None:
        mode, probability = self._rng.choice(_ECMS_FAULTS), self._rng.choice((0.3, 1.0))
        self.counted[f"ECMS {mode}"] += 1
        await self._set_fault({"mode": mode, "probability": probability, "seed": self._rng.getrandbits(32)})
        await self._pause(0.5, 6.0)
        await self._set_fault({"mode": "none", "probability": 1.0})

    async def _set_fault(self, fault: dict[str, object]) -> None:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session,
            session.put(f"{self._services.ecms.control_url}/faults", json=fault) as answer,
        ):
            assert answer.status == 200, await answer.text()

    async def _kill_ecms(self) -> None:
        await self._services.ecms.kill()
        await self._pause(0.1, 2.0)
        await self._services.ecms.start()
