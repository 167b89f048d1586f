"""What is found when all is calm: every transaction and reference asked for once more, ECMS's history, the ledger."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

import asyncpg
from connect_simulators.ecmscontrol import ControlFailed, EcmsControl
from connect_simulators.wire import Answer, NoAnswer, WireClient

from history.records import (
    SALES,
    Delivery,
    Ending,
    History,
    LedgerEvent,
    Operation,
    Parcel,
    Terminal,
    centavos,
    terminal_key,
)

T = TypeVar("T")

_AT_ONCE = 8
_TRIES = 10
_AGAIN_AFTER_S = 0.5


class NotCalm(Exception):
    """A question got no answer although nothing is broken any more."""


async def gather(
    operations: list[Operation],
    parcels: Iterable[Parcel],
    *,
    tills: Mapping[str, WireClient],
    control: EcmsControl | None,
    database_url: str,
) -> History:
    """The whole history: `tills` has a client of each store, `control` is that of the ECMS that was told."""
    known = {parcel.reference: parcel for parcel in parcels}
    ids = {
        operation.subject: operation.store
        for operation in operations
        if operation.action in SALES or operation.action == "REVERSE"
    }
    anywhere = next(iter(tills.values()))

    async def ending(id_: str) -> Ending:
        answer = await _answer(tills[ids[id_]], f"/pos/v1/transactions/{id_}")
        return Ending(ids[id_], id_, answer.status, answer.raw.decode())

    async def state(reference: str) -> str | None:
        answer = await _answer(tills.get(known[reference].store or "", anywhere), f"/pos/v1/references/{reference}")
        return (answer.body or {}).get("state")

    async def receipt(number: str) -> str:
        answer = await _answer(tills[number.partition("-")[0]], f"/pos/v1/receipts/{number}")
        return answer.raw.decode()

    endings = await _all(ids, ending)
    receipts = await _all({one.receipt_number for one in endings.values() if one.receipt_number is not None}, receipt)
    states = await _all(known, state)
    trackings = {parcel.tracking_number for parcel in known.values()}
    deliveries = {} if control is None else await _all(trackings, lambda tracking: _deliveries(control, tracking))
    rows = await ledger_rows(database_url)
    return History(
        operations=operations,
        parcels=known,
        endings=endings,
        receipts=receipts,
        states={reference: found for reference, found in states.items() if found is not None},
        deliveries=deliveries,
        events=rows.events,
        terminals=rows.terminals,
        tasks=rows.tasks,
    )


async def _all(keys: Iterable[str], ask: Callable[[str], Awaitable[T]]) -> dict[str, T]:
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(key: str) -> tuple[str, T]:
        async with places:
            return key, await ask(key)

    return dict(await asyncio.gather(*map(one, keys)))


async def _answer(client: WireClient, path: str) -> Answer:
    """The answer to a question: whatever settles it, asked a few times."""
    last = "no answer"
    for _ in range(_TRIES):
        try:
            answer = await client.request("GET", path)
        except NoAnswer:
            continue
        if answer.status < 500 and answer.status != 429:
            return answer
        last = f"{answer.status} {answer.code}"
        await asyncio.sleep(_AGAIN_AFTER_S)
    raise NotCalm(f"{path}: {last}")


async def _deliveries(control: EcmsControl, tracking: str) -> tuple[Delivery, ...]:
    try:
        events = await control.history(tracking)
    except ControlFailed as failed:
        if ": 404 " not in str(failed):
            raise
        return ()
    return tuple(_delivery(event) for event in events)


def _delivery(event: Mapping[str, Any]) -> Delivery:
    payment = event.get("payment")
    return Delivery(
        event_id=event["eventId"],
        status=event["status"],
        reason=event["reason"],
        source=event["source"],
        applied=event["applied"],
        refused=event.get("refused"),
        receipt_number=None if payment is None else payment["receiptNumber"],
        amount=None if payment is None else centavos(payment["amount"]),
    )


async def ledger_rows(database_url: str) -> History:
    """The part of a history that is the ledger's own: events, terminals with their journals, open tasks."""
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        events = await connection.fetch(
            "SELECT tracking_number, event_id::text, sequence, status, state, occurred_at FROM event "
            "ORDER BY tracking_number, sequence"
        )
        terminals = await connection.fetch("SELECT store_id, pos, receipts, journal_length, journal_head FROM terminal")
        journal = await connection.fetch(
            "SELECT store_id, pos, position, entry, head FROM journal ORDER BY store_id, pos, position"
        )
        tasks = await connection.fetch("SELECT subject FROM task WHERE closed_at IS NULL")
    finally:
        await connection.close()
    chains: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for row in journal:
        chains[terminal_key(row["store_id"], row["pos"])].append((row["position"], row["entry"], row["head"].hex()))
    found: dict[str, list[LedgerEvent]] = defaultdict(list)
    for row in events:
        found[row["tracking_number"]].append(LedgerEvent(*list(row.values())[1:]))
    made = [
        Terminal(
            row["store_id"],
            row["pos"],
            row["receipts"],
            row["journal_length"],
            row["journal_head"].hex(),
            tuple(chains[terminal_key(row["store_id"], row["pos"])]),
        )
        for row in terminals
    ]
    return History(
        events={tracking: tuple(rows) for tracking, rows in found.items()},
        terminals={terminal.key: terminal for terminal in made},
        tasks=frozenset(row["subject"] for row in tasks),
    )
