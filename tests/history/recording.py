"""Clients that write down each request as they send it, and what came of it."""

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connect_simulators.wire import Answer, NoAnswer, WireClient

from history.records import SALES, Fate, Operation, digits

_NOTHING_HAPPENED = frozenset({"database-unavailable", "overloaded", "ecms-unavailable"})
"""503s that say of themselves that nothing was done; any other leaves the fate open."""

_PATHS = (
    ("PUT", r"/pos/v1/transactions/([^/]+)", ""),
    ("GET", r"/pos/v1/transactions/([^/]+)", "INQUIRE"),
    ("PUT", r"/pos/v1/transactions/([^/]+)/reversal", "REVERSE"),
    ("GET", r"/pos/v1/references/([^/]+)", "LOOK_UP"),
    ("GET", r"/pos/v1/receipts/([^/]+)", "RECEIPT"),
    ("POST", r"/pos/v1/receipts/([^/]+)/copies", "COPY"),
    ("PUT", r"/pos/v1/shifts/([^/]+/[^/]+/[^/]+)", "CLOSE"),
    ("PUT", r"/kiosk/v1/returns/([^/]+)", "DISPENSE"),
    ("POST", r"/ecms/v1/references", "SHIP"),
    ("POST", r"/ecms/v1/status", "STATUS"),
)


@dataclass
class Recorder:
    """All the operations of a run. `calm` is switched on once nothing is being broken any more."""

    operations: list[Operation] = field(default_factory=list)
    calm: bool = False
    _numbers: int = 0

    def begin(
        self, client: str, action: str, subject: str, store: str = "", content: Mapping[str, Any] | None = None
    ) -> "Pending":
        """An operation that is about to be sent."""
        self._numbers += 1
        return Pending(self, self._numbers, client, action, subject, store, dict(content or {}), time.time(), self.calm)

    def done(self) -> list[Operation]:
        """What has been recorded so far, in the order of sending."""
        return sorted(self.operations, key=lambda operation: operation.number)


@dataclass
class Pending:
    """An operation under way. It is written down as unknown if nobody says how it ended."""

    recorder: Recorder
    number: int
    client: str
    action: str
    subject: str
    store: str
    content: dict[str, Any]
    invoked: float
    calm: bool

    def end(self, answer: Answer | None) -> None:
        """What came back; None where nothing did."""
        fate = fate_of(answer)
        operation = Operation(
            number=self.number,
            client=self.client,
            action=self.action,
            subject=self.subject,
            store=self.store,
            content=self.content,
            invoked=self.invoked,
            completed=math.inf if fate is Fate.UNKNOWN else time.time(),
            fate=fate,
            status=None if answer is None else answer.status,
            answer=None if answer is None else answer.raw.decode("utf-8", "replace"),
            replay=answer is not None and answer.headers.get("Idempotent-Replay") == "true",
            calm=self.calm,
        )
        self.recorder.operations.append(operation)


def fate_of(answer: Answer | None) -> Fate:
    """What an answer settles about its request."""
    if answer is None:
        return Fate.UNKNOWN
    if answer.status == 204 or (200 <= answer.status < 300 and answer.body is not None):
        return Fate.OK
    if 400 <= answer.status < 500 and answer.body is not None:
        return Fate.FAIL
    return Fate.FAIL if answer.status == 503 and answer.code in _NOTHING_HAPPENED else Fate.UNKNOWN


class RecordingWire(WireClient):
    """A client application whose every request is written down, in the name of `who`."""

    def __init__(
        self,
        recorder: Recorder,
        who: str,
        url: str,
        client_id: str,
        client_secret: str,
        *,
        store: str = "",
        timeout_s: float = 5.0,
    ) -> None:
        super().__init__(url, client_id, client_secret, timeout_s=timeout_s)
        self._recorder = recorder
        self._who = who
        self._store = store
        self.sent: dict[str, Mapping[str, Any]] = {}
        """What was last sent under each transaction's id."""

    async def request(
        self, method: str, path: str, *, json: Any | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        named = _named(method, path, json or {})
        if named is None:
            return await super().request(method, path, json=json, headers=headers)
        pending = self._recorder.begin(self._who, *named[:2], self._store, named[2])
        if pending.action in SALES:
            self.sent[pending.subject] = pending.content
        answer = None
        try:
            answer = await super().request(method, path, json=json, headers=headers)
        finally:
            pending.end(answer)
        return answer

    async def ask(self, method: str, path: str, *, json: Any | None = None) -> Answer | None:
        """The answer, or None where there was none."""
        try:
            return await self.request(method, path, json=json)
        except NoAnswer:
            return None


def _named(method: str, path: str, sent: Mapping[str, Any]) -> tuple[str, str, Mapping[str, Any]] | None:
    """Action, subject and content of a request that is worth writing down."""
    for wanted, pattern, action in _PATHS:
        found = re.fullmatch(pattern, path)
        if found is None or method != wanted:
            continue
        match action:
            case "":
                return sent["type"], found[1], sent
            case "SHIP" | "STATUS":
                return action, sent["trackingNumber"], sent
            case "LOOK_UP":
                return action, digits(found[1]), {}
            case "CLOSE":
                business_date, pos, shift = found[1].split("/")
                close = {"businessDate": business_date, "pos": pos, "shift": shift, "cashCounted": sent["cashCounted"]}
                return action, found[1], close
            case _:
                return action, found[1], sent
    return None
