"""The audit of the month: ECMS's history, the tills' own account and the gateway's ledger, to the centavo."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ...wire import parse_amount
from .days import Month
from .settling import Totals, expected, fees_owed, settle

_AT_ONCE = 16
_PAID_BY = {"CLAIMED": "claim", "DROPPED OFF": "fee"}
_UNDONE_BY = {"CLAIM REVERSED": "claim", "DROP-OFF REVERSED": "fee"}


@dataclass
class Audit:
    """What was found; amounts are centavos. The month is good where `complaints` is empty."""

    ends: Counter[str] = field(default_factory=Counter)
    events: int = 0
    repeats: int = 0
    till_centavos: int = 0
    ledger_centavos: int = 0
    ecms_centavos: int = 0
    payable_centavos: int = 0
    fees_centavos: int = 0
    complaints: list[str] = field(default_factory=list)

    def sides(self) -> list[tuple[str, int]]:
        """Who has how much, in centavos."""
        return [
            ("the tills' own account", self.till_centavos),
            ("the gateway's ledger", self.ledger_centavos),
            ("ECMS's history", self.ecms_centavos),
            ("of it settled with merchants", self.payable_centavos),
            ("of it sellers' fees", self.ecms_centavos - self.payable_centavos),
            ("shipping fees that merchants owe", self.fees_centavos),
        ]

    def complain(self, text: str) -> None:
        """Something does not agree."""
        self.complaints.append(text)


async def audit(month: Month) -> Audit:
    """Compares everything. The ledger speaks through its closes of the shifts."""
    found = Audit(ledger_centavos=month.ledger_centavos)
    parcels = await month.parcels()
    histories = await _histories(month, parcels)
    for parcel, history in zip(parcels, histories, strict=True):
        look_at(found, parcel, history)
    compare_money(found, month, histories)
    settled, due = await settle(month), expected(month, fees_owed(month, histories))
    compare_settlements(found, settled, due)
    await _look_at_tasks(found, month)
    return found


async def _histories(month: Month, parcels: list[dict[str, Any]]) -> list[dict[str, Any]]:
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(number: str) -> dict[str, Any]:
        async with places:
            return await month.stage.history(number)

    return await asyncio.gather(*(one(parcel["trackingNumber"]) for parcel in parcels))


def look_at(found: Audit, parcel: dict[str, Any], history: dict[str, Any]) -> None:
    """Whether one parcel has ended, in good order."""
    number = parcel["trackingNumber"]
    found.ends[parcel["status"]] += 1
    found.events += len(history["events"])
    found.repeats += sum(not event["applied"] for event in history["events"])
    if not parcel["ended"]:
        found.complain(f"{number} has not ended: {parcel['flow']}, {parcel['state']}")
    if not parcel["told"]:
        found.complain(f"{number}: the gateway has not heard all of it")
    if parcel["flagged"]:
        flags = [event["flagged"] for event in history["events"] if "flagged" in event]
        found.complain(f"{number} is flagged: {', '.join(flags)}")
    for event in history["events"]:
        if "refused" in event:
            found.complain(f"{number}: {event['status']} was refused: {event['refused']}")


def cash_of(history: dict[str, Any]) -> int:
    """The centavos that ECMS believes were taken for a parcel and not given back."""
    taken: dict[str, int] = {}
    for event in history["events"]:
        if not event["applied"]:
            continue
        if (kind := _PAID_BY.get(event["status"])) is not None:
            payment = event.get("payment")
            taken[kind] = parse_amount(payment["amount"]) if payment else 0
        elif (kind := _UNDONE_BY.get(event["reason"] or "")) is not None:
            taken[kind] = 0
    return sum(taken.values())


def compare_money(found: Audit, month: Month, histories: list[dict[str, Any]]) -> None:
    """The cash of each parcel and of all of them, at the tills, in the ledger and at ECMS."""
    tills: Counter[str] = Counter()
    for deed in month.counters.deeds:
        if deed.state == "APPROVED":
            tills[deed.tracking_number] += deed.amount
    for history in histories:
        number = history["trackingNumber"]
        believed = cash_of(history)
        found.ecms_centavos += believed
        if believed != tills[number]:
            found.complain(f"{number}: ECMS has {believed} centavos, the tills {tills[number]}")
    found.till_centavos = sum(tills.values())
    if not found.till_centavos == found.ledger_centavos == found.ecms_centavos:
        sides = (found.till_centavos, found.ledger_centavos, found.ecms_centavos)
        found.complain("tills, ledger and ECMS differ: {} / {} / {} centavos".format(*sides))


def compare_settlements(found: Audit, settled: Totals, due: Totals) -> None:
    """What each Friday settles with each merchant, and what the tills' own account comes to."""
    for friday, merchant in sorted(settled.keys() | due.keys()):
        has, wanted = settled.get((friday, merchant), Counter()), due.get((friday, merchant), Counter())
        for name in ("payable", "shippingFees"):
            if has[name] != wanted[name]:
                found.complain(f"{friday}, merchant {merchant}: {name} {has[name]} centavos, due {wanted[name]}")
    found.payable_centavos = sum(counted["payable"] for counted in settled.values())
    found.fees_centavos = sum(counted["shippingFees"] for counted in settled.values())


async def _look_at_tasks(found: Audit, month: Month) -> None:
    answer = await month.stage.admin.request("GET", "/admin/v1/tasks")
    if answer.status != 200 or answer.body is None:
        found.complain(f"the work list: {answer.status}")
        return
    numbers = {journey.tracking_number for journey in month.journeys} | {j.return_tracking for j in month.journeys}
    for task in answer.body["tasks"]:
        if any(number and number in str(task) for number in numbers):
            found.complain(f"a task waits for a person: {task}")
