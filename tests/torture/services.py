"""What the torture breaks: a PostgreSQL, two gateways and an ECMS, each a process, and the networks between them."""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import asyncpg
import psutil

from connect_gateway.ledger.migrate import migrate
from connect_gateway.postgres import EmbeddedPostgres
from connect_gateway.processes import appended, choose_port, end, tail
from torture.gateways import GatewayProcess
from torture.network import Network
from torture.nursery import Nursery
from torture.stage import admit_clients, ecms_config, gateway_settings

STORES = ("0166", "0200")
_READY_WITHIN_S = 30.0
_LONGEST_DELAY_S = 4.0
"""Longer than a till waits for an answer."""


class EcmsProcess:
    """The ECMS simulator on fixed ports, to be killed and started again."""

    def __init__(self, home: Path) -> None:
        self.port, self.control_port = choose_port(), choose_port()
        self.log = home / "ecms.log"
        self._config_file = home / "ecms.json"
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def control_url(self) -> str:
        return f"http://127.0.0.1:{self.control_port}"

    def aim(self, gateway_url: str) -> None:
        """Says where the gateway is."""
        config = ecms_config(self._home, gateway_url, port=self.port, control_port=self.control_port)
        self._config_file.write_text(json.dumps(config))

    async def start(self) -> None:
        """Starts it and waits until it listens."""
        command = [sys.executable, "-m", "connect_simulators.ecms", "serve", "--config", str(self._config_file)]
        self._process = self._launch(command)
        async with asyncio.timeout(_READY_WITHIN_S), aiohttp.ClientSession() as session:
            while True:
                if self._process.poll() is not None:
                    raise AssertionError(f"ECMS ended while starting:\n{tail(self.log)}")
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"{self.control_url}/faults") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.05)

    def _launch(self, command: list[str]) -> "subprocess.Popen[bytes]":
        with appended(self.log) as output:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )

    async def kill(self) -> None:
        """Ends it with kill -9."""
        if self._process is not None:
            await end(self._process)


@dataclass
class Services:
    """All that can be broken, and the means to look at it."""

    home: Path
    postgres: EmbeddedPostgres
    database_url: str
    gateways: list[GatewayProcess]
    ecms: EcmsProcess
    counter_network: Network
    """Between tills and kiosks and the gateways."""
    ecms_network: Network
    """Between ECMS and the gateways, ECMS asking."""
    relay_network: Network
    """Between the gateways and ECMS, the gateways asking."""

    @property
    def networks(self) -> tuple[Network, Network, Network]:
        return self.counter_network, self.ecms_network, self.relay_network

    def backends(self) -> list[psutil.Process]:
        """PostgreSQL's processes that serve a gateway."""
        try:
            children = psutil.Process(self.postgres.pid).children()
            return [child for child in children if "postgres: connect connect" in " ".join(child.cmdline())]
        except (RuntimeError, psutil.Error):
            return []

    async def database_answers(self) -> bool:
        """Whether PostgreSQL takes connections."""
        try:
            connection = await asyncpg.connect(self.database_url, timeout=2)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        await connection.close()
        return True

    async def heal(self) -> None:
        """Mends all: calm networks, nothing frozen, everything running."""
        for network in self.networks:
            network.weather = {}
        for backend in self.backends():
            with contextlib.suppress(psutil.Error):
                backend.send_signal(signal.SIGCONT)
        for gateway in self.gateways:
            if gateway.pid is not None:
                os.kill(gateway.pid, signal.SIGCONT)
        while not await self.database_answers():
            await asyncio.sleep(0.1)
        for gateway in self.gateways:
            if not gateway.alive:
                await gateway.start()
        async with aiohttp.ClientSession() as session:
            body = {"mode": "none", "probability": 1.0}
            async with session.put(f"{self.ecms.control_url}/faults", json=body) as answer:
                assert answer.status == 200


@contextlib.asynccontextmanager
async def services(home: Path, rng: random.Random) -> AsyncIterator[Services]:
    """Everything, started; in the end all of it is gone."""
    async with contextlib.AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(EmbeddedPostgres(home / "postgres"))
        keeper = asyncio.create_task(postgres.keep())
        stack.push_async_callback(_cancelled, keeper)
        await migrate(postgres.url)
        await admit_clients(postgres.url, STORES)
        nursery = await stack.enter_async_context(Nursery())
        gateways = [GatewayProcess(nursery, {}, home / f"gateway-{number}.log") for number in (1, 2)]
        ecms = EcmsProcess(home)
        stack.push_async_callback(ecms.kill)

        async def network(targets: list[int]) -> Network:
            made = Network(targets, random.Random(rng.random()), longest_delay_s=_LONGEST_DELAY_S)
            return await stack.enter_async_context(made)

        ports = [gateway.port for gateway in gateways]
        made = Services(
            home,
            postgres,
            postgres.url,
            gateways,
            ecms,
            await network(ports),
            await network(ports),
            await network([ecms.port]),
        )
        ecms.aim(made.ecms_network.url)
        await ecms.start()
        for gateway in gateways:
            gateway.settings.update(gateway_settings(home, postgres.url, made.relay_network.url))
            stack.push_async_callback(gateway.end)
            await gateway.start()
        yield made


async def _cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
