"""What the gateway tells: applied once for each event id, checked against the parcel, and kept whatever it
was.

What the counter did wins over what ECMS decided meanwhile; where the two disagree, the event is applied and
flagged.
"""

import hashlib
import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime

from ..wire import format_amount
from .database import insert
from .dropoffs import MOST_A_DAY, dropped_off_on_day
from .flows import State, Step, Trigger, step_by_status
from .messages import MONEY_ALONE, Payment, Refusal, StatusEvent
from .parcels import Parcel, find_parcel, note_change


@dataclass(frozen=True, slots=True)
class Applied:
    """The event has had its effect, now or (`repeated`) before."""

    repeated: bool


def apply_event(connection: sqlite3.Connection, event: StatusEvent, now: datetime) -> Applied | Refusal:
    """Applies one delivery of an event.

    A refusal of a parcel that exists is handed back, not raised: the delivery is kept in the parcel's
    history.
    """
    parcel = find_parcel(connection, event.tracking_number)
    if parcel is None:
        raise Refusal(404, "trackingNumber: no parcel has this number.")
    content = _content(event)
    earlier = connection.execute(
        "SELECT content FROM event WHERE event_id = ? AND applied = 1", (event.event_id,)
    ).fetchone()
    if earlier is not None:
        if earlier["content"] != content:
            return _refuse(connection, event, Refusal(409, "eventId: belongs to another event."))
        _record(connection, event, content, applied=False)
        return Applied(repeated=True)
    if event.status in MONEY_ALONE:
        _record(connection, event, content, applied=True)
        return Applied(repeated=False)
    step = _decide(parcel, event)
    if isinstance(step, Refusal):
        return _refuse(connection, event, step)
    flag = _flag(connection, parcel, event, step, now)
    _move(connection, parcel, event, step, now, flagged=flag is not None)
    _record(connection, event, content, applied=True, flag=flag)
    return Applied(repeated=False)


def _decide(parcel: Parcel, event: StatusEvent) -> Step | Refusal:
    step = step_by_status(parcel.flow, parcel.state, event.status, event.trigger)
    if step is None:
        return Refusal(409, f"status: {event.status} does not follow {parcel.state.status}.")
    if step.trigger is Trigger.POS_TRANSACTION:
        paid = 0 if event.payment is None else event.payment.amount
        due = parcel.due_at_drop_off if step.target is State.DROPPED_OFF else parcel.amount_centavos
        if paid != due:
            return Refusal(422, f"payment: the amount due is {format_amount(due)}, and {format_amount(paid)} was paid.")
    if step.target is State.FOR_RETURN and step.trigger is Trigger.KIOSK_TRANSACTION and event.return_code is None:
        return Refusal(422, "returnCode: belongs to FOR RETURN.")
    if None not in (parcel.return_code, event.return_code) and parcel.return_code != event.return_code:
        return Refusal(422, "returnCode: this return has another one.")
    return step


def _flag(connection: sqlite3.Connection, parcel: Parcel, event: StatusEvent, step: Step, now: datetime) -> str | None:
    """Why a person should look at this although it counts; None where all is as it should be."""
    if step.flagged:
        return f"{event.status} after {parcel.state.status}"
    if event.merchant_reference not in (parcel.merchant_reference, parcel.booking_reference):
        return "the merchantReference is not this parcel's"
    store_id = parcel.origin_store_id if step.target.on_sellers_leg else parcel.store_id
    if step.target.status in ("CLAIMED", "DELIVERED TO STORE") and event.location != store_id:
        return f"at {event.location or 'no store'} instead of {store_id}"
    if step.target is State.DROPPED_OFF and dropped_off_on_day(connection, parcel, event.at) >= MOST_A_DAY:
        return f"more than {MOST_A_DAY} packages of this seller on one day"
    if step.target is State.RETURNED and parcel.expires_at is not None and now.timestamp() > parcel.expires_at:
        return "returned after the return expired"
    return None


def _move(
    connection: sqlite3.Connection,
    parcel: Parcel,
    event: StatusEvent,
    step: Step,
    now: datetime,
    *,
    flagged: bool,
) -> None:
    moved = connection.execute(
        "UPDATE parcel SET state = ?, claimed_at = ?, return_code = coalesce(return_code, ?), store_id = ?,"
        " origin_store_id = ?, dropped_at = ?, flagged = max(flagged, ?) WHERE tracking_number = ? AND state = ?",
        (
            step.target,
            int(now.timestamp()) if step.target.status == State.CLAIMED else None,
            event.return_code if parcel.is_return else None,
            # A return goes back from the store that took it in.
            (event.location or parcel.store_id) if parcel.is_return else parcel.store_id,
            event.location if step.target is State.DROPPED_OFF else parcel.origin_store_id,
            _handed_in_at(parcel, event, step),
            flagged,
            parcel.tracking_number,
            step.origin,
        ),
    )
    if moved.rowcount != 1:
        raise RuntimeError(f"{parcel.tracking_number} is not {step.origin}")


def _handed_in_at(parcel: Parcel, event: StatusEvent, step: Step) -> int | None:
    if step.target in (State.DROPPED_OFF, State.RETURNED):
        return int(event.at.timestamp())
    # A hand-over that was undone has never been.
    return None if step.target in (State.FOR_DROP_OFF, State.FOR_RETURN) else parcel.dropped_at


def _refuse(connection: sqlite3.Connection, event: StatusEvent, refusal: Refusal) -> Refusal:
    _record(connection, event, _content(event), applied=False, refused=refusal.message)
    return refusal


def _record(
    connection: sqlite3.Connection,
    event: StatusEvent,
    content: str,
    *,
    applied: bool,
    flag: str | None = None,
    refused: str | None = None,
) -> None:
    payment = None if event.payment is None else _show_payment(event.payment)
    note_change(connection, event.tracking_number, "EVENT")
    insert(
        connection,
        "event",
        event_id=event.event_id,
        tracking_number=event.tracking_number,
        status=event.status,
        location=event.location,
        timestamp=event.timestamp,
        reason=event.reason,
        source=event.trigger.source,
        applied=applied,
        content=content,
        payment=payment,
        flagged=flag,
        refused=refused,
    )


def _show_payment(payment: Payment) -> str:
    return json.dumps({**payment.model_dump(by_alias=True), "amount": format_amount(payment.amount)})


def _content(event: StatusEvent) -> str:
    """What makes two deliveries the same event: all that they say."""
    return hashlib.sha256(event.model_dump_json().encode()).hexdigest()
