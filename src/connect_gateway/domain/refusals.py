"""Why something was refused: a stable code and a sentence. The edges turn it into a problem document."""

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """Stable codes of refusals that the domain decides on."""

    MALFORMED_REQUEST = "malformed-request"
    UNKNOWN_REFERENCE = "unknown-reference"
    UNKNOWN_TRANSACTION = "unknown-transaction"
    WRONG_STORE = "wrong-store"
    WRONG_TERMINAL = "wrong-terminal"
    WRONG_ACTION = "wrong-action"
    ALREADY_DONE = "already-done"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    PULLED_OUT = "pulled-out"
    NOT_READY = "not-ready"
    WRONG_LABEL = "wrong-label"
    TENDER_TOO_SMALL = "tender-too-small"
    WRONG_BUSINESS_DATE = "wrong-business-date"
    SHIFT_CLOSED = "shift-closed"
    TRANSACTION_REVERSED = "transaction-reversed"
    TRANSACTION_MISMATCH = "transaction-mismatch"
    PARCEL_NOT_IN_HAND = "parcel-not-in-hand"
    TOO_LATE_TO_REVERSE = "too-late-to-reverse"
    DISPUTE_RESOLVED = "dispute-resolved"
    DISPUTE_NOT_ACCEPTABLE = "dispute-not-acceptable"
    TOO_MANY_ATTEMPTS = "too-many-attempts"
    FEE_DIFFERS = "fee-differs"
    DAILY_LIMIT = "daily-limit"
    ECMS_UNAVAILABLE = "ecms-unavailable"


@dataclass(slots=True, frozen=True)
class Refusal:
    """One refusal. `field` names the field at fault and `retry_after_s` says when to come back, where they apply."""

    code: Code
    detail: str
    field: str | None = None
    retry_after_s: int | None = None
