"""Query and Scan: what they read, in which order, page by page."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Made, Refused, index, key_schema, plain, wire


def keyed(table: str, text: str, values: dict[str, Any], **members: Any) -> dict[str, Any]:
    """The members of a Query."""
    return {
        "TableName": table,
        "KeyConditionExpression": text,
        "ExpressionAttributeValues": wire(**{f":{k}": v for k, v in values.items()}),
        **members,
    }


def sorts(found: dict[str, Any], name: str = "sk") -> list[Any]:
    return [plain(item)[name] for item in found["Items"]]


@pytest.fixture
def filled(db: Any, table: str) -> str:
    """Two partitions, `a` with sort keys 00 to 09, `b` with 00 to 04."""
    for pk, count in (("a", 10), ("b", 5)):
        for i in range(count):
            db.put_item(TableName=table, Item=wire(pk=pk, sk=f"{i:02}", even=i % 2 == 0, n=i))
    return table


@pytest.mark.parametrize(
    ("text", "values", "found"),
    [
        ("sk = :x", {"x": "03"}, ["03"]),
        ("sk < :x", {"x": "02"}, ["00", "01"]),
        ("sk <= :x", {"x": "02"}, ["00", "01", "02"]),
        ("sk > :x", {"x": "07"}, ["08", "09"]),
        ("sk >= :x", {"x": "07"}, ["07", "08", "09"]),
        ("sk BETWEEN :x AND :y", {"x": "03", "y": "05"}, ["03", "04", "05"]),
        ("begins_with(sk, :x)", {"x": "0"}, [f"0{i}" for i in range(10)]),
        ("begins_with(sk, :x)", {"x": "05"}, ["05"]),
        ("sk = :x", {"x": "nothing"}, []),
    ],
)
def test_conditions_on_the_sort_key(db: Any, filled: str, text: str, values: dict[str, Any], found: list[str]) -> None:
    """Each comparison gives what it says, in order, and backwards the same."""
    asked = keyed(filled, f"pk = :pk AND {text}", {"pk": "a", **values})
    assert sorts(db.query(**asked)) == found
    assert sorts(db.query(**asked, ScanIndexForward=False)) == found[::-1]


def test_texts_with_zeros_and_prefixes(db: Any, table: str) -> None:
    """Sort keys that begin with one another, or have zero bytes in them, are told apart."""
    keys = ["a", "a\0", "a\0b", "aa", "ab", "b"]
    for key in reversed(keys):
        db.put_item(TableName=table, Item=wire(pk="p", sk=key))
    assert sorts(db.query(**keyed(table, "pk = :p", {"p": "p"}))) == keys
    assert sorts(db.query(**keyed(table, "pk = :p AND sk > :a", {"p": "p", "a": "a"}))) == keys[1:]
    assert sorts(db.query(**keyed(table, "pk = :p AND sk <= :a", {"p": "p", "a": "a\0"}))) == keys[:2]
    assert sorts(db.query(**keyed(table, "pk = :p AND begins_with(sk, :a)", {"p": "p", "a": "a\0"}))) == keys[1:3]
    assert sorts(db.query(**keyed(table, "pk = :p AND begins_with(sk, :a)", {"p": "p", "a": "a"}))) == keys[:5]


def test_numbers_and_bytes_in_order(db: Any, make: Made) -> None:
    """Numbers sort by value, bytes as unsigned."""
    make("numbers", "pk", "sk", types={"sk": "N"})
    values = ["-1E100", "-2.5", "-2", "-0.001", "0", "1E-130", "0.5", "1", "9", "10", "123456789012345678901234567890"]
    for value in reversed(values):
        db.put_item(TableName="numbers", Item={"pk": {"S": "p"}, "sk": {"N": value}})
    found = db.query(TableName="numbers", KeyConditionExpression="pk = :p", ExpressionAttributeValues=wire(**{":p": "p"}))
    assert [float(item["sk"]["N"]) for item in found["Items"]] == [float(value) for value in values]
    make("bytes", "pk", "sk", types={"sk": "B"})
    blobs = [b"\x00", b"\x00\x00", b"\x01", b"a", b"\x7f", b"\x80", b"\xff", b"\xff\x00"]
    for blob in reversed(blobs):
        db.put_item(TableName="bytes", Item={"pk": {"S": "p"}, "sk": {"B": blob}})
    assert [bytes(key) for key in sorts(db.query(**keyed("bytes", "pk = :p", {"p": "p"})))] == blobs
    assert [bytes(key) for key in sorts(db.query(**keyed("bytes", "pk = :p AND begins_with(sk, :b)", {"p": "p", "b": b"\xff"})))] == blobs[
        6:
    ]


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("limit", [1, 3, 5, 10, 11])
def test_pages(db: Any, filled: str, forward: bool, limit: int) -> None:
    """Pages go on where the last one ended, either way; a page that the limit ended has a key to go on from."""
    seen: list[str] = []
    start: dict[str, Any] = {}
    while True:
        found = db.query(**keyed(filled, "pk = :p", {"p": "a"}), Limit=limit, ScanIndexForward=forward, **start)
        seen += sorts(found)
        if "LastEvaluatedKey" not in found:
            break
        assert found["Count"] == limit
        start = {"ExclusiveStartKey": found["LastEvaluatedKey"]}
    expected = [f"{i:02}" for i in range(10)]
    assert seen == (expected if forward else expected[::-1])


def test_the_limit_is_of_what_is_read(db: Any, filled: str) -> None:
    """Limit counts items before the filter."""
    found = db.query(
        **keyed(filled, "pk = :p", {"p": "a", "yes": True}, FilterExpression="even = :yes", ProjectionExpression="sk", Limit=5)
    )
    assert (sorts(found), found["Count"], found["ScannedCount"]) == (["00", "02", "04"], 3, 5)
    assert found["LastEvaluatedKey"] == wire(pk="a", sk="04")


def test_counting(db: Any, filled: str) -> None:
    """Select COUNT gives no items."""
    found = db.query(**keyed(filled, "pk = :p", {"p": "a"}, Select="COUNT"))
    assert found["Count"] == 10
    assert "Items" not in found


def test_a_page_is_a_megabyte(db: Any, table: str) -> None:
    """A page ends before 1 MB of items is exceeded, filter or not, and the next one goes on."""
    for i in range(4):
        db.put_item(TableName=table, Item=wire(pk="p", sk=f"{i}", text="x" * 390_000))
    first = db.query(**keyed(table, "pk = :p", {"p": "p"}, Select="COUNT"))
    assert first["Count"] == 2
    rest = db.query(**keyed(table, "pk = :p", {"p": "p"}, Select="COUNT", ExclusiveStartKey=first["LastEvaluatedKey"]))
    assert rest["Count"] == 2
    assert "LastEvaluatedKey" not in rest


def test_scans_go_by_hash_in_segments(db: Any, make: Made) -> None:
    """A scan, its pages and the segments of a parallel scan give each item once."""
    make("many")
    names = {f"item-{i}" for i in range(120)}
    for start in range(0, 120, 25):
        puts = [{"PutRequest": {"Item": wire(pk=f"item-{i}")}} for i in range(start, min(120, start + 25))]
        db.batch_write_item(RequestItems={"many": puts})
    whole = sorts(db.scan(TableName="many"), "pk")
    assert set(whole) == names
    assert whole != sorted(whole)
    for segments in (1, 2, 7):
        parts = [pages(db, TableName="many", Segment=i, TotalSegments=segments, Limit=9) for i in range(segments)]
        assert [name for part in parts for name in part] == whole
        assert all(part for part in parts)


def pages(db: Any, **members: Any) -> list[str]:
    found = db.scan(**members)
    names = sorts(found, "pk")
    while "LastEvaluatedKey" in found:
        found = db.scan(**members, ExclusiveStartKey=found["LastEvaluatedKey"])
        names += sorts(found, "pk")
    return names


def test_segments_are_checked(db: Any, filled: str, refused: Refused) -> None:
    """A segment needs a total above it, and a page goes on in its own segment."""
    assert "TotalSegments parameter is required" in refused(db.scan, TableName=filled, Segment=0)[1]
    assert "Segment: 2 is not less than TotalSegments: 2" in refused(db.scan, TableName=filled, Segment=2, TotalSegments=2)[1]
    starts = [db.scan(TableName=filled, Segment=i, TotalSegments=2, Limit=1).get("LastEvaluatedKey") for i in range(2)]
    segment, key = next((i, key) for i, key in enumerate(starts) if key)
    code, message = refused(db.scan, TableName=filled, Segment=1 - segment, TotalSegments=2, ExclusiveStartKey=key)
    assert code == "ValidationException"
    assert "with correct Segment" in message


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"ExclusiveStartKey": wire(pk="a")}, "The provided starting key is invalid: The provided key element does not match the schema"),
        (
            {"ExclusiveStartKey": wire(pk="b", sk="01")},
            "The provided starting key is outside query boundaries based on provided conditions",
        ),
        ({"IndexName": "none"}, "The table does not have the specified index: none"),
        (
            {"Select": "SPECIFIC_ATTRIBUTES"},
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        ),
        ({"FilterExpression": "sk > :p"}, "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk"),
    ],
)
def test_queries_are_checked(db: Any, filled: str, refused: Refused, members: dict[str, Any], message: str) -> None:
    """What a query cannot be is refused in AWS's words."""
    assert refused(db.query, **keyed(filled, "pk = :p", {"p": "a"}), **members) == ("ValidationException", message)


