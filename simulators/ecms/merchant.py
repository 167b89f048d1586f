"""A merchant's endpoint to try webhooks with: it checks the signature, shows what it hears, and fails as it is told."""

import asyncio
import json
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from ..wire import Clock, system_clock
from .answers import error_answer, errors_in_ecms_style
from .faults import LONGEST_SILENCE_S, hang_up
from .messages import Refusal, parse
from .signing import WrongSignature, verify

_BODY_LIMIT = 64 * 1024
_FIELDS = {"trackingNumber", "merchantReference", "status", "location", "timestamp"}
_KEPT = 10_000

Shows = Callable[[dict[str, Any], bool], None]
"""Is given a status, and whether its delivery has been heard before."""


class Behaviour(BaseModel):
    """How the endpoint answers the next `times` deliveries; None is for ever.

    `hear-then-fail` takes a delivery in and answers 500, so that it comes once more.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    mode: Literal["none", "error-500", "stall", "hang-up", "hear-then-fail"]
    times: Annotated[int, Field(strict=True, ge=1, le=10**6)] | None = None


@dataclass
class MerchantEndpoint:
    """What the endpoint knows, and what it has heard."""

    secret: str
    show: Shows
    now: Clock = system_clock
    behaviour: Behaviour = field(default_factory=lambda: Behaviour(mode="none"))
    received: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _heard: set[str] = field(default_factory=set)

    def application(self) -> web.Application:
        """`POST /webhooks` for ECMS; `PUT /behaviour` and `GET /received` for whoever tries it."""
        application = web.Application(client_max_size=_BODY_LIMIT, middlewares=[errors_in_ecms_style])
        application.router.add_post("/webhooks", self._hear)
        application.router.add_put("/behaviour", self._behave)
        application.router.add_get("/received", self._list)
        return application

    async def _hear(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        mode = self._next_mode()
        if mode == "stall":
            await asyncio.sleep(LONGEST_SILENCE_S)
        if mode in ("stall", "hang-up"):
            return hang_up(request)
        if mode == "error-500":
            return error_answer(500, "This merchant fails as it was told to.")
        try:
            delivery_id = verify(self.secret, request.headers, body, self.now().timestamp())
        except WrongSignature as exc:
            raise Refusal(401, f"{exc}.") from None
        status = _status_in(body)
        again = delivery_id in self._heard
        if not again:
            self._heard.add(delivery_id)
            self.received.append(status)
        self.show(status, again)
        if mode == "hear-then-fail":
            return error_answer(500, "This merchant has heard it, and says that it has not.")
        return web.json_response({"message": "heard already" if again else "heard"})

    def _next_mode(self) -> str:
        mode, times = self.behaviour.mode, self.behaviour.times
        if times is not None:
            self.behaviour = Behaviour(mode=mode, times=times - 1) if times > 1 else Behaviour(mode="none")
        return mode

    async def _behave(self, request: web.Request) -> web.StreamResponse:
        self.behaviour = parse(Behaviour, await request.read())
        return web.json_response(self.behaviour.model_dump())

    async def _list(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"received": list(self.received)})


def _status_in(body: bytes) -> dict[str, Any]:
    try:
        status = json.loads(body)
    except ValueError:
        status = None
    names = set(status) if isinstance(status, dict) else set()
    if not names >= _FIELDS or not names <= _FIELDS | {"reason"} or not all(isinstance(status[n], str) for n in names):
        raise Refusal(400, "The body is no status notification.")
    assert isinstance(status, dict)
    return status


def print_status(status: dict[str, Any], again: bool) -> None:
    """One line for people."""
    reason = f"  ({status['reason']})" if status.get("reason") else ""
    told_again = "  again" if again else ""
    sys.stdout.write(
        f"{status['timestamp']}  {status['trackingNumber']}  {status['merchantReference']:20}  {status['location']:4}"
        f"  {status['status']}{reason}{told_again}\n"
    )
    sys.stdout.flush()


def print_json(status: dict[str, Any], again: bool) -> None:
    """One line for programs."""
    sys.stdout.write(json.dumps({**status, "again": again}, ensure_ascii=False) + "\n")
    sys.stdout.flush()
