"""Commands for those who run a gateway: client applications, and the work list.

Clients are made in the database itself, since the first of them has nobody to ask. The work list is asked of the
running gateway, as any other client with the role `admin` would.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import aiohttp
import asyncpg
import typer
from rich.console import Console
from rich.table import Table

from connect_gateway.clock import SystemClock
from connect_gateway.commandline import DataDir, complete_settings, read_settings
from connect_gateway.ledger import clients
from connect_gateway.ledger.database import Connection
from connect_gateway.ledger.migrate import migrate
from connect_gateway.processes import StartError

client_app = typer.Typer(
    no_args_is_help=True, help="Client applications: tills, kiosks, ECMS, the app, administrators."
)
tasks_app = typer.Typer(no_args_is_help=True, help="The work list: whatever waits for a person.")
disputes_app = typer.Typer(
    no_args_is_help=True, help="Sales that a till made by itself and that the ledger does not agree with."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Url = Annotated[str, typer.Option(envvar="CONNECT_URL", help="The gateway's address.")]
Credentials = Annotated[
    Path, typer.Option(envvar="CONNECT_CREDENTIALS", help="JSON file with an `admin` client, as the sandbox writes it.")
]


@client_app.command("add")
def add_client(
    client_id: Annotated[str, typer.Argument(help="The client's id, of your choice.")],
    *,
    role: Annotated[str, typer.Option(help=f"One of {', '.join(clients.ROLES)}.")],
    store: Annotated[str | None, typer.Option(help="Store number, 4 digits, of a till or kiosk.")] = None,
    pos: Annotated[int | None, typer.Option(help="Terminal number of a till; without it, all of the store's.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a client with a fresh secret, which is shown this once and never again. Asked again: a new secret."""
    if role not in clients.ROLES:
        raise StartError(f"a role is one of {', '.join(clients.ROLES)}")
    secret = clients.new_secret()

    async def work(connection: Connection) -> None:
        await clients.ensure_client(
            connection,
            client_id=client_id,
            secret=secret,
            role=role,
            store_id=store,
            pos=pos,
            now=SystemClock().now(),
        )

    with _database(data_dir) as url:
        try:
            asyncio.run(_with_connection(url, work))
        except asyncpg.CheckViolationError as error:
            raise StartError(
                "a till or kiosk has a store (4 digits), nobody else has; a terminal is a till's"
            ) from error
    made = {"clientId": client_id, "clientSecret": secret, "role": role, "storeId": store, "pos": pos}
    shown = {name: value for name, value in made.items() if value is not None}
    typer.echo(json.dumps(shown) if as_json else "\n".join(f"{name}: {value}" for name, value in shown.items()))


