"""Single items: put, got, updated, deleted."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import Made, Refused, index, plain, wire

EVERYTHING = {
    "pk": {"S": "é"},
    "sk": {"S": "\u0000x"},
    "n": {"N": "-1.5"},
    "b": {"B": b"\x00\xff"},
    "t": {"BOOL": False},
    "z": {"NULL": True},
    "l": {"L": [{"N": "1"}, {"M": {"k": {"S": ""}}}]},
    "ss": {"SS": ["a", "b"]},
    "ns": {"NS": ["1", "2"]},
    "bs": {"BS": [b"1"]},
}


def test_all_types_come_back(db: Any, table: str) -> None:
    """An item of all types is got as it was put; a projection gives some of it."""
    db.put_item(TableName=table, Item=EVERYTHING)
    key = {"pk": EVERYTHING["pk"], "sk": EVERYTHING["sk"]}
    assert db.get_item(TableName=table, Key=key)["Item"] == EVERYTHING
    some = db.get_item(TableName=table, Key=key, ProjectionExpression="n, l[1].k, nothing")["Item"]
    assert some == {"n": {"N": "-1.5"}, "l": {"L": [{"M": {"k": {"S": ""}}}]}}


def test_what_is_not_there(db: Any, table: str) -> None:
    """GetItem of no item has no Item; DeleteItem of none is no error."""
    assert "Item" not in db.get_item(TableName=table, Key=wire(pk="a", sk="b"))
    assert "Attributes" not in db.delete_item(TableName=table, Key=wire(pk="a", sk="b"), ReturnValues="ALL_OLD")


def test_numbers_are_one_key(db: Any, make: Made) -> None:
    """1, 1.0 and 1E0 are the same number, in keys too."""
    make("numbers", "pk", types={"pk": "N"})
    db.put_item(TableName="numbers", Item={"pk": {"N": "1.0"}})
    assert db.get_item(TableName="numbers", Key={"pk": {"N": "1E0"}})["Item"] == {"pk": {"N": "1"}}


def test_put_replaces(db: Any, table: str) -> None:
    """PutItem replaces the whole item, and can give the old one back."""
    db.put_item(TableName=table, Item=wire(pk="a", sk="b", x=1))
    answer = db.put_item(TableName=table, Item=wire(pk="a", sk="b", y=2), ReturnValues="ALL_OLD")
    assert answer["Attributes"] == wire(pk="a", sk="b", x=1)
    assert db.get_item(TableName=table, Key=wire(pk="a", sk="b"))["Item"] == wire(pk="a", sk="b", y=2)


def test_conditions(db: Any, table: str) -> None:
    """A condition that does not hold refuses the write, and shows the item where that is asked for."""
    db.put_item(TableName=table, Item=wire(pk="a", sk="b", x=1), ConditionExpression="attribute_not_exists(pk)")
    with pytest.raises(ClientError) as caught:
        db.put_item(
            TableName=table,
            Item=wire(pk="a", sk="b"),
            ConditionExpression="attribute_not_exists(pk)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    error = caught.value.response
    assert error["Error"] == {"Code": "ConditionalCheckFailedException", "Message": "The conditional request failed"}
    assert error["Item"] == wire(pk="a", sk="b", x=1)
    with pytest.raises(ClientError) as caught:
        db.delete_item(TableName=table, Key=wire(pk="a", sk="b"), ConditionExpression="x > :x", ExpressionAttributeValues=wire(**{":x": 1}))
    assert "Item" not in caught.value.response


@pytest.mark.parametrize(
    ("returned", "attributes"),
    [
        ("ALL_OLD", {"pk": "a", "sk": "b", "x": 1, "y": 1}),
        ("ALL_NEW", {"pk": "a", "sk": "b", "x": 3, "z": 5}),
        ("UPDATED_OLD", {"x": 1, "y": 1}),
        ("UPDATED_NEW", {"x": 3, "z": 5}),
        ("NONE", None),
    ],
)
def test_update_returns(db: Any, table: str, returned: str, attributes: dict[str, Any] | None) -> None:
    """UpdateItem gives back the item or what it touched, before or after."""
    db.put_item(TableName=table, Item=wire(pk="a", sk="b", x=1, y=1))
    answer = db.update_item(
        TableName=table,
        Key=wire(pk="a", sk="b"),
        UpdateExpression="SET x = x + :two, z = :five REMOVE y",
        ExpressionAttributeValues=wire(**{":two": 2, ":five": 5}),
        ReturnValues=returned,
    )
    assert (plain(answer["Attributes"]) if "Attributes" in answer else None) == attributes


def test_update_makes(db: Any, table: str) -> None:
    """UpdateItem of no item makes one, also without an expression."""
    db.update_item(TableName=table, Key=wire(pk="a", sk="b"), UpdateExpression="ADD n :n", ExpressionAttributeValues={":n": {"N": "7"}})
    db.update_item(TableName=table, Key=wire(pk="a", sk="c"))
    assert [plain(i) for i in db.query(**keyed(table, "a"))["Items"]] == [{"pk": "a", "sk": "b", "n": 7}, {"pk": "a", "sk": "c"}]


def keyed(table: str, pk: str) -> dict[str, Any]:
    return {"TableName": table, "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": wire(**{":pk": pk})}


def test_older_parameters(db: Any, table: str) -> None:
    """The parameters from before expressions do the same."""
    db.put_item(TableName=table, Item=wire(pk="a", sk="b", n=1, tags={"x"}), Expected={"pk": {"Exists": False}})
    db.update_item(
        TableName=table,
        Key=wire(pk="a", sk="b"),
        AttributeUpdates={"n": {"Action": "ADD", "Value": {"N": "4"}}, "tags": {"Action": "DELETE"}, "m": {"Value": {"S": "put"}}},
        Expected={"n": {"ComparisonOperator": "LT", "AttributeValueList": [{"N": "2"}]}},
    )
    found = db.query(
        TableName=table,
        KeyConditions={"pk": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "a"}]}},
        QueryFilter={"m": {"ComparisonOperator": "BEGINS_WITH", "AttributeValueList": [{"S": "p"}]}},
        AttributesToGet=["n", "m", "tags"],
    )
    assert [plain(i) for i in found["Items"]] == [{"n": 5, "m": "put"}]


PREFIX = "One or more parameter values were invalid: "
EMPTY = "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty"


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"pk": {"S": "a"}}, f"{PREFIX}Missing the key sk in the item"),
        ({"pk": {"N": "1"}, "sk": {"S": "b"}}, f"{PREFIX}Type mismatch for key pk expected: S actual: N"),
        ({"pk": {"S": ""}, "sk": {"S": "b"}}, f"{EMPTY} string value. Key: pk"),
        ({"pk": {"S": "p" * 2049}, "sk": {"S": "b"}}, f"{PREFIX}Size of hashkey has exceeded the maximum size limit of2048 bytes"),
        (
            {"pk": {"S": "p"}, "sk": {"S": "é" * 513}},
            f"{PREFIX}Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
        ),
        ({"pk": {"S": "a"}, "sk": {"S": "b"}, "x": {"S": "x" * 409_600}}, "Item size has exceeded the maximum allowed size"),
    ],
)
def test_items_are_checked(db: Any, table: str, refused: Refused, item: dict[str, Any], message: str) -> None:
    """An item without its key, with a wrong one, or too large is refused."""
    assert refused(db.put_item, TableName=table, Item=item) == ("ValidationException", message)


@pytest.mark.parametrize(
    "key", [{"pk": {"S": "a"}}, {"pk": {"S": "a"}, "sk": {"N": "1"}}, {"pk": {"S": "a"}, "x": {"S": "b"}}, wire(pk="a", sk="b", x="c")]
)
def test_keys_are_checked(db: Any, table: str, refused: Refused, key: dict[str, Any]) -> None:
    """A key that is not exactly the table's is refused."""
    expected = ("ValidationException", "The provided key element does not match the schema")
    assert refused(db.get_item, TableName=table, Key=key) == expected
    assert refused(db.update_item, TableName=table, Key=key) == expected
    assert refused(db.delete_item, TableName=table, Key=key) == expected


