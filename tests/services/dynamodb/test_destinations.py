"""A table's changes in a Kinesis stream."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import wire

STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/changes"


@pytest.fixture
def kinesis(cloud: Any) -> Any:
    """A client, and a stream `changes`."""
    client = cloud.client("kinesis")
    client.create_stream(StreamName="changes", ShardCount=1)
    cloud.settle()
    return client


@pytest.fixture
def orders(make: Any, db: Any, cloud: Any, kinesis: Any) -> str:
    """A table whose changes go there."""
    name: str = make("orders", "pk", "sk", types={"sk": "N"})
    answer = db.enable_kinesis_streaming_destination(TableName=name, StreamArn=STREAM)
    assert answer["DestinationStatus"] == "ENABLING"
    cloud.settle()
    return name


def records(kinesis: Any, cloud: Any) -> list[dict[str, Any]]:
    cloud.settle()
    cloud.advance(1)
    asked = {"StreamName": "changes", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
    found = kinesis.get_records(ShardIterator=kinesis.get_shard_iterator(**asked)["ShardIterator"])["Records"]
    return [{**json.loads(record["Data"]), "key": record["PartitionKey"]} for record in found]


def test_changes(db: Any, kinesis: Any, cloud: Any, orders: str) -> None:
    """Each change of an item is a record with its keys and images, in order; a put that changes nothing is none."""
    at = cloud.now_ms
    db.put_item(TableName=orders, Item=wire(pk="a", sk=1, v="x"))
    db.put_item(TableName=orders, Item=wire(pk="a", sk=1, v="x"))
    db.update_item(TableName=orders, Key=wire(pk="a", sk=1), UpdateExpression="SET v = :v", ExpressionAttributeValues={":v": {"S": "y"}})
    db.delete_item(TableName=orders, Key=wire(pk="a", sk=1))
    found = records(kinesis, cloud)
    assert [record["eventName"] for record in found] == ["INSERT", "MODIFY", "REMOVE"]
    first, second, third = (record["dynamodb"] for record in found)
    assert first == {
        "ApproximateCreationDateTime": at,
        "Keys": wire(pk="a", sk=1),
        "NewImage": wire(pk="a", sk=1, v="x"),
        "SizeBytes": first["SizeBytes"],
    }
    assert (second["OldImage"], second["NewImage"]) == (wire(pk="a", sk=1, v="x"), wire(pk="a", sk=1, v="y"))
    assert ("NewImage" in third, third["OldImage"]) == (False, wire(pk="a", sk=1, v="y"))
    whole = found[0]
    assert (whole["awsRegion"], whole["tableName"], whole["eventSource"]) == ("us-east-1", orders, "aws:dynamodb")
    assert (whole["recordFormat"], whole["userIdentity"]) == ("application/json", None)
    assert len({record["key"] for record in found}) == 1
    assert len({record["eventID"] for record in found}) == 3


def test_precision(db: Any, kinesis: Any, cloud: Any, orders: str) -> None:
    """Times can be in microseconds."""
    configuration = {"ApproximateCreationDateTimePrecision": "MICROSECOND"}
    update = db.update_kinesis_streaming_destination
    update(TableName=orders, StreamArn=STREAM, UpdateKinesisStreamingConfiguration=configuration)
    cloud.settle()
    at = cloud.now_ms
    db.put_item(TableName=orders, Item=wire(pk="a", sk=1))
    (record,) = records(kinesis, cloud)
    assert record["dynamodb"]["ApproximateCreationDateTime"] == at * 1000
    assert record["dynamodb"]["ApproximateCreationDateTimePrecision"] == "MICROSECOND"


def test_switched_off(db: Any, kinesis: Any, cloud: Any, orders: str, refused: Any) -> None:
    """A destination that is off gets nothing any more, and is still described; only one can be on."""
    db.put_item(TableName=orders, Item=wire(pk="a", sk=1))
    cloud.settle()
    kinesis.create_stream(StreamName="other", ShardCount=1)
    cloud.settle()
    other = STREAM.replace("changes", "other")
    assert refused(db.enable_kinesis_streaming_destination, TableName=orders, StreamArn=other)[0] == "ValidationException"
    db.disable_kinesis_streaming_destination(TableName=orders, StreamArn=STREAM)
    cloud.settle()
    db.put_item(TableName=orders, Item=wire(pk="a", sk=2))
    assert len(records(kinesis, cloud)) == 1
    (described,) = db.describe_kinesis_streaming_destination(TableName=orders)["KinesisDataStreamDestinations"]
    assert (described["StreamArn"], described["DestinationStatus"]) == (STREAM, "DISABLED")
    assert refused(db.disable_kinesis_streaming_destination, TableName=orders, StreamArn=STREAM)[0] == "ResourceNotFoundException"
    db.enable_kinesis_streaming_destination(TableName=orders, StreamArn=other)
    missing = STREAM.replace("changes", "missing")
    assert refused(db.enable_kinesis_streaming_destination, TableName=orders, StreamArn=missing)[0] in (
        "ResourceInUseException",
        "ValidationException",
    )


def test_a_stream_that_is_full(db: Any, kinesis: Any, cloud: Any, orders: str) -> None:
    """What the stream has no capacity for comes a second later."""
    for n in range(8):
        db.put_item(TableName=orders, Item=wire(pk=f"p{n}", sk=1, v="x" * 200_000))
    cloud.settle()
    for _ in range(4):
        cloud.advance(1)
    assert len(records(kinesis, cloud)) == 8


def test_who_may(make: Any, db: Any, kinesis: Any, cloud: Any, refused: Any) -> None:
    """Whoever switches it on must be allowed to put into the stream; DynamoDB puts as its service-linked role."""
    name = make("orders", "pk")
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    actions = ["dynamodb:EnableKinesisStreamingDestination", "kinesis:DescribeStreamSummary", "iam:CreateServiceLinkedRole"]

    def allow(*more: str) -> None:
        statement = {"Effect": "Allow", "Action": [*actions, *more], "Resource": "*"}
        document = {"Version": "2012-10-17", "Statement": statement}
        iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps(document))

    allow()
    made = iam.create_access_key(UserName="u")["AccessKey"]
    user = cloud.client("dynamodb", made["AccessKeyId"], made["SecretAccessKey"])
    code, message = refused(user.enable_kinesis_streaming_destination, TableName=name, StreamArn=STREAM)
    assert (code, "kinesis:PutRecord" in message) == ("AccessDeniedException", True)
    allow("kinesis:PutRecord", "kinesis:PutRecords")
    user.enable_kinesis_streaming_destination(TableName=name, StreamArn=STREAM)
    cloud.settle()
    db.put_item(TableName=name, Item=wire(pk="a"))
    assert len(records(kinesis, cloud)) == 1
    assert iam.get_role(RoleName="AWSServiceRoleForDynamoDBKinesisDataStreamsReplication")
