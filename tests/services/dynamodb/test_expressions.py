"""Conditions, filters, key conditions and projections, as they are evaluated."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbank.services.dynamodb import values
from fogbank.services.dynamodb.expressions import KeyRange

from .language import asked, item, refusal, wire

ITEM = item(
    pk="k",
    n=5,
    s="hello",
    b=("B", "AQID"),
    flag=True,
    nothing=None,
    tags={"a", "b"},
    numbers={1, 2},
    l=[1, "two", {"x": "y"}],
    m={"a": {"b": [10, 20]}, "c": "d"},
)


def holds(text: str, names: dict[str, str] | None = None, /, **literals: Any) -> bool:
    condition = asked(names, literals or None, ConditionExpression=text).condition
    assert condition is not None
    return condition.holds(ITEM)


@pytest.mark.parametrize(
    ("text", "literals", "expected"),
    [
        ("n = :v", {"v": 5}, True),
        ("n = :v", {"v": "5"}, False),
        ("n <> :v", {"v": "5"}, True),
        ("absent = :v", {"v": 5}, False),
        ("absent <> :v", {"v": 5}, True),
        ("absent = gone", {}, False),
        ("absent <> gone", {}, True),
        (":v = n", {"v": 5}, True),
        ("n < :v", {"v": 10}, True),
        ("n < :v", {"v": "6"}, False),
        ("n >= :v", {"v": 5.0}, True),
        ("n > :v", {"v": 4.5}, True),
        (":v < n", {"v": 4}, True),
        ("s < :v", {"v": "help"}, True),
        ("s < n", {}, False),
        ("absent < :v", {"v": 1}, False),
        ("flag < n", {}, False),
        ("b >= :v", {"v": ("B", "AQI=")}, True),
        ("n BETWEEN :a AND :b", {"a": 5, "b": 7}, True),
        ("n BETWEEN :a AND :b", {"a": 6, "b": 7}, False),
        ("n between :a and l[0]", {"a": 1}, False),
        ("n IN (:a, :b)", {"a": 1, "b": 5}, True),
        ("n IN (:a, s)", {"a": 1}, False),
        ("absent IN (:a)", {"a": 1}, False),
        ("tags = :v", {"v": {"b", "a"}}, True),
        ("tags = :v", {"v": {"b"}}, False),
        ("l = :v", {"v": [1.0, "two", {"x": "y"}]}, True),
        ("m.a.b = :v", {"v": [10, 20]}, True),
        ("m.a.b[1] = :v", {"v": 20}, True),
        ("m.a.b[2] = :v", {"v": 20}, False),
        ("m.a[0] = :v", {"v": 20}, False),
        ("l.x = :v", {"v": 20}, False),
        ("s.x = :v", {"v": 20}, False),
        ("nothing = :v", {"v": None}, True),
    ],
)
def test_comparisons(text: str, literals: dict[str, Any], expected: bool) -> None:
    """Numbers are compared as numbers; what is absent, or of another type, equals nothing and stands in no order."""
    assert holds(text, **literals) is expected


@pytest.mark.parametrize(
    ("text", "literals", "expected"),
    [
        ("attribute_exists(n)", {}, True),
        ("attribute_exists(m.a.b[0])", {}, True),
        ("attribute_exists(m.a.b[2])", {}, False),
        ("attribute_not_exists(absent)", {}, True),
        ("attribute_not_exists(nothing)", {}, False),
        ("attribute_type(tags, :t)", {"t": "SS"}, True),
        ("attribute_type(tags, :t)", {"t": "NS"}, False),
        ("attribute_type(absent, :t)", {"t": "NULL"}, False),
        ("begins_with(s, :v)", {"v": "he"}, True),
        ("begins_with(s, :v)", {"v": "el"}, False),
        ("begins_with(n, :v)", {"v": "5"}, False),
        ("begins_with(b, :v)", {"v": ("B", "AQI=")}, True),
        ("contains(s, :v)", {"v": "ell"}, True),
        ("contains(tags, :v)", {"v": "a"}, True),
        ("contains(tags, :v)", {"v": "c"}, False),
        ("contains(numbers, :v)", {"v": 2.0}, True),
        ("contains(numbers, :v)", {"v": "2"}, False),
        ("contains(l, :v)", {"v": {"x": "y"}}, True),
        ("contains(b, :v)", {"v": ("B", "AgM=")}, True),
        ("contains(n, :v)", {"v": "5"}, False),
        ("contains(:v, s)", {"v": ["hello"]}, True),
        ("size(s) = :v", {"v": 5}, True),
        ("size(b) = :v", {"v": 3}, True),
        ("size(tags) = :v", {"v": 2}, True),
        ("size(l) > :v", {"v": 2}, True),
        ("size(m) <= :v", {"v": 2}, True),
        ("size(n) = :v", {"v": 1}, False),
        ("size(absent) < :v", {"v": 1}, False),
        ("size(s) BETWEEN :a AND :b", {"a": 1, "b": 9}, True),
        ("size (s) IN (n)", {}, True),
    ],
)
def test_functions(text: str, literals: dict[str, Any], expected: bool) -> None:
    """The functions of conditions say what the developer guide says of them, and nothing of what is absent."""
    assert holds(text, **literals) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NOT n = :f AND n = :f", False),
        ("NOT (n = :f AND n = :f)", False),
        ("n = :z AND n = :f OR n = :f", True),
        ("n = :z AND (n = :f OR n = :f)", False),
        ("n = :f OR n = :z AND n = :z", True),
        ("not n = :z and not n = :z", True),
        ("NOT NOT n = :f", True),
        ("(n = :f) AND (NOT (n = :z))", True),
        ("(n) = (:f)", True),
        ("n = :f AND n <> :z AND n = :f AND n <> :z", True),
        ("n = :z OR n = :z OR n = :f", True),
    ],
)
def test_precedence(text: str, expected: bool) -> None:
    """NOT binds more tightly than AND, AND more tightly than OR; parentheses override."""
    literals = {name: value for name, value in (("f", 5), ("z", 6)) if f":{name}" in text}
    assert holds(text, **literals) is expected


@given(st.recursive(st.sampled_from(["a", "b", "c", "d"]), lambda inner: st.tuples(st.sampled_from(["AND", "OR", "NOT"]), inner, inner)))
def test_logic_is_pythons(tree: Any) -> None:
    """Any combination of AND, OR and NOT, fully parenthesised, holds exactly where Python says so."""

    def text(node: Any) -> str:
        if isinstance(node, str):
            return f"attribute_exists({node})"
        return f"NOT ({text(node[1])})" if node[0] == "NOT" else f"({text(node[1])}) {node[0]} ({text(node[2])})"

    def truth(node: Any, present: set[str]) -> bool:
        if isinstance(node, str):
            return node in present
        kind, one, two = node
        if kind == "NOT":
            return not truth(one, present)
        return truth(one, present) and truth(two, present) if kind == "AND" else truth(one, present) or truth(two, present)

    condition = asked(ConditionExpression=text(tree)).condition
    assert condition is not None
    for present in (set(), {"a"}, {"b", "c"}, {"a", "d"}, {"a", "b", "c", "d"}):
        assert condition.holds({name: {"S": "x"} for name in present}) == truth(tree, present)


@given(st.decimals(-1000, 1000, places=3), st.decimals(-1000, 1000, places=3), st.sampled_from(["=", "<>", "<", "<=", ">", ">="]))
def test_numbers_compare_as_numbers(a: Decimal, b: Decimal, operator: str) -> None:
    """Every comparator says of two numbers what is true of them."""
    condition = asked(None, {"b": ("N", str(b))}, ConditionExpression=f"a {operator} :b").condition
    assert condition is not None
    left = values.checked({"a": {"N": str(a)}})
    python = {"=": a == b, "<>": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}
    assert condition.holds(left) == python[operator]


def test_names_stand_for_attributes() -> None:
    """A #name stands for an attribute whatever its name, also a reserved word or one with a dot."""
    condition = asked({"#a": "a.b", "#n": "name"}, {"v": 1}, FilterExpression="#a = :v AND attribute_exists(#n.#n)").filter
    assert condition is not None
    assert condition.holds(item(**{"a.b": 1, "name": {"name": 2}}))
    assert not condition.holds(item(a={"b": 1}, name={"name": 2}))
    assert condition.attributes == {"a.b", "name"}


