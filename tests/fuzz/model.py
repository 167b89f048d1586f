"""What a gateway has to answer, written down a second time and from the specification alone.

A `World` is all that a ledger may hold. `outcomes` says what a deed makes of it, and what is answered.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from connect_simulators.wire import format_amount

from fuzz.deeds import (
    ACTION,
    WAIT_AT_A_STORE,
    Close,
    Copy,
    Deed,
    Dispense,
    Inquiry,
    Lookup,
    Order,
    Reversal,
    Sale,
    Ship,
    Tell,
)

COUNTER_TIME = 0
"""Whatever the counter does lies after every time below 0 and before every one from 1 on."""

_CLOSES = {"CANCELLED": "CANCELLED", "REJECTED": "CANCELLED", "FOR PULL OUT": "PULLED_OUT"}
_REFUSAL_OF_STATE = {
    "NOT_READY": "not-ready",
    "DONE": "already-done",
    "CANCELLED": "cancelled",
    "EXPIRED": "expired",
    "PULLED_OUT": "pulled-out",
}

_DONE = {
    "COLLECT": "CLAIMED",
    "CLAIM": "CLAIMED",
    "PAY": "PAID",
    "ACCEPT_RETURN": "RETURNED",
    "DROP_OFF": "DROPPED OFF",
}
_UNDONE = {
    "COLLECT": ("DELIVERED TO STORE", "CLAIM REVERSED"),
    "CLAIM": ("DELIVERED TO STORE", "CLAIM REVERSED"),
    "PAY": ("UNPAID", "PAYMENT REVERSED"),
    "ACCEPT_RETURN": ("FOR RETURN", "RETURN REVERSED"),
    "DROP_OFF": ("FOR DROP OFF", "DROP-OFF REVERSED"),
}
"""What ECMS hears (REL-1)."""

Seen = Mapping[str, Any]
"""What is expected of an answer: `status`, and of its body the fields that are named."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A reference as the ledger has it; `events` is what ECMS is to hear of it: (status, reason)."""

    order: Order
    state: str
    store: str | None
    newest: int | None = None
    events: tuple[tuple[str, str | None], ...] = ()

    @property
    def looks(self) -> str:
        return "EXPIRED" if self.order.lapsed and self.state in ("NOT_READY", "OPEN") else self.state


@dataclass(frozen=True, slots=True)
class Transaction:
    """An id as the ledger has it; `sale` is None for one that was reversed before it arrived."""

    state: str
    sale: Sale | None
    code: str | None = None
    receipt: str | None = None


@dataclass(frozen=True)
class World:
    """All that a ledger may hold. It is never changed; what happens makes another one."""

    parcels: Mapping[str, Parcel] = field(default_factory=dict)
    """By tracking number."""
    transactions: Mapping[tuple[str, str], Transaction] = field(default_factory=dict)
    receipts: Mapping[tuple[str, int], int] = field(default_factory=dict)
    copies: Mapping[str, int] = field(default_factory=dict)
    closed: Mapping[tuple[str, int, int], Close] = field(default_factory=dict)
    requests: Mapping[str, Dispense] = field(default_factory=dict)

    @property
    def key(self) -> tuple[Any, ...]:
        """Two worlds with the same key are the same."""
        parts = (self.parcels, self.transactions, self.receipts, self.copies, self.closed, self.requests)
        return tuple(tuple(sorted(part.items(), key=lambda item: str(item[0]))) for part in parts)

    def parcel_of(self, reference: str) -> Parcel | None:
        return next((one for one in self.parcels.values() if one.order.reference == reference), None)

    def with_parcel(self, parcel: Parcel) -> "World":
        return replace(self, parcels={**self.parcels, parcel.order.tracking_number: parcel})


def outcomes(world: World, deed: Deed, code_of: Mapping[str, str]) -> tuple[World, Seen]:
    """What a deed does in a world, and what is answered. `code_of` has the return codes that are known."""
    match deed:
        case Sale():
            return _sale(world, deed)
        case Reversal():
            return _reversal(world, deed)
        case Inquiry():
            return world, _inquiry(world, deed)
        case Lookup():
            return world, _lookup(world, deed)
        case Copy():
            return _copy(world, deed)
        case Close():
            return _close(world, deed)
        case Ship():
            return _ship(world, deed)
        case Tell():
            return _tell(world, deed)
        case Dispense():
            return _dispense(world, deed, code_of)


