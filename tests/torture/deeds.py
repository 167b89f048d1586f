"""What can be under way when a gateway dies, and which crash points each of these comes by."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connect_simulators.wire import PHILIPPINE_TIME, Answer
from history.recording import RecordingWire

from torture.stage import STORE, Stage, attempted, order_body, sale, status_body

Send = Callable[[], Awaitable[Answer | None]]
"""Sends the same request each time that it is called; None where no answer came."""


def _of(name: str, *places: str) -> tuple[str, ...]:
    return tuple(f"{name}-{place}" for place in places)


def _around(name: str) -> tuple[str, ...]:
    return _of(name, "before-begin", "before-commit", "after-commit")


_COUNTER = _of("counter", "before-begin", "after-reads", "after-writes", "before-commit", "after-commit")
_RELAY = (*_of("relay", "after-lease", "before-send", "after-answer"), *_around("told"))


@dataclass(frozen=True)
class Deed:
    """`prepare` sees to all that must be there before and hands back the request, which is sent until it is answered.

    `answers` are the statuses that it may be answered with in the end.
    """

    name: str
    points: tuple[str, ...]
    prepare: Callable[[Stage], Awaitable[Send]]
    answers: frozenset[int]
    between: Callable[[Stage], Awaitable[None]] | None = None
    """What is to be done while no gateway runs, between the one that prepared and the one that dies."""


def _put(wire: RecordingWire, path: str, body: dict[str, Any]) -> Send:
    return lambda: attempted(wire, "PUT", path, body)


def _transaction(wire: RecordingWire, body: dict[str, Any], id_: str | None = None) -> Send:
    return _put(wire, f"/pos/v1/transactions/{id_ or uuid.uuid4()}", body)


async def _logged_in(wire: RecordingWire) -> RecordingWire:
    """The wire with its token, which is taken before anything dies."""
    await wire.request("GET", f"/pos/v1/transactions/{uuid.uuid4()}")
    return wire


async def _collect(stage: Stage) -> Send:
    parcel = await stage.ship()
    return _transaction(await _logged_in(stage.till()), sale(parcel))


async def _claim(stage: Stage) -> Send:
    parcel = await stage.ship("0.00")
    return _transaction(await _logged_in(stage.till()), sale(parcel))


async def _accept_return(stage: Stage) -> Send:
    identifier = await stage.returnable()
    answer = await _dispense_at(stage, identifier)()
    assert answer is not None
    parcel = stage.returned(identifier, answer)
    assert await stage.drained(10)
    return _transaction(await _logged_in(stage.till()), sale(parcel))


async def _declined(stage: Stage) -> Send:
    parcel = await stage.ship()
    return _transaction(await _logged_in(stage.till()), sale(parcel, trackingNumber="1" * 18))


def _reversed(prepare: Callable[[Stage], Awaitable[Send]]) -> Callable[[Stage], Awaitable[Send]]:
    async def prepared(stage: Stage) -> Send:
        approved = await (await prepare(stage))()
        assert approved is not None
        assert approved.body
        assert approved.status == 201, approved.raw
        assert await stage.drained(10)
        path = f"/pos/v1/transactions/{approved.body['transactionId']}/reversal"
        return _put(await _logged_in(stage.till()), path, {"reason": "CLERK_VOID", "parcelInHand": True})

    return prepared


async def _reversed_unseen(stage: Stage) -> Send:
    path = f"/pos/v1/transactions/{uuid.uuid4()}/reversal"
    return _put(await _logged_in(stage.till()), path, {"reason": "TIMEOUT", "parcelInHand": True})


def _dispense_at(stage: Stage, identifier: str) -> Send:
    kiosk = stage.wire("kiosk", "kiosk", store=STORE)
    body = {"identifierType": "UID", "identifier": identifier}
    return _put(kiosk, f"/kiosk/v1/returns/{uuid.uuid4()}", body)


async def _dispense(stage: Stage) -> Send:
    # Somebody else's return first, so that kiosk and gateway have their tokens.
    other = await stage.returnable()
    kiosk = stage.wire("kiosk", "kiosk", store=STORE)
    body = {"identifierType": "UID", "identifier": other}
    answer = await kiosk.request("PUT", f"/kiosk/v1/returns/{uuid.uuid4()}", json=body)
    stage.returned(other, answer)
    assert await stage.drained(10)
    identifier = await stage.returnable()
    body, path = {"identifierType": "UID", "identifier": identifier}, f"/kiosk/v1/returns/{uuid.uuid4()}"

    async def send() -> Answer | None:
        got = await attempted(kiosk, "PUT", path, body)
        if got is not None and got.status == 201:
            stage.returned(identifier, got)
        return got

    return send


async def _label(stage: Stage) -> Send:
    booked = await stage.booked()
    # The relay has its token from telling of a parcel before this one.
    await _collected(stage)
    kiosk = stage.wire("kiosk", "kiosk", store=STORE)
    await kiosk.request("GET", f"/kiosk/v1/dropoffs/{booked.identifier}")
    return lambda: attempted(kiosk, "PUT", f"/kiosk/v1/dropoffs/{booked.identifier}/label")


async def _reference(stage: Stage) -> Send:
    await stage.order()
    body = order_body(str(300_000_000_000_000_000 + stage.numbers()), "200.00")
    ecms = stage.wire("ecms", "ecms")
    await ecms.request("GET", "/ecms/v1/references")

    async def send() -> Answer | None:
        answer = await attempted(ecms, "POST", "/ecms/v1/references", body)
        if answer is not None and answer.status == 201:
            stage.ordered(body, answer)
        return answer

    return send


async def _status(stage: Stage) -> Send:
    parcel = await stage.order(arrives=False)
    body = status_body(parcel, "DELIVERED TO STORE")
    ecms = stage.wire("ecms", "ecms")
    await ecms.request("GET", "/ecms/v1/status")
    return lambda: attempted(ecms, "POST", "/ecms/v1/status", body)


async def _collected(stage: Stage) -> dict[str, Any]:
    """The answer to a collection of which ECMS has heard."""
    answer = await (await _collect(stage))()
    assert answer is not None
    assert answer.status == 201, answer.raw
    assert await stage.drained(10)
    return answer.body or {}


async def _close(stage: Stage) -> Send:
    collected = await _collected(stage)
    line = {"transactionId": collected["transactionId"], "type": "COLLECT", "state": "APPROVED", "amount": "200.00"}
    path = f"/pos/v1/shifts/{datetime.now(PHILIPPINE_TIME).date().isoformat()}/1/1"
    return _put(await _logged_in(stage.till()), path, {"cashCounted": "200.00", "transactions": [line]})


async def _reprint(stage: Stage) -> Send:
    number = (await _collected(stage))["receipt"]["number"]
    till = await _logged_in(stage.till())
    return lambda: attempted(till, "POST", f"/pos/v1/receipts/{number}/copies")


async def _inquire(stage: Stage) -> Send:
    id_ = (await _collected(stage))["transactionId"]
    till = await _logged_in(stage.till())
    return lambda: attempted(till, "GET", f"/pos/v1/transactions/{id_}")


async def _guess(stage: Stage) -> Send:
    till = await _logged_in(stage.till())
    return lambda: attempted(till, "GET", "/pos/v1/references/123456789012")


async def _grant(stage: Stage) -> Send:
    return lambda: stage.token({"grant_type": "client_credentials"})


async def _refresh(stage: Stage) -> Send:
    granted = await stage.token({"grant_type": "client_credentials"})
    assert granted is not None
    assert granted.body
    token = granted.body["refresh_token"]
    return lambda: stage.token({"grant_type": "refresh_token", "refresh_token": token})


async def _refused_by_ecms(stage: Stage) -> Send:
    # ECMS itself has never heard of this parcel.
    parcel = await stage.order()
    # The gateway's own token is taken at this occasion.
    await _collected(stage)
    return _transaction(await _logged_in(stage.till(2)), sale(parcel, pos=2))


async def _overdue(stage: Stage) -> Send:
    parcel = await stage.ship()
    await stage.ecms_fails("error-500")
    till, id_ = await _logged_in(stage.till()), str(uuid.uuid4())
    answer = await _transaction(till, sale(parcel), id_)()
    assert answer is not None
    assert answer.status == 201, answer.raw
    return lambda: attempted(till, "GET", f"/pos/v1/transactions/{id_}")


async def _nine_attempts(stage: Stage) -> None:
    """Makes the next attempt the one after which a person is told, and makes it due."""
    await stage.execute("UPDATE event SET attempts = 9, due_at = now() WHERE state = 'WAITING'")


async def _resend(stage: Stage) -> Send:
    await (await _refused_by_ecms(stage))()
    task_id = await stage.awaited("SELECT task_id::text FROM task WHERE closed_at IS NULL")
    admin = stage.wire("admin", "admin")
    await admin.request("GET", "/admin/v1/tasks")
    return lambda: attempted(admin, "POST", f"/admin/v1/tasks/{task_id}/resend")


_DONE = frozenset({201})
_OK = frozenset({200})

DEEDS = (
    Deed("COLLECT", (*_COUNTER, *_RELAY), _collect, _DONE),
    Deed("CLAIM", (*_COUNTER, *_RELAY), _claim, _DONE),
    Deed("ACCEPT_RETURN", (*_COUNTER, *_RELAY), _accept_return, _DONE),
    Deed("a decline", _COUNTER, _declined, frozenset({409})),
    Deed("reversal of COLLECT", (*_COUNTER, *_RELAY), _reversed(_collect), _OK),
    Deed("reversal of CLAIM", (*_COUNTER, *_RELAY), _reversed(_claim), _OK),
    Deed("reversal of ACCEPT_RETURN", (*_COUNTER, *_RELAY), _reversed(_accept_return), _OK),
    Deed("reversal of an unknown id", _COUNTER, _reversed_unseen, _OK),
    Deed(
        "kiosk's return",
        (*_of("dispense", "before-send", "after-answer"), *_around("dispense"), *_RELAY),
        _dispense,
        _DONE,
    ),
    Deed("a drop-off's label", (*_around("label"), *_RELAY), _label, _OK),
    Deed("ECMS's reference", _around("reference"), _reference, _DONE),
    Deed("ECMS's status", _around("status"), _status, frozenset({204})),
    Deed("a shift's close", _around("shift"), _close, _OK),
    Deed("a reprint", _around("copy"), _reprint, _DONE),
    Deed("an inquiry", _around("inquiry"), _inquire, _OK),
    Deed("a guess", _around("attempt"), _guess, frozenset({404})),
    Deed("a token", _around("grant"), _grant, _OK),
    Deed("a token's renewal", _around("refresh"), _refresh, _OK),
    Deed("an event ECMS refuses", ("relay-after-refusal", *_around("refused")), _refused_by_ecms, _DONE),
    Deed("an event overdue", ("relay-after-failure", *_around("overdue")), _overdue, _OK, _nine_attempts),
    Deed("a task's resend", _around("task"), _resend, frozenset({200, 409})),
)
"""All of them. What a point is reached by stands here a second time, beside the program itself: the run compares."""
