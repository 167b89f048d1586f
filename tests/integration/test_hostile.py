"""Input that means harm: never a 500, never a hang, always a documented problem, and nothing stored. A minute; needs
PostgreSQL.
"""

import asyncio
import gzip
import json
import re
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
import structlog
from checks import any_problem, ecms_error, problem, refusal
from partners import Partner, Reply, Till, business_date, ecms_time, next_tracking_number
from world import SECRET, World

from connect_gateway import logs
from connect_gateway.edges import http

ID = "11111111-2222-4333-8444-555555555555"
LIMIT_BYTES = 65_536


def transaction(**fields: Any) -> dict[str, Any]:
    body = {
        "type": "COLLECT",
        "reference": "9917-6789-0023",
        "pos": "1",
        "shift": "1",
        "businessDate": business_date(),
        "clerk": "ana",
        "trackingNumber": "303105332614281200",
        "tender": "CASH",
        "amountTendered": "500.00",
    }
    return {name: value for name, value in (body | fields).items() if value is not None}


REVERSAL = {"reason": "CLERK_VOID", "parcelInHand": True}
RETURN = {"identifierType": "UID", "identifier": "X-1"}
REFERENCE = {
    "kind": "RETURN",
    "trackingNumber": "303105332614281200",
    "merchantCode": "001",
    "merchant": "Merchant A",
    "merchantReference": "RET-1",
}
STATUS = {
    "trackingNumber": "303105332614281200",
    "merchantReference": "RET-1",
    "status": "CANCELLED",
    "location": "0166",
    "timestamp": ecms_time(),
}
WITH_BODY: list[tuple[str, str, str, Callable[[], dict[str, Any]]]] = [
    ("till", "PUT", f"/pos/v1/transactions/{ID}", transaction),
    ("till", "PUT", f"/pos/v1/transactions/{ID}/reversal", lambda: REVERSAL),
    ("kiosk", "PUT", f"/kiosk/v1/returns/{ID}", lambda: RETURN),
    ("ecms", "POST", "/ecms/v1/references", lambda: REFERENCE),
    ("ecms", "POST", "/ecms/v1/status", lambda: STATUS),
]


async def nothing_is_stored(world: World) -> None:
    for table in ("reference", "transaction", "event", "journal", "return_request", "attempt", "contact", "shift"):
        assert not await world.fetch(f"SELECT FROM {table}"), table


def malformed(edge: str, reply: Reply, status: int = 400, code: str = "malformed-request") -> None:
    if edge == "ecms":
        ecms_error(reply, status, code)
    else:
        refusal(reply, status, code)


