"""Capacity units: what requests say they consumed, and when there are none left."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Made, Refused, index, wire


@pytest.fixture
def orders(db: Any, make: Made) -> str:
    """A table with one global and one local index; KEYS_ONLY both."""
    return make(
        "orders",
        "pk",
        "sk",
        GlobalSecondaryIndexes=[index("global", "g", projection="KEYS_ONLY")],
        LocalSecondaryIndexes=[index("local", "pk", "l", projection="KEYS_ONLY")],
    )


def of(answer: dict[str, Any]) -> Any:
    """(total, table, global indexes, local indexes)."""
    told = answer["ConsumedCapacity"]
    return (
        told["CapacityUnits"],
        told["Table"]["CapacityUnits"],
        {k: v["CapacityUnits"] for k, v in told.get("GlobalSecondaryIndexes", {}).items()},
        {k: v["CapacityUnits"] for k, v in told.get("LocalSecondaryIndexes", {}).items()},
    )


def test_writes(db: Any, orders: str) -> None:
    """A write costs one unit for each KB of the larger of before and after, and an index what changes in it."""

    def put(size: int, **attributes: Any) -> Any:
        item = wire(pk="a", sk="b", text="x" * size, **attributes)
        return of(db.put_item(TableName=orders, Item=item, ReturnConsumedCapacity="INDEXES"))

    assert put(100) == (1.0, 1.0, {}, {})
    assert put(1500, g="1") == (3.0, 2.0, {"global": 1.0}, {})
    assert put(100, g="1") == (2.0, 2.0, {}, {})
    assert put(3000, g="2", l="1") == (6.0, 3.0, {"global": 2.0}, {"local": 1.0})
    deleted = db.delete_item(TableName=orders, Key=wire(pk="a", sk="b"), ReturnConsumedCapacity="INDEXES")
    assert of(deleted) == (5.0, 3.0, {"global": 1.0}, {"local": 1.0})
    none = db.delete_item(TableName=orders, Key=wire(pk="a", sk="b"), ReturnConsumedCapacity="TOTAL")
    assert none["ConsumedCapacity"] == {"TableName": orders, "CapacityUnits": 1.0}


def test_reads(db: Any, orders: str) -> None:
    """A read costs half a unit for each 4 KB, consistent a whole one; a query what it read together."""
    for i in range(4):
        db.put_item(TableName=orders, Item=wire(pk="a", sk=f"{i}", g="g", l="l", text="x" * 3000))

    def get(**members: Any) -> float:
        answer = db.get_item(TableName=orders, ReturnConsumedCapacity="TOTAL", **members)
        return float(answer["ConsumedCapacity"]["CapacityUnits"])

    assert get(Key=wire(pk="a", sk="0")) == 0.5
    assert get(Key=wire(pk="a", sk="0"), ConsistentRead=True) == 1.0
    assert get(Key=wire(pk="none", sk="0")) == 0.5
    asked = {"TableName": orders, "ExpressionAttributeValues": wire(**{":a": "a"}), "ReturnConsumedCapacity": "INDEXES"}
    assert of(db.query(**asked, KeyConditionExpression="pk = :a")) == (1.5, 1.5, {}, {})
    assert of(db.query(**asked, KeyConditionExpression="pk = :a", ConsistentRead=True)) == (3.0, 3.0, {}, {})
    found = db.query(**asked, KeyConditionExpression="pk = :a", IndexName="local", Select="ALL_ATTRIBUTES", ConsistentRead=True)
    assert of(found) == (5.0, 4.0, {}, {"local": 1.0})
    asked["ExpressionAttributeValues"] = wire(**{":a": "g"})
    assert of(db.query(**asked, KeyConditionExpression="g = :a", IndexName="global")) == (0.5, 0.0, {"global": 0.5}, {})


def test_transactions_cost_twice(db: Any, table: str) -> None:
    """Each unit of a transaction is consumed twice."""
    put = {"Put": {"TableName": table, "Item": wire(pk="a", sk="b", text="x" * 1500)}}
    check = {"ConditionCheck": {"TableName": table, "Key": wire(pk="c", sk="d"), "ConditionExpression": "attribute_not_exists(pk)"}}
    told = db.transact_write_items(TransactItems=[put, check], ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]
    assert told == [{"TableName": table, "CapacityUnits": 6.0, "WriteCapacityUnits": 6.0}]
    get = {"Get": {"TableName": table, "Key": wire(pk="a", sk="b")}}
    told = db.transact_get_items(TransactItems=[get], ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]
    assert told == [{"TableName": table, "CapacityUnits": 2.0, "ReadCapacityUnits": 2.0}]


def test_batches_are_summed(db: Any, table: str) -> None:
    """A batch tells the sum for each table, each item rounded up by itself."""
    puts = [{"PutRequest": {"Item": wire(pk="a", sk=f"{i}", text="x" * 1100)}} for i in range(3)]
    told = db.batch_write_item(RequestItems={table: puts}, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]
    assert told == [{"TableName": table, "CapacityUnits": 6.0}]
    keys = [wire(pk="a", sk=f"{i}") for i in range(5)]
    told = db.batch_get_item(RequestItems={table: {"Keys": keys, "ConsistentRead": True}}, ReturnConsumedCapacity="TOTAL")
    assert told["ConsumedCapacity"] == [{"TableName": table, "CapacityUnits": 5.0}]


def test_provisioned_tables_throttle(cloud: Any, db: Any, make: Made, refused: Refused) -> None:
    """A provisioned table gives what it has, with 300 seconds of it saved up; then it refuses until time has passed."""
    make("slow", ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1})
    item = wire(pk="a", text="x" * 99 * 1024)
    for _ in range(3):
        db.put_item(TableName="slow", Item=item)
    code, message = refused(db.put_item, TableName="slow", Item=item)
    assert code == "ProvisionedThroughputExceededException"
    assert message.startswith("The level of configured provisioned throughput for the table was exceeded.")
    db.get_item(TableName="slow", Key=wire(pk="a"))
    cloud.advance(102)
    db.put_item(TableName="slow", Item=item)
    left = db.batch_write_item(RequestItems={"slow": [{"PutRequest": {"Item": wire(pk="tiny")}}, {"PutRequest": {"Item": item}}]})
    assert [one["PutRequest"]["Item"]["pk"] for one in left["UnprocessedItems"]["slow"]] == [{"S": "a"}]


def test_global_indexes_throttle_their_table(db: Any, make: Made, refused: Refused) -> None:
    """A write that a global index has no capacity for is refused."""
    units = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
    make(
        "table",
        ProvisionedThroughput={"ReadCapacityUnits": 100, "WriteCapacityUnits": 1000},
        GlobalSecondaryIndexes=[{**index("slow", "g"), "ProvisionedThroughput": units}],
    )
    db.put_item(TableName="table", Item=wire(pk="a", g="1", text="x" * 299 * 1024))
    code, message = refused(db.put_item, TableName="table", Item=wire(pk="b", g="1", text="x" * 10 * 1024))
    assert code == "ProvisionedThroughputExceededException"
    assert "global secondary indexes" in message
    db.put_item(TableName="table", Item=wire(pk="b", text="x" * 10 * 1024))


def test_on_demand_limits(cloud: Any, db: Any, make: Made, refused: Refused) -> None:
    """On demand nothing is throttled, except past a maximum that was set."""
    make("table", OnDemandThroughput={"MaxReadRequestUnits": 5, "MaxWriteRequestUnits": -1})
    for i in range(20):
        db.put_item(TableName="table", Item=wire(pk=f"{i}"))
    for i in range(10):
        db.get_item(TableName="table", Key=wire(pk=f"{i}"))
    assert refused(db.get_item, TableName="table", Key=wire(pk="0"))[0] == "ThrottlingException"
    cloud.advance(1)
    db.get_item(TableName="table", Key=wire(pk="0"))


def test_a_refused_write_costs_too(db: Any, make: Made, refused: Refused) -> None:
    """A write whose condition does not hold consumes what the item that is there would."""
    make("slow", ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1})
    db.put_item(TableName="slow", Item=wire(pk="a", text="x" * 149 * 1024))
    condition = {"Item": wire(pk="a"), "ConditionExpression": "attribute_not_exists(pk)"}
    assert refused(db.put_item, TableName="slow", **condition)[0] == "ConditionalCheckFailedException"
    assert refused(db.put_item, TableName="slow", Item=wire(pk="b"))[0] == "ProvisionedThroughputExceededException"
