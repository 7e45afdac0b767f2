"""Event source mappings of DynamoDB streams and Kinesis: order, retries, splitting, age, destinations, windows, positions."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import ACCOUNT, allow
from .stage import Stage

READS = [
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "kinesis:DescribeStream",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
    "sqs:SendMessage",
]
TAKE = "def handler(event, context):\n    return None"
REFUSE = "def handler(event, context):\n    raise ValueError('no')"


class Table:
    """A table with a stream."""

    def __init__(self, cloud: Any) -> None:
        self._client = cloud.client("dynamodb")
        made = self._client.create_table(
            TableName="table",
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )["TableDescription"]
        self.arn = made["LatestStreamArn"]

    def put(self, *keys: str) -> None:
        for key in keys:
            self._client.put_item(TableName="table", Item={"k": {"S": key}})


class Stream:
    """A Kinesis stream."""

    def __init__(self, cloud: Any, shards: int = 1) -> None:
        self.client = cloud.client("kinesis")
        self.client.create_stream(StreamName="s", ShardCount=shards)
        cloud.advance(60)
        self.arn = f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/s"

    def put(self, *keys: str) -> None:
        self.client.put_records(StreamName="s", Records=[{"Data": key.encode(), "PartitionKey": key} for key in keys])


@pytest.fixture
def table(cloud: Any) -> Table:
    return Table(cloud)


@pytest.fixture
def mapped(cloud: Any, lam: Any, create: Any, make_role: Any, stage: Stage) -> Callable[..., str]:
    """Has a function `f` read a stream from its beginning: the mapping's id."""

    def make(source: str, code: str = TAKE, **more: Any) -> str:
        create("f", code, Role=make_role("reader", allow(READS)))
        members = {"StartingPosition": "TRIM_HORIZON", **more}
        id: str = lam.create_event_source_mapping(EventSourceArn=source, FunctionName="f", **members)["UUID"]
        cloud.settle()
        return id

    return make


def events(stage: Stage) -> list[Any]:
    return [json.loads(invocation.payload) for _, invocation in stage.invocations]


def keys(stage: Stage) -> list[list[str]]:
    """The keys of the records that the function was given, batch by batch."""
    found = []
    for event in events(stage):
        batch = []
        for record in event["Records"]:
            if "kinesis" in record:
                batch.append(base64.b64decode(record["kinesis"]["data"]).decode())
            else:
                batch.append(record["dynamodb"]["Keys"]["k"]["S"])
        found.append(batch)
    return found


def test_changes_of_a_table_reach_the_function(cloud: Any, lam: Any, table: Table, mapped: Any, stage: Stage) -> None:
    """Each change is a record in AWS's shape, in order; what comes later comes as it happens."""
    table.put("a", "b")
    id = mapped(table.arn)
    assert keys(stage) == [["a", "b"]]
    record = events(stage)[0]["Records"][0]
    assert record.pop("eventID")
    change = record.pop("dynamodb")
    assert change.pop("SequenceNumber")
    assert change.pop("SizeBytes")
    assert change == {
        "ApproximateCreationDateTime": cloud.now_ms // 1000,
        "Keys": {"k": {"S": "a"}},
        "NewImage": {"k": {"S": "a"}},
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    assert record == {
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "eventSourceARN": table.arn,
    }
    table.put("c")
    cloud.settle()
    assert keys(stage)[1:] == [["c"]]
    assert lam.get_event_source_mapping(UUID=id)["LastProcessingResult"] == "OK"


def test_latest_gives_what_comes_later(cloud: Any, table: Table, mapped: Any, stage: Stage) -> None:
    """LATEST leaves out what was there before, also after hours in which nothing happened."""
    table.put("a")
    mapped(table.arn, StartingPosition="LATEST")
    cloud.advance(7200)
    table.put("b")
    cloud.settle()
    assert keys(stage) == [["b"]]


def test_batches_and_windows(cloud: Any, table: Table, mapped: Any, stage: Stage) -> None:
    """The function gets batches of the batch size; with a window what came within it."""
    mapped(table.arn, BatchSize=3, MaximumBatchingWindowInSeconds=10)
    table.put("a", "b", "c", "d")
    cloud.settle()
    assert keys(stage) == [["a", "b", "c"]]
    cloud.advance(5)
    table.put("e")
    cloud.advance(5)
    assert keys(stage)[1:] == [["d", "e"]]


def test_a_failing_batch_holds_up_its_shard(cloud: Any, lam: Any, table: Table, mapped: Any, stage: Stage) -> None:
    """A batch is tried again, with back-off, before anything that follows it."""
    code = "import os\ndef handler(event, context):\n    if not context.environment.get('OK'):\n        raise ValueError\n"
    id = mapped(table.arn, code, BatchSize=1)
    table.put("a", "b")
    cloud.settle()
    for _ in range(3):
        cloud.advance(60)
    assert set(map(tuple, keys(stage))) == {("a",)}
    assert len(stage.invocations) >= 3
    assert lam.get_event_source_mapping(UUID=id)["LastProcessingResult"] == "PROBLEM: Function call failed"
    lam.update_function_configuration(FunctionName="f", Environment={"Variables": {"OK": "1"}})
    cloud.advance(60)
    cloud.advance(1)
    assert keys(stage)[-2:] == [["a"], ["b"]]


def test_attempts_run_out(cloud: Any, table: Table, mapped: Any, stage: Stage) -> None:
    """After MaximumRetryAttempts a batch is recorded at the destination, and the next one comes."""
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="failed")["QueueUrl"]
    target = {"OnFailure": {"Destination": f"arn:aws:sqs:us-east-1:{ACCOUNT}:failed"}}
    table.put("a", "b", "c")
    mapped(table.arn, REFUSE, BatchSize=2, MaximumRetryAttempts=1, DestinationConfig=target)
    for _ in range(4):
        cloud.advance(5)
    assert keys(stage) == [["a", "b"], ["a", "b"], ["c"], ["c"]]
    [first, second] = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    record = json.loads(first["Body"])
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    info = record["DDBStreamBatchInfo"]
    assert (info["batchSize"], info["streamArn"]) == (2, table.arn)
    assert json.loads(second["Body"])["DDBStreamBatchInfo"]["batchSize"] == 1


