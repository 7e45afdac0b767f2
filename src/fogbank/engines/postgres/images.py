"""Images: data directories at a known position of the log, never changed once made; copied for each node.

copy      the only way from an image to a node's disk: blocks are shared where the file system can
backup    an image from a running writer
image     an image brought forward along the log (in `coalescing.py`)
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fogbank.engines import layers, processes
from fogbank.engines.postgres.control import control, label, lsn
from fogbank.engines.spec import Failed, Statement

if TYPE_CHECKING:
    from fogbank.engines.postgres.instance import Instance

SEGMENT_BYTES = 16 << 20
_FIRST_RECORD = 40
"""Where the first record of a segment begins."""
_SAYS = "image.json"
_STOP = "select lsn::text, labelfile from pg_backup_stop(false)"
_START_14, _STOP_14 = "select pg_start_backup('fogbank', true, false)", "select lsn::text, labelfile from pg_stop_backup(false, false)"
_FICLONE = 0x40049409
_AT_ONCE = 4
_PIECE_BYTES = 1 << 30

_TABLE = re.compile(r"/(base/\d+|global)/\d+(_[a-z]+)?(\.\d+)?$|\.ibd$")
"""Files that both engines open for writing, whatever they do: PostgreSQL's relations and InnoDB's tables."""

_OF_A_SERVER = {"postmaster.pid", "postmaster.opts", "standby.signal", "recovery.signal", "promote", _SAYS}
_OF_A_RUN = {"pg_internal.init", "backup_label", "tablespace_map", "pgstat.stat"}
_EMPTIED = {"pg_dynshmem", "pg_notify", "pg_serial", "pg_snapshots", "pg_stat_tmp", "pg_replslot"}


class Image(NamedTuple):
    """A data directory that has all of the log up to `position` of `timeline`, and nothing later. `at_ms`: when that was, or soon after."""

    folder: Path
    timeline: int
    position: int
    system: str
    at_ms: int

    @classmethod
    def of(cls, folder: Path) -> Image:
        """What a folder says of itself. Failed where it is no image (it was not stopped cleanly)."""
        with contextlib.suppress(FileNotFoundError):
            said = json.loads((folder / _SAYS).read_bytes())
            return cls(folder, said["timeline"], said["position"], said["system"], said["at_ms"])
        try:
            seen = control(folder)
        except FileNotFoundError:
            raise Failed(f"{folder} is no data directory of PostgreSQL") from None
        if seen.state != "shut down":
            raise Failed(f"{folder} is no image: it was left as {seen.state}")
        first = seen.redo % SEGMENT_BYTES == _FIRST_RECORD
        return cls(folder, seen.timeline, seen.redo - _FIRST_RECORD if first else seen.redo, seen.system, seen.at_ms)

    def keep(self) -> Image:
        """Writes down in its folder what it is."""
        path = self.folder / _SAYS
        path.write_text(json.dumps({"timeline": self.timeline, "position": self.position, "system": self.system, "at_ms": self.at_ms}))
        processes.give(path)
        return self


def begins(image: Image) -> tuple[int, int]:
    """From where on a node that is made from it needs the log: a timeline (maybe an earlier one than its own), a segment's start."""
    seen = control(image.folder)
    timeline, redo = label(image.folder) or (seen.timeline, seen.redo)
    return timeline, redo - redo % SEGMENT_BYTES


async def copy(source: Path, target: Path, below: Path | None = None) -> None:
    """Copies a data directory for a server of its own; owned by `processes.owner()`.

    below  where large files may be linked instead (`engines.layers`), if the file system cannot share their blocks
    """
    await asyncio.to_thread(_copy, source, target, below=below)


