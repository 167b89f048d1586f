"""The breaker: everything, or one probe at a time. Milliseconds; needs nothing."""

import random

from connect_gateway.ecms.breaker import LONGEST_PROBE_S, OPEN_AFTER_FAILURES, Breaker


def opened(at: float = 100.0) -> Breaker:
    breaker = Breaker(random.Random(7))
    for _ in range(OPEN_AFTER_FAILURES):
        breaker.failed(at, at)
    assert breaker.is_open
    return breaker


def test_closed_it_lets_everything_through_until_enough_fail_in_a_row() -> None:
    breaker = Breaker(random.Random(7))
    for _ in range(3):
        for _ in range(OPEN_AFTER_FAILURES - 1):
            breaker.failed(100.0, 100.0)
        assert not breaker.is_open
        assert breaker.admitted(100.0, 64) == 64
        breaker.succeeded()


def test_open_it_lets_one_through_and_that_only_when_its_time_has_come() -> None:
    breaker = opened()
    assert breaker.admitted(100.0, 64) == 0
    due = 100.0 + breaker.seconds_to_probe(100.0)
    assert 100.0 < due <= 100.0 + LONGEST_PROBE_S
    assert breaker.admitted(due, 0) == 0
    assert breaker.admitted(due, 64) == 1
    breaker.probing(due)
    assert breaker.admitted(due + 1_000, 64) == 0


def test_probes_go_on_for_ever_never_more_than_five_seconds_apart() -> None:
    breaker = opened()
    now = 100.0
    for _ in range(200):
        pause = breaker.seconds_to_probe(now)
        assert pause <= 5
        now += pause
        assert breaker.admitted(now, 64) == 1
        breaker.probing(now)
        # The probe takes its whole time-out; the next one is not put off by that.
        began, now = now, now + 5.0
        breaker.failed(now, began)
        assert breaker.seconds_to_probe(now) == 0


def test_the_pause_grows_with_jitter_and_begins_anew_after_a_success() -> None:
    breaker = opened()
    pauses, now = [], 100.0
    for _ in range(12):
        pauses.append(breaker.seconds_to_probe(now))
        now += pauses[-1]
        breaker.probing(now)
        breaker.failed(now, now)
    assert max(pauses[:2]) < max(pauses) <= LONGEST_PROBE_S
    assert len(set(pauses[5:])) > 1, "no jitter"
    breaker.succeeded()
    assert not breaker.is_open
    assert breaker.admitted(now, 64) == 64


def test_stragglers_of_the_closed_time_do_not_let_a_second_probe_through() -> None:
    breaker = opened()
    due = 100.0 + breaker.seconds_to_probe(100.0)
    assert breaker.admitted(due, 64) == 1
    breaker.probing(due)
    # These were sent while the breaker was closed, and fail only now.
    for _ in range(3):
        breaker.failed(due + 0.1, 99.0)
    assert breaker.admitted(due + 60, 64) == 0