def _sale(world: World, sale: Sale) -> tuple[World, Seen]:
    key = sale.store, sale.transaction_id
    known = world.transactions.get(key)
    if known is not None:
        if known.sale is not None and known.sale.content != sale.content:
            pairs = zip(known.sale.content, sale.content, strict=True)
            differs = next(mine[0] for mine, other in pairs if mine != other)
            # The tender comes with the cash, and is looked at before it.
            return world, {"status": 422, "code": "transaction-mismatch", "field": _named(differs, known.sale, sale)}
        if known.state == "REVERSED":
            return world, {"status": 409, "code": "transaction-reversed"}
        return world, {**_first_answer(world, known), "replay": True}
    code = _refusal(world, sale)
    if code is not None:
        made = Transaction("DECLINED", sale, code=code)
        return replace(world, transactions={**world.transactions, key: made}), _first_answer(world, made)
    parcel = world.parcel_of(sale.reference)
    assert parcel is not None
    terminal = sale.store, sale.pos
    count = world.receipts.get(terminal, 0) + 1
    made = Transaction("APPROVED", sale, receipt=f"{sale.store}-{sale.pos:03d}-{count:08d}")
    told = (_DONE[sale.type], None)
    done = replace(
        world.with_parcel(replace(parcel, state="DONE", events=(*parcel.events, told))),
        transactions={**world.transactions, key: made},
        receipts={**world.receipts, terminal: count},
    )
    return done, _first_answer(done, made)


def _named(differs: str, one: Sale, other: Sale) -> str:
    no_cash = one.tendered is None or other.tendered is None
    return "tender" if differs == "amountTendered" and no_cash else differs


def _refusal(world: World, sale: Sale) -> str | None:
    """Why a new transaction is refused, in the order of refusal; None where it is approved."""
    if (sale.store, sale.pos, sale.shift) in world.closed:
        return "shift-closed"
    parcel = world.parcel_of(sale.reference)
    if parcel is None:
        return "unknown-reference"
    if parcel.store not in (None, sale.store):
        return "wrong-store"
    if sale.type != ACTION[parcel.order.kind]:
        return "wrong-action"
    if parcel.looks != "OPEN":
        return _REFUSAL_OF_STATE[parcel.looks]
    if sale.label not in (None, parcel.order.tracking_number):
        return "wrong-label"
    if sale.tendered is not None and sale.tendered < parcel.order.amount:
        return "tender-too-small"
    return None


def _first_answer(world: World, made: Transaction) -> Seen:
    assert made.sale is not None
    if made.code is not None:
        status = 404 if made.code == "unknown-reference" else 409
        return {"status": status, "code": made.code}
    return {"status": 201, **_approval(world, made)}


def _approval(world: World, made: Transaction) -> Seen:
    assert made.sale is not None
    parcel = world.parcel_of(made.sale.reference)
    assert parcel is not None
    due, tendered = parcel.order.amount, made.sale.tendered or 0
    return {
        "state": "APPROVED",
        "type": made.sale.type,
        "trackingNumber": parcel.order.tracking_number,
        "amountDue": format_amount(due),
        "amountTendered": format_amount(tendered),
        "change": format_amount(tendered - due if made.sale.tendered is not None else 0),
        "receipt.number": made.receipt,
        "receipt.copy": 0,
    }


def _reversal(world: World, reversal: Reversal) -> tuple[World, Seen]:
    key = reversal.store, reversal.transaction_id
    known = world.transactions.get(key)
    seen = {"status": 200, "state": "REVERSED"}
    if known is None or known.state != "APPROVED":
        made = Transaction("REVERSED", None) if known is None else replace(known, state="REVERSED")
        return replace(world, transactions={**world.transactions, key: made}), seen
    assert known.sale is not None
    if reversal.reason != "TIMEOUT":
        if not reversal.in_hand and known.sale.type != "PAY":
            return world, {"status": 409, "code": "parcel-not-in-hand"}
        if (known.sale.store, known.sale.pos, known.sale.shift) in world.closed:
            return world, {"status": 409, "code": "too-late-to-reverse"}
    parcel = world.parcel_of(known.sale.reference)
    assert parcel is not None
    newest = COUNTER_TIME if parcel.newest is None else max(parcel.newest, COUNTER_TIME)
    undone = world.with_parcel(
        replace(parcel, state="OPEN", newest=newest, events=(*parcel.events, _UNDONE[known.sale.type]))
    )
    return replace(undone, transactions={**world.transactions, key: replace(known, state="REVERSED")}), seen


def _inquiry(world: World, inquiry: Inquiry) -> Seen:
    known = world.transactions.get((inquiry.store, inquiry.transaction_id))
    if known is None:
        return {"status": 404, "code": "unknown-transaction"}
    if known.state == "APPROVED":
        return {"status": 200, **_approval(world, known)}
    if known.state == "DECLINED":
        return {"status": 200, "state": "DECLINED", "problem.code": known.code}
    # Its old approval is never shown again, its receipt as that of the reversal.
    return {"status": 200, "state": "REVERSED", "receipt.number": known.receipt}


def _lookup(world: World, lookup: Lookup) -> Seen:
    parcel = world.parcel_of(lookup.reference)
    if parcel is None:
        return {"status": 404, "code": "unknown-reference"}
    if parcel.store not in (None, lookup.store):
        return {"status": 409, "code": "wrong-store"}
    open_ = parcel.looks == "OPEN"
    return {
        "status": 200,
        "kind": parcel.order.kind,
        "state": parcel.looks,
        "action": ACTION[parcel.order.kind] if open_ else "NONE",
        "amountDue": format_amount(parcel.order.amount),
        "labelHint": parcel.order.tracking_number[-4:],
    }


