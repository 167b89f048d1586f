"""Defects of the counter: what is decided, what is kept, what the clerk is told."""

from mutants.defect import Defect

_DECIDE = "domain/decide.py"
_REVERSALS = "domain/reversals.py"
_COUNTER = "ledger/counter.py"

COUNTER = (
    Defect(
        "double-collection",
        "a reference that is done can be done again",
        _DECIDE,
        "    if state is not State.OPEN:\n",
        "    if state not in (State.OPEN, State.DONE):\n",
    ),
    Defect(
        "done-not-noted",
        "a sale leaves its reference open",
        _COUNTER,
        "            _move(group, reference, outcome.reference)\n            group.events",
        "            group.events",
    ),
    Defect(
        "replay-changed",
        "a repeat is rendered as a copy instead of as it was",
        "edges/pos.py",
        "return _stored(outcome.transaction.status, outcome.transaction.answer, replay=True)",
        "again = outcome.transaction.answer.replace('copy\":0', 'copy\":1')\n"
        "                return _stored(outcome.transaction.status, again, replay=True)",
    ),
    Defect(
        "replay-not-marked",
        "a repeat does not say that it is one",
        "edges/pos.py",
        '        response.headers["Idempotent-Replay"] = "true"\n',
        "        pass\n",
    ),
    Defect(
        "replay-as-200",
        "a repeat gets another status than the first answer",
        "edges/pos.py",
        "return _stored(outcome.transaction.status, outcome.transaction.answer, replay=True)",
        "return _stored(200, outcome.transaction.answer, replay=True)",
    ),
    Defect(
        "wrong-store-accepted",
        "a parcel of another store is handed out",
        _DECIDE,
        "reference.kind in PARCEL_KINDS and reference.store_id != store_id",
        "reference.kind in PARCEL_KINDS and reference.store_id is None",
    ),
    Defect(
        "label-not-checked",
        "any label will do",
        _DECIDE,
        "command.tracking_number is not None and command.tracking_number != reference.tracking_number",
        "command.tracking_number is not None and len(command.tracking_number) < 1",
    ),
    Defect(
        "tender-too-small-accepted",
        "the cash may be a centavo short",
        _DECIDE,
        "(command.amount_tendered or 0) < reference.amount_due",
        "(command.amount_tendered or 0) + 1 < reference.amount_due",
    ),
    Defect(
        "wrong-action-accepted",
        "a CLAIM is taken for a COD parcel: it leaves without being paid for",
        _DECIDE,
        "    if command.type is not action:\n",
        "    if command.type is not action and command.type is not TransactionType.CLAIM:\n",
    ),
    Defect(
        "expired-accepted",
        "a reference never lapses",
        "domain/records.py",
        "            return State.EXPIRED\n",
        "            return self.state\n",
    ),
    Defect(
        "refusals-out-of-order",
        "the label is looked at before the state",
        _DECIDE,
        "    state = reference.state_at(at)\n    if state",
        "    if command.tracking_number not in (None, reference.tracking_number):\n"
        '        return Refusal(Code.WRONG_LABEL, "the label is another parcel\'s", field="trackingNumber")\n'
        "    state = reference.state_at(at)\n    if state",
    ),
    Defect(
        "refusal-not-stored",
        "a refused transaction is forgotten, and judged anew when it comes again",
        _COUNTER,
        "        group.transactions[key] = transaction\n        if command.stand_in is not None:\n",
        "        if isinstance(outcome, decide.Declined):\n            return outcome\n"
        "        group.transactions[key] = transaction\n        if command.stand_in is not None:\n",
    ),
    Defect(
        "mismatch-ignored",
        "the same id with other content gets the first answer",
        _DECIDE,
        "        field = first_difference(command, earlier.request)\n",
        "        field = None\n",
    ),
    Defect(
        "mismatch-names-another-field",
        "clerk is compared before businessDate",
        _DECIDE,
        '    ("business_date", "businessDate"),\n    ("clerk", "clerk"),\n',
        '    ("clerk", "clerk"),\n    ("business_date", "businessDate"),\n',
    ),
    Defect(
        "tender-not-compared",
        "another amount of cash under a known id passes for a repeat",
        _DECIDE,
        '    ("amount_tendered", "amountTendered"),\n',
        "",
    ),
    Defect(
        "change-wrong",
        "the change on the answer is counted from the wrong end",
        "edges/answers.py",
        '"change": format_amount(transaction.change)',
        '"change": format_amount(transaction.amount_due)',
    ),
    Defect(
        "receipt-gap",
        "receipts are numbered by the journal, in which refusals and reversals stand, too",
        _DECIDE,
        "    receipts = terminal.receipts + 1\n    amount_due = reference.amount_due\n",
        "    receipts = terminal.journal_length + 1\n    amount_due = reference.amount_due\n",
    ),
    Defect(
        "decline-takes-a-number",
        "a refused transaction uses up a receipt number",
        _COUNTER,
        "        if isinstance(outcome, decide.Approved):\n            assert reference is not None\n",
        "        if isinstance(outcome, decide.Declined):\n            terminal.receipts += 1\n"
        "            terminal.journal_length += 1\n"
        "        if isinstance(outcome, decide.Approved):\n            assert reference is not None\n",
    ),
    Defect(
        "verdict-of-refused-collect",
        "the clerk keeps the cash of a refused COLLECT",
        "domain/verdicts.py",
        '        return Verdict("RETURN", "HOLD", f"{line}\\nGIVE CASH BACK, HOLD PARCEL")',
        '        return Verdict("KEEP", "HOLD", f"{line}\\nGIVE CASH BACK, HOLD PARCEL")',
    ),
    Defect(
        "verdict-of-refused-return",
        "the clerk holds a returned parcel that must not be taken in",
        "domain/verdicts.py",
        '        return Verdict(cash, "REFUSE", f"{line}\\nDO NOT TAKE PARCEL")',
        '        return Verdict(cash, "HOLD", f"{line}\\nDO NOT TAKE PARCEL")',
    ),
    Defect(
        "reversed-id-runs",
        "a repeat of a reversed transaction shows its old approval",
        _DECIDE,
        "    if earlier.state is TransactionState.REVERSED:\n        return Rejected(",
        "    if earlier.state is TransactionState.REVERSED:\n        return Replayed(earlier)\n"
        "        return Rejected(",
    ),
    Defect(
        "reversal-overtaking-is-forgotten",
        "a transaction that comes after its reversal is approved",
        _COUNTER,
        "    if earlier is None:\n        group.new_transactions[key] = outcome.transaction\n",
        "    if earlier is None:\n        return outcome\n",
    ),
    Defect(
        "inquiry-shows-reversed-approval",
        "an inquiry of a reversed transaction answers its old approval",
        "edges/answers.py",
        "    if transaction.state is TransactionState.APPROVED:\n",
        "    if transaction.was_approved:\n",
    ),
    Defect(
        "inquiry-rendered-anew",
        "an inquiry does not answer the bytes of the approval",
        "edges/pos.py",
        "return json_text(answers.inquiry_body(self._gateway.keys, transaction, reference), 200)",
        "body = answers.inquiry_body(self._gateway.keys, transaction, reference)\n"
        '        return json_text(body.replace("KEEP CASH", "CASH"), 200)',
    ),
    Defect(
        "reversal-does-not-reopen",
        "a reversal closes its reference for good",
        _REVERSALS,
        "        state=TRANSITIONS[State.DONE, Trigger.REVERSE],\n",
        "        state=State.CANCELLED,\n",
    ),
    Defect(
        "reversal-undoes-the-next-sale",
        "a reversal that comes again opens what was sold since",
        _REVERSALS,
        "    if earlier.state is TransactionState.REVERSED:\n        return AlreadyReversed(earlier)\n",
        "    if earlier.state is TransactionState.REVERSED and not earlier.was_approved:\n"
        "        return AlreadyReversed(earlier)\n",
    ),
    Defect(
        "void-without-the-parcel",
        "a void is taken although the parcel is gone",
        _REVERSALS,
        "        if not command.parcel_in_hand and earlier",
        "        if command.parcel_in_hand is None and earlier",
    ),
    Defect(
        "timeout-needs-the-parcel",
        "a TIMEOUT reversal is refused without the parcel in hand",
        _REVERSALS,
        "    if command.reason is not ReversalReason.TIMEOUT:\n",
        "    if command.reason is not None:\n",
    ),
    Defect(
        "shift-never-closed",
        "a transaction of a closed shift is taken",
        _DECIDE,
        "    if shift_closed:\n        return Refusal(Code.SHIFT_CLOSED",
        "    if shift_closed is None:\n        return Refusal(Code.SHIFT_CLOSED",
    ),
    Defect(
        "void-after-the-close",
        "a void is taken although its shift is closed",
        _REVERSALS,
        "        if shift_closed:\n            return Rejected(Refusal(Code.TOO_LATE",
        "        if shift_closed is None:\n            return Rejected(Refusal(Code.TOO_LATE",
    ),
    Defect(
        "shift-difference-missed",
        "a sale that the till does not list is no difference",
        "domain/shifts.py",
        "        if line.transaction_id not in listed and line.state is not TransactionState.DECLINED\n",
        "        if line.transaction_id not in listed and line.state is TransactionState.DECLINED\n",
    ),
    Defect(
        "copies-not-counted",
        "every reprint is the first",
        "edges/pos.py",
        "transaction, reference, copy)\n        return await _paper",
        "transaction, reference, 1)\n        return await _paper",
    ),
    Defect(
        "receipt-cut",
        "a value that is too long for its line is cut",
        "../connect_printing/paper.py",
        "    return [left, *(line.rjust(COLUMNS) for line in wrap(right))]\n",
        "    return [left, right[:COLUMNS]]\n",
    ),
    Defect(
        "receipt-too-wide",
        "a label and its value run beyond 32 columns",
        "../connect_printing/paper.py",
        "    if len(left) + 1 + len(right) <= COLUMNS:\n",
        "    if len(left) + 1 + len(right) <= COLUMNS + 8:\n",
    ),
    Defect(
        "label-hint-too-long",
        "a lookup gives the whole tracking number away",
        "edges/answers.py",
        "reference.tracking_number[-4:]",
        "reference.tracking_number",
    ),
    Defect(
        "replay-locked-out",
        "a locked-out till cannot repeat what it did",
        _DECIDE,
        "    if earlier is not None and not (stood_in and _was_declined(command, earlier)):\n",
        "    if earlier is not None and not locked_for_s and not (stood_in and _was_declined(command, earlier)):\n",
    ),
)
