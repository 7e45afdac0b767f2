"""Tables and their indexes, declared once.

    class Queue(Record, frozen=True, kw_only=True):
        account: str
        name: str
        created_at_ms: int

    QUEUES = Table("sqs.queues", Queue, key=("account", "name"))
    BY_AGE = QUEUES.index("by_age", "account", "created_at_ms")

    QUEUES.get(ctx, "000000000000", "q")            one record or None
    QUEUES.put(ctx, queue)                          insert or replace
    QUEUES.scan(ctx, "000000000000", after="b")     in key order, lazily
    BY_AGE.scan(ctx, "000000000000", before=now)

A record is never changed: `change(record, name="x")` makes the next version of it, which is then put.
Fields are only ever appended, with a default: old versions of a record are read with the new class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar, get_type_hints
from zlib import crc32

import msgspec

from fogbank.store import keys
from fogbank.store.keys import Part


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A row of a table."""


change = msgspec.structs.replace

R = TypeVar("R", bound=Record)
Bound = Part | tuple[Part, ...]


class Reader(Protocol):
    """Where a table is read: a transaction, or a branch at some sequence number."""

    def get(self, table: Any, key: bytes) -> Any: ...

    def scan(self, table: Any, low: bytes, high: bytes, reverse: bool) -> Iterator[tuple[bytes, Any]]: ...


class Writer(Reader, Protocol):
    def write(self, table: Any, key: bytes, value: Any) -> None: ...


class At(Protocol):
    """Anything that holds a transaction; an operation's context above all."""

    @property
    def tx(self) -> Any: ...


TABLES: dict[str, Table[Any]] = {}
"""Every table declared by a loaded module, by name."""
SPACES: dict[int, Table[Any] | Index[Any]] = {}
"""Tables and indexes by the number that stands for them in the log."""


def _space(name: str, owner: Table[Any] | Index[Any]) -> int:
    """A number for a name, the same in every process: no catalogue is needed. A collision shows at import."""
    number = crc32(name.encode())
    if SPACES.setdefault(number, owner) is not owner:
        raise ValueError(f"{name} and {SPACES[number].name} have the same number: rename one")
    return number


class Ordered(Generic[R]):
    """What a table and an index have in common: an order over keys made of a record's fields."""

    name: str
    space: int
    fields: tuple[str, ...]
    weight: int
    _types: tuple[type, ...]

    def weigh(self, record: R | None) -> int:
        return self.weight

    def _bounds(
        self, prefix: tuple[Part, ...], starting: str, at: Bound | None, after: Bound | None, before: Bound | None
    ) -> tuple[bytes, bytes]:
        base = keys.encoder(self._types[: len(prefix)])(*prefix)
        low, high = base, base + b"\xff"
        if starting:
            low = base + keys.open_text(starting)
            high = low + b"\xff"
        if at is not None:
            low = max(low, base + keys.encode(at if isinstance(at, tuple) else (at,)))
        if after is not None:
            low = max(low, base + keys.encode(after if isinstance(after, tuple) else (after,)) + b"\xff")
        if before is not None:
            high = min(high, base + keys.encode(before if isinstance(before, tuple) else (before,)))
        return low, high

    def scan(
        self,
        at_: At,
        *prefix: Part,
        starting: str = "",
        at: Bound | None = None,
        after: Bound | None = None,
        before: Bound | None = None,
        reverse: bool = False,
    ) -> Iterator[R]:
        """Records under a prefix of the order's fields, in order, read as they are asked for.

        `starting`: the next part of the key is text that begins so. `at`/`after`: from the next part (or
        tuple of parts) on, including or excluding it. `before`: up to it, excluding it. `reverse`: from the end.
        Rows may be put and deleted while the scan is under way.
        """
        low, high = self._bounds(prefix, starting, at, after, before)
        return self._records(at_.tx, low, high, reverse)

    def _records(self, tx: Any, low: bytes, high: bytes, reverse: bool) -> Iterator[R]:
        raise NotImplementedError


