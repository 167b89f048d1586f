"""What the ledger holds, as the domain sees it. Amounts are centavos; moments are aware and in UTC.

Nobody changes a record once it is made, save the ledger its terminals' counters. They are not frozen all the same:
a frozen dataclass sets each field by a call of its own, which every transaction would pay for a hundred times.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from connect_gateway.domain.refusals import Code
from connect_gateway.domain.states import TRANSITIONS, Kind, State, TransactionType, Trigger


@dataclass(slots=True)
class Reference:
    """What a clerk scans. `store_id` is where a parcel waits or is bound for; None where any store will do."""

    reference: str
    kind: Kind
    tracking_number: str
    merchant_code: str
    merchant: str
    merchant_reference: str
    description: str
    amount_due: int
    store_id: str | None
    state: State
    expires_at: datetime | None
    status_at: datetime | None
    """Time of the newest ECMS status that moved this reference; older ones are late arrivals."""
    done_store: str | None
    done_by: UUID | None
    receipt_remarks: str = ""
    """What the merchant wants on the receipt; `|` begins a new line (7-CONNECT's `receiptRemarks`)."""

    def state_at(self, now: datetime) -> State:
        """The state as anybody outside sees it: NOT_READY and OPEN lapse at `expires_at`."""
        if self.expires_at is not None and self.expires_at <= now and self.state in (State.NOT_READY, State.OPEN):
            return State.EXPIRED
        return self.state

    def done(self, store_id: str, transaction_id: UUID) -> "Reference":
        """This reference once a transaction has been approved on it."""
        return Reference(
            self.reference,
            self.kind,
            self.tracking_number,
            self.merchant_code,
            self.merchant,
            self.merchant_reference,
            self.description,
            self.amount_due,
            self.store_id,
            TRANSITIONS[self.state, Trigger.PERFORM],
            self.expires_at,
            self.status_at,
            store_id,
            transaction_id,
            self.receipt_remarks,
        )


@dataclass(slots=True)
class StandIn:
    """What a till says of a sale that it made by itself, from a manifest, while it had no connection."""

    occurred_at: datetime
    receipt_number: str
    manifest_id: UUID


@dataclass(slots=True)
class Perform:
    """A clerk does a transaction. Terminal and shift are numbers: `1`, `01` and `0001` are the same terminal.

    With `stand_in` it has been done already. It is no part of the content by which a repeat is known, and it is None
    in what is read back from the ledger.
    """

    store_id: str
    transaction_id: UUID
    type: TransactionType
    reference: str
    pos: int
    shift: int
    business_date: date
    clerk: str
    tracking_number: str | None
    tender: str | None
    amount_tendered: int | None
    stand_in: StandIn | None = None


class ReversalReason(StrEnum):
    """Why a transaction is undone. TIMEOUT says that the till never had the answer; REFUNDED is how a person ended a
    dispute, and no till's word.
    """

    TIMEOUT = "TIMEOUT"
    CANCELLED = "CANCELLED"
    CLERK_VOID = "CLERK_VOID"
    REFUNDED = "REFUNDED"


@dataclass(slots=True, frozen=True)
class Quote:
    """What ECMS says of a drop-off at the store where it really happens: the fee in centavos that the seller pays
    there, or None where the seller has reached the day's limit.
    """

    fee: int | None


@dataclass(slots=True)
class Reverse:
    """A till undoes a transaction, whether or not it ever arrived. `pos` is the token's terminal, 0 without one."""

    store_id: str
    transaction_id: UUID
    reason: ReversalReason
    parcel_in_hand: bool
    pos: int


class Resolution(StrEnum):
    """How a person ends a dispute: the sale stands, or the customer gets the money back."""

    ACCEPTED = "ACCEPTED"
    REFUNDED = "REFUNDED"


@dataclass(slots=True)
class Resolve:
    """A person ends a dispute. `pos` is the terminal of the disputed sale, `by` whoever decides."""

    store_id: str
    transaction_id: UUID
    resolution: Resolution
    pos: int
    by: str
    note: str


class TransactionState(StrEnum):
    """Where a transaction stands. DISPUTED: cash was taken in a stand-in sale that the ledger does not agree with."""

    APPROVED = "APPROVED"
    DECLINED = "DECLINED"
    DISPUTED = "DISPUTED"
    REVERSED = "REVERSED"


STANDING = frozenset({TransactionState.APPROVED, TransactionState.DISPUTED})
"""States in which the cash of a transaction is in the drawer."""


@dataclass(slots=True)
class Transaction:
    """A transaction as the ledger keeps it. `request` is None of an id that was reversed before it arrived."""

    store_id: str
    transaction_id: UUID
    request: Perform | None
    pos: int
    state: TransactionState
    code: Code | None
    tracking_number: str | None
    amount_due: int
    change: int
    receipt_number: str | None
    occurred_at: datetime
    reversed_at: datetime | None
    reversal_reason: ReversalReason | None
    status: int
    """HTTP status of the stored answer; 0 while there is none."""
    answer: str
    """The answer as it was given, to be given again to the byte."""

    @property
    def was_approved(self) -> bool:
        """Whether it was approved or disputed once, reversed since or not: it has a receipt."""
        return self.receipt_number is not None


@dataclass(slots=True)
class Terminal:
    """A store's terminal: its receipts and its journal are counted without a gap."""

    store_id: str
    pos: int
    receipts: int
    journal_length: int
    journal_head: bytes


@dataclass(slots=True)
class Payment:
    """The money part of an event, as ECMS is told of it."""

    amount: int
    receipt_number: str
    store_id: str
    pos: int
    shift: int
    business_date: date


@dataclass(slots=True)
class Event:
    """What ECMS is to be told.

    `sequence` orders the events of one tracking number, from 1; the ledger gives it when the event is written.
    """

    event_id: UUID
    tracking_number: str
    merchant_reference: str
    status: str
    location: str
    occurred_at: datetime
    reason: str | None = None
    return_code: str | None = None
    payment: Payment | None = None
    sequence: int = 0
