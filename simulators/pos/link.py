"""Whether the gateway can be reached, as far as the till knows from what it sent last."""

from collections.abc import Callable
from datetime import datetime

from ..wire import Clock
from .wirelog import Exchange


class Link:
    """A breaker: after `threshold` requests in a row without an answer the gateway is away, until one is answered.

    No answer and a 5xx count as a failure; every other answer shows that somebody decides there. `changed` is called
    when the state turns.
    """

    def __init__(self, clock: Clock, *, threshold: int = 2, changed: Callable[[], None] = lambda: None) -> None:
        self._clock = clock
        self._threshold = threshold
        self._failures = 0
        self._changed = changed
        self.away = False
        self.since: datetime = clock()

    @property
    def in_doubt(self) -> bool:
        """Whether the last request failed, and it is not known yet whether the gateway is away."""
        return self._failures > 0 and not self.away

    def watch(self, exchange: Exchange) -> None:
        """Takes note of how a request ended."""
        if exchange.status is not None and exchange.status < 500:
            self._failures = 0
            self._turn(away=False)
        else:
            self._failures += 1
            if self._failures >= self._threshold:
                self._turn(away=True)

    def _turn(self, *, away: bool) -> None:
        if self.away is not away:
            self.away, self.since = away, self._clock()
            self._changed()
