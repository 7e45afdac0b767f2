"""A volume as it is staged elsewhere: its images and its log, as files; and a volume made of such files again.

    image   a tar of the data directory (`image/...`) and of what is known of it (`about`), compressed by zstd
    log     a tar of a piece of a timeline (`log`), and of the small files that the nodes keep beside it (`kept/NAME`)

Only what four storage nodes hold is staged: that never changes any more. So a piece is the same however often it is made.
"""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import tarfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, cast
from zlib import crc32

import msgspec
import zstandard

from fogbank.engines.fleet.client import Connection, Refused, State
from fogbank.engines.fleet.frames import WRITE_QUORUM, ZONES
from fogbank.engines.processes import owner
from fogbank.engines.spec import Failed, Piece, Since
from fogbank.engines.volumes import Kept, Volume, wall_ms

PIECE_BYTES = 16 << 20
PIECES = 8
"""Of the log, at once."""
_KEPT = ("lineage", "files", "times")
"""What the volumes' processes keep on the nodes beside the log."""
_WRITE_BYTES = 4 << 20


# to be staged


async def stage(volume: Volume, since: Since) -> tuple[Piece, ...]:
    """What is new since then, at most `PIECES` pieces of the log, by the machine's clock. Raises Failed.

    Only of the last piece it is known what was committed until when (`at_ms`, else 0).
    """
    if volume.record.until is not None:  # nobody has opened this fork yet: where its log goes on is not known
        return ()
    folder = volume.room.folder("volumes", volume.record.name, "staging")
    images = sorted((one for one in volume.record.images if place(one) > since.image), key=place)
    pieces = [await _image(volume, folder, one) for one in images]
    if not since.timeline and not pieces:
        return ()
    at_ms, timeline, durable, epoch = await _durable(volume)
    first = min(volume.record.images, key=place)
    for number, start, end in await volume.spans(first):
        if number < since.timeline or number > timeline:
            continue
        at = max(start, since.position) if number == since.timeline else start
        end = min(end, durable) if number == timeline else end
        while at < end and len(pieces) < len(images) + PIECES:
            upto = min(end, at + PIECE_BYTES)
            last = number == timeline and upto == end
            pieces.append(await _log(volume, folder, epoch, (number, at, upto), at_ms if last else 0))
            at = upto
    return tuple(pieces)


def place(image: Kept) -> tuple[int, int]:
    return image.timeline, image.position


async def _durable(volume: Volume) -> tuple[int, int, int, int]:
    """An instant, and the place before which everything lies that was committed until then; and the epoch of whoever wrote there."""
    at_ms = wall_ms()
    asked = await volume.ask("status") if volume.control is not None else None
    states: list[State] = list((await volume.everywhere(lambda node: node.state())).values())
    epoch = max(state.epoch for state in states)
    if asked is not None:
        return at_ms, int(asked["timeline"]), int(asked["durable"]), epoch
    timeline, position = sorted((state.acknowledged for state in states), reverse=True)[WRITE_QUORUM - 1]
    return at_ms, timeline, position, epoch


async def _image(volume: Volume, folder: Path, image: Kept) -> Piece:
    _, start = volume.kind.engine.begins(volume.image(image))
    file = folder / f"image-{image.number}"

    def pack(tar: tarfile.TarFile) -> None:
        _add(tar, "about", msgspec.json.encode(image))
        tar.add(source, "image")

    with volume.held(image) as source:
        size, crc = await asyncio.to_thread(_pack, file, pack)
    return Piece("image", image.timeline, start, image.position, image.at_ms, size, crc, file)


async def _log(volume: Volume, folder: Path, epoch: int, span: tuple[int, int, int], at_ms: int) -> Piece:
    timeline, start, end = span
    content, kept = await _read(volume, epoch, span)
    file = folder / f"log-{timeline:x}-{start:x}"

    def pack(tar: tarfile.TarFile) -> None:
        for name, said in kept.items():
            _add(tar, f"kept/{name}", said)
        _add(tar, "log", content)

    size, crc = await asyncio.to_thread(_pack, file, pack)
    return Piece("log", timeline, start, end, at_ms, size, crc, file)


async def _read(volume: Volume, epoch: int, span: tuple[int, int, int]) -> tuple[bytes, dict[str, bytes]]:
    """A piece of the log and what is kept beside it, from the first node that has all of it and knows of the last recovery."""
    timeline, start, end = span
    for number in range(len(ZONES)):
        try:
            async with _node(volume, number) as node:
                if (await node.open(volume.log)).epoch < epoch:
                    continue
                content = bytearray()
                while piece := await node.read(timeline, start + len(content), end - start - len(content)):
                    content += piece
                    if len(content) == end - start:
                        return bytes(content), {name: said for name in _KEPT if (said := await _kept(node, name)) is not None}
        except (OSError, Failed):
            continue
    raise Failed(f"no storage node has all of timeline {timeline} from {start} to {end}")


