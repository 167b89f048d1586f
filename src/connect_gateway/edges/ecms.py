"""The ECMS edge (role `ecms`): ECMS asks for references and tells where parcels are. Errors in ECMS's own style."""

from typing import Literal

import structlog
from aiohttp import web
from pydantic import Field, JsonValue
from pydantic.alias_generators import to_camel

from connect_gateway.domain.codes import show_reference
from connect_gateway.domain.money import MAX_CASH_CENTAVOS, format_amount
from connect_gateway.domain.parcels import Status
from connect_gateway.domain.states import ECMS_STATUSES, PARCEL_KINDS, Kind
from connect_gateway.edges.gateway import Gateway
from connect_gateway.edges.http import body_of
from connect_gateway.edges.parsing import (
    AmountField,
    DescriptionField,
    EcmsMomentField,
    EitherMomentField,
    MerchantCodeField,
    MerchantField,
    MerchantReferenceField,
    Message,
    MobileField,
    ReasonField,
    ReferenceField,
    RemarksField,
    StatusField,
    StoreField,
    TrackingField,
    parse_message,
)
from connect_gateway.edges.problems import Problem, json_response, malformed
from connect_gateway.ledger import parcels
from connect_gateway.ledger.parcels import Conflict, NewReference

_UNSPACED = "CREATED/CONFIRMED"
"""Another spelling of the published `CREATED/ CONFIRMED`."""

_STATUSES: list[JsonValue] = [*sorted(ECMS_STATUSES), _UNSPACED]

_log = structlog.get_logger("ecms-edge")


class ReferenceRequest(Message):
    """`POST /ecms/v1/references`."""

    model_config = Message.model_config | {"alias_generator": to_camel}

    kind: Literal["PAY_AND_CLAIM", "CLAIM", "PAY", "RETURN", "DROP_OFF"]
    tracking_number: TrackingField
    merchant_code: MerchantCodeField
    merchant: MerchantField
    merchant_reference: MerchantReferenceField
    payment_type: Literal["COD", "PREPAID"] | None = None
    amount: AmountField | None = None
    store_id: StoreField | None = None
    mobile_number: MobileField | None = None
    description: DescriptionField = ""
    receipt_remarks: RemarksField = ""
    shipping_fee: AmountField | None = None
    expires_at: EitherMomentField | None = None
    reference: ReferenceField | None = None


class StatusNotice(Message):
    """`POST /ecms/v1/status`, the shape of the published webhook."""

    model_config = Message.model_config | {"alias_generator": to_camel}

    tracking_number: TrackingField
    merchant_reference: MerchantReferenceField
    status: StatusField = Field(json_schema_extra={"enum": _STATUSES})
    location: StoreField
    timestamp: EcmsMomentField
    reason: ReasonField | None = None


class EcmsEdge:
    """The routes of `/ecms/v1`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/ecms/v1/references", self.create_reference),
            web.post("/ecms/v1/status", self.status),
        ]

    async def create_reference(self, request: web.Request) -> web.Response:
        """Issues a parcel's reference, or keeps the one that ECMS brings; once for each tracking number and kind."""
        await self._gateway.authorize(request, "ecms")
        message = parse_message(ReferenceRequest, await body_of(request))
        kind = Kind(message.kind)
        new = NewReference(
            kind=kind,
            tracking_number=message.tracking_number,
            merchant_code=message.merchant_code,
            merchant=message.merchant,
            merchant_reference=message.merchant_reference,
            description=message.description,
            receipt_remarks=message.receipt_remarks,
            amount_due=_amount_of(kind, message),
            shipping_fee=_fee_of(message),
            store_id=_store_of(kind, message),
            expires_at=message.expires_at,
            reference=message.reference,
            mobile=None if message.mobile_number is None else self._gateway.keys.seal_mobile(message.mobile_number),
        )
        try:
            made = await parcels.create_reference(self._gateway.pool, new, self._gateway.now())
        except Conflict as conflict:
            raise Problem("reference-conflict", str(conflict), extra=(("field", conflict.field),)) from conflict
        return json_response({"reference": show_reference(made.reference)}, 201)

    async def status(self, request: web.Request) -> web.Response:
        """Applies a status; repeats and late arrivals are harmless."""
        await self._gateway.authorize(request, "ecms")
        message = parse_message(StatusNotice, await body_of(request))
        name = "CREATED/ CONFIRMED" if message.status == _UNSPACED else message.status
        if name not in ECMS_STATUSES:
            raise malformed("status: is none of the published ones", "status")
        status = Status(message.tracking_number, name, message.location, message.timestamp)
        if not await parcels.apply(self._gateway.pool, status, self._gateway.now()):
            raise Problem("not-found", "no parcel has this tracking number here")
        return web.Response(status=204)


def _amount_of(kind: Kind, message: ReferenceRequest) -> int:
    """The amount due; a parcel never silently turns from COD into prepaid."""
    amount = message.amount
    if kind not in PARCEL_KINDS:
        return _amount_without_parcel(kind, message)
    expected = "COD" if kind is Kind.PAY_AND_CLAIM else "PREPAID"
    if message.payment_type is None or amount is None:
        raise malformed("paymentType and amount are needed for a parcel", "paymentType")
    if message.payment_type != expected:
        raise Problem("payment-type-mismatch", f"{kind} is {expected}")
    if kind is Kind.CLAIM and amount != 0:
        raise Problem("payment-type-mismatch", "PREPAID demands an amount of 0.00")
    if kind is Kind.PAY_AND_CLAIM and not 0 < amount <= MAX_CASH_CENTAVOS:
        raise Problem("payment-type-mismatch", "COD demands an amount over 0.00 and at most 4000.00")
    return amount


def _amount_without_parcel(kind: Kind, message: ReferenceRequest) -> int:
    amount = message.amount
    if message.payment_type is not None:
        raise Problem("payment-type-mismatch", f"paymentType has no part in {kind}")
    if kind is Kind.RETURN:
        if amount:
            raise Problem("payment-type-mismatch", "a return costs nothing")
        return 0
    if amount is None:
        raise malformed(f"amount is needed for {kind}", "amount")
    lowest = 1 if kind is Kind.PAY else 0
    if not lowest <= amount <= MAX_CASH_CENTAVOS:
        raise Problem("payment-type-mismatch", f"{kind} demands an amount from {format_amount(lowest)} to 4000.00")
    return amount


def _fee_of(message: ReferenceRequest) -> int:
    """What the parcel's shipping costs its merchant."""
    fee = message.shipping_fee or 0
    if fee > MAX_CASH_CENTAVOS:
        raise Problem("payment-type-mismatch", "shippingFee is at most 4000.00")
    return fee


def _store_of(kind: Kind, message: ReferenceRequest) -> str | None:
    if kind not in PARCEL_KINDS:
        return None
    if message.store_id is None:
        raise malformed("storeId is needed for a parcel", "storeId")
    return message.store_id
