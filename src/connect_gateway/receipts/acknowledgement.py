"""The acknowledgement receipt (AR) of a transaction, and the slip of its reversal."""

from dataclasses import dataclass
from datetime import date, datetime

from connect_gateway.clock import PHILIPPINE_TIME
from connect_gateway.domain.codes import show_reference
from connect_gateway.domain.money import format_amount
from connect_gateway.domain.states import TransactionType
from connect_gateway.receipts.paper import centre, pair, rule, wrap

_TITLES = {
    TransactionType.COLLECT: "PAY & CLAIM",
    TransactionType.CLAIM: "CLAIM (PREPAID)",
    TransactionType.PAY: "PAY",
    TransactionType.ACCEPT_RETURN: "RETURN",
    TransactionType.DROP_OFF: "DROP-OFF",
}


@dataclass(slots=True, frozen=True)
class Receipt:
    """Everything that stands on the paper. Amounts are centavos; `amount_tendered` is None where no cash is taken."""

    number: str
    type: TransactionType
    store_id: str
    pos: int
    shift: int
    business_date: date
    clerk: str
    reference: str
    tracking_number: str
    merchant: str
    merchant_reference: str
    amount_due: int
    amount_tendered: int | None
    change: int
    occurred_at: datetime
    verification_code: str
    copy: int = 0
    reversed_at: datetime | None = None


def receipt_text(receipt: Receipt) -> list[str]:
    """The receipt in lines of at most 32 columns. A copy and a reversal say what they are, first of all."""
    lines = [*centre("7-CONNECT"), *centre("ACKNOWLEDGEMENT RECEIPT")]
    if receipt.reversed_at is not None:
        lines += [*centre("*** REVERSAL ***"), *pair("Reversed", _time(receipt.reversed_at))]
    if receipt.copy:
        lines += centre(f"*** COPY {receipt.copy} ***")
    lines += [
        rule(),
        *pair(f"Store {receipt.store_id}", f"POS {receipt.pos} Shift {receipt.shift}"),
        *pair("Business date", receipt.business_date.isoformat()),
        *pair("Date", _time(receipt.occurred_at)),
        *pair("Clerk", receipt.clerk),
        *pair("AR No.", receipt.number),
        rule(),
        *centre(_TITLES[receipt.type]),
        *pair("Reference", show_reference(receipt.reference)),
        *pair("Tracking", receipt.tracking_number),
        *pair("Merchant", receipt.merchant),
        *pair("Order", receipt.merchant_reference),
        rule(),
        *_money(receipt),
        rule(),
        *pair("Verification", receipt.verification_code),
        *wrap("This is an acknowledgement receipt, not an official receipt."),
    ]
    return lines


def _money(receipt: Receipt) -> list[str]:
    if receipt.amount_tendered is None:
        return pair("Amount due", "PHP " + format_amount(receipt.amount_due))
    if receipt.reversed_at is not None:
        return pair("CASH RETURNED", "PHP " + format_amount(receipt.amount_due))
    return [
        *pair("Amount due", "PHP " + format_amount(receipt.amount_due)),
        *pair("Cash", "PHP " + format_amount(receipt.amount_tendered)),
        *pair("Change", "PHP " + format_amount(receipt.change)),
    ]


def _time(moment: datetime) -> str:
    return moment.astimezone(PHILIPPINE_TIME).strftime("%Y-%m-%d %H:%M:%S")


def verified_text(receipt: Receipt) -> str:
    """What the verification code is made over: the facts that somebody would want to change."""
    return "|".join(
        (
            receipt.number,
            receipt.type,
            receipt.reference,
            receipt.tracking_number,
            str(receipt.amount_due),
            receipt.occurred_at.isoformat(),
            "REVERSED" if receipt.reversed_at is not None else "",
        )
    )
