"""Time to live: items that go by the cloud's clock."""

from __future__ import annotations

from typing import Any

import pytest

from fogbank.services.dynamodb.timeline import EXPIRIES, SWEEPS

from .conftest import wire

HOUR_S = 3600


def switch(db: Any, on: bool = True, attribute: str = "at", name: str = "table") -> None:
    db.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": on, "AttributeName": attribute})


def status(db: Any) -> dict[str, Any]:
    answer: dict[str, Any] = db.describe_time_to_live(TableName="table")["TimeToLiveDescription"]
    return answer


def there(db: Any) -> list[str]:
    return sorted(item["sk"]["S"] for item in db.scan(TableName="table")["Items"])


def kept(cloud: Any) -> tuple[int, int]:
    """Rows that wait for an instant."""
    return cloud.house.on_loop(lambda: (len(list(EXPIRIES.scan(cloud.inner.reader()))), len(list(SWEEPS.scan(cloud.inner.reader())))))


def test_items_expire(cloud: Any, db: Any, table: str) -> None:
    """An item is there until its second is over, and gone within a minute of that, from indexes and counts too."""
    switch(db)
    cloud.settle()
    assert status(db) == {"TimeToLiveStatus": "ENABLED", "AttributeName": "at"}
    now_s = cloud.now_ms // 1000
    for sk, at_s in (("a", now_s + 100), ("b", now_s + 5000), ("c", now_s - 10)):
        db.put_item(TableName=table, Item=wire(pk="x", sk=sk, at=at_s))
    db.put_item(TableName=table, Item=wire(pk="x", sk="d"))
    cloud.advance(60)
    assert there(db) == ["a", "b", "d"]
    cloud.advance(39)
    assert there(db) == ["a", "b", "d"]
    cloud.advance(62)
    assert there(db) == ["b", "d"]
    cloud.advance(10 * 365 * 86_400)
    assert there(db) == ["d"]
    assert kept(cloud) == (0, 0)


def test_what_does_not_expire(cloud: Any, db: Any, table: str) -> None:
    """Text, an instant in milliseconds, and an instant more than five years ago expire nothing; a fraction of a second does."""
    switch(db)
    cloud.settle()
    now_s = cloud.now_ms // 1000
    values: dict[str, Any] = {
        "ancient": {"N": str(now_s - 5 * 365 * 86_400 - 1)},
        "fraction": {"N": f"{now_s + 10}.5"},
        "huge": {"N": "1E+100"},
        "ms": {"N": str(cloud.now_ms + 1000)},
        "negative": {"N": "-5"},
        "set": {"NS": [str(now_s)]},
        "text": {"S": str(now_s)},
    }
    for sk, value in values.items():
        db.put_item(TableName=table, Item={**wire(pk="x", sk=sk), "at": value})
    cloud.advance(HOUR_S)
    assert there(db) == ["ancient", "huge", "ms", "negative", "set", "text"]


def test_a_changed_expiry(cloud: Any, db: Any, table: str) -> None:
    """An item whose expiry is put off, taken away or brought forward goes by its last one."""
    switch(db)
    cloud.settle()
    now_s = cloud.now_ms // 1000
    for sk in ("off", "away", "forward"):
        db.put_item(TableName=table, Item=wire(pk="x", sk=sk, at=now_s + 600))
    for sk, at_s in (("off", now_s + 7200), ("forward", now_s + 60)):
        db.put_item(TableName=table, Item=wire(pk="x", sk=sk, at=at_s))
    db.update_item(TableName=table, Key=wire(pk="x", sk="away"), UpdateExpression="REMOVE #a", ExpressionAttributeNames={"#a": "at"})
    cloud.advance(121)
    assert there(db) == ["away", "off"]
    cloud.advance(7200)
    assert there(db) == ["away"]
    db.put_item(TableName=table, Item=wire(pk="x", sk="gone", at=now_s + 99_999))
    db.delete_item(TableName=table, Key=wire(pk="x", sk="gone"))
    assert kept(cloud)[0] == 0


