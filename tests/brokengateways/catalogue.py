"""The broken gateways: what is changed where, and which scenario brings it to light as a breach of which invariant.

A guard that has a second one behind it is taken away together with that one: what is left unguarded is one rule.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """`old`, which stands once in `file` (below connect_gateway/), becomes `new`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Broken:
    """One broken gateway, and the invariants of which it must be found to break one. `sql` is done to its database."""

    name: str
    does: str
    scenario: str
    invariants: frozenset[str]
    changes: tuple[Change, ...]
    sql: str


def _broken(
    name: str, does: str, scenario: str, invariants: str, *changes: tuple[str, str, str], sql: str = ""
) -> Broken:
    found = tuple(Change(*one) for one in changes)
    return Broken(name, does, scenario, frozenset(invariants.split()), found, sql)


_COUNTER = "ledger/counter.py"
_GROUPS = "ledger/groups.py"
_EVENTS = "ledger/events.py"
_RELAY = "ecms/relay.py"
_DECIDE = "domain/decide.py"

# What the database would have refused.
_KEYS = (
    _broken(
        "transaction-key-dropped",
        "has no unique key on a transaction's id",
        "two gateways at once",
        "I2 I4 I5 I6 I8",
        sql="ALTER TABLE transaction DROP CONSTRAINT transaction_pkey",
    ),
    _broken(
        "parcel-key-dropped",
        "has no unique key on a parcel's tracking number",
        "one parcel asked for twice",
        "I1 I3 I5 I7",
        sql="ALTER TABLE reference DROP CONSTRAINT reference_tracking_number_kind_key",
    ),
    _broken(
        "no-guard-on-a-reference",
        "neither locks a reference, nor looks at its state when it writes, nor has a key on what is done or told",
        "two gateways at once",
        "I1",
        (_GROUPS, "one.reference = wanted.reference\n        FOR UPDATE", "one.reference = wanted.reference"),
        (_GROUPS, "= moved.reference AND reference.state = moved.was", "= moved.reference"),
        sql="DROP INDEX transaction_done_once; ALTER TABLE event DROP CONSTRAINT event_pkey",
    ),
    _broken(
        "released-anywhere",
        "looks nowhere at the store where a parcel waits",
        "an ordinary day",
        "I3",
        (_DECIDE, "    if reference.kind in PARCEL_KINDS and reference.store_id != store_id:\n", "    if False:\n"),
        sql="ALTER TABLE reference DROP CONSTRAINT reference_released_at_its_own_store",
    ),
)

# What has to be in one transaction, and answered after it.
_COMMITS = (
    _broken(
        "answer-before-commit",
        "answers while its COMMIT is still to come",
        "dies before COMMIT",
        "I4",
        (
            _COUNTER,
            '        outcomes = await in_transaction(self._pool, work, "counter", chain=self._chain)\n',
            """        import asyncio

        early = asyncio.get_running_loop().create_future()

        async def slower(connection: Connection) -> list[decide.Outcome]:
            early.set_result(await work(connection))
            await asyncio.sleep(0.2)
            return early.result()

        self._late = asyncio.create_task(in_transaction(self._pool, slower, "counter"))
        outcomes = await early
""",
        ),
    ),
    _broken(
        "commit-not-on-disk",
        "does not wait until its COMMIT is on the disk",
        "the power fails",
        "I4",
        ("ledger/database.py", '"synchronous_commit": "on"', '"synchronous_commit": "off"'),
    ),
    _broken(
        "unknown-taken-for-failed",
        "says that nothing happened where nobody knows",
        "the answer to a COMMIT is lost",
        "I4",
        ("ledger/database.py", 'raise FateUnknown("the connection broke', 'raise Unavailable("the connection broke'),
    ),
    _broken(
        "event-outside-the-transaction",
        "writes the event once the change is committed",
        "dies after COMMIT",
        "I6",
        (
            _COUNTER,
            (
                "            await groups.write(connection, group, now)\n"
                "            committed_events = len(group.events)\n"
            ),
            """            import asyncio

            from connect_gateway.ledger import events

            later, group.events = group.events, []
            await groups.write(connection, group, now)

            async def write(other: Connection) -> None:
                await events.insert(other, later)

            async def afterwards() -> None:
                await asyncio.sleep(0.05)
                await in_transaction(self._pool, write)
                self._told()

            self._late = asyncio.create_task(afterwards())
""",
        ),
    ),
    _broken(
        "receipt-number-outside-the-transaction",
        "counts a receipt in a transaction of its own",
        "dies before COMMIT",
        "I2 I8",
        (_GROUPS, "one.pos = wanted.pos\n        FOR UPDATE", "one.pos = wanted.pos"),
        (
            _GROUPS,
            "    row = await connection.fetchrow(_WRITE",
            """    pool = connection._holder._pool
    async with pool.acquire() as other:
        for terminal in group.terminals.values():
            await other.execute(
                "UPDATE terminal SET receipts = $3, journal_length = $3 WHERE store_id = $1 AND pos = $2",
                terminal.store_id, terminal.pos, terminal.receipts,
            )
    row = await connection.fetchrow(_WRITE""",
        ),
    ),
    _broken(
        "journal-without-declines",
        "keeps no journal of what it declined",
        "an ordinary day",
        "I4 I8",
        (
            _COUNTER,
            "            group.new_transactions[key] = transaction\n            _enter(group, transaction)\n",
            (
                "            group.new_transactions[key] = transaction\n"
                "            if isinstance(outcome, decide.Approved):\n                _enter(group, transaction)\n"
            ),
        ),
    ),
)

