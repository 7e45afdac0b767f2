"""What is wrong with expressions, in AWS's words."""

from __future__ import annotations

from typing import Any

import pytest

from fogbank.services.dynamodb import expressions

from .language import Request, asked, item, refusal

CONDITION = "Invalid ConditionExpression: "
UPDATE = "Invalid UpdateExpression: "
PROJECTION = "Invalid ProjectionExpression: "
TYPE = "Incorrect operand type for operator or function; "


def condition_fault(text: str, **literals: Any) -> str:
    return refusal(asked, None, literals or None, ConditionExpression=text).removeprefix(CONDITION)


def update_fault(text: str, **literals: Any) -> str:
    return refusal(asked, None, literals or None, UpdateExpression=text).removeprefix(UPDATE)


@pytest.mark.parametrize(
    ("text", "token", "near"),
    [
        ("a = = :v", "=", "= = :v"),
        ("a", "<EOF>", "a"),
        ("a AND b", "AND", "a AND b"),
        ("a = ", "<EOF>", "="),
        ("= :v", "=", "= :v"),
        ("a = :v b", "b", ":v b"),
        ("(a = :v", "<EOF>", ":v"),
        ("a = :v)", ")", ":v)"),
        ("a : v = :v", ":", "a : v"),
        ("_a = :v", "_", "_a"),
        ("a.1 = :v", "1", ".1 ="),
        ("a[b] = :v", "b", "[b]"),
        ("a BETWEEN :v OR :v", "OR", ":v OR :v"),
        ("(a) AND b = :v", "AND", ") AND b"),
        ("(a = :v) = :v", "=", ") = :v"),
        ("NOT a", "<EOF>", "a"),
        ("a IN :v", ":v", "IN :v"),
        ("a = $v", "$", "= $v"),
        ("attribute_exists()", ")", "()"),
    ],
)
def test_syntax_errors(text: str, token: str, near: str) -> None:
    """A syntax error names the token and shows it between its neighbours."""
    assert refusal(asked, ConditionExpression=text) == f'{CONDITION}Syntax error; token: "{token}", near: "{near}"'


@pytest.mark.parametrize(
    ("text", "literals", "reason"),
    [
        (" ", {}, "The expression can not be empty;"),
        ("((a = :v))", {"v": 1}, "The expression has redundant parentheses;"),
        ("((a)) = :v", {"v": 1}, "The expression has redundant parentheses;"),
        ("a = :missing", {"v": 1}, "An expression attribute value used in expression is not defined; attribute value: :missing"),
        ("#a = :v", {"v": 1}, "An expression attribute name used in the document path is not defined; attribute name: #a"),
        ("name = :v", {"v": 1}, "Attribute name is a reserved keyword; reserved keyword: name"),
        ("a.Status = :v", {"v": 1}, "Attribute name is a reserved keyword; reserved keyword: Status"),
        ("foo(a)", {}, "Invalid function name; function: foo"),
        ("Attribute_exists(a)", {}, "Invalid function name; function: Attribute_exists"),
        (
            "begins_with(a)",
            {},
            "Incorrect number of operands for operator or function; operator or function: begins_with, number of operands: 1",
        ),
        ("size(a)", {}, "The function is not allowed to be used this way in an expression; function: size"),
        ("if_not_exists(a, :v) = :v", {"v": 1}, "The function is not allowed in a condition expression; function: if_not_exists"),
        (
            "attribute_exists(a) = :v",
            {"v": 1},
            "The function is not allowed to be used this way in an expression; function: attribute_exists",
        ),
        (
            "attribute_exists(:v)",
            {"v": 1},
            "Operator or function requires a document path; operator or function: attribute_exists",
        ),
        ("begins_with(a, :v)", {"v": 1}, TYPE + "operator or function: begins_with, operand type: N"),
        ("attribute_type(a, :v)", {"v": 1}, TYPE + "operator or function: attribute_type, operand type: N"),
        (
            "attribute_type(a, :v)",
            {"v": "X"},
            "Invalid attribute type name found; type: X, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
        ),
        ("a < :v", {"v": True}, TYPE + "operator or function: <, operand type: BOOL"),
        ("a BETWEEN :v AND :v", {"v": [1]}, TYPE + "operator or function: BETWEEN, operand type: L"),
        ("size(:v) = a", {"v": 1}, TYPE + "operator or function: size, operand type: N"),
        ("size(size(a)) = :v", {"v": 1}, TYPE + "operator or function: size, operand type: N"),
        (
            "a = a",
            {},
            "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [a]",
        ),
        (
            "contains(a.b[0], a.b[0])",
            {},
            "The first operand must be distinct from the remaining operands for this operator or function; "
            "operator: contains, first operand: [a, b, [0]]",
        ),
        (
            "a BETWEEN :x AND :y",
            {"x": 5, "y": 4},
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; "
            "lower bound operand: AttributeValue: {N:5}, upper bound operand: AttributeValue: {N:4}",
        ),
        (
            "a BETWEEN :x AND :y",
            {"x": "5", "y": 4},
            "The BETWEEN operator requires same data type for lower and upper bounds; "
            "lower bound operand: AttributeValue: {S:5}, upper bound operand: AttributeValue: {N:4}",
        ),
        ("a" * 4093 + " = b", {}, "Expression size has exceeded the maximum allowed size; expression size: 4097"),
        (" OR ".join(["a=b"] * 151), {}, "The expression contains too many operators; operator count: 301"),
        (
            f"a IN ({', '.join(['b'] * 101)})",
            {},
            "The IN operator is provided with too many operands; number of operands: 101",
        ),
    ],
)
def test_conditions_are_refused(text: str, literals: dict[str, Any], reason: str) -> None:
    """What is known to be wrong from the request alone is refused with it."""
    assert condition_fault(text, **literals) == reason


