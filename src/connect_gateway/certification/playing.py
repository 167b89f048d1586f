"""Plays exercises with a till and judges them."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from connect_gateway.certification.driving import Done, Driver, Place
from connect_gateway.certification.exercises import Exercise
from connect_gateway.certification.figures import Figures
from connect_gateway.certification.front import Front
from connect_gateway.certification.jobs import Becomes, Job, LateArrivals, Parcel, TimePasses, words_for_the_clerk
from connect_gateway.certification.judging import judge
from connect_gateway.certification.seen import Check, Seen
from connect_gateway.certification.stage import Stage

AT_ONCE = 4
"""Exercises that are played side by side where each has an address of its own: most of their time is waiting."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the till finds the gateway: one address for all exercises, or (None) one for each."""

    host: str = "127.0.0.1"
    port: int | None = None

    def url(self, port: int) -> str:
        """The address that a till on this machine uses."""
        return f"http://{'127.0.0.1' if self.host == '0.0.0.0' else self.host}:{port}"  # noqa: S104 - no binding here


@dataclass(frozen=True, slots=True)
class Result:
    """A played exercise and every opinion on it."""

    seen: Seen
    checks: tuple[Check, ...]
    seconds: float

    @property
    def exercise(self) -> Exercise:
        """What was played."""
        return self.seen.exercise

    @property
    def passed(self) -> bool:
        """Whether nothing was found against the till."""
        return not self.failures

    @property
    def failures(self) -> list[Check]:
        """What was found against the till."""
        return [check for check in self.checks if check.passed is False]


async def play_all(
    exercises: Iterable[Exercise],
    stage: Stage,
    driver: Driver,
    figures: Figures,
    *,
    listening: Listening,
    begun: Callable[[Exercise], None],
    ended: Callable[[Result], None],
) -> list[Result]:
    """Plays the exercises and returns their results in the same order; `begun` and `ended` are told of each."""
    exercises = list(exercises)
    results: dict[str, Result] = {}
    places = asyncio.Semaphore(1 if listening.port is not None else AT_ONCE)

    async def one(exercise: Exercise) -> None:
        async with places:
            begun(exercise)
            results[exercise.name] = await play(exercise, stage, driver, figures, listening)
            ended(results[exercise.name])

    together = [each for each in exercises if not each.alone]
    try:
        async with asyncio.TaskGroup() as group:
            for exercise in together:
                group.create_task(one(exercise))
    except ExceptionGroup as failed:
        # Whatever keeps one exercise from being played keeps the others too: the first says it all.
        raise failed.exceptions[0] from None
    for exercise in exercises:
        if exercise.alone:
            await one(exercise)
    return [results[exercise.name] for exercise in exercises]


async def play(exercise: Exercise, stage: Stage, driver: Driver, figures: Figures, listening: Listening) -> Result:
    """Plays one exercise with a parcel and a front of its own, and judges it."""
    began = time.monotonic()
    parcel = await stage.parcel(exercise.goods)
    front = Front(
        stage.gateway,
        timeout_s=figures.timeout_s,
        mortal=stage,
        host=listening.host,
        port=listening.port or 0,
    )
    with tempfile.TemporaryDirectory(dir=stage.home, prefix=f"{exercise.name}-") as directory:
        async with front:
            place = Place(listening.url(front.port), stage.credentials, Path(directory) / "till")
            done = await _go_through(exercise, front, driver, parcel, place, customer_s=figures.give_up_s)
            await front.let_go()
            await stage.until_ready()
            ledger = {each: await stage.fate(each) for each in front.traffic.ids()}
    seen = Seen(exercise, figures, parcel, front.traffic, done, ledger)
    return Result(seen, tuple(judge(seen)), time.monotonic() - began)


async def _go_through(
    exercise: Exercise, front: Front, driver: Driver, parcel: Parcel, place: Place, *, customer_s: float
) -> dict[int, Done]:
    done: dict[int, Done] = {}
    front.become(exercise.network)
    for step, what in enumerate(exercise.steps):
        front.traffic.step = step
        match what:
            case Becomes():
                front.become(what.network)
                front.traffic.note(what.text, "network")
            case LateArrivals():
                front.traffic.note(what.text, "network")
                await front.let_go()
            case TimePasses():
                front.traffic.note(f"{customer_s:g} s pass", "network")
                await asyncio.sleep(customer_s)
            case Job():
                front.traffic.note(words_for_the_clerk(what, parcel))
                kill = front.struck(what.killed_at) if what.killed_at else asyncio.Event()
                done[step] = await driver.do(what, parcel, place, kill)
                front.traffic.note(_words_of(done[step]), "end")
    return done


def _words_of(done: Done) -> str:
    if done.killed:
        return "the till is killed"
    if done.overrun:
        return "the till does not end and is stopped"
    return "the till shows " + ("; ".join(f"{each.cash}, {each.parcel}" for each in done.shown) or "nothing")
