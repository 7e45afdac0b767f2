"""Tables: made, described, changed, deleted."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Made, Refused, index, key_schema, wire


def described(db: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = db.describe_table(TableName=name)["Table"]
    return found


def test_a_table_is_made_and_described(cloud: Any, db: Any) -> None:
    """A new table is CREATING in the answer and ACTIVE a moment later, with what it was given."""
    answer = db.create_table(
        TableName="music",
        AttributeDefinitions=[{"AttributeName": "artist", "AttributeType": "S"}, {"AttributeName": "year", "AttributeType": "N"}],
        KeySchema=key_schema("artist", "year"),
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
        TableClass="STANDARD_INFREQUENT_ACCESS",
        DeletionProtectionEnabled=True,
        Tags=[{"Key": "team", "Value": "a"}],
    )["TableDescription"]
    assert answer["TableStatus"] == "CREATING"
    db.get_waiter("table_exists").wait(TableName="music")
    found = described(db, "music")
    assert found["TableStatus"] == "ACTIVE"
    assert found["TableArn"] == "arn:aws:dynamodb:us-east-1:000000000000:table/music"
    assert found["KeySchema"] == key_schema("artist", "year")
    assert found["ProvisionedThroughput"] == {"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 5, "WriteCapacityUnits": 6}
    assert found["TableClassSummary"] == {"TableClass": "STANDARD_INFREQUENT_ACCESS"}
    assert found["DeletionProtectionEnabled"] is True
    assert "BillingModeSummary" not in found
    assert "SSEDescription" not in found
    assert db.list_tags_of_resource(ResourceArn=found["TableArn"])["Tags"] == [{"Key": "team", "Value": "a"}]


def test_a_table_by_its_arn(db: Any, table: str) -> None:
    """TableName can be the table's ARN."""
    arn = described(db, table)["TableArn"]
    db.put_item(TableName=arn, Item=wire(pk="a", sk="b"))
    assert db.get_item(TableName=arn, Key=wire(pk="a", sk="b"))["Item"] == wire(pk="a", sk="b")
    assert described(db, arn)["TableName"] == table


def test_names_are_taken_once(db: Any, table: str, refused: Refused) -> None:
    """A second table with the name is a ResourceInUseException."""
    members = {"AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}], "KeySchema": key_schema("pk")}
    found = refused(db.create_table, TableName=table, BillingMode="PAY_PER_REQUEST", **members)
    assert found == ("ResourceInUseException", "Table already exists: table")


def test_tables_are_listed_in_order(db: Any, make: Made) -> None:
    """ListTables goes by name, in pages."""
    for name in ("beta", "alpha", "gamma"):
        make(name)
    first = db.list_tables(Limit=2)
    assert first["TableNames"] == ["alpha", "beta"]
    rest = db.list_tables(ExclusiveStartTableName=first["LastEvaluatedTableName"])
    assert rest["TableNames"] == ["gamma"]
    assert "LastEvaluatedTableName" not in rest


def test_a_deleted_table_is_gone(cloud: Any, db: Any, table: str, refused: Refused) -> None:
    """Deleting says DELETING; then the table is unknown, and a new one of the name is empty."""
    db.put_item(TableName=table, Item=wire(pk="a", sk="b"))
    assert db.delete_table(TableName=table)["TableDescription"]["TableStatus"] == "DELETING"
    db.get_waiter("table_not_exists").wait(TableName=table)
    assert refused(db.describe_table, TableName=table) == (
        "ResourceNotFoundException",
        "Requested resource not found: Table: table not found",
    )
    assert refused(db.get_item, TableName=table, Key=wire(pk="a", sk="b")) == ("ResourceNotFoundException", "Requested resource not found")
    db.create_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=key_schema("pk"),
        BillingMode="PAY_PER_REQUEST",
    )
    cloud.settle()
    assert db.scan(TableName=table)["Count"] == 0


def test_a_large_table_is_cleared_up(cloud: Any, db: Any, make: Made) -> None:
    """All rows of a deleted table go, in portions, with those of its indexes and collections."""
    make("big", "pk", "sk", LocalSecondaryIndexes=[index("local", "pk", "other")])
    for start in range(0, 600, 25):
        puts = [{"PutRequest": {"Item": wire(pk=f"p{i % 7}", sk=f"{i}", other="x")}} for i in range(start, start + 25)]
        db.batch_write_item(RequestItems={"big": puts})
    db.delete_table(TableName="big")
    cloud.settle()
    assert left_over(cloud) == 0


