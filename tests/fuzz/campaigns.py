"""The two campaigns, in rounds: each round is one run of hypothesis on a database of its own, named by its seed."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import hypothesis
from connect_simulators.wire import WireClient
from history.checker import check
from history.facts import gather
from history.records import Parcel
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test
from torture.nursery import Nursery
from torture.stage import SECRET

from fuzz.judging import NotAsDocumented, answers, judge
from fuzz.machine import CounterFuzz
from fuzz.spoiling import Stream, streams
from fuzz.stage import Loop, playing
from fuzz.target import Target, standing

MakeDatabase = Callable[[], Any]
"""An asynchronous context manager: the URL of a database that is migrated, empty and this round's own."""

_CALM_ANSWERS = frozenset({400, 401, 403, 405, 406, 408, 413, 415, 422})
"""Statuses that leave no trace (SPEC, POS-13)."""


@dataclass
class Size:
    """How much a round plays; `random_seed` None plays the same in every run."""

    examples: int
    steps: int = 30
    random_seed: int | None = None
    slow: bool = True
    shrink: bool = True
    stop: Callable[[], bool] = field(default=lambda: False)
    """Asked before each example; once it is true, the rest of the round does nothing."""

    def settings(self) -> settings:
        return settings(
            max_examples=self.examples,
            stateful_step_count=self.steps,
            derandomize=self.random_seed is None,
            deadline=None,
            database=None,
            print_blob=False,
            phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if self.shrink else [])],
            suppress_health_check=list(HealthCheck),
        )


def counter_round(size: Size, make_database: MakeDatabase, home: Path, counted: Counter[str]) -> None:
    """Tills, kiosks and ECMS against the model, then the whole round once more through the checker of histories."""
    with Loop() as loop, entered(loop) as enter:
        database_url = enter(make_database())
        nursery = enter(Nursery())
        stage = enter(playing(nursery, database_url, home, size.random_seed or 0))
        stage.counted = counted
        parcels: list[Parcel] = []

        class Round(CounterFuzz):
            def teardown(self) -> None:
                super().teardown()
                parcels.extend(self.parcels())

        Round.stage, Round.loop, Round.slow = stage, loop, size.slow
        Round.stop = staticmethod(size.stop)
        if size.random_seed is not None:
            hypothesis.seed(size.random_seed)(Round)
        run_state_machine_as_test(Round, settings=size.settings())
        loop.run(stage.calm())
        loop.run(check_history(stage, parcels))


async def check_history(stage: Any, parcels: list[Parcel]) -> None:
    """AssertionError where the whole round, looked at from outside, breaks an invariant."""
    # A close is sent here with whatever content; the checker knows those of honest tills alone.
    operations = [one for one in stage.recorder.done() if one.action != "CLOSE"]
    # Each store asks for its own parcels, also one that has sold nothing: a till of another would be locked out for it.
    tills = {
        store: WireClient(stage.network.url, f"pos-{store}", SECRET)
        for store in (f"{number:04d}" for number in range(1, stage.stores + 1))
    }
    try:
        if operations:
            history = await gather(operations, parcels, tills=tills, control=None, database_url=stage.database_url)
            violations = check(history)
            assert not violations, "\n".join(map(str, violations[:5]))
    finally:
        for client in tills.values():
            await client.close()


def bytes_round(size: Size, make_database: MakeDatabase, home: Path, counted: Counter[str]) -> None:
    """Spoilt requests in spoilt streams, each judged; then the ledger's invariants."""
    with Loop() as loop, entered(loop) as enter:
        target = enter(standing(enter(make_database()), home))
        target.counted = counted

        @size.settings()
        @given(st.lists(streams(target.seeds, target.tokens), min_size=4, max_size=12))
        def survives(at_once: list[Stream]) -> None:
            if not size.stop():
                loop.run(throw(target, at_once))

        if size.random_seed is not None:
            hypothesis.seed(size.random_seed)(survives)
        survives()
        broken = loop.run(target.broken_invariants()) + loop.run(target.broken_journals())
        assert not broken, broken


async def throw(target: Target, at_once: Sequence[Stream]) -> None:
    """Writes streams at the same time and judges all that comes of them; AssertionError or TimeoutError otherwise."""
    target.counted["streams"] += len(at_once)
    await target.forgive()
    before = await target.rows()
    received = await asyncio.gather(*(_exchange(target, stream) for stream in at_once))
    judged = [_judge(target, stream, raw) for stream, raw in zip(at_once, received, strict=True)]
    if all(judged) and await target.rows() != before:
        raise NotAsDocumented("everything was refused, and the ledger has changed")
    if target.unforeseen:
        raise NotAsDocumented("; ".join(target.unforeseen))
    broken = await target.broken_invariants()
    assert not broken, broken
    await _is_well(target)


async def _exchange(target: Target, stream: Stream) -> bytes:
    goodbye = b"GET /healthz HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n" if stream.sound else b""
    return await target.exchange(stream.written + goodbye, stream.cuts, stream.end)


def _judge(target: Target, stream: Stream, received: bytes) -> bool:
    """Judges the answers on a connection; whether all of its requests were refused without a trace."""
    if stream.end != "wait":
        return False
    targets = [*stream.targets, ("GET", "/healthz")] if stream.sound else [*stream.targets]
    came = answers(received, tuple(method for method, _ in targets), readable=stream.sound)
    for place, one in enumerate(came):
        method, path = targets[min(place, len(targets) - 1)]
        target.counted[f"answered {judge(one, method, path, readable=stream.sound)}"] += 1
    if stream.sound and len(came) != len(targets) and not any(one.closes for one in came):
        raise NotAsDocumented(f"{len(came)} answers to {len(targets)} requests: {received[:400]!r}")
    return bool(came) and stream.sound and {one.status for one in came[:-1]} <= _CALM_ANSWERS


async def _is_well(target: Target) -> None:
    """Whoever comes next is served: whatever was thrown has harmed nobody."""
    token = target.tokens["pos"]
    asked = f"GET /pos/v1/references/016600000011 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    received = await target.exchange(asked.encode() + b"Connection: close\r\n\r\n", (), "wait")
    status = received[9:12]
    assert status == b"200", f"the next customer was answered {received[:200]!r}"


@contextlib.contextmanager
def entered(loop: Loop) -> Any:
    """Enters asynchronous context managers in the loop, and leaves them there in the end."""
    stack = contextlib.AsyncExitStack()

    def enter(context: Any) -> Any:
        return loop.run(stack.enter_async_context(context))

    try:
        yield enter
    finally:
        loop.run(stack.aclose())


CAMPAIGNS: dict[str, Callable[[Size, MakeDatabase, Path, Counter[str]], None]] = {
    "counter": counter_round,
    "bytes": bytes_round,
}


@contextlib.asynccontextmanager
async def copied(server_url: str, template: str, name: str) -> Any:
    """A copy of a migrated database for one round, dropped after it."""
    connection = await asyncpg.connect(server_url)
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        yield f"{server_url.rpartition('/')[0]}/{name}"
        async with asyncio.timeout(30):
            await _drop(connection, name)
    finally:
        await connection.close()


async def _drop(connection: "asyncpg.Connection[asyncpg.Record]", name: str) -> None:
    while True:
        try:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        except asyncpg.InsufficientPrivilegeError:
            # An autovacuum worker of the superuser's is in there just now.
            await asyncio.sleep(0.1)
        else:
            return
