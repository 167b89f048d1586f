"""The simulators' HTTP client and fault proxy against a small real server. About 2 s; loopback alone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from connect_simulators.faultproxy import Fault, FaultProxy
from connect_simulators.wire import NoAnswer, WireClient, format_amount, load_credentials, parse_amount


class Server:
    """Issues numbered tokens and counts what reaches it; `valid` says which token is taken."""

    def __init__(self) -> None:
        self.grants: list[str] = []
        self.seen: list[str] = []
        self.valid: set[str] = set()
        self.expires_in = 7200
        self.url = ""

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.grants.append(str(form["grant_type"]))
        await asyncio.sleep(0)
        if form["client_secret"] != "right":
            return web.json_response({"error": "invalid_client"}, status=401)
        access = f"token-{len(self.grants)}"
        self.valid.add(access)
        body = {"access_token": access, "refresh_token": "r", "token_type": "bearer"}
        return web.json_response({**body, "expires_in": self.expires_in})

    async def thing(self, request: web.Request) -> web.Response:
        self.seen.append(request.method)
        if request.headers["Authorization"].removeprefix("Bearer ") not in self.valid:
            return web.json_response({"code": "invalid-token"}, status=401)
        if request.query.get("hang"):
            await asyncio.sleep(30)
        if request.query.get("moved"):
            raise web.HTTPTemporaryRedirect("/thing")
        if request.query.get("break"):
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({"ok": True})


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    served = Server()
    app = web.Application()
    app.router.add_post("/accounts/oauth2/token", served.token)
    app.router.add_route("*", "/thing", served.thing)
    async with TestServer(app, host="127.0.0.1") as running:
        served.url = str(running.make_url("")).rstrip("/")
        yield served


async def test_one_token_serves_many_requests(server: Server) -> None:
    async with WireClient(server.url, "till", "right") as client:
        answers = await asyncio.gather(*(client.request("GET", "/thing") for _ in range(20)))
    assert [answer.status for answer in answers] == [200] * 20
    assert server.grants == ["client_credentials"]


async def test_a_refused_token_is_replaced_once_for_all_who_wait(server: Server) -> None:
    async with WireClient(server.url, "till", "right") as client:
        await client.request("GET", "/thing")
        server.valid.clear()
        answers = await asyncio.gather(*(client.request("GET", "/thing") for _ in range(20)))
    assert [answer.status for answer in answers] == [200] * 20
    assert server.grants == ["client_credentials"] * 2


async def test_a_token_is_refreshed_before_it_expires(server: Server) -> None:
    """OAU-7."""
    server.expires_in = 0
    async with WireClient(server.url, "till", "right") as client:
        await client.request("GET", "/thing")
        assert (await client.request("GET", "/thing")).status == 200
    assert server.grants == ["client_credentials", "refresh_token"]


async def test_without_a_token_nothing_is_sent(server: Server) -> None:
    async with WireClient(server.url, "till", "wrong") as client:
        answer = await client.request("PUT", "/thing", json={})
    assert (answer.status, answer.body) == (401, {"error": "invalid_client"})
    assert server.seen == []


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
async def test_a_broken_connection_is_no_answer_and_not_a_second_request(server: Server, method: str) -> None:
    async with WireClient(server.url, "till", "right") as client:
        await client.request("GET", "/thing")
        server.seen.clear()
        with pytest.raises(NoAnswer):
            await client.request(method, "/thing?break=1", json={"a": 1})
    assert server.seen == [method]


async def test_a_redirect_is_an_answer_like_any_other(server: Server) -> None:
    async with WireClient(server.url, "till", "right") as client:
        assert (await client.request("PUT", "/thing?moved=1", json={})).status == 307
    assert server.seen == ["PUT"]


async def test_silence_is_no_answer(server: Server) -> None:
    async with WireClient(server.url, "till", "right", timeout_s=0.2) as client:
        with pytest.raises(NoAnswer):
            await client.request("GET", "/thing?hang=1")


@pytest.mark.parametrize("fault", [Fault.DROP_ANSWER, Fault.CUT_ANSWER])
async def test_the_proxy_spoils_one_answer_after_the_server_has_done_its_work(server: Server, fault: Fault) -> None:
    async with FaultProxy(server.url) as proxy, WireClient(proxy.url, "till", "right") as client:
        await client.request("GET", "/thing")
        struck = proxy.inject(fault)
        with pytest.raises(NoAnswer):
            await client.request("PUT", "/thing", json={})
        await struck.wait()
        assert (await client.request("PUT", "/thing", json={})).body == {"ok": True}
    assert server.seen == ["GET", "PUT", "PUT"]


async def test_the_proxy_refuses_until_it_is_told_otherwise(server: Server) -> None:
    async with FaultProxy(server.url) as proxy, WireClient(proxy.url, "till", "right") as client:
        await client.request("GET", "/thing")
        proxy.inject(Fault.REFUSE)
        for _ in range(2):
            with pytest.raises(NoAnswer):
                await client.request("GET", "/thing")
        proxy.inject(Fault.PASS)
        assert (await client.request("GET", "/thing")).status == 200
    assert server.seen == ["GET", "GET"]


async def test_the_proxy_holds_an_answer_until_it_is_released(server: Server) -> None:
    async with FaultProxy(server.url) as proxy, WireClient(proxy.url, "till", "right") as client:
        await client.request("GET", "/thing")
        struck = proxy.inject(Fault.DELAY)
        held = asyncio.create_task(client.request("GET", "/thing"))
        await struck.wait()
        assert not held.done()
        proxy.release()
        assert (await held).status == 200


@pytest.mark.parametrize(("text", "centavos"), [("0.00", 0), ("200.00", 20_000), ("9999999999.99", 10**12 - 1)])
def test_amounts_are_read_and_written(text: str, centavos: int) -> None:
    assert parse_amount(text) == centavos
    assert format_amount(centavos) == text


@pytest.mark.parametrize("text", ["200", "-1.00", "1e2.00", "1_0.00", "٢.00", "1.00\n", " 1.00", "1.005", ""])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        parse_amount(text)


def test_the_credentials_file_is_the_sandboxs_clients_object(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    file.write_text('{"pos": {"clientId": "a", "clientSecret": "b", "storeId": "0166", "pos": "1"}}')
    credentials = load_credentials(file, "pos")
    assert (credentials.client_id, credentials.store_id, credentials.pos) == ("a", "0166", "1")
    with pytest.raises(ValueError, match="'kiosk'"):
        load_credentials(file, "kiosk")
