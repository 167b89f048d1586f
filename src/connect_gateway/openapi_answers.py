"""Schemas of what the gateway answers. A field may be added to an answer at any time, so none of them is closed."""

from typing import Any

from connect_gateway.demo_parcels import COD, COLLECTED_RECEIPT, RETURN
from connect_gateway.domain.codes import show_reference
from connect_gateway.domain.reconciliation import Kind as BreakKind
from connect_gateway.domain.reconciliation import Remedy
from connect_gateway.domain.shifts import Difference
from connect_gateway.domain.states import ECMS_STATUSES, Kind, State, TransactionType
from connect_gateway.edges import patterns
from connect_gateway.edges.problems import TYPE_BASE

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """A reference to one of the document's schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def text(pattern: str | None = None, **facts: Any) -> Schema:
    """A string, as a whole of this pattern."""
    return {"type": "string", **({} if pattern is None else {"pattern": f"^{pattern}$"}), **facts}


def one_of_words(*words: str) -> Schema:
    """A string that is one of these."""
    return {"type": "string", "enum": [str(word) for word in words]}


def or_null(schema: Schema) -> Schema:
    """The schema, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def answer(properties: Schema, *, optional: tuple[str, ...] = (), **facts: Any) -> Schema:
    """An object with these fields, all there but the optional ones."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, **facts}


_LINES = {
    "type": "array",
    "items": text(maxLength=32, examples=["    ACKNOWLEDGEMENT RECEIPT"]),
    "description": "Lines of at most 32 columns.",
}
_PRINTED = answer(
    {
        "text": _LINES,
        "barcodes": {
            "type": "array",
            "items": answer(
                {
                    "symbology": one_of_words("CODE128", "GS1-128"),
                    "data": text("[0-9]+", examples=[RETURN.reference]),
                }
            ),
        },
    }
)
_DROP_OFF = {
    "bookingReference": text(),
    "reference": ref("ShownReference"),
    "state": one_of_words(*State),
    "trackingNumber": text("[0-9]{17,18}"),
    "merchant": text(),
    "description": text(),
    "amountDue": ref("Amount"),
    "currency": {"type": "string", "const": "PHP"},
    "destinationStoreId": or_null(text("[0-9]{4}", description="Null where it goes to an address.")),
    "labelPrinted": {"type": "boolean"},
    "expiresAt": or_null(ref("Time")),
}
_MONEY = {
    "amountDue": ref("Amount"),
    "amountTendered": ref("Amount"),
    "change": ref("Amount"),
    "currency": {"type": "string", "const": "PHP"},
}
_WHAT = {
    "transactionId": ref("Uuid"),
    "type": one_of_words(*TransactionType),
    "reference": ref("ShownReference"),
    "trackingNumber": text("[!-~]{1,48}", examples=[COD.tracking_number]),
}
_SIDE = or_null(
    answer({"type": or_null(one_of_words(*TransactionType)), "state": ref("TransactionState"), "amount": ref("Amount")})
)
_SUMS = {
    "type": "object",
    "propertyNames": {"enum": [str(type_) for type_ in TransactionType]},
    "additionalProperties": answer({"count": {"type": "integer", "minimum": 1}, "amount": ref("Amount")}),
}
_COUNT = {"type": "integer", "minimum": 0}
_WEEK = {
    "friday": text(patterns.DATE, format="date"),
    "begins": text(patterns.DATE, format="date"),
    "through": text(patterns.DATE, format="date"),
    "toldBefore": ref("Time"),
    "madeAt": ref("Time"),
    "currency": {"type": "string", "const": "PHP"},
}
_ACCOUNT = {
    "collected": ref("Sum"),
    "reversed": ref("Sum"),
    "payable": ref("Sum"),
    "shippingFees": ref("SignedSum"),
    "due": ref("Sum"),
}
_PROBLEM: Schema = {
    "type": text(TYPE_BASE + "[a-z-]+", format="uri", examples=[TYPE_BASE + "wrong-label"]),
    "title": text(examples=["Wrong label"]),
    "status": {"type": "integer", "minimum": 400, "maximum": 599, "examples": [409]},
    "detail": text(examples=["the label is another parcel's"]),
    "code": text("[a-z]+(-[a-z]+)*", examples=["wrong-label"]),
    "field": text(
        description="The field of the request that is at fault, where there is one.", examples=["trackingNumber"]
    ),
}

ANSWERS: dict[str, Schema] = {
    "ShownReference": text(
        "[0-9]{4}-[0-9]{4}-[0-9]{4}",
        description="A reference as people read it.",
        examples=[show_reference(COD.reference)],
    ),
    "Time": text(
        patterns.RFC3339_TIME,
        description="RFC 3339 in Philippine time, to the millisecond.",
        examples=["2026-11-22T10:30:00.000+08:00"],
    ),
    "ReceiptNumber": text(
        patterns.RECEIPT_NUMBER, description="Store, terminal, the terminal's own count.", examples=[COLLECTED_RECEIPT]
    ),
    "TransactionState": one_of_words("APPROVED", "DECLINED", "DISPUTED", "REVERSED"),
    "Verdict": answer(
        {
            "cash": one_of_words("KEEP", "RETURN", "NONE"),
            "parcel": one_of_words("RELEASE", "ACCEPT", "HOLD", "REFUSE"),
            "display": text(
                r"[^\n]{1,32}(\n[^\n]{1,32})?", examples=["PAID - RELEASE PARCEL\nKEEP CASH, GIVE RECEIPT"]
            ),
        },
        description="What the clerk does with the cash and the parcel; NONE: do not move the cash.",
    ),
    "Receipt": answer(
        {
            "number": ref("ReceiptNumber"),
            "copy": {"type": "integer", "minimum": 0, "description": "0, or which reprint this is."},
            "text": _LINES,
            "verificationCode": text("[A-Z2-7]{4}-[A-Z2-7]{4}", examples=["VLLB-WK64"]),
        }
    ),
    "FoundReference": answer(
        {
            "reference": ref("ShownReference"),
            "kind": one_of_words(*Kind),
            "state": one_of_words(*State),
            "action": one_of_words(*TransactionType, "NONE"),
            "merchant": text(),
            "merchantReference": text(),
            "description": text(),
            "amountDue": ref("Amount"),
            "currency": {"type": "string", "const": "PHP"},
            "labelHint": text("[0-9]{4}"),
            "expiresAt": or_null(ref("Time")),
            "verdict": ref("Verdict"),
        }
    ),
    "Approved": answer(
        {
            **_WHAT,
            "state": {"type": "string", "const": "APPROVED"},
            **_MONEY,
            "receipt": ref("Receipt"),
            "occurredAt": ref("Time"),
            "standIn": ref("StandIn"),
            "verdict": ref("Verdict"),
        },
        optional=("standIn",),
    ),
    "Disputed": answer(
        {
            **_WHAT,
            "state": {"type": "string", "const": "DISPUTED"},
            **_MONEY,
            "receipt": ref("Receipt"),
            "occurredAt": ref("Time"),
            "standIn": ref("StandIn"),
            "problem": ref("CounterProblem"),
            "verdict": ref("Verdict"),
        },
        description="A sale that was made while the till was away, and that the ledger does not agree with.",
    ),
    "StandIn": answer(
        {
            "occurredAt": ref("Time"),
            "receiptNumber": text(patterns.STAND_IN_NUMBER, examples=["0166-001-S0000001"]),
            "manifestId": ref("Uuid"),
        },
        description="What the till told of its sale.",
    ),
    "SignedManifest": answer(
        {
            "manifest": text("[A-Za-z0-9_-]+", description="A JSON text in UTF-8, as base64url (SPEC.md, STD-3)."),
            "keyId": text(),
            "signature": text("[A-Za-z0-9_-]{86}", description="Ed25519 over the bytes of that text, as base64url."),
        }
    ),
    "ManifestKeys": answer(
        {
            "keys": {
                "type": "array",
                "items": answer(
                    {"keyId": text(), "publicKey": text("[A-Za-z0-9_-]{43}", description="Ed25519, base64url.")}
                ),
            }
        }
    ),
    "Declined": answer(
        {
            **_WHAT,
            "trackingNumber": or_null(_WHAT["trackingNumber"]),
            "state": {"type": "string", "const": "DECLINED"},
            "problem": ref("CounterProblem"),
            "occurredAt": ref("Time"),
            "verdict": ref("Verdict"),
        }
    ),
    "Reversed": answer(
        {
            **_WHAT,
            "trackingNumber": or_null(_WHAT["trackingNumber"]),
            "state": {"type": "string", "const": "REVERSED"},
            **_MONEY,
            "receipt": ref("Receipt"),
            "occurredAt": ref("Time"),
            "reversedAt": ref("Time"),
            "reason": one_of_words("TIMEOUT", "CANCELLED", "CLERK_VOID", "REFUNDED"),
            "verdict": ref("Verdict"),
        },
        # Of an id that never arrived nothing else is known; of a declined one there is no money and no receipt.
        optional=("type", "reference", "trackingNumber", *_MONEY, "receipt"),
    ),
    "ClosedShift": answer(
        {
            "businessDate": text(patterns.DATE, format="date"),
            "pos": text("[0-9]{1,4}"),
            "shift": text("[0-9]{1,2}"),
            "closedAt": ref("Time"),
            "currency": {"type": "string", "const": "PHP"},
            "cashCounted": ref("Amount"),
            "cashExpected": ref("Sum"),
            "cashOver": ref("Sum"),
            "cashShort": ref("Sum"),
            "sums": answer({"till": ref("SumsByType"), "ledger": ref("SumsByType")}),
            "differences": {
                "type": "array",
                "items": answer(
                    {
                        "transactionId": ref("Uuid"),
                        "difference": one_of_words(*Difference),
                        "till": _SIDE,
                        "ledger": _SIDE,
                    }
                ),
            },
            "verdict": ref("Verdict"),
        }
    ),
    "ShownShift": {
        "allOf": [
            ref("ClosedShift"),
            answer(
                {
                    "late": {
                        "type": "array",
                        "items": answer(
                            {
                                "transactionId": ref("Uuid"),
                                "type": one_of_words(*TransactionType),
                                "state": ref("TransactionState"),
                                "amount": ref("Amount"),
                                "at": ref("Time"),
                            }
                        ),
                        "description": "What changed after the close, in the order of its coming.",
                    }
                }
            ),
        ]
    },
    "Reconciliation": answer(
        {
            "businessDate": text(patterns.DATE, format="date"),
            "madeAt": ref("Time"),
            "ecms": one_of_words("not-asked", "file", "inquired", "unavailable"),
            "shifts": answer({"closed": {"type": "integer"}, "open": {"type": "integer"}}),
            "cash": answer({"counted": ref("Sum"), "ledger": ref("Sum")}),
            "sums": answer(
                {
                    "tills": ref("SumsByType"),
                    "ledger": ref("SumsByType"),
                    "told": ref("SumsByType"),
                    "ecms": or_null(ref("SumsByType")),
                }
            ),
            "breaks": {
                "type": "object",
                "propertyNames": {"enum": [str(kind) for kind in BreakKind]},
                "additionalProperties": {"type": "integer", "minimum": 1},
            },
            "forPeople": {"type": "integer", "minimum": 0},
            "healed": {
                "type": "array",
                "items": answer({"remedy": one_of_words(*Remedy), "subject": ref("Uuid"), "detail": text()}),
            },
            "listed": {
                "type": "array",
                "items": answer(
                    {"break": one_of_words(*BreakKind), "subject": text(), "store": text("[0-9]{4}"), "detail": text()}
                ),
            },
        }
    ),
    "Sum": text(r"[0-9]+\.[0-9]{2}", description="A sum of amounts, in PHP."),
    "SumsByType": _SUMS
    | {"additionalProperties": answer({"count": {"type": "integer", "minimum": 1}, "amount": ref("Sum")})},
    "Return": answer(
        {
            "returnCode": ref("ShownReference"),
            "trackingNumber": text("[0-9]{17,18}"),
            "merchant": text(),
            "merchantReference": text(),
            "expiresAt": or_null(ref("Time")),
            "slip": _PRINTED,
        }
    ),
    "DropOffBooking": answer(_DROP_OFF),
    "DropOffWithLabel": answer({**_DROP_OFF, "label": _PRINTED}),
    "Whereabouts": answer(
        {
            "labelHint": text("[0-9]{4}", description="The tracking number's last digits."),
            "status": one_of_words(*sorted(ECMS_STATUSES)),
            "location": or_null(text("[0-9]{4}", description="Store or site.")),
            "updatedAt": ref("Time"),
            "claimableAt": or_null(text("[0-9]{4}", description="The store where it can be claimed now.")),
        }
    ),
    "IssuedReference": answer({"reference": ref("ShownReference")}),
    "Task": answer(
        {
            "taskId": ref("Uuid"),
            "kind": text(),
            "subject": text(),
            "detail": text(),
            "openedAt": ref("Time"),
            "closedAt": or_null(ref("Time")),
            "closedBy": or_null(text()),
        }
    ),
    "Tasks": answer({"tasks": {"type": "array", "items": ref("Task")}}),
    "Dispute": answer(
        {
            "storeId": text("[0-9]{4}"),
            **_WHAT,
            "trackingNumber": or_null(_WHAT["trackingNumber"]),
            "state": ref("TransactionState"),
            "code": _PROBLEM["code"],
            "detail": text(),
            "referenceState": or_null(one_of_words(*State)),
            "merchant": or_null(text()),
            "merchantReference": or_null(text()),
            "scannedLabel": or_null(text()),
            "amount": ref("Amount"),
            "currency": {"type": "string", "const": "PHP"},
            "pos": text("[0-9]{1,4}"),
            "shift": text("[0-9]{1,2}"),
            "businessDate": text(patterns.DATE, format="date"),
            "clerk": text(),
            "receiptNumber": ref("ReceiptNumber"),
            "standIn": ref("StandIn"),
            "openedAt": ref("Time"),
            "resolution": or_null(one_of_words("ACCEPTED", "REFUNDED", "REVERSED")),
            "resolvedAt": or_null(ref("Time")),
            "resolvedBy": or_null(text()),
            "note": or_null(text()),
        }
    ),
    "Disputes": answer({"disputes": {"type": "array", "items": ref("Dispute")}}),
    "SignedSum": text(r"-?[0-9]+\.[0-9]{2}", description="In PHP; negative where something is taken back."),
    "SettlementHead": answer({**_WEEK, "totals": ref("SettlementTotals")}),
    "SettlementTotals": answer({"merchants": _COUNT, "lines": _COUNT, **_ACCOUNT}),
    "Settlement": answer(
        {
            **_WEEK,
            "totals": ref("SettlementTotals"),
            "merchants": {
                "type": "array",
                "items": answer(
                    {
                        "merchantCode": text(),
                        "merchant": text(),
                        **_ACCOUNT,
                        "lines": {"type": "array", "items": ref("SettlementLine")},
                    }
                ),
            },
        }
    ),
    "SettlementLine": answer(
        {
            "kind": one_of_words("SALE", "REVERSAL"),
            "late": {"type": "boolean", "description": "It could not be settled in the week that it belongs to."},
            "businessDate": text(patterns.DATE, format="date"),
            "storeId": text("[0-9]{4}"),
            "receiptNumber": ref("ReceiptNumber"),
            **_WHAT,
            "merchantReference": text(),
            "amount": ref("SignedSum"),
            "shippingFee": ref("SignedSum"),
            "happenedAt": ref("Time"),
            "toldAt": ref("Time"),
        }
    ),
    "Payment": answer(
        {
            "friday": text(patterns.DATE, format="date"),
            "merchantCode": text(),
            "amount": ref("Sum"),
            "currency": {"type": "string", "const": "PHP"},
            "bankReference": text(),
            "paidAt": ref("Time"),
            "paidBy": text(),
        }
    ),
    "Payments": answer({"payments": {"type": "array", "items": ref("Payment")}}),
    "Tokens": answer(
        {
            "access_token": text("[!-~]+"),
            "token_type": {"type": "string", "const": "bearer"},
            "expires_in": {"type": "integer", "minimum": 1},
            "refresh_token": text("[!-~]+"),
        }
    ),
    "Health": answer({"status": text()}),
    "Readiness": answer(
        {"status": text(), "pending": {"type": "array", "items": {"type": "integer"}}}, optional=("pending",)
    ),
    "Problem": answer(_PROBLEM, optional=("field",), description="A problem document (RFC 9457)."),
    "CounterProblem": answer(
        _PROBLEM | {"verdict": ref("Verdict")},
        optional=("field",),
        description="A problem document (RFC 9457) with a verdict for the clerk.",
    ),
    "EcmsError": answer(
        {"errorCode": text("[0-9]{3}"), "message": text(), "code": _PROBLEM["code"]},
        description="An error in ECMS's own style.",
    ),
    "OAuthError": answer(
        {
            "error": one_of_words("invalid_request", "invalid_client", "invalid_grant", "unsupported_grant_type"),
            "error_description": text(),
        },
        description="An error of RFC 6749, section 5.2.",
    ),
}
