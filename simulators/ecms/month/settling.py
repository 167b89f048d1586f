"""The month's settlements: made by the gateway, Friday by Friday, and compared with the tills' own account."""

from collections import Counter
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from ...wire import PHILIPPINE_TIME, parse_amount
from .days import Month
from .plan import DAYS
from .stage import MonthFailed

_REMITTED = "COLLECT"
_MORNING = time(6, 0)

Totals = dict[tuple[date, str], Counter[str]]
"""Centavos `payable` and `shippingFees` by Friday and merchant."""


def friday_of(business_date: date) -> date:
    """The Friday that settles a business date: its week ends on Wednesday, and is paid two days later."""
    return business_date + timedelta(days=(2 - business_date.weekday()) % 7 + 2)


def expected(month: Month, owed: dict[str, int]) -> Totals:
    """What is to be settled by the tills' own account; `owed` is what merchants owe for shipping, by parcel."""
    totals: Totals = {}
    for deed in month.counters.deeds:
        if deed.state != "APPROVED":
            continue
        counted = totals.setdefault((friday_of(deed.business_date), deed.merchant_code), Counter())
        if deed.type == _REMITTED:
            counted["payable"] += deed.amount
        counted["shippingFees"] += owed.get(deed.transaction_id, 0)
    return {key: counted for key, counted in totals.items() if any(counted.values())}


def fees_owed(month: Month, histories: list[dict[str, Any]]) -> dict[str, int]:
    """What merchants owe for shipping, by the transaction that makes it due: the claim, or the drop-off."""
    due = {history["trackingNumber"]: parse_amount(history["dueFromMerchant"]) for history in histories}
    kinds = {history["trackingNumber"]: history["kind"] for history in histories}
    by_kind = {"SHIPMENT": ("COLLECT", "CLAIM"), "DROP_OFF": ("DROP_OFF",), "RETURN": ()}
    return {
        deed.transaction_id: due[deed.tracking_number]
        for deed in month.counters.deeds
        if deed.state == "APPROVED" and deed.type in by_kind[kinds[deed.tracking_number]]
    }


async def settle(month: Month) -> Totals:
    """Makes the settlement of every Friday that has business dates of the month, on the last of them."""
    last = friday_of(month.first_day + timedelta(days=DAYS - 1))
    first = friday_of(month.first_day)
    await month.stage.move_to(datetime.combine(last, _MORNING, PHILIPPINE_TIME))
    totals: Totals = {}
    for week in range((last - first).days // 7 + 1):
        friday = first + timedelta(weeks=week)
        path = f"/admin/v1/settlements/{friday}"
        made = await month.stage.admin.request("POST", path)
        shown = await month.stage.admin.request("GET", path)
        if made.status != 200 or shown.status != 200 or shown.body is None:
            raise MonthFailed(f"the settlement of {friday}: {made.status} {made.code}, {shown.status} {shown.code}")
        own = {parcel["trackingNumber"] for parcel in await month.parcels()}
        for merchant in shown.body["merchants"]:
            lines = [line for line in merchant["lines"] if line["trackingNumber"] in own]
            _check_lines(friday, merchant, lines)
            if counted := _sums(lines):
                totals[friday, merchant["merchantCode"]] = counted
    return totals


def _check_lines(friday: date, merchant: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    for line in lines:
        if line["late"] or friday_of(date.fromisoformat(line["businessDate"])) != friday:
            raise MonthFailed(f"the settlement of {friday} has a line of another week: {line}")
    if len(lines) == len(merchant["lines"]):
        counted = _sums(lines)
        for name in ("payable", "shippingFees"):
            if _centavos(merchant[name]) != counted[name]:
                raise MonthFailed(f"{friday}, merchant {merchant['merchantCode']}: the lines do not add up to {name}")


def _sums(lines: list[dict[str, Any]]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for line in lines:
        counted["payable"] += _centavos(line["amount"])
        counted["shippingFees"] += _centavos(line["shippingFee"])
    return counted if any(counted.values()) else Counter()


def _centavos(text: str) -> int:
    """A settlement's amounts may be negative."""
    return int(Decimal(text) * 100)
