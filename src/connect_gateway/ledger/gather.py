"""Gathering: what arrives while one group runs forms the next one.

Alone, an item goes at once; under load, groups grow by themselves to what a commit can carry. Where nobody waits for an
item to go, a pause behind each group lets the next one grow.
"""

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


ANSWER_WITHIN_S = 1.8
"""What waits for the database is answered within 2 s, one way or the other (wire contract; 503, HOLD)."""

_TICK_S = 0.1

SHED_FOR_S = 30.0
"""Then a whole group may wait for once, to see whether there is still too much: small groups cost so much more that a
load which could be served is never small enough for a process that sheds. Who waits then waits for long, and there are
to be fewer of them than one in a hundred."""


class _MayWait(Enum):
    """How many more than the group under way."""

    ALL = "all"
    A_FEW = "an eighth of a group"
    A_GROUP = "a group"


class Overloaded(Exception):
    """More waits already than can be served in time; nothing was begun."""


@dataclass(slots=True)
class _Waiting(Generic[Item, Result]):
    item: Item
    future: asyncio.Future[Result]
    since: float


class Gatherer(Generic[Item, Result]):
    """Runs `flush` over groups of at most `group_limit` items, one group at a time.

    `flush` returns a result or an exception for each item, in order. What it raises goes to every item of the group.
    Where every group has been full for `shed_after_s`, no more than an eighth of one may wait, until that much has not
    come for as long: so groups are small, and what is accepted is soon done. Every `shed_for_s` a whole group may wait:
    if it comes, so it goes on, and if it has not come for `shed_after_s` either, there is no limit any more. Nor is
    there one where nothing at all has come for as long.
    Behind each group comes a pause of `pause_s`, which ends where `pause_until` items wait.
    Whoever waits longer than `answer_within_s` gets a TimeoutError instead, while the item goes its way. One timer that
    ticks while anything is under way sees to that; a timer for each item would cost as much as the item.
    """

    def __init__(
        self,
        flush: Callable[[list[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        group_limit: int,
        waiting_limit: int,
        answer_within_s: float | None = None,
        shed_after_s: float | None = None,
        shed_for_s: float = SHED_FOR_S,
        pause_s: float = 0.0,
        pause_until: int = 1,
    ) -> None:
        self._flush = flush
        self._group_limit = group_limit
        self._answer_within_s = answer_within_s
        self._shed_after_s = shed_after_s
        self._shed_for_s = shed_for_s
        self._pause_s = pause_s
        self._pause_until = pause_until
        self._enough = asyncio.Event()
        self._may_wait = _MayWait.ALL
        self._room = {
            _MayWait.ALL: waiting_limit,
            _MayWait.A_FEW: max(1, group_limit // 8),
            _MayWait.A_GROUP: group_limit,
        }
        self._shedding_since = self._shed_until = -math.inf
        self._idle_since = -math.inf
        self._other_since: float | None = None
        """Since when the queue has been such that more or fewer should be let wait."""
        self._waiting: deque[_Waiting[Item, Result]] = deque()
        self._under_way: list[_Waiting[Item, Result]] = []
        self._runner: asyncio.Task[None] | None = None
        self._ticking: asyncio.TimerHandle | None = None

    async def submit(self, item: Item, waited_s: float = 0.0) -> Result:
        """The item's result. A caller that stops waiting does not stop the item.

        `waited_s` is how long the caller has been kept waiting for something else before.
        """
        loop = asyncio.get_running_loop()
        if self._runner is None and loop.time() - self._idle_since >= (self._shed_after_s or 0.0):
            # Whatever comes now is something new.
            self._other_since, self._may_wait = None, _MayWait.ALL
        if self.is_full:
            raise Overloaded
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.append(_Waiting(item, future, loop.time() - waited_s))
        if len(self._waiting) >= self._pause_until:
            self._enough.set()
        if self._runner is None:
            self._runner = loop.create_task(self._run())
            self._tick()
        return await future

    @property
    def is_full(self) -> bool:
        """Whether an item would be refused just now."""
        return len(self._waiting) >= self._room[self._may_wait]

    async def drain(self) -> None:
        """Waits until nothing is waiting or under way."""
        while self._runner is not None:
            await asyncio.wait({self._runner})

    async def _run(self) -> None:
        try:
            while self._waiting:
                self._look_at_the_queue()
                group = [self._waiting.popleft() for _ in range(min(self._group_limit, len(self._waiting)))]
                await self._run_group(group)
                if self._pause_s and len(self._waiting) < self._pause_until:
                    await self._pause()
        finally:
            self._runner = None
            # A queue that is empty for a moment is not yet the end of there being too much.
            self._idle_since = asyncio.get_running_loop().time()
            if self._ticking is not None:
                self._ticking.cancel()

    async def _pause(self) -> None:
        self._enough.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pause_s):
                await self._enough.wait()

    def _look_at_the_queue(self) -> None:
        """A rush is served, however many come at once; a queue that stands is not let grow, since whoever joins it
        waits for nothing but his turn behind all the others.
        """
        if self._shed_after_s is None:
            return
        now, waiting = asyncio.get_running_loop().time(), len(self._waiting)
        is_full = waiting >= self._group_limit
        if self._may_wait is _MayWait.A_FEW:
            if now - self._shedding_since >= self._shed_for_s:
                self._may_wait, self._other_since = _MayWait.A_GROUP, None
            elif self._for_so_long(waiting < self._room[self._may_wait], self._shed_after_s, now):
                self._may_wait, self._shed_until = _MayWait.ALL, now
        elif self._may_wait is _MayWait.ALL:
            # What stands again a moment after it was shed is no rush.
            was_shed = now - self._shed_until < self._shed_for_s
            if self._for_so_long(is_full, 0.0 if was_shed else self._shed_after_s, now):
                self._shed(now)
        elif is_full:
            self._shed(now)
        elif self._for_so_long(not is_full, self._shed_after_s, now):
            self._may_wait, self._shed_until = _MayWait.ALL, now

    def _shed(self, now: float) -> None:
        self._may_wait, self._shedding_since, self._other_since = _MayWait.A_FEW, now, None

    def _for_so_long(self, is_other: bool, seconds: float, now: float) -> bool:
        """Whether at each look of so long a time the queue has been other than what the present limit is for."""
        if not is_other:
            self._other_since = None
            return False
        if self._other_since is None:
            self._other_since = now
            return False
        if now - self._other_since < seconds:
            return False
        self._other_since = None
        return True

    async def _run_group(self, group: list[_Waiting[Item, Result]]) -> None:
        self._under_way = group
        results: Sequence[Result | Exception]
        try:
            results = await self._flush([one.item for one in group])
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to those who wait for this group
            results = [error] * len(group)
        self._under_way = []
        for one, result in zip(group, results, strict=True):
            if one.future.done():
                continue
            if isinstance(result, Exception):
                one.future.set_exception(result)
            else:
                one.future.set_result(result)

    def _tick(self) -> None:
        """Answers those who have waited too long, and comes again while anything is under way."""
        if self._answer_within_s is None:
            return
        loop = asyncio.get_running_loop()
        overdue = loop.time() - self._answer_within_s
        for one in self._under_way:
            _give_up(one, overdue)
        for one in self._waiting:
            _give_up(one, overdue)
        self._ticking = loop.call_later(_TICK_S, self._tick)


def _give_up(one: _Waiting[Any, Any], overdue: float) -> None:
    if one.since <= overdue and not one.future.done():
        one.future.set_exception(TimeoutError("no answer in time"))