async def backup(writer: Instance, folder: Path) -> Image:
    """An image from a running writer, at its present position."""
    async with writer.pool.connection() as connection:
        await connection.run(Statement("select pg_backup_start('fogbank', true)" if writer.binaries.major >= 15 else _START_14))
        try:
            await asyncio.to_thread(_copy, writer.data, folder, running=True)
        finally:
            rows = (await connection.run(Statement(_STOP if writer.binaries.major >= 15 else _STOP_14))).rows
    end, text = rows[0]
    (folder / "backup_label").write_text(text)
    processes.give(folder / "backup_label")
    begun = label(folder)
    assert begun is not None
    return Image(folder, begun[0], lsn(end), control(folder).system, time.time_ns() // 1_000_000).keep()


def _copy(source: Path, target: Path, *, running: bool = False, below: Path | None = None) -> None:
    """`running`: a server works in `source`: files may vanish or grow meanwhile, and the control file comes last."""
    who = processes.owner()
    keeps = None if running else _last_segment(source)
    whole = not (source / "PG_VERSION").exists()  # (another engine's: its databases may have any name)
    files: list[tuple[str, str]] = []
    for inside, there, names in _folders(str(source), str(target), whole):
        os.mkdir(there, 0o700)
        if who is not None:
            os.chown(there, *who)
        files += [(f"{inside}/{name}", f"{there}/{name}") for name in names if whole or not _left(inside, name, running, keeps)]
    files.sort(key=lambda pair: pair[0].endswith("/global/pg_control"))
    one = _Copying(who, running, keeps, _later(source, below, [name for name, _ in files]) if below is not None else {})
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        pieces = [files[n:-1:_AT_ONCE] for n in range(_AT_ONCE)]
        for _ in threads.map(lambda piece: [one.file(*pair) for pair in piece], pieces):
            pass
    if files:
        one.file(*files[-1])


def _last_segment(source: Path) -> tuple[str, int] | None:
    """The segment in which a clean stop wrote its last record, and how much of it counts; None: the log comes from the volume."""
    try:
        seen = control(source)
    except FileNotFoundError:  # not PostgreSQL's
        return None
    if seen.state != "shut down":
        return None
    number, offset = divmod(seen.checkpoint, SEGMENT_BYTES)
    return f"{seen.timeline:08X}{number >> 8:08X}{number & 0xFF:08X}", min(offset + (64 << 10), SEGMENT_BYTES)


def _folders(source: str, target: str, whole: bool) -> Iterator[tuple[str, str, list[str]]]:
    for inside, folders, names in os.walk(source):
        place = os.path.relpath(inside, source)
        if place in _EMPTIED and not whole:
            folders[:], names = [], []
        folders[:] = [name for name in folders if whole or not name.startswith("pgsql_tmp")]
        yield inside, os.path.normpath(os.path.join(target, place)), names


def _left(inside: str, name: str, running: bool, keeps: tuple[str, int] | None) -> bool:
    """Files that are not copied."""
    if name in _OF_A_SERVER or (running and name in _OF_A_RUN):
        return True
    if inside.endswith("/pg_wal"):
        return not name.endswith(".history") and (keeps is None or name != keeps[0])
    return os.path.basename(os.path.dirname(inside)) == "pg_wal"


class _Copying(NamedTuple):
    who: tuple[int, int] | None
    running: bool
    keeps: tuple[str, int] | None
    later: dict[str, Path]

    def file(self, source: str, target: str) -> None:
        try:
            reading = os.open(source, os.O_RDONLY)
        except FileNotFoundError:
            if self.running:
                return
            raise
        writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            if self.who is not None:
                os.fchown(writing, *self.who)
            if self.keeps is not None and source.endswith(self.keeps[0]):
                _piece(reading, writing, self.keeps[1])
                os.ftruncate(writing, os.fstat(reading).st_size)
            elif _shared(reading, writing):
                pass
            elif source in self.later:
                os.unlink(target)
                os.link(source, self.later[source])
            else:
                _piece(reading, writing, None)
        finally:
            os.close(reading)
            os.close(writing)


def _later(source: Path, below: Path, files: Iterable[str]) -> dict[str, Path]:
    """Files that can wait, if they are enough to be worth it: where they are linked."""
    sizes = {file: os.path.getsize(file) for file in files if _TABLE.search(file)}
    large = {file: below / os.path.relpath(file, source) for file, size in sizes.items() if size >= layers.LARGE_BYTES}
    if sum(sizes[file] for file in large) < layers.ENOUGH_BYTES:
        return {}
    for folder in {link.parent for link in large.values()}:
        folder.mkdir(parents=True, exist_ok=True)
    return large


def _shared(reading: int, writing: int) -> bool:
    """Whether the file system could share the blocks (XFS, btrfs)."""
    try:
        fcntl.ioctl(writing, _FICLONE, reading)
    except OSError as problem:
        if problem.errno not in (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM):
            raise
        return False
    return True


def _piece(reading: int, writing: int, length: int | None) -> None:
    """Copies the first `length` bytes, or all there is, within the kernel."""
    left = length if length is not None else _PIECE_BYTES
    while left:
        done = _kernel_copy(reading, writing, left)
        if not done:
            return
        left = left - done if length is not None else _PIECE_BYTES


def _kernel_copy(reading: int, writing: int, length: int) -> int:
    try:
        return os.copy_file_range(reading, writing, length)
    except OSError as problem:
        if problem.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        return os.sendfile(writing, reading, None, length)
