"""Named points at which a test lets a gateway die, as a power cut would let it: at once, with nothing put in order.

`CONNECT_CRASH_AT=counter-before-commit` lets a sandbox's gateway end there with status 137, `…:3` the third time that
it comes there. Every transaction of the ledger passes `NAME-before-begin`, `NAME-before-commit` and
`NAME-after-commit`; the rest are the writes inside a counter's group and whatever is sent to ECMS. Without the
variable a point costs one comparison.
"""

import os

import structlog

VARIABLE = "CONNECT_CRASH_AT"
STATUS = 137
"""Exit status of a process that died at a point; that of one which was killed with SIGKILL, as shells show it."""

TRANSACTIONS = (
    "counter",
    "reference",
    "status",
    "dispense",
    "label",
    "told",
    "refused",
    "overdue",
    "shift",
    "copy",
    "inquiry",
    "attempt",
    "grant",
    "refresh",
    "task",
)
"""The ledger's transactions, each with its three points."""

POINTS = frozenset(
    [f"{name}-{place}" for name in TRANSACTIONS for place in ("before-begin", "before-commit", "after-commit")]
    + [
        "counter-after-reads",
        "counter-after-writes",
        "dispense-before-send",
        "dispense-after-answer",
        "relay-after-lease",
        "relay-before-send",
        "relay-after-answer",
        "relay-after-refusal",
        "relay-after-failure",
    ]
)
"""Every point there is."""

_log = structlog.get_logger("crashpoints")


class _Plan:
    """Where to die, and how often the process has been there."""

    def __init__(self, wanted: str) -> None:
        point, _, times = wanted.partition(":")
        if point not in POINTS or not (times or "1").isdecimal():
            raise ValueError(f"{VARIABLE} names no crash point: {wanted!r}")
        self.point = point
        self.left = int(times or "1")

    def reach(self, point: str) -> None:
        if point == self.point:
            self.left -= 1
            if self.left == 0:
                os._exit(STATUS)


_plan: _Plan | None = None


def arm(*, sandbox: bool) -> None:
    """Does as the environment says, in a sandbox alone; ValueError where it names no point."""
    global _plan  # noqa: PLW0603 - the one thing that every point looks at
    wanted = os.environ.get(VARIABLE)
    if wanted and not sandbox:
        _log.warning("crash-point-ignored", why="it is for sandboxes alone")
        wanted = None
    _plan = _Plan(wanted) if wanted else None


def reach(name: str, place: str) -> None:
    """The process is at `NAME-PLACE`, and dies here if this is where it is to die."""
    if _plan is not None:
        _plan.reach(f"{name}-{place}")
