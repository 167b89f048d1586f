"""Named points at which a test lets the till die, as `kill -9` or a pulled plug would: at once, nothing put in order.

`POS_SIM_CRASH_AT=answered-half-written` ends the process there with status 137, `…:3` the third time that it comes
there. Each record of the journal has two points: `…-half-written` (a torn line is left behind, which is cut off, so
that it is also the point before the record) and `…-after-write`; the others stand around what is sent, what is
answered, and the printer. Without the variable a point costs one comparison.
"""

import os

VARIABLE = "POS_SIM_CRASH_AT"
STATUS = 137
"""Exit status of a till that died at a point; that of one which was killed with SIGKILL, as shells show it."""

RECORDS = (
    "begun",
    "answered",
    "reversing",
    "reversed",
    "reversal_refused",
    "stood_in",
    "voided",
    "forwarded",
    "forward_refused",
    "shown",
    "copied",
    "conflict_seen",
    "shift_opened",
    "shift_closing",
    "shift_closed",
)
"""The journal's records, each with its two points."""

POINTS = frozenset(
    [f"{name}-{place}" for name in RECORDS for place in ("half-written", "after-write")]
    + [
        f"{name}-{place}"
        for name in ("put", "reversal", "forward", "close")
        for place in ("before-send", "after-answer")
    ]
    + ["paper-before-print", "paper-after-print"]
)
"""Every point there is."""


class _Plan:
    """Where to die, and how often the till has been there."""

    def __init__(self, wanted: str) -> None:
        point, _, times = wanted.partition(":")
        if point not in POINTS or not (times or "1").isdecimal():
            raise ValueError(f"{VARIABLE} names no crash point: {wanted!r}")
        self.point = point
        self.left = int(times or "1")

    def is_due(self, point: str) -> bool:
        if point == self.point:
            self.left -= 1
        return point == self.point and self.left == 0


_plan: _Plan | None = None


def arm(wanted: str | None) -> None:
    """Lets the till die at the point `wanted`, or nowhere; ValueError where there is no such point."""
    global _plan  # noqa: PLW0603 - the one thing that every point looks at
    _plan = _Plan(wanted) if wanted else None


def arm_from_environment() -> None:
    """Does as the environment says."""
    arm(os.environ.get(VARIABLE))


def is_due(name: str, place: str) -> bool:
    """Whether the till is to die at `NAME-PLACE`, for a point that has something to do before."""
    return _plan is not None and _plan.is_due(f"{name}-{place}")


def die() -> None:
    """Ends the process with nothing put in order."""
    os._exit(STATUS)


def reach(name: str, place: str) -> None:
    """The till is at `NAME-PLACE`, and dies here if this is where it is to die."""
    if is_due(name, place):
        die()
