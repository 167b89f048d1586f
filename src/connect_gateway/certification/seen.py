"""All that is known of a played exercise, and an opinion on it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connect_gateway.certification.driving import Done
from connect_gateway.certification.exercises import Exercise
from connect_gateway.certification.figures import Figures
from connect_gateway.certification.jobs import SALES, Job, Parcel
from connect_gateway.certification.traffic import Exchange, Kind, Traffic


@dataclass(frozen=True, slots=True)
class Check:
    """One opinion. `passed` is None where the till gave nothing to look at; `found` says what was seen."""

    rules: tuple[str, ...]
    claim: str
    passed: bool | None
    found: str = ""

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        return {"rules": list(self.rules), "claim": self.claim, "passed": self.passed, "found": self.found}


@dataclass(frozen=True, slots=True)
class Seen:
    """An exercise once it has been played.

    `done` has the jobs' ends by their step; `ledger` the state of each transaction that the till named, as an
    inquiry gives it, None where the gateway does not know it.
    """

    exercise: Exercise
    figures: Figures
    parcel: Parcel
    traffic: Traffic
    done: Mapping[int, Done]
    ledger: Mapping[str, str | None]

    def jobs(self) -> Iterator[tuple[int, Job, Done]]:
        """The clerk's jobs that were done, with their steps and their ends."""
        for step, what in enumerate(self.exercise.steps):
            if isinstance(what, Job) and step in self.done:
                yield step, what, self.done[step]

    def job_of(self, exchange: Exchange) -> Job:
        """The job during which the till sent this request."""
        what = self.exercise.steps[exchange.step]
        if not isinstance(what, Job):
            # A till that does something by itself does it for the job before.
            what = next(job for step, job, _ in reversed(list(self.jobs())) if step < exchange.step)
        return what

    def is_a_sale(self, step: int) -> bool:
        """Whether the clerk sells at this step."""
        what = self.exercise.steps[step]
        return isinstance(what, Job) and what.action in SALES

    def of(self, transaction_id: str, *kinds: Kind) -> list[Exchange]:
        """The exchanges of these kinds over a transaction."""
        return [each for each in self.traffic.of(*kinds) if each.transaction_id == transaction_id]

    def puts(self) -> dict[str, list[Exchange]]:
        """For each transaction every time that the till sent it."""
        found: dict[str, list[Exchange]] = {}
        for exchange in self.traffic.of(Kind.TRANSACTION):
            found.setdefault(exchange.transaction_id or "", []).append(exchange)
        return found

    def told(self, transaction_id: str) -> list[tuple[Exchange, str]]:
        """Each time that the till was told the transaction's fate, and what it was."""
        over_it = self.of(transaction_id, Kind.TRANSACTION, Kind.INQUIRY, Kind.REVERSAL)
        return [(exchange, state) for exchange in over_it if (state := exchange.state_told()) is not None]


def short(transaction_id: str) -> str:
    """Enough of an id to tell it from the others."""
    return transaction_id[:8]
