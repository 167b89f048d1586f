"""Checking a terminal's journal: is the chain whole, and does it say what the ledger says?

`domain/journal.py` writes the chain. Here nothing is believed: neither the entries, nor their hashes, nor the
terminal's row, nor the transactions. What all of these say together can only be changed by who rewrites all of them,
and then a signed checkpoint that is kept elsewhere tells.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from connect_gateway.domain import journal


class Fault(StrEnum):
    """What can be wrong with an entry."""

    ALTERED = "altered"
    REMOVED = "removed"
    REORDERED = "reordered"
    TRUNCATED = "truncated"
    REWRITTEN = "rewritten"
    DIFFERS = "differs-from-transaction"
    NOT_ENTERED = "not-entered"


@dataclass(slots=True, frozen=True)
class Broken:
    """The first entry of a terminal that is not as it should be; `position` counts from 1."""

    store_id: str
    pos: int
    position: int
    fault: Fault
    detail: str


@dataclass(slots=True, frozen=True)
class Head:
    """How long a terminal's chain is said to be, and its head, 32 bytes."""

    length: int
    head: bytes


EMPTY = Head(0, journal.FIRST_HEAD)

_FIELDS = ("pos", "type", "reference", "shift", "businessDate", "code", "amountDue", "receipt", "answer")
"""What an entry and its transaction's row have in common, by the entry's names."""

_STATES_SINCE = {
    "APPROVED": ("APPROVED", "REVERSED"),
    "DECLINED": ("DECLINED", "REVERSED"),
    "DISPUTED": ("DISPUTED", "APPROVED", "REVERSED"),
    "REVERSED": ("REVERSED",),
}
"""What may have become of a transaction since it was entered in a state."""


class Chain:
    """One terminal's entries, followed from the first to the last.

    `kept` are the heads that signed checkpoints hold of this terminal.
    """

    def __init__(self, store_id: str, pos: int, kept: list[Head]) -> None:
        self._store_id = store_id
        self._pos = pos
        self._kept = {one.length: one.head for one in kept}
        self._agreed = 0
        self.length = 0
        self.head = journal.FIRST_HEAD
        self.begun = 0
        """How many of the entries are the first of their transaction."""
        self.undone = 0
        """How many of them reverse a transaction that had been entered before."""
        self.sold_after_all: set[str] = set()
        """Transactions that were declined and have a receipt, so that an entry of a later stand-in sale must come."""
        self.accepted: set[str] = set()
        """Transactions that were disputed and stand as approved, so that an entry of their acceptance must come."""

    def follow(self, position: int, text: str, head: bytes) -> Broken | dict[str, Any]:
        """The next entry, read; Broken where it is not the next one of this chain."""
        expected = self.length + 1
        if position != expected:
            return self._broken(expected, Fault.REMOVED, f"the next entry that is there has number {position}")
        entry = _read(text)
        if entry is None:
            return self._broken(position, Fault.ALTERED, "the entry cannot be read")
        linked = journal.next_head(self.head, text)
        if linked != head or entry.get("n") != position:
            return self._mislinked(position, entry, linked == head)
        if (entry.get("store"), entry.get("pos")) != (self._store_id, self._pos):
            return self._broken(position, Fault.ALTERED, "the entry is another terminal's")
        self.length, self.head = position, head
        if position in self._kept:
            if self._kept[position] != head:
                return self._rewritten(position)
            self._agreed = position
        if entry.get("after") in ("DECLINED", "DISPUTED"):
            # What was entered before has gone on: a third thing beside a beginning and an undoing.
            return entry
        if entry["state"] != "REVERSED" or entry["type"] is None:
            self.begun += 1
        else:
            self.undone += 1
        return entry

    def end(self, terminal: Head | None) -> Broken | None:
        """Whether the chain ends where the terminal's row and the checkpoints say; None where it does."""
        missing = self.length + 1
        beyond = [length for length in self._kept if length > self.length]
        if beyond:
            detail = f"the chain has {self.length} entries, and a signed checkpoint {max(beyond)}"
            return self._broken(missing, Fault.TRUNCATED, detail)
        if terminal is None:
            return self._broken(1, Fault.REMOVED, "the terminal's row is not there") if self.length else None
        if terminal.length > self.length:
            detail = f"the chain has {self.length} entries, and the terminal's row counts {terminal.length}"
            return self._broken(missing, Fault.TRUNCATED, detail)
        if terminal != Head(self.length, self.head):
            detail = f"the terminal's row has another head, or counts {terminal.length} instead of {self.length}"
            return self._broken(max(self.length, 1), Fault.ALTERED, detail)
        return None

    def compare(self, entry: Mapping[str, Any], row: Mapping[str, Any] | None) -> Broken | None:
        """Whether an entry says what its transaction's row says; `row` has the entry's names."""
        position, transaction_id = entry["n"], entry["transactionId"]
        if row is None:
            return self._broken(position, Fault.DIFFERS, f"transaction {transaction_id} is not there")
        state, after = str(entry["state"]), entry.get("after")
        if after is not None:
            (self.sold_after_all if after == "DECLINED" else self.accepted).discard(str(transaction_id))
        if state == "DECLINED" and row["receipt"] is not None:
            # A till had never heard of the decline, and has sold the parcel: the row is that of its sale now.
            self.sold_after_all.add(str(transaction_id))
            return None
        if state == "DISPUTED" and row["state"] == "APPROVED":
            self.accepted.add(str(transaction_id))
        wrong = next((name for name in _FIELDS if entry[name] != row[name]), None)
        if wrong is None and row["state"] not in _STATES_SINCE.get(state, ()):
            wrong = "state"
        if wrong is None:
            undone = state == "REVERSED"
            if entry["at"] != row["reversedAt" if undone else "occurredAt"]:
                wrong = "at"
            elif undone and entry["reason"] != row["reason"]:
                wrong = "reason"
        if wrong is None:
            return None
        return self._broken(position, Fault.DIFFERS, f"transaction {transaction_id} has another {wrong}")

    def unfinished(self) -> Broken | None:
        """A transaction that has become what no entry tells of, once the whole chain was compared."""
        for transaction_id in sorted(self.sold_after_all | self.accepted):
            return self.not_entered(transaction_id, "the later course of transaction")
        return None

    def not_entered(self, transaction_id: object, what: str) -> Broken:
        """A transaction of this terminal, or its reversal, that the whole chain does not tell of."""
        return self._broken(self.length + 1, Fault.NOT_ENTERED, f"{what} {transaction_id} has no entry")

    def _mislinked(self, position: int, entry: dict[str, Any], linked: bool) -> Broken:
        number = entry.get("n")
        if not isinstance(number, int) or number == position:
            return self._broken(position, Fault.ALTERED, "the entry and its hash do not belong together")
        fault = Fault.REMOVED if number > position and linked else Fault.REORDERED
        return self._broken(position, fault, f"in its place stands the entry that was number {number}")

    def _rewritten(self, position: int) -> Broken:
        first = self._agreed + 1
        detail = f"a signed checkpoint has another head at {position}: an entry from {first} to {position} is another"
        return self._broken(first, Fault.REWRITTEN, detail)

    def _broken(self, position: int, fault: Fault, detail: str) -> Broken:
        return Broken(self._store_id, self._pos, position, fault, detail)


def _read(text: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(text)
    except ValueError:
        return None
    if (
        not isinstance(entry, dict)
        or not {"n", "store", "pos", "transactionId", "state", "at", "reason"} <= entry.keys()
    ):
        return None
    return entry if set(_FIELDS) <= entry.keys() else None
