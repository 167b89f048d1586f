"""The command `ecms-sim`: serves the simulator, and drives one that is running."""

import asyncio
import json
import logging
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError

from ..wire import Answer, NoAnswer, WireClient, load_credentials
from .config import Config, read_config
from .control import Control
from .database import DatabaseInUse
from .driving_cli import job, scan
from .merchant_cli import merchant
from .month.command import month
from .server import serve as serve_simulator
from .timeline import print_parcel

app = typer.Typer(
    help="A simulator of ECMS: serve it, or drive one that is running.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Url = Annotated[str, typer.Option(envvar="ECMS_SIM_URL", help="Where the simulator serves merchants.")]
ControlUrl = Annotated[str, typer.Option(envvar="ECMS_SIM_CONTROL_URL", help="Where its control port is.")]
ClientId = Annotated[str, typer.Option(envvar="ECMS_SIM_CLIENT_ID", help="The merchant's client id.")]
ClientSecret = Annotated[
    str, typer.Option(envvar="ECMS_SIM_CLIENT_SECRET", help="Its secret; better in the environment.")
]
CredentialsFile = Annotated[
    Path | None,
    typer.Option(
        "--credentials",
        envvar="ECMS_SIM_CREDENTIALS",
        help="File with the `clients` object that the sandbox prints; its `merchant` is used.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as it came.")]
TrackingNumber = Annotated[str, typer.Argument(help="The parcel's tracking number.")]

app.command()(merchant)
app.command()(scan)
app.command()(job)
app.command()(month)

DEFAULT_URL = "http://127.0.0.1:8086"
DEFAULT_CONTROL_URL = "http://127.0.0.1:8087"


def main() -> None:
    """The entry point."""
    app()


@app.command()
def serve(
    *,
    config: Annotated[
        Path | None, typer.Option(help="JSON file of settings; the other options serve without one.")
    ] = None,
    exit_with_fd: Annotated[
        int | None, typer.Option(help="End when this inherited pipe does, that is, with the parent.")
    ] = None,
    host: Annotated[str, typer.Option(envvar="ECMS_SIM_HOST")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="ECMS_SIM_PORT", help="0 takes a free one.")] = 8086,
    control_port: Annotated[int, typer.Option(envvar="ECMS_SIM_CONTROL_PORT")] = 8087,
    data_file: Annotated[Path, typer.Option(envvar="ECMS_SIM_DATA_FILE")] = Path("ecms.sqlite"),
    sandbox: Annotated[bool, typer.Option(envvar="ECMS_SIM_SANDBOX", help="Set the gateway's clock as well.")] = False,
    gateway_url: Annotated[str, typer.Option(envvar="ECMS_SIM_GATEWAY_URL")] = "http://127.0.0.1:8711",
    gateway_client_id: Annotated[
        str, typer.Option(envvar="ECMS_SIM_GATEWAY_CLIENT_ID", help="ECMS's client at the gateway.")
    ] = "ecms",
    gateway_client_secret: Annotated[str, typer.Option(envvar="ECMS_SIM_GATEWAY_CLIENT_SECRET")] = "",
    caller_id: Annotated[
        str, typer.Option(envvar="ECMS_SIM_CALLER_ID", help="The gateway's client at ECMS.")
    ] = "connect-gateway",
    caller_secret: Annotated[str, typer.Option(envvar="ECMS_SIM_CALLER_SECRET")] = "",
    client_id: ClientId = "merchant",
    client_secret: ClientSecret = "",
    merchant_code: Annotated[str, typer.Option(envvar="ECMS_SIM_MERCHANT_CODE")] = "001",
    merchant: Annotated[str, typer.Option(envvar="ECMS_SIM_MERCHANT")] = "Merchant A",
    flow: Annotated[
        str, typer.Option(envvar="ECMS_SIM_FLOW", help="MERCHANT_DELIVERY or DC_PICKUP.")
    ] = "MERCHANT_DELIVERY",
) -> None:
    """Serve until SIGTERM or SIGINT; one line of JSON on stdout says where."""
    caller = {"clientId": caller_id, "clientSecret": caller_secret, "role": "gateway"}
    shop = {"clientId": client_id, "clientSecret": client_secret, "role": "merchant", "flow": flow}
    settings = {
        "host": host,
        "port": port,
        "controlPort": control_port,
        "dataFile": str(data_file),
        "sandbox": sandbox,
        "gateway": {
            "url": gateway_url,
            "clientId": gateway_client_id,
            "clientSecret": gateway_client_secret,
        },
        "clients": [caller, {**shop, "merchantCode": merchant_code, "merchant": merchant}],
    }
    try:
        chosen = read_config(config) if config else Config.model_validate_json(json.dumps(settings))
    except (OSError, ValidationError) as exc:
        _fail(_without_inputs(exc), 2)
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(serve_simulator(chosen, exit_with_fd))
    except (OSError, DatabaseInUse, sqlite3.Error) as exc:
        _fail(str(exc), 1)