def test_limits_are_reached() -> None:
    """300 operators, 100 operands of IN and 4096 bytes are allowed."""
    asked(ConditionExpression=" OR ".join(["a=b"] * 150))
    asked(ConditionExpression=f"a IN ({', '.join(['b'] * 100)})")
    asked(ConditionExpression="a" * 4092 + " = b")


@pytest.mark.parametrize("depth", [99, 301, 2000])
def test_deep_expressions_end_in_an_answer(depth: int) -> None:
    """However deep an expression is nested, it is evaluated or refused."""
    texts = [
        "NOT (" * depth + "a = b" + ")" * depth,
        "NOT " * depth + "a = b",
        "size(" * depth + "a" + ")" * depth + " = b",
        "(" * depth + "a = b" + ")" * depth,
    ]
    for text in texts:
        if depth == 99 and "NOT" in text:
            condition = asked(ConditionExpression=text).condition
            assert condition is not None
            assert condition.holds(item(a=1, b=2)) is True
        else:
            assert condition_fault(text)


@pytest.mark.parametrize(
    ("text", "literals", "reason"),
    [
        ("", {}, "The expression can not be empty;"),
        ("a = :v", {"v": 1}, 'Syntax error; token: "a", near: "a ="'),
        ("SET a = :v, ", {"v": 1}, 'Syntax error; token: "<EOF>", near: ","'),
        ("SET SET a = :v", {"v": 1}, 'Syntax error; token: "a", near: "SET a ="'),
        ("ADD hits : incr", {"incr": 1}, 'Syntax error; token: ":", near: "hits : incr"'),
        ("SET a = a + a + :v", {"v": 1}, 'Syntax error; token: "+", near: "a + :v"'),
        ("ADD a b", {}, 'Syntax error; token: "b", near: "a b"'),
        ("REMOVE a, b SET c = :v REMOVE d", {"v": 1}, 'The "REMOVE" section can only be used once in an update expression;'),
        ("SET a = attribute_exists(b)", {}, "The function is not allowed in an update expression; function: attribute_exists"),
        ("SET a = size(b)", {}, "The function is not allowed in an update expression; function: size"),
        ("SET a = :v + b", {"v": "x"}, TYPE + "operator or function: +, operand type: S"),
        ("SET a = list_append(:v, b)", {"v": {"x": 1}}, TYPE + "operator or function: list_append, operand type: M"),
        ("ADD a :v", {"v": "x"}, TYPE + "operator: ADD, operand type: STRING"),
        ("ADD a :v", {"v": [1]}, TYPE + "operator: ADD, operand type: LIST"),
        ("DELETE a :v", {"v": 1}, TYPE + "operator: DELETE, operand type: NUMBER"),
        ("DELETE a :v", {"v": {"x": 1}}, TYPE + "operator: DELETE, operand type: MAP"),
        ("SET a = if_not_exists(:v, b)", {"v": 1}, "Operator or function requires a document path; operator or function: if_not_exists"),
        (
            "SET a = :v, a = :v",
            {"v": 1},
            "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a]",
        ),
        (
            "SET a = :v REMOVE a.b",
            {"v": 1},
            "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a, b]",
        ),
        (
            "REMOVE a[0], a.b",
            {},
            "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [a, [0]], path two: [a, b]",
        ),
    ],
)
def test_updates_are_refused(text: str, literals: dict[str, Any], reason: str) -> None:
    """What is known to be wrong with an update from the request alone is refused with it."""
    assert update_fault(text, **literals) == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "a, b.a, b",
            "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [b, a], path two: [b]",
        ),
        ("a, a", "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a]"),
        ("a b", 'Syntax error; token: "b", near: "a b"'),
        ("size(a)", 'Syntax error; token: "(", near: "size(a"'),
        ("size", "Attribute name is a reserved keyword; reserved keyword: size"),
    ],
)
def test_projections_are_refused(text: str, reason: str) -> None:
    """Paths of a projection are not in each other's way."""
    assert refusal(asked, ProjectionExpression=text) == PROJECTION + reason


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (Request(ExpressionAttributeNames={"#a": "a"}), "ExpressionAttributeNames can only be specified when using expressions"),
        (
            Request(ProjectionExpression="a", ExpressionAttributeValues={":v": {"S": "x"}}),
            "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression and FilterExpression and "
            "KeyConditionExpression and UpdateExpression are null",
        ),
        (Request(ConditionExpression="a = b", ExpressionAttributeNames={}), "ExpressionAttributeNames must not be empty"),
        (Request(ConditionExpression="a = b", ExpressionAttributeValues={}), "ExpressionAttributeValues must not be empty"),
        (
            Request(ConditionExpression="a = b", ExpressionAttributeNames={"a": "b"}),
            'ExpressionAttributeNames contains invalid key: Syntax error; key: "a"',
        ),
        (
            Request(ConditionExpression="a = b", ExpressionAttributeValues={":a-b": {"S": "x"}}),
            'ExpressionAttributeValues contains invalid key: Syntax error; key: ":a-b"',
        ),
        (
            Request(ConditionExpression="a = b", ExpressionAttributeValues={":x": {"S": "x"}, ":y": {"S": "y"}}),
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:x, :y}",
        ),
        (
            Request(ConditionExpression="a = b", ExpressionAttributeNames={"#x": "x"}),
            "Value provided in ExpressionAttributeNames unused in expressions: keys: {#x}",
        ),
        (
            Request(ConditionExpression="a = :x", ExpressionAttributeValues={":x": {}}),
            "ExpressionAttributeValues contains invalid value: Supplied AttributeValue is empty, "
            "must contain exactly one of the supported datatypes for key :x",
        ),
        (
            Request(ConditionExpression="a = :x", ExpressionAttributeValues={":x": {"N": "1x"}}),
            "ExpressionAttributeValues contains invalid value: The parameter cannot be converted to a numeric value: 1x for key :x",
        ),
        (
            Request(ConditionExpression="a = :x", ExpressionAttributeValues={":x": {"S": "x" * (2 << 20)}}),
            "ExpressionAttributeValues size has exceeded the maximum allowed size",
        ),
        (
            Request(ConditionExpression="a = b", Expected={"a": None}, ConditionalOperator="AND"),
            "Can not use both expression and non-expression parameters in the same request: "
            "Non-expression parameters: {Expected, ConditionalOperator} Expression parameters: {ConditionExpression}",
        ),
    ],
)
def test_parameters_are_refused(request_: Request, reason: str) -> None:
    """Names and values belong to expressions, and every one is used; expressions and legacy parameters do not mix."""
    assert refusal(expressions.of, request_) == reason


def test_names_and_values_may_be_used_by_any_expression() -> None:
    """A name or a value must be used by one of the request's expressions, not by each."""
    found = asked({"#a": "a"}, {"v": 1}, ConditionExpression="#a = b", FilterExpression="c = :v")
    assert found.condition is not None
    assert found.filter is not None
