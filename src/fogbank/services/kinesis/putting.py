"""PutRecord, PutRecords: records into shards.

A shard takes 1 MiB and 1,000 records a second (a stream for larger records has bursts of 10 MiB).
"""

from __future__ import annotations

from bisect import bisect_right
from hashlib import md5
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.kinesis import encrypting, metrics, ranges, scaling, sequences
from fogbank.services.kinesis.addresses import no_stream, shard_name, stream_at, where
from fogbank.services.kinesis.faults import invalid, named, rate_exceeded, would_succeed
from fogbank.services.kinesis.state import BATCHES, BYTES_PER_S, HOUR_MS, KIB, MIB, RECORDS_PER_S, STREAMS, Open, Stream
from fogbank.store import change

LARGE_BURST = 10.0 * MIB
REQUEST_BYTES = 10 * MIB


def _writable(ctx: Context, req: Any) -> Stream:
    """The stream that records go to. Raises ResourceNotFoundException also while it is CREATING."""
    stream = stream_at(ctx, req)
    if stream.status == "CREATING":
        raise no_stream(stream.account, stream.name)
    return stream


def _read(ctx: Context, stream: Stream, record: Any) -> tuple[Open, int]:
    """The shard that a record goes to, and the record's size. Raises InvalidArgumentException."""
    key: str = record.PartitionKey or ""
    size = len(record.Data) + len(key.encode())
    if size > stream.max_record_kib * KIB:
        raise invalid(
            f"Record size of {size} bytes exceeds the maximum record size of {stream.max_record_kib} KiB for {named(stream)}. "
            "The size is that of the data and the partition key."
        )
    there = stream.open
    if stream.distribution == "AUTO":
        return there[int.from_bytes(ctx.random.bytes(4), "big") % len(there)], size
    if not key:
        raise invalid("PartitionKey must be specified for a stream whose RecordDistributionStrategy is USER_PARTITION_KEY.")
    if record.ExplicitHashKey is None:
        hash = md5(key.encode(), usedforsecurity=False).digest()
    else:
        number = int(record.ExplicitHashKey)
        if number >= ranges.SPACE:
            raise invalid(f"Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {number}")
        hash = ranges.packed(number)
    return there[bisect_right(there, hash, key=lambda one: one.low) - 1] if len(there) > 1 else there[0], size


def _spend(ctx: Context, stream: Stream, shard: Open, count: int, size: int) -> bool:
    """Takes what records need from their shard's capacity; False where there is too little."""
    burst = LARGE_BURST if stream.max_record_kib > KIB else BYTES_PER_S
    if ctx.spend(f"kinesis:records:{shard.id}", count, RECORDS_PER_S, RECORDS_PER_S) and ctx.spend(
        f"kinesis:bytes:{shard.id}", size, BYTES_PER_S, burst
    ):
        return True
    metrics.tell_shard(ctx, stream, shard.number, WriteProvisionedThroughputExceeded=count)
    return False


def _settled(ctx: Context, stream: Stream) -> None:
    """Has old records trimmed some time."""
    if not stream.trimming:
        STREAMS.put(ctx, change(stream, trimming=True))
        ctx.later("kinesis.trim", {**where(stream), "trim": stream.trim}, at_ms=ctx.now + stream.retention_h * HOUR_MS)


@operation("PutRecord")
def put_record(ctx: Context, req: Any) -> Answer:
    """Puts one record into the shard whose range has the MD5 of its partition key, or its ExplicitHashKey.

    Sequence numbers of a shard grow with every record. Errors: ResourceNotFoundException, InvalidArgumentException (size, hash key,
    SequenceNumberForOrdering), ProvisionedThroughputExceededException, KMS's. Source: API reference, PutRecord.
    """
    stream = _writable(ctx, req)
    shard, size = _read(ctx, stream, req)
    _check_ordering(ctx, stream, req.SequenceNumberForOrdering)
    if req.DryRun:
        raise would_succeed()
    if not _spend(ctx, stream, shard, 1, size):
        metrics.tell(ctx, stream, WriteProvisionedThroughputExceeded=1, PutRecord__Success=0)
        raise rate_exceeded(stream, shard_name(shard.number))
    first = ctx.tx.unique()
    BATCHES.put(ctx, encrypting.batch(ctx, stream, shard.id, first, (req.PartitionKey or "",), (req.Data,)))
    _settled(ctx, stream)
    if stream.mode == "ON_DEMAND":
        scaling.follow(ctx, stream, {shard.number: (shard, 1, size)})
    metrics.tell(ctx, stream, IncomingBytes=size, IncomingRecords=1, PutRecord__Bytes=size, PutRecord__Success=1)
    if stream.metrics:
        metrics.tell_shard(ctx, stream, shard.number, IncomingBytes=size, IncomingRecords=1)
    return {
        "ShardId": shard_name(shard.number),
        "SequenceNumber": sequences.shown(shard.since_ms, shard.number, first),
        "EncryptionType": "NONE" if stream.encryption is None else "KMS",
    }


