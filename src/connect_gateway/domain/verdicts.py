"""What the clerk is to do with the cash and the parcel: one table of answer x transaction type.

Source: the wire contract, "Everywhere". `protocol/errors.md` shows the table.
"""

from dataclasses import dataclass
from typing import Literal

from connect_gateway.domain.refusals import Code
from connect_gateway.domain.states import CASH_TYPES, Kind, State, TransactionType

Cash = Literal["KEEP", "RETURN", "NONE"]
Parcel = Literal["RELEASE", "ACCEPT", "HOLD", "REFUSE"]

COLUMNS = 32
_INCOMING = frozenset({TransactionType.ACCEPT_RETURN, TransactionType.DROP_OFF})
_INCOMING_KINDS = frozenset({Kind.RETURN, Kind.DROP_OFF})


@dataclass(slots=True, frozen=True)
class Verdict:
    """`cash`, `parcel` and at most 2 lines of 32 columns for the clerk's display."""

    cash: Cash
    parcel: Parcel
    display: str

    def as_json(self) -> dict[str, str]:
        return {"cash": self.cash, "parcel": self.parcel, "display": self.display}


UNKNOWN = Verdict("NONE", "HOLD", "NO ANSWER YET - HOLD\nTRY AGAIN OR INQUIRE")
"""The verdict while nobody knows: neither cash nor parcel moves."""

APPROVED = {
    TransactionType.COLLECT: Verdict("KEEP", "RELEASE", "PAID - RELEASE PARCEL\nKEEP CASH, GIVE RECEIPT"),
    TransactionType.CLAIM: Verdict("NONE", "RELEASE", "PREPAID - RELEASE PARCEL\nGIVE RECEIPT"),
    TransactionType.PAY: Verdict("KEEP", "HOLD", "PAID - NO PARCEL TO RELEASE\nKEEP CASH, GIVE RECEIPT"),
    TransactionType.ACCEPT_RETURN: Verdict("NONE", "ACCEPT", "RETURN ACCEPTED\nKEEP PARCEL, GIVE RECEIPT"),
    TransactionType.DROP_OFF: Verdict("NONE", "ACCEPT", "DROP-OFF ACCEPTED\nKEEP PARCEL, GIVE RECEIPT"),
}
_DROP_OFF_WITH_FEE = Verdict("KEEP", "ACCEPT", "DROP-OFF PAID AND ACCEPTED\nKEEP CASH AND PARCEL")

# First line of the clerk's display for each refusal; the second line follows from cash and parcel.
_REFUSAL_LINE = {
    Code.MALFORMED_REQUEST: "REQUEST NOT UNDERSTOOD",
    Code.UNKNOWN_REFERENCE: "CODE NOT KNOWN",
    Code.UNKNOWN_TRANSACTION: "TRANSACTION NOT KNOWN YET",
    Code.WRONG_STORE: "PARCEL IS AT ANOTHER STORE",
    Code.WRONG_TERMINAL: "NOT THIS TERMINAL'S",
    Code.WRONG_ACTION: "WRONG ACTION FOR THIS CODE",
    Code.ALREADY_DONE: "CODE WAS USED BEFORE",
    Code.CANCELLED: "ORDER WAS CANCELLED",
    Code.EXPIRED: "CODE HAS EXPIRED",
    Code.PULLED_OUT: "PARCEL WAS PULLED OUT",
    Code.NOT_READY: "PARCEL IS NOT HERE YET",
    Code.WRONG_LABEL: "LABEL IS OF ANOTHER PARCEL",
    Code.TENDER_TOO_SMALL: "CASH IS LESS THAN AMOUNT DUE",
    Code.WRONG_BUSINESS_DATE: "BUSINESS DATE IS WRONG",
    Code.SHIFT_CLOSED: "SHIFT IS CLOSED",
    Code.TRANSACTION_REVERSED: "TRANSACTION WAS REVERSED",
    Code.TRANSACTION_MISMATCH: "SAME ID, OTHER CONTENT",
    Code.PARCEL_NOT_IN_HAND: "NOT REVERSED: GET PARCEL FIRST",
    Code.TOO_LATE_TO_REVERSE: "NOT REVERSED: SHIFT IS CLOSED",
    Code.DISPUTE_RESOLVED: "DISPUTE IS RESOLVED ALREADY",
    Code.DISPUTE_NOT_ACCEPTABLE: "SALE CANNOT BE ACCEPTED",
    Code.TOO_MANY_ATTEMPTS: "TOO MANY UNKNOWN CODES - WAIT",
    Code.FEE_DIFFERS: "FEE IS NOT THE BOOKED ONE",
    Code.DAILY_LIMIT: "SELLER'S LIMIT OF TODAY REACHED",
    Code.ECMS_UNAVAILABLE: "FEE NOT KNOWN YET - TRY AGAIN",
}

