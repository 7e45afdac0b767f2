"""A volume as fogbank's process sees it: its record on disk, its images, and the process that keeps its log on the storage nodes.

    <root>/volumes/<name>/volume.json     `Record`: what is known of it; written before anything relies on it
    <root>/volumes/<name>/images/<n>/     data directories at a known position, never changed: hard links are shared between volumes
    <root>/volumes/<name>/process/        the volume process's folder (settings, sockets)

An image plus the log that follows it is every state since. A new image is made (*coalesced*) when much log has come since the last, so that
starting a node anew never takes longer than repeating that much; older ones go when nothing may ask for them any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, cast

import msgspec

from fogbank.engines.control import Control, Silent
from fogbank.engines.fleet.client import Connection, everywhere
from fogbank.engines.fleet.frames import WRITE_QUORUM
from fogbank.engines.kinds import Image, Kind, Until
from fogbank.engines.processes import Process, python, spawn
from fogbank.engines.room import Room
from fogbank.engines.spec import Failed, Point, VolumeState

_TRIES, _TRY_S = 500, 0.02
SILENT_S = 20.0
COALESCE_BYTES = 128 << 20
"""So much log after the last image, and another one is made."""


def wall_ms() -> int:
    """The machine's clock."""
    return time.time_ns() // 1_000_000


class TooOld(Failed):
    """What was asked for is not here any more."""


class Kept(msgspec.Struct):
    """An image of the volume. `at_ms`: it has nothing that was committed later; `template`: a writer can be started on it as it is."""

    number: int
    timeline: int
    position: int
    at_ms: int
    template: bool = False
    bytes: int = 0


class Marked(msgspec.Struct):
    """A point of the volume that is kept."""

    timeline: int
    position: int
    at_ms: int
    bytes: int


class Record(msgspec.Struct):
    """What is known of a volume.

    begun  its log is there: it was begun at its first image's position, or is a fork's
    begins where its log begins, if not where its first image says: that knows only of its own timeline, and what begins a segment may be of
           an earlier one (timeline, position)
    until  how far the first writer repeats the log (a fork that nobody has opened yet); None: all of it
    window_ms  what is older may go
    staged  as far the log, and all images before, lie elsewhere too: nothing later goes; None: nobody stages it
    log  its name on the storage nodes, where it is not `name` (they take a name once, and a volume that repeats another may begin anew)
    heir  another volume has all that was acknowledged here, and goes on with it
    """

    name: str
    engine: str
    version: str
    system: str
    born_ms: int
    images: list[Kept]
    points: dict[str, Marked] = {}
    until: tuple[int, int, int] | None = None
    begun: bool = False
    begins: tuple[int, int] | None = None
    window_ms: int = 24 * 3_600_000
    region: str = ""
    staged: tuple[int, int] | None = None
    log: str = ""
    heir: str = ""