def left_over(cloud: Any) -> int:
    """Rows that no table has."""
    from fogbank.services.dynamodb.state import COLLECTIONS, ENTRIES, ITEMS

    return int(cloud.house.on_loop(lambda: sum(sum(1 for _ in kept.scan(cloud.inner.reader())) for kept in (ITEMS, ENTRIES, COLLECTIONS))))


def test_deletion_protection(db: Any, table: str, refused: Refused) -> None:
    """A protected table is not deleted until the protection is off."""
    db.update_table(TableName=table, DeletionProtectionEnabled=True)
    code, message = refused(db.delete_table, TableName=table)
    assert code == "ValidationException"
    assert "protected against deletion" in message
    db.update_table(TableName=table, DeletionProtectionEnabled=False)
    db.delete_table(TableName=table)


def test_capacity_is_changed(cloud: Any, db: Any, make: Made, refused: Refused) -> None:
    """Capacity goes up at once and down four times a day, then once an hour; a change to the same is refused."""
    make("busy", ProvisionedThroughput={"ReadCapacityUnits": 50, "WriteCapacityUnits": 50})

    def units(read: int) -> dict[str, Any]:
        return {"TableName": "busy", "ProvisionedThroughput": {"ReadCapacityUnits": read, "WriteCapacityUnits": 50}}

    assert "will not change" in refused(db.update_table, **units(50))[1]
    assert db.update_table(**units(60))["TableDescription"]["TableStatus"] == "UPDATING"
    for read in (40, 30, 20, 10):
        db.update_table(**units(read))
    assert described(db, "busy")["ProvisionedThroughput"]["NumberOfDecreasesToday"] == 4
    assert refused(db.update_table, **units(5))[0] == "LimitExceededException"
    cloud.advance(3601)
    db.update_table(**units(5))


def test_billing_mode_is_switched(db: Any, make: Made, refused: Refused) -> None:
    """A table goes on demand and back; back, every global index needs its capacity."""
    make("orders", GlobalSecondaryIndexes=[index("by_date", "date")])
    given = {"BillingMode": "PROVISIONED", "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 2}}
    assert "must be specified for index: by_date" in refused(db.update_table, TableName="orders", **given)[1]
    update = {"Update": {"IndexName": "by_date", "ProvisionedThroughput": {"ReadCapacityUnits": 3, "WriteCapacityUnits": 4}}}
    db.update_table(TableName="orders", GlobalSecondaryIndexUpdates=[update], **given)
    found = described(db, "orders")
    assert found["BillingModeSummary"]["BillingMode"] == "PROVISIONED"
    assert found["ProvisionedThroughput"]["WriteCapacityUnits"] == 2
    assert found["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["ReadCapacityUnits"] == 3
    db.update_table(TableName="orders", BillingMode="PAY_PER_REQUEST")
    assert described(db, "orders")["ProvisionedThroughput"]["ReadCapacityUnits"] == 0


PK = [{"AttributeName": "pk", "AttributeType": "S"}]
ON_DEMAND = {"BillingMode": "PAY_PER_REQUEST"}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            {"AttributeDefinitions": PK, "KeySchema": key_schema("pk", "sk"), **ON_DEMAND},
            "Some index key attributes are not defined in AttributeDefinitions. Keys: [sk], AttributeDefinitions: [pk]",
        ),
        (
            {"AttributeDefinitions": [*PK, {"AttributeName": "x", "AttributeType": "S"}], "KeySchema": key_schema("pk"), **ON_DEMAND},
            "Some AttributeDefinitions are not used. AttributeDefinitions: [pk, x], keys used: [pk]",
        ),
        (
            {"AttributeDefinitions": PK, "KeySchema": key_schema("pk")},
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        ),
        (
            {"AttributeDefinitions": PK, "KeySchema": key_schema("pk"), "LocalSecondaryIndexes": [index("one", "pk", "pk2")], **ON_DEMAND},
            "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
        ),
        (
            {
                "AttributeDefinitions": PK,
                "KeySchema": key_schema("pk"),
                "GlobalSecondaryIndexes": [index("one", "pk", projection="INCLUDE")],
                **ON_DEMAND,
            },
            "ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
        ),
        (
            {
                "AttributeDefinitions": PK,
                "KeySchema": key_schema("pk"),
                "GlobalSecondaryIndexes": [index("one", "pk"), index("one", "pk")],
                **ON_DEMAND,
            },
            "Duplicate index name: one",
        ),
    ],
)
def test_definitions_are_checked(db: Any, refused: Refused, members: dict[str, Any], message: str) -> None:
    """What does not go together is refused in AWS's words."""
    assert refused(db.create_table, TableName="table", **members) == (
        "ValidationException",
        f"One or more parameter values were invalid: {message}",
    )


