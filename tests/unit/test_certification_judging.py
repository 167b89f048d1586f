"""What is found of tills whose traffic is written down by hand. Milliseconds."""

import itertools
from collections.abc import Mapping
from typing import Any

import pytest

from connect_gateway.certification.driving import Done, Shown
from connect_gateway.certification.exercises import EXERCISES
from connect_gateway.certification.figures import Figures
from connect_gateway.certification.front import ELSEWHERE
from connect_gateway.certification.jobs import Parcel
from connect_gateway.certification.judging import judge
from connect_gateway.certification.seen import Check, Seen
from connect_gateway.certification.traffic import Ending, Exchange, Kind, Passed, Traffic
from connect_gateway.certification.wire import Answer

A, B = "0f0e0d0c-0000-4000-8000-00000000000a", "0f0e0d0c-0000-4000-8000-00000000000b"
FIGURES = Figures(timeout_s=1, give_up_s=6, first_wait_s=0.1, longest_wait_s=0.8)
PARCEL = Parcel("991767890023", "303105332614281209", "200.00")
SALE = {
    "type": "COLLECT",
    "reference": "9917-6789-0023",
    "pos": "1",
    "trackingNumber": PARCEL.label,
    "tender": "CASH",
    "amountTendered": "500.00",
}
TIMEOUT = {"reason": "TIMEOUT", "parcelInHand": True}
KEEP, RETURN, HOLD = ("KEEP", "RELEASE"), ("RETURN", "HOLD"), ("NONE", "HOLD")

Told = tuple[int, str, tuple[str, str]] | None
APPROVAL: Told = (201, "APPROVED", KEEP)
REFUSAL: Told = (409, "wrong-label", RETURN)
REVERSED: Told = (200, "REVERSED", RETURN)


class Story:
    """Traffic that never was."""

    def __init__(self, exercise: str = "plain-sale") -> None:
        self.exercise = EXERCISES[exercise]
        self.traffic = Traffic()
        self._numbers = itertools.count(1)
        self.done: dict[int, Done] = {}
        self.ledger: dict[str, str | None] = {}

    def add(
        self,
        kind: Kind,
        at_s: float,
        told: Told,
        *,
        name: str = A,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        lasts_s: float = 0.01,
        step: int = 0,
        path: str = "/…",
    ) -> "Story":
        exchange = Exchange(next(self._numbers), step, kind, "PUT", path, name, 1, body, at_s)
        exchange.ended_s = at_s + lasts_s
        if told is None:
            exchange.ending = Ending.LEFT if lasts_s > 0.5 else Ending.CUT
        else:
            status, word, (cash, parcel) = told
            content = {"code" if status >= 400 else "state": word, "verdict": {"cash": cash, "parcel": parcel}}
            exchange.ending = Ending.ANSWERED
            exchange.told = Answer(status, headers or {}, b"", content)
            exchange.passages.append(Passed(at_s, exchange.ended_s, exchange.told))
        self.traffic.exchanges.append(exchange)
        return self

    def put(self, at_s: float, told: Told = None, **more: Any) -> "Story":
        return self.add(Kind.TRANSACTION, at_s, told, **{"body": SALE, **more})

    def inquire(self, at_s: float, told: Told = None, **more: Any) -> "Story":
        return self.add(Kind.INQUIRY, at_s, told, **more)

    def reverse(self, at_s: float, told: Told = REVERSED, **more: Any) -> "Story":
        return self.add(Kind.REVERSAL, at_s, told, **{"body": TIMEOUT, **more})

    def shows(self, *verdicts: tuple[str, str], step: int = 0, **more: Any) -> "Story":
        self.done[step] = Done(tuple(Shown(*each) for each in verdicts), **more)
        return self

    def ends(self, **ledger: str | None) -> list[Check]:
        """Everything that is found against the till."""
        names = {"a": A, "b": B}
        seen = Seen(
            self.exercise,
            FIGURES,
            PARCEL,
            self.traffic,
            self.done,
            {names[name]: state for name, state in ledger.items()},
        )
        return [check for check in judge(seen) if check.passed is not True]


@pytest.fixture
async def sale() -> Story:
    return Story()