# indexes


@pytest.fixture
def indexed(db: Any, make: Made) -> str:
    """A table with a global index of each projection and two local ones; ten items."""
    make(
        "indexed",
        "pk",
        "sk",
        types={"n": "N"},
        GlobalSecondaryIndexes=[
            index("all", "g", "n"),
            index("keys", "g", projection="KEYS_ONLY"),
            index("some", "g", projection="INCLUDE", attributes=("x",)),
        ],
        LocalSecondaryIndexes=[index("by_n", "pk", "n", projection="KEYS_ONLY"), index("by_n_all", "pk", "n")],
    )
    for i in range(10):
        db.put_item(TableName="indexed", Item=wire(pk=f"p{i % 2}", sk=f"{i}", g="g", n=-i, x="x", y="y" * 5000))
    return "indexed"


def test_global_indexes(db: Any, indexed: str) -> None:
    """A global index gives the items in its order, each as it is projected."""
    found = db.query(**keyed(indexed, "g = :g AND n < :n", {"g": "g", "n": -6}, IndexName="all"))
    assert [plain(i)["n"] for i in found["Items"]] == [-9, -8, -7]
    assert set(found["Items"][0]) == {"pk", "sk", "g", "n", "x", "y"}
    assert set(db.query(**keyed(indexed, "g = :g", {"g": "g"}, IndexName="keys"))["Items"][0]) == {"pk", "sk", "g"}
    assert set(db.query(**keyed(indexed, "g = :g", {"g": "g"}, IndexName="some"))["Items"][0]) == {"pk", "sk", "g", "x"}
    assert db.scan(TableName=indexed, IndexName="keys", Limit=4)["Count"] == 4