def hostile_bodies(good: dict[str, Any]) -> dict[str, bytes]:
    text = json.dumps(good)
    first = json.dumps(next(iter(good)))
    return {
        "empty": b"",
        "blank": b" \r\n ",
        "no JSON": b"type=COLLECT",
        "truncated": text[:-1].encode(),
        "cut in half": text[: len(text) // 2].encode(),
        "twice": (text + text).encode(),
        "a list": f"[{text}]".encode(),
        "a string": json.dumps(text).encode(),
        "null": b"null",
        "a number": b"1",
        "duplicate key": f'{{{first}: "x", {text[1:]}'.encode(),
        "unknown key": json.dumps(good | {"colour": "red"}).encode(),
        "unknown key, a lone surrogate": text[:-1].encode() + b', "\\ud800": 1}',
        "unknown key, NUL": text[:-1].encode() + b', "\\u0000": 1}',
        "a name in another case": text.replace(first, first.upper(), 1).encode(),
        "deeply nested": b"[" * 30_000 + b"]" * 30_000,
        "deeply nested value": text[:-1].encode() + b', "x": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}",
        "5,000 digits": text[:-1].encode() + b', "x": ' + b"9" * 5_000 + b"}",
        "NaN": text[:-1].encode() + b', "x": NaN}',
        "Infinity": text[:-1].encode() + b', "x": -Infinity}',
        "a huge exponent": text[:-1].encode() + b', "x": 1e999999999}',
        "no UTF-8": text.encode().replace(b":", b":\xff", 1),
        "UTF-16": text.encode("utf-16"),
        "a byte order mark": b"\xef\xbb\xbf" + text.encode(),
        "a comment": b"/* */" + text.encode(),
        "single quotes": text.replace('"', "'").encode(),
        "NUL at the end": text.encode() + b"\x00",
        "SQL": b"'; DROP TABLE reference; --",
    }


async def test_bodies_that_are_no_messages(world: World) -> None:
    for edge, method, path, good in WITH_BODY:
        partner: Partner = getattr(world, edge)
        for name, raw in hostile_bodies(good()).items():
            reply = await partner.call(method, path, raw=raw)
            assert reply.status == 400, (path, name, reply.raw)
            malformed(edge, reply)
    await nothing_is_stored(world)


async def test_a_hundred_thousand_levels_are_too_large_already(world: World) -> None:
    for edge, method, path, _good in WITH_BODY:
        reply = await getattr(world, edge).call(method, path, raw=b"[" * 100_000)
        malformed(edge, reply, 413, "request-too-large")


async def test_bodies_of_the_largest_size_and_of_one_byte_more(world: World) -> None:
    for edge, method, path, good in WITH_BODY:
        if path.endswith(("reversal", "references")):
            continue
        partner: Partner = getattr(world, edge)
        text = json.dumps(good()).encode()
        over = await partner.call(method, path, raw=text + b" " * (LIMIT_BYTES + 1 - len(text)))
        malformed(edge, over, 413, "request-too-large")
        just = await partner.call(method, path, raw=text + b" " * (LIMIT_BYTES - len(text)))
        # The reference, the identifier and the parcel are unknown: the message was read.
        assert just.status == 404, (path, just.raw)

    async def chunks() -> Any:
        for _ in range(9):
            yield b" " * 8_192

    headers = {"Authorization": f"Bearer {world.till.token}", "Content-Type": "application/json"}
    url = f"{world.url}/pos/v1/transactions/{ID}"
    async with world.session.put(url, data=chunks(), headers=headers) as response:
        refusal(Reply(response.status, response.headers, await response.read()), 413, "request-too-large")


TEXTS = [
    "",
    " ",
    "\x00",
    "\x1b[2J",
    "a\r\nb",
    "\u2028",
    "\ud800",
    "\u202e",
    "x" * 5_000,
    "'; DROP TABLE reference; --",
    "../../etc/passwd",
    "${jndi:ldap://x}",
    "٣٠٣١٠٥٣٣٢٦١٤٢٨١٢٠٠",
    "１２３",
    "²",
    "-1",
    "+1",
    "1.0",
    "0x1",
    "1e2",
    "1_0",
    "true",
]
NOT_TEXT: list[Any] = [None, True, 1, 1.5, [], {}, ["COLLECT"], {"type": "COLLECT"}]
AMOUNTS = [
    200,
    200.0,
    4000.01,
    1e2,
    -0.0,
    "200",
    "200.0",
    "1.005",
    "-1.00",
    "-0.00",
    "+1.00",
    "1e2",
    "1E+2",
    "1_000.00",
]
AMOUNTS += ["NaN", "Infinity", " 1.00", "1.00\n", "1,000.00", "١.٠٠", "12345678901.00", "9" * 5_000 + ".00"]


async def test_every_field_of_a_transaction_refuses_what_it_cannot_be(world: World) -> None:
    path = f"/pos/v1/transactions/{ID}"
    fine = {
        # A clerk's name may be a number, a label any text of printable ASCII that a scanner may read.
        ("clerk", "-1"), ("clerk", "1.0"), ("clerk", "0x1"), ("clerk", "1e2"), ("clerk", "1_0"), ("clerk", "true"),
        ("trackingNumber", "../../etc/passwd"), ("trackingNumber", "${jndi:ldap://x}"), ("trackingNumber", "-1"),
        ("trackingNumber", "+1"), ("trackingNumber", "1.0"), ("trackingNumber", "0x1"), ("trackingNumber", "1e2"),
        ("trackingNumber", "1_0"), ("trackingNumber", "true"),
    }  # fmt: skip
    for field in transaction():
        for value in [*TEXTS, *NOT_TEXT, *(AMOUNTS if field == "amountTendered" else [])]:
            if isinstance(value, str) and (field, value) in fine:
                continue
            reply = await world.till.call("PUT", path, transaction() | {field: value})
            assert reply.status == 400, (field, value, reply.raw)
            document = refusal(reply, 400, "malformed-request")
            assert document.get("field") in (field, None), (field, value)
        reply = await world.till.call("PUT", path, transaction(**{field: None}))
        refusal(reply, 400, "malformed-request")
    for other in ({"type": "CLAIM"}, {"type": "ACCEPT_RETURN"}, {"type": "PAY"}):
        refusal(await world.till.call("PUT", path, transaction() | other), 400, "malformed-request")
    await nothing_is_stored(world)


async def test_every_field_of_the_other_messages_refuses_what_it_cannot_be(world: World) -> None:
    control = ["", "\x00", "\x1b[2J", "a\r\nb", "\u2028", "\ud800", "x" * 5_000, *NOT_TEXT[1:]]
    for edge, method, path, good in WITH_BODY[1:]:
        for field in good():
            wrong = control if field not in ("parcelInHand",) else ["true", 1, 0, "", [], None]
            for value in wrong:
                reply = await getattr(world, edge).call(method, path, good() | {field: value})
                assert reply.status == 400, (path, field, value, reply.raw)
                malformed(edge, reply)
            without = {name: value for name, value in good().items() if name != field}
            malformed(edge, await getattr(world, edge).call(method, path, without))
    await nothing_is_stored(world)


async def test_content_types_and_encodings(world: World) -> None:
    for edge, method, path, good in WITH_BODY:
        text = json.dumps(good()).encode()
        for type_ in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "text/json",
            "image/png",
        ):
            reply = await getattr(world, edge).call(method, path, raw=text, headers={"Content-Type": type_})
            malformed(edge, reply, 415, "unsupported-media-type")
        bomb = gzip.compress(b" " * 10_000_000)
        for raw, encoding in (
            (gzip.compress(text), "gzip"),
            (bomb, "gzip"),
            (text, "br"),
            (text, "deflate"),
            (text, "x"),
        ):
            reply = await getattr(world, edge).call(method, path, raw=raw, headers={"Content-Encoding": encoding})
            malformed(edge, reply, 415, "unsupported-media-type")
        malformed(edge, await getattr(world, edge).call(method, path, raw=gzip.compress(text)))
    await nothing_is_stored(world)


