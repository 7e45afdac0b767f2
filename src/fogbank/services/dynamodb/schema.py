"""A table's record, compiled: where items go in the table and in its indexes, and which items it takes.

Pure. Compiled once for each version of a table.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

from fogbank.kernel.errors import ServiceException
from fogbank.services.dynamodb import values
from fogbank.services.dynamodb.faults import invalid, invalid_values
from fogbank.services.dynamodb.state import ITEM_LIMIT_BYTES, Index, KeyPart, Table
from fogbank.services.dynamodb.values import Item, Value

PARTITION_KEY_BYTES = 2048
SORT_KEY_BYTES = 1024

Place = tuple[str, str]
"""Partition and sort, as text."""

_EMPTY = "One or more parameter values are not valid. "
_KINDS = {"S": "string", "B": "binary"}


def hashed(key: str) -> str:
    """The text of a partition key behind its hash."""
    return f"{crc32(key.encode()):08x}{key}"


def composed(parts: list[str]) -> str:
    """Several texts as one that sorts as they do, part by part; one begins with another exactly if its parts do."""
    return parts[0] if len(parts) == 1 else "".join([escaped(part) for part in parts])


def escaped(part: str) -> str:
    """A text with an end, as a part of a composed one."""
    return part.replace("\0", "\0\1") + "\0\0"


def _part(item: Item, part: KeyPart) -> str | None:
    """An index key's attribute as text; None where the item has none of its type."""
    value = item.get(part.name)
    if value is None or part.type not in value:
        return None
    return values.key_text(value)


class View:
    """The table, or one of its indexes, as something that is read: its key, and what it shows of an item."""

    __slots__ = ("index", "key_names", "keys", "name", "partition", "projected", "sort", "types")

    def __init__(self, table: Table, keys: tuple[str, ...], index: Index | None) -> None:
        self.index = index
        self.name = index.name if index else ""
        self.keys = keys
        """The attributes of the table's own key."""
        if index is None:
            self.partition: tuple[KeyPart, ...] = (KeyPart(table.partition, table.attributes[table.partition]),)
            self.sort: tuple[KeyPart, ...] = (KeyPart(table.sort, table.attributes[table.sort]),) if table.sort else ()
        else:
            self.partition, self.sort = index.partition, index.sort
        self.types = {part.name: part.type for part in (*self.partition, *self.sort)}
        self.key_names = tuple(dict.fromkeys([*self.types, *keys]))
        """What a LastEvaluatedKey consists of."""
        self.projected: frozenset[str] | None = None
        """The attributes that it shows; None for all."""
        if index is not None and index.projection != "ALL":
            self.projected = frozenset((*self.key_names, *index.attributes))

    def place(self, item: Item) -> Place | None:
        """Where an item stands in an index; None where it is not in it."""
        partition = [_part(item, part) for part in self.partition]
        sort = [_part(item, part) for part in self.sort]
        if None in partition or None in sort:
            return None
        return hashed(composed(partition)), composed(sort) if sort else ""  # type: ignore[arg-type]

    def shown(self, item: Item) -> Item:
        """What an index has of an item."""
        projected = self.projected
        return item if projected is None else {name: value for name, value in item.items() if name in projected}

    def size(self, item: Item, size: int) -> int:
        """The bytes of an item in this index; `size` is what it has in the table."""
        return size if self.projected is None else values.size(self.shown(item))

    def takes(self, item: Item) -> bool:
        """Whether the item's attributes can be this index's key."""
        try:
            self.check(item)
        except ServiceException:
            return False
        return True

    def check(self, item: Item) -> None:
        """Raises ValidationException where an attribute of the item cannot be this index's key."""
        for parts, limit in ((self.partition, PARTITION_KEY_BYTES), (self.sort, SORT_KEY_BYTES)):
            for part in parts:
                value = item.get(part.name)
                if value is not None:
                    self._check_part(part, value, limit)

    def _check_part(self, part: KeyPart, value: Value, limit: int) -> None:
        found = value.get(part.type)
        if found is None:
            raise invalid_values(
                f"Type mismatch for Index Key {part.name} Expected: {part.type} Actual: {values.type_of(value)} IndexName: {self.name}"
            )
        if not found and part.type != "N":
            raise invalid(
                f"{_EMPTY}A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot"
                f" contain an empty {_KINDS[part.type]} value. IndexName: {self.name}, IndexKey: {part.name}"
            )
        if values.value_size(value) > limit:
            raise invalid_values(
                f"Size of {'hashkey' if limit == PARTITION_KEY_BYTES else 'rangekey'} has exceeded the maximum size limit of {limit} bytes"
            )


