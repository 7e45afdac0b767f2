"""Kinesis streams as sources."""

from __future__ import annotations

import json
from typing import Any

import pytest

READ = ["kinesis:ListShards", "kinesis:GetShardIterator", "kinesis:GetRecords", "kinesis:DescribeStream"]
SOURCE = "arn:aws:kinesis:us-east-1:000000000000:stream/source"


@pytest.fixture
def kinesis(cloud: Any) -> Any:
    """A client, and a stream `source`."""
    client = cloud.client("kinesis")
    client.create_stream(StreamName="source", ShardCount=2)
    cloud.settle()
    return client


@pytest.fixture
def made(make: Any, allow: Any, role: str, kinesis: Any) -> str:
    allow("s3:PutObject", *READ)
    arn: str = make(
        DeliveryStreamType="KinesisStreamAsSource", KinesisStreamSourceConfiguration={"KinesisStreamARN": SOURCE, "RoleARN": role}
    )
    return arn


def put(kinesis: Any, *data: bytes) -> None:
    kinesis.put_records(StreamName="source", Records=[{"PartitionKey": one.decode(), "Data": one} for one in data])


def lines(objects: Any) -> list[bytes]:
    return sorted(b"".join(objects().values()).split())


def test_records_of_a_stream(kinesis: Any, made: str, objects: Any, cloud: Any, refused: Any, firehose: Any) -> None:
    """What is put into the source from the stream's creation on is delivered, from all shards."""
    put(kinesis, *[b"%d\n" % n for n in range(20)])
    cloud.settle()
    cloud.advance(60)
    assert lines(objects) == sorted(b"%d" % n for n in range(20))
    put(kinesis, b"20\n")
    cloud.advance(61)
    assert lines(objects) == sorted(b"%d" % n for n in range(21))
    source = firehose.describe_delivery_stream(DeliveryStreamName="stream")["DeliveryStreamDescription"]["Source"]
    assert source["KinesisStreamSourceDescription"]["KinesisStreamARN"] == SOURCE
    assert refused(firehose.put_record, DeliveryStreamName="stream", Record={"Data": b"x"})[0] == "InvalidArgumentException"
    encryption = {"KeyType": "AWS_OWNED_CMK"}
    start = firehose.start_delivery_stream_encryption
    code, _ = refused(start, DeliveryStreamName="stream", DeliveryStreamEncryptionConfigurationInput=encryption)
    assert code == "InvalidArgumentException"


def test_through_resharding(kinesis: Any, made: str, objects: Any, cloud: Any) -> None:
    """Children are read after their parents, nothing is lost or read twice."""
    put(kinesis, *[b"%d\n" % n for n in range(10)])
    kinesis.split_shard(StreamName="source", ShardToSplit="shardId-000000000000", NewStartingHashKey="1000000")
    cloud.settle()
    put(kinesis, *[b"%d\n" % n for n in range(10, 20)])
    kinesis.merge_shards(StreamName="source", ShardToMerge="shardId-000000000002", AdjacentShardToMerge="shardId-000000000003")
    cloud.settle()
    put(kinesis, *[b"%d\n" % n for n in range(20, 30)])
    for _ in range(8):
        cloud.advance(1)
    cloud.advance(61)
    assert lines(objects) == sorted(b"%d" % n for n in range(30))


def test_without_permission(kinesis: Any, made: str, objects: Any, cloud: Any, allow: Any, role: str) -> None:
    """Where the role may not read, records wait in the source; with the permission they come."""
    allow("s3:PutObject")
    put(kinesis, b"a\n")
    cloud.advance(120)
    assert objects() == {}
    allow("s3:PutObject", *READ)
    cloud.advance(120)
    cloud.advance(61)
    assert lines(objects) == [b"a"]


def test_errors_in_logs(cloud: Any, make: Any, put: Any, allow: Any) -> None:
    """Where CloudWatch Logs are configured, a delivery that fails is told there."""
    logs = cloud.client("logs")
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    allow("logs:PutLogEvents")
    make(extended={"CloudWatchLoggingOptions": {"Enabled": True, "LogGroupName": "g", "LogStreamName": "s"}})
    put(b"x")
    cloud.advance(60)
    (event, *_) = logs.get_log_events(logGroupName="g", logStreamName="s")["events"]
    said = json.loads(event["message"])
    assert said["errorCode"] == "S3.AccessDenied"
    assert said["destination"] == "arn:aws:s3:::lake"


def test_a_source_made_anew(kinesis: Any, made: str, objects: Any, cloud: Any) -> None:
    """A source that is deleted and made again is read on, though its shards have the names of the old ones."""
    put(kinesis, b"old\n")
    kinesis.split_shard(StreamName="source", ShardToSplit="shardId-000000000000", NewStartingHashKey="1000000")
    cloud.settle()
    cloud.advance(70)
    assert lines(objects) == [b"old"]
    kinesis.delete_stream(StreamName="source")
    cloud.advance(120)
    kinesis.create_stream(StreamName="source", ShardCount=2)
    cloud.settle()
    put(kinesis, *[b"%d\n" % n for n in range(9)])
    for _ in range(4):
        cloud.advance(120)
    assert lines(objects) == sorted([*[b"%d" % n for n in range(9)], b"old"])


def test_a_shard_that_cannot_be_read(kinesis: Any, made: str, objects: Any, cloud: Any, allow: Any) -> None:
    """What one shard has that the role may not open keeps nobody else's records waiting."""
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    kinesis.start_stream_encryption(StreamName="source", EncryptionType="KMS", KeyId=key)
    cloud.settle()
    kinesis.put_record(StreamName="source", PartitionKey="a", ExplicitHashKey="0", Data=b"sealed\n")
    kinesis.stop_stream_encryption(StreamName="source", EncryptionType="KMS", KeyId=key)
    cloud.settle()
    kinesis.put_record(StreamName="source", PartitionKey="a", ExplicitHashKey=str(2**128 - 1), Data=b"plain\n")
    cloud.settle()
    cloud.advance(120)
    assert lines(objects) == [b"plain"]
    allow("s3:PutObject", *READ, "kms:Decrypt")
    cloud.advance(60)
    cloud.advance(61)
    assert lines(objects) == [b"plain", b"sealed"]


def test_a_thousand_shards(cloud: Any, make: Any, allow: Any, role: str, objects: Any) -> None:
    """All pages of the source's shards are read."""
    kinesis = cloud.client("kinesis")
    kinesis.create_stream(StreamName="source", ShardCount=1100)
    cloud.settle()
    allow("s3:PutObject", *READ)
    make(DeliveryStreamType="KinesisStreamAsSource", KinesisStreamSourceConfiguration={"KinesisStreamARN": SOURCE, "RoleARN": role})
    kinesis.put_record(StreamName="source", PartitionKey="a", ExplicitHashKey=str(2**128 - 1), Data=b"last\n")
    cloud.settle()
    cloud.advance(61)
    assert lines(objects) == [b"last"]
