"""Streams: what happened to a table's items, in order, for 24 hours."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fogbank.services.dynamodb.timeline import RECORDS

from .conftest import plain, wire

DAY_S = 86_400
VIEW = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


@pytest.fixture
def streams(cloud: Any) -> Any:
    return cloud.client("dynamodbstreams")


@pytest.fixture
def streamed(make: Any, db: Any) -> Callable[..., str]:
    """Makes a table with a stream; the stream's ARN."""

    def call(name: str = "table", view: str = "NEW_AND_OLD_IMAGES", **members: Any) -> str:
        make(name, "pk", "sk", StreamSpecification={"StreamEnabled": True, "StreamViewType": view}, **members)
        arn: str = db.describe_table(TableName=name)["Table"]["LatestStreamArn"]
        return arn

    return call


def shards_of(streams: Any, arn: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    start: dict[str, str] = {}
    while True:
        page = streams.describe_stream(StreamArn=arn, **start)["StreamDescription"]
        found += page["Shards"]
        if "LastEvaluatedShardId" not in page:
            return found
        start = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}


def iterator(streams: Any, arn: str, shard: str | None = None, kind: str = "TRIM_HORIZON", **members: Any) -> str:
    shard = shard or shards_of(streams, arn)[0]["ShardId"]
    found: str = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType=kind, **members)["ShardIterator"]
    return found


def read(streams: Any, arn: str, **members: Any) -> list[dict[str, Any]]:
    """All records of a stream, parents before children, shard by shard."""
    records: list[dict[str, Any]] = []
    for shard in shards_of(streams, arn):
        at: str | None = iterator(streams, arn, shard["ShardId"])
        while at is not None:
            answer = streams.get_records(ShardIterator=at, **members)
            records += answer["Records"]
            at = answer.get("NextShardIterator") if answer["Records"] else None
    return records


def told(record: dict[str, Any]) -> tuple[Any, ...]:
    """What a record says happened: event, keys, old and new image."""
    change = record["dynamodb"]
    return (record["eventName"], plain(change["Keys"]), *(plain(change[m]) if m in change else None for m in ("OldImage", "NewImage")))


def test_every_change_is_told_once(db: Any, streams: Any, streamed: Any, cloud: Any) -> None:
    """Each change is one record with what was before and after, in order; what changes nothing is none."""
    arn = streamed()
    item = wire(pk="a", sk="1", n=1)
    key = wire(pk="a", sk="1")
    db.put_item(TableName="table", Item=item)
    db.put_item(TableName="table", Item=item)
    update = {"UpdateExpression": "SET n = :n", "ExpressionAttributeValues": {":n": {"N": "2"}}}
    db.update_item(TableName="table", Key=key, **update)
    db.update_item(TableName="table", Key=key, **update)
    db.delete_item(TableName="table", Key=key)
    db.delete_item(TableName="table", Key=key)
    found = read(streams, arn)
    keys = {"pk": "a", "sk": "1"}
    assert [told(record) for record in found] == [
        ("INSERT", keys, None, {**keys, "n": 1}),
        ("MODIFY", keys, {**keys, "n": 1}, {**keys, "n": 2}),
        ("REMOVE", keys, {**keys, "n": 2}, None),
    ]
    numbers = [record["dynamodb"]["SequenceNumber"] for record in found]
    assert numbers == sorted(numbers, key=int) == sorted(numbers)
    first = found[0]
    assert first["eventSource"] == "aws:dynamodb"
    assert first["awsRegion"] == "us-east-1"
    assert first["eventVersion"] == "1.1"
    assert first["dynamodb"]["ApproximateCreationDateTime"].timestamp() == cloud.now_ms // 1000
    assert first["dynamodb"]["SizeBytes"] == len("pkask1") + len("pkask1n") + 2
    assert len({record["eventID"] for record in found}) == 3
    assert all("userIdentity" not in record for record in found)


@pytest.mark.parametrize(
    ("view", "images"),
    [
        ("KEYS_ONLY", [(False, False)] * 3),
        ("NEW_IMAGE", [(False, True), (False, True), (False, False)]),
        ("OLD_IMAGE", [(False, False), (True, False), (True, False)]),
        ("NEW_AND_OLD_IMAGES", [(False, True), (True, True), (True, False)]),
    ],
)
def test_views(db: Any, streams: Any, streamed: Any, view: str, images: list[tuple[bool, bool]]) -> None:
    """A view says which images the records of a put, an overwriting put and a delete have."""
    arn = streamed(view=view)
    for n in (1, 2):
        db.put_item(TableName="table", Item=wire(pk="a", sk="1", n=n))
    db.delete_item(TableName="table", Key=wire(pk="a", sk="1"))
    found = [record["dynamodb"] for record in read(streams, arn)]
    assert [("OldImage" in change, "NewImage" in change) for change in found] == images
    assert {change["StreamViewType"] for change in found} == {view}


