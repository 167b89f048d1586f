"""What a till makes of the gateway's answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ..wire import Answer


class Outcome(Enum):
    """How an exchange ended for the clerk."""

    APPROVED = "APPROVED"
    REFUSED = "REFUSED"
    REVERSED = "REVERSED"
    STOOD_IN = "STOOD_IN"  # sold on the strength of the manifest; the gateway is told later
    FOUND = "FOUND"  # a question (lookup, receipt) was answered
    UNKNOWN = "UNKNOWN"  # the gateway's decision is not known; where there is one to settle, the journal has it


@dataclass(frozen=True)
class Verdict:
    """What the clerk is to do with the cash and with the parcel (the wire's `verdict`)."""

    cash: str
    parcel: str
    display: str

    def as_json(self) -> dict[str, str]:
        """As it is on the wire."""
        return {"cash": self.cash, "parcel": self.parcel, "display": self.display}


NO_ANSWER = Verdict("NONE", "HOLD", "NO ANSWER YET\nHOLD CASH AND PARCEL")
"""The till's own verdict while the gateway's is unknown."""


@dataclass(frozen=True)
class Receipt:
    """An acknowledgement receipt: `text` are its lines, of at most 32 columns each."""

    number: str
    copy: int
    text: tuple[str, ...]
    verification_code: str | None

    def as_json(self) -> dict[str, Any]:
        """As it is on the wire."""
        return {
            "number": self.number,
            "copy": self.copy,
            "text": list(self.text),
            "verificationCode": self.verification_code,
        }


@dataclass(frozen=True)
class Result:
    """What one command of the till came to; `status` is the HTTP status, None where no answer came."""

    outcome: Outcome
    transaction_id: str | None = None
    status: int | None = None
    code: str | None = None
    verdict: Verdict | None = None
    receipt: Receipt | None = None
    replayed: bool = False
    attempts: int = 0
    body: Mapping[str, Any] = field(default_factory=dict)
    # Decided by the till itself while the gateway is away.
    stand_in: bool = False

    def as_json(self) -> dict[str, Any]:
        """One object with every field, for `--json`."""
        return {
            "outcome": self.outcome.value,
            "transactionId": self.transaction_id,
            "status": self.status,
            "code": self.code,
            "verdict": self.verdict.as_json() if self.verdict else None,
            "receipt": self.receipt.as_json() if self.receipt else None,
            "replayed": self.replayed,
            "attempts": self.attempts,
            "body": dict(self.body),
            "standIn": self.stand_in,
        }


def read_verdict(body: Mapping[str, Any]) -> Verdict | None:
    """The verdict in `body` or in its `problem`; None where there is none that can be understood."""
    problem = body.get("problem")
    value: Any = body.get("verdict") or (problem.get("verdict") if isinstance(problem, dict) else None)
    if not isinstance(value, dict):
        return None
    cash, parcel, display = (value.get(name, "") for name in ("cash", "parcel", "display"))
    known = cash in {"KEEP", "RETURN", "NONE"} and parcel in {"RELEASE", "ACCEPT", "HOLD", "REFUSE"}
    return Verdict(cash, parcel, display) if known and isinstance(display, str) else None


def read_receipt(body: Mapping[str, Any]) -> Receipt | None:
    """The receipt in an approved transaction's body, or `body` itself where it is a receipt."""
    value = body.get("receipt", body)
    if not isinstance(value, dict):
        return None
    number, text, verification_code = value.get("number"), value.get("text"), value.get("verificationCode")
    if not isinstance(number, str) or not isinstance(text, list):
        return None
    copy = value.get("copy")
    return Receipt(
        number=number,
        copy=copy if isinstance(copy, int) else 0,
        text=tuple(str(line) for line in text),
        verification_code=verification_code if isinstance(verification_code, str) else None,
    )


def read_code(body: Mapping[str, Any]) -> str | None:
    """The code of a problem document, or of the `problem` in an inquiry's answer."""
    problem = body.get("problem")
    code = body.get("code") or (problem.get("code") if isinstance(problem, dict) else None)
    return code if isinstance(code, str) else None


def result_of(answer: Answer, outcome: Outcome, *, transaction_id: str | None = None, attempts: int = 1) -> Result:
    """The result that an answer of the gateway amounts to."""
    body = answer.body or {}
    return Result(
        outcome=outcome,
        transaction_id=transaction_id,
        status=answer.status,
        code=read_code(body),
        verdict=read_verdict(body),
        receipt=read_receipt(body) if outcome in {Outcome.APPROVED, Outcome.FOUND} or "receipt" in body else None,
        replayed=answer.headers.get("Idempotent-Replay") == "true",
        attempts=attempts,
        body=body,
    )
