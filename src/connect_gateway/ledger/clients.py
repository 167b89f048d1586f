"""Client applications, their tokens, and who guesses too much."""

import asyncio
import contextlib
import hmac
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg

from connect_gateway.domain import attempts
from connect_gateway.keys import hash_secret
from connect_gateway.ledger.database import (
    STATEMENT_TIMEOUT_S,
    Connection,
    Pool,
    Unavailable,
    connection_of,
    in_transaction,
)
from connect_gateway.ledger.events import open_task
from connect_gateway.ledger.gather import ANSWER_WITHIN_S, Gatherer

ACCESS_TOKEN_S = 7_200
"""Life of an access token (CLiQQ Commerce B2C API, authentication)."""

REFRESH_TOKEN_S = 30 * 86_400
ROTATION_GRACE_S = 30
"""For how long a refresh token that was used may be used again, because its answer was lost."""

REVOCATION_SEEN_WITHIN_S = 1.0
GUESSING_ALARM = "guessing-alarm"
ROLES = ("pos", "kiosk", "ecms", "app", "admin")


@dataclass(slots=True, frozen=True)
class Client:
    """A client application: its one role and what that is bound to."""

    client_id: str
    role: str
    store_id: str | None
    pos: int | None


@dataclass(slots=True, frozen=True)
class Grant:
    """A fresh pair of tokens."""

    access_token: str
    refresh_token: str
    expires_in_s: int


class ReuseDetected(Exception):
    """A refresh token was used again long after its rotation: its family is revoked."""


async def ensure_client(
    connection: "asyncpg.Connection[asyncpg.Record] | Connection",
    *,
    client_id: str,
    secret: str,
    role: str,
    store_id: str | None,
    pos: int | None,
    now: datetime,
) -> None:
    """Makes the client be there with this secret, role and binding, and enabled.

    Tokens that it got as something else end: what a token speaks for never changes.
    """
    async with connection.transaction():
        was = await connection.fetchrow(
            "SELECT role, store_id, pos FROM client WHERE client_id = $1 FOR UPDATE", client_id
        )
        if was is not None and tuple(was) != (role, store_id, pos):
            await _revoke_all(connection, client_id, now)
        await connection.execute(
            """
            INSERT INTO client (client_id, secret_hash, role, store_id, pos, created_at) VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (client_id) DO UPDATE SET
                secret_hash = excluded.secret_hash, role = excluded.role, store_id = excluded.store_id,
                pos = excluded.pos, disabled_at = NULL
            """,
            client_id,
            hash_secret(secret),
            role,
            store_id,
            pos,
            now,
        )


def new_secret() -> str:
    """256 random bits, as text."""
    return secrets.token_urlsafe(32)


async def authenticate(pool: Pool, client_id: str, secret: str) -> Client | None:
    """The client behind these credentials, or None: unknown, disabled or another secret, all alike."""
    async with connection_of(pool) as connection:
        row = await connection.fetchrow(
            "SELECT client_id, role, store_id, pos, secret_hash FROM client "
            "WHERE client_id = $1 AND disabled_at IS NULL",
            client_id,
            timeout=STATEMENT_TIMEOUT_S,
        )
    expected = bytes(32) if row is None else row["secret_hash"]
    if not hmac.compare_digest(expected, hash_secret(secret)) or row is None:
        return None
    return Client(row["client_id"], row["role"], row["store_id"], row["pos"])


_INSERT_TOKENS = """
INSERT INTO token (token_hash, use, client_id, family, expires_at)
VALUES ($1, 'ACCESS', $3, $4, $5), ($2, 'REFRESH', $3, $4, $6)
"""


async def grant(pool: Pool, client: Client, now: datetime) -> Grant:
    """A new family of tokens for a client that showed its credentials."""

    async def work(connection: Connection) -> Grant:
        return await _issue(connection, client.client_id, uuid4(), now)

    return await in_transaction(pool, work, "grant")


async def refresh(pool: Pool, client: Client, refresh_token: str, now: datetime) -> Grant | None:
    """Rotates a refresh token; None where it is not this client's, expired or revoked.

    ReuseDetected, with the family revoked, where it was rotated longer ago than the grace for a lost answer.
    """

    async def work(connection: Connection) -> Grant | UUID | None:
        row = await connection.fetchrow(
            "SELECT client_id, family, expires_at, rotated_at, revoked_at FROM token "
            "WHERE token_hash = $1 AND use = 'REFRESH' FOR UPDATE",
            hash_secret(refresh_token),
            timeout=STATEMENT_TIMEOUT_S,
        )
        if row is None or row["client_id"] != client.client_id:
            return None
        if row["revoked_at"] is not None or row["expires_at"] <= now:
            return None
        rotated_at = row["rotated_at"]
        if rotated_at is not None and now - rotated_at > timedelta(seconds=ROTATION_GRACE_S):
            await _revoke_family(connection, row["family"], now)
            return UUID(int=row["family"].int)
        await connection.execute(
            "UPDATE token SET rotated_at = coalesce(rotated_at, $2) WHERE token_hash = $1",
            hash_secret(refresh_token),
            now,
            timeout=STATEMENT_TIMEOUT_S,
        )
        return await _issue(connection, client.client_id, row["family"], now)

    result = await in_transaction(pool, work, "refresh")
    if isinstance(result, UUID):
        raise ReuseDetected
    return result


