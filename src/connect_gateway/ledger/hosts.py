"""Connecting where an address names several hosts, of which one is the primary.

`postgresql://user:password@first:5432,second:5432/connect?target_session_attrs=read-write` is libpq's spelling. asyncpg
reads it, but tries one host after another under a single time-out: a first host that is frozen or cut off, so that
it neither answers nor refuses, uses the time up and the second is never asked. Here each next host is asked when the
one before has failed or has kept silent for a moment, and the first that may be used is taken.
"""

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

import asyncpg

if TYPE_CHECKING:
    AnyConnection = asyncpg.Connection[asyncpg.Record]
else:
    AnyConnection = asyncpg.Connection

ASK_NEXT_AFTER_S = 0.2
"""How long a host may keep silent before the next one is asked as well; an answer within one country takes less."""


def one_by_one(database_url: str) -> list[str]:
    """The addresses of the single hosts that an address names, in its order; itself where that is one host."""
    parts = urlsplit(database_url)
    credentials, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts:
        return [database_url]
    return [_with_netloc(parts, credentials + at + host) for host in hosts.split(",")]


def _with_netloc(parts: SplitResult, netloc: str) -> str:
    return parts._replace(netloc=netloc).geturl()


async def connect(database_url: str, *, timeout: float, **options: Any) -> AnyConnection:  # noqa: ASYNC109
    """A connection to the first host that takes one, within `timeout` seconds in all.

    The options are asyncpg's. Raises what the last host raised, or TimeoutError.
    """
    urls = one_by_one(database_url)
    if len(urls) == 1:
        return await asyncpg.connect(database_url, timeout=timeout, **options)
    async with asyncio.timeout(timeout):
        return await _race(urls, timeout, options)


async def _race(urls: list[str], timeout_s: float, options: dict[str, Any]) -> AnyConnection:
    attempts: set[asyncio.Task[AnyConnection]] = set()
    waiting = list(urls)
    failure: BaseException = TimeoutError("no host answered")
    try:
        while waiting or attempts:
            if waiting:
                attempts.add(asyncio.create_task(asyncpg.connect(waiting.pop(0), timeout=timeout_s, **options)))
            patience = ASK_NEXT_AFTER_S if waiting else None
            ended, attempts = await asyncio.wait(attempts, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            for attempt in ended:
                error = attempt.exception()
                if error is None:
                    attempts |= ended - {attempt}
                    return attempt.result()
                failure = error
        raise failure
    finally:
        await _abandon(attempts)


async def _abandon(attempts: set[asyncio.Task[AnyConnection]]) -> None:
    """Ends the attempts that are not needed any more, also one that has succeeded meanwhile."""
    if not attempts:
        return
    for attempt in attempts:
        attempt.cancel()
    for attempt in (await asyncio.wait(attempts))[0]:
        if not attempt.cancelled() and attempt.exception() is None:
            attempt.result().terminate()
