"""The model of what DynamoDB does with time; `state` is that of tables and items.

A stream is its table's history for 24 hours. Its shards are ranges of the hash that an item's place begins with; `open` in the
stream's own row are those that are written now. A shard that has been hot, or open for four hours, is closed, and its children
go on: so the records of an item are in order from parent to child. Sequence numbers are the transaction's, which only grow.

EXPIRIES are the items of tables with time to live, by the second in which they expire; SWEEPS tell when somebody looks.
PENDING are items of global tables whose newest state other replicas do not have yet: no row, all replicas agree.

A backup is no copy. It names a transaction, and the log keeps the items as they were after it (`recovery.keeps`).
"""

from __future__ import annotations

import msgspec

from fogbank import store
from fogbank.services.dynamodb.state import Table

DAY_MS = 86_400_000


class Open(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An open shard: the hashes from `low` (eight hex digits) up to `high` ("g": to the end)."""

    shard: int
    low: str
    high: str
    since_ms: int


class Stream(store.Record, frozen=True, kw_only=True):
    """`source`: the table, as it was when the stream was made. `disabled_at_ms` is 0 while it is enabled."""

    account: str
    region: str
    table: str
    label: str
    number: int
    view: str
    source: Table
    created_at_ms: int
    open: tuple[Open, ...]
    disabled_at_ms: int = 0
    trimming: bool = False
    """Whether a task comes to trim it."""
    policy: str = ""
    policy_revision: str = ""


class Shard(store.Record, frozen=True, kw_only=True):
    """`number` is where its sequence numbers start. `last` is its last record's, once it is closed; `trimmed` the last that was trimmed."""

    stream: int
    number: int
    id: str
    parent: str = ""
    closed_at_ms: int = 0
    last: int = 0
    trimmed: int = 0


class Entry(store.Record, frozen=True):
    """A stream record. Images are bodies as `bodies` packs them, empty where the view has none; `by` says who made the change."""

    shard: int
    sequence: int
    at_ms: int
    event: str
    keys: bytes
    old: bytes
    new: bytes
    size: int
    by: str


class Due(store.Record, frozen=True):
    """That an item expires in a second."""

    contents: int
    at_s: int
    partition: str
    sort: str


class Sweep(store.Record, frozen=True):
    """When the expired items of a table are deleted next."""

    contents: int
    at_ms: int


class Pending(store.Record, frozen=True):
    """That an item of a replica was changed, in a transaction of this number, and others do not know it."""

    contents: int
    partition: str
    sort: str
    number: int


class Outgoing(store.Record, frozen=True):
    """A change that is to go to Kinesis: like an `Entry`, and the partition key that it will have there."""

    contents: int
    number: int
    at_ms: int
    event: str
    keys: bytes
    old: bytes
    new: bytes
    size: int
    by: str
    partition: str


class Backup(store.Record, frozen=True, kw_only=True):
    """A table after a transaction (`sequence`). `expires_at_ms` is 0 for one that stays until it is deleted."""

    account: str
    region: str
    table: str
    id: str
    name: str
    type: str
    created_at_ms: int
    sequence: int
    source: Table
    items: int
    size: int
    expires_at_ms: int = 0


class Transfer(store.Record, frozen=True, kw_only=True):
    """An export or an import. `members` is what was asked for, by AWS's names; `caller` the principal who asked, who it is done as."""

    account: str
    region: str
    table: str
    id: str
    status: str
    started_at_ms: int
    members: dict[str, object]
    caller: bytes
    table_id: str
    contents: int
    digest: bytes = b""
    ended_at_ms: int = 0
    from_ms: int = 0
    at_ms: int = 0
    items: int = 0
    processed: int = 0
    size: int = 0
    errors: int = 0
    manifest: str = ""
    failure: str = ""
    message: str = ""


STREAMS = store.Table("dynamodb.streams", Stream, key=("account", "region", "table", "label"))
SHARDS = store.Table("dynamodb.shards", Shard, key=("stream", "number"))
SHARDS_BY_ID = SHARDS.index("by_id", "stream", "id")
RECORDS = store.Table("dynamodb.records", Entry, key=("shard", "sequence"), weight=lambda r: 1 + (len(r.old) + len(r.new) >> 10))
EXPIRIES = store.Table("dynamodb.expiries", Due, key=("contents", "at_s", "partition", "sort"))
SWEEPS = store.Table("dynamodb.sweeps", Sweep, key=("contents",))
PENDING = store.Table("dynamodb.pending", Pending, key=("contents", "partition", "sort"))
OUTGOING = store.Table("dynamodb.outgoing", Outgoing, key=("contents", "number"), weight=lambda r: 1 + (len(r.old) + len(r.new) >> 10))
BACKUPS = store.Table("dynamodb.backups", Backup, key=("account", "region", "table", "id"))
EXPORTS = store.Table("dynamodb.exports", Transfer, key=("account", "region", "table", "id"))
IMPORTS = store.Table("dynamodb.imports", Transfer, key=("account", "region", "table", "id"))
