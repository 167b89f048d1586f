"""HTTP itself: limits, time-outs, and one way for every error to become an answer."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import structlog
from aiohttp import web
from aiohttp.hdrs import METH_ALL
from aiohttp.web_protocol import RequestHandler
from multidict import CIMultiDictProxy

from connect_gateway import logs
from connect_gateway.domain import verdicts
from connect_gateway.domain.verdicts import Verdict
from connect_gateway.edges.gateway import Gateway, client_id_of
from connect_gateway.edges.problems import Problem, json_response, malformed
from connect_gateway.edges.shedding import Shedding, is_one_request
from connect_gateway.ledger.database import FateUnknown, Unavailable, is_away, is_busy
from connect_gateway.ledger.gather import Overloaded

BODY_LIMIT_BYTES = 65_536
BODY_WITHIN_S = 10.0
IDLE_OR_SLOW_HEADERS_S = 30.0
"""A connection without a whole request for this long is closed."""

ANSWER_WITHIN_S = 1.9
"""A till hears within 2 s that its answer cannot be had (wire contract; 503, HOLD)."""

RETRY_AFTER_S = "1"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = structlog.get_logger("http")

_NOTHING_MOVES = Verdict("NONE", "HOLD", "NOT DONE - HOLD PARCEL\nSEE MESSAGE")


async def body_of(request: web.Request) -> bytes:
    """The request's body, whole, within its limits of size and time."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem("unsupported-media-type", "compressed bodies are not taken")
    if request.body_exists and request.content_type not in ("application/json", "application/octet-stream"):
        raise Problem("unsupported-media-type", "the body must be application/json")
    return await read_body(request)


async def read_body(request: web.Request) -> bytes:
    """The body whatever its type."""
    try:
        if request.content.is_eof():
            # It is all there already, as nearly every body is.
            return await request.read()
        async with asyncio.timeout(BODY_WITHIN_S):
            return await request.read()
    except TimeoutError as error:
        raise Problem("request-timeout", f"the body did not come within {BODY_WITHIN_S:.0f} s") from error
    except web.HTTPRequestEntityTooLarge:
        raise
    except (web.RequestPayloadError, ValueError) as error:
        raise malformed("the body cannot be read") from error


def in_time(handler: Handler) -> Handler:
    """Bounds a handler that asks the database by itself; the gathered ones are bounded where they are gathered."""

    async def bounded(request: web.Request) -> web.StreamResponse:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await handler(request)
        except TimeoutError as error:
            raise Problem("outcome-unknown", "the ledger did not answer in time; ask again") from error

    return bounded


def error_middleware(gateway: Gateway) -> Any:
    """Turns whatever a handler raises into the answer that its edge promises, and counts and logs it."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.perf_counter()
        try:
            response = await handler(request)
        except Exception as error:  # noqa: BLE001 - nothing leaves as a stack trace
            response = answer_of(error, request)
        seconds = time.perf_counter() - began
        resource = request.match_info.route.resource
        route = "none" if resource is None else resource.canonical
        # A method is the client's own word; only the usual ones may become a label.
        method = request.method if request.method in METH_ALL else "other"
        gateway.metrics.answered(route, method, response.status, seconds)
        if gateway.leaving:
            response.force_close()
        if logs.debugging():
            _log.debug(
                "request",
                method=method,
                route=route,
                status=response.status,
                client=client_id_of(request),
                ms=round(seconds * 1000, 1),
            )
        return response

    return middleware


def answer_of(error: Exception, request: web.BaseRequest) -> web.Response:
    """The answer to a request that raised."""
    problem = problem_of_error(error, request)
    path = request.path
    if path.startswith("/ecms/"):
        return ecms_error(problem)
    if problem.verdict is None and path.startswith(("/pos/", "/kiosk/")):
        problem.verdict = verdicts.UNKNOWN if problem.status >= 500 else _NOTHING_MOVES
    return problem.response()


def ecms_error(problem: Problem) -> web.Response:
    """A problem in ECMS's own style, the HTTP status alike."""
    body = {"errorCode": str(problem.status), "message": problem.detail, "code": problem.code}
    return json_response(body, problem.status, dict(problem.headers))


def problem_of_error(error: Exception, request: web.BaseRequest) -> Problem:
    """The problem behind an exception."""
    if isinstance(error, Problem):
        return error
    again = (("Retry-After", RETRY_AFTER_S),)
    if isinstance(error, Overloaded):
        return _overloaded()
    if isinstance(error, FateUnknown):
        return Problem("outcome-unknown", "it is not known yet whether this happened; ask again", headers=again)
    if isinstance(error, Unavailable) or is_away(error):
        return Problem("database-unavailable", "the ledger is away; nothing happened", headers=again)
    if is_busy(error):
        return Problem("overloaded", "others stood in the way for too long; nothing happened", headers=again)
    if isinstance(error, web.HTTPException):
        return _problem_of_http(error)
    _log.error("internal-error", path=request.path, error=type(error).__name__, exc_info=error)
    return Problem("internal-error", "an error of the gateway's own; it has been logged")


