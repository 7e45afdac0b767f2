"""One server: a mariadbd, its data directory, and what it is to its volume."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from fogbank.engines import layers
from fogbank.engines.kinds import Until
from fogbank.engines.mariadb import accounts, images, parameters, replica, settings
from fogbank.engines.mariadb.accounts import literal, quoted
from fogbank.engines.mariadb.connections import Pool, secret
from fogbank.engines.mariadb.images import Image, Rest, copy
from fogbank.engines.mariadb.programs import Binaries
from fogbank.engines.mariadb.replica import Place
from fogbank.engines.processes import Process, give
from fogbank.engines.spec import Failed, Refused, Result

_START_S = 120.0
_POLL_S = 0.01


class Instance:
    """See the module. Below `folder` lie data (its copy of an image, put there before), socket, log and tmp.

    socket    the unix socket itself
    process   None: it does not run
    """

    def __init__(self, folder: Path, binaries: Binaries, loop: asyncio.AbstractEventLoop) -> None:
        self.folder = folder
        self.socket = folder / "socket" / "mysqld.sock"
        self.process: Process | None = None
        self._binaries = binaries
        self._loop = loop
        self._pool = Pool(self.socket)
        self._settings: dict[str, str] = {}
        self._started_with: dict[str, str] = {}
        """The settings that the process was started with."""
        self._upstream: Path | None = None
        self._own = ""
        """What the house's accounts are like (`accounts.HOUSE`)."""
        self._sequence = 0
        """The number of the last transaction that the writer was seen to have logged."""
        self._rest: Rest | None = None
        """What the data directory was when it was started on."""

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    # started and stopped

    async def start(self, given: Mapping[str, str], *, upstream: Path | None = None, until: Until | None = None) -> None:
        """Starts it: as a reader that a volume's process feeds, or without `upstream` as the writer. Raises Failed.

        until  it repeats the volume's log up to there, and is the writer then
        """
        self._settings = dict(given)
        self._upstream = upstream
        self._prepare_folders()
        self._rest = rest = images.taken(self._data)
        if not rest.writes or upstream is not None:
            _forget_relays(self._data)
        await self._launch(reads=upstream is not None)
        if upstream is not None:
            target = await self._target(upstream, until)
            if target is None or target > _after(rest):
                await replica.feed(self._pool, upstream, _after(rest), target)
            if target is not None:
                if target > _after(rest):
                    await replica.reach(self._pool, upstream, target, target)
                await self._take_over(upstream)
        elif not rest.writes:
            fresh = rest.file == 0
            await self._begin(rest.timeline if fresh else rest.timeline + 1, rest.position, rest.file + 1)

    async def _launch(self, *, reads: bool) -> None:
        file = settings.write(self.folder, self._settings, reads=reads)
        self._started_with = self._settings
        self._write_first()
        log = self.folder / "log" / "mysql-error.log"
        command: list[str | Path] = [self._binaries.server, f"--defaults-file={file}", *self._binaries.options]
        self.process = process = layers.spawn(self.folder, command, self._loop, log=log, environment=self._binaries.environment)
        end = self._loop.time() + _START_S
        while True:
            with contextlib.suppress(Refused):
                self._own = (await self._pool.run(accounts.HOUSE)).rows[0][0]
                return
            if not process.alive:
                self.process = None
                raise Failed(f"MariaDB did not start: {settings.last(log)}")
            if self._loop.time() > end:
                self.kill()
                raise Failed(f"MariaDB did not start within {_START_S:.0f} s: {settings.last(log)}")
            await asyncio.sleep(_POLL_S)

    def _write_first(self) -> None:
        """What it runs before it lets anybody in: nothing keeps the house out."""
        file = settings.first(self.folder)
        file.touch(mode=0o600)
        statements = ("SET sql_log_bin = 0", *accounts.house(secret(self.socket)))
        file.write_text("".join(f"{statement};\n" for statement in statements))
        give(file)

    def _prepare_folders(self) -> None:
        for name, mode in (("socket", 0o700), ("log", 0o755), ("tmp", 0o700)):
            path = self.folder / name
            path.mkdir(mode=mode, exist_ok=True)
            give(path)
        self.socket.unlink(missing_ok=True)

    async def _target(self, upstream: Path, until: Until | None) -> Place | None:
        if until is None:
            return None
        found = await replica.ask(upstream, "until", timeline=until.timeline, position=until.position, at_ms=until.at_ms)
        return Place(found["file"], found["offset"])

    async def stop(self, mode: str = "fast") -> None:
        """Ends it cleanly ("fast"), so that its directory is at rest then, or at once ("immediate")."""
        if self.process is None:
            return
        if mode != "fast" or not self.process.alive:
            self.kill()
            return
        rest = await self._resting()
        self._pool.close()
        status = await self.process.end(signal.SIGTERM, 60.0)
        self.process = None
        if status == 0 and rest is not None:
            rest.put(self._data)

    async def _resting(self) -> Rest | None:
        """What the directory will be once it has stopped."""
        rest = self._rest
        if rest is None:
            return None
        if self._upstream is None:
            return Rest(rest.timeline, rest.position, rest.file, rest.offset, rest.system, images.wall_ms(), writes=True)
        try:
            place = await replica.stop(self._pool)
            if place is None:
                return None
            at = await replica.ask(self._upstream, "position", file=place.file, offset=place.offset)
        except (Failed, Refused):
            return None
        return Rest(at["timeline"], at["position"], place.file, place.offset, rest.system, images.wall_ms())

    def kill(self) -> None:
        """kill -9: its directory is of no use any more."""
        if self.process is not None:
            self.process.tell(signal.SIGKILL)
            self.process = None
        self._pool.close()

    # what it is to its volume

    async def reach(self, timeline: int, position: int) -> None:
        """Waits until a reader shows all up to a position of its volume's log. Raises Failed."""
        if self._upstream is None:
            raise Failed("it is no reader")
        at = await replica.ask(self._upstream, "until", timeline=timeline, position=position)
        await replica.reach(self._pool, self._upstream, Place(at["file"], at["offset"]))

    async def admit(self, iam: bool) -> None:
        """Nothing to do: who comes with a token is an account of its own kind, and the front asks for the token."""

    async def checkpoint(self) -> None:
        """Nothing to do: an image of MariaDB needs no log from before its position."""

    async def promote(self) -> int:
        """A reader becomes the writer, once it has repeated all that is durable: gives its timeline. Raises Failed."""
        if self._upstream is None:
            raise Failed("it is no reader")
        log = await replica.ask(self._upstream, "seal")
        await replica.reach(self._pool, self._upstream, Place(log["file"], log["offset"]))
        return await self._take_over(self._upstream)

    async def _take_over(self, upstream: Path) -> int:
        """From where it is now, it is the writer."""
        assert self._rest is not None
        place, position = await replica.stop(self._pool), self._rest.position
        log = await replica.ask(upstream, "status")
        if place is not None:
            position = int((await replica.ask(upstream, "position", file=place.file, offset=place.offset))["position"])
        file = max(place.file if place is not None else self._rest.file, int(log["last_file"]))
        await self._pool.run("RESET SLAVE ALL")
        timeline = int(log["timeline"]) + 1
        await self._begin(timeline, position, file + 1)
        if not _on(self._settings.get("read_only", "")):
            await self._pool.run("SET GLOBAL read_only = 0")
        await self._wake_events()
        self._upstream = None
        return timeline

    async def _begin(self, timeline: int, position: int, file: int) -> None:
        """It is a writer from now on: its binlog begins with a file of its own, and it says where in the volume's log that is."""
        assert self._rest is not None
        sequence = await self._pool.run("SELECT COALESCE(MAX(seq_no), 0) FROM mysql.gtid_slave_pos WHERE domain_id = 0")
        await self._reset(file)
        # the numbers of transactions go on where the writer before was
        await self._pool.run(
            f"SET STATEMENT gtid_seq_no = {int(sequence.rows[0][0]) + 1} FOR"
            f" INSERT INTO mysql.rds_timelines VALUES ({timeline}, {position}, {literal(self._rest.system)}, 0)"
        )
        self._sequence = 0
        self._rest = Rest(timeline, position, file, 4, self._rest.system, images.wall_ms(), writes=True)

    async def _reset(self, file: int) -> None:
        """RESET MASTER waits until InnoDB has flushed its log, which it does once a second: so it is made to."""
        await self._pool.run("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
        reset = self._loop.create_task(self._pool.run(f"RESET MASTER TO {file}"))
        while not reset.done():
            await self._pool.run("FLUSH LOCAL ENGINE LOGS")
            await asyncio.wait([reset], timeout=0.002)
        await reset
        await self._pool.run("SET GLOBAL innodb_flush_log_at_trx_commit = 0")

    async def _wake_events(self) -> None:
        """Events that were asleep because this was a reader, and the scheduler where it is wanted."""
        asleep = await self._pool.run("SELECT db, name FROM mysql.event WHERE status = 'SLAVESIDE_DISABLED'")
        for database, name in asleep.rows:
            await self._pool.run(f"ALTER EVENT {quoted(database)}.{quoted(name)} ENABLE")
        if _on(self._settings.get("event_scheduler", "")):
            await self._pool.run("SET GLOBAL event_scheduler = ON")

    async def attach(self) -> None:
        """The volume follows: from now on a commit is acknowledged when four of six have it. Done when one was."""
        await self._pool.run("SET GLOBAL rpl_semi_sync_master_enabled = 1")
        await self._pool.run("UPDATE mysql.rds_timelines SET attached = attached + 1 ORDER BY timeline DESC LIMIT 1")

    async def lag_ms(self) -> float:
        """How long ago what it still has to repeat became durable; 0 where it has all."""
        if self._upstream is None:
            return 0.0
        now = await replica.progress(self._pool)
        if now is None:
            return 0.0
        if not now.applying and now.why:
            self._give_up(f"the log cannot be repeated: {now.why}")
        await replica.again(self._pool, self._upstream, now)
        found = await replica.ask(self._upstream, "age", file=now.place.file, offset=now.place.offset)
        return float(found["ms"])

    async def connections(self) -> int:
        """Clients that are connected."""
        if self._upstream is None:
            await self._guard()
        return int((await self._pool.run(accounts.CLIENTS)).rows[0][0])

    async def _guard(self) -> None:
        """What a client may do that has CREATE USER and RELOAD: the house's accounts are put right; after RESET MASTER nothing more can be
        acknowledged, so that it is time for another writer."""
        own, log = (await self._pool.run(f"SELECT ({accounts.HOUSE}), @@gtid_binlog_pos")).rows[0]
        if own != self._own:
            for statement in accounts.house(secret(self.socket)):
                await self._pool.run(statement)
            self._own = (await self._pool.run(accounts.HOUSE)).rows[0][0]
        sequence = int(log.rpartition("-")[2] or 0)
        if sequence < self._sequence:
            self._give_up("its binlog was reset")
        self._sequence = sequence

    def _give_up(self, why: str) -> NoReturn:
        """It cannot be mended, so it ends: whoever watches it makes it anew."""
        if self.process is not None:
            self.process.tell(signal.SIGKILL)
        raise Failed(why)

    # settings, accounts, SQL

    async def apply(self, given: Mapping[str, str]) -> tuple[str, ...]:
        """Other parameters: those that can be set now are; the names of those that wait for a restart. Raises Failed."""
        before, self._settings = self._settings, dict(given)
        for name in _differing(before, given):
            if not parameters.dynamic(name):
                continue
            value = parameters.expression(name, given.get(name))
            try:
                await self._pool.run(f"SET GLOBAL {quoted(name)} = {value}")
            except Refused as problem:
                raise Failed(f"{name} cannot be {given.get(name)}: {problem}") from None
        return tuple(name for name in _differing(self._started_with, given) if not parameters.dynamic(name))

    async def prepare(self, user: str, password: str, database: str, *, iam: bool) -> None:
        """The master user, with this password; with the first one its database. Nothing is written where nothing changes.

        iam  is the front's: it has accounts that IAM signs in made with a password of its own (`accounts.iam_password`)
        """
        if not user:
            return
        found = await self._pool.run(
            "SELECT JSON_VALUE(priv, '$.authentication_string') FROM mysql.global_priv WHERE user = %(user)s AND host = '%%'",
            {"user": user},
        )
        if found.rows and (not password or found.rows[0][0] == accounts.native(password)):
            return
        if database and not found.rows:
            await self._pool.run(f"CREATE DATABASE IF NOT EXISTS {quoted(database)}")
        for statement in accounts.master(user, password, new=not found.rows):
            await self._pool.run(statement)

    async def sql(self, statement: str, parameters: Any = None, database: str = "") -> Result:
        """As the superuser. Raises Refused."""
        return await self._pool.run(statement, parameters, database)


async def image(base: Image, upstream: Path, until: Until, folder: Path, binaries: Binaries, loop: asyncio.AbstractEventLoop) -> Image:
    """Another image: a copy of `base` that a volume's log was repeated onto, up to a position, and stopped. Raises Failed."""
    await copy(base.folder, folder / "data")
    one = Instance(folder, binaries, loop)
    one._settings = {"innodb_log_file_size": "16777216"}
    try:
        rest = one._rest = images.taken(folder / "data")
        one._upstream = upstream
        one._prepare_folders()
        await one._launch(reads=True)
        target = await one._target(upstream, until)
        assert target is not None
        await replica.feed(one._pool, upstream, _after(rest), target)
        await replica.reach(one._pool, upstream, target, target)
        await one.stop("fast")
    finally:
        one.kill()
    _forget_relays(folder / "data")
    await asyncio.to_thread(images.settle, folder / "data")
    return Image.of(folder / "data")


def _after(rest: Rest) -> Place:
    """Where the log goes on."""
    return Place(rest.file, rest.offset) if rest.file else Place(1, 4)


def _forget_relays(data: Path) -> None:
    """What a replica keeps of its source: it is told anew each time."""
    for name in ("master.info", "relay-log.info", "multi-master.info"):
        (data / name).unlink(missing_ok=True)
    for path in data.glob("relay.*"):
        path.unlink() if path.is_file() else shutil.rmtree(path)


def _differing(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """The parameters that are not the same, but the house's."""
    return [name for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name) and not settings.fixed(name)]


def _on(value: str) -> bool:
    return value.strip().lower() in ("1", "on", "true")