def test_switched_on_later_and_off_again(cloud: Any, db: Any, table: str, refused: Any) -> None:
    """Switched on, it finds the items that were there before; switched off, nothing expires. One change an hour is taken."""
    now_s = cloud.now_ms // 1000
    for n in range(3):
        puts = [{"PutRequest": {"Item": wire(pk=f"x{n}", sk=f"{n}-{m:02}", at=now_s + 7200)}} for m in range(25)]
        db.batch_write_item(RequestItems={table: puts})
    assert status(db) == {"TimeToLiveStatus": "DISABLED"}
    wanted = {"TableName": table, "TimeToLiveSpecification": {"Enabled": False, "AttributeName": "at"}}
    assert refused(db.update_time_to_live, **wanted) == ("ValidationException", "TimeToLive is already disabled")
    switch(db)
    cloud.settle()
    assert refused(db.update_time_to_live, **wanted)[0] == "ValidationException"
    cloud.advance(HOUR_S)
    on = {"TableName": table, "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "at"}}
    assert refused(db.update_time_to_live, **on) == ("ValidationException", "TimeToLive is already enabled")
    other = {"TableName": table, "TimeToLiveSpecification": {"Enabled": False, "AttributeName": "other"}}
    assert refused(db.update_time_to_live, **other)[0] == "ValidationException"
    db.put_item(TableName=table, Item=wire(pk="y", sk="soon", at=now_s + HOUR_S + 60))
    switch(db, on=False)
    cloud.settle()
    assert status(db) == {"TimeToLiveStatus": "DISABLED"}
    cloud.advance(HOUR_S)
    assert len(there(db)) == 76
    assert kept(cloud) == (0, 0)
    switch(db)
    cloud.settle()
    cloud.advance(60)
    assert there(db) == []


def test_the_stream_tells_who_did_it(cloud: Any, db: Any, make: Any) -> None:
    """An expired item's record names DynamoDB as who deleted it; a deletion by a call does not. No write capacity is consumed."""
    stream = {"StreamEnabled": True, "StreamViewType": "OLD_IMAGE"}
    make("table", "pk", "sk", StreamSpecification=stream, ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1})
    switch(db)
    cloud.settle()
    for sk in ("expired", "deleted"):
        db.put_item(TableName="table", Item=wire(pk="x", sk=sk, at=cloud.now_ms // 1000 + 60))
    db.delete_item(TableName="table", Key=wire(pk="x", sk="deleted"))
    cloud.advance(180)
    streams = cloud.client("dynamodbstreams")
    arn = streams.list_streams()["Streams"][0]["StreamArn"]
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    at = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    removed = [record for record in streams.get_records(ShardIterator=at)["Records"] if record["eventName"] == "REMOVE"]
    assert [(r["dynamodb"]["Keys"]["sk"]["S"], r.get("userIdentity")) for r in removed] == [
        ("deleted", None),
        ("expired", {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}),
    ]
    assert removed[1]["dynamodb"]["OldImage"]["sk"] == {"S": "expired"}


def test_many_expire_at_once(cloud: Any, db: Any, make: Any) -> None:
    """Hundreds of items that expire in the same second all go, and leave their index."""
    from .conftest import index

    make("table", "pk", "sk", GlobalSecondaryIndexes=[index("by_sk", "sk")])
    switch(db)
    cloud.settle()
    for n in range(20):
        puts = [{"PutRequest": {"Item": wire(pk=f"x{n}", sk=str(m), at=cloud.now_ms // 1000 + 5)}} for m in range(25)]
        db.batch_write_item(RequestItems={"table": puts})
    cloud.advance(120)
    assert there(db) == []
    assert db.scan(TableName="table", IndexName="by_sk")["Count"] == 0
    assert not cloud.problems()


def test_a_deleted_table_leaves_nothing(cloud: Any, db: Any, table: str, refused: Any) -> None:
    """A deleted table's expiries are forgotten; a table of the same name has none."""
    switch(db)
    cloud.settle()
    db.put_item(TableName=table, Item=wire(pk="x", sk="1", at=cloud.now_ms // 1000 + 60))
    db.delete_table(TableName=table)
    cloud.settle()
    assert kept(cloud) == (0, 0)
    assert refused(db.describe_time_to_live, TableName=table)[0] == "ResourceNotFoundException"


@pytest.mark.parametrize("after_s", [0, 30, 59])
def test_a_sweep_comes_earlier(cloud: Any, db: Any, table: str, after_s: int) -> None:
    """An item that expires before the one that was waited for is not late."""
    switch(db)
    cloud.settle()
    db.put_item(TableName=table, Item=wire(pk="x", sk="late", at=cloud.now_ms // 1000 + 99_999))
    cloud.advance(after_s)
    db.put_item(TableName=table, Item=wire(pk="x", sk="early", at=cloud.now_ms // 1000 + 5))
    cloud.advance(66)
    assert there(db) == ["late"]


def test_a_disabled_key_delays(cloud: Any, db: Any, make: Any) -> None:
    """Items of a table whose KMS key is disabled, however long, go within an hour of the key being back."""
    kms = cloud.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    make("table", "pk", "sk", SSESpecification={"Enabled": True, "KMSMasterKeyId": key})
    switch(db)
    cloud.settle()
    db.put_item(TableName="table", Item=wire(pk="x", sk="a", at=cloud.now_ms // 1000 + 600))
    kms.disable_key(KeyId=key)
    for _ in range(10):
        cloud.advance(86_400)
    kms.enable_key(KeyId=key)
    assert there(db) == ["a"]
    cloud.advance(HOUR_S + 60)
    assert there(db) == []
