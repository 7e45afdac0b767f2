"""Conditions compiled to functions of an item and the values of the request.

What AWS knows from the request alone (operand types, operands that must be paths) is refused here, once; what depends
on the item never is: a comparison with something absent, or of another type, does not hold (and <> does).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

from fogbank.services.dynamodb.expressions.paths import Steps, follower, printed
from fogbank.services.dynamodb.expressions.scope import Scope
from fogbank.services.dynamodb.expressions.syntax import And, Between, Binary, Call, In, Literal, Node, Not, Or, Path
from fogbank.services.dynamodb.faults import invalid_expression
from fogbank.services.dynamodb.values import ORDERED, RANKS, SETS, TYPES, Item, Value, less, raw, type_of

Test = Callable[[Item, Item], bool]
"""Of an item and the values."""
Operand = Callable[[Item, Item], Value | None]


class Condition(NamedTuple):
    """A condition or filter, with the values of a request. `attributes`: the top-level attributes that it speaks of."""

    test: Test
    values: Item
    attributes: frozenset[str]

    def holds(self, item: Item) -> bool:
        """Whether it is true of an item; of {}, where there is none."""
        return self.test(item, self.values)


_ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TYPE_NAMES = "{B,NULL,SS,BOOL,L,BS,N,NS,S,M}"


def compiled(node: Node, scope: Scope) -> Test:
    """The function that a condition's tree stands for."""
    match node:
        case And():
            return _all([compiled(condition, scope) for condition in node.conditions])
        case Or():
            return _any([compiled(condition, scope) for condition in node.conditions])
        case Not():
            inner = compiled(node.condition, scope)
            return lambda item, values: not inner(item, values)
        case Binary():
            return _comparison(node, scope)
        case Between():
            return _between(node, scope)
        case In():
            return _in(node, scope)
        case Call():
            return _PREDICATES[node.function](node, scope)
    raise TypeError(node)


def attributes(node: Node, scope: Scope) -> frozenset[str]:
    """The top-level attributes that a tree speaks of."""
    match node:
        case Path():
            return frozenset((str(scope.steps(node)[0]),))
        case Literal():
            return frozenset()
        case Call():
            parts: tuple[Node, ...] = node.operands
        case Binary():
            parts = (node.left, node.right)
        case Between():
            parts = (node.operand, node.low, node.high)
        case In():
            parts = (node.operand, *node.options)
        case Not():
            parts = (node.condition,)
        case _:
            parts = node.conditions
    return frozenset().union(*[attributes(part, scope) for part in parts])


def _all(tests: list[Test]) -> Test:
    if len(tests) == 2:
        one, two = tests
        return lambda item, values: one(item, values) and two(item, values)

    def test(item: Item, values: Item) -> bool:
        for part in tests:  # noqa: SIM110 - a generator costs twice as much
            if not part(item, values):
                return False
        return True

    return test


def _any(tests: list[Test]) -> Test:
    if len(tests) == 2:
        one, two = tests
        return lambda item, values: one(item, values) or two(item, values)

    def test(item: Item, values: Item) -> bool:
        for part in tests:  # noqa: SIM110
            if part(item, values):
                return True
        return False

    return test


# Operands.


def operand(node: Node, scope: Scope) -> tuple[Operand, str]:
    """The function that an operand stands for, and its type where the request says it, else ""."""
    match node:
        case Literal(name):
            return (lambda item, values: values[name]), scope.type_of(node)
        case Path():
            follow = follower(scope.steps(node))
            return (lambda item, values: follow(item)), ""
        case Call("size"):
            return _size(node, scope), "N"
        case Call(function):
            raise scope.fault(f"The function is not allowed in a condition expression; function: {function}")
    raise TypeError(node)


def _size(node: Call, scope: Scope) -> Operand:
    measured, kind = operand(node.operands[0], scope)
    if kind in ("N", "BOOL", "NULL"):
        raise wrong_type(scope, "size", kind)

    def size(item: Item, values: Item) -> Value | None:
        value = measured(item, values)
        length = None if value is None else length_of(value)
        return None if length is None else {"N": str(length)}

    return size


