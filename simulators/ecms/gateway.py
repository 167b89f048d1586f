"""What the simulator asks of the gateway, and tells it."""

import re
from datetime import UTC, datetime

from ..wire import Answer, NoAnswer, WireClient, format_amount
from .clock import write_time
from .messages import Refusal
from .parcels import Parcel

_REFERENCE = re.compile(r"[0-9]{12}")


class GatewayAway(Exception):
    """The gateway has not done what it was asked for, and may later: nobody answered, or it said so
    itself.
    """


class Gateway:
    """The gateway's ECMS edge, as ECMS's client there."""

    def __init__(self, wire: WireClient) -> None:
        self._wire = wire

    async def close(self) -> None:
        """Closes the connections."""
        await self._wire.close()

    async def issue_drop_off_code(self, parcel: Parcel) -> str:
        """The 12 digits by which the seller drops a package off; asked again, the gateway gives the same. It fails as
        `issue_reference` does.
        """
        return await self._issue(
            {
                "kind": "DROP_OFF",
                "trackingNumber": parcel.tracking_number,
                "merchantCode": parcel.merchant_code,
                "merchant": parcel.merchant,
                "merchantReference": parcel.booking_reference or "",
                "amount": format_amount(parcel.due_at_drop_off),
                "shippingFee": format_amount(parcel.due_from_merchant),
                "description": parcel.description,
                "expiresAt": write_time(datetime.fromtimestamp(parcel.expires_at or 0, UTC)),
            }
        )

    async def issue_reference(self, shipment: Parcel) -> str:
        """The 12 digits by which the customer claims a shipment; asked again, the gateway gives the same.

        `GatewayAway` where there was none to be had now, `Refusal` 502 where the gateway will not have this
        shipment.
        """
        return await self._issue(
            {
                "kind": "PAY_AND_CLAIM" if shipment.payment_type == "COD" else "CLAIM",
                "trackingNumber": shipment.tracking_number,
                "merchantCode": shipment.merchant_code,
                "merchant": shipment.merchant,
                "merchantReference": shipment.merchant_reference,
                "paymentType": shipment.payment_type or "PREPAID",
                "amount": format_amount(shipment.amount_centavos),
                "storeId": shipment.store_id or "",
                # Of a drop-off the merchant owes the fee with the drop-off itself, if at all.
                "shippingFee": format_amount(0 if shipment.is_drop_off else shipment.due_from_merchant),
                "mobileNumber": shipment.mobile_number or "",
                "description": shipment.description,
            }
        )

    async def _issue(self, wanted: dict[str, str]) -> str:
        answer = await self._request("POST", "/ecms/v1/references", wanted)
        if answer.status in (400, 404, 409, 413, 422):
            raise Refusal(502, f"The 7-Connect gateway refused the shipment: {answer.code or answer.status}.")
        reference = (answer.body or {}).get("reference")
        digits = reference.replace("-", "").replace(" ", "") if isinstance(reference, str) else ""
        if answer.status not in (200, 201) or _REFERENCE.fullmatch(digits) is None:
            raise GatewayAway(_what(answer))
        return digits

    async def tell_status(self, message: dict[str, str]) -> None:
        """Tells one status; `GatewayAway` where the gateway has not said that it has it (204)."""
        answer = await self._request("POST", "/ecms/v1/status", message)
        if answer.status != 204:
            raise GatewayAway(_what(answer))

    async def set_clock(self, now: datetime) -> None:
        """Sets the sandbox's time; `GatewayAway` where that has not happened."""
        answer = await self._request("PUT", "/sandbox/v1/clock", {"now": now.isoformat()})
        if answer.status != 204:
            raise GatewayAway(_what(answer))

    async def _request(self, method: str, path: str, body: dict[str, str]) -> Answer:
        try:
            return await self._wire.request(method, path, json=body)
        except NoAnswer as exc:
            raise GatewayAway(str(exc)) from exc


def _what(answer: Answer) -> str:
    return f"status {answer.status} {answer.code or ''}".strip()
