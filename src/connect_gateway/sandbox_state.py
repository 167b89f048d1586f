"""What a sandbox keeps between runs: its ports, its clients and their secrets, and the files made of them."""

import json
import secrets
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from connect_gateway import demo_parcels
from connect_gateway.demo_parcels import DemoParcel
from connect_gateway.domain.money import format_amount
from connect_gateway.domain.states import Kind
from connect_gateway.ecms.messages import format_ecms_time
from connect_gateway.processes import StartError, choose_port, write_private

STORE_ID = "0166"
POS = 1


class _Kept(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Ports(_Kept):
    """The ports of 127.0.0.1 that the sandbox's programs listen on; PostgreSQL keeps its own."""

    gateway: int
    ecms: int
    ecms_control: int
    till: int = Field(default_factory=choose_port)
    kiosk: int = Field(default_factory=choose_port)


def _secret() -> str:
    return secrets.token_hex(32)  # 256 random bits


class Client(_Kept):
    """A client application, in the form in which it is printed."""

    client_id: str
    client_secret: str = Field(default_factory=_secret)
    store_id: str | None = None
    pos: str | None = None
    merchant_code: str | None = None


def _clients() -> dict[str, Client]:
    return {
        "pos": Client(client_id="demo-pos", store_id=STORE_ID, pos=str(POS)),
        "kiosk": Client(client_id="demo-kiosk", store_id=STORE_ID),
        "ecms": Client(client_id="demo-ecms"),
        "app": Client(client_id="demo-app"),
        "admin": Client(client_id="demo-admin"),
        "merchant": Client(client_id="demo-merchant", merchant_code="001"),
    }


class SandboxState(_Kept):
    """Everything that a sandbox decides once and keeps for good."""

    ports: Ports
    clients: dict[str, Client] = Field(default_factory=_clients)
    gateway_at_ecms: Client = Field(default_factory=lambda: Client(client_id="connect-gateway"))
    second_merchant: Client = Field(default_factory=lambda: Client(client_id="demo-merchant-2", merchant_code="002"))
    till_in_browser: Client = Field(
        default_factory=lambda: Client(client_id="demo-pos-2", store_id=STORE_ID, pos=str(POS + 1))
    )
    """A terminal of its own, so that the browser's till and one under development share no shift and no journal."""

    def printed_clients(self) -> dict[str, dict[str, str]]:
        """The clients as the sandbox's line shows them, each with the fields that it has."""
        return {role: client.model_dump(by_alias=True, exclude_none=True) for role, client in self.clients.items()}


def load_state(home: Path) -> SandboxState:
    """What an earlier run kept in `home`, or new ports and secrets, which are kept from now on.

    Writes `credentials.json` beside it, the printed line's `clients` object, as other commands take it.
    """
    file = home / "sandbox.json"
    if file.exists():
        try:
            state = SandboxState.model_validate_json(file.read_bytes())
        except ValueError as error:
            raise StartError(f"{file} cannot be read: {error}") from error
    else:
        state = SandboxState(ports=_choose_ports())
    # Also where it was there: an earlier version of this program may not have decided everything.
    write_private(file, state.model_dump_json(by_alias=True, indent=1, exclude_none=True))
    write_private(home / "credentials.json", json.dumps(state.printed_clients(), indent=1))
    return state


def _choose_ports() -> Ports:
    chosen: list[int] = []
    while len(chosen) < len(Ports.model_fields):
        port = choose_port()
        if port not in chosen:
            chosen.append(port)
    return Ports(**dict(zip(Ports.model_fields, chosen, strict=True)))


def pages_config(state: SandboxState, simulator: str, data_dir: Path) -> dict[str, Any]:
    """The configuration of the pages of one simulator, `till` or `kiosk`."""
    client, port = {
        "till": (state.till_in_browser, state.ports.till),
        "kiosk": (state.clients["kiosk"], state.ports.kiosk),
    }[simulator]
    return {
        "host": "127.0.0.1",
        "port": port,
        "gateway": f"http://127.0.0.1:{state.ports.gateway}",
        "client": client.model_dump(by_alias=True, exclude_none=True),
        "dataDir": str(data_dir),
    }


def ecms_config(state: SandboxState, data_file: Path) -> dict[str, Any]:
    """The configuration of the ECMS simulator: whom it lets in, and how it speaks to the gateway."""
    return {
        "host": "127.0.0.1",
        "port": state.ports.ecms,
        "controlPort": state.ports.ecms_control,
        "dataFile": str(data_file),
        "sandbox": True,
        "gateway": {
            "url": f"http://127.0.0.1:{state.ports.gateway}",
            "clientId": state.clients["ecms"].client_id,
            "clientSecret": state.clients["ecms"].client_secret,
        },
        "clients": [
            _merchant(state.clients["merchant"], "Merchant A", "MERCHANT_DELIVERY"),
            _merchant(state.second_merchant, "Merchant B", "DC_PICKUP"),
            {
                "clientId": state.gateway_at_ecms.client_id,
                "clientSecret": state.gateway_at_ecms.client_secret,
                "role": "gateway",
            },
        ],
        "demoParcels": [_demo_parcel(parcel) for parcel in demo_parcels.ALL],
    }


def _demo_parcel(parcel: DemoParcel) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "trackingNumber": parcel.tracking_number,
        "merchantCode": demo_parcels.MERCHANT_CODE,
        "merchantReference": parcel.order,
        "mobileNumber": demo_parcels.MOBILE_NUMBER,
        "description": parcel.description,
        "at": format_ecms_time(demo_parcels.ARRIVED_AT),
    }
    if parcel in demo_parcels.RETURNS:
        return shown | {"expiresAt": format_ecms_time(demo_parcels.RETURNABLE_UNTIL)}
    if parcel in demo_parcels.DROP_OFFS:
        shown |= {"bookingReference": parcel.order, "fee": format_amount(parcel.amount_due)}
        return shown | {"paymentType": "PREPAID", "storeId": demo_parcels.STORE_ID, "reference": parcel.reference}
    if parcel in demo_parcels.PAYMENTS:
        # To ECMS it is a shipment that the customer pays for before it is handed out.
        return shown | {"paymentType": "PREPAID", "storeId": demo_parcels.STORE_ID, "reference": parcel.reference}
    return shown | {
        "paymentType": "COD" if parcel.kind is Kind.PAY_AND_CLAIM else "PREPAID",
        "amount": format_amount(parcel.amount_due),
        "storeId": demo_parcels.STORE_ID,
        "reference": parcel.reference,
    }


def _merchant(client: Client, name: str, flow: str) -> dict[str, Any]:
    return {
        "clientId": client.client_id,
        "clientSecret": client.client_secret,
        "role": "merchant",
        "merchantCode": client.merchant_code,
        "merchant": name,
        "flow": flow,
    }
