"""HTTP for the certification's own requests and for those that it passes on: each is sent once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
from yarl import URL

TOKEN_PATH = "/accounts/oauth2/token"  # noqa: S105 - a path, not a secret
ANSWER_WITHIN_S = 20.0


class NoAnswer(Exception):
    """Nothing readable came back."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered; `body` is None where it is no JSON object."""

    status: int
    headers: Mapping[str, str]
    raw: bytes
    body: dict[str, Any] | None


class Wire:
    """Connections to one server; `path` may have a query."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # A connection that was used before may belong to a gateway that has been killed since.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN_S),
            skip_auto_headers=("Content-Type", "User-Agent", "Accept-Encoding"),
            auto_decompress=False,
            middlewares=(_send_once,),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, method: str, path: str, headers: Mapping[str, str], data: bytes | None) -> Answer:
        """The answer, whatever its status; NoAnswer where none came."""
        assert self._session is not None, "used outside of its `async with` block"
        url = URL(self._base_url + path, encoded=True)
        try:
            async with self._session.request(
                method, url, data=data, headers=headers, allow_redirects=False
            ) as response:
                raw = await response.read()
                return Answer(response.status, response.headers.copy(), raw, json_object(raw))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NoAnswer(f"{method} {path}: {type(error).__name__}") from error


class Partner:
    """A client application of a server, with a token that lasts for as long as a certification does."""

    def __init__(self, wire: Wire, client: Mapping[str, str]) -> None:
        self._wire = wire
        self._client = client
        self._token: str | None = None

    async def call(self, method: str, path: str, body: Any = None) -> Answer:
        """Sends one request with a token; NoAnswer where no answer, or no token, came."""
        if self._token is None:
            self._token = await self._ask_for_token()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        return await self._wire.send(method, path, headers, data)

    async def _ask_for_token(self) -> str:
        client_id, secret = self._client["clientId"], self._client["clientSecret"]
        form = f"grant_type=client_credentials&client_id={client_id}&client_secret={secret}".encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await self._wire.send("POST", TOKEN_PATH, headers, form)
        token = (answer.body or {}).get("access_token")
        if answer.status != 200 or not isinstance(token, str):
            raise NoAnswer(f"{client_id} gets no token: status {answer.status}")
        return token


def json_object(raw: bytes) -> dict[str, Any] | None:
    """The JSON object that these bytes are, if they are one."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


async def _send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keeps aiohttp from sending GET and PUT a second time by itself where the connection breaks.

    It repeats after its own kinds of error alone, so here they are turned into ours.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise NoAnswer(f"{request.method} {request.url.path}: {type(error).__name__}") from error
