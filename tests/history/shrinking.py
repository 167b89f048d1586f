"""The shortest history that still breaks an invariant in the same way."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from history.index import Index, Violation
from history.records import History, Operation

Rule = Callable[[Index], Iterator[Violation]]


def shortest(history: History, violation: Violation, rule: Rule) -> Violation:
    """The violation with as few operations as break it still, none of which can be left out.

    The facts stay as they are: without one of them another history would be judged. A shorter history counts if it
    breaks the same rule about the same thing in the same words.
    """

    def breaks(operations: Sequence[Operation]) -> bool:
        shorter = Index(replace(history, operations=list(operations)))
        return any((one.key, one.text) == (violation.key, violation.text) for one in rule(shorter))

    kept = [one for one in history.operations if one.keys & violation.touches]
    step = max(1, len(kept) // 2) if breaks(kept) else 0
    while step:
        place, removed = 0, False
        while place < len(kept):
            fewer = kept[:place] + kept[place + step :]
            if breaks(fewer):
                kept, removed = fewer, True
            else:
                place += step
        if not removed:
            step //= 2
    return replace(violation, history=tuple(kept))
