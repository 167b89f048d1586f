"""Checks of what the till sends."""

import re
import uuid
from collections.abc import Iterator
from typing import Any

from connect_gateway.certification.front import ELSEWHERE
from connect_gateway.certification.jobs import Action, Job, cash_of, label_of
from connect_gateway.certification.seen import Check, Seen, short
from connect_gateway.certification.traffic import Exchange, Kind

_AMOUNT = re.compile(r"[0-9]{1,10}\.[0-9]{2}")
_TYPES = {Action.COLLECT: "COLLECT", Action.CLAIM: "CLAIM", Action.ACCEPT_RETURN: "ACCEPT_RETURN"}


def ids_are_uuids(seen: Seen) -> Iterator[Check]:
    """Every id is one."""
    wrong = [each for each in seen.traffic.ids() if not _is_uuid(each)]
    if seen.traffic.ids():
        yield Check(("POS-7",), "a transaction's id is a UUID", not wrong, ", ".join(wrong))


def one_id_for_each_sale(seen: Seen) -> Iterator[Check]:
    """A sale is sent with one id, and without a sale there is no new one."""
    new: dict[int, list[str]] = {}
    for transaction_id, sent in seen.puts().items():
        new.setdefault(sent[0].step, []).append(transaction_id)
    if not new:
        return
    wrong = [
        f"step {step + 1} brought {', '.join(map(short, ids))}"
        for step, ids in new.items()
        if len(ids) > (1 if seen.is_a_sale(step) else 0)
    ]
    yield Check(("POS-8", "TIL-4"), "a sale keeps its id, however often it is sent", not wrong, "; ".join(wrong))


def repeats_are_identical(seen: Seen) -> Iterator[Check]:
    """The same id has the same content."""
    repeated = {key: sent for key, sent in seen.puts().items() if len(sent) > 1}
    if not repeated:
        return
    wrong = []
    for transaction_id, sent in repeated.items():
        differs = {name for again in sent[1:] for name in _differences(sent[0].body, again.body)}
        if differs:
            wrong.append(f"{short(transaction_id)}: {', '.join(sorted(differs))}")
    yield Check(("TIL-4", "POS-11"), "a repeat has the same content", not wrong, "; ".join(wrong))


def sends_what_the_clerk_did(seen: Seen) -> Iterator[Check]:
    """Type, reference, label and cash are those of the job."""
    wrong = []
    firsts = [sent[0] for sent in seen.puts().values() if seen.is_a_sale(sent[0].step)]
    for exchange in firsts:
        job, body = seen.job_of(exchange), exchange.body
        wrong += _unlike(job, seen, body) if isinstance(body, dict) else ["the body is no JSON object"]
    if firsts:
        claim = "what is sent is what the clerk did, amounts as strings"
        yield Check(("GEN-2", "GEN-6"), claim, not wrong, "; ".join(wrong))


def is_understood(seen: Seen) -> Iterator[Check]:
    """The gateway finds nothing to correct in the till's program."""
    wrong = [
        f"{exchange.method} {exchange.path}: {passed.answer.status} {(passed.answer.body or {}).get('detail')}"
        for exchange in seen.traffic.exchanges
        for passed in exchange.passages
        if passed.answer is not None and passed.answer.status in (400, 405, 406, 413, 415, 422)
    ]
    claim = "the gateway understands every request"
    yield Check(("GEN-2", "GEN-3"), claim, not wrong, "; ".join(dict.fromkeys(wrong)))


def follows_no_redirect(seen: Seen) -> Iterator[Check]:
    """Nothing is sent to where a redirect leads."""
    redirected = any("Location" in each.told.headers for each in seen.traffic.exchanges if each.told)
    followed = [f"{each.method} {each.path}" for each in seen.traffic.exchanges if each.path.startswith(ELSEWHERE)]
    if redirected or followed:
        yield Check(("CER-1",), "no redirect is followed", not followed, ", ".join(followed))


def leaves_a_refused_token(seen: Seen) -> Iterator[Check]:
    """A token that was refused is not used again."""
    refused: set[int] = set()
    again = 0
    for exchange in seen.traffic.exchanges:
        again += exchange.token in refused
        if exchange.token is not None and exchange.told is not None and exchange.told.status == 401:
            refused.add(exchange.token)
    if refused:
        yield Check(("OAU-10", "CER-2"), "a token that was refused is not used again", not again, f"{again} times")


def reversals_are_honest(seen: Seen) -> Iterator[Check]:
    """The reason and the place of the parcel are as they are."""
    wrong = []
    reversals = list(seen.traffic.of(Kind.REVERSAL))
    for exchange in reversals:
        job, body = seen.job_of(exchange), exchange.body or {}
        reason, in_hand = body.get("reason"), body.get("parcelInHand")
        voided = job.action is Action.REVERSE
        if voided and reason not in ("CLERK_VOID", "CANCELLED"):
            wrong.append(f"the clerk voids a sale, the reason is {reason}")
        if not voided and reason != "TIMEOUT" and not _repeats(seen, exchange):
            wrong.append(f"nobody voids anything, the reason is {reason}")
        if voided and in_hand is not job.parcel_in_hand:
            wrong.append(f"the parcel is{'' if job.parcel_in_hand else ' not'} in hand, parcelInHand is {in_hand}")
        if reason == "TIMEOUT" and in_hand is not True:
            wrong.append("the parcel was never released, parcelInHand is not true")
    if reversals:
        claim = "a reversal gives its true reason and says where the parcel is"
        yield Check(("TIL-6", "CER-3"), claim, not wrong, "; ".join(dict.fromkeys(wrong)))


def _repeats(seen: Seen, exchange: Exchange) -> bool:
    """Whether a reversal repeats one that the clerk asked for at an earlier step."""
    earlier = seen.of(exchange.transaction_id or "", Kind.REVERSAL)
    return any(each.step < exchange.step and each.body == exchange.body for each in earlier)


def _unlike(job: Job, seen: Seen, body: dict[str, Any]) -> list[str]:
    cash = cash_of(job, seen.parcel)
    expected = {
        "type": _TYPES[job.action],
        "reference": seen.parcel.reference,
        "trackingNumber": label_of(job, seen.parcel),
        "tender": None if cash is None else "CASH",
        "amountTendered": cash,
    }
    sent = {name: body.get(name) for name in expected}
    if isinstance(sent["reference"], str):
        sent["reference"] = re.sub("[ -]", "", sent["reference"])
    if job.action is Action.ACCEPT_RETURN and sent["trackingNumber"] is None:
        expected["trackingNumber"] = None
    wrong = [
        f"{name} is {sent[name]!r} in place of {expected[name]!r}" for name in sent if sent[name] != expected[name]
    ]
    tendered = sent["amountTendered"]
    if cash is not None and not (isinstance(tendered, str) and _AMOUNT.fullmatch(tendered)):
        wrong.append("amountTendered is no string like 200.00")
    return wrong


def _differences(first: Any, again: Any) -> list[str]:
    if not isinstance(first, dict) or not isinstance(again, dict):
        return [] if first == again else ["the body"]
    return sorted(name for name in first.keys() | again.keys() if first.get(name) != again.get(name))


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
