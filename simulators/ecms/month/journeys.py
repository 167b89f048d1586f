"""What customers, sellers and clerks do: each item's way over the kiosk and the counter, and the tills' own account."""

import asyncio
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ...kiosk.kiosk import IdentifierType
from ...pos import Outcome, Result
from ...wire import format_amount, parse_amount
from .plan import STORE_OF, Fate, Item, Kind
from .stage import Counter, MonthFailed, Stage

_NOTE = 10_000  # The customer pays with whole hundreds.


@dataclass(slots=True)
class Deed:
    """One transaction as the till has it; `amount` is what was due, in centavos."""

    transaction_id: str
    store_id: str
    business_date: date
    type: str
    state: str
    amount: int
    tracking_number: str
    merchant_code: str


@dataclass(slots=True)
class Journey:
    """An item on its way. `expected` is how many events ECMS must have applied of kiosk and counter, by parcel;
    `unheard` are the parcels of which it has not been seen to have.
    """

    item: Item
    tracking_number: str = ""
    claim_code: str = ""
    return_code: str = ""
    booking_reference: str = ""
    amount_due: int = 0
    arrived: int | None = None
    undone: bool = False
    tried: bool = False
    claimed_on: int | None = None
    return_tracking: str = ""
    handed_in: bool = False
    expected: dict[str, int] = field(default_factory=dict)
    unheard: set[str] = field(default_factory=set)

    def expect(self, tracking_number: str) -> None:
        """One more event that ECMS will hear of."""
        self.expected[tracking_number] = self.expected.get(tracking_number, 0) + 1
        self.unheard.add(tracking_number)