def test_two_consumers_read_everything(db: Any, streams: Any, streamed: Any) -> None:
    """Two consumers each read the whole stream in their own pages, batches and transactions included, and see the same order."""
    arn = streamed()
    for batch in range(4):
        puts = [{"PutRequest": {"Item": wire(pk=f"k{n}", sk=str(batch))}} for n in range(25)]
        db.batch_write_item(RequestItems={"table": puts})
    db.transact_write_items(
        TransactItems=[{"Delete": {"TableName": "table", "Key": wire(pk=f"k{n}", sk="0")}} for n in range(10)],
    )
    one, two = read(streams, arn, Limit=7), read(streams, arn)
    assert one == two
    assert len(one) == 110
    assert [record["eventName"] for record in one[100:]] == ["REMOVE"] * 10


def test_a_refused_transaction_tells_nothing(db: Any, streams: Any, streamed: Any, refused: Any) -> None:
    """A transaction that is cancelled leaves no record."""
    arn = streamed()
    condition = {"TableName": "table", "Key": wire(pk="b", sk="1"), "ConditionExpression": "attribute_exists(pk)"}
    put = {"TableName": "table", "Item": wire(pk="a", sk="1")}
    assert (
        refused(db.transact_write_items, TransactItems=[{"Put": put}, {"ConditionCheck": condition}])[0] == "TransactionCanceledException"
    )
    assert read(streams, arn) == []


