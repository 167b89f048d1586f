"""What the till says after a crash, or after an exchange that was left open: which sale was finished, which undone."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..wire import format_amount
from .book import Book
from .offline import result_of_sale
from .results import Outcome, Result
from .sales import Sale

_TEXTS = {
    "sale-finished": "Sale {reference} was finished: {display}",
    "sale-refused": "Sale {reference} was refused: {display}",
    "sale-reversed": "Sale {reference} was reversed: {display}",
    "sale-stood-in": "Sale {reference} was made without a connection: {display}",
    "sale-waiting": "Sale {reference} is not settled: hold cash and parcel. The till settles it by itself.",
}
_CODES = {
    Outcome.APPROVED: "sale-finished",
    Outcome.STOOD_IN: "sale-stood-in",
    Outcome.REFUSED: "sale-refused",
    Outcome.REVERSED: "sale-reversed",
    Outcome.UNKNOWN: "sale-waiting",
}


@dataclass(frozen=True)
class Notice:
    """One thing to say to the clerk: a stable code, what it is about, and an English sentence."""

    code: str
    params: dict[str, str]
    text: str
    result: Result

    def as_json(self) -> dict[str, Any]:
        """For the status, and for commands."""
        return {"code": self.code, "params": self.params, "text": self.text, "result": self.result.as_json()}


def notice_of(sale: Sale) -> Notice:
    """What is to be said of a transaction as it stands."""
    result = result_of_sale(sale)
    code = _CODES[result.outcome]
    display = result.verdict.display.replace("\n", ", ") if result.verdict else ""
    params = {
        "transactionId": sale.transaction_id,
        "type": sale.type,
        "reference": sale.reference,
        "amount": format_amount(sale.amount_due),
        "receiptNumber": sale.receipt_number or "",
        "display": display,
    }
    return Notice(code, params, _TEXTS[code].format(**params).rstrip(": "), result)


class Notices:
    """Everything that a clerk is still to be told, the oldest first; it is told until the clerk confirms it."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._about: dict[str, None] = {}

    def take_stock(self) -> None:
        """After a start: what is open, and what was decided in this shift without anybody having seen it."""
        self.add(entry.transaction_id for entry in self._book.open_entries())
        shift = self._book.sales.shift
        if shift is not None:
            self.add(sale.transaction_id for sale in self._book.sales.not_shown() if sale.shift_key == shift.key)

    def add(self, transaction_ids: Iterable[str]) -> None:
        """Has the clerk told what becomes of these."""
        self._about.update(dict.fromkeys(each for each in transaction_ids if self._book.sales.get(each)))

    def all(self) -> list[Notice]:
        """What is to be said now."""
        sales = [self._book.sales.get(transaction_id) for transaction_id in self._about]
        return [notice_of(sale) for sale in sales if sale is not None]

    def confirm(self) -> None:
        """The clerk has read them; what is not settled yet goes on being said."""
        for notice in self.all():
            if notice.result.outcome is not Outcome.UNKNOWN:
                self.seen(notice.params["transactionId"])

    def seen(self, transaction_id: str) -> None:
        """The clerk has seen what became of this one."""
        self._book.shown(transaction_id)
        sale = self._book.sales.get(transaction_id)
        if sale is not None and sale.state != "OPEN":
            self._about.pop(transaction_id, None)
