"""Everything that a ledger may hold, given what was seen.

What got no answer has happened or not, so every world is kept that fits; each answer rules some of them out, and when
none is left, the gateway has contradicted itself.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

from fuzz.deeds import Deed
from fuzz.model import Seen, World, outcomes


class Contradiction(AssertionError):
    """No world fits what was seen."""


Answered = Mapping[str, Any] | None
"""What was seen of an answer: `status`, `body`, `replay`; None where it says nothing, `NOTHING_HAPPENED` alone."""

NOTHING_HAPPENED: Mapping[str, Any] = {"nothing": True}
_WORLDS_AT_MOST = 512


class Belief:
    """Every world that fits what was seen so far."""

    def __init__(self) -> None:
        self.worlds: list[World] = [World()]
        self.code_of: dict[str, str] = {}
        """Return codes by tracking number, once they have been seen."""

    def witness(self, seen: Sequence[tuple[Deed, Answered]]) -> None:
        """Deeds that were under way at the same time, and what was seen of each; Contradiction where that cannot be."""
        found: dict[tuple[Any, ...], World] = {}
        for world in self.worlds:
            for order in permutations(seen):
                for after in self._play(world, order):
                    found.setdefault(after.key, after)
        if not found:
            raise Contradiction(self._complaint(seen))
        assert len(found) <= _WORLDS_AT_MOST, "too much is unknown for the model to follow"
        self.worlds = list(found.values())

    def _play(self, world: World, seen: Sequence[tuple[Deed, Answered]]) -> Iterator[World]:
        if not seen:
            yield world
            return
        (deed, answer), rest = seen[0], seen[1:]
        if answer is NOTHING_HAPPENED:
            yield from self._play(world, rest)
            return
        after, expected = outcomes(world, deed, self.code_of)
        if answer is None:
            yield from self._play(world, rest)
            if after is not world:
                yield from self._play(after, rest)
        elif not disagreements(expected, answer):
            yield from self._play(after, rest)

    def _complaint(self, seen: Sequence[tuple[Deed, Answered]]) -> str:
        lines = ["what was answered cannot be:"]
        for deed, answer in seen:
            lines.append(f"  {deed} -> {answer}")
            for world in self.worlds[:3]:
                _, expected = outcomes(world, deed, self.code_of)
                wrong = [] if answer is None else disagreements(expected, answer)
                lines.append(f"    expected {dict(expected)}; differs in {wrong}")
        return "\n".join(lines)

    def name(self, tracking_number: str, reference: str) -> None:
        """A return's code has been seen; Contradiction where another one was before."""
        known = self.code_of.setdefault(tracking_number, reference)
        if known != reference:
            raise Contradiction(f"the return {tracking_number} got the codes {known} and {reference}")
        self.worlds = [_named_parcel(world, tracking_number, reference) for world in self.worlds]

    def only(self, fits: Iterable[bool]) -> None:
        """Keeps the worlds for which `fits` says so, in their order."""
        self.worlds = [world for world, fit in zip(self.worlds, fits, strict=True) if fit]


def _named_parcel(world: World, tracking_number: str, reference: str) -> World:
    parcel = world.parcels.get(tracking_number)
    if parcel is None:
        return world
    return world.with_parcel(replace(parcel, order=replace(parcel.order, reference=reference)))


def disagreements(expected: Seen, answer: Mapping[str, Any]) -> list[str]:
    """The names of what is expected otherwise."""
    return [name for name, value in expected.items() if _found(name, answer) != value]


def _found(name: str, answer: Mapping[str, Any]) -> Any:
    body = answer["body"] or {}
    match name:
        case "status" | "replay":
            return answer[name]
        case "differences":
            return sorted((one["difference"], one["transactionId"]) for one in body.get("differences", ()))
    for part in name.split("."):
        body = body.get(part) if isinstance(body, dict) else None
    return body
