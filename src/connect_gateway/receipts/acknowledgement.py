"""The acknowledgement receipt (AR) of a transaction, and the slip of its reversal."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from connect_gateway.clock import PHILIPPINE_TIME
from connect_gateway.domain.codes import show_reference
from connect_gateway.domain.money import format_amount
from connect_gateway.domain.records import Transaction
from connect_gateway.domain.states import TransactionType
from connect_printing.paper import Bars, Paper, centre, pair, rule, styled, wrap

# What stands the same on every paper is laid out once.
_HEAD = [*centre("7-CONNECT"), *centre("ACKNOWLEDGEMENT RECEIPT")]
_FOOT = wrap("This is an acknowledgement receipt, not an official receipt.")
_RULE = rule()
_TRACKING = re.compile("[0-9]{17,18}")
_STRONG = ("Amount due", "Change", "CASH RETURNED", "AR No.")
_TITLES = {
    TransactionType.COLLECT: centre("PAY & CLAIM"),
    TransactionType.CLAIM: centre("CLAIM (PREPAID)"),
    TransactionType.PAY: centre("PAY"),
    TransactionType.ACCEPT_RETURN: centre("RETURN"),
    TransactionType.DROP_OFF: centre("DROP-OFF"),
}


@dataclass(slots=True)
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
    remarks: str = ""
    stand_in_number: str | None = None
    """The receipt that the till itself gave for the sale, and `sold_at` its time: then there was no connection."""
    sold_at: datetime | None = None


def receipt_text(receipt: Receipt) -> list[str]:
    """The receipt in lines of at most 32 columns. A copy and a reversal say what they are, first of all."""
    lines = list(_HEAD)
    if receipt.reversed_at is not None:
        lines += [*centre("*** REVERSAL ***"), *pair("Reversed", _time(receipt.reversed_at))]
    if receipt.copy:
        lines += centre(f"*** COPY {receipt.copy} ***")
    return [
        *lines,
        _RULE,
        *pair(f"Store {receipt.store_id}", f"POS {receipt.pos} Shift {receipt.shift}"),
        *pair("Business date", receipt.business_date.isoformat()),
        *pair("Date", _time(receipt.occurred_at)),
        *pair("Clerk", receipt.clerk),
        *pair("AR No.", receipt.number),
        *_stand_in(receipt),
        _RULE,
        *_TITLES[receipt.type],
        *pair("Reference", show_reference(receipt.reference)),
        *pair("Tracking", receipt.tracking_number),
        *pair("Merchant", receipt.merchant),
        *pair("Order", receipt.merchant_reference),
        _RULE,
        *_money(receipt),
        _RULE,
        *_remarks(receipt.remarks),
        *pair("Verification", receipt.verification_code),
        *_FOOT,
    ]


def receipt_paper(receipt: Receipt) -> Paper:
    """The receipt for a printer: the same lines, and what can be scanned again below them.

    The reference leads to what was done, the tracking number to where the parcel is.
    """
    bars = [Bars("CODE128", receipt.reference, show_reference(receipt.reference))]
    if _TRACKING.fullmatch(receipt.tracking_number):
        # Of a sale in dispute it may be anything that was scanned.
        bars.append(Bars("GS1-128", receipt.tracking_number, receipt.tracking_number))
    return styled(receipt_text(receipt), double=["7-CONNECT"], bold=_STRONG, bars=bars)


def _stand_in(receipt: Receipt) -> list[str]:
    if receipt.stand_in_number is None or receipt.sold_at is None:
        return []
    return [*pair("Stand-in", receipt.stand_in_number), *pair("Sold", _time(receipt.sold_at))]


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


def _remarks(remarks: str) -> list[str]:
    """What the merchant wants the customer to read; it ends with a rule of its own."""
    if not remarks:
        return []
    return [*(line for part in remarks.split("|") for line in wrap(part)), _RULE]


@lru_cache(maxsize=64)
def _time(moment: datetime) -> str:
    return moment.astimezone(PHILIPPINE_TIME).isoformat(" ", "seconds")[:19]


def verified_text(transaction: Transaction, type_: str, reference: str) -> str:
    """What the verification code is made over: the facts that somebody would want to change."""
    return "|".join(
        (
            transaction.receipt_number or "",
            type_,
            reference,
            transaction.tracking_number or "",
            str(transaction.amount_due),
            transaction.occurred_at.isoformat(),
            "" if transaction.reversed_at is None else "REVERSED",
        )
    )
