"""COLLECT: the same checks, the same five writes in one transaction and an answer of the same shape.

A token is believed for as long as the gateway believes one, so that neither asks the database for each request.
"""

import hashlib
import hmac
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from fastapi import Depends, FastAPI, Header, HTTPException, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.ext.declarative import DeferredReflection
from sqlalchemy.orm import DeclarativeBase

TOKEN_BELIEVED_S = 0.9
KEY = b"k" * 32

engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://"),
    pool_size=int(os.environ["POOL_SIZE"]),
    max_overflow=0,
)
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeferredReflection, DeclarativeBase):
    """Tables are as the gateway's migrations made them."""

    __abstract__ = True


class Reference(Base):
    __tablename__ = "reference"


class Terminal(Base):
    __tablename__ = "terminal"


class Transaction(Base):
    __tablename__ = "transaction"


class Journal(Base):
    __tablename__ = "journal"


class Event(Base):
    __tablename__ = "event"


class Client(Base):
    __tablename__ = "client"


class Token(Base):
    __tablename__ = "token"


class Collect(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)

    type: Literal["COLLECT"]
    reference: Annotated[str, Field(pattern=r"^[0-9]{12}$")]
    pos: Annotated[str, Field(pattern=r"^[0-9]{1,4}$")]
    shift: Annotated[str, Field(pattern=r"^[0-9]{1,2}$")]
    business_date: date
    clerk: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,20}$")]
    tracking_number: Annotated[str, Field(pattern=r"^[!-~]{1,48}$")]
    tender: Literal["CASH"]
    amount_tendered: Annotated[str, Field(pattern=r"^[0-9]{1,10}\.[0-9]{2}$")]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.prepare)  # type: ignore[arg-type]
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
believed: dict[str, tuple[str, float]] = {}


async def session() -> AsyncIterator[AsyncSession]:
    async with sessions() as opened:
        yield opened


Session = Annotated[AsyncSession, Depends(session)]


async def store_of_token(db: Session, authorization: Annotated[str, Header()] = "") -> str:
    """The store of the till whose token the request carries."""
    token = authorization.removeprefix("Bearer ")
    store_id, until = believed.get(token, ("", 0.0))
    if time.monotonic() < until:
        return store_id
    token_table, client = Token.__table__.c, Client.__table__.c
    found = await db.execute(
        select(client.store_id)
        .join(Token.__table__, token_table.client_id == client.client_id)
        .where(
            token_table.token_hash == hashlib.sha256(token.encode()).digest(),
            token_table.use == "ACCESS",
            token_table.revoked_at.is_(None),
            token_table.expires_at > datetime.now(UTC),
            client.role == "pos",
            client.disabled_at.is_(None),
        )
    )
    store: str | None = found.scalar_one_or_none()
    await db.rollback()
    if store is None:
        raise HTTPException(401, "the token is unknown, expired or revoked")
    believed[token] = (store, time.monotonic() + TOKEN_BELIEVED_S)
    return store


Store = Annotated[str, Depends(store_of_token)]


@app.get("/pos/v1/references/{number}")
async def look_up(number: str, store_id: Store, db: Session) -> dict[str, Any]:
    reference: Any = await db.get(Reference, number)
    if reference is None:
        raise HTTPException(404, "no such reference")
    if reference.store_id != store_id:
        raise HTTPException(409, "the parcel waits at another store")
    return {
        "reference": shown(reference.reference),
        "kind": reference.kind,
        "state": reference.state,
        "action": "COLLECT" if reference.state == "OPEN" else "NONE",
        "merchant": reference.merchant,
        "merchantReference": reference.merchant_reference,
        "description": reference.description,
        "amountDue": amount(reference.amount_due),
        "currency": "PHP",
        "labelHint": reference.tracking_number[-4:],
        "expiresAt": reference.expires_at,
        "verdict": {"cash": "NONE", "parcel": "HOLD", "display": "PAY & CLAIM - SCAN LABEL\nTHEN TAKE CASH"},
    }


@app.put("/pos/v1/transactions/{transaction_id}")
async def perform(transaction_id: UUID, collect: Collect, store_id: Store, db: Session) -> Response:
    async with db.begin():
        earlier: Any = await db.get(Transaction, {"store_id": store_id, "transaction_id": transaction_id})
        if earlier is not None:
            return written(earlier.answer, earlier.status)
        reference: Any = await db.get(Reference, collect.reference, with_for_update=True)
        tendered = int(Decimal(collect.amount_tendered) * 100)
        refuse(reference, collect, store_id, tendered)
        terminal: Any = await db.get(Terminal, (store_id, int(collect.pos)), with_for_update=True)
        now = datetime.now(UTC)
        reference.state, reference.done_store, reference.done_by = "DONE", store_id, transaction_id
        terminal.receipts += 1
        number = f"{store_id}-{int(collect.pos):03d}-{terminal.receipts:08d}"
        answer = json.dumps(answer_of(transaction_id, collect, reference, tendered, number, now))
        transaction = Transaction(
            store_id=store_id,
            transaction_id=transaction_id,
            pos=int(collect.pos),
            type=collect.type,
            reference=collect.reference,
            shift=int(collect.shift),
            business_date=collect.business_date,
            clerk=collect.clerk,
            scanned_label=collect.tracking_number,
            tender=collect.tender,
            amount_tendered=tendered,
            state="APPROVED",
            tracking_number=reference.tracking_number,
            amount_due=reference.amount_due,
            change=tendered - reference.amount_due,
            receipt_number=number,
            occurred_at=now,
            status=201,
            answer=answer,
        )
        db.add_all([transaction, entered(terminal, transaction), event_of(reference, transaction)])
    return written(answer, 201)


