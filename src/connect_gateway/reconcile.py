"""A business date's reconciliation: the three sides brought together, cured where that is sure, reported, kept."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from connect_gateway.clock import PHILIPPINE_TIME
from connect_gateway.domain.money import format_amount
from connect_gateway.domain.reconciliation import (
    LOOKED_AFTER,
    AtEcms,
    Break,
    Cure,
    Kind,
    Remedy,
    Sold,
    Sums,
    Told,
    compare_ecms,
    compare_shift,
    compare_told,
    expected_events,
)
from connect_gateway.domain.shifts import Sum
from connect_gateway.domain.states import CASH_TYPES, TransactionType
from connect_gateway.ecms.client import EcmsAway
from connect_gateway.ecms.history import History
from connect_gateway.edges.answers import format_time
from connect_gateway.edges.problems import dump
from connect_gateway.ledger import reconciliation
from connect_gateway.ledger.database import Pool
from connect_gateway.ledger.reconciliation import Account

MOST_LISTED = 5_000
"""Breaks that a report lists and the work list is given; beyond that it is one trouble and not many."""

_INQUIRIES_AT_ONCE = 8

SIDES = ("tills", "ledger", "told", "ecms")


@dataclass(slots=True)
class _Findings:
    """What has been found so far."""

    breaks: dict[tuple[Kind, str], Break] = field(default_factory=dict)
    cures: dict[UUID, Cure] = field(default_factory=dict)
    sums: dict[str, Sums] = field(default_factory=lambda: {side: Sums() for side in SIDES})
    stores: dict[UUID, str] = field(default_factory=dict)
    """Where each event that can be cured belongs."""
    closed: int = 0
    open: int = 0
    counted: int = 0
    ecms: str = "not-asked"

    def add(self, breaks: Iterable[Break]) -> None:
        for one in breaks:
            self.breaks.setdefault((one.kind, one.subject), one)


async def reconcile(
    pool: Pool,
    business_date: date,
    history: History | None,
    now: datetime,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Compares, cures, opens tasks, keeps the report and returns it. `progress` hears how many shifts are done."""
    found = _Findings()
    if history is not None:
        found.ecms = "inquired" if history.inquired else "file"
    is_over = business_date < now.astimezone(PHILIPPINE_TIME).date()
    async for accounts in reconciliation.accounts(pool, business_date):
        for account in accounts:
            _look_at_shift(found, account, is_over=is_over)
        await _look_at_events(found, pool, accounts, history)
        progress(found.closed + found.open)
    healed = await _cure(found, pool, now)
    breaks = sorted(found.breaks.values(), key=lambda one: (one.kind, one.store_id, one.subject))
    wanted = [(one.kind, one.subject, one.detail) for one in breaks[:MOST_LISTED] if one.kind not in LOOKED_AFTER]
    waiting = await reconciliation.keep_tasks(pool, business_date, wanted, now)
    report: dict[str, Any] = {"businessDate": business_date.isoformat(), "madeAt": format_time(now)}
    report |= _report(found, breaks, healed) | {"forPeople": waiting}
    await reconciliation.keep(pool, business_date, now, dump(report))
    return report


def _look_at_shift(found: _Findings, account: Account, *, is_over: bool) -> None:
    if account.close is None:
        found.open += 1
    else:
        found.closed += 1
        found.counted += account.close.cash_counted
        for type_, one in account.close.sums.items():
            found.sums["tills"].add(type_, one.amount, one.count)
    for sold in account.sold.values():
        if sold.stands and sold.line.type is not None:
            found.sums["ledger"].add(sold.line.type, sold.line.amount)
    if account.close is not None or is_over:
        found.add(compare_shift(account.place, account.sold, account.close, account.late))


async def _look_at_events(found: _Findings, pool: Pool, accounts: Sequence[Account], history: History | None) -> None:
    approved = [
        (account.place.store_id, sold)
        for account in accounts
        for sold in account.sold.values()
        if sold.receipt_number is not None and sold.tracking_number is not None
    ]
    stores = {sold.tracking_number: store_id for store_id, sold in approved if sold.tracking_number is not None}
    parcels = await reconciliation.events_of(pool, list(stores))
    told = {event.event_id: event for events in parcels.values() for event in events}
    for store_id, sold in approved:
        found.add(compare_told(store_id, sold, told))
        _add_standing(found, "told", store_id, sold, lambda event_id: event_id in told and _is_told(told[event_id]))
    if history is None or found.ecms == "unavailable":
        return
    try:
        answered = await _ask(history, parcels)
    except EcmsAway:
        found.ecms = "unavailable"
        return
    _look_at_ecms(found, stores, parcels, answered, inquired=history.inquired)
    applied = {one.event_id for deliveries in answered.values() for one in deliveries or [] if one.applied}
    for store_id, sold in approved:
        _add_standing(found, "ecms", store_id, sold, lambda event_id: str(event_id) in applied)