def test_indexes_follow(db: Any, indexed: str) -> None:
    """An item enters, moves in and leaves an index with its attributes."""
    key = wire(pk="p0", sk="0")

    def found() -> list[tuple[str, Any]]:
        asked = keyed(indexed, "g = :g", {"g": "other"}, IndexName="all")
        return [(plain(i)["sk"], plain(i)["n"]) for i in db.query(**asked)["Items"]]

    db.update_item(TableName=indexed, Key=key, UpdateExpression="SET g = :g", ExpressionAttributeValues=wire(**{":g": "other"}))
    assert found() == [("0", 0)]
    db.update_item(TableName=indexed, Key=key, UpdateExpression="SET n = :n", ExpressionAttributeValues=wire(**{":n": 7}))
    assert found() == [("0", 7)]
    db.update_item(TableName=indexed, Key=key, UpdateExpression="REMOVE n")
    assert found() == []
    db.put_item(TableName=indexed, Item=wire(pk="p0", sk="0", g="other", n=1))
    db.delete_item(TableName=indexed, Key=key)
    assert found() == []


def test_index_keys_are_checked(db: Any, indexed: str, refused: Refused) -> None:
    """An attribute that is an index's key has its type, and is not empty."""
    found = refused(db.put_item, TableName=indexed, Item=wire(pk="a", sk="b", g=1))
    assert found[1] == "One or more parameter values were invalid: Type mismatch for Index Key g Expected: S Actual: N IndexName: all"
    found = refused(db.put_item, TableName=indexed, Item=wire(pk="a", sk="b", g=""))
    assert "cannot contain an empty string value. IndexName: all, IndexKey: g" in found[1]


def test_pages_of_an_index(db: Any, indexed: str) -> None:
    """A page of an index goes on from a key of both the index and the table, either way."""
    for forward in (True, False):
        seen: list[str] = []
        start: dict[str, Any] = {}
        while True:
            asked = keyed(indexed, "g = :g", {"g": "g"}, IndexName="keys", Limit=3, ScanIndexForward=forward)
            found = db.query(**asked, **start)
            seen += sorts(found)
            if "LastEvaluatedKey" not in found:
                break
            assert set(found["LastEvaluatedKey"]) == {"g", "pk", "sk"}
            start = {"ExclusiveStartKey": found["LastEvaluatedKey"]}
        assert sorted(seen) == [str(i) for i in range(10)]


