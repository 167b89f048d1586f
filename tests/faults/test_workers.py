"""Several processes behind one port: one page of figures, nobody refused when one dies or all are exchanged. 20 s."""

import asyncio
import contextlib
import os
import re
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil
import pytest
from partners import Ecms, EcmsServer, Till
from world import SECRET, add_client
from yarl import URL

from connect_gateway.keys import generate_keys_file

_SERVED = re.compile(
    r'connect_requests_total\{method="GET",route="/healthz",status="200"\} ([0-9.]+)',
)


@dataclass
class Served:
    """`connect-gateway serve --workers 2`, and a way to ask it on a connection of its own each time."""

    process: asyncio.subprocess.Process
    url: str

    def workers(self, command: str = "serve") -> set[int]:
        """Those that live. `--ready-fd` tells them from a child that is still a copy of its parent."""
        found = set()
        for child in psutil.Process(self.process.pid).children():
            # It may have died meanwhile, and be gone or not yet fetched by its parent.
            with contextlib.suppress(psutil.NoSuchProcess):
                words = child.cmdline()
                if command in words and "--ready-fd" in words:
                    found.add(child.pid)
        return found

    async def ask(self, path: str = "/healthz") -> str:
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(connector=connector) as session, session.get(self.url + path) as response:
            assert response.status == 200
            return await response.text()

    async def counted(self, at_least: int) -> None:
        """Reads the page, of whichever process, until it has so many answers; each enters its own a little later."""
        async with asyncio.timeout(20):
            while (found := _SERVED.search(await self.ask("/metrics"))) is None or float(found[1]) < at_least:
                pass

    async def until(self, workers: int, besides: set[int]) -> set[int]:
        """The workers, once there are so many and none of them is one of `besides`; asked for over and over."""
        async with asyncio.timeout(60):
            while len(now := self.workers()) != workers or now & besides:
                await self.ask()
        return now


@asynccontextmanager
async def serving(
    database_url: str, home: Path, count: int, *options: str, ecms_url: str = "http://127.0.0.1:9"
) -> AsyncIterator[Served]:
    keys = home / "keys.json"
    generate_keys_file(keys)
    environment = os.environ | {
        "CONNECT_DATABASE_URL": database_url,
        "CONNECT_KEYS_FILE": str(keys),
        "CONNECT_ECMS_URL": ecms_url,
        "CONNECT_ECMS_CLIENT_SECRET": "of no matter",
        "CONNECT_DATA_DIR": str(home),
    }
    port_file = home / "port"
    read, write = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-P", "-m", "connect_gateway", "serve", "--port=0", f"--port-file={port_file}", f"--workers={count}"),
        f"--exit-with-fd={read}",
        *options,
        env=environment,
        pass_fds=[read],
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(read)
    assert process.stderr is not None
    try:
        said = b""
        async with asyncio.timeout(60):
            # Each worker says that it listens; the last word is the parent's, which names their number.
            while b'"workers"' not in said:
                line = await process.stderr.readline()
                assert line, said.decode()
                said += line
        drained = asyncio.create_task(process.stderr.read())
        yield Served(process, f"http://127.0.0.1:{port_file.read_text()}")
        await drained
    finally:
        os.close(write)
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        async with asyncio.timeout(60):
            await process.wait()


@pytest.fixture
async def served(database_url: str, tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(database_url, tmp_path, 2) as made:
        yield made
        made.process.terminate()


async def test_one_page_counts_for_all_and_a_dead_worker_is_replaced(served: Served) -> None:
    first = served.workers()
    assert len(first) == 2
    for _ in range(40):
        await served.ask()
    await served.counted(40)
    os.kill(min(first), signal.SIGKILL)
    # Those that come while nobody is at the socket wait in its queue.
    now = await served.until(2, {min(first)})
    assert max(first) in now
    await asyncio.gather(*(served.ask() for _ in range(40)))
    await served.counted(80)


async def test_workers_are_exchanged_and_nobody_is_refused(served: Served) -> None:
    before = served.workers()
    stop = asyncio.Event()
    answered = 0

    async def customer() -> None:
        nonlocal answered
        while not stop.is_set():
            await served.ask()
            answered += 1

    async with asyncio.TaskGroup() as customers:
        for _ in range(4):
            customers.create_task(customer())
        served.process.send_signal(signal.SIGHUP)
        await served.until(2, before)
        stop.set()
    assert answered > 20
    assert served.process.returncode is None


async def test_a_relay_apart_is_woken_by_its_gateways_and_replaced_when_it_dies(
    database_url: str, ecms_server: EcmsServer, tmp_path: Path
) -> None:
    await add_client(database_url, "till", "pos", "0166", 1)
    await add_client(database_url, "ecms", "ecms", None, None)
    async with (
        serving(database_url, tmp_path, 2, "--relay-apart", ecms_url=ecms_server.url) as served,
        aiohttp.ClientSession() as session,
    ):
        till, ecms = Till(session, served.url, "till", SECRET), Ecms(session, served.url, "ecms", SECRET)
        await till.log_in()
        await ecms.log_in()
        assert len(served.workers()) == 2
        (relay,) = served.workers("relay")

        async def sell() -> None:
            reply = await till.collect(await ecms.ship_to_store())
            assert reply.status == 201, reply.raw

        async def told(count: int) -> None:
            async with asyncio.timeout(20):
                while len(ecms_server.events) < count:
                    await asyncio.sleep(0.02)

        async def counted(count: int) -> None:
            async with asyncio.timeout(20):
                while f'connect_deliveries_total{{result="told"}} {count}.0' not in await served.ask("/metrics"):
                    pass

        began = time.monotonic()
        for count in range(1, 11):
            await sell()
            await told(count)
        # By itself it would look again a second after the one before was told.
        assert time.monotonic() - began < 7
        await counted(10)
        os.kill(relay, signal.SIGSTOP)
        await sell()
        os.kill(relay, signal.SIGKILL)
        await told(11)
        assert served.workers("relay") != {relay}
        await counted(11)
        served.process.terminate()
    assert len({event["eventId"] for event in ecms_server.events}) == 11


@contextmanager
def few_open_files(count: int) -> Iterator[None]:
    """What is started meanwhile begins with so low a limit, as from a shell, and may raise it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_more_tills_than_a_shell_lets_a_program_open_files(database_url: str, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        with few_open_files(128):
            served = await stack.enter_async_context(serving(database_url, tmp_path, 2))
        port = URL(served.url).port
        async with asyncio.timeout(20):
            tills = [await asyncio.open_connection("127.0.0.1", port) for _ in range(400)]
            for _, writer in tills:
                stack.callback(writer.close)
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            for reader, _ in tills:
                assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        served.process.terminate()