def test_a_batch_is_split(cloud: Any, table: Table, mapped: Any, stage: Stage) -> None:
    """With bisecting a failing batch comes in halves, until the record that fails is alone."""
    code = (
        "def handler(event, context):\n"
        "    if any(r['dynamodb']['Keys']['k']['S'] == 'bad' for r in event['Records']):\n"
        "        raise ValueError\n"
    )
    table.put("a", "b", "bad", "c")
    mapped(table.arn, code, BisectBatchOnFunctionError=True, MaximumRetryAttempts=0)
    cloud.advance(1)
    assert keys(stage) == [["a", "b", "bad", "c"], ["a", "b"], ["bad", "c"], ["bad"], ["c"]]


def test_a_part_of_a_batch_fails(cloud: Any, table: Table, mapped: Any, stage: Stage) -> None:
    """With ReportBatchItemFailures it goes on from the first record that was reported."""
    code = (
        "def handler(event, context):\n"
        "    bad = [r['dynamodb']['SequenceNumber'] for r in event['Records'] if r['dynamodb']['Keys']['k']['S'] == 'c']\n"
        "    return {'batchItemFailures': [{'itemIdentifier': bad[0]}] if bad and len(event['Records']) > 1 else []}\n"
    )
    table.put("a", "b", "c", "d")
    mapped(table.arn, code, FunctionResponseTypes=["ReportBatchItemFailures"], MaximumRetryAttempts=1)
    for _ in range(4):
        cloud.advance(5)
    assert keys(stage)[:2] == [["a", "b", "c", "d"], ["c", "d"]]


def test_old_records_are_given_up(cloud: Any, table: Table, mapped: Any, stage: Stage) -> None:
    """Records over the maximum age are dropped."""
    mapped(table.arn, REFUSE, MaximumRecordAgeInSeconds=60, BatchSize=1)
    table.put("a")
    cloud.settle()
    cloud.advance(30)
    cloud.advance(31)
    cloud.advance(31)
    count = len(stage.invocations)
    assert count >= 2
    table.put("b")
    cloud.settle()
    assert keys(stage)[count:] == [["b"]]


def test_filters(cloud: Any, table: Table, mapped: Any, stage: Stage) -> None:
    """Only what a filter wants comes; the rest is passed over."""
    pattern = '{"eventName": ["INSERT"], "dynamodb": {"Keys": {"k": {"S": [{"prefix": "x"}]}}}}'
    mapped(table.arn, FilterCriteria={"Filters": [{"Pattern": pattern}]})
    table.put("a", "x1", "b", "x2")
    cloud.settle()
    table.put("c")
    cloud.settle()
    assert sorted(key for batch in keys(stage) for key in batch) == ["x1", "x2"]


