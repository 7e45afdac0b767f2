"""The shards of a stream, and reading one: what Kinesis and DynamoDB have in common, and what they have each for itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from fogbank.delivery.sources import records
from fogbank.delivery.sources.reading import Checkpoint, Consumer, Entry, Item, R, Reading
from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, Wait, Watch
from fogbank.store import change

TROUBLE_MS = 60_000


class Shard(NamedTuple):
    id: str
    parents: tuple[str, ...]
    closed: bool


class Page(NamedTuple):
    """What one GetRecords gave; `next` is "" where the shard has no more."""

    entries: list[Entry]
    next: str
    watch: tuple[Watch, ...]


class Source(NamedTuple):
    """A kind of stream: its service, and how its API spells things."""

    service: str
    arn: str
    sequence: str
    shards: Callable[[Context, Reading, Role], list[Shard]]
    event: Callable[[Reading, Role, str, Any], Entry]


def _call(ctx: Context, source: Source, operation: str, members: dict[str, Any], role: Role) -> Any:
    return ctx.call(source.service, operation, members, acting=role)


def _kinesis_shards(ctx: Context, reading: Reading, role: Role) -> list[Shard]:
    found: list[Shard] = []
    members: dict[str, Any] = {"StreamARN": reading.source_arn}
    while True:
        answer = ctx.call("kinesis", "ListShards", members, acting=role)
        for shard in answer.get("Shards") or ():
            parents = (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
            closed = shard["SequenceNumberRange"].get("EndingSequenceNumber") is not None
            found.append(Shard(shard["ShardId"], tuple(one for one in parents if one), closed))
        if not answer.get("NextToken"):
            return found
        members = {"NextToken": answer["NextToken"]}


def _dynamodb_shards(ctx: Context, reading: Reading, role: Role) -> list[Shard]:
    found: list[Shard] = []
    members: dict[str, Any] = {"StreamArn": reading.source_arn}
    while True:
        answer = ctx.call("dynamodbstreams", "DescribeStream", members, acting=role)["StreamDescription"]
        for shard in answer.get("Shards") or ():
            parent = shard.get("ParentShardId")
            closed = shard["SequenceNumberRange"].get("EndingSequenceNumber") is not None
            found.append(Shard(shard["ShardId"], (parent,) if parent else (), closed))
        if not answer.get("LastEvaluatedShardId"):
            return found
        members = {"StreamArn": reading.source_arn, "ExclusiveStartShardId": answer["LastEvaluatedShardId"]}


def _kinesis_entry(reading: Reading, role: Role, shard: str, record: Any) -> Entry:
    event = records.of_kinesis(record, shard, reading.source_arn, reading.region, role.arn)
    size = len(event["kinesis"]["data"]) + 512
    return Entry(record["SequenceNumber"], record["PartitionKey"], record["ApproximateArrivalTimestamp"], event, size)


def _dynamodb_entry(reading: Reading, role: Role, shard: str, record: Any) -> Entry:
    inner = record["dynamodb"]
    event = records.of_dynamodb(record, reading.source_arn)
    size = 2 * inner.get("SizeBytes", 0) + 512
    return Entry(inner["SequenceNumber"], repr(bytes(inner["Keys"])), inner["ApproximateCreationDateTime"], event, size)


SOURCES = {
    "kinesis": Source("kinesis", "StreamARN", "StartingSequenceNumber", _kinesis_shards, _kinesis_entry),
    "dynamodb": Source("dynamodbstreams", "StreamArn", "SequenceNumber", _dynamodb_shards, _dynamodb_entry),
}


def iterator(ctx: Context, reading: Reading, role: Role, checkpoint: Checkpoint) -> str:
    """Where to read on: after the last record that was taken, from an instant on, or from the beginning."""
    source = SOURCES[reading.kind]
    members: dict[str, Any] = {source.arn: reading.source_arn, "ShardId": checkpoint.shard}
    place: dict[str, Any]
    if checkpoint.sequence:
        place = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", source.sequence: checkpoint.sequence}
    elif checkpoint.since_ms:
        place = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": checkpoint.since_ms}
    else:
        place = {"ShardIteratorType": "TRIM_HORIZON"}
    try:
        found: str = _call(ctx, source, "GetShardIterator", {**members, **place}, role)["ShardIterator"]
    except ServiceException as problem:
        if problem.code != "TrimmedDataAccessException":
            raise
        found = _call(ctx, source, "GetShardIterator", {**members, "ShardIteratorType": "TRIM_HORIZON"}, role)["ShardIterator"]
    return found


def newest(ctx: Context, reading: Reading, role: Role, shard: str) -> str:
    """An iterator for what is written from now on."""
    source = SOURCES[reading.kind]
    members = {source.arn: reading.source_arn, "ShardId": shard, "ShardIteratorType": "LATEST"}
    found: str = _call(ctx, source, "GetShardIterator", members, role)["ShardIterator"]
    return found


def read(ctx: Context, reading: Reading, role: Role, shard: str, place: str, limit: int) -> Page:
    """The next records of a shard."""
    source = SOURCES[reading.kind]
    members: dict[str, Any] = {"ShardIterator": place, "Limit": limit}
    if reading.kind == "kinesis":
        members["StreamARN"] = reading.source_arn
    answer = _call(ctx, source, "GetRecords", members, role)
    entries = [source.event(reading, role, shard, record) for record in answer.get("Records") or ()]
    return Page(entries, answer.get("NextShardIterator") or "", tuple(answer.get("@watch") or ()))


def find(ctx: Context, consumer: Consumer[R], item: Item) -> Answer | Wait:
    """Has every shard read whose parents have been read to their end."""
    reading = consumer.current(ctx, item)
    if reading is None:
        return None
    try:
        role = consumer.role(ctx, reading)
        found = SOURCES[reading.kind].shards(ctx, reading, role)
    except ServiceException as problem:
        consumer.note(ctx, reading, f"PROBLEM: {problem.code}: {problem.message}")
        return Wait((consumer.watch(item),), ctx.now + TROUBLE_MS)
    known = {one.shard: one for one in consumer.checkpoints.scan(ctx, *item[:3])}
    first = not known
    there = {shard.id for shard in found}
    for shard in found:
        if shard.id not in known:
            known[shard.id] = _beginning(ctx, consumer, reading, shard, first=first)
    for gone in known.keys() - there:
        consumer.checkpoints.delete(ctx, known.pop(gone))
    for checkpoint in list(known.values()):
        parents = [known[parent] for parent in checkpoint.parents if parent in known]
        if not checkpoint.finished and checkpoint.started != reading.number and all(parent.finished for parent in parents):
            consumer.checkpoints.put(ctx, change(checkpoint, started=reading.number))
            ctx.later(f"{consumer.service}.poll_shard", [*item, checkpoint.shard, *(["new"] if first else [])])
    return None


def _beginning(ctx: Context, consumer: Consumer[R], reading: Reading, shard: Shard, *, first: bool) -> Checkpoint:
    """Where reading of a shard begins: where the reading says, and with those that came after it, at their beginning."""
    since_ms = 0
    if first and reading.starting != "TRIM_HORIZON":
        since_ms = reading.starting_at_ms or ctx.now
    made = Checkpoint(
        account=reading.account,
        region=reading.region,
        reader=reading.id,
        shard=shard.id,
        parents=shard.parents,
        since_ms=since_ms,
        finished=first and reading.starting == "LATEST" and shard.closed,
    )
    consumer.checkpoints.put(ctx, made)
    return made
