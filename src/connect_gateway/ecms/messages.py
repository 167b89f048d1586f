"""What ECMS is sent, and how its times are written: `YYYY-MM-DD HH:MM:SS` in Philippine time."""

from datetime import datetime
from typing import Any

from connect_gateway.clock import PHILIPPINE_TIME
from connect_gateway.domain.codes import show_reference
from connect_gateway.domain.money import format_amount
from connect_gateway.domain.records import Event

_FORMAT = "%Y-%m-%d %H:%M:%S"


def format_ecms_time(moment: datetime) -> str:
    """A moment as ECMS writes it."""
    return moment.astimezone(PHILIPPINE_TIME).strftime(_FORMAT)


def parse_ecms_time(text: str) -> datetime:
    """A moment as ECMS wrote it; ValueError otherwise."""
    if len(text) != 19 or not text.isascii():
        raise ValueError("a time is YYYY-MM-DD HH:MM:SS")
    return datetime.strptime(text, _FORMAT).replace(tzinfo=PHILIPPINE_TIME)


def status_body(event: Event) -> dict[str, Any]:
    """The body of `POST /ecms/api/v1/status`."""
    body: dict[str, Any] = {
        "eventId": str(event.event_id),
        "trackingNumber": event.tracking_number,
        "merchantReference": event.merchant_reference,
        "status": event.status,
        "location": event.location,
        "timestamp": format_ecms_time(event.occurred_at),
    }
    if event.reason is not None:
        body["reason"] = event.reason
    if event.return_code is not None:
        body["returnCode"] = show_reference(event.return_code)
    if event.payment is not None:
        body["payment"] = {
            "amount": format_amount(event.payment.amount),
            "receiptNumber": event.payment.receipt_number,
            "store": event.payment.store_id,
            "pos": str(event.payment.pos),
            "shift": str(event.payment.shift),
            "bdate": event.payment.business_date.isoformat(),
        }
    return body
