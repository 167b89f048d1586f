"""A whole run: the scenarios that are asked for, against one gateway, after a look whether it can be judged now."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from connect_gateway.conformance.play import Player
from connect_gateway.conformance.results import Run, rules_of, unjudged
from connect_gateway.conformance.scenarios import Pack, Scenario
from connect_gateway.conformance.specification import rule_texts
from connect_gateway.conformance.values import Values
from connect_gateway.conformance.wire import Answer, NoAnswer, NoToken, Sent, Wire

LONGEST_WAIT_S = 125

Say = Callable[[str], None]


class NotJudged(Exception):
    """The gateway cannot be judged now; the message says why."""


def select(scenarios: Sequence[Scenario], only: Sequence[str], skip: Sequence[str]) -> list[Scenario]:
    """The scenarios whose name is asked for, or begins so, or that belong to a chapter of that name.

    NotJudged where a name fits nothing.
    """
    for name in (*only, *skip):
        if not any(_fits(scenario, name) for scenario in scenarios):
            raise NotJudged(f"no scenario or chapter is called {name}")
    chosen = [one for one in scenarios if not only or any(_fits(one, name) for name in only)]
    return [one for one in chosen if not any(_fits(one, name) for name in skip)]


def _fits(scenario: Scenario, name: str) -> bool:
    return scenario.name.startswith(name) or scenario.chapter.lower() == name.lower()


@dataclass(frozen=True, slots=True)
class Conduct:
    """How a run goes: for how long ECMS may be waited for, and who hears what is played next and what is waited for."""

    patience_s: float
    told: Callable[[Scenario], None]
    say: Say
    enough: int | None = None
    """How many scenarios may fail until the rest is left out."""


async def run(wire: Wire, pack: Pack, scenarios: Sequence[Scenario], conduct: Conduct) -> Run:
    """Plays the scenarios and gathers what they found out. NotJudged where there is no judging this gateway now."""
    await _ready(wire, conduct.say)
    began = time.perf_counter()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    results = await Player(wire, pack, conduct.patience_s, conduct.enough).play(scenarios, conduct.told)
    texts = rule_texts()
    rules = rules_of(results, texts)
    return Run(wire.places.gateway, started, time.perf_counter() - began, results, rules, unjudged(pack, texts))


async def _ready(wire: Wire, say: Say) -> None:
    """Whether the gateway answers the clients, and none of them is locked out for guessing.

    An earlier run ends with a lockout, which is waited for where it is short.
    """
    try:
        for who, sent in (await _probes(wire)).items():
            await _not_locked_out(wire, who, sent, say)
    except (NoAnswer, NoToken) as error:
        raise NotJudged(f"{wire.places.gateway}: {error}") from error


async def _probes(wire: Wire) -> Mapping[str, Sent]:
    """For each client that can be locked out, a request that counts as no attempt and is refused while it is."""
    gateway = wire.places.gateway
    probes: dict[str, Sent] = {}
    for who in ("kiosk", "app"):
        if who in wire.clients:
            probes[who] = Sent("GET", f"{gateway}/kiosk/v1/returns/0", await _bearer(wire, who), None)
    if {"pos", "ecms"} <= wire.clients.keys():
        reference = await _known_reference(wire)
        probes["pos"] = Sent("GET", f"{gateway}/pos/v1/references/{reference}", await _bearer(wire, "pos"), None)
    return probes


async def _known_reference(wire: Wire) -> str:
    values = Values(wire.clients, datetime.now(UTC))
    body = (
        '{"kind":"RETURN","trackingNumber":"{digits18:probe}","merchantCode":"001","merchant":"Conformance",'
        '"merchantReference":"{word:probe}"}'
    )
    headers = await _bearer(wire, "ecms") | {"Content-Type": "application/json"}
    url = f"{wire.places.gateway}/ecms/v1/references"
    answer = await wire.send(Sent("POST", url, headers, values.fill(body).encode()))
    reference = answer.body.get("reference") if isinstance(answer.body, Mapping) else None
    if not isinstance(reference, str):
        raise NotJudged(f"{url} gives no reference: status {answer.status}")
    return reference


async def _bearer(wire: Wire, who: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {await wire.token(who)}"}


async def _not_locked_out(wire: Wire, who: str, sent: Sent, say: Say) -> None:
    waited = 0
    while (answer := await wire.send(sent)).status == 429:
        seconds = _retry_after(answer)
        if waited + seconds > LONGEST_WAIT_S:
            raise NotJudged(
                f"the client {who} is locked out for guessing for another {seconds} s, by an earlier run perhaps."
                " Wait, take another client, or leave the chapter out next time: --skip Guessing"
            )
        say(f"The client {who} is locked out for guessing; waiting for {seconds} s.")
        await asyncio.sleep(seconds)
        waited += seconds


def _retry_after(answer: Answer) -> int:
    text = answer.headers.get("Retry-After", "")
    return int(text) if text.isascii() and text.isdigit() else LONGEST_WAIT_S + 1
