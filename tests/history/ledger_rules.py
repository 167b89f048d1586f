"""I8 journal, I9 states: the ledger's own account, and the moves of each reference."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from hashlib import sha256
from itertools import pairwise
from typing import Any

from history.index import ARRIVALS, CLOSINGS, Index, Violation, violation
from history.records import Ending, Fate, Operation, Parcel, Terminal, centavos

_PARCELS = frozenset({"PAY_AND_CLAIM", "CLAIM"})


def journal(index: Index) -> Iterator[Violation]:
    """I8: each outcome is once in its terminal's journal, and each journal is one unbroken chain."""
    entries: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for terminal in index.history.terminals.values():
        yield from _chain(terminal)
        for _, text, _ in terminal.journal:
            entry = json.loads(text)
            entries[entry["transactionId"]].append(entry)
    for id_, ending in index.history.endings.items():
        yield from _entered(ending, entries.get(id_, []))


def _chain(terminal: Terminal) -> Iterator[Violation]:
    head = bytes(32)
    for expected, (position, entry, noted) in enumerate(terminal.journal, start=1):
        head = sha256(head + entry.encode()).digest()
        if position != expected or head.hex() != noted:
            text = f"the first entry of terminal {terminal.key} that does not follow is {position}: {entry}"
            yield violation("I8", "chain-broken", terminal.key, text)
            return
    if (terminal.journal_length, terminal.journal_head) != (len(terminal.journal), head.hex()):
        text = (
            f"terminal {terminal.key} counts {terminal.journal_length} entries, its journal has {len(terminal.journal)}"
        )
        yield violation("I8", "chain-broken", terminal.key, text)


def _entered(ending: Ending, entries: list[dict[str, Any]]) -> Iterator[Violation]:
    id_, found = ending.transaction_id, Counter(entry["state"] for entry in entries)
    expected: set[str] = set() if ending.state is None else {ending.state}
    if ending.receipt_number is not None:
        expected.add("APPROVED")
    elif ending.state == "REVERSED":
        # It may have been declined before, which nobody sees any more.
        expected.update(found.keys() & {"DECLINED"})
    for state in sorted(expected - found.keys()):
        yield violation("I8", "entry-missing", id_, f"no journal has that {id_} was {state}")
    for state in sorted(found.keys() - expected):
        yield violation("I8", "entry-of-nothing", id_, f"a journal has that {id_} was {state}; it is {ending.state}")
    for state, times in found.items():
        if times > 1:
            yield violation("I8", "entry-twice", id_, f"it is in the journal {times} times that {id_} was {state}")
    due = ending.body.get("amountDue")
    for entry in entries:
        if entry["receipt"] != ending.receipt_number and ending.state != "DECLINED":
            text = f"the journal has receipt {entry['receipt']}, the transaction {ending.receipt_number}"
            yield violation("I8", "entry-differs", id_, text)
        elif due is not None and entry["amountDue"] != centavos(due):
            yield violation("I8", "entry-differs", id_, f"the journal has {entry['amountDue']} centavos, not {due}")


def states(index: Index) -> Iterator[Violation]:
    """I9: no move outside the table, and in order of time for each reference."""
    for tracking, rows in index.history.events.items():
        for before, after in pairwise(rows):
            if after.sequence != before.sequence + 1 or after.occurred_at < before.occurred_at:
                text = (
                    f"event {after.sequence} of {after.occurred_at} follows {before.sequence} of {before.occurred_at}"
                )
                yield violation("I9", "time-order", tracking, text, *_references(index, tracking))
    for reference, parcel in index.history.parcels.items():
        yield from _final_state(index, reference, parcel)
        if parcel.kind in _PARCELS:
            for approval in index.approvals.get(reference, []):
                yield from _open_to(index, approval, parcel)


def _references(index: Index, tracking: str) -> list[str]:
    return [parcel.reference for parcel in index.references_of.get(tracking, [])]


def _final_state(index: Index, reference: str, parcel: Parcel) -> Iterator[Violation]:
    state = index.history.states.get(reference)
    endings = index.endings_of.get(reference, [])
    done = [ending.transaction_id for ending in endings if ending.state == "APPROVED"]
    if state is not None and (state == "DONE") != bool(done):
        text = f"the reference is {state}, and {len(done)} transactions on it stand"
        yield violation("I9", "state-differs", reference, text, *done)
    was_done = any(ending.receipt_number is not None for ending in endings)
    told = index.statuses.get(parcel.tracking_number, [])
    if state is None or was_done or state == "EXPIRED" or parcel.kind not in _PARCELS or not _settled(told):
        return
    expected = _moved(told)
    if state != expected:
        heard = ", ".join(one.content["status"] for one in told)
        text = f"ECMS's statuses ({heard}) make it {expected}, and it is {state}"
        yield violation("I9", "state-differs", reference, text, parcel.tracking_number)


def _settled(told: list[Operation]) -> bool:
    """Whether the statuses came one after another, each heard, so that they leave one state alone."""
    return all(one.fate is Fate.OK for one in told) and all(one.completed < two.invoked for one, two in pairwise(told))


def _moved(told: list[Operation]) -> str:
    """Where statuses take a parcel: none backwards in time, and out of CANCELLED none at all."""
    state, newest = "NOT_READY", ""
    for one in told:
        status, at = one.content["status"], one.content.get("timestamp") or newest
        if at < newest or state == "CANCELLED":
            continue
        target = "OPEN" if status in ARRIVALS else CLOSINGS.get(status)
        if (state, target, at) == ("PULLED_OUT", "OPEN", newest):
            continue
        if target is not None and (state, target) != ("PULLED_OUT", "PULLED_OUT"):
            state, newest = target, at
    return state


def _open_to(index: Index, approval: Operation, parcel: Parcel) -> Iterator[Violation]:
    """An approval needs a parcel that has arrived, and that nobody had closed before it was first asked for.

    The answer that was seen may be a repeat of one that was lost.
    """
    sent = [one for one in index.sales[approval.subject] if one.fate is not Fate.FAIL]
    asked = min(one.invoked for one in sent)
    told = index.statuses.get(parcel.tracking_number, [])
    arrivals = [one for one in told if one.content["status"] in ARRIVALS and one.fate is not Fate.FAIL]
    if not any(one.invoked < approval.completed for one in arrivals):
        yield violation(
            "I9", "not-open", approval.subject, "approved before the parcel arrived", parcel.tracking_number
        )
        return
    for closing in told:
        if closing.content["status"] not in CLOSINGS or closing.fate is not Fate.OK:
            continue
        at = closing.content.get("timestamp")
        may_not_count = any(
            one.completed > closing.invoked or (at is not None and (one.content.get("timestamp") or at) > at)
            for one in arrivals
        )
        was_done = any(
            sale.invoked < closing.completed and sale.subject != approval.subject
            for sale in _sales_on(index, parcel.reference)
        )
        if closing.completed < asked and not may_not_count and not was_done:
            text = f"approved although {closing.content['status']} had been heard"
            yield violation("I9", "not-open", approval.subject, text, parcel.tracking_number, parcel.reference)
            return


def _sales_on(index: Index, reference: str) -> list[Operation]:
    return [sale for sales in index.sales.values() for sale in sales if reference in sale.keys]
