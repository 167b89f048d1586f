"""Gathering: what arrives while one group runs forms the next one.

No timer is involved: alone, an item goes at once; under load, groups grow by themselves to what a commit can carry.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Overloaded(Exception):
    """More waits already than can be served in time; nothing was begun."""


class Gatherer(Generic[Item, Result]):
    """Runs `flush` over groups of at most `group_limit` items, one group at a time.

    `flush` returns a result or an exception for each item, in order. What it raises goes to every item of the group.
    """

    def __init__(
        self,
        flush: Callable[[list[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        group_limit: int,
        waiting_limit: int,
    ) -> None:
        self._flush = flush
        self._group_limit = group_limit
        self._waiting_limit = waiting_limit
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._runner: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Result:
        """The item's result. A caller that stops waiting does not stop the item."""
        if len(self._waiting) >= self._waiting_limit:
            raise Overloaded
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        return await future

    async def drain(self) -> None:
        """Waits until nothing is waiting or under way."""
        while self._runner is not None:
            await asyncio.wait({self._runner})

    async def _run(self) -> None:
        try:
            while self._waiting:
                group = [self._waiting.popleft() for _ in range(min(self._group_limit, len(self._waiting)))]
                await self._run_group(group)
        finally:
            self._runner = None

    async def _run_group(self, group: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        results: Sequence[Result | Exception]
        try:
            results = await self._flush([item for item, _ in group])
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to those who wait for this group
            results = [error] * len(group)
        for (_, future), result in zip(group, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