def test_the_limit_of_an_item(db: Any, table: str) -> None:
    """400 KB, names included, is taken and comes back."""
    text = "x" * (400 * 1024 - len("pkasksbx") + 1)
    item = wire(pk="a", sk="s", x=text[: 400 * 1024 - 7])
    db.put_item(TableName=table, Item=item)
    assert db.get_item(TableName=table, Key=wire(pk="a", sk="s"))["Item"] == item


def test_keys_are_not_updated(db: Any, table: str, refused: Refused) -> None:
    """An update cannot touch the key."""
    code, message = refused(
        db.update_item,
        TableName=table,
        Key=wire(pk="a", sk="b"),
        UpdateExpression="SET sk = :s",
        ExpressionAttributeValues=wire(**{":s": "c"}),
    )
    assert (code, message) == ("ValidationException", f"{PREFIX}Cannot update attribute sk. This attribute is part of the key")


def test_put_returns_only_the_old(db: Any, table: str, refused: Refused) -> None:
    """PutItem and DeleteItem know NONE and ALL_OLD."""
    found = refused(db.put_item, TableName=table, Item=wire(pk="a", sk="b"), ReturnValues="ALL_NEW")
    assert found == ("ValidationException", "ReturnValues can only be ALL_OLD or NONE")


def test_collections_are_measured(db: Any, make: Made) -> None:
    """A table with a local index tells the size of the collection that a write was in."""
    make("local", "pk", "sk", LocalSecondaryIndexes=[index("by_other", "pk", "other")])
    answer = db.put_item(TableName="local", Item=wire(pk="a", sk="b", other="c"), ReturnItemCollectionMetrics="SIZE")
    assert answer["ItemCollectionMetrics"] == {"ItemCollectionKey": wire(pk="a"), "SizeEstimateRangeGB": [0.0, 1.0]}


