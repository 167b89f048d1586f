"""The answers of the POS edge, as text: rendered once, inside the group that commits them, and kept as they are."""

import json
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from connect_gateway.clock import PHILIPPINE_TIME
from connect_gateway.domain import decide, verdicts
from connect_gateway.domain.codes import show_reference
from connect_gateway.domain.money import format_amount
from connect_gateway.domain.records import Perform, Reference, StandIn, Transaction, TransactionState
from connect_gateway.domain.states import ACTION_OF_KIND, State
from connect_gateway.edges.problems import dump, problem_of
from connect_gateway.keys import Keys
from connect_gateway.receipts.acknowledgement import Receipt, receipt_text, verified_text

CURRENCY = "PHP"


@lru_cache(maxsize=64)
def format_time(moment: datetime) -> str:
    """RFC 3339 in Philippine time, to the millisecond. A group has one time for all its commands, hence the cache."""
    return moment.astimezone(PHILIPPINE_TIME).isoformat(timespec="milliseconds")


def answer_with(keys: Keys) -> Callable[[decide.Approved | decide.Declined | decide.Disputed], tuple[int, str]]:
    """The renderer that the ledger calls inside a group."""

    def answer(outcome: decide.Approved | decide.Declined | decide.Disputed) -> tuple[int, str]:
        if isinstance(outcome, decide.Approved):
            return 201, dump(approved_body(keys, outcome.transaction, outcome.reference))
        if isinstance(outcome, decide.Disputed):
            return 201, dump(disputed_body(keys, outcome))
        type_ = None if outcome.transaction.request is None else outcome.transaction.request.type
        problem = problem_of(outcome.refusal, verdicts.of_refusal(outcome.refusal.code, type_))
        return problem.status, problem.text()

    return answer


def approved_body(keys: Keys, transaction: Transaction, reference: Reference) -> dict[str, Any]:
    """The answer to an approved transaction."""
    request = _request_of(transaction)
    return {
        **_facts(transaction, request),
        "state": TransactionState.APPROVED,
        **_money(transaction, request),
        "receipt": receipt_body(receipt_of(keys, transaction, reference)),
        "occurredAt": format_time(transaction.occurred_at),
        **_stand_in_body(request.stand_in),
        "verdict": verdicts.of_approval(request.type, transaction.amount_due).as_json(),
    }


def disputed_body(keys: Keys, outcome: decide.Disputed) -> dict[str, Any]:
    """The answer to a stand-in sale that the ledger does not agree with: what it is recorded as, and why it is not."""
    transaction = outcome.transaction
    request = _request_of(transaction)
    verdict = verdicts.of_dispute(request.type)
    return {
        **_facts(transaction, request),
        "state": TransactionState.DISPUTED,
        **_money(transaction, request),
        "receipt": receipt_body(receipt_of(keys, transaction, outcome.reference)),
        "occurredAt": format_time(transaction.occurred_at),
        **_stand_in_body(request.stand_in),
        "problem": problem_of(outcome.refusal, verdict).document(),
        "verdict": verdict.as_json(),
    }


_STOOD_IN = '"standIn":{'
"""How a stored answer shows that its sale was made while the till was away; in a text it would be escaped."""


def _stand_in_body(stand_in: StandIn | None) -> dict[str, Any]:
    if stand_in is None:
        return {}
    return {
        "standIn": {
            "occurredAt": format_time(stand_in.occurred_at),
            "receiptNumber": stand_in.receipt_number,
            "manifestId": str(stand_in.manifest_id),
        }
    }


def stand_in_of(transaction: Transaction) -> StandIn | None:
    """What the till told of the sale, as the stored answer has kept it; None of one that was made online."""
    if transaction.request is not None and transaction.request.stand_in is not None:
        return transaction.request.stand_in
    if _STOOD_IN not in transaction.answer:
        return None
    told = json.loads(transaction.answer)["standIn"]
    return StandIn(datetime.fromisoformat(told["occurredAt"]), told["receiptNumber"], UUID(told["manifestId"]))


def inquiry_body(keys: Keys, transaction: Transaction, reference: Reference | None) -> str:
    """What became of a transaction. What was approved or disputed, and stands, is answered to the byte as it was; a
    disputed sale that a person has accepted is answered as approved.
    """
    if transaction.state is TransactionState.DISPUTED:
        return transaction.answer
    if transaction.state is TransactionState.APPROVED:
        return transaction.answer if _STOOD_IN not in transaction.answer else _accepted(transaction)
    request = transaction.request
    if transaction.state is TransactionState.DECLINED:
        assert request is not None
        problem = json.loads(transaction.answer)
        return dump(
            {
                **_facts(transaction, request),
                "state": TransactionState.DECLINED,
                "problem": problem,
                "occurredAt": format_time(transaction.occurred_at),
                "verdict": problem["verdict"],
            }
        )
    return dump(reversed_body(keys, transaction, reference))


