"""Tills with their clerks: they sell, err, void, ask again, and keep a drawer of their own."""

import asyncio
import contextlib
import random
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from connect_simulators.journal import Journal
from connect_simulators.patience import Patience
from connect_simulators.pos.results import Outcome, Result
from connect_simulators.pos.till import StillOpen, Till, TillSettings
from connect_simulators.wire import NoAnswer, format_amount
from history.recording import RecordingWire
from history.records import Parcel, digits

from torture.supplies import Supplies

PATIENCE = Patience(timeout_s=2.5, first_wait_s=0.1, longest_wait_s=1.0, give_up_s=8.0)
"""A third of the specification's, so that a minute holds more than two customers who get no answer."""

_REVERSAL_GIVE_UP_S = 6.0
_WAITS_FOR_CUSTOMER_S = 1.0
_WRONG_LABEL = "100000000000000001"
_TYPE_OF_KIND = {"PAY_AND_CLAIM": "COLLECT", "CLAIM": "CLAIM", "RETURN": "ACCEPT_RETURN"}


@dataclass
class Line:
    """A transaction as the till itself has it, for its close."""

    type: str
    state: str
    amount: int


class TillPlayer:
    """One terminal of a store, whose parcels come from `supplies`."""

    def __init__(
        self,
        wire: RecordingWire,
        *,
        store: str,
        pos: int,
        today: date,
        supplies: Supplies,
        home: Path,
        rng: random.Random,
    ) -> None:
        self.store = store
        self.pos = pos
        self.today = today
        self.lines: dict[str, Line] = {}
        self._wire = wire
        self._supplies = supplies
        self._home = home
        self._rng = rng
        self._settings = TillSettings(
            pos=str(pos),
            business_date=today,
            patience=PATIENCE,
            reversal_give_up_s=_REVERSAL_GIVE_UP_S,
        )
        self._till = Till(wire, Journal(home), self._settings)
        self._standing: list[str] = []
        """Ids that were approved and that nobody has voided."""
        self._receipts: list[str] = []
        self._loose: set[str] = set()
        """Ids that were sent past the till's own book and must not stand in the end."""

    async def close(self) -> None:
        """Closes the till's journal and its connections."""
        await self._till.close()

    async def play(self, closing: asyncio.Event) -> None:
        """Serves customers until the store closes."""
        acts, weights = zip(*self._acts(), strict=True)
        while not closing.is_set():
            act = self._rng.choices(acts, weights)[0]
            with contextlib.suppress(StillOpen, NoAnswer):
                await act()
            await asyncio.sleep(self._rng.uniform(0.0, 0.1))

    def _acts(self) -> list[tuple[Callable[[], Awaitable[None]], int]]:
        return [
            (self._sell_next, 60),
            (self._err, 10),
            (self._void, 10),
            (self._ask_about, 8),
            (self._repeat, 6),
            (self._reverse_first, 4),
            (self._send_otherwise, 4),
            (self._reprint, 3),
            (self._resume, 8),
            (self._restart, 1),
        ]

    async def _sell_next(self) -> None:
        try:
            parcel = await asyncio.wait_for(self._supplies.queue(self.store).get(), _WAITS_FOR_CUSTOMER_S)
        except TimeoutError:
            return
        if self._rng.random() < 0.15:
            # Another terminal of the store has the same customer in front of it, or thinks so.
            self._supplies.queue(self.store).put_nowait(parcel)
        if self._rng.random() < 0.3:
            await self._till.lookup(parcel.reference)
        if parcel.kind == "PAY_AND_CLAIM":
            cash = parcel.amount + self._rng.choice((0, 5_000, 12_345))
            self._note(await self._till.collect(parcel.reference, parcel.tracking_number, cash))
        elif parcel.kind == "CLAIM":
            self._note(await self._till.claim(parcel.reference, parcel.tracking_number))
        else:
            self._note(await self._till.accept_return(parcel.reference))

    def _parcel_of(self, id_: str) -> Parcel:
        return self._supplies.known(digits(self._wire.sent[id_]["reference"]))

    def _note(self, result: Result) -> None:
        """What the clerk makes of an answer: it is the till's own word on its drawer and its shelf."""
        id_ = result.transaction_id
        if id_ is None or result.outcome not in (Outcome.APPROVED, Outcome.REVERSED):
            return
        parcel = self._parcel_of(id_)
        self.lines[id_] = Line(_TYPE_OF_KIND[parcel.kind], result.outcome.value, parcel.amount)
        if result.outcome is Outcome.APPROVED:
            self._standing.append(id_)
            receipt = result.body.get("receipt")
            if isinstance(receipt, Mapping):
                self._receipts.append(receipt["number"])
        else:
            # The parcel is on its shelf, and its customer comes again.
            self._supplies.queue(self.store).put_nowait(parcel)

    async def _err(self) -> None:
        """A wrong label, or too little cash: declined, and the customer stays."""
        with contextlib.suppress(asyncio.QueueEmpty):
            parcel = self._supplies.queue(self.store).get_nowait()
            self._supplies.queue(self.store).put_nowait(parcel)
            if parcel.kind == "PAY_AND_CLAIM":
                self._note(await self._till.collect(parcel.reference, parcel.tracking_number, parcel.amount - 1))
            else:
                self._note(await self._till.claim(parcel.reference, _WRONG_LABEL))

    async def _void(self) -> None:
        """The customer's mind has changed, with the parcel still on the counter."""
        if self._standing:
            id_ = self._standing.pop(self._rng.randrange(len(self._standing)))
            self._note(await self._till.reverse(id_, "CLERK_VOID", parcel_in_hand=True))

    async def _ask_about(self) -> None:
        if self._standing:
            await self._till.inquire(self._rng.choice(self._standing))

    async def _repeat(self) -> None:
        """The same request once more, long after its answer."""
        if self._standing:
            await self._put(id_ := self._rng.choice(self._standing), self._wire.sent[id_])

    async def _send_otherwise(self) -> None:
        """The same id with other content, as a till with a defect would."""
        if self._standing:
            id_ = self._rng.choice(self._standing)
            sent = self._wire.sent[id_]
            await self._put(id_, {**sent, "clerk": "somebody.else"})
            self._wire.sent[id_] = sent

    async def _reverse_first(self) -> None:
        """The reversal overtakes its transaction, or the transaction never left."""
        with contextlib.suppress(asyncio.QueueEmpty):
            parcel = self._supplies.queue(self.store).get_nowait()
            self._supplies.queue(self.store).put_nowait(parcel)
            id_ = str(uuid.uuid4())
            self._loose.add(id_)
            await self._undo(id_)
            await self._put(id_, self._body(parcel))

    def _body(self, parcel: Parcel) -> dict[str, Any]:
        type_ = _TYPE_OF_KIND[parcel.kind]
        cash = {"tender": "CASH", "amountTendered": format_amount(parcel.amount)} if type_ == "COLLECT" else {}
        return {
            "type": type_,
            "reference": parcel.reference,
            "pos": str(self.pos),
            "shift": self._settings.shift,
            "businessDate": self.today.isoformat(),
            "clerk": self._settings.clerk,
            "trackingNumber": parcel.tracking_number,
            **cash,
        }

    async def _put(self, id_: str, body: Mapping[str, Any]) -> None:
        await self._wire.ask("PUT", f"/pos/v1/transactions/{id_}", json=body)

    async def _undo(self, id_: str) -> bool:
        """Reverses an id past the till's book; whether that is certain now."""
        body = {"reason": "TIMEOUT", "parcelInHand": True}
        answer = await self._wire.ask("PUT", f"/pos/v1/transactions/{id_}/reversal", json=body)
        return answer is not None and answer.status == 200

    async def _reprint(self) -> None:
        if self._receipts:
            await self._wire.ask("POST", f"/pos/v1/receipts/{self._rng.choice(self._receipts)}/copies")

    async def _resume(self) -> None:
        """Settles what was left open, as a till does when it has a moment."""
        for result in await self._till.resume():
            self._note(result)

    async def _restart(self) -> None:
        """The till's program ends and starts again on its journal."""
        await self._till.close()
        self._till = Till(self._wire, Journal(self._home), self._settings)
        await self._resume()

    async def settle(self) -> bool:
        """Brings all to an end once nothing is broken any more; whether everything is settled."""
        await self._resume()
        for id_ in list(self._loose):
            if await self._undo(id_):
                self._loose.discard(id_)
                if id_ in self._wire.sent:
                    parcel = self._parcel_of(id_)
                    self.lines[id_] = Line(_TYPE_OF_KIND[parcel.kind], "REVERSED", parcel.amount)
        return not self._till.open_transactions and not self._loose

    async def repeat_all(self, at_most: int) -> None:
        """Sends many of the transactions once more, as they were."""
        for id_ in self._rng.sample(sorted(self.lines), min(at_most, len(self.lines))):
            if id_ in self._wire.sent:
                await self._put(id_, self._wire.sent[id_])

    async def close_shift(self) -> bool:
        """Counts the drawer and closes the shift; whether it was answered."""
        cash = sum(line.amount for line in self.lines.values() if (line.type, line.state) == ("COLLECT", "APPROVED"))
        body = {"cashCounted": format_amount(cash), "transactions": list(_lines(self.lines.items()))}
        path = f"/pos/v1/shifts/{self.today.isoformat()}/{self.pos}/{self._settings.shift}"
        answer = await self._wire.ask("PUT", path, json=body)
        return answer is not None and answer.status == 200


def _lines(lines: Iterable[tuple[str, Line]]) -> Iterable[dict[str, str]]:
    for id_, line in lines:
        yield {"transactionId": id_, "type": line.type, "state": line.state, "amount": format_amount(line.amount)}
