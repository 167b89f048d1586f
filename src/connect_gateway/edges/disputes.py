"""`/admin/v1/disputes`: stand-in sales that the ledger does not agree with, and how a person ends that."""

from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import Field, TypeAdapter, ValidationError

from connect_gateway.domain import decide
from connect_gateway.domain.codes import show_reference
from connect_gateway.domain.money import format_amount
from connect_gateway.domain.records import Resolution, Resolve
from connect_gateway.edges.answers import CURRENCY, format_time
from connect_gateway.edges.gateway import Gateway
from connect_gateway.edges.http import body_of, in_time
from connect_gateway.edges.parsing import Message, ReasonField, StoreField, parse_message, parse_uuid
from connect_gateway.edges.problems import Problem, json_response, malformed, problem_of
from connect_gateway.ledger import standins
from connect_gateway.ledger.counter import CounterCommand
from connect_gateway.ledger.standins import Dispute

_STORE: TypeAdapter[StoreField] = TypeAdapter(StoreField)


class ResolutionMessage(Message):
    """How a dispute ends; the note is for whoever reads of it later."""

    resolution: Literal["ACCEPTED", "REFUNDED"]
    note: Annotated[ReasonField, Field()] = ""


class DisputeEdge:
    """The routes of `/admin/v1/disputes`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> list[web.RouteDef]:
        one = "/admin/v1/disputes/{storeId}/{transactionId}"
        return [
            web.get("/admin/v1/disputes", in_time(self.list), allow_head=False),
            web.get(one, in_time(self.show), allow_head=False),
            web.put(one + "/resolution", self.resolve),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """The open disputes, oldest first."""
        await self._gateway.authorize(request, "admin")
        found = await standins.open_disputes(self._gateway.pool)
        return json_response({"disputes": [_body(dispute) for dispute in found]})

    async def show(self, request: web.Request) -> web.Response:
        """One dispute, open or resolved."""
        await self._gateway.authorize(request, "admin")
        return json_response(_body(await self._find(request)))

    async def resolve(self, request: web.Request) -> web.Response:
        """A person accepts the sale, or gives the money back. The same again gets the same answer."""
        client = await self._gateway.authorize(request, "admin")
        message = parse_message(ResolutionMessage, await body_of(request))
        dispute = await self._find(request)
        asked = Resolution(message.resolution)
        if dispute.resolution is None:
            sale = dispute.transaction
            command = Resolve(sale.store_id, sale.transaction_id, asked, sale.pos, client.client_id, message.note)
            outcome = await self._gateway.counter.submit(CounterCommand(command, client.client_id))
            dispute = await self._find(request)
            if isinstance(outcome, decide.Rejected) and dispute.resolution is None:
                raise problem_of(outcome.refusal, None)
        if dispute.resolution != asked:
            raise Problem("dispute-resolved", f"the dispute has ended already: {dispute.resolution}")
        return json_response(_body(dispute))

    async def _find(self, request: web.Request) -> Dispute:
        try:
            store_id = _STORE.validate_python(request.match_info["storeId"])
        except ValidationError as error:
            raise malformed("storeId has 4 digits", "storeId") from error
        transaction_id = parse_uuid(request.match_info["transactionId"], "transactionId")
        found = await standins.dispute(self._gateway.pool, store_id, transaction_id)
        if found is None:
            raise Problem("unknown-dispute", "this store has no such dispute")
        return found


def _body(dispute: Dispute) -> dict[str, Any]:
    sale = dispute.transaction
    request = sale.request
    assert request is not None  # what never arrived is never disputed
    reference = dispute.reference
    return {
        "storeId": sale.store_id,
        "transactionId": str(sale.transaction_id),
        "type": request.type,
        "state": sale.state,
        "code": dispute.code,
        "detail": dispute.detail,
        "reference": show_reference(request.reference),
        "referenceState": None if reference is None else reference.state,
        "merchant": None if reference is None else reference.merchant,
        "merchantReference": None if reference is None else reference.merchant_reference,
        "trackingNumber": sale.tracking_number,
        "scannedLabel": request.tracking_number,
        "amount": format_amount(sale.amount_due),
        "currency": CURRENCY,
        "pos": str(request.pos),
        "shift": str(request.shift),
        "businessDate": request.business_date.isoformat(),
        "clerk": request.clerk,
        "receiptNumber": sale.receipt_number,
        "standIn": {
            "occurredAt": format_time(dispute.stand_in.occurred_at),
            "receiptNumber": dispute.stand_in.receipt_number,
            "manifestId": str(dispute.stand_in.manifest_id),
        },
        "openedAt": format_time(dispute.opened_at),
        "resolution": dispute.resolution,
        "resolvedAt": None if dispute.resolved_at is None else format_time(dispute.resolved_at),
        "resolvedBy": dispute.resolved_by,
        "note": dispute.note,
    }
