"""The demonstration's stories: each plays through the simulators and says what ECMS must have heard."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from .ecmscontrol import EcmsControl
from .faultproxy import Fault, FaultProxy
from .kiosk import Kiosk
from .pos import Outcome, Result, Till
from .wire import WireClient, parse_amount

# The sample shipment of the platform's published B2C document.
SAMPLE_SHIPMENT: dict[str, Any] = {
    "merchantCode": "001",
    "merchant": "Merchant A",
    "mobileNumber": "09123456789",
    "merchantReference": "AXDY43322222524544",
    "deliveryLocationId": "0166",
    "deliveryDate": "2015-08-02 17:55:59",
    "orderDate": "2015-08-01",
    "pickupDate": "2015-08-03",
    "shipping_weight": "0.5",
    "shipping_length": "12.3",
    "shipping_width": "12.3",
    "shipping_height": "12.3",
    "description": "item description",
    "amount": "200.00",
    "paymentType": "COD",
    "packageType": "For Pickup",
    "address": {
        "address1": "xxx xxx xxx xxx xxx",
        "address2": "xxx xxx xxx xxx xxx",
        "city": "xxx xxx xxx xxx xxx",
        "province": "xxx xxx xxx xxx xxx",
    },
}
_SAMPLE_REFERENCE: str = SAMPLE_SHIPMENT["merchantReference"]
_COD_AMOUNT: str = SAMPLE_SHIPMENT["amount"]
_TENDERED = parse_amount("500.00")
_AT_STORE = "DELIVERED TO STORE"
_HISTORY_WITHIN_S = 30.0
# What the counter and the kiosk tell ECMS; the rest of a history is ECMS's own.
_COUNTER_STATUSES = frozenset({"CLAIMED", "FOR RETURN", "RETURNED"})
_REVERSAL_REASONS = frozenset({"CLAIM REVERSED", "RETURN REVERSED"})


class StoryFailed(Exception):
    """Something in a story was not as the story says."""


@dataclass(frozen=True)
class Heard:
    """Something that ECMS must have been told and have applied, once, in its place in the order."""

    status: str
    payment: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Parcel:
    """A parcel on its way, as the merchant and the customer know it."""

    tracking_number: str
    claim_code: str
    merchant_reference: str
    amount: str


class Show(Protocol):
    """Where a story is shown."""

    def step(self, text: str) -> AbstractContextManager[None]:
        """A step under way; it ticks when the block ends, and is crossed out if the block fails."""
        ...

    def slip(self, lines: Iterable[str], title: str) -> None:
        """A receipt or a slip as the paper would look."""
        ...

    def verdict(self, result: Result) -> None:
        """What the till's display tells the clerk."""
        ...


@dataclass
class Stage:
    """All that the stories play with; the till speaks to the gateway through `network`."""

    show: Show
    merchant: WireClient
    control: EcmsControl
    network: FaultProxy
    till: Till
    kiosk: Kiosk
    sold_in_first_story: Parcel | None = None


@dataclass
class Told:
    """What a story has come to: what ECMS must have heard of which parcel, and the receipts."""

    expected: dict[str, tuple[Heard, ...]] = field(default_factory=dict)
    receipts: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Story:
    """One story of the demonstration."""

    title: str
    play: Callable[[Stage, Told], Awaitable[None]]


def heard(events: Sequence[dict[str, Any]]) -> tuple[Heard, ...]:
    """What counter and kiosk have told ECMS and ECMS has applied, in its order."""
    return tuple(
        Heard(event["status"], (event.get("payment") or {}).get("amount"), event.get("reason"))
        for event in events
        if event["applied"] and (event["status"] in _COUNTER_STATUSES or event.get("reason") in _REVERSAL_REASONS)
    )


async def agrees(stage: Stage, told: Told) -> bool:
    """Whether ECMS's histories come to say what the story says; waits for them, within bounds."""
    for tracking_number, expected in told.expected.items():
        if not await stage.control.wait_for(
            tracking_number,
            lambda events, expected=expected: heard(events) == expected,  # type: ignore[misc]
            within_s=_HISTORY_WITHIN_S,
        ):
            return False
    return True


async def ensure_agrees(stage: Stage, told: Told) -> None:
    """Raises StoryFailed where ECMS's histories do not come to say what the story says."""
    if not await agrees(stage, told):
        raise StoryFailed(f"ECMS was to hear {told.expected}")


