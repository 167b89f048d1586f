"""What the simulator's requests look like: parsed once, at the edge, into values that need no further doubt.

Amounts are whole centavos inside. A request that cannot be read is a `Refusal` with status 400 that names the
field.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from .clock import read_rfc3339, read_time
from .fields import (
    Amount,
    BusinessDate,
    Code,
    DateOrTime,
    DeliveryStore,
    Digits,
    EventId,
    Identifier,
    LooseAmount,
    MerchantCode,
    MobileNumber,
    Name,
    Note,
    Side,
    Site,
    Time,
    TrackingNumber,
    WebhookSecret,
    WebUrl,
    Weight,
    absent_if_empty,
)
from .flows import Trigger, trigger_named
from .schedule import Job

MAX_VOLUME_CM3 = 27_000

_TRIGGERS: dict[tuple[str, str | None], Trigger] = {
    ("CLAIMED", None): Trigger.POS_TRANSACTION,
    ("DELIVERED TO STORE", "CLAIM REVERSED"): Trigger.POS_REVERSAL,
    ("FOR RETURN", None): Trigger.KIOSK_TRANSACTION,
    ("RETURNED", None): Trigger.POS_TRANSACTION,
    ("FOR RETURN", "RETURN REVERSED"): Trigger.POS_REVERSAL,
    ("FOR DROP OFF", None): Trigger.KIOSK_TRANSACTION,
    ("DROPPED OFF", None): Trigger.POS_TRANSACTION,
    ("FOR DROP OFF", "DROP-OFF REVERSED"): Trigger.POS_REVERSAL,
    ("PAID", None): Trigger.POS_TRANSACTION,
    ("UNPAID", "PAYMENT REVERSED"): Trigger.POS_REVERSAL,
}

MONEY_ALONE = frozenset({"PAID", "UNPAID"})
"""What is told of a PAY reference: it is about money and moves no parcel."""


def _read_trigger(value: object) -> object:
    return trigger_named(value) if isinstance(value, str) and value else value or None


class Refusal(Exception):
    """An answer in ECMS's style: `status` is the HTTP status and the `errorCode`, `message` is for a
    person, and `code`, where there is one, for a program.
    """

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code


class _Message(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class Address(BaseModel):
    """The four lines that the seed shows; whatever else is in it is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    address1: Note | None = None
    address2: Note | None = None
    city: Note | None = None
    province: Note | None = None


_KEPT = {
    *("shipping_weight", "shipping_length", "shipping_width", "shipping_height", "package_type"),
    *("delivery_date", "order_date", "pickup_date", "address"),
}


class _Package(BaseModel):
    """What shipments and drop-offs have in common, with the seed's names; fields that it does not know are ignored."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)
    merchant_code: MerchantCode
    mobile_number: MobileNumber
    merchant_reference: Identifier
    shipping_weight: Weight = Field(validation_alias=AliasChoices("shipping_weight", "shippingWeight"))
    shipping_length: Side = Field(validation_alias=AliasChoices("shipping_length", "shippingLength"))
    shipping_width: Side = Field(validation_alias=AliasChoices("shipping_width", "shippingWidth"))
    shipping_height: Side = Field(validation_alias=AliasChoices("shipping_height", "shippingHeight"))
    amount: LooseAmount
    payment_type: Annotated[Literal["COD", "PREPAID"] | None, absent_if_empty] = None
    description: Note | None = None
    package_type: Note | None = None
    delivery_date: Annotated[DateOrTime | None, absent_if_empty] = None
    order_date: Annotated[DateOrTime | None, absent_if_empty] = None
    pickup_date: Annotated[DateOrTime | None, absent_if_empty] = None

    @model_validator(mode="after")
    def _limits_across_fields(self) -> Self:
        if self.shipping_length * self.shipping_width * self.shipping_height > MAX_VOLUME_CM3:
            raise ValueError(
                "shipping_length, shipping_width, shipping_height: must be at most 27,000 cubic cm together"
            )
        if self.payment_type == "COD" and self.amount == 0:
            raise ValueError("amount: must be over 0 for COD")
        if self.payment_type == "PREPAID" and self.amount != 0:
            raise ValueError("amount: must be 0 for PREPAID")
        if self.payment_type is None and self.amount != 0:
            raise ValueError("paymentType: must be COD where there is an amount to collect")
        return self

    def details(self) -> dict[str, Any]:
        """What is kept of it beside the record."""
        return self.model_dump(mode="json", include=_KEPT)


class ShipmentRequest(_Package):
    """`POST /ecms/api/v1/shipments`."""

    merchant: Name
    delivery_location_id: DeliveryStore
    address: Address | None = None


class Destination(Address):
    """Where a dropped off package goes: to a store, or to an address."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)
    delivery_location_id: Annotated[DeliveryStore | None, absent_if_empty] = None


