"""Messages and addresses that mean harm: never a 500, always a documented problem, and nothing stored. Half a minute;
needs PostgreSQL.
"""

import gzip
import json
from typing import Any

from checks import ecms_error, problem, refusal
from hostile import ID, WITH_BODY, malformed, nothing_is_stored, transaction
from partners import Partner, Reply
from world import World

LIMIT_BYTES = 65_536


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
