"""How every simulator speaks to a server: OAuth2, one HTTP request at a time, amounts, the credentials file.

A request is sent once. Whether to send it again is the caller's decision, because only the caller knows
whether a second one could sell a parcel twice.
"""

import asyncio
import json as jsonlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

PHILIPPINE_TIME = timezone(timedelta(hours=8), "PHT")
TOKEN_PATH = "/accounts/oauth2/token"  # noqa: S105 - a path, not a secret

# A token is renewed when this much of its life is left, or a tenth of it where the life is short.
_RENEW_BEFORE_EXPIRY_S = 60.0
# Servers keep an idle connection for longer than this, so a request seldom meets one that is being closed.
_KEEPALIVE_S = 10.0

_AMOUNT = re.compile(r"([0-9]{1,10})\.([0-9]{2})")

Clock = Callable[[], datetime]
"""Says what time it is, aware of its zone."""


def system_clock() -> datetime:
    """The machine's own clock, in UTC."""
    return datetime.now(UTC)


class NoAnswer(Exception):
    """Nothing readable came back (time-out, reset, cut body): the request may have been carried out."""


@dataclass(frozen=True)
class Answer:
    """What a server answered; `body` is None where the answer is not a JSON object."""

    status: int
    headers: Mapping[str, str]
    raw: bytes
    body: dict[str, Any] | None

    @property
    def code(self) -> str | None:
        """The stable `code` of a problem document, if this is one."""
        code = self.body.get("code") if self.body is not None else None
        return code if isinstance(code, str) else None


@dataclass(frozen=True)
class Credentials:
    """One client of the `clients` object that `connect-gateway sandbox --json` prints."""

    client_id: str
    client_secret: str
    store_id: str | None = None
    pos: str | None = None
    merchant_code: str | None = None


def load_credentials(path: Path | str, role: str) -> Credentials:
    """The client of `role` (pos, kiosk, ecms, app, admin, merchant) in the credentials file at `path`.

    Raises ValueError, saying what is missing, where the file is not such an object, and OSError where it
    cannot be read.
    """
    try:
        clients = jsonlib.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as exc:
        raise ValueError(f"{path} is not JSON") from exc
    client = clients.get(role) if isinstance(clients, dict) else None
    if isinstance(client, dict):
        return credentials_of(client)
    raise ValueError(f"{path} has no client for the role {role!r}")


def credentials_of(client: Mapping[str, Any]) -> Credentials:
    """Reads one client of the `clients` object; ValueError where it has no id or no secret."""

    def text(name: str) -> str | None:
        value = client.get(name)
        return value if isinstance(value, str) and value else None

    client_id, client_secret = text("clientId"), text("clientSecret")
    if client_id is None or client_secret is None:
        raise ValueError("a client needs both clientId and clientSecret")
    return Credentials(client_id, client_secret, text("storeId"), text("pos"), text("merchantCode"))


def parse_amount(text: str) -> int:
    """Whole centavos of an amount as it is on the wire (`200.00`); ValueError for anything else."""
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise ValueError(f"not an amount: {text!r}")
    return int(match[1]) * 100 + int(match[2])


def format_amount(centavos: int) -> str:
    """The wire's spelling of an amount of at least 0 centavos."""
    if centavos < 0:
        raise ValueError("an amount is never negative")
    return f"{centavos // 100}.{centavos % 100:02d}"


@dataclass(frozen=True)
class _Token:
    access: str
    refresh: str | None
    renew_at_s: float


