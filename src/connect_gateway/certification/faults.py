"""What the network does to a till's requests, as data: an exercise says which fault meets which request."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from connect_gateway.certification.traffic import Kind


class Fault(StrEnum):
    """What happens to one request; the text is shown in the report."""

    PASS = ""
    RESET_BEFORE = "the connection is reset before the request is through"
    RESET_AFTER = "the request is through, its answer is lost"
    HOLD = "the request is through, its answer does not come"
    KEEP_BACK = "the request is held up on its way"
    OVERTAKE = "the request is held up until the next one has overtaken it"
    CUT = "half of the answer comes"
    TRICKLE = "the answer comes one byte at a time"
    TWICE = "the request reaches the gateway twice"
    NEWER = "the answer has fields of a later edition"
    REVOKE = "the token is revoked"
    RESTART = "the request is through, then the gateway is killed and starts again"


@dataclass(frozen=True, slots=True)
class Say:
    """Somebody between till and gateway answers by himself; `through` says whether the gateway got the request too."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    through: bool = False
    elsewhere: bool = False
    """Whether the answer sends the till to another server (`Location`)."""

    @property
    def raw(self) -> bytes:
        """The body's bytes: a text as it is, anything else as JSON."""
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()

    def __str__(self) -> str:
        through = "; the request is through" if self.through else ""
        wait = f", Retry-After: {self.headers['Retry-After']}" if "Retry-After" in self.headers else ""
        page = " with a page" if isinstance(self.body, str) else ""
        return f"somebody answers {self.status}{page}{wait}{through}"


Mishap = Fault | Say


@dataclass(frozen=True, slots=True)
class Network:
    """For each kind of request the mishaps of the first ones in turn, then what meets every further one."""

    first: Mapping[Kind, tuple[Mishap, ...]] = field(default_factory=dict)
    then: Mapping[Kind, Mishap] = field(default_factory=dict)


GOOD = Network()

_HOLD = {"cash": "NONE", "parcel": "HOLD", "display": "NO ANSWER YET - HOLD\nTRY AGAIN OR INQUIRE"}
_JSON = {"Content-Type": "application/problem+json"}
_PAGE = {"Content-Type": "text/html; charset=utf-8"}


def problem(status: int, code: str, *, retry_after_s: int | None = None, through: bool = False) -> Say:
    """A problem document as the gateway would write it."""
    body = {
        "type": f"urn:connect-gateway:problem:{code}",
        "title": code.replace("-", " ").capitalize(),
        "status": status,
        "detail": "said by the network of this exercise",
        "code": code,
        "verdict": _HOLD,
    }
    wait = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return Say(status, body, _JSON | wait, through=through)


def page(status: int) -> Say:
    """What a provider's log-in page or a broken proxy answers."""
    return Say(status, "<!doctype html><title>Welcome</title><h1>Please log in to the network</h1>", _PAGE)


def empty(status: int) -> Say:
    """An answer that is JSON and says nothing."""
    return Say(status, {}, {"Content-Type": "application/json"})


def crossed() -> Say:
    """The approval of another transaction, as a broken cache would give it."""
    body = {
        "transactionId": "00000000-0000-4000-8000-000000000000",
        "type": "COLLECT",
        "state": "APPROVED",
        "verdict": {"cash": "KEEP", "parcel": "RELEASE", "display": "PAID - RELEASE PARCEL"},
    }
    return Say(201, body, {"Content-Type": "application/json"})


def redirect(status: int) -> Say:
    """An answer that sends the till to a server of somebody else."""
    return Say(status, "<!doctype html><title>Moved</title>", _PAGE, elsewhere=True)
