"""Scans and ECMS's own jobs, made by hand: one step of the table for one parcel or for many."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .flows import Step, Trigger, moves, route
from .messages import Refusal, ScanRequest
from .parcels import Parcel, find_parcel, known_parcel, take_step
from .simulator import Simulator

_REJECTION = "Item was not handed over."


@dataclass(frozen=True, slots=True)
class ScanOutcome:
    """What became of one parcel: its status now, and why the scan was refused, if it was."""

    tracking_number: str
    status: str | None
    refused: str | None

    def show(self) -> dict[str, Any]:
        """As JSON."""
        return {"trackingNumber": self.tracking_number, "status": self.status, "refused": self.refused}


async def scan(simulator: Simulator, request: ScanRequest) -> list[ScanOutcome]:
    """Makes the scan for each parcel alone: one that is refused does not keep the others back."""
    now = simulator.clock.now()
    outcomes = await simulator.database.run(
        lambda connection: [scan_one(connection, number, request, now) for number in request.numbers]
    )
    for outcome in outcomes:
        if outcome.refused is None:
            simulator.notifier.tell(outcome.tracking_number)
    return outcomes


def scan_one(connection: sqlite3.Connection, tracking_number: str, request: ScanRequest, now: datetime) -> ScanOutcome:
    """Takes the one step that the table has for this parcel, status and trigger."""
    parcel = find_parcel(connection, tracking_number)
    if parcel is None:
        return ScanOutcome(tracking_number, None, "no parcel has this number")
    try:
        step = step_of_scan(parcel, request.status, request.trigger)
    except Refusal as refusal:
        return ScanOutcome(tracking_number, parcel.state.status, refusal.message)
    reason = request.reason or (_REJECTION if step.target.status == "REJECTED" else None)
    take_step(connection, parcel, step, now, reason)
    return ScanOutcome(tracking_number, step.target.status, None)


def step_of_scan(parcel: Parcel, status: str, trigger: Trigger | None) -> Step:
    """The row of the table; `Refusal` 409 that says what is possible, where there is none."""
    possible = moves(parcel.flow, parcel.state, regional=parcel.regional, home_regional=parcel.home_regional)
    for step in possible:
        if step.target.status == status and trigger in (None, step.trigger):
            return step
    told = ", ".join(f"{step.target.status} by {step.trigger}" for step in possible) or "nothing by scanning"
    by = f" by {trigger}" if trigger is not None else ""
    raise Refusal(409, f"{status}{by} does not follow {parcel.state.status} in {parcel.flow}; possible: {told}.")


def advance(connection: sqlite3.Connection, tracking_number: str, status: str, now: datetime) -> None:
    """Takes a parcel through every step of ECMS's own up to `status`; already there, it stays."""
    parcel = known_parcel(connection, tracking_number)
    steps = route(parcel.flow, parcel.state, status, regional=parcel.regional, home_regional=parcel.home_regional)
    if steps is None:
        raise Refusal(409, f"to: no step of ECMS's own leads from {parcel.state.status} there.")
    for step in steps:
        take_step(connection, parcel, step, now, _REJECTION if step.target.status == "REJECTED" else None)
