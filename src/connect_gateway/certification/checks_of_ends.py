"""Checks of how the till brings a transaction to its end, and of what it shows."""

from collections.abc import Iterator

from connect_gateway.certification.jobs import Action
from connect_gateway.certification.seen import Check, Seen, short
from connect_gateway.certification.traffic import Exchange, Kind

_UNKNOWN = ("NONE", "HOLD")


def ends_as_it_may(seen: Seen) -> Iterator[Check]:
    """The ledger's states are those that the exercise may end with."""
    states = tuple(seen.ledger[each] or "unknown" for each in seen.traffic.ids())
    wanted = " or ".join(", ".join(ending) for ending in seen.exercise.endings)
    found = f"it says {', '.join(states)}" if states else "the till named no transaction"
    yield Check(seen.exercise.rules, f"the ledger says {wanted}", states in seen.exercise.endings, found)


def collects_once(seen: Seen) -> Iterator[Check]:
    """Nothing is done twice."""
    approved = [short(each) for each, state in seen.ledger.items() if state == "APPROVED"]
    yield Check(("POS-17",), "nothing is collected or handed out twice", len(approved) < 2, ", ".join(approved))


def knows_every_end(seen: Seen) -> Iterator[Check]:
    """The last thing that the till was told of a transaction is what the ledger says."""
    wrong = []
    for transaction_id, state in seen.ledger.items():
        told = seen.told(transaction_id)
        if not told:
            wrong.append(f"{short(transaction_id)} is {state or 'unknown'} and the till never learned it")
        elif told[-1][1] != state:
            wrong.append(f"{short(transaction_id)} is {state or 'unknown'} and the till was told {told[-1][1]} last")
    if seen.ledger:
        claim = "the till learns what became of every transaction"
        yield Check(("TIL-5", "TIL-6"), claim, not wrong, "; ".join(wrong))


def settles_before_it_sells_again(seen: Seen) -> Iterator[Check]:
    """No new id for the reference while another has no known end."""
    wrong = []
    firsts = [(each, sent[0]) for each, sent in seen.puts().items()]
    for position, (transaction_id, first) in enumerate(firsts):
        for earlier, _ in firsts[:position]:
            if not any(exchange.end_s <= first.began_s for exchange, _ in seen.told(earlier)):
                wrong.append(f"{short(transaction_id)} was sent while {short(earlier)} was open")
    if len(firsts) > 1 or sum(seen.is_a_sale(step) for step, _, _ in seen.jobs()) > 1:
        claim = "nothing else is sent for the reference while a transaction is open"
        yield Check(("TIL-7",), claim, not wrong, "; ".join(wrong))


def takes_a_final_answer(seen: Seen) -> Iterator[Check]:
    """What has an approval or a stored refusal is not sent again."""
    answered = False
    wrong = []
    for transaction_id, sent in seen.puts().items():
        final = [exchange.end_s for exchange, _ in seen.told(transaction_id)]
        answered = answered or bool(final)
        after = [each for each in sent if final and each.began_s > min(final)]
        if after:
            wrong.append(f"{short(transaction_id)} was sent {len(after)} more times")
    if answered:
        claim = "what is decided is not sent again"
        yield Check(("POS-13", "CER-4"), claim, not wrong, "; ".join(wrong))


def inquires_first(seen: Seen) -> Iterator[Check]:
    """A sale without an answer is inquired before it is reversed."""
    gone_unknown = [(each, sent) for each, sent in seen.puts().items() if not _answered(sent)]
    wrong, looked_at = [], False
    for transaction_id, sent in gone_unknown:
        reversals = [each for each in seen.of(transaction_id, Kind.REVERSAL) if _for_time_out(each)]
        inquiries = seen.of(transaction_id, Kind.INQUIRY)
        if not reversals and not inquiries and _was_killed(seen, sent[-1].step):
            continue
        looked_at = True
        if not inquiries:
            wrong.append(f"{short(transaction_id)} was never inquired")
        elif reversals and reversals[0].began_s < inquiries[0].began_s:
            wrong.append(f"{short(transaction_id)} was reversed before it was inquired")
        elif inquiries[0].began_s < sent[-1].began_s and sent[-1].step == inquiries[0].step:
            wrong.append(f"{short(transaction_id)} was sent again after its inquiry")
    if looked_at:
        claim = "a till that stops sending inquires, and only then reverses"
        yield Check(("TIL-5", "TIL-6"), claim, not wrong, "; ".join(wrong))


def reverses_nothing_that_was_approved(seen: Seen) -> Iterator[Check]:
    """TIMEOUT is for what never had an answer."""
    wrong, looked_at = [], False
    for transaction_id in seen.traffic.ids():
        approved = [exchange.end_s for exchange, state in seen.told(transaction_id) if state == "APPROVED"]
        looked_at = looked_at or bool(approved)
        after = [each for each in seen.of(transaction_id, Kind.REVERSAL) if approved and each.began_s > min(approved)]
        if any(map(_for_time_out, after)):
            wrong.append(short(transaction_id))
    if looked_at:
        claim = "what the till was told is approved is not reversed for a time-out"
        yield Check(("POS-34",), claim, not wrong, ", ".join(wrong))


def shows_the_verdict(seen: Seen) -> Iterator[Check]:
    """After each job the clerk sees the verdict of the last answer that counts, and NONE, HOLD where there is none."""
    for step, job, done in seen.jobs():
        if done.killed:
            continue
        last = _last_word(seen, step)
        if last is None and job.action is Action.RESUME and not done.shown:
            continue
        expected = _UNKNOWN if last is None else _verdict(last)
        shown = None
        for each in done.shown:
            if last is None or each.transaction_id in (None, last.transaction_id):
                shown = (each.cash, each.parcel)
        claim = f"the clerk sees {', '.join(expected)} (step {step + 1})"
        rules = ("GEN-16", "GEN-18", "TIL-3") if last is None else ("GEN-16",)
        if shown is None:
            found = "a verdict of another transaction" if done.shown else f"no verdict was printed {done.complaint}"
            yield Check(rules, claim, False if done.shown else None, found.strip())
        else:
            yield Check(rules, claim, shown == expected, "" if shown == expected else ", ".join(shown))


def _last_word(seen: Seen, step: int) -> Exchange | None:
    """The last answer at this step that told a transaction's fate."""
    told = [each for each in seen.traffic.exchanges if each.step == step and each.state_told() is not None]
    return max(told, key=lambda each: each.end_s, default=None)


def _verdict(exchange: Exchange) -> tuple[str, str]:
    body = (exchange.told.body if exchange.told else None) or {}
    verdict = body.get("verdict")
    if not isinstance(verdict, dict):
        return _UNKNOWN
    return str(verdict.get("cash")), str(verdict.get("parcel"))


def _answered(sent: list[Exchange]) -> bool:
    return any(each.state_told() is not None for each in sent)


def _for_time_out(reversal: Exchange) -> bool:
    return isinstance(reversal.body, dict) and reversal.body.get("reason") == "TIMEOUT"


def _was_killed(seen: Seen, step: int) -> bool:
    return step in seen.done and seen.done[step].killed
