"""Tills with one defect each: one-place changes of the POS simulator."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TillMutant:
    """`old`, which stands once in `file` (below simulators/), becomes `new`.

    Every exercise of `caught_by` must find something against this till. `short` marks the quick selection.
    """

    name: str
    file: str
    old: str
    new: str
    does: str
    caught_by: tuple[str, ...]
    short: bool = False


TILL_MUTANTS = (
    TillMutant(
        "new-id-on-retry",
        "pos/till.py",
        """        return await try_until_settled(
            lambda: self._client.request("PUT", transaction_path(transaction_id), json=entry.request),
""",
        """        ids, other = iter([transaction_id]), self._book.new_transaction_id
        return await try_until_settled(
            lambda: self._client.request("PUT", transaction_path(next(ids, other())), json=entry.request),
""",
        "sends every repeat with an id of its own",
        ("answer-lost", "request-lost"),
        short=True,
    ),
    TillMutant(
        "written-down-after-the-answer",
        "pos/book.py",
        """        self._write("BEGUN", transaction_id, {"request": request})
""",
        """        at = self._clock().isoformat()
        self._apply({"event": "BEGUN", "at": at, "transactionId": transaction_id, "request": request})
""",
        "writes nothing down before it has an answer",
        ("crash-after-sending",),
    ),
    TillMutant(
        "gives-up-silently",
        "pos/till.py",
        "        found = await self._look_for(entry, tried.attempts + 1)\n",
        "        if tried.answer is None:\n            return self._unknown(entry.transaction_id, tried)\n"
        "        found = await self._look_for(entry, tried.attempts + 1)\n",
        "stops after the give-up time without an inquiry and without a reversal",
        ("answers-lost", "locked-out"),
    ),
    TillMutant(
        "no-reversal",
        "pos/till.py",
        "        # The till shows no verdict while it does not know, so the parcel is where it was before.\n",
        "        return self._unknown(entry.transaction_id, tried)\n",
        "inquires, and does not reverse what stays unknown",
        ("locked-out", "late-arrival"),
    ),
    TillMutant(
        "no-inquiry",
        "pos/till.py",
        "        found = await self._look_for(entry, tried.attempts + 1)\n",
        "        found = None\n",
        "reverses without an inquiry",
        ("answers-lost", "refused-after-unknown"),
    ),
    TillMutant(
        "releases-without-an-answer",
        "pos/results.py",
        'NO_ANSWER = Verdict("NONE", "HOLD",',
        'NO_ANSWER = Verdict("KEEP", "RELEASE",',
        "hands the parcel over although no answer came",
        ("cut-off",),
    ),
    TillMutant(
        "503-is-a-refusal",
        "pos/till.py",
        "_DECIDED = frozenset({201, 404, 409})",
        "_DECIDED = frozenset({201, 404, 409, 503})",
        "takes 503 for the end of the sale",
        ("unavailable",),
        short=True,
    ),
    TillMutant(
        "403-is-a-refusal",
        "pos/till.py",
        "_DECIDED = frozenset({201, 404, 409})",
        "_DECIDED = frozenset({201, 403, 404, 409})",
        "takes 403 to a repeat for the end of the sale",
        ("refused-after-unknown",),
    ),
    TillMutant(
        "401-is-the-end",
        "wire.py",
        "        if answer.status != 401:\n",
        "        if answer.status:\n",
        "does not get a new token when its token is refused",
        ("token-revoked",),
    ),
    TillMutant(
        "wrong-reason",
        "pos/till.py",
        '{"reason": "TIMEOUT", "parcelInHand": True}',
        '{"reason": "CLERK_VOID", "parcelInHand": True}',
        "says that the clerk voided what it could not finish",
        ("locked-out",),
    ),
    TillMutant(
        "parcel-always-in-hand",
        "pos/till.py",
        '{"reason": reason, "parcelInHand": parcel_in_hand}',
        '{"reason": reason, "parcelInHand": True}',
        "says that it has the parcel when the customer has it",
        ("void",),
    ),
    TillMutant(
        "repeats-a-refusal",
        "pos/till.py",
        "        return answer.code is not None and read_verdict(body) is not None\n",
        "        return False\n",
        "sends a sale again that was refused for good",
        ("wrong-label", "refusal-lost"),
    ),
    TillMutant(
        "ignores-retry-after",
        "patience.py",
        "asked_for_s = retry_after_s(answer.headers)",
        "asked_for_s = 0.0",
        "does not look at Retry-After",
        ("busy", "unavailable"),
    ),
    TillMutant(
        "sends-without-a-pause",
        "patience.py",
        "wait_s, attempts = patience.first_wait_s, 0",
        "wait_s, attempts = 0.0, 0",
        "sends again at once, as fast as it can",
        ("request-lost",),
    ),
    TillMutant(
        "keeps-the-cash",
        "pos/results.py",
        "    return Verdict(cash, parcel, display) if known",
        '    return Verdict("KEEP" if cash == "RETURN" else cash, parcel, display) if known',
        "tells the clerk to keep the cash of a refused sale",
        ("wrong-label",),
    ),
    TillMutant(
        "reverses-once",
        "pos/till.py",
        "            left_s=self._settings.reversal_give_up_s,\n        )\n        if tried.answer is None:\n",
        "            left_s=0.0,\n        )\n        if tried.answer is None:\n"
        "            self._book.reversed(transaction_id)\n",
        "sends a reversal once and forgets it",
        ("reversal-lost",),
    ),
    TillMutant(
        "any-answer-reverses",
        "pos/forwarding.py",
        "    return answer.status == 200 and reversed_\n",
        "    return reversed_ or answer.status >= 500\n",
        "takes 503 to a reversal for its end",
        ("reversal-lost",),
    ),
    TillMutant(
        "changes-the-content",
        "pos/till.py",
        "transaction_path(transaction_id), json=entry.request),",
        'transaction_path(transaction_id), json={**entry.request, "clerk": self._book.new_transaction_id()[-9:]}),',
        "names another clerk with every repeat",
        ("answer-lost", "request-lost"),
    ),
    TillMutant(
        "404-is-an-answer",
        "pos/till.py",
        "        body = answer.body or {}\n        outcome = _OUTCOME_OF_STATE",
        """        body = answer.body or {}
        if answer.status == 404:
            self._book.answered(entry.transaction_id, answer)
            return result_of(answer, Outcome.REFUSED, transaction_id=entry.transaction_id, attempts=attempts)
        outcome = _OUTCOME_OF_STATE""",
        "takes an inquiry's 404 for the proof that nothing was sold",
        ("late-arrival",),
    ),
    TillMutant(
        "resume-forgets",
        "pos/till.py",
        "            if entry.transaction_id not in self._under_way\n",
        "            if entry.transaction_id not in self._under_way and entry.reversal is not None\n",
        "does not go on with a sale after a restart",
        ("crash-after-sending", "crash-long-ago"),
    ),
    TillMutant(
        "resume-forgets-reversals",
        "pos/till.py",
        "            if entry.transaction_id not in self._under_way\n",
        "            if entry.transaction_id not in self._under_way and entry.reversal is None\n",
        "does not go on with a reversal after a restart",
        ("crash-in-reversal",),
    ),
    TillMutant(
        "old-sales-are-made-anew",
        "pos/book.py",
        "        return max(0.0, (self._clock() - entry.begun_at).total_seconds())\n",
        "        return 0.0\n",
        "sends a sale again after a restart however old it is",
        ("crash-long-ago",),
    ),
    TillMutant(
        "sells-again-while-open",
        "pos/till.py",
        "        if unsettled is not None:\n",
        "        if unsettled is not None and unsettled.reversal is None:\n",
        "sells the same parcel again while the first sale is open",
        ("cut-off",),
    ),
    TillMutant(
        "follows-redirects",
        "wire.py",
        "allow_redirects=False",
        "allow_redirects=True",
        "sends its request and its token to where a redirect leads",
        ("redirect",),
    ),
    TillMutant(
        "waits-for-ever",
        "wire.py",
        "aiohttp.ClientTimeout(total=timeout_s)",
        "aiohttp.ClientTimeout(total=None, sock_connect=timeout_s)",
        "has no time-out for an answer",
        ("answer-late",),
    ),
    TillMutant(
        "waits-for-the-next-byte",
        "wire.py",
        "aiohttp.ClientTimeout(total=timeout_s)",
        "aiohttp.ClientTimeout(total=None, sock_read=timeout_s)",
        "has a time-out for each byte alone",
        ("answer-trickles",),
    ),
    TillMutant(
        "any-201-is-an-approval",
        "pos/till.py",
        "        return approved and read_verdict(body) is not None\n",
        "        return approved or not body or read_verdict(body) is not None\n",
        "takes an empty 201 for an approval",
        ("garbage",),
    ),
    TillMutant(
        "any-approval-will-do",
        "pos/till.py",
        '        approved = body.get("transactionId") == transaction_id and body.get("state") == "APPROVED"\n',
        '        approved = body.get("state") == "APPROVED"\n',
        "takes another transaction's approval for its own",
        ("garbage",),
    ),
    TillMutant(
        "any-404-is-a-refusal",
        "pos/till.py",
        "        return answer.code is not None and read_verdict(body) is not None\n",
        "        return True\n",
        "takes a proxy's page with 404 for the gateway's refusal",
        ("garbage",),
    ),
    TillMutant(
        "refuses-newer-answers",
        "pos/till.py",
        '        approved = body.get("transactionId") == transaction_id and body.get("state") == "APPROVED"\n',
        '        approved = body.get("transactionId") == transaction_id and len(body) < 13\n',
        "cannot read an answer with a field that it does not know",
        ("newer-gateway",),
    ),
    TillMutant(
        "a-replay-is-no-sale",
        "pos/till.py",
        "            outcome = Outcome.APPROVED if tried.answer.status == 201 else Outcome.REFUSED\n",
        """            if tried.answer.headers.get("Idempotent-Replay") == "true":
                return self._unknown(entry.transaction_id, tried)
            outcome = Outcome.APPROVED if tried.answer.status == 201 else Outcome.REFUSED
""",
        "does not take a replay for the answer to its sale",
        ("duplicated", "answer-lost"),
    ),
    TillMutant(
        "amount-as-a-number",
        "pos/till.py",
        '"amountTendered": format_amount(amount_tendered)}',
        '"amountTendered": amount_tendered / 100}',
        "sends cash as a JSON number",
        ("plain-sale",),
    ),
    TillMutant(
        "gives-up-at-once",
        "patience.py",
        "        if loop.time() + pause_s >= deadline_s:\n",
        "        if attempts >= 2 or loop.time() + pause_s >= deadline_s:\n",
        "sends a sale twice and gives up",
        ("request-lost", "unavailable"),
    ),
    TillMutant(
        "never-gives-up",
        "patience.py",
        "    deadline_s = loop.time() + left_s\n",
        "    deadline_s = loop.time() + 100 * left_s\n",
        "sends a sale for as long as the network is away",
        ("answers-lost",),
    ),
)
