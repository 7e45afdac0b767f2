"""The database clusters of one cloud: `engines.spec.Databases`, over one `Runner` each and one front for all.

Volumes follow the cloud's history. A cluster's volume in a branch of the log is the fork of its volume in the branch that this one
left, as it was then: so `fogbank clone` and `fogbank backtrack` take the databases along, and nothing else need be done for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

from fogbank.engines import measuring
from fogbank.engines.auditing import Audit, Watched
from fogbank.engines.frontage import Frontage
from fogbank.engines.kinds import Kind
from fogbank.engines.masters.pair import Pair
from fogbank.engines.parallel import answer
from fogbank.engines.room import Room
from fogbank.engines.runner import Runner
from fogbank.engines.sessions import Sessions
from fogbank.engines.spec import Actual, Cluster, Done, Failed, Piece, Point, Refused, Result, Since, Statement, Usage
from fogbank.engines.volumes import TooOld, Volume

_FORKED_S, _POLL_S = 30.0, 0.02
Ancestry = Callable[[], list[tuple[int, int]]]
"""The branches behind the cloud, newest first: number, and when (machine's clock, ms) it was left; 0: it is the present one."""


class House:
    """What a cloud is to its databases.

    name       of the cloud
    ancestry   see `Ancestry`
    wall       an instant of the cloud's clock -> of the machine's
    cloud      the other way
    noticed    tells the service what happened to a cluster by itself
    asked      answers what the front asks (a token, a secret, a call out of SQL), and brings what was staged of a volume
    revive     has all clusters converge that the cloud's rows know
    """

    def __init__(
        self,
        name: str,
        ancestry: Ancestry,
        wall: Callable[[int], int],
        cloud: Callable[[int], int],
        noticed: Callable[[str, str, dict[str, Any]], None],
        asked: Callable[[dict[str, Any], Done], None],
        revive: Callable[[], None],
    ) -> None:
        self.name = name
        self.ancestry = ancestry
        self.wall = wall
        self.cloud = cloud
        self.noticed = noticed
        self.asked = asked
        self.revive = revive


class Databases:
    """See `engines.spec.Databases` for what each method does."""

    audits = frozenset(("postgres",))
    measures = measuring.POSSIBLE

    def __init__(self, room: Room, house: House) -> None:
        self._room = room
        self._house = house
        self._loop = room.loop
        self._runners: dict[str, Runner | Pair] = {}
        self._sessions: dict[str, Sessions] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._front = Frontage(room, house.asked, self._barred)
        self._audit = Audit(room.loop, self._audited, house.noticed)
        self.word = secrets.token_hex(16)
        """What the front's questions are known by."""

    # addresses

    def address(self, slot: int) -> str:
        return f"127.{self._room.block(self._house.name)}.{slot // 254}.{slot % 254 + 1}"

    def authority(self) -> str:
        return self._front.authority()

    # clusters

    def converge(self, wanted: Cluster, done: Done) -> None:
        runner = self._runners.get(wanted.id)
        if runner is None:
            made = Pair if wanted.masters else Runner
            runner = self._runners[wanted.id] = made(wanted.id, self._volume_of, self._followed, self._routes, self._notice(wanted))
        self._begin(self._converge(runner, wanted), done)

    async def _converge(self, runner: Runner | Pair, wanted: Cluster) -> Actual:
        sessions = self._sessions.get(wanted.id)
        writer = runner.writer
        actual = self._in_cloud_time(await runner.converge(wanted))
        if sessions is not None:
            await (sessions.clear() if runner.writer == writer else sessions.close())
        await self._front.shown()
        self._audit.look()
        return actual

    def _audited(self) -> list[Watched]:
        """The nodes whose statements are to be told."""
        return [
            Watched(wanted.account, wanted.region, wanted.id, one.node.id, wanted.version, one.folder / "log")
            for runner in self._runners.values()
            if (wanted := runner.wanted) is not None and wanted.audit and wanted.engine in self.audits
            for one in runner.running.values()
            if not one.node.hidden
        ]

    def _notice(self, wanted: Cluster) -> Callable[[str, dict[str, Any]], None]:
        return lambda what, details: self._house.noticed(wanted.account, wanted.region, {"cluster": wanted.id, "what": what, **details})

    def _barred(self, cluster: str, why: str) -> None:
        runner = self._runners.get(cluster)
        if runner is not None and runner.wanted is not None:
            self._notice(runner.wanted)("unreachable", {"why": why})

    def drop(self, cluster: str, done: Done) -> None:
        self._begin(self._drop(cluster), done)

    async def _drop(self, cluster: str) -> None:
        runner = self._runners.pop(cluster, None)
        if runner is not None:
            await runner.close()
        sessions = self._sessions.pop(cluster, None)
        if sessions is not None:
            await sessions.close()
        self._routes()

    def counts(self, slot: int, port: int) -> dict[str, float]:
        return self._front.proxies.get(f"{self.address(slot)}:{port}", {})

    def look(self, cluster: str) -> Actual | None:
        runner = self._runners.get(cluster)
        return self._in_cloud_time(runner.actual) if runner is not None and runner.actual is not None else None

    def _in_cloud_time(self, actual: Actual) -> Actual:
        if actual.volume is None:
            return actual
        volume = actual.volume
        cloud = self._house.cloud
        return actual._replace(volume=volume._replace(earliest_ms=cloud(volume.earliest_ms), latest_ms=cloud(volume.latest_ms)))

    # volumes

    async def _volume_of(self, wanted: Cluster) -> Volume:
        """The volume of a cluster in this branch: there, forked from the branch before, forked from another volume, or new."""
        here, *before = self._house.ancestry()
        name = f"{wanted.volume}-{here[0]}"
        found = await self._find(name)
        if found is None:
            found = self._room.volumes[name] = await self._make(wanted, name, before)
        return found

    async def _make(self, wanted: Cluster, name: str, before: list[tuple[int, int]]) -> Volume:
        if wanted.follows:
            return await (await self._followed(wanted.follows)).repeat(name, wanted.region)
        for number, left_ms in before:
            ancestor = await self._find(f"{wanted.volume}-{number}")
            if ancestor is not None:
                return await ancestor.fork(name, left_ms, "")
        if wanted.existing:
            raise Failed("its volume is not on this machine (a snapshot of the cloud does not carry databases)")
        if wanted.fork is None:
            return await Volume.create(self._room, name, wanted.engine, wanted.version, wanted.region)
        source, at_ms = await self._source(wanted.fork.volume)
        asked_ms = self._house.wall(wanted.fork.at_ms) if wanted.fork.at_ms else 0
        at_ms = min(at_ms, asked_ms) if at_ms and asked_ms else at_ms or asked_ms
        try:
            return await source.fork(name, at_ms, wanted.fork.point)
        except TooOld:
            return await self._unstage(source, name, wanted.fork.volume, at_ms)

    async def _unstage(self, source: Volume, name: str, volume: str, at_ms: int) -> Volume:
        """A new volume as another one was longer ago than is kept of it here: of what was staged of it. Raises Failed."""
        from fogbank.engines import staged

        folder = self._room.folder("volumes", name, "fetched", fresh=True)
        answer: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        question = {"what": "staged", "volume": volume, "at_ms": self._house.cloud(at_ms), "folder": str(folder)}
        self._house.asked(question, answer.set_result)
        found = await answer
        if "error" in found:
            raise Failed(found["error"])
        pieces = [Piece._make([*one[:-1], Path(one[-1])]) for one in found["pieces"]]
        try:
            return await staged.unstage(source, name, pieces, at_ms)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, True)

    async def _followed(self, volume: str) -> Volume:
        """A volume of this branch, once somebody writes to it: a fork ends where its first writer says. Raises Failed."""
        name = f"{volume}-{self._house.ancestry()[0][0]}"
        for _ in range(int(_FORKED_S / _POLL_S)):
            found = await self._find(name)
            if found is not None and found.record.until is None:
                return found
            await asyncio.sleep(_POLL_S)
        raise Failed(f"there is no volume {volume} to follow, or nobody has written to it since it was forked")

    async def _source(self, volume: str) -> tuple[Volume, int]:
        """A volume of this branch, or of one behind it and when that was left. Raises Failed."""
        for number, left_ms in self._house.ancestry():
            found = await self._find(f"{volume}-{number}")
            if found is not None:
                return found, left_ms
        raise Failed(f"there is no volume {volume}")

    async def _find(self, name: str) -> Volume | None:
        """A volume that runs already (here or in another cloud), or that is on disk."""
        found = self._room.volumes.get(name)
        if found is None:
            found = await Volume.load(self._room, name)
            if found is not None:
                self._room.volumes.setdefault(name, found)
        found = self._room.volumes.get(name)
        return await self._find(found.record.heir) if found is not None and found.record.heir else found

    def forget(self, volume: str, done: Done) -> None:
        self._begin(self._forget(volume), done)

    async def _forget(self, volume: str) -> None:
        name = f"{volume}-{self._house.ancestry()[0][0]}"
        found = await self._find(name)
        if found is not None:
            for one in {found, self._room.volumes[name]}:  # (one that has an heir is found through it)
                await one.forget()
                self._room.volumes.pop(one.record.name, None)

    def keep(self, volume: str, point: str, done: Done) -> None:
        self._begin(self._keep(volume, point), done)

    async def _keep(self, volume: str, point: str) -> Point:
        source, _ = await self._source(volume)
        kept = await source.keep(point)
        return kept._replace(at_ms=self._house.cloud(kept.at_ms))

    def stage(self, volume: str, since: Since, done: Done) -> None:
        self._begin(self._stage(volume, since), done)

    async def _stage(self, volume: str, since: Since) -> tuple[Piece, ...]:
        from fogbank.engines import staged

        found = await self._find(f"{volume}-{self._house.ancestry()[0][0]}")
        if found is None:
            return ()
        await found.staged(since.timeline, since.position)
        cloud = self._house.cloud
        return tuple([one._replace(at_ms=cloud(one.at_ms) if one.at_ms else since.at_ms) for one in await staged.stage(found, since)])

    def release(self, volume: str, point: str, done: Done) -> None:
        self._begin(self._release(volume, point), done)

    async def _release(self, volume: str, point: str) -> None:
        found = await self._find(f"{volume}-{self._house.ancestry()[0][0]}")
        if found is not None:
            found.release(point)

    # SQL

    def execute(self, cluster: str, user: str, password: str, database: str, session: str, statement: Statement, done: Done) -> None:
        self._begin(self._execute(cluster, user, password, database, session, statement), done)

    async def _execute(self, cluster: str, user: str, password: str, database: str, session: str, statement: Statement) -> Result:
        runner = self._runner(cluster)
        one = runner.running.get(runner.writer)
        if one is None or runner.volume is None:
            raise Refused("the cluster has no writer now", "WRITER")
        kind: Kind = runner.volume.kind
        sessions = self._sessions.setdefault(cluster, Sessions(self._loop))
        server = one.server
        key = (server.socket, user, password, database)
        return await sessions.execute(session, key, lambda: kind.engine.connect(*key), statement)

    def end(self, cluster: str, session: str, done: Done) -> None:
        sessions = self._sessions.get(cluster)
        if sessions is None:
            done(None)
        else:
            self._begin(sessions.end(session), done)

    def ask(self, cluster: str, node: str, sql: str, done: Done) -> None:
        self._begin(self._ask(cluster, node, sql), done)

    async def _ask(self, cluster: str, node: str, sql: str) -> Result:
        runner = self._runner(cluster)
        one = runner.running.get(node)
        if one is None or one.state != "running" or runner.volume is None:
            raise Failed(f"{node} does not run")
        return await one.server.sql(sql, None, runner.volume.kind.own)

    def usage(self, cluster: str, done: Done) -> None:
        self._begin(self._usage(cluster), done)

    async def _usage(self, cluster: str) -> dict[str, Usage]:
        there = {id: (one.seen().pid, one.folder / "data") for id, one in self._runner(cluster).running.items() if one.state == "running"}

        def read() -> dict[str, Usage]:
            found = {}
            for id, (pid, folder) in there.items():
                with contextlib.suppress(OSError):  # (it has just ended)
                    found[id] = measuring.usage(pid, folder)
            return found

        return await asyncio.to_thread(read)

    def parallel(self, cluster: str, asked: dict[str, Any], done: Done) -> None:
        self._begin(self._parallel(cluster, asked), done)

    async def _parallel(self, cluster: str, asked: dict[str, Any]) -> dict[str, Any]:
        return await answer(self._runner(cluster).pages, asked)

    def _runner(self, cluster: str) -> Runner | Pair:
        found = self._runners.get(cluster)
        if found is None:
            raise Failed(f"cluster {cluster} does not run")
        return found

    # files

    def files(self, cluster: str, node: str) -> list[tuple[str, int, int]]:
        folder = self._logs(cluster, node)
        found = [(path, path.stat()) for path in sorted(folder.iterdir())] if folder is not None and folder.is_dir() else []
        return [(path.name, status.st_size, status.st_mtime_ns // 1_000_000) for path, status in found]

    def read(self, cluster: str, node: str, name: str, offset: int, length: int) -> bytes:
        folder = self._logs(cluster, node)
        path = folder / name if folder is not None and "/" not in name and name not in (".", "..") else None
        if path is None or not path.is_file():
            raise LookupError(name)
        with open(path, "rb") as file:
            file.seek(offset)
            return file.read(length)

    def _logs(self, cluster: str, node: str) -> Path | None:
        runner = self._runners.get(cluster)
        one = runner.running.get(node) if runner is not None else None
        return one.folder / "log" if one is not None else None

    # the front, and the end

    def _routes(self) -> None:
        self._front.show([runner for runner in self._runners.values() if runner.wanted is not None], self.address)

    def _begin(self, work: Coroutine[Any, Any, Any], done: Done) -> None:
        task = self._loop.create_task(self._finish(work, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @staticmethod
    async def _finish(work: Coroutine[Any, Any, Any], done: Done) -> None:
        try:
            result = await work
        except Exception as problem:
            done(problem)
        else:
            done(result)

    async def shut(self) -> None:
        """Stops everything; volumes stay."""
        self._audit.close()
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()
        await asyncio.gather(*(one.close() for one in (*self._sessions.values(), *self._runners.values())), return_exceptions=True)
        self._sessions.clear()
        self._runners.clear()
        try:
            await self._front.close()
        finally:
            self._room.leave(self._house.name)

    def left(self) -> None:
        """The branch under the cloud is another one: what ran for the old one ends; what the new one wants is converged anew."""
        there = (*self._sessions.values(), *self._runners.values())
        for runner in self._runners.values():
            for one in runner.running.values() if isinstance(runner, Runner) else ():
                one.expected, one.writes = True, False  # (at once: until the front has heard, it leads clients there)
                one.server.kill()
        self._sessions.clear()
        self._runners = {}
        self._begin(self._move(there), lambda _: None)
        self._routes()

    async def _move(self, there: Iterable[Sessions | Runner | Pair]) -> None:
        await asyncio.gather(*(one.close() for one in there), return_exceptions=True)
        self._house.revive()

    def close(self) -> None:
        """See `shut`; for a cloud that is closed."""
        if self._loop.is_running():
            self._begin(self.shut(), lambda _: None)
        else:
            self._loop.run_until_complete(self.shut())
