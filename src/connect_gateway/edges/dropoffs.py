"""What ECMS says of a drop-off at the counter: asked before the ledger decides, and never while it does."""

import asyncio
import re
from uuid import UUID

import structlog

from connect_gateway.domain.records import Quote
from connect_gateway.domain.refusals import Code
from connect_gateway.domain.states import Kind, State
from connect_gateway.ecms.client import EcmsAway
from connect_gateway.edges.gateway import Gateway
from connect_gateway.ledger import lookups
from connect_gateway.ledger.clients import Client

QUOTE_PATH = "/ecms/api/v1/dropoff/quote"
QUOTE_WITHIN_S = 1.0
"""For how long ECMS is waited for, its token included: the till has its answer within 2 s, the commit included."""

_AMOUNT = re.compile(r"([0-9]{1,10})(?:\.([0-9]{2}))?")
_CONFLICT = 409

_log = structlog.get_logger("dropoffs")


async def quote_of(
    gateway: Gateway, client: Client, store_id: str, transaction_id: UUID, reference: str
) -> Quote | None:
    """What the drop-off costs at this store; None where ECMS need not be asked, and where it gives no answer.

    It is not asked again about a transaction that is known: that one has its answer. Nor about a reference that the
    ledger will refuse by itself; should that change in between, the till is told to send again.
    """
    found = (await gateway.lookups.find(reference, client.client_id)).reference
    if found is None or found.kind is not Kind.DROP_OFF or found.state_at(gateway.now()) is not State.OPEN:
        return None
    if await lookups.transaction(gateway.pool, store_id, transaction_id) is not None:
        return None
    asked = {
        "trackingNumber": found.tracking_number,
        "bookingReference": found.merchant_reference,
        "returnCode": found.reference,
        "storeId": store_id,
    }
    try:
        async with asyncio.timeout(QUOTE_WITHIN_S):
            answer = await gateway.ecms.post(QUOTE_PATH, asked)
    except (EcmsAway, TimeoutError) as error:
        _log.warning("no-quote", why=str(error) or "no answer in time")
        return None
    if answer.status == _CONFLICT and answer.body.get("code") == Code.DAILY_LIMIT:
        return Quote(None)
    fee = _centavos(answer.body.get("amountDue")) if answer.status == 200 else None
    if fee is None:
        _log.warning("no-quote", why=f"status {answer.status}, or no amount that can be read")
        return None
    return Quote(fee)


def _centavos(amount: object) -> int | None:
    """An amount as ECMS writes them: `65` and `65.00` alike."""
    found = _AMOUNT.fullmatch(amount) if isinstance(amount, str) else None
    return None if found is None else int(found[1]) * 100 + int(found[2] or 0)
