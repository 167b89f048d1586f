"""Servers that cost next to nothing: ECMS as the gateway sees it, and one that always gives the same answer.

They look at no more of a request than where it ends, so that what is measured is the other side.
"""

import argparse
import asyncio
import json
import re
import threading
from pathlib import Path
from typing import cast

import uvloop

from bench.children import leave_with_parent

_LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: ([0-9]+)\r\n")


def _answer(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


_TOKEN = _answer(json.dumps({"access_token": "of-the-stub", "token_type": "bearer", "expires_in": 7200}).encode())
_TOLD = _answer(b'{"errorCode":"200","message":"applied"}')
_SAME = _answer(json.dumps({"padding": "x" * 1500}).encode())


class Stub(asyncio.Protocol):
    """Cuts what arrives into requests and answers them in order."""

    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no class of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (head := self._received.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._received, 0, head + 2)
            end = head + 4 + (0 if length is None else int(length[1]))
            if len(self._received) < end:
                return
            request, self._received = self._received[:head], self._received[end:]
            self.answer(request)

    def answer(self, request: bytes) -> None:
        self.write(_SAME)

    def write(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)


class Ecms(Stub):
    """ECMS: a token at once, anything else after `delay_s`. `GET /count` says how many statuses it was told."""

    delay_s = 0.0
    told = 0

    def answer(self, request: bytes) -> None:
        if request.startswith(b"GET /count"):
            self.write(_answer(json.dumps({"told": Ecms.told}).encode()))
        elif request.startswith(b"POST /accounts/"):
            self.write(_TOKEN)
        else:
            asyncio.get_running_loop().call_later(Ecms.delay_s, self._apply)

    def _apply(self) -> None:
        Ecms.told += 1
        self.write(_TOLD)


async def _serve(kind: str, port_file: Path) -> None:
    server = await asyncio.get_running_loop().create_server(
        Ecms if kind == "ecms" else Stub, "127.0.0.1", 0, backlog=1024
    )
    port_file.write_text(str(server.sockets[0].getsockname()[1]))
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("ecms", "same"))
    parser.add_argument("--delay-ms", type=float, default=0)
    parser.add_argument("--port-file", type=Path, required=True)
    asked = parser.parse_args()
    Ecms.delay_s = asked.delay_ms / 1000
    threading.Thread(target=leave_with_parent, daemon=True).start()
    uvloop.run(_serve(asked.kind, asked.port_file))


if __name__ == "__main__":
    main()