def _copy(world: World, copy: Copy) -> tuple[World, Seen]:
    owner = next((one for one in world.transactions.values() if one.receipt == copy.receipt), None)
    if owner is None:
        return world, {"status": 404, "code": "unknown-receipt"}
    count = world.copies.get(copy.receipt, 0) + 1
    made = replace(world, copies={**world.copies, copy.receipt: count})
    return made, {"status": 201, "number": copy.receipt, "copy": count}


def _close(world: World, close: Close) -> tuple[World, Seen]:
    key = close.store, close.pos, close.shift
    known = world.closed.get(key)
    if known is not None:
        same = (known.counted, sorted(known.lines)) == (close.counted, sorted(close.lines))
        return world, {"status": 200, "replay": True} if same else {"status": 409, "code": "shift-closed"}
    ledger = {
        id_: one
        for (store, id_), one in world.transactions.items()
        if store == close.store and one.sale is not None and (one.sale.pos, one.sale.shift) == (close.pos, close.shift)
    }
    cash = sum(_due(world, one) for one in ledger.values() if one.state == "APPROVED")
    seen = {
        "status": 200,
        "cashCounted": format_amount(close.counted),
        "cashExpected": format_amount(cash),
        "cashOver": format_amount(max(0, close.counted - cash)),
        "cashShort": format_amount(max(0, cash - close.counted)),
        "differences": sorted(_differences(world, close, ledger)),
    }
    return replace(world, closed={**world.closed, key: close}), seen


def _due(world: World, transaction: Transaction) -> int:
    """What was taken for an approved transaction."""
    if transaction.sale is None:
        return 0
    parcel = world.parcel_of(transaction.sale.reference)
    return 0 if parcel is None else parcel.order.amount


def _differences(world: World, close: Close, ledger: Mapping[str, Transaction]) -> Iterator[tuple[str, str]]:
    listed = set()
    for id_, _, state, _ in close.lines:
        listed.add(id_)
        known = world.transactions.get((close.store, id_))
        if known is None:
            if state != "DECLINED":
                yield "missing-here", id_
        elif known.state != state:
            yield "state-differs", id_
    for id_, one in ledger.items():
        if id_ not in listed and one.state != "DECLINED":
            yield "missing-there", id_


def _ship(world: World, ship: Ship) -> tuple[World, Seen]:
    seen = {"status": 201, "reference": _shown(ship.order.reference)}
    if ship.order.tracking_number in world.parcels:
        return world, seen
    state = "NOT_READY" if ship.order.kind in WAIT_AT_A_STORE else "OPEN"
    return world.with_parcel(Parcel(ship.order, state, ship.order.store)), seen


def _shown(reference: str) -> str:
    return "-".join((reference[:4], reference[4:8], reference[8:]))


def _tell(world: World, tell: Tell) -> tuple[World, Seen]:
    parcel = world.parcels.get(tell.tracking_number)
    if parcel is None:
        return world, {"status": 404, "code": "not-found"}
    moved = _moved(parcel, tell)
    return (world if moved is None else world.with_parcel(moved)), {"status": 204}


def _moved(parcel: Parcel, tell: Tell) -> Parcel | None:
    """The parcel as a status leaves it; None where it moves nothing."""
    if parcel.state in ("DONE", "CANCELLED") or (parcel.newest is not None and tell.at < parcel.newest):
        return None
    target = _CLOSES.get(tell.status)
    if target == "CANCELLED":
        return replace(parcel, state=target, newest=tell.at)
    if parcel.order.kind not in WAIT_AT_A_STORE:
        return None
    if tell.status == "DELIVERED TO STORE":
        return replace(parcel, state="OPEN", store=tell.store, newest=tell.at)
    if target is not None and parcel.state != target:
        return replace(parcel, state=target, newest=tell.at)
    return None


def _dispense(world: World, dispense: Dispense, code_of: Mapping[str, str]) -> tuple[World, Seen]:
    earlier = world.requests.get(dispense.request_id)
    if earlier is not None:
        if earlier.identifier != dispense.identifier:
            return world, {"status": 409, "code": "request-mismatch"}
        return world, {"status": 201, "trackingNumber": earlier.tracking_number, "replay": True}
    tracking = dispense.tracking_number
    if tracking is None:
        return world, {"status": 404, "code": "unknown-identifier"}
    parcel = world.parcels.get(tracking)
    if parcel is None:
        order = Order("RETURN", code_of.get(tracking, f"?{tracking}"), tracking, None, 0)
        parcel = Parcel(order, "OPEN", None, events=(("FOR RETURN", None),))
        world = world.with_parcel(parcel)
    if parcel.state == "DONE":
        return world, {"status": 409, "code": "already-returned"}
    if parcel.state != "OPEN":
        return world, {"status": 409, "code": "return-expired"}
    made = replace(world, requests={**world.requests, dispense.request_id: dispense})
    return made, {"status": 201, "trackingNumber": tracking}