def length_of(value: Value) -> int | None:
    """What size() says: characters, bytes or members; None for a type that has no size."""
    [(kind, content)] = value.items()
    if kind == "B":
        return len(raw(content))
    return None if kind in ("N", "BOOL", "NULL") else len(content)


def wrong_type(scope: Scope, function: str, kind: str) -> Exception:
    return scope.fault(f"Incorrect operand type for operator or function; operator or function: {function}, operand type: {kind}")


def document_path(node: Node, scope: Scope, function: str) -> Steps:
    """The steps of an operand that must be a path."""
    if not isinstance(node, Path):
        raise scope.fault(f"Operator or function requires a document path; operator or function: {function}")
    return scope.steps(node)


def _check_distinct(name: str, first: Node, others: tuple[Node, ...], scope: Scope) -> None:
    if isinstance(first, Path) and first in others:
        raise scope.fault(
            "The first operand must be distinct from the remaining operands for this operator or function; "
            f"operator: {name}, first operand: {printed(scope.steps(first))}"
        )


# Comparisons.


def _comparison(node: Binary, scope: Scope) -> Test:
    left, left_type = operand(node.left, scope)
    right, right_type = operand(node.right, scope)
    name = node.operator
    _check_distinct(name, node.left, (node.right,), scope)
    if name == "=":
        return _equal(node, scope, left, right)
    if name == "<>":
        equal = _equal(node, scope, left, right)
        return lambda item, values: not equal(item, values)
    for kind in (left_type, right_type):
        if kind and kind not in ORDERED:
            raise wrong_type(scope, name, kind)
    return _ordered(_ORDERINGS[name], left, right, left_type or right_type)


def _equal(node: Binary, scope: Scope, left: Operand, right: Operand) -> Test:
    """Checked values are equal if the dicts are. Two absent ones are not."""
    if isinstance(node.right, Literal):
        name = node.right.name
        if isinstance(node.left, Path):
            follow = follower(scope.steps(node.left))
            return lambda item, values: follow(item) == values[name]
        return lambda item, values: left(item, values) == values[name]
    return lambda item, values: (value := left(item, values)) is not None and value == right(item, values)


def _ordered(holds: Callable[[Any, Any], bool], left: Operand, right: Operand, kind: str) -> Test:
    """`kind`: the type of one side, where it is known; it is then that of both, or the comparison does not hold."""
    if kind:
        rank = RANKS[kind]

        def test(item: Item, values: Item) -> bool:
            a, b = left(item, values), right(item, values)
            if a is None or b is None or kind not in a or kind not in b:
                return False
            return holds(rank(a[kind]), rank(b[kind]))

        return test

    def test_any(item: Item, values: Item) -> bool:
        a, b = left(item, values), right(item, values)
        if a is None or b is None:
            return False
        found = type_of(a)
        if found not in ORDERED or found not in b:
            return False
        rank = RANKS[found]
        return holds(rank(a[found]), rank(b[found]))

    return test_any


def _between(node: Between, scope: Scope) -> Test:
    value, value_type = operand(node.operand, scope)
    low, low_type = operand(node.low, scope)
    high, high_type = operand(node.high, scope)
    for kind in (value_type, low_type, high_type):
        if kind and kind not in ORDERED:
            raise wrong_type(scope, "BETWEEN", kind)
    _check_distinct("BETWEEN", node.operand, (node.low, node.high), scope)
    if isinstance(node.low, Literal) and isinstance(node.high, Literal):
        check_bounds(node.low.name, node.high.name, scope)
    above = _ordered(operator.ge, value, low, value_type or low_type)
    below = _ordered(operator.le, value, high, value_type or high_type)
    return lambda item, values: above(item, values) and below(item, values)


