"""Parcels for the tills to sell: shipped, brought to their stores and pulled out again by ECMS, returned at kiosks."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from connect_simulators.ecmscontrol import ControlFailed, EcmsControl
from connect_simulators.journal import Journal
from connect_simulators.kiosk.kiosk import Kiosk
from connect_simulators.patience import Patience
from connect_simulators.wire import Answer, NoAnswer, WireClient, format_amount
from history.recording import Recorder, RecordingWire
from history.records import Parcel, digits

from torture.stage import MERCHANT

_AGAIN_AFTER_S = 0.3
_READY_AT_MOST = 15
_PULLED_OUT = 0.04
_PREPAID = 0.3
KIOSK_PATIENCE = Patience(timeout_s=3.0, first_wait_s=0.1, longest_wait_s=1.0, give_up_s=8.0)


@dataclass
class Supplies:
    """What waits at each store to be sold, and the record of all that was ever there."""

    recorder: Recorder
    merchant: WireClient
    control: EcmsControl
    rng: random.Random
    parcels: list[Parcel] = field(default_factory=list)
    waiting: dict[str, asyncio.Queue[Parcel]] = field(default_factory=dict)
    _orders: int = 0

    def known(self, reference: str) -> Parcel:
        """The parcel behind a reference."""
        return next(parcel for parcel in reversed(self.parcels) if parcel.reference == reference)

    def queue(self, store: str) -> asyncio.Queue[Parcel]:
        return self.waiting.setdefault(store, asyncio.Queue())

    async def keep_coming(self, store: str, closing: asyncio.Event) -> None:
        """Ships parcels to a store as they are sold, until it closes."""
        while not closing.is_set():
            if self.queue(store).qsize() >= _READY_AT_MOST:
                await asyncio.sleep(_AGAIN_AFTER_S / 3)
                continue
            parcel = await self._bring(store)
            if self.rng.random() < _PULLED_OUT:
                # It has been 7 days, and the clerk may just be holding it.
                await self._advance(parcel, "FOR PULL OUT")

    async def stock(self, store: str) -> None:
        """Brings a store what it begins with."""
        await asyncio.gather(*(self._bring(store) for _ in range(_READY_AT_MOST)))

    async def _bring(self, store: str) -> Parcel:
        parcel = await self._ship(store)
        await self._advance(parcel, "DELIVERED TO STORE")
        self.queue(store).put_nowait(parcel)
        return parcel

    async def _ship(self, store: str) -> Parcel:
        self._orders += 1
        amount = 0 if self.rng.random() < _PREPAID else self.rng.randint(1, 400_000)
        body = {
            "merchantCode": MERCHANT,
            "merchant": "Merchant A",
            "mobileNumber": "09123456789",
            "merchantReference": f"ORDER-{self._orders}",
            "deliveryLocationId": store,
            "shipping_weight": "0.5",
            "shipping_length": "12.3",
            "shipping_width": "12.3",
            "shipping_height": "12.3",
            "description": "item description",
            "amount": format_amount(amount),
            "paymentType": "COD" if amount else "PREPAID",
        }
        answer = await self._until_done("SHIP", str(body["merchantReference"]), "/ecms/api/v1/shipments", body)
        made = answer.body or {}
        kind = "PAY_AND_CLAIM" if amount else "CLAIM"
        parcel = Parcel(digits(made["claimCode"]), kind, made["trackingNumber"], store, amount)
        self.parcels.append(parcel)
        return parcel

    async def _until_done(self, action: str, subject: str, path: str, body: Mapping[str, object]) -> Answer:
        """The same request, sent until ECMS has done it."""
        while True:
            pending = self.recorder.begin("merchant", action, subject, "", body)
            answer = None
            try:
                answer = await self.merchant.request("POST", path, json=body)
            except NoAnswer:
                pass
            finally:
                pending.end(answer)
            if answer is not None and answer.status == 200:
                return answer
            await asyncio.sleep(_AGAIN_AFTER_S)

    async def _advance(self, parcel: Parcel, to: str) -> None:
        """ECMS moves the parcel; told to the gateway by the time that this is over, unless ECMS will not."""
        while True:
            content = {"status": to, "location": parcel.store}
            pending = self.recorder.begin("ecms", "STATUS", parcel.tracking_number, parcel.store or "", content)
            answer = None
            try:
                await self.control.advance(parcel.tracking_number, to)
                answer = Answer(204, {}, b"", None)
            except ControlFailed as failed:
                refused = ": 409 " in str(failed)
                answer = Answer(409, {}, b'{"code":"not-its-road"}', {"code": "not-its-road"}) if refused else None
            except TimeoutError:
                pass
            finally:
                pending.end(answer)
            if answer is not None:
                return
            await asyncio.sleep(_AGAIN_AFTER_S)

    async def returnable(self) -> str:
        """An identifier that may be returned."""
        self._orders += 1
        identifier = f"RET-{self._orders}"
        body = {"merchantCode": MERCHANT, "identifiers": [identifier], "validDays": 30}
        await self._until_done("SUBMIT", identifier, "/ecms/api/v1/returnIds", body)
        return identifier


class KioskPlayer:
    """A kiosk at which customers type identifiers, one after another; what got no answer is asked again later."""

    def __init__(self, wire: RecordingWire, *, store: str, supplies: Supplies, home: Path, rng: random.Random) -> None:
        self._kiosk = Kiosk(wire, Journal(home), KIOSK_PATIENCE)
        self._store = store
        self._supplies = supplies
        self._rng = rng
        self._unanswered: list[str] = []

    async def close(self) -> None:
        await self._kiosk.close()

    async def play(self, closing: asyncio.Event) -> None:
        """Serves customers until the store closes."""
        while not closing.is_set():
            again = self._unanswered and self._rng.random() < 0.5
            identifier = self._unanswered.pop(0) if again else await self._supplies.returnable()
            await self.dispense(identifier)
            if self._rng.random() < 0.2:
                # Another customer with the same identifier, or the same one once more.
                await self.dispense(identifier)
            await asyncio.sleep(self._rng.uniform(0.2, 1.0))

    async def settle(self) -> bool:
        """Asks again what got no answer; whether everything has one now."""
        for identifier in list(self._unanswered):
            self._unanswered.remove(identifier)
            await self.dispense(identifier)
        return not self._unanswered

    async def dispense(self, identifier: str) -> None:
        self._unanswered.append(identifier)
        result = await self._kiosk.request_return("UID", identifier, merchant_code=MERCHANT)
        if result.ok:
            self._unanswered.remove(identifier)
            self._found(identifier, dict(result.body))
        elif result.code in ("already-returned", "return-expired"):
            self._unanswered.remove(identifier)

    def _found(self, identifier: str, body: dict[str, str]) -> None:
        reference = digits(body["returnCode"])
        if all(parcel.reference != reference for parcel in self._supplies.parcels):
            expires_at = datetime.fromisoformat(body["expiresAt"])
            parcel = Parcel(reference, "RETURN", body["trackingNumber"], None, 0, expires_at, identifier)
            self._supplies.parcels.append(parcel)
            self._supplies.queue(self._store).put_nowait(parcel)
