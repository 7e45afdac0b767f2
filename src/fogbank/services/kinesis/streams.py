"""Streams: made, described, listed, deleted."""

from __future__ import annotations

from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.kinesis import ranges, shards
from fogbank.services.kinesis.addresses import arn, arn_of, own_stream_at, read_shard, shard_at, stream_at, where
from fogbank.services.kinesis.faults import in_use, invalid, named, too_many
from fogbank.services.kinesis.limits import ON_DEMAND_LIMIT, check_warm, on_demand_count
from fogbank.services.kinesis.state import CONSUMERS, STREAMS, Stream
from fogbank.services.kinesis.tags import checked
from fogbank.store import change

ON_DEMAND_SHARDS = 4
CREATING_LIMIT = 5
PAGE_LIMIT = 100
SHARDS_PAGE_LIMIT = 100


@operation("CreateStream")
def create_stream(ctx: Context, req: Any) -> Answer:
    """Makes a stream: provisioned with ShardCount shards, or on demand, which begins with four. It is CREATING at first.

    Errors: ResourceInUseException (it exists), LimitExceededException (five are CREATING, the account's shards or on-demand
    streams), InvalidArgumentException, ValidationException. Source: API reference, CreateStream.
    """
    mode = req.StreamModeDetails.StreamMode if req.StreamModeDetails is not None else "PROVISIONED"
    count = _count(req, mode)
    if STREAMS.get(ctx, ctx.account, ctx.region, req.StreamName) is not None:
        raise in_use(f"Stream {req.StreamName} under account {ctx.account} already exists.")
    if req.Tags:
        ctx.authorize("kinesis:AddTagsToStream", arn(ctx.account, ctx.region, req.StreamName))
    if sum(1 for one in STREAMS.scan(ctx, ctx.account, ctx.region) if one.status == "CREATING") >= CREATING_LIMIT:
        raise too_many(f"Limit of {CREATING_LIMIT} streams in the CREATING state reached for account {ctx.account}.")
    shards.check_limit(ctx, ctx.account, ctx.region, count)
    if mode == "ON_DEMAND" and on_demand_count(ctx) >= ON_DEMAND_LIMIT:
        raise too_many(f"Limit of {ON_DEMAND_LIMIT} on-demand streams reached for account {ctx.account}.")
    stream = Stream(
        account=ctx.account,
        region=ctx.region,
        name=req.StreamName,
        id=ctx.tx.unique(),
        created_at_ms=ctx.now,
        status="CREATING",
        mode=mode,
        open=(),
        shards=0,
        max_record_kib=req.MaxRecordSizeInKiB or 1024,
        distribution=req.RecordDistributionStrategy or "USER_PARTITION_KEY",
        warm_mibps=check_warm(ctx, mode, req.WarmThroughputMiBps) if req.WarmThroughputMiBps is not None else 0,
        tags=checked(req.Tags or {}, {}),
    )
    lows = ranges.even(max(count, stream.warm_mibps))
    highs = [*map(ranges.before, lows[1:]), ranges.LAST]
    there = [shards.opened(ctx, stream, number, *span) for number, span in enumerate(zip(lows, highs, strict=True))]
    STREAMS.put(ctx, change(stream, open=tuple(there), shards=len(there)))
    ctx.later("kinesis.settle", where(stream))
    return None


def _count(req: Any, mode: str) -> int:
    """How many shards a new stream begins with. Raises ValidationException, InvalidArgumentException."""
    if mode == "ON_DEMAND":
        if req.ShardCount is not None:
            raise ServiceException("ValidationException", "ShardCount must not be specified for a stream in ON_DEMAND mode.")
        return ON_DEMAND_SHARDS
    if req.ShardCount is None:
        raise ServiceException("ValidationException", "ShardCount must be specified for a stream in PROVISIONED mode.")
    if req.RecordDistributionStrategy == "AUTO":
        raise invalid("RecordDistributionStrategy AUTO is only supported for streams in ON_DEMAND mode.")
    return int(req.ShardCount)


