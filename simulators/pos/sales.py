"""What the journal says of each transaction, of the shift and of its drawer."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from ..wire import format_amount, parse_amount

CASH_TYPES = frozenset({"COLLECT", "PAY", "DROP_OFF"})


@dataclass
class Sale:
    """One transaction as the till has it; amounts are centavos.

    `state` is OPEN until it is decided, then APPROVED, DECLINED or REVERSED; a sale that was made as a stand-in is
    APPROVED from then on, and `disputed` where the gateway met a conflict. `body` is the last answer that decided it.
    """

    transaction_id: str
    at: datetime
    request: dict[str, Any]
    state: str = "OPEN"
    body: dict[str, Any] = field(default_factory=dict)
    status: int | None = None
    stand_in: dict[str, Any] | None = None
    disputed: bool = False
    shown: bool = False
    copies: int = 0
    amount_due: int = 0
    change: int = 0
    receipt_number: str | None = None

    @property
    def type(self) -> str:
        """COLLECT, CLAIM, PAY, ACCEPT_RETURN or DROP_OFF."""
        return str(self.request.get("type", ""))

    @property
    def reference(self) -> str:
        """The code as it was scanned."""
        return str(self.request.get("reference", ""))

    @property
    def amount_tendered(self) -> int:
        """The cash that was handed over."""
        return _centavos(self.request.get("amountTendered"))

    @property
    def took_cash(self) -> int:
        """What the drawer has more for this sale."""
        return self.amount_due if self.state == "APPROVED" and self.type in CASH_TYPES else 0

    @property
    def shift_key(self) -> tuple[str, str, str]:
        """Business date, terminal and shift that it belongs to."""
        request = self.request
        return (str(request.get("businessDate")), str(request.get("pos")), str(request.get("shift")))

    def line(self) -> dict[str, str]:
        """The transaction in the list of a shift's close; a sale that nobody decided is no line."""
        amount = format_amount(self.amount_due)
        return {"transactionId": self.transaction_id, "type": self.type, "state": self.state, "amount": amount}


@dataclass
class ShiftState:
    """The shift that is open, and its drawer; amounts are centavos."""

    number: str
    business_date: date
    pos: str
    clerk: str
    opened_at: datetime
    float: int
    count: int = 0
    cash_in: int = 0
    cash_out: int = 0
    # Set once the drawer has been counted: the body of the close that the gateway is to have.
    closing: dict[str, Any] | None = None
    counted: int = 0

    @property
    def cash_expected(self) -> int:
        """What the whole drawer should hold."""
        return self.float + self.cash_in - self.cash_out

    @property
    def key(self) -> tuple[str, str, str]:
        """Business date, terminal and number."""
        return (self.business_date.isoformat(), self.pos, self.number)

    def as_json(self) -> dict[str, Any]:
        """For the status of the till."""
        return {
            "shift": self.number,
            "businessDate": self.business_date.isoformat(),
            "pos": self.pos,
            "clerk": self.clerk,
            "openedAt": self.opened_at.isoformat(timespec="seconds"),
            "float": format_amount(self.float),
            "count": self.count,
            "cashIn": format_amount(self.cash_in),
            "cashOut": format_amount(self.cash_out),
            "cashExpected": format_amount(self.cash_expected),
            "closing": self.closing is not None,
        }