async def _issue(connection: Connection, client_id: str, family: UUID, now: datetime) -> Grant:
    made = Grant(secrets.token_urlsafe(32), secrets.token_urlsafe(32), ACCESS_TOKEN_S)
    await connection.execute(
        _INSERT_TOKENS,
        hash_secret(made.access_token),
        hash_secret(made.refresh_token),
        client_id,
        family,
        now + timedelta(seconds=ACCESS_TOKEN_S),
        now + timedelta(seconds=REFRESH_TOKEN_S),
        timeout=STATEMENT_TIMEOUT_S,
    )
    return made


async def _revoke_family(connection: Connection, family: UUID, now: datetime) -> None:
    await connection.execute(
        "UPDATE token SET revoked_at = $2 WHERE family = $1 AND revoked_at IS NULL",
        family,
        now,
        timeout=STATEMENT_TIMEOUT_S,
    )


async def disable(connection: "asyncpg.Connection[asyncpg.Record] | Connection", client_id: str, now: datetime) -> bool:
    """Shuts a client out, its tokens included; False where there is none of that id."""
    async with connection.transaction():
        tag = await connection.execute("UPDATE client SET disabled_at = $2 WHERE client_id = $1", client_id, now)
        await _revoke_all(connection, client_id, now)
    return bool(tag == "UPDATE 1")


async def _revoke_all(
    connection: "asyncpg.Connection[asyncpg.Record] | Connection", client_id: str, now: datetime
) -> None:
    # This reads all tokens, which is cheap enough for what is done by a person and seldom.
    await connection.execute(
        "UPDATE token SET revoked_at = $2 WHERE client_id = $1 AND revoked_at IS NULL", client_id, now
    )


async def purge_tokens(pool: Pool, now: datetime) -> int:
    """Removes tokens that have been useless for a day; the count of them."""
    async with connection_of(pool) as connection:
        tag = await connection.execute("DELETE FROM token WHERE expires_at < $1", now - timedelta(days=1), timeout=30)
    return int(tag.split()[-1])


async def purge_attempts(pool: Pool, now: datetime) -> int:
    """Removes attempts that no limit looks back to any more; the count of them."""
    async with connection_of(pool) as connection:
        tag = await connection.execute("DELETE FROM attempt WHERE at < $1", now - 2 * attempts.DAY, timeout=30)
    return int(tag.split()[-1])


# What a token speaks for never changes; it only ends. To be told of those that have ended, which are nearly always
# none, keeps the tills waiting for a tenth of the time that it takes to read them all again.
_ENDED = """
SELECT asked.token_hash FROM unnest($1::bytea[]) AS asked (token_hash) WHERE NOT EXISTS (
    SELECT FROM token JOIN client USING (client_id)
    WHERE token.token_hash = asked.token_hash AND use = 'ACCESS' AND revoked_at IS NULL AND disabled_at IS NULL)
"""


@dataclass(slots=True)
class _Cached:
    client: Client | None
    expires_at: datetime | None
    checked_at: float
    used_at: float = 0.0


class TokenChecks:
    """Who a bearer token speaks for.

    A check is remembered for less than a second, so that a revocation is seen everywhere within
    REVOCATION_SEEN_WITHIN_S without a query for each request. The tokens in use are checked again before that, all in
    one query, so that nobody waits for it; checks that are needed at once share one, too.
    """

    _CACHE_LIMIT = 100_000
    _HOLDS_S = REVOCATION_SEEN_WITHIN_S * 0.9
    _AGAIN_EVERY_S = 0.4
    _IN_USE_S = 5.0

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._cache: dict[bytes, _Cached] = {}
        self._again: asyncio.Task[None] | None = None
        self._gatherer: Gatherer[bytes, _Cached] = Gatherer(
            self._flush, group_limit=512, waiting_limit=8_192, answer_within_s=ANSWER_WITHIN_S
        )

    async def client_of(self, token: str, now: datetime, monotonic: float) -> Client | None:
        """The client, or None where the token is unknown, expired, revoked or its client disabled."""
        key = hash_secret(token)
        cached = self._cache.get(key)
        if cached is None or monotonic - cached.checked_at >= self._HOLDS_S:
            cached = await self._gatherer.submit(key)
            if len(self._cache) >= self._CACHE_LIMIT:
                self._cache.clear()
            if cached.client is not None:
                cached.checked_at = monotonic
                self._cache[key] = cached
                if self._again is None:
                    self._again = asyncio.create_task(self._check_again())
            else:
                self._cache.pop(key, None)
        cached.used_at = monotonic
        if cached.client is None or cached.expires_at is None or cached.expires_at <= now:
            return None
        return cached.client

    async def stop(self) -> None:
        """Checks no more; what is remembered is forgotten as ever."""
        if self._again is not None:
            self._again.cancel()
            await asyncio.wait({self._again})

    async def _check_again(self) -> None:
        """Checks the tokens in use while there are any. Where the database is away, each is asked about when needed."""
        try:
            while self._cache:
                await asyncio.sleep(self._AGAIN_EVERY_S)
                began = time.monotonic()
                for key in [key for key, one in self._cache.items() if began - one.used_at > self._IN_USE_S]:
                    del self._cache[key]
                keys = list(self._cache)
                if not keys:
                    continue
                with contextlib.suppress(Unavailable, asyncpg.PostgresError):
                    async with connection_of(self._pool) as connection:
                        ended = await connection.fetch(_ENDED, keys, timeout=STATEMENT_TIMEOUT_S)
                    for row in ended:
                        self._cache.pop(row["token_hash"], None)
                    for key in keys:
                        known = self._cache.get(key)
                        if known is not None and known.checked_at < began:
                            known.checked_at = began
        finally:
            self._again = None

    async def _flush(self, keys: list[bytes]) -> Sequence[_Cached]:
        async with connection_of(self._pool) as connection:
            rows = await connection.fetch(
                """
                SELECT token_hash, client_id, role, store_id, pos, expires_at FROM token JOIN client USING (client_id)
                WHERE token_hash = ANY($1::bytea[]) AND use = 'ACCESS' AND revoked_at IS NULL AND disabled_at IS NULL
                """,
                list(set(keys)),
                timeout=STATEMENT_TIMEOUT_S,
            )
        found = {
            row["token_hash"]: _Cached(
                Client(row["client_id"], row["role"], row["store_id"], row["pos"]), row["expires_at"], 0.0
            )
            for row in rows
        }
        return [found.get(key) or _Cached(None, None, 0.0) for key in keys]


