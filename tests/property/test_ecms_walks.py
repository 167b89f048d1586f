"""Random walks at the ECMS simulator: whatever is scanned, told or due, nothing moves a parcel but a row of the table.

Records in memory; about 6 s.
"""

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from uuid import UUID

from connect_simulators.ecms.clock import write_time
from connect_simulators.ecms.counter import Applied, apply_event
from connect_simulators.ecms.database import new_schema
from connect_simulators.ecms.dropoffs import book
from connect_simulators.ecms.flows import SCANS, STATES, TABLE, Flow, State, Trigger, has_ended, moves, step_by_status
from connect_simulators.ecms.jobs import run_due
from connect_simulators.ecms.messages import (
    CancelRequest,
    DropOffRequest,
    Refusal,
    ReturnIdsRequest,
    ReturnRequest,
    ScanRequest,
    ShipmentRequest,
    StatusEvent,
    parse,
)
from connect_simulators.ecms.parcels import Parcel, cancel, find_parcel, request_shipment
from connect_simulators.ecms.returns import begin_return, submit_identifiers
from connect_simulators.ecms.scans import scan_one
from connect_simulators.ecms.settings import keep_jobs_until
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

FIRST = datetime(2026, 11, 22, 0, 0, tzinfo=UTC)
STATUSES = sorted({state.status for state in State})
TOLD = {
    "CLAIMED": None,
    "FOR RETURN": None,
    "RETURNED": None,
    "FOR DROP OFF": None,
    "DROPPED OFF": None,
    "DELIVERED TO STORE": "CLAIM REVERSED",
    "UNDO RETURN": "RETURN REVERSED",
    "UNDO DROP OFF": "DROP-OFF REVERSED",
}
STATUS_TOLD = {"UNDO RETURN": "FOR RETURN", "UNDO DROP OFF": "FOR DROP OFF"}
SIDES = dict.fromkeys(("shipping_weight", "shipping_length", "shipping_width", "shipping_height"), "1")
PACKAGE = {"merchantCode": "001", "mobileNumber": "09123456789", "merchantReference": "ORDER-1", **SIDES}
ROWS = {(step.flow, step.origin, step.target, step.trigger) for step in TABLE}


