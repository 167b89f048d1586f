"""What every edge needs, made once for each process."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from connect_gateway.clock import Clock
from connect_gateway.domain.manifests import Limits
from connect_gateway.ecms.client import EcmsClient
from connect_gateway.edges.problems import Problem
from connect_gateway.keys import Keys
from connect_gateway.ledger.clients import Client, TokenChecks
from connect_gateway.ledger.counter import Counter
from connect_gateway.ledger.database import Pool
from connect_gateway.ledger.lookups import Lookups
from connect_gateway.metrics import Metrics

_CLIENT = web.RequestKey("client", Client)


@dataclass(slots=True)
class Gateway:
    """The parts of one gateway process."""

    clock: Clock
    pool: Pool
    keys: Keys
    counter: Counter
    lookups: Lookups
    tokens: TokenChecks
    ecms: EcmsClient
    wake_relay: Callable[[], None]
    """To be called once something was committed that ECMS is to hear."""

    metrics: Metrics
    sandbox: bool
    stand_in: Limits
    leaving: bool = False
    """The process is about to stop, and another one takes the port's connections: each answer here is its
    connection's last."""

    def now(self) -> datetime:
        return self.clock.now()

    async def authorize(self, request: web.Request, *roles: str) -> Client:
        """The client whose bearer token the request carries; a problem where it has none of these roles."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or not token.isascii() or len(token) > 200:
            raise Problem("unauthorized", "a bearer token is needed", headers=(("WWW-Authenticate", "Bearer"),))
        client = await self.tokens.client_of(token, self.now(), time.monotonic())
        if client is None:
            raise Problem(
                "unauthorized",
                "the token is unknown, expired or revoked",
                headers=(("WWW-Authenticate", 'Bearer error="invalid_token"'),),
            )
        if client.role not in roles:
            raise Problem("wrong-role", "the client's role has no part in this edge")
        request[_CLIENT] = client
        return client


def client_id_of(request: web.Request) -> str | None:
    """Whose request it is, for the log."""
    client = request.get(_CLIENT)
    return None if client is None else client.client_id
