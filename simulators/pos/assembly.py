"""A till put together from its configuration: connection, breaker, manifest, journal and forwarder."""

from collections.abc import Callable
from dataclasses import dataclass

from ..journal import Journal
from ..wire import Clock, WireClient, system_clock
from .config import TerminalConfig
from .forwarding import Forwarder
from .link import Link
from .manifest import ManifestStore
from .standin import StandIn
from .till import Till, TillSettings
from .wirelog import Exchange, LoggedClient, WireLog


@dataclass(frozen=True)
class Parts:
    """What one terminal is made of."""

    till: Till
    client: WireClient
    link: Link
    stand_in: StandIn
    forwarder: Forwarder
    wire: WireLog

    async def close(self) -> None:
        """Closes the connections and the journal."""
        await self.till.close()


def assemble(
    config: TerminalConfig,
    settings: TillSettings,
    *,
    clock: Clock = system_clock,
    wait: bool = False,
    watch: Callable[[Exchange], None] = lambda _: None,
    turned: Callable[[], None] = lambda: None,
    conflict: Callable[[], None] = lambda: None,
) -> Parts:
    """The parts of `config`'s terminal, its journal open (where another process has it: `wait`, or JournalInUse).

    `watch` is called with every exchange, `turned` when the gateway goes away or comes back, `conflict` when it
    disputes a stand-in sale.
    """
    link = Link(clock, changed=turned)

    def answered(exchange: Exchange) -> None:
        link.watch(exchange)
        watch(exchange)

    wire = WireLog(clock, answered)
    client = LoggedClient(
        config.gateway,
        config.client.client_id,
        config.client.client_secret,
        log=wire,
        timeout_s=config.patience.timeout_s,
    )
    journal = Journal(config.data_dir, wait=wait)
    try:
        manifests = ManifestStore(config.data_dir, config.store_id, config.manifest_keys)
        stand_in = StandIn(manifests, link, config.store_id, clock)
        till = Till(client, journal, settings, clock, stand_in if config.stand_in and config.store_id else None)
    except BaseException:
        journal.close()
        raise
    return Parts(till, client, link, stand_in, Forwarder(client, till.book, conflict), wire)
