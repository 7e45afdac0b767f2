"""Large values, kept outside the log: files that never change, shared by all branches.

A value of at most INLINE_BYTES is a row of the table BODIES instead, in the transaction that keeps it.
What is no longer named by any retained version is swept by the collector.

Every file is encrypted from its first byte on, under a key of its own (AES-256-CTR); who keeps it seals that key (with the
vault, a data key, a customer's key), and whoever can open the seal can read. Nothing is encrypted twice to change hands.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import zlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from fogbank.kernel.beside import Beside, on_thread
from fogbank.kernel.operation import Waiting, Watch
from fogbank.store.tables import At, Record, Table
from fogbank.store.vault import KEY_BYTES, ContentCipher, Seal, Vault

INLINE_BYTES = 32 * 1024
CHUNK_BYTES = 256 * 1024
AT_ONCE_BYTES = 1 << 20
"""What may be read on the event loop."""

Piece = bytes | tuple[Path, int, int, bytes]
"""Some bytes; or (file, start, size, the key that its content is encrypted under)."""
T = TypeVar("T")


class Blob(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A kept value, as a record holds it.

    `name` is "row:<id>" for a row, "sealed:<id>" for one whose content is sealed, or "blob:<id>" for `size` bytes of a
    file from `start`; `key` is then the file's key, sealed.
    """

    name: str
    size: int
    start: int = 0
    key: bytes = b""

    @property
    def is_row(self) -> bool:
        return not self.name.startswith("blob:")


class Body(Record, frozen=True, kw_only=True):
    name: str
    content: bytes


BODIES = Table("store.bodies", Body, key=("name",), weight=32)


_names = re.compile(rb"blob:([0-9a-f]{32})").findall


def names_in(packed: bytes) -> set[str]:
    """The files that packed records name."""
    return {name.decode() for name in _names(packed)} if b"blob:" in packed else set()


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


_HASHES = ("md5", "sha1", "sha256", "sha512")
_XXHASHES = {"xxhash64": "xxh64", "xxhash3": "xxh3_64", "xxhash128": "xxh3_128"}
ALGORITHMS = frozenset({*_HASHES, *_XXHASHES, "crc32", "crc32c", "crc64nvme"})


def digest(algorithm: str) -> Digest:
    """A digest by AWS's name in lower case: one of ALGORITHMS (KeyError for others)."""
    if algorithm in _HASHES:
        return hashlib.new(algorithm, usedforsecurity=False)
    if algorithm == "crc32":
        return _Crc(zlib.crc32, 4)
    if algorithm in ("crc32c", "crc64nvme"):
        from awscrt import checksums  # C speed; the only well-kept package that has both

        return _Crc(getattr(checksums, algorithm), 4 if algorithm == "crc32c" else 8)
    if algorithm in _XXHASHES:
        import xxhash  # the reference implementation's binding

        made: Digest = getattr(xxhash, _XXHASHES[algorithm])()
        return made
    raise KeyError(algorithm)


def _digests(chunks: Iterable[bytes | memoryview], algorithms: tuple[str, ...]) -> dict[str, bytes]:
    made = {name: digest(name) for name in algorithms}
    for chunk in chunks:
        for one in made.values():
            one.update(chunk)
    return {name: one.digest() for name, one in made.items()}


def read_piece(piece: Piece) -> Iterator[bytes | memoryview]:
    """A piece's content, a chunk at a time; each is good until the next is asked for."""
    if isinstance(piece, bytes):
        yield piece
        return
    path, start, size, key = piece
    cipher = ContentCipher(key, start)
    buffer = memoryview(bytearray(CHUNK_BYTES))
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while size and (count := file.readinto(buffer[: min(size, CHUNK_BYTES)])):
            yield cipher.turn(buffer[:count])
            size -= count


def _read(pieces: Iterable[Piece]) -> Iterator[bytes | memoryview]:
    for piece in pieces:
        yield from read_piece(piece)