class DropOffRequest(_Package):
    """`POST /ecms/api/v1/dropoff`; `mobileNumber` is the seller's."""

    merchant: Annotated[Name | None, absent_if_empty] = None
    shipment_payor: Literal["MERCHANT", "SELLER"]
    dropoff_location_id: DeliveryStore
    delivery_type: Literal["STORE", "DOOR"]
    dest: Destination

    @model_validator(mode="after")
    def _nobody_pays_at_a_door(self) -> Self:
        if self.delivery_type == "DOOR" and self.amount != 0:
            raise ValueError("amount: must be 0 for DOOR, since only a counter takes cash")
        return self

    def details(self) -> dict[str, Any]:
        """What is kept of it beside the record."""
        return super().details() | {"address": self.dest.model_dump(mode="json", include=set(Address.model_fields))}


class QuoteRequest(_Message):
    """`POST /ecms/api/v1/dropoff/quote`: what a drop-off costs at the store where it really happens."""

    tracking_number: TrackingNumber
    booking_reference: Identifier
    return_code: Code | None = None
    store_id: Site


class CancelRequest(_Message):
    """`POST /ecms/api/v1/cancelShipments`."""

    tracking_number: TrackingNumber
    reason: Note | None = None


class ReturnIdsRequest(_Message):
    """`POST /ecms/api/v1/returnIds`: identifiers that customers may return by, each for `validDays` from
    now.
    """

    merchant_code: MerchantCode
    identifiers: Annotated[list[Identifier], Field(min_length=1, max_length=1000)]
    valid_days: Annotated[int, Field(strict=True, ge=1, le=365)] = 30


class ReturnRequest(_Message):
    """`POST /ecms/api/v1/returns`: `merchantReference` carries what the customer typed."""

    merchant_reference: Identifier
    type: Literal["RETURN"]
    merchant_code: Annotated[MerchantCode | None, absent_if_empty] = None
    merchant: Annotated[Name | None, absent_if_empty] = None
    mobile_number: Annotated[MobileNumber | None, absent_if_empty] = None
    identifier_type: Literal["UID", "ORDER_NUMBER", "WAYBILL"] | None = None


class Payment(_Message):
    """What the counter took; `bdate` is the business date."""

    amount: Amount
    receipt_number: Name
    store: Site
    pos: Digits
    shift: Digits
    bdate: BusinessDate


class StatusEvent(_Message):
    """`POST /ecms/api/v1/status`: what happened at the counter or the kiosk."""

    event_id: EventId
    tracking_number: TrackingNumber
    merchant_reference: Identifier
    status: Literal[
        "CLAIMED",
        "FOR RETURN",
        "RETURNED",
        "FOR DROP OFF",
        "DROPPED OFF",
        "DELIVERED TO STORE",
        "PAID",
        "UNPAID",
    ]
    # A return code that the app gives out belongs to no store.
    location: Annotated[Site | None, absent_if_empty] = None
    timestamp: Time
    reason: Literal["CLAIM REVERSED", "RETURN REVERSED", "DROP-OFF REVERSED", "PAYMENT REVERSED"] | None = None
    return_code: Code | None = None
    payment: Payment | None = None

    @model_validator(mode="after")
    def _reason_of_its_status(self) -> Self:
        if (self.status, self.reason) not in _TRIGGERS:
            raise ValueError("reason: does not belong to this status")
        return self

    @property
    def trigger(self) -> Trigger:
        """Who did it."""
        return _TRIGGERS[self.status, self.reason]

    @property
    def at(self) -> datetime:
        """When, by the gateway's clock."""
        return read_time(self.timestamp)


