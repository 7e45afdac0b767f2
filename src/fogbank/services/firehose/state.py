"""The model of the data.

A delivery stream is one record. Its destination is kept as it is described, by AWS's own member names, with the defaults in place.

Records wait in lanes. A lane is a buffer that is being filled: it has a kind, and where records are partitioned a part. What one call
adds to it is one row of BATCHES, filed under the lane's `id`. When it is full or has waited long enough, the lane becomes a parcel: it
is closed, is not changed any more, and a task delivers it. Then the next records open a new lane. So what is on its way (to a
function, to an endpoint) stays the same however often the task is run, and nothing is only in memory.

    in              what a Lambda function is still to transform
    out             what goes to the destination
    backup          source records on their way to the backup bucket
    error:TYPE      records on their way to the error output; TYPE is !{firehose:error-output-type}

A cursor is how far a shard of the source stream has been read.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.store import Record, Table

DAY_MS = 86_400_000
MIB = 1 << 20
IN, OUT, BACKUP, ERROR = "in", "out", "backup", "error:"


class Source(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A Kinesis stream that is read, from an instant on, as a role."""

    stream_arn: str
    role_arn: str
    start_ms: int


class Encryption(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`key_arn` is "" for a key of the service's own; `data_key` is the number of the data key in use, `grant` the grant's id."""

    status: str
    key_type: str
    key_arn: str = ""
    data_key: int = 0
    grant: str = ""


class Stream(Record, frozen=True, kw_only=True):
    account: str
    region: str
    name: str
    id: int
    created_at_ms: int
    status: str
    type: str
    kind: str
    """Of the destination: its description's member without "DestinationDescription" (S3, ExtendedS3, HttpEndpoint)."""
    destination: dict[str, Any]
    secret: bytes = b""
    """The access key of an endpoint, sealed."""
    version: int = 1
    updated_at_ms: int = 0
    source: Source | None = None
    hint_mbs: int = 0
    encryption: Encryption | None = None
    tags: dict[str, str] = {}


class Origin(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a record was read in Kinesis."""

    shard: str
    key: str
    sequence: str
    at_ms: int


class Lane(Record, frozen=True, kw_only=True):
    """`since_ms`: when its first record arrived. A parcel also has when it was `closed_at_ms` and how often it was tried."""

    stream: int
    kind: str
    part: str
    id: int
    size: int
    count: int
    since_ms: int
    closed_at_ms: int = 0
    attempts: int = 0
    failing_since_ms: int = 0


class Batch(Record, frozen=True):
    """Records that came together. `data_key`: what they are sealed under (-1: the root key)."""

    lane: int
    number: int
    records: tuple[bytes, ...]
    origins: tuple[Origin, ...] = ()
    sealed: bytes = b""
    data_key: int = 0


class DataKey(Record, frozen=True):
    """A data key as KMS sealed it."""

    stream: int
    number: int
    key_arn: str
    ciphertext: bytes


class Cursor(Record, frozen=True, kw_only=True):
    """How far a shard was read: the last sequence number ("": nothing yet), or to its end."""

    stream: int
    shard: str
    sequence: str = ""
    ended: bool = False


STREAMS = Table("firehose.streams", Stream, key=("account", "region", "name"))
LANES = Table("firehose.lanes", Lane, key=("stream", "kind", "part"))
PARCELS = Table("firehose.parcels", Lane, key=("stream", "id"))
BATCHES = Table("firehose.batches", Batch, key=("lane", "number"), weight=lambda b: 1 + ((len(b.sealed) + sum(map(len, b.records))) >> 10))
DATA_KEYS = Table("firehose.data_keys", DataKey, key=("stream", "number"))
CURSORS = Table("firehose.cursors", Cursor, key=("stream", "shard"))
