"""Ways to spoil a valid request: its fields, its JSON, its head, its framing, and the stream in which it arrives."""

import gzip
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote_from_bytes

from hypothesis import strategies as st

from fuzz.messages import Message, fresh

_DIGITS_OF_OTHERS = "٣٠٣١٠٥٣٣٢٦١٤٢٨١٢٠٠"
HOSTILE_TEXTS = (
    "", " ", "\x00", "\x1b[2J", "a\r\nX-Injected: 1", "\u2028", "\u202e", "\ufeff", "é" * 40, "😀" * 20,
    "x" * 41, "x" * 3_001, "x" * 70_000, "0", "00", "-1", "+1", "1e2", "1_0", "0x1", "1.005", "4000.01", "0.00",
    "-0.00", "NaN", "99999999999.00", _DIGITS_OF_OTHERS, "１２３", "²", "9917-6789-0023", "0166-900-00000001", "0166",
    "1900-01-01", "9999-12-31", "2026-02-30", "0000-00-00", "2026-11-22T25:00:00Z", "2015-08-02 17:55:59",
    "9990-12-31 23:59:59", "1970-01-01 00:00:00", "'; DROP TABLE reference; --", "../../etc/passwd", "%00",
    "${jndi:ldap://x}", "<script>", "PAY", "COLLECT", "CASH", "00000000-0000-0000-0000-000000000000",
    "0166F00D-0000-4000-8000-000000000014", "303105332614281200", "3" * 17,
)  # fmt: skip
HOSTILE_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 1e308, 2**63, 10**400, [], {}, [[]], ["COLLECT"], {"type": "COLLECT"}, {"": None},
    [{"transactionId": "x"}], [None] * 200,
)  # fmt: skip
_RAW_ENDS = (
    b', "\\ud800": 1}', b', "x": NaN}', b', "x": 1e999999999}', b', "x": ' + b"9" * 5_000 + b"}", b"}}", b",}",
    b"\x00", b', "x": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}",
    b', "x": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
)  # fmt: skip
_SEGMENTS = (
    b"", b".", b"..", b"%2e%2e", b"%00", b"%0d%0a", b"%ff", b"%", b"%zz", b"a" * 2_000, b"x y", b"*", b"\xd9\xa3" * 12,
    b"991767890023", b"0166-0000-0011", b"0166-900-00000001", b"0166f00d-0000-4000-8000-000000000014", b"2026-11-22",
    b"9999-12-31", b"99", b"00001", b"copies", b"reversal", b"slip", b"?", b"#", b";", b"{reference}", b"healthz",
)  # fmt: skip
_METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT", "BREW", "get", "PRI", "")
_HEADERS: tuple[tuple[str, bytes], ...] = (
    ("Content-Type", b"text/plain"), ("Content-Type", b"application/json; charset=utf-16"), ("Content-Type", b""),
    ("Content-Type", b"multipart/form-data; boundary=x"), ("Content-Type", b"/"), ("Content-Type", b"a/b" * 999),
    ("Content-Encoding", b"gzip"), ("Content-Encoding", b"br"), ("Content-Encoding", b"identity"), ("Accept", b""),
    ("Accept", b"image/png"), ("Accept", b"*/*;q=0"), ("Accept", b"text/plain, */*"), ("Accept", b"\xff\xfe"),
    ("Accept", b"application/vnd.escpos"), ("Accept-Encoding", b"gzip, br;q=0"), ("Authorization", b"Basic Og=="),
    ("Authorization", b"Bearer "), ("Authorization", b"Bearer \xff"), ("Authorization", b"Basic !!"),
    ("Authorization", b""), ("Authorization", b"Bearer " + b"a" * 5_000), ("Expect", b"100-continue"),
    ("Expect", b"200-ok"), ("Upgrade", b"websocket"), ("Connection", b"upgrade"), ("Connection", b"close"),
    ("Connection", b"keep-alive, x"), ("Upgrade", b"h2c"), ("Host", b""), ("Host", b"a, b"), ("If-Match", b"*"),
    ("Cookie", b"a=b; " * 100), ("X-Forwarded-For", b"\r\n"), ("Range", b"bytes=0-1"), ("If-None-Match", b"*"),
    ("Idempotency-Key", b"\x01"), ("If-Modified-Since", b"yesterday"), ("Transfer-Encoding", b"identity"),
    ("Transfer-Encoding", b"gzip, chunked"), ("TE", b"trailers"), ("X", b"a" * 9_000),
)  # fmt: skip
FRAMINGS = (
    "length", "length", "length", "length", "chunked", "chunked", "no length", "too long", "too short", "no number",
    "negative", "huge", "both", "two lengths", "bad chunk", "chunk too short", "endless chunk size", "trailers",
)  # fmt: skip

