"""Stand-in sales and their voids: decided by `standin`, written down before anybody sees them, shown as results."""

from typing import Any

from ..wire import PHILIPPINE_TIME, Clock
from .book import Book, Entry
from .results import Outcome, Result, Verdict, read_receipt, read_verdict
from .sales import Sale
from .standin import VOIDED, WHY, Offer, StandIn, copy_lines, slip_lines
from .waiting import Waiting

_NOT_IN_HAND = Verdict("KEEP", "RELEASE", "PARCEL IS NOT HERE\nTHE SALE STANDS")


class Offline:
    """What the till does by itself while the gateway is away; `stand_in` is None at a till that may not."""

    def __init__(self, stand_in: StandIn | None, book: Book, clock: Clock) -> None:
        self._stand_in = stand_in
        self._book = book
        self._clock = clock

    @property
    def away(self) -> bool:
        """Whether the till has no connection and may stand in at all."""
        return self._stand_in is not None and self._stand_in.away

    def offer(self, request: dict[str, Any]) -> Offer | str:
        """What the sale comes to as a stand-in, or the code of the reason why it may not be made."""
        return "needs-connection" if self._stand_in is None else self._stand_in.offer(request, self._book)

    def may(self, request: dict[str, Any]) -> bool:
        """Whether the sale could be made without a connection."""
        return isinstance(self.offer(request), Offer)

    def lookup(self, reference: str) -> Result | None:
        """What the manifest knows of a code; None where it knows nothing or may not be relied on."""
        body = None if self._stand_in is None else self._stand_in.lookup(reference)
        return None if body is None else Result(Outcome.FOUND, body=body, stand_in=True)

    def refusal(self, request: dict[str, Any], why: str) -> Result:
        """The till's own refusal of a sale that was never begun."""
        parcel = "REFUSE" if request["type"] in {"ACCEPT_RETURN", "DROP_OFF"} else "HOLD"
        cash = "RETURN" if "tender" in request else "NONE"
        todo = f"{parcel} PARCEL" if cash == "NONE" else f"GIVE CASH BACK, {parcel} PARCEL"
        verdict = Verdict(cash, parcel, f"{WHY.get(why, 'NO CONNECTION: NOT ALLOWED')}\n{todo}")
        return Result(Outcome.REFUSED, code=why, verdict=verdict, stand_in=True)

    def sell(self, entry: Entry) -> Result | None:
        """Makes the sale on the strength of the manifest; None where it may not be made any more.

        The sale and its receipt are on the disk before this returns, so before either is shown.
        """
        assert entry.request is not None
        offer = self.offer(entry.request)
        if isinstance(offer, str) or self._stand_in is None:
            return None
        stand_in = self._stand_in.of_sale(offer, entry.request["pos"], self._book.queue.made)
        body = {"transactionId": entry.transaction_id} | self._stand_in.body(entry.request, offer, stand_in)
        self._book.stood_in(entry.transaction_id, entry.request | {"standIn": stand_in}, stand_in, body)
        sale = self._book.sales.get(entry.transaction_id)
        assert sale is not None
        return result_of_sale(sale)

    def void(self, waiting: Waiting, reason: str, *, parcel_in_hand: bool) -> Result:
        """Undoes a stand-in sale that the gateway does not know of yet; it will hear of both, in their order."""
        sale = self._book.sales.get(waiting.transaction_id)
        assert sale is not None
        if sale.state == "REVERSED":
            return result_of_sale(sale)
        if not parcel_in_hand:
            verdict = Verdict("KEEP" if sale.amount_due else "NONE", _NOT_IN_HAND.parcel, _NOT_IN_HAND.display)
            return Result(
                Outcome.REFUSED, sale.transaction_id, code="parcel-not-in-hand", verdict=verdict, stand_in=True
            )
        now = self._clock().astimezone(PHILIPPINE_TIME)
        receipt = {**sale.body["receipt"], "text": slip_lines(sale.body["receipt"]["text"], now)}
        body = {
            **sale.body,
            "state": "REVERSED",
            "reversedAt": now.isoformat(timespec="milliseconds"),
            "verdict": VOIDED["KEEP" if sale.amount_due else "NONE"].as_json(),
            "receipt": receipt,
        }
        # A void is a clerk's: TIMEOUT is for what was never shown, and this sale was.
        reversal = {"reason": "CANCELLED" if reason == "CANCELLED" else "CLERK_VOID", "parcelInHand": True}
        self._book.voided(waiting.transaction_id, reversal, body)
        return result_of_sale(sale)

    def copy(self, number: str) -> Result | None:
        """A stand-in receipt printed again from the journal; None where this till has made no such receipt."""
        made = (each for each in self._book.sales.all() if each.stand_in is not None)
        sale = next((each for each in made if each.receipt_number == number), None)
        if sale is None:
            return None
        self._book.copied(sale.transaction_id, sale.copies + 1)
        receipt = sale.body["receipt"]
        printed = {**receipt, "copy": sale.copies, "text": copy_lines(receipt["text"], sale.copies)}
        body = {"reference": sale.reference, **printed}
        return Result(Outcome.FOUND, sale.transaction_id, receipt=read_receipt(body), body=body, stand_in=True)


def result_of_sale(sale: Sale) -> Result:
    """What became of a transaction, as the journal has it."""
    outcome = {"APPROVED": Outcome.APPROVED, "DECLINED": Outcome.REFUSED, "REVERSED": Outcome.REVERSED}.get(
        sale.state, Outcome.UNKNOWN
    )
    if sale.stand_in is not None and outcome is Outcome.APPROVED:
        outcome = Outcome.STOOD_IN
    problem = sale.body.get("problem", {})
    return Result(
        outcome=outcome,
        transaction_id=sale.transaction_id,
        status=sale.status,
        code=sale.body.get("code") or problem.get("code"),
        verdict=read_verdict(sale.body),
        receipt=read_receipt(sale.body) if "receipt" in sale.body else None,
        body=sale.body,
        stand_in=sale.stand_in is not None,
    )
