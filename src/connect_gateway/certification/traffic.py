"""What happened between a till and the gateway in one exercise, in its order."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from connect_gateway.certification.wire import TOKEN_PATH, Answer, json_object

_TRANSACTIONS = "/pos/v1/transactions/"
_SECRET_FIELDS = frozenset({"access_token", "refresh_token"})


class Kind(StrEnum):
    """What a request asks for."""

    TOKEN = "token"  # noqa: S105 - not a password
    LOOKUP = "lookup"
    TRANSACTION = "transaction"
    INQUIRY = "inquiry"
    REVERSAL = "reversal"
    OTHER = "other"


class Ending(StrEnum):
    """How an exchange ended for the till."""

    ANSWERED = "answered"
    CUT = "cut"  # the connection was broken from our side, after part of the answer at most
    LEFT = "left"  # the till closed the connection


@dataclass(slots=True)
class Passed:
    """One passage of the request to the gateway; `answer` is None where the gateway gave none."""

    sent_s: float
    answered_s: float | None = None
    answer: Answer | None = None


@dataclass(slots=True)
class Exchange:
    """A request of the till and what became of it. Times are seconds since the exercise began."""

    number: int
    step: int
    kind: Kind
    method: str
    path: str
    transaction_id: str | None
    token: int | None
    """Which of the till's tokens it carried, counted from 1."""
    body: Any
    began_s: float
    fault: str = ""
    passages: list[Passed] = field(default_factory=list)
    ending: Ending | None = None
    ended_s: float | None = None
    told: Answer | None = None
    """The answer that reached the till whole."""

    @property
    def end_s(self) -> float:
        """When it ended; when it began, as long as it has not."""
        return self.began_s if self.ended_s is None else self.ended_s

    def state_told(self) -> str | None:
        """The transaction's fate, where the till was told it: APPROVED, DECLINED or REVERSED."""
        if self.told is None:
            return None
        status, body = self.told.status, self.told.body or {}
        code = body.get("code")
        if body.get("transactionId", self.transaction_id) != self.transaction_id:
            return None
        if self.kind is Kind.TRANSACTION and status == 201:
            return "APPROVED" if body.get("state") == "APPROVED" else None
        if self.kind is Kind.TRANSACTION and status in (404, 409) and isinstance(code, str) and "verdict" in body:
            return "REVERSED" if code == "transaction-reversed" else "DECLINED"
        if self.kind is Kind.REVERSAL and status == 409 and code in ("parcel-not-in-hand", "too-late-to-reverse"):
            return "APPROVED"
        state = body.get("state")
        if self.kind in (Kind.INQUIRY, Kind.REVERSAL) and status == 200 and isinstance(state, str):
            return state
        return None


@dataclass(frozen=True, slots=True)
class Note:
    """Something that is no request: what the clerk did, what the till showed, what was done to it."""

    at_s: float
    step: int
    text: str
    weight: str = "clerk"


class Traffic:
    """The record of one exercise, kept while it is played."""

    def __init__(self) -> None:
        self._began = asyncio.get_running_loop().time()
        self._tokens: dict[str, int] = {}
        self.exchanges: list[Exchange] = []
        self.notes: list[Note] = []
        self.step = 0

    def now_s(self) -> float:
        """Seconds since the exercise began."""
        return asyncio.get_running_loop().time() - self._began

    def note(self, text: str, weight: str = "clerk") -> None:
        """Writes something down beside the traffic."""
        self.notes.append(Note(self.now_s(), self.step, text, weight))

    def begin(self, method: str, path: str, headers: Mapping[str, str], raw: bytes) -> Exchange:
        """Writes down a request that has come in whole. Secrets are left out."""
        kind, transaction_id = classify(method, path)
        exchange = Exchange(
            number=len(self.exchanges) + 1,
            step=self.step,
            kind=kind,
            method=method,
            path=path.partition("?")[0],
            transaction_id=transaction_id,
            token=self._token_number(headers.get("Authorization", "")),
            body=json_object(raw) if kind in (Kind.TRANSACTION, Kind.REVERSAL) else None,
            began_s=self.now_s(),
        )
        self.exchanges.append(exchange)
        return exchange

    def end(self, exchange: Exchange, ending: Ending, told: Answer | None = None) -> None:
        """Writes down how an exchange ended; the first ending counts."""
        if exchange.ending is None:
            exchange.ending, exchange.ended_s, exchange.told = ending, self.now_s(), told

    def of(self, *kinds: Kind) -> Iterator[Exchange]:
        """The exchanges of these kinds, in their order."""
        return (each for each in self.exchanges if each.kind in kinds)

    def ids(self) -> list[str]:
        """Every transaction id that the till named, in the order of their first appearance."""
        return list(dict.fromkeys(each.transaction_id for each in self.exchanges if each.transaction_id))

    def _token_number(self, authorization: str) -> int | None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        return self._tokens.setdefault(token, len(self._tokens) + 1)


def classify(method: str, path: str) -> tuple[Kind, str | None]:
    """What a request asks for, and the transaction that it names."""
    path = path.partition("?")[0]
    if path == TOKEN_PATH:
        return Kind.TOKEN, None
    if method == "GET" and path.startswith("/pos/v1/references/"):
        return Kind.LOOKUP, None
    if not path.startswith(_TRANSACTIONS):
        return Kind.OTHER, None
    transaction_id, _, rest = path.removeprefix(_TRANSACTIONS).partition("/")
    kind = {
        ("PUT", ""): Kind.TRANSACTION,
        ("GET", ""): Kind.INQUIRY,
        ("PUT", "reversal"): Kind.REVERSAL,
    }.get((method, rest), Kind.OTHER)
    return kind, None if kind is Kind.OTHER else transaction_id.lower()


def exchange_json(exchange: Exchange) -> dict[str, Any]:
    """An exchange for the report."""
    return {
        "number": exchange.number,
        "step": exchange.step,
        "kind": exchange.kind.value,
        "request": f"{exchange.method} {exchange.path}",
        "token": exchange.token,
        "body": exchange.body,
        "beganS": round(exchange.began_s, 3),
        "fault": exchange.fault or None,
        "gateway": [
            {
                "sentS": round(passed.sent_s, 3),
                "answeredS": None if passed.answered_s is None else round(passed.answered_s, 3),
                "status": None if passed.answer is None else passed.answer.status,
            }
            for passed in exchange.passages
        ],
        "ending": None if exchange.ending is None else exchange.ending.value,
        "endedS": None if exchange.ended_s is None else round(exchange.ended_s, 3),
        "told": None if exchange.told is None else _told_json(exchange.told),
    }


def _told_json(answer: Answer) -> dict[str, Any]:
    body = answer.body
    if body is not None:
        body = {name: "…" if name in _SECRET_FIELDS else value for name, value in body.items()}
    return {"status": answer.status, "body": body}
