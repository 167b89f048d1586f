"""The till's transactions as its journal tells them: which are open, and what must be done about each."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..journal import Journal
from ..wire import PHILIPPINE_TIME, Answer, Clock


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
        self.last_transaction_id: str | None = None
        for record in journal.records():
            self._apply(record)

    def open_entries(self) -> list[Entry]:
        """Everything that is not settled, the oldest first."""
        return list(self._entries.values())

    def open_entry(self, transaction_id: str) -> Entry | None:
        """The entry of this transaction, if it is not settled."""
        return self._entries.get(transaction_id)

    def open_for_reference(self, reference: str) -> Entry | None:
        """The transaction over this reference that is not settled, however the reference is spelled."""
        for entry in self._entries.values():
            if entry.request is not None and _digits(entry.request["reference"]) == _digits(reference):
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

    def reversed(self, transaction_id: str) -> None:
        """Writes down that the gateway has reversed the transaction."""
        self._write("REVERSED", transaction_id, {})

    def reversal_refused(self, transaction_id: str, answer: Answer) -> None:
        """Writes down that the gateway refused the reversal, so that the transaction stands as it was."""
        self._write("REVERSAL_REFUSED", transaction_id, {"status": answer.status, "body": answer.body})

    def _write(self, event: str, transaction_id: str, content: dict[str, Any]) -> None:
        at = self._clock().astimezone(PHILIPPINE_TIME).isoformat(timespec="milliseconds")
        record = {"event": event, "at": at, "transactionId": transaction_id, **content}
        self._journal.append(record)
        self._apply(record)

    def _apply(self, record: dict[str, Any]) -> None:
        transaction_id = self.last_transaction_id = record["transactionId"]
        entry = self._entries.get(transaction_id)
        match record["event"]:
            case "BEGUN":
                begun_at = datetime.fromisoformat(record["at"])
                self._entries[transaction_id] = Entry(transaction_id, begun_at, record["request"])
            case "ANSWERED":
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
            case event:
                raise ValueError(f"the journal has a record of an unknown kind: {event!r}")


def _digits(reference: str) -> str:
    return reference.replace("-", "").replace(" ", "")
