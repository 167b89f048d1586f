"""Records that the tests of the domain begin with. Every field can be given."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from connect_gateway.domain import decide, journal
from connect_gateway.domain.records import Perform, Quote, Reference, ReversalReason, Reverse, Terminal
from connect_gateway.domain.states import ACTION_OF_KIND, PARCEL_KINDS, Kind, State, TransactionType

NOW = datetime(2026, 3, 9, 4, 30, 15, 250_000, tzinfo=UTC)
"""12:30:15.25 on 9 March in the Philippines."""

TRACKING = "303105332614281200"
ID = UUID("11111111-2222-4333-8444-555555555555")

_CASH = frozenset({TransactionType.COLLECT, TransactionType.PAY})


def reference(kind: Kind = Kind.PAY_AND_CLAIM, **fields: Any) -> Reference:
    """An open reference of the kind, at store 0166 where it waits at one."""
    made = Reference(
        reference="991767890023",
        kind=kind,
        tracking_number=TRACKING,
        merchant_code="001",
        merchant="Merchant A",
        merchant_reference="AXDY43322222524544",
        description="item description",
        amount_due=20_000 if kind in (Kind.PAY_AND_CLAIM, Kind.PAY) else 0,
        store_id="0166" if kind in PARCEL_KINDS else None,
        state=State.OPEN,
        expires_at=None,
        status_at=None,
        done_store=None,
        done_by=None,
    )
    return replace(made, **fields)


def command(kind: Kind = Kind.PAY_AND_CLAIM, **fields: Any) -> Perform:
    """What a clerk sends for a reference of this kind, with nothing wrong in it."""
    type_ = fields.get("type", ACTION_OF_KIND[kind])
    cash = type_ in _CASH
    made = Perform(
        store_id="0166",
        transaction_id=ID,
        type=type_,
        reference="991767890023",
        pos=1,
        shift=1,
        business_date=date(2026, 3, 9),
        clerk="ana",
        tracking_number=TRACKING,
        tender="CASH" if cash else None,
        amount_tendered=50_000 if cash else None,
    )
    return replace(made, **fields)


def reversal(**fields: Any) -> Reverse:
    """A void with the parcel in hand."""
    return replace(Reverse("0166", ID, ReversalReason.CLERK_VOID, True, 0), **fields)


def terminal(**fields: Any) -> Terminal:
    """Terminal 1 of store 0166 before its first transaction."""
    return replace(Terminal("0166", 1, 0, 0, journal.FIRST_HEAD), **fields)


def performed(asked: Perform, known: Reference | None, **given: Any) -> decide.PerformOutcome:
    """`decide.perform` where nothing came before, the shift is open, nobody is locked out, and a fee is as booked."""
    arguments: dict[str, Any] = {"shift_closed": False, "locked_for_s": 0, "now": NOW}
    if known is not None and known.kind is Kind.DROP_OFF:
        arguments["quote"] = Quote(known.amount_due)
    return decide.perform(asked, given.pop("earlier", None), known, given.pop("at", terminal()), **(arguments | given))


def approved(kind: Kind = Kind.PAY_AND_CLAIM) -> decide.Approved:
    """A transaction that was approved a moment ago."""
    outcome = performed(command(kind), reference(kind))
    assert isinstance(outcome, decide.Approved)
    outcome.transaction.status, outcome.transaction.answer = 201, '{"state":"APPROVED"}'
    return outcome
