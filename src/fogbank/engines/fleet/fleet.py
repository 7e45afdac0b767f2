"""The six storage nodes of a cloud, as processes."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from fogbank.engines.fleet.client import Connection, gather
from fogbank.engines.fleet.frames import ZONES
from fogbank.engines.fleet.reader import name
from fogbank.engines.processes import Process, python, spawn
from fogbank.engines.spec import Failed

_T = TypeVar("_T")
_START_S = 30.0


class Fleet:
    """The storage fleet below a folder. All is called in the loop.

    settings   of the nodes (`node.Settings`), where they differ from what is usual; sizes count for volumes that are made from now on
    keep_dead  a node that dies stays dead, until `revive`
    """

    def __init__(
        self, folder: Path, loop: asyncio.AbstractEventLoop, *, settings: dict[str, Any] | None = None, keep_dead: bool = False
    ) -> None:
        self.folder = folder
        self.keep_dead = keep_dead
        self._loop = loop
        self._settings = settings or {}
        self._processes: dict[int, Process] = {}
        self._wanted: set[int] = set()
        self._watching: dict[int, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Starts all six. Failed where one does not come up."""
        self.folder.mkdir(parents=True, exist_ok=True)
        import_module("fogbank.engines.fleet.node")  # so that it is compiled: the nodes may not be allowed to keep what they compile
        await asyncio.gather(*(self.revive(number) for number in range(len(ZONES))))

    async def stop(self) -> None:
        """Ends all six: at once, they are made for that."""
        self._wanted.clear()
        for task in self._watching.values():
            task.cancel()
        self._watching.clear()
        await asyncio.gather(*(process.end(signal.SIGKILL) for process in self._processes.values()))
        self._processes.clear()

    async def revive(self, number: int) -> None:
        """Starts a node that does not run."""
        if self.pid(number):
            return
        self._wanted.add(number)
        folder = self.folder / name(number)
        folder.mkdir(exist_ok=True)
        (folder / "settings.json").write_text(json.dumps({**self._settings, "number": number, "zone": ZONES[number]}))
        (folder / "port").unlink(missing_ok=True)
        process = spawn(
            python("fogbank.engines.fleet.node", folder), self._loop, log=folder / "log", drop=False
        )  # our own code; and an interpreter below /root is for root only
        self._processes[number] = process
        until = self._loop.time() + _START_S
        while not (folder / "port").exists():
            if not process.alive or self._loop.time() > until:
                raise Failed(f"storage node {name(number)} does not start: see {folder / 'log'}")
            await asyncio.sleep(0.005)
        self._watching[number] = self._loop.create_task(self._watch(number, process))

    async def _watch(self, number: int, process: Process) -> None:
        """Starts a node again when it dies; one that dies at once is given longer and longer."""
        pause_s = 0.1
        await asyncio.shield(process.ended)
        (self.folder / name(number) / "port").unlink(missing_ok=True)  # somebody else may listen there soon
        while number in self._wanted and not self.keep_dead:
            try:
                await self.revive(number)
                return
            except (Failed, OSError):
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, 10.0)

    # Harm

    def kill(self, number: int) -> None:
        """kill -9. It comes back by itself, unless `keep_dead`."""
        self._processes[number].tell(signal.SIGKILL)

    async def end(self, number: int) -> None:
        """kill -9, and it stays dead until `revive`."""
        self._wanted.discard(number)
        await self._processes[number].end(signal.SIGKILL)

    def pause(self, number: int) -> None:
        self._processes[number].tell(signal.SIGSTOP)

    def resume(self, number: int) -> None:
        self._processes[number].tell(signal.SIGCONT)

    async def fault(self, number: int, **what: Any) -> None:
        """Makes a node fail, until it is told otherwise or dies.

        slow       each batch takes so many ms longer
        partition  nobody reaches it, nor it them
        full       its disk is full
        flip       a volume: changes `count` bytes of it on disk (by `seed`), behind the node's back
        """
        await self._with(number, lambda connection: connection.fault(**what))

    # A look

    @staticmethod
    def zone(zone: str) -> tuple[int, ...]:
        """The numbers of the nodes in a zone."""
        return tuple(number for number, other in enumerate(ZONES) if other == zone)

    def pid(self, number: int) -> int:
        """0 where it does not run."""
        process = self._processes.get(number)
        return process.pid if process is not None and process.alive else 0

    async def status(self) -> dict[int, dict[str, Any]]:
        """What each node says of itself, of those that answer."""
        return await gather(lambda number: self._with(number, lambda connection: connection.status()), 0, 1.0)

    async def scrub(self) -> dict[int, dict[str, int]]:
        """All nodes look at every byte they hold now, and repair: {"checked", "bad", "repaired"} of those that answer."""
        found: dict[int, dict[str, int]] = {}
        for number in range(len(ZONES)):  # one after the other: what one repairs, another may have needed to repair itself
            try:
                found[number] = await self._with(number, lambda connection: connection.scrub())
            except ConnectionError:
                continue
        return found

    async def _with(self, number: int, do: Callable[[Connection], Awaitable[_T]]) -> _T:
        connection = await Connection.to(self.folder, number)
        try:
            return await do(connection)
        finally:
            connection.close()
