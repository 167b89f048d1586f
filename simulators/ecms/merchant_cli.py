"""The command `ecms-sim merchant`: an endpoint that hears a merchant's webhooks."""

import asyncio
import json
import signal
import sys
from typing import Annotated

import typer
from aiohttp import web
from pydantic import ValidationError

from ..wire import NoAnswer
from .control import Control
from .merchant import Behaviour, MerchantEndpoint, print_json, print_status
from .signing import new_secret, secret_bytes

_LOOPBACK = "127.0.0.1"


def merchant(
    *,
    port: Annotated[int, typer.Option(envvar="ECMS_SIM_MERCHANT_PORT", help="0 takes a free one.")] = 0,
    merchant_code: Annotated[str, typer.Option(envvar="ECMS_SIM_MERCHANT_CODE")] = "001",
    secret: Annotated[
        str, typer.Option(envvar="ECMS_SIM_WEBHOOK_SECRET", help="whsec_…; left out, a new one is made.")
    ] = "",
    fail: Annotated[
        str, typer.Option(help="none, error-500, stall, hang-up or hear-then-fail; PUT /behaviour changes it.")
    ] = "none",
    times: Annotated[int | None, typer.Option(help="Fail so often, then no more.")] = None,
    subscribe: Annotated[bool, typer.Option(help="Ask ECMS to send this merchant's statuses here.")] = True,
    control_url: Annotated[
        str, typer.Option(envvar="ECMS_SIM_CONTROL_URL", help="Where the simulator's control port is.")
    ] = "http://127.0.0.1:8087",
    as_json: Annotated[bool, typer.Option("--json", help="Print each status as it came.")] = False,
) -> None:
    """Hear a merchant's webhooks: check their signatures and print them, until SIGTERM or SIGINT.

    The first line is JSON: {"merchant": the address, "secret"}.
    """
    try:
        behaviour = Behaviour(mode=fail, times=times)  # type: ignore[arg-type]
        secret = secret or new_secret()
        secret_bytes(secret)
    except (ValidationError, ValueError):
        typer.echo("--fail, --times or --secret is wrong; see --help.", err=True)
        raise typer.Exit(2) from None
    show = print_json if as_json else print_status
    endpoint = MerchantEndpoint(secret, show, behaviour=behaviour)
    try:
        asyncio.run(_serve(endpoint, port, merchant_code if subscribe else None, control_url))
    except (OSError, NoAnswer, ValueError) as exc:
        typer.echo(f"{exc}", err=True)
        raise typer.Exit(1) from None


async def _serve(endpoint: MerchantEndpoint, port: int, merchant_code: str | None, control_url: str) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    runner = web.AppRunner(endpoint.application(), access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, _LOOPBACK, port).start()
        url = f"http://{_LOOPBACK}:{runner.addresses[0][1]}/webhooks"
        if merchant_code is not None:
            async with Control(control_url) as control:
                body = {"url": url, "secret": endpoint.secret}
                answer = await control.request("PUT", f"/webhooks/{merchant_code}", body)
            if answer.status != 200:
                raise NoAnswer(f"ECMS does not send webhooks of {merchant_code} here: status {answer.status}")
        sys.stdout.write(json.dumps({"merchant": url, "secret": endpoint.secret}) + "\n")
        sys.stdout.flush()
        await stopping.wait()
    finally:
        await runner.cleanup()
