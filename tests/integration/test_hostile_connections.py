"""Bytes on a connection that mean harm: no HTTP, half a request, one that never ends. Never a hang. Seconds; needs
PostgreSQL.
"""

import asyncio
import json
import re
from urllib.parse import urlsplit

import pytest
from checks import any_problem
from hostile import ID, WITH_BODY, nothing_is_stored, transaction
from partners import Reply
from world import World

from connect_gateway.edges import http


async def exchange(world: World, sent: bytes, *, until_closed: bool = False) -> bytes:
    """What a raw connection gets back: one whole answer, or everything until the gateway closes it."""
    address = urlsplit(world.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    received = b""
    try:
        writer.write(sent)
        async with asyncio.timeout(5):
            while chunk := await reader.read(65_536):
                received += chunk
                if not until_closed and is_whole(received):
                    break
    except ConnectionError:
        pass
    finally:
        writer.close()
    return received


def is_whole(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    return bool(end) and length is not None and len(body) >= int(length[1])


def http_problem(received: bytes, status: int) -> None:
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert re.fullmatch(rb"HTTP/1.[01] %d .*" % status, lines[0]), lines[0]
    headers = dict(line.decode().split(": ", 1) for line in lines[1:])
    any_problem(Reply(status, headers, body[: int(headers["Content-Length"])]))


async def test_what_is_no_http(world: World) -> None:
    """GEN-1."""
    put = f"PUT /pos/v1/transactions/{ID} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.till.token}\r\n".encode()
    body = json.dumps(transaction()).encode()
    chunked = b"Transfer-Encoding: chunked\r\n"
    length = b"Content-Length: %d\r\n" % len(body)
    refused = {
        "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20 + b"\r\n\r\n",
        "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "a bad version": b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n",
        "length and chunks": put + length + chunked + b"\r\n" + body,
        "chunks and length": put + chunked + length + b"\r\n0\r\n\r\n",
        "two lengths": put + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + body,
        "a negative length": put + b"Content-Length: -5\r\n\r\n" + body,
        "a length that is none": put + b"Content-Length: 1e2\r\n\r\n" + body,
        "a length with a sign": put + b"Content-Length: +5\r\n\r\n" + body,
        "chunked twice": put + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "an unknown coding": put + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "a chunk size that is none": put + chunked + b"\r\nzz\r\n{}\r\n0\r\n\r\n",
        "a chunk that ends too late": put + chunked + b"\r\n2\r\n{}{}\r\n0\r\n\r\n",
        "a blank before the colon": b"GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n",
        "a folded header": b"GET /healthz HTTP/1.1\r\nHost: x\r\n y\r\nX: 1\r\n z\r\n\r\n",
        "NUL in a header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: a\x00b\r\n\r\n",
        "a header without a name": b"GET /healthz HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
        "a very long address": b"GET /pos/v1/references/" + b"9" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        "a very long header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 70_000 + b"\r\n\r\n",
        "very many headers": b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X-A: a\r\n" * 1_000 + b"\r\n",
    }
    for name, sent in refused.items():
        received = await exchange(world, sent)
        try:
            http_problem(received, 400)
        except AssertionError as error:
            raise AssertionError(f"{name}: {received[:300]!r}") from error
    await nothing_is_stored(world)
    assert (await world.till.call("GET", "/healthz")).status == 200


async def test_an_expectation_that_nobody_knows_is_passed_over(world: World) -> None:
    """Found by fuzzing: the library answered it by itself with 417 and plain text."""
    for expect, path in (("200-ok", "/pos/v1/nothing"), ("x" * 100, "/healthz/x"), ("", "/pos/v1/nothing")):
        received = await exchange(world, f"GET {path} HTTP/1.1\r\nHost: x\r\nExpect: {expect}\r\n\r\n".encode())
        http_problem(received, 404)
    put = f"PUT /pos/v1/transactions/{ID} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.till.token}\r\n"
    body = json.dumps(transaction())
    received = await exchange(world, f"{put}Expect: 200-ok\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    http_problem(received, 404)


async def test_chunks_that_are_none_on_every_path_that_takes_a_body(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of a chunk that is none the handler hears nothing: it waits for the rest of the body for as long as it may.
    monkeypatch.setattr(http, "BODY_WITHIN_S", 0.2)
    paths = [(edge, method, path) for edge, method, path, _ in WITH_BODY]
    paths += [("till", "POST", "/pos/v1/receipts/0166-001-00000001/copies"), ("ecms", "POST", "/accounts/oauth2/token")]
    for edge, method, path in paths:
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {getattr(world, edge).token}\r\n"
        head += "Transfer-Encoding: chunked\r\nContent-Type: "
        head += "application/x-www-form-urlencoded" if path.endswith("token") else "application/json"
        address = urlsplit(world.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        # The head and a good chunk come first, so that the handler is at work when the bad one comes.
        writer.write(head.encode() + b"\r\n\r\n1\r\n{\r\n")
        await writer.drain()
        await world.till.call("GET", "/readyz")
        writer.write(b"zz\r\n}\r\n")
        async with asyncio.timeout(5):
            line = await reader.readline()
        assert b" 400 " in line or b" 408 " in line, (path, line)
        writer.close()
    await nothing_is_stored(world)


async def test_requests_that_end_too_early_harm_nobody(world: World) -> None:
    put = f"PUT /pos/v1/transactions/{ID} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.till.token}\r\n"
    body = json.dumps(transaction())
    whole = f"{put}Content-Length: {len(body)}\r\n\r\n{body}".encode()
    for cut in (1, 10, len(put), len(whole) - len(body), len(whole) - 1):
        address = urlsplit(world.url)
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(whole[:cut])
        writer.close()
    assert b"unknown-reference" in await exchange(world, whole)
    assert len(await world.fetch("SELECT FROM transaction")) == 1


async def test_two_requests_on_one_connection_are_two_requests(world: World) -> None:
    get = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    received = await exchange(world, get + get + last, until_closed=True)
    assert received.count(b"HTTP/1.1 200 OK") == 3
    assert received.endswith(b'{"status":"ready"}')


async def test_slow_headers_and_bodies_are_waited_for_only_so_long(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "IDLE_OR_SLOW_HEADERS_S", 0.3)
    monkeypatch.setattr(http, "BODY_WITHIN_S", 0.3)
    async with world.another_gateway(shutdown_grace_ms=100) as url:
        slow = World(**(vars(world) | {"url": url}))
        assert await exchange(slow, b"", until_closed=True) == b""
        assert await exchange(slow, b"GET /healthz HTTP/1.1\r\nHost", until_closed=True) == b""
        for partner, method, path in (
            (world.till, "PUT", f"/pos/v1/transactions/{ID}"),
            (world.till, "POST", "/pos/v1/receipts/0166-001-00000001/copies"),
            (world.kiosk, "PUT", f"/kiosk/v1/returns/{ID}"),
            (world.ecms, "POST", "/ecms/v1/status"),
            (world.ecms, "POST", "/accounts/oauth2/token"),
        ):
            head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {partner.token}\r\n"
            form = "application/x-www-form-urlencoded" if path.endswith("token") else "application/json"
            received = await exchange(slow, f'{head}Content-Type: {form}\r\nContent-Length: 100\r\n\r\n{{"a"'.encode())
            assert received.split(b"\r\n")[0] == b"HTTP/1.1 408 Request Timeout", (path, received)
    await nothing_is_stored(world)
