"""One postmaster: its data directory, how it is started, what it is asked, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from fogbank.engines import layers, processes
from fogbank.engines.kinds import Until
from fogbank.engines.postgres import limits, logs, parameters, recovery, roles, settings, surroundings
from fogbank.engines.postgres.connections import PORT, SUPERUSER, Connection, Pool, connect
from fogbank.engines.postgres.control import control
from fogbank.engines.postgres.programs import Binaries
from fogbank.engines.spec import Failed, Refused, Result, Statement

T = TypeVar("T")

_START_S = 60.0
_REPEAT_S = 3600.0
_PROMOTE_S = 30.0
_STOP_S = 60.0
_LOOK_S = 0.002
_TIDY_S = 1800.0
_LONGEST_SOCKET = 107
_IPC_RMID = 0

_LAG = (
    "select case when pg_last_wal_replay_lsn() >= greatest(pg_last_wal_receive_lsn(), w.latest_end_lsn) then 0 else"
    " extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000 end::float8"
    " from (select 1) one left join pg_stat_wal_receiver w on true"
)
_REPLAYED = f"select {recovery.REPLAYED}, {recovery.HAS}, {recovery.WAITS}"
_CONNECTIONS = "select count(*) from pg_stat_activity where backend_type = 'client backend' and usename <> 'rdsadmin'"


class Instance:
    """A compute node: `folder` has its data (an image's copy), socket and log.

    process   its postmaster; None: it does not run, and where it was stopped cleanly the data can be started again
    socket    the folder of its unix socket
    """

    def __init__(self, folder: Path, binaries: Binaries, loop: asyncio.AbstractEventLoop) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.socket = folder / "socket"
        self.log = folder / "log"
        self.binaries = binaries
        self.process: processes.Process | None = None
        self.pool = Pool(self.socket)
        self._loop = loop
        self._given: dict[str, str] = {}
        self._role: dict[str, str] = {}
        self._iam = False
        self.trusting = False
        """Whoever comes in is who they say (`roles.TRUSTING`)."""
        self._tidying = loop.call_later(0, lambda: None)

    # its beginning

    async def start(self, given: Mapping[str, str], *, upstream: Path | None = None, until: Until | None = None, niceness: int = 0) -> None:
        """Starts it, and comes back when it can be asked. Raises Failed.

        given     parameters
        upstream  the folder of a volume's socket: it is a reader that the volume feeds; None: it writes
        until     with `upstream`: it repeats the volume's log so far, and writes then (on a new timeline)
        """
        if upstream is not None and until is not None:
            await recovery.recover(self, given, upstream, until)
        else:
            role = {} if upstream is None else settings.reader(upstream, self.folder.resolve().name)
            await self.launch(given, role, niceness=niceness)

    async def launch(self, given: Mapping[str, str], role: dict[str, str], *, niceness: int = 0) -> None:
        """Starts the postmaster: a standby where its role has a `primary_conninfo`. Raises Failed."""
        if self.process is not None and self.process.alive:
            raise Failed(f"{self.folder.resolve().name} runs already")
        self._role = role
        while True:
            self._given = self._suiting(given)
            try:
                await self._launch(niceness)
                return
            except Failed:
                if not self.stands_still():
                    raise

    def _suiting(self, given: Mapping[str, str]) -> dict[str, str]:
        return limits.raised(self.folder, {**settings.MACHINE, **given}) if self._standby else dict(given)

    @property
    def _standby(self) -> bool:
        return "primary_conninfo" in self._role

    def stands_still(self) -> bool:
        """Whether it repeats no more log, as the writer had more of something than it was started with; started again, it has as many."""
        return self._standby and limits.outgrown(self.folder, self._given)

    async def _launch(self, niceness: int) -> None:
        self._lay_out(self._standby)
        command: list[str | Path] = [self.binaries.folder / "postgres", "-D", self.data]
        nice = ["nice", "-n", str(niceness)] if niceness else []
        self.pool.forget()
        starting = self.log / logs.STARTING
        starting.unlink(missing_ok=True)
        self.process = layers.spawn(self.folder, [*nice, *command], self._loop, log=starting, with_parent=signal.SIGQUIT)
        await self.until(self._ready, _REPEAT_S if self._standby else _START_S, "did not start")
        self._tidy()

    def _tidy(self) -> None:
        """Log files are kept for a while, as long as it runs."""
        if self.process is not None and self.process.alive:
            logs.discard(self.log, int((time.time() - parameters.retention_s(self._given)) * 1000))
            self._tidying.cancel()
            self._tidying = self._loop.call_later(_TIDY_S, self._tidy)

    def _lay_out(self, standby: bool) -> None:
        if len(str(self.socket)) + len(f"/.s.PGSQL.{PORT}") > _LONGEST_SOCKET:
            raise Failed(f"the path of {self.socket} is too long for a unix socket: keep the data in a shorter one")
        for folder, mode in ((self.folder, None), (self.socket, 0o700), (self.log, 0o750)):
            folder.mkdir(exist_ok=True)
            if mode is not None:
                folder.chmod(mode)
            processes.give(folder)
        (self.data / "postmaster.pid").unlink(missing_ok=True)  # (of a server that died: ours is the only one)
        self._write()
        settings.write(self.data / "pg_ident.conf", "")
        for name in ("standby.signal", "recovery.signal", "promote"):
            (self.data / name).unlink(missing_ok=True)
        if standby:
            settings.write(self.data / "standby.signal", "")

    def _write(self) -> None:
        """Its configuration files."""
        data = layers.inside(self.data, self.process)
        settings.write(data / "postgresql.conf", settings.text(self._given, settings.house(self.folder, self.binaries), self._role))
        settings.write(data / "pg_hba.conf", roles.TRUSTING if self.trusting else roles.admission(self._iam))

    async def _ready(self) -> bool | None:
        """The status line of postmaster.pid: connections are accepted."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        return True if len(lines) > 7 and lines[7].strip() == "ready" else None

    async def until(self, look: Callable[[], Awaitable[T | None]], within_s: float, what: str) -> T:
        """What `look` gives once it gives something. Raises Failed where the server ends before, or it takes too long."""
        process = self.process
        assert process is not None
        end = time.monotonic() + within_s
        while True:
            found = await look()
            if found is not None:
                return found
            if not process.alive:
                self.process = None
                raise Failed(f"{self.folder.resolve().name} {what}: {logs.complaint(self.log)}")
            if time.monotonic() > end:
                raise Failed(f"{self.folder.resolve().name} {what} within {within_s:.0f} s: {logs.complaint(self.log)}")
            await asyncio.sleep(_LOOK_S)

    # what it is told

    async def attach(self) -> None:
        """The volume follows it: a commit waits for the volume from now on. (That of a reader that was promoted does already.)"""
        if self._role.get(settings.SYNCHRONOUS) != settings.VOLUME:
            await self._change({settings.SYNCHRONOUS: settings.VOLUME})
            await self.checkpoint()  # (it is the checkpointer that has commits wait: before this one it has read the configuration)

    async def apply(self, given: Mapping[str, str]) -> tuple[str, ...]:
        """Other parameters: those that can be changed while it runs are; the names of those that wait for a restart."""
        self._given = self._suiting(given)
        await self._change({})
        return tuple(row[0] for row in (await self.sql("select name from pg_settings where pending_restart order by name")).rows)

    async def _change(self, role: dict[str, str]) -> None:
        """Rewrites the configuration, and waits until the server has read it: whatever is said to it afterwards finds it so."""
        self._role = {**self._role, **role}
        async with self._asking() as connection:
            before = await connection.one("select pg_conf_load_time()")
            self._write()
            await connection.one("select pg_reload_conf()")

            async def loaded() -> bool | None:
                return True if await connection.one("select pg_conf_load_time()") > before else None

            await self.until(loaded, _START_S, "did not read its configuration")
            with contextlib.suppress(Refused):  # (it lets the next one in when it has told all that are there)
                await (await connect(self.socket, database=SUPERUSER)).close()

    async def prepare(self, user: str, password: str, database: str, *, iam: bool) -> None:
        """The master user, its password, the first database; and whether users of rds_iam come in (with a token that the front checks)."""
        await self.admit(iam)
        try:
            await roles.prepare(self.pool, self.binaries.major, user, password, database)
            await surroundings.prepare(self.pool, self.socket, aurora=parameters.INSTANCE in self._given)
        except (psycopg.Error, Refused) as problem:
            raise Failed(f"the master user could not be prepared: {problem}") from None

    async def admit(self, iam: bool) -> None:
        """Whether users of rds_iam come in."""
        if iam == self._iam:
            return
        self._iam = iam
        if self.process is not None:
            await self._change({})

    async def reach(self, timeline: int, position: int) -> None:
        """Waits until a reader shows all up to a position of its volume's log, but for a record that is not whole there. Raises Failed."""
        still = recovery.Still(position)
        async with self._asking() as connection:

            async def there() -> bool | None:
                replayed, has, waits = (await connection.run(Statement(_REPLAYED))).rows[0]
                if replayed >= position or still.seen(replayed, has, waits):
                    return True
                if self.stands_still():
                    raise Failed(f"{self.folder.resolve().name} has less of something than the writer")
                return None

            await self.until(there, _PROMOTE_S, "did not catch up")

    async def checkpoint(self) -> None:
        """From here on the log is enough for a node that is made from an image."""
        await self.sql("CHECKPOINT")

    async def promote(self) -> int:
        """A reader becomes the writer, once it has repeated all the log that it was sent: its new timeline. Raises Failed."""
        process = self.process
        if process is None:
            raise Failed(f"{self.folder.resolve().name} does not run")
        async with self._asking() as connection:
            settings.write(layers.inside(self.data, process) / "promote", "")
            process.tell(signal.SIGUSR1)

            async def writes() -> bool | None:
                return None if await connection.one("select pg_is_in_recovery()") else True

            await self.until(writes, _PROMOTE_S, "was not promoted")
            timeline = int(await connection.one("select substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)"), 16)
        self.settle()
        return timeline

    def settle(self) -> None:
        """It writes from now on: the next start, too, is a writer's."""
        self._role = {name: value for name, value in self._role.items() if name == settings.SYNCHRONOUS}
        self._write()

    # what it is asked

    async def sql(self, statement: str, parameters: Mapping[str, Any] | Sequence[Any] | None = None, database: str = "") -> Result:
        """Runs SQL as its superuser. Raises Refused."""
        return await self.pool.sql(statement, parameters, database)

    async def one(self, statement: str, *given: Any) -> Any:
        """The first value of the first row. Raises Failed."""
        async with self._asking() as connection:
            return await connection.one(statement, *given)

    async def lag_ms(self) -> float:
        """How old what a reader shows is; 0 when it has repeated all that it was sent. One that stands still ends: to be started again."""
        if self.stands_still() and self.process is not None:
            self.process.tell(signal.SIGINT)
            raise Failed(f"{self.folder.resolve().name} has less of something than the writer, and has to be started again")
        return float(await self.one(_LAG) or 0.0)

    async def connections(self) -> int:
        """Clients that are connected."""
        return int(await self.one(_CONNECTIONS))

    @contextlib.asynccontextmanager
    async def _asking(self) -> AsyncIterator[Connection]:
        try:
            async with self.pool.connection(SUPERUSER) as connection:  # its own database: what we ask counts nowhere
                yield connection
        except (psycopg.Error, Refused) as problem:
            raise Failed(f"{self.folder.resolve().name}: {problem}") from None

    # its end

    async def stop(self, mode: str = "fast") -> None:
        """Ends it: "fast" with a checkpoint, so that its data can be started again (`process` is None then); "immediate" as it is."""
        process = self.process
        if process is None:
            return
        await self.pool.close()
        await process.end(signal.SIGINT if mode == "fast" else signal.SIGQUIT, _STOP_S)
        if self.process is process and control(self.data).clean:
            self.process = None

    def kill(self) -> None:
        """The postmaster and all its children, at once. Its data is worth nothing then: a page may be half written."""
        process, self.process = self.process, None
        self.pool.forget()
        if process is None:
            return
        shared = _shared_memory(self.data)
        if process.alive:
            process.tell(signal.SIGSTOP)  # (it makes no more children)
            children = processes.children(process.pid)
            process.tell(signal.SIGKILL)
            for child in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
        if shared is not None and _libc is not None:
            _libc.shmctl(shared, _IPC_RMID, None)


_libc = ctypes.CDLL(None) if os.name == "posix" else None


def _shared_memory(data: Path) -> int | None:
    """The segment of shared memory that a server that is killed would leave for ever."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        return int(lines[6].split()[1])
    except (FileNotFoundError, IndexError, ValueError):
        return None
