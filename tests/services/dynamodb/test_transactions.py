"""TransactWriteItems and TransactGetItems, BatchWriteItem and BatchGetItem."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import Made, Refused, index, wire


def items(db: Any, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = db.scan(TableName=table)["Items"]
    return sorted(found, key=str)


def put(table: str, **attributes: Any) -> dict[str, Any]:
    return {"Put": {"TableName": table, "Item": wire(**attributes)}}


def test_all_of_it(db: Any, make: Made) -> None:
    """A transaction puts, updates, deletes and checks, over several tables, at once."""
    make("one")
    make("two")
    db.put_item(TableName="one", Item=wire(pk="old"))
    db.put_item(TableName="two", Item=wire(pk="stock", n=5))
    db.transact_write_items(
        TransactItems=[
            put("one", pk="new"),
            {"Delete": {"TableName": "one", "Key": wire(pk="old")}},
            {
                "Update": {
                    "TableName": "two",
                    "Key": wire(pk="stock"),
                    "UpdateExpression": "SET n = n - :one",
                    "ConditionExpression": "n > :zero",
                    "ExpressionAttributeValues": wire(**{":one": 1, ":zero": 0}),
                }
            },
            {"ConditionCheck": {"TableName": "two", "Key": wire(pk="none"), "ConditionExpression": "attribute_not_exists(pk)"}},
        ]
    )
    assert items(db, "one") == [wire(pk="new")]
    assert items(db, "two") == [wire(pk="stock", n=4)]
    gets = [{"Get": {"TableName": name, "Key": wire(pk=pk)}} for name, pk in (("two", "stock"), ("one", "none"), ("one", "new"))]
    gets[0]["Get"]["ProjectionExpression"] = "n"
    answer = db.transact_get_items(TransactItems=gets)["Responses"]
    assert answer == [{"Item": wire(n=4)}, {}, {"Item": wire(pk="new")}]


def test_nothing_of_it(db: Any, table: str) -> None:
    """One condition that does not hold cancels all; the reasons stand in the order of the parts, with the item where asked for."""
    db.put_item(TableName=table, Item=wire(pk="a", sk="b", x=1))
    condition = {"ConditionExpression": "attribute_not_exists(pk)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    parts = [put(table, pk="n", sk="n"), put(table, pk="a", sk="b"), {"Delete": {"TableName": table, "Key": wire(pk="a", sk="c")}}]
    parts[1]["Put"].update(condition)
    with pytest.raises(ClientError) as caught:
        db.transact_write_items(TransactItems=parts)
    answer = caught.value.response
    assert answer["Error"]["Code"] == "TransactionCanceledException"
    assert answer["Error"]["Message"] == (
        "Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed, None]"
    )
    failed = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed", "Item": wire(pk="a", sk="b", x=1)}
    assert answer["CancellationReasons"] == [{"Code": "None"}, failed, {"Code": "None"}]
    assert items(db, table) == [wire(pk="a", sk="b", x=1)]


def test_parts_are_validated(db: Any, table: str, refused: Refused) -> None:
    """A part with a wrong key cancels; two parts about one item are refused."""
    code, message = refused(db.transact_write_items, TransactItems=[put(table, pk="a"), put(table, pk="b", sk="c")])
    assert (code, message.rpartition(" reasons ")[2]) == ("TransactionCanceledException", "[ValidationError, None]")
    twice = [put(table, pk="a", sk="b"), {"Delete": {"TableName": table, "Key": wire(pk="a", sk="b")}}]
    assert refused(db.transact_write_items, TransactItems=twice) == (
        "ValidationException",
        "Transaction request cannot include multiple operations on one item",
    )
    assert refused(db.transact_write_items, TransactItems=[put("nowhere", pk="a")])[0] == "ResourceNotFoundException"


def test_tokens(cloud: Any, db: Any, table: str, refused: Refused) -> None:
    """The same call with the same token does nothing more for ten minutes; another call with the token is refused."""

    def add(n: int, **members: Any) -> Any:
        update = {
            "TableName": table,
            "Key": wire(pk="a", sk="b"),
            "UpdateExpression": "ADD n :n",
            "ExpressionAttributeValues": wire(**{":n": n}),
        }
        return db.transact_write_items(TransactItems=[{"Update": update}], ClientRequestToken="token", **members)

    assert add(1, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"][0]["WriteCapacityUnits"] == 2.0
    cloud.advance(599)
    assert add(1, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"][0]["ReadCapacityUnits"] == 2.0
    assert refused(add, n=2)[0] == "IdempotentParameterMismatchException"
    assert items(db, table) == [wire(pk="a", sk="b", n=1)]
    cloud.advance(2)
    add(2)
    assert items(db, table) == [wire(pk="a", sk="b", n=3)]


def test_tokens_are_forgotten(cloud: Any, db: Any, table: str) -> None:
    """Ten minutes later nothing is left of a token."""
    from fogbank.services.dynamodb.state import TOKENS

    def kept() -> int:
        return int(cloud.house.on_loop(lambda: sum(1 for _ in TOKENS.scan(cloud.inner.reader()))))

    for i in range(3):
        db.transact_write_items(TransactItems=[put(table, pk="a", sk=f"{i}")])
        cloud.advance(60)
    assert kept() == 3
    cloud.advance(470)
    assert kept() == 2
    cloud.advance(130)
    assert kept() == 0


def test_throttling_cancels(db: Any, make: Made, refused: Refused) -> None:
    """A transaction that there is no capacity for is cancelled, and says so."""
    make("slow", ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1})
    db.put_item(TableName="slow", Item=wire(pk="a", text="x" * 299 * 1024))
    code, message = refused(db.transact_write_items, TransactItems=[put("slow", pk="b")])
    assert (code, message.rpartition(" reasons ")[2]) == ("TransactionCanceledException", "[ProvisionedThroughputExceeded]")


def test_batches_write_and_get(db: Any, make: Made, table: str) -> None:
    """A batch puts and deletes in several tables, and gets from them; what is not there is left out."""
    make("other")
    db.put_item(TableName="other", Item=wire(pk="old"))
    answer = db.batch_write_item(
        RequestItems={
            table: [{"PutRequest": {"Item": wire(pk="a", sk=f"{i}", n=i)}} for i in range(3)],
            "other": [{"DeleteRequest": {"Key": wire(pk="old")}}, {"PutRequest": {"Item": wire(pk="new")}}],
        }
    )
    assert answer["UnprocessedItems"] == {}
    keys = {table: {"Keys": [wire(pk="a", sk=s) for s in ("0", "2", "9")], "ProjectionExpression": "n"}}
    found = db.batch_get_item(RequestItems={**keys, "other": {"Keys": [wire(pk="new"), wire(pk="old")]}})
    assert found["Responses"] == {table: [wire(n=0), wire(n=2)], "other": [wire(pk="new")]}
    assert found["UnprocessedKeys"] == {}


def test_batches_are_checked(db: Any, table: str, refused: Refused) -> None:
    """A batch names no item twice, and at most 25 to write, 100 to get."""
    key = wire(pk="a", sk="b")
    twice = [{"PutRequest": {"Item": key}}, {"DeleteRequest": {"Key": key}}]
    expected = ("ValidationException", "Provided list of item keys contains duplicates")
    assert refused(db.batch_write_item, RequestItems={table: twice}) == expected
    assert refused(db.batch_get_item, RequestItems={table: {"Keys": [key, key]}}) == expected
    many = [{"PutRequest": {"Item": wire(pk="a", sk=f"{i}")}} for i in range(26)]
    assert refused(db.batch_write_item, RequestItems={table: many})[0] == "ValidationException"
    assert (
        refused(db.batch_get_item, RequestItems={table: {"Keys": [wire(pk="a", sk=f"{i}") for i in range(101)]}})[0]
        == "ValidationException"
    )


def test_a_batch_gives_16_megabytes(db: Any, table: str) -> None:
    """BatchGetItem gives up to 16 MB, and the keys of the rest back, as they were asked for."""
    for i in range(45):
        db.put_item(TableName=table, Item=wire(pk="a", sk=f"{i}", text="x" * 390_000))
    wanted = {"Keys": [wire(pk="a", sk=f"{i}") for i in range(45)], "ConsistentRead": True}
    found = db.batch_get_item(RequestItems={table: wanted})
    assert len(found["Responses"][table]) == 43
    left = found["UnprocessedKeys"][table]
    assert left == {"Keys": [wire(pk="a", sk="43"), wire(pk="a", sk="44")], "ConsistentRead": True}
    assert len(db.batch_get_item(RequestItems=found["UnprocessedKeys"])["Responses"][table]) == 2


def test_a_transaction_keeps_indexes(db: Any, make: Made) -> None:
    """What a transaction writes is in the indexes, and what it takes back is not."""
    make("table", GlobalSecondaryIndexes=[index("by_g", "g")])
    db.transact_write_items(TransactItems=[put("table", pk="a", g="1"), put("table", pk="b", g="1")])
    with pytest.raises(ClientError):
        failing = put("table", pk="a", g="2")
        failing["Put"]["ConditionExpression"] = "attribute_not_exists(pk)"
        db.transact_write_items(TransactItems=[put("table", pk="c", g="1"), failing])
    assert db.scan(TableName="table", IndexName="by_g")["Count"] == 2


def test_one_item_twice_is_refused_before_conditions(db: Any, table: str, refused: Refused) -> None:
    """A transaction that names an item twice is invalid, whatever its conditions come to."""
    check = {"TableName": table, "Key": wire(pk="a", sk="b"), "ConditionExpression": "attribute_exists(pk)"}
    message = "Transaction request cannot include multiple operations on one item"
    parts = [put(table, pk="a", sk="b"), {"ConditionCheck": check}]
    assert refused(db.transact_write_items, TransactItems=parts) == ("ValidationException", message)
    statements = [
        {"Statement": f"INSERT INTO {table} VALUE {{'pk': 'a', 'sk': 'b'}}"},
        {"Statement": f"UPDATE {table} SET x = 1 WHERE pk = 'a' AND sk = 'b'"},
    ]
    assert refused(db.execute_transaction, TransactStatements=statements) == ("ValidationException", message)