class Sales:
    """Reads the journal's records one by one and keeps what they come to."""

    def __init__(self) -> None:
        self._sales: dict[str, Sale] = {}
        self._done: dict[str, str] = {}
        self.shift: ShiftState | None = None
        self.closing: list[ShiftState] = []
        self.last_shift: tuple[str, str, str] | None = None
        # The gateway's status and body for the last close.
        self.closed_with: tuple[int, dict[str, Any]] | None = None

    def get(self, transaction_id: str) -> Sale | None:
        """The transaction, if this till made it."""
        return self._sales.get(transaction_id)

    def all(self) -> list[Sale]:
        """Every transaction, the oldest first."""
        return list(self._sales.values())

    def of_shift(self, key: tuple[str, str, str]) -> list[Sale]:
        """The transactions of one shift, the oldest first."""
        return [sale for sale in self._sales.values() if sale.shift_key == key]

    def not_shown(self) -> list[Sale]:
        """What was decided without a person having seen it."""
        return [sale for sale in self._sales.values() if sale.state != "OPEN" and not sale.shown]

    def done_by(self, reference: str) -> Sale | None:
        """The approved transaction of this till over the reference, which was not reversed since."""
        transaction_id = self._done.get(digits(reference))
        return self._sales[transaction_id] if transaction_id is not None else None

    def apply(self, record: dict[str, Any]) -> None:
        """Takes one record in, in the order of the journal."""
        event, at = record["event"], datetime.fromisoformat(record["at"])
        if event.startswith("SHIFT_"):
            self._apply_to_shift(event, record, at)
            return
        transaction_id = record["transactionId"]
        if event == "BEGUN":
            self._sales[transaction_id] = Sale(transaction_id, at, record["request"])
        sale = self._sales.get(transaction_id)
        if sale is None:
            return
        before = sale.took_cash, sale.state
        _APPLY.get(event, _nothing)(sale, record)
        self._follow(sale, *before)

    def _follow(self, sale: Sale, cash_before: int, state_before: str) -> None:
        """Brings the drawer and the references up to date after a change of a transaction."""
        reference = digits(sale.reference)
        if sale.state == "APPROVED":
            self._done[reference] = sale.transaction_id
        elif self._done.get(reference) == sale.transaction_id:
            del self._done[reference]
        shift = self.shift
        if shift is None or shift.key != sale.shift_key:
            return
        moved = sale.took_cash - cash_before
        shift.cash_in += max(0, moved)
        shift.cash_out += max(0, -moved)
        if sale.state == "APPROVED" and state_before != "APPROVED":
            shift.count += 1

    def _apply_to_shift(self, event: str, record: dict[str, Any], at: datetime) -> None:
        if event == "SHIFT_OPENED":
            opened = record["shift"]
            self.shift = ShiftState(
                number=opened["shift"],
                business_date=date.fromisoformat(opened["businessDate"]),
                pos=opened["pos"],
                clerk=opened["clerk"],
                opened_at=at,
                float=parse_amount(opened["float"]),
            )
            self.last_shift = self.shift.key
            done = [sale for sale in self.of_shift(self.shift.key) if sale.state == "APPROVED"]
            self.shift.count, self.shift.cash_in = len(done), sum(sale.took_cash for sale in done)
        elif event == "SHIFT_CLOSING" and self.shift is not None:
            self.shift.closing = record["request"]
            self.shift.counted = parse_amount(record["counted"])
            self.closing.append(self.shift)
            self.shift = None
        elif event == "SHIFT_CLOSED" and self.closing:
            self.closing.pop(0)
            self.closed_with = record["status"], record["body"] or {}


def digits(reference: str) -> str:
    """A reference without hyphens and spaces."""
    return reference.replace("-", "").replace(" ", "")


def _answered(sale: Sale, record: dict[str, Any]) -> None:
    body = record["body"] or {}
    approved = record["status"] == 201 or (record["status"] == 200 and body.get("state") == "APPROVED")
    reversed_ = record["status"] == 200 and body.get("state") == "REVERSED"
    sale.state = "APPROVED" if approved else "REVERSED" if reversed_ else "DECLINED"
    sale.status, sale.body = record["status"], body
    if approved or reversed_:
        _take_amounts(sale, body)


def _stood_in(sale: Sale, record: dict[str, Any]) -> None:
    sale.state, sale.stand_in, sale.body = "APPROVED", record["standIn"], record["body"]
    _take_amounts(sale, sale.body)


def _forwarded(sale: Sale, record: dict[str, Any]) -> None:
    body = record["body"] or {}
    sale.disputed = body.get("state") == "DISPUTED"


def _voided(sale: Sale, record: dict[str, Any]) -> None:
    sale.state, sale.shown, sale.body = "REVERSED", False, record["body"]


def _reversed(sale: Sale, record: dict[str, Any]) -> None:
    body = record.get("body") or {}
    # A void of a stand-in sale was seen when it was made; what the gateway says to it later is no news.
    sale.shown = sale.shown and sale.state == "REVERSED"
    sale.state, sale.status, sale.body = "REVERSED", 200, body
    # Nobody has to decide any more whether it stands.
    sale.disputed = False
    if "amountDue" in body:
        sale.amount_due = _centavos(body["amountDue"])


def _shown(sale: Sale, _: dict[str, Any]) -> None:
    sale.shown = True


def _copied(sale: Sale, record: dict[str, Any]) -> None:
    sale.copies = record["copy"]


def _nothing(_sale: Sale, _record: dict[str, Any]) -> None:
    pass


_APPLY = {
    "ANSWERED": _answered,
    "STOOD_IN": _stood_in,
    "VOIDED": _voided,
    "FORWARDED": _forwarded,
    "REVERSED": _reversed,
    "SHOWN": _shown,
    "COPIED": _copied,
}


def _take_amounts(sale: Sale, body: dict[str, Any]) -> None:
    sale.amount_due, sale.change = _centavos(body.get("amountDue")), _centavos(body.get("change"))
    receipt = body.get("receipt")
    number = receipt.get("number") if isinstance(receipt, dict) else None
    sale.receipt_number = number if isinstance(number, str) else None


def _centavos(value: Any) -> int:
    """The centavos of an amount that somebody else sent; 0 where it is none."""
    try:
        return parse_amount(value) if isinstance(value, str) else 0
    except ValueError:
        return 0