class Counters:
    """The tills of the month and what they have done."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.deeds: list[Deed] = []
        self.refusals = 0

    async def visit(self, journey: Journey, state: str, day: int) -> None:
        """Whatever the item's people do on this day, where the parcel is in `state`."""
        item = journey.item
        if item.kind is Kind.RETURN:
            await self._bring_back(journey, day)
        elif state == "DELIVERED TO STORE":
            await self._at_store(journey, day)
        elif state == "DELIVERED TO STORE (to seller)" and item.fate is Fate.BACK_TO_SELLER:
            await self._sell(journey, item.home_store_id, "CLAIM", journey.claim_code, 0)
        elif state == "CLAIMED" and item.fate in _GIVEN_BACK and day > (journey.claimed_on or 0):
            await self._bring_back(journey, day)
        elif item.kind is Kind.DROP_OFF and state in ("CREATED/ CONFIRMED", "FOR DROP OFF"):
            await self._drop_off(journey, day)
        elif state == "FOR PULL OUT" and item.fate is Fate.UNCLAIMED:
            await self._come_too_late(journey)

    async def close_shifts(self, business_date: date) -> int:
        """Closes each till's shift of the day; how much cash the gateway says that they took.

        `MonthFailed` where the gateway's account differs from a till's.
        """
        closed = await asyncio.gather(*(self._close(each, business_date) for each in self._stage.counters.values()))
        return sum(closed)

    async def _close(self, counter: Counter, business_date: date) -> int:
        own = [d for d in self.deeds if (d.store_id, d.business_date) == (counter.store_id, business_date)]
        if not own:
            return 0
        cash = sum(deed.amount for deed in own if deed.state == "APPROVED")
        body = {
            "cashCounted": format_amount(cash),
            "transactions": [
                {
                    "transactionId": deed.transaction_id,
                    "type": deed.type,
                    "state": deed.state,
                    "amount": format_amount(deed.amount),
                }
                for deed in own
            ],
        }
        answer = await counter.wire.request("PUT", f"/pos/v1/shifts/{business_date}/9/1", json=body)
        told = answer.body or {}
        sums = told.get("sums", {})
        if answer.status != 200 or told.get("differences") or sums.get("till") != sums.get("ledger"):
            raise MonthFailed(f"store {counter.store_id}, {business_date}: the shift does not agree: {told}")
        if told["cashExpected"] != body["cashCounted"]:
            raise MonthFailed(f"store {counter.store_id}, {business_date}: the drawer does not agree: {told}")
        return cash

    async def _at_store(self, journey: Journey, day: int) -> None:
        item = journey.item
        if journey.arrived is None:
            journey.arrived = day
        if item.fate in _LEAVES or day - journey.arrived < item.linger or (journey.undone and not _again(item)):
            return
        if journey.undone is False and item.number % 10 == 0 and not journey.tried:
            await self._at_wrong_store(journey)
        sold = await self._claim(journey)
        if item.fate in (Fate.CLAIMED_AGAIN, Fate.CLAIM_UNDONE) and not journey.undone:
            await self._undo(journey, sold, journey.tracking_number)
            journey.undone = True
        else:
            journey.claimed_on = day

    async def _claim(self, journey: Journey) -> Deed:
        amount = journey.item.amount_centavos
        action = "COLLECT" if amount else "CLAIM"
        return await self._sell(journey, journey.item.store_id, action, journey.claim_code, amount)

    async def _at_wrong_store(self, journey: Journey) -> None:
        journey.tried = True
        other = next(store for store in STORE_OF.values() if store != journey.item.store_id)
        counter = self._stage.counters[other]
        async with counter.lock:
            found = await counter.till.lookup(journey.claim_code)
        self._refused(found, "wrong-store")

    async def _come_too_late(self, journey: Journey) -> None:
        if journey.tried:
            return
        journey.tried = True
        counter = self._stage.counters[journey.item.store_id]
        amount = journey.item.amount_centavos
        async with counter.lock:
            result = await counter.till.perform(
                "COLLECT" if amount else "CLAIM", journey.claim_code, journey.tracking_number, amount or None
            )
        self._refused(result, "pulled-out")

    def _refused(self, result: Result, code: str) -> None:
        if result.outcome is not Outcome.REFUSED or result.code != code:
            raise MonthFailed(f"instead of {code}: {result.outcome} {result.code}")
        self.refusals += 1

    async def _drop_off(self, journey: Journey, day: int) -> None:
        item = journey.item
        if item.fate is Fate.CANCELLED or journey.handed_in or day - item.day < item.linger % 2:
            return
        if not journey.tried:
            journey.tried = True
            if item.fate is Fate.NOT_BROUGHT and item.number % 2:
                return
            label = await self._stage.kiosk.label(journey.booking_reference)
            if not label.ok:
                raise MonthFailed(f"label of {journey.booking_reference}: {label.code} {label.body}")
            journey.expect(journey.tracking_number)
        if item.fate is Fate.NOT_BROUGHT:
            return
        if item.fate is Fate.FEE_DIFFERS:
            await self._bring_elsewhere(journey)
        store_id = item.home_store_id
        sold = await self._sell(journey, store_id, "DROP_OFF", journey.return_code, journey.amount_due)
        if item.fate is Fate.DROPPED_AGAIN and not journey.undone:
            await self._undo(journey, sold, journey.tracking_number)
            journey.undone = True
        else:
            journey.handed_in = True

    async def _bring_elsewhere(self, journey: Journey) -> None:
        item = journey.item
        counter = self._stage.counters[STORE_OF[item.zone]]
        async with counter.lock:
            result = await counter.till.drop_off(
                journey.return_code, journey.tracking_number, _tendered(journey.amount_due)
            )
        self._refused(result, "fee-differs")

    async def _bring_back(self, journey: Journey, day: int) -> None:
        item = journey.item
        if journey.handed_in or day <= item.day:
            return
        if not journey.return_tracking:
            kind: IdentifierType = "UID" if item.kind is Kind.RETURN else "ORDER_NUMBER"
            asked = await self._stage.kiosk.request_return(
                kind, item.merchant_reference, merchant_code=item.merchant_code
            )
            if not asked.ok:
                raise MonthFailed(f"return of {item.merchant_reference}: {asked.code} {asked.body}")
            journey.return_code, journey.return_tracking = asked.body["returnCode"], asked.body["trackingNumber"]
            journey.expect(journey.return_tracking)
        if item.fate is Fate.GIVEN_BACK_NEVER:
            return
        sold = await self._sell(
            journey, item.store_id, "ACCEPT_RETURN", journey.return_code, 0, parcel=journey.return_tracking
        )
        if item.fate is Fate.GIVEN_BACK_AGAIN and not journey.undone:
            await self._undo(journey, sold, journey.return_tracking)
            journey.undone = True
        else:
            journey.handed_in = True

    async def _sell(
        self, journey: Journey, store_id: str, action: str, code: str, amount: int, *, parcel: str = ""
    ) -> Deed:
        counter, number = self._stage.counters[store_id], parcel or journey.tracking_number
        async with counter.lock:
            found = await counter.till.lookup(code)
            if found.outcome is not Outcome.FOUND or found.body["action"] != action:
                raise MonthFailed(f"{action} of {number}: {found.outcome} {found.code} {dict(found.body)}")
            if parse_amount(found.body["amountDue"]) != amount:
                raise MonthFailed(f"{action} of {number}: {found.body['amountDue']} is due, not {amount} centavos")
            result = await counter.till.perform(action, code, number, _tendered(amount))
        if result.outcome is not Outcome.APPROVED or result.transaction_id is None:
            raise MonthFailed(f"{action} of {number}: {result.outcome} {result.code} {dict(result.body)}")
        journey.expect(number)
        deed = Deed(
            result.transaction_id,
            store_id,
            self._stage.now.date(),
            action,
            "APPROVED",
            amount,
            number,
            journey.item.merchant_code,
        )
        self.deeds.append(deed)
        return deed

    async def _undo(self, journey: Journey, deed: Deed, tracking_number: str) -> None:
        counter = self._stage.counters[deed.store_id]
        async with counter.lock:
            result = await counter.till.reverse(deed.transaction_id, "CLERK_VOID", parcel_in_hand=True)
        if result.outcome is not Outcome.REVERSED:
            raise MonthFailed(f"reversal of {tracking_number}: {result.outcome} {result.code}")
        deed.state = "REVERSED"
        journey.expect(tracking_number)


_GIVEN_BACK = frozenset({Fate.GIVEN_BACK, Fate.GIVEN_BACK_AGAIN, Fate.GIVEN_BACK_NEVER})
_LEAVES = frozenset({Fate.UNCLAIMED, Fate.BACK_TO_SELLER, Fate.LEFT_BY_SELLER})


def _again(item: Item) -> bool:
    return item.fate is not Fate.CLAIM_UNDONE


def _tendered(amount: int) -> int | None:
    return -(-amount // _NOTE) * _NOTE if amount else None


def heard(history: dict[str, Any]) -> int:
    """How many events of kiosk and counter ECMS has applied to a parcel."""
    return sum(event["applied"] and event["source"] in ("counter", "kiosk") for event in history["events"])
