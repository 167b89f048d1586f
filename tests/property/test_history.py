"""Histories of a small honest ledger are accepted; one lie planted in them is found. Half a minute; needs nothing."""

import json
from dataclasses import replace

from history.checker import check
from history.records import Fate, History
from history.stories import Story
from hypothesis import assume, given, settings
from hypothesis import strategies as st

IDS = ("a", "b", "c", "d", "e")
KINDS = ("PAY_AND_CLAIM", "CLAIM", "RETURN")

moves = st.lists(
    st.one_of(
        st.tuples(st.just("sell"), st.sampled_from(IDS), st.integers(0, 3), st.integers(1, 2), st.booleans()),
        st.tuples(st.just("reverse"), st.sampled_from(IDS), st.booleans()),
        st.tuples(st.just("inquire"), st.sampled_from(IDS)),
    ),
    max_size=25,
)


def played(kinds: list[str], script: list[tuple[object, ...]]) -> Story:
    """A story of some parcels, in which an id keeps to the parcel and the terminal that it first had."""
    story = Story()
    parcels = [
        story.dispense(number) if kind == "RETURN" else story.ship(number, kind)
        for number, kind in enumerate(kinds, start=1)
    ]
    first: dict[str, tuple[int, int]] = {}
    for move in script:
        id_ = str(move[1])
        match move:
            case ("sell", _, int(place), int(pos), bool(lost)):
                place, pos = first.setdefault(id_, (place % len(parcels), pos))
                story.sell(id_, parcels[place], pos=pos, lost=lost)
            case ("reverse", _, bool(lost)):
                story.reverse(id_, pos=first.get(id_, (0, 1))[1], lost=lost)
            case _:
                story.inquire(id_)
    for pos in (1, 2):
        story.close(pos)
    return story


stories = st.builds(played, st.lists(st.sampled_from(KINDS), min_size=1, max_size=4), moves)


@given(stories)
@settings(max_examples=150, deadline=None)
def test_what_an_honest_ledger_did_is_accepted(story: Story) -> None:
    assert [str(one) for one in check(story.history())] == []


def forget(history: History, id_: str) -> None:
    """An outcome that a client was told is not there any more."""
    history.endings[id_] = replace(history.endings[id_], status=404, answer='{"code":"unknown-transaction"}')


@given(stories, st.data())
@settings(max_examples=60, deadline=None)
def test_a_forgotten_outcome_is_found_with_a_short_history(story: Story, data: st.DataObject) -> None:
    history = story.history()
    told = sorted({one.subject for one in history.operations if one.subject in IDS and one.fate is not Fate.UNKNOWN})
    # What was only inquired after, and unknown, nobody was told of.
    seen = [
        id_ for id_ in told if any(one.subject == id_ and one.status not in (404, None) for one in history.operations)
    ]
    assume(seen)
    id_ = data.draw(st.sampled_from(seen))
    forget(history, id_)
    lost = [one for one in check(history) if one.invariant == "I4" and one.about == id_]
    assert lost
    assert len(lost[0].history) <= 2


@given(stories, st.data())
@settings(max_examples=60, deadline=None)
def test_an_event_that_ecms_never_had_is_found(story: Story, data: st.DataObject) -> None:
    history = story.history()
    heard = sorted(tracking for tracking, rows in history.deliveries.items() if rows)
    assume(heard)
    tracking = data.draw(st.sampled_from(heard))
    place = data.draw(st.integers(0, len(history.deliveries[tracking]) - 1))
    rows = list(history.deliveries[tracking])
    rows.pop(place)
    history.deliveries[tracking] = tuple(rows)
    assert any(one.invariant == "I6" and one.about == tracking for one in check(history))


@given(stories, st.data())
@settings(max_examples=60, deadline=None)
def test_an_altered_journal_entry_is_found(story: Story, data: st.DataObject) -> None:
    history = story.history()
    assume(history.terminals)
    key = data.draw(st.sampled_from(sorted(history.terminals)))
    terminal = history.terminals[key]
    place = data.draw(st.integers(0, len(terminal.journal) - 1))
    position, entry, head = terminal.journal[place]
    altered = (position, json.dumps(json.loads(entry) | {"amountDue": 1}), head)
    journal = (*terminal.journal[:place], altered, *terminal.journal[place + 1 :])
    history.terminals[key] = replace(terminal, journal=journal)
    found = [one for one in check(history) if one.rule == "chain-broken"]
    assert len(found) == 1
    assert f"is {position}:" in found[0].text
