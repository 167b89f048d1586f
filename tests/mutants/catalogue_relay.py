"""Defects of what ECMS hears, and of the kiosk, which asks it."""

from mutants.defect import Defect

RELAY = (
    Defect(
        "event-lost",
        "a sale causes no event",
        "ledger/counter.py",
        "            group.events.append(outcome.event)\n        elif",
        "        elif",
    ),
    Defect(
        "event-of-reversal-lost",
        "a reversal causes no event",
        "ledger/counter.py",
        "        group.events.append(outcome.event)\n    if earlier is not None and earlier.state",
        "    if earlier is not None and earlier.state",
    ),
    Defect(
        "event-sent-twice",
        "a sale causes two events, each with an id of its own",
        "ledger/counter.py",
        "            group.events.append(outcome.event)\n        elif",
        "            import dataclasses, uuid\n"
        "            group.events += [outcome.event, dataclasses.replace(outcome.event, event_id=uuid.uuid4())]\n"
        "        elif",
    ),
    Defect(
        "event-id-made-anew",
        "every attempt to tell an event has another id",
        "ecms/messages.py",
        '        "eventId": str(event.event_id),\n',
        '        "eventId": str(__import__("uuid").uuid4()),\n',
    ),
    Defect(
        "events-out-of-order",
        "an event goes out although an earlier one of its parcel is still to be told",
        "ledger/events.py",
        '        values.append((*event_values(event), "BEHIND" if parcel in untold else "WAITING"))\n',
        '        values.append((*event_values(event), "WAITING"))\n',
    ),
    Defect(
        "following-event-forgotten",
        "what waits behind an event is never let go",
        "ledger/events.py",
        '        await connection.execute(_LET_GO, *columns_of(following, 2), "BEHIND",',
        '        await connection.execute(_LET_GO, *columns_of(following, 2), "WAITING",',
    ),
    Defect(
        "unreadable-answer-counts",
        "a 200 that cannot be read counts as told",
        "ecms/client.py",
        '        raise EcmsAway(f"status {status} with an unreadable body") from error\n',
        '        return EcmsAnswer(200, {"errorCode": "200"})\n',
    ),
    Defect(
        "event-given-up",
        "an event that meets an ECMS that is away is given up",
        "ecms/relay.py",
        "            await self._try_again(event, tried, began, str(error) or type(error).__name__)\n",
        "            await self._told.submit((event.event_id, tried))\n",
    ),
    Defect(
        "refused-event-dropped",
        "an event that ECMS refuses is dropped without anybody's knowing",
        "ecms/relay.py",
        "            await events.note_refused(self._pool, event, words, self._clock.now())\n",
        "            await self._told.submit((event.event_id, tried))\n",
    ),
    Defect(
        "payment-of-the-tender",
        "ECMS is told the cash that was tendered instead of the amount due",
        "domain/events.py",
        "            amount=transaction.amount_due,\n            receipt_number",
        "            amount=command.amount_tendered or 0,\n            receipt_number",
    ),
    Defect(
        "undone-claim-told-as-claimed",
        "a claim that is undone is told as claimed again",
        "domain/events.py",
        '    TransactionType.CLAIM: ("DELIVERED TO STORE", "CLAIM REVERSED"),\n',
        '    TransactionType.CLAIM: ("CLAIMED", None),\n',
    ),
    Defect(
        "reason-of-reversal-missing",
        "ECMS is not told why a parcel is at its store again",
        "domain/events.py",
        '    TransactionType.COLLECT: ("DELIVERED TO STORE", "CLAIM REVERSED"),\n',
        '    TransactionType.COLLECT: ("DELIVERED TO STORE", None),\n',
    ),
    Defect(
        "kiosk-issues-while-ecms-is-away",
        "the kiosk makes up a tracking number where ECMS does not answer",
        "edges/kiosk.py",
        '            raise _ecms_unavailable(str(error) or "no answer in time") from error\n',
        "            made_up = int(self._gateway.now().timestamp() * 10**8)\n"
        '            return EcmsAnswer(200, {"trackingNumber": str(made_up)})\n',
    ),
    Defect(
        "no-word-when-to-come-back",
        "a kiosk is not told when to ask again",
        "edges/kiosk.py",
        '        headers=(("Retry-After", _RETRY_AFTER_S),),\n',
        "",
    ),
    Defect(
        "return-code-twice",
        "one identifier gets a new code for every request",
        "ledger/returns.py",
        "        if row is None:\n            reference = await insert_reference(connection, new, now)\n",
        "        if row is None or row:\n            reference = await insert_reference(connection, new, now)\n",
    ),
    Defect(
        "request-id-not-kept",
        "a kiosk's repeat with another identifier passes",
        "edges/kiosk.py",
        "            if not same:\n",
        "            if not earlier:\n",
    ),
    Defect(
        "used-code-handed-out",
        "the kiosk hands a code out again that was used at the counter",
        "edges/kiosk.py",
        '            raise _refuse("already-returned", "this item has been returned")\n        case State.OPEN:\n',
        "            return reference\n        case State.OPEN:\n",
    ),
    Defect(
        "code-of-ecms-ignored",
        "a return code that ECMS brings is replaced by one of our own",
        "edges/kiosk.py",
        "            reference=made.return_code,\n",
        "            reference=None,\n",
    ),
    Defect(
        "barcodes-exchanged",
        "the slip's barcodes have each other's data",
        "receipts/slip.py",
        '        {"symbology": "CODE128", "data": slip.return_code},\n',
        '        {"symbology": "CODE128", "data": slip.tracking_number},\n',
    ),
)
