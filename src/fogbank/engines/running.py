"""A compute node that was started."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from pathlib import Path

from fogbank.engines import layers
from fogbank.engines.kinds import Instance, instance
from fogbank.engines.processes import give
from fogbank.engines.spec import Node, NodeState
from fogbank.engines.volumes import Volume


class Running:
    """A compute node that was started."""

    def __init__(self, node: Node, server: Instance, folder: Path) -> None:
        self.node = node
        self.server = server
        self.folder = folder
        self.state = "starting"
        self.writes = False
        self.settings: dict[str, str] = {}
        self.pending: tuple[str, ...] = ()
        self.lag_ms = 0.0
        self.connections = 0
        self.expected = False
        """That it ends is our doing."""

    @property
    def clean(self) -> bool:
        """Its disk was left by a clean stop: it has all that the volume has."""
        return (self.folder / "clean").exists() and (self.folder / "data").is_dir()

    @clean.setter
    def clean(self, clean: bool) -> None:
        mark = self.folder / "clean"
        if clean:
            mark.touch()
            give(mark)
        else:
            mark.unlink(missing_ok=True)

    def seen(self) -> NodeState:
        process = self.server.process
        pid = process.pid if process is not None and process.alive else 0
        return NodeState(self.node.id, self.node.zone, self.state, self.writes, self.lag_ms, self.connections, pid, self.pending)


def new(node: Node, volume: Volume) -> Running:
    """A node of a cluster that stands on a volume."""
    room = volume.room
    folder = room.folder("volumes", volume.record.name, "nodes", node.id)
    if not (folder / "aws").is_symlink():  # where SQL functions call AWS: one place for all nodes
        (folder / "aws").symlink_to(volume.run.resolve() / "aws")
    return Running(node, instance(volume.kind, room.short(folder), volume.binaries, room.loop), folder)


async def fill(one: Running, volume: Volume) -> None:
    """A node's disk is made from the volume's newest image (of a fork that nobody has opened yet: its only one)."""
    one.clean = False
    await asyncio.to_thread(layers.clear, one.folder)
    data = one.folder / "data"
    with volume.held(volume.newest()) as image:
        await volume.kind.engine.copy(image, data, layers.below(data))


async def together(works: Iterable[Awaitable[None]]) -> None:
    """All at once. What fails is raised when all have ended: none goes on behind the back of who waits."""
    for result in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