def test_the_same_expression_with_other_values_is_compiled_once() -> None:
    """What is kept does not depend on the values."""
    one = asked(None, {"v": 1}, ConditionExpression="once = :v").condition
    two = asked(None, {"v": 2}, ConditionExpression="once = :v").condition
    assert one is not None
    assert two is not None
    assert one.test is two.test
    assert [one.holds(item(once=1)), two.holds(item(once=1))] == [True, False]


def test_a_request_without_expressions_asks_nothing() -> None:
    """Where nothing is given, nothing is asked."""
    assert asked() == (None, None, None, None, None)


# Projections.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pk, n", item(pk="k", n=5)),
        ("absent, n", item(n=5)),
        ("m.a.b[1]", item(m={"a": {"b": [20]}})),
        ("m.c, m.a", item(m={"a": {"b": [10, 20]}, "c": "d"})),
        ("l[2].x, l[0]", item(l=[1, {"x": "y"}])),
        ("l[7], s.x, m.a.z", {}),
        ("m.a.b[0], m.c", item(m={"a": {"b": [10]}, "c": "d"})),
    ],
)
def test_projections(text: str, expected: Any) -> None:
    """A projection gives what is there of what it names; what is picked of a list moves together, in the list's order."""
    projection = asked(ProjectionExpression=text).projection
    assert projection is not None
    assert projection.pick(ITEM) == values.checked(expected)


