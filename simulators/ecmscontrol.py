"""The control port of the ECMS simulator, as its users see it."""

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp

_POLL_S = 0.1


class ControlFailed(Exception):
    """The control port did not do what it was asked; the message is its answer."""


class EcmsControl:
    """Moves parcels, makes ECMS fail, and reads what ECMS was told. No token; loopback alone."""

    def __init__(self, url: str) -> None:
        self._session = aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(total=30))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def advance(self, tracking_number: str, to: str) -> None:
        """Takes a parcel through every step up to the status `to`; returns once the gateway has been told."""
        await self._call("POST", "/advance", {"trackingNumber": tracking_number, "to": to})

    async def fail(self, mode: str) -> None:
        """Makes ECMS fail at what the gateway asks of it (`down`, `timeout`, …), or not (`none`)."""
        await self._call("PUT", "/faults", {"mode": mode, "probability": 1.0})

    async def parcel(self, tracking_number: str) -> dict[str, Any]:
        """What ECMS holds of a parcel: its status, its codes, its events."""
        return await self._call("GET", f"/parcels/{tracking_number}", None)

    async def history(self, tracking_number: str) -> list[dict[str, Any]]:
        """Every event of a parcel, the oldest first."""
        parcel = await self._call("GET", f"/parcels/{tracking_number}", None)
        events: list[dict[str, Any]] = parcel["events"]
        return events

    async def wait_for(
        self, tracking_number: str, agrees: Callable[[list[dict[str, Any]]], bool], *, within_s: float
    ) -> bool:
        """Whether the parcel's history comes to agree in time."""
        try:
            async with asyncio.timeout(within_s):
                # The control port has nothing to wait on, so this looks again and again.
                while not agrees(await self.history(tracking_number)):
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            return False
        return True

    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        try:
            async with self._session.request(method, path, json=body) as response:
                text = await response.text()
                if response.status >= 300:
                    raise ControlFailed(f"{method} {path}: {response.status} {text}")
                return await response.json() if text else {}
        except aiohttp.ClientError as exc:
            raise ControlFailed(f"{method} {path}: {type(exc).__name__}") from exc
