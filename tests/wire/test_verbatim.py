"""Structures that a service carries as they came: DynamoDB's attribute values."""

from __future__ import annotations

import json

import msgspec
import pytest

from fogbank.kernel.errors import ServiceException
from fogbank.kernel.http import HttpRequest
from fogbank.wire.codec import codec

ITEM = {"pk": {"S": "x"}, "b": {"B": "AAE="}, "l": {"L": [{"M": {"n": {"N": "1.50"}}}]}, "z": {"NULL": True}}


def decoded(body: object) -> object:
    request = HttpRequest("POST", "/", "", {}, json.dumps(body).encode())
    return codec("dynamodb", "PutItem", "json").decode(request, None)


def test_request_carries_values_as_they_came() -> None:
    """An attribute value decodes into the plain JSON value that it was, base64 and all."""
    assert decoded({"TableName": "table", "Item": ITEM}).Item == ITEM  # type: ignore[attr-defined]


def test_a_value_is_still_a_structure() -> None:
    """What is no JSON object is not taken for an attribute value."""
    with pytest.raises(ServiceException) as caught:
        decoded({"TableName": "table", "Item": {"pk": "x"}})
    assert caught.value.code == "SerializationException"


def test_other_members_are_judged_beside_it() -> None:
    """A violated constraint next to a verbatim member is told in AWS's words."""
    with pytest.raises(ServiceException) as caught:
        decoded({"TableName": "table", "Item": ITEM, "ReturnValues": "SOME"})
    assert "Value 'SOME' at 'returnValues' failed to satisfy constraint" in caught.value.message


def test_answers_take_encoded_members() -> None:
    """JSON that is there already is spliced into an answer, also where an absent member makes it be looked through again."""
    encode = codec("dynamodb", "GetItem", "json").encode
    raw = msgspec.Raw(json.dumps(ITEM).encode())
    assert json.loads(encode({"Item": raw}, "r").body) == {"Item": ITEM}
    assert json.loads(encode({"Item": raw, "ConsumedCapacity": None}, "r").body) == {"Item": ITEM}
    assert json.loads(codec("dynamodb", "Query", "json").encode({"Items": [raw, ITEM], "Count": 2}, "r").body)["Items"] == [ITEM, ITEM]


def test_refusals_take_encoded_members() -> None:
    """An error's item can be JSON that is there already."""
    refusal = ServiceException("ConditionalCheckFailedException", "no", Item=msgspec.Raw(json.dumps(ITEM).encode()))
    assert json.loads(codec("dynamodb", "PutItem", "json").refuse(refusal, "r").body)["Item"] == ITEM
