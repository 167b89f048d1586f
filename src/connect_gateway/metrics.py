"""What the gateway counts, for Prometheus. No reference, token or number ever stands in a label."""

import asyncio
import os
from bisect import bisect_left

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
_ENTER_WITHIN_S = 0.25
"""How far behind the page of another process may be with what this one has answered."""

SHARED_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""Where several processes behind one port keep what they count, so that each can show the sum."""


class Metrics:
    """One process's metrics, in a registry of their own; its page is that of all processes behind the port."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._shared = SHARED_DIRECTORY in os.environ
        self._entering: asyncio.TimerHandle | None = None
        self._requests = Counter(
            "connect_requests", "Requests answered", ["route", "method", "status"], registry=self._registry
        )
        self._answered: dict[tuple[str, str, int], list[int]] = {}
        self._taken: dict[tuple[str, str, int], float] = {}
        self._seconds = Histogram(
            "connect_request_seconds", "Time to answer", ["route"], buckets=_SECONDS, registry=self._registry
        )
        self._decided: dict[tuple[str, str], int] = {}
        self._outcomes = Counter(
            "connect_transactions", "Outcomes of transactions", ["type", "outcome"], registry=self._registry
        )
        self._delivered: dict[str, int] = {}
        self._delivery_counts = [0] * (len(_SECONDS) + 1)
        self._delivery_taken = 0.0
        self._deliveries = Counter("connect_deliveries", "Attempts to tell ECMS", ["result"], registry=self._registry)
        self._delivery_seconds = Histogram(
            "connect_delivery_seconds", "Time of an attempt", buckets=_SECONDS, registry=self._registry
        )
        # These are read from the database, which is the same for every process: the latest reading holds.
        self._events = Gauge(
            "connect_events",
            "Events that ECMS has not been told",
            ["state"],
            registry=self._registry,
            multiprocess_mode="mostrecent",
        )
        self._tasks = Gauge(
            "connect_open_tasks", "What waits for a person", registry=self._registry, multiprocess_mode="mostrecent"
        )
        self._ecms_away = Gauge(
            "connect_ecms_away", "1 while the breaker is open", registry=self._registry, multiprocess_mode="livemax"
        )

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered."""
        key = (route, method, status)
        counts = self._answered.get(key)
        if counts is None:
            counts = self._answered[key] = [0] * (len(_SECONDS) + 1)
            self._taken[key] = 0.0
        counts[bisect_left(_SECONDS, seconds)] += 1
        self._taken[key] += seconds
        self._enter_soon()

    def decided(self, type_: str, outcome: str) -> None:
        """A till's command has its outcome."""
        key = (type_, outcome)
        self._decided[key] = self._decided.get(key, 0) + 1

    def _enter_soon(self) -> None:
        if self._shared and self._entering is None:
            self._entering = asyncio.get_running_loop().call_later(_ENTER_WITHIN_S, self._enter)

    def _enter(self) -> None:
        """Enters what was counted since the last time where Prometheus's library keeps it.

        The library's own way, one observation after another, costs as much as a tenth of a request.
        """
        self._entering = None
        for (route, method, status), counts in self._answered.items():
            number = sum(counts)
            if number:
                self._requests.labels(route, method, str(status)).inc(number)
                _observe_all(self._seconds.labels(route), counts, self._taken[route, method, status])
                self._taken[route, method, status] = 0.0
        for (type_, outcome), number in self._decided.items():
            self._outcomes.labels(type_, outcome).inc(number)
        self._decided.clear()
        for result, number in self._delivered.items():
            self._deliveries.labels(result).inc(number)
        self._delivered.clear()
        _observe_all(self._delivery_seconds, self._delivery_counts, self._delivery_taken)
        self._delivery_taken = 0.0

    def delivered(self, result: str, seconds: float) -> None:
        """An attempt to tell ECMS ended: told, again, refused or away."""
        self._delivered[result] = self._delivered.get(result, 0) + 1
        self._delivery_counts[bisect_left(_SECONDS, seconds)] += 1
        self._delivery_taken += seconds
        self._enter_soon()

    def ecms_is_away(self, *, away: bool) -> None:
        """Whether this process's breaker is open."""
        self._ecms_away.set(int(away))

    def backlog(self, waiting: int, refused: int, open_tasks: int) -> None:
        """How the road to ECMS looks at this moment."""
        self._events.labels("waiting").set(waiting)
        self._events.labels("refused").set(refused)
        self._tasks.set(open_tasks)

    def page(self) -> bytes:
        """The page that Prometheus reads."""
        self._enter()
        if not self._shared:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def _observe_all(histogram: Histogram, counts: list[int], taken: float) -> None:
    """Adds what was counted for each bucket, and the sum of the times, and begins the counts anew."""
    if not any(counts):
        return
    for place, count in enumerate(counts):
        if count:
            histogram._buckets[place].inc(count)
            counts[place] = 0
    histogram._sum.inc(taken)
