"""The HTTP client of ECMS: OAuth2 client credentials with refresh, one attempt at a time, nothing believed unread."""

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any

import aiohttp

_ANSWER_LIMIT = 65_536
_RENEW_BEFORE_S = 60.0


class EcmsAway(Exception):
    """ECMS gave no answer that settles anything: unreachable, too slow, an error of its own, or unreadable."""


@dataclass(slots=True, frozen=True)
class EcmsAnswer:
    """A readable answer: the HTTP status and the JSON object."""

    status: int
    body: dict[str, Any]

    @property
    def message(self) -> str:
        """ECMS's own words for logs and work list: cut to a length, and what cannot be printed or stored left out."""
        words = str(self.body.get("message", ""))[:200]
        return "".join(character if character.isprintable() else " " for character in words)


@dataclass(slots=True)
class _Tokens:
    access_token: str
    refresh_token: str | None
    renew_at: float


class EcmsClient:
    """Asks ECMS. Safe for many callers at once: they share connections and one token."""

    def __init__(
        self, base_url: str, client_id: str, client_secret: str, *, timeout_s: float, connections: int
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._client_id = client_id
        self._client_secret = client_secret
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None
        self._tokens: _Tokens | None = None
        self._renewing = asyncio.Lock()

    async def close(self) -> None:
        """Closes all connections."""
        if self._session is not None:
            await self._session.close()

    async def post(self, path: str, body: dict[str, Any], *, idempotency_key: str | None = None) -> EcmsAnswer:
        """One POST with a token; a token that ECMS refuses is renewed once. EcmsAway where nothing is settled."""
        token = await self._token()
        answer = await self._send(path, body, token, idempotency_key)
        if answer.status == 401:
            self._forget(token)
            answer = await self._send(path, body, await self._token(), idempotency_key)
            if answer.status == 401:
                raise EcmsAway("ECMS refuses the gateway's token")
        return answer

    async def _send(self, path: str, body: dict[str, Any], token: str, idempotency_key: str | None) -> EcmsAnswer:
        headers = {"Authorization": f"Bearer {token}"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        return await self._exchange(path, headers, json_body=body)

    async def _exchange(
        self,
        path: str,
        headers: dict[str, str],
        *,
        json_body: dict[str, Any] | None = None,
        form: dict[str, str] | None = None,
    ) -> EcmsAnswer:
        session = self._open_session()
        try:
            # POST alone is used: aiohttp would send an idempotent method a second time on a connection that broke.
            async with session.post(
                self._base_url + path,
                json=json_body,
                data=form,
                headers=headers,
                allow_redirects=False,
                timeout=self._timeout,
            ) as response:
                raw = await response.content.read(_ANSWER_LIMIT)
                while not response.content.at_eof():
                    more = await response.content.read(_ANSWER_LIMIT)
                    raw += more
                    if len(raw) > _ANSWER_LIMIT:
                        raise EcmsAway("an answer too long to be one")
                return _readable(response.status, raw)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise EcmsAway(type(error).__name__) from error

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=30)
            # Cookies have no part in this exchange, and a proxy of the environment must not come between.
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._session

    def _forget(self, token: str) -> None:
        if self._tokens is not None and self._tokens.access_token == token:
            self._tokens = None

    async def _token(self) -> str:
        tokens = self._tokens
        if tokens is not None and time.monotonic() < tokens.renew_at:
            return tokens.access_token
        async with self._renewing:
            if self._tokens is None or time.monotonic() >= self._tokens.renew_at:
                self._tokens = await self._renew(self._tokens)
            return self._tokens.access_token

    async def _renew(self, old: _Tokens | None) -> _Tokens:
        if old is not None and old.refresh_token is not None:
            # It is tried once: where it gets no answer that can be used, the next attempt goes by the credentials.
            self._tokens = None
            answer = await self._ask_for_token({"grant_type": "refresh_token", "refresh_token": old.refresh_token})
            if answer.status == 200:
                return _tokens_of(answer)
            # A refresh token that is spent or revoked is no reason to stop: the credentials are still good.
        answer = await self._ask_for_token({"grant_type": "client_credentials"})
        if answer.status != 200:
            raise EcmsAway(f"no token: {answer.status} {answer.body.get('error', '')}"[:200])
        return _tokens_of(answer)

    async def _ask_for_token(self, grant: dict[str, str]) -> EcmsAnswer:
        form = {
            "client_id": self._client_id,
            "client_secret": self._client_secret,
            "response_type": "token",
            **grant,
        }
        return await self._exchange("/accounts/oauth2/token", {}, form=form)


def _readable(status: int, raw: bytes) -> EcmsAnswer:
    """The answer, where it is one. Redirects, errors of ECMS's own and unreadable bodies settle nothing."""
    if 300 <= status < 400 or status >= 500:
        raise EcmsAway(f"status {status}")
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        if 400 <= status < 500:
            return EcmsAnswer(status, {})
        raise EcmsAway(f"status {status} with an unreadable body") from error
    if not isinstance(body, dict):
        raise EcmsAway(f"status {status} with a body that is no object")
    return EcmsAnswer(status, body)


def _tokens_of(answer: EcmsAnswer) -> _Tokens:
    access, refresh, life = (answer.body.get(name) for name in ("access_token", "refresh_token", "expires_in"))
    if not isinstance(access, str) or not access or not isinstance(life, int | float):
        raise EcmsAway("a token answer without a token")
    renew_in = max(life - _RENEW_BEFORE_S, life / 2, 1.0)
    return _Tokens(access, refresh if isinstance(refresh, str) else None, time.monotonic() + renew_in)
