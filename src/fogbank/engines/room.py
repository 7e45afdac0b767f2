"""What all clouds of a process share: the storage fleet, the engines' templates, folders, and blocks of addresses."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from fogbank.engines.kinds import Image, Kind, kind
from fogbank.engines.processes import give, owner
from fogbank.engines.spec import Failed

if TYPE_CHECKING:
    from fogbank.engines.fleet.fleet import Fleet
    from fogbank.engines.volumes import Volume

_BLOCKS: Sequence[int] = range(80, 250)
"""Second octets of 127.B.x.y; low ones are what other programs use."""
_LOCK_PORT = 4566
_ELSEWHERE, _STANDS_FOR = Path("/var/tmp"), "stands-for"
"""Where the engines' folder is when their user may not go to the data directory; and the file in it that says which one it stands for."""
_LOOK_S = 0.01


class Room:
    """See the module. `root`: where everything is kept; None: in a folder of its own that goes with it."""

    def __init__(self, root: Path | None, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._temporary = root is None
        self.run = Path(tempfile.mkdtemp(prefix="fogbank-", dir="/tmp"))
        """Short paths, because those of sockets may have 107 characters only."""
        self.run.chmod(0o711)
        self.root = _reachable(root) if root is not None else self.run / "data"
        self.root.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._take_over()
        loop.run_in_executor(None, _sweep)
        self._fleets: dict[str, asyncio.Task[Fleet]] = {}
        self._templates: dict[tuple[str, str], asyncio.Task[tuple[Any, Image]]] = {}
        self.volumes: dict[str, Volume] = {}
        """Those that have been opened, by name."""
        self._links: dict[Path, Path] = {}
        self._locks: dict[str, tuple[int, socket.socket]] = {}

    def _take_over(self) -> None:
        """Whoever had this root before us and was killed left a folder of short names: it goes."""
        link = self.root / "run"
        if link.is_symlink():
            shutil.rmtree(link.readlink(), ignore_errors=True)
            link.unlink()
        link.symlink_to(self.run)

    def folder(self, *names: str, fresh: bool = False) -> Path:
        """A folder below the root, made where it is not there, that the engines' processes own."""
        path = self.root.joinpath(*names)
        if fresh:
            shutil.rmtree(path, ignore_errors=True)
        if not path.is_dir():
            path.mkdir(mode=0o711, parents=True)
            give(path)
        return path

    def short(self, path: Path) -> Path:
        """Another, short name of a folder: always the same one."""
        link = self._links.get(path)
        if link is None:
            link = self._links[path] = self.run / f"{len(self._links) + 1:x}"
            link.symlink_to(path)
        return link

    async def fleet(self, region: str) -> Fleet:
        """The six storage nodes of a region, started when first asked for."""
        task = self._fleets.get(region)
        if task is None or (task.done() and task.exception() is not None):
            task = self._fleets[region] = self.loop.create_task(self._start_fleet(region))
        return await asyncio.shield(task)

    async def _start_fleet(self, region: str) -> Fleet:
        from fogbank.engines.fleet.fleet import Fleet

        fleet = Fleet(self.folder("fleet", region), self.loop)
        await fleet.start()
        return fleet

    async def template(self, engine: str, version: str) -> tuple[Kind, Any, Image]:
        """An engine, its binaries, and the image that new volumes begin with. Raises Failed where the engine is not here."""
        found = kind(engine)
        task = self._templates.get((engine, version))
        if task is None or (task.done() and task.exception() is not None):
            task = self._templates[engine, version] = self.loop.create_task(self._make_template(found, version))
        binaries, image = await asyncio.shield(task)
        return found, binaries, image

    async def _make_template(self, found: Kind, version: str) -> tuple[Any, Image]:
        binaries = found.engine.binaries(version)
        image: Image = await found.engine.template(self.folder("templates"), binaries, self.loop)
        return binaries, image

    def block(self, cloud: str) -> int:
        """The block of addresses of a cloud: 127.B.0.0/16, the same one as before where nobody else has it."""
        if cloud in self._locks:
            return self._locks[cloud][0]
        file = self.root / "addresses.json"
        known: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
        first: int = known.get(cloud, _BLOCKS[crc32(f"{self.root}/{cloud}".encode()) % len(_BLOCKS)])
        for number in (first, *_BLOCKS):
            lock = socket.socket()
            try:
                lock.bind((f"127.{number}.255.254", _LOCK_PORT))
            except OSError:
                lock.close()
                continue
            self._locks[cloud] = number, lock
            known[cloud] = number
            file.write_text(json.dumps(known))
            return number
        raise Failed("no block of loopback addresses is free for the databases' endpoints")

    def leave(self, cloud: str) -> None:
        """A cloud is closed: its addresses are free."""
        if cloud in self._locks:
            self._locks.pop(cloud)[1].close()

    async def left(self, cloud: str) -> None:
        """Returns when a cloud that is being closed has left."""
        while cloud in self._locks:
            await asyncio.sleep(_LOOK_S)

    def close(self) -> None:
        """Ends the fleet, when the loop still runs no more; and what was temporary goes."""
        for task in self._templates.values():
            task.cancel()
        for fleet in self._fleets.values():
            with contextlib.suppress(Exception):
                self.loop.run_until_complete(self.loop.create_task(self._stop_fleet(fleet)))
        for _, lock in self._locks.values():
            lock.close()
        shutil.rmtree(self.run, ignore_errors=True)

    @staticmethod
    async def _stop_fleet(task: asyncio.Task[Fleet]) -> None:
        await (await task).stop()


def _reachable(path: Path) -> Path:
    """The folder itself; or where we are root and the engines' user may not go there, another one, to which a link leads from there."""
    here = path.parent.resolve() / path.name
    if here.is_symlink() and here.readlink().parent == _ELSEWHERE:
        place = here.readlink()
        if _stands_for(place, here):
            return place
        here.unlink()
    elif here.is_symlink() or owner() is None or all(above.stat().st_mode & stat.S_IXOTH for above in here.parents if above.exists()):
        return path
    elif here.exists():
        if any(here.iterdir()):  # (from when the user might: an engine that starts says what is wrong)
            return path
        here.rmdir()
    here.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="fogbank-", dir=_ELSEWHERE))
    place.chmod(0o711)
    here.symlink_to(place)
    (place / _STANDS_FOR).write_text(str(here))
    return place


def _stands_for(place: Path, here: Path) -> bool:
    """Whether what a link leads to is its own: it is not where the data directory is a copy of another."""
    try:
        first = Path((place / _STANDS_FOR).read_text())
        if first != here and _leads(first, place):
            return False
        (place / _STANDS_FOR).write_text(str(here))  # (the data directory may have been moved)
    except OSError:
        return False
    return True


def _leads(link: Path, place: Path) -> bool:
    return link.is_symlink() and link.readlink() == place


def _sweep() -> None:
    """What stood for a folder of a data directory, and has no link from there any more, goes."""
    for place in _ELSEWHERE.glob("fogbank-*"):
        with contextlib.suppress(OSError):
            if place.stat().st_uid == os.geteuid() and not _leads(Path((place / _STANDS_FOR).read_text()), place):
                shutil.rmtree(place)