# What a till is told.
_ANSWERS = (
    _broken(
        "replay-decided-anew",
        "decides a repeat as if it had never seen it",
        "an ordinary day",
        "I5",
        (
            _COUNTER,
            "            earlier,\n            reference,\n",
            "            None,\n            reference,\n",
        ),
    ),
    _broken(
        "replay-in-other-words",
        "marks the receipt of a repeat as a copy",
        "an ordinary day",
        "I5",
        (
            "edges/pos.py",
            "outcome.transaction.answer, replay=True)",
            """outcome.transaction.answer.replace('"copy":0', '"copy":1'), replay=True)""",
        ),
    ),
    _broken(
        "other-content-replayed",
        "does not compare what is sent under a known id",
        "an ordinary day",
        "I5",
        (_DECIDE, "        if field is not None:\n", "        if False:\n"),
    ),
    _broken(
        "tombstone-not-kept",
        "forgets the reversal of an id that it does not know",
        "an ordinary day",
        "I4 I5",
        (
            _COUNTER,
            "    group.transactions[key] = outcome.transaction\n    if earlier is None",
            (
                "    if earlier is None:\n        return outcome\n"
                "    group.transactions[key] = outcome.transaction\n    if earlier is None"
            ),
        ),
    ),
    _broken(
        "reversal-not-kept",
        "opens the reference and leaves the transaction approved",
        "an ordinary day",
        "I4",
        (_COUNTER, "        group.reversed_transactions[key] = undone\n", "        pass\n"),
    ),
    _broken(
        "approval-shown-after-its-reversal",
        "answers an inquiry with what was answered first",
        "an ordinary day",
        "I4 I5",
        (
            "edges/answers.py",
            "    if transaction.state is TransactionState.APPROVED:\n        return transaction.answer if",
            "    if transaction.was_approved:\n        return transaction.answer if",
        ),
    ),
)

