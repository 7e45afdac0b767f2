"""The parameters that came before expressions."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fogbank.services.dynamodb import expressions
from fogbank.services.dynamodb.expressions import Condition

from .language import Request, item, refusal, wire

INVALID = "One or more parameter values were invalid: "


class Given(msgspec.Struct, kw_only=True):
    """A member of Expected, QueryFilter, KeyConditions or AttributeUpdates."""

    ComparisonOperator: str | None = None
    AttributeValueList: list[Any] | None = None
    Value: Any = None
    Exists: bool | None = None
    Action: str | None = None


def compare(operator: str, *operands: Any) -> Given:
    return Given(ComparisonOperator=operator, AttributeValueList=[wire(operand) for operand in operands] or None)


def expected(joint: str | None = None, /, **conditions: Given) -> Condition:
    condition = expressions.of(Request(Expected=conditions, ConditionalOperator=joint)).condition
    assert condition is not None
    return condition


ITEM = item(n=5, s="hello", tags={"a"}, l=[1], nothing=None)


@pytest.mark.parametrize(
    ("name", "condition", "holds"),
    [
        ("n", compare("EQ", 5.0), True),
        ("n", compare("EQ", "5"), False),
        ("n", compare("NE", 6), True),
        ("gone", compare("NE", 6), True),
        ("n", compare("LE", 5), True),
        ("n", compare("LT", 5), False),
        ("n", compare("GE", 5), True),
        ("n", compare("GT", 5), False),
        ("n", compare("BETWEEN", 1, 5), True),
        ("n", compare("IN", 1, 5), True),
        ("s", compare("IN", "a"), False),
        ("s", compare("BEGINS_WITH", "he"), True),
        ("s", compare("CONTAINS", "ell"), True),
        ("tags", compare("CONTAINS", "a"), True),
        ("l", compare("CONTAINS", 1), True),
        ("tags", compare("NOT_CONTAINS", "b"), True),
        ("tags", compare("NOT_CONTAINS", "a"), False),
        ("gone", compare("NOT_CONTAINS", "a"), False),
        ("n", compare("NULL"), False),
        ("gone", compare("NULL"), True),
        ("nothing", compare("NOT_NULL"), True),
        ("n", Given(Value={"N": "5"}), True),
        ("n", Given(Value={"N": "5"}, Exists=True), True),
        ("n", Given(Value={"N": "6"}), False),
        ("gone", Given(Exists=False), True),
        ("n", Given(Exists=False), False),
        ("n", Given(ComparisonOperator="GT", Value={"N": "4"}), True),
    ],
)
def test_comparisons(name: str, condition: Given, holds: bool) -> None:
    """Each ComparisonOperator says what the expression that replaced it says."""
    assert expected(**{name: condition}).holds(ITEM) is holds


def test_conditions_are_joined() -> None:
    """All must hold, or with ConditionalOperator OR one."""
    parts = {"n": compare("EQ", 5), "s": compare("EQ", "no")}
    assert not expected(**parts).holds(ITEM)
    assert not expected("AND", **parts).holds(ITEM)
    assert expected("OR", **parts).holds(ITEM)
    assert expected(**parts).attributes == {"n", "s"}


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        (compare("EQ"), "Value or AttributeValueList must be used with ComparisonOperator: EQ for Attribute: a"),
        (compare("EQ", 1, 2), "Invalid number of argument(s) for the EQ ComparisonOperator"),
        (compare("NULL", 1), "Invalid number of argument(s) for the NULL ComparisonOperator"),
        (compare("BETWEEN", 1), "Invalid number of argument(s) for the BETWEEN ComparisonOperator"),
        (compare("LT", {"a"}), "ComparisonOperator LT is not valid for SS AttributeValue type"),
        (compare("BEGINS_WITH", 1), "ComparisonOperator BEGINS_WITH is not valid for N AttributeValue type"),
        (compare("IN", 1, "a"), "AttributeValues inside AttributeValueList must be of same type"),
        (Given(AttributeValueList=[{"S": "x"}]), "AttributeValueList can only be used with a ComparisonOperator for Attribute: a"),
        (Given(), "Value must be provided when Exists is null for Attribute: a"),
        (Given(Exists=True), "Value must be provided when Exists is true for Attribute: a"),
        (Given(Exists=False, Value={"S": "x"}), "Value cannot be used when Exists is false for Attribute: a"),
        (Given(ComparisonOperator="NULL", Exists=False), "Exists and ComparisonOperator cannot be used together for Attribute: a"),
        (
            Given(ComparisonOperator="EQ", Value={"S": "x"}, AttributeValueList=[{"S": "x"}]),
            "Value and AttributeValueList cannot be used together for Attribute: a",
        ),
    ],
)
def test_expectations_are_refused(condition: Given, reason: str) -> None:
    """Expected is either a comparison or a pair of Value and Exists, with as many operands as its operator takes."""
    assert refusal(expected, a=condition) == INVALID + reason


def test_bounds_and_joints_are_refused() -> None:
    """Bounds are in order; ConditionalOperator joins at least two conditions."""
    bounds = "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound"
    assert refusal(expected, a=compare("BETWEEN", 2, 1)) == bounds
    assert refusal(expressions.of, Request(ConditionalOperator="OR")) == "ConditionalOperator cannot be used without Filter or Expected"
    few = "ConditionalOperator can only be used when Filter or Expected has two or more elements"
    assert refusal(expected, "OR", a=compare("NULL")) == few


def test_key_conditions() -> None:
    """KeyConditions say what a KeyConditionExpression says; what cannot be looked up is refused."""

    def ranged(**conditions: Given) -> Any:
        key = expressions.of(Request(KeyConditions=conditions)).key
        assert key is not None
        return key.range(("pk",), ("sk",), {"pk": "S", "sk": "N"})

    assert ranged(sk=compare("BETWEEN", 1, 2), pk=compare("EQ", "x")) == ((wire("x"),), (), "BETWEEN", (wire(1), wire(2)))
    assert ranged(pk=compare("EQ", "x"), sk=compare("EQ", 1)) == ((wire("x"),), (wire(1),), "", ())
    assert refusal(ranged, pk=compare("LT", "x")) == "Query key condition not supported"
    assert refusal(ranged, pk=compare("NE", "x")) == "Attempted conditional constraint is not an indexable operation"


def test_filters_and_projections() -> None:
    """QueryFilter, ScanFilter and AttributesToGet are a filter and a projection."""
    for member in ("QueryFilter", "ScanFilter"):
        found = expressions.of(Request(**{member: {"n": compare("GT", 4)}}, AttributesToGet=["n", "gone"]))  # type: ignore[arg-type]
        assert found.filter is not None
        assert found.filter.holds(ITEM)
        assert found.projection is not None
        assert found.projection.pick(ITEM) == item(n=5)
    twice = INVALID + "Duplicate value in attribute name: n"
    assert refusal(expressions.of, Request(AttributesToGet=["n", "s", "n"])) == twice


def updated(**updates: Given) -> Any:
    update = expressions.of(Request(AttributeUpdates=updates)).update
    assert update is not None
    assert update.attributes == set(updates)
    return update.apply(ITEM)


@pytest.mark.parametrize(
    ("name", "update", "value"),
    [
        ("n", Given(Value={"N": "1.0"}), 1),
        ("gone", Given(Value={"S": "x"}, Action="PUT"), "x"),
        ("n", Given(Action="DELETE"), None),
        ("n", Given(Value={"N": "2"}, Action="ADD"), 7),
        ("gone", Given(Value={"N": "2"}, Action="ADD"), 2),
        ("tags", Given(Value={"SS": ["b"]}, Action="ADD"), {"a", "b"}),
        ("tags", Given(Value={"SS": ["a"]}, Action="DELETE"), None),
        ("gone", Given(Value={"SS": ["a"]}, Action="DELETE"), None),
    ],
)
def test_attribute_updates(name: str, update: Given, value: Any) -> None:
    """PUT replaces, ADD adds numbers and joins sets, DELETE removes attributes and members."""
    assert updated(**{name: update}).get(name) == (None if value is None else wire(value))


@pytest.mark.parametrize(
    ("name", "update", "reason"),
    [
        ("a", Given(), INVALID + "Only DELETE action is allowed when no attribute value is specified"),
        ("a", Given(Value={"S": "x"}, Action="ADD"), INVALID + "ADD action is not supported for the type S"),
        ("a", Given(Value={"N": "1"}, Action="DELETE"), INVALID + "DELETE action with value is not supported for the type N"),
        ("s", Given(Value={"N": "1"}, Action="ADD"), "Type mismatch for attribute to update"),
        ("tags", Given(Value={"NS": ["1"]}, Action="DELETE"), "Type mismatch for attribute to update"),
    ],
)
def test_attribute_updates_are_refused(name: str, update: Given, reason: str) -> None:
    """Only numbers and sets are added to, only sets are subtracted from."""
    assert refusal(updated, **{name: update}) == reason