async def locked_until(pool: Pool, client_id: str) -> datetime | None:
    """Until when the client is locked out for guessing; None where it never was."""
    async with connection_of(pool) as connection:
        until: datetime | None = await connection.fetchval(
            "SELECT locked_until FROM lockout WHERE client_id = $1", client_id, timeout=STATEMENT_TIMEOUT_S
        )
    return until


_COUNT_ATTEMPTS = """
SELECT count(*) FILTER (WHERE unknown AND at > $2) AS unknown_in_minute, count(*) AS all_in_hour
FROM attempt WHERE client_id = $1 AND at > $3
"""

_STRIKE = """
INSERT INTO lockout (client_id, locked_until, strikes, struck_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (client_id) DO UPDATE SET
    locked_until = excluded.locked_until, strikes = excluded.strikes, struck_at = excluded.struck_at
"""


async def note_attempt(pool: Pool, client: Client, *, unknown: bool, now: datetime) -> None:
    """Counts a reference that nobody knows (or, with `unknown` False, another store's) against the client."""

    async def work(connection: Connection) -> None:
        # One client's attempts are counted one by one, on its own row.
        await connection.execute(
            "SELECT FROM client WHERE client_id = $1 FOR UPDATE",
            client.client_id,
            timeout=STATEMENT_TIMEOUT_S,
        )
        await connection.execute(
            "INSERT INTO attempt (client_id, attempt_id, at, unknown, store_id) VALUES ($1, $2, $3, $4, $5)",
            client.client_id,
            uuid4(),
            now,
            unknown,
            client.store_id,
            timeout=STATEMENT_TIMEOUT_S,
        )
        await _strike(connection, client, now)
        await _alarm(connection, client, now)

    await in_transaction(pool, work, "attempt")


async def _strike(connection: Connection, client: Client, now: datetime) -> None:
    lockout = await connection.fetchrow(
        "SELECT strikes, struck_at FROM lockout WHERE client_id = $1",
        client.client_id,
        timeout=STATEMENT_TIMEOUT_S,
    )
    strikes, since = 0, now - attempts.HOUR
    if lockout is not None and lockout["struck_at"] > now - attempts.DAY:
        # What led to the last lockout is atoned for; only what came after it counts towards the next.
        strikes, since = lockout["strikes"], max(since, lockout["struck_at"])
    counted = await connection.fetchrow(
        _COUNT_ATTEMPTS,
        client.client_id,
        max(since, now - attempts.MINUTE),
        since,
        timeout=STATEMENT_TIMEOUT_S,
    )
    assert counted is not None
    seconds = attempts.lockout_s(attempts.Attempts(counted["unknown_in_minute"], counted["all_in_hour"], strikes))
    if seconds:
        await connection.execute(
            _STRIKE,
            client.client_id,
            now + timedelta(seconds=seconds),
            strikes + 1,
            now,
            timeout=STATEMENT_TIMEOUT_S,
        )


async def _alarm(connection: Connection, client: Client, now: datetime) -> None:
    if client.store_id is None:
        return
    in_day = await connection.fetchval(
        "SELECT count(*) FROM attempt WHERE store_id = $1 AND at > $2",
        client.store_id,
        now - attempts.DAY,
        timeout=STATEMENT_TIMEOUT_S,
    )
    if in_day >= attempts.ALARM_IN_A_DAY:
        detail = f"{in_day} references that are unknown or another store's were named within a day"
        await open_task(connection, GUESSING_ALARM, client.store_id, detail, now)
