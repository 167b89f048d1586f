"""Gathering: groups form by themselves, and each item has its own fate. Milliseconds; needs nothing."""

import asyncio
from collections.abc import Sequence

import pytest

from connect_gateway.ledger.gather import Gatherer, Overloaded


class Flushes:
    """Doubles its items, one group after another, each when it is let go."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.under_way = 0
        self.error: Exception | None = None

    async def __call__(self, items: list[int]) -> Sequence[int | Exception]:
        self.groups.append(items)
        self.under_way += 1
        assert self.under_way == 1, "two groups at once"
        try:
            await self.gate.wait()
            if self.error is not None:
                raise self.error
            return [ValueError(item) if item < 0 else 2 * item for item in items]
        finally:
            self.under_way -= 1


def gatherer(flush: Flushes, group_limit: int = 4, waiting_limit: int = 100) -> Gatherer[int, int]:
    return Gatherer(flush, group_limit=group_limit, waiting_limit=waiting_limit)


async def begun(flush: Flushes) -> None:
    """Until the first group is under way."""
    while not flush.groups:
        await asyncio.sleep(0)


async def test_alone_an_item_goes_at_once() -> None:
    flush = Flushes()
    assert await asyncio.wait_for(gatherer(flush).submit(21), 1) == 42
    assert flush.groups == [[21]]


async def test_what_comes_while_a_group_runs_forms_the_next_ones_in_order_and_bounded() -> None:
    flush = Flushes()
    flush.gate.clear()
    made = gatherer(flush)
    first = asyncio.create_task(made.submit(0))
    await begun(flush)
    later = [asyncio.create_task(made.submit(number)) for number in range(1, 10)]
    await asyncio.sleep(0)
    flush.gate.set()
    assert await asyncio.gather(first, *later) == [2 * number for number in range(10)]
    assert flush.groups == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9]]


async def test_each_item_of_a_group_has_its_own_fate() -> None:
    flush = Flushes()
    made = gatherer(flush)
    results = await asyncio.gather(*(made.submit(number) for number in (1, -2, 3)), return_exceptions=True)
    assert results[::2] == [2, 6]
    assert isinstance(results[1], ValueError)


async def test_what_a_group_raises_goes_to_all_of_it_and_the_next_one_runs() -> None:
    flush = Flushes()
    made = gatherer(flush)
    flush.error = RuntimeError("broken")
    results = await asyncio.gather(*(made.submit(number) for number in range(3)), return_exceptions=True)
    assert [str(result) for result in results] == ["broken"] * 3
    flush.error = None
    assert await made.submit(4) == 8


async def test_a_caller_that_stops_waiting_does_not_stop_its_item_nor_the_others() -> None:
    flush = Flushes()
    flush.gate.clear()
    made = gatherer(flush)
    calls = [asyncio.create_task(made.submit(number)) for number in (1, 2)]
    await begun(flush)
    calls[0].cancel()
    flush.gate.set()
    assert await calls[1] == 4
    assert calls[0].cancelled()
    assert flush.groups == [[1, 2]]


async def test_too_many_are_turned_away_at_once_and_nothing_of_them_is_begun() -> None:
    flush = Flushes()
    flush.gate.clear()
    made = gatherer(flush, waiting_limit=2)
    running = asyncio.create_task(made.submit(0))
    await begun(flush)
    waiting = [asyncio.create_task(made.submit(number)) for number in (1, 2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await made.submit(3)
    flush.gate.set()
    assert await asyncio.gather(running, *waiting) == [0, 2, 4]
    assert flush.groups == [[0], [1, 2]]
    assert await made.submit(5) == 10


async def test_draining_waits_for_all_that_waits() -> None:
    flush = Flushes()
    made = gatherer(flush, group_limit=1)
    await made.drain()
    calls = [asyncio.create_task(made.submit(number)) for number in range(3)]
    await asyncio.sleep(0)
    await made.drain()
    assert [call.result() for call in calls] == [0, 2, 4]


async def test_behind_a_group_the_next_one_has_time_to_grow() -> None:
    flush = Flushes()
    made = Gatherer(flush, group_limit=4, waiting_limit=100, pause_s=0.2, pause_until=3)
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await made.submit(0) == 0
    two = [asyncio.create_task(made.submit(number)) for number in (1, 2)]
    await asyncio.wait(two)
    assert loop.time() - began >= 0.2
    assert flush.groups == [[0], [1, 2]]


async def test_a_pause_ends_where_enough_wait() -> None:
    flush = Flushes()
    made = Gatherer(flush, group_limit=4, waiting_limit=100, pause_s=60, pause_until=3)
    assert await made.submit(0) == 0
    async with asyncio.timeout(5):
        await asyncio.gather(*(made.submit(number) for number in (1, 2, 3)))
        # More than a group: the rest is still enough, and needs no other to come.
        await asyncio.gather(*(made.submit(number) for number in range(4, 11)))
    assert flush.groups == [[0], [1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]


async def test_a_rush_is_served_and_a_queue_that_stands_is_cut() -> None:
    """Groups of 4; whatever has been full for 0 s stands."""
    full = []

    async def flush(items: list[int]) -> Sequence[int]:
        full.append(made.is_full)
        return [2 * item for item in items]

    made: Gatherer[int, int] = Gatherer(flush, group_limit=4, waiting_limit=100, shed_after_s=0.0)
    rush = [asyncio.create_task(made.submit(number)) for number in range(18)]
    assert await asyncio.gather(*rush) == [2 * number for number in range(18)]
    # The first full group may be a rush; the second one finds that the queue stands, and no more than one may wait; the
    # last one leaves nobody behind.
    assert full == [False, True, True, True, False]
    assert await made.submit(21) == 42


async def test_whoever_joins_a_standing_queue_is_told_to_come_back() -> None:
    flush = Flushes()
    made: Gatherer[int, int] = Gatherer(flush, group_limit=4, waiting_limit=100, shed_after_s=0.0)
    flush.gate.clear()
    rush = [asyncio.create_task(made.submit(number)) for number in range(20)]
    await begun(flush)
    made._shed(asyncio.get_running_loop().time())
    with pytest.raises(Overloaded):
        await made.submit(99)
    flush.gate.set()
    assert await asyncio.gather(*rush) == [2 * number for number in range(20)]


async def test_after_a_while_of_shedding_a_whole_group_may_wait_once_more() -> None:
    """Groups of 4. A queue that stands is cut to 1, looked at with 4, and cut again while 4 come."""
    allowed = []

    async def flush(items: list[int]) -> Sequence[int]:
        allowed.append(made._room[made._may_wait])
        return [2 * item for item in items]

    made: Gatherer[int, int] = Gatherer(flush, group_limit=4, waiting_limit=100, shed_after_s=0.0, shed_for_s=0.0)
    rush = [asyncio.create_task(made.submit(number)) for number in range(27)]
    assert await asyncio.gather(*rush) == [2 * number for number in range(27)]
    assert allowed == [100, 1, 4, 1, 4, 1, 4]


async def test_what_can_be_served_ends_the_shedding() -> None:
    """Groups of 16. Two come while each group runs, as many as a queue may have that is shed: it goes on until it is
    looked at.
    """
    allowed = []
    more = [asyncio.create_task(asyncio.sleep(0))]

    async def flush(items: list[int]) -> Sequence[int]:
        allowed.append(made._room[made._may_wait])
        if len(allowed) == 1:
            made._shed(asyncio.get_running_loop().time())
        if len(allowed) < 9:
            more.extend(asyncio.create_task(made.submit(number)) for number in (1, 2))
            await asyncio.sleep(0)
        return [2 * item for item in items]

    made: Gatherer[int, int] = Gatherer(flush, group_limit=16, waiting_limit=100, shed_after_s=0.0, shed_for_s=0.0)
    assert await made.submit(21) == 42
    await made.drain()
    assert allowed[1:4] == [16, 16, 100]
    assert set(allowed[4:]) == {100}
    await asyncio.gather(*more)


async def test_a_queue_that_is_empty_for_a_moment_is_shed_as_before() -> None:
    """Groups of 16, of which 2 may wait while it sheds. Behind a minute of nothing whatever comes is something new."""
    flush = Flushes()
    made: Gatherer[int, int] = Gatherer(flush, group_limit=16, waiting_limit=100, shed_after_s=60.0)
    assert await made.submit(1) == 2
    await made.drain()
    made._shed(asyncio.get_running_loop().time())
    for _ in range(2):
        assert [type(result) for result in await rush_of(made, 5)] == [int] * 2 + [Overloaded] * 3
        await made.drain()
    made._idle_since -= 900
    assert [type(result) for result in await rush_of(made, 5)] == [int] * 5


async def rush_of(made: Gatherer[int, int], count: int) -> list[int | BaseException]:
    """What becomes of so many that come at once."""
    return await asyncio.gather(*(made.submit(number) for number in range(count)), return_exceptions=True)
