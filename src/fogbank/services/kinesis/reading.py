"""GetRecords, and what it shares with subscriptions: the next records of a shard.

A shard gives five answers and 2 MiB a second to all who call GetRecords; an answer has at most 10 MiB, which then takes five seconds
to be made up for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.kinesis import encrypting, iterators, metrics, sequences, shards
from fogbank.services.kinesis.addresses import horizon_ms, shard_name
from fogbank.services.kinesis.faults import rate_exceeded, would_succeed
from fogbank.services.kinesis.state import BATCHES, MIB, SHARDS, Batch, Shard, Stream

RECORDS_LIMIT = 10_000
PAGE_BYTES = 10 * MIB
CALLS_PER_S = 5.0
BYTES_PER_S = 2.0 * MIB


class Page(NamedTuple):
    """Records of a shard, and where it goes on. `more`: there is a next record; it has been waiting for `behind_ms`."""

    records: list[dict[str, Any]]
    size: int
    next: int
    more: bool
    behind_ms: int
    arrived_ms: int
    """When the last of these records arrived; 0 where there are none."""


def page(ctx: Context, stream: Stream, shard: Shard, place: int, limit: int, size_limit: int) -> Page:
    """The records from a place on, up to a number and a size (but at least one)."""
    records: list[dict[str, Any]] = []
    size = arrived_ms = 0
    for batch in _from(ctx, stream, shard, place):
        content = encrypting.content_of(ctx, stream, batch)
        kind, at_ms = "KMS" if batch.data_key else "NONE", batch.at_ms
        first = batch.first + max(0, place - batch.first)
        number = sequences.number(shard.created_at_ms, shard.number, first)
        for position in range(first - batch.first, batch.count):
            key, data = content.keys[position], content.contents[position]
            size += len(data) + len(key)
            if records and (len(records) == limit or size > size_limit):
                last_ms = at_ms if batch.first + position > first else arrived_ms
                return Page(records, size - len(data) - len(key), batch.first + position, True, ctx.now - at_ms, last_ms)
            record = {"SequenceNumber": str(number), "ApproximateArrivalTimestamp": at_ms, "Data": data, "EncryptionType": kind}
            if key:
                record["PartitionKey"] = key
            records.append(record)
            number += sequences.STEP
        arrived_ms = at_ms
        place = batch.first + batch.count
    return Page(records, size, place, False, 0, arrived_ms)


def _from(ctx: Context, stream: Stream, shard: Shard, place: int) -> Iterator[Batch]:
    """The batches with records at a place or after it, as far as they are not past their retention."""
    oldest_ms = horizon_ms(ctx, stream)
    if place > shard.id:
        before = next(BATCHES.scan(ctx, shard.id, before=place, reverse=True), None)
        if before is not None and before.first + before.count > place and before.at_ms >= oldest_ms:
            yield before
    for batch in BATCHES.scan(ctx, shard.id, at=place):
        if batch.at_ms >= oldest_ms:
            yield batch


@operation("GetRecords")
def get_records(ctx: Context, req: Any) -> Answer:
    """The next records of a shard, up to 10,000 or 10 MiB, and an iterator to go on with: none at the end of a closed shard, but its
    children.

    Errors: ResourceNotFoundException, InvalidArgumentException, ExpiredIteratorException, ProvisionedThroughputExceededException, KMS's.
    Source: API reference, GetRecords.
    """
    stream, at = iterators.stream_of(ctx, req)
    shard = SHARDS.get(ctx, stream.id, at.shard)
    if shard is None:
        return {"Records": [], "MillisBehindLatest": 0}
    if not ctx.spend(f"kinesis:calls:{shard.id}", 1, CALLS_PER_S, CALLS_PER_S):
        _throttled(ctx, stream, shard)
    found = page(ctx, stream, shard, at.place, req.Limit or RECORDS_LIMIT, PAGE_BYTES)
    if req.DryRun:
        raise would_succeed()
    if not ctx.spend(f"kinesis:read:{shard.id}", found.size, BYTES_PER_S, float(PAGE_BYTES)):
        _throttled(ctx, stream, shard)
    age_ms = ctx.now - found.arrived_ms if found.records else 0
    count = len(found.records)
    metrics.tell(
        ctx,
        stream,
        GetRecords__Bytes=found.size,
        GetRecords__Records=count,
        GetRecords__Success=1,
        GetRecords__IteratorAgeMilliseconds=age_ms,
    )
    if stream.metrics:
        metrics.tell_shard(ctx, stream, shard.number, OutgoingBytes=found.size, OutgoingRecords=count, IteratorAgeMilliseconds=age_ms)
    answer: dict[str, Any] = {"Records": found.records, "MillisBehindLatest": found.behind_ms, "@watch": watches(shard)}
    if shard.closed_at_ms and not found.more:
        answer["ChildShards"] = shards.children(ctx, stream, shard)
    else:
        answer["NextShardIterator"] = iterators.token(ctx, stream, shard.number, found.next)
    return answer


def watches(shard: Shard) -> tuple[tuple[int, bytes], ...]:
    """What is written when there is more of a shard, or when it is closed."""
    return BATCHES.watch(shard.id), SHARDS.watch(shard.stream, shard.number)


def _throttled(ctx: Context, stream: Stream, shard: Shard) -> NoReturn:
    metrics.tell(ctx, stream, ReadProvisionedThroughputExceeded=1, GetRecords__Success=0)
    metrics.tell_shard(ctx, stream, shard.number, ReadProvisionedThroughputExceeded=1)
    raise rate_exceeded(stream, shard_name(shard.number))
