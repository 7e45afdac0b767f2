"""One cluster, as it should be and as it is: its volume, its compute nodes, who writes, and what happens when one of them dies.

    converge     volume there? -> writer there? -> readers -> settings -> endpoints (the front is told by `routes`)
    a node dies  the writer: the first reader in the order of `nodes` is promoted, or, where there is none, a new writer is made from the
                 volume; a reader: it is made anew. All without the service, which is told (`noticed`) and sees it in `actual`.

Only one thing is done to a cluster at a time (`_lock`). A node's disk is a cache of the volume: it is used again only after a clean stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable, Iterator
from typing import Any

from fogbank.engines.kinds import Until, instance
from fogbank.engines.running import Running
from fogbank.engines.spec import Actual, Cluster, Failed, Node
from fogbank.engines.volumes import COALESCE_BYTES, Volume

Notice = Callable[[str, dict[str, Any]], None]
_LOOK_S = 0.5
_CAUGHT_UP_S = 30.0
_POLL_S = 0.01


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
        self._find = volumes
        self._followed = followed
        self._repeats = ""
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
                await self._run(wanted, before)
            self._routes()
            return await self._look()

    async def _run(self, wanted: Cluster, before: Cluster | None) -> None:
        if self.volume is None:
            self.volume = await self._find(wanted)
        self.volume.heard = self._heard
        await self.volume.open()
        await self._follow(wanted.follows)
        there = {node.id: node for node in wanted.nodes}
        for id in [id for id in self.running if id not in there]:
            await self._stop(self.running.pop(id))
            if self.writer == id:
                self.writer = ""
        asked = wanted.writer if before is None or before.writer != wanted.writer or not self.writer else self.writer
        if asked and asked not in there:
            raise Failed(f"{asked} is no node of the cluster")
        if asked and asked != self.writer:
            await self._write_from(there[asked])
        readers = [node for node in wanted.nodes if node.id != self.writer]
        await asyncio.gather(*(self._read_from(node) for node in readers if node.id not in self.running))
        await asyncio.gather(*(self._set(self.running[node.id], node) for node in wanted.nodes if node.id in self.running))
        if self.writer:
            server = self.running[self.writer].server
            await server.prepare(wanted.user, wanted.password, wanted.database, iam=wanted.iam)
            await asyncio.gather(*(self._caught_up(self.running[node.id]) for node in readers if node.id in self.running))
        elif wanted.follows:
            await self._repeated(wanted.follows)
            await asyncio.gather(*(self._caught_up(self.running[node.id]) for node in readers if node.id in self.running))
        self.held = False
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._keep_looking())

    async def _follow(self, other: str) -> None:
        """Repeats another volume, as its readers would, until it is told to go on by itself."""
        assert self.volume is not None
        if other == self._repeats:
            return
        if other:
            followed: Volume = await self._followed(other)
            await followed.open()
            await self.volume.ask("follow", socket=str(followed.run), port=5432)
        else:
            await self.volume.ask("detach")
        self._repeats = other

    async def _repeated(self, other: str) -> None:
        """Waits until the volume has all that the one that it follows has now. Raises Failed."""
        assert self.volume is not None
        followed: Volume = await self._followed(other)
        wanted = await followed.ask("status")
        for _ in range(int(_CAUGHT_UP_S / _POLL_S)):
            status = await self.volume.ask("status")
            if (status["timeline"], status["durable"]) >= (wanted["timeline"], wanted["durable"]):
                return
            await asyncio.sleep(_POLL_S)
        raise Failed("the volume does not catch up with the one that it follows")

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
        old = self.running.get(self.writer)
        one = self.running.get(node.id)
        if one is not None and one.state == "running" and (old is not None or self.writer == ""):
            if old is not None:
                old.expected, old.state = True, "stopped"
                self._routes()
                await old.server.stop("fast")
            await self._promote(one)
            if old is not None:
                self.running.pop(old.node.id, None)
            return
        if old is not None:
            await self._stop(old)
            self.running.pop(old.node.id, None)
        await self._make_writer(node)

    async def _caught_up(self, one: Running) -> None:
        """Waits until a reader has all that is durable now."""
        assert self.volume is not None
        status = await self.volume.ask("status")
        await one.server.reach(int(status["timeline"]), int(status["durable"]))

    async def _promote(self, one: Running) -> None:
        """A reader becomes the writer. Everything that was acknowledged is on the volume, which it has read to its end: nothing is lost."""
        await self._caught_up(one)
        await one.server.promote()
        await self._attach(one)

    async def _attach(self, one: Running) -> None:
        """The volume follows this writer; only then are its commits acknowledged."""
        assert self.volume is not None
        await self.volume.ask("follow", socket=str(one.server.socket), port=5432)
        await one.server.attach()
        one.writes, one.state = True, "running"
        self.writer = one.node.id
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
        await self._fill(one)
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
        one = self.running[node.id] = self._new(node)
        with self._trying(one):
            await self._fill(one)
            await self._start_reader(one)

    @contextlib.contextmanager
    def _trying(self, one: Running) -> Iterator[None]:
        """A node that could not be started is not there."""
        try:
            yield
        except BaseException:
            one.expected = True
            one.server.kill()
            if self.running.get(one.node.id) is one:
                del self.running[one.node.id]
            raise

    async def _start_reader(self, one: Running) -> None:
        assert self.volume is not None
        one.clean = False
        await one.server.start(one.settings, upstream=self.volume.run)
        one.state, one.writes = "running", False
        self._watch_process(one)
        self._routes()

    # nodes

    def _new(self, node: Node) -> Running:
        assert self.volume is not None
        room = self.volume.room
        folder = room.folder("volumes", self.volume.record.name, "nodes", node.id)
        if not (folder / "aws").is_symlink():  # where SQL functions call AWS: one place for all nodes
            (folder / "aws").symlink_to(self.volume.run.resolve() / "aws")
        one = Running(node, instance(self.volume.kind, room.short(folder), self.volume.binaries, room.loop), folder)
        one.settings = self._settings(node)
        return one

    async def _fill(self, one: Running) -> None:
        """Its disk is made from the volume's newest image (of a fork that nobody has opened yet: its only one)."""
        assert self.volume is not None
        for name in ("data", "clean"):
            path = one.folder / name
            if path.is_dir():
                await asyncio.to_thread(shutil.rmtree, path)
            else:
                path.unlink(missing_ok=True)
        image = self.volume.image(self.volume.newest())
        await self.volume.kind.engine.copy(image.folder, one.folder / "data")

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
        for one in sorted(self.running.values(), key=lambda one: one.writes):
            await self._stop(one)
        self.running.clear()
        self.writer = ""
        self.held = True

    async def _leave_volume(self) -> None:
        if self.volume is not None:
            await self.volume.close()
            self.volume = None
            self._repeats = ""

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
        self._spawn(self._mend(one))

    def _heard(self, said: dict[str, Any]) -> None:
        if said["event"] == "gone" and not self.closed and self.volume is not None and self.running:
            self._spawn(self._reopen())

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(self._quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _quietly(self, work: Any) -> None:
        try:
            await work
        except Failed as problem:
            self._notice("failed", {"why": str(problem)})

    async def _reopen(self) -> None:
        """The volume's process is gone: another one finds out what is durable, and the writer, which waited, goes on."""
        volume = self.volume
        if volume is None or self.closed:
            return
        await volume.open()  # without the lock: whoever has it may be waiting for the volume
        async with self._lock:
            if self.volume is not volume or self.closed:
                await volume.close()
                return
            one = self.running.get(self.writer)
            repeated, self._repeats = self._repeats, ""
            if repeated:
                await self._follow(repeated)
            elif one is not None and one.state == "running":
                await volume.ask("follow", socket=str(one.server.socket), port=5432)
            self._notice("volume_recovered", {})

    async def _mend(self, dead: Running) -> None:
        """A node died: another one takes over, or it is made anew."""
        async with self._lock:
            if self.closed or self.running.get(dead.node.id) is not dead or dead.state != "dead" or self.wanted is None:
                return
            dead.server.kill()
            del self.running[dead.node.id]
            if dead.node.id != self.writer:
                await self._read_from(dead.node)
                self._notice("node_recovered", {"node": dead.node.id})
                return
            self.writer = ""
            order = [self.running[node.id] for node in self.wanted.nodes if node.id in self.running]
            heir = next((one for one in order if one.state == "running" and one.server.process is not None), None)
            if heir is not None:
                await self._promote(heir)
                self._notice("failover", {"node": dead.node.id, "writer": heir.node.id})
                await self._read_from(dead.node)
            else:
                await self._make_writer(dead.node)
                self._notice("writer_recovered", {"node": dead.node.id, "writer": dead.node.id})
            await self._look()

    # looking

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            with contextlib.suppress(Failed, OSError):
                await self._look()
                await self._coalesce_when_long()

    async def _coalesce_when_long(self) -> None:
        volume, state = self.volume, self.actual.volume if self.actual is not None else None
        if volume is None or state is None or volume.record.until is not None:
            return
        newest = volume.newest()
        if state.timeline != newest.timeline or state.durable - newest.position > COALESCE_BYTES:
            writer = self.running.get(self.writer)
            if writer is not None and writer.state == "running":
                await writer.server.checkpoint()
            await volume.coalesce()

    async def _look(self) -> Actual:
        assert self.wanted is not None
        for one in list(self.running.values()):
            if one.state == "running":
                with contextlib.suppress(Exception):
                    one.lag_ms = 0.0 if one.writes else await one.server.lag_ms()
                    one.connections = await one.server.connections()
        state = None
        if self.volume is not None and self.volume.control is not None:
            with contextlib.suppress(Failed):
                state = await self.volume.state()
        version = str(self.volume.binaries.version) if self.volume is not None else self.wanted.version
        self.actual = Actual(self.id, version, self.writer, tuple(one.seen() for one in self.running.values()), state)
        return self.actual

    # the end

    async def close(self) -> None:
        """Stops all; the volume stays on the nodes."""
        self.closed = True
        for task in [*self._tasks]:
            task.cancel()
        async with self._lock:
            await self._stop_all()
            await self._leave_volume()
