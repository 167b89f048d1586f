"""What the bytes' campaign is thrown at: a gateway with the sandbox's demo parcels, and the ledger behind it."""

import asyncio
import contextlib
import logging
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from aiohttp.test_utils import TestServer
from connect_simulators.wire import PHILIPPINE_TIME, format_amount
from history.facts import ledger_rows
from history.index import Index
from history.ledger_rules import journal
from history.records import History

from connect_gateway import demo_parcels as demo
from connect_gateway import sandbox_seed
from connect_gateway.clock import SystemClock
from connect_gateway.edges import http
from connect_gateway.keys import generate_keys_file
from connect_gateway.ledger.clients import ensure_client
from connect_gateway.server import serving
from connect_gateway.settings import Settings
from fuzz.messages import Message, messages
from fuzz.stage import FickleEcms

SECRET = "a secret of the fuzzers"
_ROLES: tuple[tuple[str, str | None], ...] = (
    ("pos", "0166"),
    ("kiosk", "0166"),
    ("app", None),
    ("ecms", None),
    ("admin", None),
)
_IMPATIENCE_S = 0.3
"""So long the gateway waits here for the rest of a head or a body, instead of 30 s and 10 s."""

HUNG_AFTER_S = 20.0
_TABLES = ("reference", "transaction", "event", "journal", "shift", "return_request", "contact")


@dataclass
class Target:
    """A gateway that listens on `port`. `unforeseen` has what asyncio and the gateway's own log complained of."""

    port: int
    database_url: str
    connection: "asyncpg.Connection[asyncpg.Record]"
    tokens: Mapping[str, str]
    seeds: list[Message]
    unforeseen: list[str] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)

    async def exchange(self, written: bytes, cuts: tuple[int, ...], end: str) -> bytes:
        """Writes the bytes in pieces and reads until the gateway closes; TimeoutError where it hangs."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        received = b""
        try:
            async with asyncio.timeout(HUNG_AFTER_S):
                with contextlib.suppress(ConnectionError):
                    for start, stop in zip((0, *cuts), (*cuts, len(written)), strict=True):
                        writer.write(written[start:stop])
                        await writer.drain()
                        await asyncio.sleep(0)
                    if end == "wait":
                        while chunk := await reader.read(65_536):
                            received += chunk
        finally:
            if end == "reset":
                raw: socket.socket = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        return received

    async def forgive(self) -> None:
        """Forgets guesses, so that nobody is locked out for what another example did."""
        await self.connection.execute("DELETE FROM attempt; DELETE FROM lockout")

    async def rows(self) -> dict[str, int]:
        """How much the ledger holds."""
        query = ", ".join(f"(SELECT count(*) FROM {table}) AS {table}" for table in _TABLES)
        row = await self.connection.fetchrow(f"SELECT {query}")
        assert row is not None
        return dict(row)

    async def broken_invariants(self) -> list[str]:
        """What the ledger holds that it must not: I1, I2, I3, I6, I9 by their sums."""
        return [name for name, query in _MUST_BE_NONE.items() if await self.connection.fetchval(query)]

    async def broken_journals(self) -> list[str]:
        """I8: whatever of the journals does not follow from what stands before it."""
        rows = await ledger_rows(self.database_url)
        return [str(one) for one in journal(Index(History(terminals=rows.terminals)))]


_MUST_BE_NONE = {
    "I1: a reference that two transactions have done": """
        SELECT count(*) FROM (
            SELECT FROM transaction WHERE state = 'APPROVED' GROUP BY reference HAVING count(*) > 1) AS t
        """,
    "I1: DONE without its transaction, or the other way round": """
        SELECT count(*) FROM reference LEFT JOIN transaction AS t
        ON t.reference = reference.reference AND t.state = 'APPROVED'
        WHERE (reference.state = 'DONE') <> (t.transaction_id IS NOT NULL)
        """,
    "I2: receipts with a gap": """
        SELECT count(*) FROM terminal WHERE receipts <> (
            SELECT count(DISTINCT receipt_number) FROM transaction AS t
            WHERE t.receipt_number LIKE terminal.store_id || '-' || lpad(terminal.pos::text, 3, '0') || '-________')
        """,
    "I6: an approval without its event": """
        SELECT count(*) FROM transaction AS t WHERE state = 'APPROVED' AND NOT EXISTS (
            SELECT FROM event WHERE event.tracking_number = t.tracking_number
            AND status IN ('CLAIMED', 'PAID', 'RETURNED', 'DROPPED OFF'))
        """,
}


@contextlib.asynccontextmanager
async def standing(database_url: str, home: Path) -> AsyncIterator[Target]:
    """A target on a database that is migrated and empty."""
    keys = home / "bytes-keys.json"
    generate_keys_file(keys)
    ecms = FickleEcms()
    ecms.returnable[demo.RETURN.order] = demo.RETURN.tracking_number
    ecms.fees[demo.DROP_OFF.tracking_number] = format_amount(demo.DROP_OFF.amount_due)
    server = TestServer(ecms.application())
    await server.start_server()
    connection = await asyncpg.connect(database_url)
    unforeseen: list[str] = []
    try:
        for role, store in _ROLES:
            await ensure_client(
                connection,
                client_id=role,
                secret=SECRET,
                role=role,
                store_id=store,
                pos=None,
                now=SystemClock().now(),
            )
        await sandbox_seed.seed(database_url, keys, "kiosk")
        settings = Settings(
            port=0,
            ecms_url=str(server.make_url("")).rstrip("/"),
            ecms_client_secret="of no matter",  # type: ignore[arg-type]
            keys_file=keys,
            shutdown_grace_ms=100,
        )
        with _impatient(), _watched(unforeseen):
            async with serving(settings, database_url, keys) as port:
                today = datetime.now(PHILIPPINE_TIME).date().isoformat()
                tokens = {role: await _token(port, role) for role, _ in _ROLES}
                yield Target(port, database_url, connection, tokens, messages(today, SECRET), unforeseen)
    finally:
        await connection.close()
        await server.close()


@contextlib.contextmanager
def _impatient() -> Any:
    patience = http.BODY_WITHIN_S, http.IDLE_OR_SLOW_HEADERS_S
    http.BODY_WITHIN_S = http.IDLE_OR_SLOW_HEADERS_S = _IMPATIENCE_S
    try:
        yield
    finally:
        http.BODY_WITHIN_S, http.IDLE_OR_SLOW_HEADERS_S = patience


@contextlib.contextmanager
def _watched(unforeseen: list[str]) -> Any:
    """Collects what nobody has caught: exceptions in callbacks and tasks, and errors that a library logs."""

    def noted(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        unforeseen.append(f"{context.get('message')}: {context.get('exception')!r}")

    class _Errors(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            unforeseen.append(self.format(record))

    loop, handler = asyncio.get_running_loop(), _Errors(logging.ERROR)
    earlier = loop.get_exception_handler()
    loop.set_exception_handler(noted)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        loop.set_exception_handler(earlier)
        logging.getLogger().removeHandler(handler)


async def _token(port: int, role: str) -> str:
    form = {"grant_type": "client_credentials", "client_id": role, "client_secret": SECRET}
    url = f"http://127.0.0.1:{port}/accounts/oauth2/token"
    async with aiohttp.ClientSession() as session, session.post(url, data=form) as answer:
        assert answer.status == 200, await answer.text()
        token: str = (await answer.json())["access_token"]
        return token