ENDS = ("wait", "wait", "wait", "close", "reset")
"""How a client leaves: after everything that comes back, at once, or with a reset."""


@dataclass(frozen=True)
class Stream:
    """What is written on one connection: whole requests, the places at which the bytes are cut, and the end."""

    written: bytes
    cuts: tuple[int, ...]
    end: str
    targets: tuple[tuple[str, str], ...]
    """(method, target) of each request, as it was meant."""
    sound: bool
    """Whether each of its requests can be told from the next: then each has its answer."""


@st.composite
def streams(draw: st.DrawFn, seeds: Sequence[Message], tokens: Mapping[str, str]) -> Stream:
    """One to three requests on a connection, some of them spoilt, in pieces."""
    written, targets, sound = b"", [], True
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        message = draw(spoilt(seeds))
        framing = draw(st.sampled_from(FRAMINGS))
        raw, whole = _written(draw, message, framing, tokens)
        written += raw
        sound = sound and whole
        targets.append((message.method, message.target))
    if draw(st.integers(0, 9)) == 0:
        written, sound = _torn(draw, written), False
    cuts = draw(st.lists(st.integers(0, max(1, len(written) - 1)), max_size=4))
    end = draw(st.sampled_from(ENDS))
    if draw(st.integers(0, 5)) == 0:
        # It stalls in the middle of something.
        written, sound = written[: draw(st.integers(0, len(written)))], False
    return Stream(written, tuple(sorted(set(cuts))), end, tuple(targets), sound)


def _torn(draw: st.DrawFn, written: bytes) -> bytes:
    """The stream with bytes changed, put in or taken out."""
    at = draw(st.integers(0, len(written)))
    new = draw(
        st.binary(max_size=8) | st.sampled_from([b"\r\n", b"\x00", b"\n\n", b"HTTP/1.1 200 OK\r\n", b"\xff" * 100])
    )
    return written[:at] + new + written[at + draw(st.sampled_from([0, 0, 1, 4, 50])) :]


@st.composite
def spoilt(draw: st.DrawFn, seeds: Sequence[Message]) -> Message:
    """A valid request, or one with something wrong in it."""
    message = fresh(draw(st.sampled_from(seeds)), draw(st.integers(0, 2**64)))
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2]))):
        kind = draw(st.sampled_from(["field", "field", "field", "raw", "head", "path", "method", "role"]))
        if kind == "field" and message.fields:
            message = message.with_fields(_other_fields(draw, message.fields, seeds))
        elif kind == "raw" and message.body:
            message = replace(message, body=_raw(draw, message.body))
        elif kind == "path":
            message = replace(message, target=_other_path(draw, message.target))
        elif kind == "method":
            message = replace(message, method=draw(st.sampled_from(_METHODS)))
        elif kind == "role":
            message = replace(message, role=draw(st.sampled_from([None, "pos", "kiosk", "app", "ecms", "admin"])))
        else:
            name, value = draw(st.sampled_from(_HEADERS))
            message = replace(message, headers=(*message.headers, (name, value.decode("latin-1"))))
    return message


def _other_fields(draw: st.DrawFn, fields: Mapping[str, Any], seeds: Sequence[Message]) -> dict[str, Any]:
    made = dict(fields)
    names = sorted(made)
    name = draw(st.sampled_from(names))
    match draw(st.sampled_from(["text", "text", "value", "swap", "drop", "add", "case", "of another", "deep", "any"])):
        case "text":
            made[name] = draw(st.sampled_from(HOSTILE_TEXTS))
        case "value":
            made[name] = draw(st.sampled_from(HOSTILE_VALUES))
        case "swap":
            other = draw(st.sampled_from(names))
            made[name], made[other] = made[other], made[name]
        case "drop":
            del made[name]
        case "add":
            made[draw(st.sampled_from(["colour", "", "Type", "__proto__", "storeId", "verdict", "standIn"]))] = made[
                name
            ]
        case "case":
            made[name.upper()] = made.pop(name)
        case "of another":
            others = [other.fields for other in seeds if other.fields]
            made.update(draw(st.sampled_from(others)))
        case "deep":
            for _ in range(draw(st.sampled_from([1, 3, 500]))):
                made = {name: made}
        case _:
            made[name] = draw(st.text(max_size=50) | st.integers() | st.floats(allow_nan=False))
    return made