class Upload:
    """A request's body, received whole: in memory while small, else in a file of the store's, encrypted under `key`, to be kept as `name`.

    `size` in bytes; `digest(name)` gives any checksum (those named when it was begun were computed on the way). `trailers` are
    what followed an aws-chunked body, by lower-case name.
    """

    __slots__ = ("_digests", "content", "key", "name", "path", "size", "trailers")

    def __init__(
        self,
        content: bytes | None,
        path: Path | None,
        size: int,
        digests: dict[str, bytes] | None = None,
        *,
        key: bytes = b"",
        name: str = "",
    ) -> None:
        self.content = content
        self.path = path
        self.size = size
        self.key = key
        self.name = name
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
            yield from map(bytes, read_piece((self.path, 0, self.size, self.key)))

    def read(self) -> bytes:
        """All of it, in memory."""
        return b"".join(self.chunks())

    def drop(self) -> None:
        """Forgets a spooled file that nobody kept."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


class Slices:
    """Pieces of values, one after the other, for the listener to stream."""

    __slots__ = ("pieces", "size")

    def __init__(self, pieces: list[Piece]) -> None:
        self.pieces = pieces
        self.size = sum(len(piece) if isinstance(piece, bytes) else piece[2] for piece in pieces)

    def read(self) -> bytes:
        return b"".join(self.chunks())

    def chunks(self) -> Iterator[bytes]:
        return map(bytes, _read(self.pieces))


class Spooled:
    """A file of the store's that is being written, encrypted: `upload` when it is whole."""

    __slots__ = ("_cipher", "_file", "key", "name", "path", "size")

    def __init__(self, folder: Path) -> None:
        self.name = os.urandom(16).hex()
        self.path = folder / self.name
        self.key = os.urandom(KEY_BYTES)
        self.size = 0
        self._cipher = ContentCipher(self.key)
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

    def write(self, chunk: bytes | memoryview) -> None:
        """Raises OSError (a full disk)."""
        self.size += len(chunk)
        left = self._cipher.turn(chunk)
        while left:
            left = left[os.write(self._file, left) :]

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def upload(self, digests: dict[str, bytes] | None = None) -> Upload:
        """What was written, to be kept or dropped."""
        self.close()
        return Upload(None, self.path, self.size, digests, key=self.key, name=self.name)


