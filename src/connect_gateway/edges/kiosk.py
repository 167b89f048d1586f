"""The kiosk edge (roles `kiosk` and `app`): return codes. Drop-offs and parcels stand in `kiosk_parcels.py`."""

import asyncio
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import structlog
from aiohttp import web
from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from connect_gateway.crashpoints import reach
from connect_gateway.domain import attempts, decide
from connect_gateway.domain.codes import show_reference
from connect_gateway.domain.records import Reference
from connect_gateway.domain.states import Kind, State
from connect_gateway.domain.verdicts import Verdict
from connect_gateway.ecms.client import EcmsAnswer, EcmsAway
from connect_gateway.edges import papers
from connect_gateway.edges.answers import format_time
from connect_gateway.edges.gateway import Gateway
from connect_gateway.edges.http import body_of
from connect_gateway.edges.parsing import (
    EitherMomentField,
    MerchantCodeField,
    MerchantField,
    MerchantReferenceField,
    Message,
    MobileField,
    ReferenceField,
    TrackingField,
    parse_message,
    parse_path_reference,
    parse_uuid,
)
from connect_gateway.edges.problems import Problem, dump, json_response, problem_of
from connect_gateway.keys import Keys
from connect_gateway.ledger import clients, returns
from connect_gateway.ledger.clients import Client
from connect_gateway.ledger.parcels import Conflict, NewReference
from connect_gateway.ledger.returns import ReturnRequest
from connect_gateway.receipts.slip import ReturnSlip, slip_barcodes, slip_paper, slip_text

DEFAULT_VALIDITY = timedelta(days=7)
"""Life of a return code where ECMS does not say (wire contract, "What the gateway asks of ECMS")."""

ECMS_WITHIN_S = 4.5
"""For how long ECMS is waited for, its token included: a kiosk itself waits 5 s."""

NO_STORE = "0000"
"""Location of an event that happened at no store: the customer used the app."""

_RETRY_AFTER_S = "5"
_SLIP_TYPES = (papers.TEXT, papers.PNG, papers.PDF, papers.ESCPOS)
_NO_SLIP = Verdict("NONE", "HOLD", "SLIP NOT SHOWN")

_log = structlog.get_logger("kiosk-edge")


class ReturnMessage(Message):
    """`PUT /kiosk/v1/returns/{requestId}`."""

    model_config = Message.model_config | {"alias_generator": to_camel}

    identifier_type: Literal["UID", "ORDER_NUMBER", "WAYBILL"]
    identifier: MerchantReferenceField
    merchant_code: MerchantCodeField | None = None
    mobile_number: MobileField | None = None


class _EcmsReturn(Message):
    """What ECMS answers to `POST /ecms/api/v1/returns`; what else it says is not ours to judge."""

    model_config = Message.model_config | {"alias_generator": to_camel, "extra": "ignore"}

    tracking_number: TrackingField
    return_code: ReferenceField | None = None
    merchant: MerchantField | None = None
    merchant_code: MerchantCodeField | None = None
    merchant_reference: MerchantReferenceField | None = None
    expires_at: EitherMomentField | None = None


