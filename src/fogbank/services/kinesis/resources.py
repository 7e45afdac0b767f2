"""Streams, their consumers and their policies as CloudFormation has them."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.resource_types import (
    Naming,
    Part,
    Properties,
    ResourceType,
    absent,
    document,
    every,
    exists,
    found,
    given,
    pairs,
    parsed,
    tags,
    unpaired,
)

ABSENT = ("ResourceNotFoundException", "Absent")
PRESENT = ("ResourceInUseException", "Present")


def _call(ctx: Context, operation: str, **members: Any) -> Any:
    return ctx.call("kinesis", operation, given(**members))


def _summary(ctx: Context, name: str) -> Any:
    return _call(ctx, "DescribeStreamSummary", StreamName=name)["StreamDescriptionSummary"]


# AWS::Kinesis::Stream


def _create(ctx: Context, properties: Properties) -> str:
    name: str = properties["Name"]
    _call(
        ctx,
        "CreateStream",
        StreamName=name,
        ShardCount=properties.get("ShardCount"),
        StreamModeDetails=properties.get("StreamModeDetails"),
        WarmThroughputMiBps=properties.get("WarmThroughputMiBps"),
        MaxRecordSizeInKiB=properties.get("MaxRecordSizeInKiB"),
        RecordDistributionStrategy=properties.get("RecordDistributionStrategy"),
        Tags=pairs(properties.get("Tags")) or None,
    )
    return name


def _read(ctx: Context, name: str) -> Properties:
    held = _summary(ctx, name)
    provisioned = held["StreamModeDetails"]["StreamMode"] == "PROVISIONED"
    return {
        "Name": name,
        "Arn": held["StreamARN"],
        "StreamModeDetails": held["StreamModeDetails"],
        "ShardCount": held["OpenShardCount"] if provisioned else None,
        "RetentionPeriodHours": held["RetentionPeriodHours"],
        "MaxRecordSizeInKiB": held["MaxRecordSizeInKiB"],
        "RecordDistributionStrategy": held["RecordDistributionStrategy"],
        "WarmThroughputObject": held["WarmThroughput"],
        "StreamEncryption": {"EncryptionType": "KMS", "KeyId": held["KeyId"]} if held["EncryptionType"] == "KMS" else None,
        "DesiredShardLevelMetrics": held["EnhancedMonitoring"][0]["ShardLevelMetrics"] or None,
    }


def _put_mode(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    held = _summary(ctx, name)
    wanted = after.get("StreamModeDetails") or {"StreamMode": "PROVISIONED"}
    if wanted != held["StreamModeDetails"]:
        _call(ctx, "UpdateStreamMode", StreamARN=held["StreamARN"], StreamModeDetails=wanted)


def _put_count(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    if after.get("ShardCount") not in (None, _summary(ctx, name)["OpenShardCount"]):
        _call(ctx, "UpdateShardCount", StreamName=name, TargetShardCount=after["ShardCount"], ScalingType="UNIFORM_SCALING")


def _put_warm(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    _call(ctx, "UpdateStreamWarmThroughput", StreamName=name, WarmThroughputMiBps=after.get("WarmThroughputMiBps", 0))


def _put_retention(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    wanted = after.get("RetentionPeriodHours", 24)
    held = _summary(ctx, name)["RetentionPeriodHours"]
    if wanted != held:
        operation = "IncreaseStreamRetentionPeriod" if wanted > held else "DecreaseStreamRetentionPeriod"
        _call(ctx, operation, StreamName=name, RetentionPeriodHours=wanted)


def _put_size(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    arn = _summary(ctx, name)["StreamARN"]
    _call(ctx, "UpdateMaxRecordSize", StreamARN=arn, MaxRecordSizeInKiB=after.get("MaxRecordSizeInKiB", 1024))


def _put_distribution(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    wanted = after.get("RecordDistributionStrategy", "USER_PARTITION_KEY")
    _call(ctx, "UpdateStreamRecordDistributionStrategy", StreamARN=_summary(ctx, name)["StreamARN"], RecordDistributionStrategy=wanted)


def _put_encryption(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    wanted = after.get("StreamEncryption")
    if wanted is not None:
        _call(ctx, "StartStreamEncryption", StreamName=name, **wanted)
    else:
        _call(ctx, "StopStreamEncryption", StreamName=name, **before["StreamEncryption"])


def _put_metrics(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    old, new = before.get("DesiredShardLevelMetrics") or [], after.get("DesiredShardLevelMetrics") or []
    if old:
        _call(ctx, "DisableEnhancedMonitoring", StreamName=name, ShardLevelMetrics=old)
    if new:
        _call(ctx, "EnableEnhancedMonitoring", StreamName=name, ShardLevelMetrics=new)


STREAM = ResourceType(
    "AWS::Kinesis::Stream",
    create=_create,
    made_with=(
        "Name",
        "ShardCount",
        "StreamModeDetails",
        "WarmThroughputMiBps",
        "MaxRecordSizeInKiB",
        "RecordDistributionStrategy",
        "Tags",
    ),
    read=_read,
    delete=lambda ctx, name, properties: _call(ctx, "DeleteStream", StreamName=name, EnforceConsumerDeletion=True),
    list=lambda ctx: every(ctx, "kinesis", "ListStreams", {}, "StreamNames"),
    parts=(
        Part(("StreamModeDetails",), _put_mode),
        Part(("ShardCount",), _put_count),
        Part(("WarmThroughputMiBps",), _put_warm),
        Part(("RetentionPeriodHours",), _put_retention),
        Part(("MaxRecordSizeInKiB",), _put_size),
        Part(("RecordDistributionStrategy",), _put_distribution),
        Part(("StreamEncryption",), _put_encryption),
        Part(("DesiredShardLevelMetrics",), _put_metrics),
        tags(
            read=lambda ctx, name: pairs(_call(ctx, "ListTagsForStream", StreamName=name)["Tags"]),
            add=lambda ctx, name, added: _call(ctx, "AddTagsToStream", StreamName=name, Tags=added),
            remove=lambda ctx, name, keys: _call(ctx, "RemoveTagsFromStream", StreamName=name, TagKeys=keys),
        ),
    ),
    naming=Naming("Name", 128),
    absent=ABSENT,
    present=PRESENT,
    settled=lambda ctx, name: _summary(ctx, name)["StreamStatus"] == "ACTIVE",
    gone=lambda ctx, name: found(lambda: _summary(ctx, name), *ABSENT) is None,
)


# AWS::Kinesis::StreamConsumer


def _consumer(ctx: Context, arn: str) -> Any:
    return _call(ctx, "DescribeStreamConsumer", ConsumerARN=arn)["ConsumerDescription"]


def _create_consumer(ctx: Context, properties: Properties) -> str:
    members = {"StreamARN": properties["StreamARN"], "ConsumerName": properties["ConsumerName"]}
    made = _call(ctx, "RegisterStreamConsumer", **members, Tags=pairs(properties.get("Tags")) or None)
    arn: str = made["Consumer"]["ConsumerARN"]
    return arn


def _read_consumer(ctx: Context, arn: str) -> Properties:
    held = _consumer(ctx, arn)
    return {
        "ConsumerARN": arn,
        "ConsumerName": held["ConsumerName"],
        "ConsumerStatus": held["ConsumerStatus"],
        "ConsumerCreationTimestamp": str(held["ConsumerCreationTimestamp"] // 1000),
        "StreamARN": held["StreamARN"],
        "Tags": unpaired(pairs(_call(ctx, "ListTagsForResource", ResourceARN=arn)["Tags"])) or None,
    }


def _consumers(ctx: Context) -> Any:
    for name in every(ctx, "kinesis", "ListStreams", {}, "StreamNames"):
        stream = {"StreamARN": _summary(ctx, name)["StreamARN"]}
        for consumer in every(ctx, "kinesis", "ListStreamConsumers", stream, "Consumers"):
            yield consumer["ConsumerARN"]


CONSUMER = ResourceType(
    "AWS::Kinesis::StreamConsumer",
    create=_create_consumer,
    made_with=("ConsumerName", "StreamARN", "Tags"),
    read=_read_consumer,
    delete=lambda ctx, arn, properties: _call(ctx, "DeregisterStreamConsumer", ConsumerARN=arn),
    list=_consumers,
    absent=ABSENT,
    present=PRESENT,
    settled=lambda ctx, arn: _consumer(ctx, arn)["ConsumerStatus"] == "ACTIVE",
    gone=lambda ctx, arn: found(lambda: _consumer(ctx, arn), *ABSENT) is None,
)


# AWS::Kinesis::ResourcePolicy


def _policy(ctx: Context, arn: str) -> Any:
    held = parsed(_call(ctx, "GetResourcePolicy", ResourceARN=arn)["Policy"])
    if not held:
        raise absent("AWS::Kinesis::ResourcePolicy", arn)
    return held


def _put_policy(ctx: Context, arn: str, policy: Any) -> None:
    _call(ctx, "PutResourcePolicy", ResourceARN=arn, Policy=document(policy))


def _create_policy(ctx: Context, properties: Properties) -> str:
    arn: str = properties["ResourceArn"]
    if found(lambda: _policy(ctx, arn), "Absent"):
        raise exists("AWS::Kinesis::ResourcePolicy", arn)
    _put_policy(ctx, arn, properties["ResourcePolicy"])
    return arn


POLICY = ResourceType(
    "AWS::Kinesis::ResourcePolicy",
    create=_create_policy,
    made_with=("ResourceArn", "ResourcePolicy"),
    read=lambda ctx, arn: {"ResourceArn": arn, "ResourcePolicy": _policy(ctx, arn)},
    delete=lambda ctx, arn, properties: _call(ctx, "DeleteResourcePolicy", ResourceARN=arn),
    parts=(Part(("ResourcePolicy",), lambda ctx, arn, before, after: _put_policy(ctx, arn, after["ResourcePolicy"])),),
    absent=ABSENT,
    present=("Present",),
)

TYPES = (STREAM, CONSUMER, POLICY)