def _check_ordering(ctx: Context, stream: Stream, given: str | None) -> None:
    """Raises InvalidArgumentException for a number that no record can have been given yet."""
    if given is None:
        return
    read = sequences.read(given)
    if read is None or read.place > ctx.tx.unique():
        raise invalid(f"ExclusiveMinimumSequenceNumber {given} used in PutRecord on {named(stream)} is invalid.")


@operation("PutRecords")
def put_records(ctx: Context, req: Any) -> Answer:
    """Puts up to 500 records of together at most 10 MiB, each like PutRecord. Those that their shards have no capacity for are refused by
    themselves, with an ErrorCode.

    Errors: ResourceNotFoundException, InvalidArgumentException (of any record), KMS's. Source: API reference, PutRecords.
    """
    stream = _writable(ctx, req)
    records = req.Records
    placed = [_read(ctx, stream, record) for record in records]
    total = sum(size for _, size in placed)
    if total > REQUEST_BYTES:
        raise invalid(f"Records size exceeds {REQUEST_BYTES} bytes: they have {total} bytes with their partition keys.")
    if req.DryRun:
        raise would_succeed()
    results: list[dict[str, Any]] = [{}] * len(records)
    by_shard: dict[int, list[int]] = {}
    for index, (shard, size) in enumerate(placed):
        if _spend(ctx, stream, shard, 1, size):
            by_shard.setdefault(shard.number, []).append(index)
        else:
            problem = rate_exceeded(stream, shard_name(shard.number))
            results[index] = {"ErrorCode": problem.code, "ErrorMessage": problem.message}
    put: dict[int, tuple[Open, int, int]] = {}
    for number, indexes in by_shard.items():
        shard = placed[indexes[0]][0]
        size = sum(placed[index][1] for index in indexes)
        put[number] = (shard, len(indexes), size)
        first = _put(ctx, stream, shard, [records[index] for index in indexes])
        name = shard_name(number)
        for place, index in enumerate(indexes, first):
            results[index] = {"SequenceNumber": sequences.shown(shard.since_ms, number, place), "ShardId": name}
        if stream.metrics:
            metrics.tell_shard(ctx, stream, number, IncomingBytes=size, IncomingRecords=len(indexes))
    accepted = sum(count for _, count, _ in put.values())
    if accepted:
        _settled(ctx, stream)
        if stream.mode == "ON_DEMAND":
            scaling.follow(ctx, stream, put)
    _tell(ctx, stream, len(records), accepted, sum(size for _, _, size in put.values()))
    return {
        "FailedRecordCount": len(records) - accepted,
        "Records": results,
        "EncryptionType": "NONE" if stream.encryption is None else "KMS",
    }


def _put(ctx: Context, stream: Stream, shard: Open, records: list[Any]) -> int:
    """Puts records into a shard as one batch: the place of the first."""
    places: list[int] = [ctx.tx.unique() for _ in records]
    keys = tuple(record.PartitionKey or "" for record in records)
    BATCHES.put(ctx, encrypting.batch(ctx, stream, shard.id, places[0], keys, tuple(record.Data for record in records)))
    return places[0]


def _tell(ctx: Context, stream: Stream, records: int, accepted: int, size: int) -> None:
    metrics.tell(
        ctx,
        stream,
        IncomingBytes=size,
        IncomingRecords=accepted,
        PutRecords__Bytes=size,
        PutRecords__Records=accepted,
        PutRecords__Success=1 if accepted else 0,
        PutRecords__TotalRecords=records,
        PutRecords__SuccessfulRecords=accepted,
        PutRecords__ThrottledRecords=records - accepted,
    )
    if accepted < records:
        metrics.tell(ctx, stream, WriteProvisionedThroughputExceeded=records - accepted)