async def send_parcel(stage: Stage, *, number: int, cod: bool = True) -> Parcel:
    """The sample shipment, from the merchant's order to the store; each `number` is another order."""
    head = _SAMPLE_REFERENCE.rstrip("0123456789")
    digits = _SAMPLE_REFERENCE[len(head) :]
    reference = f"{head}{int(digits) + number:0{len(digits)}d}"
    shipment = {**SAMPLE_SHIPMENT, "merchantReference": reference}
    if not cod:
        shipment |= {"amount": "0", "paymentType": "PREPAID"}
    with stage.show.step(f"the merchant books shipment {reference} at ECMS"):
        answer = await stage.merchant.request("POST", "/ecms/api/v1/shipments", json=shipment)
        body = answer.body or {}
        _ensure(answer.status in {200, 201} and "trackingNumber" in body, f"{answer.status} {body}")
        parcel = Parcel(str(body["trackingNumber"]), str(body["claimCode"]), reference, shipment["amount"])
    with stage.show.step(f"parcel {parcel.tracking_number} travels to the store, code {parcel.claim_code}"):
        await stage.control.advance(parcel.tracking_number, _AT_STORE)
    return parcel


async def _look_up(stage: Stage, code: str, kind: str, action: str) -> None:
    with stage.show.step(f"the clerk scans {code}: {kind}, next {action}"):
        result = await stage.till.lookup(code)
        found = (result.body.get("kind"), result.body.get("state"), result.body.get("action"))
        _ensure(found == (kind, "OPEN", action), f"{result.status} {result.code} {found}")


async def _collect(stage: Stage, told: Told, parcel: Parcel) -> Result:
    with stage.show.step(f"the clerk scans the label and takes the cash, PHP {_COD_AMOUNT}"):
        result = await stage.till.collect(parcel.claim_code, parcel.tracking_number, _TENDERED)
        _ensure_approved(result)
    _hand_over(stage, told, result)
    return result


def _hand_over(stage: Stage, told: Told, result: Result) -> None:
    stage.show.verdict(result)
    if result.receipt is not None:
        told.receipts.append(result.receipt.number)
        stage.show.slip(result.receipt.text, result.receipt.number)


def _ensure_approved(result: Result) -> None:
    approved = result.outcome is Outcome.APPROVED and result.receipt is not None
    _ensure(approved, f"{result.outcome.value} {result.status} {result.code}")


def _ensure(as_told: bool, otherwise: str) -> None:
    if not as_told:
        raise StoryFailed(otherwise)


async def _cod_collected(stage: Stage, told: Told) -> None:
    parcel = await send_parcel(stage, number=0)
    await _look_up(stage, parcel.claim_code, "PAY_AND_CLAIM", "COLLECT")
    await _collect(stage, told, parcel)
    told.expected[parcel.tracking_number] = (Heard("CLAIMED", _COD_AMOUNT),)
    stage.sold_in_first_story = parcel


async def _prepaid_claimed(stage: Stage, told: Told) -> None:
    parcel = await send_parcel(stage, number=1, cod=False)
    await _look_up(stage, parcel.claim_code, "CLAIM", "CLAIM")
    with stage.show.step("the clerk scans the label; nothing is owed"):
        result = await stage.till.claim(parcel.claim_code, parcel.tracking_number)
        _ensure_approved(result)
    _hand_over(stage, told, result)
    told.expected[parcel.tracking_number] = (Heard("CLAIMED"),)


async def _answer_lost(stage: Stage, told: Told) -> None:
    parcel = await send_parcel(stage, number=2)
    await _look_up(stage, parcel.claim_code, "PAY_AND_CLAIM", "COLLECT")
    struck = stage.network.inject(Fault.DROP_ANSWER)
    result = await _collect(stage, told, parcel)
    with stage.show.step("the first answer was lost; the till sent the same transaction again"):
        again = (struck.is_set(), result.replayed, result.attempts)
        _ensure(again == (True, True, 2), f"lost, replayed, attempts: {again}")
    with stage.show.step("an inquiry finds the same receipt number"):
        found = await stage.till.inquire(result.transaction_id or "")
        _ensure_approved(found)
        _ensure(found.receipt == result.receipt, f"{found.receipt} is not {result.receipt}")
    told.expected[parcel.tracking_number] = (Heard("CLAIMED", _COD_AMOUNT),)


