"""Settlements: made once for each Friday, one after another, and frozen; read; marked as paid."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from connect_gateway.domain.events import event_ids
from connect_gateway.domain.settlement import (
    REMITTED_TYPES,
    Account,
    Line,
    LineKind,
    Sale,
    Week,
    lines_due,
    open_since,
    week_of,
)
from connect_gateway.domain.states import TransactionType
from connect_gateway.ledger.database import STATEMENT_TIMEOUT_S, Connection, Pool, Row, connection_of

BATCH = 2_000
_TIMEOUT_S = 600.0
"""Nobody at a counter waits for a settlement."""

_MARGIN = timedelta(days=1)
"""Clocks of several gateways differ, and what is written late may bear an earlier time; so much is looked at twice."""


class TooEarly(Exception):
    """The week's settlement cannot be made before its Friday."""


class BeingMade(Exception):
    """Another one makes settlements at this moment."""


@dataclass(slots=True, frozen=True)
class Settlement:
    """A settlement that was made."""

    week: Week
    made_at: datetime


@dataclass(slots=True, frozen=True)
class Paid:
    """A remittance that was made; the amount in centavos."""

    merchant_code: str
    amount: int
    bank_reference: str
    paid_at: datetime
    paid_by: str


_MADE = "SELECT friday, made_at FROM settlement WHERE friday = $1"


async def settlement(pool: Pool, friday: date) -> Settlement | None:
    """A Friday's settlement, if it was made."""
    async with connection_of(pool) as connection:
        row = await connection.fetchrow(_MADE, friday, timeout=STATEMENT_TIMEOUT_S)
    return None if row is None else Settlement(Week(row["friday"]), row["made_at"])


_LAST = "SELECT max(friday) FROM settlement"
_FIRST_BUSINESS_DATE = "SELECT min(business_date) FROM shift"


async def make(pool: Pool, friday: date, now: datetime) -> Settlement:
    """Makes a Friday's settlement and freezes its lines; one that was made before is returned as it is.

    Earlier weeks that nobody has settled are made first, so that each line stands in the week that it belongs to,
    whenever somebody gets round to it. TooEarly before the Friday has come, BeingMade while another one is at it.
    """
    week = Week(friday)
    if now < week.told_before:
        raise TooEarly
    made = await settlement(pool, friday)
    while made is None:
        async with connection_of(pool) as connection:
            last = await connection.fetchval(_LAST, timeout=STATEMENT_TIMEOUT_S)
            first = await connection.fetchval(_FIRST_BUSINESS_DATE, timeout=_TIMEOUT_S)
            following = last + timedelta(days=7) if last is not None else min(week_of(first or friday).friday, friday)
            # Where a later one was the first of all, that has taken up whatever was there.
            following = min(following, friday)
            try:
                await _freeze(connection, Week(following), now)
            except asyncpg.LockNotAvailableError as error:
                raise BeingMade from error
            except asyncpg.UniqueViolationError:
                pass  # Another one has made it meanwhile, and it is as good as ours.
        made = await settlement(pool, friday)
    return made


_INSERT = "INSERT INTO settlement (friday, made_at, open_since) VALUES ($1, $2, $2)"
_OPEN_SINCE = "SELECT open_since FROM settlement WHERE friday < $1 ORDER BY friday DESC LIMIT 1"
_KEEP_OPEN_SINCE = "UPDATE settlement SET open_since = $2 WHERE friday = $1"
_LINE_COLUMNS = (
    "friday, kind, store_id, transaction_id, type, receipt_number, business_date, reference, tracking_number, "
    "merchant_code, merchant, merchant_reference, amount, fee, happened_at, told_at, late"
)
_SALE_COLUMNS = """
SELECT transaction.store_id, transaction.transaction_id, transaction.type, transaction.receipt_number,
    transaction.business_date, transaction.reference, reference.tracking_number, reference.merchant_code,
    reference.merchant, reference.merchant_reference, transaction.amount_due, transaction.occurred_at,
    transaction.reversed_at, coalesce(shipping_fee.fee, 0) AS fee,
    EXISTS (SELECT FROM settlement_line AS line WHERE line.store_id = transaction.store_id
        AND line.transaction_id = transaction.transaction_id AND line.kind = 'SALE') AS sale_settled,
    EXISTS (SELECT FROM settlement_line AS line WHERE line.store_id = transaction.store_id
        AND line.transaction_id = transaction.transaction_id AND line.kind = 'REVERSAL') AS reversal_settled
FROM transaction
JOIN reference ON reference.reference = transaction.reference
LEFT JOIN shipping_fee ON shipping_fee.reference = transaction.reference
LEFT JOIN dispute ON dispute.store_id = transaction.store_id AND dispute.transaction_id = transaction.transaction_id
WHERE transaction.receipt_number IS NOT NULL AND transaction.state <> 'DISPUTED'
    AND (dispute.opened_at IS NULL OR dispute.resolution = 'ACCEPTED')
"""
# What was written since, what was reversed since, and what a person has accepted since.
_SALES = f"""
{_SALE_COLUMNS} AND transaction.occurred_at >= $1
UNION ALL
{_SALE_COLUMNS} AND transaction.occurred_at < $1 AND transaction.state = 'REVERSED' AND transaction.reversed_at >= $1
UNION ALL
{_SALE_COLUMNS} AND transaction.occurred_at < $1 AND dispute.resolved_at >= $1
    AND (transaction.reversed_at IS NULL OR transaction.reversed_at < $1)
"""
_TOLD = "SELECT event_id, told_at FROM event WHERE tracking_number = ANY($1::text[]) AND state = 'TOLD'"


