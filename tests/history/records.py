"""A history: the clients' operations, and the facts that were found when all was calm again."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

SALES = frozenset({"COLLECT", "CLAIM", "PAY", "ACCEPT_RETURN", "DROP_OFF"})
"""Actions that are transactions of the counter. The others: REVERSE, INQUIRE, LOOK_UP, RECEIPT, COPY, CLOSE, DISPENSE,
SHIP (a reference for a parcel) and STATUS (ECMS says where a parcel is)."""

ACTION_OF_KIND = {
    "PAY_AND_CLAIM": "COLLECT",
    "CLAIM": "CLAIM",
    "PAY": "PAY",
    "RETURN": "ACCEPT_RETURN",
    "DROP_OFF": "DROP_OFF",
}
CASH = frozenset({"COLLECT", "PAY", "DROP_OFF"})
"""Actions in which a clerk may take cash."""


class Fate(StrEnum):
    """What a client knows of one request of its own."""

    OK = "ok"
    FAIL = "fail"
    """Refused: this request did nothing, save that some refusals are kept."""
    UNKNOWN = "unknown"
    """No answer, or one that settles nothing: it may have happened, may happen later, or never."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One request of one client. Times are seconds of Unix time; `completed` is infinite while the fate is unknown.

    `subject` is what the request is about: the id of a transaction or of a kiosk's request, a reference, a tracking
    number, a receipt's number, a shift. `calm` says that nothing was being broken while it was sent.
    """

    number: int
    client: str
    action: str
    subject: str
    store: str
    content: Mapping[str, Any]
    invoked: float
    completed: float
    fate: Fate
    status: int | None = None
    answer: str | None = None
    replay: bool = False
    calm: bool = False

    @property
    def body(self) -> dict[str, Any]:
        """The answer as an object; empty where it is none."""
        return parse(self.answer)

    @property
    def code(self) -> str | None:
        """The refusal's code."""
        code = self.body.get("code")
        return code if isinstance(code, str) else None

    @property
    def keys(self) -> frozenset[str]:
        """Names of all that the operation touches."""
        named = [self.subject, *(self.content.get(name) for name in ("trackingNumber", "identifier"))]
        reference = self.content.get("reference")
        named.append(None if reference is None else digits(reference))
        if "pos" in self.content:
            named.append(terminal_key(self.store, self.content["pos"]))
        return frozenset(name for name in named if name)

    def __str__(self) -> str:
        told = (
            "no answer" if self.status is None else f"{self.status} {self.code or self.body.get('state') or ''}".strip()
        )
        sent = " ".join(f"{name}={value}" for name, value in self.content.items() if name not in _UNTOLD)
        again = " (replay)" if self.replay else ""
        return f"#{self.number} {self.client}: {self.action} {self.subject} {sent} -> {self.fate}: {told}{again}"


_UNTOLD = frozenset({"type", "clerk", "businessDate", "tender", "mobileNumber"})


@dataclass(frozen=True, slots=True)
class Parcel:
    """What a reference is for, as it was ordered; `amount` in centavos, `store` None where any will do.

    `identifier` is what a customer typed for a return, or a booking whose label was printed.
    """

    reference: str
    kind: str
    tracking_number: str
    store: str | None
    amount: int
    expires_at: datetime | None = None
    identifier: str | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """A transaction as an inquiry found it at the end."""

    store: str
    transaction_id: str
    status: int
    answer: str

    @property
    def body(self) -> dict[str, Any]:
        return parse(self.answer)

    @property
    def state(self) -> str | None:
        """APPROVED, DECLINED, REVERSED, or None: the gateway knows of no such transaction."""
        return self.body.get("state") if self.status == 200 else None

    @property
    def receipt_number(self) -> str | None:
        """The number of the receipt, which a transaction has that was approved once."""
        receipt = self.body.get("receipt")
        return receipt.get("number") if isinstance(receipt, dict) else None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event of a parcel in ECMS's own history, in its order; `source` says who moved the parcel."""

    event_id: str
    status: str
    reason: str | None
    source: str
    applied: bool
    refused: str | None = None
    receipt_number: str | None = None
    amount: int | None = None


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """One row of the ledger's events, in the order of its parcel."""

    event_id: str
    sequence: int
    status: str
    state: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Terminal:
    """A terminal's counters, and its journal: (position, entry, head in hexadecimal)."""

    store: str
    pos: int
    receipts: int
    journal_length: int
    journal_head: str
    journal: tuple[tuple[int, str, str], ...]

    @property
    def key(self) -> str:
        return terminal_key(self.store, self.pos)


@dataclass(slots=True)
class History:
    """All that a run left behind. Endings are by transaction id: no two stores of a run use the same."""

    operations: list[Operation] = field(default_factory=list)
    parcels: dict[str, Parcel] = field(default_factory=dict)
    """By reference."""
    endings: dict[str, Ending] = field(default_factory=dict)
    receipts: dict[str, str] = field(default_factory=dict)
    """What was answered when each transaction's receipt was asked for by its number."""
    states: dict[str, str] = field(default_factory=dict)
    """State of each reference, as a lookup found it at the end."""
    deliveries: dict[str, tuple[Delivery, ...]] = field(default_factory=dict)
    """What ECMS has, by tracking number; of a parcel that is not there, ECMS was not asked."""
    events: dict[str, tuple[LedgerEvent, ...]] = field(default_factory=dict)
    terminals: dict[str, Terminal] = field(default_factory=dict)
    tasks: frozenset[str] = frozenset()
    """Subjects of the open tasks in the work list."""


@lru_cache(maxsize=100_000)
def parse(text: str | None) -> dict[str, Any]:
    """The object in a body, which nobody changes; an empty one where there is none."""
    try:
        value = json.loads(text or "")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def digits(reference: str) -> str:
    """A reference without hyphens and spaces."""
    return reference.replace("-", "").replace(" ", "")


def terminal_key(store: str, pos: str | int) -> str:
    """The name of a terminal, whatever the spelling of its number."""
    return f"{store}/{int(pos)}"


def centavos(amount: str) -> int:
    """An amount of the wire in centavos."""
    whole, _, rest = amount.partition(".")
    return int(whole) * 100 + int(rest)


def save(history: History, path: Path) -> None:
    """Writes a history down, so that it can be looked at and checked again."""
    content = asdict(history)
    content["tasks"] = sorted(history.tasks)
    path.write_text(json.dumps(content, default=_plain, indent=0), encoding="utf-8")


def load(path: Path) -> History:
    """Reads what `save` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    operations = [
        Operation(**one | {"fate": Fate(one["fate"]), "completed": float(one["completed"])})
        for one in content["operations"]
    ]
    parcels = {
        key: Parcel(**one | {"expires_at": _moment(one["expires_at"])}) for key, one in content["parcels"].items()
    }
    events = {
        key: tuple(LedgerEvent(**one | {"occurred_at": datetime.fromisoformat(one["occurred_at"])}) for one in rows)
        for key, rows in content["events"].items()
    }
    terminals = {
        key: Terminal(**one | {"journal": tuple(tuple(entry) for entry in one["journal"])})
        for key, one in content["terminals"].items()
    }
    return History(
        operations,
        parcels,
        {key: Ending(**one) for key, one in content["endings"].items()},
        content["receipts"],
        content["states"],
        {key: tuple(Delivery(**one) for one in rows) for key, rows in content["deliveries"].items()},
        events,
        terminals,
        frozenset(content["tasks"]),
    )


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
