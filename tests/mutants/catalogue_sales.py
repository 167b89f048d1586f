"""Defects of payments, of drop-offs, and of what a till sold while it was away."""

from mutants.defect import Defect

_DECIDE = "domain/decide.py"
_VERDICTS = "domain/verdicts.py"

SALES = (
    Defect(
        "payment-releases-a-parcel",
        "the clerk is told to hand something out for a payment",
        _VERDICTS,
        '    TransactionType.PAY: Verdict("KEEP", "HOLD", ',
        '    TransactionType.PAY: Verdict("KEEP", "RELEASE", ',
    ),
    Defect(
        "payment-without-its-money",
        "ECMS is told that an order is paid, and not with how much",
        "domain/events.py",
        "    if command.type in CASH_TYPES and transaction.amount_due and",
        "    if command.type is TransactionType.COLLECT and transaction.amount_due and",
    ),
    Defect(
        "void-of-a-payment-needs-a-parcel",
        "a payment cannot be undone without a parcel that there never was",
        "domain/reversals.py",
        " and earlier.request.type is not TransactionType.PAY:\n",
        ":\n",
    ),
    Defect(
        "fee-of-another-store",
        "a drop-off costs what was booked, wherever it happens",
        _DECIDE,
        "    if quote.fee != reference.amount_due:\n",
        "    if quote.fee > 10**9:\n",
    ),
    Defect(
        "dispute-shown-as-approved",
        "a till is not told that its sale is in dispute",
        "edges/answers.py",
        '        "state": TransactionState.DISPUTED,\n',
        '        "state": TransactionState.APPROVED,\n',
    ),
    Defect(
        "decline-outlives-the-sale",
        "a sale that was declined online and made offline stays declined",
        _DECIDE,
        "    if earlier is not None and not (stood_in and _was_declined(command, earlier)):\n",
        "    if earlier is not None:\n",
    ),
    Defect(
        "accepted-sale-not-told",
        "ECMS never hears of a disputed sale that a person has accepted",
        "ledger/counter.py",
        "    group.events.append(outcome.event)\n    standing.accepted",
        "    standing.accepted",
    ),
    Defect(
        "accepted-though-sold-before",
        "a person can accept the second sale of one parcel",
        "domain/disputes.py",
        "    if reference.state is State.DONE:\n        return",
        "    if reference.state is State.CANCELLED:\n        return",
    ),
)
