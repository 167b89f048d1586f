"""What a database holds when a measurement begins, and the order in which all sides use it up.

Parcels are those of `connect-gateway load-demo`, so that each follows from its number. Parcel k of the order is taken
by the k-th request of a run, whoever sends it: a jump that is coprime to their count visits each once, spread over
all stores, terminals and pages.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from math import gcd
from pathlib import Path

from connect_gateway import load_demo
from connect_gateway.clock import SystemClock
from connect_gateway.load_demo import STORES

_GOLDEN = 0.6180339887


@dataclass(frozen=True)
class Stock:
    """A template database: its first `transactions` references are collected, the others are open."""

    database: str
    references: int
    transactions: int
    tokens: tuple[str, ...]
    """A till's token for each store."""
    business_date: date

    @property
    def open(self) -> int:
        return self.references - self.transactions

    @property
    def stride(self) -> int:
        """How far apart consecutive parcels of the order are."""
        stride = max(int(self.open * _GOLDEN), 1)
        while gcd(stride, self.open) != 1 or gcd(stride, STORES) != 1:
            stride += 1
        return stride

    def parcel(self, k: int) -> int:
        """The number of the k-th parcel of the order."""
        return self.transactions + k * self.stride % self.open

    def token_of(self, n: int) -> str:
        """The token of a till of the store where parcel `n` waits."""
        return self.tokens[n % STORES]


@dataclass
class Database:
    """A copy of a template, used up from the front."""

    name: str
    url: str
    stock: Stock
    used: int = field(default=0)
    collected: int = field(default=0)
    """How many collections were answered, to be held against what the ledger has in the end."""


@dataclass(frozen=True)
class Records:
    """A file of requests as they go over the wire, all of one length, one behind the other."""

    path: Path
    record_bytes: int
    count: int


def tokens() -> tuple[str, ...]:
    """Fresh tokens, one for each store."""
    return tuple(secrets.token_urlsafe(32) for _ in range(STORES))


def collect_request(stock: Stock, k: int) -> bytes:
    """The k-th parcel is paid and collected, under an id of its own."""
    n = stock.parcel(k)
    body = json.dumps(
        {
            "type": "COLLECT",
            "reference": load_demo.reference_number(n),
            "pos": str(load_demo.pos_of(n)),
            "shift": "1",
            "businessDate": stock.business_date.isoformat(),
            "clerk": "ana",
            "trackingNumber": load_demo.tracking_number(n),
            "tender": "CASH",
            "amountTendered": f"{load_demo.TENDERED // 100}.00",
        }
    ).encode()
    head = (
        f"PUT /pos/v1/transactions/{load_demo.transaction_id_at(SystemClock().now())} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {stock.token_of(n)}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def lookup_request(stock: Stock, k: int) -> bytes:
    """The k-th parcel is scanned."""
    n = stock.parcel(k)
    return (
        f"GET /pos/v1/references/{load_demo.reference_number(n)} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {stock.token_of(n)}\r\n\r\n"
    ).encode()


def visit_request(stock: Stock, k: int) -> list[bytes]:
    """What a till sends for a parcel: the scan, then the collection."""
    return [lookup_request(stock, k), collect_request(stock, k)]


def write_records(path: Path, stock: Stock, count: int, request: Callable[[Stock, int], bytes]) -> Records:
    """Writes the requests of the first `count` parcels of the order."""
    length = len(request(stock, 0))
    with path.open("wb") as file:
        for k in range(count):
            record = request(stock, k)
            assert len(record) == length, "every field of a request has one width"
            file.write(record)
    return Records(path, length, count)
