"""What ECMS hears of a transaction: the event of its approval and the event of its reversal."""

from datetime import datetime
from uuid import UUID, uuid5

from connect_gateway.domain.records import Event, Payment, Perform, Reference, Transaction
from connect_gateway.domain.states import CASH_TYPES, TransactionType

_EVENT_NAMESPACE = UUID("6d0f6a5e-5c55-4f0b-9d0d-3f3f1f6f7c11")

_STATUS_OF_TYPE = {
    TransactionType.COLLECT: "CLAIMED",
    TransactionType.CLAIM: "CLAIMED",
    TransactionType.PAY: "PAID",
    TransactionType.ACCEPT_RETURN: "RETURNED",
    TransactionType.DROP_OFF: "DROPPED OFF",
}
_REVERSED_STATUS_OF_TYPE = {
    TransactionType.COLLECT: ("DELIVERED TO STORE", "CLAIM REVERSED"),
    TransactionType.CLAIM: ("DELIVERED TO STORE", "CLAIM REVERSED"),
    TransactionType.PAY: ("UNPAID", "PAYMENT REVERSED"),
    TransactionType.ACCEPT_RETURN: ("FOR RETURN", "RETURN REVERSED"),
    TransactionType.DROP_OFF: ("FOR DROP OFF", "DROP-OFF REVERSED"),
}


def event_of_approval(transaction: Transaction, command: Perform, reference: Reference, now: datetime) -> Event:
    """What ECMS hears of a transaction that stands, with the payment where cash was taken for the parcel."""
    payment = None
    if command.type in CASH_TYPES and transaction.amount_due and transaction.receipt_number is not None:
        payment = Payment(
            amount=transaction.amount_due,
            receipt_number=transaction.receipt_number,
            store_id=command.store_id,
            pos=command.pos,
            shift=command.shift,
            business_date=command.business_date,
        )
    status = _STATUS_OF_TYPE[command.type]
    return Event(
        event_id=_approval_id(command.store_id, command.transaction_id, command.type),
        tracking_number=reference.tracking_number,
        merchant_reference=reference.merchant_reference,
        status=status,
        location=command.store_id,
        occurred_at=now,
        payment=payment,
    )


def event_of_reversal(undone: Transaction, request: Perform, reference: Reference, now: datetime) -> Event:
    """What ECMS hears of an approved transaction that is undone: where the parcel is now, and why."""
    status, reason = _REVERSED_STATUS_OF_TYPE[request.type]
    return Event(
        event_id=_reversal_id(undone.store_id, undone.transaction_id),
        tracking_number=reference.tracking_number,
        merchant_reference=reference.merchant_reference,
        status=status,
        location=undone.store_id,
        occurred_at=now,
        reason=reason,
        return_code=reference.reference if request.type is TransactionType.ACCEPT_RETURN else None,
    )


def event_ids(store_id: str, transaction_id: UUID, type_: TransactionType) -> tuple[UUID, UUID]:
    """The ids of the events that tell of a transaction's approval and, where it comes to that, of its reversal.

    The same change has the same event id, however often its decision is worked out.
    """
    return _approval_id(store_id, transaction_id, type_), _reversal_id(store_id, transaction_id)


def _approval_id(store_id: str, transaction_id: UUID, type_: TransactionType) -> UUID:
    return uuid5(_EVENT_NAMESPACE, f"{store_id}/{transaction_id}/{_STATUS_OF_TYPE[type_]}")


def _reversal_id(store_id: str, transaction_id: UUID) -> UUID:
    return uuid5(_EVENT_NAMESPACE, f"{store_id}/{transaction_id}/REVERSED")
