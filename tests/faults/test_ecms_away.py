"""ECMS in every way of being away: events wait, in order for each parcel, and all of them get there. About 40 s; needs
PostgreSQL.
"""

import asyncio
import itertools
import uuid
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from partners import EcmsServer, Handler, Parcel, Reply
from world import World

from connect_gateway.settings import Settings

Fault = Callable[[EcmsServer, web.Request], Awaitable[web.StreamResponse]]
ROUNDS = ["CLAIMED", "DELIVERED TO STORE", "CLAIMED"]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The gateway loses patience with ECMS soon."""
    return settings.model_copy(update={"ecms_timeout_ms": 1_000})


async def error_500(_server: EcmsServer, _request: web.Request) -> web.StreamResponse:
    return web.json_response({"errorCode": "500", "message": "out of order"}, status=500)


async def too_many(_server: EcmsServer, _request: web.Request) -> web.StreamResponse:
    return web.json_response({"errorCode": "429"}, status=429)


async def nothing(_server: EcmsServer, _request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()


async def reset(_server: EcmsServer, request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def applied_then_reset(server: EcmsServer, request: web.Request) -> web.StreamResponse:
    await server.take(request)
    return await reset(server, request)


async def applied_then_500(server: EcmsServer, request: web.Request) -> web.StreamResponse:
    await server.take(request)
    return await error_500(server, request)


async def garbage(_server: EcmsServer, _request: web.Request) -> web.StreamResponse:
    return web.Response(body=b"\x00\xff<html>200</html>", content_type="application/json")


async def nested(_server: EcmsServer, _request: web.Request) -> web.StreamResponse:
    return web.Response(body=b'{"errorCode":' + b"[" * 30_000, content_type="application/json")


async def endless(_server: EcmsServer, _request: web.Request) -> web.StreamResponse:
    return web.Response(body=b'{"errorCode":"200","message":"' + b"x" * 1_000_000 + b'"}')


async def badly_packed(_server: EcmsServer, _request: web.Request) -> web.StreamResponse:
    return web.Response(body=b"no gzip at all", headers={"Content-Encoding": "gzip"})


async def redirect(_server: EcmsServer, _request: web.Request) -> web.StreamResponse:
    """Which is not followed (REL-14)."""
    return web.Response(status=307, headers={"Location": "/accounts/oauth2/token"})


async def error_in_a_200(_server: EcmsServer, _request: web.Request) -> web.StreamResponse:
    return web.json_response({"errorCode": "500", "message": "no"})


async def empty_200(_server: EcmsServer, _request: web.Request) -> web.StreamResponse:
    return web.Response()


async def a_byte_a_second(_server: EcmsServer, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_length = 34
    await response.prepare(request)
    for byte in b'{"errorCode":"200","message":"ok"} ':
        await response.write(bytes([byte]))
        await asyncio.sleep(1)
    return response


async def token_refused(_server: EcmsServer, _request: web.Request) -> web.StreamResponse:
    return web.json_response({"errorCode": "401"}, status=401)


FAULTS: list[Fault] = [
    error_500,
    too_many,
    nothing,
    reset,
    applied_then_reset,
    applied_then_500,
    garbage,
    nested,
    endless,
    badly_packed,
    redirect,
    error_in_a_200,
    empty_200,
    a_byte_a_second,
    token_refused,
]


def for_a_while(server: EcmsServer, fault: Fault, times: int) -> Handler:
    """The fault for so many requests; then ECMS is well again."""
    left = itertools.count(times, -1)

    async def handle(request: web.Request) -> web.StreamResponse:
        if next(left) > 0:
            return await fault(server, request)
        server.faults.pop("status", None)
        return await server.take(request)

    return handle


async def busy(world: World, parcels: list[Parcel]) -> None:
    """Three events of each parcel."""
    for parcel in parcels:
        transaction_id = str(uuid.uuid4())
        assert (await world.till.collect(parcel, transaction_id)).status == 201
        assert (await world.till.reverse(transaction_id)).status == 200
        assert (await world.till.collect(parcel)).status == 201


def told_in_order(server: EcmsServer, parcels: list[Parcel]) -> None:
    """Each event at least once, repeats only of what had not been answered, and in order for each parcel."""
    for parcel in parcels:
        of_parcel = [event for event in server.events if event["trackingNumber"] == parcel.tracking_number]
        once = [event for place, event in enumerate(of_parcel) if event not in of_parcel[:place]]
        assert [event["status"] for event in once] == ROUNDS
        # A repeat comes before whatever follows it: applied once by its id, the order holds.
        assert [event for event, _ in itertools.groupby(of_parcel)] == once


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_events_wait_and_all_get_there_in_order(world: World, fault: Fault) -> None:
    server = world.ecms_server
    parcels = [await world.ecms.ship_to_store() for _ in range(3)]
    server.faults["status"] = for_a_while(server, fault, 6)
    await busy(world, parcels)
    await world.noted()
    told_in_order(server, parcels)
    assert not await world.fetch("SELECT FROM task WHERE closed_at IS NULL")


async def test_while_it_is_away_the_counter_works_and_one_probe_at_a_time_is_sent(world: World) -> None:
    server = world.ecms_server
    under_way: list[int] = [0]

    async def away(request: web.Request) -> web.StreamResponse:
        under_way.append(under_way[-1] + 1)
        # Long enough for a second one to be seen beside it.
        await asyncio.sleep(0.05)
        under_way.append(under_way[-1] - 1)
        return await error_500(server, request)

    server.faults["status"] = away
    parcels = [await world.ecms.ship_to_store() for _ in range(30)]
    replies: list[Reply] = await asyncio.gather(*(world.till.collect(parcel) for parcel in parcels))
    assert {reply.status for reply in replies} == {201}
    async with asyncio.timeout(20):
        while "connect_ecms_away 1.0" not in (await world.admin.call("GET", "/metrics")).raw.decode():
            await asyncio.sleep(0.02)
        # What was sent before the breaker opened comes back; from then on they come singly.
        while under_way[-1]:
            await asyncio.sleep(0.01)
        under_way[:] = [0]
        while len(under_way) < 7:
            await asyncio.sleep(0.01)
    assert max(under_way) == 1
    del server.faults["status"]
    await world.noted()
    assert len({event["eventId"] for event in server.events}) == 30


async def test_a_token_that_expires_for_all_at_once_is_renewed_once(world: World) -> None:
    """REL-14."""
    server = world.ecms_server
    await world.till.collect(await world.ecms.ship_to_store())
    await world.noted()
    assert len(server.grants) == 1
    good = asyncio.Event()

    async def expired(request: web.Request) -> web.StreamResponse:
        if len(server.grants) == 1:
            return await token_refused(server, request)
        good.set()
        return await server.take(request)

    server.faults["status"] = expired
    parcels = [await world.ecms.ship_to_store() for _ in range(30)]
    await asyncio.gather(*(world.till.collect(parcel) for parcel in parcels))
    await world.noted()
    assert good.is_set()
    assert len(server.grants) == 2
    assert len({event["eventId"] for event in server.events}) == 31


async def test_without_a_token_events_wait(world: World) -> None:
    server = world.ecms_server
    tries = itertools.count()

    async def refused(_request: web.Request) -> web.StreamResponse:
        if next(tries) < 3:
            return web.json_response({"error": "invalid_client"}, status=401)
        server.faults.clear()
        return server.granted()

    server.faults["token"] = refused
    await world.till.collect(await world.ecms.ship_to_store())
    await world.noted()
    assert [grant["grant_type"] for grant in server.grants] == ["client_credentials"] * 4
    assert not await world.fetch("SELECT FROM task")


@pytest.mark.parametrize("fault", [error_500, garbage, error_in_a_200, token_refused, reset], ids=lambda f: f.__name__)
async def test_a_refresh_that_goes_wrong_is_made_up_for_with_the_credentials(world: World, fault: Fault) -> None:
    server = world.ecms_server
    server.faults["token"] = lambda _request: short()

    async def short() -> web.StreamResponse:
        # So short a life that the next event finds it over.
        return server.granted(expires_in=1)

    async def no_refresh(request: web.Request) -> web.StreamResponse:
        if server.grants[-1]["grant_type"] == "refresh_token":
            return await fault(server, request)
        return server.granted()

    await world.till.collect(await world.ecms.ship_to_store())
    await world.noted()
    server.faults["token"] = no_refresh
    parcel = await world.ecms.ship_to_store()
    async with asyncio.timeout(15):
        while "refresh_token" not in [grant["grant_type"] for grant in server.grants]:
            # Until its second is over, the token is good and nobody asks for another.
            parcel = await world.ecms.ship_to_store()
            await world.till.collect(parcel)
            await asyncio.sleep(0.1)
    await world.noted()
    assert server.grants[-1]["grant_type"] == "client_credentials"
    assert server.events[-1]["trackingNumber"] == parcel.tracking_number
