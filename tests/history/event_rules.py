"""I6 events, I7 codes: ECMS hears of each change once and in order; a return code is issued once and used once."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime

from history.index import Index, Violation, violation
from history.records import CASH, Delivery, Fate, LedgerEvent, Parcel, centavos, digits

_STATUS = {
    "COLLECT": "CLAIMED",
    "CLAIM": "CLAIMED",
    "PAY": "PAID",
    "ACCEPT_RETURN": "RETURNED",
    "DROP_OFF": "DROPPED OFF",
}
_UNDONE = {
    "COLLECT": ("DELIVERED TO STORE", "CLAIM REVERSED"),
    "CLAIM": ("DELIVERED TO STORE", "CLAIM REVERSED"),
    "PAY": ("UNPAID", "PAYMENT REVERSED"),
    "ACCEPT_RETURN": ("FOR RETURN", "RETURN REVERSED"),
    "DROP_OFF": ("FOR DROP OFF", "DROP-OFF REVERSED"),
}
_OURS = frozenset({"counter", "kiosk"})

_SIDE_BY_SIDE = 50
"""Three codes that lie so close were not drawn at random: among 2,000 that happens once in a million runs."""

Change = tuple[str, str | None, str | None]
"""What ECMS must hear: status, reason, and the receipt's number where cash was taken."""


def events(index: Index) -> Iterator[Violation]:
    """I6: an event exists if and only if its change does, is applied once and in order, and none is left behind."""
    for tracking, deliveries in index.history.deliveries.items():
        ours = [one for one in deliveries if one.source in _OURS]
        rows = index.history.events.get(tracking, ())
        touched = _transactions_on(index, tracking)
        yield from _same_changes(index, tracking, ours, touched)
        yield from _once_and_in_order(tracking, ours, rows, touched)
        applied = {one.event_id for one in ours if one.applied}
        for row in rows:
            if row.state == "TOLD" and row.event_id not in applied:
                text = f"{row.status} is noted as told, and ECMS never applied it"
                yield violation("I6", "told-unheard", tracking, text, *touched)
    for tracking, rows in index.history.events.items():
        waiting = [row for row in rows if row.state != "TOLD"]
        behind_a_task = False
        for row in waiting:
            behind_a_task = behind_a_task or row.event_id in index.history.tasks
            if not behind_a_task:
                text = f"{row.status} is {row.state} at the end, and no task of the work list says so"
                yield violation("I6", "left-behind", tracking, text, *_transactions_on(index, tracking))
                break


def _transactions_on(index: Index, tracking: str) -> list[str]:
    parcels = index.references_of.get(tracking, [])
    return [end.transaction_id for parcel in parcels for end in index.endings_of.get(parcel.reference, [])]


def _same_changes(index: Index, tracking: str, ours: list[Delivery], touched: list[str]) -> Iterator[Violation]:
    expected: Counter[Change] = Counter()
    for parcel in index.references_of.get(tracking, []):
        expected.update(_changes(index, parcel))
    applied = Counter((one.status, one.reason, one.receipt_number) for one in ours if one.applied)
    waiting = Counter((row.status, None, None) for row in _in_work_list(index, tracking))
    for change, times in (expected - applied).items():
        if waiting[change[0], None, None] < times:
            yield violation("I6", "event-lost", tracking, f"ECMS has not applied {change} of {tracking}", *touched)
    for change in applied - expected:
        text = f"ECMS applied {change} of {tracking}, and no transaction says so"
        yield violation("I6", "event-without-change", tracking, text, *touched)
    amounts = {end.receipt_number: end.body.get("amountDue") for id_ in touched if (end := index.history.endings[id_])}
    for one in ours:
        due = amounts.get(one.receipt_number)
        if one.amount is not None and due is not None and one.amount != centavos(due):
            text = f"ECMS was told of {one.amount} centavos on receipt {one.receipt_number}, which says {due}"
            yield violation("I6", "payment-differs", tracking, text, *touched)


