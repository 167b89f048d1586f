"""The history checker accepts what can be true and finds each planted lie, by the rule that it breaks. Seconds."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from history.checker import check
from history.records import Fate, History, load, save
from history.stories import Story


def a_day() -> Story:
    """A bit of everything, nothing wrong with it."""
    story = Story()
    cod, prepaid, other = story.ship(1), story.ship(2, "CLAIM"), story.ship(3)
    story.sell("a", cod)
    story.sell("a", cod)
    story.sell("b", prepaid, pos=2)
    story.sell("c", cod)
    story.sell("d", other, lost=True)
    story.inquire("d")
    story.reverse("d")
    story.sell("d", other)
    story.sell("e", other, pos=2)
    story.reverse("never-arrived")
    story.sell("never-arrived", other)
    returned = story.dispense(1)
    story.sell("f", returned)
    story.inquire("f")
    story.close(1)
    story.close(2)
    return story


def test_an_honest_day_is_accepted() -> None:
    assert check(a_day().history()) == []


def test_a_lost_answer_may_mean_either() -> None:
    for happened in (True, False):
        story = Story()
        parcel = story.ship()
        if happened:
            story.sell("a", parcel, lost=True)
        else:
            content = story.sell("b", story.ship(2)).content | {"reference": parcel.reference}
            story.note("COLLECT", "a", dict(content), None, lost=True)
        assert check(story.history()) == []


def test_an_approval_may_be_older_than_the_answer_that_was_seen() -> None:
    story = Story()
    parcel = story.ship()
    story.sell("a", parcel, lost=True)
    story.tell(parcel, "FOR PULL OUT", "DONE")
    story.sell("a", parcel)
    assert check(story.history()) == []


Plant = Callable[[History], None]


@dataclass
class Lie:
    """Something planted into an honest day: what it is, what must be found, and how short its history is."""

    invariant: str
    rule: str
    plant: Plant
    operations: int


def change(history: History, place: int, **to: Any) -> None:
    """Another version of one operation, counted from 1."""
    history.operations[place - 1] = replace(history.operations[place - 1], **to)


def place_of(history: History, action: str, subject: str, nth: int = 1) -> int:
    found = [one.number for one in history.operations if (one.action, one.subject) == (action, subject)]
    return found[nth - 1]


def answered(history: History, action: str, subject: str, nth: int = 1, **fields: Any) -> None:
    """The answer of one operation, with some fields otherwise."""
    place = place_of(history, action, subject, nth)
    body = history.operations[place - 1].body | fields
    change(history, place, answer=json.dumps(body))


def ended(history: History, id_: str, **fields: Any) -> None:
    ending = history.endings[id_]
    history.endings[id_] = replace(ending, answer=json.dumps(ending.body | fields))


def forgotten(history: History, id_: str) -> None:
    history.endings[id_] = replace(history.endings[id_], status=404, answer='{"code":"unknown-transaction"}')


def tracking_of(history: History, id_: str) -> str:
    reference = history.endings[id_].body["reference"]
    return history.parcels[reference].tracking_number


def deliveries(history: History, id_: str, change: Callable[[list[Any]], list[Any]]) -> None:
    tracking = tracking_of(history, id_)
    history.deliveries[tracking] = tuple(change(list(history.deliveries[tracking])))


def events(history: History, id_: str, change: Callable[[list[Any]], list[Any]]) -> None:
    tracking = tracking_of(history, id_)
    history.events[tracking] = tuple(change(list(history.events[tracking])))


def approve_refused(history: History) -> None:
    """`c`, which was refused as already done, is approved instead, and stands."""
    approved = history.operations[place_of(history, "COLLECT", "a") - 1].body
    body = approved | {"transactionId": "c", "receipt": {"number": "0166-001-00000009"}}
    place = place_of(history, "COLLECT", "c")
    change(history, place, fate=Fate.OK, status=201, answer=json.dumps(body))
    history.endings["c"] = replace(history.endings["c"], answer=json.dumps(body))


def collected_again_and_reversed_later(history: History) -> None:
    """`c` was approved beside `a`; before the end somebody reversed it, so that only the time tells."""
    approve_refused(history)
    ended(history, "c", state="REVERSED")
    story_end = history.operations[-1].completed
    undo = replace(
        history.operations[place_of(history, "REVERSE", "d") - 1],
        number=99,
        subject="c",
        invoked=story_end + 1,
        completed=story_end + 2,
    )
    history.operations.append(undo)


def return_accepted_twice(history: History) -> None:
    number, place = 98, place_of(history, "ACCEPT_RETURN", "f")
    first = history.operations[place - 1]
    body = first.body | {"transactionId": "g", "receipt": {"number": "0166-001-00000008"}}
    history.operations.append(
        replace(first, number=number, subject="g", answer=json.dumps(body), invoked=first.invoked + 50)
    )
    history.endings["g"] = replace(history.endings["f"], transaction_id="g", answer=json.dumps(body))


def drop_journal_entry(history: History) -> None:
    terminal = history.terminals["0166/1"]
    history.terminals["0166/1"] = replace(terminal, journal=terminal.journal[:1] + terminal.journal[2:])


def forge_journal_entry(history: History) -> None:
    terminal = history.terminals["0166/1"]
    position, entry, head = terminal.journal[0]
    forged = (position, entry.replace("20000", "19000"), head)
    history.terminals["0166/1"] = replace(terminal, journal=(forged, *terminal.journal[1:]))


def journal_without_outcome(history: History) -> None:
    """A whole chain, in which the decline of `c` was never entered."""
    story = a_day()
    story.journals[1] = [entry for entry in story.journals[1] if '"c"' not in entry]
    history.terminals["0166/1"] = story.history().terminals["0166/1"]


def journal_with_an_outcome_twice(history: History) -> None:
    story = a_day()
    story.journals[1].insert(1, story.journals[1][0])
    history.terminals["0166/1"] = story.history().terminals["0166/1"]


def late_status_moved_it(history: History) -> None:
    """A parcel that came back to the store is closed by a pull-out from before."""
    story = a_day()
    parcel = story.ship(5)
    story.tell(parcel, "FOR PULL OUT", "PULLED_OUT", at="2026-01-01 00:00:00")
    later = story.history()
    history.operations, history.parcels, history.states = later.operations, later.parcels, later.states


def approved_after_cancellation(history: History) -> None:
    story = a_day()
    parcel = story.ship(5)
    story.tell(parcel, "CANCELLED", "OPEN")
    story.sell("late", parcel)
    later = story.history()
    for name in ("operations", "parcels", "states", "endings", "deliveries", "events", "terminals"):
        setattr(history, name, getattr(later, name))


def approved_before_arrival(history: History) -> None:
    tracking = tracking_of(history, "a")
    history.operations = [one for one in history.operations if (one.action, one.subject) != ("STATUS", tracking)]


def codes_beside_another(history: History) -> None:
    reference = history.endings["a"].body["reference"]
    for further in (8, 16):
        beside = f"{int(reference[:11]) + further:011d}{reference[11:]}"
        tracking_number = f"{further:018d}"
        history.parcels[beside] = replace(history.parcels[reference], reference=beside, tracking_number=tracking_number)


def second_code(history: History) -> None:
    place = place_of(history, "DISPENSE", "request-913987654321")
    first = history.operations[place - 1]
    body = first.body | {"returnCode": "9555-0000-1111"}
    history.operations.append(replace(first, number=97, subject="request-2", answer=json.dumps(body)))


def accepted_after_expiry(history: History) -> None:
    reference = history.endings["f"].body["reference"]
    parcel = history.parcels[reference]
    assert parcel.expires_at is not None
    history.parcels[reference] = replace(parcel, expires_at=parcel.expires_at - timedelta(days=30))


def refused_and_yet_done(history: History) -> None:
    place = place_of(history, "CLAIM", "b")
    change(history, place, fate=Fate.FAIL, status=503, answer='{"code":"database-unavailable"}')


def lie(invariant: str, rule: str, plant: Plant, operations: int) -> Any:
    return pytest.param(Lie(invariant, rule, plant, operations), id=f"{invariant}-{rule}-{plant.__name__}")


LIES = [
    lie("I1", "collected-twice", approve_refused, 0),
    lie("I1", "collected-twice", collected_again_and_reversed_later, 2),
    lie("I1", "amount", lambda h: answered(h, "COLLECT", "a", amountDue="199.00"), 1),
    lie("I1", "amount", lambda h: answered(h, "COLLECT", "a", change="301.00"), 1),
    lie("I2", "receipt-gap", lambda h: ended(h, "b", receipt={"number": "0166-002-00000003"}), 0),
    lie("I2", "receipt-twice", lambda h: ended(h, "d", receipt={"number": "0166-001-00000001"}), 0),
    lie(
        "I2", "receipt-differs", lambda h: h.receipts.update({"0166-001-00000001": '{"number":"0166-001-00000009"}'}), 0
    ),
    lie("I2", "close-differs", lambda h: answered(h, "CLOSE", "0166/1/1", cashExpected="400.00"), 2),
    lie("I3", "released-twice", approve_refused, 2),
    lie("I3", "released-and-reversed", lambda h: ended(h, "b", state="REVERSED"), 1),
    lie("I3", "wrong-store", lambda h: change(h, place_of(h, "CLAIM", "b"), store="0200"), 1),
    lie("I3", "not-its-action", lambda h: change(h, place_of(h, "CLAIM", "b"), action="COLLECT"), 1),
    lie("I4", "approval-lost", lambda h: forgotten(h, "a"), 1),
    lie("I4", "refusal-lost", lambda h: forgotten(h, "c"), 1),
    lie("I4", "reversal-lost", lambda h: ended(h, "d", state="APPROVED"), 1),
    lie("I4", "refused-had-effect", refused_and_yet_done, 1),
    lie(
        "I4",
        "two-fates",
        lambda h: change(
            h, place_of(h, "COLLECT", "a", 2), fate=Fate.FAIL, status=404, answer='{"code":"unknown-transaction"}'
        ),
        2,
    ),
    lie("I5", "bytes-differ", lambda h: answered(h, "COLLECT", "a", 2, occurredAt="2026-01-05T00:00:00+00:00"), 1),
    lie(
        "I5",
        "mismatch-not-refused",
        lambda h: change(h, place_of(h, "COLLECT", "a", 2), content=dict(h.operations[6].content) | {"clerk": "ben"}),
        2,
    ),
    lie(
        "I5",
        "reversed-id-ran",
        lambda h: change(
            h,
            place_of(h, "COLLECT", "never-arrived"),
            fate=Fate.OK,
            status=201,
            answer=h.operations[place_of(h, "COLLECT", "a") - 1].answer,
        ),
        2,
    ),
    lie("I5", "first-answer-twice", lambda h: change(h, place_of(h, "COLLECT", "a", 2), replay=False), 2),
    lie(
        "I5",
        "not-answered-again",
        lambda h: change(
            h,
            place_of(h, "COLLECT", "a", 2),
            calm=True,
            fate=Fate.UNKNOWN,
            status=500,
            answer='{"code":"internal-error"}',
        ),
        1,
    ),
    lie("I6", "event-lost", lambda h: deliveries(h, "a", lambda rows: rows[:-1]), 0),
    lie("I6", "event-without-change", lambda h: deliveries(h, "a", lambda r: [*r, replace(r[-1], event_id="x")]), 0),
    lie("I6", "applied-twice", lambda h: deliveries(h, "a", lambda rows: rows * 2), 0),
    lie("I6", "out-of-order", lambda h: deliveries(h, "d", lambda rows: rows[::-1]), 0),
    lie("I6", "payment-differs", lambda h: deliveries(h, "a", lambda rows: [replace(rows[0], amount=1)]), 0),
    lie("I6", "left-behind", lambda h: events(h, "a", lambda rows: [replace(rows[0], state="BEHIND")]), 0),
    lie("I6", "told-unheard", lambda h: deliveries(h, "a", lambda rows: []), 0),
    lie("I7", "code-accepted-twice", return_accepted_twice, 0),
    lie("I7", "two-codes", second_code, 2),
    lie("I7", "guessable", codes_beside_another, 0),
    lie("I7", "accepted-after-expiry", accepted_after_expiry, 1),
    lie("I8", "chain-broken", drop_journal_entry, 0),
    lie("I8", "chain-broken", forge_journal_entry, 0),
    lie("I8", "entry-missing", journal_without_outcome, 0),
    lie("I8", "entry-twice", journal_with_an_outcome_twice, 0),
    lie(
        "I9",
        "time-order",
        lambda h: events(
            h,
            "d",
            lambda rows: [rows[0], replace(rows[1], occurred_at=rows[0].occurred_at - timedelta(seconds=1)), *rows[2:]],
        ),
        0,
    ),
    lie("I9", "state-differs", lambda h: h.states.update({h.endings["a"].body["reference"]: "OPEN"}), 0),
    lie("I9", "state-differs", late_status_moved_it, 2),
    lie("I9", "not-open", approved_after_cancellation, 3),
    lie("I9", "not-open", approved_before_arrival, 1),
]


@pytest.mark.parametrize("planted", LIES)
def test_each_planted_lie_is_found(planted: Lie) -> None:
    history = a_day().history()
    planted.plant(history)
    found = [one for one in check(history) if (one.invariant, one.rule) == (planted.invariant, planted.rule)]
    assert found, [str(one) for one in check(history)]
    assert len(found[0].history) == planted.operations, str(found[0])


def test_each_invariant_has_a_lie() -> None:
    assert {case.values[0].invariant for case in LIES} == {f"I{number}" for number in range(1, 10)}


def test_what_waits_in_the_work_list_is_not_lost() -> None:
    story = Story()
    parcel = story.ship()
    story.sell("a", parcel)
    history = story.history()
    (event,) = history.events[parcel.tracking_number]
    history.events[parcel.tracking_number] = (replace(event, state="REFUSED"),)
    history.deliveries[parcel.tracking_number] = ()
    assert [one.rule for one in check(history)] == ["event-lost", "left-behind"]
    history.tasks = frozenset({event.event_id})
    assert check(history) == []


def test_a_history_can_be_kept_and_judged_again(tmp_path: Path) -> None:
    history = a_day().history()
    save(history, tmp_path / "history.json")
    again = load(tmp_path / "history.json")
    assert again == history
    approve_refused(again)
    save(again, tmp_path / "history.json")
    assert check(load(tmp_path / "history.json"))
