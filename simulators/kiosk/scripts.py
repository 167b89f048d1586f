"""A kiosk that follows a file, and many kiosks at once."""

import asyncio
import json
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..journal import Journal
from ..patience import Patience
from ..wire import WireClient
from .kiosk import IdentifierType, Kiosk, KioskResult

MOST_KIOSKS = 500
MOST_REQUESTS = 20_000

_FIELDS = {
    "return": {"identifierType", "identifier", "merchantCode", "mobileNumber"},
    "show": {"returnCode"},
    "slip": {"returnCode"},
    "booking": {"bookingReference"},
    "label": {"bookingReference"},
    "status": {"number"},
}
"""The steps of a script, each with its fields."""


@dataclass(frozen=True)
class Step:
    """One line of a script: what to do, with what, and the code that is expected of it (`OK`: none)."""

    do: str
    fields: dict[str, str]
    expect: str | None


def read_script(file: Path) -> list[Step]:
    """The steps of a script: JSON lines such as `{"do":"return","identifierType":"UID","identifier":"A1"}`.

    A value `$name` stands for that field of the answer before; `"expect"` is `OK` or the code of a refusal. Empty lines
    and lines that begin with `#` are passed over. ValueError says which line is wrong.
    """
    steps = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                steps.append(_read_step(json.loads(line)))
            except ValueError as error:
                raise ValueError(f"{file}, line {number}: {error}") from None
    return steps


def _read_step(given: Any) -> Step:
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise ValueError("a step is an object of texts")
    fields = {name: value for name, value in given.items() if name not in {"do", "expect"}}
    known = _FIELDS.get(given.get("do", ""))
    if known is None:
        raise ValueError(f"do is one of {', '.join(_FIELDS)}")
    if not fields.keys() <= known:
        raise ValueError(f"{given['do']} takes {', '.join(sorted(known))}")
    return Step(given["do"], fields, given.get("expect"))


async def follow(kiosk: Kiosk, steps: Iterable[Step]) -> AsyncIterator[tuple[Step, KioskResult]]:
    """Does one step after the other; yields what came of each."""
    body: dict[str, Any] = {}
    for step in steps:
        fields = {
            name: str(body.get(value[1:], "")) if value[:1] == "$" else value for name, value in step.fields.items()
        }
        result = await _do(kiosk, step.do, fields)
        body = dict(result.body)
        yield step, result


def _filled(value: str, body: dict[str, Any]) -> str:
    return str(body.get(value[1:], "")) if value.startswith("$") else value


async def _do(kiosk: Kiosk, do: str, fields: dict[str, str]) -> KioskResult:
    match do:
        case "return":
            kind: Any = fields.get("identifierType", "ORDER_NUMBER")
            return await kiosk.request_return(
                kind,
                fields.get("identifier", ""),
                merchant_code=fields.get("merchantCode"),
                mobile_number=fields.get("mobileNumber"),
            )
        case "show":
            return await kiosk.show(fields.get("returnCode", ""))
        case "slip":
            return await kiosk.slip(fields.get("returnCode", ""))
        case "booking":
            return await kiosk.booking(fields.get("bookingReference", ""))
        case "label":
            return await kiosk.label(fields.get("bookingReference", ""))
        case _:
            return await kiosk.parcel(fields.get("number", ""))


def as_expected(step: Step, result: KioskResult) -> bool:
    """Whether a step came out as its script says; one that says nothing must have worked."""
    return (result.code or "OK") == (step.expect or "OK")


async def ask_at_once(
    client: WireClient,
    identifier_type: IdentifierType,
    identifiers: Sequence[str],
    *,
    kiosks: int,
    patience: Patience,
    merchant_code: str | None = None,
) -> dict[str, Any]:
    """`kiosks` kiosks ask at the same time, each for every identifier in turn; what came of it, with its figures.

    Each kiosk has a journal of its own, as real ones have, so no two requests share an id.
    """
    if not 1 <= kiosks <= MOST_KIOSKS or kiosks * len(identifiers) > MOST_REQUESTS:
        raise ValueError(f"at most {MOST_KIOSKS} kiosks, and {MOST_REQUESTS} requests in all")
    codes: dict[str, set[str]] = {}
    outcomes: Counter[str] = Counter()
    took_s: list[float] = []

    async def stand(directory: Path) -> None:
        journal = Journal(directory)
        kiosk = Kiosk(client, journal, patience)
        try:
            for identifier in identifiers:
                began_s = time.monotonic()
                result = await kiosk.request_return(identifier_type, identifier, merchant_code=merchant_code)
                took_s.append(time.monotonic() - began_s)
                outcomes[result.code or "OK"] += 1
                if result.ok:
                    codes.setdefault(identifier, set()).add(str(result.body["returnCode"]))
        finally:
            journal.close()

    with tempfile.TemporaryDirectory(prefix="kiosk-load-") as home:
        began_s = time.monotonic()
        await asyncio.gather(*(stand(Path(home) / str(number)) for number in range(kiosks)))
        whole_s = time.monotonic() - began_s
    took_s.sort()
    return {
        "requests": len(took_s),
        "seconds": round(whole_s, 3),
        "outcomes": dict(outcomes),
        "identifiers": len(codes),
        "codes": sum(len(each) for each in codes.values()),
        "mostCodesOfOneIdentifier": max((len(each) for each in codes.values()), default=0),
        "p50Ms": round(took_s[len(took_s) // 2] * 1000, 1),
        "p99Ms": round(took_s[len(took_s) * 99 // 100] * 1000, 1),
    }
