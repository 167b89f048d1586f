"""Puts the simulator together, serves its two ports, and takes it apart again."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator

from aiohttp import web

from ..lifeline import stop_at_end_of
from ..wire import WireClient
from . import control_api, document_api, gateway_api, merchant_api, webhook_api
from .answers import errors_in_ecms_style
from .config import Config
from .console import PREFIX, console_application
from .database import Database
from .demonstration import put_in
from .faults import Faults
from .gateway import Gateway
from .notifier import Notifier
from .settings import kept_clock, return_codes
from .simulator import BODY_LIMIT, SIMULATOR, Simulator
from .webhooks import take_targets_of

_LOOPBACK = "127.0.0.1"
_SHUTDOWN_GRACE_S = 3.0
_TRACKING_NUMBER = "{tracking_number:[0-9]{17,18}}"


def _application(simulator: Simulator) -> web.Application:
    application = web.Application(client_max_size=BODY_LIMIT, middlewares=[errors_in_ecms_style])
    application[SIMULATOR] = simulator
    return application


def ecms_application(simulator: Simulator) -> web.Application:
    """What merchants and the gateway reach."""
    application, faulty = _application(simulator), simulator.faults.around
    application.router.add_routes(
        [
            web.post("/accounts/oauth2/token", merchant_api.token),
            web.post("/ecms/api/v1/shipments", merchant_api.shipments),
            web.post("/ecms/api/v1/cancelShipments", merchant_api.cancel_shipments),
            web.post("/ecms/api/v1/dropoff", merchant_api.drop_off),
            web.post("/ecms/api/v1/returnIds", merchant_api.return_ids),
            web.get("/labels/{name:[A-Za-z0-9_-]{32}}.pdf", document_api.label),
            web.get("/stores.csv", merchant_api.store_list),
            web.post("/ecms/api/v1/returns", faulty(gateway_api.returns)),
            web.post("/ecms/api/v1/dropoff/quote", faulty(gateway_api.drop_off_quote)),
            web.post("/ecms/api/v1/status", faulty(gateway_api.status)),
        ]
    )
    return application


def control_application(simulator: Simulator) -> web.Application:
    """What the person or the test that drives the simulator reaches."""
    application = _application(simulator)
    application.router.add_routes(
        [
            web.post("/advance", control_api.advance_parcel),
            web.post("/scan", control_api.scan_parcels),
            web.post("/jobs", control_api.run_one_job),
            web.post("/settle", control_api.settle),
            web.get("/changes", control_api.follow_changes),
            web.get("/parcels", control_api.all_parcels),
            web.get(f"/parcels/{_TRACKING_NUMBER}", control_api.one_parcel),
            web.put("/faults", control_api.set_faults),
            web.get("/faults", control_api.show_faults),
            web.put("/clock", control_api.set_clock),
            web.get("/clock", control_api.show_clock),
            web.put("/settings", control_api.set_settings),
            web.get("/settings", control_api.show_settings),
            web.put("/webhooks/{merchant_code}", webhook_api.set_webhook),
            web.delete("/webhooks/{merchant_code}", webhook_api.remove_webhook),
            web.get("/webhooks", webhook_api.show_webhooks),
            web.get("/documents", document_api.all_documents),
            web.get("/documents/{kind:apo|pickup|dr}/{day}.{form:pdf|csv}", document_api.one_document),
        ]
    )
    application.add_subapp(PREFIX, console_application(simulator))
    return application


@contextlib.asynccontextmanager
async def running(config: Config) -> AsyncIterator[dict[str, str]]:
    """A simulator that serves until the block ends; its addresses are `ecms` and `ecmsControl`."""
    async with contextlib.AsyncExitStack() as stack:
        database = Database(config.data_file)
        await database.open()
        stack.push_async_callback(database.close)
        gateway = Gateway(
            WireClient(config.gateway.url, config.gateway.client_id, config.gateway.client_secret.get_secret_value())
        )
        stack.push_async_callback(gateway.close)
        clock = await database.run(kept_clock)
        notifier = Notifier(database, gateway, clock)
        stack.push_async_callback(notifier.stop)
        simulator = Simulator(
            config=config,
            database=database,
            clock=clock,
            faults=Faults(),
            gateway=gateway,
            notifier=notifier,
            return_codes=await database.run(lambda connection: return_codes(connection, default=config.return_codes)),
        )
        await database.run(lambda connection: put_in(connection, config, simulator.return_flows))
        simulator.url = await _listen(stack, ecms_application(simulator), config.host, config.port)
        control = await _listen(stack, control_application(simulator), _LOOPBACK, config.control_port)
        await notifier.resume()
        await database.run(lambda connection: take_targets_of(connection, config))
        await simulator.webhooks.start(simulator.feed)
        stack.push_async_callback(simulator.webhooks.stop)
        simulator.jobs.start()
        stack.push_async_callback(simulator.jobs.stop)
        if config.sandbox:
            notifier.tell_clock()
        yield {"ecms": simulator.url, "ecmsControl": control}


async def _listen(stack: contextlib.AsyncExitStack, application: web.Application, host: str, port: int) -> str:
    # A handler ends with its client: that is how a silent fault learns that nobody waits any more.
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_GRACE_S)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, host, port)
    await site.start()
    return f"http://{host}:{runner.addresses[0][1]}"


async def serve(config: Config, exit_with_fd: int | None) -> None:
    """Serves until SIGTERM, SIGINT, or the end of the pipe `exit_with_fd`; says on stdout, in one line,
    where.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if exit_with_fd is not None:
        stop_at_end_of(exit_with_fd, stopping.set)
    async with running(config) as addresses:
        sys.stdout.write(json.dumps(addresses) + "\n")
        sys.stdout.flush()
        await stopping.wait()