def test_tumbling_windows(cloud: Any, lam: Any, table: Table, mapped: Any, stage: Stage) -> None:
    """State goes from batch to batch of a window; at its end the function is called for the last time."""
    code = "def handler(event, context):\n    return {'state': {'n': event['state'].get('n', 0) + len(event['Records'])}}"
    cloud.advance(61 - cloud.now_ms / 1000 % 60)
    table.put("a")
    id = mapped(table.arn, code, TumblingWindowInSeconds=60)
    cloud.advance(5)
    lam.update_event_source_mapping(UUID=id, Enabled=False)
    cloud.settle()
    table.put("b", "c")
    lam.update_event_source_mapping(UUID=id, Enabled=True)
    cloud.settle()
    cloud.advance(60)
    got = [(event["state"], len(event["Records"]), event["isFinalInvokeForWindow"]) for event in events(stage)]
    assert got == [({}, 1, False), ({"n": 1}, 2, False), ({"n": 3}, 0, True)]
    window = events(stage)[0]["window"]
    assert window["end"] > window["start"]
    table.put("d")
    cloud.settle()
    assert events(stage)[-1]["state"] == {}


def test_a_disabled_mapping_goes_on_where_it_was(cloud: Any, lam: Any, table: Table, mapped: Any, stage: Stage) -> None:
    """Enabled again a mapping reads from its checkpoint on."""
    id = mapped(table.arn)
    table.put("a")
    cloud.settle()
    lam.update_event_source_mapping(UUID=id, Enabled=False)
    cloud.settle()
    table.put("b")
    cloud.settle()
    assert keys(stage) == [["a"]]
    lam.update_event_source_mapping(UUID=id, Enabled=True)
    cloud.settle()
    assert keys(stage) == [["a"], ["b"]]


def test_kinesis(cloud: Any, mapped: Any, stage: Stage) -> None:
    """Records of every shard come in AWS's shape, each key's in order."""
    stream = Stream(cloud, 2)
    stream.put("a", "b", "c")
    mapped(stream.arn)
    cloud.advance(1)
    assert sorted(key for batch in keys(stage) for key in batch) == ["a", "b", "c"]
    record = events(stage)[0]["Records"][0]
    inner = record.pop("kinesis")
    assert record["eventID"].startswith("shardId-00000000000")
    assert record["eventID"].endswith(inner["sequenceNumber"])
    assert inner["kinesisSchemaVersion"] == "1.0"
    assert record["invokeIdentityArn"].endswith(":role/reader")
    assert (record["eventSource"], record["eventName"], record["eventSourceARN"]) == ("aws:kinesis", "aws:kinesis:record", stream.arn)


def test_kinesis_in_parallel(cloud: Any, mapped: Any, stage: Stage) -> None:
    """With a parallelization factor each key's records stay in order."""
    stream = Stream(cloud)
    for number in range(3):
        stream.put(*[f"{key}{number}" for key in "abcd"])
    mapped(stream.arn, ParallelizationFactor=4, BatchSize=5)
    for _ in range(5):
        cloud.advance(1)
    got = [key for batch in keys(stage) for key in batch]
    assert sorted(got) == sorted(f"{key}{number}" for key in "abcd" for number in range(3))


def test_children_after_their_parents(cloud: Any, mapped: Any, stage: Stage) -> None:
    """After a split the parent's records come first, then its children's."""
    stream = Stream(cloud)
    mapped(stream.arn)
    stream.put("a")
    cloud.advance(1)
    [shard] = stream.client.list_shards(StreamName="s")["Shards"]
    stream.client.split_shard(StreamName="s", ShardToSplit=shard["ShardId"], NewStartingHashKey=str(2**127))
    cloud.advance(60)
    stream.put(*[str(number) for number in range(6)])
    for _ in range(3):
        cloud.advance(1)
    assert keys(stage)[0] == ["a"]
    assert sorted(key for batch in keys(stage)[1:] for key in batch) == [str(number) for number in range(6)]


def test_what_a_mapping_of_a_stream_cannot_be(lam: Any, table: Table, create: Any, make_role: Any, refused: Any) -> None:
    """A position is needed, settings must be in bounds, and the role must be allowed to read."""
    create("f", Role=make_role("reader", allow(READS)))
    create("g")
    source = {"EventSourceArn": table.arn, "StartingPosition": "TRIM_HORIZON"}
    for members in (
        {"EventSourceArn": table.arn, "FunctionName": "f"},
        {**source, "FunctionName": "f", "MaximumRecordAgeInSeconds": 30},
        {**source, "FunctionName": "f", "ScalingConfig": {"MaximumConcurrency": 2}},
        {**source, "FunctionName": "f", "TumblingWindowInSeconds": 10, "ParallelizationFactor": 2},
        {**source, "FunctionName": "f", "StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1},
    ):
        assert refused(lam.create_event_source_mapping, **members)[0] == "InvalidParameterValueException"
    code, message = refused(lam.create_event_source_mapping, **source, FunctionName="g")
    assert code == "InvalidParameterValueException"
    assert message.startswith(f"Cannot access stream {table.arn}. Please ensure the role can perform the GetRecords")
