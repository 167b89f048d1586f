"""What a person says of a disputed sale: the money was given back, or the sale stands."""

from dataclasses import replace
from datetime import datetime

from connect_gateway.domain.decide import PHILIPPINE_TIME, Accepted, Rejected, ResolveOutcome, Reversed, wrong_store
from connect_gateway.domain.events import event_of_approval
from connect_gateway.domain.records import (
    Perform,
    Reference,
    Resolution,
    Resolve,
    ReversalReason,
    Transaction,
    TransactionState,
)
from connect_gateway.domain.refusals import Code, Refusal
from connect_gateway.domain.states import ACTION_OF_KIND, TRANSITIONS, State, Trigger


def resolve(
    command: Resolve, earlier: Transaction | None, reference: Reference | None, *, now: datetime
) -> ResolveOutcome:
    """Decides what a person says of a disputed sale. `reference` is that of the sale, where it is known."""
    if earlier is None or earlier.state is not TransactionState.DISPUTED:
        return Rejected(Refusal(Code.DISPUTE_RESOLVED, "the sale is in no dispute, or no more"))
    assert earlier.request is not None  # what never arrived is never disputed
    if command.resolution is Resolution.REFUNDED:
        undone = replace(
            earlier, state=TransactionState.REVERSED, reversed_at=now, reversal_reason=ReversalReason.REFUNDED
        )
        return Reversed(undone, None, None)
    detail = _why_not_acceptable(earlier, earlier.request, reference, now)
    if detail is not None:
        return Rejected(Refusal(Code.DISPUTE_NOT_ACCEPTABLE, detail))
    assert reference is not None  # _why_not_acceptable has looked at it
    done = replace(
        reference,
        state=TRANSITIONS[reference.state, Trigger.ACCEPT],
        done_store=earlier.store_id,
        done_by=earlier.transaction_id,
    )
    accepted = replace(earlier, state=TransactionState.APPROVED)
    return Accepted(accepted, done, event_of_approval(accepted, earlier.request, reference, now))


def _why_not_acceptable(
    earlier: Transaction, request: Perform, reference: Reference | None, now: datetime
) -> str | None:
    """Why a disputed sale cannot become one like any other, whatever a person says: it would not add up."""
    if reference is None:
        return "nobody issued this reference"
    refusal = wrong_store(reference, earlier.store_id)
    if refusal is not None:
        return refusal.detail
    if request.type is not ACTION_OF_KIND[reference.kind]:
        return f"the reference is for {ACTION_OF_KIND[reference.kind]}"
    if request.tracking_number != reference.tracking_number:
        return "the label was another parcel's"
    if earlier.amount_due != reference.amount_due:
        return "the cash is not the amount due"
    if reference.state is State.DONE:
        return "the reference has been used by another transaction; reverse that one first"
    if request.business_date > now.astimezone(PHILIPPINE_TIME).date():
        return "the business date has not come yet"
    return None
