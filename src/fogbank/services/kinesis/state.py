"""The model of the data.

A stream is one record, which also knows its open shards: the ranges of the hash space, in order. So finding the shard of a
record reads nothing else. `id` is the stream's own number for life; a stream that is deleted is gone at once, and the task `drop`
clears up what it held.

A shard is one record of SHARDS: its range, its parents, and since when and until when it is open. Its number in the stream makes its
name (shardId-000000000003); `id` is what its records are filed under.

Records lie in batches: what one call put into one shard is one row, however many records that is. Each record's place is the
`first` of its batch plus its position; a place grows with time, over all shards, and makes the record's sequence number
(`sequences`). A batch is as it came, or, where the stream is encrypted, sealed as a whole under a data key of KMS.

A consumer's subscription to a shard is a row, so that another one can take it over.
"""

from __future__ import annotations

import msgspec

from fogbank.store import Record, Table

HASH_BYTES = 16
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
KIB = 1024
MIB = 1 << 20
RECORDS_PER_S = 1000.0
BYTES_PER_S = float(MIB)
"""What may be put into a shard."""


class Open(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An open shard: where its range begins, and what its records are filed under."""

    low: bytes
    number: int
    id: int
    since_ms: int


class Encryption(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The KMS key as it was named, and its ARN."""

    named: str
    key_arn: str


class Stream(Record, frozen=True, kw_only=True):
    account: str
    region: str
    name: str
    id: int
    created_at_ms: int
    status: str
    mode: str
    open: tuple[Open, ...]
    shards: int
    """How many it has had."""
    retention_h: int = 24
    readable_from_ms: int = 0
    """What is older was once past its retention."""
    trimming: bool = False
    encryption: Encryption | None = None
    metrics: tuple[str, ...] = ()
    max_record_kib: int = 1024
    distribution: str = "USER_PARTITION_KEY"
    warm_mibps: int = 0
    scaled_at_ms: tuple[int, ...] = ()
    scaling: bool = False
    """Hot shards are about to be split."""
    tags: dict[str, str] = {}
    policy: str = ""
    trim: int = 0
    """Which of its trimmings counts: one that was begun before is over."""
    switched_at_ms: tuple[int, ...] = ()
    busy_at_ms: int = 0
    """When, within an hour, a shard of an on-demand stream last got more than a quarter of what it can take."""
    calming: bool = False
    """A task looks whether it needs all of its shards."""


class Shard(Record, frozen=True, kw_only=True):
    """`low` and `high` are the first and the last hash of its range; `parent` and `adjacent` are numbers, -1 where there is none."""

    stream: int
    number: int
    id: int
    low: bytes
    high: bytes
    created_at_ms: int
    parent: int = -1
    adjacent: int = -1
    closed_at_ms: int = 0
    last: int = 0
    """The last place that it can have; 0 while it is open."""


class Batch(Record, frozen=True):
    """Records that were put together: their partition keys and their data, or both sealed under a data key."""

    shard: int
    first: int
    count: int
    at_ms: int
    keys: tuple[str, ...]
    contents: tuple[bytes, ...]
    data_key: int = 0
    sealed: bytes = b""


class Content(Record, frozen=True):
    """What is sealed of a batch."""

    keys: tuple[str, ...]
    contents: tuple[bytes, ...]


class DataKey(Record, frozen=True):
    """A data key as KMS sealed it, and for whom it was made."""

    stream: int
    number: int
    key_arn: str
    ciphertext: bytes
    stream_arn: str


class KeyInUse(Record, frozen=True):
    """The data key that a principal's records are sealed under now."""

    stream: int
    principal: str
    number: int
    key_arn: str
    made_at_ms: int


class Consumer(Record, frozen=True, kw_only=True):
    stream: int
    name: str
    created_at_ms: int
    status: str
    account: str
    region: str
    stream_name: str
    id: int
    tags: dict[str, str] = {}
    policy: str = ""


class Subscription(Record, frozen=True):
    """Who reads a shard for a consumer: the request that came last."""

    consumer: int
    shard: int
    request: str
    at_ms: int


class Settings(Record, frozen=True, kw_only=True):
    """An account's commitment to a minimum throughput; `ends_at_ms` where it is to end by itself."""

    account: str
    region: str
    started_at_ms: int = 0
    ends_at_ms: int = 0


STREAMS = Table("kinesis.streams", Stream, key=("account", "region", "name"))
SHARDS = Table("kinesis.shards", Shard, key=("stream", "number"))
BATCHES = Table(
    "kinesis.batches",
    Batch,
    key=("shard", "first"),
    weight=lambda b: 1 + ((len(b.sealed) + sum(map(len, b.contents))) >> 10),
)
DATA_KEYS = Table("kinesis.data_keys", DataKey, key=("stream", "number"))
KEYS_IN_USE = Table("kinesis.keys_in_use", KeyInUse, key=("stream", "principal"))
CONSUMERS = Table("kinesis.consumers", Consumer, key=("stream", "name"))
SUBSCRIPTIONS = Table("kinesis.subscriptions", Subscription, key=("consumer", "shard"))
SETTINGS = Table("kinesis.settings", Settings, key=("account", "region"))
