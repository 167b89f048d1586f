"""What the clerk is asked to do in an exercise."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from connect_gateway.certification.faults import Network
from connect_gateway.certification.traffic import Kind


class Goods(StrEnum):
    """What the customer comes for."""

    COD = "a parcel that is paid at the counter"
    PREPAID = "a parcel that was paid for beforehand"
    RETURN = "a parcel that is given back"


class Action(StrEnum):
    """What the till is asked to do; the value is what `{action}` stands for."""

    COLLECT = "collect"
    CLAIM = "claim"
    ACCEPT_RETURN = "accept-return"
    REVERSE = "reverse"
    RESUME = "resume"


SALES = frozenset({Action.COLLECT, Action.CLAIM, Action.ACCEPT_RETURN})


@dataclass(frozen=True, slots=True)
class Parcel:
    """What an exercise is about: `reference` is what the customer shows, `label` what is on the parcel."""

    reference: str
    label: str
    amount_due: str


@dataclass(frozen=True, slots=True)
class Job:
    """One thing that the clerk does.

    `killed_at`: the till is killed, or its plug pulled, once a request of this kind has met its mishap.
    """

    action: Action
    wrong_label: bool = False
    too_little_cash: bool = False
    parcel_in_hand: bool = True
    killed_at: Kind | None = None


@dataclass(frozen=True, slots=True)
class Becomes:
    """The network changes."""

    network: Network
    text: str


@dataclass(frozen=True, slots=True)
class LateArrivals:
    """What was held up on its way arrives at the gateway now; one that was killed is waited for."""

    text: str = "what was held up arrives"


@dataclass(frozen=True, slots=True)
class TimePasses:
    """As much time passes as a till sends a sale for."""


Step = Job | Becomes | LateArrivals | TimePasses


def label_of(job: Job, parcel: Parcel) -> str | None:
    """The label that the clerk scans; a wrong one differs in its last digit. None where none is scanned."""
    if job.action not in SALES:
        return None
    if not job.wrong_label:
        return parcel.label
    return parcel.label[:-1] + str((int(parcel.label[-1]) + 1) % 10)


def cash_of(job: Job, parcel: Parcel) -> str | None:
    """The cash that the customer hands over, as an amount on the wire; None where none changes hands."""
    if job.action is not Action.COLLECT:
        return None
    due = Decimal(parcel.amount_due)
    return f"{due - Decimal('0.01') if job.too_little_cash else due + 300:.2f}"


def words_for_the_clerk(job: Job, parcel: Parcel) -> str:
    """What a person at the till is to do."""
    reference = "-".join(parcel.reference[start : start + 4] for start in (0, 4, 8))
    label, cash = label_of(job, parcel), cash_of(job, parcel)
    match job.action:
        case Action.REVERSE:
            where = "is back at the counter" if job.parcel_in_hand else "is not there: the customer has it"
            return f"Void the last sale. The parcel {where}."
        case Action.RESUME:
            return "Start the till if it is off, and let it settle what is open."
        case Action.COLLECT:
            return f"Scan {reference}, scan the label {label}, take PHP {cash} in cash."
        case Action.CLAIM:
            return f"Scan {reference}, scan the label {label}. Nothing is owed."
        case Action.ACCEPT_RETURN:
            return f"Scan {reference}, scan the label {label}, take the parcel in."