def test_iterators(db: Any, streams: Any, streamed: Any, cloud: Any, refused: Any) -> None:
    """An iterator begins at the oldest record, after the newest, at or after a sequence number, or at an instant; it lasts 15 minutes."""
    arn = streamed()
    for n in range(4):
        db.put_item(TableName="table", Item=wire(pk="a", sk=str(n)))
        cloud.advance(10)
    latest = iterator(streams, arn, kind="LATEST")
    assert streams.get_records(ShardIterator=latest)["Records"] == []
    numbers = [record["dynamodb"]["SequenceNumber"] for record in read(streams, arn)]

    def sks(kind: str, **members: Any) -> list[str]:
        records = streams.get_records(ShardIterator=iterator(streams, arn, kind=kind, **members))["Records"]
        return [record["dynamodb"]["Keys"]["sk"]["S"] for record in records]

    assert sks("AT_SEQUENCE_NUMBER", SequenceNumber=numbers[2]) == ["2", "3"]
    assert sks("AFTER_SEQUENCE_NUMBER", SequenceNumber=numbers[2]) == ["3"]
    assert sks("AT_TIMESTAMP", Timestamp=cloud.now_ms // 1000 - 25) == ["2", "3"]
    shard = shards_of(streams, arn)[0]["ShardId"]
    wanted = {"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "AT_TIMESTAMP"}
    assert refused(streams.get_shard_iterator, **wanted, Timestamp=cloud.now_ms // 1000 + 60)[0] == "ValidationException"
    db.put_item(TableName="table", Item=wire(pk="a", sk="4"))
    answer = streams.get_records(ShardIterator=latest)
    assert [record["dynamodb"]["Keys"]["sk"]["S"] for record in answer["Records"]] == ["4"]
    cloud.advance(900)
    assert streams.get_records(ShardIterator=answer["NextShardIterator"])["Records"] == []
    cloud.advance(1)
    assert refused(streams.get_records, ShardIterator=answer["NextShardIterator"])[0] == "ExpiredIteratorException"
    assert refused(streams.get_records, ShardIterator="x")[0] == "ValidationException"


def test_records_go_after_a_day(db: Any, streams: Any, streamed: Any, cloud: Any, refused: Any) -> None:
    """A record can be read for 24 hours of the cloud's clock; then its sequence number is refused, and its rows are gone."""
    arn = streamed()
    db.put_item(TableName="table", Item=wire(pk="a", sk="1"))
    cloud.advance(3600)
    db.put_item(TableName="table", Item=wire(pk="a", sk="2"))
    first = read(streams, arn)[0]["dynamodb"]["SequenceNumber"]
    shard = shards_of(streams, arn)[0]["ShardId"]
    cloud.advance(DAY_S - 3601)
    assert len(read(streams, arn)) == 2
    cloud.advance(1)
    assert [record["dynamodb"]["Keys"]["sk"]["S"] for record in read(streams, arn)] == ["2"]
    wanted = {"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": first}
    assert refused(streams.get_shard_iterator, **wanted)[0] == "TrimmedDataAccessException"
    cloud.advance(DAY_S)
    assert read(streams, arn) == []
    assert cloud.house.on_loop(lambda: list(RECORDS.scan(cloud.inner.reader()))) == []


def test_a_deleted_table_s_stream_is_left(db: Any, streams: Any, streamed: Any, cloud: Any, refused: Any) -> None:
    """The stream of a deleted table can be read to its end for 24 hours; its shards are closed."""
    arn = streamed()
    db.put_item(TableName="table", Item=wire(pk="a", sk="1"))
    db.delete_table(TableName="table")
    cloud.settle()
    description = streams.describe_stream(StreamArn=arn)["StreamDescription"]
    assert description["StreamStatus"] == "DISABLED"
    assert "EndingSequenceNumber" in description["Shards"][0]["SequenceNumberRange"]
    answer = streams.get_records(ShardIterator=iterator(streams, arn))
    assert len(answer["Records"]) == 1
    assert "NextShardIterator" not in answer
    assert [one["StreamArn"] for one in streams.list_streams()["Streams"]] == [arn]
    cloud.advance(DAY_S)
    assert streams.list_streams()["Streams"] == []
    assert refused(streams.describe_stream, StreamArn=arn)[0] == "ResourceNotFoundException"


def test_switched_off_and_on(db: Any, streams: Any, streamed: Any, cloud: Any, refused: Any) -> None:
    """A stream that was switched off stays for 24 hours; a new one has another label. It cannot be switched on twice, or off twice."""
    old = streamed()
    assert refused(db.update_table, TableName="table", StreamSpecification=VIEW)[0] == "ValidationException"
    db.update_table(TableName="table", StreamSpecification={"StreamEnabled": False})
    cloud.settle()
    described = db.describe_table(TableName="table")["Table"]
    assert "StreamSpecification" not in described
    assert described["LatestStreamArn"] == old
    assert refused(db.update_table, TableName="table", StreamSpecification={"StreamEnabled": False})[0] == "ValidationException"
    db.put_item(TableName="table", Item=wire(pk="a", sk="1"))
    new = db.update_table(TableName="table", StreamSpecification=VIEW)["TableDescription"]["LatestStreamArn"]
    cloud.settle()
    db.put_item(TableName="table", Item=wire(pk="a", sk="2"))
    assert new != old
    assert read(streams, old) == []
    assert [record["dynamodb"]["Keys"]["sk"]["S"] for record in read(streams, new)] == ["2"]
    assert {one["StreamArn"] for one in streams.list_streams(TableName="table")["Streams"]} == {old, new}
    page = streams.list_streams(TableName="table", Limit=1)
    rest = streams.list_streams(TableName="table", ExclusiveStartStreamArn=page["LastEvaluatedStreamArn"])
    assert [one["StreamArn"] for one in page["Streams"] + rest["Streams"]] == [old, new]


def test_a_hot_shard_is_split(db: Any, streams: Any, streamed: Any) -> None:
    """A shard that gets more than its table's partition can write is split in two; every item's records stay in order over the split."""
    arn = streamed()
    body = "x" * 390_000
    for n in range(40):
        db.put_item(TableName="table", Item=wire(pk=f"k{n % 5}", sk="1", n=n, body=body))
    shards = shards_of(streams, arn)
    parents = [shard["ParentShardId"] for shard in shards if "ParentShardId" in shard]
    assert len(shards) == 3
    assert set(parents) == {shards[0]["ShardId"]}
    children = streams.describe_stream(StreamArn=arn, ShardFilter={"Type": "CHILD_SHARDS", "ShardId": shards[0]["ShardId"]})
    assert [shard["ShardId"] for shard in children["StreamDescription"]["Shards"]] == [shard["ShardId"] for shard in shards[1:]]
    one_page = streams.get_records(ShardIterator=iterator(streams, arn))["Records"]
    assert len(one_page) == 2, "a page has at most 1 MB"
    found = read(streams, arn)
    for key in range(5):
        versions = [int(r["dynamodb"]["NewImage"]["n"]["N"]) for r in found if r["dynamodb"]["Keys"]["pk"]["S"] == f"k{key}"]
        assert versions == list(range(key, 40, 5))


def test_a_shard_is_followed_by_another(db: Any, streams: Any, streamed: Any, cloud: Any) -> None:
    """A shard takes records for four hours; then its child does, and an iterator of the closed one comes to an end."""
    arn = streamed()
    db.put_item(TableName="table", Item=wire(pk="a", sk="1"))
    cloud.advance(4 * 3600)
    at = iterator(streams, arn, kind="LATEST")
    db.put_item(TableName="table", Item=wire(pk="a", sk="2"))
    assert "NextShardIterator" not in streams.get_records(ShardIterator=at)
    parent, child = shards_of(streams, arn)
    assert child["ParentShardId"] == parent["ShardId"]
    assert [record["dynamodb"]["Keys"]["sk"]["S"] for record in read(streams, arn)] == ["1", "2"]
    cloud.advance(DAY_S)
    assert [shard["ShardId"] for shard in shards_of(streams, arn)] == [child["ShardId"]]


def test_permissions(db: Any, cloud: Any, streamed: Any) -> None:
    """A policy that allows reading one stream lets its reader do that, and nothing with another stream."""
    arn, other = streamed("first"), streamed("second")
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    actions = '["dynamodb:GetRecords","dynamodb:GetShardIterator","dynamodb:DescribeStream"]'
    document = f'{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":{actions},"Resource":"{arn}"}}]}}'
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName="u")["AccessKey"]
    theirs = cloud.client("dynamodbstreams", key["AccessKeyId"], key["SecretAccessKey"])
    assert theirs.get_records(ShardIterator=iterator(theirs, arn))["Records"] == []
    foreign = iterator(cloud.client("dynamodbstreams"), other)
    for call in (
        lambda: theirs.describe_stream(StreamArn=other),
        lambda: theirs.get_records(ShardIterator=foreign),
        lambda: theirs.list_streams(),
    ):
        with pytest.raises(theirs.exceptions.ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == "AccessDeniedException"


WRITES = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3) | st.none()), max_size=25)


