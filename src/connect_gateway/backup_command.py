"""`connect-gateway backup` and `restore`: a plain dump of the whole database, with PostgreSQL's own programs.

They come in the same wheel as the embedded server, and work on any other PostgreSQL up to that version as well. For a
ledger that must lose nothing between two dumps, see docs/operations/backup.md: base backup and WAL archive.
"""

import os
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, unquote, urlsplit

import typer

from connect_gateway.commandline import DataDir, complete_settings, read_settings
from connect_gateway.osuser import OsUser
from connect_gateway.postgres import running_url
from connect_gateway.processes import StartError, sync_directory

File = Annotated[Path, typer.Argument(help="The dump.")]


def backup(file: File, *, data_dir: DataDir = None) -> None:
    """Dump the whole database into a file, of one moment, while gateways go on working.

    The keys are not in it: without their file nobody can read the mobile numbers, nor sign or check receipts.
    """
    if file.exists():
        raise StartError(f"{file} exists; backups are never overwritten")
    unfinished = file.with_name(f"{file.name}.unfinished")
    with ExitStack() as stack:
        url = _database(stack, data_dir)
        # Readable by its owner alone, from the first byte on.
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        try:
            _run("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", f"--file={unfinished}")
            unfinished.rename(file)
        finally:
            unfinished.unlink(missing_ok=True)
    sync_directory(file.resolve().parent)
    typer.echo(f"{file} has the whole database, {file.stat().st_size:,} bytes.")


def restore(file: File, *, data_dir: DataDir = None) -> None:
    """Fill an empty database from a dump, all of it or nothing."""
    if not file.is_file():
        raise StartError(f"{file} is not there")
    with ExitStack() as stack:
        url = _database(stack, data_dir)
        options = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")
        _run("pg_restore", url, *options, str(file.resolve()))
    typer.echo(f"The database is as it was when {file} was made. Check it: connect-gateway journal verify")


def _database(stack: ExitStack, data_dir: Path | None) -> str:
    """The database's address: the one that is named, our own that runs already, or our own, started for this."""
    settings = read_settings(data_dir=data_dir)
    if settings.database_url is None:
        url = running_url(settings.data_dir / "postgres")
        if url is not None:
            return url
    complete = stack.enter_context(complete_settings(settings))
    assert complete.database_url is not None  # this is what completes them
    return complete.database_url.get_secret_value()


def _run(program: str, url: str, *options: str) -> None:
    """Runs one of PostgreSQL's programs. The password goes by the environment, where other users do not see it."""
    address = urlsplit(url)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    environment["PGCONNECT_TIMEOUT"] = "10"
    if address.password is not None:
        environment["PGPASSWORD"] = unquote(address.password)
    command = [str(OsUser().binary(program)), f"--dbname={_without_password(address)}", *options]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if ended.returncode != 0:
        raise StartError(f"{program} failed:\n{ended.stderr.strip()}")


def _without_password(address: SplitResult) -> str:
    credentials, at, hosts = address.netloc.rpartition("@")
    return address._replace(netloc=credentials.partition(":")[0] + at + hosts).geturl()