async def _freeze(connection: Connection, week: Week, now: datetime) -> None:
    async with connection.transaction(isolation="repeatable_read"):
        await connection.execute(_INSERT, week.friday, now, timeout=STATEMENT_TIMEOUT_S)
        since = await connection.fetchval(_OPEN_SINCE, week.friday, timeout=STATEMENT_TIMEOUT_S)
        left = week.told_before
        read_from = datetime.min.replace(tzinfo=now.tzinfo) if since is None else since - _MARGIN
        cursor = await connection.cursor(_SALES, read_from, timeout=_TIMEOUT_S)
        while rows := await cursor.fetch(BATCH, timeout=_TIMEOUT_S):
            lines: list[Line] = []
            for sale in await _with_told(connection, rows):
                due = lines_due(sale, week)
                lines += due
                moment = open_since(sale, due)
                left = left if moment is None else min(left, moment)
            values = sorted(_line_values(week, line) for line in lines)
            await connection.copy_records_to_table(
                "settlement_line", records=values, columns=_LINE_COLUMNS.split(", "), timeout=_TIMEOUT_S
            )
        await connection.execute(_KEEP_OPEN_SINCE, week.friday, left, timeout=STATEMENT_TIMEOUT_S)


async def _with_told(connection: Connection, rows: list[Row]) -> list[Sale]:
    """The sales that matter to a merchant, with the moments at which ECMS was told of each."""
    asked: dict[tuple[str, UUID], tuple[UUID, UUID]] = {
        (row["store_id"], row["transaction_id"]): event_ids(
            row["store_id"], row["transaction_id"], TransactionType(row["type"])
        )
        for row in rows
    }
    parcels = sorted({row["tracking_number"] for row in rows})
    told = {row["event_id"]: row["told_at"] for row in await connection.fetch(_TOLD, parcels, timeout=_TIMEOUT_S)}
    sales = []
    for row in rows:
        approval, reversal = asked[row["store_id"], row["transaction_id"]]
        sale = _sale_of(row, told.get(approval), told.get(reversal))
        if sale.amount or sale.fee:
            sales.append(sale)
    return sales


def _sale_of(row: Row, told_at: datetime | None, reversal_told_at: datetime | None) -> Sale:
    type_ = TransactionType(row["type"])
    return Sale(
        store_id=row["store_id"],
        transaction_id=row["transaction_id"],
        type=type_,
        receipt_number=row["receipt_number"],
        business_date=row["business_date"],
        reference=row["reference"],
        tracking_number=row["tracking_number"],
        merchant_code=row["merchant_code"],
        merchant=row["merchant"],
        merchant_reference=row["merchant_reference"],
        amount=row["amount_due"] if type_ in REMITTED_TYPES else 0,
        fee=row["fee"],
        sold_at=row["occurred_at"],
        told_at=told_at,
        reversed_at=row["reversed_at"],
        reversal_told_at=reversal_told_at,
        sale_settled=row["sale_settled"],
        reversal_settled=row["reversal_settled"],
    )


def _line_values(week: Week, line: Line) -> tuple[Any, ...]:
    sale = line.sale
    return (
        week.friday,
        line.kind,
        sale.store_id,
        sale.transaction_id,
        sale.type,
        sale.receipt_number,
        sale.business_date,
        sale.reference,
        sale.tracking_number,
        sale.merchant_code,
        sale.merchant,
        sale.merchant_reference,
        line.amount,
        line.fee,
        line.happened_at,
        line.told_at,
        line.late,
    )


