"""The journal of a terminal: a chain of entries, each hashed with the one before it.

An entry is JSON without blanks, its names in one fixed order, of what happened, without any personal datum, so that
erasing such data breaks no chain. Whoever alters, removes or reorders an entry changes every later hash.
"""

from hashlib import sha256

from connect_gateway.domain.records import Terminal, Transaction, TransactionState

FIRST_HEAD = bytes(32)
"""What the first entry of a chain is hashed with."""


def entry_of(transaction: Transaction, position: int, after: TransactionState | None = None) -> str:
    """The journal's text for a transaction that was just approved, declined, disputed or reversed.

    `position` counts from 1. `after` is what the transaction was before: DECLINED where a till had sold it all the
    same while it was away, DISPUTED where a person has accepted the sale.
    """
    at = transaction.reversed_at if transaction.state is TransactionState.REVERSED else transaction.occurred_at
    request = transaction.request
    type_ = reference = shift = business_date = "null"
    if request is not None:
        type_, reference, shift = f'"{request.type}"', f'"{request.reference}"', str(request.shift)
        business_date = f'"{request.business_date.isoformat()}"'
    # Written out, since a JSON encoder takes several times as long: nothing in an entry is a text that came from
    # outside, so that nothing in it needs escaping.
    return (
        f'{{"n":{position},"store":"{transaction.store_id}","pos":{transaction.pos},'
        f'"transactionId":"{transaction.transaction_id}","state":"{transaction.state}",'
        f'"at":{_text(None if at is None else at.isoformat())},"type":{type_},"reference":{reference},'
        f'"shift":{shift},"businessDate":{business_date},'
        f'"code":{_text(transaction.code)},"amountDue":{transaction.amount_due},'
        f'"receipt":{_text(transaction.receipt_number)},"reason":{_text(transaction.reversal_reason)},'
        f'"answer":"{sha256(transaction.answer.encode()).hexdigest()}"{_more(transaction, after)}}}'
    )


def _more(transaction: Transaction, after: TransactionState | None) -> str:
    """What only entries of stand-in sales have."""
    if transaction.request is None or (after is None and transaction.request.stand_in is None):
        return ""
    stand_in = transaction.request.stand_in
    number = "" if stand_in is None else f',"standIn":"{stand_in.receipt_number}"'
    return number + ("" if after is None else f',"after":"{after}"')


def _text(value: str | None) -> str:
    return "null" if value is None else f'"{value}"'


def next_head(head: bytes, entry: str) -> bytes:
    """The chain's head after `entry`, 32 bytes."""
    return sha256(head + entry.encode()).digest()


def append(terminal: Terminal, transaction: Transaction, after: TransactionState | None = None) -> str:
    """Adds the transaction to the terminal's chain, whose counters it moves, and returns the entry."""
    terminal.journal_length += 1
    entry = entry_of(transaction, terminal.journal_length, after)
    terminal.journal_head = next_head(terminal.journal_head, entry)
    return entry
