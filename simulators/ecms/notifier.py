"""Tells the gateway what is in the outbox: in order for each parcel, again and again until it has been heard.

A parcel whose status cannot be told holds up no other. Nothing is given up: what the gateway refuses is
offered to it again as well, since only the gateway can say that it has heard.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from functools import partial

from .clock import SimulatedClock
from .database import Database
from .gateway import Gateway, GatewayAway
from .messages import Refusal
from .parcels import find_parcel, keep_claim_code, mark_told, next_untold, parcels_with_untold

_log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
_MOST_AT_ONCE = 32

_CLOCK = "the sandbox's clock"


class Notifier:
    """One task for each parcel of which there is something to tell, and one for the sandbox's clock."""

    def __init__(self, database: Database, gateway: Gateway, clock: SimulatedClock) -> None:
        self._database = database
        self._gateway = gateway
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._news: dict[str, asyncio.Event] = {}
        self._places = asyncio.Semaphore(_MOST_AT_ONCE)
        self._clock_is_told = True

    async def resume(self) -> None:
        """Goes on with what was left untold when the simulator ended."""
        for tracking_number in await self._database.run(parcels_with_untold):
            self.tell(tracking_number)

    def tell(self, tracking_number: str) -> None:
        """Says that there is something new in the outbox about a parcel."""
        self._start(tracking_number, partial(self._tell_next, tracking_number))

    def tell_clock(self) -> None:
        """Says that the sandbox's time is another one now."""
        self._clock_is_told = False
        self._start(_CLOCK, self._tell_clock)

    async def told(self, tracking_number: str, timeout_s: float) -> bool:
        """Waits until the gateway has heard all there is about a parcel; False if it has not within
        `timeout_s`.
        """
        return await self._wait(tracking_number, timeout_s)

    async def clock_told(self, timeout_s: float) -> bool:
        """Waits until the gateway has the new time; False if it has not within `timeout_s`."""
        return await self._wait(_CLOCK, timeout_s)

    async def stop(self) -> None:
        """Ends all tasks; what is untold stays in the outbox."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait(self, what: str, timeout_s: float) -> bool:
        task = self._tasks.get(what)
        if task is None:
            return True
        done, _ = await asyncio.wait({task}, timeout=timeout_s)
        return bool(done) and not task.cancelled()

    def _start(self, what: str, once: Callable[[], Awaitable[bool]]) -> None:
        if what in self._tasks:
            self._news[what].set()
            return
        self._news[what] = asyncio.Event()
        self._tasks[what] = asyncio.create_task(self._run(what, once))

    async def _run(self, what: str, once: Callable[[], Awaitable[bool]]) -> None:
        """Calls `once` until it has nothing left to tell and nothing new has come meanwhile."""
        news, pause_s = self._news[what], FIRST_PAUSE_S
        try:
            while True:
                news.clear()
                try:
                    async with self._places:
                        more = await once()
                except (GatewayAway, Refusal) as exc:
                    _log.warning("%s: the gateway has not been told yet: %s", what, exc)
                    await _pause(news, pause_s)
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                    continue
                pause_s = FIRST_PAUSE_S
                if not more and not news.is_set():
                    return
        finally:
            del self._tasks[what], self._news[what]

    async def _tell_next(self, tracking_number: str) -> bool:
        waiting = await self._database.run(lambda connection: next_untold(connection, tracking_number))
        if waiting is None:
            return False
        seq, message = waiting
        await self._make_sure_of_reference(tracking_number)
        await self._gateway.tell_status(message)
        await self._database.run(lambda connection: mark_told(connection, seq))
        return True

    async def _make_sure_of_reference(self, tracking_number: str) -> None:
        """The gateway can hear of a shipment only once it knows it."""
        parcel = await self._database.run(lambda connection: find_parcel(connection, tracking_number))
        if parcel is None or parcel.is_return or parcel.claim_code is not None:
            return
        code = await self._gateway.issue_reference(parcel)
        await self._database.run(lambda connection: keep_claim_code(connection, tracking_number, code))

    async def _tell_clock(self) -> bool:
        if not self._clock_is_told:
            await self._gateway.set_clock(self._clock.now())
            self._clock_is_told = True
        return False


async def _pause(news: asyncio.Event, longest_s: float) -> None:
    """Waits with jitter, so that many parcels do not come back all at once; news of the parcel ends the
    wait.
    """
    try:
        await asyncio.wait_for(news.wait(), random.uniform(longest_s / 2, longest_s))  # noqa: S311 - no secret
    except TimeoutError:
        return
