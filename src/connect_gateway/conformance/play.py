"""Playing scenarios: variables in, requests out, answers judged."""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from connect_gateway.conformance.judging import judge, judge_always, judge_group
from connect_gateway.conformance.results import ScenarioResult, StepResult
from connect_gateway.conformance.scenarios import AT_ECMS, Group, Let, Pack, Request, Scenario, Step, Wait
from connect_gateway.conformance.values import UnknownVariable, Values
from connect_gateway.conformance.wire import Answer, NoAnswer, NoToken, Sent, Wire, encode

# What a till waits for: the gateway's 2 s, and the rest for the way (SPEC.md, TIL-2).
_POS_WITHIN_MS = 5_000.0
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.25
_LATER_AT_ONCE = 8
# Honest answers of a gateway that is busy, which a till meets by sending the same again (SPEC.md, TIL-4).
_BUSY = frozenset({"outcome-unknown", "overloaded", "database-unavailable"})
_BUSY_TRIES = 5
_BUSY_PAUSE_S = 1.0
_EXCERPT = 700
_SECRET = re.compile(r"""((?:client_secret|access_token|refresh_token)["']?\s*[=:]\s*["']?)[^"'&\s,}]+""")


class Player:
    """Plays scenarios one after another. `patience_s` is how long ECMS may take to hear of what happened.

    Where `enough` of them have failed, the rest is left out.
    """

    def __init__(self, wire: Wire, pack: Pack, patience_s: float, enough: int | None = None) -> None:
        self._wire = wire
        self._pack = pack
        self._patience_s = patience_s
        self._enough = enough

    async def play(self, scenarios: Sequence[Scenario], told: Callable[[Scenario], None]) -> list[ScenarioResult]:
        """All scenarios in their order, then what each wanted to be looked at later. `told` hears what comes next."""
        results: list[ScenarioResult] = []
        later: list[_Story] = []
        for scenario in scenarios:
            if self._enough is not None and sum(one.outcome == "failed" for one in results) >= self._enough:
                results.append(ScenarioResult(scenario, reason="enough has failed"))
                continue
            told(scenario)
            result = ScenarioResult(scenario, reason=self._obstacle(scenario))
            results.append(result)
            if result.reason:
                continue
            story = _Story(self._wire, self._pack, self._patience_s, result)
            began = time.perf_counter()
            await story.play()
            result.seconds = time.perf_counter() - began
            if scenario.later and result.outcome == "passed":
                later.append(story)
        places = asyncio.Semaphore(_LATER_AT_ONCE)
        await asyncio.gather(*(story.look_later(places) for story in later))
        return results

    def _obstacle(self, scenario: Scenario) -> str:
        """Why a scenario cannot be played; empty where it can."""
        if scenario.parties & AT_ECMS and not (self._wire.places.ecms and self._wire.places.control):
            return "needs --ecms and --ecms-control"
        missing = sorted(scenario.parties - {"nobody", "control"} - self._wire.clients.keys())
        return f"the credentials have no client {', '.join(missing)}" if missing else ""


