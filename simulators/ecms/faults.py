"""What the gateway has to bear: ECMS away, late, wrong, or doing its work without saying so."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from aiohttp import web

from .answers import Handler, error_answer, errors_in_ecms_style
from .messages import FaultsRequest

SLOW_S = 3.0
LONGEST_SILENCE_S = 60.0


class Faults:
    """The fault that is switched on, and for how many of the requests."""

    def __init__(self) -> None:
        self._setting = FaultsRequest(mode="none")
        self._random = random.Random()  # noqa: S311 - it picks faults, not secrets

    def set(self, setting: FaultsRequest) -> None:
        """Replaces the fault; with a seed, which requests fail can be had again."""
        self._setting = setting
        self._random = random.Random(setting.seed)  # noqa: S311

    def show(self) -> dict[str, object]:
        """The setting as the control port shows it."""
        return {"mode": self._setting.mode, "probability": self._setting.probability}

    def draw(self) -> str:
        """The fault for the next request, or `none`."""
        if self._setting.mode == "none" or self._random.random() >= self._setting.probability:
            return "none"
        return self._setting.mode

    @property
    def down(self) -> bool:
        """Whether the next request finds nobody, where that is the only fault that concerns it."""
        return self._setting.mode == "down" and self.draw() == "down"

    def around(self, handler: Handler) -> Handler:
        """The handler of something that the gateway asks, with the faults before and behind it."""

        async def answering(request: web.Request) -> web.StreamResponse:
            # A refusal is an answer too, and as late or as lost as any other.
            return await errors_in_ecms_style(request, handler)

        async def faulty(request: web.Request) -> web.StreamResponse:
            return await _MODES[self.draw()](request, answering)

        return faulty


def hang_up(request: web.Request) -> web.StreamResponse:
    """Breaks the connection; what is returned reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _none(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request)


async def _down(request: web.Request, _: Handler) -> web.StreamResponse:
    return hang_up(request)


async def _error(request: web.Request, _: Handler) -> web.StreamResponse:
    await request.read()
    return error_answer(500, "Internal error.")


async def _timeout(request: web.Request, _: Handler) -> web.StreamResponse:
    # The server cancels this when the client goes.
    await asyncio.sleep(LONGEST_SILENCE_S)
    return hang_up(request)


async def _garbage(request: web.Request, _: Handler) -> web.StreamResponse:
    await request.read()
    return web.Response(body=b'{"errorCode":"2\x00\xff<html>', content_type="application/json")


async def _slow(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    await asyncio.sleep(SLOW_S)
    return response


async def _apply_then_fail(request: web.Request, handler: Handler) -> web.StreamResponse:
    await handler(request)
    return error_answer(500, "Internal error.")


async def _twice(request: web.Request, handler: Handler) -> web.StreamResponse:
    # The request arrives twice, as when something on the way repeats it; the second answer is the one that
    # gets back.
    await handler(request)
    return await handler(request)


_MODES: dict[str, Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]] = {
    "none": _none,
    "down": _down,
    "error-500": _error,
    "timeout": _timeout,
    "garbage": _garbage,
    "slow": _slow,
    "apply-then-fail": _apply_then_fail,
    "twice": _twice,
}
