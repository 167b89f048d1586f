"""The operations of a kiosk and of the app: return codes, drop-offs' labels, and where a parcel is."""

from connect_gateway import demo_parcels as demo
from connect_gateway.domain.codes import show_reference
from connect_gateway.edges.kiosk import ReturnMessage
from connect_gateway.edges.papers import PDF
from connect_gateway.openapi_answers import ref, text
from connect_gateway.openapi_operation import JSON, PICTURE, REPLAY, TEXT, Answer, Operation, json_of

_SLIP = {TEXT: text(), **PICTURE, PDF: {}}
_RETURN_CODES = {
    "open": show_reference(demo.RETURN.reference),
    "accepted": show_reference(demo.RETURN_ACCEPTED.reference),
}

KIOSK = (
    Operation(
        "put",
        "/kiosk/v1/returns/{requestIdOrReturnCode}",
        "dispense",
        "kiosk",
        "The customer types an identifier and gets a return code",
        {201: json_of("Return", REPLAY)},
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
        {200: json_of("Return")},
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
        {200: json_of("DropOffBooking")},
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
        {200: json_of("Whereabouts")},
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
