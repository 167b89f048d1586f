"""The torture's network does to a request and its answer what each trouble is called. Seconds; needs nothing."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from connect_simulators.wire import NoAnswer, WireClient
from torture.network import Network, Trouble

DELAY_S = 0.3


class Counted:
    """A server that counts what arrives, and a network before it."""

    def __init__(self) -> None:
        self.arrived: list[bytes] = []
        application = web.Application()
        application.router.add_put("/thing", self.take)
        application.router.add_post("/accounts/oauth2/token", self.token)
        self.server = TestServer(application)

    async def token(self, _: web.Request) -> web.Response:
        return web.json_response({"access_token": "t", "expires_in": 7200})

    async def take(self, request: web.Request) -> web.Response:
        self.arrived.append(await request.read())
        return web.json_response({"arrived": len(self.arrived)})


@pytest.fixture
async def counted() -> AsyncIterator[Counted]:
    made = Counted()
    await made.server.start_server()
    yield made
    await made.server.close()


ANSWERED = {None, Trouble.DELAY_REQUEST, Trouble.DELAY_ANSWER, Trouble.DOUBLE, Trouble.LATE_DOUBLE}
TWICE = {Trouble.DOUBLE, Trouble.LATE_DOUBLE}
NEVER = {Trouble.LOSE_REQUEST, Trouble.CUT_REQUEST}


@pytest.mark.parametrize("trouble", [None, *Trouble], ids=str)
async def test_a_trouble_does_what_it_is_called(counted: Counted, trouble: Trouble | None) -> None:
    assert counted.server.port is not None
    async with (
        Network([counted.server.port], random.Random(1), longest_delay_s=DELAY_S) as network,
        WireClient(network.url, "till", "secret", timeout_s=1.0) as client,
    ):
        await client.request("PUT", "/thing", json={"number": 0})
        network.weather = {} if trouble is None else {trouble: 1.0}
        if trouble in ANSWERED:
            assert (await client.request("PUT", "/thing", json={"number": 1})).status == 200
        else:
            with pytest.raises(NoAnswer):
                await client.request("PUT", "/thing", json={"number": 1})
        await network.settled()
        assert sum(network.counted.values()) == (trouble is not None)
    arrived = [body for body in counted.arrived if body == b'{"number": 1}']
    assert len(arrived) == (0 if trouble in NEVER else 2 if trouble in TWICE else 1)


async def test_a_server_that_is_away_is_passed_over(counted: Counted) -> None:
    assert counted.server.port is not None
    async with (
        Network([1, counted.server.port], random.Random(1), longest_delay_s=DELAY_S) as network,
        WireClient(network.url, "till", "secret") as client,
    ):
        for _ in range(5):
            assert (await client.request("PUT", "/thing", json={})).status == 200
        await asyncio.sleep(0)
