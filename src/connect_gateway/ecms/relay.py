"""The relay: committed events to ECMS, at least once, in order for each parcel, for as long as it takes.

It leases the first waiting event of each parcel, sends it, and notes what became of it: told, to be tried again, or
refused and left to a person. A relay that dies loses its leases a little after its deliveries would have ended, and
another one sends again, which ECMS knows by the event id. Any number of relays may run, beside tills or in a process of
their own, which those that commit events wake through a pipe.
"""

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Sequence
from typing import Any, Protocol
from uuid import UUID

import structlog

from connect_gateway.clock import Clock
from connect_gateway.crashpoints import reach
from connect_gateway.domain.records import Event
from connect_gateway.ecms.breaker import Breaker
from connect_gateway.ecms.client import EcmsAnswer, EcmsClient
from connect_gateway.ecms.messages import status_body
from connect_gateway.ledger import events
from connect_gateway.ledger.database import FateUnknown, Pool, Unavailable
from connect_gateway.ledger.gather import Gatherer

_LEASE_MARGIN_MS = 2_000
"""By how much a lease outlasts the longest delivery."""

_LEASE_EVERY_S = 0.02
_NOTE_EVERY_S = 0.05
_NOTED_TOGETHER = 32
"""What ECMS has taken is noted so often, or when so many wait for it: nobody waits for the note, and it costs the
database four trips, however many it is about."""

_ROOM_PART = 4
"""Nothing is leased before a quarter of what may be under way is free."""

POLL_S = 1.0
FIRST_RETRY_MS = 250
LONGEST_RETRY_MS = 4_000
"""From the start of one attempt to the start of the next: while ECMS is away it is probed every 5 s at least."""

OVERDUE_ATTEMPTS = 10
_TRY_AGAIN = frozenset({408, 425, 429})

_log = structlog.get_logger("relay")


class RelayMetrics(Protocol):
    """Where the relay counts what it does."""

    def delivered(self, result: str, seconds: float) -> None: ...

    def ecms_is_away(self, *, away: bool) -> None: ...


def ring(descriptor: int) -> None:
    """Wakes the relay at the reading end of a pipe. A full one holds more than enough to wake it."""
    with contextlib.suppress(BlockingIOError):
        os.write(descriptor, b"!")


