"""Every operation: what it is called, who may use it, what it takes and answers, and its examples, which can be run.

The codes of a refusal are listed here alone; their statuses and the schemas of requests come from the edges' own code.
"""

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from connect_gateway import demo_parcels as demo
from connect_gateway.domain.codes import show_reference
from connect_gateway.domain.money import format_amount
from connect_gateway.ecms.messages import format_ecms_time
from connect_gateway.edges.disputes import ResolutionMessage
from connect_gateway.edges.ecms import ReferenceRequest, StatusNotice
from connect_gateway.edges.kiosk import ReturnMessage
from connect_gateway.edges.papers import ESCPOS, PDF, PNG
from connect_gateway.edges.pos import AcceptReturn, Claim, Collect, DropOff, Pay, Reversal
from connect_gateway.edges.settlements import PaymentMessage
from connect_gateway.edges.shifts import ShiftClose
from connect_gateway.openapi_answers import Schema, ref, text

JSON = "application/json"
TEXT = "text/plain"
FORM = "application/x-www-form-urlencoded"

REPLAY = "Idempotent-Replay"


@dataclass(frozen=True)
class Answer:
    """An answer that is no refusal; `content` is a schema for each media type; its headers may be there."""

    content: dict[str, Schema] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    `edge` decides the form of its errors and which of them every operation there has. `path_examples` and
    `body_examples` of the same name belong together.
    """

    method: str
    path: str
    name: str
    edge: str
    summary: str
    answers: dict[int, Answer]
    roles: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    description: str = ""
    body: tuple[type[BaseModel], ...] = ()
    query: dict[str, Schema] = field(default_factory=dict)
    """Schemas of query parameters; all of them may be left out."""
    path_schemas: dict[str, str] = field(default_factory=dict)
    """Names of the schemas of path parameters whose own name does not tell."""
    path_examples: dict[str, dict[str, str]] = field(default_factory=dict)
    body_examples: dict[str, Any] = field(default_factory=dict)


def _json(schema: str, *headers: str, description: str = "") -> Answer:
    return Answer({JSON: ref(schema)}, headers, description=description)


_PICTURE: dict[str, Schema] = {PNG: {}, ESCPOS: {}}
_PAPER = {JSON: ref("Receipt"), TEXT: text(), **_PICTURE}
_SLIP = {TEXT: text(), **_PICTURE, PDF: {}}
_TILL = {"pos": "1", "shift": "1", "businessDate": demo.BUSINESS_DATE.isoformat(), "clerk": "ana"}
_TRANSACTIONS = {
    "collect": (
        demo.NEW_COLLECT_ID,
        {
            "type": "COLLECT",
            "reference": show_reference(demo.COD.reference),
            **_TILL,
            "trackingNumber": demo.COD.tracking_number,
            "tender": "CASH",
            "amountTendered": "500.00",
        },
    ),
    "claim": (
        demo.NEW_CLAIM_ID,
        {
            "type": "CLAIM",
            "reference": show_reference(demo.PREPAID.reference),
            **_TILL,
            "trackingNumber": demo.PREPAID.tracking_number,
        },
    ),
    "pay": (
        demo.NEW_PAY_ID,
        {
            "type": "PAY",
            "reference": show_reference(demo.PAYMENT.reference),
            **_TILL,
            "tender": "CASH",
            "amountTendered": "100.00",
        },
    ),
    "dropOff": (
        demo.NEW_DROP_OFF_ID,
        {
            "type": "DROP_OFF",
            "reference": show_reference(demo.DROP_OFF.reference),
            **_TILL,
            "trackingNumber": demo.DROP_OFF.tracking_number,
            "tender": "CASH",
            "amountTendered": "50.00",
        },
    ),
    "acceptReturn": (
        demo.NEW_ACCEPT_ID,
        {"type": "ACCEPT_RETURN", "reference": show_reference(demo.RETURN.reference), **_TILL},
    ),
}
_DONE = {
    "collected": demo.COLLECTED_ID,
    "claimed": demo.CLAIMED_ID,
    "returnAccepted": demo.ACCEPTED_ID,
    "declined": demo.DECLINED_ID,
    "reversed": demo.REVERSED_ID,
}
_RECEIPTS = {
    "collected": demo.COLLECTED_RECEIPT,
    "claimed": demo.CLAIMED_RECEIPT,
    "returnAccepted": demo.ACCEPTED_RECEIPT,
}
_RETURN_CODES = {
    "open": show_reference(demo.RETURN.reference),
    "accepted": show_reference(demo.RETURN_ACCEPTED.reference),
}

_COUNTER = (
    Operation(
        "get",
        "/pos/v1/references/{reference}",
        "lookUp",
        "pos",
        "The clerk scans a code",
        {200: _json("FoundReference")},
        roles=("pos",),
        codes=("unknown-reference", "wrong-store", "too-many-attempts"),
        path_examples={
            "reference": {
                "cashOnDelivery": show_reference(demo.COD.reference),
                "prepaid": show_reference(demo.PREPAID.reference),
                "return": show_reference(demo.RETURN.reference),
                "payment": show_reference(demo.PAYMENT.reference),
                "dropOff": show_reference(demo.DROP_OFF.reference),
                "collected": demo.COD_COLLECTED.reference,
            }
        },
    ),
    Operation(
        "put",
        "/pos/v1/transactions/{transactionId}",
        "perform",
        "pos",
        "The clerk does it",
        {
            201: Answer(
                {JSON: {"oneOf": [ref("Approved"), ref("Disputed")]}},
                (REPLAY,),
                "Approved; or a stand-in sale, recorded and in dispute. Sent again, the same bytes.",
            )
        },
        roles=("pos",),
        codes=(
            *("unknown-reference", "wrong-store", "wrong-terminal", "wrong-action", "already-done", "cancelled"),
            *("expired", "pulled-out", "not-ready", "wrong-label", "tender-too-small", "shift-closed"),
            *("transaction-reversed", "transaction-mismatch", "too-many-attempts", "wrong-business-date"),
            *("fee-differs", "daily-limit", "ecms-unavailable"),
        ),
        description="The till makes the id and writes it down before it sends. The same id and content get the same "
        "answer for ever; the same id with other content is refused. To try an example, set `businessDate` to today.",
        body=(Collect, Claim, Pay, AcceptReturn, DropOff),
        path_examples={"transactionId": {name: str(id_) for name, (id_, _) in _TRANSACTIONS.items()}},
        body_examples={name: body for name, (_, body) in _TRANSACTIONS.items()},
    ),
    Operation(
        "get",
        "/pos/v1/transactions/{transactionId}",
        "inquire",
        "pos",
        "What became of it",
        {200: Answer({JSON: {"oneOf": [ref("Approved"), ref("Declined"), ref("Disputed"), ref("Reversed")]}})},
        roles=("pos",),
        codes=("unknown-transaction",),
        description="A 404 settles nothing: the request may still be under way. Only the same PUT or a reversal does.",
        path_examples={"transactionId": {name: str(id_) for name, id_ in _DONE.items()}},
    ),
    Operation(
        "put",
        "/pos/v1/transactions/{transactionId}/reversal",
        "reverse",
        "pos",
        "Undo it, whether or not it ever arrived",
        {200: _json("Reversed")},
        roles=("pos",),
        codes=("wrong-terminal", "parcel-not-in-hand", "too-late-to-reverse"),
        body=(Reversal,),
        path_examples={"transactionId": {"neverArrived": str(demo.NEVER_ARRIVED_ID)}},
        body_examples={"neverArrived": {"reason": "TIMEOUT", "parcelInHand": True}},
    ),
    Operation(
        "get",
        "/pos/v1/receipts/{number}",
        "showReceipt",
        "pos",
        "Look at a receipt",
        {200: Answer(_PAPER)},
        roles=("pos",),
        codes=("unknown-receipt", "not-acceptable"),
        path_examples={"number": _RECEIPTS},
    ),
    Operation(
        "post",
        "/pos/v1/receipts/{number}/copies",
        "copyReceipt",
        "pos",
        "Print a receipt again, counted and marked as a copy",
        {201: Answer(_PAPER)},
        roles=("pos",),
        codes=("unknown-receipt", "not-acceptable", "request-too-large"),
        path_examples={"number": _RECEIPTS},
    ),
    Operation(
        "get",
        "/pos/v1/manifest",
        "showManifest",
        "pos",
        "The parcels that wait at the store, signed, for when the till cannot ask",
        {200: _json("SignedManifest", "Cache-Control")},
        roles=("pos",),
        codes=("manifest-unavailable",),
        description="With `since`, what has changed since the manifest that had this `cursor`.",
        query={"since": text(description="`cursor` of an earlier manifest. One that is none of ours means the whole.")},
    ),
    Operation(
        "get",
        "/pos/v1/manifest/keys",
        "showManifestKeys",
        "pos",
        "The public keys by which a till knows a manifest for the gateway's",
        {200: _json("ManifestKeys")},
        roles=("pos",),
        codes=("manifest-unavailable",),
    ),
    Operation(
        "put",
        "/pos/v1/shifts/{businessDate}/{pos}/{shift}",
        "closeShift",
        "pos",
        "Close a shift, even with differences",
        {200: _json("ClosedShift", REPLAY)},
        roles=("pos",),
        codes=("wrong-terminal", "shift-closed", "wrong-business-date", "transaction-mismatch"),
        description="To try the example, set `businessDate` to today.",
        body=(ShiftClose,),
        path_examples={
            "businessDate": {"quietShift": demo.BUSINESS_DATE.isoformat()},
            "pos": {"quietShift": "1"},
            "shift": {"quietShift": "99"},
        },
        body_examples={"quietShift": {"cashCounted": "0.00", "transactions": []}},
    ),
    Operation(
        "get",
        "/pos/v1/shifts/{businessDate}/{pos}/{shift}",
        "showShift",
        "pos",
        "A closed shift, and whatever of it changed after the close",
        {200: _json("ShownShift")},
        roles=("pos",),
        codes=("wrong-terminal", "unknown-shift"),
        path_examples={
            "businessDate": {"quietShift": demo.BUSINESS_DATE.isoformat()},
            "pos": {"quietShift": "1"},
            "shift": {"quietShift": "99"},
        },
    ),
)

_KIOSK = (
    Operation(
        "put",
        "/kiosk/v1/returns/{requestIdOrReturnCode}",
        "dispense",
        "kiosk",
        "The customer types an identifier and gets a return code",
        {201: _json("Return", REPLAY)},
        roles=("kiosk", "app"),
        codes=(
            *("unknown-identifier", "return-expired", "already-returned", "request-mismatch"),
            *("too-many-attempts", "ecms-unavailable"),
        ),
        description="The path ends with a `requestId`: a UUID that the kiosk makes.",
        path_schemas={"requestIdOrReturnCode": "Uuid"},
        body=(ReturnMessage,),
        path_examples={"requestIdOrReturnCode": {"return": str(demo.RETURN_REQUEST_ID)}},
        body_examples={"return": demo.return_message(demo.RETURN)},
    ),
    Operation(
        "get",
        "/kiosk/v1/returns/{requestIdOrReturnCode}",
        "showReturn",
        "kiosk",
        "A return by its code",
        {200: _json("Return")},
        roles=("kiosk", "app"),
        codes=("unknown-return", "too-many-attempts"),
        description="The path ends with the return code.",
        path_schemas={"requestIdOrReturnCode": "Reference"},
        path_examples={"requestIdOrReturnCode": _RETURN_CODES},
    ),
    Operation(
        "get",
        "/kiosk/v1/returns/{returnCode}/slip",
        "showSlip",
        "kiosk",
        "A return's slip, to print it again",
        {200: Answer(_SLIP)},
        roles=("kiosk", "app"),
        codes=("unknown-return", "not-acceptable", "too-many-attempts"),
        path_examples={"returnCode": _RETURN_CODES},
    ),
    Operation(
        "get",
        "/kiosk/v1/dropoffs/{bookingReference}",
        "showDropOff",
        "kiosk",
        "A seller's drop-off by its booking",
        {200: _json("DropOffBooking")},
        roles=("kiosk", "app"),
        codes=("unknown-booking", "too-many-attempts"),
        path_examples={"bookingReference": {"booked": demo.BOOKED.order, "another": demo.DROP_OFF.order}},
    ),
    Operation(
        "put",
        "/kiosk/v1/dropoffs/{bookingReference}/label",
        "printLabel",
        "kiosk",
        "Print a drop-off's label; ECMS hears FOR DROP OFF once",
        {200: Answer({JSON: ref("DropOffWithLabel"), **_SLIP})},
        roles=("kiosk", "app"),
        codes=(
            *("unknown-booking", "already-done", "cancelled", "expired"),
            *("not-acceptable", "too-many-attempts", "request-too-large"),
        ),
        path_examples={"bookingReference": {"booked": demo.BOOKED.order}},
    ),
    Operation(
        "get",
        "/kiosk/v1/parcels/{trackingNumberOrReference}",
        "showParcel",
        "kiosk",
        "Where a parcel is, with no personal data",
        {200: _json("Whereabouts")},
        roles=("kiosk", "app"),
        codes=("unknown-parcel", "too-many-attempts"),
        path_examples={
            "trackingNumberOrReference": {
                "byTrackingNumber": demo.PREPAID.tracking_number,
                "byCode": show_reference(demo.COD.reference),
            }
        },
    ),
)


def _reference_request(parcel: demo.DemoParcel, payment_type: str) -> dict[str, str]:
    return {
        "kind": str(parcel.kind),
        "trackingNumber": parcel.tracking_number,
        "merchantCode": demo.MERCHANT_CODE,
        "merchant": demo.MERCHANT,
        "merchantReference": parcel.order,
        "paymentType": payment_type,
        "amount": format_amount(parcel.amount_due),
        "storeId": demo.STORE_ID,
        "mobileNumber": demo.MOBILE_NUMBER,
        "description": parcel.description,
        "reference": show_reference(parcel.reference),
    }


def _code_request(parcel: demo.DemoParcel) -> dict[str, str]:
    return {
        "kind": str(parcel.kind),
        "trackingNumber": parcel.tracking_number,
        "merchantCode": demo.MERCHANT_CODE,
        "merchant": demo.MERCHANT,
        "merchantReference": parcel.order,
        "amount": format_amount(parcel.amount_due),
        "description": parcel.description,
    }


_ECMS = (
    Operation(
        "post",
        "/ecms/v1/references",
        "createReference",
        "ecms",
        "ECMS asks for a parcel's reference, or brings its own",
        {201: _json("IssuedReference")},
        roles=("ecms",),
        codes=("payment-type-mismatch", "reference-conflict"),
        description="Asked again for the same tracking number and kind, the same reference.",
        body=(ReferenceRequest,),
        body_examples={
            "cashOnDelivery": _reference_request(demo.COD, "COD"),
            "prepaid": _reference_request(demo.PREPAID, "PREPAID"),
            "return": {
                "kind": "RETURN",
                "trackingNumber": demo.RETURN.tracking_number,
                "merchantCode": demo.MERCHANT_CODE,
                "merchant": demo.MERCHANT,
                "merchantReference": demo.RETURN.order,
            },
            "payment": _code_request(demo.PAYMENT),
            "dropOff": _code_request(demo.DROP_OFF),
        },
    ),
    Operation(
        "post",
        "/ecms/v1/status",
        "tellStatus",
        "ecms",
        "ECMS tells where a parcel is",
        {204: Answer(description="Heard, whether it moved anything or not.")},
        roles=("ecms",),
        codes=("not-found",),
        body=(StatusNotice,),
        body_examples={
            "arrived": {
                "trackingNumber": demo.PREPAID.tracking_number,
                "merchantReference": demo.PREPAID.order,
                "status": "DELIVERED TO STORE",
                "location": demo.STORE_ID,
                "timestamp": format_ecms_time(demo.ARRIVED_AT),
            }
        },
    ),
)

_NO_DISPUTE = {
    "storeId": {"unknown": demo.STORE_ID},
    "transactionId": {"unknown": str(demo.NEVER_ARRIVED_ID)},
}
_A_FRIDAY = {"friday": {"friday": "2026-11-20"}}
_OPERATING = (
    Operation("get", "/healthz", "isAlive", "operating", "The process answers", {200: _json("Health")}),
    Operation(
        "get",
        "/readyz",
        "isReady",
        "operating",
        "The database answers and has this program's schema",
        {200: _json("Readiness"), 503: _json("Readiness", description="Not ready.")},
    ),
    Operation("get", "/metrics", "showMetrics", "operating", "Prometheus's page", {200: Answer({TEXT: text()})}),
    Operation(
        "get",
        "/admin/v1/tasks",
        "listTasks",
        "admin",
        "The work list: whatever waits for a person",
        {200: _json("Tasks")},
        roles=("admin",),
    ),
    *(
        Operation(
            "post",
            f"/admin/v1/tasks/{{taskId}}/{action}",
            f"{action}Task",
            "admin",
            summary,
            {200: _json("Task")},
            roles=("admin",),
            codes=("unknown-task", "task-not-closable"),
            path_examples={"taskId": {"unknown": str(demo.NEVER_ARRIVED_ID)}},
        )
        for action, summary in (
            ("resend", "Send the event again that a task is about, and close the task"),
            ("close", "Close a task that a person has looked after"),
        )
    ),
    Operation(
        "get",
        "/admin/v1/disputes",
        "listDisputes",
        "admin",
        "Stand-in sales that the ledger does not agree with, open ones alone",
        {200: _json("Disputes")},
        roles=("admin",),
    ),
    Operation(
        "get",
        "/admin/v1/disputes/{storeId}/{transactionId}",
        "showDispute",
        "admin",
        "A dispute, open or resolved",
        {200: _json("Dispute")},
        roles=("admin",),
        codes=("unknown-dispute",),
        path_examples=_NO_DISPUTE,
    ),
    Operation(
        "put",
        "/admin/v1/disputes/{storeId}/{transactionId}/resolution",
        "resolveDispute",
        "admin",
        "Let the sale stand, or give the money back",
        {200: _json("Dispute")},
        roles=("admin",),
        codes=("unknown-dispute", "dispute-not-acceptable", "dispute-resolved"),
        body=(ResolutionMessage,),
        path_examples=_NO_DISPUTE,
        body_examples={"unknown": {"resolution": "REFUNDED", "note": "the customer was called"}},
    ),
    Operation(
        "post",
        "/admin/v1/settlements/{friday}",
        "makeSettlement",
        "admin",
        "Make a Friday's settlement with merchants, and freeze its lines",
        {200: _json("SettlementHead")},
        roles=("admin",),
        codes=("unknown-settlement", "settlement-too-early", "settlement-being-made", "request-too-large"),
        description="All money taken Thursday of the week before through Wednesday, of what ECMS was told of before "
        "the Friday began. Made before, it stays as it is; earlier weeks that nobody has settled are made first.",
        path_examples=_A_FRIDAY,
    ),
    Operation(
        "get",
        "/admin/v1/settlements/{friday}",
        "showSettlement",
        "admin",
        "A settlement, line by line",
        {200: Answer({JSON: ref("Settlement"), "text/csv": text(), "application/pdf": {}})},
        roles=("admin",),
        codes=("unknown-settlement", "not-acceptable"),
        query={"merchantCode": text(description="This merchant's part alone.")},
        path_examples=_A_FRIDAY,
    ),
    Operation(
        "get",
        "/admin/v1/settlements/{friday}/remittance",
        "showRemittance",
        "admin",
        "The bank's file: one payable line for each merchant",
        {200: Answer({"text/csv": text()})},
        roles=("admin",),
        codes=("unknown-settlement",),
        path_examples=_A_FRIDAY,
    ),
    Operation(
        "get",
        "/admin/v1/settlements/{friday}/payments",
        "listPayments",
        "admin",
        "The remittances of a settlement that were made",
        {200: _json("Payments")},
        roles=("admin",),
        codes=("unknown-settlement",),
        path_examples=_A_FRIDAY,
    ),
    Operation(
        "put",
        "/admin/v1/settlements/{friday}/payments/{merchantCode}",
        "markPaid",
        "admin",
        "Note that a merchant's remittance was transferred",
        {200: _json("Payment")},
        roles=("admin",),
        codes=("unknown-settlement", "unknown-merchant", "nothing-payable", "already-paid"),
        body=(PaymentMessage,),
        path_examples={"friday": {"transferred": "2026-11-20"}, "merchantCode": {"transferred": demo.MERCHANT_CODE}},
        body_examples={"transferred": {"bankReference": "BPI 20261127 0001"}},
    ),
    Operation(
        "get",
        "/admin/v1/reconciliations/{businessDate}",
        "showReconciliation",
        "admin",
        "The newest comparison of tills, ledger and ECMS for a business date",
        {200: _json("Reconciliation")},
        roles=("admin",),
        codes=("unknown-reconciliation",),
        path_examples={"businessDate": {"demo": demo.BUSINESS_DATE.isoformat()}},
    ),
    Operation(
        "get", "/openapi.json", "showDocument", "operating", "This document", {200: Answer({JSON: {"type": "object"}})}
    ),
    Operation(
        "get",
        "/docs",
        "showPage",
        "operating",
        "This document, to read and to try",
        {200: Answer({"text/html": text()})},
    ),
    Operation(
        "get",
        "/docs/{file}",
        "showPageFile",
        "operating",
        "What the page is made of",
        {200: Answer({"text/css": text(), "text/javascript": text(), "image/png": {}})},
        path_examples={"file": {"script": "swagger-ui-bundle.js", "style": "swagger-ui.css"}},
    ),
)

OPERATIONS: tuple[Operation, ...] = (*_COUNTER, *_KIOSK, *_ECMS, *_OPERATING)
"""All but the token endpoint, which has its own form of nearly everything, and the sandbox's clock, which is no part
of the protocol."""