@asynccontextmanager
async def _node(volume: Volume, number: int) -> AsyncIterator[Connection]:
    connection = await Connection.to((await volume.room.fleet(volume.record.region)).folder, number)
    try:
        yield connection
    finally:
        connection.close()


async def _kept(node: Connection, name: str) -> bytes | None:
    try:
        return await node.get(name)
    except Refused:
        return None


# files


class _Counting(io.RawIOBase):
    """A file that is written, with its size and checksum."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size = 0
        self.crc = 0

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self.size += len(content)
        self.crc = crc32(content, self.crc)
        return self._file.write(content)


def _pack(file: Path, fill: Any) -> tuple[int, int]:
    """Writes a file, whole or not at all; its size and checksum."""
    fresh = file.with_suffix(".new")
    with fresh.open("wb") as raw:
        counting = _Counting(raw)
        with (
            zstandard.ZstdCompressor().stream_writer(cast("IO[bytes]", counting), closefd=False) as compressed,
            tarfile.open(fileobj=compressed, mode="w|") as tar,
        ):
            fill(tar)
    os.replace(fresh, file)
    return counting.size, counting.crc


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


@contextmanager
def _unpacked(piece: Piece) -> Iterator[tarfile.TarFile]:
    """A piece's content. Raises Failed where it is not what was staged."""
    crc = 0
    with piece.file.open("rb") as file:
        while chunk := file.read(1 << 20):
            crc = crc32(chunk, crc)
        if crc != piece.crc:
            raise Failed(f"a piece of the backup is damaged: {piece.kind} of timeline {piece.timeline} at {piece.start}")
        file.seek(0)
        with zstandard.ZstdDecompressor().stream_reader(file) as plain, tarfile.open(fileobj=plain, mode="r|") as tar:
            yield tar


def _unpack_image(piece: Piece, folder: Path) -> Kept:
    """The data directory, in `folder`; and what is known of it."""
    with _unpacked(piece) as tar:
        about = b""
        for member in tar:
            if member.name == "about":
                about = _content(tar, member)
            else:
                tar.extract(member, folder, filter="tar")
    who = owner()
    if who is not None:
        for inside, _, names in os.walk(folder):
            for path in (inside, *(f"{inside}/{name}" for name in names)):
                os.chown(path, *who)
    return msgspec.json.decode(about, type=Kept)


def _unpack_log(piece: Piece) -> dict[str, bytes]:
    with _unpacked(piece) as tar:
        return {member.name: _content(tar, member) for member in tar}


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    found = tar.extractfile(member)
    assert found is not None
    return found.read()


# a volume again


async def unstage(source: Volume, name: str, pieces: list[Piece], at_ms: int) -> Volume:
    """A new volume as another one was at an instant of the machine's clock: of an image of it and the log after that. Raises Failed."""
    image, *log = pieces
    for before, after in pairwise(log):
        if after.timeline == before.timeline and after.start != before.end:
            raise Failed(f"the backup of timeline {after.timeline} has a gap from {before.end} to {after.start}")
    folder = source.room.folder("volumes", name, "unstaging", fresh=True)
    base = await asyncio.to_thread(_unpack_image, image, folder)
    base = msgspec.structs.replace(base, number=1)
    timeline, position = (log[-1].timeline, log[-1].end) if log else (base.timeline, base.position)
    record = msgspec.structs.replace(
        source.record, name=name, born_ms=wall_ms(), images=[base], points={}, until=(timeline, position, at_ms), begun=True, staged=None
    )
    made = Volume(source.room, source.kind, source.binaries, record)
    target = made.image_folder(base)
    target.parent.mkdir(mode=0o711, exist_ok=True)
    await asyncio.to_thread(shutil.rmtree, target, True)
    (folder / "image").rename(target)
    shutil.rmtree(folder)
    starts: dict[int, int] = {}
    for piece in log:
        start = starts.setdefault(piece.timeline, piece.start)
        content = await asyncio.to_thread(_unpack_log, piece)
        await made.everywhere(partial(_write, name=name, piece=piece, start=start, content=content), create=True)
    record.begun = bool(log)
    made.save()
    return made


async def _write(node: Connection, name: str, piece: Piece, start: int, content: dict[str, bytes]) -> None:
    """A piece of the log, on one node's disk."""
    there = asyncio.get_running_loop().create_future()

    def acknowledged(timeline: int, position: int) -> None:
        if timeline == piece.timeline and position >= piece.end and not there.done():
            there.set_result(None)

    def refused(timeline: int, position: int, reason: str) -> None:
        if not there.done():
            there.set_exception(Refused(reason))

    node.acknowledged, node.refused = acknowledged, refused
    await node.open(name, epoch=1)
    await node.begin(piece.timeline, start)
    log = memoryview(content["log"])
    for at in range(0, len(log), _WRITE_BYTES):
        node.write(piece.timeline, piece.start + at, bytes(log[at : at + _WRITE_BYTES]))
    await there
    for file, said in content.items():
        if file.startswith("kept/"):
            await node.keep(file.removeprefix("kept/"), said)
