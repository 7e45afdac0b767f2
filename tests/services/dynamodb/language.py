"""What the tests of DynamoDB's languages share."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fogbank.kernel.errors import ServiceException
from fogbank.services.dynamodb import expressions
from fogbank.services.dynamodb.expressions import Asked
from fogbank.services.dynamodb.values import Item, Value


class Request(msgspec.Struct, kw_only=True):
    """A request with every parameter that the expressions read."""

    ConditionExpression: str | None = None
    FilterExpression: str | None = None
    KeyConditionExpression: str | None = None
    ProjectionExpression: str | None = None
    UpdateExpression: str | None = None
    ExpressionAttributeNames: dict[str, str] | None = None
    ExpressionAttributeValues: Item | None = None
    Expected: dict[str, Any] | None = None
    QueryFilter: dict[str, Any] | None = None
    ScanFilter: dict[str, Any] | None = None
    KeyConditions: dict[str, Any] | None = None
    AttributeUpdates: dict[str, Any] | None = None
    AttributesToGet: list[str] | None = None
    ConditionalOperator: str | None = None


def wire(value: Any) -> Value:
    """A Python value as an attribute value: str, int, bytes' base64 as ("B", text), sets, lists, dicts, None, bool."""
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int | float):
        return {"N": str(value)}
    if isinstance(value, tuple):
        return {value[0]: value[1]}
    if isinstance(value, list):
        return {"L": [wire(member) for member in value]}
    if isinstance(value, dict):
        return {"M": {name: wire(member) for name, member in value.items()}}
    if isinstance(value, set):
        members = sorted(value)
        return {"SS": members} if isinstance(members[0], str) else {"NS": [str(member) for member in members]}
    return {"NULL": True}


def item(**attributes: Any) -> Item:
    return {name: wire(value) for name, value in attributes.items()}


def given(values: dict[str, Any] | None) -> Item | None:
    """Values by their names without the colon."""
    return None if values is None else {f":{name}": wire(value) for name, value in values.items()}


def asked(names: dict[str, str] | None = None, values: dict[str, Any] | None = None, **texts: Any) -> Asked:
    return expressions.of(Request(ExpressionAttributeNames=names, ExpressionAttributeValues=given(values), **texts))


def refusal(call: Any, *arguments: Any, **members: Any) -> str:
    """The message of the ValidationException that a call ends in."""
    with pytest.raises(ServiceException) as caught:
        call(*arguments, **members)
    assert caught.value.code == "ValidationException"
    return caught.value.message
