"""A branch as one file, and back: rows and large values, without history.

The file is a tar: `format` (its number, and the store's sequence number), `keys/...` (the root keys that its secrets are
sealed under: keep the file as you would keep those), `rows` (lengths and lists of rows, ROWS at most) and
`blobs/ID+NUMBER-CRC` (pieces of large values, each with its checksum).
Both directions are generators that yield now and then, so that an event loop can serve requests in between.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import IO, Any
from zlib import crc32

import msgspec

from fogbank.store.blobs import names_in
from fogbank.store.branch import Branch
from fogbank.store.memory import Packed
from fogbank.store.records import encode
from fogbank.store.store import FORMAT, Problem, Store
from fogbank.store.transaction import Transaction

ROWS = 2000
PIECE_BYTES = 8 << 20


class Raw:
    """A table of which only the number is known: its values stay packed."""

    weight = 1

    def __init__(self, space: int) -> None:
        self.space = space

    @staticmethod
    def decode(value: bytes) -> Packed:
        return Packed(value)


def _spaces(store: Store, branch: Branch) -> list[int]:
    numbers = {s for memory in store.memories for s in memory.spaces} | store.archive.spaces
    return sorted(s & 0xFFFFFFFF for s in numbers if s >> 32 == branch.tree)


def _rows(store: Store, branch: Branch) -> Iterator[tuple[int, bytes, bytes]]:
    """Every row of a branch, packed."""
    reading = Branch(store, branch.number, branch.tree, branch.path)  # a view of its own: ours are packed
    for space in _spaces(store, branch):
        for key, value in reading.scan(Raw(space), b"", b"\xff"):  # type: ignore[arg-type]
            yield space, key, value if type(value) is Packed else encode(value)
        reading.forget()


def save(store: Store, branch: Branch, target: Path) -> Iterator[None]:
    """Writes a branch's present into a file (which appears when it is whole)."""
    partial = target.with_name(target.name + ".partial")
    rows_path = target.with_name(target.name + ".rows")
    blobs: set[str] = set()
    try:
        with rows_path.open("wb") as rows:
            batch: list[tuple[int, bytes, Any]] = []
            for space, key, packed in _rows(store, branch):
                blobs.update(names_in(packed))
                batch.append((space, key, packed))
                if len(batch) == ROWS:
                    _frame(rows, batch)
                    batch = []
                    yield
            _frame(rows, batch)
        with tarfile.open(partial, "w") as tar:
            _member(tar, "format", f"{FORMAT} {store.sequence}\n".encode())
            for key in store.vault.root_keys():
                _member(tar, f"keys/{sha256(key).hexdigest()}", key)
            tar.add(rows_path, "rows")
            for name in sorted(blobs):
                path = store.blobs.path(name)
                if path.exists():
                    yield from _add(tar, path, f"blobs/{name}")
        os.replace(partial, target)
    finally:
        rows_path.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)


def _add(tar: tarfile.TarFile, path: Path, name: str) -> Iterator[None]:
    """Adds a file in pieces, so that nobody waits for the whole."""
    with path.open("rb") as file:
        number = 0
        while content := file.read(PIECE_BYTES):
            _member(tar, f"{name}+{number}-{crc32(content):08x}", content)
            number += 1
            yield


def _frame(rows: IO[bytes], batch: list[tuple[int, bytes, Any]]) -> None:
    payload = msgspec.msgpack.encode(batch)
    rows.write(len(payload).to_bytes(4, "big") + payload)


def _member(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def load(store: Store, name: str, source: Path, at_ms: int) -> Iterator[None]:
    """Makes a name stand for what a file holds. What it stood for before stays in its past. Raises Problem."""
    try:
        tar = tarfile.open(source)  # noqa: SIM115 - closed below
        header = tar.extractfile("format")
        rows = tar.extractfile("rows")
    except (OSError, tarfile.TarError, KeyError) as problem:
        raise Problem(f"{source} is not a snapshot ({problem})") from None
    form, sequence = map(int, header.read().split()) if header is not None else (FORMAT, 0)
    if rows is None or form > FORMAT:
        raise Problem(f"{source} was written by a newer Fogbank")
    store.sequence = max(store.sequence, sequence)  # numbers made from it must go on growing
    loading = f"{name}~loading"
    try:
        with tar:
            _load_keys(store, tar)
            yield from _load_blobs(store, tar)
            branch = store.create(loading, at_ms)
            while size := rows.read(4):
                tx = Transaction(store, branch, at_ms)
                for space, key, packed in msgspec.msgpack.decode(rows.read(int.from_bytes(size, "big"))):
                    tx.restore(Raw(space), key, Packed(packed))  # type: ignore[arg-type]
                tx.commit()
                store.write()
                yield
    except (tarfile.TarError, msgspec.DecodeError, ValueError) as problem:
        if loading in store.heads:
            store.drop(loading, at_ms)
        raise Problem(f"{source} is not a whole snapshot ({problem})") from None
    store.adopt(loading, name, at_ms)


def _load_keys(store: Store, tar: tarfile.TarFile) -> None:
    """Brings the root keys in. Raises ValueError."""
    for entry in tar:
        if entry.name.startswith("keys/"):
            file = tar.extractfile(entry)
            key = file.read() if file is not None else b""
            if sha256(key).hexdigest() != entry.name.removeprefix("keys/"):
                raise ValueError(f"{entry.name} is damaged")
            store.vault.add(key)


def _load_blobs(store: Store, tar: tarfile.TarFile) -> Iterator[None]:
    """Brings the large values in, if their pieces are what their checksums say. Raises ValueError."""
    entries = (entry for entry in tar if entry.name.startswith("blobs/"))
    for name, pieces in groupby(entries, key=lambda entry: Path(entry.name).name.partition("+")[0]):
        target = store.blobs.path(name)
        if target.exists():
            os.utime(target)  # young again: the sweep leaves it alone until a row names it
            continue
        target.parent.mkdir(exist_ok=True)
        spool = store.blobs.spool / f"{os.getpid()}-loading"
        try:
            with spool.open("wb") as file:
                for piece in pieces:
                    opened = tar.extractfile(piece)
                    content = opened.read() if opened is not None else b""
                    if piece.name.rpartition("-")[2] != f"{crc32(content):08x}":
                        raise ValueError(f"{name} is damaged")
                    file.write(content)
                    yield
            os.replace(spool, target)
        finally:
            spool.unlink(missing_ok=True)