class Blobs:
    """The folder of large values."""

    def __init__(self, folder: Path, vault: Vault, *, sync: bool = False) -> None:
        self.folder = folder
        self.vault = vault
        self.spool = folder / "incoming"
        self.spool.mkdir(parents=True, exist_ok=True)
        self.sync = sync
        self._pool: ThreadPoolExecutor | None = None
        self._works = Beside(lambda watch: self.ready(watch))
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

    def spooled(self) -> Spooled:
        """A new file for a body that comes in."""
        return Spooled(self.spool)

    def path(self, name: str) -> Path:
        """The file of a "blob:" name."""
        id = name.removeprefix("blob:")
        return self.folder / id[:2] / id[2:]

    def keep(self, at: At, upload: Upload | bytes, seal: Seal | None = None) -> Blob:
        """Keeps a value: a row in this transaction (sealed, where there is a seal), or the spooled file under its name.

        A file is always encrypted; its key is sealed with the vault where nothing else is asked for.
        """
        if isinstance(upload, bytes):
            upload = Upload(upload, None, len(upload))
        if upload.content is not None and upload.size <= INLINE_BYTES:
            return self._row_of(at, upload.content, seal)
        if upload.path is None:
            spooled = self.spooled()
            spooled.write(upload.content or b"")
            made = spooled.upload()
            upload.path, upload.key, upload.name = made.path, made.key, made.name
        assert upload.path is not None
        name = "blob:" + upload.name
        target = self.path(name)
        target.parent.mkdir(exist_ok=True)
        if self.sync:
            with upload.path.open("rb") as file:
                os.fdatasync(file.fileno())
        os.replace(upload.path, target)
        os.utime(target)  # young again: the sweep leaves young files alone
        upload.path = target
        return Blob(name, upload.size, 0, (seal or self.vault).seal(upload.key))

    def _row_of(self, at: At, content: bytes, seal: Seal | None) -> Blob:
        name = f"{'sealed' if seal is not None else 'row'}:{at.tx.unique():016x}"
        BODIES.put(at, Body(name=name, content=content if seal is None else seal.seal(content)))
        return Blob(name, len(content))

    def drop(self, at: At, blob: Blob) -> None:
        """The record that held the value goes: a row goes with it; a file is left to the collector."""
        if blob.is_row and (body := BODIES.get(at, blob.name)) is not None:
            BODIES.delete(at, body)

    def open(self, at: At, blobs: Sequence[Blob], start: int = 0, size: int | None = None, seal: Seal | None = None) -> bytes | Slices:
        """`size` bytes from `start` of one or more values joined: bytes where they are rows, else pieces to stream.

        `seal` is what they were kept with. Raises ValueError where it does not open them.
        """
        left = sum(b.size for b in blobs) - start if size is None else size
        pieces: list[Piece] = []
        for blob in blobs:
            if start >= blob.size:
                start -= blob.size
                continue
            take = min(blob.size - start, left)
            if take <= 0:
                break
            if blob.is_row:
                content = self._row(at, blob, seal)
                pieces.append(content if take == len(content) else content[start : start + take])
            else:
                pieces.append((self.path(blob.name), blob.start + start, take, (seal or self.vault).open(blob.key)))
            left -= take
            start = 0
        if len(pieces) == 1 and isinstance(pieces[0], bytes):
            return pieces[0]
        return Slices(pieces) if pieces else b""

    def share(
        self,
        at: At,
        blobs: Sequence[Blob],
        start: int = 0,
        size: int | None = None,
        seal: Seal | None = None,
        new_seal: Seal | None = None,
    ) -> tuple[Blob, ...]:
        """The same bytes, or some of them, for another record: of the same files, whose keys are sealed anew; rows again, since a
        row goes with its record."""
        left = sum(b.size for b in blobs) - start if size is None else size
        shared: list[Blob] = []
        for blob in blobs:
            take = min(blob.size - start, left)
            if take <= 0:
                start = max(0, start - blob.size)
                continue
            if blob.is_row:
                shared.append(self._row_of(at, self._row(at, blob, seal)[start : start + take], new_seal))
            else:
                key = (new_seal or self.vault).seal((seal or self.vault).open(blob.key))
                shared.append(Blob(blob.name, take, blob.start + start, key))
            left -= take
            start = 0
        return tuple(shared)

    def clone(self, at: At, blobs: Sequence[Blob]) -> tuple[Blob, ...]:
        """The same bytes for another record, still under the same seal: nothing is opened."""
        cloned: list[Blob] = []
        for blob in blobs:
            body = BODIES.get(at, blob.name) if blob.is_row else None
            if body is not None:
                name = f"{blob.name.partition(':')[0]}:{at.tx.unique():016x}"
                BODIES.put(at, Body(name=name, content=body.content))
                blob = Blob(name, blob.size)
            cloned.append(blob)
        return tuple(cloned)

    def digests(
        self, at: At, blobs: Sequence[Blob], start: int, size: int, algorithms: tuple[str, ...], seal: Seal | None = None
    ) -> dict[str, bytes]:
        """Checksums of kept bytes. Many of them are read beside the loop: then Waiting is raised, and they are there when asked again."""
        opened = self.open(at, blobs, start, size, seal)
        if isinstance(opened, bytes):
            return _digests([opened], algorithms)
        pieces = tuple(opened.pieces)
        if size <= AT_ONCE_BYTES:
            return _digests(_read(pieces), algorithms)
        return self.beside(at, (pieces, algorithms), lambda: _digests(_read(pieces), algorithms))

    def beside(self, at: At, key: Hashable, work: Callable[[], T]) -> T:
        """What long work gives, done beside the loop: Waiting is raised meanwhile, and it is there when asked for again by its key."""
        try:
            done: T = self._works.result(key, "", on_thread(self.pool, work), at.tx.at_ms + 3_600_000)
        except Waiting:
            raise
        except Exception:
            self._works.over(key)
            raise
        self._works.over(key)
        return done

    def _row(self, at: At, blob: Blob, seal: Seal | None) -> bytes:
        body = BODIES.get(at, blob.name)
        if body is None:
            raise LookupError(f"no body {blob.name}")
        return (seal or self.vault).open(body.content) if blob.name.startswith("sealed:") else body.content
