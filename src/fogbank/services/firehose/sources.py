"""A Kinesis stream as the source: a task that reads all of its shards as the source's role, and waits until there is more.

Source: developer guide, Write data to Amazon Data Firehose using Kinesis Data Streams.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, Wait, Watch, task
from fogbank.services.firehose import ingesting, logging, metrics, processing
from fogbank.services.firehose.addresses import role, stream_of
from fogbank.services.firehose.processing import Failed
from fogbank.services.firehose.state import CURSORS, STREAMS, Cursor, Origin, Source, Stream

PAUSE_MS = 1000
"""Between two reads: Firehose asks each shard once a second."""
IDLE_MS = 240_000
REFUSED_MS = 30_000
LIMIT = 10_000


@task("read")
def read(ctx: Context, payload: dict[str, Any]) -> Answer | Wait:
    """Reads what is new in each shard; then waits for more, for a second at least."""
    stream = stream_of(ctx, payload)
    if stream is None or stream.source is None or stream.status == "DELETING":
        return None
    reader = _Reader(ctx, stream, stream.source)
    reader.read()
    if reader.more:
        return Wait((), ctx.now + PAUSE_MS)
    idle_ms = REFUSED_MS if reader.refused else IDLE_MS
    return Wait((*reader.watches, STREAMS.watch(stream.account, stream.region, stream.name)), ctx.now + idle_ms)


class _Reader:
    """One round over the shards."""

    def __init__(self, ctx: Context, stream: Stream, source: Source) -> None:
        self._ctx = ctx
        self._stream = stream
        self._source = source
        self.more = False
        self.refused = False
        self.watches: list[Watch] = []

    def _call(self, operation: str, members: dict[str, Any]) -> Any:
        return self._ctx.call("kinesis", operation, members, acting=role(self._stream, self._source.role_arn))

    def read(self) -> None:
        """Shards whose parents have not been read to their end wait. One that may not be read now does not keep the others waiting."""
        cursors = {cursor.shard: cursor for cursor in CURSORS.scan(self._ctx, self._stream.id)}
        try:
            shards = self._shards()
        except ServiceException as refused:
            self._refused(refused)
            return
        there = {shard["ShardId"] for shard in shards}
        for shard in shards:
            if _is_before(cursors.get(shard["ShardId"]), shard):
                del cursors[shard["ShardId"]]
        for shard in shards:
            name = shard["ShardId"]
            cursor = cursors.get(name)
            parents = [shard[key] for key in ("ParentShardId", "AdjacentParentShardId") if key in shard]
            waits = [parent for parent in parents if parent in there and not (parent in cursors and cursors[parent].ended)]
            if waits or (cursor is not None and cursor.ended):
                continue
            try:
                cursors[name] = self._read_shard(shard, cursor or Cursor(stream=self._stream.id, shard=name), child=bool(parents))
            except ServiceException as refused:
                self._refused(refused)
        for name in cursors.keys() - there:
            CURSORS.delete(self._ctx, cursors[name])

    def _shards(self) -> list[dict[str, Any]]:
        page = self._call("ListShards", {"StreamARN": self._source.stream_arn})
        shards: list[dict[str, Any]] = page["Shards"]
        while page.get("NextToken"):
            page = self._call("ListShards", {"NextToken": page["NextToken"]})
            shards += page["Shards"]
        return shards

    def _refused(self, refused: ServiceException) -> None:
        """Said in the log; what was throttled is tried again in a second. Raises NotImplementedOperation."""
        if isinstance(refused, NotImplementedOperation):
            raise refused
        logging.say(self._ctx, self._stream, Failed(f"KinesisStream.{refused.code}", refused.message), "Kinesis")
        if refused.code == "ProvisionedThroughputExceededException":
            self.more = True
        else:
            self.refused = True

    def _read_shard(self, shard: dict[str, Any], cursor: Cursor, *, child: bool) -> Cursor:
        ctx, stream = self._ctx, self._stream
        name, first = shard["ShardId"], shard["SequenceNumberRange"]["StartingSequenceNumber"]
        iterator = self._call("GetShardIterator", {"StreamARN": self._source.stream_arn, "ShardId": name, **self._start(cursor, child)})
        answer = self._call("GetRecords", {"ShardIterator": iterator["ShardIterator"], "Limit": LIMIT})
        records = answer["Records"]
        self.watches += answer.get("@watch", ())
        if records:
            self.more = True
            _take(ctx, stream, name, records)
            cursor = Cursor(stream=stream.id, shard=name, sequence=records[-1]["SequenceNumber"])
        if answer.get("NextShardIterator") is None:
            self.more = True  # its children are next
            cursor = Cursor(stream=stream.id, shard=name, sequence=cursor.sequence or first, ended=True)
        CURSORS.put(ctx, cursor)
        metrics.tell(ctx, stream, KinesisMillisBehindLatest=answer["MillisBehindLatest"])
        return cursor

    def _start(self, cursor: Cursor, child: bool) -> dict[str, Any]:
        """Where to go on: after the last record, or where the stream's history with us begins."""
        if cursor.sequence:
            return {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": cursor.sequence}
        if child:
            return {"ShardIteratorType": "TRIM_HORIZON"}
        return {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": self._source.start_ms}


def _is_before(cursor: Cursor | None, shard: dict[str, Any]) -> bool:
    """Whether a cursor is of an older shard of the same name: the source was made anew."""
    if cursor is None or not cursor.sequence:
        return False
    return int(cursor.sequence) < int(shard["SequenceNumberRange"]["StartingSequenceNumber"])


def _take(ctx: Context, stream: Stream, shard: str, records: list[dict[str, Any]]) -> None:
    """Records come in; what the Producer Library has packed together is taken apart."""
    contents: list[bytes] = []
    origins: list[Origin] = []
    for record in records:
        sequence, at_ms = record["SequenceNumber"], record["ApproximateArrivalTimestamp"]
        for key, content in processing.unpacked(record["Data"]) or [(record.get("PartitionKey", ""), record["Data"])]:
            contents.append(content)
            origins.append(Origin(shard, key, sequence, at_ms))
    size = sum(map(len, contents))
    metrics.tell(ctx, stream, DataReadFromKinesisStream__Records=len(records), DataReadFromKinesisStream__Bytes=size)
    ingesting.take(ctx, stream, contents, origins)