def test_collections_are_limited(cloud: Any, db: Any, make: Made, refused: Refused) -> None:
    """A collection of a table with a local index holds 10 GB; shrinking it is always possible."""
    from fogbank.services.dynamodb.state import COLLECTION_LIMIT_BYTES, COLLECTIONS
    from fogbank.store import change

    make("local", "pk", "sk", LocalSecondaryIndexes=[index("by_other", "pk", "other")])
    db.put_item(TableName="local", Item=wire(pk="a", sk="b", text="x" * 1000))

    def fill() -> None:
        tx = cloud.inner.begin()
        [collection] = COLLECTIONS.scan(tx)
        COLLECTIONS.put(tx, change(collection, size=COLLECTION_LIMIT_BYTES))
        cloud.inner.commit(tx)

    cloud.house.on_loop(fill)
    assert refused(db.put_item, TableName="local", Item=wire(pk="a", sk="c"))[0] == "ItemCollectionSizeLimitExceededException"
    db.put_item(TableName="local", Item=wire(pk="other", sk="c"))
    db.delete_item(TableName="local", Key=wire(pk="a", sk="b"))
    db.put_item(TableName="local", Item=wire(pk="a", sk="c"))


def test_a_local_index_counts_for_the_limit(db: Any, make: Made, refused: Refused) -> None:
    """An item and what local indexes have of it come to 400 KB at most."""
    make("table", "pk", "sk", LocalSecondaryIndexes=[index("by_n", "pk", "n")])
    large = "x" * 250_000
    db.put_item(TableName="table", Item=wire(pk="a", sk="b", more=large))
    message = "Item size has exceeded the maximum allowed size"
    assert refused(db.put_item, TableName="table", Item=wire(pk="a", sk="b", n="1", more=large)) == ("ValidationException", message)


def test_a_long_sort_key_is_refused_to_readers(db: Any, table: str, refused: Refused) -> None:
    """A sort key has 1,024 bytes at most, also where it is only looked for."""
    message = "One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of 1024 bytes"
    db.get_item(TableName=table, Key=wire(pk="a", sk="x" * 1024))
    assert refused(db.get_item, TableName=table, Key=wire(pk="a", sk="x" * 1025)) == ("ValidationException", message)


def test_older_parameters_that_take_away_make_nothing(db: Any, table: str) -> None:
    """AttributeUpdates of which all are DELETE leave an item that is not there not there; a REMOVE makes it."""
    key = wire(pk="a", sk="b")
    db.update_item(TableName=table, Key=key, AttributeUpdates={"x": {"Action": "DELETE"}}, ReturnValues="ALL_NEW")
    assert "Item" not in db.get_item(TableName=table, Key=key)
    db.update_item(TableName=table, Key=key, UpdateExpression="REMOVE x")
    assert db.get_item(TableName=table, Key=key)["Item"] == key
