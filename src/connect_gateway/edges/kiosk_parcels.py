"""The kiosk edge (roles `kiosk` and `app`), its second half: a seller's drop-off, and where a parcel is."""

import re
from typing import Any

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from connect_gateway.domain.codes import parse_reference, show_reference
from connect_gateway.domain.money import format_amount
from connect_gateway.domain.refusals import Code
from connect_gateway.domain.states import PARCEL_KINDS, Kind, State
from connect_gateway.domain.verdicts import Verdict
from connect_gateway.edges import papers
from connect_gateway.edges.answers import CURRENCY, format_time
from connect_gateway.edges.gateway import Gateway
from connect_gateway.edges.http import read_body
from connect_gateway.edges.kiosk import NO_STORE, refuse_locked_out
from connect_gateway.edges.parsing import MerchantReferenceField
from connect_gateway.edges.problems import Problem, json_response, malformed
from connect_gateway.ledger import clients, dropoffs, whereabouts
from connect_gateway.ledger.clients import Client
from connect_gateway.ledger.dropoffs import DropOff
from connect_gateway.ledger.whereabouts import Seen
from connect_gateway.receipts.label import DropOffLabel, label_barcodes, label_paper, label_text

_LABEL_TYPES = (papers.JSON, papers.TEXT, papers.PNG, papers.PDF, papers.ESCPOS)
_NO_LABEL = Verdict("NONE", "HOLD", "NO LABEL\nASK AT THE COUNTER")
_NOT_FOUND = Verdict("NONE", "HOLD", "NOT FOUND\nCHECK THE NUMBER")

_TRACKING = re.compile("[ -]*(?:[0-9][ -]*){17,18}")
_BOOKING: TypeAdapter[str] = TypeAdapter(MerchantReferenceField)

_CLOSED = {
    State.DONE: (Code.ALREADY_DONE, "the parcel has been dropped off"),
    State.CANCELLED: (Code.CANCELLED, "the booking was cancelled"),
    State.EXPIRED: (Code.EXPIRED, "the booking is past its expiry"),
}


class KioskParcelsEdge:
    """The routes of `/kiosk/v1/dropoffs` and `/kiosk/v1/parcels`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/kiosk/v1/dropoffs/{bookingReference}", self.show, allow_head=False),
            web.put("/kiosk/v1/dropoffs/{bookingReference}/label", self.label),
            web.get("/kiosk/v1/parcels/{trackingNumberOrReference}", self.parcel, allow_head=False),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """A drop-off by its booking."""
        client, booking = await self._asked(request)
        found = await dropoffs.by_booking(self._gateway.pool, booking)
        if found is None:
            raise await self._unknown(client, "unknown-booking", "no drop-off was booked under this reference")
        return json_response(self._body(found))

    async def label(self, request: web.Request) -> web.Response:
        """Prints a drop-off's label, as often as it is asked for; ECMS hears FOR DROP OFF once."""
        client, booking = await self._asked(request)
        if await read_body(request):
            raise malformed("a label takes no body")
        media_type = papers.negotiated(request, _LABEL_TYPES, _NO_LABEL)
        now = self._gateway.now()
        found = await dropoffs.print_label(self._gateway.pool, booking, client.store_id or NO_STORE, now)
        if found is None:
            raise await self._unknown(client, "unknown-booking", "no drop-off was booked under this reference")
        self._gateway.wake_relay()
        closed = _CLOSED.get(found.reference.state_at(now))
        if closed is not None:
            raise Problem(*closed, _NO_LABEL)
        label = _label_of(found)
        if media_type == papers.JSON:
            printed = {"text": label_text(label), "barcodes": label_barcodes(label)}
            return json_response(self._body(found) | {"label": printed})
        return await papers.response(media_type, label_paper(label), label_text(label))

    async def parcel(self, request: web.Request) -> web.Response:
        """A parcel's newest status and place, by its tracking number or any code of it; nothing of anybody's."""
        client = await self._gateway.authorize(request, "kiosk", "app")
        await refuse_locked_out(self._gateway, client)
        given = request.match_info["trackingNumberOrReference"]
        if _TRACKING.fullmatch(given):
            number = given.replace("-", "").replace(" ", "")
            seen = await whereabouts.of_parcel(self._gateway.pool, tracking_number=number)
        else:
            try:
                reference = parse_reference(given)
            except ValueError as error:
                raise malformed("a tracking number has 17 or 18 digits, a code has 12") from error
            seen = await whereabouts.of_parcel(self._gateway.pool, reference=reference)
        if seen is None:
            raise await self._unknown(client, "unknown-parcel", "no parcel has this number or code here")
        return json_response(self._seen(seen))

    async def _asked(self, request: web.Request) -> tuple[Client, str]:
        client = await self._gateway.authorize(request, "kiosk", "app")
        await refuse_locked_out(self._gateway, client)
        try:
            return client, _BOOKING.validate_python(request.match_info["bookingReference"], strict=True)
        except ValidationError as error:
            raise malformed("a booking's reference has 1 to 40 characters, none of them a control character") from error

    async def _unknown(self, client: Client, code: str, detail: str) -> Problem:
        await clients.note_attempt(self._gateway.pool, client, unknown=True, now=self._gateway.now())
        return Problem(code, detail, _NOT_FOUND)

    def _body(self, found: DropOff) -> dict[str, Any]:
        reference = found.reference
        return {
            "bookingReference": reference.merchant_reference,
            "reference": show_reference(reference.reference),
            "state": reference.state_at(self._gateway.now()),
            "trackingNumber": reference.tracking_number,
            "merchant": reference.merchant,
            "description": reference.description,
            "amountDue": format_amount(reference.amount_due),
            "currency": CURRENCY,
            "destinationStoreId": found.destination_store_id,
            "labelPrinted": found.label_printed,
            "expiresAt": None if reference.expires_at is None else format_time(reference.expires_at),
        }

    def _seen(self, seen: Seen) -> dict[str, Any]:
        now = self._gateway.now()
        waiting = [
            one.store_id for one in seen.references if one.kind in PARCEL_KINDS and one.state_at(now) is State.OPEN
        ]
        return {
            "labelHint": seen.references[0].tracking_number[-4:],
            "status": seen.status,
            "location": seen.location,
            "updatedAt": format_time(seen.at),
            "claimableAt": waiting[0] if waiting else None,
        }


def _label_of(found: DropOff) -> DropOffLabel:
    reference = found.reference
    assert reference.kind is Kind.DROP_OFF, "the ledger keeps bookings of drop-offs alone"
    return DropOffLabel(
        reference=reference.reference,
        tracking_number=reference.tracking_number,
        booking_reference=reference.merchant_reference,
        merchant=reference.merchant,
        destination_store_id=found.destination_store_id,
        amount_due=reference.amount_due,
        expires_at=reference.expires_at,
    )
