"""`/admin/v1/settlements`: a Friday's settlement, made, shown in three forms, and marked as paid by merchant."""

import asyncio
from typing import Any

from aiohttp import web
from pydantic import TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from connect_gateway import settlement_files, settlement_pdf
from connect_gateway.domain.settlement import Week, is_friday, signed
from connect_gateway.edges.answers import CURRENCY, format_time
from connect_gateway.edges.gateway import Gateway
from connect_gateway.edges.http import body_of, in_time, read_body
from connect_gateway.edges.parsing import BankReferenceField, DateField, Message, parse_message
from connect_gateway.edges.problems import Problem, json_response, malformed
from connect_gateway.ledger import settlements
from connect_gateway.ledger.settlements import BeingMade, Paid, Settlement, TooEarly

_FRIDAY: TypeAdapter[DateField] = TypeAdapter(DateField)
_FORMS = {
    "application/json": settlement_files.as_json,
    "text/csv": settlement_files.as_csv,
    "application/pdf": settlement_pdf.as_pdf,
}


class PaymentMessage(Message):
    """The bank's reference of a transfer to a merchant."""

    model_config = Message.model_config | {"alias_generator": to_camel}

    bank_reference: BankReferenceField


class SettlementEdge:
    """The routes of `/admin/v1/settlements`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> list[web.RouteDef]:
        one = "/admin/v1/settlements/{friday}"
        return [
            web.post(one, self.make),
            web.get(one, self.show, allow_head=False),
            web.get(one + "/remittance", self.remittance, allow_head=False),
            web.get(one + "/payments", in_time(self.payments), allow_head=False),
            web.put(one + "/payments/{merchantCode}", self.pay),
        ]

    async def make(self, request: web.Request) -> web.Response:
        """Makes the settlement and freezes it; made before, it stays as it is."""
        await self._gateway.authorize(request, "admin")
        week = _week_of(request)
        if await read_body(request):
            raise malformed("making a settlement takes no body")
        try:
            made = await settlements.make(self._gateway.pool, week.friday, self._gateway.now())
        except TooEarly as error:
            raise Problem("settlement-too-early", "the week is settled from its Friday on, not before") from error
        except BeingMade as error:
            raise Problem("settlement-being-made", "somebody makes settlements at this moment; ask again") from error
        document = await settlement_files.document_of(self._gateway.pool, made)
        accounts = [statement.account for statement in document.statements]
        totals = settlement_files.totals_of(accounts)
        return json_response(settlement_files.head_of(made) | {"totals": totals})

    async def show(self, request: web.Request) -> web.Response:
        """The settlement, or with `merchantCode` one merchant's part of it, as JSON, CSV or PDF by `Accept`."""
        await self._gateway.authorize(request, "admin")
        made = await self._made(request)
        media_type = _media_type(request)
        document = await settlement_files.document_of(self._gateway.pool, made, request.query.get("merchantCode"))
        body = await asyncio.to_thread(_FORMS[media_type], document)
        return web.Response(body=body, content_type=media_type)

    async def remittance(self, request: web.Request) -> web.Response:
        """The bank's file: one payable line for each merchant."""
        await self._gateway.authorize(request, "admin")
        document = await settlement_files.document_of(self._gateway.pool, await self._made(request))
        return web.Response(body=settlement_files.remittance(document), content_type="text/csv", charset="utf-8")

    async def payments(self, request: web.Request) -> web.Response:
        """What has been paid of it."""
        await self._gateway.authorize(request, "admin")
        made = await self._made(request)
        found = await settlements.payments(self._gateway.pool, made.week.friday)
        return json_response({"payments": [_paid_body(made.week, paid) for paid in found]})

    async def pay(self, request: web.Request) -> web.Response:
        """Notes that a merchant's remittance was transferred; the same again gets the same answer."""
        client = await self._gateway.authorize(request, "admin")
        message = parse_message(PaymentMessage, await body_of(request))
        made = await self._made(request)
        friday = made.week.friday
        account = await settlements.account_of(self._gateway.pool, friday, request.match_info["merchantCode"])
        if account is None:
            raise Problem("unknown-merchant", "the settlement has no line of this merchant")
        if not account.payable:
            raise Problem("nothing-payable", "nothing is to be transferred to this merchant")
        paid = await settlements.mark_paid(
            self._gateway.pool, friday, account, message.bank_reference, by=client.client_id, now=self._gateway.now()
        )
        if paid.bank_reference != message.bank_reference:
            raise Problem("already-paid", f"it was paid before, with the bank reference {paid.bank_reference}")
        return json_response(_paid_body(made.week, paid))

    async def _made(self, request: web.Request) -> Settlement:
        made = await settlements.settlement(self._gateway.pool, _week_of(request).friday)
        if made is None:
            raise Problem("unknown-settlement", "the settlement of this Friday has not been made yet")
        return made


_FIRST_YEAR = 2000
"""Before any sale; a week of the first year there is would begin before all dates."""


def _week_of(request: web.Request) -> Week:
    try:
        friday = _FRIDAY.validate_python(request.match_info["friday"])
    except ValidationError as error:
        raise malformed("friday in the path cannot be read", "friday") from error
    if not is_friday(friday) or friday.year < _FIRST_YEAR:
        raise Problem("unknown-settlement", "there are settlements of Fridays alone")
    return Week(friday)


def _media_type(request: web.Request) -> str:
    accepted = [part.partition(";")[0].strip().lower() for part in request.headers.get("Accept", "*/*").split(",")]
    for wanted in accepted:
        for offered in _FORMS:
            if wanted in (offered, "*/*", offered.partition("/")[0] + "/*"):
                return offered
    raise Problem("not-acceptable", f"a settlement comes as {', '.join(_FORMS)}")


def _paid_body(week: Week, paid: Paid) -> dict[str, Any]:
    return {
        "friday": week.friday.isoformat(),
        "merchantCode": paid.merchant_code,
        "amount": signed(paid.amount),
        "currency": CURRENCY,
        "bankReference": paid.bank_reference,
        "paidAt": format_time(paid.paid_at),
        "paidBy": paid.paid_by,
    }