# What the domain decides.
_DECISIONS = (
    _broken(
        "centavos-dropped",
        "collects whole pesos",
        "an ordinary day",
        "I1",
        (
            _DECIDE,
            "    receipts = terminal.receipts + 1\n    amount_due = reference.amount_due\n",
            "    receipts = terminal.receipts + 1\n    amount_due = reference.amount_due // 100 * 100\n",
        ),
    ),
    _broken(
        "receipt-for-a-decline",
        "counts a receipt for what it declined",
        "an ordinary day",
        "I2",
        (
            _COUNTER,
            "        transaction = outcome.transaction\n        transaction.status",
            (
                "        transaction = outcome.transaction\n"
                "        terminal.receipts += isinstance(outcome, decide.Declined)\n        transaction.status"
            ),
        ),
    ),
    _broken(
        "reversed-cash-counted",
        "counts the cash of what was reversed at a shift's close",
        "an ordinary day",
        "I2",
        ("domain/shifts.py", "        if line.state in STANDING and", "        if"),
    ),
    _broken(
        "cod-given-away",
        "releases a parcel as prepaid that has to be paid for",
        "an ordinary day",
        "I3",
        (
            _DECIDE,
            "    if command.type is not action:\n",
            "    if command.type is not action and action is not TransactionType.COLLECT:\n",
        ),
    ),
    _broken(
        "late-status-counts",
        "lets a status from before move a parcel backwards",
        "statuses out of order",
        "I9",
        (
            "domain/parcels.py",
            "    if trigger is None or (reference.status_at is not None and status.at < reference.status_at):\n",
            "    if trigger is None:\n",
        ),
    ),
    _broken(
        "expiry-ignored",
        "takes a code that has expired",
        "an expired code",
        "I7",
        ("domain/records.py", "self.expires_at is not None and self.expires_at <= now", "False"),
    ),
    _broken(
        "codes-in-sequence",
        "counts its codes up",
        "an ordinary day",
        "I7",
        (
            "domain/codes.py",
            "    digits = str(10**10 + secrets.randbelow(9 * 10**10))\n",
            '    digits = str(globals().setdefault("_last", [10**10])[0] + 1)\n    globals()["_last"][0] += 1\n',
        ),
    ),
    _broken(
        "a-code-for-each-asking",
        "issues another code whenever a return is asked for, and nothing keeps it from that",
        "an ordinary day",
        "I7",
        (
            "ledger/returns.py",
            "        if row is None:\n            reference = await insert",
            "        if True:\n            reference = await insert",
        ),
        (
            "ledger/parcels.py",
            "        if known.kind is new.kind:\n",
            "        if known.kind is new.kind is not Kind.RETURN:\n",
        ),
        sql="ALTER TABLE reference DROP CONSTRAINT reference_tracking_number_kind_key",
    ),
)

# What ECMS hears.
_OUTBOX = (
    _broken(
        "reversal-untold",
        "tells nobody of a reversal",
        "an ordinary day",
        "I6",
        (
            _COUNTER,
            (
                "        assert reference is not None\n        _move(group, reference, outcome.reference)\n"
                "        group.events.append(outcome.event)\n    if earlier is not None and"
            ),
            (
                "        assert reference is not None\n        _move(group, reference, outcome.reference)\n"
                "    if earlier is not None and"
            ),
        ),
    ),
    _broken(
        "told-before-it-is-sent",
        "notes an event as told before it sends it",
        "dies before sending",
        "I6",
        (
            _RELAY,
            '        reach("relay", "before-send")\n',
            '        await self._told.submit((event.event_id, tried))\n        reach("relay", "before-send")\n',
        ),
    ),
    _broken(
        "order-ignored",
        "sends the events of a parcel side by side",
        "ECMS away and back",
        "I6",
        (_EVENTS, '"BEHIND" if parcel in untold else "WAITING"', '"WAITING"'),
    ),
    _broken(
        "earlier-event-not-locked",
        "does not hold off who is about to note the earlier event as told",
        "undone while it is told",
        "I6",
        (
            _EVENTS,
            "tracking_number = ANY($1::text[])\nORDER BY tracking_number, sequence\nFOR UPDATE\n",
            "tracking_number = ANY($1::text[])\nORDER BY tracking_number, sequence\n",
        ),
    ),
    _broken(
        "refused-event-dropped",
        "takes a refusal of ECMS for the end of the matter",
        "an event that ECMS refuses",
        "I6",
        (
            _RELAY,
            "            await events.note_refused(self._pool, event, words, self._clock.now())\n",
            "            await self._told.submit((event.event_id, tried))\n",
        ),
    ),
    _broken(
        "new-event-id-for-each-attempt",
        "makes up an event's id when it sends it",
        "ECMS applies and then fails",
        "I6",
        (
            "ecms/messages.py",
            '        "eventId": str(event.event_id),\n',
            '        "eventId": str(__import__("uuid").uuid4()),\n',
        ),
        (_RELAY, "status_body(event), idempotency_key=str(event.event_id)", "status_body(event)"),
    ),
    _broken(
        "lease-without-end",
        "never gives up the lease of a relay that died",
        "dies before sending",
        "I6",
        (_RELAY, "admitted, self._lease_ms)", "admitted, 590_000)"),
    ),
)

BROKEN = (*_KEYS, *_COMMITS, *_ANSWERS, *_DECISIONS, *_OUTBOX)