@pytest.fixture
async def unknown() -> Story:
    """A sale whose ten attempts all broke, as the specification has it."""
    story = Story("late-arrival")
    for at_s in (0, 0.1, 0.3, 0.7, 1.5, 2.3, 3.1, 3.9, 4.7, 5.5):
        story.put(at_s)
    return story


NOT_FOUND: Told = (404, "unknown-transaction", HOLD)


def claims(found: list[Check]) -> list[str]:
    return [check.claim for check in found]


async def test_a_sale_without_a_fault_is_beyond_reproach(sale: Story) -> None:
    assert sale.put(0, APPROVAL).shows(KEEP).ends(a="APPROVED") == []


async def test_so_is_one_that_was_never_answered(unknown: Story) -> None:
    assert unknown.inquire(6, NOT_FOUND).reverse(6.1).shows(RETURN).ends(a="REVERSED") == []


async def test_and_one_that_was_repeated(sale: Story) -> None:
    sale.put(0, lasts_s=1).put(1.1, (503, "overloaded", HOLD), headers={"Retry-After": "2"})
    assert sale.put(3.2, APPROVAL).shows(KEEP).ends(a="APPROVED") == []


async def test_a_new_id_on_retry(sale: Story) -> None:
    found = sale.put(0).put(0.1, APPROVAL, name=B).shows(KEEP).ends(a="APPROVED", b="APPROVED")
    assert "a sale keeps its id, however often it is sent" in claims(found)
    assert "nothing is collected or handed out twice" in claims(found)
    assert "nothing else is sent for the reference while a transaction is open" in claims(found)
    assert "the till learns what became of every transaction" in claims(found)


async def test_other_content_on_retry(sale: Story) -> None:
    found = sale.put(0).put(0.1, APPROVAL, body={**SALE, "clerk": "eve"}).shows(KEEP).ends(a="APPROVED")
    assert [(check.claim, check.found) for check in found] == [("a repeat has the same content", "0f0e0d0c: clerk")]


async def test_cash_as_a_number(sale: Story) -> None:
    refused: Told = (400, "malformed-request", HOLD)
    found = sale.put(0, refused, body={**SALE, "amountTendered": 500}).shows(HOLD).ends(a=None)
    assert "what is sent is what the clerk did, amounts as strings" in claims(found)
    assert "the gateway understands every request" in claims(found)


@pytest.mark.parametrize(
    ("told", "state", "shown"),
    [(APPROVAL, "APPROVED", HOLD), (REFUSAL, "DECLINED", ("KEEP", "HOLD")), (None, None, KEEP)],
)
async def test_a_verdict_that_nobody_gave(sale: Story, told: Told, state: str | None, shown: tuple[str, str]) -> None:
    found = sale.put(0, told).shows(shown).ends(a=state)
    assert any(check.claim.startswith("the clerk sees") and check.passed is False for check in found)


async def test_a_verdict_that_is_not_printed_is_not_judged(sale: Story) -> None:
    (check,) = sale.put(0, APPROVAL).shows(complaint="no paper").ends(a="APPROVED")
    assert (check.passed, check.found) == (None, "no verdict was printed no paper")


async def test_a_refusal_that_is_sent_again() -> None:
    story = Story("wrong-label").put(0, REFUSAL, body={**SALE, "trackingNumber": "303105332614281200"})
    story.put(0.1, REFUSAL, body={**SALE, "trackingNumber": "303105332614281200"})
    assert claims(story.shows(RETURN).ends(a="DECLINED")) == ["what is decided is not sent again"]


async def test_giving_up_without_an_inquiry(unknown: Story) -> None:
    found = unknown.reverse(6).shows(RETURN).ends(a="REVERSED")
    assert claims(found) == ["a till that stops sending inquires, and only then reverses"]


async def test_an_inquirys_404_for_an_answer(unknown: Story) -> None:
    found = unknown.inquire(6, NOT_FOUND).shows(HOLD).ends(a="APPROVED")
    assert "the till learns what became of every transaction" in claims(found)
    assert "the ledger says REVERSED" in claims(found)


async def test_giving_up_at_once(sale: Story) -> None:
    found = sale.put(0).inquire(0.1, NOT_FOUND).reverse(0.2).shows(RETURN).ends(a="REVERSED")
    assert "a sale is sent again for 6 s" in claims(found)


