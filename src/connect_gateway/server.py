"""One gateway process: its parts put together, started, and stopped without dropping anybody; or a relay alone."""

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import asyncpg
import structlog
import uvloop
from aiohttp import web

from connect_gateway import crashpoints, logs, openapi
from connect_gateway.clock import Clock, SettableClock, SystemClock
from connect_gateway.ecms.client import EcmsClient
from connect_gateway.ecms.relay import Relay, ring
from connect_gateway.edges import answers
from connect_gateway.edges.disputes import DisputeEdge
from connect_gateway.edges.documentation import DocumentationEdge
from connect_gateway.edges.ecms import EcmsEdge
from connect_gateway.edges.gateway import Gateway
from connect_gateway.edges.http import BODY_LIMIT_BYTES, Runner, error_middleware, shedding
from connect_gateway.edges.kiosk import KioskEdge
from connect_gateway.edges.kiosk_parcels import KioskParcelsEdge
from connect_gateway.edges.manifest import ManifestEdge
from connect_gateway.edges.oauth import OAuthEdge
from connect_gateway.edges.operating import OperatingEdge
from connect_gateway.edges.pos import PosEdge
from connect_gateway.edges.reconciliations import ReconciliationEdge
from connect_gateway.edges.settlements import SettlementEdge
from connect_gateway.edges.shifts import ShiftEdge
from connect_gateway.keys import Keys, KeysError, load_keys
from connect_gateway.ledger import clients, events, manifests, parcels, sandbox_clock
from connect_gateway.ledger.clients import TokenChecks
from connect_gateway.ledger.counter import Counter
from connect_gateway.ledger.database import Pool, Unavailable, is_away, open_pool
from connect_gateway.ledger.lookups import Lookups
from connect_gateway.ledger.migrate import migrate
from connect_gateway.metrics import Metrics
from connect_gateway.settings import Settings

_DATABASE_RETRY_S = 1.0
_LOOK_AFTER_EVERY_S = 60.0
_LEAVE_WITHIN_S = 1.0
_WAITING_KEPT = timedelta(days=30)
_OPEN_FILES = 65_536
"""How many at once a process asks to be allowed, where the system's own limit is not lower."""

_log = structlog.get_logger("server")


@dataclass(slots=True, frozen=True)
class Descriptors:
    """What a parent process has handed down, by number."""

    exit_with: int | None = None
    """Reads end of file when the parent has died: stop then."""
    listen: int | None = None
    """A socket that listens already, instead of one of our own; others may take connections from it too."""
    ready: int | None = None
    """Gets a byte once this process does its work."""
    bell: int | None = None
    """A pipe to a relay in a process of its own: its writing end in a gateway, which then has no relay itself, and its
    reading end in the relay."""


_NOTHING = Descriptors()


def run(settings: Settings, handed: Descriptors, *, port_file: Path | None = None) -> None:
    """Serves until SIGTERM or SIGINT, or until the parent has died.

    The settings name a database, and keys: KeysError where they do not. `port_file` gets the port once the gateway
    listens.
    """
    _run(settings, _serve(settings, handed, port_file))


def run_relay(settings: Settings, handed: Descriptors) -> None:
    """Tells ECMS what the gateways on this database commit, until SIGTERM or SIGINT, or until the parent has died.

    Of what it is handed it takes the bell's reading end; whoever does not ring is found a second later.
    """
    _run(settings, _relay_alone(settings, handed))


def _run(settings: Settings, work: Coroutine[None, None, None]) -> None:
    logs.configure(settings.log_level)
    crashpoints.arm(sandbox=settings.sandbox)
    _lift_open_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


async def _serve(settings: Settings, handed: Descriptors, port_file: Path | None) -> None:
    stop = _stop_signal(handed)
    if settings.keys_file is None:
        raise KeysError("CONNECT_KEYS_FILE is needed: every gateway on one database has the same keys")
    async with serving(settings, _database_url(settings), settings.keys_file, handed) as port:
        _spare_the_collector()
        _log.info("listening", host=settings.host, port=port)
        if port_file is not None:
            port_file.write_text(str(port))
        _say_ready(handed)
        await stop.wait()
        _log.info("stopping")
    _log.info("stopped")


async def _relay_alone(settings: Settings, handed: Descriptors) -> None:
    stop = _stop_signal(handed)
    pool, clock = await _opened(settings, _database_url(settings))
    ecms = _ecms_client(settings)
    relay = _relay(settings, pool, ecms, clock, Metrics())
    if handed.bell is not None:
        relay.wake_by(handed.bell)
    relaying = asyncio.create_task(relay.run())
    _spare_the_collector()
    _say_ready(handed)
    try:
        await stop.wait()
    finally:
        await relay.stop()
        await asyncio.wait({relaying})
        await ecms.close()
        await _close(pool)


def _database_url(settings: Settings) -> str:
    assert settings.database_url is not None, "the command has completed the settings"
    return settings.database_url.get_secret_value()


def _stop_signal(handed: Descriptors) -> asyncio.Event:
    """Is set by SIGTERM, SIGINT, or the parent's death."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if handed.exit_with is not None:
        _watch_parent(handed.exit_with, stop)
    return stop


def _lift_open_files() -> None:
    """Each till and each event under way is an open file; a shell's limit is made for programs that have few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _say_ready(handed: Descriptors) -> None:
    if handed.ready is not None:
        os.write(handed.ready, b"1")
        os.close(handed.ready)