class _Story:
    """One scenario while it is played."""

    def __init__(self, wire: Wire, pack: Pack, patience_s: float, result: ScenarioResult) -> None:
        self._wire = wire
        self._standing = pack.standing
        self._patience_s = patience_s
        self._result = result
        self._values = Values(wire.clients, datetime.now(UTC))
        self._answers: dict[str, Answer] = {}

    async def play(self) -> None:
        scenario = self._result.scenario
        try:
            for step in scenario.steps:
                if not await self._step(step):
                    break
        finally:
            for step in scenario.finally_:
                await self._step(step)

    async def look_later(self, places: asyncio.Semaphore) -> None:
        async with places:
            for step in self._result.scenario.later:
                if not await self._step(step):
                    break

    async def _step(self, step: Step) -> bool:
        """Plays a step and keeps what came of it; False where the scenario ends with it."""
        if isinstance(step, Let):
            for name, value in step.values.items():
                self._values.keep(name, self._values.fill(value))
            return True
        if isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
            return True
        began = time.perf_counter()
        try:
            made = await (self._group(step) if isinstance(step, Group) else self._request(step))
        except (NoAnswer, NoToken, UnknownVariable) as error:
            made = StepResult(
                _title(step), step.rules, [f"no answer: {error}" if isinstance(error, NoAnswer) else str(error)]
            )
        made.ms = (time.perf_counter() - began) * 1000
        with contextlib.suppress(UnknownVariable):
            made.title = self._values.fill(made.title)
        self._result.steps.append(made)
        return made.passed or (isinstance(step, Request) and step.go_on)

    async def _request(self, step: Request) -> StepResult:
        give_up = time.monotonic() + self._patience_s
        pause = _FIRST_PAUSE_S
        while True:
            sent = await self._prepare(step)
            answer = await self._send(sent)
            found = judge(self._values.fill(step.expect), answer, self._answer)
            if not found or not step.within or time.monotonic() > give_up:
                break
            self._values.forget(step.anew)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        made = StepResult(_title(step), step.rules, found, _excerpt_of_sent(sent), _excerpt_of_answer(answer))
        self._look_always(step, sent, answer, made)
        if step.who == "pos" and not step.path.startswith("/pos/v1/shifts/"):
            late = answer.ms >= _POS_WITHIN_MS
            self._note_always(made, "in-time", [f"the answer took {answer.ms:.0f} ms"] if late else [])
        if step.name is not None and made.passed:
            name = self._values.fill(step.name)
            self._answers[name] = answer
            self._values.keep(name, answer.body)
        return made

    async def _group(self, step: Group) -> StepResult:
        requests = [_numbered(one, index) for index in range(step.times) for one in step.requests]
        sent = [await self._prepare(one) for one in requests]
        answers = await asyncio.gather(*(self._send(one) for one in sent))
        found = judge_group(self._values.fill(step.expect), answers)
        made = StepResult(_title(step), step.rules, found, f"{len(sent)} at once: {_excerpt_of_sent(sent[0])}")
        for one, request, answer in zip(sent, requests, answers, strict=True):
            wrong = judge(self._values.fill(request.expect), answer, self._answer)
            if wrong and not made.differences:
                made.answered = _excerpt_of_answer(answer)
            made.differences += [each for each in wrong if each not in made.differences]
            self._look_always(request, one, answer, made)
        for name, status in step.keep.items():
            for answer in answers:
                if answer.status == status:
                    self._answers[name] = answer
                    self._values.keep(name, answer.body)
        return made

    async def _send(self, sent: Sent) -> Answer:
        """The answer; where the gateway says that it is busy, that to the same request a little later."""
        answer = await self._wire.send(sent)
        for _ in range(_BUSY_TRIES):
            if answer.status != 503 or not isinstance(answer.body, Mapping) or answer.body.get("code") not in _BUSY:
                break
            await asyncio.sleep(_BUSY_PAUSE_S)
            answer = await self._wire.send(sent)
        return answer

    def _look_always(self, step: Request, sent: Sent, answer: Answer, made: StepResult) -> None:
        """What holds of every answer of the gateway; ECMS's simulator is not what is judged here."""
        place = self._wire.places.of(step.who)
        if step.who in AT_ECMS:
            return
        for name, wrong in judge_always(answer, sent.url.removeprefix(place)).items():
            self._note_always(made, name, wrong)

    def _note_always(self, made: StepResult, name: str, wrong: list[str]) -> None:
        rules = self._standing[name].rules
        if wrong:
            made.broken += rules
            made.differences += [each for each in wrong if each not in made.differences]
        else:
            made.kept += tuple(rule for rule in rules if rule not in made.kept)

    def _answer(self, name: str) -> Answer:
        if name not in self._answers:
            raise UnknownVariable(f"no answer was kept as {name}")
        return self._answers[name]

    async def _prepare(self, step: Request) -> Sent:
        fill = self._values.fill
        headers: dict[str, str] = {}
        data: bytes | None = None
        if step.form is not None:
            data = urlencode(fill(step.form)).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        elif step.raw is not None:
            data = encode(fill(step.raw))
            headers["Content-Type"] = "application/json"
        elif step.body is not None:
            data = json.dumps(fill(step.body)).encode()
            headers["Content-Type"] = "application/json"
        if step.token is not None:
            headers["Authorization"] = f"Bearer {fill(step.token)}"
        elif step.who not in ("nobody", "control"):
            headers["Authorization"] = f"Bearer {await self._wire.token(step.who)}"
        for name, value in step.headers.items():
            headers.pop(name, None)
            if value is not None:
                headers[name] = fill(value)
        return Sent(step.method, self._wire.places.of(step.who) + fill(step.path), headers, data)


def _numbered(request: Request, index: int) -> Request:
    """The request with its place in the group in place of `{index}`."""

    def fill(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace("{index}", str(index))
        if isinstance(value, Mapping):
            return {key: fill(one) for key, one in value.items()}
        return value

    return Request(
        who=request.who,
        method=request.method,
        path=fill(request.path),
        body=fill(request.body),
        headers=request.headers,
        expect=fill(request.expect),
        note=request.note,
    )


def _title(step: Request | Group) -> str:
    if isinstance(step, Group):
        return step.note
    return step.note or f"{step.who}: {step.method} {step.path}"


def _excerpt_of_sent(sent: Sent) -> str:
    lines = [f"{sent.method} {sent.url}"]
    if sent.data is not None:
        lines.append(_short(sent.data))
    return _SECRET.sub(r"\1…", "\n".join(lines))


def _excerpt_of_answer(answer: Answer) -> str:
    return _SECRET.sub(r"\1…", f"{answer.status} {answer.media_type}\n{_short(answer.raw)}".strip())


def _short(data: bytes) -> str:
    text = data[: 4 * _EXCERPT].decode("utf-8", "replace")
    text = "".join(character if character.isprintable() or character == "\n" else "�" for character in text)
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}… ({len(data)} bytes)"
