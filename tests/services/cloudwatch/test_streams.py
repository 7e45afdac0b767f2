"""Metric streams send each minute to a Firehose stream, as a role."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

FIREHOSE = "arn:aws:firehose:us-east-1:000000000000:deliverystream/d"
ROLE = "arn:aws:iam::000000000000:role/r"


@pytest.fixture
def sent(cloud: Any, cw: Any) -> Callable[[], list[dict[str, Any]]]:
    """A Firehose stream into a bucket, and the role that may put into it: the lines that have arrived."""
    iam, s3, firehose = cloud.client("iam"), cloud.client("s3"), cloud.client("firehose")
    services = ["streams.metrics.cloudwatch.amazonaws.com", "firehose.amazonaws.com"]
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"}]}
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(trust))
    allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["firehose:PutRecordBatch", "s3:*"], "Resource": "*"}]}
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=json.dumps(allowed))
    s3.create_bucket(Bucket="sink")
    firehose.create_delivery_stream(
        DeliveryStreamName="d",
        ExtendedS3DestinationConfiguration={
            "RoleARN": ROLE,
            "BucketARN": "arn:aws:s3:::sink",
            "BufferingHints": {"IntervalInSeconds": 60, "SizeInMBs": 1},
        },
    )
    cloud.settle()

    def look() -> list[dict[str, Any]]:
        lines = []
        for one in s3.list_objects_v2(Bucket="sink").get("Contents", []):
            body = s3.get_object(Bucket="sink", Key=one["Key"])["Body"].read()
            lines += [json.loads(line) for line in body.splitlines()]
        return lines

    return look


def test_a_stream_sends_what_metrics_have(cloud: Any, cw: Any, put: Any, sent: Any, now: Any) -> None:
    """Lines of JSON with the usual statistics and further ones, of the metrics that the filters let through; none when stopped."""
    cw.put_metric_stream(
        Name="s",
        FirehoseArn=FIREHOSE,
        RoleArn=ROLE,
        OutputFormat="json",
        IncludeFilters=[{"Namespace": "N", "MetricNames": ["M"]}],
        StatisticsConfigurations=[{"IncludeMetrics": [{"Namespace": "N", "MetricName": "M"}], "AdditionalStatistics": ["p50"]}],
    )
    at = int(now().timestamp() * 1000)
    for value in (1, 2, 6):
        put(value, dimensions={"d": "v"}, Unit="Count")
    put(1, name="Other")
    cloud.advance(60)
    cloud.advance(120)
    assert sent() == [
        {
            "metric_stream_name": "s",
            "account_id": "000000000000",
            "region": "us-east-1",
            "namespace": "N",
            "metric_name": "M",
            "dimensions": {"d": "v"},
            "timestamp": at,
            "value": {"max": 6, "min": 1, "sum": 9, "count": 3, "p50": 2},
            "unit": "Count",
        }
    ]
    cw.stop_metric_streams(Names=["s"])
    put(9, dimensions={"d": "v"})
    cloud.advance(300)
    assert len(sent()) == 1
    cw.start_metric_streams(Names=["s"])
    put(9, dimensions={"d": "v"})
    cloud.advance(60)
    cloud.advance(120)
    assert len(sent()) == 2
    assert [one["Name"] for one in cw.list_metric_streams()["Entries"]] == ["s"]
    cw.delete_metric_stream(Name="s")
    assert cw.list_metric_streams()["Entries"] == []


def test_what_is_refused(cw: Any, refused: Any) -> None:
    """OpenTelemetry is refused by name, filters exclude each other, a target has to be a Firehose stream of the account."""
    members = {"Name": "s", "FirehoseArn": FIREHOSE, "RoleArn": ROLE, "OutputFormat": "json"}
    code, message = refused(cw.put_metric_stream, **{**members, "OutputFormat": "opentelemetry1.0"})
    assert (code, "OutputFormat opentelemetry1.0" in message) == ("NotImplemented", True)
    both = {"IncludeFilters": [{"Namespace": "N"}], "ExcludeFilters": [{"Namespace": "O"}]}
    assert refused(cw.put_metric_stream, **members, **both)[0] == "InvalidParameterCombination"
    assert (
        refused(cw.put_metric_stream, **{**members, "FirehoseArn": "arn:aws:sqs:us-east-1:000000000000:queue"})[0]
        == "InvalidParameterValue"
    )
    assert refused(cw.get_metric_stream, Name="x")[0] == "ResourceNotFoundException"
