"""I4 durability, I5 idempotency: what was answered holds, and is answered again to the byte."""

from collections import defaultdict
from collections.abc import Iterator

from history.index import Index, Violation, content_of, decision, pairs, violation
from history.records import Fate, Operation

_MAY_FOLLOW = {("APPROVED", "REVERSED"), ("DECLINED", "REVERSED")}


def durability(index: Index) -> Iterator[Violation]:
    """I4: what was answered is there; what was refused had no effect; what got no answer has one fate."""
    for id_ in index.sales.keys() | index.reversals.keys():
        yield from _kept(index, id_)
        yield from _one_fate(index, id_)
    yield from _known_references(index)


def _kept(index: Index, id_: str) -> Iterator[Violation]:
    ending = index.history.endings.get(id_)
    if ending is None:
        return
    state, sales, reversals = ending.state, index.sales.get(id_, []), index.reversals.get(id_, [])
    seen = {decision(one) for one in index.observations(id_)}
    if "REVERSED" in seen and state != "REVERSED":
        yield violation("I4", "reversal-lost", id_, f"a reversal was answered, and at the end it is {state}")
    if "APPROVED" in seen and state not in ("APPROVED", "REVERSED"):
        yield violation("I4", "approval-lost", id_, f"an approval was answered, and at the end it is {state}")
    if "DECLINED" in seen and state != "DECLINED" and not (state == "REVERSED" and reversals):
        yield violation("I4", "refusal-lost", id_, f"a refusal was answered, and at the end it is {state}")
    may_have_run = any(one.fate is not Fate.FAIL or decision(one) is not None for one in sales)
    if state in ("APPROVED", "DECLINED") and not may_have_run:
        text = f"every request was refused without an effect, and at the end it is {state}"
        yield violation("I4", "refused-had-effect", id_, text)


def _one_fate(index: Index, id_: str) -> Iterator[Violation]:
    """Once somebody was told a fate, no later question is answered otherwise, save by a reversal."""
    for first, second in pairs(index.observations(id_)):
        before, after = decision(first), decision(second)
        if second.invoked <= first.completed or before is None or before == after:
            continue
        forgotten = after is None and second.code == "unknown-transaction"
        reversing = any(undo.invoked < second.completed for undo in index.reversals.get(id_, []))
        changed = after is not None and not ((before, after) in _MAY_FOLLOW and reversing)
        if forgotten or changed:
            yield violation(
                "I4", "two-fates", id_, f"{before} was answered, and later {after or 'unknown-transaction'}"
            )
            return


def _known_references(index: Index) -> Iterator[Violation]:
    known: dict[str, float] = {}
    for operation in index.history.operations:
        if operation.action == "SHIP" and operation.fate is Fate.OK:
            reference = operation.body.get("reference") or operation.body.get("claimCode") or ""
            known[reference.replace("-", "")] = operation.completed
    for operation in index.history.operations:
        if operation.action == "LOOK_UP" and operation.code == "unknown-reference":
            since = known.get(operation.subject)
            if since is not None and operation.invoked > since:
                text = "the reference was answered, and later nobody knows it"
                yield violation("I4", "reference-lost", operation.subject, text)


def idempotency(index: Index) -> Iterator[Violation]:
    """I5: the same id and content, the same bytes; other content refused; a reversed id never runs."""
    for id_, sales in index.sales.items():
        yield from _same_bytes(index, id_, sales)
        yield from _other_content(id_, sales)
        yield from _reversed_for_good(index, id_, sales)
        first = [one for one in sales if decision(one) in ("APPROVED", "DECLINED") and not one.replay]
        if len(first) > 1:
            text = f"it was answered {len(first)} times as if for the first time"
            yield violation("I5", "first-answer-twice", id_, text)
        for sale in sales:
            if sale.calm and decision(sale) is None and sale.code != "transaction-mismatch":
                text = f"with nothing broken any more, a repeat was answered {sale.status} {sale.code}"
                yield violation("I5", "not-answered-again", id_, text)
                break
    yield from _same_code(index)


def _same_bytes(index: Index, id_: str, sales: list[Operation]) -> Iterator[Violation]:
    answers: dict[str, set[str | None]] = defaultdict(set)
    for operation in (*sales, *index.inquiries.get(id_, [])):
        decided = decision(operation)
        if decided == "APPROVED" or (decided == "DECLINED" and operation.action != "INQUIRE"):
            answers[decided].add(operation.answer)
    ending = index.history.endings.get(id_)
    if ending is not None and ending.state == "APPROVED":
        answers["APPROVED"].add(ending.answer)
    for decided, texts in answers.items():
        if len(texts) > 1:
            yield violation("I5", "bytes-differ", id_, f"{decided} was answered in {len(texts)} ways")


def _other_content(id_: str, sales: list[Operation]) -> Iterator[Violation]:
    decided = {content_of(sale) for sale in sales if decision(sale) in ("APPROVED", "DECLINED")}
    if len(decided) > 1:
        yield violation("I5", "mismatch-not-refused", id_, "the same id was decided upon with different contents")
    elif len({content_of(sale) for sale in sales}) == 1 and any(sale.code == "transaction-mismatch" for sale in sales):
        yield violation("I5", "mismatch-without-difference", id_, "the same content was refused as another one")


def _reversed_for_good(index: Index, id_: str, sales: list[Operation]) -> Iterator[Violation]:
    since = min((undo.completed for undo in index.reversals.get(id_, []) if undo.fate is Fate.OK), default=None)
    if since is None:
        return
    for operation in (*sales, *index.inquiries.get(id_, [])):
        if operation.invoked > since and decision(operation) in ("APPROVED", "DECLINED"):
            text = f"it was reversed, and later {operation.action} was answered {decision(operation)}"
            yield violation("I5", "reversed-id-ran", id_, text)
            return


def _same_code(index: Index) -> Iterator[Violation]:
    answers: dict[str, set[str]] = defaultdict(set)
    for operation in index.history.operations:
        if operation.action == "DISPENSE" and operation.fate is Fate.OK:
            answers[operation.subject].add(operation.body["returnCode"])
    for request, codes in answers.items():
        if len(codes) > 1:
            yield violation("I5", "bytes-differ", request, f"one request of a kiosk was answered with {sorted(codes)}")
