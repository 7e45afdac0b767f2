"""One cluster, as it should be and as it is: its volume, its compute nodes, who writes, and what happens when one of them dies.

    converge     volume there? -> writer there? -> readers -> settings -> endpoints (the front is told by `routes`)
    a node dies  the writer: the first reader in the order of `nodes` is promoted, or, where there is none, a new writer is made from the
                 volume; a reader: it is made anew. All without the service, which is told (`noticed`) and sees it in `actual`.

Only one thing is done to a cluster at a time (`_lock`). A node's disk is a cache of the volume: it is used again only after a clean stop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from fogbank.engines import following
from fogbank.engines.control import Fenced
from fogbank.engines.kinds import Until
from fogbank.engines.looking import coalesce_when_long, look
from fogbank.engines.parallel import Pages
from fogbank.engines.running import Running, fill, new, together
from fogbank.engines.spec import Actual, Cluster, Failed, Node
from fogbank.engines.volumes import Volume

Notice = Callable[[str, dict[str, Any]], None]
_LOOK_S, _AGAIN_S = 0.5, 15.0
"""So long at most it is until what could not be mended is tried again."""


class Runner:
    """See the module. `routes` is called when who serves what has changed; `noticed(what, details)` when something happened by itself."""

    def __init__(
        self, cluster: str, volumes: Callable[[Cluster], Any], followed: Callable[[str], Any], routes: Callable[[], None], noticed: Notice
    ) -> None:
        self.id = cluster
        self.wanted: Cluster | None = None
        self.volume: Volume | None = None
        self.running: dict[str, Running] = {}
        self.writer = ""
        self.actual: Actual | None = None
        self.pages = Pages(self)
        self._find = volumes
        self._followed = followed
        self.followed: Volume | None = None
        """The volume that this one's repeats."""
        self.lag = following.Lag()
        self._repeats = ""
        self._cut = False
        """The volume's process went away, and nobody has told another one yet what it is to follow."""
        self._obeyed = ""
        """The writer that was last asked for, and had: since then another one may have taken over by itself."""
        self._routes = routes
        self._notice = noticed
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking: asyncio.Task[None] | None = None
        self.closed = False
        self.held = True
        """Nobody is let in before the cluster has once been what it should be."""

    # convergence

    async def converge(self, wanted: Cluster) -> Actual:
        """Makes the cluster what it should be. Raises Failed."""
        async with self._lock:
            if self.closed:
                raise Failed("the cluster does not run any more")
            before, self.wanted = self.wanted, wanted
            self._routes()
            if self.volume is not None and before is not None and before.volume != wanted.volume:
                await self._stop_all()
                await self._leave_volume()
            if not wanted.nodes:
                await self._stop_all()
                if self.volume is None:
                    self.volume = await self._find(wanted)
                await self.volume.close()
            else:
                await self._run(wanted)
            self._routes()
            return await look(self)

    async def _run(self, wanted: Cluster) -> None:
        if self.volume is None:
            self.volume = await self._find(wanted)
        self.volume.heard = self._heard
        await self._rejoin()
        await self._follow(wanted.follows)
        if self.followed is not None:
            await following.caught_up(self.volume, self.followed)
        self._bury()
        there = {node.id: node for node in wanted.nodes}
        for one in [one for id, one in self.running.items() if id not in there]:
            self._lose(one)
            await self._stop(one)
        asked = wanted.writer if self._obeyed != wanted.writer or not self.writer else self.writer
        if asked and asked not in there:
            raise Failed(f"{asked} is no node of the cluster")
        if not asked:
            await self._retire()
        elif asked != self.writer:
            await self._write_from(there[asked])
        self._obeyed = wanted.writer
        readers = [node for node in wanted.nodes if node.id != self.writer]
        await together(self._read_from(node) for node in readers if node.id not in self.running)
        await together(self._set(self.running[node.id], node) for node in wanted.nodes if node.id in self.running)
        if self.writer:
            await self.running[self.writer].server.prepare(wanted.user, wanted.password, wanted.database, iam=wanted.iam)
        if self.writer or wanted.follows:
            await together(self._caught_up(self.running[node.id]) for node in readers if node.id in self.running)
        self.held = False
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._keep_looking())

    async def _follow(self, other: str) -> None:
        """Repeats another volume, as its readers would, until it is told to go on by itself."""
        assert self.volume is not None
        if other == self._repeats:
            return
        self._repeats, self.followed = "", None
        if other:
            followed: Volume = await self._followed(other)
            try:
                await following.follow(self.volume, followed)
            except Fenced as problem:
                await self._begin_anew(followed)
                self._notice("resynchronized", {"why": str(problem)})
            self.followed = followed
        else:
            await self.volume.ask("detach")
        self._repeats = other

    async def _begin_anew(self, followed: Volume) -> None:
        """The volume goes, and all that was made from it; another one begins with what the one has that it repeats."""
        assert self.volume is not None
        assert self.wanted is not None
        await self._stop_nodes()
        await self.volume.forget()
        self.volume.room.volumes.pop(self.volume.record.name, None)
        self.volume = await self._find(self.wanted)
        self.volume.heard = self._heard
        await following.follow(self.volume, followed)
        await following.caught_up(self.volume, followed)

    def _settings(self, node: Node) -> dict[str, str]:
        assert self.wanted is not None
        return {**self.wanted.parameters, **node.parameters}

    async def _set(self, one: Running, node: Node) -> None:
        """Parameters, and a restart where one is wanted."""
        settings = self._settings(node)
        restart = node.restarts != one.node.restarts
        one.node = node
        if restart:
            await self._restart(one)
        elif settings != one.settings:
            one.pending = await one.server.apply(settings)
            one.settings = settings
        assert self.wanted is not None
        await one.server.admit(self.wanted.iam)

    async def _restart(self, one: Running) -> None:
        one.expected, one.state = True, "starting"
        one.settings = self._settings(one.node)
        self._routes()
        await one.server.stop("fast")
        if one.writes:
            await self._start_clean(one)
        else:
            await self._start_reader(one)
        one.pending = ()
        self._routes()

    # the writer

    async def _write_from(self, node: Node) -> None:
        """This node writes from now on: it is promoted where it reads, made where it is not there."""
        one = self.running.get(node.id)
        await self._retire()
        if one is not None and one.state == "running":
            await self._promote(one)
        else:
            await self._make_writer(node)

    async def _retire(self) -> None:
        """Whoever writes stops: all that it wrote is on the volume then."""
        old = self.running.get(self.writer)
        if old is not None:
            await self._stop(old)
            self._lose(old)
            old.clean = False  # (another one may write before it does again)

    async def _caught_up(self, one: Running, asked: str = "status") -> None:
        """Waits until a reader has all that is durable now; with "seal", and nothing more comes from whoever wrote."""
        assert self.volume is not None
        status = await self.volume.ask(asked)
        await one.server.reach(int(status["timeline"]), int(status["durable"]))

    async def _promote(self, one: Running) -> None:
        """A reader becomes the writer. Everything that was acknowledged is on the volume, which it has read to its end: nothing is lost."""
        with self._trying(one):
            await self._caught_up(one, "seal")
            await one.server.promote()
            await self._attach(one)

    async def _attach(self, one: Running) -> None:
        """The volume follows this writer; only then are its commits acknowledged."""
        assert self.volume is not None
        await self.volume.ask("follow", socket=str(one.server.socket), port=5432)
        await one.server.attach()
        one.writes, one.state = True, "running"
        self.writer, self._cut = one.node.id, False
        self._routes()

    async def _make_writer(self, node: Node) -> None:
        """A writer from what the disk has after a clean stop, or from an image and the log."""
        assert self.volume is not None
        one = self.running[node.id] = self._new(node)
        with self._trying(one):
            if one.clean:
                with contextlib.suppress(Failed):
                    await self._start_clean(one)
                    return
                one.server.kill()
            await self._start_anew(one)

    async def _start_anew(self, one: Running) -> None:
        """From an image and the log after it, as far as it is to go."""
        assert self.volume is not None
        status = await self.volume.ask("status")
        record = self.volume.record
        until = Until(*record.until) if record.until is not None else Until(int(status["timeline"]), int(status["durable"]))
        newest = self.volume.newest()
        empty = newest.template and (newest.timeline, newest.position) >= (until.timeline, until.position)
        await fill(one, self.volume)
        await one.server.start(one.settings, upstream=None if empty else self.volume.run, until=None if empty else until)
        self._watch_process(one)
        await self._attach(one)
        if record.until is not None:
            record.until = None
            self.volume.save()

    async def _start_clean(self, one: Running) -> None:
        """Goes on with the files of a clean stop: they are all that the volume has."""
        one.clean = False
        await one.server.start(one.settings)
        self._watch_process(one)
        await self._attach(one)

    # readers

    async def _read_from(self, node: Node) -> None:
        assert self.volume is not None
        one = self.running[node.id] = self._new(node)
        with self._trying(one):
            await fill(one, self.volume)
            await self._start_reader(one)

    @contextlib.contextmanager
    def _trying(self, one: Running) -> Iterator[None]:
        """A node that could not be started is not there."""
        try:
            yield
        except BaseException:
            one.expected = True
            one.server.kill()
            self._lose(one)
            raise

    async def _start_reader(self, one: Running) -> None:
        assert self.volume is not None
        one.clean = False
        await one.server.start(one.settings, upstream=self.volume.run)
        await self._caught_up(one)  # (an image may be old: nobody is to see that)
        one.state, one.writes = "running", False
        self._watch_process(one)
        self._routes()

    # nodes

    def _new(self, node: Node) -> Running:
        assert self.volume is not None
        one = new(node, self.volume)
        one.settings = self._settings(node)
        return one

    async def _stop(self, one: Running) -> None:
        one.expected, one.state = True, "stopped"
        self._routes()
        writes = one.writes
        await one.server.stop("fast")
        if writes and one.server.process is None:
            one.clean = True

    async def _stop_all(self) -> None:
        """Readers first: the writer's last records are on the volume before it ends."""
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        await self._stop_nodes()
        self.held, self._cut, self._repeats, self.followed = True, False, "", None

    async def _stop_nodes(self) -> None:
        await self.pages.close()
        for one in sorted(self.running.values(), key=lambda one: one.writes):
            await self._stop(one)
        self.running.clear()
        self.writer = ""

    def _lose(self, one: Running) -> None:
        """A node that is not there any more."""
        if self.running.get(one.node.id) is one:
            del self.running[one.node.id]
            if self.writer == one.node.id:
                self.writer = ""

    def _bury(self) -> None:
        """What died, and what was left half way by something that failed."""
        for one in [one for one in self.running.values() if one.state != "running"]:
            one.expected = True
            one.server.kill()
            self._lose(one)

    async def _leave_volume(self) -> None:
        if self.volume is not None:
            await self.volume.close()
            self.volume = None
            self._obeyed = ""

    # what happens by itself

    def _watch_process(self, one: Running) -> None:
        one.expected = False
        process = one.server.process
        if process is not None:
            process.ended.add_done_callback(lambda _: self._ended(one, process))

    def _ended(self, one: Running, process: Any) -> None:
        if one.expected or self.closed or self.running.get(one.node.id) is not one or one.server.process is not process:
            return
        one.state = "dead"
        self._routes()
        self._notice("node_died", {"node": one.node.id})
        self._spawn(self._mend())

    def _heard(self, said: dict[str, Any]) -> None:
        lost = said["event"] == "gone" or (self._repeats and said.get("fenced"))
        if lost and not self.closed and self.volume is not None and self.running:
            self._cut = True
            self._spawn(self._mend())

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(self._quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _quietly(self, work: Any) -> None:
        try:
            await work
        except Exception as problem:
            self._notice("failed", {"why": str(problem), "nodes": self._lacking()})

    async def _rejoin(self) -> None:
        """After a volume's process that is gone comes another one, which finds out what is durable; the writer, which waited, goes on."""
        assert self.volume is not None
        assert self.wanted is not None
        await self.volume.open()
        if not self._cut:
            return
        self._repeats = ""
        await self._follow(self.wanted.follows)
        one = self.running.get(self.writer)
        if one is not None and one.state == "running":
            await self.volume.ask("follow", socket=str(one.server.socket), port=5432)
        self._cut = False
        self._notice("volume_recovered", {})

    def _lacking(self) -> list[str]:
        """The nodes that should run, and do not."""
        there = {id for id, one in self.running.items() if one.state != "dead"}
        return [node.id for node in self.wanted.nodes if node.id not in there] if self.wanted is not None and not self.held else []

    async def _mend(self) -> None:
        """What died is made anew; where it was the writer, a reader takes over first."""
        if self._cut and self.volume is not None:
            await self.volume.open()  # (whoever has the lock may be waiting for it)
        async with self._lock:
            if self.closed or self.held or self.volume is None or self.wanted is None or not (self._cut or self._lacking()):
                return
            await self._rejoin()
            dead = self._lacking()
            last = self.writer
            self._bury()
            if self.wanted.writer and not self.writer:
                await self._succeed(last)
            lacking = [node for node in self.wanted.nodes if node.id in dead and node.id not in self.running]
            await together(self._read_from(node) for node in lacking)
            for node in lacking:
                self._notice("node_recovered", {"node": node.id})
            await look(self)

    async def _succeed(self, last: str) -> None:
        """The first reader that runs writes from now on; where there is none, who wrote last is made anew."""
        assert self.wanted is not None
        nodes = {node.id: node for node in self.wanted.nodes}
        heir = next((self.running[id] for id in nodes if id in self.running), None)
        if heir is not None:
            await self._promote(heir)
            self._notice("failover", {"node": last, "writer": heir.node.id})
        else:
            node = nodes.get(last) or nodes[self.wanted.writer]
            await self._make_writer(node)
            self._notice("writer_recovered", {"node": node.id, "writer": node.id})

    async def _keep_looking(self) -> None:
        again_s = 0.0
        while True:
            await asyncio.sleep(max(_LOOK_S, again_s))
            again_s = min(2 * again_s + _LOOK_S, _AGAIN_S)
            with contextlib.suppress(Failed, OSError):
                await look(self)
                if self._cut or self._lacking():
                    await self._mend()
                else:
                    await coalesce_when_long(self)
                again_s = 0.0

    # the end

    async def close(self) -> None:
        """Stops all; the volume stays on the nodes."""
        self.closed = True
        for task in [*self._tasks]:
            task.cancel()
        async with self._lock:
            await self._stop_all()
            await self._leave_volume()