def check_bounds(low: str, high: str, scope: Scope) -> None:
    """Has the types and the order of two :values checked with every request."""
    kind = scope.kind

    def check(values: Item) -> None:
        a, b = values[low], values[high]
        same = type_of(a) == type_of(b)
        if same and not less(b, a):
            return
        needs = "upper bound to be greater than or equal to lower bound" if same else "same data type for lower and upper bounds"
        printed_bounds = [f"AttributeValue: {{{type_of(value)}:{value[type_of(value)]}}}" for value in (a, b)]
        raise invalid_expression(
            kind,
            f"The BETWEEN operator requires {needs}; lower bound operand: {printed_bounds[0]}, upper bound operand: {printed_bounds[1]}",
        )

    scope.checks.append(check)


def _in(node: In, scope: Scope) -> Test:
    value, _ = operand(node.operand, scope)
    options = [operand(option, scope)[0] for option in node.options]
    _check_distinct("IN", node.operand, node.options, scope)

    def test(item: Item, values: Item) -> bool:
        found = value(item, values)
        return found is not None and any(found == option(item, values) for option in options)

    return test


# Functions.


def _exists(node: Call, scope: Scope) -> Test:
    follow = follower(document_path(node.operands[0], scope, node.function))
    return lambda item, values: follow(item) is not None


def _not_exists(node: Call, scope: Scope) -> Test:
    follow = follower(document_path(node.operands[0], scope, node.function))
    return lambda item, values: follow(item) is None


def _attribute_type(node: Call, scope: Scope) -> Test:
    follow = follower(document_path(node.operands[0], scope, node.function))
    wanted, kind = operand(node.operands[1], scope)
    if kind and kind != "S":
        raise wrong_type(scope, node.function, kind)
    if isinstance(node.operands[1], Literal):
        _check_type_name(node.operands[1].name, scope)

    def test(item: Item, values: Item) -> bool:
        value, named = follow(item), wanted(item, values)
        return value is not None and named is not None and named.get("S") in value

    return test


def _check_type_name(literal: str, scope: Scope) -> None:
    kind = scope.kind

    def check(values: Item) -> None:
        name = values[literal]["S"]
        if name not in TYPES:
            raise invalid_expression(kind, f"Invalid attribute type name found; type: {name}, valid types: {_TYPE_NAMES}")

    scope.checks.append(check)


def _begins_with(node: Call, scope: Scope) -> Test:
    value, value_type = operand(node.operands[0], scope)
    prefix, prefix_type = operand(node.operands[1], scope)
    for kind in (value_type, prefix_type):
        if kind and kind not in ("S", "B"):
            raise wrong_type(scope, node.function, kind)
    _check_distinct(node.function, node.operands[0], node.operands[1:], scope)

    def test(item: Item, values: Item) -> bool:
        whole, start = value(item, values), prefix(item, values)
        if whole is None or start is None:
            return False
        if "S" in whole and "S" in start:
            return bool(whole["S"].startswith(start["S"]))
        return "B" in whole and "B" in start and raw(whole["B"]).startswith(raw(start["B"]))

    return test


def _contains(node: Call, scope: Scope) -> Test:
    value, _ = operand(node.operands[0], scope)
    sought, _ = operand(node.operands[1], scope)
    _check_distinct(node.function, node.operands[0], node.operands[1:], scope)

    def test(item: Item, values: Item) -> bool:
        whole, part = value(item, values), sought(item, values)
        return whole is not None and part is not None and has(whole, part)

    return test


def has(whole: Value, part: Value) -> bool:
    """Whether a text, a binary, a set or a list contains something."""
    [(kind, content)] = whole.items()
    if kind == "S":
        return "S" in part and part["S"] in content
    if kind == "B":
        return "B" in part and raw(part["B"]) in raw(content)
    if kind in SETS:
        return kind[0] in part and part[kind[0]] in content
    return kind == "L" and part in content


_PREDICATES: dict[str, Callable[[Call, Scope], Test]] = {
    "attribute_exists": _exists,
    "attribute_not_exists": _not_exists,
    "attribute_type": _attribute_type,
    "begins_with": _begins_with,
    "contains": _contains,
}
