"""A breaker: while ECMS is away, one probe at a time instead of everything at once."""

import random

OPEN_AFTER_FAILURES = 5
FIRST_PROBE_S = 0.5
LONGEST_PROBE_S = 4.0


class Breaker:
    """Closed: everything may go. Open: one probe, each after a pause that grows to at most LONGEST_PROBE_S."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._failures = 0
        self._probes = 0
        self._probing_since: float | None = None
        self._probe_at = 0.0

    @property
    def is_open(self) -> bool:
        return self._failures >= OPEN_AFTER_FAILURES

    def admitted(self, now: float, wanted: int) -> int:
        """How many may go now, of as many as are wanted. `now` is monotonic, in seconds."""
        if not self.is_open:
            return wanted
        if self._probing_since is not None or now < self._probe_at:
            return 0
        return min(wanted, 1)

    def probing(self, now: float) -> None:
        """What was admitted at `now` is on its way; while open, that is the one probe."""
        self._probing_since = now if self.is_open else None

    def seconds_to_probe(self, now: float) -> float:
        """How long until the next probe may go."""
        return max(0.0, self._probe_at - now)

    def succeeded(self) -> None:
        self._failures = self._probes = 0
        self._probing_since = None

    def failed(self, now: float, began: float) -> None:
        """An attempt that began at `began` got no answer; the next probe's pause is counted from there."""
        self._failures += 1
        if not self.is_open:
            return
        pause = min(FIRST_PROBE_S * 2.0**self._probes, LONGEST_PROBE_S)
        if self._probing_since is not None:
            if began < self._probing_since:
                # It was sent before the breaker opened, and says nothing of the probe.
                return
            self._probing_since = None
            self._probes = min(self._probes + 1, 10)
        self._probe_at = max(now, began + pause * self._rng.uniform(0.5, 1.0))
