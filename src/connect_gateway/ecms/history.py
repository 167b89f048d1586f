"""ECMS's own history of a parcel, for a reconciliation: asked over HTTP, or read from a file that ECMS has written.

Either way a parcel is an object with `trackingNumber` and `events`, and an event has `eventId`, `applied`, `source`
and, where money was paid, `payment` with its `amount`. The contract with ECMS names no such endpoint; the ECMS
simulator serves it on its control port, at `/parcels/{trackingNumber}`, and a file has one such object in each line.
"""

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import aiohttp

from connect_gateway.domain.money import parse_amount
from connect_gateway.domain.reconciliation import AtEcms
from connect_gateway.ecms.client import EcmsAway

_TIMEOUT = aiohttp.ClientTimeout(total=5)
_BY_GATEWAY = frozenset({"counter", "kiosk"})


class History(Protocol):
    """Where ECMS's side comes from. `inquired`: ECMS itself answers, now."""

    inquired: bool

    async def of(self, tracking_number: str) -> list[AtEcms] | None:
        """What ECMS has of a parcel; None where it knows no such parcel. EcmsAway where it cannot be asked."""
        ...


class Inquiry:
    """Asks ECMS about one parcel after another."""

    inquired = True

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def of(self, tracking_number: str) -> list[AtEcms] | None:
        assert self._session is not None, "an inquiry is used inside `async with`"
        try:
            async with self._session.get(f"{self._url}/parcels/{tracking_number}", allow_redirects=False) as response:
                if response.status == 404:
                    return None
                if response.status != 200:
                    raise EcmsAway(f"status {response.status}")
                return read_parcel(await response.json(content_type=None))[1]
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise EcmsAway(str(error) or type(error).__name__) from error


class HistoryFile:
    """Reads a file of JSON lines; where each parcel stands is noted once, so that the file may be long."""

    inquired = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[str, int] = {}
        with path.open("rb") as file:
            place = 0
            for line in file:
                if line.strip():
                    self._places[read_parcel(json.loads(line))[0]] = place
                place += len(line)

    async def of(self, tracking_number: str) -> list[AtEcms] | None:
        place = self._places.get(tracking_number)
        if place is None:
            return None
        with self._path.open("rb") as file:
            file.seek(place)
            return read_parcel(json.loads(file.readline()))[1]


def read_parcel(parcel: Any) -> tuple[str, list[AtEcms]]:
    """A parcel's tracking number and history; ValueError where it is not one."""
    try:
        return str(parcel["trackingNumber"]), [_delivery(event) for event in parcel["events"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a parcel's history: {error!r}") from error


def _delivery(event: dict[str, Any]) -> AtEcms:
    payment = event.get("payment")
    amount = None if payment is None else parse_amount(payment["amount"])
    return AtEcms(str(event["eventId"]), bool(event["applied"]), event["source"] in _BY_GATEWAY, amount)
