"""Kinesis's metrics, told to CloudWatch: of the stream, and of its shards where enhanced monitoring is on.

Source: developer guide, Monitoring the Kinesis Data Streams service with Amazon CloudWatch.
"""

from __future__ import annotations

from functools import lru_cache

from fogbank.kernel.context import Context
from fogbank.kernel.telemetry import MEASURES, Measure
from fogbank.services.kinesis.addresses import shard_name
from fogbank.services.kinesis.state import Stream

_NAMESPACE = "AWS/Kinesis"
_UNITS = {
    "IncomingBytes": "Bytes",
    "OutgoingBytes": "Bytes",
    "PutRecord.Bytes": "Bytes",
    "PutRecords.Bytes": "Bytes",
    "GetRecords.Bytes": "Bytes",
    "SubscribeToShardEvent.Bytes": "Bytes",
    "GetRecords.IteratorAgeMilliseconds": "Milliseconds",
    "IteratorAgeMilliseconds": "Milliseconds",
    "SubscribeToShardEvent.MillisBehindLatest": "Milliseconds",
}


@lru_cache(4096)
def _of_stream(name: str) -> tuple[tuple[str, str], ...]:
    return (("StreamName", name),)


def tell(ctx: Context, stream: Stream, consumer: str = "", /, **values: float) -> None:
    """Values of a stream's metrics; `__` in a name stands for its dot. With `consumer`: of one of its consumers."""
    by = _of_stream(stream.name) if not consumer else (("ConsumerName", consumer), ("StreamName", stream.name))
    for name, value in values.items():
        metric = name.replace("__", ".")
        unit = _UNITS.get(metric, "Count")
        ctx.tell(MEASURES, Measure(stream.account, stream.region, _NAMESPACE, metric, by, value, unit, ctx.now))


def tell_shard(ctx: Context, stream: Stream, shard: int, **values: float) -> None:
    """Values of a shard's metrics, of those that enhanced monitoring measures."""
    by = (("ShardId", shard_name(shard)), ("StreamName", stream.name))
    for name, value in values.items():
        if name in stream.metrics:
            unit = _UNITS.get(name, "Count")
            ctx.tell(MEASURES, Measure(stream.account, stream.region, _NAMESPACE, name, by, value, unit, ctx.now))