class Schema:
    """A table, compiled."""

    __slots__ = (
        "by_name",
        "collected",
        "followed",
        "indexes",
        "keys",
        "local",
        "main",
        "metered",
        "partition",
        "partition_type",
        "sort",
        "sort_type",
        "told",
    )

    def __init__(self, table: Table) -> None:
        self.partition = table.partition
        self.partition_type = table.attributes[table.partition]
        self.sort = table.sort
        self.sort_type = table.attributes[table.sort] if table.sort else ""
        self.keys = (table.partition, table.sort) if table.sort else (table.partition,)
        self.main = View(table, self.keys, None)
        self.indexes = tuple(View(table, self.keys, index) for index in table.indexes if index.status != "DELETING")
        """Those that writes keep, which includes one that is being made."""
        self.by_name = {view.name: view for view in self.indexes}
        self.local = tuple(view for view in self.indexes if view.index is not None and view.index.local)
        self.collected = bool(self.local)
        limits = [table.throughput, *(index.throughput for index in table.indexes)]
        self.metered = table.billing_mode == "PROVISIONED" or any(t.read_limit or t.write_limit for t in limits)
        """Whether requests can be throttled."""
        expiring = table.expiry is not None and table.expiry.status != "DISABLED"
        streamed = (table.stream is not None and table.stream.enabled) or any(one.status != "DISABLED" for one in table.destinations)
        self.told = expiring or bool(table.group) or streamed
        """Whether changes are told to streams, to TTL, to replicas."""
        self.followed = self.metered or bool(self.indexes) or self.told
        """Whether a write must know what was there before."""

    def place_of_key(self, key: Item) -> Place:
        """Where the item with a given key is. Raises ValidationException where it is no key of this table."""
        if len(key) != len(self.keys):
            raise _no_key()
        try:
            partition = values.key_text(_typed(key, self.partition, self.partition_type, PARTITION_KEY_BYTES))
            if not self.sort:
                return hashed(partition), ""
            return hashed(partition), values.key_text(_typed(key, self.sort, self.sort_type, SORT_KEY_BYTES))
        except KeyError:
            raise _no_key() from None

    def place_of(self, item: Item) -> Place:
        """Where an item goes. Raises ValidationException where it lacks a key attribute, or has one of a wrong type."""
        partition = self._key(item, self.partition, self.partition_type, PARTITION_KEY_BYTES)
        return hashed(partition), self._key(item, self.sort, self.sort_type, SORT_KEY_BYTES) if self.sort else ""

    def _key(self, item: Item, name: str, kind: str, limit: int) -> str:
        value = item.get(name)
        if value is None:
            raise invalid_values(f"Missing the key {name} in the item")
        found = value.get(kind)
        if found is None:
            raise invalid_values(f"Type mismatch for key {name} expected: {kind} actual: {values.type_of(value)}")
        check_key_size(name, kind, found, limit)
        return values.key_text(value)

    def key_of(self, item: Item) -> Item:
        """The attributes of an item that are its key."""
        return {name: item[name] for name in self.keys}

    def measured(self, item: Item, size: int) -> int:
        """The bytes of an item in the table and in each local index that it is in."""
        return size + sum([view.size(item, size) for view in self.local if view.place(item) is not None])

    def check(self, item: Item, size: int, *, update: bool = False) -> None:
        """Raises ValidationException where the item is too large, or an attribute cannot be an index's key."""
        if (self.measured(item, size) if self.collected else size) > ITEM_LIMIT_BYTES:
            raise invalid(
                "Item size to update has exceeded the maximum allowed size" if update else "Item size has exceeded the maximum allowed size"
            )
        for view in self.indexes:
            view.check(item)


def check_key_size(name: str, kind: str, found: str, limit: int) -> None:
    """Raises ValidationException where a key's value is empty or too long."""
    if kind == "N":
        return
    if not found:
        raise invalid(f"{_EMPTY}The AttributeValue for a key attribute cannot contain an empty {_KINDS[kind]} value. Key: {name}")
    if len(found) * 3 > limit and values.value_size({kind: found}) > limit:
        if limit == PARTITION_KEY_BYTES:
            raise invalid_values(f"Size of hashkey has exceeded the maximum size limit of{limit} bytes")
        raise invalid_values(f"Aggregated size of all range keys has exceeded the size limit of {limit} bytes")


def _no_key() -> Exception:
    return invalid("The provided key element does not match the schema")


def _typed(key: Item, name: str, kind: str, limit: int) -> Value:
    """A key's attribute, checked. KeyError where it is missing or of another type."""
    value = key[name]
    found: Any = value[kind]
    if kind != "N":
        check_key_size(name, kind, found, limit)
    return value


_compiled: dict[tuple[int, str], Schema] = {}
_REMEMBERED = 1000


def of(table: Table) -> Schema:
    """The compiled form of a table."""
    found = _compiled.get((table.contents, table.version))
    if found is None:
        if len(_compiled) >= _REMEMBERED:
            _compiled.clear()
        found = _compiled[table.contents, table.version] = Schema(table)
    return found
