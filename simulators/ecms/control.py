"""A client of the control port, which needs no token."""

import json
from types import TracebackType
from typing import Any, Self

import aiohttp

from ..wire import Answer, NoAnswer

# The simulator itself waits up to 10 s for the gateway before it answers.
_TIMEOUT_S = 15.0


class Control:
    """Drives a running simulator; each request is sent once."""

    def __init__(self, base_url: str) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ValueError(f"not an HTTP address: {base_url!r}")
        self._base_url = base_url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        """The answer, whatever its status; `NoAnswer` where none came."""
        if self._session is None:
            raise RuntimeError("used outside of its `async with` block")
        try:
            async with self._session.request(method, self._base_url + path, json=body) as response:
                raw = await response.read()
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise NoAnswer(f"{method} {path}: {type(exc).__name__}") from exc
        return Answer(response.status, response.headers.copy(), raw, _object(raw))


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(raw)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