def _in_work_list(index: Index, tracking: str) -> list[LedgerEvent]:
    """Events that wait for a person, and those behind them."""
    rows = [row for row in index.history.events.get(tracking, ()) if row.state != "TOLD"]
    stuck = next((place for place, row in enumerate(rows) if row.event_id in index.history.tasks), len(rows))
    return rows[stuck:]


def _changes(index: Index, parcel: Parcel) -> Iterator[Change]:
    if parcel.kind == "RETURN" and parcel.identifier is not None:
        yield "FOR RETURN", None, None
    if parcel.kind == "DROP_OFF" and parcel.identifier is not None:
        yield "FOR DROP OFF", None, None
    for ending in index.endings_of.get(parcel.reference, []):
        number, type_ = ending.receipt_number, ending.body.get("type")
        if number is None or type_ is None:
            continue
        paid = type_ in CASH and centavos(ending.body["amountDue"]) > 0
        yield _STATUS[type_], None, number if paid else None
        if ending.state == "REVERSED":
            yield *_UNDONE[type_], None


def _once_and_in_order(
    tracking: str, ours: list[Delivery], rows: tuple[LedgerEvent, ...], touched: list[str]
) -> Iterator[Violation]:
    applied = [one.event_id for one in ours if one.applied]
    for event_id, times in Counter(applied).items():
        if times > 1:
            yield violation("I6", "applied-twice", tracking, f"{event_id} was applied {times} times", *touched)
    order = {row.event_id: row.sequence for row in rows}
    heard: set[int] = set()
    for one in ours:
        sequence = order.get(one.event_id)
        if sequence is None:
            if one.applied:
                text = f"ECMS applied {one.status} as {one.event_id}, and the ledger has no such event"
                yield violation("I6", "event-without-change", tracking, text, *touched)
            continue
        if not heard >= set(range(1, sequence)):
            text = f"ECMS was told event {sequence} when it had applied {sorted(heard)}"
            yield violation("I6", "out-of-order", tracking, text, *touched)
            return
        if one.applied:
            heard.add(sequence)


def codes(index: Index) -> Iterator[Violation]:
    """I7: a code is issued once, cannot be guessed, expires, and is accepted once (see I1's rule)."""
    yield from _issued_once(index)
    yield from _random(index)
    for reference, approvals in index.approvals.items():
        parcel = index.parcel(reference)
        if parcel is None or parcel.expires_at is None:
            continue
        for approval in approvals:
            if datetime.fromisoformat(approval.body["occurredAt"]) >= parcel.expires_at:
                text = f"accepted at {approval.body['occurredAt']}, though it expired at {parcel.expires_at}"
                yield violation("I7", "accepted-after-expiry", reference, text, approval.subject)


def _issued_once(index: Index) -> Iterator[Violation]:
    """One code for each identifier while it is valid, and one parcel for each code."""
    codes_of: dict[str, dict[str, float]] = defaultdict(dict)
    parcels_of: dict[str, set[str]] = defaultdict(set)
    for operation in index.history.operations:
        if operation.action != "DISPENSE" or operation.fate is not Fate.OK:
            continue
        body = operation.body
        code, identifier = digits(body["returnCode"]), operation.content["identifier"]
        parcels_of[code].add(body["trackingNumber"])
        valid_until = datetime.fromisoformat(body["expiresAt"]).timestamp()
        still_good = [one for one, until in codes_of[identifier].items() if one != code and until > operation.invoked]
        codes_of[identifier][code] = valid_until
        if still_good:
            text = f"{identifier} got the code {code} while {still_good[0]} was valid"
            yield violation("I7", "two-codes", identifier, text, code, still_good[0])
    for code, trackings in parcels_of.items():
        if len(trackings) > 1:
            text = f"the code {code} stands for {len(trackings)} parcels"
            yield violation("I7", "one-code-for-two", code, text, *trackings)


def _random(index: Index) -> Iterator[Violation]:
    issued = sorted((int(reference[:11]), reference) for reference in index.history.parcels)
    for (first, one), (_, other), (last, third) in zip(issued, issued[1:], issued[2:], strict=False):
        if last - first <= _SIDE_BY_SIDE:
            text = f"the references {one}, {other} and {third} lie side by side"
            yield violation("I7", "guessable", one, text, other, third)
            return
