"""A till: it writes down what it is about to do, does it, and brings whatever fails to one known end."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

from ..journal import Journal
from ..patience import Patience, Tried, try_until_settled
from ..wire import (
    PHILIPPINE_TIME,
    Answer,
    Clock,
    Credentials,
    NoAnswer,
    WireClient,
    format_amount,
    system_clock,
)
from . import crashpoints
from .book import Book, Entry
from .forwarding import reverses, transaction_path
from .offline import Offline, result_of_sale
from .results import NO_ANSWER, Outcome, Result, read_verdict, result_of
from .standin import StandIn

Reason = Literal["TIMEOUT", "CANCELLED", "CLERK_VOID"]

# An approval, and the refusals that the gateway stores: they say for good what became of the transaction.
_DECIDED = frozenset({201, 404, 409})
# These say that this attempt did nothing and that another would do nothing either. They do not say what
# became of an earlier attempt whose answer was lost, so a reversal has to settle the transaction.
_POINTLESS = frozenset({400, 403, 413, 422})
_OUTCOME_OF_STATE = {
    "APPROVED": Outcome.APPROVED,
    "DECLINED": Outcome.REFUSED,
    "REVERSED": Outcome.REVERSED,
}


class StillOpen(Exception):
    """The reference or the transaction has something open in the journal, which must be settled first."""

    def __init__(self, transaction_id: str) -> None:
        super().__init__(f"transaction {transaction_id} is not settled yet")
        self.transaction_id = transaction_id


@dataclass(frozen=True)
class TillSettings:
    """What a till is told when the clerk signs on.

    `business_date` is the Philippine date where it is None. `reversal_give_up_s` is how long the customer
    waits for a reversal; the journal keeps it for as long as it takes. A sale that may be made without a connection
    is tried for `stand_in_after_s` before it is.
    """

    pos: str = "1"
    shift: str = "1"
    clerk: str = "clerk01"
    business_date: date | None = None
    patience: Patience = field(default_factory=Patience)
    reversal_give_up_s: float = 15.0
    stand_in_after_s: float = 6.0


class Till:
    """One terminal of one store, at the gateway that `client` speaks to; amounts are whole centavos."""

    def __init__(
        self,
        client: WireClient,
        journal: Journal,
        settings: TillSettings,
        clock: Clock = system_clock,
        stand_in: StandIn | None = None,
    ) -> None:
        self._client = client
        self._journal = journal
        self._settings = settings
        self._clock = clock
        self._book = Book(journal, clock)
        self._offline = Offline(stand_in, self._book, clock)
        self._under_way: set[str] = set()

    @classmethod
    def open(
        cls,
        url: str,
        credentials: Credentials,
        state_dir: Path,
        settings: TillSettings | None = None,
        *,
        clock: Clock = system_clock,
        wait: bool = False,
    ) -> Self:
        """A till over the journal in `state_dir`; where another process has it: `wait`, or JournalInUse."""
        settings = settings or TillSettings(pos=credentials.pos or "1")
        client = WireClient(
            url, credentials.client_id, credentials.client_secret, timeout_s=settings.patience.timeout_s
        )
        return cls(client, Journal(state_dir, wait=wait), settings, clock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections and the journal; what is open stays in the journal."""
        await self._client.close()
        self._journal.close()

    @property
    def book(self) -> Book:
        """Everything that the journal says."""
        return self._book

    @property
    def settings(self) -> TillSettings:
        """What the till was told when the clerk signed on; the open shift of the journal goes before it."""
        return self._settings

    @settings.setter
    def settings(self, settings: TillSettings) -> None:
        self._settings = settings

    @property
    def open_transactions(self) -> list[str]:
        """The ids of what is not settled, the oldest first."""
        return [entry.transaction_id for entry in self._book.open_entries()]

    @property
    def last_transaction(self) -> str | None:
        """The transaction that this till dealt with last."""
        return self._book.last_transaction_id

    async def lookup(self, reference: str) -> Result:
        """What a scanned code is, what it costs and what to do next; the manifest's word while the gateway is away."""
        known = self._offline.lookup(reference)
        if known is not None and self._offline.away:
            return known
        left_s = None if known is None else self._settings.stand_in_after_s
        found = await self._ask(f"/pos/v1/references/{quote(reference, safe='')}", left_s=left_s)
        return known if known is not None and found.outcome is Outcome.UNKNOWN else found

    async def collect(
        self, reference: str, tracking_number: str, amount_tendered: int, *, transaction_id: str | None = None
    ) -> Result:
        """Takes cash for a parcel (COD) and releases it; `tracking_number` is the scanned label."""
        return await self.perform("COLLECT", reference, tracking_number, amount_tendered, transaction_id=transaction_id)

    async def claim(self, reference: str, tracking_number: str, *, transaction_id: str | None = None) -> Result:
        """Releases a parcel that was paid for beforehand."""
        return await self.perform("CLAIM", reference, tracking_number, transaction_id=transaction_id)

    async def pay(self, reference: str, amount_tendered: int, *, transaction_id: str | None = None) -> Result:
        """Takes cash for an order whose goods come another way."""
        return await self.perform("PAY", reference, None, amount_tendered, transaction_id=transaction_id)

    async def accept_return(
        self, reference: str, tracking_number: str | None = None, *, transaction_id: str | None = None
    ) -> Result:
        """Takes back a parcel for which the kiosk dispensed a return code."""
        return await self.perform("ACCEPT_RETURN", reference, tracking_number, transaction_id=transaction_id)

    async def drop_off(
        self,
        reference: str,
        tracking_number: str | None = None,
        amount_tendered: int | None = None,
        *,
        transaction_id: str | None = None,
    ) -> Result:
        """Takes a parcel that a customer sends, and the fee where there is one."""
        return await self.perform(
            "DROP_OFF", reference, tracking_number, amount_tendered, transaction_id=transaction_id
        )

    async def perform(
        self,
        kind: str,
        reference: str,
        tracking_number: str | None = None,
        amount_tendered: int | None = None,
        *,
        transaction_id: str | None = None,
    ) -> Result:
        """Does what a lookup's `action` names. The same `transaction_id` again: what became of it."""
        content: dict[str, Any] = {} if tracking_number is None else {"trackingNumber": tracking_number}
        if amount_tendered is not None:
            content |= {"tender": "CASH", "amountTendered": format_amount(amount_tendered)}
        return await self._transact(kind, reference, content, transaction_id or self._book.new_transaction_id())

    async def reverse(self, transaction_id: str, reason: Reason, *, parcel_in_hand: bool) -> Result:
        """Undoes a transaction: REVERSED, REFUSED (it stands) or UNKNOWN (the journal keeps the reversal)."""
        if transaction_id in self._under_way:
            raise StillOpen(transaction_id)
        waiting = self._book.queue.get(transaction_id)
        if waiting is not None:
            return self._offline.void(waiting, reason, parcel_in_hand=parcel_in_hand)
        entry = self._book.reversing(transaction_id, {"reason": reason, "parcelInHand": parcel_in_hand})
        return await self._watched(entry)

    async def inquire(self, transaction_id: str) -> Result:
        """What became of a transaction; asking changes nothing, and an unknown id settles nothing."""
        result = await self._ask(transaction_path(transaction_id))
        outcome = _OUTCOME_OF_STATE.get(result.body.get("state", ""), Outcome.UNKNOWN)
        if result.outcome is Outcome.FOUND:
            return replace(result, outcome=outcome, transaction_id=transaction_id)
        # "Unknown" may mean that the request is still under way: only the same PUT or a reversal settles it.
        unknown = Outcome.UNKNOWN if result.status == 404 else result.outcome
        return replace(result, outcome=unknown, transaction_id=transaction_id)

    async def receipt(self, number: str, *, as_text: bool = False) -> Result:
        """An acknowledgement receipt, looked at, not reprinted; as text, the paper is in `body["text"]`."""
        path = f"/pos/v1/receipts/{quote(number, safe='')}"
        if not as_text:
            return await self._ask(path)
        return await self._ask(path, accept="text/plain")

    async def resume(self) -> list[Result]:
        """Settles whatever an earlier failure or crash left open, the oldest first.

        A transaction younger than the give-up time is sent again with its id; an older one is inquired, and
        reversed where nothing came of it; a reversal is sent again.
        """
        return [
            await self._watched(entry)
            for entry in self._book.open_entries()
            if entry.transaction_id not in self._under_way
        ]

    async def copy(self, number: str) -> Result:
        """Prints a receipt again: the gateway counts and marks the copy. It is asked once, for each time counts.

        A stand-in receipt is printed again from the journal.
        """
        if (own := self._offline.copy(number)) is not None:
            return own
        path = f"/pos/v1/receipts/{quote(number, safe='')}/copies"
        try:
            answer = await self._client.request("POST", path)
        except NoAnswer:
            return Result(Outcome.UNKNOWN, code="no-answer", attempts=1)
        return result_of(answer, Outcome.FOUND if answer.status == 201 else Outcome.REFUSED)

    async def _transact(self, kind: str, reference: str, content: Mapping[str, Any], transaction_id: str) -> Result:
        known = self._book.sales.get(transaction_id)
        if known is not None and known.state != "OPEN":
            return result_of_sale(known)
        request = {"type": kind, "reference": reference, **self.place(), **content}
        if (why := await self._refused_while_away(request)) is not None:
            return self._offline.refusal(request, why)
        unsettled = self._book.open_for_reference(reference)
        if unsettled is not None:
            raise StillOpen(unsettled.transaction_id)
        return await self._watched(self._book.begin(transaction_id, request), fresh=True)

    def place(self) -> dict[str, str]:
        """Terminal, shift, business date and clerk: those of the open shift, else those of the settings."""
        settings, shift = self._settings, self._book.sales.shift
        if shift is not None:
            business_date = shift.business_date.isoformat()
            return {"pos": shift.pos, "shift": shift.number, "businessDate": business_date, "clerk": shift.clerk}
        today = settings.business_date or self._clock().astimezone(PHILIPPINE_TIME).date()
        place = {"pos": settings.pos, "shift": settings.shift, "businessDate": today.isoformat()}
        return {**place, "clerk": settings.clerk}

    async def _refused_while_away(self, request: dict[str, Any]) -> str | None:
        """Why the sale cannot be made now: there is no connection, and it may not be made without one."""
        if not self._offline.away or self._offline.may(request):
            return None
        # One question tells whether the connection is back; without it nothing would come of the sale itself.
        with contextlib.suppress(NoAnswer):
            await self._client.request("GET", f"/pos/v1/references/{quote(request['reference'], safe='')}")
        why = self._offline.offer(request)
        return why if self._offline.away and isinstance(why, str) else None

    async def _watched(self, entry: Entry, *, fresh: bool = False) -> Result:
        self._under_way.add(entry.transaction_id)
        try:
            return await self._settle(entry, fresh=fresh)
        finally:
            self._under_way.discard(entry.transaction_id)

    async def _settle(self, entry: Entry, *, fresh: bool) -> Result:
        if entry.reversal is not None:
            return await self._send_reversal(entry)
        assert entry.request is not None
        may_stand_in = fresh and self._offline.may(entry.request)
        if may_stand_in and self._offline.away and (sold := self._offline.sell(entry)) is not None:
            return sold
        tried = await self._send(entry, fresh=fresh, hurry=may_stand_in)
        if may_stand_in and tried.answer is None:
            if self._offline.away and (sold := self._offline.sell(entry)) is not None:
                return replace(sold, attempts=tried.attempts)
            # Somebody is there after all: the sale has the whole of its time.
            tried = await self._send(entry, fresh=fresh, hurry=False)
        if tried.answer is not None and tried.answer.status in _DECIDED:
            crashpoints.reach("put", "after-answer")
            self._book.answered(entry.transaction_id, tried.answer)
            outcome = Outcome.APPROVED if tried.answer.status == 201 else Outcome.REFUSED
            return result_of(tried.answer, outcome, transaction_id=entry.transaction_id, attempts=tried.attempts)
        found = await self._look_for(entry, tried.attempts + 1)
        if found is not None:
            return found
        # The till shows no verdict while it does not know, so the parcel is where it was before.
        self._book.reversing(entry.transaction_id, {"reason": "TIMEOUT", "parcelInHand": True})
        reversed_ = await self._send_reversal(entry)
        why = tried.answer or tried.unsettled
        return replace(
            reversed_,
            status=why.status if why else None,
            code=(why.code if why else None) or "no-answer",
            attempts=tried.attempts + 1 + reversed_.attempts,
        )

    async def _send(self, entry: Entry, *, fresh: bool, hurry: bool) -> Tried:
        patience, transaction_id = self._settings.patience, entry.transaction_id
        left_s = patience.give_up_s - self._book.age_s(entry)
        if not fresh and left_s <= 0:
            return Tried(None, None, 0)
        if hurry:
            left_s = min(left_s, self._settings.stand_in_after_s)
        crashpoints.reach("put", "before-send")
        return await try_until_settled(
            lambda: self._client.request("PUT", transaction_path(transaction_id), json=entry.request),
            lambda answer: _ends_sending(transaction_id, answer),
            patience,
            left_s=left_s,
        )

    async def _look_for(self, entry: Entry, attempts: int) -> Result | None:
        """Inquires once; the result if the gateway knows the transaction's fate."""
        try:
            answer = await self._client.request("GET", transaction_path(entry.transaction_id))
        except NoAnswer:
            return None
        body = answer.body or {}
        outcome = _OUTCOME_OF_STATE.get(body.get("state", ""))
        if answer.status != 200 or body.get("transactionId") != entry.transaction_id or outcome is None:
            return None
        self._book.answered(entry.transaction_id, answer)
        return result_of(answer, outcome, transaction_id=entry.transaction_id, attempts=attempts)

    async def _send_reversal(self, entry: Entry) -> Result:
        transaction_id, reversal = entry.transaction_id, entry.reversal
        assert reversal is not None
        refusable = reversal["reason"] != "TIMEOUT"
        crashpoints.reach("reversal", "before-send")
        tried = await try_until_settled(
            lambda: self._client.request("PUT", f"{transaction_path(transaction_id)}/reversal", json=reversal),
            lambda answer: reverses(transaction_id, answer) or (refusable and _refuses_reversal(answer)),
            self._settings.patience,
            left_s=self._settings.reversal_give_up_s,
        )
        if tried.answer is None:
            return self._unknown(transaction_id, tried)
        crashpoints.reach("reversal", "after-answer")
        if tried.answer.status == 200:
            self._book.reversed(transaction_id, tried.answer)
            outcome = Outcome.REVERSED
        else:
            self._book.reversal_refused(transaction_id, tried.answer)
            outcome = Outcome.REFUSED
        return result_of(tried.answer, outcome, transaction_id=transaction_id, attempts=tried.attempts)

    def _unknown(self, transaction_id: str, tried: Tried) -> Result:
        return Result(
            outcome=Outcome.UNKNOWN,
            transaction_id=transaction_id,
            status=tried.unsettled.status if tried.unsettled else None,
            code=(tried.unsettled.code if tried.unsettled else None) or "no-answer",
            verdict=NO_ANSWER,
            attempts=tried.attempts,
        )

    async def _ask(self, path: str, *, accept: str = "application/json", left_s: float | None = None) -> Result:
        """Sends a question, which may be repeated freely, for `left_s`, or as long as two attempts may take."""
        patience = self._settings.patience
        tried = await try_until_settled(
            lambda: self._client.request("GET", path, headers={"Accept": accept}),
            lambda answer: answer.status < 500,
            patience,
            left_s=2 * patience.timeout_s if left_s is None else left_s,
        )
        answer = tried.answer
        if answer is None or (answer.status == 200 and answer.body is None and accept == "application/json"):
            return replace(self._unknown("", tried), transaction_id=None)
        result = result_of(answer, Outcome.FOUND if answer.status == 200 else Outcome.REFUSED, attempts=tried.attempts)
        if accept == "text/plain" and answer.status == 200:
            return replace(result, receipt=None, body={"text": answer.raw.decode("utf-8", "replace")})
        return result


def _ends_sending(transaction_id: str, answer: Answer) -> bool:
    """Whether it is pointless to send the PUT again after this answer; what cannot be read ends nothing."""
    body = answer.body or {}
    if answer.status == 201:
        approved = body.get("transactionId") == transaction_id and body.get("state") == "APPROVED"
        return approved and read_verdict(body) is not None
    if answer.status in _DECIDED:
        return answer.code is not None and read_verdict(body) is not None
    return answer.status in _POINTLESS


def _refuses_reversal(answer: Answer) -> bool:
    return 400 <= answer.status < 500 and answer.status not in {401, 429} and answer.code is not None
