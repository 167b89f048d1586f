"""Rows of the ledger's tables and the domain's records, one into the other."""

from collections.abc import Iterable, Sequence
from typing import Any

from connect_gateway.domain.records import (
    Event,
    Perform,
    Reference,
    ReversalReason,
    Transaction,
    TransactionState,
)
from connect_gateway.domain.refusals import Code
from connect_gateway.domain.states import Kind, State, TransactionType

REFERENCE_COLUMNS = (
    "reference, kind, tracking_number, merchant_code, merchant, merchant_reference, description, "
    "amount_due, store_id, state, expires_at, status_at, done_store, done_by, receipt_remarks"
)


def reference_of(row: Iterable[Any]) -> Reference:
    """A row that was selected with REFERENCE_COLUMNS."""
    (
        reference,
        kind,
        tracking_number,
        merchant_code,
        merchant,
        merchant_reference,
        description,
        amount_due,
        store_id,
        state,
        expires_at,
        status_at,
        done_store,
        done_by,
        receipt_remarks,
    ) = row
    return Reference(
        reference,
        Kind(kind),
        tracking_number,
        merchant_code,
        merchant,
        merchant_reference,
        description,
        amount_due,
        store_id,
        State(state),
        expires_at,
        status_at,
        done_store,
        done_by,
        receipt_remarks,
    )


TRANSACTION_COLUMNS = (
    "store_id, transaction_id, pos, type, reference, shift, business_date, clerk, scanned_label, tender, "
    "amount_tendered, state, code, tracking_number, amount_due, change, receipt_number, occurred_at, reversed_at, "
    "reversal_reason, status, answer"
)


TRANSACTION_TYPES = (
    "text, uuid, integer, text, text, integer, date, text, text, text, bigint, text, text, text, bigint, bigint, text, "
    "timestamptz, timestamptz, text, smallint, text"
)
"""What TRANSACTION_COLUMNS hold."""


def transaction_of(row: Iterable[Any]) -> Transaction:
    """A row that was selected with TRANSACTION_COLUMNS."""
    (
        store_id,
        transaction_id,
        pos,
        type_,
        reference,
        shift,
        business_date,
        clerk,
        scanned_label,
        tender,
        amount_tendered,
        state,
        code,
        tracking_number,
        amount_due,
        change,
        receipt_number,
        occurred_at,
        reversed_at,
        reversal_reason,
        status,
        answer,
    ) = row
    request = None
    if type_ is not None:
        request = Perform(
            store_id,
            transaction_id,
            TransactionType(type_),
            reference,
            pos,
            shift,
            business_date,
            clerk,
            scanned_label,
            tender,
            amount_tendered,
        )
    return Transaction(
        store_id,
        transaction_id,
        request,
        pos,
        TransactionState(state),
        None if code is None else Code(code),
        tracking_number,
        amount_due,
        change,
        receipt_number,
        occurred_at,
        reversed_at,
        None if reversal_reason is None else ReversalReason(reversal_reason),
        status,
        answer,
    )


def transaction_values(transaction: Transaction) -> tuple[Any, ...]:
    """The record's values in the order of TRANSACTION_COLUMNS."""
    request = transaction.request
    asked: tuple[Any, ...] = (None,) * 8
    if request is not None:
        asked = (
            request.type,
            request.reference,
            request.shift,
            request.business_date,
            request.clerk,
            request.tracking_number,
            request.tender,
            request.amount_tendered,
        )
    return (
        transaction.store_id,
        transaction.transaction_id,
        transaction.pos,
        *asked,
        transaction.state,
        transaction.code,
        transaction.tracking_number,
        transaction.amount_due,
        transaction.change,
        transaction.receipt_number,
        transaction.occurred_at,
        transaction.reversed_at,
        transaction.reversal_reason,
        transaction.status,
        transaction.answer,
    )


EVENT_COLUMNS = (
    "tracking_number, sequence, event_id, merchant_reference, status, location, occurred_at, reason, return_code, "
    "payment_amount, receipt_number, pos, shift, business_date"
)


EVENT_TYPES = "text, integer, uuid, text, text, text, timestamptz, text, text, bigint, text, integer, integer, date"
"""What EVENT_COLUMNS hold."""


def event_values(event: Event) -> tuple[Any, ...]:
    """The record's values in the order of EVENT_COLUMNS."""
    payment = event.payment
    paid: tuple[Any, ...] = (None,) * 5
    if payment is not None:
        paid = (payment.amount, payment.receipt_number, payment.pos, payment.shift, payment.business_date)
    return (
        event.tracking_number,
        event.sequence,
        event.event_id,
        event.merchant_reference,
        event.status,
        event.location,
        event.occurred_at,
        event.reason,
        event.return_code,
        *paid,
    )


def columns_of(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Rows turned into columns, as a set-based statement over `unnest` takes them; `width` columns of no rows, too."""
    if not rows:
        return [[] for _ in range(width)]
    return [list(column) for column in zip(*rows, strict=True)]