def _overloaded() -> Problem:
    again = (("Retry-After", RETRY_AFTER_S),)
    return Problem("overloaded", "too much waits already; nothing was begun", headers=again)


def _problem_of_http(error: web.HTTPException) -> Problem:
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return Problem("method-not-allowed", f"allowed: {allowed}", headers=(("Allow", allowed),))
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return Problem(
            "request-too-large",
            f"a body has at most {BODY_LIMIT_BYTES} bytes",
            headers=(("Connection", "close"),),
        )
    if error.status == 404:
        return Problem("not-found", "there is no such path")
    return malformed(HTTPStatus(error.status).phrase)


def shedding(gateway: Gateway) -> Shedding:
    """Refuses as the long way does while the counter is full, and counts it alike."""

    def is_full() -> bool:
        # A process that is about to stop says so in each answer.
        return gateway.counter.is_full and not gateway.leaving

    def refused() -> None:
        gateway.metrics.answered("/pos/v1/transactions/{transactionId}", "PUT", problem.status, 0.0)

    problem = _overloaded()
    problem.verdict = verdicts.UNKNOWN
    return Shedding(problem, is_full, refused)


class _Connection(RequestHandler):
    """aiohttp's own errors, for requests that are no HTTP, as problem documents too; and a short way to refuse."""

    def __init__(self, manager: "_Server", **options: Any) -> None:
        super().__init__(manager, **options)
        self._shedding = manager.shedding
        self._in_step = True
        """Each piece that came on this connection has been one whole request, so that the next one begins one."""

    def data_received(self, data: bytes) -> None:
        # aiohttp calls this with nothing, too, to go on with what it has kept.
        refusal = self._refusal_of(data) if data else None
        if refusal is None or self.transport is None:
            super().data_received(data)
        else:
            self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
            self.transport.write(refusal)

    def _refusal_of(self, data: bytes) -> bytes | None:
        self._in_step = self._in_step and is_one_request(data)
        return self._shedding.answer_to(data) if self._in_step and self._is_idle else None

    @property
    def _is_idle(self) -> bool:
        """Whether aiohttp waits for a request and nothing else."""
        waits = self._waiter is not None and not self._waiter.done()
        return waits and not self._messages and not self._close and not self._force_close

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is on its way already")
        problem = (
            malformed("the request is no HTTP/1.1")
            if 400 <= status < 500
            else problem_of_error(exc if isinstance(exc, Exception) else RuntimeError(message), request)
        )
        response = problem.response()
        response.force_close()
        return response


class _Server(web.Server):
    """Makes such connections, and knows when the last one is gone."""

    def __init__(self, shedding: Shedding, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.shedding = shedding
        self._open: set[RequestHandler] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        self._open.add(handler)
        self._empty.clear()
        super().connection_made(handler, transport)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        self._open.discard(handler)
        if not self._open:
            self._empty.set()
        super().connection_lost(handler, exc)

    async def all_gone(self, within_s: float) -> None:
        """Waits until every connection is closed, or for so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._empty.wait()


def _without_expectations(make_request: Any) -> Any:
    """Passes over an `Expect` that is not `100-continue`, as RFC 9110 (10.1.1) allows.

    aiohttp answers it with a 417 of its own, as plain text and past every middleware.
    """

    def make(message: Any, *parts: Any) -> web.BaseRequest:
        if message.headers.get("Expect", "100-continue").lower() != "100-continue":
            headers = message.headers.copy()
            del headers["Expect"]
            message = message._replace(headers=CIMultiDictProxy(headers))
        made: web.BaseRequest = make_request(message, *parts)
        return made

    return make


class Runner(web.AppRunner):
    """aiohttp's runner with connections that answer in problem documents and do not unpack compressed bodies."""

    def __init__(self, app: web.Application, shedding: Shedding, *, shutdown_timeout_s: float) -> None:
        self._shedding = shedding
        super().__init__(
            app,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=IDLE_OR_SLOW_HEADERS_S,
            # What is left of a body that was refused unread is waited for as long as any body.
            lingering_time=BODY_WITHIN_S,
            shutdown_timeout=shutdown_timeout_s,
        )

    async def all_gone(self, within_s: float) -> None:
        """Waits until every connection is closed, or for so long."""
        if isinstance(self.server, _Server):
            await self.server.all_gone(within_s)

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            self._shedding,
            made.request_handler,
            request_factory=_without_expectations(made.request_factory),
            loop=asyncio.get_running_loop(),
            **made._kwargs,
        )
