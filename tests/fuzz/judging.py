"""Whether what came back on a connection is what the documents promise."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from connect_gateway import openapi
from connect_gateway.edges.problems import STATUS_OF_CODE
from connect_gateway.openapi_operations import OPERATIONS
from fuzz.messages import TOKEN_PATH, route_of

_OAUTH_ERRORS = {
    "invalid_request": (400, 408, 413),
    "unsupported_grant_type": (400,),
    "invalid_client": (401,),
    "invalid_grant": (400,),
}
_OF_HTTP_ITSELF = {"malformed-request", "request-timeout", "request-too-large"}
"""What any request may be answered whose bytes cannot be read."""

_NO_BODY = (204, 304)


class NotAsDocumented(AssertionError):
    """An answer that no document promises."""


@dataclass(frozen=True)
class Came:
    """One answer as it came; `body` is all of it, and `closes` says that no other one follows."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    closes: bool


def answers(received: bytes, methods: tuple[str, ...], *, readable: bool) -> list[Came]:
    """The answers in what came back, one after another; NotAsDocumented where that is no HTTP.

    `methods` are those of the requests; of a stream that is not `readable` they may have arrived as others.
    """
    found: list[Came] = []
    while received:
        head, end, rest = received.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        began = re.fullmatch(rb"HTTP/1\.[01] ([1-5][0-9]{2}) [ -~]*", lines[0])
        if not end or began is None:
            raise NotAsDocumented(f"no answer of HTTP: {received[:200]!r}")
        status = int(began[1])
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or re.fullmatch("[!-9;-~]+", name) is None or any(ord(one) < 32 for one in value):
                raise NotAsDocumented(f"a header that is none: {line!r}")
            headers[name.lower()] = value.strip()
        if status < 200:
            received = rest
            continue
        size = int(headers.get("content-length", "0"))
        # What was meant as HEAD may have arrived as something else, and is then refused with a body.
        head_alone = methods[len(found) : len(found) + 1] == ("HEAD",) and rest[:7] in (b"", b"HTTP/1.")
        bodyless = status in _NO_BODY or head_alone
        taken = 0 if bodyless else size
        if len(rest) < taken and not readable and rest[:7] in (b"", b"HTTP/1."):
            taken = 0
        if len(rest) < taken:
            raise NotAsDocumented(f"the answer is cut short: {received[:200]!r}")
        closes = headers.get("connection", "").lower() == "close" or began[0].startswith(b"HTTP/1.0")
        found.append(Came(status, headers, rest[:taken], closes))
        received = rest[taken:]
    return found


def judge(came: Came, method: str, target: str, *, readable: bool) -> str:
    """Raises NotAsDocumented, or names what it was. `readable`: the request was whole HTTP, so its route is known."""
    kind = came.headers.get("content-type", "").partition(";")[0]
    if came.status >= 500 and came.status != 503:
        raise NotAsDocumented(f"{method} {target[:80]}: {came.status} {came.body[:300]!r}")
    if method == "HEAD" and not came.body:
        return str(came.status)
    if came.status >= 400:
        return _refusal(came, kind, method, target, readable=readable)
    route = route_of(method, target)
    allowed = _successes(route) if readable and route is not None else _every_success()
    if came.status not in allowed:
        raise NotAsDocumented(f"{method} {target[:80]}: {came.status} is not documented there")
    return str(came.status)


def _refusal(came: Came, kind: str, method: str, target: str, *, readable: bool) -> str:
    body = _object(came)
    # Of a stream that was torn nobody knows which edge a request of it reached; then any edge's form will do.
    path = target.partition("?")[0] if readable else None
    if path in (TOKEN_PATH, None) and "error" in body:
        if came.status not in _OAUTH_ERRORS.get(body["error"], ()) or "error_description" not in body:
            raise NotAsDocumented(f"no error of OAuth2: {came.status} {body}")
        return f"oauth {body['error']}"
    code = body.get("code")
    if not isinstance(code, str) or STATUS_OF_CODE.get(code, 409) != came.status or code not in _every_code():
        raise NotAsDocumented(f"{method} {target[:80]}: {came.status} with the code {code}")
    if kind == "application/problem+json":
        _problem(body, came, path or "", code)
    elif kind != "application/json" or body.keys() != {"errorCode", "message", "code"}:
        raise NotAsDocumented(f"a refusal as {kind}: {body}")
    elif not (path or "/ecms/").startswith("/ecms/") or body["errorCode"] != str(came.status):
        raise NotAsDocumented(f"{target[:80]} was refused in ECMS's style: {body}")
    route = route_of(method, target)
    if readable and route is not None and code not in _codes(route) | _OF_HTTP_ITSELF:
        raise NotAsDocumented(f"{method} {target[:80]}: {code} is not documented there")
    return code


def _problem(body: dict[str, Any], came: Came, path: str, code: str) -> None:
    if not {"type", "title", "status", "detail", "code"} <= body.keys() or body["status"] != came.status:
        raise NotAsDocumented(f"no problem document: {body}")
    of_a_counter = path.startswith(("/pos/", "/kiosk/"))
    if of_a_counter and code not in _OF_HTTP_ITSELF and "verdict" not in body:
        raise NotAsDocumented(f"a problem without a verdict: {body}")
    verdict = body.get("verdict")
    if verdict is not None:
        lines = verdict["display"].split("\n")
        if len(lines) > 2 or any(len(line) > 32 or not line.isprintable() for line in lines):
            raise NotAsDocumented(f"a display that no till can show: {verdict}")


def _object(came: Came) -> dict[str, Any]:
    try:
        body = json.loads(came.body)
    except ValueError as error:
        raise NotAsDocumented(f"{came.status} without JSON: {came.body[:200]!r}") from error
    if not isinstance(body, dict):
        raise NotAsDocumented(f"{came.status} without an object: {body}")
    return body


@cache
def _every_code() -> frozenset[str]:
    return frozenset(code for operation in OPERATIONS for code in openapi.codes_of(operation))


@cache
def _codes(route: tuple[str, str]) -> frozenset[str]:
    found = [one for one in OPERATIONS if (one.method, one.path) == route]
    return frozenset(code for one in found for code in openapi.codes_of(one)) or _every_code()


@cache
def _successes(route: tuple[str, str]) -> frozenset[int]:
    method, path = route
    return frozenset(int(status) for status in openapi.document()["paths"][path][method]["responses"] if status < "400")


@cache
def _every_success() -> frozenset[int]:
    paths = openapi.document()["paths"]
    return frozenset(status for path, item in paths.items() for method in item for status in _successes((method, path)))
