"""Pipes from Kinesis and DynamoDB streams."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from fogbank.testing.cloud import ACCOUNT, Cloud

from .conftest import Queue

STREAM = f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/s"


@pytest.fixture
def kinesis(cloud: Cloud) -> Any:
    client = cloud.client("kinesis")
    client.create_stream(StreamName="s", ShardCount=1)
    cloud.advance(60)
    return client


def put(kinesis: Any, *values: Any) -> None:
    for value in values:
        kinesis.put_record(StreamName="s", PartitionKey="k", Data=json.dumps(value).encode())


def reading(**settings: Any) -> dict[str, Any]:
    return {"KinesisStreamParameters": {"StartingPosition": "TRIM_HORIZON", **settings}}


DATA = {"TargetParameters": {"InputTemplate": "<$.data>"}}


def test_kinesis(cloud: Cloud, pipe: Any, kinesis: Any, arrivals: Queue) -> None:
    """A record of a stream goes through flat, with its data in base64; filters and templates see into the data."""
    put(kinesis, {"n": 1})
    pipe(Source=STREAM, SourceParameters=reading())
    [event] = arrivals.bodies()
    assert json.loads(base64.b64decode(event["data"])) == {"n": 1}
    assert (event["partitionKey"], event["eventSource"], event["eventName"]) == ("k", "aws:kinesis", "aws:kinesis:record")
    assert event["eventID"] == f"shardId-000000000000:{event['sequenceNumber']}"
    pattern = {"FilterCriteria": {"Filters": [{"Pattern": '{"data": {"n": [3]}}'}]}}
    pipe(Name="filtered", Source=STREAM, SourceParameters={**reading(StartingPosition="LATEST"), **pattern}, **DATA)
    put(kinesis, {"n": 2}, {"n": 3})
    cloud.settle()
    cloud.advance(2)  # a shard is read five times a second at most
    bodies = arrivals.bodies()
    assert [one for one in bodies if "data" not in one] == [{"n": 3}]


def test_goes_on_where_it_was(cloud: Cloud, client: Any, pipe: Any, kinesis: Any, arrivals: Queue) -> None:
    """A pipe that is stopped and started goes on after what it had, once."""
    pipe(Source=STREAM, SourceParameters=reading(), **DATA)
    put(kinesis, 1)
    assert arrivals.bodies() == [1]
    client.stop_pipe(Name="p")
    cloud.settle()
    put(kinesis, 2)
    client.start_pipe(Name="p")
    assert arrivals.bodies() == [2]


def test_dynamodb(cloud: Cloud, pipe: Any, arrivals: Queue) -> None:
    """Changes of a table go through; a filter looks at their images."""
    dynamodb = cloud.client("dynamodb")
    table = dynamodb.create_table(
        TableName="table",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]
    cloud.settle()
    criteria = {"Filters": [{"Pattern": '{"eventName": ["INSERT"], "dynamodb": {"NewImage": {"n": {"N": ["2"]}}}}'}]}
    source = {"DynamoDBStreamParameters": {"StartingPosition": "TRIM_HORIZON"}, "FilterCriteria": criteria}
    template = {"InputTemplate": '{"k": <$.dynamodb.Keys.k.S>, "by": "<$.eventSource>"}'}
    held = pipe(Source=table["LatestStreamArn"], SourceParameters=source, TargetParameters=template)
    assert held["CurrentState"] == "RUNNING", held
    for number in (1, 2):
        dynamodb.put_item(TableName="table", Item={"k": {"S": f"k{number}"}, "n": {"N": str(number)}})
    assert arrivals.bodies() == [{"k": "k2", "by": "aws:dynamodb"}]


FAIL = "def handler(event, context):\n    assert not any(one['partitionKey'] == 'bad' for one in event)\n"


def test_retries_run_out(cloud: Cloud, pipe: Any, kinesis: Any, arrivals: Queue, function: Any, stage: Any) -> None:
    """A batch that fails is tried again, then given up: the dead letter says where in the stream it is, and the shard goes on."""
    settings = {"MaximumRetryAttempts": 2, "BatchSize": 1, "DeadLetterConfig": {"Arn": arrivals.arn}}
    pipe(Source=STREAM, SourceParameters=reading(**settings), Target=function("f", FAIL))
    kinesis.put_record(StreamName="s", PartitionKey="bad", Data=b"1")
    kinesis.put_record(StreamName="s", PartitionKey="good", Data=b"2")
    cloud.settle()
    for _ in range(4):
        cloud.advance(5)
        cloud.settle()
    keys = [one["partitionKey"] for _, invocation in stage.invocations for one in json.loads(invocation.payload)]
    assert keys == ["bad", "bad", "bad", "good"]
    [letter] = arrivals.bodies()
    assert letter["context"] == {
        "partnerResourceArn": f"arn:aws:pipes:us-east-1:{ACCOUNT}:pipe/p",
        "condition": "RetryAttemptsExhausted",
    }
    info = letter["KinesisBatchInfo"]
    assert (info["batchSize"], info["streamArn"], info["shardId"]) == (1, STREAM, "shardId-000000000000")
    assert info["startSequenceNumber"] == info["endSequenceNumber"]


def test_bisect(cloud: Cloud, pipe: Any, kinesis: Any, arrivals: Queue, function: Any, stage: Any) -> None:
    """With AUTOMATIC_BISECT a failing batch is halved until the bad record is alone."""
    settings = {"MaximumRetryAttempts": 0, "OnPartialBatchItemFailure": "AUTOMATIC_BISECT", "DeadLetterConfig": {"Arn": arrivals.arn}}
    target = function("f", FAIL)
    for key in ("a", "bad", "c", "d"):
        kinesis.put_record(StreamName="s", PartitionKey=key, Data=b"1")
    pipe(Source=STREAM, SourceParameters=reading(**settings), Target=target)
    for _ in range(6):
        cloud.advance(5)
        cloud.settle()
    batches = [[one["partitionKey"] for one in json.loads(invocation.payload)] for _, invocation in stage.invocations]
    assert batches == [["a", "bad", "c", "d"], ["a", "bad"], ["a"], ["bad"], ["c", "d"]]
    assert [letter["KinesisBatchInfo"]["batchSize"] for letter in arrivals.bodies()] == [1]


def test_old_records(cloud: Cloud, client: Any, pipe: Any, kinesis: Any, arrivals: Queue) -> None:
    """Records over their maximum age are not handed on."""
    dead = Queue(cloud, "dead")
    put(kinesis, 1)
    cloud.advance(120)
    put(kinesis, 2)
    settings = {"MaximumRecordAgeInSeconds": 60, "DeadLetterConfig": {"Arn": dead.arn}}
    pipe(Source=STREAM, SourceParameters=reading(**settings), **DATA)
    assert arrivals.bodies() == [2]
    assert [letter["context"]["condition"] for letter in dead.bodies()] == ["RecordAgeExceeded"]


def test_window(cloud: Cloud, pipe: Any, kinesis: Any, function: Any, stage: Any) -> None:
    """A batch is handed on when its window is over."""
    pipe(Source=STREAM, SourceParameters=reading(MaximumBatchingWindowInSeconds=10), Target=function("f", FAIL))
    put(kinesis, 1, 2)
    cloud.settle()
    assert stage.invocations == []
    cloud.advance(11)
    cloud.settle()
    assert [len(json.loads(invocation.payload)) for _, invocation in stage.invocations] == [2]
