"""What hypothesis makes up, against a plain model: a dict of items."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fogbank.testing.cloud import Cloud

from .conftest import index, key_schema, plain, wire

texts = st.text(st.sampled_from("\0\x01aé\U0001f600"), max_size=3)
numbers = st.sampled_from([Decimal(n) for n in ("-10", "-1.5", "-1", "-0.01", "0", "0.01", "1", "1.5", "10", "1e30")])
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


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
            assert sorted(found, key=str) == sorted(expected, key=str)
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
