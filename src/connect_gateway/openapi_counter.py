"""The operations of the counter: what a till may ask, with examples of the demo's parcels, which can be run."""

from connect_gateway import demo_parcels as demo
from connect_gateway.domain.codes import show_reference
from connect_gateway.edges.pos import AcceptReturn, Claim, Collect, DropOff, Pay, Reversal
from connect_gateway.edges.shifts import ShiftClose
from connect_gateway.openapi_answers import ref, text
from connect_gateway.openapi_operation import JSON, PICTURE, REPLAY, TEXT, Answer, Operation, json_of

_PAPER = {JSON: ref("Receipt"), TEXT: text(), **PICTURE}
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

COUNTER = (
    Operation(
        "get",
        "/pos/v1/references/{reference}",
        "lookUp",
        "pos",
        "The clerk scans a code",
        {200: json_of("FoundReference")},
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
        {200: json_of("Reversed")},
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
        {200: json_of("SignedManifest", "Cache-Control")},
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
        {200: json_of("ManifestKeys")},
        roles=("pos",),
        codes=("manifest-unavailable",),
    ),
    Operation(
        "put",
        "/pos/v1/shifts/{businessDate}/{pos}/{shift}",
        "closeShift",
        "pos",
        "Close a shift, even with differences",
        {200: json_of("ClosedShift", REPLAY)},
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
        {200: json_of("ShownShift")},
        roles=("pos",),
        codes=("wrong-terminal", "unknown-shift"),
        path_examples={
            "businessDate": {"quietShift": demo.BUSINESS_DATE.isoformat()},
            "pos": {"quietShift": "1"},
            "shift": {"quietShift": "99"},
        },
    ),
)