async def _wrong_label(stage: Stage, told: Told) -> None:
    parcel = await send_parcel(stage, number=3)
    other = await send_parcel(stage, number=4)
    with stage.show.step("the clerk scans another parcel's label: refused"):
        result = await stage.till.collect(parcel.claim_code, other.tracking_number, _TENDERED)
        refused = (result.outcome, result.status, result.code)
        _ensure(refused == (Outcome.REFUSED, 409, "wrong-label"), f"{refused}")
    stage.show.verdict(result)
    await _collect(stage, told, parcel)
    told.expected[parcel.tracking_number] = (Heard("CLAIMED", _COD_AMOUNT),)
    told.expected[other.tracking_number] = ()


async def _reversal(stage: Stage, told: Told) -> None:
    parcel = await send_parcel(stage, number=5)
    first = await _collect(stage, told, parcel)
    with stage.show.step("the customer changes their mind: the clerk voids the sale, parcel in hand"):
        result = await stage.till.reverse(first.transaction_id or "", "CLERK_VOID", parcel_in_hand=True)
        _ensure(result.outcome is Outcome.REVERSED, f"{result.outcome.value} {result.status} {result.code}")
    stage.show.verdict(result)
    await _look_up(stage, parcel.claim_code, "PAY_AND_CLAIM", "COLLECT")
    second = await _collect(stage, told, parcel)
    with stage.show.step("the second sale has a receipt number of its own"):
        numbers = {sale.receipt.number for sale in (first, second) if sale.receipt}
        _ensure(len(numbers) == 2, f"{numbers}")
    told.expected[parcel.tracking_number] = (
        Heard("CLAIMED", _COD_AMOUNT),
        Heard(_AT_STORE, reason="CLAIM REVERSED"),
        Heard("CLAIMED", _COD_AMOUNT),
    )


async def _customer_return(stage: Stage, told: Told) -> None:
    bought = stage.sold_in_first_story
    if bought is None:
        raise StoryFailed("the first story sold nothing that could be returned")
    with stage.show.step(f"at the kiosk the customer types the order number {bought.merchant_reference}"):
        asked = await stage.kiosk.request_return(
            "ORDER_NUMBER", bought.merchant_reference, merchant_code=SAMPLE_SHIPMENT["merchantCode"]
        )
        _ensure(asked.ok, f"{asked.status} {asked.code}: {asked.sentence}")
    code, tracking_number = str(asked.body["returnCode"]), str(asked.body["trackingNumber"])
    stage.show.slip(asked.slip, f"RETURN CODE {code}")
    with stage.show.step("asked again, the kiosk gives the same code"):
        again = await stage.kiosk.request_return(
            "ORDER_NUMBER", bought.merchant_reference, merchant_code=SAMPLE_SHIPMENT["merchantCode"]
        )
        _ensure(again.body.get("returnCode") == code, f"{again.status} {again.code} {again.body}")
    await _look_up(stage, code, "RETURN", "ACCEPT_RETURN")
    with stage.show.step("the clerk takes the parcel back"):
        result = await stage.till.accept_return(code)
        _ensure_approved(result)
    _hand_over(stage, told, result)
    told.expected[tracking_number] = (Heard("FOR RETURN"), Heard("RETURNED"))


async def _ecms_down(stage: Stage, told: Told) -> None:
    parcel = await send_parcel(stage, number=6)
    with stage.show.step("ECMS goes down"):
        await stage.control.fail("down")
    try:
        await _collect(stage, told, parcel)
        with stage.show.step("the counter did not notice; ECMS has not heard of it"):
            events = await stage.control.history(parcel.tracking_number)
            _ensure(heard(events) == (), f"{heard(events)}")
    finally:
        with stage.show.step("ECMS comes back"):
            await stage.control.fail("none")
    told.expected[parcel.tracking_number] = (Heard("CLAIMED", _COD_AMOUNT),)


STORIES = (
    Story("Cash on delivery: paid for and released", _cod_collected),
    Story("Prepaid: released against its label", _prepaid_claimed),
    Story("An answer is lost and the till tries again", _answer_lost),
    Story("The wrong label is refused", _wrong_label),
    Story("A sale is reversed, and the parcel sold again", _reversal),
    Story("A return, from the kiosk to the counter", _customer_return),
    Story("ECMS goes down and comes back", _ecms_down),
)