async def test_a_pointless_repeat_may_be_left_out() -> None:
    story = Story("refused-after-unknown").put(0).put(0.1, (403, "wrong-role", HOLD))
    assert story.inquire(0.2, (200, "APPROVED", KEEP)).shows(KEEP).ends(a="APPROVED") == []


async def test_never_giving_up(sale: Story) -> None:
    for number in range(15):
        sale.put(number * 0.8)
    found = sale.put(12, APPROVAL).shows(KEEP).ends(a="APPROVED")
    assert "a sale is sent again for 6 s" in claims(found)


@pytest.mark.parametrize(("pause_s", "well"), [(0.1, True), (0.12, True), (0.0, False), (3.0, False)])
async def test_the_first_wait(sale: Story, pause_s: float, well: bool) -> None:
    found = sale.put(0).put(0.01 + pause_s, APPROVAL).shows(KEEP).ends(a="APPROVED")
    assert claims(found) == ([] if well else ["the waits between attempts are as specified"])


async def test_no_wait_at_all(unknown: Story) -> None:
    unknown.put(5.51)
    found = unknown.inquire(6, NOT_FOUND).reverse(6.1).shows(RETURN).ends(a="REVERSED")
    assert claims(found) == ["the waits between attempts are as specified"]


async def test_retry_after_is_not_heeded(sale: Story) -> None:
    sale.put(0, (429, "too-many-attempts", HOLD), headers={"Retry-After": "2"})
    found = sale.put(0.2, APPROVAL).shows(KEEP).ends(a="APPROVED")
    assert claims(found) == ["`Retry-After` is heeded"]


@pytest.mark.parametrize("lasts_s", [0.6, 4.0])
async def test_a_time_out_of_another_length(sale: Story, lasts_s: float) -> None:
    found = sale.put(0, lasts_s=lasts_s).put(lasts_s + 0.1, APPROVAL).shows(KEEP).ends(a="APPROVED")
    assert claims(found) == ["an attempt without an answer lasts 1 s"]


@pytest.mark.parametrize(
    "body", [{"reason": "CLERK_VOID", "parcelInHand": True}, {"reason": "TIMEOUT", "parcelInHand": False}, None]
)
async def test_a_reversal_that_is_not_honest(unknown: Story, body: Any) -> None:
    found = unknown.inquire(6, NOT_FOUND).reverse(6.1, body=body).shows(RETURN).ends(a="REVERSED")
    assert "a reversal gives its true reason and says where the parcel is" in claims(found)


async def test_a_time_out_reversal_of_what_was_approved(sale: Story) -> None:
    found = sale.put(0, APPROVAL).inquire(0.1).reverse(0.2).shows(RETURN).ends(a="REVERSED")
    assert "what the till was told is approved is not reversed for a time-out" in claims(found)


async def test_a_redirect_that_is_followed(sale: Story) -> None:
    sale.put(0, (307, "moved", HOLD), headers={"Location": f"http://127.0.0.1{ELSEWHERE}"})
    sale.add(Kind.OTHER, 0.02, (404, "not-found", HOLD), path=f"{ELSEWHERE}/x")
    found = sale.put(0.15, APPROVAL).shows(KEEP).ends(a="APPROVED")
    assert claims(found) == ["no redirect is followed"]


async def test_a_refused_token_that_is_used_again(sale: Story) -> None:
    found = sale.put(0, (401, "unauthorized", HOLD)).put(0.1, APPROVAL).shows(KEEP).ends(a="APPROVED")
    assert claims(found) == ["a token that was refused is not used again"]


async def test_a_till_that_does_nothing(sale: Story) -> None:
    assert claims(sale.shows(HOLD).ends()) == ["the ledger says APPROVED"]


async def test_a_till_that_has_to_be_stopped(sale: Story) -> None:
    found = sale.put(0, APPROVAL).shows(overrun=True).ends(a="APPROVED")
    assert "the clerk hears something within 12 s" in claims(found)


async def test_what_a_killed_till_did_not_show_is_not_asked() -> None:
    story = Story("crash-after-sending").put(0, lasts_s=0.8).shows(killed=True)
    story.put(2, APPROVAL, step=1).shows(KEEP, step=1)
    assert story.ends(a="APPROVED") == []
    story.shows(HOLD, step=1)
    assert claims(story.ends(a="APPROVED")) == ["the clerk sees KEEP, RELEASE (step 2)"]