@app.command()
def ship(
    *,
    url: Url = DEFAULT_URL,
    client_id: ClientId = "merchant",
    client_secret: ClientSecret = "",
    credentials: CredentialsFile = None,
    as_json: Json = False,
    merchant_code: Annotated[str, typer.Option()] = "001",
    merchant: Annotated[str, typer.Option()] = "Merchant A",
    merchant_reference: Annotated[str, typer.Option()] = "AXDY43322222524544",
    mobile: Annotated[str, typer.Option()] = "09123456789",
    store: Annotated[str, typer.Option()] = "0166",
    weight: Annotated[str, typer.Option(help="In kg.")] = "0.5",
    length: Annotated[str, typer.Option(help="In cm.")] = "12.3",
    width: Annotated[str, typer.Option(help="In cm.")] = "12.3",
    height: Annotated[str, typer.Option(help="In cm.")] = "12.3",
    description: Annotated[str, typer.Option()] = "item description",
    amount: Annotated[str, typer.Option(help="What the customer pays at the counter.")] = "200.00",
) -> None:
    """Ask for a shipment; without options, the seed's own sample. It is COD unless the amount is 0."""
    body = {
        "merchantCode": merchant_code,
        "merchant": merchant,
        "mobileNumber": mobile,
        "merchantReference": merchant_reference,
        "deliveryLocationId": store,
        "deliveryDate": "2015-08-02 17:55:59",
        "orderDate": "2015-08-01",
        "pickupDate": "2015-08-03",
        "shipping_weight": weight,
        "shipping_length": length,
        "shipping_width": width,
        "shipping_height": height,
        "description": description,
        "amount": amount,
        "paymentType": "PREPAID" if _is_nothing(amount) else "COD",
        "packageType": "For Pickup",
    }
    answer = _as_merchant(
        "/ecms/api/v1/shipments",
        body,
        url=url,
        client_id=client_id,
        client_secret=client_secret,
        credentials=credentials,
    )
    lines = ("trackingNumber", "claimCode", "shippingLabel")
    _show(answer, as_json, lambda result: "\n".join(f"{name:16}{result.get(name)}" for name in lines))


@app.command()
def cancel(
    tracking_number: TrackingNumber,
    *,
    reason: Annotated[str, typer.Option()] = "inventory status",
    url: Url = DEFAULT_URL,
    client_id: ClientId = "merchant",
    client_secret: ClientSecret = "",
    credentials: CredentialsFile = None,
    as_json: Json = False,
) -> None:
    """Cancel a shipment, until it is loaded for its store."""
    body = {"trackingNumber": tracking_number, "reason": reason}
    answer = _as_merchant(
        "/ecms/api/v1/cancelShipments",
        body,
        url=url,
        client_id=client_id,
        client_secret=client_secret,
        credentials=credentials,
    )
    _show(answer, as_json, lambda result: str(result.get("message")))


@app.command()
def return_ids(
    identifiers: Annotated[list[str], typer.Argument(help="What customers may return by.")],
    *,
    valid_days: Annotated[int, typer.Option()] = 30,
    merchant_code: Annotated[str, typer.Option()] = "001",
    url: Url = DEFAULT_URL,
    client_id: ClientId = "merchant",
    client_secret: ClientSecret = "",
    credentials: CredentialsFile = None,
    as_json: Json = False,
) -> None:
    """Submit identifiers that customers may return by."""
    body = {"merchantCode": merchant_code, "identifiers": identifiers, "validDays": valid_days}
    answer = _as_merchant(
        "/ecms/api/v1/returnIds",
        body,
        url=url,
        client_id=client_id,
        client_secret=client_secret,
        credentials=credentials,
    )
    _show(answer, as_json, lambda result: str(result.get("message")))


@app.command()
def advance(
    tracking_number: TrackingNumber,
    to: Annotated[str, typer.Argument(help='The status to go to, such as "DELIVERED TO STORE".')],
    control_url: ControlUrl = DEFAULT_CONTROL_URL,
    as_json: Json = False,
) -> None:
    """Take a parcel through every step of its flow up to a status."""
    body = {"trackingNumber": tracking_number, "to": to}
    _show(_control(control_url, "POST", "/advance", body), as_json, print_parcel)


