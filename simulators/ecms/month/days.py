"""Thirty days, one after the other: merchants, trucks, warehouses, jobs, customers and the closing of shifts."""

import asyncio
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

from ...wire import PHILIPPINE_TIME, format_amount, parse_amount
from ..stores import STORES, Zone
from .journeys import Counters, Journey, heard
from .plan import DAYS, MERCHANT_DELIVERS, Fate, Item, Kind
from .stage import Stage

_TRUCKS, _MERCHANTS, _DC, _LATE, _DISPATCH, _CUSTOMERS, _CLOSE = (
    *(time(7, 0), time(10, 0), time(11, 0), time(13, 0)),
    *(time(14, 0), time(16, 0), time(21, 0)),
)
_HEARD_WITHIN_S = 60.0
_POLL_S = 0.05

Progress = Callable[[int, int, int], None]
"""Is told of the day, of how many parcels have ended, and how many there are or will be."""

# What each scanning round takes from where to where; the rest waits for a day or a person.
_MORNING_ROUNDS = {
    "FOR PULL OUT": ("PULLED OUT FROM STORE", "ON VEHICLE TO WAREHOUSE", "ARRIVED AT WAREHOUSE"),
    "FOR PULL OUT (left by seller)": ("PULLED OUT FROM STORE", "ON VEHICLE TO WAREHOUSE", "ARRIVED AT WAREHOUSE"),
    "FOR PULL OUT (in)": ("ON VEHICLE TO WAREHOUSE", "ARRIVED AT WAREHOUSE"),
    "RETURNED TO MERCHANT": ("ON VEHICLE TO MERCHANT", "ARRIVED AT MERCHANT"),
}
_DC_ROUNDS = {
    "ARRIVED AT WAREHOUSE": ("DELIVERED TO WAREHOUSE",),
    "ARRIVED AT WAREHOUSE (left by seller)": ("FOR RETURN TO MERCHANT",),
    "FOR RETURN TO MERCHANT": ("RETURNED TO MERCHANT",),
}
_TO_STORE = ("ON VEHICLE TO STORE", "ARRIVED AT STORE", "DELIVERED TO STORE")


