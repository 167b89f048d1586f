"""Connections, time-outs, and a COMMIT whose answer is believed only when it was seen."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from connect_gateway.crashpoints import reach
from connect_gateway.ledger import hosts

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool

Row = asyncpg.Record
Result = TypeVar("Result")

ACQUIRE_TIMEOUT_S = 1.0
STATEMENT_TIMEOUT_S = 1.5
COMMIT_TIMEOUT_S = 1.5
_LOCK_TIMEOUT_MS = 1_000
LINGER_S = 0.05
"""For so long a transaction that a COMMIT has begun waits for its first statement."""

_SERVER_SETTINGS = {
    "application_name": "connect-gateway",
    "timezone": "UTC",
    "jit": "off",
    # Every statement of the counter goes by a key. The planner may not think a table small enough to be read whole:
    # where it was loaded or has grown a moment ago, nobody has counted its rows yet.
    "enable_seqscan": "off",
    # Nor may it join by reading a whole index, in its order or into a hash: what is joined here is a handful of keys
    # with the rows that they name, one after another.
    "enable_mergejoin": "off",
    "enable_hashjoin": "off",
    # Then there is one way to run each statement, whatever its values, and to work it out takes as long as to go it.
    "plan_cache_mode": "force_generic_plan",
    "lock_timeout": str(_LOCK_TIMEOUT_MS),
    "idle_in_transaction_session_timeout": "10000",
    "synchronous_commit": "on",
}

# Classes of SQLSTATE that say "the database is not there for you now": connection, resources, intervention; and the one
# state that says that this server has become, or still is, a standby.
_AWAY_CLASSES = ("08", "53", "57", "25006")


class Unavailable(Exception):
    """The database could not be asked, and nothing that was asked for has happened."""


class FateUnknown(Exception):
    """A COMMIT was sent and its answer was not seen: it may or may not have happened."""


class RolledBack(Exception):
    """The database answered COMMIT with ROLLBACK: nothing of the transaction has happened."""


async def open_pool(database_url: str, size: int) -> Pool:
    """A pool whose connections have the ledger's time-outs; Unavailable where the database does not answer."""
    try:
        return await asyncpg.create_pool(  # type: ignore[call-overload, no-any-return]  # its protocol names every option
            database_url,
            connect=hosts.connect,
            min_size=1,
            max_size=size,
            timeout=ACQUIRE_TIMEOUT_S,
            server_settings=_SERVER_SETTINGS,
            max_inactive_connection_lifetime=300,
            reset=_leave_as_it_is,
        )
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Unavailable(f"the database does not answer: {type(error).__name__}") from error


async def _leave_as_it_is(_connection: Connection) -> None:
    """Nothing here changes a session, so that giving a connection back asks nothing of a server that may have died."""


def is_away(error: BaseException) -> bool:
    """Whether an error says that the database is away, rather than that it minds what it was asked."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(_AWAY_CLASSES)
    return isinstance(error, OSError | TimeoutError | asyncpg.InterfaceError | asyncpg.InternalClientError)


def is_busy(error: BaseException) -> bool:
    """Whether other transactions stood in the way for too long: nothing happened, and the same may succeed later."""
    return isinstance(error, asyncpg.LockNotAvailableError | asyncpg.DeadlockDetectedError | asyncpg.SerializationError)


class Chain:
    """The transactions of one who runs them one after another, on one connection as long as each comes soon.

    The COMMIT of each begins the next one as well, which spares that one a trip. What was begun waits for it no longer
    than LINGER_S; it has read and locked nothing, so it is in nobody's way.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._begun: Connection | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    @property
    def has_begun(self) -> bool:
        """Whether the next transaction has begun already."""
        return self._begun is not None

    def keep(self, connection: Connection) -> None:
        """The next transaction has begun on this connection."""
        self._begun = connection
        self._timer = asyncio.get_running_loop().call_later(LINGER_S, self._let_go)

    def keeps(self, connection: Connection) -> bool:
        """Whether it is on this connection that the next transaction has begun."""
        return self._begun is connection

    def take(self) -> Connection | None:
        """The connection on which a transaction has begun, if there is one; it is the caller's now."""
        begun, self._begun = self._begun, None
        if self._timer is not None:
            self._timer.cancel()
        return begun

    def _let_go(self) -> None:
        self._ending = asyncio.get_running_loop().create_task(self.end())

    async def end(self) -> None:
        """Gives the connection back, if nothing has come for what was begun on it."""
        if self.has_begun:
            # A connection that was lost meanwhile has nothing left to end.
            with contextlib.suppress(Unavailable, asyncpg.PostgresError):
                async with connection_of(self._pool, self) as connection:
                    await connection.execute("ROLLBACK", timeout=STATEMENT_TIMEOUT_S)


