"""The model of the data.

A table is one record of TABLES. It has three names: `name`, what people call it; `id`, the UUID that they are shown;
`contents`, the number that its items are filed under. A deleted table is gone at once; the task `drop` then clears its contents
up in portions. `version` changes with everything that the compiled schema depends on (`schema.of`).

An item is one record of ITEMS: its whole JSON as it goes over the wire, and the bytes that DynamoDB counts for it. Its place:

    partition     eight hex digits of a hash of the partition key, then the key as text that sorts as the values do
    sort          the sort key as such text, "" where the table has none

So a scan goes by the hash, as DynamoDB's does, and a segment of a parallel scan is a range of hashes.

A secondary index is part of its table's record, and has a number of its own. Its rows are ENTRIES, each of which only points to
an item: reading goes through it to the item, so an index is never behind, a write that leaves the index key alone writes no
entry, and a projection is applied when the index is read.

COLLECTIONS knows the size of the item collections of tables that have local secondary indexes, which limits it to 10 GB.
TOKENS remembers for ten minutes what a client's token stood for.
"""

from __future__ import annotations

import msgspec

from fogbank import store

ITEM_LIMIT_BYTES = 400 * 1024
PAGE_BYTES = 1 << 20
COLLECTION_LIMIT_BYTES = 10 << 30
TOKEN_MS = 600_000
TABLES_LIMIT = 2500


class KeyPart(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An attribute of a key: its name and its type (S, N, B)."""

    name: str
    type: str


class Throughput(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Units per second. `read` and `write` are provisioned (0 on demand); the limits are of on demand (0: none)."""

    read: int = 0
    write: int = 0
    read_limit: int = 0
    write_limit: int = 0
    increased_at_ms: int = 0
    decreased_at_ms: int = 0
    decreases: int = 0
    """Decreases on the UTC day of `decreased_at_ms`."""


class Index(msgspec.Struct, frozen=True, array_like=True, gc=False, kw_only=True):
    """A secondary index. `attributes` are the further ones that it projects, where `projection` is INCLUDE."""

    name: str
    number: int
    local: bool
    partition: tuple[KeyPart, ...]
    sort: tuple[KeyPart, ...]
    projection: str
    attributes: tuple[str, ...] = ()
    status: str = "ACTIVE"
    backfilling: bool = False
    throughput: Throughput = Throughput()


class Encryption(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A KMS key of the table's owner, and the data key that it wraps: what bodies are sealed under."""

    key_arn: str
    wrapped: bytes
    status: str = "ENABLED"


class StreamSetting(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The newest stream of a table; `enabled`: changes still go into it."""

    number: int
    label: str
    view: str
    enabled: bool


class Expiry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Time to live: by which attribute, and since when this is so. `status` as AWS names it."""

    attribute: str
    status: str
    changed_at_ms: int


class Recovery(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Point-in-time recovery: since when, and for how many days back."""

    since_ms: int
    days: int


class Restored(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a table was restored from, and as of when."""

    table_arn: str
    backup_arn: str
    at_ms: int
    in_progress: bool


class Destination(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A Kinesis stream that changes go to. `status` and `precision` as AWS names them."""

    stream_arn: str
    status: str
    precision: str


class Table(store.Record, frozen=True, kw_only=True):
    account: str
    region: str
    name: str
    id: str
    contents: int
    version: str
    status: str
    created_at_ms: int
    attributes: dict[str, str]
    partition: str
    sort: str = ""
    indexes: tuple[Index, ...] = ()
    billing_mode: str = "PROVISIONED"
    on_demand_at_ms: int = 0
    throughput: Throughput = Throughput()
    table_class: str = ""
    class_changed_at_ms: int = 0
    deletion_protection: bool = False
    tags: dict[str, str] = {}
    policy: str = ""
    policy_revision: str = ""
    encryption: Encryption | None = None
    stream: StreamSetting | None = None
    expiry: Expiry | None = None
    recovery: Recovery | None = None
    restored: Restored | None = None
    group: str = ""
    """The global table that it is a replica of."""
    destinations: tuple[Destination, ...] = ()


class Item(store.Record, frozen=True):
    """`body`: the item's JSON (sealed, where the table has a KMS key); `size`: the bytes that DynamoDB counts."""

    contents: int
    partition: str
    sort: str
    body: bytes
    size: int


class Entry(store.Record, frozen=True):
    """That an index has an item at a place."""

    index: int
    partition: str
    sort: str
    item_partition: str
    item_sort: str


class Collection(store.Record, frozen=True):
    """The size of the items with one partition key and of what the local indexes project of them."""

    contents: int
    partition: str
    size: int


class Token(store.Record, frozen=True):
    """What a transaction's token stood for. `units`: what reading its items would consume, by table."""

    account: str
    region: str
    token: str
    digest: bytes
    at_ms: int
    units: dict[str, float]


class Count(store.Record, frozen=True, kw_only=True):
    """How many items (and bytes) a large table and its indexes had when they were last counted; `counting`: that is under way."""

    contents: int
    at_ms: int = 0
    counting: bool = False
    items: int = 0
    size: int = 0
    indexes: dict[str, tuple[int, int]] = {}


TABLES = store.Table("dynamodb.tables", Table, key=("account", "region", "name"))
GROUPED = TABLES.index("grouped", "group", where=lambda table: bool(table.group))
RECOVERABLE = TABLES.index("recoverable", "account", where=lambda table: table.recovery is not None)
ITEMS = store.Table("dynamodb.items", Item, key=("contents", "partition", "sort"), weight=lambda item: 1 + (len(item.body) >> 10))
ENTRIES = store.Table("dynamodb.entries", Entry, key=("index", "partition", "sort", "item_partition", "item_sort"))
COLLECTIONS = store.Table("dynamodb.collections", Collection, key=("contents", "partition"))
TOKENS = store.Table("dynamodb.tokens", Token, key=("account", "region", "token"))
OLDEST_TOKENS = TOKENS.index("oldest", "account", "region", "at_ms")
COUNTS = store.Table("dynamodb.counts", Count, key=("contents",))