def _raw(draw: st.DrawFn, body: bytes) -> bytes:
    first = body[1:].partition(b",")[0]
    match draw(
        st.sampled_from(["end", "cut", "twice", "duplicate", "flip", "utf-16", "mark", "gzip", "bytes", "pad", "list"])
    ):
        case "end":
            return body[:-1] + draw(st.sampled_from(_RAW_ENDS))
        case "cut":
            return body[: draw(st.integers(0, len(body)))]
        case "twice":
            return body + body
        case "duplicate":
            return b"{" + first + b"," + body[1:]
        case "flip":
            at = draw(st.integers(0, len(body) - 1))
            return body[:at] + draw(st.binary(min_size=1, max_size=1)) + body[at + 1 :]
        case "utf-16":
            return body.decode("utf-8", "replace").encode("utf-16")
        case "mark":
            return b"\xef\xbb\xbf" + body
        case "gzip":
            return gzip.compress(body)
        case "pad":
            return body + b" " * draw(st.sampled_from([1, 65_536 - len(body), 65_537 - len(body), 200_000]))
        case "list":
            return b"[" + body + b"]"
        case _:
            return draw(st.binary(max_size=200))


def _other_path(draw: st.DrawFn, target: str) -> str:
    path, _, query = target.partition("?")
    parts = path.split("/")
    at = draw(st.integers(1, len(parts) - 1))
    segment = draw(st.sampled_from(_SEGMENTS) | st.binary(max_size=40).map(lambda raw: quote_from_bytes(raw).encode()))
    match draw(st.sampled_from(["replace", "replace", "insert", "drop", "query"])):
        case "replace":
            parts[at] = segment.decode("latin-1")
        case "insert":
            parts.insert(at, segment.decode("latin-1"))
        case "drop":
            del parts[at]
        case _:
            query = f"{query}&{segment.decode('latin-1')}=1&client_id=a&client_id=b"
    return "/".join(parts) + (f"?{query}" if query else "")


def _written(draw: st.DrawFn, message: Message, framing: str, tokens: Mapping[str, str]) -> tuple[bytes, bool]:
    """The request's bytes, and whether its end can be told."""
    headers = [("Host", "gateway")]
    if message.role is not None:
        headers.append(("Authorization", f"Bearer {tokens[message.role]}"))
    headers += message.headers
    body, framed = b"", None
    if message.body is not None:
        body, framed = _framed(draw, message.body, framing)
        headers += framed
    lines = [f"{message.method} {message.target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    text = "".join(f"{line}\r\n" for line in lines) + "\r\n"
    plain = framed is None or framing in ("length", "chunked")
    usual = message.method in _METHODS[:5] and re.fullmatch("/[!-~]*", message.target) is not None
    return text.encode("latin-1", "replace") + body, plain and usual and not message.headers[1:]


def _framed(draw: st.DrawFn, body: bytes, framing: str) -> tuple[bytes, list[tuple[str, str]]]:
    """A body as it goes over the wire, and what the head says of it."""
    size, chunked = len(body), ("Transfer-Encoding", "chunked")
    split = draw(st.integers(0, size))
    pieces = [piece for piece in (body[:split], body[split:]) if piece]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    ended = chunks + b"0\r\n\r\n"
    no_number = draw(st.sampled_from(["", "x", "0x10", "+5", "1_0", "²", "5 5"]))
    ways: dict[str, tuple[bytes, list[tuple[str, str]]]] = {
        "length": (body, [_length(size)]),
        "chunked": (ended, [chunked]),
        "no length": (body, []),
        "too long": (body, [_length(size + 10)]),
        "too short": (body, [_length(size // 2)]),
        "no number": (body, [_length(no_number)]),
        "negative": (body, [_length(-1)]),
        "huge": (body, [_length("9" * 30)]),
        "both": (ended, [_length(size), chunked]),
        "two lengths": (body, [_length(size), _length(size + 1)]),
        "bad chunk": (b"zz\r\n" + ended, [chunked]),
        "chunk too short": (ended.replace(b"\r\n", b"x\r\n", 2), [chunked]),
        "endless chunk size": (b"0" * 10_000 + b"1\r\n", [chunked]),
        "trailers": (chunks + b"0\r\nX-Trailer: 1\r\n\r\n", [chunked]),
    }
    return ways[framing]


def _length(value: object) -> tuple[str, str]:
    return "Content-Length", str(value)