_LINES = f"""
SELECT {_LINE_COLUMNS} FROM settlement_line WHERE friday = $1 AND ($2::text IS NULL OR merchant_code = $2)
ORDER BY merchant_code COLLATE "C", business_date, store_id COLLATE "C", receipt_number COLLATE "C", kind DESC
"""  # noqa: S608 - columns of our own


async def lines(pool: Pool, friday: date, merchant_code: str | None = None) -> AsyncIterator[Line]:
    """The frozen lines of a settlement, merchant by merchant, always in the same order."""
    async with connection_of(pool) as connection, connection.transaction(readonly=True):
        cursor = await connection.cursor(_LINES, friday, merchant_code, timeout=_TIMEOUT_S)
        while rows := await cursor.fetch(BATCH, timeout=_TIMEOUT_S):
            for row in rows:
                yield _line_of(row)


def _line_of(row: Row) -> Line:
    sale = Sale(
        store_id=row["store_id"],
        transaction_id=row["transaction_id"],
        type=TransactionType(row["type"]),
        receipt_number=row["receipt_number"],
        business_date=row["business_date"],
        reference=row["reference"],
        tracking_number=row["tracking_number"],
        merchant_code=row["merchant_code"],
        merchant=row["merchant"],
        merchant_reference=row["merchant_reference"],
        amount=abs(row["amount"]),
        fee=abs(row["fee"]),
        sold_at=row["happened_at"],
        told_at=row["told_at"],
        reversed_at=None,
        reversal_told_at=None,
    )
    kind = LineKind(row["kind"])
    return Line(kind, sale, row["amount"], row["fee"], row["happened_at"], row["told_at"], row["late"])


_WITHOUT_RECEIPT = """
SELECT line.store_id, line.receipt_number, line.kind
FROM settlement_line AS line
LEFT JOIN transaction ON transaction.store_id = line.store_id AND transaction.transaction_id = line.transaction_id
WHERE line.friday = $1 AND (
    transaction.receipt_number IS DISTINCT FROM line.receipt_number
    OR (line.amount <> 0 AND abs(line.amount) <> transaction.amount_due)
    OR (line.kind = 'REVERSAL' AND transaction.state <> 'REVERSED'))
ORDER BY line.store_id, line.receipt_number, line.kind LIMIT 100
"""


async def lines_without_receipt(pool: Pool, friday: date) -> list[str]:
    """Lines that the ledger does not bear out any more, by receipt; there are none unless rows were tampered with."""
    async with connection_of(pool) as connection:
        rows = await connection.fetch(_WITHOUT_RECEIPT, friday, timeout=_TIMEOUT_S)
    return [f"{row['kind']} {row['receipt_number']} of store {row['store_id']}" for row in rows]


_PAY = """
INSERT INTO settlement_payment (friday, merchant_code, amount, bank_reference, paid_at, paid_by)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (friday, merchant_code) DO NOTHING
"""
_PAID = """
SELECT merchant_code, amount, bank_reference, paid_at, paid_by FROM settlement_payment
WHERE friday = $1 ORDER BY merchant_code COLLATE "C"
"""


async def account_of(pool: Pool, friday: date, merchant_code: str) -> Account | None:
    """A merchant's week; None where the settlement has no line of it."""
    account: Account | None = None
    async for line in lines(pool, friday, merchant_code):
        account = account or Account(merchant_code, line.sale.merchant)
        account.add(line)
    return account


async def mark_paid(pool: Pool, friday: date, account: Account, bank_reference: str, *, by: str, now: datetime) -> Paid:
    """Notes that a merchant's remittance was made; what was noted first stands, and is returned."""
    async with connection_of(pool) as connection:
        given = (friday, account.merchant_code, account.payable, bank_reference, now, by)
        await connection.execute(_PAY, *given, timeout=STATEMENT_TIMEOUT_S)
    return next(paid for paid in await payments(pool, friday) if paid.merchant_code == account.merchant_code)


async def payments(pool: Pool, friday: date) -> list[Paid]:
    """The remittances of a settlement that were made."""
    async with connection_of(pool) as connection:
        return [Paid(*row) for row in await connection.fetch(_PAID, friday, timeout=STATEMENT_TIMEOUT_S)]
