"""A cluster with two writers, as it should be and as it is: what a `Runner` is to a cluster with one.

    one writer    alone: an ordinary cluster. Its volume is the *truth*: what the cluster stands on
    join          the other is made of a fork of that volume; each takes from the other; from then on a commit is acknowledged when it is
                  durable on both volumes (`Way`), and rows are claimed of the storage nodes (`Claimer`); then clients are let in
    one dies      it is fenced, its volume is nothing any more; the other goes on alone on its own, which is the truth from now on
                  (`Record.heir`); then a new one joins
    both die      the truth has all that was acknowledged: one is made from it, the other joins

Every start, every repair is `join`: no slot, and nothing else of a node's disk, has to survive.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable, Coroutine
from typing import Any

from fogbank.engines.fleet.holds import Holder
from fogbank.engines.masters.claiming import Claimer, Unheard
from fogbank.engines.masters.door import Door
from fogbank.engines.masters.side import Side
from fogbank.engines.masters.way import Way
from fogbank.engines.runner import Notice
from fogbank.engines.running import Running
from fogbank.engines.spec import Actual, Cluster, Failed, Node, NodeState
from fogbank.engines.volumes import Volume

_TAKING = re.compile(r"-w[0-9a-f]{12,}$")
"""How the name of a volume ends that is made for a second writer, and may take the first one's place."""
_LOOK_S, _LONGEST_S = 0.5, 15.0
_JOIN_S = 120.0
_POLL_S = 0.02