def test_a_projection_names_its_attributes() -> None:
    """The top-level attributes of a projection are known."""
    projection = asked({"#l": "l"}, ProjectionExpression="m.a, #l[0]").projection
    assert projection is not None
    assert projection.attributes == {"m", "l"}


# Key conditions.

TYPES = {"pk": "S", "sk": "N", "s2": "S"}


def key_range(text: str, sort: tuple[str, ...] = ("sk",), partition: tuple[str, ...] = ("pk",), **literals: Any) -> KeyRange:
    key = asked(None, literals, KeyConditionExpression=text).key
    assert key is not None
    return key.range(partition, sort, TYPES)


@pytest.mark.parametrize(
    ("text", "literals", "expected"),
    [
        ("pk = :p", {}, ("", [])),
        ("(pk = :p) AND (sk < :a)", {"a": 1}, ("<", [1])),
        ("sk >= :a AND pk = :p", {"a": 1}, (">=", [1])),
        (":a > sk AND :p = pk", {"a": 1}, ("<", [1])),
        ("pk = :p AND sk BETWEEN :a AND :b", {"a": 1, "b": 2}, ("BETWEEN", [1, 2])),
    ],
)
def test_key_conditions(text: str, literals: dict[str, Any], expected: tuple[str, list[Any]]) -> None:
    """A key condition is one value of the partition key and at most one condition on the sort key, in any order."""
    operator, operands = expected
    assert key_range(text, p="x", **literals) == ((wire("x"),), (), operator, tuple(wire(value) for value in operands))


def test_an_equal_sort_key_is_a_value() -> None:
    """Equality with the sort key is told apart from a range."""
    assert key_range("pk = :p AND sk = :s", p="x", s=1) == ((wire("x"),), (wire(1),), "", ())


