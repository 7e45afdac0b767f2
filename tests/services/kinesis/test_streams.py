"""Streams: made, described, listed, changed, deleted; tags, limits, settings."""

from __future__ import annotations

from typing import Any

import pytest

ACCOUNT = "000000000000"


def test_life(kinesis: Any, cloud: Any, refused: Any) -> None:
    """A stream is CREATING, ACTIVE, DELETING, gone."""
    kinesis.create_stream(StreamName="stream", ShardCount=2, Tags={"team": "a"})
    assert refused(kinesis.create_stream, StreamName="stream", ShardCount=2) == (
        "ResourceInUseException",
        f"Stream stream under account {ACCOUNT} already exists.",
    )
    cloud.settle()
    summary = kinesis.describe_stream_summary(StreamName="stream")["StreamDescriptionSummary"]
    assert summary["StreamStatus"] == "ACTIVE"
    assert (summary["OpenShardCount"], summary["ConsumerCount"], summary["RetentionPeriodHours"]) == (2, 0, 24)
    assert summary["StreamModeDetails"] == {"StreamMode": "PROVISIONED"}
    assert kinesis.list_tags_for_stream(StreamName="stream")["Tags"] == [{"Key": "team", "Value": "a"}]
    kinesis.delete_stream(StreamName="stream")
    cloud.settle()
    assert refused(kinesis.describe_stream, StreamName="stream") == (
        "ResourceNotFoundException",
        f"Stream stream under account {ACCOUNT} not found.",
    )