class AdvanceRequest(_Message):
    """Control: `POST /advance`."""

    tracking_number: TrackingNumber
    to: Note


class ScanRequest(_Message):
    """Control: `POST /scan`, for `trackingNumber` or all of `trackingNumbers`; without a `trigger`, the one that the
    table knows.
    """

    tracking_number: TrackingNumber | None = None
    tracking_numbers: Annotated[tuple[TrackingNumber, ...], Field(max_length=1000)] = ()
    status: Note
    trigger: Annotated[Trigger | None, BeforeValidator(_read_trigger)] = None
    reason: Annotated[Note | None, absent_if_empty] = None

    @model_validator(mode="after")
    def _one_or_many(self) -> Self:
        if (self.tracking_number is None) == (not self.tracking_numbers):
            raise ValueError("trackingNumber: give either trackingNumber or trackingNumbers")
        return self

    @property
    def numbers(self) -> tuple[str, ...]:
        """The parcels, each once."""
        return tuple(dict.fromkeys(self.tracking_numbers)) if self.tracking_number is None else (self.tracking_number,)


class JobRequest(_Message):
    """Control: `POST /jobs`."""

    job: Job


class FaultsRequest(_Message):
    """Control: `PUT /faults`; the same `seed` makes the same requests fail."""

    mode: Literal["none", "down", "error-500", "timeout", "garbage", "slow", "apply-then-fail", "twice"]
    probability: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 1.0
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None


class ClockRequest(_Message):
    """Control: `PUT /clock`: one of the first three, or a new speed, or both."""

    now: Note | None = None
    time: Note | None = None
    advance_seconds: Annotated[int, Field(strict=True, ge=-(10**9), le=10**9)] | None = None
    speed: Annotated[int, Field(strict=True, ge=1, le=86_400)] | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        given = 3 - [self.now, self.time, self.advance_seconds].count(None)
        if given > 1 or (given == 0 and self.speed is None):
            raise ValueError('now: give either "now" (RFC 3339) or "advanceSeconds", or a "speed"')
        if (moment := self.now or self.time) is not None:
            read_rfc3339(moment)
        return self


class SettingsRequest(_Message):
    """Control: `PUT /settings`; `returnCodes` is the later edition of ECMS, which issues return codes
    itself.
    """

    return_codes: Annotated[bool, Field(strict=True)]


class WebhookRequest(_Message):
    """Control: `PUT /webhooks/{merchantCode}`: where a merchant is told, and the secret that signs it."""

    url: WebUrl
    secret: WebhookSecret | None = None


M = TypeVar("M", bound=BaseModel)


def parse(model: type[M], raw: bytes) -> M:
    """Reads a request's body as `model`; `Refusal` 400, naming the first field that is wrong, where it is
    none.
    """
    try:
        return model.model_validate_json(raw)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        raise Refusal(400, _message_of(first["type"], first["msg"], first["loc"])) from None


def _message_of(kind: str, text: str, place: tuple[int | str, ...]) -> str:
    if kind == "json_invalid":
        return "The request is not valid JSON."
    problem = {"missing": "is missing", "extra_forbidden": "is not a field of this request"}.get(kind, text)
    problem = problem.removeprefix("Value error, ")
    # A field's name is the sender's text: what is shown of it is short.
    name = ".".join(str(part)[:40] for part in place)
    return f"{name}: {problem}" if name else problem
