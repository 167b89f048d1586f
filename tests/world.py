"""One gateway over real HTTP and real PostgreSQL for each test, and its partners."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import asyncpg
import pytest
from aiohttp.test_utils import TestServer
from partners import Ecms, EcmsServer, Partner, Till

from connect_gateway import logs
from connect_gateway.clock import SystemClock
from connect_gateway.keys import generate_keys_file
from connect_gateway.ledger.clients import ensure_client
from connect_gateway.server import serving
from connect_gateway.settings import Settings

AnyPartner = TypeVar("AnyPartner", bound=Partner)

SECRET = "a secret of the tests"


@dataclass
class World:
    """A running gateway with everybody around it."""

    url: str
    database_url: str
    ecms_server: EcmsServer
    session: aiohttp.ClientSession
    till: Till
    kiosk: Partner
    ecms: Ecms
    admin: Partner
    settings: Settings

    async def partner(
        self, kind: type[AnyPartner], client_id: str, role: str, store: str | None, pos: int | None
    ) -> AnyPartner:
        """A further client application, logged in."""
        await add_client(self.database_url, client_id, role, store, pos)
        made = kind(self.session, self.url, client_id, SECRET)
        await made.log_in()
        return made

    def at(self, partner: AnyPartner, url: str) -> AnyPartner:
        """The same client application with the same token, speaking to another gateway."""
        made = type(partner)(self.session, url, partner.client_id, partner.secret)
        made.token = partner.token
        return made

    @contextlib.asynccontextmanager
    async def another_gateway(self, **changed: Any) -> AsyncIterator[str]:
        """A second gateway on the same database, with some settings otherwise; yields its URL."""
        settings = self.settings.model_copy(update=changed)
        assert settings.keys_file is not None
        async with serving(settings, self.database_url, settings.keys_file) as port:
            yield f"http://127.0.0.1:{port}"

    async def set_clock(self, moment: datetime) -> None:
        """Makes `moment` the gateway's present."""
        reply = await self.ecms.call("PUT", "/sandbox/v1/clock", {"now": moment.isoformat()})
        assert reply.status == 204, reply.raw

    async def fetch(self, query: str, *values: Any) -> list[asyncpg.Record]:
        """Rows of the ledger, read past the gateway."""
        connection = await asyncpg.connect(self.database_url)
        try:
            return await connection.fetch(query, *values)
        finally:
            await connection.close()

    async def noted(self) -> None:
        """Until the gateway has noted that ECMS was told of everything."""
        async with asyncio.timeout(20):
            while await self.fetch("SELECT FROM event WHERE state <> 'TOLD'"):
                await asyncio.sleep(0.02)

    async def told(self, count: int) -> list[dict[str, Any]]:
        """What ECMS has been told, once it is `count` events."""
        async with asyncio.timeout(20):
            while len(self.ecms_server.events) < count:
                await asyncio.sleep(0.02)
        return self.ecms_server.events


async def add_client(database_url: str, client_id: str, role: str, store: str | None, pos: int | None) -> None:
    connection = await asyncpg.connect(database_url)
    await ensure_client(
        connection, client_id=client_id, secret=SECRET, role=role, store_id=store, pos=pos, now=SystemClock().now()
    )
    await connection.close()


@pytest.fixture
async def ecms_server() -> AsyncIterator[EcmsServer]:
    made = EcmsServer()
    server = TestServer(made.application())
    await server.start_server()
    made.url = str(server.make_url("")).rstrip("/")
    yield made
    await server.close()


@pytest.fixture
def settings(ecms_server: EcmsServer, tmp_path: Path) -> Settings:
    keys = tmp_path / "keys.json"
    generate_keys_file(keys)
    return Settings(
        port=0,
        ecms_url=ecms_server.url,
        ecms_client_secret="of no matter",
        keys_file=keys,
        sandbox=True,  # type: ignore[arg-type]
    )


@pytest.fixture
def gateway_database_url(database_url: str) -> str:
    """How the gateway reaches its database; a tier that puts something in between says so here."""
    return database_url


@pytest.fixture
async def world(
    database_url: str, gateway_database_url: str, settings: Settings, ecms_server: EcmsServer
) -> AsyncIterator[World]:
    for client_id, role, store, pos in (
        ("till", "pos", "0166", 1),
        ("kiosk", "kiosk", "0166", None),
        ("ecms", "ecms", None, None),
        ("admin", "admin", None, None),
    ):
        await add_client(database_url, client_id, role, store, pos)
    assert settings.keys_file is not None
    logs.configure("WARNING")
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        serving(settings, gateway_database_url, settings.keys_file) as port,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        url = f"http://127.0.0.1:{port}"
        made = World(
            url,
            database_url,
            ecms_server,
            session,
            Till(session, url, "till", SECRET),
            Partner(session, url, "kiosk", SECRET),
            Ecms(session, url, "ecms", SECRET),
            Partner(session, url, "admin", SECRET),
            settings,
        )
        for partner in (made.till, made.kiosk, made.ecms, made.admin):
            await partner.log_in()
        yield made
