"""The POS edge (role `pos`): what a clerk's till asks. The store is the client's, never the body's."""

import re
from time import monotonic
from typing import Annotated, Literal, Self, assert_never

import structlog
from aiohttp import web
from pydantic import Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict

from connect_gateway.domain import attempts, decide, verdicts
from connect_gateway.domain.records import Perform, ReversalReason, Reverse, StandIn
from connect_gateway.domain.refusals import Code, Refusal
from connect_gateway.domain.states import TransactionType
from connect_gateway.domain.verdicts import Verdict
from connect_gateway.edges import answers, papers, patterns
from connect_gateway.edges.dropoffs import quote_of
from connect_gateway.edges.gateway import Gateway
from connect_gateway.edges.http import body_of, in_time, read_body
from connect_gateway.edges.parsing import (
    AmountField,
    ClerkField,
    DateField,
    LabelField,
    Message,
    MomentField,
    PosField,
    ReferenceField,
    ShiftField,
    StandInNumberField,
    UuidField,
    parse_json,
    parse_path_reference,
    parse_uuid,
    validate,
)
from connect_gateway.edges.problems import Problem, dump, json_response, json_text, malformed, problem_of
from connect_gateway.ledger import clients, lookups
from connect_gateway.ledger.clients import Client
from connect_gateway.ledger.counter import CounterCommand
from connect_gateway.ledger.database import FateUnknown, Unavailable
from connect_gateway.receipts.acknowledgement import Receipt, receipt_paper, receipt_text

_RECEIPT_NUMBER = re.compile(patterns.RECEIPT_NUMBER)
_log = structlog.get_logger("pos-edge")

_COUNTED = frozenset({Code.UNKNOWN_REFERENCE, Code.WRONG_STORE})
"""Refusals that count as guessing."""


class StandInMessage(Message):
    """What is told of a sale that was made while the till was away: when, its own receipt, and from which manifest."""

    model_config = Message.model_config | {"alias_generator": to_camel}

    occurred_at: MomentField
    receipt_number: StandInNumberField
    manifest_id: UuidField

    def told(self) -> StandIn:
        return StandIn(self.occurred_at, self.receipt_number, self.manifest_id)


class _Transaction(Message):
    model_config = Message.model_config | {"alias_generator": to_camel}

    reference: ReferenceField
    pos: PosField
    shift: ShiftField
    business_date: DateField
    clerk: ClerkField


class Collect(_Transaction):
    """COLLECT: cash for a parcel that is paid on delivery."""

    type: Literal["COLLECT"]
    tracking_number: LabelField
    tender: Literal["CASH"]
    amount_tendered: AmountField
    stand_in: Annotated[StandInMessage | None, Field()] = None


class Claim(_Transaction):
    """CLAIM: a prepaid parcel is handed out."""

    type: Literal["CLAIM"]
    tracking_number: LabelField
    stand_in: Annotated[StandInMessage | None, Field()] = None


class Pay(_Transaction):
    """PAY: cash for something that is not handed out here."""

    type: Literal["PAY"]
    tender: Literal["CASH"]
    amount_tendered: AmountField


class AcceptReturn(_Transaction):
    """ACCEPT_RETURN: a returned parcel is taken in."""

    type: Literal["ACCEPT_RETURN"]
    tracking_number: Annotated[LabelField | None, Field()] = None


# What `_whole` checks, in the words of JSON Schema.
_CASH_OR_NONE: JsonDict = {
    "oneOf": [
        {
            "required": ["tender", "amountTendered"],
            "properties": {"tender": {"type": "string"}, "amountTendered": {"type": "string"}},
        },
        {"properties": {"tender": {"type": "null"}, "amountTendered": {"type": "null"}}},
    ]
}


class DropOff(_Transaction):
    """DROP_OFF: a seller's parcel is taken in, with cash where there is a fee."""

    model_config = _Transaction.model_config | {"json_schema_extra": _CASH_OR_NONE}

    type: Literal["DROP_OFF"]
    tracking_number: Annotated[LabelField | None, Field()] = None
    tender: Annotated[Literal["CASH"] | None, Field()] = None
    amount_tendered: Annotated[AmountField | None, Field()] = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.tender is None) != (self.amount_tendered is None):
            raise ValueError("tender and amountTendered go together")
        return self


TransactionMessage = Collect | Claim | Pay | AcceptReturn | DropOff

TRANSACTION_MESSAGES: dict[str, type[TransactionMessage]] = {
    "COLLECT": Collect,
    "CLAIM": Claim,
    "PAY": Pay,
    "ACCEPT_RETURN": AcceptReturn,
    "DROP_OFF": DropOff,
}


class Reversal(Message):
    """A reversal; `parcelInHand` says that the parcel is where it was before."""

    model_config = Message.model_config | {"alias_generator": to_camel}

    reason: Literal["TIMEOUT", "CANCELLED", "CLERK_VOID"]
    parcel_in_hand: bool


