"""`/pos/v1/shifts/{businessDate}/{pos}/{shift}`: a till closes its shift (PUT), and looks at what it closed (GET)."""

import json
from typing import Annotated, Any, Literal
from uuid import UUID

from aiohttp import web
from pydantic import Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from connect_gateway.domain.decide import wrong_business_date
from connect_gateway.domain.money import format_amount
from connect_gateway.domain.records import TransactionState
from connect_gateway.domain.refusals import Code
from connect_gateway.domain.shifts import Close, Line, Sum
from connect_gateway.domain.states import TransactionType
from connect_gateway.domain.verdicts import Verdict, of_refusal
from connect_gateway.edges.answers import CURRENCY, format_time
from connect_gateway.edges.gateway import Gateway
from connect_gateway.edges.http import body_of, in_time
from connect_gateway.edges.parsing import (
    AmountField,
    DateField,
    Message,
    PosField,
    ShiftField,
    UuidField,
    parse_message,
)
from connect_gateway.edges.problems import Problem, dump, json_response, malformed, problem_of
from connect_gateway.ledger import shifts
from connect_gateway.ledger.shifts import Late, Shift

BODY_LIMIT_BYTES = 1_048_576
_CLOSED = Verdict("NONE", "HOLD", "SHIFT CLOSED")
_CLOSED_WITH_DIFFERENCES = Verdict("NONE", "HOLD", "SHIFT CLOSED\nWITH DIFFERENCES")


class ShiftLine(Message):
    """One transaction of a till's account; `amount` is what was due."""

    model_config = Message.model_config | {"alias_generator": to_camel}

    transaction_id: UuidField
    type: Literal["COLLECT", "CLAIM", "PAY", "ACCEPT_RETURN", "DROP_OFF"]
    state: Literal["APPROVED", "DECLINED", "DISPUTED", "REVERSED"]
    amount: AmountField


class ShiftClose(Message):
    """A till's own account of its shift."""

    model_config = Message.model_config | {"alias_generator": to_camel}

    cash_counted: AmountField
    transactions: Annotated[list[ShiftLine], Field(max_length=5_000)]


class _Path(Message):
    businessDate: DateField  # noqa: N815 - as it stands in the path
    pos: PosField
    shift: ShiftField


class ShiftEdge:
    """The routes of `/pos/v1/shifts`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> list[web.RouteDef]:
        path = "/pos/v1/shifts/{businessDate}/{pos}/{shift}"
        return [web.put(path, self.close), web.get(path, in_time(self.show), allow_head=False)]

    async def show(self, request: web.Request) -> web.Response:
        """The close as it was answered, and with it whatever of the shift changed afterwards."""
        found = await shifts.closed(self._gateway.pool, await self._shift(request))
        if found is None:
            detail = "the shift has not been closed; it may still be under way: send the close again"
            raise Problem("unknown-shift", detail)
        answer, late = found
        return json_response(json.loads(answer) | {"late": [_late(one) for one in late]})

    async def _shift(self, request: web.Request) -> Shift:
        client = await self._gateway.authorize(request, "pos")
        assert client.store_id is not None, "the ledger holds no pos client without a store"
        path = _path_of(request)
        if client.pos is not None and client.pos != path.pos:
            raise Problem("wrong-terminal", "the client is bound to another terminal")
        return Shift(client.store_id, path.pos, path.businessDate, path.shift)

    async def close(self, request: web.Request) -> web.Response:
        """Closes the shift even with differences; the same content again gets the same answer."""
        shift = await self._shift(request)
        raw = await body_of(request.clone(client_max_size=BODY_LIMIT_BYTES))
        message = parse_message(ShiftClose, raw)
        now = self._gateway.now()
        try:
            closed = await shifts.close(
                self._gateway.pool,
                shift,
                message.cash_counted,
                _lines_of(message),
                fingerprint=self._gateway.keys.fingerprint(_content_of(message)),
                render=lambda result: dump(_body(shift, result, format_time(now))),
                now=now,
            )
        except shifts.ClosedOtherwise as error:
            code = Code.SHIFT_CLOSED
            raise Problem(code, "the shift was closed before, with other content", of_refusal(code, None)) from error
        except shifts.TooFarAway as error:
            refusal = wrong_business_date()
            raise problem_of(refusal, of_refusal(refusal.code, None)) from error
        headers = {"Idempotent-Replay": "true"} if closed.replay else None
        return web.Response(text=closed.answer, content_type="application/json", headers=headers)


def _path_of(request: web.Request) -> _Path:
    try:
        return TypeAdapter(_Path).validate_python(dict(request.match_info))
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        raise malformed(f"{name} in the path cannot be read", name) from error


def _content_of(message: ShiftClose) -> str:
    """The close's content, the same in whatever order its transactions are listed."""
    content = message.model_dump(mode="json")
    content["transactions"].sort(key=lambda line: line["transaction_id"])
    return dump(content)


def _lines_of(message: ShiftClose) -> list[Line]:
    lines: dict[UUID, Line] = {}
    code = Code.TRANSACTION_MISMATCH
    for line in message.transactions:
        if line.transaction_id in lines:
            detail = "transactions: a transactionId is listed twice"
            raise Problem(code, detail, of_refusal(code, None), extra=(("field", "transactions"),))
        lines[line.transaction_id] = Line(
            line.transaction_id, TransactionType(line.type), TransactionState(line.state), line.amount
        )
    return list(lines.values())


def _body(shift: Shift, closed: Close, closed_at: str) -> dict[str, Any]:
    difference = closed.cash_counted - closed.cash_expected
    agreed = not closed.differences and difference == 0
    return {
        "businessDate": shift.business_date.isoformat(),
        "pos": str(shift.pos),
        "shift": str(shift.shift),
        "closedAt": closed_at,
        "currency": CURRENCY,
        "cashCounted": format_amount(closed.cash_counted),
        "cashExpected": format_amount(closed.cash_expected),
        "cashOver": format_amount(max(difference, 0)),
        "cashShort": format_amount(max(-difference, 0)),
        "sums": {"till": _sums(closed.till), "ledger": _sums(closed.ledger)},
        "differences": [
            {
                "transactionId": str(one.transaction_id),
                "difference": one.difference,
                "till": _side(one.till),
                "ledger": _side(one.ledger),
            }
            for one in closed.differences
        ],
        "verdict": (_CLOSED if agreed else _CLOSED_WITH_DIFFERENCES).as_json(),
    }


def _late(one: Late) -> dict[str, Any]:
    return {
        "transactionId": str(one.transaction_id),
        "type": one.type,
        "state": one.state,
        "amount": format_amount(one.amount),
        "at": format_time(one.at),
    }


def _sums(sums: dict[TransactionType, Sum]) -> dict[str, Any]:
    return {type_: {"count": one.count, "amount": format_amount(one.amount)} for type_, one in sums.items()}


def _side(line: Line | None) -> dict[str, Any] | None:
    if line is None:
        return None
    return {"type": line.type, "state": line.state, "amount": format_amount(line.amount)}
