"""A history arranged for asking: operations by what they are about, and what each answer means."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from history.records import (
    ACTION_OF_KIND,
    SALES,
    Ending,
    Fate,
    History,
    Operation,
    Parcel,
    digits,
    terminal_key,
)

KEPT_REFUSALS = frozenset(
    {
        "unknown-reference",
        "wrong-store",
        "not-ready",
        "already-done",
        "cancelled",
        "expired",
        "pulled-out",
        "wrong-label",
        "wrong-action",
        "tender-too-small",
        "shift-closed",
    }
)
"""Refusals of a transaction that are outcomes: kept, and answered again to a repeat (wire contract, POS edge)."""

ARRIVALS = frozenset({"DELIVERED TO STORE"})
CLOSINGS = {
    "CANCELLED": "CANCELLED",
    "REJECTED": "CANCELLED",
    "FOR PULL OUT": "PULLED_OUT",
    "PULLED OUT FROM STORE": "PULLED_OUT",
    "FOR RETURN TO MERCHANT": "PULLED_OUT",
    "RETURNED TO MERCHANT": "PULLED_OUT",
}
"""ECMS's statuses that close a parcel to the counter, and what it is then."""


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that a history breaks. `rule` and `about` name the breach, `touches` whatever has a part in it."""

    invariant: str
    rule: str
    about: str
    text: str
    touches: frozenset[str]
    history: tuple[Operation, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        return self.rule, self.about

    def __str__(self) -> str:
        lines = [f"{self.invariant} {self.rule}: {self.text}", *(f"  {operation}" for operation in self.history)]
        return "\n".join(lines)


def violation(invariant: str, rule: str, about: str, text: str, *touches: str) -> Violation:
    """A breach about something, in which further things may have a part."""
    return Violation(invariant, rule, about, text, frozenset((about, *touches)))


class Index:
    """A history, and the ways into it that the rules need."""

    def __init__(self, history: History) -> None:
        self.history = history

    @cached_property
    def sales(self) -> dict[str, list[Operation]]:
        """Sent transactions by id, in the order of sending."""
        return self._by_subject(SALES)

    @cached_property
    def reversals(self) -> dict[str, list[Operation]]:
        return self._by_subject({"REVERSE"})

    @cached_property
    def inquiries(self) -> dict[str, list[Operation]]:
        return self._by_subject({"INQUIRE"})

    @cached_property
    def statuses(self) -> dict[str, list[Operation]]:
        """What ECMS told of each tracking number."""
        return self._by_subject({"STATUS"})

    @cached_property
    def references_of(self) -> dict[str, list[Parcel]]:
        """The parcels (one for each reference) of a tracking number."""
        found: dict[str, list[Parcel]] = defaultdict(list)
        for parcel in self.history.parcels.values():
            found[parcel.tracking_number].append(parcel)
        return found

    @cached_property
    def endings_of(self) -> dict[str, list[Ending]]:
        """Endings of the transactions on each reference."""
        found: dict[str, list[Ending]] = defaultdict(list)
        for ending in self.history.endings.values():
            reference = ending.body.get("reference")
            if isinstance(reference, str):
                found[digits(reference)].append(ending)
        return found

    @cached_property
    def approvals(self) -> dict[str, list[Operation]]:
        """Approvals that clients saw, the first of each transaction, by reference."""
        found: dict[str, list[Operation]] = defaultdict(list)
        for sales in self.sales.values():
            seen = [sale for sale in sales if decision(sale) == "APPROVED"]
            if seen:
                found[reference_of(seen[0])].append(min(seen, key=lambda sale: sale.completed))
        return found

    def parcel(self, reference: str) -> Parcel | None:
        return self.history.parcels.get(reference)

    def observations(self, transaction_id: str) -> list[Operation]:
        """Whatever was answered about a transaction, in the order of the answers."""
        ways = (self.sales, self.inquiries, self.reversals)
        seen = [one for way in ways for one in way.get(transaction_id, []) if one.fate is not Fate.UNKNOWN]
        return sorted(seen, key=lambda operation: operation.completed)

    def not_reversed_between(self, first: Operation, second: Operation) -> bool:
        """Whether two approvals stood at the same time, since neither was being reversed when the other came."""

        def reversed_before(one: Operation, other: Operation) -> bool:
            return any(undo.invoked < other.completed for undo in self.reversals.get(one.subject, []))

        return not reversed_before(first, second) and not reversed_before(second, first)

    def terminal_of(self, transaction_id: str) -> str | None:
        for sale in self.sales.get(transaction_id, []):
            return terminal_key(sale.store, sale.content["pos"])
        return None

    def _by_subject(self, actions: Iterable[str]) -> dict[str, list[Operation]]:
        wanted = frozenset(actions)
        found: dict[str, list[Operation]] = defaultdict(list)
        for operation in self.history.operations:
            if operation.action in wanted:
                found[operation.subject].append(operation)
        return found


def reference_of(sale: Operation) -> str:
    """The reference that a sale is about, its digits alone."""
    return digits(sale.content["reference"])


def decision(operation: Operation) -> str | None:
    """What an answer says a transaction's fate is: APPROVED, DECLINED, REVERSED, or None where it says nothing."""
    if operation.fate is Fate.UNKNOWN:
        return None
    if operation.fate is Fate.OK:
        state = operation.body.get("state")
        return state if isinstance(state, str) else None
    if operation.action in SALES and operation.code in KEPT_REFUSALS:
        return "DECLINED"
    return "REVERSED" if operation.code == "transaction-reversed" else None


def content_of(sale: Operation) -> tuple[object, ...]:
    """What a sale says, by its values and not by their spelling."""
    sent = sale.content
    return (
        sale.action,
        reference_of(sale),
        int(sent["pos"]),
        int(sent["shift"]),
        sent["businessDate"],
        sent["clerk"],
        sent.get("trackingNumber"),
        sent.get("amountTendered"),
    )


def pairs(operations: Sequence[Operation]) -> Iterator[tuple[Operation, Operation]]:
    """Each two of some operations."""
    for place, first in enumerate(operations):
        for second in operations[place + 1 :]:
            yield first, second


def action_of(parcel: Parcel) -> str:
    """What a clerk does with a reference of this kind."""
    return ACTION_OF_KIND[parcel.kind]
