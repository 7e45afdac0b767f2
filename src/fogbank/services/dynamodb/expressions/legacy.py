"""The parameters that came before expressions, translated to the same forms. What they refuse, they refuse in words of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fogbank.services.dynamodb.expressions import conditions, paths, updates
from fogbank.services.dynamodb.expressions.asked import Asked
from fogbank.services.dynamodb.expressions.conditions import Condition
from fogbank.services.dynamodb.expressions.keys import KeyCondition, Term
from fogbank.services.dynamodb.expressions.paths import Projection
from fogbank.services.dynamodb.expressions.scope import PlainScope
from fogbank.services.dynamodb.expressions.syntax import And, Between, Binary, Call, In, Literal, Node, Not, Or, Path
from fogbank.services.dynamodb.expressions.updates import Edit, Plan, Update
from fogbank.services.dynamodb.faults import invalid, invalid_values
from fogbank.services.dynamodb.values import ORDERED, SETS, TYPES, Item, Value, check_value, less, type_of

PARAMETERS = (
    "Expected",
    "QueryFilter",
    "ScanFilter",
    "KeyConditions",
    "AttributeUpdates",
    "AttributesToGet",
    "ConditionalOperator",
)


def translated(given: Mapping[str, Any]) -> Asked:
    """What the legacy parameters of a request ask; `given`: those that are there."""
    joint = given.get("ConditionalOperator")
    expected = given.get("Expected")
    filtered = given.get("QueryFilter") or given.get("ScanFilter")
    if joint is not None:
        if not (conditions_given := expected or filtered):
            raise invalid("ConditionalOperator cannot be used without Filter or Expected")
        if len(conditions_given) < 2:
            raise invalid("ConditionalOperator can only be used when Filter or Expected has two or more elements")
    return Asked(
        _condition("Expected", _expectations(expected), joint) if expected else None,
        _condition("QueryFilter", _comparisons(filtered), joint) if filtered else None,
        _key(given["KeyConditions"]) if "KeyConditions" in given else None,
        _projection(given["AttributesToGet"]) if "AttributesToGet" in given else None,
        _update(given["AttributeUpdates"]) if "AttributeUpdates" in given else None,
    )


class Comparison(NamedTuple):
    """An attribute, a ComparisonOperator, and its checked operands."""

    name: str
    operator: str
    operands: list[Value]


# Operators: how many operands, and of which types.

_SCALARS = ORDERED
_ARITY: dict[str, tuple[int, int, frozenset[str]]] = {
    "EQ": (1, 1, TYPES),
    "NE": (1, 1, TYPES),
    "LE": (1, 1, _SCALARS),
    "LT": (1, 1, _SCALARS),
    "GE": (1, 1, _SCALARS),
    "GT": (1, 1, _SCALARS),
    "BETWEEN": (2, 2, _SCALARS),
    "IN": (1, 100, _SCALARS),
    "CONTAINS": (1, 1, _SCALARS),
    "NOT_CONTAINS": (1, 1, _SCALARS),
    "BEGINS_WITH": (1, 1, frozenset({"S", "B"})),
    "NULL": (0, 0, frozenset()),
    "NOT_NULL": (0, 0, frozenset()),
}
_SIGNS = {"EQ": "=", "NE": "<>", "LE": "<=", "LT": "<", "GE": ">=", "GT": ">"}


def _comparisons(given: Mapping[str, Any]) -> list[Comparison]:
    return [_comparison(name, one.ComparisonOperator, one.AttributeValueList or []) for name, one in given.items()]


def _comparison(name: str, operator: str, operands: list[Value]) -> Comparison:
    least, most, types = _ARITY[operator]
    if not least <= len(operands) <= most:
        raise invalid_values(f"Invalid number of argument(s) for the {operator} ComparisonOperator")
    for value in operands:
        check_value(value)
        if type_of(value) not in types:
            raise invalid_values(f"ComparisonOperator {operator} is not valid for {type_of(value)} AttributeValue type")
    if len({type_of(value) for value in operands}) > 1:
        raise invalid_values("AttributeValues inside AttributeValueList must be of same type")
    if operator == "BETWEEN" and less(operands[1], operands[0]):
        raise invalid("The BETWEEN condition was provided a range where the lower bound is greater than the upper bound")
    return Comparison(name, operator, operands)


def _expectations(given: Mapping[str, Any]) -> list[Comparison]:
    return [_expectation(name, one) for name, one in given.items()]


def _expectation(name: str, given: Any) -> Comparison:
    """One attribute of Expected: a comparison, or the older pair of Value and Exists."""

    def refused(reason: str) -> Exception:
        return invalid_values(f"{reason} for Attribute: {name}")

    operator, operands, value, exists = given.ComparisonOperator, given.AttributeValueList, given.Value, given.Exists
    if operator is None:
        if operands is not None:
            raise refused("AttributeValueList can only be used with a ComparisonOperator")
        if exists is False:
            if value is not None:
                raise refused("Value cannot be used when Exists is false")
            return Comparison(name, "NULL", [])
        if value is None:
            raise refused(f"Value must be provided when Exists is {'null' if exists is None else 'true'}")
        return _comparison(name, "EQ", [value])
    if exists is not None:
        raise refused("Exists and ComparisonOperator cannot be used together")
    if value is not None and operands is not None:
        raise refused("Value and AttributeValueList cannot be used together")
    if value is None and operands is None and _ARITY[operator][0]:
        raise refused(f"Value or AttributeValueList must be used with ComparisonOperator: {operator}")
    return _comparison(name, operator, [value] if value is not None else operands or [])


def _condition(kind: str, comparisons: list[Comparison], joint: str | None) -> Condition:
    values: Item = {}
    nodes = []
    for comparison in comparisons:
        literals = []
        for value in comparison.operands:
            literals.append(Literal(f":{len(values)}"))
            values[literals[-1].name] = value
        nodes.append(_node(Path((comparison.name,)), comparison.operator, literals))
    whole = nodes[0] if len(nodes) == 1 else Or(tuple(nodes)) if joint == "OR" else And(tuple(nodes))
    scope = PlainScope(kind, {name: type_of(value) for name, value in values.items()})
    return Condition(conditions.compiled(whole, scope), values, frozenset([one.name for one in comparisons]))


def _node(path: Path, operator: str, literals: list[Literal]) -> Node:
    """A comparison as the expression that says the same."""
    if operator in _SIGNS:
        return Binary(_SIGNS[operator], path, literals[0])
    if operator == "BETWEEN":
        return Between(path, literals[0], literals[1])
    if operator == "IN":
        return In(path, tuple(literals))
    if operator in ("NULL", "NOT_NULL"):
        return Call("attribute_not_exists" if operator == "NULL" else "attribute_exists", (path,))
    if operator == "BEGINS_WITH":
        return Call("begins_with", (path, literals[0]))
    contains = Call("contains", (path, literals[0]))
    return contains if operator == "CONTAINS" else And((Call("attribute_exists", (path,)), Not(contains)))


def _key(given: Mapping[str, Any]) -> KeyCondition:
    values: Item = {}
    terms = []
    for name, operator, operands in _comparisons(given):
        if operator not in ("BETWEEN", "BEGINS_WITH") and (operator == "NE" or operator not in _SIGNS):
            raise invalid("Attempted conditional constraint is not an indexable operation")
        literals = tuple([f":{len(values) + number}" for number in range(len(operands))])
        values.update(zip(literals, operands, strict=True))
        terms.append(Term(name, _SIGNS.get(operator) or {"BETWEEN": "BETWEEN"}.get(operator, "begins_with"), literals))
    return KeyCondition(tuple(terms), values)


def _projection(names: list[str]) -> Projection:
    for name in names:
        if names.count(name) > 1:
            raise invalid_values(f"Duplicate value in attribute name: {name}")
    return paths.projection([(name,) for name in names])


# AttributeUpdates.


def _update(given: Mapping[str, Any]) -> Update:
    edits = tuple([_edit(name, one.Action or "PUT", one.Value) for name, one in given.items()])
    makes = not given or any(one.Action != "DELETE" for one in given.values())
    return Update(Plan(edits, paths.projection([(name,) for name in given]), frozenset(given), makes), {})


def _edit(name: str, action: str, value: Value | None) -> Edit:
    if value is None:
        if action != "DELETE":
            raise invalid_values("Only DELETE action is allowed when no attribute value is specified")
        return lambda new, old, values: _drop(new, name)
    check_value(value)
    kind = type_of(value)
    if action == "PUT":
        return lambda new, old, values: new.__setitem__(name, value)
    if action == "ADD":
        if kind != "N" and kind not in SETS:
            raise invalid_values(f"ADD action is not supported for the type {kind}")
        return _combining(name, lambda found: value if found is None else updates.added(found, value, _mismatch))
    if kind not in SETS:
        raise invalid_values(f"DELETE action with value is not supported for the type {kind}")
    return _combining(name, lambda found: None if found is None else updates.without(found, value, _mismatch))


def _drop(new: Item, name: str) -> None:
    new.pop(name, None)


def _combining(name: str, combine: Callable[[Value | None], Value | None]) -> Edit:
    """An edit that makes of what an attribute was what it is to be; None: not there."""

    def edit(new: Item, old: Item, values: Item) -> None:
        combined = combine(old.get(name))
        if combined is None:
            _drop(new, name)
        else:
            new[name] = combined

    return edit


def _mismatch() -> Exception:
    return invalid("Type mismatch for attribute to update")
