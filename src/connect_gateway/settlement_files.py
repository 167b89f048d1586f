"""A settlement as files: JSON, CSV, and the bank's remittance file. The same settlement always gives the same bytes."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from connect_gateway.domain.codes import show_reference
from connect_gateway.domain.settlement import Account, Line, signed
from connect_gateway.edges.answers import CURRENCY, format_time
from connect_gateway.edges.problems import dump
from connect_gateway.ledger import settlements
from connect_gateway.ledger.database import Pool
from connect_gateway.ledger.settlements import Settlement

LINE_COLUMNS = (
    "friday",
    "merchantCode",
    "merchant",
    "kind",
    "late",
    "businessDate",
    "storeId",
    "receiptNumber",
    "transactionId",
    "type",
    "reference",
    "trackingNumber",
    "merchantReference",
    "amount",
    "shippingFee",
    "happenedAt",
    "toldAt",
)
BANK_COLUMNS = ("line", "merchantCode", "merchant", "amount", "currency", "valueDate", "paymentReference")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(slots=True)
class Statement:
    """One merchant's part of a settlement."""

    account: Account
    lines: list[Line] = field(default_factory=list)


@dataclass(slots=True, frozen=True)
class Document:
    """A settlement with its lines, merchant by merchant."""

    settlement: Settlement
    statements: Sequence[Statement]


async def document_of(pool: Pool, settlement: Settlement, merchant_code: str | None = None) -> Document:
    """Reads a settlement, or one merchant's part of it."""
    statements: list[Statement] = []
    async for line in settlements.lines(pool, settlement.week.friday, merchant_code):
        if not statements or statements[-1].account.merchant_code != line.sale.merchant_code:
            statements.append(Statement(Account(line.sale.merchant_code, line.sale.merchant)))
        statements[-1].account.add(line)
        statements[-1].lines.append(line)
    return Document(settlement, statements)


def totals_of(accounts: Iterable[Account]) -> dict[str, Any]:
    """What merchants' accounts come to together."""
    counted = list(accounts)
    return {
        "merchants": len(counted),
        "lines": sum(one.lines for one in counted),
        "collected": signed(sum(one.collected for one in counted)),
        "reversed": signed(sum(one.reversed for one in counted)),
        "payable": signed(sum(one.payable for one in counted)),
        "shippingFees": signed(sum(one.fees for one in counted)),
        "due": signed(sum(one.due for one in counted)),
    }


def head_of(settlement: Settlement) -> dict[str, Any]:
    """What week a settlement is of."""
    week = settlement.week
    return {
        "friday": week.friday.isoformat(),
        "begins": week.begins.isoformat(),
        "through": week.through.isoformat(),
        "toldBefore": format_time(week.told_before),
        "madeAt": format_time(settlement.made_at),
        "currency": CURRENCY,
    }


def account_body(account: Account) -> dict[str, Any]:
    """A merchant's week in figures."""
    return {
        "merchantCode": account.merchant_code,
        "merchant": account.merchant,
        "collected": signed(account.collected),
        "reversed": signed(account.reversed),
        "payable": signed(account.payable),
        "shippingFees": signed(account.fees),
        "due": signed(account.due),
    }


def as_json(document: Document) -> bytes:
    """The settlement as one JSON object."""
    body = {
        **head_of(document.settlement),
        "totals": totals_of(one.account for one in document.statements),
        "merchants": [
            {**account_body(one.account), "lines": [line_body(line) for line in one.lines]}
            for one in document.statements
        ],
    }
    return dump(body).encode() + b"\n"


def line_body(line: Line) -> dict[str, Any]:
    """A line; its receipt is what it can be traced by."""
    sale = line.sale
    return {
        "kind": line.kind,
        "late": line.late,
        "businessDate": sale.business_date.isoformat(),
        "storeId": sale.store_id,
        "receiptNumber": sale.receipt_number,
        "transactionId": str(sale.transaction_id),
        "type": sale.type,
        "reference": show_reference(sale.reference),
        "trackingNumber": sale.tracking_number,
        "merchantReference": sale.merchant_reference,
        "amount": signed(line.amount),
        "shippingFee": signed(line.fee),
        "happenedAt": format_time(line.happened_at),
        "toldAt": format_time(line.told_at),
    }


def as_csv(document: Document) -> bytes:
    """The lines as CSV (RFC 4180, UTF-8), with a line of names first."""
    return _csv(LINE_COLUMNS, _line_rows(document))


def _line_rows(document: Document) -> Iterator[list[str]]:
    friday = document.settlement.week.friday.isoformat()
    for statement in document.statements:
        account = statement.account
        for line in statement.lines:
            body = line_body(line)
            body |= {
                "friday": friday,
                "merchantCode": _text(account.merchant_code),
                "merchant": _text(account.merchant),
            }
            body |= {"late": "LATE" if line.late else "", "merchantReference": _text(line.sale.merchant_reference)}
            yield [str(body[name]) for name in LINE_COLUMNS]


def remittance(document: Document) -> bytes:
    """The bank's file: one payable line for each merchant that is to have something, as CSV."""
    settlement = document.settlement
    payable = [one.account for one in document.statements if one.account.payable]
    day = settlement.week.friday
    return _csv(
        BANK_COLUMNS,
        (
            [
                str(number),
                _text(account.merchant_code),
                _text(account.merchant),
                signed(account.payable),
                CURRENCY,
                day.isoformat(),
                _text(payment_reference(settlement, account)),
            ]
            for number, account in enumerate(payable, start=1)
        ),
    )


def payment_reference(settlement: Settlement, account: Account) -> str:
    """What the merchant reads on its bank statement: unique for the week and the merchant."""
    return f"7C-{settlement.week.friday:%Y%m%d}-{account.merchant_code}"


def _text(value: str) -> str:
    """A text from outside for a cell: a spreadsheet must not take it for a formula."""
    return "'" + value if value.startswith(_FORMULA) else value


def _csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return buffer.getvalue().encode()
