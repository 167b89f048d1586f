"""What one customer has told the kiosk, for as long as they stand there. It is in memory alone, and never written."""

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import web

from ..kiosk import KioskResult
from .entries import Entry

IDLE_S = 60
"""After so long without a touch the screen and everything personal is cleared."""

# The page says at most this much later that it was touched, and clears itself at IDLE_S; a browser that is gone says
# nothing, so the kiosk forgets by itself.
TOUCH_EVERY_S = 10
_FORGET_AFTER_S = IDLE_S + TOUCH_EVERY_S
_COOKIE = "visit"

Paper = Literal["printed", "no-paper", "not-fetched"]


@dataclass
class Visit:
    """One customer's way through the pages."""

    entry: Entry | None = None
    identifier: str = ""
    mobile: str = ""
    returned: KioskResult | None = None
    booking_reference: str = ""
    booking: KioskResult | None = None
    label: KioskResult | None = None
    parcel: KioskResult | None = None
    paper: Paper | None = None
    commands: bytes = b""
    """What the printer was given last, or will be once it has paper: printed again, it is the very same."""
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the gateway is asked, so that a second touch of the same button asks nothing a second time."""


class Visits:
    """The visits of now, each under a cookie that cannot be guessed."""

    def __init__(self) -> None:
        self._visits: dict[str, Visit] = {}
        self._ends: dict[str, asyncio.TimerHandle] = {}

    def of(self, request: web.Request) -> Visit | None:
        """The visit that this request belongs to, which thereby lasts longer; None where there is none any more."""
        token = request.cookies.get(_COOKIE, "")
        visit = self._visits.get(token)
        if visit is not None:
            self._keep(token)
        return visit

    def begin(self, request: web.Request, answer: web.StreamResponse) -> Visit:
        """The visit of this request, or a new one, whose cookie goes with `answer`."""
        visit = self.of(request)
        if visit is None:
            token, visit = secrets.token_urlsafe(24), Visit()
            self._visits[token] = visit
            self._keep(token)
            answer.set_cookie(_COOKIE, token, httponly=True, samesite="Strict", path="/")
        return visit

    def end(self, request: web.Request, answer: web.StreamResponse) -> None:
        """Forgets everything about the customer."""
        self._forget(request.cookies.get(_COOKIE, ""))
        answer.del_cookie(_COOKIE, path="/")

    def forget_all(self) -> None:
        for token in list(self._visits):
            self._forget(token)

    def _keep(self, token: str) -> None:
        if token in self._ends:
            self._ends[token].cancel()
        self._ends[token] = asyncio.get_running_loop().call_later(_FORGET_AFTER_S, self._forget, token)

    def _forget(self, token: str) -> None:
        self._visits.pop(token, None)
        end = self._ends.pop(token, None)
        if end is not None:
            end.cancel()
