"""The operations of ECMS: it asks for references, and tells where a parcel is."""

from connect_gateway import demo_parcels as demo
from connect_gateway.domain.codes import show_reference
from connect_gateway.domain.money import format_amount
from connect_gateway.ecms.messages import format_ecms_time
from connect_gateway.edges.ecms import ReferenceRequest, StatusNotice
from connect_gateway.openapi_operation import Answer, Operation, json_of


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


ECMS = (
    Operation(
        "post",
        "/ecms/v1/references",
        "createReference",
        "ecms",
        "ECMS asks for a parcel's reference, or brings its own",
        {201: json_of("IssuedReference")},
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
