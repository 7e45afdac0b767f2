"""Key conditions: what part of a table or an index a query reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from fogbank.services.dynamodb.expressions.conditions import check_bounds, operand, wrong_type
from fogbank.services.dynamodb.expressions.scope import Scope
from fogbank.services.dynamodb.expressions.syntax import And, Between, Binary, Call, In, Literal, Node, Not, Or, Path
from fogbank.services.dynamodb.faults import invalid, invalid_values
from fogbank.services.dynamodb.values import ORDERED, Item, Value

TURNED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_EMPTY_KINDS = {"S": "string", "B": "binary"}


class Term(NamedTuple):
    """A condition on one key attribute: =, <, <=, >, >=, BETWEEN or begins_with, and the :values it is compared with."""

    name: str
    operator: str
    literals: tuple[str, ...]


class KeyRange(NamedTuple):
    """What to read: items with these values of the partition attributes, and of the first sort attributes.

    Among them those whose next sort attribute stands to `operands` as `operator` says ("": all).
    """

    partition: tuple[Value, ...]
    sort: tuple[Value, ...]
    operator: str
    operands: tuple[Value, ...]


class KeyCondition(NamedTuple):
    """A key condition, with the values of a request."""

    terms: tuple[Term, ...]
    values: Item

    def range(self, partition: Sequence[str], sort: Sequence[str], types: Mapping[str, str]) -> KeyRange:
        """The condition in terms of a key: the names of its partition and of its sort attributes, and their types.

        Raises ValidationException where it does not name the whole partition, or sort attributes not from the first on.
        """
        if len(self.terms) > max(2, len(partition) + len(sort)):
            raise invalid("Conditions can be of length 1 or 2 only")
        left = {term.name: term for term in self.terms}
        if len(left) < len(self.terms):
            raise invalid("KeyConditionExpressions must only contain one condition per key")
        wholes = []
        for name in partition:
            term = left.pop(name, None)
            if term is None:
                raise _missed(name)
            if term.operator != "=":
                raise invalid("Query key condition not supported")
            wholes.append(self._operands(term, types)[0])
        equal: list[Value] = []
        for name in sort:
            term = left.pop(name, None)
            if term is None:
                break
            operands = self._operands(term, types)
            if term.operator != "=":
                return _found(left, sort, KeyRange(tuple(wholes), tuple(equal), term.operator, operands))
            equal.append(operands[0])
        return _found(left, sort, KeyRange(tuple(wholes), tuple(equal), "", ()))

    def _operands(self, term: Term, types: Mapping[str, str]) -> tuple[Value, ...]:
        operands = tuple([self.values[literal] for literal in term.literals])
        kind = types[term.name]
        for value in operands:
            content = value.get(kind)
            if content is None:
                raise invalid_values("Condition parameter type does not match schema type")
            if not content and term.operator == "=":
                raise invalid(
                    "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty "
                    f"{_EMPTY_KINDS[kind]} value. Key: {term.name}"
                )
        return operands


def _missed(name: str) -> Exception:
    return invalid(f"Query condition missed key schema element: {name}")


def _found(left: Mapping[str, Term], sort: Sequence[str], found: KeyRange) -> KeyRange:
    """The range, unless a condition is left over: then the one that it stands in the way of is missed."""
    if left:
        if len(found.sort) < len(sort) and not found.operator:
            raise _missed(sort[len(found.sort)])
        raise invalid("Query key condition not supported")
    return found


def terms(node: Node, scope: Scope) -> tuple[Term, ...]:
    """The conditions on single attributes that a key condition's tree consists of."""
    return tuple([_term(part, scope) for part in _parts(node)])


def _parts(node: Node) -> Iterator[Node]:
    if isinstance(node, And):
        for part in node.conditions:
            yield from _parts(part)
    else:
        yield node


def _term(node: Node, scope: Scope) -> Term:
    match node:
        case Or():
            raise _unusable("OR")
        case Not():
            raise _unusable("NOT")
        case In():
            raise _unusable("IN")
        case Binary("<>"):
            raise _unusable("<>")
        case Call(function) if function != "begins_with":
            raise _unusable(function)
        case Binary(operator, left, right):
            if isinstance(left, Literal) and not isinstance(right, Literal):
                left, right, operator = right, left, TURNED[operator]
            return _checked(operator, left, (right,), scope, "No key attribute specified")
        case Between(subject, low, high):
            return _checked("BETWEEN", subject, (low, high), scope, _first("BETWEEN"))
        case Call(function, (subject, prefix)):
            return _checked(function, subject, (prefix,), scope, _first(function))
    raise TypeError(node)


def _first(operator: str) -> str:
    return f"{operator} operator must have the key attribute as its first operand"


def _checked(operator: str, subject: Node, others: tuple[Node, ...], scope: Scope, without_key: str) -> Term:
    if any(isinstance(part, Call) for part in (subject, *others)):
        raise invalid("KeyConditionExpressions cannot contain nested operations")
    if not isinstance(subject, Path):
        raise invalid(f"Invalid condition in KeyConditionExpression: {without_key}")
    steps = scope.steps(subject)
    literals = []
    for other in others:
        if not isinstance(other, Literal):
            raise invalid("Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition")
        _, kind = operand(other, scope)
        if operator != "=" and kind not in (("S", "B") if operator == "begins_with" else ORDERED):
            raise wrong_type(scope, operator, kind)
        literals.append(other.name)
    if len(steps) > 1:
        raise invalid("KeyConditionExpressions cannot have conditions on nested attributes")
    if operator == "BETWEEN":
        check_bounds(literals[0], literals[1], scope)
    return Term(str(steps[0]), operator, tuple(literals))


def _unusable(operator: str) -> Exception:
    return invalid(f"Invalid operator used in KeyConditionExpression: {operator}")