class Month:
    """The month being played; `journeys` and `counters` hold what the audit compares."""

    def __init__(self, stage: Stage, plan: list[Item], progress: Progress) -> None:
        self.stage = stage
        self.journeys = [Journey(item) for item in plan]
        self.counters = Counters(stage)
        self.first_day: date = (stage.now + timedelta(days=1)).date()
        self.ledger_centavos = 0
        self._progress = progress
        self._of_parcel: dict[str, Journey] = {}

    async def play(self) -> None:
        """All days; `MonthFailed` as soon as something is not as it must be."""
        for day in range(DAYS):
            await self._at(day, _TRUCKS)
            await self._trucks(day)
            await self._at(day, _MERCHANTS)
            await self._merchants(day)
            await self._at(day, _DC)
            await self._warehouse(day)
            await self._at(day, _LATE)
            await self._late_deliveries(day)
            await self._at(day, _DISPATCH)
            await self._scan_each(dict.fromkeys(await self._in("FOR DELIVERY"), ("IN-TRANSIT",)))
            await self._at(day, _CUSTOMERS)
            await self._customers(day)
            await self._at(day, _CLOSE)
            self.ledger_centavos += await self.counters.close_shifts(self.stage.now.date())
            await self._tell(day)

    async def _tell(self, day: int) -> None:
        parcels = await self.parcels()
        waiting = sum(not journey.tracking_number and not journey.return_tracking for journey in self.journeys)
        self._progress(day + 1, sum(parcel["ended"] for parcel in parcels), len(parcels) + waiting)

    async def parcels(self) -> list[dict[str, Any]]:
        """The month's parcels as ECMS has them, returns of shipments among them."""
        return [parcel for parcel in await self.stage.parcels() if parcel["trackingNumber"] in self._of_parcel]

    async def _at(self, day: int, moment: time) -> None:
        when = datetime.combine(self.first_day + timedelta(days=day), moment, PHILIPPINE_TIME)
        await self.stage.move_to(when)

    async def _in(self, status: str) -> list[str]:
        found = await self.stage.parcels(f"status={status}")
        return [parcel["trackingNumber"] for parcel in found if parcel["trackingNumber"] in self._of_parcel]

    async def _scan_each(self, ways: dict[str, tuple[str, ...]]) -> None:
        """Takes each parcel along its own way, all of those that get the same scan at once."""
        for step in range(max(map(len, ways.values()), default=0)):
            rounds: dict[str, list[str]] = {}
            for number, way in ways.items():
                if step < len(way):
                    rounds.setdefault(way[step], []).append(number)
            for status, numbers in rounds.items():
                await self.stage.scan(numbers, status)
        await self.stage.settle()

    async def _trucks(self, day: int) -> None:
        today = self.first_day + timedelta(days=day)
        ways: dict[str, tuple[str, ...]] = {}
        for parcel in await self.parcels():
            number, state = parcel["trackingNumber"], parcel["state"]
            if parcel["ended"]:
                continue
            if state in _MORNING_ROUNDS:
                # What is brought to the merchant, and what customers come too late for, waits until the next round.
                journey = self._of_parcel[number]
                if state == "FOR PULL OUT" and journey.item.fate is Fate.UNCLAIMED and not journey.tried:
                    continue
                ways[number] = _MORNING_ROUNDS[state]
            elif state == "FOR PICK UP":
                rejected = self._of_parcel[number].item.fate is Fate.REJECTED
                ways[number] = ("REJECTED",) if rejected else ("ON VEHICLE TO WAREHOUSE", "ARRIVED AT WAREHOUSE")
            elif (way := _outward(parcel, today)) is not None:
                ways[number] = way
        await self._scan_each(ways)

    async def _warehouse(self, day: int) -> None:
        ways: dict[str, tuple[str, ...]] = {}
        for parcel in await self.parcels():
            number, state = parcel["trackingNumber"], parcel["state"]
            item = self._of_parcel[number].item
            if state in _DC_ROUNDS and not parcel["ended"]:
                ways[number] = _DC_ROUNDS[state]
            elif state == "ARRIVED AT WAREHOUSE (back)":
                to_seller = parcel["flow"] == "DROP_OFF_STORE"
                ways[number] = ("DELIVERED TO WAREHOUSE",) if to_seller else ("FOR RETURN TO MERCHANT",)
            elif _delivered_by_merchant(parcel, item, day) and not item.late:
                ways[number] = ("DELIVERED TO WAREHOUSE",)
        await self._scan_each(ways)

    async def _late_deliveries(self, day: int) -> None:
        """What comes after the cut-off goes out a day later."""
        ways: dict[str, tuple[str, ...]] = {
            parcel["trackingNumber"]: ("DELIVERED TO WAREHOUSE",)
            for parcel in await self.parcels()
            if _delivered_by_merchant(parcel, self._of_parcel[parcel["trackingNumber"]].item, day)
        }
        await self._scan_each(ways)

    async def _merchants(self, day: int) -> None:
        starting = [journey for journey in self.journeys if journey.item.day == day]
        await asyncio.gather(*(self._begin(journey) for journey in starting))
        cancelling = [
            journey
            for journey in self.journeys
            if (journey.item.fate is Fate.CANCELLED and journey.item.day == day)
            or (journey.item.fate is Fate.CANCELLED_LATE and journey.item.day + 3 == day)
        ]
        for journey in cancelling:
            body = {"trackingNumber": journey.tracking_number, "reason": "inventory status"}
            await self.stage.merchant(journey.item.merchant_code, "/ecms/api/v1/cancelShipments", body)

    async def _begin(self, journey: Journey) -> None:
        item = journey.item
        if item.kind is Kind.RETURN:
            body = {"merchantCode": item.merchant_code, "identifiers": [item.merchant_reference], "validDays": 30}
            await self.stage.merchant(item.merchant_code, "/ecms/api/v1/returnIds", body)
            return
        path = "/ecms/api/v1/shipments" if item.kind is Kind.SHIPMENT else "/ecms/api/v1/dropoff"
        answer = await self.stage.merchant(item.merchant_code, path, _request_for(item))
        journey.tracking_number = answer["trackingNumber"]
        journey.claim_code = answer["claimCode"] or ""
        if item.kind is Kind.DROP_OFF:
            journey.return_code, journey.booking_reference = answer["returnCode"], answer["bookingReference"]
            journey.amount_due = parse_amount(answer["amountDue"])
        self._of_parcel[journey.tracking_number] = journey

    async def _customers(self, day: int) -> None:
        state = {parcel["trackingNumber"]: parcel["state"] for parcel in await self.stage.parcels()}
        begun = [journey for journey in self.journeys if journey.item.day <= day]
        await asyncio.gather(*(self.counters.visit(each, state.get(each.tracking_number, ""), day) for each in begun))
        for journey in begun:
            if journey.return_tracking:
                self._of_parcel[journey.return_tracking] = journey
        await asyncio.gather(*(self._hear(number, each) for each in begun for number in each.unheard))
        for journey in begun:
            journey.unheard.clear()
        await self.stage.settle()

    async def _hear(self, number: str, journey: Journey) -> None:
        """Waits until ECMS has applied what kiosk and counter did; TimeoutError where it does not."""
        wanted = journey.expected[number]
        async with asyncio.timeout(_HEARD_WITHIN_S):
            while heard(await self.stage.history(number)) < wanted:
                await asyncio.sleep(_POLL_S)


