"""How long a simulator tries: the time-out of an attempt, the waits between attempts, when it gives up."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from .wire import Answer, NoAnswer

_JITTER = random.SystemRandom()


@dataclass(frozen=True)
class Patience:
    """The limits of one exchange; the defaults are those that the READMEs of the till and the kiosk state."""

    timeout_s: float = 5.0
    first_wait_s: float = 0.5
    longest_wait_s: float = 4.0
    give_up_s: float = 30.0


@dataclass(frozen=True)
class Tried:
    """What came of an exchange: the answer that ended it, if one did, else the last one that did not."""

    answer: Answer | None
    unsettled: Answer | None
    attempts: int


async def try_until_settled(
    send: Callable[[], Awaitable[Answer]],
    settles: Callable[[Answer], bool],
    patience: Patience,
    *,
    left_s: float,
) -> Tried:
    """Sends the same request, at least once and until an answer settles it or `left_s` is over.

    Between attempts it waits with doubling back-off and up to a
    quarter of jitter, so that the tills of a chain do not all come back in the same instant; `Retry-After` is
    heeded, and where it lies beyond `left_s`, it gives up at once.
    """
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + left_s
    wait_s, attempts = patience.first_wait_s, 0
    unsettled: Answer | None = None
    while True:
        attempts += 1
        asked_for_s = 0.0
        try:
            answer = await send()
        except NoAnswer:
            pass
        else:
            if settles(answer):
                return Tried(answer, unsettled, attempts)
            unsettled = answer
            asked_for_s = retry_after_s(answer.headers)
        pause_s = max(wait_s * _JITTER.uniform(1.0, 1.25), asked_for_s)
        if loop.time() + pause_s >= deadline_s:
            return Tried(None, unsettled, attempts)
        await asyncio.sleep(pause_s)
        wait_s = min(wait_s * 2, patience.longest_wait_s)


def retry_after_s(headers: Mapping[str, str]) -> float:
    """The seconds that a server asks to be left alone; 0 where it says nothing, or says it as a date."""
    value = headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdigit() and len(value) <= 6 else 0.0