class KioskEdge:
    """The routes of `/kiosk/v1`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> list[web.RouteDef]:
        return [
            web.put("/kiosk/v1/returns/{requestId}", self.dispense),
            web.get("/kiosk/v1/returns/{returnCode}", self.show, allow_head=False),
            web.get("/kiosk/v1/returns/{returnCode}/slip", self.slip, allow_head=False),
        ]

    async def dispense(self, request: web.Request) -> web.Response:
        """The customer types an identifier and gets a return code: one for each identifier while it is valid."""
        client = await self._gateway.authorize(request, "kiosk", "app")
        request_id = parse_uuid(request.match_info["requestId"], "requestId")
        message = parse_message(ReturnMessage, await body_of(request))
        asked = return_request(self._gateway.keys, client.client_id, request_id, message)
        earlier = await returns.earlier(self._gateway.pool, asked)
        if earlier is not None:
            same, reference = earlier
            if not same:
                raise Problem("request-mismatch", "this requestId was sent before with other content")
            return json_response(_body(reference), 201, {"Idempotent-Replay": "true"})
        await refuse_locked_out(self._gateway, client)
        reach("dispense", "before-send")
        answer = await self._ask_ecms(message)
        reach("dispense", "after-answer")
        if answer.status not in (200, 201):
            raise await self._refusal(client, answer)
        return json_response(_body(await self._keep(client, asked, message, answer)), 201)

    async def _ask_ecms(self, message: ReturnMessage) -> EcmsAnswer:
        body: dict[str, Any] = {
            "type": "RETURN",
            "identifierType": message.identifier_type,
            "merchantReference": message.identifier,
        }
        if message.merchant_code is not None:
            body["merchantCode"] = message.merchant_code
        if message.mobile_number is not None:
            body["mobileNumber"] = message.mobile_number
        try:
            async with asyncio.timeout(ECMS_WITHIN_S):
                return await self._gateway.ecms.post("/ecms/api/v1/returns", body)
        except (EcmsAway, TimeoutError) as error:
            raise _ecms_unavailable(str(error) or "no answer in time") from error

    async def _refusal(self, client: Client, answer: EcmsAnswer) -> Problem:
        match answer.status:
            case 404 | 400 | 422:
                await clients.note_attempt(self._gateway.pool, client, unknown=True, now=self._gateway.now())
                return _refuse("unknown-identifier", "nothing that may be returned has this identifier")
            case 409:
                return _refuse("already-returned", "this item has been returned")
            case 410:
                return _refuse("return-expired", "the time for returning this item is over")
            case _:
                return _ecms_unavailable(f"status {answer.status}")

    async def _keep(
        self, client: Client, asked: ReturnRequest, message: ReturnMessage, answer: EcmsAnswer
    ) -> Reference:
        try:
            made = _EcmsReturn.model_validate(answer.body)
        except ValidationError as error:
            raise _ecms_unavailable("an answer to returns that cannot be read") from error
        now = self._gateway.now()
        new = NewReference(
            kind=Kind.RETURN,
            tracking_number=made.tracking_number,
            merchant_code=made.merchant_code or message.merchant_code or "",
            merchant=made.merchant or made.merchant_code or message.merchant_code or "",
            merchant_reference=made.merchant_reference or message.identifier,
            description="",
            amount_due=0,
            store_id=None,
            expires_at=made.expires_at or now + DEFAULT_VALIDITY,
            reference=made.return_code,
            mobile=None if message.mobile_number is None else self._gateway.keys.seal_mobile(message.mobile_number),
        )
        try:
            reference = await returns.dispense(self._gateway.pool, asked, new, client.store_id or NO_STORE, now)
        except Conflict as conflict:
            raise _ecms_unavailable(f"ECMS's answer contradicts the ledger: {conflict}") from conflict
        self._gateway.wake_relay()
        return _still_good(reference, now)

    async def show(self, request: web.Request) -> web.Response:
        """A return by its code."""
        return json_response(_body(await self._find(request)))

    async def slip(self, request: web.Request) -> web.Response:
        """A return's slip, to print it again."""
        reference = await self._find(request)
        media_type = papers.negotiated(request, _SLIP_TYPES, _NO_SLIP)
        slip = _slip_of(reference)
        return await papers.response(media_type, slip_paper(slip), slip_text(slip))

    async def _find(self, request: web.Request) -> Reference:
        client = await self._gateway.authorize(request, "kiosk", "app")
        await refuse_locked_out(self._gateway, client)
        code = parse_path_reference(request.match_info["returnCode"])
        reference = await returns.by_code(self._gateway.pool, code)
        if reference is None:
            await clients.note_attempt(self._gateway.pool, client, unknown=True, now=self._gateway.now())
            raise _refuse("unknown-return", "no return has this code")
        return reference


async def refuse_locked_out(gateway: Gateway, client: Client) -> None:
    """429 for a kiosk that has named too many things that nobody knows."""
    until = await clients.locked_until(gateway.pool, client.client_id)
    seconds = attempts.seconds_left(until, gateway.now())
    if seconds:
        verdict = Verdict("NONE", "HOLD", "TOO MANY ATTEMPTS\nPLEASE WAIT")
        raise problem_of(decide.locked_out(seconds), verdict)


def return_request(keys: Keys, client_id: str, request_id: UUID, message: ReturnMessage) -> ReturnRequest:
    """A kiosk's request as the ledger remembers it."""
    return ReturnRequest(client_id, request_id, keys.fingerprint(dump(message.model_dump())))


def _still_good(reference: Reference, now: datetime) -> Reference:
    """A code that ECMS still counts as open, but that was used or has lapsed here, is not handed out again."""
    match reference.state_at(now):
        case State.DONE:
            raise _refuse("already-returned", "this item has been returned")
        case State.OPEN:
            return reference
        case _:
            raise _refuse("return-expired", "the time for returning this item is over")


def _refuse(code: str, detail: str) -> Problem:
    return Problem(code, detail, Verdict("NONE", "HOLD", "NO RETURN CODE\nASK AT THE COUNTER"))


def _ecms_unavailable(why: str) -> Problem:
    _log.warning("ecms-unavailable", why=why)
    return Problem(
        "ecms-unavailable",
        "ECMS cannot be asked at the moment; nothing was issued",
        Verdict("NONE", "HOLD", "TRY AGAIN IN A MOMENT"),
        headers=(("Retry-After", _RETRY_AFTER_S),),
    )


def _slip_of(reference: Reference) -> ReturnSlip:
    return ReturnSlip(
        return_code=reference.reference,
        tracking_number=reference.tracking_number,
        merchant=reference.merchant,
        merchant_reference=reference.merchant_reference,
        expires_at=reference.expires_at,
    )


def _body(reference: Reference) -> dict[str, Any]:
    slip = _slip_of(reference)
    return {
        "returnCode": show_reference(reference.reference),
        "trackingNumber": reference.tracking_number,
        "merchant": reference.merchant,
        "merchantReference": reference.merchant_reference,
        "expiresAt": None if reference.expires_at is None else format_time(reference.expires_at),
        "slip": {"text": slip_text(slip), "barcodes": slip_barcodes(slip)},
    }