class PosEdge:
    """The routes of `/pos/v1`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> list[web.RouteDef]:
        transaction = "/pos/v1/transactions/{transactionId}"
        receipt = "/pos/v1/receipts/{number}"
        return [
            web.get("/pos/v1/references/{reference}", self.look_up, allow_head=False),
            web.put(transaction, self.perform),
            web.get(transaction, in_time(self.inquire), allow_head=False),
            web.put(transaction + "/reversal", self.reverse),
            web.get(receipt, in_time(self.receipt), allow_head=False),
            web.post(receipt + "/copies", in_time(self.copy)),
        ]

    async def look_up(self, request: web.Request) -> web.Response:
        """The clerk scans a code."""
        client, store_id = await self._till(request)
        reference = parse_path_reference(request.match_info["reference"])
        found = await self._gateway.lookups.find(reference, client.client_id)
        now = self._gateway.now()
        locked = attempts.seconds_left(found.locked_until, now)
        refusal: Refusal | None = None
        if locked:
            refusal = decide.locked_out(locked)
        elif found.reference is None:
            refusal = decide.unknown_reference()
        else:
            refusal = decide.wrong_store(found.reference, store_id)
        if refusal is not None:
            await self._count(client, refusal.code)
            raise problem_of(refusal, verdicts.of_refusal(refusal.code, None))
        assert found.reference is not None
        return json_response(answers.lookup_body(found.reference, now))

    async def perform(self, request: web.Request) -> web.Response:
        """The clerk does a transaction; the same id and content gets the same answer, for ever."""
        self._gateway.counter.admit()
        began = monotonic()
        client, store_id = await self._till(request)
        waited_s = monotonic() - began
        transaction_id = parse_uuid(request.match_info["transactionId"], "transactionId")
        message = parse_transaction(await body_of(request))
        if client.pos is not None and client.pos != message.pos:
            raise Problem("wrong-terminal", "the client is bound to another terminal", _hold("NOT THIS TERMINAL'S"))
        command = Perform(
            store_id=store_id,
            transaction_id=transaction_id,
            type=TransactionType(message.type),
            reference=message.reference,
            pos=message.pos,
            shift=message.shift,
            business_date=message.business_date,
            clerk=message.clerk,
            tracking_number=None if isinstance(message, Pay) else message.tracking_number,
            tender=None if isinstance(message, Claim | AcceptReturn) else message.tender,
            amount_tendered=None if isinstance(message, Claim | AcceptReturn) else message.amount_tendered,
            stand_in=_told(message),
        )
        quote = None
        if command.type is TransactionType.DROP_OFF:
            quote = await quote_of(self._gateway, client, store_id, transaction_id, command.reference)
            waited_s = monotonic() - began
        outcome = await self._gateway.counter.submit(CounterCommand(command, client.client_id, quote), waited_s)
        self._gateway.metrics.decided(command.type, type(outcome).__name__.lower())
        return await self._performed(client, command, outcome)

    async def _performed(self, client: Client, command: Perform, outcome: decide.Outcome) -> web.Response:
        match outcome:
            case decide.Approved():
                return _stored(outcome.transaction.status, outcome.transaction.answer)
            case decide.Declined() | decide.Disputed():
                try:
                    await self._count(client, outcome.refusal.code)
                except Exception as error:  # noqa: BLE001 - the outcome is committed, and that is the answer
                    _log.error("attempt-not-counted", client=client.client_id, exc_info=error)
                return _stored(outcome.transaction.status, outcome.transaction.answer)
            case decide.Replayed():
                return _stored(outcome.transaction.status, outcome.transaction.answer, replay=True)
            case decide.Rejected():
                refusal = outcome.refusal
                raise problem_of(refusal, verdicts.of_refusal(refusal.code, command.type))
            case decide.Reversed() | decide.AlreadyReversed() | decide.Accepted():
                raise AssertionError("a transaction was decided as a reversal")
            case _:
                assert_never(outcome)

    async def inquire(self, request: web.Request) -> web.Response:
        """What became of a transaction."""
        _, store_id = await self._till(request)
        transaction_id = parse_uuid(request.match_info["transactionId"], "transactionId")
        found = await lookups.transaction(self._gateway.pool, store_id, transaction_id)
        if found is None:
            code = Code.UNKNOWN_TRANSACTION
            raise Problem(
                code,
                "no such transaction has arrived; it may still be on its way: send it again or reverse it",
                verdicts.of_refusal(code, None),
            )
        transaction, reference = found
        return json_text(answers.inquiry_body(self._gateway.keys, transaction, reference), 200)

    async def reverse(self, request: web.Request) -> web.Response:
        """The till undoes a transaction, whether or not it ever arrived."""
        began = monotonic()
        client, store_id = await self._till(request)
        waited_s = monotonic() - began
        transaction_id = parse_uuid(request.match_info["transactionId"], "transactionId")
        message = validate(Reversal, parse_json(await body_of(request)))
        command = Reverse(
            store_id, transaction_id, ReversalReason(message.reason), message.parcel_in_hand, client.pos or 0
        )
        outcome = await self._gateway.counter.submit(CounterCommand(command, client.client_id), waited_s)
        self._gateway.metrics.decided("REVERSAL", type(outcome).__name__.lower())
        match outcome:
            case decide.Reversed() | decide.AlreadyReversed():
                return await self._reversed(store_id, command, outcome)
            case decide.Rejected():
                raise problem_of(outcome.refusal, verdicts.of_refusal(outcome.refusal.code, None))
            case decide.Approved() | decide.Declined() | decide.Disputed() | decide.Replayed() | decide.Accepted():
                raise AssertionError("a reversal was decided as a transaction")
            case _:
                assert_never(outcome)

    async def _reversed(
        self, store_id: str, command: Reverse, outcome: decide.Reversed | decide.AlreadyReversed
    ) -> web.Response:
        transaction = outcome.transaction
        reference = outcome.reference if isinstance(outcome, decide.Reversed) else None
        if reference is None and transaction.was_approved:
            found = await lookups.transaction(self._gateway.pool, store_id, command.transaction_id)
            reference = None if found is None else found[1]
        return json_text(dump(answers.reversed_body(self._gateway.keys, transaction, reference)), 200)

    async def receipt(self, request: web.Request) -> web.Response:
        """A receipt, to look at."""
        _, store_id = await self._till(request)
        found = await lookups.receipt(self._gateway.pool, store_id, _receipt_number(request))
        if found is None:
            raise _unknown_receipt()
        return await _paper(request, answers.receipt_of(self._gateway.keys, *found))

    async def copy(self, request: web.Request) -> web.Response:
        """A reprint: counted, and marked as what it is."""
        client, store_id = await self._till(request)
        if await read_body(request):
            raise malformed("a reprint takes no body")
        await papers.get_ready(_media_type(request))
        number = _receipt_number(request)
        now = self._gateway.now()
        found = await lookups.count_copy(self._gateway.pool, store_id, number, client.client_id, now)
        if found is None:
            raise _unknown_receipt()
        transaction, reference, copy = found
        receipt = answers.receipt_of(self._gateway.keys, transaction, reference, copy)
        return await _paper(request, receipt, status=201)

    async def _till(self, request: web.Request) -> tuple[Client, str]:
        client = await self._gateway.authorize(request, "pos")
        assert client.store_id is not None, "the ledger holds no pos client without a store"
        return client, client.store_id

    async def _count(self, client: Client, code: Code) -> None:
        if code in _COUNTED:
            unknown = code is Code.UNKNOWN_REFERENCE
            try:
                await clients.note_attempt(self._gateway.pool, client, unknown=unknown, now=self._gateway.now())
            except (Unavailable, FateUnknown) as error:
                # The refusal stands, and has perhaps been stored; that it is not counted does the till no harm.
                _log.warning("attempt-not-counted", client_id=client.client_id, error=str(error))


def parse_transaction(raw: bytes) -> TransactionMessage:
    """A transaction out of hostile bytes."""
    body = parse_json(raw)
    type_ = body.get("type")
    message = TRANSACTION_MESSAGES.get(type_) if isinstance(type_, str) else None
    if message is None:
        raise malformed(f"type: must be one of {', '.join(TRANSACTION_MESSAGES)}", "type")
    return validate(message, body)


def _told(message: TransactionMessage) -> StandIn | None:
    """What a message says of a sale that has happened; only of a parcel that is handed out can it say so."""
    if not isinstance(message, Collect | Claim) or message.stand_in is None:
        return None
    return message.stand_in.told()


def _receipt_number(request: web.Request) -> str:
    number = request.match_info["number"]
    if _RECEIPT_NUMBER.fullmatch(number) is None:
        raise malformed("a receipt number is SSSS-PPP-NNNNNNNN", "number")
    return number


def _unknown_receipt() -> Problem:
    return Problem("unknown-receipt", "the store has no such receipt", _hold("RECEIPT NOT KNOWN"))


def _hold(line: str) -> Verdict:
    return Verdict("NONE", "HOLD", f"{line}\nHOLD PARCEL")


def _stored(status: int, text: str, *, replay: bool = False) -> web.Response:
    response = json_text(text, status)
    if replay:
        response.headers["Idempotent-Replay"] = "true"
    return response


_RECEIPT_TYPES = (papers.JSON, papers.TEXT, papers.PNG, papers.ESCPOS)


def _media_type(request: web.Request) -> str:
    return papers.negotiated(request, _RECEIPT_TYPES, _hold("RECEIPT NOT SHOWN"))


async def _paper(request: web.Request, receipt: Receipt, status: int = 200) -> web.Response:
    media_type = _media_type(request)
    if media_type == papers.JSON:
        return json_response(answers.receipt_body(receipt), status)
    return await papers.response(media_type, receipt_paper(receipt), receipt_text(receipt), status)