def test_key_conditions_on_keys_of_several_attributes() -> None:
    """Partition attributes all by equality; sort attributes from the first on, a range only last."""
    assert key_range("pk = :p AND s2 = :q AND sk > :s", ("sk",), ("pk", "s2"), p="x", q="y", s=1) == (
        (wire("x"), wire("y")),
        (),
        ">",
        (wire(1),),
    )
    text = "pk = :p AND sk = :s AND begins_with(s2, :q)"
    assert key_range(text, ("sk", "s2"), p="x", q="y", s=1) == ((wire("x"),), (wire(1),), "begins_with", (wire("y"),))
    missed = "Query condition missed key schema element: sk"
    assert refusal(key_range, "pk = :p AND s2 = :q", ("sk", "s2"), p="x", q="y") == missed


@pytest.mark.parametrize(
    ("text", "literals", "reason"),
    [
        ("sk = :s", {"s": 1}, "Query condition missed key schema element: pk"),
        ("pk = :p AND more = :s", {"p": "x", "s": 1}, "Query condition missed key schema element: sk"),
        ("pk > :p", {"p": "x"}, "Query key condition not supported"),
        ("pk = :p AND sk = :a AND sk = :b", {"p": "x", "a": 1, "b": 2}, "Conditions can be of length 1 or 2 only"),
        ("pk = :p AND pk = :a", {"p": "x", "a": "y"}, "KeyConditionExpressions must only contain one condition per key"),
        ("pk = :p OR sk = :s", {"p": "x", "s": 1}, "Invalid operator used in KeyConditionExpression: OR"),
        ("NOT pk = :p", {"p": "x"}, "Invalid operator used in KeyConditionExpression: NOT"),
        ("pk = :p AND sk <> :s", {"p": "x", "s": 1}, "Invalid operator used in KeyConditionExpression: <>"),
        ("pk = :p AND sk IN (:s)", {"p": "x", "s": 1}, "Invalid operator used in KeyConditionExpression: IN"),
        (
            "pk = :p AND attribute_exists(sk)",
            {"p": "x"},
            "Invalid operator used in KeyConditionExpression: attribute_exists",
        ),
        ("pk = :p AND size(sk) = :s", {"p": "x", "s": 1}, "KeyConditionExpressions cannot contain nested operations"),
        ("pk = :p AND sk.a = :s", {"p": "x", "s": 1}, "KeyConditionExpressions cannot have conditions on nested attributes"),
        (
            "pk = :p AND sk = gone",
            {"p": "x"},
            "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition",
        ),
        (":a = :p", {"p": "x", "a": 1}, "Invalid condition in KeyConditionExpression: No key attribute specified"),
        (
            "begins_with(:a, pk)",
            {"a": "x"},
            "Invalid condition in KeyConditionExpression: begins_with operator must have the key attribute as its first operand",
        ),
        ("pk = :p", {"p": 1}, "One or more parameter values were invalid: Condition parameter type does not match schema type"),
        (
            "pk = :p AND begins_with(sk, :s)",
            {"p": "x", "s": "1"},
            "One or more parameter values were invalid: Condition parameter type does not match schema type",
        ),
        (
            "pk = :p AND begins_with(sk, :s)",
            {"p": "x", "s": 1},
            "Invalid KeyConditionExpression: Incorrect operand type for operator or function; "
            "operator or function: begins_with, operand type: N",
        ),
        (
            "pk = :p AND sk BETWEEN :a AND :b",
            {"p": "x", "a": 2, "b": 1},
            "Invalid KeyConditionExpression: The BETWEEN operator requires upper bound to be greater than or equal to lower bound; "
            "lower bound operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}",
        ),
        (
            "pk = :p",
            {"p": ""},
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. "
            "Key: pk",
        ),
    ],
)
def test_what_is_no_key_condition_is_refused(text: str, literals: dict[str, Any], reason: str) -> None:
    """A key condition is refused for what cannot be looked up."""
    assert refusal(key_range, text, **literals) == reason
