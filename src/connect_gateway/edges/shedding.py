"""Refusing transactions before they are parsed, while too much waits already.

To refuse a request the long way costs two thirds of serving it, and what is served waits behind it: a process that
refuses much is busy with that. Only what cannot be mistaken goes the short way. Everything else goes the long one and
gets the same answer.
"""

import re
from collections.abc import Callable
from http import HTTPStatus

from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import SERVER_SOFTWARE

from connect_gateway.edges.problems import Problem

_TRANSACTION = re.compile(rb"PUT /pos/v1/transactions/[0-9A-Fa-f-]{36} HTTP/1\.1\r\n")
_HEAD_ENDS = b"\r\n\r\n"
_FRAMING = re.compile(
    rb"\r\n(?:content-length: ?([0-9]{1,5})(?=\r\n)"
    rb"|(?:connection|content-length|expect|transfer-encoding|upgrade)[ \t]*:)",
    re.IGNORECASE,
)


def is_one_request(data: bytes) -> bool:
    """Whether the bytes are one request of HTTP/1.1, whole and alone, behind which the connection goes on."""
    head, end, body = data.partition(_HEAD_ENDS)
    first, _, _ = head.partition(b"\r\n")
    if not end or not first.endswith(b" HTTP/1.1") or head.count(b"\n") != head.count(b"\r\n"):
        return False
    framing: list[bytes] = _FRAMING.findall(head + b"\r\n")
    if not framing:
        return not body
    # An empty one is a header that says something else of where a request ends, or of what comes behind it.
    return len(framing) == 1 and framing[0] != b"" and len(body) == int(framing[0])


class Shedding:
    """Says whether a transaction is refused just now, and with which bytes. `refused` is told of each that is."""

    def __init__(self, problem: Problem, is_full: Callable[[], bool], refused: Callable[[], None]) -> None:
        self._is_full = is_full
        self._refused = refused
        self._body = problem.text().encode()
        lines = [
            f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}",
            *(f"{name}: {value}" for name, value in problem.headers),
            "Content-Type: application/problem+json; charset=utf-8",
            f"Content-Length: {len(self._body)}",
            f"Server: {SERVER_SOFTWARE}",
        ]
        self._head = "\r\n".join(lines)

    def answer_to(self, request: bytes) -> bytes | None:
        """The answer to a whole request that is refused; None where it is to be looked at."""
        if not self._is_full() or _TRANSACTION.match(request) is None:
            return None
        self._refused()
        return f"{self._head}\r\nDate: {rfc822_formatted_time()}\r\n\r\n".encode() + self._body
