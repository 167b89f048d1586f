"""The network between the till and a real gateway: it passes on, loses, delays and garbles, and writes all down."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Coroutine, Mapping
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from aiohttp import web

from connect_gateway.certification.faults import GOOD, Fault, Mishap, Network, Say
from connect_gateway.certification.traffic import Ending, Exchange, Kind, Passed, Traffic
from connect_gateway.certification.wire import Answer, NoAnswer, Wire, json_object

ELSEWHERE = "/elsewhere"
"""Where redirects lead to: a till that asks there has handed its token and its request to a stranger."""

T = TypeVar("T")

_BODY_BYTES = 2 * 1024 * 1024
# Those of the connection itself; the rest goes through as it came.
_HOP_BY_HOP = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade", "host", "content-length", "expect", "date", "server",
    }
)  # fmt: skip
_REVOKED = {
    "type": "urn:connect-gateway:problem:unauthorized",
    "title": "Unauthorized",
    "status": 401,
    "detail": "the token was revoked",
    "code": "unauthorized",
    "verdict": {"cash": "NONE", "parcel": "HOLD", "display": "NO ANSWER YET - HOLD\nTRY AGAIN OR INQUIRE"},
}
_OF_A_LATER_EDITION = {"loyalty": {"points": 12, "tiers": ["A", None]}, "hint": "a field of a later edition"}
# A trickled answer of some hundred bytes takes many times-out: this part of one for each byte.
_TRICKLE_PART = 0.05


class Mortal(Protocol):
    """A gateway that can be killed and comes back."""

    async def kill_gateway(self) -> None:
        """Kills it."""
        ...

    async def until_ready(self) -> None:
        """Waits until it is back."""
        ...


class Front:
    """A server on loopback, or on `host`, that stands before the gateway at `wire`; one for each exercise.

    `mortal` is whoever can kill it.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        timeout_s: float,
        mortal: Mortal,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._wire = wire
        self._timeout_s = timeout_s
        self._mortal = mortal
        self._address = (host, port)
        self._runner: web.ServerRunner | None = None
        self._network = GOOD
        self._met: dict[Kind, int] = {}
        self._struck: dict[Kind, asyncio.Event] = {}
        self._released = asyncio.Event()
        self._overtaken = asyncio.Event()
        self._to_be_overtaken: list[asyncio.Task[None]] = []
        self._revoked: set[int | None] = set()
        self._passing: set[asyncio.Task[Any]] = set()
        self.traffic = Traffic()
        self.port = port

    async def __aenter__(self) -> Self:
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        host, port = self._address
        try:
            await web.TCPSite(self._runner, host, port).start()
        except BaseException:
            await self._runner.cleanup()
            raise
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.let_go()
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    def become(self, network: Network) -> None:
        """From now on requests meet the mishaps of `network`, counted anew."""
        self._network = network
        self._met.clear()

    def struck(self, kind: Kind) -> asyncio.Event:
        """Set once the till's next request of this kind has met its mishap and, if it goes through, is through."""
        return self._struck.setdefault(kind, asyncio.Event())

    async def let_go(self) -> None:
        """Sends to the gateway what was held up on its way, and waits until it has been answered there."""
        self._released.set()
        self._overtaken.set()
        while waiting := [task for task in self._passing if not task.done()]:
            await asyncio.wait(waiting)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = await _whole(request)
        exchange = self.traffic.begin(request.method, request.raw_path, request.headers, raw)
        mishap = self._next_mishap(exchange)
        exchange.fault = str(mishap)
        passing = _Passing(self, request, exchange, raw)
        try:
            if isinstance(mishap, Say):
                return await self._say(passing, mishap)
            return await self._meet(passing, mishap)
        except asyncio.CancelledError:
            self.traffic.end(exchange, Ending.LEFT)
            raise

    def _next_mishap(self, exchange: Exchange) -> Mishap:
        if exchange.token is not None and exchange.token in self._revoked:
            return Fault.REVOKE
        number = self._met[exchange.kind] = self._met.get(exchange.kind, 0) + 1
        first = self._network.first.get(exchange.kind, ())
        if number <= len(first):
            return first[number - 1]
        return self._network.then.get(exchange.kind, Fault.PASS)

    async def _say(self, passing: "_Passing", say: Say) -> web.StreamResponse:
        if say.through:
            await passing.through()
        self._strike(passing)
        headers = dict(say.headers)
        if say.elsewhere:
            headers["Location"] = f"http://{passing.request.host}{ELSEWHERE}{passing.exchange.path}"
        return await passing.deliver(Answer(say.status, headers, say.raw, json_object(say.raw)))

    async def _meet(self, passing: "_Passing", fault: Fault) -> web.StreamResponse:  # one row for each fault
        match fault:
            case Fault.RESET_BEFORE:
                self._strike(passing)
                return passing.reset()
            case Fault.REVOKE:
                self._revoked.add(passing.exchange.token)
                self._strike(passing)
                headers = {"Content-Type": "application/problem+json", "WWW-Authenticate": "Bearer"}
                return await passing.deliver(Answer(401, headers, json.dumps(_REVOKED).encode(), _REVOKED))
            case Fault.KEEP_BACK | Fault.OVERTAKE:
                gate = self._released if fault is Fault.KEEP_BACK else self._overtaken
                late = self.keep(passing.through_once(gate))
                if fault is Fault.OVERTAKE:
                    self._to_be_overtaken.append(late)
                self._strike(passing)
                await asyncio.Event().wait()
        answer = await passing.through(times=2 if fault is Fault.TWICE else 1)
        await self._let_overtaken_through(passing.exchange)
        self._strike(passing)
        if answer is None:
            return passing.reset()
        match fault:
            case Fault.RESET_AFTER:
                return passing.reset()
            case Fault.RESTART:
                await asyncio.shield(self.keep(self._mortal.kill_gateway()))
                self.keep(self._mortal.until_ready())
                return passing.reset()
            case Fault.HOLD:
                await asyncio.Event().wait()
            case Fault.CUT:
                return await passing.deliver_half(answer)
            case Fault.TRICKLE:
                return await passing.trickle(answer, self._timeout_s * _TRICKLE_PART)
            case Fault.NEWER:
                return await passing.deliver(_newer(answer))
        return await passing.deliver(answer)

    async def _let_overtaken_through(self, exchange: Exchange) -> None:
        if exchange.kind is Kind.TRANSACTION and self._to_be_overtaken:
            self._overtaken.set()
            await asyncio.wait(self._to_be_overtaken)

    def _strike(self, passing: "_Passing") -> None:
        if passing.exchange.fault:
            self.struck(passing.exchange.kind).set()

    def keep(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Work that goes on although the till has left."""
        task = asyncio.create_task(work)
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)
        return task

    async def pass_on(self, exchange: Exchange, request: web.BaseRequest, raw: bytes) -> Answer | None:
        """Sends the request to the gateway once and writes down what it answered."""
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        passed = Passed(self.traffic.now_s())
        exchange.passages.append(passed)
        with contextlib.suppress(NoAnswer):
            passed.answer = await self._wire.send(request.method, request.raw_path, headers, raw or None)
        passed.answered_s = self.traffic.now_s()
        return passed.answer


class _Passing:
    """One request on its way through the front."""

    def __init__(self, front: Front, request: web.BaseRequest, exchange: Exchange, raw: bytes) -> None:
        self._front = front
        self._raw = raw
        self.request = request
        self.exchange = exchange

    async def through(self, times: int = 1) -> Answer | None:
        """The gateway's last answer; the request gets through although the till may leave meanwhile."""
        answer: Answer | None = None
        for _ in range(times):
            answer = await asyncio.shield(self._front.keep(self._front.pass_on(self.exchange, self.request, self._raw)))
        return answer

    async def through_once(self, gate: asyncio.Event) -> None:
        """Passes the request on once the gate is open."""
        await gate.wait()
        await self._front.pass_on(self.exchange, self.request, self._raw)

    async def deliver(self, answer: Answer) -> web.StreamResponse:
        """Hands a whole answer to the till."""
        response = self._response(answer)
        with contextlib.suppress(ConnectionError):
            await response.prepare(self.request)
            await response.write_eof(answer.raw)
            self._front.traffic.end(self.exchange, Ending.ANSWERED, answer)
        return response

    async def deliver_half(self, answer: Answer) -> web.StreamResponse:
        """Hands over the head and half of the body, then ends the connection."""
        response = self._response(answer)
        with contextlib.suppress(ConnectionError):
            await response.prepare(self.request)
            await response.write(answer.raw[: len(answer.raw) // 2])
        self._front.traffic.end(self.exchange, Ending.CUT)
        if self.request.transport is not None:
            self.request.transport.close()
        return response

    async def trickle(self, answer: Answer, pause_s: float) -> web.StreamResponse:
        """Hands over one byte at a time, for as long as the till puts up with it."""
        response = self._response(answer)
        with contextlib.suppress(ConnectionError):
            await response.prepare(self.request)
            for position in range(len(answer.raw)):
                await response.write(answer.raw[position : position + 1])
                await asyncio.sleep(pause_s)
            self._front.traffic.end(self.exchange, Ending.ANSWERED, answer)
        return response

    def reset(self) -> web.StreamResponse:
        """Breaks the connection, so that the till meets an error and no answer."""
        self._front.traffic.end(self.exchange, Ending.CUT)
        transport = self.request.transport
        if transport is not None:
            # Lingering for no time makes the system send a reset in place of an orderly end.
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        return web.Response()

    def _response(self, answer: Answer) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=_passed_headers(answer.headers))
        response.content_length = len(answer.raw)
        return response


async def _whole(request: web.BaseRequest) -> bytes:
    chunks, size = [], 0
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > _BODY_BYTES:
            raise web.HTTPRequestEntityTooLarge(_BODY_BYTES, size)
        chunks.append(chunk)
    return b"".join(chunks)


def _passed_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}


def _newer(answer: Answer) -> Answer:
    if answer.body is None:
        return answer
    body = {**answer.body, **_OF_A_LATER_EDITION}
    if isinstance(body.get("verdict"), dict):
        body["verdict"] = {**body["verdict"], "sound": "chime"}
    return Answer(answer.status, answer.headers, json.dumps(body).encode(), body)
