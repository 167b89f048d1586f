"""The stand-in sales that the gateway has not been told of, in their order, and what conflicts came of telling it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..wire import format_amount, parse_amount
from .results import read_code, read_verdict


@dataclass
class Waiting:
    """A stand-in sale on its way: `request` is the PUT as it is forwarded, amounts are centavos.

    `reversal` is the body of the reversal that follows where the clerk voided it meanwhile; `told` says that the PUT
    has been answered. `refused` is the code with which the gateway would not take it: it is sent again all the same.
    """

    transaction_id: str
    at: datetime
    request: dict[str, Any]
    amount: int
    receipt_number: str
    reversal: dict[str, Any] | None = None
    told: bool = False
    refused: str | None = None


@dataclass
class Conflict:
    """Something about a stand-in sale that a person has to look at."""

    transaction_id: str
    reference: str
    receipt_number: str
    amount: int
    code: str
    display: str
    at: datetime

    def as_json(self) -> dict[str, str]:
        """For the status of the till."""
        return {
            "transactionId": self.transaction_id,
            "reference": self.reference,
            "receiptNumber": self.receipt_number,
            "amount": format_amount(self.amount),
            "code": self.code,
            "display": self.display,
            "at": self.at.isoformat(timespec="seconds"),
        }


class Queue:
    """Reads the journal's records one by one and keeps what they come to."""

    def __init__(self) -> None:
        self._waiting: dict[str, Waiting] = {}
        self._conflicts: dict[str, Conflict] = {}
        self.made = 0
        """How many stand-in sales this journal has ever had: the count of their receipts."""

    def get(self, transaction_id: str) -> Waiting | None:
        """The stand-in sale, if the gateway does not know everything of it yet."""
        return self._waiting.get(transaction_id)

    def waiting(self) -> list[Waiting]:
        """Everything that is to be forwarded, in the order in which it happened."""
        return list(self._waiting.values())

    def conflicts(self) -> list[Conflict]:
        """What no person has seen yet, the oldest first."""
        return list(self._conflicts.values())

    @property
    def count(self) -> int:
        """How many sales count against the manifest's limit."""
        return sum(1 for each in self._waiting.values() if not each.told)

    @property
    def total(self) -> int:
        """The cash taken for them, in centavos; what was voided is back with its customer."""
        return sum(each.amount for each in self._waiting.values() if not each.told and each.reversal is None)

    def apply(self, record: dict[str, Any]) -> None:
        """Takes one record in, in the order of the journal."""
        event = record["event"]
        if event == "STOOD_IN":
            self._made(record)
        elif event == "CONFLICT_SEEN":
            self._conflicts.pop(record["transactionId"], None)
        elif waiting := self._waiting.get(record.get("transactionId", "")):
            self._apply_to(waiting, event, record)
        elif event == "REVERSED":
            # A disputed sale that the clerk has undone since is settled.
            self._conflicts.pop(record["transactionId"], None)

    def _made(self, record: dict[str, Any]) -> None:
        self.made += 1
        amount = record["body"]["amountDue"] if "tender" in record["request"] else "0.00"
        self._waiting[record["transactionId"]] = Waiting(
            transaction_id=record["transactionId"],
            at=datetime.fromisoformat(record["at"]),
            request=record["request"],
            amount=parse_amount(amount),
            receipt_number=record["standIn"]["receiptNumber"],
        )

    def _apply_to(self, waiting: Waiting, event: str, record: dict[str, Any]) -> None:
        transaction_id, body = waiting.transaction_id, record.get("body") or {}
        match event:
            case "VOIDED":
                waiting.reversal = record["request"]
            case "FORWARDED":
                waiting.told, waiting.refused = True, None
                self._conflicts.pop(transaction_id, None)
                if body.get("state") == "DISPUTED":
                    self._dispute(waiting, record, read_code(body) or "disputed")
                if waiting.reversal is None:
                    del self._waiting[transaction_id]
            case "FORWARD_REFUSED":
                waiting.refused = read_code(body) or f"http-{record['status']}"
                self._dispute(waiting, record, waiting.refused)
            case "REVERSED" if waiting.told:
                del self._waiting[transaction_id]
                self._conflicts.pop(transaction_id, None)
            case "REVERSAL_REFUSED" if waiting.told:
                del self._waiting[transaction_id]
                self._dispute(waiting, record, read_code(body) or "reversal-refused")

    def _dispute(self, waiting: Waiting, record: dict[str, Any], code: str) -> None:
        verdict = read_verdict(record.get("body") or {})
        self._conflicts[waiting.transaction_id] = Conflict(
            transaction_id=waiting.transaction_id,
            reference=str(waiting.request["reference"]),
            receipt_number=waiting.receipt_number,
            amount=waiting.amount,
            code=code,
            display=verdict.display if verdict else "ASK THE STORE MANAGER",
            at=datetime.fromisoformat(record["at"]),
        )
