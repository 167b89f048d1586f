"""The till's transactions as its journal tells them: which are open, and what must be done about each."""

import json
import os
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import uuid_utils

from ..journal import Journal
from ..wire import PHILIPPINE_TIME, Answer, Clock
from . import crashpoints
from .sales import Sales, digits
from .waiting import Queue


@dataclass
class Entry:
    """A transaction that is not settled: its request has no answer yet, or its reversal has none."""

    transaction_id: str
    begun_at: datetime
    # The body of the PUT; None where the till reverses a transaction that is not in its journal.
    request: dict[str, Any] | None
    answered: bool = False
    # The body of the reversal that is under way.
    reversal: dict[str, Any] | None = None


class Book:
    """Writes the journal and keeps its open entries at hand; each method writes before it returns."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._entries: dict[str, Entry] = {}
        self.sales = Sales()
        self.queue = Queue()
        self.last_transaction_id: str | None = None
        for record in journal.records():
            self._apply(record)

    def new_transaction_id(self) -> str:
        """An id that nobody else makes, of version 7: it begins with the time, as the protocol recommends."""
        return str(uuid_utils.uuid7(nanoseconds=int(self._clock().timestamp() * 1_000_000) * 1_000))

    def open_entries(self) -> list[Entry]:
        """Everything that is not settled, the oldest first."""
        return list(self._entries.values())

    def open_entry(self, transaction_id: str) -> Entry | None:
        """The entry of this transaction, if it is not settled."""
        return self._entries.get(transaction_id)

    def open_for_reference(self, reference: str) -> Entry | None:
        """The transaction over this reference that is not settled, however the reference is spelled."""
        for entry in self._entries.values():
            if entry.request is not None and digits(entry.request["reference"]) == digits(reference):
                return entry
        return None

    def age_s(self, entry: Entry) -> float:
        """How long ago the transaction began; 0 at least, whatever has happened to the clock."""
        return max(0.0, (self._clock() - entry.begun_at).total_seconds())

    def begin(self, transaction_id: str, request: dict[str, Any]) -> Entry:
        """Writes the transaction down, before anything is sent."""
        self._write("BEGUN", transaction_id, {"request": request})
        return self._entries[transaction_id]

    def answered(self, transaction_id: str, answer: Answer) -> None:
        """Writes down the gateway's decision on the transaction."""
        self._write("ANSWERED", transaction_id, {"status": answer.status, "body": answer.body})

    def reversing(self, transaction_id: str, request: dict[str, Any]) -> Entry:
        """Writes down that the transaction is to be reversed, before the reversal is sent."""
        self._write("REVERSING", transaction_id, {"request": request})
        return self._entries[transaction_id]

    def reversed(self, transaction_id: str, answer: Answer | None = None) -> None:
        """Writes down that the gateway has reversed the transaction."""
        self._write("REVERSED", transaction_id, {} if answer is None else {"body": answer.body})

    def reversal_refused(self, transaction_id: str, answer: Answer) -> None:
        """Writes down that the gateway refused the reversal, so that the transaction stands as it was."""
        self._write("REVERSAL_REFUSED", transaction_id, {"status": answer.status, "body": answer.body})

    def stood_in(
        self, transaction_id: str, request: dict[str, Any], stand_in: dict[str, str], body: dict[str, Any]
    ) -> None:
        """Writes down that the sale was made while the gateway is away; `request` is what it is to be told."""
        self._write("STOOD_IN", transaction_id, {"request": request, "standIn": stand_in, "body": body})

    def voided(self, transaction_id: str, request: dict[str, Any], body: dict[str, Any]) -> None:
        """Writes down that a stand-in sale was undone before the gateway was told of it; `request` is the reversal."""
        self._write("VOIDED", transaction_id, {"request": request, "body": body})

    def forwarded(self, transaction_id: str, answer: Answer) -> None:
        """Writes down that the gateway has taken a stand-in sale, disputed or not."""
        self._write("FORWARDED", transaction_id, {"status": answer.status, "body": answer.body})

    def forward_refused(self, transaction_id: str, answer: Answer) -> None:
        """Writes down that the gateway would not take a stand-in sale; it stays in the queue."""
        self._write("FORWARD_REFUSED", transaction_id, {"status": answer.status, "body": answer.body})

    def shown(self, transaction_id: str) -> None:
        """Writes down that a person has seen what became of the transaction."""
        sale = self.sales.get(transaction_id)
        if sale is not None and sale.state != "OPEN" and not sale.shown:
            self._write("SHOWN", transaction_id, {})

    def copied(self, transaction_id: str, copy: int) -> None:
        """Writes down that a stand-in receipt was printed once more."""
        self._write("COPIED", transaction_id, {"copy": copy})

    def conflict_seen(self, transaction_id: str) -> None:
        """Writes down that a person has taken note of a conflict."""
        self._write("CONFLICT_SEEN", transaction_id, {})

    def shift_opened(self, shift: dict[str, str]) -> None:
        """Writes down a shift: pos, shift, businessDate, clerk and float."""
        self._write("SHIFT_OPENED", None, {"shift": shift})

    def shift_closing(self, counted: str, request: dict[str, Any]) -> None:
        """Writes down the counted drawer and the close that the gateway is to have."""
        self._write("SHIFT_CLOSING", None, {"counted": counted, "request": request})

    def shift_closed(self, answer: Answer) -> None:
        """Writes down the gateway's answer to the oldest close that waits for one."""
        self._write("SHIFT_CLOSED", None, {"status": answer.status, "body": answer.body})

    def _write(self, event: str, transaction_id: str | None, content: dict[str, Any]) -> None:
        at = self._clock().astimezone(PHILIPPINE_TIME).isoformat(timespec="milliseconds")
        record = {"event": event, "at": at, "transactionId": transaction_id, **content}
        name = event.lower()
        if crashpoints.is_due(name, "half-written"):
            _tear(self._journal, record)
        self._journal.append(record)
        crashpoints.reach(name, "after-write")
        self._apply(record)

    def _apply(self, record: dict[str, Any]) -> None:
        self._apply_to_entries(record)
        self.sales.apply(record)
        self.queue.apply(record)

    def _apply_to_entries(self, record: dict[str, Any]) -> None:
        transaction_id = record["transactionId"]
        if transaction_id is None:
            return
        self.last_transaction_id = transaction_id
        entry = self._entries.get(transaction_id)
        match record["event"]:
            case "BEGUN":
                begun_at = datetime.fromisoformat(record["at"])
                self._entries[transaction_id] = Entry(transaction_id, begun_at, record["request"])
            case "ANSWERED" | "STOOD_IN":
                self._entries.pop(transaction_id, None)
            case "REVERSING":
                if entry is None:
                    begun_at = datetime.fromisoformat(record["at"])
                    entry = Entry(transaction_id, begun_at, None, answered=True)
                    self._entries[transaction_id] = entry
                entry.reversal = record["request"]
            case "REVERSAL_REFUSED":
                if entry is not None and entry.answered:
                    del self._entries[transaction_id]
                elif entry is not None:
                    entry.reversal = None
            case "REVERSED":
                self._entries.pop(transaction_id, None)
            case "VOIDED" | "FORWARDED" | "FORWARD_REFUSED" | "SHOWN" | "COPIED" | "CONFLICT_SEEN":
                pass  # of a transaction that is settled here
            case event:
                raise ValueError(f"the journal has a record of an unknown kind: {event!r}")


def _tear(journal: Journal, record: dict[str, Any]) -> None:
    """Dies in the middle of a line, as a till does whose plug is pulled while it writes."""
    line = json.dumps(record, ensure_ascii=False).encode()
    fd = os.open(journal.path, os.O_WRONLY | os.O_APPEND)
    os.write(fd, line[: len(line) // 2])
    os.fsync(fd)
    crashpoints.die()
