"""Telling the gateway what happened while it was away: every stand-in sale in its order, then the shifts' closes."""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from ..wire import Answer, NoAnswer, WireClient
from . import crashpoints
from .book import Book
from .results import read_code, read_verdict
from .waiting import Waiting

# The gateway understood the request and will not take it; anything else may be otherwise the next time.
_REFUSALS = frozenset({400, 403, 404, 409, 413, 422})


class Forwarder:
    """Sends what waits in the journal, one after another; `conflict` is called when one came of it."""

    def __init__(self, client: WireClient, book: Book, conflict: Callable[[], None] = lambda: None) -> None:
        self._client = client
        self._book = book
        self._conflict = conflict
        self._one_at_a_time = asyncio.Lock()

    async def forward(self, *, refused_too: bool = False) -> bool:
        """Sends until everything is told, or nobody answers: then False, and it is to be called again, for ever.

        What the gateway has refused stays in the queue and holds up nothing behind it; with `refused_too` it is sent
        again as well.
        """
        async with self._one_at_a_time:
            for waiting in self._book.queue.waiting():
                if waiting.refused is not None and not refused_too:
                    continue
                if not await self._tell(waiting):
                    return False
            while self._book.sales.closing:
                if not await self._close():
                    return False
            return True

    async def _tell(self, waiting: Waiting) -> bool:
        """Whether the gateway has decided on this one, which may be a refusal."""
        if not waiting.told:
            answer = await self._send("forward", transaction_path(waiting.transaction_id), waiting.request)
            if answer is not None and _takes(waiting.transaction_id, answer):
                self._book.forwarded(waiting.transaction_id, answer)
                self._tell_of_conflict(waiting.transaction_id)
            elif answer is not None and _refuses(answer):
                if waiting.refused != answer.code:
                    self._book.forward_refused(waiting.transaction_id, answer)
                    self._tell_of_conflict(waiting.transaction_id)
                return True
            else:
                return False
        # The clerk may have voided the sale while it was on its way: what the queue says now is what counts.
        left = self._book.queue.get(waiting.transaction_id)
        return left is None or left.reversal is None or await self._reverse(left.transaction_id, left.reversal)

    async def _reverse(self, transaction_id: str, reversal: dict[str, Any]) -> bool:
        answer = await self._send("reversal", f"{transaction_path(transaction_id)}/reversal", reversal)
        if answer is None:
            return False
        if reverses(transaction_id, answer):
            self._book.reversed(transaction_id, answer)
        elif _refuses(answer):
            self._book.reversal_refused(transaction_id, answer)
            self._tell_of_conflict(transaction_id)
        else:
            return False
        return True

    async def _close(self) -> bool:
        shift = self._book.sales.closing[0]
        assert shift.closing is not None
        path = "/pos/v1/shifts/" + "/".join(quote(part, safe="") for part in shift.key)
        answer = await self._send("close", path, shift.closing)
        if answer is None or not (_refuses(answer) or (answer.status == 200 and answer.body is not None)):
            return False
        self._book.shift_closed(answer)
        return True

    async def _send(self, name: str, path: str, request: dict[str, Any]) -> Answer | None:
        crashpoints.reach(name, "before-send")
        try:
            answer = await self._client.request("PUT", path, json=request)
        except NoAnswer:
            return None
        crashpoints.reach(name, "after-answer")
        return answer

    def _tell_of_conflict(self, transaction_id: str) -> None:
        if any(each.transaction_id == transaction_id for each in self._book.queue.conflicts()):
            self._conflict()


def transaction_path(transaction_id: str) -> str:
    """Where a transaction is on the wire."""
    return f"/pos/v1/transactions/{quote(transaction_id, safe='')}"


def reverses(transaction_id: str, answer: Answer) -> bool:
    """Whether the answer says that this transaction is reversed."""
    body = answer.body or {}
    reversed_ = body.get("transactionId") == transaction_id and body.get("state") == "REVERSED"
    return answer.status == 200 and reversed_


def _takes(transaction_id: str, answer: Answer) -> bool:
    body = answer.body or {}
    taken = body.get("transactionId") == transaction_id and body.get("state") in {"APPROVED", "DISPUTED"}
    return answer.status == 201 and taken and read_verdict(body) is not None


def _refuses(answer: Answer) -> bool:
    return answer.status in _REFUSALS and read_code(answer.body or {}) is not None