def _outward(parcel: dict[str, Any], today: date) -> tuple[str, ...] | None:
    """The scans of this morning for a parcel on its way to a store or a door, or None."""
    state, leg = parcel["state"], parcel["state"].partition(" (")[0]
    to_door = parcel["flow"] == "DROP_OFF_DOOR"
    if leg not in ("IN-TRANSIT", "DELIVERED TO WAREHOUSE_REGIONAL", "IN-TRANSIT_REGIONAL"):
        return None
    zone = parcel["zone"] if "(" not in state else parcel["homeZone"]
    ready = None if to_door else datetime.fromisoformat(parcel["readyAt"]).date()
    if leg == "IN-TRANSIT" and zone != Zone.METRO_MANILA:
        return ("DELIVERED TO WAREHOUSE_REGIONAL",)
    if leg == "DELIVERED TO WAREHOUSE_REGIONAL":
        return ("IN-TRANSIT_REGIONAL",) if ready is None or today >= ready - timedelta(days=1) else None
    return _TO_STORE if ready is not None and today >= ready else None


def _delivered_by_merchant(parcel: dict[str, Any], item: Item, day: int) -> bool:
    return (
        parcel["state"] == "CREATED/ CONFIRMED"
        and parcel["flow"] == "MERCHANT_DELIVERY"
        and item.merchant_code == MERCHANT_DELIVERS
        and item.day < day
    )


def _request_for(item: Item) -> dict[str, Any]:
    request: dict[str, Any] = {
        "merchantCode": item.merchant_code,
        "merchant": f"Merchant {item.merchant_code}",
        "merchantReference": item.merchant_reference,
        "shipping_weight": "0.5",
        "shipping_length": "12.3",
        "shipping_width": "12.3",
        "shipping_height": "12.3",
        "description": "item description",
        "amount": format_amount(item.amount_centavos),
        "paymentType": "COD" if item.amount_centavos else "PREPAID",
    }
    if item.kind is Kind.SHIPMENT:
        return request | {"mobileNumber": "09123456789", "deliveryLocationId": item.store_id}
    door = item.fate is Fate.TO_A_DOOR
    to_door = {"address1": "1 Rizal Avenue", "city": STORES[item.store_id].city, "province": item.zone}
    return request | {
        "mobileNumber": item.seller,
        "dropoffLocationId": item.home_store_id,
        "shipmentPayor": item.payor,
        "deliveryType": "DOOR" if door else "STORE",
        "dest": to_door if door else {"deliveryLocationId": item.store_id},
    }
