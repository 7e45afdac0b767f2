"""What hypothesis makes up, against a plain model: a dict of items."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fogbank.testing.cloud import Cloud

from .conftest import index, key_schema, plain, wire

texts = st.text(st.sampled_from("\0\x01aé\U0001f600"), max_size=3)
numbers = st.sampled_from([Decimal(n) for n in ("-10", "-1.5", "-1", "-0.01", "0", "0.01", "1", "1.5", "10", "1" + "0" * 30)])
attributes = st.fixed_dictionaries({}, optional={"g": st.sampled_from(["x", "y"]), "n": numbers, "t": texts.filter(bool)})
writes = st.lists(st.tuples(st.sampled_from(["p", "q"]), numbers, st.one_of(st.none(), attributes)), min_size=1, max_size=25)
counter = itertools.count()
OPERATORS = {"<": Decimal.__lt__, "<=": Decimal.__le__, ">": Decimal.__gt__, ">=": Decimal.__ge__, "=": Decimal.__eq__}


def make(db: Any, cloud: Cloud) -> str:
    name = f"model-{next(counter)}"
    types = {"pk": "S", "sk": "N", "g": "S", "n": "N", "t": "S"}
    db.create_table(
        TableName=name,
        KeySchema=key_schema("pk", "sk"),
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": t} for n, t in types.items()],
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[index("by_g", "g", "n"), index("by_t", "g", "t")],
        LocalSecondaryIndexes=[index("by_n", "pk", "n")],
    )
    cloud.settle()
    return name


@settings(max_examples=25)
@given(writes, st.sampled_from(sorted(OPERATORS)), numbers, st.booleans(), st.integers(1, 4))
def test_queries_are_those_of_a_dict(cloud: Any, changes: Any, operator: str, bound: Decimal, forward: bool, limit: int) -> None:
    """After any writes, the table and each index give, page by page, what a dict of the items would, in order."""
    db = cloud.client("dynamodb")
    name = make(db, cloud)
    model: dict[tuple[str, Decimal], dict[str, Any]] = {}
    for pk, sk, more in changes:
        if more is None:
            model.pop((pk, sk), None)
            db.delete_item(TableName=name, Key=wire(pk=pk, sk=sk))
        else:
            model[pk, sk] = {"pk": pk, "sk": sk, **more}
            db.put_item(TableName=name, Item=wire(**model[pk, sk]))
    holds = OPERATORS[operator]
    for view, partition, sort in ((None, "pk", "sk"), ("by_n", "pk", "n"), ("by_g", "g", "n")):
        for value in ("p", "q", "x", "y"):
            expected = [i for i in model.values() if i.get(partition) == value and sort in i and holds(i[sort], bound)]
            asked: dict[str, Any] = {
                "TableName": name,
                "KeyConditionExpression": f"{partition} = :p AND {sort} {operator} :s",
                "ExpressionAttributeValues": wire(**{":p": value, ":s": bound}),
                "ScanIndexForward": forward,
                "Limit": limit,
            }
            if view:
                asked["IndexName"] = view
            found = collected(db.query, asked)
            assert [i[sort] for i in found] == sorted([i[sort] for i in expected], reverse=not forward)
            assert sorted(map(printed, found)) == sorted(map(printed, expected))
    scanned = collected(db.scan, {"TableName": name, "Limit": limit})
    assert sorted(scanned, key=str) == sorted(model.values(), key=str)
    by_t = collected(db.scan, {"TableName": name, "IndexName": "by_t", "Limit": limit})
    assert sorted(by_t, key=str) == sorted([i for i in model.values() if "g" in i and "t" in i], key=str)


def collected(operation: Any, asked: dict[str, Any]) -> list[dict[str, Any]]:
    found = operation(**asked)
    items = [plain(item) for item in found["Items"]]
    while "LastEvaluatedKey" in found:
        found = operation(**asked, ExclusiveStartKey=found["LastEvaluatedKey"])
        items += [plain(item) for item in found["Items"]]
    return items


keys = st.tuples(st.sampled_from(["p", "q"]), numbers)
sets = st.fixed_dictionaries({}, optional={"g": st.sampled_from(["x", "y"]), "n": numbers, "t": texts.filter(bool), "z": numbers})
removed = st.sets(st.sampled_from(["g", "n", "t", "z"]))
puts = st.tuples(st.just("Put"), keys, attributes, st.just(set()))
updates = st.tuples(st.just("Update"), keys, sets, removed).filter(lambda act: bool(act[2] or act[3]))
deletes = st.tuples(st.just("Delete"), keys, st.just({}), st.just(set()))
acts = st.one_of(puts, updates, deletes)
steps = st.lists(st.one_of(acts, st.lists(acts, min_size=2, max_size=6, unique_by=lambda act: act[1])), min_size=1, max_size=15)
Model = dict[tuple[str, Decimal], dict[str, Any]]


def act(table: str, model: Model, change: Any) -> dict[str, Any]:
    """One change of the model, and the same as a part of a transaction."""
    kind, (pk, sk), more, gone = change
    key = {"pk": pk, "sk": sk}
    if kind == "Delete":
        model.pop((pk, sk), None)
        return {kind: {"TableName": table, "Key": wire(**key)}}
    if kind == "Put":
        model[pk, sk] = {**key, **more}
        return {kind: {"TableName": table, "Item": wire(**model[pk, sk])}}
    gone = sorted(gone - more.keys())
    clauses = ["SET " + ", ".join(f"{name} = :{name}" for name in more)] if more else []
    clauses += ["REMOVE " + ", ".join(gone)] if gone else []
    known = model.get((pk, sk), key)
    model[pk, sk] = {name: value for name, value in {**known, **more}.items() if name not in gone}
    part: dict[str, Any] = {"TableName": table, "Key": wire(**key), "UpdateExpression": " ".join(clauses)}
    if more:
        part["ExpressionAttributeValues"] = wire(**{f":{name}": value for name, value in more.items()})
    return {kind: part}


@settings(max_examples=25)
@given(steps, st.integers(0, 14), st.integers(1, 4), st.integers(1, 5), st.booleans())
def test_indexes_are_never_behind(cloud: Any, changes: Any, added_at: int, limit: int, segments: int, forward: bool) -> None:
    """Puts, updates, deletes, transactions, and an index added meanwhile: queries and parallel scans give what a dict would."""
    db = cloud.client("dynamodb")
    name = make(db, cloud)
    model: Model = {}
    for number, step in enumerate(changes):
        if number == added_at % len(changes):
            add_index(db, name)
        if isinstance(step, list):
            db.transact_write_items(TransactItems=[act(name, model, change) for change in step])
        else:
            [(kind, members)] = act(name, model, step).items()
            {"Put": db.put_item, "Update": db.update_item, "Delete": db.delete_item}[kind](**members)
    cloud.settle()
    for view, partition, sort in (("by_g", "g", "n"), ("by_t", "g", "t"), ("late", "n", "z"), ("by_n", "pk", "n")):
        there = [item for item in model.values() if partition in item and sort in item]
        for value in {item[partition] for item in there}:
            asked = {
                "TableName": name,
                "IndexName": view,
                "KeyConditionExpression": f"{partition} = :p",
                "ExpressionAttributeValues": wire(**{":p": value}),
                "ScanIndexForward": forward,
                "Limit": limit,
            }
            found = collected(db.query, asked)
            expected = [item for item in there if item[partition] == value]
            assert [item[sort] for item in found] == sorted([item[sort] for item in expected], reverse=not forward)
            assert sorted(map(printed, found)) == sorted(map(printed, expected))
        whole = {"TableName": name, "IndexName": view, "TotalSegments": segments, "Limit": limit}
        scanned = [item for segment in range(segments) for item in collected(db.scan, {**whole, "Segment": segment})]
        assert sorted(map(printed, scanned)) == sorted(map(printed, there))
    whole = {"TableName": name, "TotalSegments": segments, "Limit": limit}
    scanned = [item for segment in range(segments) for item in collected(db.scan, {**whole, "Segment": segment})]
    assert sorted(map(printed, scanned)) == sorted(map(printed, model.values()))


def add_index(db: Any, table: str) -> None:
    db.update_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "N"} for name in ("n", "z")],
        GlobalSecondaryIndexUpdates=[{"Create": index("late", "n", "z")}],
    )


def printed(item: dict[str, Any]) -> str:
    return str(sorted(item.items()))
