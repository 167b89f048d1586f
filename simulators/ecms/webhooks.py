"""Tells merchants every status of their parcels: `POST` to the merchant's URL, in order for each parcel.

The parcel's history is the outbox: what counts in it and has not been answered 200 is still to be told, so there
is nothing that a crash could lose. A merchant that fails holds up its own parcels alone, and a parcel that fails no
other one. Nothing is given up.
"""

import asyncio
import json
import sqlite3
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import aiohttp

from ..wire import Clock, system_clock
from .clock import SimulatedClock, write_time
from .config import Config, MerchantClient
from .database import Database
from .feed import Feed, newest_change
from .messages import Refusal, WebhookRequest
from .retrying import Retrying
from .signing import new_secret, signed_headers

LONGEST_PAUSE_S = 60.0
_AT_ONCE_FOR_A_MERCHANT = 8
# A merchant that is away for days is no news any more, and the list of changes should not grow by it.
_ATTEMPTS_SHOWN_LIVE = 10

# What counts in a parcel's history and came after the merchant had named its URL.
_UNTOLD = """
    FROM event JOIN parcel USING (tracking_number) JOIN webhook_target USING (merchant_code)
    LEFT JOIN webhook USING (seq)
    WHERE event.applied = 1 AND event.seq > webhook_target.since AND webhook.told_at IS NULL
"""


class MerchantAway(Exception):
    """The merchant has not answered 200; the message says what it did instead."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One status for one merchant. `delivery_id` is the same at every attempt."""

    seq: int
    merchant_code: str
    url: str
    secret: str
    delivery_id: str
    body: bytes


class Webhooks:
    """One task for each parcel of which its merchant has something to hear."""

    def __init__(self, database: Database, clock: SimulatedClock, timeout_s: float, now: Clock = system_clock) -> None:
        """`clock` dates what the records show. The signature's time is the machine's own, `now`: a merchant
        compares it with its own clock, which nobody has moved.
        """
        self._database = database
        self._clock = clock
        self._now = now
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None
        self._following: asyncio.Task[None] | None = None
        self._places: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_AT_ONCE_FOR_A_MERCHANT))
        self._work = Retrying("the merchant has not been told yet", (MerchantAway,), longest_pause_s=LONGEST_PAUSE_S)

    async def start(self, feed: Feed) -> None:
        """Goes on with what is untold, and then follows what happens, until `stop`."""
        seq = await self._database.run(newest_change)
        await self.resume()
        self._following = asyncio.create_task(self._follow(feed, seq))

    async def _follow(self, feed: Feed, seq: int) -> None:
        async for change in feed.subscribe(seq):
            if change.kind == "EVENT":
                self.tell(change.tracking_number)

    async def resume(self) -> None:
        """Tries at once everything that is untold."""
        for tracking_number in await self._database.run(parcels_to_tell_of):
            self.tell(tracking_number)

    def tell(self, tracking_number: str) -> None:
        """Says that there may be something new in a parcel's history; ends the pause after a failure."""
        self._work.start(tracking_number, partial(self._tell_next, tracking_number))

    async def told(self, tracking_number: str, timeout_s: float) -> bool:
        """Waits until the merchant has heard all there is; False if it has not within `timeout_s`."""
        return await self._work.wait(tracking_number, timeout_s)

    async def stop(self) -> None:
        """Ends all attempts; what is untold stays untold."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await self._work.stop()
        if self._session is not None:
            await self._session.close()

    async def _tell_next(self, tracking_number: str) -> bool:
        delivery = await self._database.run(lambda connection: next_delivery(connection, tracking_number))
        if delivery is None:
            return False
        async with self._places[delivery.merchant_code]:
            outcome = await self._post(delivery)
        at = int(self._clock.now().timestamp())
        await self._database.run(lambda connection: note_attempt(connection, delivery.seq, outcome, at))
        if outcome != "200":
            raise MerchantAway(outcome)
        return True

    async def _post(self, delivery: Delivery) -> str:
        """What came of it: the status, or why there is none."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        timestamp_s = int(self._now().timestamp())
        headers = signed_headers(delivery.secret, delivery.delivery_id, timestamp_s, delivery.body)
        headers["Content-Type"] = "application/json"
        try:
            async with self._session.post(
                delivery.url, data=delivery.body, headers=headers, allow_redirects=False
            ) as answer:
                return str(answer.status)
        except TimeoutError:
            return f"no answer within {self._timeout.total:g} s"
        except aiohttp.ClientConnectorError:
            return "nobody there"
        except (aiohttp.ClientError, ValueError):
            return "broken off"


def parcels_to_tell_of(connection: sqlite3.Connection) -> list[str]:
    """The tracking numbers of which merchants have something to hear."""
    rows = connection.execute(f"SELECT DISTINCT tracking_number {_UNTOLD}")
    return [row["tracking_number"] for row in rows]