def refuse(reference: Any, collect: Collect, store_id: str, tendered: int) -> None:
    if reference is None:
        raise HTTPException(404, "no such reference")
    if reference.store_id != store_id or reference.state != "OPEN" or reference.kind != "PAY_AND_CLAIM":
        raise HTTPException(409, "the reference cannot be collected here")
    if reference.tracking_number != collect.tracking_number or tendered < reference.amount_due:
        raise HTTPException(409, "the label or the cash is not right")


def entered(terminal: Any, transaction: Any) -> Journal:
    """The terminal's next journal entry, chained to the one before."""
    terminal.journal_length += 1
    entry = json.dumps(
        {
            "n": terminal.journal_length,
            "store": transaction.store_id,
            "pos": transaction.pos,
            "transactionId": str(transaction.transaction_id),
            "state": transaction.state,
            "at": transaction.occurred_at.isoformat(),
            "type": transaction.type,
            "reference": transaction.reference,
            "shift": transaction.shift,
            "businessDate": transaction.business_date.isoformat(),
            "code": None,
            "amountDue": transaction.amount_due,
            "receipt": transaction.receipt_number,
            "reason": None,
            "answer": hashlib.sha256(transaction.answer.encode()).hexdigest(),
        }
    )
    terminal.journal_head = hashlib.sha256(terminal.journal_head + entry.encode()).digest()
    return Journal(
        store_id=terminal.store_id,
        pos=terminal.pos,
        position=terminal.journal_length,
        entry=entry,
        head=terminal.journal_head,
    )


def event_of(reference: Any, transaction: Any) -> Event:
    return Event(
        tracking_number=reference.tracking_number,
        sequence=1,
        event_id=uuid4(),
        merchant_reference=reference.merchant_reference,
        status="CLAIMED",
        location=transaction.store_id,
        occurred_at=transaction.occurred_at,
        payment_amount=transaction.amount_due,
        receipt_number=transaction.receipt_number,
        pos=transaction.pos,
        shift=transaction.shift,
        business_date=transaction.business_date,
    )


def answer_of(  # noqa: PLR0917
    transaction_id: UUID, collect: Collect, reference: Any, tendered: int, number: str, now: datetime
) -> dict[str, Any]:
    code = hmac.new(KEY, f"{number}|{collect.reference}|{reference.amount_due}".encode(), "sha256").hexdigest()[:8]
    return {
        "transactionId": str(transaction_id),
        "type": "COLLECT",
        "reference": shown(collect.reference),
        "trackingNumber": reference.tracking_number,
        "state": "APPROVED",
        "amountDue": amount(reference.amount_due),
        "amountTendered": amount(tendered),
        "change": amount(tendered - reference.amount_due),
        "currency": "PHP",
        "receipt": {
            "number": number,
            "copy": 0,
            "text": receipt(collect, reference, tendered, number, now, code),
            "verificationCode": code,
        },
        "occurredAt": now.isoformat(),
        "verdict": {
            "cash": "KEEP",
            "parcel": "RELEASE",
            "display": "PAID - RELEASE PARCEL\nKEEP CASH, GIVE RECEIPT",
        },
    }


def receipt(  # noqa: PLR0917
    collect: Collect, reference: Any, tendered: int, number: str, now: datetime, code: str
) -> list[str]:
    line = "-" * 32
    return [
        "7-CONNECT".center(32).rstrip(),
        "ACKNOWLEDGEMENT RECEIPT".center(32).rstrip(),
        line,
        pair(f"Store {reference.store_id}", f"POS {collect.pos} Shift {collect.shift}"),
        pair("Business date", collect.business_date.isoformat()),
        pair("Date", now.strftime("%Y-%m-%d %H:%M:%S")),
        pair("Clerk", collect.clerk),
        pair("AR No.", number),
        line,
        "PAY & CLAIM".center(32).rstrip(),
        pair("Reference", shown(collect.reference)),
        pair("Tracking", reference.tracking_number),
        pair("Merchant", reference.merchant),
        pair("Order", reference.merchant_reference),
        line,
        pair("Amount due", "PHP " + amount(reference.amount_due)),
        pair("Cash", "PHP " + amount(tendered)),
        pair("Change", "PHP " + amount(tendered - reference.amount_due)),
        line,
        pair("Verification", code),
        "This is an acknowledgement",
        "receipt, not an official",
        "receipt.",
    ]


def pair(left: str, right: str) -> str:
    return left + right.rjust(32 - len(left))


def shown(reference: str) -> str:
    return f"{reference[:4]}-{reference[4:8]}-{reference[8:]}"


def amount(centavos: int) -> str:
    return f"{centavos // 100}.{centavos % 100:02d}"


def written(answer: str, status: int) -> Response:
    return Response(answer, status, media_type="application/json")