def test_what_is_not_there_is_refused_by_name(db: Any, refused: Refused) -> None:
    """A setting that nothing would act on is not taken."""
    members = {"TableName": "table", "AttributeDefinitions": PK, "KeySchema": key_schema("pk"), **ON_DEMAND}
    code, message = refused(db.create_table, **members, WarmThroughput={"ReadUnitsPerSecond": 20_000})
    assert (code, message) == ("NotImplemented", "Fogbank does not implement dynamodb:CreateTable with WarmThroughput.")


def test_tags(db: Any, table: str, refused: Refused) -> None:
    """Tags are added, given new values, and taken away by key."""
    arn = described(db, table)["TableArn"]
    db.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    db.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "3"}])
    db.untag_resource(ResourceArn=arn, TagKeys=["b", "c"])
    assert db.list_tags_of_resource(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "3"}]
    many = [{"Key": f"k{i}", "Value": ""} for i in range(50)]
    assert refused(db.tag_resource, ResourceArn=arn, Tags=many)[0] == "ValidationException"


def test_counts_of_a_small_table_are_exact(db: Any, make: Made) -> None:
    """ItemCount and the sizes follow at once, of the table and of its indexes."""
    make("small", GlobalSecondaryIndexes=[index("keys", "g", projection="KEYS_ONLY")])
    db.put_item(TableName="small", Item=wire(pk="a", g="b", text="x" * 100))
    db.put_item(TableName="small", Item=wire(pk="b", text="x" * 100))
    found = described(db, "small")
    assert (found["ItemCount"], found["TableSizeBytes"]) == (2, 3 + 2 + 104 + 3 + 104)
    assert found["GlobalSecondaryIndexes"][0]["ItemCount"] == 1
    assert found["GlobalSecondaryIndexes"][0]["IndexSizeBytes"] == 3 + 2 + 100


def test_counts_of_a_large_table_come_later(cloud: Any, db: Any, make: Made) -> None:
    """A large table is counted behind the scenes when it is described, and again after six hours."""
    make("large")

    def fill(start: int, count: int) -> None:
        for i in range(start, start + count, 25):
            db.batch_write_item(RequestItems={"large": [{"PutRequest": {"Item": wire(pk=f"{k:05d}")}} for k in range(i, i + 25)]})

    fill(0, 300)
    assert described(db, "large")["ItemCount"] == 0
    cloud.settle()
    assert described(db, "large")["ItemCount"] == 300
    fill(300, 25)
    assert described(db, "large")["ItemCount"] == 300
    cloud.advance(6 * 3600)
    described(db, "large")
    cloud.settle()
    found = described(db, "large")
    assert (found["ItemCount"], found["TableSizeBytes"]) == (325, 325 * 7)


def test_limits_and_endpoints(cloud: Any, db: Any) -> None:
    """The account's quotas, and an endpoint that is this cloud."""
    assert db.describe_limits()["TableMaxReadCapacityUnits"] == 40_000
    assert db.describe_endpoints()["Endpoints"][0]["Address"] == cloud.endpoint.removeprefix("http://").replace("localhost", "localhost")


def test_what_an_index_cannot_take_stays_out(cloud: Any, db: Any, make: Made) -> None:
    """An index that is added has no items whose attribute is of another type, empty or too long for a key."""
    make("table")
    for number, value in enumerate(["", "x", "y" * 2049, 5]):
        db.put_item(TableName="table", Item=wire(pk=f"{number}", g=value))
    db.update_table(
        TableName="table",
        AttributeDefinitions=[{"AttributeName": "g", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[{"Create": index("by_g", "g")}],
    )
    cloud.settle()
    assert db.scan(TableName="table", IndexName="by_g")["Items"] == [wire(pk="1", g="x")]
    for number in range(4):
        db.delete_item(TableName="table", Key=wire(pk=f"{number}"))
    assert db.scan(TableName="table", IndexName="by_g")["Items"] == []
