"""What the program brings itself where nobody provides it: a PostgreSQL and keys."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

from connect_gateway.keys import generate_keys_file
from connect_gateway.postgres import EmbeddedPostgres
from connect_gateway.processes import sync_directory


@contextlib.contextmanager
def embedded_database(directory: Path) -> Iterator[str]:
    """Runs PostgreSQL on `directory` while the block runs, started again whenever it dies; gives its URL.

    For a program that blocks: the server is kept in a thread with an event loop of its own. Raises StartError
    if it cannot be started.
    """
    running: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = Future()
    url: Future[str] = Future()

    def live() -> None:
        try:
            asyncio.run(_live(directory, running, url))
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits for the URL
            if not url.done():
                url.set_exception(error)

    thread = threading.Thread(target=live, name="embedded-postgres")
    thread.start()
    try:
        yield url.result()
    finally:
        loop, task = running.result()
        with contextlib.suppress(RuntimeError):  # the loop is closed: the start failed
            loop.call_soon_threadsafe(task.cancel)
        thread.join()


def ensure_keys_file(path: Path) -> None:
    """Makes a file of fresh keys where there is none."""
    if path.exists():
        return
    # Made under another name, so that half a file is never taken for the keys.
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    generate_keys_file(unfinished)
    unfinished.rename(path)
    sync_directory(path.parent)


async def _live(
    directory: Path,
    running: "Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]]",
    url: "Future[str]",
) -> None:
    """Keeps the server going until this task is cancelled."""
    task = asyncio.current_task()
    assert task is not None  # a coroutine that runs has one
    running.set_result((asyncio.get_running_loop(), task))
    async with EmbeddedPostgres(directory) as postgres:
        keeper = asyncio.create_task(postgres.keep())
        url.set_result(postgres.url)
        try:
            await keeper
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
