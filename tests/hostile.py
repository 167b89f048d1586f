"""What the tests of hostile input share: good messages to spoil, and what a refused one must leave behind."""

from collections.abc import Callable
from typing import Any

from checks import ecms_error, refusal
from partners import Reply, business_date, ecms_time
from world import World

ID = "11111111-2222-4333-8444-555555555555"


def transaction(**fields: Any) -> dict[str, Any]:
    body = {
        "type": "COLLECT",
        "reference": "9917-6789-0023",
        "pos": "1",
        "shift": "1",
        "businessDate": business_date(),
        "clerk": "ana",
        "trackingNumber": "303105332614281200",
        "tender": "CASH",
        "amountTendered": "500.00",
    }
    return {name: value for name, value in (body | fields).items() if value is not None}


REVERSAL = {"reason": "CLERK_VOID", "parcelInHand": True}
RETURN = {"identifierType": "UID", "identifier": "X-1"}
REFERENCE = {
    "kind": "RETURN",
    "trackingNumber": "303105332614281200",
    "merchantCode": "001",
    "merchant": "Merchant A",
    "merchantReference": "RET-1",
}
STATUS = {
    "trackingNumber": "303105332614281200",
    "merchantReference": "RET-1",
    "status": "CANCELLED",
    "location": "0166",
    "timestamp": ecms_time(),
}
WITH_BODY: list[tuple[str, str, str, Callable[[], dict[str, Any]]]] = [
    ("till", "PUT", f"/pos/v1/transactions/{ID}", transaction),
    ("till", "PUT", f"/pos/v1/transactions/{ID}/reversal", lambda: REVERSAL),
    ("kiosk", "PUT", f"/kiosk/v1/returns/{ID}", lambda: RETURN),
    ("ecms", "POST", "/ecms/v1/references", lambda: REFERENCE),
    ("ecms", "POST", "/ecms/v1/status", lambda: STATUS),
]


async def nothing_is_stored(world: World) -> None:
    for table in ("reference", "transaction", "event", "journal", "return_request", "attempt", "contact", "shift"):
        assert not await world.fetch(f"SELECT FROM {table}"), table


def malformed(edge: str, reply: Reply, status: int = 400, code: str = "malformed-request") -> None:
    if edge == "ecms":
        ecms_error(reply, status, code)
    else:
        refusal(reply, status, code)