@app.command()
def parcel(
    tracking_number: TrackingNumber, control_url: ControlUrl = DEFAULT_CONTROL_URL, as_json: Json = False
) -> None:
    """Show a parcel's timeline."""
    _show(_control(control_url, "GET", f"/parcels/{tracking_number}"), as_json, print_parcel)


@app.command()
def faults(
    mode: Annotated[
        str | None,
        typer.Argument(help="none, down, error-500, timeout, garbage, slow, apply-then-fail or twice."),
    ] = None,
    probability: Annotated[float, typer.Option()] = 1.0,
    seed: Annotated[int | None, typer.Option(help="Makes the same requests fail again.")] = None,
    control_url: ControlUrl = DEFAULT_CONTROL_URL,
    as_json: Json = False,
) -> None:
    """Say how ECMS fails the gateway from now on; without a mode, show how it does."""
    body: dict[str, Any] = {"mode": mode, "probability": probability}
    if seed is not None:
        body["seed"] = seed
    answer = _control(control_url, "PUT", "/faults", body) if mode else _control(control_url, "GET", "/faults")
    _show(answer, as_json, lambda result: f"{result.get('mode')}, probability {result.get('probability')}")


@app.command()
def clock(
    now: Annotated[str | None, typer.Argument(help="RFC 3339, such as 2026-11-22T08:00:00+08:00.")] = None,
    *,
    to: Annotated[str | None, typer.Option("--set", help="The same as the argument.")] = None,
    advance_seconds: Annotated[int | None, typer.Option()] = None,
    speed: Annotated[int | None, typer.Option(help="How many seconds pass in one, 1 to 86400.")] = None,
    control_url: ControlUrl = DEFAULT_CONTROL_URL,
    as_json: Json = False,
) -> None:
    """Set the simulator's time, and in the sandbox the gateway's; ECMS's jobs on the way are run. Without options,
    show it.
    """
    named = {"now": now or to, "advanceSeconds": advance_seconds, "speed": speed}
    body = {name: value for name, value in named.items() if value is not None}
    answer = _control(control_url, "PUT", "/clock", body) if body else _control(control_url, "GET", "/clock")
    _show(answer, as_json, _show_clock)


def _show_clock(clock: dict[str, Any]) -> str:
    job_, speed = clock["nextJob"], clock["speed"]
    pace = "" if speed == 1 else f", {speed} times as fast"
    return f"{clock['now']}{pace}; next: {job_['job']} at {job_['at']}"


def _is_nothing(amount: str) -> bool:
    try:
        return Decimal(amount) == 0
    except ArithmeticError:
        return False


def _as_merchant(
    path: str,
    body: dict[str, Any],
    *,
    url: str,
    client_id: str,
    client_secret: str,
    credentials: Path | None,
) -> Answer:
    if credentials is not None:
        try:
            merchant = load_credentials(credentials, "merchant")
        except (OSError, ValueError) as exc:
            _fail(str(exc), 2)
        client_id, client_secret = merchant.client_id, merchant.client_secret

    async def ask() -> Answer:
        async with WireClient(url, client_id, client_secret, timeout_s=15.0) as wire:
            return await wire.request("POST", path, json=body)

    return _answer_of(ask)


def _control(url: str, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
    async def ask() -> Answer:
        async with Control(url) as control:
            return await control.request(method, path, body)

    return _answer_of(ask)


def _answer_of(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    async def run() -> Answer:
        return await ask()

    try:
        return asyncio.run(run())
    except (NoAnswer, ValueError) as exc:
        _fail(f"No answer: {exc}", 2)


def _show(answer: Answer, as_json: bool, render: Callable[[dict[str, Any]], str | None]) -> None:
    if answer.body is None:
        _fail(f"status {answer.status}, and no JSON", 2)
    if as_json:
        typer.echo(json.dumps(answer.body))
    elif answer.status == 200:
        text = render(answer.body)
        if text is not None:
            typer.echo(text)
    else:
        told = answer.body.get("message") or answer.body.get("error_description") or answer.body
        _fail(f"Refused ({answer.status}): {told}", 1)
    if answer.status != 200:
        raise typer.Exit(1)


def _without_inputs(error: OSError | ValidationError) -> str:
    """What is wrong with the settings, without what they are: secrets are among them."""
    if isinstance(error, OSError):
        return str(error)
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    return "\n".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in problems)


def _fail(message: str, status: int) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(status)
