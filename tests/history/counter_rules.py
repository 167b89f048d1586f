"""I1 collection, I2 conservation, I3 release: what the counter may have done with cash, paper and parcels."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from history.index import Index, Violation, action_of, decision, pairs, violation
from history.records import CASH, Ending, Fate, Operation, Parcel, centavos, parse

_OUTGOING = frozenset({"COLLECT", "CLAIM"})


def collection(index: Index) -> Iterator[Violation]:
    """I1: of each reference, collections less reversals are 0 or 1, of exactly the amount due.

    The same of a return, whose code is accepted once, is I7.
    """
    for reference, endings in index.endings_of.items():
        standing = [one.transaction_id for one in endings if one.state == "APPROVED"]
        if len(standing) > 1:
            invariant, rule = _once(index, reference)
            text = f"{reference} is done by {len(standing)} transactions that stand"
            yield violation(invariant, rule, reference, text, *standing)
    for reference, approvals in index.approvals.items():
        for first, second in pairs(approvals):
            if first.subject != second.subject and index.not_reversed_between(first, second):
                invariant, rule = _once(index, reference)
                text = f"{reference} was approved a second time, and nobody was reversing the first"
                yield violation(invariant, rule, reference, text, first.subject, second.subject)
                break
    yield from _amounts(index)


def _once(index: Index, reference: str) -> tuple[str, str]:
    parcel = index.parcel(reference)
    returned = parcel is not None and parcel.kind == "RETURN"
    return ("I7", "code-accepted-twice") if returned else ("I1", "collected-twice")


def _amounts(index: Index) -> Iterator[Violation]:
    for reference, approvals in index.approvals.items():
        parcel = index.parcel(reference)
        if parcel is None:
            continue
        for approval in approvals:
            body, tendered = approval.body, approval.content.get("amountTendered", "0.00")
            due, change = centavos(body["amountDue"]), centavos(body["change"])
            if due != parcel.amount or centavos(tendered) != due + change:
                text = f"{parcel.amount} centavos were due, {due} were taken of {tendered}, {change} given back"
                yield violation("I1", "amount", approval.subject, text, reference)


def conservation(index: Index) -> Iterator[Violation]:
    """I2: receipts without a gap, each of one transaction; the close's sums are those of the receipts."""
    numbers: dict[str, list[tuple[int, Ending]]] = defaultdict(list)
    for ending in index.history.endings.values():
        if ending.receipt_number is not None:
            store, pos, count = ending.receipt_number.split("-")
            numbers[f"{store}/{int(pos)}"].append((int(count), ending))
    for key, terminal in index.history.terminals.items():
        found = Counter(count for count, _ in numbers.get(key, []))
        for number in sorted(found):
            if found[number] > 1:
                owners = [ending.transaction_id for one, ending in numbers[key] if one == number]
                text = f"receipt {number} of terminal {key} belongs to {len(owners)} transactions"
                yield violation("I2", "receipt-twice", key, text, *owners)
        missing = sorted(set(range(1, terminal.receipts + 1)) ^ set(found))
        if missing:
            beside = [ending.transaction_id for one, ending in numbers.get(key, []) if abs(one - missing[0]) == 1]
            text = f"terminal {key} counts {terminal.receipts} receipts; without a transaction, or too many: {missing}"
            yield violation("I2", "receipt-gap", key, text, *beside)
    yield from _receipts(index)
    yield from _copies(index)
    yield from _closes(index)


def _receipts(index: Index) -> Iterator[Violation]:
    for id_, ending in index.history.endings.items():
        found = index.history.receipts.get(ending.receipt_number or "")
        if found is not None and parse(found) != ending.body["receipt"]:
            text = f"receipt {ending.receipt_number}, asked for, is another one than that of its transaction"
            yield violation("I2", "receipt-differs", id_, text)


def _copies(index: Index) -> Iterator[Violation]:
    counted: Counter[tuple[str, int]] = Counter()
    for operation in index.history.operations:
        if operation.action == "COPY" and operation.fate is Fate.OK:
            counted[operation.subject, operation.body["copy"]] += 1
    for (number, copy), times in counted.items():
        if times > 1:
            yield violation("I2", "copy-twice", number, f"receipt {number} has copy {copy} {times} times")


def _closes(index: Index) -> Iterator[Violation]:
    shifts: dict[tuple[object, ...], list[tuple[str, int]]] = defaultdict(list)
    for id_, sales in index.sales.items():
        ending = index.history.endings.get(id_)
        decided = next((sale for sale in sales if decision(sale) is not None), sales[0])
        if ending is not None and ending.state == "APPROVED" and decided.action in CASH:
            shifts[_shift_of(decided)].append((id_, centavos(ending.body["amountDue"])))
    for operation in index.history.operations:
        if operation.action != "CLOSE" or operation.fate is not Fate.OK:
            continue
        body, key = operation.body, _shift_of(operation)
        cash = sum(amount for _, amount in shifts.get(key, []))
        if centavos(body["cashExpected"]) != cash or centavos(operation.content["cashCounted"]) != cash:
            text = (
                f"the receipts of the shift add up to {cash} centavos, the ledger to {body['cashExpected']}, "
                f"the drawer to {operation.content['cashCounted']}"
            )
            yield violation("I2", "close-differs", operation.subject, text, *(id_ for id_, _ in shifts.get(key, [])))
        elif body["differences"]:
            yield violation("I2", "close-differs", operation.subject, f"the close differs: {body['differences']}")


def _shift_of(operation: Operation) -> tuple[object, ...]:
    sent = operation.content
    return operation.store, int(sent["pos"]), int(sent["shift"]), sent["businessDate"]


def release(index: Index) -> Iterator[Violation]:
    """I3: a parcel is released at most once, at its own store, COD only with its collection; never released and
    reversed."""
    for tracking, parcels in index.references_of.items():
        released = [
            approval
            for parcel in parcels
            for approval in index.approvals.get(parcel.reference, [])
            if approval.body.get("verdict", {}).get("parcel") == "RELEASE"
        ]
        for first, second in pairs(released):
            if first.subject != second.subject and index.not_reversed_between(first, second):
                text = f"the parcel {tracking} was released twice"
                yield violation("I3", "released-twice", tracking, text, first.subject, second.subject)
                break
        for parcel in parcels:
            yield from _wrongly_released(index, parcel)
    for id_, sales in index.sales.items():
        ending = index.history.endings.get(id_)
        seen = any(decision(sale) == "APPROVED" for sale in sales)
        if seen and ending is not None and ending.state == "REVERSED" and id_ not in index.reversals:
            yield violation("I3", "released-and-reversed", id_, "its approval was seen, nobody reversed it, and it is")


def _wrongly_released(index: Index, parcel: Parcel) -> Iterator[Violation]:
    stores = {parcel.store}
    stores.update(
        one.content.get("location") for one in index.statuses.get(parcel.tracking_number, []) if _arrives(one)
    )
    for approval in index.approvals.get(parcel.reference, []):
        if approval.action != action_of(parcel):
            text = f"a {parcel.kind} was approved as {approval.action}"
            yield violation("I3", "not-its-action", approval.subject, text, parcel.reference)
        if approval.action in _OUTGOING and approval.store not in stores:
            text = f"released at {approval.store}, though it waits at {parcel.store}"
            yield violation("I3", "wrong-store", approval.subject, text, parcel.reference)


def _arrives(status: Operation) -> bool:
    return status.content.get("status") == "DELIVERED TO STORE" and status.content.get("location") is not None
