"""A PostgreSQL primary and its synchronous standby, both embedded, and what to do when the primary dies.

What Patroni does on machines of their own is done here on one: the same rules in a few hundred lines, so that the
gateway's behaviour in a failover can be tried and tested anywhere.

- A COMMIT is answered only once the standby has it on its disk (`synchronous_commit=on`), so that whatever was
  answered is on both.
- `pair.json` says who is primary and whether the standby is in step. A standby is promoted only while it is: the
  note is taken back before the primary is let to answer alone, and made only once the standby is waited for.
- The old primary is killed before the new one is promoted, and from then on its directory starts as a standby alone.
  Should somebody start it as a primary all the same, it waits for a standby that never comes and answers no COMMIT.
- Nobody ever cancels a COMMIT that waits for the standby: a cancelled wait leaves the row here and not there.

The directory that is given holds the two servers, `a/` and `b/`, and `pair.json`.
"""

import asyncio
import json
import logging
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

import asyncpg

from connect_gateway.postgres import DATABASE, ROLE, EmbeddedPostgres
from connect_gateway.processes import StartError, end, ended, sync_directory, tail, write_private

_log = logging.getLogger(__name__)

# What a standby that was away needs in order to catch up; no slot, since the slot of a standby that never comes back
# would fill the primary's disk. It stands in the server's own file, where pg_rewind's recovery finds it too.
_WAL_KEPT = "512MB"

IN_STEP_WITHIN_S = 60.0
PROMOTED_WITHIN_S = 60
_LOOK_EVERY_S = 0.05
_SUPERUSER = "postgres"

_SETTINGS = {
    # A broken connection between the two is noticed by both within seconds.
    "wal_sender_timeout": "5s",
    "wal_receiver_timeout": "5s",
    "wal_retrieve_retry_interval": "200ms",
    # Lets pg_rewind bring an old primary back without copying everything.
    "wal_log_hints": "on",
}


class Node(EmbeddedPostgres):
    """One server of a pair."""

    def __init__(self, directory: Path, name: str) -> None:
        super().__init__(directory, keep_port=True, settings=_SETTINGS)
        self.name = name

    @property
    def host(self) -> str:
        """`127.0.0.1:<port>`. Only while it is started, or was."""
        return f"127.0.0.1:{self._port}"

    @property
    def password(self) -> str:
        """The password of the role `connect`."""
        return self._passwords[ROLE]

    @property
    def exists(self) -> bool:
        """Whether it has data of its own."""
        return self._pgdata.exists()

    async def query(self, statement: str, *values: Any) -> Any:
        """The first value of a statement that the superuser runs."""
        connection = await self._connect_as_superuser()
        try:
            return await connection.fetchval(statement, *values, timeout=PROMOTED_WITHIN_S + 10)
        finally:
            await connection.close(timeout=5)

    def lead(self) -> None:
        """The next start is a primary's."""
        self._settings.pop("primary_conninfo", None)
        (self._pgdata / "standby.signal").unlink(missing_ok=True)

    def follow(self, primary: "Node") -> None:
        """The next start is a standby's, which takes no writes, and follows `primary`."""
        self._settings["primary_conninfo"] = self._address_of(primary)
        signal_file = self._pgdata / "standby.signal"
        signal_file.touch()
        self._user.own(signal_file)
        sync_directory(self._pgdata)

    async def copy(self, primary: "Node") -> None:
        """Takes everything from `primary` anew."""
        await self._prepare(primary)
        shutil.rmtree(self._pgdata, ignore_errors=True)
        unfinished = self._directory / "pgdata.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self._user.own(unfinished)
        await self._run(
            "pg_basebackup",
            *("--dbname", self._address_of(primary), "--pgdata", str(unfinished)),
            *("--wal-method=stream", "--checkpoint=fast", "--no-password"),
        )
        unfinished.rename(self._pgdata)
        sync_directory(self._directory)

    async def rewind(self, primary: "Node") -> None:
        """Takes back what this old primary has and `primary` has not; where that cannot be, copies everything."""
        await self._prepare(primary)
        # The server that ends an unclean shutdown first must not take itself for a standby.
        (self._pgdata / "standby.signal").unlink(missing_ok=True)
        source = f"{self._address_of(primary)} dbname=postgres"
        try:
            await self._run("pg_rewind", "--target-pgdata", str(self._pgdata), "--source-server", source)
        except StartError as error:
            _log.warning("%s; copying everything instead", error)
            await self.copy(primary)

    async def promote(self) -> None:
        """Makes a standby the primary, which does not wait for anybody until it is told to."""
        await self.query("ALTER SYSTEM RESET synchronous_standby_names")
        await self.query("SELECT pg_reload_conf()")
        if not await self.query("SELECT pg_promote(true, $1)", PROMOTED_WITHIN_S):
            raise StartError(f"{self.name} was not promoted within {PROMOTED_WITHIN_S} s")

    async def _prepare(self, primary: "Node") -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(self._user.admit, self._directory)
        write_private(self._directory / "passwords.json", json.dumps(primary._passwords))
        passfile = self._directory / "passfile"
        write_private(passfile, f"*:*:*:{_SUPERUSER}:{primary._passwords[_SUPERUSER]}\n")
        self._user.own(passfile)

    def _address_of(self, primary: "Node") -> str:
        passfile = str(self._directory / "passfile").replace("\\", "\\\\").replace("'", "\\'")
        return (
            f"host=127.0.0.1 port={primary._port} user={_SUPERUSER} passfile='{passfile}' "
            f"application_name={self.name} connect_timeout=5"
        )

    async def _run(self, program: str, *options: str) -> None:
        process = self._spawn([str(self._user.binary(program)), *options], cwd=self._directory)
        try:
            status = await ended(process)
        finally:
            await end(process)
        if status != 0:
            raise StartError(f"{program} failed with status {status}:\n{tail(self._log_file)}")


