"""Large values, kept outside the log: content-addressed files, shared by all branches.

A value of at most INLINE_BYTES is a row of the table BODIES instead, in the transaction that keeps it.
What is no longer named by any retained version is swept by the collector.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import msgspec

from fogbank.store.tables import At, Record, Table

INLINE_BYTES = 32 * 1024
CHUNK_BYTES = 256 * 1024


class Blob(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A kept value, as a record holds it. `name` is "sha256:<hex>" for a file, "row:<id>" for a row."""

    name: str
    size: int


class Body(Record, frozen=True, kw_only=True):
    name: str
    content: bytes


BODIES = Table("store.bodies", Body, key=("name",), weight=32)


_names = re.compile(rb"sha256:([0-9a-f]{64})").findall


def names_in(packed: bytes) -> set[str]:
    """The files that packed records name."""
    return {name.decode() for name in _names(packed)} if b"sha256:" in packed else set()


class Digest(Protocol):
    def update(self, chunk: Any, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc:
    """A checksum function of (bytes, previous) as a digest; big-endian, as AWS prints it."""

    def __init__(self, function: Callable[[Any, int], int], width: int) -> None:
        self._function, self._width, self._value = function, width, 0

    def update(self, chunk: Any, /) -> None:
        self._value = self._function(chunk, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._width, "big")


def digest(algorithm: str) -> Digest:
    """A digest by AWS's name in lower case: md5, sha1, sha256, crc32, crc32c, crc64nvme (KeyError for others)."""
    if algorithm in ("md5", "sha1", "sha256"):
        return hashlib.new(algorithm, usedforsecurity=False)
    if algorithm == "crc32":
        return _Crc(zlib.crc32, 4)
    if algorithm in ("crc32c", "crc64nvme"):
        from awscrt import checksums  # C speed; the only well-kept package that has both

        return _Crc(getattr(checksums, algorithm), 4 if algorithm == "crc32c" else 8)
    raise KeyError(algorithm)


class Upload:
    """A request's body, received whole: in memory while small, in a file of the store's otherwise.

    `size` in bytes; `digest(name)` gives any checksum (those named when it was begun were computed on the way).
    `trailers` are what followed an aws-chunked body, by lower-case name.
    """

    __slots__ = ("_digests", "content", "path", "size", "trailers")

    def __init__(self, content: bytes | None, path: Path | None, size: int, digests: dict[str, bytes] | None = None) -> None:
        self.content = content
        self.path = path
        self.size = size
        self._digests = digests or {}
        self.trailers: dict[str, str] = {}

    def digest(self, algorithm: str) -> bytes:
        found = self._digests.get(algorithm)
        if found is None:
            made = digest(algorithm)
            for chunk in self.chunks():
                made.update(chunk)
            found = self._digests[algorithm] = made.digest()
        return found

    def base64(self, algorithm: str) -> str:
        """The checksum as S3's headers carry it."""
        return base64.b64encode(self.digest(algorithm)).decode()

    def chunks(self) -> Iterator[bytes]:
        if self.content is not None:
            yield self.content
        elif self.path is not None:
            with self.path.open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk

    def read(self) -> bytes:
        """All of it, in memory."""
        return b"".join(self.chunks())

    def drop(self) -> None:
        """Forgets a spooled file that nobody kept."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


class Slices:
    """Parts of files, one after the other, for the listener to stream: `parts()` gives (path, start, size)."""

    __slots__ = ("_parts", "size")

    def __init__(self, parts: list[tuple[Path, int, int]]) -> None:
        self._parts = parts
        self.size = sum(p[2] for p in parts)

    def parts(self) -> list[tuple[Path, int, int]]:
        return self._parts

    def read(self) -> bytes:
        out = []
        for path, start, size in self._parts:
            with path.open("rb") as file:
                file.seek(start)
                out.append(file.read(size))
        return b"".join(out)


class Blobs:
    """The folder of large values."""

    def __init__(self, folder: Path, *, sync: bool = False) -> None:
        self.folder = folder
        self.spool = folder / "incoming"
        self.spool.mkdir(parents=True, exist_ok=True)
        self.sync = sync
        self._count = 0
        self._pool: ThreadPoolExecutor | None = None
        for left in self.spool.iterdir():
            left.unlink()

    @property
    def pool(self) -> ThreadPoolExecutor:
        """Where digests and files are written beside the event loop."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(4, thread_name_prefix="blob")
        return self._pool

    def spool_path(self) -> Path:
        self._count += 1
        return self.spool / f"{os.getpid()}-{self._count}"

    def path(self, name: str) -> Path:
        """The file of a "sha256:" name."""
        hexadecimal = name.removeprefix("sha256:")
        return self.folder / hexadecimal[:2] / hexadecimal[2:]

    def keep(self, at: At, upload: Upload | bytes) -> Blob:
        """Keeps a value: a row in this transaction, or the spooled file under its content's name."""
        if isinstance(upload, bytes):
            upload = Upload(upload, None, len(upload))
        if upload.content is not None and upload.size <= INLINE_BYTES:
            name = f"row:{at.tx.unique():016x}"
            BODIES.put(at, Body(name=name, content=upload.content))
            return Blob(name, upload.size)
        name = "sha256:" + upload.digest("sha256").hex()
        target = self.path(name)
        target.parent.mkdir(exist_ok=True)
        if upload.path is None:
            upload.path = self.spool_path()
            upload.path.write_bytes(upload.content or b"")
        if self.sync:
            with upload.path.open("rb") as file:
                os.fdatasync(file.fileno())
        os.replace(upload.path, target)
        os.utime(target)  # young again: the sweep leaves young files alone
        upload.path = target
        return Blob(name, upload.size)

    def drop(self, at: At, blob: Blob) -> None:
        """The record that held the value goes: a row goes with it; a file is left to the collector."""
        if blob.name.startswith("row:") and (body := BODIES.get(at, blob.name)) is not None:
            BODIES.delete(at, body)

    def open(self, at: At, blobs: Sequence[Blob], start: int = 0, size: int | None = None) -> bytes | Slices:
        """`size` bytes from `start` of one or more values joined: bytes where they are rows, else file slices."""
        left = sum(b.size for b in blobs) - start if size is None else size
        if len(blobs) == 1 and blobs[0].name.startswith("row:"):
            content = self._row(at, blobs[0])
            return content if start == 0 and left == len(content) else content[start : start + left]
        parts: list[tuple[Path, int, int]] = []
        rows: list[bytes] = []
        for blob in blobs:
            if start >= blob.size:
                start -= blob.size
                continue
            take = min(blob.size - start, left)
            if take <= 0:
                break
            if blob.name.startswith("row:"):
                rows.append(self._row(at, blob)[start : start + take])
                parts.append((self._spilled(at, blob), start, take))
            else:
                parts.append((self.path(blob.name), start, take))
            left -= take
            start = 0
        return b"".join(rows) if len(rows) == len(parts) else Slices(parts)

    def _row(self, at: At, blob: Blob) -> bytes:
        body = BODIES.get(at, blob.name)
        if body is None:
            raise LookupError(f"no body {blob.name}")
        return body.content

    def _spilled(self, at: At, blob: Blob) -> Path:
        """A row among files, as a file (a small last part of a multipart object)."""
        content = self._row(at, blob)
        target = self.path("sha256:" + hashlib.sha256(content).hexdigest())
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            spool = self.spool_path()
            spool.write_bytes(content)
            os.replace(spool, target)
        return target