def next_delivery(connection: sqlite3.Connection, tracking_number: str) -> Delivery | None:
    """The oldest status of a parcel that its merchant has not heard."""
    row = connection.execute(
        "SELECT seq, merchant_code, url, secret, event_id, tracking_number, merchant_reference, event.status,"
        f" event.location, event.timestamp, reason {_UNTOLD} AND tracking_number = ? ORDER BY seq LIMIT 1",
        (tracking_number,),
    ).fetchone()
    if row is None:
        return None
    told = {
        "trackingNumber": row["tracking_number"],
        "merchantReference": row["merchant_reference"],
        "status": row["status"],
        "location": row["location"] or "",
        "timestamp": row["timestamp"],
    }
    if row["reason"]:
        told["reason"] = row["reason"]
    body = json.dumps(told, ensure_ascii=False).encode()
    return Delivery(row["seq"], row["merchant_code"], row["url"], row["secret"], row["event_id"], body)


def note_attempt(connection: sqlite3.Connection, seq: int, outcome: str, at: int) -> None:
    """Counts an attempt; the outcome 200 ends them."""
    connection.execute(
        "INSERT INTO webhook (seq, attempts, outcome, tried_at, told_at) VALUES (?, 1, ?, ?, ?) ON CONFLICT (seq)"
        " DO UPDATE SET attempts = attempts + 1, outcome = excluded.outcome, tried_at = excluded.tried_at,"
        " told_at = excluded.told_at",
        (seq, outcome, at, at if outcome == "200" else None),
    )
    connection.execute(
        "INSERT INTO change (tracking_number, kind) SELECT tracking_number, 'MERCHANT' FROM event"
        " JOIN webhook USING (seq) WHERE seq = ? AND (told_at IS NOT NULL OR attempts <= ?)",
        (seq, _ATTEMPTS_SHOWN_LIVE),
    )


def take_targets_of(connection: sqlite3.Connection, config: Config) -> None:
    """Writes down the webhooks of the configuration, for merchants that have named none themselves."""
    for client in config.clients:
        if isinstance(client, MerchantClient) and client.webhook is not None:
            _add_target(connection, client.merchant_code, client.webhook.url, client.webhook.secret.get_secret_value())


def set_target(connection: sqlite3.Connection, merchant_code: str, asked: WebhookRequest) -> dict[str, Any]:
    """Sets where a merchant is told, from its next status on, and answers with the secret.

    A merchant that had one already is told there what it has not heard. Without a secret it keeps the one it has,
    or gets a new one.
    """
    row = connection.execute("SELECT secret FROM webhook_target WHERE merchant_code = ?", (merchant_code,)).fetchone()
    secret = asked.secret or (row["secret"] if row else new_secret())
    _add_target(connection, merchant_code, asked.url, secret)
    connection.execute(
        "UPDATE webhook_target SET url = ?, secret = ? WHERE merchant_code = ?", (asked.url, secret, merchant_code)
    )
    return {"merchantCode": merchant_code, "url": asked.url, "secret": secret}


def remove_target(connection: sqlite3.Connection, merchant_code: str) -> None:
    """The merchant is told nothing any more; `Refusal` 404 where it was not."""
    if not connection.execute("DELETE FROM webhook_target WHERE merchant_code = ?", (merchant_code,)).rowcount:
        raise Refusal(404, "merchantCode: this merchant has no webhook.")


def list_targets(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """Who is told where, and how many statuses wait; no secrets."""
    waiting: dict[str, int] = dict(
        connection.execute(f"SELECT merchant_code, count(*) {_UNTOLD} GROUP BY merchant_code").fetchall()
    )
    rows = connection.execute("SELECT merchant_code, url FROM webhook_target ORDER BY merchant_code")
    return [
        {"merchantCode": row["merchant_code"], "url": row["url"], "waiting": waiting.get(row["merchant_code"], 0)}
        for row in rows
    ]


def deliveries_of(connection: sqlite3.Connection, tracking_number: str) -> dict[str, dict[str, Any]]:
    """How each status of a parcel was told, by its event's id: `attempts`, `outcome`, `triedAt`, `toldAt`.

    Statuses that nobody waits for are not in it.
    """
    rows = connection.execute(
        "SELECT event_id, attempts, outcome, tried_at, told_at FROM event"
        " JOIN parcel USING (tracking_number) LEFT JOIN webhook USING (seq) LEFT JOIN webhook_target"
        " USING (merchant_code) WHERE tracking_number = ? AND event.applied = 1"
        " AND (webhook.seq IS NOT NULL OR event.seq > webhook_target.since)",
        (tracking_number,),
    )
    return {
        row["event_id"]: {
            "attempts": row["attempts"] or 0,
            "outcome": row["outcome"],
            "triedAt": _written(row["tried_at"]),
            "toldAt": _written(row["told_at"]),
        }
        for row in rows
    }


def _written(at: int | None) -> str | None:
    return None if at is None else write_time(datetime.fromtimestamp(at, UTC))


def _add_target(connection: sqlite3.Connection, merchant_code: str, url: str, secret: str) -> None:
    connection.execute(
        "INSERT INTO webhook_target (merchant_code, url, secret, since)"
        " SELECT ?, ?, ?, coalesce(max(seq), 0) FROM event WHERE true ON CONFLICT DO NOTHING",
        (merchant_code, url, secret),
    )