class Volume:
    """See the module. Made by `create`, `fork` or `load`; `open` starts its process."""

    def __init__(self, room: Room, of: Kind, binaries: Any, record: Record) -> None:
        self.room = room
        self.kind = of
        self.binaries = binaries
        self.record = record
        self.folder = room.folder("volumes", record.name)
        self.control: Control | None = None
        self.process: Process | None = None
        self.gated = False
        """Its process begins with a closed gate: no commit is acknowledged before it is told up to where (`ask("gate", position=...)`)."""
        self.heard: Callable[[dict[str, Any]], None] = lambda said: None
        self._run: Path | None = None
        self._lock = asyncio.Lock()
        self._coalescing = asyncio.Lock()
        self._held: Counter[int] = Counter()

    @property
    def log(self) -> str:
        """Its name on the storage nodes."""
        return self.record.log or self.record.name

    # made, kept and found

    @classmethod
    async def create(cls, room: Room, name: str, engine: str, version: str, region: str) -> Volume:
        """A new, empty one."""
        of, binaries, template = await room.template(engine, version)
        record = Record(name, engine, version, template.system, wall_ms(), [], region=region)
        volume = cls(room, of, binaries, record)
        await volume.adopt(template, wall_ms(), share=True)
        await volume.open()
        return volume

    @classmethod
    async def load(cls, room: Room, name: str) -> Volume | None:
        """One that is there already."""
        file = room.root / "volumes" / name / "volume.json"
        if not file.exists():
            return None
        record = msgspec.json.decode(file.read_bytes(), type=Record)
        of, binaries, _ = await room.template(record.engine, record.version)
        return cls(room, of, binaries, record)

    async def repeat(self, name: str, region: str) -> Volume:
        """A new volume, on the storage nodes of a region, that begins with our newest image: to follow us."""
        base = self.newest()
        record = Record(name, self.record.engine, self.record.version, self.record.system, wall_ms(), [base], region=region)
        record.log = f"{name}-{record.born_ms:x}"
        spans = await self.spans(base)
        if spans:
            record.begins = max(span[:2] for span in spans if span[1] == spans[0][1])
        made = Volume(self.room, self.kind, self.binaries, record)
        with self.held(base) as folder:
            await asyncio.to_thread(_share, folder, made.image_folder(base))
        made.save()
        await made.open()
        return made

    async def fork(self, name: str, at_ms: int, point: str) -> Volume:
        """A new volume that begins as this one was at an instant of the machine's clock (0: now), or at a point. Raises Failed."""
        await self.open()
        status = await self.ask("status")
        timeline, position = int(status["timeline"]), int(status["durable"])
        if point:
            marked = self.record.points.get(point)
            if marked is None:
                raise Failed(f"there is no point {point} of this volume")
            timeline, position, at_ms = marked.timeline, marked.position, 0
            images = [image for image in self.record.images if (image.timeline, image.position) <= (timeline, position)]
        else:
            images = [image for image in self.record.images if not at_ms or image.at_ms <= at_ms]
            if at_ms and self.kind.dated:
                there = await self.ask("until", position=position, at_ms=at_ms)
                timeline, position, at_ms = int(there["timeline"]), int(there["position"]), 0
        if not images:
            raise TooOld("that is longer ago than is kept of this volume")
        base = max(images, key=lambda image: (image.timeline, image.position))
        until = (timeline, position, at_ms)
        record = Record(
            name,
            self.record.engine,
            self.record.version,
            self.record.system,
            wall_ms(),
            [base],
            until=until,
            begun=True,
            region=self.record.region,
        )
        made = Volume(self.room, self.kind, self.binaries, record)
        with self.held(base) as folder:
            await asyncio.to_thread(_share, folder, made.image_folder(base))
            spans = [
                (number, start, position if number == timeline else end)
                for number, start, end in await self.spans(base)
                if number < timeline or (number == timeline and start < position)
            ]
            await self.everywhere(lambda node: node.fork(name, spans))
        record.begun = bool(spans)  # (where the image is all there is, its log begins anew)
        made.save()
        return made

    async def spans(self, base: Kept) -> list[tuple[int, int, int]]:
        """The log from where a node needs it that is made from an image, timeline by timeline (maybe an earlier one than its own)."""
        ends: dict[int, tuple[int, int]] = {}
        for state in (await self.everywhere(lambda node: node.state())).values():
            for span in state.spans:
                start, end = ends.get(span.timeline, (span.start, span.end))
                ends[span.timeline] = min(start, span.start), max(end, span.end)
        _, first = self.kind.engine.begins(self.image(base))
        found = [(number, max(start, first), end) for number, (start, end) in sorted(ends.items())]
        return [span for span in found if span[1] < span[2]]

    async def everywhere(self, do: Callable[[Connection], Awaitable[Any]], *, create: bool = False) -> dict[int, Any]:
        """Does something with the volume on the storage nodes. Raises Failed where fewer than four can."""
        return await everywhere((await self.room.fleet(self.record.region)).folder, self.log, do, create=create)

    def save(self) -> None:
        """Writes the record down."""
        file = self.folder / "volume.json"
        fresh = file.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(self.record))
        os.replace(fresh, file)

    async def forget(self) -> None:
        """Deletes it: from the nodes, and here."""
        await self.close()
        with contextlib.suppress(Failed):
            await self.everywhere(lambda node: node.drop())
        await asyncio.to_thread(shutil.rmtree, self.folder, True)

    # its process

    @property
    def run(self) -> Path:
        """The process's folder, by a short name: its sockets lie there."""
        if self._run is None:
            self._run = self.room.short(self.room.folder("volumes", self.record.name, "process"))
        return self._run

    async def open(self) -> None:
        """Starts its process, which finds out from the nodes what is durable. Raises Failed."""
        async with self._lock:
            if self.control is not None and self.process is not None and self.process.alive:
                return
            fleet = await self.room.fleet(self.record.region)
            if self.process is not None:  # (one that lives and does not answer)
                await self.process.end(signal.SIGKILL)
            for stale in ("control", "ready", ".s.PGSQL.5432", "volume.sock"):
                (self.run / stale).unlink(missing_ok=True)
            settings = {"volume": self.log, "fleet": str(fleet.folder), "gated": self.gated}
            (self.run / "settings.json").write_bytes(msgspec.json.encode(settings))
            self.process = spawn(python(self.kind.volume, self.run), self.room.loop, log=self.folder / "process.log", drop=False)
            control = Control(self.run / "control", self._hear)
            await control.connect(lambda: self.process is not None and self.process.alive)
            self.control = control
            if not self.record.begun:
                first = self.record.images[0]
                begins = self.record.begins
                if begins is None:
                    begins = (first.timeline, first.position) if first.template else self.kind.engine.begins(self.image(first))
                await control.ask("begin", timeline=begins[0], position=begins[1], system=self.record.system)
                await self._wait_until_begun()
                self.record.begun = True
                self.save()

    async def _wait_until_begun(self) -> None:
        """Four nodes know that the log has begun: now the process may end. Raises Failed."""
        for _ in range(_TRIES):
            states = await self.everywhere(lambda node: node.state())
            if sum(1 for state in states.values() if state.acknowledged[0]) >= WRITE_QUORUM:
                return
            await asyncio.sleep(_TRY_S)
        raise Failed("the storage nodes do not take the volume's beginning")

    def _hear(self, said: dict[str, Any]) -> None:
        if said["event"] == "gone":
            self.control = None
        self.heard(said)

    async def ask(self, do: str, /, **what: Any) -> dict[str, Any]:
        """See `Control.ask`."""
        if self.control is None:
            raise Failed("the volume's process is not there")
        return await self.control.ask(do, **what)

    async def close(self) -> None:
        """Ends its process; all it knows is on the nodes."""
        async with self._lock:
            if self.control is not None:
                self.control.close()
                self.control = None
            if self.process is not None:
                await self.process.end(signal.SIGTERM)
                self.process = None

    # images

    def image_folder(self, image: Kept) -> Path:
        return self.folder / "images" / str(image.number)

    def image(self, image: Kept) -> Image:
        """The image as the engine sees it."""
        return cast(
            Image, self.kind.engine.Image(self.image_folder(image), image.timeline, image.position, self.record.system, image.at_ms)
        )

    def newest(self) -> Kept:
        return max(self.record.images, key=lambda image: (image.timeline, image.position))

    @contextlib.contextmanager
    def held(self, image: Kept) -> Iterator[Path]:
        """An image's folder; neither it nor the log after it goes meanwhile."""
        self._held[image.number] += 1
        try:
            yield self.image_folder(image)
        finally:
            self._held[image.number] -= 1

    async def adopt(self, image: Image, at_ms: int, *, share: bool = False) -> Kept:
        """Keeps an image that was made. `share`: its files are linked, else they are taken."""
        number = max((one.number for one in self.record.images), default=0) + 1
        kept = Kept(number, image.timeline, image.position, at_ms, share, await asyncio.to_thread(_size, image.folder))
        target = self.image_folder(kept)
        target.parent.mkdir(mode=0o711, exist_ok=True)
        if share:
            await asyncio.to_thread(_share, image.folder, target)
        else:
            image.folder.rename(target)
        self.record.images.append(kept)
        self.save()
        return kept

    async def coalesce(self) -> Kept | None:
        """Makes a new image of all that is durable now; the oldest that nobody may ask for go. None where there is nothing new."""
        async with self._coalescing:
            status = await self.ask("status")
            timeline, position, at_ms = int(status["timeline"]), int(status["durable"]), wall_ms()
            base = self.newest()
            if (base.timeline, base.position) >= (timeline, position):
                return None
            folder = self.room.short(self.room.folder("volumes", self.record.name, "coalescing", fresh=True))
            engine = self.kind.engine
            made: Image = await engine.image(self.image(base), self.run, Until(timeline, position), folder, self.binaries, self.room.loop)
            kept = await self.adopt(made, at_ms)
            await self.collect()
            return kept

    async def collect(self) -> None:
        """Lets go of images, and of the log before the oldest that is left."""
        floor_ms = wall_ms() - self.record.window_ms
        by_age = sorted(self.record.images, key=lambda image: (image.timeline, image.position))
        needed = {by_age[-1].number, *(+self._held)}
        staged = self.record.staged
        older = [image for image in by_age if image.at_ms <= floor_ms and (staged is None or (image.timeline, image.position) <= staged)]
        needed |= {image.number for image in by_age if image not in older}
        if older:
            needed.add(older[-1].number)
        for point in self.record.points.values():
            before = [image for image in by_age if (image.timeline, image.position) <= (point.timeline, point.position)]
            if before:
                needed.add(before[-1].number)
        gone = [image for image in by_age if image.number not in needed]
        if not gone:
            return
        self.record.images = [image for image in by_age if image.number in needed]
        self.save()
        for image in gone:
            await asyncio.to_thread(shutil.rmtree, self.image_folder(image), True)
        oldest = self.record.images[0]
        spans = await self.spans(oldest)
        if spans:
            await self.everywhere(lambda node: node.forget(spans[0][0], spans[0][1]))

    async def staged(self, timeline: int, position: int) -> None:
        """So much of it is staged: what is older than the window may go as far as that."""
        if timeline and self.record.staged != (timeline, position):
            self.record.staged = timeline, position
            self.save()
        async with self._coalescing:
            await self.collect()

    # points and state

    async def keep(self, name: str) -> Point:
        """Keeps the volume as it is now under a name. Raises Failed."""
        marked = self.record.points.get(name)
        if marked is None:
            await self.open()
            status = await self.ask("status")
            marked = Marked(int(status["timeline"]), int(status["durable"]), wall_ms(), self.newest().bytes)
            self.record.points[name] = marked
            self.save()
        return Point(name, marked.at_ms, marked.bytes)

    def release(self, name: str) -> None:
        """Lets go of a point."""
        if self.record.points.pop(name, None) is not None:
            self.save()

    async def state(self) -> VolumeState:
        """How it is now. Raises Failed where its process is not there; one that stands still is ended, so that another takes its place."""
        try:
            status = await self.ask("status", timeout_s=SILENT_S)
        except Silent:
            if self.process is not None:
                self.process.tell(signal.SIGKILL)
            raise
        durable = int(status["durable"])
        copies = sum(1 for node in status["nodes"] if node["up"] and node["acknowledged"] >= durable)
        return VolumeState(
            self.record.name,
            self.newest().bytes + max(0, durable - self.newest().position),
            int(status["timeline"]),
            durable,
            copies,
            min(image.at_ms for image in self.record.images),
            wall_ms(),
            bool(status["writable"]),
            bool(status["readable"]),
        )


def _share(source: Path, target: Path) -> None:
    """The same files under another folder: images are never changed, so links are copies."""
    if target.exists():
        return
    fresh = target.with_name(f"{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(source, fresh, copy_function=os.link)
    for folder, _, _ in os.walk(fresh):
        status = os.stat(source / Path(folder).relative_to(fresh))
        os.chown(folder, status.st_uid, status.st_gid)
    fresh.rename(target)


def _size(folder: Path) -> int:
    return sum(os.lstat(os.path.join(place, name)).st_blocks * 512 for place, _, names in os.walk(folder) for name in names)