# Refusals that say nothing of the transaction's own fate, so that nothing may move because of them.
_SETTLES_NOTHING = frozenset(
    {
        Code.MALFORMED_REQUEST,
        Code.UNKNOWN_TRANSACTION,
        Code.WRONG_TERMINAL,
        Code.TRANSACTION_MISMATCH,
        Code.PARCEL_NOT_IN_HAND,
        Code.TOO_LATE_TO_REVERSE,
        Code.DISPUTE_RESOLVED,
        Code.DISPUTE_NOT_ACCEPTABLE,
        Code.TOO_MANY_ATTEMPTS,
        Code.ECMS_UNAVAILABLE,
    }
)

_STATE_LINE = {
    State.NOT_READY: "PARCEL IS NOT HERE YET",
    State.DONE: "CODE WAS USED BEFORE",
    State.CANCELLED: "ORDER WAS CANCELLED",
    State.EXPIRED: "CODE HAS EXPIRED",
    State.PULLED_OUT: "PARCEL WAS PULLED OUT",
}
_OPEN_DISPLAY = {
    Kind.PAY_AND_CLAIM: "PAY & CLAIM - SCAN LABEL\nTHEN TAKE CASH",
    Kind.CLAIM: "PREPAID - SCAN LABEL",
    Kind.PAY: "PAYMENT - TAKE CASH",
    Kind.RETURN: "RETURN - TAKE PARCEL",
    Kind.DROP_OFF: "DROP-OFF - TAKE PARCEL",
}


def of_approval(type_: TransactionType, amount_due: int) -> Verdict:
    """The verdict of an approved transaction."""
    if type_ is TransactionType.DROP_OFF and amount_due:
        return _DROP_OFF_WITH_FEE
    return APPROVED[type_]


def of_dispute(type_: TransactionType) -> Verdict:
    """The verdict of a disputed sale, which has happened: the parcel is gone, and the cash stays until a person
    has decided.
    """
    if type_ in CASH_TYPES:
        return Verdict("KEEP", "RELEASE", "RECORDED, BUT IN DISPUTE\nKEEP CASH, OFFICE DECIDES")
    return Verdict("NONE", "RELEASE", "RECORDED, BUT IN DISPUTE\nOFFICE DECIDES")


def of_refusal(code: Code, type_: TransactionType | None) -> Verdict:
    """The verdict of a refused transaction, or, with no type, of a refused lookup or inquiry."""
    line = _REFUSAL_LINE[code]
    if type_ is None or code in _SETTLES_NOTHING:
        return Verdict("NONE", "HOLD", f"{line}\nHOLD PARCEL")
    if type_ in _INCOMING:
        cash: Cash = "RETURN" if type_ is TransactionType.DROP_OFF else "NONE"
        return Verdict(cash, "REFUSE", f"{line}\nDO NOT TAKE PARCEL")
    if type_ in CASH_TYPES:
        return Verdict("RETURN", "HOLD", f"{line}\nGIVE CASH BACK, HOLD PARCEL")
    return Verdict("NONE", "HOLD", f"{line}\nHOLD PARCEL")


def of_reversal(type_: TransactionType | None, *, cash_taken: bool = True) -> Verdict:
    """The verdict of a reversed transaction; `cash_taken` is false of a drop-off that cost nothing.

    Of an id that never arrived nobody here knows the type: whatever cash the clerk has taken for it is the customer's.
    """
    free = type_ is TransactionType.DROP_OFF and not cash_taken
    if free or type_ in (TransactionType.CLAIM, TransactionType.ACCEPT_RETURN):
        return Verdict("NONE", "HOLD", "REVERSED\nHOLD PARCEL")
    return Verdict("RETURN", "HOLD", "REVERSED\nGIVE CASH BACK, HOLD PARCEL")


def of_lookup(kind: Kind, state: State) -> Verdict:
    """The verdict of a lookup: nothing moves yet, and a parcel that cannot be taken in is refused."""
    if state is State.OPEN:
        return Verdict("NONE", "HOLD", _OPEN_DISPLAY[kind])
    if kind in _INCOMING_KINDS:
        return Verdict("NONE", "REFUSE", f"{_STATE_LINE[state]}\nDO NOT TAKE PARCEL")
    return Verdict("NONE", "HOLD", f"{_STATE_LINE[state]}\nHOLD PARCEL")
