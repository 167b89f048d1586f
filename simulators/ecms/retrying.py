"""Work that is tried again until it is done: one task for each key, so that one that fails holds up no other."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

_log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.1


class Retrying:
    """A task for each key for which there is something to do.

    What is raised as one of `failures` is tried again after a pause that doubles up to `longest_pause_s`; `what`
    says in the log what has not been done.
    """

    def __init__(self, what: str, failures: tuple[type[Exception], ...], *, longest_pause_s: float) -> None:
        self._what = what
        self._failures = failures
        self._longest_pause_s = longest_pause_s
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._news: dict[str, asyncio.Event] = {}

    def start(self, key: str, once: Callable[[], Awaitable[bool]]) -> None:
        """Calls `once` until it answers that nothing is left; where that is under way, ends its pause."""
        if key in self._tasks:
            self._news[key].set()
            return
        self._news[key] = asyncio.Event()
        self._tasks[key] = asyncio.create_task(self._run(key, once))

    async def wait(self, key: str, timeout_s: float) -> bool:
        """Waits until there is nothing left to do for a key; False if there is after `timeout_s`."""
        task = self._tasks.get(key)
        if task is None:
            return True
        done, _ = await asyncio.wait({task}, timeout=timeout_s)
        return bool(done) and not task.cancelled()

    async def stop(self) -> None:
        """Ends all tasks; what is not done is the caller's to remember."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, key: str, once: Callable[[], Awaitable[bool]]) -> None:
        """Calls `once` until it has nothing left and nothing new has come meanwhile."""
        news, pause_s = self._news[key], FIRST_PAUSE_S
        try:
            while True:
                news.clear()
                try:
                    more = await once()
                except self._failures as exc:
                    _log.warning("%s: %s: %s", key, self._what, exc)
                    await _pause(news, pause_s)
                    pause_s = min(2 * pause_s, self._longest_pause_s)
                    continue
                pause_s = FIRST_PAUSE_S
                if not more and not news.is_set():
                    return
        finally:
            del self._tasks[key], self._news[key]


async def _pause(news: asyncio.Event, longest_s: float) -> None:
    """Waits with jitter, so that many keys do not come back all at once; news of the key ends the wait."""
    try:
        await asyncio.wait_for(news.wait(), random.uniform(longest_s / 2, longest_s))  # noqa: S311 - no secret
    except TimeoutError:
        return