@asynccontextmanager
async def connection_of(pool: Pool, chain: Chain | None = None) -> AsyncIterator[Connection]:
    """A connection from the pool; one that met an error is thrown away instead of being used again.

    Errors of an absent database come out as Unavailable, others as they are. What `chain` has begun is gone on with.
    """
    try:
        connection = (chain and chain.take()) or await pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
    except Exception as error:
        if is_away(error):
            raise Unavailable(f"no connection: {type(error).__name__}") from error
        raise
    try:
        yield connection
    except BaseException as error:
        _drop(connection)
        if is_away(error):
            raise Unavailable(f"the database went away: {type(error).__name__}") from error
        raise
    finally:
        if chain is None or not chain.keeps(connection):
            await _give_back(pool, connection)


async def _give_back(pool: Pool, connection: Connection) -> None:
    """Lets the pool have the connection again. Should the server die or freeze just now, only the connection is lost:
    what was asked of it has been answered already.
    """
    try:
        await pool.release(connection, timeout=STATEMENT_TIMEOUT_S)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        _drop(connection)


def _drop(connection: Connection) -> None:
    """Closes a connection without a word, which sends no cancel request: a COMMIT under way goes on, and its fate is
    read back later. One that has been dropped before is the pool's no more and says so, which is no news.
    """
    with contextlib.suppress(asyncpg.InterfaceError):
        connection.terminate()


NOT_WAITED_FOR = "(SELECT set_config('synchronous_commit', 'off', true)) AS not_waited_for"
"""In a statement's FROM: its commit is not waited for on disk. For what may be forgotten in a power cut, because it is
done again then."""


async def in_transaction(
    pool: Pool,
    work: Callable[[Connection], Awaitable[Result]],
    name: str = "other",
    *,
    forgettable: bool = False,
    chain: Chain | None = None,
) -> Result:
    """Runs `work` in a transaction of its own and commits it; `name` is that of its crash points.

    Where it is `forgettable`, a power cut right after it may undo it, and COMMIT does not wait for the disk. Where it
    is one of a `chain`, the COMMIT before may have begun it, and its own begins the next one.

    Unavailable, RolledBack and errors of PostgreSQL mean that nothing happened; FateUnknown that nobody knows yet.
    """
    if chain is not None and chain.has_begun:
        try:
            return await _transact(pool, work, name, None, chain)
        except Unavailable as error:
            # The connection was lost behind the COMMIT before, as any may be that the pool keeps, and the pool has
            # others. A server that is silent is not asked twice.
            if isinstance(error.__cause__, TimeoutError):
                raise
    begin = "BEGIN; SET LOCAL synchronous_commit TO off" if forgettable else "BEGIN"
    return await _transact(pool, work, name, begin, chain)


async def _transact(
    pool: Pool, work: Callable[[Connection], Awaitable[Result]], name: str, begin: str | None, chain: Chain | None
) -> Result:
    async with connection_of(pool, chain) as connection:
        reach(name, "before-begin")
        if begin is not None:
            await connection.execute(begin, timeout=STATEMENT_TIMEOUT_S)
        try:
            result = await work(connection)
        except Exception as error:
            if is_away(error):
                raise
            # A conflict or a constraint is no fault of the connection: making a new one costs more than this.
            await connection.execute("ROLLBACK", timeout=STATEMENT_TIMEOUT_S)
            failure = error
        else:
            reach(name, "before-commit")
            await _commit(connection, chain)
            reach(name, "after-commit")
            return result
    raise failure


async def insert_rows(connection: Connection, table: str, columns: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Inserts rows, in one trip; the constraints hold as ever."""
    places = ", ".join(f"${number}" for number in range(1, columns.count(",") + 2))
    statement = f"INSERT INTO {table} ({columns}) VALUES ({places})"  # noqa: S608 - names of our own
    await connection.executemany(statement, rows, timeout=STATEMENT_TIMEOUT_S)


async def _commit(connection: Connection, chain: Chain | None = None) -> None:
    commit = asyncio.ensure_future(connection.execute("COMMIT" if chain is None else "COMMIT AND CHAIN"))
    try:
        done, _ = await asyncio.wait({commit}, timeout=COMMIT_TIMEOUT_S)
    except asyncio.CancelledError:
        _drop(connection)
        raise
    if not done:
        _drop(connection)
        await asyncio.wait({commit})
        raise FateUnknown("no answer to COMMIT in time") from commit.exception()
    error = commit.exception()
    if error is not None:
        if isinstance(error, asyncpg.PostgresError) and not is_away(error):
            raise error
        raise FateUnknown("the connection broke during COMMIT") from error
    if commit.result() != "COMMIT":
        raise RolledBack
    if chain is not None:
        chain.keep(connection)