@operation("DeleteStream")
def delete_stream(ctx: Context, req: Any) -> Answer:
    """Deletes a stream and all that is in it; with registered consumers only where EnforceConsumerDeletion is true.

    Errors: ResourceNotFoundException, ResourceInUseException. Source: API reference, DeleteStream.
    """
    stream = own_stream_at(ctx, req)
    if not req.EnforceConsumerDeletion and next(CONSUMERS.scan(ctx, stream.id), None) is not None:
        raise in_use(f"Cannot delete {named(stream)}: it has registered consumers, and EnforceConsumerDeletion is not true.")
    STREAMS.put(ctx, change(stream, status="DELETING"))
    ctx.later("kinesis.settle", where(stream))
    return None


def _described(stream: Stream) -> dict[str, Any]:
    """What DescribeStream and DescribeStreamSummary have in common."""
    return {
        "StreamName": stream.name,
        "StreamARN": arn_of(stream),
        "StreamStatus": stream.status,
        "StreamModeDetails": {"StreamMode": stream.mode},
        "RetentionPeriodHours": stream.retention_h,
        "StreamCreationTimestamp": stream.created_at_ms // 1000 * 1000,
        "EnhancedMonitoring": [{"ShardLevelMetrics": list(stream.metrics)}],
        "EncryptionType": "NONE" if stream.encryption is None else "KMS",
        "KeyId": None if stream.encryption is None else stream.encryption.named,
    }


@operation("DescribeStream")
def describe_stream(ctx: Context, req: Any) -> Answer:
    """A stream and its shards, at most 100 a page.

    Errors: ResourceNotFoundException, InvalidArgumentException. Source: API reference, DescribeStream.
    """
    stream = stream_at(ctx, req)
    after = -1
    if req.ExclusiveStartShardId is not None:
        shard_at(ctx, stream, req.ExclusiveStartShardId)
        after = read_shard(req.ExclusiveStartShardId)
    listed, more = paging.page(shards.there(ctx, stream, after), min(req.Limit or SHARDS_PAGE_LIMIT, SHARDS_PAGE_LIMIT))
    described = {**_described(stream), "Shards": [shards.described(shard) for shard in listed], "HasMoreShards": more}
    return {"StreamDescription": described}


@operation("DescribeStreamSummary")
def describe_stream_summary(ctx: Context, req: Any) -> Answer:
    """A stream without its shards: how many are open, how many consumers it has.

    Errors: ResourceNotFoundException, InvalidArgumentException. Source: API reference, DescribeStreamSummary.
    """
    stream = stream_at(ctx, req)
    warm = {"TargetMiBps": stream.warm_mibps, "CurrentMiBps": len(stream.open)} if stream.warm_mibps else None
    return {
        "StreamDescriptionSummary": {
            **_described(stream),
            "OpenShardCount": len(stream.open),
            "ConsumerCount": sum(1 for _ in CONSUMERS.scan(ctx, stream.id)),
            "MaxRecordSizeInKiB": stream.max_record_kib,
            "RecordDistributionStrategy": stream.distribution if stream.mode == "ON_DEMAND" else None,
            "WarmThroughput": warm,
        }
    }


@operation("ListStreams")
def list_streams(ctx: Context, req: Any) -> Answer:
    """The account's streams in the region, by name; at most 100 a page.

    Errors: InvalidArgumentException. Source: API reference, ListStreams.
    """
    after = paging.place(req.NextToken, lambda: invalid("The NextToken is not valid.")) or req.ExclusiveStartStreamName
    listed, more = paging.page(STREAMS.scan(ctx, ctx.account, ctx.region, after=after), min(req.Limit or PAGE_LIMIT, PAGE_LIMIT))
    return {
        "StreamNames": [stream.name for stream in listed],
        "HasMoreStreams": more,
        "NextToken": paging.token(listed[-1].name) if more else None,
        "StreamSummaries": [
            {
                "StreamName": stream.name,
                "StreamARN": arn_of(stream),
                "StreamStatus": stream.status,
                "StreamModeDetails": {"StreamMode": stream.mode},
                "StreamCreationTimestamp": stream.created_at_ms // 1000 * 1000,
            }
            for stream in listed
        ],
    }