class Pair:
    """See the module. To `Databases` it is what a Runner is."""

    def __init__(
        self, cluster: str, volumes: Callable[[Cluster], Any], followed: Callable[[str], Any], routes: Callable[[], None], noticed: Notice
    ) -> None:
        self.id = cluster
        self.wanted: Cluster | None = None
        self.held = True
        self.closed = False
        self._find = volumes
        self._routes = routes
        self._notice = noticed
        self._sides: list[Side] = []
        """Those that clients are let in to; the first one's volume is the truth."""
        self._ways: dict[int, Way] = {}
        """By the writer's number."""
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking: asyncio.Task[None] | None = None

    # what there is

    @property
    def volume(self) -> Volume | None:
        return self._sides[0].volume if self._sides else None

    @property
    def writer(self) -> str:
        return self._sides[0].node.id if self._sides else ""

    @property
    def running(self) -> dict[str, Running]:
        return {id: one for side in self._sides for id, one in side.running.items()}

    @property
    def pages(self) -> Any:
        if not self._sides:
            raise Failed(f"cluster {self.id} does not run")
        return self._sides[0].pages

    @property
    def actual(self) -> Actual | None:
        seen = [side.actual for side in self._sides if side.actual is not None]
        if not seen:
            return None
        nodes: tuple[NodeState, ...] = tuple(one.seen() for one in self.running.values())
        return seen[0]._replace(id=self.id, writer=self.writer, nodes=nodes)

    # convergence

    async def converge(self, wanted: Cluster) -> Actual:
        """Makes the cluster what it should be. Raises Failed."""
        async with self._lock:
            if self.closed:
                raise Failed("the cluster does not run any more")
            self.wanted = wanted
            self._routes()
            if not wanted.nodes:
                await self._stop()
                await (await self._find(wanted)).close()  # (it is there from the beginning on)
                return Actual(self.id, wanted.version, "", (), None)
            await self._run(wanted)
            if self._looking is None:
                self._looking = asyncio.get_running_loop().create_task(self._keep_looking())
            actual = self.actual
            if actual is None:
                raise Failed("the cluster does not run")
            return actual

    async def _run(self, wanted: Cluster) -> None:
        there = {node.id: node for node in wanted.nodes}
        for side in [side for side in self._sides if side.node.id not in there or there[side.node.id].restarts != side.node.restarts]:
            if len(self._sides) > 1:
                await self._lose(side)
            elif side.node.id not in there:
                await self._stop()
        if not self._sides:
            await self._begin(wanted, wanted.nodes[0])
        for side in self._sides:
            await side.converge(side.half(wanted, there[side.node.id]))
        for node in wanted.nodes:
            if node.id not in {side.node.id for side in self._sides}:
                await self._join(wanted, node)
        self.held = False
        self._routes()

    async def _side(self, number: int, node: Node, volume: Volume) -> Side:
        fleet = await volume.room.fleet(volume.record.region)
        claimer = Claimer(fleet.folder, _root(volume.record.name), number)
        return Side(number, node, volume, claimer, self._routes, self._notice, lambda: self._spawn(self._mend()))

    async def _begin(self, wanted: Cluster, node: Node) -> None:
        """The first writer, from the truth."""
        volume: Volume = await self._find(wanted)
        await _clear(volume)
        volume.gated = False
        side = await self._side(1, node, volume)
        try:
            await side.converge(side.half(wanted, node))
            await side.prepare()
            await self._open_door(side)
        except BaseException:
            await side.fence()
            raise
        self._sides = [side]
        self._routes()

    async def _open_door(self, side: Side) -> None:
        async def over(holder: Holder) -> bool:
            way = self._ways.get(holder.writer)
            return way is None or await way.over(holder.claim)

        def stirred() -> None:
            way = self._ways.get(side.number)
            if way is not None:
                way.stir()

        side.door = Door(side.door_path, side.claimer, over, stirred)
        await side.door.open()

    # two of them

    async def _join(self, wanted: Cluster, node: Node) -> None:
        """The second writer: a fork of the first one's volume, which takes from there on what the first commits."""
        first = self._sides[0]
        await first.part()
        await first.keep_for()
        volume = await first.home.fork(f"{_root(first.home.record.name)}-w{time.time_ns():x}", 0, "")
        volume.room.volumes[volume.record.name] = volume
        second = await self._side(3 - first.number, node, volume)
        try:
            await second.converge(second.half(wanted, node))
            second.call_aws(first.home)
            await second.become()
            await second.take_from(first, await second.begun())
            await first.take_from(second, 0)
            await self._open_door(second)
            await self._pair(first, second)
        except BaseException:
            await self._alone(first, second)
            raise
        self._sides = [first, second]
        self._routes()

    async def _pair(self, first: Side, second: Side) -> None:
        """From now on a commit is acknowledged when it is on both volumes. The second is let in when it has all that was before."""
        await first.gate(closed=True)
        await second.gate(closed=True)
        generation = time.time_ns()
        for side in (first, second):
            side.claimer.begin(generation, (1, 2))
        self._ways = {side.number: Way(side, other, self._stuck) for side, other in ((first, second), (second, first))}
        for way in self._ways.values():
            way.start()
        number = await first.newest()
        try:
            async with asyncio.timeout(_JOIN_S):
                while await first.begun_before(number):  # what it holds was not claimed
                    await asyncio.sleep(_POLL_S)
                await self._ways[first.number].reach(await first.last())
                await self._ways[second.number].reach(await second.last())
            for side in (first, second):
                await side.claimer.ready(_JOIN_S)
        except (TimeoutError, Unheard):
            raise Failed("the second writer does not come to have what the first one has") from None

    async def _lose(self, side: Side) -> None:
        """A writer is no more: the other goes on alone, on the truth."""
        survivor = next(other for other in self._sides if other is not side)
        await side.fence()
        if side is self._sides[0]:
            await _inherit(side.home, survivor.home)
            survivor.call_aws(survivor.home)
        self._sides = [survivor]
        self._routes()
        await self._alone(survivor, side)

    async def _alone(self, survivor: Side, gone: Side) -> None:
        """Nothing of the other is there any more: neither what it held, nor what was kept for it, nor its volume."""
        await self._stop_ways()
        await gone.fence()
        try:
            await survivor.part()  # (from now on nothing of the other is applied: its rows are free)
            survivor.claimer.begin(time.time_ns(), (survivor.number,))
            await survivor.gate(closed=False)
        except Failed:
            await survivor.fence()
            self._sides = []
            raise
        await _forget(gone.home)

    async def _stop_ways(self) -> None:
        for way in self._ways.values():
            await way.stop()
        self._ways = {}

    # what happens by itself

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _quietly(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as problem:
            self._notice("failed", {"why": str(problem), "nodes": self._lacking()})

    def _stuck(self, side: Side, why: str) -> None:
        if not side.failing:
            side.failing = True
            self._notice("node_died", {"node": side.node.id, "why": why})
            self._spawn(self._mend())

    def _lacking(self) -> list[str]:
        """The nodes that should write, and do not."""
        there = {side.node.id for side in self._sides if not side.dead}
        return [node.id for node in self.wanted.nodes if node.id not in there] if self.wanted is not None and not self.held else []

    async def _mend(self) -> None:
        """Who is left goes on; what died is made anew."""
        async with self._lock:
            lacking = self._lacking()
            if self.closed or self.wanted is None or not lacking:
                return
            dead = [side for side in self._sides if side.dead]
            if len(dead) == 1 and len(self._sides) == 1:
                await dead[0].revive()
            elif len(dead) == 1:
                await self._lose(dead[0])
            elif dead:
                await self._stop_ways()
                for side in dead:
                    await side.fence()
                self._sides = []
            if not self._sides:
                await self._begin(self.wanted, self.wanted.nodes[0])
            for node in self.wanted.nodes:
                if node.id not in {side.node.id for side in self._sides}:
                    await self._join(self.wanted, node)
            for id in lacking:
                self._notice("node_recovered", {"node": id})

    async def _keep_looking(self) -> None:
        again_s = 0.0
        while True:
            await asyncio.sleep(max(_LOOK_S, again_s))
            if self._lacking():
                again_s = min(2 * again_s + _LOOK_S, _LONGEST_S)
                await self._quietly(self._mend())
            else:
                again_s = 0.0

    # the end

    async def _stop(self) -> None:
        """All that was acknowledged is on the truth: that one is stopped in order, the other not."""
        await self._stop_ways()
        for side in reversed(self._sides):
            if side is self._sides[0]:
                with contextlib.suppress(Failed):
                    await side.gate(closed=False)
                side.claimer.forget()
                side.shut()
                await side.close()
            else:
                await side.fence()
                await _forget(side.home)
        self._sides, self.held = [], True

    async def close(self) -> None:
        """Stops all; the truth stays on the nodes."""
        self.closed = True
        if self._looking is not None:
            self._looking.cancel()
        for task in [*self._tasks]:
            task.cancel()
        async with self._lock:
            await self._stop()


def _root(name: str) -> str:
    """The volume by which a cluster's is found, of that and all that took its place."""
    return _TAKING.sub("", name)


async def _inherit(gone: Volume, heir: Volume) -> None:
    """The truth is another volume from now on."""
    room = gone.room
    root = room.volumes.get(_root(gone.record.name)) or await Volume.load(room, _root(gone.record.name))
    assert root is not None
    root.record.heir = heir.record.name
    root.save()


async def _forget(volume: Volume) -> None:
    """A volume that is the truth no more; that by which it is found stays."""
    if _TAKING.search(volume.record.name):
        volume.room.volumes.pop(volume.record.name, None)
        await volume.forget()


async def _clear(truth: Volume) -> None:
    """Volumes of seconds that nobody could put away."""
    root, room = _root(truth.record.name), truth.room
    for folder in (room.root / "volumes").glob(f"{root}-w*"):
        if folder.name != truth.record.name and _root(folder.name) == root and folder.name not in room.volumes:
            left = await Volume.load(room, folder.name)
            if left is not None:
                await left.forget()
