"""A client of the gateway that keeps what it sent and what came back, for the people who build tills."""

import asyncio
import json as jsonlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..wire import TOKEN_PATH, Answer, Clock, NoAnswer, WireClient

KEPT = 500
"""How many exchanges a till remembers."""

_TEXT_KEPT = 2_000
_HEADERS_KEPT = ("Content-Type", "Idempotent-Replay", "Retry-After")


@dataclass(frozen=True)
class Exchange:
    """One request and what came of it. Of a token's request neither side is kept, and no header that is a secret.

    `status` is None where no answer came; then `failure` says why. `answer` is the parsed object, or its text.
    """

    number: int
    at: datetime
    method: str
    path: str
    request: Any | None
    status: int | None
    answer: Any | None
    duration_ms: int
    headers: Mapping[str, str] = field(default_factory=dict)
    failure: str | None = None

    def as_json(self) -> dict[str, Any]:
        """For the wire view."""
        return {
            "number": self.number,
            "at": self.at.isoformat(timespec="milliseconds"),
            "method": self.method,
            "path": self.path,
            "request": self.request,
            "status": self.status,
            "answer": self.answer,
            "durationMs": self.duration_ms,
            "headers": dict(self.headers),
            "failure": self.failure,
        }


class WireLog:
    """The last exchanges, the oldest first; `watch` is called with each as it ends."""

    def __init__(self, clock: Clock, watch: Callable[[Exchange], None] = lambda _: None) -> None:
        self.clock = clock
        self.exchanges: deque[Exchange] = deque(maxlen=KEPT)
        self._watch = watch
        self._count = 0

    def note(
        self, method: str, path: str, request: Any | None, outcome: Answer | NoAnswer, *, at: datetime, duration_ms: int
    ) -> None:
        """Keeps one exchange."""
        self._count += 1
        answered = outcome if isinstance(outcome, Answer) else None
        secret = path == TOKEN_PATH
        exchange = Exchange(
            number=self._count,
            at=at,
            method=method,
            path=path,
            request=None if secret else request,
            status=answered.status if answered else None,
            answer=None if answered is None or (secret and answered.status == 200) else _readable(answered),
            duration_ms=duration_ms,
            headers={name: answered.headers[name] for name in _HEADERS_KEPT if name in answered.headers}
            if answered
            else {},
            failure=None if answered else str(outcome),
        )
        self.exchanges.append(exchange)
        self._watch(exchange)


class LoggedClient(WireClient):
    """A WireClient whose every request goes through `log`."""

    def __init__(
        self, base_url: str, client_id: str, client_secret: str, *, log: WireLog, timeout_s: float = 5.0
    ) -> None:
        super().__init__(base_url, client_id, client_secret, timeout_s=timeout_s)
        self._log = log

    async def _send(
        self,
        method: str,
        path: str,
        *,
        json: Any | None = None,
        form: dict[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        loop = asyncio.get_running_loop()
        at, began_s = self._log.clock(), loop.time()

        def note(outcome: Answer | NoAnswer) -> None:
            self._log.note(method, path, json, outcome, at=at, duration_ms=round((loop.time() - began_s) * 1000))

        try:
            answer = await super()._send(method, path, json=json, form=form, headers=headers)
        except NoAnswer as exc:
            note(exc)
            raise
        note(answer)
        return answer


def _readable(answer: Answer) -> Any:
    if answer.body is not None:
        return answer.body
    if answer.headers.get("Content-Type", "").startswith("image/"):
        return f"[{len(answer.raw)} bytes]"
    text = answer.raw.decode("utf-8", "replace")
    try:
        return jsonlib.loads(text)
    except (ValueError, RecursionError):
        return text[:_TEXT_KEPT]
