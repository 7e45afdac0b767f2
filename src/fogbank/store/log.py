"""The append-only log: frames of bytes in numbered segment files.

A frame is its length and CRC-32 (big-endian, 4 bytes each) and the payload. Frames are gathered in memory and
written by one system call per turn of the event loop; a frame that was written survives the death of the process,
one that was also synced survives the loss of power. A torn frame at the very end is what a crash leaves: it was
never acknowledged and is cut off.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

_FRAME = struct.Struct(">II")


class Corrupt(Exception):
    """A frame in the middle of the log cannot be read."""


class Log:
    """Segments `log-<number>` in a folder; the highest is being written."""

    def __init__(self, folder: Path, after: int) -> None:
        """`after`: a segment number that has been used, though its file may be gone."""
        self.folder = folder
        self.gathered: list[bytes] = []
        self.number = max([after, *self.numbers()]) + 1
        self._file = self._create()

    def numbers(self) -> list[int]:
        return sorted(int(p.name[4:]) for p in self.folder.glob("log-*"))

    def path(self, number: int) -> Path:
        return self.folder / f"log-{number}"

    def _create(self) -> int:
        return os.open(self.path(self.number), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def append(self, payload: bytes) -> None:
        """Gathers a frame; `write` carries it out."""
        self.gathered.append(_FRAME.pack(len(payload), crc32(payload)) + payload)

    def write(self) -> None:
        """Hands all gathered frames to the operating system. OSError (a full disk) leaves a torn frame at worst."""
        if not self.gathered:
            return
        frames = b"".join(self.gathered)
        self.gathered.clear()
        written = os.write(self._file, frames)
        while written < len(frames):
            written += os.write(self._file, memoryview(frames)[written:])

    def duplicate(self) -> int:
        """A file descriptor of the segment being written, for a sync on another thread."""
        return os.dup(self._file)

    def rotate(self, *, sync: bool) -> int:
        """Ends the segment (synced, if asked) and begins the next; the number of the one that ended."""
        self.write()
        if sync:
            os.fdatasync(self._file)
        os.close(self._file)
        ended = self.number
        self.number += 1
        self._file = self._create()
        return ended

    def forget(self, number: int) -> None:
        """Removes a segment whose frames the archive has."""
        self.path(number).unlink(missing_ok=True)

    def close(self) -> None:
        self.write()
        os.close(self._file)


def frames(path: Path, *, last: bool) -> Iterator[bytes]:
    """The payloads of a segment. A torn end is cut off the last segment; elsewhere it raises Corrupt."""
    content = path.read_bytes()
    position = 0
    while position + _FRAME.size <= len(content):
        size, checksum = _FRAME.unpack_from(content, position)
        start = position + _FRAME.size
        payload = content[start : start + size]
        if len(payload) < size or crc32(payload) != checksum:
            break
        yield payload
        position = start + size
    if position < len(content):
        if not last:
            raise Corrupt(f"{path.name}: unreadable at byte {position}")
        os.truncate(path, position)