async def test_paths_and_methods_that_are_not_there(world: World) -> None:
    for partner, path in (
        (world.till, "/pos/v1/nothing"),
        (world.till, "/pos/v2/references/991767890023"),
        (world.till, "/pos/v1/references/"),
        (world.till, "/pos/v1/references/9917-6789-0023/x"),
        (world.till, "/pos/v1/references/..%2F..%2Fhealthz/x"),
        (world.till, "//pos/v1/references/991767890023"),
        (world.till, f"/pos/v1/transactions/{ID}/REVERSAL"),
        (world.kiosk, "/kiosk/v1/nothing"),
        (world.ecms, "/ecms/v1/nothing"),
        (world.ecms, "/ecms/v1/references/"),
        (world.admin, "/admin/v1/nothing"),
        (world.admin, "/"),
        (world.admin, "/%00"),
        (world.admin, "/%ff%fe"),
        (world.admin, "/robots.txt"),
    ):
        reply = await partner.call("GET", path)
        if path.startswith("/ecms/"):
            ecms_error(reply, 404, "not-found")
        elif path.startswith(("/pos/", "/kiosk/")):
            refusal(reply, 404, "not-found")
        else:
            problem(reply, 404, "not-found")
    problem(await world.till.call("BREW", f"/pos/v1/transactions/{ID}"), 400, "malformed-request")
    for method in ("DELETE", "PATCH", "POST", "OPTIONS", "HEAD"):
        reply = await world.till.call(method, f"/pos/v1/transactions/{ID}")
        assert reply.status == 405
        assert reply.headers["Allow"] == "GET, PUT"
        if method != "HEAD":
            refusal(reply, 405, "method-not-allowed")
    ecms_error(await world.ecms.call("GET", "/ecms/v1/status"), 405, "method-not-allowed")
    problem(await world.admin.call("DELETE", "/admin/v1/tasks"), 405, "method-not-allowed")