def test_local_indexes_fetch(db: Any, indexed: str, refused: Refused) -> None:
    """A local index gives what it does not project, too, from the table; a global one refuses."""
    asked = keyed(indexed, "pk = :p", {"p": "p1"}, IndexName="by_n")
    assert set(db.query(**asked)["Items"][0]) == {"pk", "sk", "n"}
    assert set(db.query(**asked, Select="ALL_ATTRIBUTES")["Items"][0]) == {"pk", "sk", "g", "n", "x", "y"}
    assert sorts(db.query(**asked, ProjectionExpression="sk, x", ConsistentRead=True)) == ["9", "7", "5", "3", "1"]
    asked = keyed(indexed, "g = :g", {"g": "g"}, IndexName="keys")
    assert "does not project [x]" in refused(db.query, **asked, ProjectionExpression="sk, x")[1]
    assert "Select type ALL_ATTRIBUTES is not supported" in refused(db.query, **asked, Select="ALL_ATTRIBUTES")[1]
    assert refused(db.query, **asked, ConsistentRead=True)[1] == "Consistent reads are not supported on global secondary indexes"


def test_keys_of_several_attributes(db: Any, make: Made) -> None:
    """A global index can have up to four partition and four sort attributes, asked for from the first on."""
    schema = [
        *[{"AttributeName": name, "KeyType": "HASH"} for name in ("tenant", "region")],
        *[{"AttributeName": name, "KeyType": "RANGE"} for name in ("year", "name")],
    ]
    wide = {"IndexName": "wide", "KeySchema": schema, "Projection": {"ProjectionType": "ALL"}}
    make("wide", types={"year": "N"}, GlobalSecondaryIndexes=[wide])
    rows = [(y, n) for y in (1999, 2000, 2001) for n in ("a", "a\0", "ab", "b")]
    for i, (year, name) in enumerate(reversed(rows)):
        db.put_item(TableName="wide", Item=wire(pk=f"{i}", tenant="t", region="eu", year=year, name=name))
    db.put_item(TableName="wide", Item=wire(pk="no", tenant="t", region="eu", year=2000))

    def found(text: str, **values: Any) -> list[tuple[int, str]]:
        asked = keyed("wide", f"tenant = :t AND #r = :r{text}", {"t": "t", "r": "eu", **values}, IndexName="wide")
        names = {"#r": "region", **({"#y": "year"} if "#y" in text else {}), **({"#n": "name"} if "#n" in text else {})}
        return [(int(plain(i)["year"]), plain(i)["name"]) for i in db.query(**asked, ExpressionAttributeNames=names)["Items"]]

    assert found("") == rows
    assert found(" AND #y = :y", y=2000) == rows[4:8]
    assert found(" AND #y > :y", y=2000) == rows[8:]
    assert found(" AND #y <= :y", y=1999) == rows[:4]
    assert found(" AND #y = :y AND #n > :n", y=2000, n="a") == rows[5:8]
    assert found(" AND #y = :y AND begins_with(#n, :n)", y=2000, n="a") == rows[4:7]
    assert found(" AND #y = :y AND #n BETWEEN :n AND :m", y=2000, n="a", m="ab") == rows[4:7]
    assert found(" AND #y = :y AND #n = :n", y=2000, n="a") == rows[4:5]


def test_an_index_is_added(cloud: Any, db: Any, filled: str, refused: Refused) -> None:
    """A new index is CREATING, then filled with what is there and what is written meanwhile, then ACTIVE."""
    for start in range(0, 700, 25):
        puts = [{"PutRequest": {"Item": wire(pk="more", sk=f"{i:04}", g="g" if i % 2 else "h")}} for i in range(start, start + 25)]
        db.batch_write_item(RequestItems={filled: puts})
    create = {"IndexName": "late", "KeySchema": key_schema("g", "sk"), "Projection": {"ProjectionType": "KEYS_ONLY"}}
    answer = db.update_table(
        TableName=filled,
        AttributeDefinitions=[{"AttributeName": "g", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[{"Create": create}],
    )["TableDescription"]
    assert answer["TableStatus"] == "UPDATING"
    assert answer["GlobalSecondaryIndexes"][0]["IndexStatus"] == "CREATING"
    db.delete_item(TableName=filled, Key=wire(pk="more", sk="0001"))
    db.put_item(TableName=filled, Item=wire(pk="more", sk="new", g="g"))
    cloud.settle()
    found = db.describe_table(TableName=filled)["Table"]
    assert found["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE"
    asked = keyed(filled, "g = :g", {"g": "g"}, IndexName="late", Select="COUNT")
    assert db.query(**asked)["Count"] == 350
    db.update_table(TableName=filled, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "late"}}])
    cloud.settle()
    found = db.describe_table(TableName=filled)["Table"]
    assert "GlobalSecondaryIndexes" not in found
    assert len(found["AttributeDefinitions"]) == 2
    assert refused(db.query, **asked)[1] == "The table does not have the specified index: late"