@settings(max_examples=20)
@given(writes=WRITES)
def test_a_stream_replayed_is_the_table(db: Any, streams: Any, streamed: Any, cloud: Any, writes: list[tuple[str, int | None]]) -> None:
    """Whoever carries out a stream's records, each on top of what it says was there, has the table."""
    streamed.count = getattr(streamed, "count", 0) + 1
    name = f"table{streamed.count}"
    arn = streamed(name)
    for key, value in writes:
        if value is None:
            db.delete_item(TableName=name, Key=wire(pk=key, sk="1"))
        else:
            db.put_item(TableName=name, Item=wire(pk=key, sk="1", n=value))
    replayed: dict[str, Any] = {}
    for record in read(streams, arn):
        event, keys, old, new = told(record)
        assert replayed.get(keys["pk"]) == old
        assert old != new
        assert event == ("INSERT" if old is None else "REMOVE" if new is None else "MODIFY")
        replayed[keys["pk"]] = new
    there = {item["pk"]["S"]: plain(item) for item in db.scan(TableName=name)["Items"]}
    assert {key: item for key, item in replayed.items() if item is not None} == there


def test_a_stream_s_own_policy(cloud: Any, db: Any, streams: Any, streamed: Any) -> None:
    """A stream's resource policy lets another account read it, though the table's does not speak of it; taken away, it does not."""
    arn = streamed()
    db.put_item(TableName="table", Item=wire(pk="a", sk="1"))
    theirs = cloud.client("dynamodbstreams", "111122223333")
    statement = {"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "dynamodb:*", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    with pytest.raises(theirs.exceptions.ClientError, match="AccessDenied"):
        theirs.describe_stream(StreamArn=arn)
    revision = db.put_resource_policy(ResourceArn=arn, Policy=policy)["RevisionId"]
    assert db.get_resource_policy(ResourceArn=arn)["RevisionId"] == revision
    assert len(read(theirs, arn)) == 1
    db.delete_resource_policy(ResourceArn=arn)
    with pytest.raises(theirs.exceptions.ClientError, match="AccessDenied"):
        theirs.describe_stream(StreamArn=arn)


def test_an_encrypted_table_s_stream(cloud: Any, db: Any, streams: Any, streamed: Any) -> None:
    """The stream of a table under DynamoDB's KMS key is sealed in the log and read as any other; also after the key was given up."""
    arn = streamed(SSESpecification={"Enabled": True})
    db.put_item(TableName="table", Item=wire(pk="a", sk="1", secret="hidden"))
    rows = cloud.house.on_loop(lambda: list(RECORDS.scan(cloud.inner.reader())))
    assert b"hidden" not in rows[0].new
    cloud.advance(301)  # that long an opened key is kept
    assert told(read(streams, arn)[0])[3]["secret"] == "hidden"
    db.update_table(TableName="table", SSESpecification={"Enabled": False})
    cloud.settle()
    db.put_item(TableName="table", Item=wire(pk="a", sk="1", secret="plain"))
    assert [told(record)[3]["secret"] for record in read(streams, arn)] == ["hidden", "plain"]
    db.delete_table(TableName="table")
    cloud.settle()
    assert [told(record)[3]["secret"] for record in read(streams, arn)] == ["hidden", "plain"]
