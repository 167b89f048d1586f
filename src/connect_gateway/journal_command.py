"""`connect-gateway journal`: checks the hash-chained journal, and signs checkpoints of it."""

import asyncio
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from connect_gateway import checkpoints
from connect_gateway.checkpoints import Checkpoint, CheckpointError
from connect_gateway.clock import SystemClock
from connect_gateway.commandline import DataDir, complete_settings, read_settings
from connect_gateway.domain.chains import Broken, Head
from connect_gateway.keys import KeysError, load_keys
from connect_gateway.ledger import hosts, journals
from connect_gateway.ledger.hosts import AnyConnection
from connect_gateway.processes import StartError
from connect_gateway.settings import Settings

EXIT_BROKEN = 1
_CONNECT_WITHIN_S = 10.0
_STATEMENT_WITHIN_S = 300.0
"""Counting a terminal's transactions may take a while; nobody at a counter waits for it."""
_PROGRESS_EVERY_S = 2.0

journal_app = typer.Typer(no_args_is_help=True, help="The hash-chained journal: check it, and sign checkpoints of it.")


@journal_app.command()
def verify(
    *,
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="A signed checkpoint that was kept elsewhere; any number of them.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one object of JSON.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Check every terminal's chain, and name the first entry that was altered, removed or reordered.

    Entries are also compared with the transactions that they tell of, and with the checkpoints. Exit status 0: all is
    whole; 1: it is not.
    """
    settings = read_settings(data_dir=data_dir)
    with complete_settings(settings) as complete:
        kept = [_read(path, complete) for path in checkpoint or []]
        began = time.monotonic()
        entries, broken = asyncio.run(_verify(complete, kept))
        seconds = time.monotonic() - began
    if as_json:
        found = [asdict(one) for one in broken]
        typer.echo(json.dumps({"entries": entries, "seconds": round(seconds, 3), "broken": found}))
    else:
        for one in broken:
            place = f"store {one.store_id}, terminal {one.pos}, entry {one.position}"
            typer.echo(f"{place}: {one.fault}: {one.detail}")
        against = f", against {len(kept)} checkpoint{'s' if len(kept) > 1 else ''}" if kept else ""
        result = f"{len(broken)} terminals are not whole" if broken else "every chain is whole"
        typer.echo(f"{entries:,} entries checked in {seconds:.1f} s{against}: {result}.")
    if broken:
        sys.exit(EXIT_BROKEN)


@journal_app.command(name="checkpoint")
def make_checkpoint(
    *, out: Annotated[Path, typer.Option(help="The file to write; keep it elsewhere.")], data_dir: DataDir = None
) -> None:
    """Sign every terminal's head into a file, to verify the journal against for ever after."""
    settings = read_settings(data_dir=data_dir)
    with complete_settings(settings) as complete:
        keys = load_keys(_keys_file(complete))
        heads = asyncio.run(_heads(complete))
    made = checkpoints.write(out, heads, SystemClock().now(), keys)
    typer.echo(f"{out} has the heads of {len(made.heads):,} terminals, {made.entries:,} entries in all.")


def _read(path: Path, settings: Settings) -> Checkpoint:
    try:
        return checkpoints.read(path, load_keys(_keys_file(settings)))
    except CheckpointError as error:
        raise StartError(str(error)) from error


def _keys_file(settings: Settings) -> Path:
    if settings.keys_file is None:
        raise KeysError("CONNECT_KEYS_FILE is needed: checkpoints are signed with a key of that file")
    return settings.keys_file


async def _connect(settings: Settings) -> AnyConnection:
    assert settings.database_url is not None  # this is what completes them
    url = settings.database_url.get_secret_value()
    return await hosts.connect(url, timeout=_CONNECT_WITHIN_S, command_timeout=_STATEMENT_WITHIN_S)


async def _heads(settings: Settings) -> list[tuple[str, int, Head]]:
    connection = await _connect(settings)
    try:
        return await journals.heads(connection)
    finally:
        await connection.close(timeout=5)


async def _verify(settings: Settings, kept: list[Checkpoint]) -> tuple[int, list[Broken]]:
    connection = await _connect(settings)
    try:
        return await verify_all(connection, kept)
    finally:
        await connection.close(timeout=5)


async def verify_all(connection: AnyConnection, kept: list[Checkpoint]) -> tuple[int, list[Broken]]:
    """Checks every terminal: how many entries were read, and the first wrong one of each terminal that has one."""
    there = {(store_id, pos): length for store_id, pos, length in await journals.terminals(connection)}
    wanted = sorted(there | {key: 0 for one in kept for key in one.heads if key not in there})
    progress = _Progress(sum(there.values()))
    broken: list[Broken] = []
    for store_id, pos in wanted:
        heads = [one.heads[store_id, pos] for one in kept if (store_id, pos) in one.heads]
        async for found in journals.verify(connection, store_id, pos, heads):
            if isinstance(found, Broken):
                broken.append(found)
            else:
                progress.add(found, store_id, pos)
    return progress.entries, broken


class _Progress:
    """Says on standard error how far it is, every few seconds."""

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._say_at = time.monotonic() + _PROGRESS_EVERY_S
        self.entries = 0

    def add(self, entries: int, store_id: str, pos: int) -> None:
        self.entries += entries
        if time.monotonic() >= self._say_at:
            self._say_at += _PROGRESS_EVERY_S
            share = 100 * self.entries // max(self._expected, self.entries)
            typer.echo(f"{self.entries:,} entries, {share} %; now store {store_id}, terminal {pos}", err=True)