class Table(Ordered[R]):
    """Records of one class, in the order of their keys."""

    def __init__(self, name: str, record: type[R], key: tuple[str, ...], *, weight: int | Callable[[R], int] = 1) -> None:
        """`weight`: how many ordinary records (of about a kilobyte) one of these can take the room of in memory."""
        hints = get_type_hints(record)
        self.name = name
        self.record = record
        self.fields = key
        self.weight = weight if isinstance(weight, int) else 0
        self._weigh = None if isinstance(weight, int) else weight
        self._hints = hints
        self._types = tuple(hints[f] for f in key)
        self.space = _space(name, self)
        self.indexes: list[Index[R]] = []
        self.decode: Callable[[bytes], R] = msgspec.msgpack.Decoder(record).decode
        self._encode_key = keys.encoder(self._types)
        self.key_of = keys.of_fields(key, self._types)
        TABLES[name] = self

    def weigh(self, record: R | None) -> int:
        """What a record weighs, where each weighs something else (`weight` is 0)."""
        return 1 if record is None or self._weigh is None else self._weigh(record)

    def index(self, name: str, *fields: str, where: Callable[[R], bool] | None = None) -> Index[R]:
        """A second order over the records (those for which `where` holds), kept by every put and delete."""
        index = Index(self, f"{self.name}.{name}", fields, where)
        self.indexes.append(index)
        return index

    def key(self, *parts: Part) -> bytes:
        return self._encode_key(*parts)

    def get(self, at: At, *key: Part) -> R | None:
        """The record with this key, or None."""
        found: R | None = at.tx.get(self, self._encode_key(*key))
        return found

    def at(self, at: At, key: bytes) -> R | None:
        """The record with a key that was made before (`key`), or None."""
        found: R | None = at.tx.get(self, key)
        return found

    def put(self, at: At, record: R) -> None:
        """Inserts the record, or replaces the one that has its key."""
        tx = at.tx
        key = self.key_of(record)
        if self.indexes:
            old = tx.get(self, key)
            for index in self.indexes:
                index.follow(tx, key, old, record)
        tx.write(self, key, record)

    def insert(self, at: At, record: R) -> None:
        """Puts a record whose key nothing has or had (it has a `tx.unique()` in it): nobody looks for what was there."""
        tx = at.tx
        key = self.key_of(record)
        for index in self.indexes:
            index.follow(tx, key, None, record)
        tx.write(self, key, record)

    def delete(self, at: At, record: R) -> None:
        """Removes the record with the same key, if it is there."""
        tx = at.tx
        key = self.key_of(record)
        old = tx.get(self, key)
        if old is None:
            return
        for index in self.indexes:
            index.follow(tx, key, old, None)
        tx.write(self, key, None)

    def _records(self, tx: Any, low: bytes, high: bytes, reverse: bool) -> Iterator[R]:
        for _, record in tx.scan(self, low, high, reverse):
            yield record

    def watch(self, *prefix: Part) -> tuple[int, bytes]:
        """For `Wait`: any write under this prefix."""
        return self.space, keys.encoder(self._types[: len(prefix)])(*prefix)


class Index(Ordered[R]):
    """A second order over a table. Its rows hold the primary keys."""

    decode = staticmethod(msgspec.msgpack.Decoder(bytes).decode)

    def __init__(self, table: Table[R], name: str, fields: tuple[str, ...], where: Callable[[R], bool] | None) -> None:
        self.table = table
        self.name = name
        self.fields = fields
        self.weight = 1
        self.where = where
        self._types = tuple(table._hints[f] for f in fields)
        self.space = _space(name, self)
        self._place = keys.of_fields(fields, self._types)

    def place(self, key: bytes, record: R) -> bytes | None:
        """Where a record stands in this order, or None where it does not belong to it."""
        if self.where is not None and not self.where(record):
            return None
        return self._place(record) + key

    def follow(self, tx: Writer, key: bytes, old: R | None, new: R | None) -> None:
        """Moves the index row when a record changes from old to new."""
        before = None if old is None else self.place(key, old)
        after = None if new is None else self.place(key, new)
        if before != after:
            if before is not None:
                tx.write(self, before, None)
            if after is not None:
                tx.write(self, after, key)

    def _records(self, tx: Any, low: bytes, high: bytes, reverse: bool) -> Iterator[R]:
        for _, key in tx.scan(self, low, high, reverse):
            yield tx.get(self.table, key)

    def first(self, at_: At, *prefix: Part) -> R | None:
        """The first record under a prefix, or None."""
        return next(self.scan(at_, *prefix), None)
