"""ECMS's daily jobs: what each finds, and catching up with the clock.

A job that is due is run for the moment at which it was due, however far the clock has jumped meanwhile, and jobs that
were missed are run in their order: so the same scans and the same times give the same history, at any speed.
"""

import asyncio
import sqlite3
from datetime import datetime
from typing import TYPE_CHECKING

from ..wire import PHILIPPINE_TIME
from .flows import State, Trigger, moves, step_to
from .parcels import Parcel, select_parcels, take_step
from .schedule import STAY, Job, next_run, runs_between
from .settings import jobs_until, keep_jobs_until

if TYPE_CHECKING:
    from .simulator import Simulator

_GATEWAY_CLOCK_EVERY_S = 1.0

# What each job takes. `:at` is the moment for which it runs, in seconds of Unix time, `:day` its Philippine date.
_FINDS = {
    Job.PICK_UP: "WHERE state = 'CREATED/ CONFIRMED' AND flow = 'DC_PICKUP' AND created_at <= :at"
    " AND coalesce(substr(json_extract(details, '$.pickup_date'), 1, 10), '') <= :day",
    Job.PULL_OUT: "WHERE (state IN ('DELIVERED TO STORE', 'DELIVERED TO STORE (to seller)')"
    " AND store_since <= :at - :stay)"
    " OR (state IN ('RETURNED', 'DROPPED OFF') AND dropped_at <= :at)",
    Job.EXPIRY: "WHERE state IN ('CREATED/ CONFIRMED', 'FOR RETURN', 'FOR DROP OFF') AND expires_at <= :at",
    Job.DELIVERY: "WHERE state IN ('DELIVERED TO WAREHOUSE', 'DELIVERED TO WAREHOUSE (to seller)')"
    " AND received_at <= :at",
}
_REASONS = {Job.EXPIRY: "not brought in time"}

_ANYTHING = (
    "SELECT EXISTS (SELECT 1 FROM parcel WHERE"
    " (state IN ('DELIVERED TO STORE', 'DELIVERED TO STORE (to seller)') AND store_since IS NOT NULL)"
    " OR (state = 'CREATED/ CONFIRMED' AND (flow = 'DC_PICKUP' OR expires_at IS NOT NULL))"
    " OR state IN ('RETURNED', 'DROPPED OFF', 'FOR RETURN', 'FOR DROP OFF',"
    " 'DELIVERED TO WAREHOUSE', 'DELIVERED TO WAREHOUSE (to seller)'))"
)


def run_job(connection: sqlite3.Connection, job: Job, at: datetime) -> list[str]:
    """Runs a job for a moment; the tracking numbers of what it moved."""
    parameters = {
        "at": int(at.timestamp()),
        "day": at.astimezone(PHILIPPINE_TIME).date().isoformat(),
        "stay": int(STAY.total_seconds()),
    }
    found = select_parcels(connection, _FINDS[job] + " ORDER BY rowid", parameters)
    for parcel in found:
        _take(connection, parcel, job, at)
    return [parcel.tracking_number for parcel in found]


def _take(connection: sqlite3.Connection, parcel: Parcel, job: Job, at: datetime) -> None:
    if job is Job.EXPIRY:
        step = step_to(parcel.flow, parcel.state, State.CANCELLED, Trigger.EXPIRY)
    else:
        steps = moves(parcel.flow, parcel.state, regional=parcel.regional, home_regional=parcel.home_regional)
        step = next((step for step in steps if step.trigger is Trigger.ECMS_JOB), None)
    if step is None:
        raise RuntimeError(f"{parcel.tracking_number} is {parcel.state}, of which {job} knows nothing")
    take_step(connection, parcel, step, at, _REASONS.get(job))


def run_due(connection: sqlite3.Connection, now: datetime) -> list[str]:
    """Runs whatever has become due since it was last asked for; the tracking numbers of what was moved."""
    since = jobs_until(connection)
    moved: list[str] = []
    if since is not None:
        for at, job in runs_between(since, now):
            # Decades may have been skipped; once nothing is left that a job could move, none can change that.
            if not connection.execute(_ANYTHING).fetchone()[0]:
                break
            moved += run_job(connection, job, at)
    # A clock that was set back has its days before it once more.
    keep_jobs_until(connection, now)
    return moved


class JobRunner:
    """Runs jobs as the simulated clock passes them, and keeps the sandbox's gateway at the pace of a fast clock."""

    def __init__(self, simulator: "Simulator") -> None:
        self._simulator = simulator
        self._clock_was_set = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Goes on until `stop`."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ends it; what is not done yet is done after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def catch_up(self) -> int:
        """Runs what is due by now; how many parcels were moved. To be called when the clock was set."""
        self._clock_was_set.set()
        now = self._simulator.clock.now()
        moved = await self._simulator.database.run(lambda connection: run_due(connection, now))
        for tracking_number in moved:
            self._simulator.notifier.tell(tracking_number)
        return len(moved)

    async def _run(self) -> None:
        clock = self._simulator.clock
        while True:
            await self.catch_up()
            self._clock_was_set.clear()
            at, _ = next_run(clock.now())
            wait_s = (at - clock.now()).total_seconds() / clock.speed
            if self._simulator.config.sandbox and clock.speed != 1:
                # The gateway's clock of the sandbox is set, it does not run fast by itself.
                self._simulator.notifier.tell_clock()
                wait_s = min(wait_s, _GATEWAY_CLOCK_EVERY_S)
            try:
                await asyncio.wait_for(self._clock_was_set.wait(), max(wait_s, 0.001))
            except TimeoutError:
                continue