class Pair:
    """A primary and its synchronous standby in one directory. Use `start` and `stop`, or `async with`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.resolve()
        self._nodes = {name: Node(self._directory / name, name) for name in ("a", "b")}
        self._primary = "a"
        self._in_step = False

    @property
    def primary(self) -> Node:
        return self._nodes[self._primary]

    @property
    def standby(self) -> Node:
        return self._nodes["b" if self._primary == "a" else "a"]

    @property
    def in_step(self) -> bool:
        """Whether the standby has all that was answered, so that it may be promoted."""
        return self._in_step

    @property
    def url(self) -> str:
        """The address of whichever is the primary: both hosts, `target_session_attrs=read-write`."""
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """The same for another database."""
        hosts = ",".join(self._nodes[name].host for name in ("a", "b"))
        password = self.primary.password
        return f"postgresql://{ROLE}:{password}@{hosts}/{database}?target_session_attrs=read-write"

    async def start(self) -> str:
        """Starts both, brings the standby into step and returns the URL."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._read()
        await self.primary.start()
        try:
            await self.primary.query(f"ALTER SYSTEM SET wal_keep_size = '{_WAL_KEPT}'")
            await self._bring_standby_in()
        except BaseException:
            await self.stop()
            raise
        return self.url

    async def stop(self) -> None:
        """Stops both in good order, the primary first, so that the standby gets all of it."""
        await self.primary.stop()
        await self.standby.stop()

    async def fail_over(self) -> None:
        """Makes sure that the primary is dead, and makes the standby the primary.

        Raises StartError, and changes nothing, where the standby is not in step: answered commits would be lost.
        """
        if not self._in_step:
            raise StartError("the standby is not in step with the primary; promoting it would lose what was answered")
        old, new = self.primary, self.standby
        await old.kill()
        old.follow(new)
        self._write(new.name, in_step=False)
        await new.promote()
        _log.warning("PostgreSQL %s is the primary now", new.name)

    async def rejoin(self) -> None:
        """Brings the old primary back as the standby, with nothing that the new one has not."""
        await self.standby.rewind(self.primary)
        await self._bring_standby_in()

    async def carry_on_alone(self) -> None:
        """Lets the primary answer without the standby, which may not be promoted any more from before that."""
        self._write(self._primary, in_step=False)
        await self.primary.query("ALTER SYSTEM RESET synchronous_standby_names")
        await self.primary.query("SELECT pg_reload_conf()")

    async def keep(self) -> NoReturn:
        """Fails over whenever the primary ends, and brings back whichever ended. Cancel this before `stop`."""
        while True:
            ends = {asyncio.create_task(node.died()): node for node in (self.primary, self.standby)}
            try:
                done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in ends:
                    task.cancel()
            if self.primary in {ends[task] for task in done}:
                await self.fail_over()
                await self.rejoin()
            else:
                await self.carry_on_alone()
                await self.standby.kill()
                await self._bring_standby_in()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _bring_standby_in(self) -> None:
        standby = self.standby
        if not standby.exists:
            await standby.copy(self.primary)
        standby.follow(self.primary)
        await standby.start()
        # The name makes every COMMIT wait from now on; only when it does is the standby good for a failover.
        await self.primary.query(f"ALTER SYSTEM SET synchronous_standby_names = '{standby.name}'")
        await self.primary.query("SELECT pg_reload_conf()")
        try:
            async with asyncio.timeout(IN_STEP_WITHIN_S):
                while not await self._waited_for(standby.name):
                    await asyncio.sleep(_LOOK_EVERY_S)
        except TimeoutError:
            raise StartError(f"the standby {standby.name} does not catch up") from None
        self._write(self._primary, in_step=True)

    async def _waited_for(self, name: str) -> bool:
        query = (
            "SELECT EXISTS (SELECT FROM pg_stat_replication"
            " WHERE application_name = $1 AND state = 'streaming' AND sync_state = 'sync')"
        )
        try:
            found: bool = await self.primary.query(query, name)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        return found

    def _read(self) -> None:
        file = self._directory / "pair.json"
        if file.exists():
            state = json.loads(file.read_text(encoding="utf-8"))
            self._primary, self._in_step = state["primary"], state["inStep"]

    def _write(self, primary: str, *, in_step: bool) -> None:
        write_private(self._directory / "pair.json", json.dumps({"primary": primary, "inStep": in_step}))
        self._primary, self._in_step = primary, in_step
