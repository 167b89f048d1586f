"""What the simulator needs to know to run; the JSON file of `ecms-sim serve --config`."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

from .fields import Amount, Code, DeliveryStore, Identifier, MobileNumber, Note, Time, TrackingNumber, WebUrl
from .signing import secret_bytes

Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Secret = Annotated[SecretStr, Field(min_length=1)]
Port = Annotated[int, Field(ge=0, le=65535)]


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


def _webhook_secret(secret: SecretStr) -> SecretStr:
    secret_bytes(secret.get_secret_value())
    return secret


class GatewayAddress(_Part):
    """Where the gateway is, and as which client the simulator asks there (role `ecms`)."""

    url: Text
    client_id: Text
    client_secret: Secret


class Webhook(_Part):
    """Where a merchant is told of its parcels' statuses, and the secret that signs what it is told."""

    url: WebUrl
    secret: Annotated[SecretStr, AfterValidator(_webhook_secret)]


class MerchantClient(_Part):
    """A merchant's client application; `flow` is the merchant's setting for all its shipments."""

    client_id: Text
    client_secret: Secret
    role: Literal["merchant"]
    merchant_code: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,15}\z")]
    merchant: Annotated[str, StringConstraints(min_length=1, max_length=60)]
    flow: Literal["MERCHANT_DELIVERY", "DC_PICKUP"] = "MERCHANT_DELIVERY"
    webhook: Webhook | None = None


class GatewayClient(_Part):
    """The gateway's client application at ECMS."""

    client_id: Text
    client_secret: Secret
    role: Literal["gateway"]


Client = Annotated[MerchantClient | GatewayClient, Field(discriminator="role")]


class DemoParcel(_Part):
    """A parcel that is there from the start (`demonstration.py`): a shipment that waits at its store under
    `reference`, a return, which has an `expiresAt` and no `paymentType`, or a seller's drop-off, which has a
    `bookingReference` and the `fee` that the seller pays.
    """

    tracking_number: TrackingNumber
    merchant_code: Text
    merchant_reference: Identifier
    payment_type: Literal["COD", "PREPAID"] | None = None
    amount: Amount = 0
    booking_reference: Identifier | None = None
    fee: Amount = 0
    store_id: DeliveryStore | None = None
    mobile_number: MobileNumber | None = None
    description: Note = ""
    reference: Code | None = None
    at: Time
    expires_at: Time | None = None

    @property
    def is_return(self) -> bool:
        """Whether a customer brings it."""
        return self.payment_type is None


class Config(_Part):
    """All settings. Port 0 takes a free one. `returnCodes` is the edition of ECMS that issues return codes
    itself.
    """

    host: Text = "127.0.0.1"
    port: Port = 8086
    control_port: Port = 8087
    data_file: Path
    gateway: GatewayAddress
    clients: tuple[Client, ...]
    sandbox: bool = False
    return_codes: bool = False
    webhook_timeout_s: Annotated[float, Field(gt=0, le=60, alias="webhookTimeoutS")] = 10.0
    demo_parcels: tuple[DemoParcel, ...] = ()

    @model_validator(mode="after")
    def _one_client_for_each_id(self) -> Self:
        ids = [client.client_id for client in self.clients]
        if len(set(ids)) != len(ids):
            raise ValueError("two clients have the same clientId")
        return self


def read_config(path: Path) -> Config:
    """Reads the file; OSError where there is none, pydantic's ValidationError where something in it is
    wrong.
    """
    return Config.model_validate_json(path.read_bytes())