class WireClient:
    """An OAuth2 client of one server; safe to use from many tasks at once.

    It never repeats or redirects a request by itself, with one exception: a 401 says that nothing was done,
    so the request is sent once more with a new token. Where no token is to be had, the token endpoint's own
    answer is handed back, and the request has not been sent.
    """

    def __init__(self, base_url: str, client_id: str, client_secret: str, *, timeout_s: float = 5.0) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ValueError(f"not an HTTP address: {base_url!r}")
        self._base_url = base_url.rstrip("/")
        self._client_id = client_id
        self._client_secret = client_secret
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None
        self._token: _Token | None = None
        self._renewing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections; the client can be used again afterwards."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def request(
        self, method: str, path: str, *, json: Any | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Sends one request and reads its whole answer, whatever its status; NoAnswer where none came."""
        token = await self._valid_token()
        if isinstance(token, Answer):
            return token
        answer = await self._authorized(method, path, token, json, headers)
        if answer.status != 401:
            return answer
        token = await self._new_token(instead_of=token)
        if isinstance(token, Answer):
            return token
        return await self._authorized(method, path, token, json, headers)

    async def _authorized(
        self, method: str, path: str, token: _Token, json: Any | None, headers: Mapping[str, str] | None
    ) -> Answer:
        return await self._send(
            method, path, json=json, headers={**(headers or {}), "Authorization": f"Bearer {token.access}"}
        )

    async def _valid_token(self) -> _Token | Answer:
        token = self._token
        if token is not None and _now_s() < token.renew_at_s:
            return token
        async with self._renewing:
            # Whoever waited here finds that the one before it has renewed the token already.
            token = self._token
            if token is not None and _now_s() < token.renew_at_s:
                return token
            if token is not None and token.refresh is not None:
                # A refresh token is used once: after a lost answer a second use could revoke the family.
                self._token = None
                renewed = await self._grant({"grant_type": "refresh_token", "refresh_token": token.refresh})
                if isinstance(renewed, _Token):
                    return renewed
            return await self._grant({"grant_type": "client_credentials"})

    async def _new_token(self, instead_of: _Token) -> _Token | Answer:
        async with self._renewing:
            if self._token is not None and self._token is not instead_of:
                return self._token
            return await self._grant({"grant_type": "client_credentials"})

    async def _grant(self, form: dict[str, str]) -> _Token | Answer:
        # The form body keeps the secret out of addresses, which servers and proxies write into their logs.
        form = {
            **form,
            "client_id": self._client_id,
            "client_secret": self._client_secret,
            "response_type": "token",
        }
        asked_at_s = _now_s()
        answer = await self._send("POST", TOKEN_PATH, form=form)
        if answer.status != 200:
            return answer
        self._token = _read_token(answer, asked_at_s)
        return self._token

    async def _send(
        self,
        method: str,
        path: str,
        *,
        json: Any | None = None,
        form: dict[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_S),
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                middlewares=(_send_once,),
            )
        try:
            async with self._session.request(
                method, self._base_url + path, json=json, data=form, headers=headers, allow_redirects=False
            ) as response:
                raw = await response.read()
                return Answer(response.status, response.headers.copy(), raw, _json_object(raw))
        except TimeoutError as exc:
            raise NoAnswer(f"{method} {path}: no answer in {self._timeout.total} s") from exc
        except aiohttp.ClientError as exc:
            raise NoAnswer(f"{method} {path}: {type(exc).__name__}") from exc


async def _send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keeps aiohttp from sending again by itself.

    It repeats GET, PUT and DELETE whenever the connection breaks, a new one too, and has no public switch for
    it; but it repeats after its own kinds of error alone, so here they are turned into ours.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as exc:
        raise NoAnswer(f"{request.method} {request.url.path}: {type(exc).__name__}") from exc


def _json_object(raw: bytes) -> dict[str, Any] | None:
    try:
        value = jsonlib.loads(raw)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _read_token(answer: Answer, asked_at_s: float) -> _Token:
    body = answer.body or {}
    access, refresh = body.get("access_token"), body.get("refresh_token")
    expires_in_s = body.get("expires_in")
    if not isinstance(access, str) or not isinstance(expires_in_s, int):
        raise NoAnswer("the token endpoint's answer cannot be read")
    early_s = min(_RENEW_BEFORE_EXPIRY_S, expires_in_s / 10)
    return _Token(access, refresh if isinstance(refresh, str) else None, asked_at_s + expires_in_s - early_s)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
