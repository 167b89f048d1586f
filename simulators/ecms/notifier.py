"""Tells the gateway what is in the outbox: in order for each parcel, again and again until it has been heard.

A parcel whose status cannot be told holds up no other. Nothing is given up: what the gateway refuses is
offered to it again as well, since only the gateway can say that it has heard.
"""

import asyncio
from functools import partial

from .clock import SimulatedClock
from .codes import make_sure_of_codes
from .database import Database
from .gateway import Gateway, GatewayAway
from .messages import Refusal
from .parcels import find_parcel, mark_told, next_untold, parcels_with_untold
from .retrying import Retrying

LONGEST_PAUSE_S = 5.0
_MOST_AT_ONCE = 32

_CLOCK = "the sandbox's clock"


class Notifier:
    """One task for each parcel of which there is something to tell, and one for the sandbox's clock."""

    def __init__(self, database: Database, gateway: Gateway, clock: SimulatedClock) -> None:
        self._database = database
        self._gateway = gateway
        self._clock = clock
        self._places = asyncio.Semaphore(_MOST_AT_ONCE)
        self._work = Retrying(
            "the gateway has not been told yet", (GatewayAway, Refusal), longest_pause_s=LONGEST_PAUSE_S
        )
        self._clock_is_told = True

    async def resume(self) -> None:
        """Goes on with what was left untold when the simulator ended."""
        for tracking_number in await self._database.run(parcels_with_untold):
            self.tell(tracking_number)

    def tell(self, tracking_number: str) -> None:
        """Says that there is something new in the outbox about a parcel."""
        self._work.start(tracking_number, partial(self._tell_next, tracking_number))

    def tell_clock(self) -> None:
        """Says that the sandbox's time is another one now."""
        self._clock_is_told = False
        self._work.start(_CLOCK, self._tell_clock)

    async def told(self, tracking_number: str, timeout_s: float) -> bool:
        """Waits until the gateway has heard all there is about a parcel; False if it has not within
        `timeout_s`.
        """
        return await self._work.wait(tracking_number, timeout_s)

    async def clock_told(self, timeout_s: float) -> bool:
        """Waits until the gateway has the new time; False if it has not within `timeout_s`."""
        return await self._work.wait(_CLOCK, timeout_s)

    async def stop(self) -> None:
        """Ends all tasks; what is untold stays in the outbox."""
        await self._work.stop()

    async def _tell_next(self, tracking_number: str) -> bool:
        waiting = await self._database.run(lambda connection: next_untold(connection, tracking_number))
        if waiting is None:
            return False
        seq, message = waiting
        async with self._places:
            await self._make_sure_of_codes(tracking_number)
            await self._gateway.tell_status(message)
        now = self._clock.now()
        await self._database.run(lambda connection: mark_told(connection, tracking_number, seq, now))
        return True

    async def _make_sure_of_codes(self, tracking_number: str) -> None:
        """The gateway can hear of a shipment only once it knows it."""
        parcel = await self._database.run(lambda connection: find_parcel(connection, tracking_number))
        if parcel is not None:
            await make_sure_of_codes(self._database, self._gateway, parcel)

    async def _tell_clock(self) -> bool:
        if not self._clock_is_told:
            await self._gateway.set_clock(self._clock.now())
            self._clock_is_told = True
        return False
