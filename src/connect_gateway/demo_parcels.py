"""The parcels that every sandbox holds from its first moment, so that the OpenAPI document's examples name real ones.

All are Merchant A's, at store 0166. Their references begin with 0, which no issued one does, and so do their tracking
numbers. What the counter has done with some of them it did on terminal 900, so that the receipts of the demo
till, terminal 1, begin with its user's own first transaction.
"""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from connect_gateway.clock import PHILIPPINE_TIME
from connect_gateway.domain.records import Perform, ReversalReason, Reverse
from connect_gateway.domain.states import Kind, TransactionType

STORE_ID = "0166"
POS = 900
MERCHANT_CODE = "001"
MERCHANT = "Merchant A"
MOBILE_NUMBER = "09123456789"

BUSINESS_DATE = date(2026, 11, 22)
ARRIVED_AT = datetime(2026, 11, 22, 8, 0, tzinfo=PHILIPPINE_TIME)
DONE_AT = datetime(2026, 11, 22, 10, 30, tzinfo=PHILIPPINE_TIME)
RETURNABLE_UNTIL = datetime(2099, 12, 31, 23, 59, 59, tzinfo=PHILIPPINE_TIME)


@dataclass(slots=True, frozen=True)
class DemoParcel:
    """One parcel; `amount_due` is in centavos. Of a return, `order` is the identifier that the customer types, of a
    drop-off the booking's reference.
    """

    kind: Kind
    reference: str
    tracking_number: str
    order: str
    description: str
    amount_due: int = 0


COD = DemoParcel(Kind.PAY_AND_CLAIM, "016600000011", "016600000000000001", "DEMO-COD-1", "rice cooker", 20_000)
PREPAID = DemoParcel(Kind.CLAIM, "016600000024", "016600000000000002", "DEMO-PREPAID-1", "shoes")
RETURN = DemoParcel(Kind.RETURN, "016600000030", "016600000000000003", "DEMO-RETURN-1", "")
COD_COLLECTED = DemoParcel(Kind.PAY_AND_CLAIM, "016600000048", "016600000000000004", "DEMO-COD-2", "umbrella", 129_950)
PREPAID_CLAIMED = DemoParcel(Kind.CLAIM, "016600000053", "016600000000000005", "DEMO-PREPAID-2", "books")
RETURN_ACCEPTED = DemoParcel(Kind.RETURN, "016600000069", "016600000000000006", "DEMO-RETURN-2", "")
COD_REVERSED = DemoParcel(Kind.PAY_AND_CLAIM, "016600000076", "016600000000000007", "DEMO-COD-3", "lamp", 4_500)
PAYMENT = DemoParcel(Kind.PAY, "016600000082", "016600000000000008", "DEMO-PAY-1", "game credits", 10_000)
DROP_OFF = DemoParcel(Kind.DROP_OFF, "016600000095", "016600000000000009", "DEMO-BOOKING-1", "handmade bag", 3_000)
BOOKED = DemoParcel(Kind.DROP_OFF, "016600000105", "016600000000000010", "DEMO-BOOKING-2", "candles", 3_000)

# What has come from a warehouse, what customers bring back, what they pay for, and what sellers send.
SHIPMENTS = (COD, PREPAID, COD_COLLECTED, PREPAID_CLAIMED, COD_REVERSED)
RETURNS = (RETURN, RETURN_ACCEPTED)
PAYMENTS = (PAYMENT,)
DROP_OFFS = (DROP_OFF, BOOKED)
ALL = (*SHIPMENTS, *RETURNS, *PAYMENTS, *DROP_OFFS)


def _request_id(number: int) -> UUID:
    return UUID(f"0166f00d-0000-4000-8000-{number:012d}")


RETURN_REQUEST_ID = _request_id(3)
RETURN_ACCEPTED_REQUEST_ID = _request_id(6)
COLLECTED_ID, CLAIMED_ID, ACCEPTED_ID, DECLINED_ID, REVERSED_ID = map(_request_id, (14, 15, 16, 11, 17))
NEW_COLLECT_ID, NEW_CLAIM_ID, NEW_ACCEPT_ID, NEVER_ARRIVED_ID = map(_request_id, (21, 22, 23, 24))
NEW_PAY_ID, NEW_DROP_OFF_ID = map(_request_id, (25, 26))
"""What a till that tries the examples uses; no sandbox begins with a transaction of these ids."""


def return_message(parcel: DemoParcel) -> dict[str, str]:
    """The body of `PUT /kiosk/v1/returns/{requestId}` that asks for a return's code."""
    return {"identifierType": "ORDER_NUMBER", "identifier": parcel.order, "merchantCode": MERCHANT_CODE}


COLLECTED_RECEIPT, CLAIMED_RECEIPT, ACCEPTED_RECEIPT = (f"{STORE_ID}-{POS}-{count:08d}" for count in (1, 2, 3))


def _perform(
    transaction_id: UUID, type_: TransactionType, parcel: DemoParcel, tendered: int | None = None, label: str = ""
) -> Perform:
    return Perform(
        store_id=STORE_ID,
        transaction_id=transaction_id,
        type=type_,
        reference=parcel.reference,
        pos=POS,
        shift=1,
        business_date=BUSINESS_DATE,
        clerk="ana",
        tracking_number=label or parcel.tracking_number,
        tender=None if tendered is None else "CASH",
        amount_tendered=tendered,
    )


COMMANDS: tuple[Perform | Reverse, ...] = (
    _perform(COLLECTED_ID, TransactionType.COLLECT, COD_COLLECTED, 150_000),
    _perform(CLAIMED_ID, TransactionType.CLAIM, PREPAID_CLAIMED),
    _perform(ACCEPTED_ID, TransactionType.ACCEPT_RETURN, RETURN_ACCEPTED),
    _perform(DECLINED_ID, TransactionType.COLLECT, COD, 20_000, label=PREPAID.tracking_number),
    _perform(REVERSED_ID, TransactionType.COLLECT, COD_REVERSED, 5_000),
    Reverse(STORE_ID, REVERSED_ID, ReversalReason.CLERK_VOID, parcel_in_hand=True, pos=POS),
)
"""What the counter has done with them, in this order; receipts are numbered accordingly."""