class Relay:
    """One process's relay; `wake` tells it that something was committed."""

    def __init__(
        self,
        pool: Pool,
        client: EcmsClient,
        clock: Clock,
        metrics: RelayMetrics,
        *,
        concurrency: int,
        delivery_timeout_s: float,
    ) -> None:
        self._pool = pool
        self._client = client
        self._clock = clock
        self._metrics = metrics
        self._concurrency = concurrency
        self._delivery_timeout_s = delivery_timeout_s
        self._lease_ms = int(delivery_timeout_s * 1000) + _LEASE_MARGIN_MS
        self._rng = random.Random()  # noqa: S311 - jitter is no secret
        self._breaker = Breaker(self._rng)
        self._awake = asyncio.Event()
        self._stopping = False
        self._deliveries: set[asyncio.Task[None]] = set()
        self._told: Gatherer[tuple[UUID, int], bool] = Gatherer(
            self._note_told,
            group_limit=512,
            waiting_limit=65_536,
            pause_s=_NOTE_EVERY_S,
            pause_until=_NOTED_TOGETHER,
        )

    def wake(self) -> None:
        """Something may have to be sent."""
        self._awake.set()

    def wake_by(self, descriptor: int) -> None:
        """From now on, whoever rings at the other end of this pipe wakes the relay."""
        loop = asyncio.get_running_loop()

        def rung() -> None:
            with contextlib.suppress(BlockingIOError):  # another relay at the same end was quicker
                if not os.read(descriptor, 65_536):
                    loop.remove_reader(descriptor)
            self.wake()

        os.set_blocking(descriptor, False)
        loop.add_reader(descriptor, rung)

    async def run(self) -> None:
        """Relays until `stop`; a database that goes away is waited for."""
        while not self._stopping:
            self._awake.clear()
            self._metrics.ecms_is_away(away=self._breaker.is_open)
            pause = POLL_S
            try:
                pause = await self._send_what_is_due()
            except (Unavailable, FateUnknown) as error:
                _log.warning("relay-waits-for-database", error=str(error))
            except Exception as error:  # noqa: BLE001 - whatever it was, the next look is worth taking
                _log.error("relay-stumbled", exc_info=error)
            if pause:
                await self._sleep(pause)

    async def stop(self) -> None:
        """Takes nothing new and waits for what is on its way."""
        self._stopping = True
        self.wake()
        if self._deliveries:
            await asyncio.wait(self._deliveries)
        await self._told.drain()

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._awake.wait()
        except TimeoutError:
            return

    async def _send_what_is_due(self) -> float:
        """Starts deliveries; returns for how long, at most, nothing more can be started (0: look again at once)."""
        now = time.monotonic()
        room = self._concurrency - len(self._deliveries)
        if room < self._concurrency // _ROOM_PART:
            # With a backlog each delivery that ends would fetch one event; a handful costs the database the same.
            return POLL_S
        admitted = self._breaker.admitted(now, room)
        if admitted <= 0:
            if self._breaker.is_open:
                return min(POLL_S, max(self._breaker.seconds_to_probe(now), 0.05))
            return POLL_S
        leased = await events.lease(self._pool, admitted, self._lease_ms)
        if leased:
            reach("relay", "after-lease")
            self._breaker.probing(now)
        for event, tried in leased:
            delivery = asyncio.create_task(self._deliver(event, tried))
            self._deliveries.add(delivery)
            delivery.add_done_callback(self._delivered)
        if len(leased) == admitted:
            return 0.0
        if leased:
            # What is committed in the next moment goes with the next lease: the counter has the database first.
            await asyncio.sleep(_LEASE_EVERY_S)
        return POLL_S

    def _delivered(self, delivery: asyncio.Task[None]) -> None:
        self._deliveries.discard(delivery)
        self.wake()
        if not delivery.cancelled() and delivery.exception() is not None:
            _log.error("delivery-failed", error=repr(delivery.exception()))

    async def _deliver(self, event: Event, tried: int) -> None:
        began = time.monotonic()
        result = "away"
        reach("relay", "before-send")
        try:
            async with asyncio.timeout(self._delivery_timeout_s):
                answer = await self._client.post(
                    "/ecms/api/v1/status", status_body(event), idempotency_key=str(event.event_id)
                )
        except Exception as error:  # noqa: BLE001 - whatever kept it from being answered, it is tried again
            self._breaker.failed(time.monotonic(), began)
            reach("relay", "after-failure")
            await self._try_again(event, tried, began, str(error) or type(error).__name__)
        else:
            self._breaker.succeeded()
            result = await self._settle(event, tried, began, answer)
        self._metrics.delivered(result, time.monotonic() - began)

    async def _settle(self, event: Event, tried: int, began: float, answer: EcmsAnswer) -> str:
        words = f"{answer.status} {answer.message}".strip()
        if answer.status == 200 and str(answer.body.get("errorCode")) == "200":
            reach("relay", "after-answer")
            await self._told.submit((event.event_id, tried))
            return "told"
        if 400 <= answer.status < 500 and answer.status not in _TRY_AGAIN:
            _log.error("ecms-refused-event", event_id=str(event.event_id), status=event.status, answer=words)
            reach("relay", "after-refusal")
            await events.note_refused(self._pool, event, words, self._clock.now())
            return "refused"
        await self._try_again(event, tried, began, words)
        return "again"

    async def _try_again(self, event: Event, tried: int, began: float, error: str) -> None:
        back_off = min(FIRST_RETRY_MS * 2 ** min(tried - 1, 10), LONGEST_RETRY_MS) * self._rng.uniform(0.5, 1.0)
        delay = max(0, int(back_off - (time.monotonic() - began) * 1000))
        _log.warning("ecms-try-again", event_id=str(event.event_id), attempts=tried, error=error)
        await events.note_retry(self._pool, event.event_id, delay, error)
        if tried >= OVERDUE_ATTEMPTS:
            # While its task is open this changes nothing; a person who sent it again in vain finds it again.
            await events.note_overdue(self._pool, event, error, self._clock.now())

    async def _note_told(self, told: list[tuple[UUID, int]]) -> Sequence[Any]:
        delayed = [event_id for event_id, tried in told if tried > 1]
        await events.note_told(self._pool, [event_id for event_id, _ in told], self._clock.now(), delayed=delayed)
        return [True] * len(told)
