"""The parts of a running simulator, and what the handlers of all its endpoints share."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from aiohttp import web

from .clock import SimulatedClock
from .config import Client, Config, GatewayClient, MerchantClient
from .database import Database
from .faults import Faults
from .feed import Feed
from .flows import Flow
from .gateway import Gateway
from .jobs import JobRunner
from .messages import Refusal
from .notifier import Notifier
from .oauth import client_of_token
from .webhooks import Webhooks

BODY_LIMIT = 64 * 1024
BODY_TIMEOUT_S = 10.0

C = TypeVar("C", MerchantClient, GatewayClient)


@dataclass
class Simulator:
    """Everything that a handler needs; `url` is where the simulator itself is reached."""

    config: Config
    database: Database
    clock: SimulatedClock
    faults: Faults
    gateway: Gateway
    notifier: Notifier
    return_codes: bool
    url: str = ""
    feed: Feed = field(init=False)
    jobs: JobRunner = field(init=False)
    webhooks: Webhooks = field(init=False)
    clients: Mapping[str, Client] = field(init=False)

    def __post_init__(self) -> None:
        self.feed = Feed(self.database)
        self.jobs = JobRunner(self)
        self.webhooks = Webhooks(self.database, self.clock, self.config.webhook_timeout_s)
        self.clients = {client.client_id: client for client in self.config.clients}

    @property
    def return_flows(self) -> dict[str, Flow]:
        """How each merchant's returns get back to it."""
        merchants = [client for client in self.config.clients if isinstance(client, MerchantClient)]
        return {
            merchant.merchant_code: (Flow.RETURN_DELIVERED if merchant.flow == "DC_PICKUP" else Flow.RETURN_COLLECTED)
            for merchant in merchants
        }


SIMULATOR = web.AppKey("simulator", Simulator)


async def read_body(request: web.Request) -> bytes:
    """The request's body; `Refusal` where it is too large, too slow or compressed."""
    if "Content-Encoding" in request.headers:
        raise Refusal(415, "The body must not be compressed.")
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await request.read()
    except TimeoutError:
        raise Refusal(408, "The body did not arrive in time.") from None


async def client_of(request: web.Request, role: type[C]) -> C:
    """The client whose token the request bears; `Refusal` 401 without a valid one, 403 with one of another
    role.
    """
    simulator = request.app[SIMULATOR]
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refusal(401, "An access token is needed.")
    now = simulator.clock.now()
    client_id = await simulator.database.run(lambda connection: client_of_token(connection, token.strip(), now))
    client = simulator.clients.get(client_id) if client_id is not None else None
    if client is None:
        raise Refusal(401, "The access token is unknown or expired.")
    if not isinstance(client, role):
        raise Refusal(403, "This client may not use this endpoint.")
    return client
