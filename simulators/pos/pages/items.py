"""The parcels and bills of one customer's visit, as they are kept on disk between two scans."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, Self

from ...wire import parse_amount
from ..results import Result
from ..sales import Sale

_WITH_LABEL = frozenset({"COLLECT", "CLAIM"})
_CASH_IN = frozenset({"COLLECT", "PAY", "DROP_OFF"})


class Stage(StrEnum):
    """How far an item has come."""

    OPEN = "OPEN"  # scanned; nothing has been sent
    SENDING = "SENDING"  # the terminal is at it
    DONE = "DONE"  # approved, or sold while the gateway was away
    REFUSED = "REFUSED"
    REVERSED = "REVERSED"
    UNKNOWN = "UNKNOWN"  # neither cash nor parcel moves


_STAGE_OF_OUTCOME = {
    "APPROVED": Stage.DONE,
    "STOOD_IN": Stage.DONE,
    "REFUSED": Stage.REFUSED,
    "REVERSED": Stage.REVERSED,
    "UNKNOWN": Stage.UNKNOWN,
}
_STAGE_OF_STATE = {"APPROVED": Stage.DONE, "DECLINED": Stage.REFUSED, "REVERSED": Stage.REVERSED}


@dataclass
class Item:
    """One reference of the visit; `amount_due` is centavos, `action` is the transaction to send."""

    reference: str
    action: str
    kind: str
    merchant: str = ""
    merchant_reference: str = ""
    description: str = ""
    amount_due: int = 0
    label_hint: str = ""
    label: str | None = None
    stand_in: bool = False
    stage: Stage = Stage.OPEN
    transaction_id: str | None = None
    code: str | None = None
    cash: str = ""
    parcel: str = ""
    display: str = ""
    receipt_number: str | None = None

    @property
    def needs_label(self) -> bool:
        """Whether the parcel has still to be found and its label scanned."""
        return self.action in _WITH_LABEL and self.label is None

    @property
    def takes_cash(self) -> bool:
        """Whether the customer pays for it."""
        return self.action in _CASH_IN and self.amount_due > 0

    @property
    def settled(self) -> bool:
        """Whether the clerk knows for good what became of it."""
        return self.stage in {Stage.DONE, Stage.REFUSED, Stage.REVERSED}

    @classmethod
    def of_lookup(cls, body: Mapping[str, Any]) -> Self:
        """The item that a lookup's answer describes."""

        def text(name: str) -> str:
            value = body.get(name)
            return value if isinstance(value, str) else ""

        return cls(
            reference=text("reference"),
            action=text("action"),
            kind=text("kind"),
            merchant=text("merchant"),
            merchant_reference=text("merchantReference"),
            description=text("description"),
            amount_due=parse_amount(text("amountDue") or "0.00"),
            label_hint=text("labelHint"),
            stand_in=bool(body.get("standIn")),
        )

    def take(self, result: Result) -> None:
        """Notes what the terminal has made of it."""
        self.stage = _STAGE_OF_OUTCOME.get(result.outcome.value, Stage.UNKNOWN)
        self.transaction_id = result.transaction_id
        self.code = result.code
        self.stand_in = result.outcome.value == "STOOD_IN"
        if result.verdict is not None:
            self.cash, self.parcel, self.display = result.verdict.cash, result.verdict.parcel, result.verdict.display
        self.receipt_number = result.receipt.number if result.receipt else None

    def take_sale(self, sale: Sale) -> None:
        """Notes what has become of it since."""
        self.stage = _STAGE_OF_STATE.get(sale.state, self.stage)
        self.receipt_number = sale.receipt_number
        self.stand_in = sale.stand_in is not None


@dataclass
class Visit:
    """One customer at the counter: what was scanned, and the cash that was handed over for all of it."""

    items: list[Item] = field(default_factory=list)
    tendered: int | None = None
    finished: bool = False

    @property
    def due(self) -> int:
        """What the customer owes, in centavos."""
        return sum(item.amount_due for item in self.items if item.takes_cash)

    @property
    def next_without_label(self) -> Item | None:
        """The item whose label is to be scanned next."""
        return next((item for item in self.items if item.needs_label), None)

    @property
    def collected(self) -> int:
        """What was really taken, in centavos: what was refused or undone goes back."""
        return sum(item.amount_due for item in self.items if item.takes_cash and item.stage is Stage.DONE)

    @property
    def held(self) -> int:
        """What stays apart until it is known whether it was taken, in centavos."""
        return sum(item.amount_due for item in self.items if item.takes_cash and item.stage is Stage.UNKNOWN)

    @property
    def change(self) -> int:
        """What the customer gets back, in centavos, as far as it is known."""
        return (self.tendered or 0) - self.collected - self.held

    def find(self, reference: str) -> Item | None:
        """The item of this reference, however it is spelled."""
        wanted = reference.replace("-", "")
        return next((item for item in self.items if item.reference.replace("-", "") == wanted), None)

    def shares(self) -> list[int | None]:
        """The tender of each item in its order: exact, but for the last one that is paid for, which gets the rest."""
        paid = [index for index, item in enumerate(self.items) if item.takes_cash]
        rest = (self.tendered or 0) - self.due
        shares = [item.amount_due if item.takes_cash else None for item in self.items]
        if paid:
            shares[paid[-1]] = self.items[paid[-1]].amount_due + rest
        return shares

    def as_json(self) -> dict[str, Any]:
        """What is kept on disk."""
        return {"items": [asdict(item) for item in self.items], "tendered": self.tendered, "finished": self.finished}

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> Self:
        """What was kept; fields that this version does not know are left out."""
        known = {each.name for each in fields(Item)}
        items = []
        for each in kept["items"]:
            item = Item(**{name: value for name, value in each.items() if name in known})
            item.stage = Stage(item.stage)
            items.append(item)
        return cls(items, kept["tendered"], kept["finished"])
