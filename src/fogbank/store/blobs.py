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
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import msgspec

from fogbank.kernel.operation import Wait, Waiting, Watch
from fogbank.store.tables import At, Record, Table

INLINE_BYTES = 32 * 1024
CHUNK_BYTES = 256 * 1024
AT_ONCE_BYTES = 1 << 20
"""What may be read on the event loop."""

DigestKey = tuple[tuple[tuple[Path, int, int], ...], tuple[str, ...]]


class Blob(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A kept value, as a record holds it: `name` is "row:<id>" for a row, or "sha256:<hex>" for `size` bytes of a file from `start`."""

    name: str
    size: int
    start: int = 0


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


def _digests(chunks: Iterable[bytes], algorithms: tuple[str, ...]) -> dict[str, bytes]:
    made = {name: digest(name) for name in algorithms}
    for chunk in chunks:
        for one in made.values():
            one.update(chunk)
    return {name: one.digest() for name, one in made.items()}


def _read(parts: Iterable[tuple[Path, int, int]]) -> Iterator[bytes]:
    for path, start, size in parts:
        with path.open("rb") as file:
            file.seek(start)
            while size and (chunk := file.read(min(size, CHUNK_BYTES))):
                yield chunk
                size -= len(chunk)


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
        self._digesting: dict[DigestKey, Future[dict[str, bytes]]] = {}
        self._digested: dict[DigestKey, Future[dict[str, bytes]]] = {}
        self.ready: Callable[[Watch], None] = lambda watch: None
        """Called from a thread, when what a Waiting waits for is there."""
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
                parts.append((self.path(blob.name), blob.start + start, take))
            left -= take
            start = 0
        return b"".join(rows) if len(rows) == len(parts) else Slices(parts)

    def share(self, at: At, blobs: Sequence[Blob], start: int = 0, size: int | None = None) -> tuple[Blob, ...]:
        """The same bytes, or some of them, for another record: of the same files; rows again, since a row goes with its record."""
        left = sum(b.size for b in blobs) - start if size is None else size
        shared: list[Blob] = []
        for blob in blobs:
            take = min(blob.size - start, left)
            if take <= 0:
                start = max(0, start - blob.size)
                continue
            if blob.name.startswith("row:"):
                shared.append(self.keep(at, self._row(at, blob)[start : start + take]))
            else:
                shared.append(Blob(blob.name, take, blob.start + start))
            left -= take
            start = 0
        return tuple(shared)

    def digests(self, at: At, blobs: Sequence[Blob], start: int, size: int, algorithms: tuple[str, ...]) -> dict[str, bytes]:
        """Checksums of kept bytes. Many of them are read beside the loop: then Waiting is raised, and they are there when asked again."""
        opened = self.open(at, blobs, start, size)
        if isinstance(opened, bytes):
            return _digests([opened], algorithms)
        parts = tuple(opened.parts())
        if size <= AT_ONCE_BYTES:
            return _digests(_read(parts), algorithms)
        key = (parts, algorithms)
        found = self._digested.pop(key, None)
        if found is not None:
            return found.result()
        watch = (0, repr(key).encode())
        future = self._digesting.get(key)
        if future is None:
            future = self._digesting[key] = self.pool.submit(lambda: _digests(_read(parts), algorithms))
            future.add_done_callback(lambda done: self._digests_done(key, done, watch))
        raise Waiting(Wait((watch,), at.tx.at_ms + 3_600_000))

    def _digests_done(self, key: DigestKey, done: Future[dict[str, bytes]], watch: Watch) -> None:
        if len(self._digested) > 1000:  # of callers who went away
            self._digested.clear()
        self._digested[key] = done
        self._digesting.pop(key, None)
        self.ready(watch)

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
        else:
            os.utime(target)
        return target