@client_app.command("list")
def list_clients(*, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show all clients, without their secrets, which nobody knows."""

    async def work(connection: Connection) -> list[dict[str, Any]]:
        rows = await connection.fetch(
            "SELECT client_id, role, store_id, pos, created_at, disabled_at FROM client ORDER BY client_id"
        )
        return [{name: value for name, value in row.items() if value is not None} for row in rows]

    with _database(data_dir) as url:
        found = asyncio.run(_with_connection(url, work))
    if as_json:
        typer.echo(json.dumps(found, default=str))
        return
    table = Table("client", "role", "store", "pos", "disabled")
    for one in found:
        cells = (one.get(name, "") for name in ("client_id", "role", "store_id", "pos", "disabled_at"))
        table.add_row(*map(str, cells))
    Console().print(table)


@client_app.command("disable")
def disable_client(client_id: str, *, data_dir: DataDir = None) -> None:
    """Shut a client out, its tokens included, within a second."""

    async def work(connection: Connection) -> bool:
        return await clients.disable(connection, client_id, SystemClock().now())

    with _database(data_dir) as url:
        if not asyncio.run(_with_connection(url, work)):
            raise StartError(f"there is no client {client_id}")
    typer.echo(f"{client_id} is shut out.")


@tasks_app.command("list")
def list_tasks(*, url: Url, credentials: Credentials, as_json: AsJson = False) -> None:
    """Show what waits for a person, oldest first."""
    found = asyncio.run(_ask(url, credentials, "GET", "/admin/v1/tasks"))["tasks"]
    if as_json:
        typer.echo(json.dumps(found))
        return
    table = Table("task", "since", "kind", "detail")
    for task in found:
        table.add_row(task["taskId"], task["openedAt"], task["kind"], task["detail"])
    Console().print(table)


@tasks_app.command("resend")
def resend_task(task_id: UUID, *, url: Url, credentials: Credentials) -> None:
    """Send the event that a task is about to ECMS again."""
    asyncio.run(_ask(url, credentials, "POST", f"/admin/v1/tasks/{task_id}/resend"))
    typer.echo("On its way to ECMS again.")


@tasks_app.command("close")
def close_task(task_id: UUID, *, url: Url, credentials: Credentials) -> None:
    """Close a task that has been looked after; one about an event ends by being sent again alone."""
    asyncio.run(_ask(url, credentials, "POST", f"/admin/v1/tasks/{task_id}/close"))
    typer.echo("Closed.")


@disputes_app.command("list")
def list_disputes(*, url: Url, credentials: Credentials, as_json: AsJson = False) -> None:
    """Show what is in dispute, oldest first."""
    found = asyncio.run(_ask(url, credentials, "GET", "/admin/v1/disputes"))["disputes"]
    if as_json:
        typer.echo(json.dumps(found))
        return
    for one in found:
        sold_at = one["standIn"]["occurredAt"][:19].replace("T", " ")
        receipts = f"receipts {one['standIn']['receiptNumber']}, {one['receiptNumber']}"
        typer.echo(f"{one['storeId']} {one['transactionId']}  PHP {one['amount']}  sold {sold_at}  {receipts}")
        typer.echo(f"     {one['code']}: {one['detail']}")
    typer.echo(f"{len(found)} in dispute.")


@disputes_app.command("resolve")
def resolve_dispute(
    store: Annotated[str, typer.Argument(help="The store, 4 digits.")],
    transaction_id: Annotated[UUID, typer.Argument(help="The sale's transaction.")],
    resolution: Annotated[str, typer.Argument(help="ACCEPTED: the sale stands. REFUNDED: the money goes back.")],
    *,
    url: Url,
    credentials: Credentials,
    note: Annotated[str, typer.Option(help="For whoever reads of it later.")] = "",
) -> None:
    """End a dispute. An accepted sale is told to ECMS like any other; of a refunded one ECMS never hears."""
    path = f"/admin/v1/disputes/{store}/{transaction_id}/resolution"
    body = {"resolution": resolution.upper(), "note": note}
    ended = asyncio.run(_ask(url, credentials, "PUT", path, body))
    typer.echo(f"{ended['resolution']}: the transaction is {ended['state']}.")


@contextlib.contextmanager
def _database(data_dir: Path | None) -> Iterator[str]:
    with complete_settings(read_settings(data_dir=data_dir)) as settings:
        assert settings.database_url is not None  # this is what completes them
        url = settings.database_url.get_secret_value()
        asyncio.run(migrate(url))
        yield url


async def _with_connection(url: str, work: Any) -> Any:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return await work(connection)
    finally:
        await connection.close(timeout=5)


async def _ask(url: str, credentials: Path, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """One request with the admin client's token; StartError says what was answered instead of what was hoped for."""
    try:
        client = json.loads(credentials.read_text(encoding="utf-8"))["admin"]
        form = {name: client[key] for name, key in (("client_id", "clientId"), ("client_secret", "clientSecret"))}
    except (ValueError, KeyError, TypeError) as error:
        raise StartError(f"{credentials} has no `admin` client") from error
    async with _session() as session:
        token = await _answer(
            session, "POST", f"{url}/accounts/oauth2/token", data=form | {"grant_type": "client_credentials"}
        )
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        return await _answer(session, method, url + path, headers=headers, **({} if body is None else {"json": body}))


@contextlib.asynccontextmanager
async def _session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield session


async def _answer(session: aiohttp.ClientSession, method: str, url: str, **sent: Any) -> dict[str, Any]:
    try:
        async with session.request(method, url, allow_redirects=False, **sent) as response:
            body = json.loads(await response.read())
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise StartError(f"no readable answer from {url}: {type(error).__name__}") from error
    if response.status >= 400:
        raise StartError(str(body.get("detail") or body.get("error_description") or f"status {response.status}"))
    assert isinstance(body, dict)
    return body