def _spare_the_collector() -> None:
    """Tells the garbage collector that what was made at start stays, and to look less often at what comes and goes.

    A request's objects die by reference counting; walking over all the others at every 700 new ones is time that a
    till waits.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _watch_parent(descriptor: int, stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def readable() -> None:
        if not os.read(descriptor, 1):
            loop.remove_reader(descriptor)
            stop.set()

    os.set_blocking(descriptor, False)
    loop.add_reader(descriptor, readable)


@asynccontextmanager
async def serving(
    settings: Settings, database_url: str, keys_file: Path, handed: Descriptors = _NOTHING
) -> AsyncIterator[int]:
    """A gateway that listens, and relays unless another process does, for as long as the context lasts.

    Yields its port.
    """
    keys = load_keys(keys_file)
    pool, clock = await _opened(settings, database_url)
    ecms, metrics = _ecms_client(settings), Metrics()
    relay: Relay | None = None
    if handed.bell is None:
        relay = _relay(settings, pool, ecms, clock, metrics)
        wake: Callable[[], None] = relay.wake
    else:
        wake = partial(ring, handed.bell)
    gateway = _assemble(settings, keys, pool=pool, clock=clock, metrics=metrics, ecms=ecms, wake_relay=wake)
    runner = Runner(_application(gateway), shedding(gateway), shutdown_timeout_s=settings.shutdown_grace_ms / 1000)
    await runner.setup()
    relaying = set() if relay is None else {asyncio.create_task(relay.run())}
    looking_after = asyncio.create_task(_look_after(gateway, timedelta(days=settings.mobile_days)))
    try:
        site: web.BaseSite
        if handed.listen is None:
            site = web.TCPSite(runner, settings.host, settings.port, backlog=1024)
        else:
            site = web.SockSite(runner, socket.socket(fileno=handed.listen), backlog=1024)
        await site.start()
        yield runner.addresses[0][1]
        if handed.listen is not None:
            # Somebody else takes the next connections from this socket; those that are here already get to ask.
            await site.stop()
            gateway.leaving = True
            await runner.all_gone(_LEAVE_WITHIN_S)
    finally:
        # First nobody new comes in and everybody inside is answered; then what they caused goes out.
        await runner.cleanup()
        await gateway.counter.drain()
        await gateway.tokens.stop()
        if relay is not None:
            await relay.stop()
        looking_after.cancel()
        await asyncio.wait({*relaying, looking_after})
        await ecms.close()
        await _close(pool)


async def _close(pool: Pool) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(pool.close(), 5)
    pool.terminate()


async def _opened(settings: Settings, database_url: str) -> tuple[Pool, Clock]:
    """Waits for the database for as long as it takes, brings it to this program's schema and opens it."""
    while True:
        try:
            await migrate(database_url)
            pool = await open_pool(database_url, settings.database_pool_size)
            return pool, SettableClock(await sandbox_clock.kept(pool)) if settings.sandbox else SystemClock()
        except (Unavailable, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if not isinstance(error, Unavailable) and not is_away(error):
                raise
            _log.warning("waiting-for-database", error=type(error).__name__)
            await asyncio.sleep(_DATABASE_RETRY_S)


def _ecms_client(settings: Settings) -> EcmsClient:
    secret = settings.ecms_client_secret
    return EcmsClient(
        settings.ecms_url,
        settings.ecms_client_id,
        "" if secret is None else secret.get_secret_value(),
        timeout_s=settings.ecms_timeout_ms / 1000,
        connections=settings.relay_concurrency + 32,
    )


def _relay(settings: Settings, pool: Pool, ecms: EcmsClient, clock: Clock, metrics: Metrics) -> Relay:
    return Relay(
        pool,
        ecms,
        clock,
        metrics,
        concurrency=settings.relay_concurrency,
        # One attempt may have to fetch a token first, which is an attempt of its own.
        delivery_timeout_s=2 * settings.ecms_timeout_ms / 1000,
    )


def _assemble(
    settings: Settings,
    keys: Keys,
    *,
    pool: Pool,
    clock: Clock,
    metrics: Metrics,
    ecms: EcmsClient,
    wake_relay: Callable[[], None],
) -> Gateway:
    return Gateway(
        clock=clock,
        pool=pool,
        keys=keys,
        counter=Counter(pool, clock, answers.answer_with(keys), wake_relay),
        lookups=Lookups(pool),
        tokens=TokenChecks(pool),
        ecms=ecms,
        wake_relay=wake_relay,
        metrics=metrics,
        sandbox=settings.sandbox,
        stand_in=settings.stand_in_limits(),
    )


def _application(gateway: Gateway) -> web.Application:
    app = web.Application(client_max_size=BODY_LIMIT_BYTES, middlewares=[error_middleware(gateway)])
    for edge in (
        OAuthEdge(gateway),
        PosEdge(gateway),
        ManifestEdge(gateway),
        ShiftEdge(gateway),
        KioskEdge(gateway),
        KioskParcelsEdge(gateway),
        EcmsEdge(gateway),
        OperatingEdge(gateway),
        DisputeEdge(gateway),
        ReconciliationEdge(gateway),
        SettlementEdge(gateway),
        DocumentationEdge(gateway, openapi.document),
    ):
        app.add_routes(edge.routes())
    return app


async def _look_after(gateway: Gateway, keep_mobile: timedelta) -> None:
    """Puts right and removes what time has made wrong or useless, for as long as the process runs."""
    while True:
        try:
            await events.rescue(gateway.pool)
            await clients.purge_tokens(gateway.pool, gateway.now())
            await clients.purge_attempts(gateway.pool, gateway.now())
            await parcels.purge_contacts(gateway.pool, gateway.now() - keep_mobile)
            await manifests.purge(gateway.pool, gateway.now() - _WAITING_KEPT)
        except (Unavailable, asyncpg.PostgresError) as error:
            _log.warning("looking-after-put-off", error=str(error))
        await asyncio.sleep(_LOOK_AFTER_EVERY_S)
