"""Kinesis's own metrics in CloudWatch."""

from __future__ import annotations

from typing import Any


def statistics(cloud: Any, name: str, **dimensions: str) -> dict[str, float]:
    """A metric's sum and count over the last hour."""
    answer = cloud.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Kinesis",
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=cloud.now_ms / 1000 - 3600,
        EndTime=cloud.now_ms / 1000 + 60,
        Period=3600 * 2,
        Statistics=["Sum", "SampleCount", "Maximum"],
    )
    return {key: sum(one[key] for one in answer["Datapoints"]) for key in ("Sum", "SampleCount", "Maximum")}


def test_of_streams(kinesis: Any, arn: str, cloud: Any, read: Any) -> None:
    """What goes in and out is measured: bytes, records, how old what is read is."""
    kinesis.put_record(StreamARN=arn, PartitionKey="ab", Data=b"12345")
    kinesis.put_records(StreamARN=arn, Records=[{"PartitionKey": "a", "Data": b"1"}] * 3)
    cloud.advance(5)
    read()
    assert statistics(cloud, "IncomingRecords", StreamName="stream")["Sum"] == 4
    assert statistics(cloud, "IncomingBytes", StreamName="stream")["Sum"] == 7 + 3 * 2
    assert statistics(cloud, "PutRecord.Success", StreamName="stream")["SampleCount"] == 1
    assert statistics(cloud, "PutRecords.SuccessfulRecords", StreamName="stream")["Sum"] == 3
    assert statistics(cloud, "GetRecords.Records", StreamName="stream")["Sum"] == 4
    assert statistics(cloud, "GetRecords.IteratorAgeMilliseconds", StreamName="stream")["Maximum"] == 5000


def test_what_is_throttled(kinesis: Any, arn: str, cloud: Any, refused: Any) -> None:
    """Refused writes are counted, also where the whole call was refused."""
    for _ in range(2):
        kinesis.put_records(StreamARN=arn, Records=[{"PartitionKey": "a", "Data": b""}] * 500)
    assert refused(kinesis.put_record, StreamARN=arn, PartitionKey="a", Data=b"")[0] == "ProvisionedThroughputExceededException"
    assert kinesis.put_records(StreamARN=arn, Records=[{"PartitionKey": "a", "Data": b""}] * 3)["FailedRecordCount"] == 3
    assert statistics(cloud, "WriteProvisionedThroughputExceeded", StreamName="stream")["Sum"] == 4


def test_of_shards(kinesis: Any, make: Any, cloud: Any) -> None:
    """With enhanced monitoring the same is measured shard by shard."""
    arn = make(shards=2)
    kinesis.enable_enhanced_monitoring(StreamARN=arn, ShardLevelMetrics=["IncomingRecords"])
    kinesis.put_records(
        StreamARN=arn, Records=[{"PartitionKey": "a", "Data": b"", "ExplicitHashKey": h} for h in ("0", "1", str(1 << 127))]
    )
    shards = [statistics(cloud, "IncomingRecords", StreamName="stream", ShardId=f"shardId-{n:012d}")["Sum"] for n in range(2)]
    assert shards == [2, 1]
