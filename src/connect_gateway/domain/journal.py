"""The journal of a terminal: a chain of entries, each hashed with the one before it.

An entry is JSON without blanks, its names in one fixed order, of what happened, without any personal datum, so that
erasing such data breaks no chain. Whoever alters, removes or reorders an entry changes every later hash.
"""

import json
from hashlib import sha256

from connect_gateway.domain.records import Terminal, Transaction, TransactionState

_encode = json.JSONEncoder(separators=(",", ":")).encode

FIRST_HEAD = bytes(32)
"""What the first entry of a chain is hashed with."""


def entry_of(transaction: Transaction, position: int) -> str:
    """The journal's text for a transaction that was just approved, declined or reversed; `position` counts from 1."""
    at = transaction.reversed_at if transaction.state is TransactionState.REVERSED else transaction.occurred_at
    request = transaction.request
    entry = {
        "n": position,
        "store": transaction.store_id,
        "pos": transaction.pos,
        "transactionId": str(transaction.transaction_id),
        "state": transaction.state,
        "at": None if at is None else at.isoformat(),
        "type": None if request is None else request.type,
        "reference": None if request is None else request.reference,
        "shift": None if request is None else request.shift,
        "businessDate": None if request is None else request.business_date.isoformat(),
        "code": transaction.code,
        "amountDue": transaction.amount_due,
        "receipt": transaction.receipt_number,
        "reason": transaction.reversal_reason,
        "answer": sha256(transaction.answer.encode()).hexdigest(),
    }
    return _encode(entry)


def next_head(head: bytes, entry: str) -> bytes:
    """The chain's head after `entry`, 32 bytes."""
    return sha256(head + entry.encode()).digest()


def append(terminal: Terminal, transaction: Transaction) -> str:
    """Adds the transaction to the terminal's chain, whose counters it moves, and returns the entry."""
    terminal.journal_length += 1
    entry = entry_of(transaction, terminal.journal_length)
    terminal.journal_head = next_head(terminal.journal_head, entry)
    return entry