def _is_told(event: Told) -> bool:
    return event.state == "TOLD"


def _add_standing(found: _Findings, side: str, store_id: str, sold: Sold, has: Callable[[UUID], bool]) -> None:
    """Counts a transaction on a side that has heard of all that became of it, if it stands there."""
    expected = expected_events(store_id, sold)
    if sold.line.type is not None and expected and has(expected[0]) and not (len(expected) > 1 and has(expected[1])):
        found.sums[side].add(sold.line.type, sold.line.amount)


async def _ask(history: History, parcels: Iterable[str]) -> dict[str, list[AtEcms] | None]:
    turns = asyncio.Semaphore(_INQUIRIES_AT_ONCE)

    async def ask(tracking_number: str) -> tuple[str, list[AtEcms] | None]:
        async with turns:
            return tracking_number, await history.of(tracking_number)

    return dict(await asyncio.gather(*(ask(parcel) for parcel in parcels)))


def _look_at_ecms(
    found: _Findings,
    stores: Mapping[str, str],
    parcels: Mapping[str, list[Told]],
    answered: Mapping[str, list[AtEcms] | None],
    *,
    inquired: bool,
) -> None:
    for parcel, events in parcels.items():
        deliveries = answered[parcel]
        # Of a parcel that ECMS does not know at all nothing is sure: it would refuse its events for good.
        sure = inquired and deliveries is not None
        breaks, cures = compare_ecms(stores[parcel], events, deliveries or [], inquired=sure)
        found.add(breaks)
        for cure in cures:
            found.cures[cure.event.event_id] = cure
            found.stores[cure.event.event_id] = stores[parcel]


async def _cure(found: _Findings, pool: Pool, now: datetime) -> list[dict[str, str]]:
    healed = []
    first: dict[str, Told] = {}
    for cure in found.cures.values():
        event = cure.event
        if cure.remedy is Remedy.NOTE_TOLD:
            await reconciliation.note_told(pool, event, now)
            healed.append({"remedy": cure.remedy, "subject": str(event.event_id), "detail": "ECMS has it already"})
            for kind in LOOKED_AFTER:
                found.breaks.pop((kind, str(event.event_id)), None)
        elif event.tracking_number not in first or event.sequence < first[event.tracking_number].sequence:
            first[event.tracking_number] = event
    for event in first.values():
        detail = f"ECMS was told event {event.sequence} of {event.tracking_number}, and does not have it"
        if await reconciliation.send_again(pool, event):
            healed.append({"remedy": Remedy.SEND_AGAIN, "subject": str(event.event_id), "detail": detail})
        else:
            store_id = found.stores[event.event_id]
            found.add([Break(Kind.MISSING_AT_ECMS, str(event.event_id), store_id, detail)])
    return healed


def _report(found: _Findings, breaks: Sequence[Break], healed: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    by_kind: dict[str, int] = {}
    for one in breaks:
        by_kind[one.kind] = by_kind.get(one.kind, 0) + 1
    ledger = found.sums["ledger"].by_type
    return {
        "ecms": found.ecms,
        "shifts": {"closed": found.closed, "open": found.open},
        "cash": {
            "counted": format_amount(found.counted),
            "ledger": format_amount(sum(ledger[type_].amount for type_ in CASH_TYPES if type_ in ledger)),
        },
        "sums": {side: _sums(found, side) for side in SIDES},
        "breaks": by_kind,
        "healed": list(healed[:MOST_LISTED]),
        "listed": [
            {"break": one.kind, "subject": one.subject, "store": one.store_id, "detail": one.detail}
            for one in breaks[:MOST_LISTED]
        ],
    }


def _sums(found: _Findings, side: str) -> dict[str, Any] | None:
    if side == "ecms" and found.ecms in ("not-asked", "unavailable"):
        return None
    sums: dict[TransactionType, Sum] = found.sums[side].by_type
    return {type_: {"count": one.count, "amount": format_amount(one.amount)} for type_, one in sorted(sums.items())}
