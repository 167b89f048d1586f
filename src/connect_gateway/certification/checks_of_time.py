"""Checks of how long the till waits, and when it gives up. What is measured is what the front saw."""

from collections.abc import Iterator
from itertools import groupby, pairwise

from connect_gateway.certification.figures import JITTER, SLACK_S, Figures
from connect_gateway.certification.seen import Check, Seen, short
from connect_gateway.certification.traffic import Ending, Exchange, Kind

_EARLY = 0.9
_EARLY_S = 0.05
# These end the sending at once: another attempt would do nothing either (TIL-5).
_POINTLESS = frozenset({400, 403, 413, 422})


def waits_for_an_answer(seen: Seen) -> Iterator[Check]:
    """An attempt without an answer lasts as long as the time-out."""
    left = [
        each
        for each in seen.traffic.of(Kind.TRANSACTION, Kind.REVERSAL)
        if each.ending is Ending.LEFT and not _killed_in(seen, each)
    ]
    timeout_s = seen.figures.timeout_s
    lasted = [each.end_s - each.began_s for each in left]
    wrong = [f"{each:.2f} s" for each in lasted if not _about(each, timeout_s, timeout_s * 1.2)]
    if left:
        claim = f"an attempt without an answer lasts {timeout_s:g} s"
        yield Check(("TIL-2",), claim, not wrong, ", ".join(wrong))


def waits_between_attempts(seen: Seen) -> Iterator[Check]:
    """The waits grow, and `Retry-After` is heeded."""
    wrong, heeded, waited, asked_for = [], [], False, False
    for number, before, after in _repeats(seen):
        pause_s = after.began_s - before.end_s
        own_s = seen.figures.wait_s(number)
        asked_s = retry_after_s(before)
        waited, asked_for = True, asked_for or asked_s > 0
        if pause_s < asked_s * _EARLY - _EARLY_S:
            heeded.append(f"{pause_s:.2f} s in place of {asked_s:g} s")
        elif not _about(pause_s, own_s, max(own_s * (1 + JITTER), asked_s)):
            wrong.append(f"{pause_s:.2f} s in place of {own_s:g} s after attempt {number + 1}")
    if waited:
        yield Check(("TIL-4",), "the waits between attempts are as specified", not wrong, "; ".join(wrong))
    if asked_for:
        yield Check(("TIL-4",), "`Retry-After` is heeded", not heeded, "; ".join(heeded))


def gives_up_in_time(seen: Seen) -> Iterator[Check]:
    """A sale is sent until the give-up time, neither longer nor much shorter; then comes the inquiry."""
    late, early, looked_at = [], [], False
    figures = seen.figures
    for transaction_id, sent in seen.puts().items():
        began_s = sent[0].began_s
        if len(sent) > 1 or not sent[0].state_told():
            looked_at = True
        if sent[-1].began_s - began_s > figures.give_up_s + SLACK_S:
            late.append(f"{short(transaction_id)} was still sent after {sent[-1].began_s - began_s:.1f} s")
        if any(each.state_told() for each in sent) or _may_stop_early(sent[-1], began_s, figures):
            continue
        after = [each for each in seen.of(transaction_id, Kind.INQUIRY, Kind.REVERSAL) if each.step == sent[-1].step]
        if not after or not seen.is_a_sale(sent[-1].step):
            continue
        gave_up_s = after[0].began_s - began_s
        if gave_up_s > figures.give_up_s + figures.timeout_s + SLACK_S:
            late.append(f"{short(transaction_id)} was given up after {gave_up_s:.1f} s")
        if gave_up_s < figures.give_up_s - figures.longest_wait_s * (1 + JITTER) - SLACK_S:
            early.append(f"{short(transaction_id)} was given up after {gave_up_s:.1f} s")
    if looked_at:
        claim = f"a sale is sent again for {figures.give_up_s:g} s"
        yield Check(("TIL-4", "TIL-5"), claim, not late and not early, "; ".join(late + early))


def ends_every_job(seen: Seen) -> Iterator[Check]:
    """No job takes longer than a sale, an inquiry and a reversal may take together."""
    overrun = [f"step {step + 1}" for step, _, done in seen.jobs() if done.overrun]
    claim = f"the clerk hears something within {seen.figures.job_s:g} s"
    found = f"had to be stopped: {', '.join(overrun)}" if overrun else ""
    yield Check(("TIL-5", "CER-5"), claim, not overrun, found)


def retry_after_s(exchange: Exchange) -> float:
    """The seconds that the answer of an exchange asked the till to wait; 0 where it asked for none."""
    headers = {} if exchange.told is None else exchange.told.headers
    value = headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdigit() else 0.0


def _repeats(seen: Seen) -> Iterator[tuple[int, Exchange, Exchange]]:
    """Each wait that can be measured: its number within the row of attempts, and the attempts around it.

    A 401 is followed by a new token and by the same request at once, so it is no wait; and where the till had to ask
    for a token in between, what lies there is not one wait.
    """
    attempts = sorted(
        seen.traffic.of(Kind.TRANSACTION, Kind.REVERSAL),
        key=lambda each: (each.step, each.kind, each.transaction_id or "", each.number),
    )
    for _, group in groupby(attempts, key=lambda each: (each.step, each.kind, each.transaction_id)):
        for number, (before, after) in enumerate(pairwise(group)):
            if not _asked_for_a_token(seen, before, after) and not _refused_token(before):
                yield number, before, after


def _asked_for_a_token(seen: Seen, before: Exchange, after: Exchange) -> bool:
    return any(before.number < each.number < after.number for each in seen.traffic.of(Kind.TOKEN))


def _refused_token(exchange: Exchange) -> bool:
    return exchange.told is not None and exchange.told.status == 401


def _may_stop_early(last: Exchange, began_s: float, figures: Figures) -> bool:
    if last.told is not None and last.told.status in _POINTLESS:
        return True
    return last.end_s - began_s + retry_after_s(last) >= figures.give_up_s


def _killed_in(seen: Seen, exchange: Exchange) -> bool:
    """Whether the till left this exchange because it was killed, not because it had waited long enough."""
    done = seen.done.get(exchange.step)
    last = max((each.number for each in seen.traffic.exchanges if each.step == exchange.step), default=0)
    return done is not None and done.killed and exchange.number == last


def _about(measured_s: float, least_s: float, most_s: float) -> bool:
    return least_s * _EARLY - _EARLY_S <= measured_s <= most_s + SLACK_S
