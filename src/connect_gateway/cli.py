"""The command `connect-gateway`. Each sub-command reads its options, calls one function and reports."""

import asyncio
import importlib.metadata
import logging
import signal
import sys
from pathlib import Path
from typing import Annotated

import asyncpg
import typer

from connect_gateway import server
from connect_gateway.administration import client_app, disputes_app, tasks_app
from connect_gateway.archive_command import archive
from connect_gateway.backup_command import backup, restore
from connect_gateway.certification.command import certify_till
from connect_gateway.commandline import DataDir, complete_settings, read_settings
from connect_gateway.conformance.command import conformance
from connect_gateway.journal_command import journal_app
from connect_gateway.keys import KeysError, generate_keys_file
from connect_gateway.ledger.migrate import MigrationError, migrate
from connect_gateway.load_demo import show_load_demo
from connect_gateway.processes import StartError
from connect_gateway.reconcile_command import reconcile
from connect_gateway.sandbox import run_sandbox
from connect_gateway.settlement_command import settlement_app
from connect_gateway.workers import run_workers

# Rich tracebacks would print local variables, secrets among them.
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The 7-Connect adapter between a store's counter and ECMS.",
)
app.add_typer(client_app, name="client")
app.add_typer(tasks_app, name="tasks")
app.add_typer(disputes_app, name="disputes")
app.add_typer(settlement_app, name="settlement")
app.add_typer(journal_app, name="journal")
app.command()(reconcile)
app.command()(archive)
app.command()(backup)
app.command()(restore)
app.command()(conformance)
app.command(name="certify-till")(certify_till)

ExitWith = Annotated[int | None, typer.Option(help="Stop when this inherited file descriptor comes to its end.")]
Inherited = Annotated[int | None, typer.Option(hidden=True)]


@app.command()
def serve(
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on (CONNECT_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (CONNECT_PORT); 0 takes a free one.")] = None,
    data_dir: DataDir = None,
    port_file: Annotated[Path | None, typer.Option(help="Write the port here once it is listened on.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes behind the port; SIGHUP exchanges them.")] = 1,
    relay_apart: Annotated[
        bool, typer.Option("--relay-apart", help="Tell ECMS in a process of its own, which no till waits for.")
    ] = False,
    exit_with_fd: ExitWith = None,
    listen_fd: Inherited = None,
    bell_fd: Inherited = None,
    ready_fd: Inherited = None,
) -> None:
    """Run the gateway. Settings are CONNECT_… variables; without CONNECT_DATABASE_URL it brings its own."""
    settings = read_settings(host=host, port=port, data_dir=data_dir)
    with complete_settings(settings) as complete:
        if workers > 1 or relay_apart:
            run_workers(complete, workers, relay_apart=relay_apart, exit_with_fd=exit_with_fd, port_file=port_file)
        else:
            handed = server.Descriptors(exit_with=exit_with_fd, listen=listen_fd, ready=ready_fd, bell=bell_fd)
            server.run(complete, handed, port_file=port_file)


@app.command(hidden=True)
def relay(*, exit_with_fd: ExitWith = None, bell_fd: Inherited = None, ready_fd: Inherited = None) -> None:
    """What `serve --relay-apart` starts beside its gateways."""
    with complete_settings(read_settings()) as complete:
        server.run_relay(complete, server.Descriptors(exit_with=exit_with_fd, ready=ready_fd, bell=bell_fd))


@app.command()
def sandbox(
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON when all is ready.")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Keep everything here; without it nothing is kept.")] = None,
    pages: Annotated[bool, typer.Option(help="With the till, the kiosk and ECMS's console in the browser.")] = True,
) -> None:
    """Run a database, the ECMS simulator and the gateway on loopback, with clients, to develop against."""
    run_sandbox(data_dir, as_json=json, pages=pages)


@app.command(name="migrate")
def migrate_command(*, data_dir: DataDir = None) -> None:
    """Bring the database to this program's schema. `serve` does so by itself."""
    settings = read_settings(data_dir=data_dir)
    with complete_settings(settings) as complete:
        assert complete.database_url is not None  # this is what completes them
        asyncio.run(migrate(complete.database_url.get_secret_value()))
    typer.echo("The database has this program's schema.")


@app.command(name="load-demo")
def load_demo_command(
    *,
    references: Annotated[int, typer.Option(min=1, max=100_000_000, help="How many parcels to make.")] = 100_000,
    transactions: Annotated[int, typer.Option(min=0, help="How many of them have been collected.")] = 50_000,
    data_dir: DataDir = None,
) -> None:
    """Fill an empty ledger with parcels and collections, to see it at the size of years. Nothing real is in them."""
    settings = read_settings(data_dir=data_dir)
    with complete_settings(settings) as complete:
        show_load_demo(complete, references=references, transactions=transactions)


@app.command()
def keys(path: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")]) -> None:
    """Write a file of fresh keys. Whoever loses it can no longer read what was encrypted with them."""
    generate_keys_file(path)
    typer.echo(f"Fresh keys are in {path}.")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(importlib.metadata.version("connect-gateway"))


def main() -> None:
    """Runs the command; what is expected to go wrong is told in a line, without a traceback."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="connect-gateway: %(message)s")
    # Like Ctrl-C, so that what has been started is stopped in order. The server puts its own handler here.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except (StartError, KeysError, MigrationError, OSError, asyncpg.PostgresError) as error:
        sys.exit(f"connect-gateway: {error or type(error).__name__}")