class Walk(RuleBasedStateMachine):
    """One parcel, and everybody who can do something with it."""

    connection: sqlite3.Connection
    number: str

    @initialize(
        flow=st.sampled_from(Flow), amount=st.sampled_from(["0", "200.00"]), store=st.sampled_from(["0166", "0400"])
    )
    def begin(self, flow: Flow, amount: str, store: str) -> None:
        self.connection = new_schema()
        self.now, self.events = FIRST, 0
        keep_jobs_until(self.connection, self.now)
        payment = {"amount": amount, "paymentType": "PREPAID" if amount == "0" else "COD"}
        if flow.startswith("RETURN"):
            ids = {"merchantCode": "001", "identifiers": ["ORDER-1"]}
            submit_identifiers(self.connection, parse(ReturnIdsRequest, json.dumps(ids).encode()), "A", self.now)
            asked = parse(ReturnRequest, b'{"merchantReference":"ORDER-1","type":"RETURN"}')
            made = begin_return(self.connection, asked, {"001": flow}, self.now, with_code=False)
        elif flow.startswith("DROP_OFF"):
            door = flow is Flow.DROP_OFF_DOOR
            dest = {"address1": "1", "city": "Davao City"} if door else {"deliveryLocationId": store}
            booking = {
                **PACKAGE,
                **(payment if not door else {"amount": "0"}),
                "shipmentPayor": "SELLER",
                "dropoffLocationId": "0300",
                "deliveryType": "DOOR" if door else "STORE",
                "dest": dest,
            }
            made = book(self.connection, parse(DropOffRequest, json.dumps(booking).encode()), "A", self.now)
        else:
            shipment = {**PACKAGE, **payment, "merchant": "A", "deliveryLocationId": store}
            asked_for = parse(ShipmentRequest, json.dumps(shipment).encode())
            made = request_shipment(self.connection, asked_for, flow, self.now)
        self.number = made.tracking_number

    @property
    def parcel(self) -> Parcel:
        parcel = find_parcel(self.connection, self.number)
        assert parcel is not None
        return parcel

    @rule(data=st.data(), trigger=st.sampled_from([None, *SCANS]), likely=st.booleans())
    def scan(self, data: st.DataObject, trigger: Trigger | None, likely: bool) -> None:
        before = self.parcel
        ways = moves(before.flow, before.state, regional=before.regional, home_regional=before.home_regional)
        own = [step.target.status for step in ways]
        status = data.draw(st.sampled_from(own if likely and own else STATUSES))
        request = ScanRequest.model_construct(tracking_number=self.number, status=status, trigger=trigger)
        outcome = scan_one(self.connection, self.number, request, self.now)
        after = self.parcel
        if outcome.refused is not None:
            assert after == before
            assert not [step for step in ways if step.target.status == status and trigger in (None, step.trigger)]
        else:
            assert any((before.flow, before.state, after.state, by) in ROWS for by in SCANS)
            assert after.state.status == status

    @rule(said=st.sampled_from(sorted(TOLD)), store=st.sampled_from(["0166", "0300", "0400"]), exact=st.booleans())
    def tell(self, said: str, store: str, exact: bool) -> None:
        before = self.parcel
        status, reason = STATUS_TOLD.get(said, said), TOLD[said]
        due = before.due_at_drop_off if status == "DROPPED OFF" else before.amount_centavos
        self.events += 1
        place = {"receiptNumber": "R", "store": store, "pos": "1", "shift": "1", "bdate": "2026-11-22"}
        amount = due if exact else due + 1
        event = StatusEvent.model_validate(
            {
                "eventId": str(UUID(int=self.events)),
                "trackingNumber": self.number,
                "merchantReference": "ORDER-1",
                "status": status,
                "location": store,
                "timestamp": write_time(self.now),
                **({} if reason is None else {"reason": reason}),
                **({"returnCode": "182212342345"} if said == "FOR RETURN" else {}),
                "payment": {"amount": f"{amount // 100}.{amount % 100:02d}", **place},
            }
        )
        step = step_by_status(before.flow, before.state, status, event.trigger)
        paying = event.trigger is Trigger.POS_TRANSACTION and not exact
        outcome = apply_event(self.connection, event, self.now)
        after = self.parcel
        if step is None or paying:
            assert isinstance(outcome, Refusal)
            assert after == before
            return
        assert outcome == Applied(repeated=False)
        assert after.state is step.target
        assert after.flagged >= (step.flagged or before.flagged)
        assert apply_event(self.connection, event, self.now) == Applied(repeated=True)
        assert self.parcel == after

    @rule()
    def cancel(self) -> None:
        before = self.parcel
        row = (before.flow, before.state, State.CANCELLED, Trigger.MERCHANT_CANCELLATION)
        try:
            cancel(self.connection, CancelRequest(trackingNumber=self.number), "001", self.now)
        except Refusal:
            assert self.parcel == before
            assert row not in ROWS or before.is_return
        else:
            assert self.parcel.state is State.CANCELLED
            assert row in ROWS or before.state is State.CANCELLED

    @rule(seconds=st.sampled_from([1, 3_600, 86_400, 8 * 86_400]))
    def wait(self, seconds: int) -> None:
        before = self.parcel
        self.now += timedelta(seconds=seconds)
        moved = run_due(self.connection, self.now)
        after = self.parcel
        jobs = (Trigger.ECMS_JOB, Trigger.EXPIRY)
        assert len(moved) <= 1
        assert bool(moved) == any((before.flow, before.state, after.state, by) in ROWS for by in jobs)
        assert moved or after == before

    @precondition(lambda self: hasattr(self, "number"))
    @invariant()
    def the_history_says_where_it_is(self) -> None:
        parcel = self.parcel
        assert parcel.state in STATES[parcel.flow]
        applied = self.connection.execute("SELECT status FROM event WHERE applied = 1 ORDER BY seq").fetchall()
        assert applied[-1]["status"] == parcel.state.status
        untold = self.connection.execute("SELECT count(*) FROM outbox").fetchone()[0]
        own = self.connection.execute("SELECT count(*) FROM event WHERE content IS NULL").fetchone()[0] - 1
        # ECMS's own steps are told, all but a COD package's arrival at its seller's store.
        quiet = parcel.flow is Flow.DROP_OFF_STORE and parcel.payment_type == "COD"
        assert untold <= own <= untold + (10 if quiet else 0)
        if has_ended(parcel.flow, parcel.state, regional=parcel.regional):
            assert not moves(parcel.flow, parcel.state, regional=parcel.regional, home_regional=parcel.home_regional)

    def teardown(self) -> None:
        if hasattr(self, "connection"):
            self.connection.close()


TestWalk = Walk.TestCase
TestWalk.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
