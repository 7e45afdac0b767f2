"""Global tables: the same table in several regions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import index, plain, wire

REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-2")


@pytest.fixture
def regions(cloud: Any) -> dict[str, Any]:
    return {region: cloud.client("dynamodb", region=region) for region in REGIONS}


def create(cloud: Any, db: Any, *names: str, table: str = "table", **members: Any) -> None:
    db.update_table(TableName=table, ReplicaUpdates=[{"Create": {"RegionName": name, **members}} for name in names])
    cloud.settle()


def items(db: Any, name: str = "table") -> list[dict[str, Any]]:
    return sorted((plain(item) for item in db.scan(TableName=name)["Items"]), key=lambda item: (item["pk"], item["sk"]))


def records(cloud: Any, region: str, arn: str) -> list[dict[str, Any]]:
    streams = cloud.client("dynamodbstreams", region=region)
    found = []
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        at = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        found += streams.get_records(ShardIterator=at)["Records"]
    return found


def test_a_replica_is_filled_and_fed(cloud: Any, db: Any, table: str, regions: dict[str, Any]) -> None:
    """A new replica gets what is there, and then what is written anywhere, deletes too; each can be written."""
    for n in range(30):
        puts = [{"PutRequest": {"Item": wire(pk=f"p{n}", sk=str(m), n=1)}} for m in range(20)]
        db.batch_write_item(RequestItems={table: puts})
    told = db.update_table(TableName=table, ReplicaUpdates=[{"Create": {"RegionName": "eu-west-1"}}])["TableDescription"]
    assert told["Replicas"] == [{"RegionName": "eu-west-1", "ReplicaStatus": "CREATING"}]
    db.put_item(TableName=table, Item=wire(pk="p0", sk="0", n=2))
    db.delete_item(TableName=table, Key=wire(pk="p0", sk="1"))
    cloud.advance(1)
    there = regions["eu-west-1"]
    described = there.describe_table(TableName=table)["Table"]
    assert described["TableStatus"] == "ACTIVE"
    assert described["GlobalTableVersion"] == "2019.11.21"
    assert described["Replicas"] == [{"RegionName": "us-east-1", "ReplicaStatus": "ACTIVE"}]
    assert described["TableArn"].startswith("arn:aws:dynamodb:eu-west-1:")
    assert items(there) == items(db)
    assert len(items(db)) == 599
    there.put_item(TableName=table, Item=wire(pk="new", sk="1"))
    assert {"pk": "new", "sk": "1"} not in items(db), "replication is asynchronous"
    cloud.advance(1)
    assert {"pk": "new", "sk": "1"} in items(db)
    db.delete_item(TableName=table, Key=wire(pk="new", sk="1"))
    cloud.advance(1)
    assert items(there) == items(db)
    assert len(items(db)) == 599
    assert not cloud.problems()


def test_the_last_writer_wins(cloud: Any, db: Any, table: str, regions: dict[str, Any]) -> None:
    """Of writes to the same item in several regions the last one stays, everywhere; a deletion is a write."""
    create(cloud, db, "eu-west-1", "ap-southeast-2")
    clients = [regions[name] for name in REGIONS]
    for n, client in enumerate(clients):
        client.put_item(TableName=table, Item=wire(pk="a", sk="1", n=n))
        client.put_item(TableName=table, Item=wire(pk="gone", sk="1", n=n))
        client.put_item(TableName=table, Item=wire(pk=f"own{n}", sk="1"))
    clients[1].put_item(TableName=table, Item=wire(pk="a", sk="1", n=10))
    clients[0].delete_item(TableName=table, Key=wire(pk="gone", sk="1"))
    assert [len(items(client)) for client in clients] == [2, 3, 3]
    cloud.advance(1)
    assert len({str(items(client)) for client in clients}) == 1
    assert [item["pk"] for item in items(db)] == ["a", "own0", "own1", "own2"]
    assert items(db)[0]["n"] == 10


def test_streams_of_both_sides(cloud: Any, db: Any, table: str, regions: dict[str, Any]) -> None:
    """A change is told once in each replica's stream, which cannot be switched off."""
    create(cloud, db, "eu-west-1")
    there = regions["eu-west-1"]
    db.put_item(TableName=table, Item=wire(pk="a", sk="1", n=1))
    cloud.advance(1)
    there.put_item(TableName=table, Item=wire(pk="a", sk="1", n=2))
    cloud.advance(1)
    for client, region in ((db, "us-east-1"), (there, "eu-west-1")):
        described = client.describe_table(TableName=table)["Table"]
        assert described["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
        found = records(cloud, region, described["LatestStreamArn"])
        assert [(r["eventName"], r["awsRegion"], r["dynamodb"]["NewImage"]["n"]["N"]) for r in found] == [
            ("INSERT", region, "1"),
            ("MODIFY", region, "2"),
        ]
        with pytest.raises(client.exceptions.ClientError, match="Streams cannot be disabled"):
            client.update_table(TableName=table, StreamSpecification={"StreamEnabled": False})


def test_time_to_live_is_shared(cloud: Any, db: Any, table: str, regions: dict[str, Any]) -> None:
    """Time to live is switched for all replicas; an item expires in all of them."""
    create(cloud, db, "eu-west-1")
    there = regions["eu-west-1"]
    assert there.describe_table(TableName=table)["Table"]["MultiRegionConsistency"] == "EVENTUAL"
    there.update_time_to_live(TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "at"})
    cloud.advance(1)
    assert db.describe_time_to_live(TableName=table)["TimeToLiveDescription"]["TimeToLiveStatus"] == "ENABLED"
    db.put_item(TableName=table, Item=wire(pk="a", sk="1", at=cloud.now_ms // 1000 + 60))
    cloud.advance(1)
    assert len(items(there)) == 1
    cloud.advance(180)
    assert items(there) == items(db) == []
    create(cloud, db, "ap-southeast-2")
    db.put_item(TableName=table, Item=wire(pk="a", sk="2", at=cloud.now_ms // 1000 + 60))
    cloud.advance(1)
    newest = regions["ap-southeast-2"]
    assert newest.describe_time_to_live(TableName=table)["TimeToLiveDescription"]["TimeToLiveStatus"] == "ENABLED"
    assert len(items(newest)) == 1
    cloud.advance(180)
    assert items(newest) == []


def test_settings_are_shared(cloud: Any, db: Any, make: Any, regions: dict[str, Any]) -> None:
    """Indexes and capacity are changed in all replicas; class and capacity for reading are each replica's own."""
    units = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
    table = make("table", "pk", "sk", ProvisionedThroughput=units)
    create(cloud, db, "eu-west-1", ProvisionedThroughputOverride={"ReadCapacityUnits": 7}, TableClassOverride="STANDARD_INFREQUENT_ACCESS")
    there = regions["eu-west-1"]
    described = there.describe_table(TableName=table)["Table"]
    assert described["ProvisionedThroughput"]["ReadCapacityUnits"] == 7
    assert described["TableClassSummary"]["TableClass"] == "STANDARD_INFREQUENT_ACCESS"
    [replica] = db.describe_table(TableName=table)["Table"]["Replicas"]
    assert replica["ProvisionedThroughputOverride"] == {"ReadCapacityUnits": 7}
    db.put_item(TableName=table, Item=wire(pk="a", sk="1"))
    db.update_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "sk", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[{"Create": {**index("by_sk", "sk"), "ProvisionedThroughput": units}}],
    )
    cloud.advance(1)
    assert there.scan(TableName=table, IndexName="by_sk")["Count"] == 1
    db.update_table(TableName=table, ProvisionedThroughput={"ReadCapacityUnits": 6, "WriteCapacityUnits": 8})
    cloud.advance(1)
    units_there = there.describe_table(TableName=table)["Table"]["ProvisionedThroughput"]
    assert (units_there["ReadCapacityUnits"], units_there["WriteCapacityUnits"]) == (7, 8)
    there.update_table(TableName=table, BillingMode="PAY_PER_REQUEST")
    cloud.advance(1)
    assert db.describe_table(TableName=table)["Table"]["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    db.update_table(TableName=table, ReplicaUpdates=[{"Update": {"RegionName": "eu-west-1", "TableClassOverride": "STANDARD"}}])
    cloud.advance(1)
    assert there.describe_table(TableName=table)["Table"]["TableClassSummary"]["TableClass"] == "STANDARD"


def test_a_replica_goes(cloud: Any, db: Any, table: str, regions: dict[str, Any], refused: Any) -> None:
    """A replica is deleted through another, or by itself; the last table left is an ordinary one."""
    create(cloud, db, "eu-west-1", "ap-southeast-2")
    db.put_item(TableName=table, Item=wire(pk="a", sk="1"))
    db.update_table(TableName=table, ReplicaUpdates=[{"Delete": {"RegionName": "eu-west-1"}}])
    cloud.advance(1)
    assert refused(regions["eu-west-1"].describe_table, TableName=table)[0] == "ResourceNotFoundException"
    assert [one["RegionName"] for one in db.describe_table(TableName=table)["Table"]["Replicas"]] == ["ap-southeast-2"]
    db.delete_table(TableName=table)
    cloud.advance(1)
    last = regions["ap-southeast-2"]
    assert items(last) == [{"pk": "a", "sk": "1"}]
    assert "Replicas" not in last.describe_table(TableName=table)["Table"]
    last.put_item(TableName=table, Item=wire(pk="b", sk="1"))
    last.update_table(TableName=table, StreamSpecification={"StreamEnabled": False})
    cloud.advance(1)
    assert len(items(last)) == 2


def test_refused(cloud: Any, db: Any, make: Any, table: str, regions: dict[str, Any], refused: Any) -> None:
    """No replica in the table's own region, where a table of the name is, of one whose stream shows too little, or strongly consistent."""
    regions["eu-west-1"].create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for update in (
        {"Create": {"RegionName": "us-east-1"}},
        {"Create": {"RegionName": "eu-west-1"}},
        {"Create": {"RegionName": "nowhere"}},
        {"Delete": {"RegionName": "ap-southeast-2"}},
    ):
        assert refused(db.update_table, TableName=table, ReplicaUpdates=[update])[0] == "ValidationException"
    make("keys", "pk", "sk", StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    wanted = [{"Create": {"RegionName": "ap-southeast-2"}}]
    assert refused(db.update_table, TableName="keys", ReplicaUpdates=wanted)[0] == "ValidationException"
    assert refused(db.update_table, TableName=table, ReplicaUpdates=wanted, MultiRegionConsistency="STRONG")[0] == "NotImplemented"
    assert refused(db.update_table, TableName=table, MultiRegionConsistency="STRONG")[0] == "ValidationException"
    assert db.list_global_tables()["GlobalTables"] == []
    assert refused(db.describe_global_table, GlobalTableName=table)[0] == "GlobalTableNotFoundException"
    group = [{"RegionName": "eu-west-1"}]
    assert refused(db.create_global_table, GlobalTableName=table, ReplicationGroup=group)[0] == "NotImplemented"


WRITES = st.lists(
    st.tuples(st.sampled_from(REGIONS), st.sampled_from("ab"), st.integers(0, 2) | st.none(), st.booleans()), min_size=1, max_size=20
)


@settings(max_examples=15)
@given(writes=WRITES)
def test_replicas_agree(cloud: Any, db: Any, make: Any, regions: dict[str, Any], writes: list[tuple[str, str, int | None, bool]]) -> None:
    """Whatever is written where, and however far replication has come in between, all replicas end with each item's last write.

    To delete what has not arrived yet is no write.
    """
    make.count = getattr(make, "count", 0) + 1
    table = make(f"table{make.count}", "pk", "sk")
    create(cloud, db, *REGIONS[1:], table=table)
    last: dict[str, int] = {}
    for region, key, value, settle in writes:
        if value is None:
            deleted = regions[region].delete_item(TableName=table, Key=wire(pk=key, sk="1"), ReturnValues="ALL_OLD")
            if "Attributes" in deleted:
                last.pop(key, None)
        else:
            regions[region].put_item(TableName=table, Item=wire(pk=key, sk="1", n=value))
            last[key] = value
        if settle:
            cloud.advance(1)
    cloud.advance(1)
    for client in regions.values():
        assert {item["pk"]: item["n"] for item in items(client, table)} == last
    assert not cloud.problems()
