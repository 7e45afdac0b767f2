"""Schemas, and events to learn of."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fogbank.testing.cloud import ACCOUNT, Cloud

BUS = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default"
ORDER = {
    "openapi": "3.0.0",
    "info": {"title": "Order", "version": "1.0.0"},
    "paths": {},
    "components": {
        "schemas": {
            "AWSEvent": {
                "type": "object",
                "required": ["detail-type", "source", "detail"],
                "x-amazon-events-detail-type": "Order",
                "x-amazon-events-source": "shop",
                "properties": {
                    "detail": {"$ref": "#/components/schemas/Order"},
                    "detail-type": {"type": "string"},
                    "source": {"type": "string"},
                    "time": {"type": "string", "format": "date-time"},
                },
            },
            "Order": {
                "type": "object",
                "required": ["id"],
                "properties": {
                    "id": {"type": "integer", "format": "int64"},
                    "price": {"type": "number"},
                    "note": {"type": "string", "nullable": True},
                    "class": {"type": "boolean"},
                    "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}},
                    "marks": {"type": "object", "additionalProperties": {"type": "string", "format": "date-time"}},
                    "address": {"type": "object", "properties": {"street": {"type": "string"}}},
                },
            },
            "Line": {
                "type": "object",
                "properties": {"sku": {"type": "string"}, "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}}},
            },
        }
    },
}
"""A schema with everything that code is made of."""
EXAMPLE = {
    "detail-type": "Order",
    "source": "shop",
    "time": "2024-05-06T07:08:09Z",
    "detail": {
        "id": 7,
        "price": 9.5,
        "class": True,
        "lines": [{"sku": "a", "parts": [{"sku": 'b"c'}]}],
        "marks": {"packed": "2024-05-06T07:08:09Z"},
        "address": {"street": "Höhe 1"},
    },
}


@pytest.fixture
def schemas(cloud: Cloud) -> Any:
    return cloud.client("schemas")


@pytest.fixture
def events(cloud: Cloud) -> Any:
    return cloud.client("events")


@pytest.fixture
def registry(schemas: Any) -> str:
    schemas.create_registry(RegistryName="shop", Description="ours", Tags={"team": "a"})
    return "shop"


def create(schemas: Any, name: str = "shop@Order", content: Any = None, **more: Any) -> Any:
    members = {"RegistryName": "shop", "Type": "OpenApi3", **more}
    return schemas.create_schema(SchemaName=name, Content=json.dumps(ORDER if content is None else content), **members)


def put(events: Any, detail: Any, kind: str = "Order Placed", source: str = "shop", **more: Any) -> None:
    assert (
        events.put_events(Entries=[{"Source": source, "DetailType": kind, "Detail": json.dumps(detail), **more}])["FailedEntryCount"] == 0
    )


def refused(call: Any, **members: Any) -> tuple[str, int, str]:
    """Code, status and message of a refusal."""
    with pytest.raises(Exception) as caught:
        call(**members)
    answer = caught.value.response  # type: ignore[attr-defined]
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]