async def test_paths_that_name_what_cannot_be(world: World) -> None:
    for reference in (
        "1",
        "0" * 13,
        "A" * 12,
        "٩" * 12,
        "９" * 12,
        "9917_6789_0023",
        "x" * 2_000,
        "%00" * 12,
        "%0d%0a",
        "' OR 1=1",
    ):
        refusal(await world.till.look_up(reference), 400, "malformed-request")
    for id_ in ("1", ID[:-1], ID + "0", ID.replace("-", ""), "urn:uuid:" + ID, ID[:-1] + "１", "%00", "x" * 36):
        refusal(await world.till.put(id_, transaction()), 400, "malformed-request")
        refusal(await world.till.inquire(id_), 400, "malformed-request")
        refusal(await world.till.reverse(id_), 400, "malformed-request")
    for number in ("1", "0166-001-0000001", "0166-001-00000001x", "٠١٦٦-001-00000001", "0166-1-00000001", "%00"):
        refusal(await world.till.call("GET", f"/pos/v1/receipts/{number}"), 400, "malformed-request")
        refusal(await world.till.call("POST", f"/pos/v1/receipts/{number}/copies"), 400, "malformed-request")
    await nothing_is_stored(world)


async def test_another_stores_parcels_transactions_and_receipts(world: World) -> None:
    parcel = await world.ecms.ship_to_store()
    transaction_id = str(uuid.uuid4())
    paid = await world.till.collect(parcel, transaction_id)
    thief = await world.partner(Till, "thief", "pos", "0001", None)
    refusal(await thief.inquire(transaction_id), 404, "unknown-transaction")
    number = paid.json["receipt"]["number"]
    refusal(await thief.call("GET", f"/pos/v1/receipts/{number}"), 404, "unknown-receipt")
    refusal(await thief.call("POST", f"/pos/v1/receipts/{number}/copies"), 404, "unknown-receipt")
    # An id is its store's own: this one is new there, and reversing it undoes nothing elsewhere.
    assert (await thief.reverse(transaction_id, "TIMEOUT")).status == 200
    assert (await world.till.inquire(transaction_id)).raw == paid.raw
    refusal(await thief.collect(parcel, transaction_id), 409, "transaction-reversed", "RETURN")
    refusal(await thief.collect(parcel), 409, "wrong-store", "RETURN")


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


async def test_a_receipt_carries_no_control_byte_and_no_markup_of_a_customers(world: World) -> None:
    name = "Señor <b>&amp; \u202eSons\u200b東"
    parcel = await world.ecms.ship_to_store(merchant=name, description="'; DROP TABLE reference; --")
    seen = await world.till.look_up(parcel.reference)
    assert (seen.json["merchant"], seen.json["description"]) == (name, "'; DROP TABLE reference; --")
    paid = await world.till.collect(parcel)
    lines = paid.json["receipt"]["text"]
    assert any("Señor <b>&amp; Sons?" in line for line in lines)
    paper = await world.till.call(
        "GET", f"/pos/v1/receipts/{paid.json['receipt']['number']}", headers={"Accept": "text/plain"}
    )
    assert paper.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert not [byte for byte in paper.raw.replace(b"\n", b"") if byte < 32]


