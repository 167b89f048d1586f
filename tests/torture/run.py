"""One torture: stores at work, everything around them breaking, then peace, and the reckoning."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import asyncpg
from connect_simulators.ecmscontrol import EcmsControl
from connect_simulators.wire import PHILIPPINE_TIME, WireClient
from history.checker import check
from history.facts import gather
from history.index import Violation, decision
from history.recording import Recorder, RecordingWire
from history.records import SALES, Fate, History

from torture.counters import PATIENCE, TillPlayer
from torture.nemesis import Nemesis
from torture.services import STORES, Services, services
from torture.stage import SECRET
from torture.supplies import KIOSK_PATIENCE, KioskPlayer, Supplies

TILLS_OF_A_STORE = 3
_SUPPLIERS_OF_A_STORE = 4
_SETTLED_WITHIN_S = 120.0
_DRAINED_WITHIN_S = 180.0
_REPEATED = 40
"""So many transactions of each till are sent once more in the end."""


@dataclass
class Torture:
    """What is going on, for whoever watches, and what came of it in the end."""

    seed: int
    seconds: float
    phase: str = "starting"
    began: float = field(default_factory=time.monotonic)
    recorder: Recorder = field(default_factory=Recorder)
    nemesis: Nemesis | None = None
    services: Services | None = None
    drained_after_s: float | None = None
    history: History = field(default_factory=History)
    violations: list[Violation] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """What went wrong although no invariant was broken: something was not settled, drained or answered in time."""

    def faults(self) -> Counter[str]:
        """How often each fault was injected, and each trouble struck in the networks."""
        counted: Counter[str] = Counter()
        if self.nemesis is not None:
            counted.update(self.nemesis.counted)
        if self.services is not None:
            for network in self.services.networks:
                counted.update({trouble.value: times for trouble, times in network.counted.items()})
        return counted


@dataclass
class _Cast:
    """The players of one torture."""

    tills: list[TillPlayer]
    kiosks: list[KioskPlayer]
    supplies: Supplies

    @property
    def players(self) -> list[TillPlayer | KioskPlayer]:
        return [*self.tills, *self.kiosks]


async def torture(run: Torture, home: Path) -> None:
    """Runs it, start to end; `run` tells what happens."""
    rng = random.Random(run.seed)
    async with services(home, rng) as made, _cast(run.recorder, made, home, rng) as cast:
        run.services, run.nemesis = made, Nemesis(made, rng)
        run.phase = "stocking"
        await asyncio.gather(*(cast.supplies.stock(store) for store in STORES))
        run.phase = "breaking"
        await _break(run, cast, run.nemesis)
        run.phase = "healing"
        await made.heal()
        run.phase = "settling"
        healed = time.monotonic()
        await _settle(run, made, cast)
        run.phase = "draining"
        if await _drained(made.database_url):
            run.drained_after_s = time.monotonic() - healed
        else:
            run.complaints.append(f"ECMS has not heard everything after {_DRAINED_WITHIN_S:.0f} s")
        run.phase = "asking again"
        await _ask_again(run, cast)
        run.phase = "checking"
        tills = {store: _plain_client(made, store) for store in STORES}
        async with EcmsControl(made.ecms.control_url) as control:
            run.history = await gather(
                run.recorder.done(),
                cast.supplies.parcels,
                tills=tills,
                control=control,
                database_url=made.database_url,
            )
        for client in tills.values():
            await client.close()
        if figures(run.history).unresolved:
            run.complaints.append("a transaction in doubt was never resolved")
        run.violations = await asyncio.to_thread(check, run.history)
        run.phase = "done"


async def _break(run: Torture, cast: _Cast, nemesis: Nemesis) -> None:
    closing = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for store in STORES * _SUPPLIERS_OF_A_STORE:
            group.create_task(cast.supplies.keep_coming(store, closing))
        for player in cast.players:
            group.create_task(player.play(closing))
        breaking = group.create_task(nemesis.run(closing))
        await asyncio.sleep(run.seconds)
        closing.set()
        run.phase = "closing"
        # The players need a whole world to finish what they are at.
        await breaking
        if run.services is not None:
            await run.services.heal()


async def _settle(run: Torture, made: Services, cast: _Cast) -> None:
    """Brings every transaction and every request to its end; nothing is broken any more."""
    for network in made.networks:
        await network.settled()
    run.recorder.calm = True
    give_up = time.monotonic() + _SETTLED_WITHIN_S
    while time.monotonic() < give_up:
        settled = await asyncio.gather(*(player.settle() for player in cast.players))
        if all(settled):
            return
        await asyncio.sleep(0.5)
    run.complaints.append(f"not everything is settled after {_SETTLED_WITHIN_S:.0f} s")


async def _drained(database_url: str) -> bool:
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        async with asyncio.timeout(_DRAINED_WITHIN_S):
            while await connection.fetchval("SELECT count(*) FROM event WHERE state <> 'TOLD'"):
                await asyncio.sleep(0.1)
    except TimeoutError:
        return False
    finally:
        await connection.close()
    return True


async def _ask_again(run: Torture, cast: _Cast) -> None:
    for till in cast.tills:
        await till.repeat_all(_REPEATED)
    closed = [await till.close_shift() for till in cast.tills]
    if not all(closed):
        run.complaints.append("a shift could not be closed")


def _plain_client(made: Services, store: str) -> WireClient:
    return WireClient(made.gateways[0].url, f"pos-{store}", SECRET)


@contextlib.asynccontextmanager
async def _cast(recorder: Recorder, made: Services, home: Path, rng: random.Random) -> AsyncIterator[_Cast]:
    """Everybody who works in the stores."""
    today = datetime.now(PHILIPPINE_TIME).date()
    async with contextlib.AsyncExitStack() as stack:
        control = await stack.enter_async_context(EcmsControl(made.ecms.control_url))
        merchant = WireClient(f"http://127.0.0.1:{made.ecms.port}", "merchant", SECRET)
        stack.push_async_callback(merchant.close)
        supplies = Supplies(recorder, merchant, control, _own(rng))

        def wire(who: str, client_id: str, store: str, timeout_s: float) -> RecordingWire:
            url = made.counter_network.url
            return RecordingWire(recorder, who, url, client_id, SECRET, store=store, timeout_s=timeout_s)

        tills = [
            TillPlayer(
                wire(f"till {store}/{pos}", f"pos-{store}", store, PATIENCE.timeout_s),
                store=store,
                pos=pos,
                today=today,
                supplies=supplies,
                home=home / f"till-{store}-{pos}",
                rng=_own(rng),
            )
            for store in STORES
            for pos in range(1, TILLS_OF_A_STORE + 1)
        ]
        kiosks = [
            KioskPlayer(
                wire("kiosk", "kiosk", STORES[0], KIOSK_PATIENCE.timeout_s),
                store=STORES[0],
                supplies=supplies,
                home=home / f"kiosk-{number}",
                rng=_own(rng),
            )
            for number in (1, 2)
        ]
        cast = _Cast(tills, kiosks, supplies)
        for player in cast.players:
            stack.push_async_callback(player.close)
        yield cast


def _own(rng: random.Random) -> random.Random:
    """A source of chance of somebody's own, so that what one does changes nothing for another."""
    return random.Random(rng.getrandbits(64))


@dataclass(frozen=True)
class Figures:
    """What one torture came to, for its closing table."""

    requests: int
    unanswered: int
    resolved: int
    transactions: Counter[str]
    events: int
    repeated: int
    unresolved: int


def figures(history: History) -> Figures:
    """Counts a history."""
    unknown = [one for one in history.operations if one.fate is Fate.UNKNOWN]
    in_doubt = {one.subject for one in unknown if one.action in SALES or one.action == "REVERSE"}
    states = Counter(str(ending.state or "unknown") for ending in history.endings.values())
    deliveries = [one for rows in history.deliveries.values() for one in rows if one.source in ("counter", "kiosk")]
    return Figures(
        requests=len(history.operations),
        unanswered=len(unknown),
        resolved=len([id_ for id_ in in_doubt if history.endings[id_].state is not None]),
        transactions=states,
        events=sum(one.applied for one in deliveries),
        repeated=sum(not one.applied and one.refused is None for one in deliveries),
        unresolved=len([id_ for id_ in in_doubt if history.endings[id_].state is None]),
    )


def answered_again(history: History) -> int:
    """How many answers were repeats of earlier ones."""
    return sum(one.replay and decision(one) is not None for one in history.operations)
