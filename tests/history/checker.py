"""The checker: accepts a history, or names what it breaks and the shortest history that breaks it still."""

from history.answer_rules import durability, idempotency
from history.counter_rules import collection, conservation, release
from history.event_rules import codes, events
from history.index import Index, Violation
from history.ledger_rules import journal, states
from history.records import History
from history.shrinking import Rule, shortest

RULES: tuple[Rule, ...] = (
    collection,
    conservation,
    release,
    durability,
    idempotency,
    events,
    codes,
    journal,
    states,
)
"""One for each invariant, I1 to I9, in their order."""

_SHRUNK = 20
"""So many violations are shrunk; where everything is broken, more would tell nobody more."""


def check(history: History) -> list[Violation]:
    """What the history breaks, each with its shortest history; nothing where it can be true."""
    index = Index(history)
    found: dict[tuple[str, str], tuple[Rule, Violation]] = {}
    for rule in RULES:
        for violation in rule(index):
            found.setdefault(violation.key, (rule, violation))
    broken = list(found.values())
    shrunk = [shortest(history, violation, rule) for rule, violation in broken[:_SHRUNK]]
    return shrunk + [violation for _, violation in broken[_SHRUNK:]]
