"""What the DynamoDB tests share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

Refused = Callable[..., tuple[str, str]]
Made = Callable[..., str]
_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


def wire(**attributes: Any) -> dict[str, Any]:
    """An item in its wire form: wire(pk="x", n=1)."""
    return {name: _serialize(value) for name, value in attributes.items()}


def plain(item: dict[str, Any]) -> dict[str, Any]:
    """An item as Python's values."""
    return {name: _deserialize(value) for name, value in item.items()}


def key_schema(partition: str, sort: str | None = None) -> list[dict[str, str]]:
    schema = [{"AttributeName": partition, "KeyType": "HASH"}]
    return [*schema, {"AttributeName": sort, "KeyType": "RANGE"}] if sort else schema


def index(name: str, partition: str, sort: str | None = None, projection: str = "ALL", attributes: tuple[str, ...] = ()) -> dict[str, Any]:
    """A secondary index, as CreateTable takes it."""
    projected: dict[str, Any] = {"ProjectionType": projection}
    if attributes:
        projected["NonKeyAttributes"] = list(attributes)
    return {"IndexName": name, "KeySchema": key_schema(partition, sort), "Projection": projected}


@pytest.fixture
def db(cloud: Any) -> Any:
    """A client of the root user."""
    return cloud.client("dynamodb")


@pytest.fixture
def make(cloud: Any, db: Any) -> Made:
    """Makes a table: make("orders", "pk", "sk", types={"sk": "N"}, GlobalSecondaryIndexes=[...])."""

    def call(name: str, partition: str = "pk", sort: str | None = None, types: dict[str, str] | None = None, **members: Any) -> str:
        indexes = [*members.get("GlobalSecondaryIndexes", ()), *members.get("LocalSecondaryIndexes", ())]
        names = [partition, *([sort] if sort else []), *(e["AttributeName"] for i in indexes for e in i["KeySchema"])]
        if "ProvisionedThroughput" not in members:
            members.setdefault("BillingMode", "PAY_PER_REQUEST")
        db.create_table(
            TableName=name,
            KeySchema=key_schema(partition, sort),
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": (types or {}).get(n, "S")} for n in dict.fromkeys(names)],
            **members,
        )
        cloud.settle()
        return name

    return call


@pytest.fixture
def table(make: Made) -> str:
    """A table on demand with a partition key `pk` and a sort key `sk`, both text."""
    return make("table", "pk", "sk")