def test_a_new_stream_of_the_same_name_is_empty(kinesis: Any, make: Any, cloud: Any, read: Any, refused: Any) -> None:
    """What a deleted stream held does not come back, and its iterators read nothing of the new one."""
    make()
    kinesis.put_record(StreamName="stream", PartitionKey="a", Data=b"x")
    asked = {"StreamName": "stream", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
    iterator = kinesis.get_shard_iterator(**asked)["ShardIterator"]
    kinesis.delete_stream(StreamName="stream")
    cloud.settle()
    make()
    assert read() == []
    assert refused(kinesis.get_records, ShardIterator=iterator)[0] == "ResourceNotFoundException"


def test_how_streams_are_named(kinesis: Any, arn: str, refused: Any) -> None:
    """By name, by ARN, by both if they agree; not by neither."""
    kinesis.describe_stream(StreamARN=arn, StreamName="stream")
    assert refused(kinesis.describe_stream, StreamARN=arn, StreamName="other")[0] == "InvalidArgumentException"
    assert refused(kinesis.describe_stream)[0] == "InvalidArgumentException"
    elsewhere = arn.replace("us-east-1", "eu-west-1")
    assert refused(kinesis.describe_stream, StreamARN=elsewhere)[0] == "ResourceNotFoundException"
    assert refused(kinesis.describe_stream, StreamName="stream", StreamId="abcdefghijklmnopqrstuvwx")[0] in (
        "NotImplemented",
        "ValidationException",
    )


def test_listing(kinesis: Any, make: Any) -> None:
    """Streams by name, in pages."""
    for name in ("b", "a", "c"):
        make(name)
    first = kinesis.list_streams(Limit=2)
    assert (first["StreamNames"], first["HasMoreStreams"]) == (["a", "b"], True)
    assert kinesis.list_streams(NextToken=first["NextToken"])["StreamNames"] == ["c"]
    rest = kinesis.list_streams(ExclusiveStartStreamName="a")
    assert (rest["StreamNames"], rest["HasMoreStreams"]) == (["b", "c"], False)
    assert rest["StreamSummaries"][0]["StreamARN"] == f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/b"


def test_shards_in_pages(kinesis: Any, make: Any) -> None:
    """DescribeStream shows shards in pages."""
    make(shards=5)
    first = kinesis.describe_stream(StreamName="stream", Limit=3)["StreamDescription"]
    assert (len(first["Shards"]), first["HasMoreShards"]) == (3, True)
    rest = kinesis.describe_stream(StreamName="stream", ExclusiveStartShardId=first["Shards"][-1]["ShardId"])["StreamDescription"]
    assert (len(rest["Shards"]), rest["HasMoreShards"]) == (2, False)


def test_modes(kinesis: Any, make: Any, cloud: Any, refused: Any) -> None:
    """A stream can be switched between its modes; twice in 24 hours; shards are only changed by hand where it is
    provisioned."""
    arn = make(StreamModeDetails={"StreamMode": "ON_DEMAND"})
    scale = {"StreamName": "stream", "TargetShardCount": 2, "ScalingType": "UNIFORM_SCALING"}
    assert refused(kinesis.update_shard_count, **scale)[0] == "ValidationException"
    limits = kinesis.describe_limits()
    assert (limits["OpenShardCount"], limits["OnDemandStreamCount"]) == (4, 1)
    kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": "PROVISIONED"})
    cloud.settle()
    kinesis.update_shard_count(**scale)
    cloud.settle()
    assert kinesis.describe_limits()["OpenShardCount"] == 2
    kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    cloud.settle()
    back = {"StreamARN": arn, "StreamModeDetails": {"StreamMode": "PROVISIONED"}}
    assert refused(kinesis.update_stream_mode, **back)[0] == "LimitExceededException"
    cloud.advance(24 * 3600)
    kinesis.update_stream_mode(**back)
    assert refused(kinesis.create_stream, StreamName="x")[0] == "ValidationException"


def test_warm_throughput(kinesis: Any, make: Any, cloud: Any, refused: Any) -> None:
    """Warm throughput needs the account's commitment, which lasts at least 24 hours, and makes shards."""
    arn = make(StreamModeDetails={"StreamMode": "ON_DEMAND"})
    assert kinesis.describe_account_settings()["MinimumThroughputBillingCommitment"] == {"Status": "DISABLED"}
    assert refused(kinesis.update_stream_warm_throughput, StreamARN=arn, WarmThroughputMiBps=10)[0] == "ValidationException"
    kinesis.update_account_settings(MinimumThroughputBillingCommitment={"Status": "ENABLED"})
    kinesis.update_stream_warm_throughput(StreamARN=arn, WarmThroughputMiBps=10)
    cloud.settle()
    summary = kinesis.describe_stream_summary(StreamARN=arn)["StreamDescriptionSummary"]
    assert summary["WarmThroughput"] == {"TargetMiBps": 10, "CurrentMiBps": 10}
    assert summary["OpenShardCount"] == 10
    kinesis.update_account_settings(MinimumThroughputBillingCommitment={"Status": "DISABLED"})
    status = kinesis.describe_account_settings()["MinimumThroughputBillingCommitment"]
    assert status["Status"] == "ENABLED_UNTIL_EARLIEST_ALLOWED_END"
    cloud.advance(24 * 3600)
    assert kinesis.describe_account_settings()["MinimumThroughputBillingCommitment"]["Status"] == "DISABLED"


def test_monitoring(kinesis: Any, arn: str) -> None:
    """Shard-level metrics are switched on and off by name, or all."""
    answer = kinesis.enable_enhanced_monitoring(StreamARN=arn, ShardLevelMetrics=["OutgoingBytes", "IncomingBytes"])
    assert (answer["CurrentShardLevelMetrics"], answer["DesiredShardLevelMetrics"]) == ([], ["IncomingBytes", "OutgoingBytes"])
    answer = kinesis.disable_enhanced_monitoring(StreamARN=arn, ShardLevelMetrics=["IncomingBytes"])
    assert answer["DesiredShardLevelMetrics"] == ["OutgoingBytes"]
    assert len(kinesis.enable_enhanced_monitoring(StreamARN=arn, ShardLevelMetrics=["ALL"])["DesiredShardLevelMetrics"]) == 7


@pytest.mark.parametrize("of_consumer", [False, True])
def test_tags(kinesis: Any, arn: str, cloud: Any, refused: Any, of_consumer: bool) -> None:
    """Streams and consumers have tags by ARN."""
    named = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="c")["Consumer"]["ConsumerARN"] if of_consumer else arn
    kinesis.tag_resource(ResourceARN=named, Tags={"a": "1", "b": "2"})
    kinesis.untag_resource(ResourceARN=named, TagKeys=["a", "none"])
    assert kinesis.list_tags_for_resource(ResourceARN=named)["Tags"] == [{"Key": "b", "Value": "2"}]
    assert refused(kinesis.tag_resource, ResourceARN=named, Tags={"aws:x": "1"})[0] == "InvalidArgumentException"
    assert refused(kinesis.tag_resource, ResourceARN=named + "0", Tags={"x": "1"})[0] == "ResourceNotFoundException"