def _accepted(transaction: Transaction) -> str:
    body = json.loads(transaction.answer)
    if body.pop("problem", None) is None:
        return transaction.answer
    body["state"] = TransactionState.APPROVED
    body["verdict"] = verdicts.of_approval(_request_of(transaction).type, transaction.amount_due).as_json()
    return dump(body)


def reversed_body(keys: Keys, transaction: Transaction, reference: Reference | None) -> dict[str, Any]:
    """What is left of a reversed transaction: its old approval is never shown again."""
    request = transaction.request
    assert transaction.reversed_at is not None
    body: dict[str, Any] = {"transactionId": str(transaction.transaction_id)}
    if request is not None:
        body = _facts(transaction, request)
    body["state"] = TransactionState.REVERSED
    if request is not None and transaction.was_approved:
        body |= _money(transaction, request)
        if reference is not None or _STOOD_IN in transaction.answer:
            body["receipt"] = receipt_body(receipt_of(keys, transaction, reference))
    body["occurredAt"] = format_time(transaction.occurred_at)
    body["reversedAt"] = format_time(transaction.reversed_at)
    body["reason"] = transaction.reversal_reason
    body["verdict"] = verdicts.of_reversal(
        None if request is None else request.type, cash_taken=transaction.amount_due > 0
    ).as_json()
    return body


def lookup_body(reference: Reference, now: datetime) -> dict[str, Any]:
    """What a clerk sees who scans a reference: what it is, what is owed, what to do next; no personal datum."""
    state = reference.state_at(now)
    action = ACTION_OF_KIND[reference.kind]
    expires_at = reference.expires_at
    return {
        "reference": show_reference(reference.reference),
        "kind": reference.kind,
        "state": state,
        "action": action if state is State.OPEN else "NONE",
        "merchant": reference.merchant,
        "merchantReference": reference.merchant_reference,
        "description": reference.description,
        "amountDue": format_amount(reference.amount_due),
        "currency": CURRENCY,
        "labelHint": reference.tracking_number[-4:],
        "expiresAt": None if expires_at is None else format_time(expires_at),
        "verdict": verdicts.of_lookup(reference.kind, state).as_json(),
    }


def receipt_of(keys: Keys, transaction: Transaction, reference: Reference | None, copy: int = 0) -> Receipt:
    """The receipt of an approved or disputed transaction, or, once it was reversed, the slip that says so.

    Without a reference the sale is in dispute because nobody knows what was sold.
    """
    request = _request_of(transaction)
    stand_in = stand_in_of(transaction)
    assert transaction.receipt_number is not None
    return Receipt(
        number=transaction.receipt_number,
        type=request.type,
        store_id=transaction.store_id,
        pos=request.pos,
        shift=request.shift,
        business_date=request.business_date,
        clerk=request.clerk,
        reference=request.reference,
        tracking_number=transaction.tracking_number or "",
        merchant="" if reference is None else reference.merchant,
        merchant_reference="" if reference is None else reference.merchant_reference,
        amount_due=transaction.amount_due,
        amount_tendered=request.amount_tendered,
        change=transaction.change,
        remarks="" if reference is None else reference.receipt_remarks,
        occurred_at=transaction.occurred_at,
        verification_code=keys.verification_code(verified_text(transaction, request.type, request.reference)),
        copy=copy,
        reversed_at=transaction.reversed_at,
        stand_in_number=None if stand_in is None else stand_in.receipt_number,
        sold_at=None if stand_in is None else stand_in.occurred_at,
    )


def receipt_body(receipt: Receipt) -> dict[str, Any]:
    """A receipt inside an answer."""
    return {
        "number": receipt.number,
        "copy": receipt.copy,
        "text": receipt_text(receipt),
        "verificationCode": receipt.verification_code,
    }


def _request_of(transaction: Transaction) -> Perform:
    assert transaction.request is not None, "only an id that was reversed before it arrived has no request"
    return transaction.request


def _facts(transaction: Transaction, request: Perform) -> dict[str, Any]:
    return {
        "transactionId": str(transaction.transaction_id),
        "type": request.type,
        "reference": show_reference(request.reference),
        "trackingNumber": transaction.tracking_number,
    }


def _money(transaction: Transaction, request: Perform) -> dict[str, Any]:
    return {
        "amountDue": format_amount(transaction.amount_due),
        "amountTendered": format_amount(request.amount_tendered or 0),
        "change": format_amount(transaction.change),
        "currency": CURRENCY,
    }
