"""Undoing a transaction: a void by the clerk, or the reversal of one whose answer the till never had."""

from dataclasses import replace
from datetime import datetime

from connect_gateway.domain.decide import AlreadyReversed, Rejected, Reversed, ReverseOutcome
from connect_gateway.domain.events import event_of_reversal
from connect_gateway.domain.records import Perform, Reference, ReversalReason, Reverse, Transaction, TransactionState
from connect_gateway.domain.refusals import Code, Refusal
from connect_gateway.domain.states import TRANSITIONS, State, TransactionType, Trigger


def reverse(
    command: Reverse,
    earlier: Transaction | None,
    reference: Reference | None,
    *,
    shift_closed: bool,
    now: datetime,
) -> ReverseOutcome:
    """Decides a reversal. `reference` is that of the earlier transaction, where there is one."""
    if earlier is None:
        return Reversed(_tombstone(command, now), None, None)
    if command.pos and earlier.pos and command.pos != earlier.pos:
        return Rejected(Refusal(Code.WRONG_TERMINAL, "the transaction is another terminal's"))
    if earlier.state is TransactionState.REVERSED:
        return AlreadyReversed(earlier)
    undone = replace(earlier, state=TransactionState.REVERSED, reversed_at=now, reversal_reason=command.reason)
    if earlier.state is TransactionState.DECLINED:
        return Reversed(undone, None, None)
    assert earlier.request is not None
    if command.reason is not ReversalReason.TIMEOUT:
        # A till that never had the answer cannot have released anything; one that had it must show the parcel.
        if not command.parcel_in_hand and earlier.request.type is not TransactionType.PAY:
            return Rejected(Refusal(Code.PARCEL_NOT_IN_HAND, "a void needs the parcel where it was before"))
        if shift_closed:
            return Rejected(Refusal(Code.TOO_LATE_TO_REVERSE, "the transaction's shift is closed"))
    if earlier.state is TransactionState.DISPUTED:
        # It never moved its reference, and ECMS was never told of it.
        return Reversed(undone, None, None)
    assert reference is not None  # an approved transaction keeps its reference
    return _undo(undone, earlier.request, reference, now)


def _undo(undone: Transaction, request: Perform, reference: Reference, now: datetime) -> Reversed:
    """Opens the reference again and tells ECMS where the parcel is.

    The reversal is the newest word on the parcel: a status from before it must not move the reference any more.
    ECMS's times have whole seconds, hence the cut.
    """
    moment = now.replace(microsecond=0)
    opened = replace(
        reference,
        state=TRANSITIONS[State.DONE, Trigger.REVERSE],
        done_store=None,
        done_by=None,
        status_at=moment if reference.status_at is None else max(reference.status_at, moment),
    )
    return Reversed(undone, opened, event_of_reversal(undone, request, reference, now))


def _tombstone(command: Reverse, now: datetime) -> Transaction:
    return Transaction(
        store_id=command.store_id,
        transaction_id=command.transaction_id,
        request=None,
        pos=command.pos,
        state=TransactionState.REVERSED,
        code=None,
        tracking_number=None,
        amount_due=0,
        change=0,
        receipt_number=None,
        occurred_at=now,
        reversed_at=now,
        reversal_reason=command.reason,
        status=0,
        answer="",
    )
