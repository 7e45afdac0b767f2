"""What the tests of MariaDB share: a fleet, a volume, and servers on it, below a short folder, ended with the test."""

from __future__ import annotations

import asyncio
import atexit
import json
import shutil
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fogbank.engines import mariadb, processes
from fogbank.engines.control import Control
from fogbank.engines.fleet.client import everywhere
from fogbank.engines.fleet.fleet import Fleet
from fogbank.engines.kinds import Until
from fogbank.engines.mariadb import Binaries, Image, Instance
from fogbank.engines.processes import Process, python, spawn
from fogbank.engines.spec import Failed


class Volume:
    """A volume's process, and fogbank's line to it."""

    def __init__(self, name: str, folder: Path, fleet: Fleet) -> None:
        self.name = name
        self.folder = folder
        self.process: Process
        self._fleet = fleet
        self._control: Control
        self.said: list[dict[str, Any]] = []

    async def open(self, begin: Image | None = None) -> Volume:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "control").unlink(missing_ok=True)
        (self.folder / "settings.json").write_text(json.dumps({"volume": self.name, "fleet": str(self._fleet.folder)}))
        loop = asyncio.get_running_loop()
        self.process = spawn(python("fogbank.engines.binlog", self.folder), loop, log=self.folder / "log", drop=False)
        self._control = Control(self.folder / "control", self.said.append)
        await self._control.connect(lambda: self.process.alive, 60)
        if begin is not None:
            await self.ask("begin", timeline=begin.timeline, position=begin.position, system=begin.system)
        return self

    async def ask(self, do: str, **what: Any) -> dict[str, Any]:
        return await self._control.ask(do, timeout_s=60, **what)

    async def follow(self, writer: Instance) -> None:
        await self.ask("follow", socket=str(writer.socket))
        await writer.attach()

    async def end(self) -> Until:
        """Up to where all is durable now."""
        status = await self.ask("status")
        return Until(int(status["timeline"]), int(status["durable"]))

    async def fork(self, name: str, since: Image) -> Volume:
        """Another volume that has this one's log from an image on."""
        end = await self.end()
        spans = [(since.timeline, since.position, end.position)]
        await everywhere(self._fleet.folder, self.name, lambda connection: connection.fork(name, spans))
        return await Volume(name, self.folder.with_name(name), self._fleet).open()

    async def kill(self) -> None:
        self._control.close()
        await self.process.end(signal.SIGKILL)


class Stage:
    """A folder, a template, and what one test has started."""

    def __init__(self, folder: Path, binaries: Binaries) -> None:
        self.folder = folder
        self.binaries = binaries
        self.template: Image
        self.fleet: Fleet
        self.volume: Volume
        self.instances: list[Instance] = []
        self.volumes: list[Volume] = []

    def run(self, test: Callable[[], Awaitable[None]], *, volume: bool = True) -> None:
        """Runs a test's coroutine, and ends what it started."""

        async def whole() -> None:
            loop = asyncio.get_running_loop()
            self.template = await mariadb.template(_templates(), self.binaries, loop)
            self.fleet = Fleet(self.folder / "fleet", loop, settings={"segment_bytes": 1 << 20}, keep_dead=True)
            try:
                if volume:
                    await self.fleet.start()
                    self.volume = await self.open("v")
                await asyncio.wait_for(test(), 300)
            finally:
                for instance in self.instances:
                    process = instance.process
                    instance.kill()
                    if process is not None:
                        await process.ended
                for one in self.volumes:
                    await one.kill()
                await self.fleet.stop()

        asyncio.run(whole())

    async def open(self, name: str) -> Volume:
        """A new volume, that begins with the template."""
        made = Volume(name, self.folder / name, self.fleet)
        self.volumes.append(made)
        return await made.open(self.template)

    async def idle(self, name: str, image: Image | None = None) -> Instance:
        """A server that has its data, and does not run."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        processes.give(folder)
        await mariadb.copy((image or self.template).folder, folder / "data")
        made = Instance(folder, self.binaries, asyncio.get_running_loop())
        self.instances.append(made)
        return made

    async def alone(self, name: str, **settings: str) -> Instance:
        """A writer without a volume."""
        made = await self.idle(name)
        await made.start(settings)
        return made

    async def writer(self, name: str, **settings: str) -> Instance:
        """The writer of the volume, with a table `app.t`."""
        made = await self.alone(name, **settings)
        await self.volume.follow(made)
        await made.sql("CREATE DATABASE app")
        await made.sql("CREATE TABLE app.t (a INT PRIMARY KEY AUTO_INCREMENT, b VARCHAR(64), c LONGBLOB)")
        return made

    async def reader(
        self, name: str, image: Image | None = None, *, upstream: Volume | None = None, until: Until | None = None
    ) -> Instance:
        """A server that the volume feeds."""
        made = await self.idle(name, image)
        await made.start({}, upstream=(upstream or self.volume).folder, until=until)
        return made

    async def image(self, name: str, until: Until, base: Image | None = None) -> Image:
        folder = self.folder / name
        folder.mkdir()
        processes.give(folder)
        loop = asyncio.get_running_loop()
        return await mariadb.image(base or self.template, self.volume.folder, until, folder, self.binaries, loop)


async def rows(instance: Instance, statement: str) -> list[tuple[Any, ...]]:
    """What a statement gives."""
    return (await instance.sql(statement)).rows


async def comes(look: Callable[[], Awaitable[Any]], wanted: Any, what: str = "it") -> None:
    """Waits until a look gives something."""
    end = time.monotonic() + 60
    while True:
        try:
            found = await look()
        except Exception as problem:
            found = problem
        if found == wanted:
            return
        assert time.monotonic() < end, f"{what}: {found}, not {wanted}"
        await asyncio.sleep(0.01)


async def eventually(instance: Instance, statement: str, wanted: list[tuple[Any, ...]]) -> None:
    """Waits until a statement gives something."""
    await comes(lambda: rows(instance, statement), wanted, statement)


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="fogbank-test-", dir="/tmp"))
    folder.chmod(0o711)
    processes.give(folder)
    return folder


@cache
def _templates() -> Path:
    """Where the template lies, for all tests of this run."""
    folder = _folder()
    atexit.register(shutil.rmtree, folder)
    return folder


@contextmanager
def staged() -> Iterator[Stage]:
    """A stage; skips the test where MariaDB is missing."""
    try:
        binaries = mariadb.binaries()
    except Failed as why:
        pytest.skip(str(why))
    folder = _folder()
    try:
        yield Stage(folder, binaries)
    finally:
        shutil.rmtree(folder)
