"""The sandbox's time, kept over a restart. Nothing of this exists outside the sandbox."""

from datetime import timedelta

from connect_gateway.ledger.database import STATEMENT_TIMEOUT_S, Pool, connection_of

_KEEP = """
INSERT INTO sandbox_clock (sandbox_clock, ahead) VALUES (1, $1)
ON CONFLICT (sandbox_clock) DO UPDATE SET ahead = excluded.ahead
"""


async def keep(pool: Pool, ahead: timedelta) -> None:
    """Remembers how far the sandbox's clock is ahead of the machine's."""
    async with connection_of(pool) as connection:
        await connection.execute(_KEEP, ahead, timeout=STATEMENT_TIMEOUT_S)


_KEPT = "SELECT ahead FROM sandbox_clock"


async def kept(pool: Pool) -> timedelta:
    """What was remembered; nothing, where the clock was never set."""
    async with connection_of(pool) as connection:
        ahead: timedelta | None = await connection.fetchval(
            "SELECT ahead FROM sandbox_clock", timeout=STATEMENT_TIMEOUT_S
        )
    return ahead or timedelta(0)