async def test_guessing_at_once_is_no_way_round_the_lockout(world: World) -> None:
    replies = await asyncio.gather(*(world.till.look_up(f"50000000{number:04d}") for number in range(100)))
    assert {reply.status for reply in replies} <= {404, 429}
    refusal(await world.till.look_up("500000009999"), 429, "too-many-attempts")
    [row] = await world.fetch("SELECT strikes FROM lockout")
    assert row["strikes"] >= 1
    assert (await world.till.inquire(ID)).status == 404


async def test_no_secret_and_no_number_of_a_customer_is_ever_logged_or_measured(
    world: World, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    canary = "09987654321"
    query = f"grant_type=client_credentials&client_id=till&client_secret={SECRET.replace(' ', '+')}"
    logs.configure("DEBUG")
    try:
        async with world.session.post(f"{world.url}/accounts/oauth2/token?{query}") as response:
            tokens = await response.json()
        spoiled = query.replace("client_id=till", "client_id=nobody")
        await world.till.call("POST", f"/accounts/oauth2/token?{spoiled}")
        parcel = await world.ecms.ship_to_store(mobileNumber=canary)
        transaction_id = str(uuid.uuid4())
        await world.till.collect(parcel, transaction_id)
        await world.till.reverse(transaction_id)
        answer = {"trackingNumber": next_tracking_number(), "merchant": "A"}
        world.ecms_server.answers["returns"] = [
            (404, {"message": f"no {canary}"}),
            (500, {"message": canary}),
            (200, answer),
        ]
        for _ in range(3):
            body = RETURN | {"mobileNumber": canary}
            await world.kiosk.call("PUT", f"/kiosk/v1/returns/{uuid.uuid4()}", body)
        await world.ecms.call("POST", "/ecms/v1/references", REFERENCE | {"mobileNumber": canary, "colour": canary})
        # An error of the gateway's own, with its traceback in the log.
        await world.fetch("ALTER TABLE contact RENAME TO gone")
        broken = await world.ecms.ask_for(mobileNumber=canary)
        ecms_error(broken, 500, "internal-error")
        assert canary not in broken.raw.decode()
        await world.fetch("ALTER TABLE gone RENAME TO contact")
        await world.told(3)
        metrics = (await world.admin.call("GET", "/metrics")).raw.decode()
    finally:
        structlog.reset_defaults()
    lines = capsys.readouterr().err.splitlines()
    events = [json.loads(line) for line in lines]
    assert len(events) > 12
    assert any(event["event"] == "internal-error" for event in events)
    everything = "\n".join([*lines, caplog.text, metrics])
    secrets = [SECRET, SECRET.replace(" ", "+"), "of no matter", canary, canary[2:], *map(str, tokens.values())]
    secrets += [partner.token for partner in (world.till, world.kiosk, world.ecms, world.admin)]
    secrets.remove("7200")
    secrets.remove("bearer")
    for secret in secrets:
        assert secret not in everything
    # Not even a reference stands in a label: whoever may read the metrics may not collect a parcel.
    assert parcel.reference.replace("-", "") not in metrics.replace("-", "")
    stored = json.dumps([[str(value) for value in row.values()] for row in await dump(world)])
    assert canary not in stored
    assert tokens["access_token"] not in stored


async def dump(world: World) -> list[Any]:
    rows: list[Any] = []
    for table in (
        "reference",
        "transaction",
        "journal",
        "event",
        "contact",
        "token",
        "client",
        "return_request",
        "task",
    ):
        rows += await world.fetch(f"SELECT * FROM {table}")
    return rows