def test_tags_of_a_stream(kinesis: Any, arn: str, refused: Any) -> None:
    """The older operations know tags by the stream's name, in pages; a stream has at most 50."""
    kinesis.add_tags_to_stream(StreamName="stream", Tags={f"k{n}": str(n) for n in range(5)})
    kinesis.remove_tags_from_stream(StreamName="stream", TagKeys=["k1"])
    first = kinesis.list_tags_for_stream(StreamName="stream", Limit=2)
    assert ([tag["Key"] for tag in first["Tags"]], first["HasMoreTags"]) == (["k0", "k2"], True)
    rest = kinesis.list_tags_for_stream(StreamARN=arn, ExclusiveStartTagKey="k2")
    assert ([tag["Key"] for tag in rest["Tags"]], rest["HasMoreTags"]) == (["k3", "k4"], False)
    many = {f"m{n}": "" for n in range(50)}
    assert refused(kinesis.add_tags_to_stream, StreamName="stream", Tags=many)[0] == "InvalidArgumentException"


def test_consumers(kinesis: Any, arn: str, cloud: Any, refused: Any) -> None:
    """Consumers are registered under a stream, found by ARN or by name, and go with the stream only if that is asked for."""
    made = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="c")["Consumer"]
    assert made["ConsumerStatus"] == "CREATING"
    assert made["ConsumerARN"] == f"{arn}/consumer/c:{cloud.now_ms // 1000}"
    cloud.settle()
    described = kinesis.describe_stream_consumer(ConsumerARN=made["ConsumerARN"])["ConsumerDescription"]
    assert (described["ConsumerStatus"], described["StreamARN"]) == ("ACTIVE", arn)
    assert kinesis.describe_stream_consumer(StreamARN=arn, ConsumerName="c")["ConsumerDescription"] == described
    assert refused(kinesis.register_stream_consumer, StreamARN=arn, ConsumerName="c")[0] == "ResourceInUseException"
    for n in range(19):
        kinesis.register_stream_consumer(StreamARN=arn, ConsumerName=f"c{n}")
        cloud.settle()
    assert refused(kinesis.register_stream_consumer, StreamARN=arn, ConsumerName="x")[0] == "LimitExceededException"
    first = kinesis.list_stream_consumers(StreamARN=arn, MaxResults=15)
    rest = kinesis.list_stream_consumers(StreamARN=arn, NextToken=first["NextToken"])
    assert len(first["Consumers"]) + len(rest["Consumers"]) == 20
    kinesis.deregister_stream_consumer(ConsumerARN=made["ConsumerARN"])
    cloud.settle()
    assert refused(kinesis.describe_stream_consumer, ConsumerARN=made["ConsumerARN"])[0] == "ResourceNotFoundException"
    assert refused(kinesis.delete_stream, StreamName="stream")[0] == "ResourceInUseException"
    kinesis.delete_stream(StreamName="stream", EnforceConsumerDeletion=True)
    cloud.settle()
    assert kinesis.list_streams()["StreamNames"] == []
