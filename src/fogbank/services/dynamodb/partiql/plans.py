"""How a statement is carried out: which key its conditions fix, and what is left to be tested of each item.

The conditions that are joined by AND are looked at one by one. Equality with values of the whole partition key (also
IN, and equalities joined by OR) makes a query of a SELECT, else it is a scan; a condition on the sort key narrows it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from fogbank.services.dynamodb.expressions import conditions, paths, updates
from fogbank.services.dynamodb.expressions.conditions import Test
from fogbank.services.dynamodb.expressions.keys import TURNED, Term
from fogbank.services.dynamodb.expressions.paths import Projection
from fogbank.services.dynamodb.expressions.scope import Check, PlainScope
from fogbank.services.dynamodb.expressions.syntax import And, Between, Binary, Call, In, Literal, Node, Or, Path
from fogbank.services.dynamodb.faults import invalid
from fogbank.services.dynamodb.partiql.syntax import parsed
from fogbank.services.dynamodb.partiql.trees import Delete, Exists, Insert, Select, Update

PARTITIONS_LIMIT = 50


class Plan(NamedTuple):
    """A statement for a table (or an index) with a given key. Values go by the names of the statement's literals.

    `partitions`: the values of the partition key of each query; empty for a scan. `terms`: the conditions on the sort
    key. `key`: the values of the whole key, where one item is meant. `test` is what is left of the conditions.
    """

    partitions: tuple[tuple[str, ...], ...]
    terms: tuple[Term, ...]
    key: tuple[tuple[str, str], ...] | None
    test: Test | None
    attributes: frozenset[str]
    checks: tuple[Check, ...]
    projection: Projection | None
    update: updates.Plan | None
    descending: bool
    partitions_descending: bool


@lru_cache(maxsize=1024)
def planned(text: str, types: tuple[tuple[str, str], ...], partition: tuple[str, ...], sort: tuple[str, ...]) -> Plan:
    """The plan of a statement, for values of these types, where the key consists of these attributes."""
    root = parsed(text).root
    scope = PlainScope("FilterExpression" if isinstance(root, Select) else "ConditionExpression", dict(types))
    left = list(_joined(None if isinstance(root, Insert) else root.where))
    narrowed = _narrow(left, partition, sort)
    if isinstance(root, Update | Delete | Exists) and narrowed.key is None:
        raise invalid("Where clause does not contain a mandatory equality on all key attributes")
    for term in narrowed.terms:
        if term.operator == "BETWEEN":
            conditions.check_bounds(term.literals[0], term.literals[1], scope)
    whole = _required(root, left, Path((partition[0],)))
    descending, partitions_descending = _order(root, narrowed, partition, sort) if isinstance(root, Select) else (False, False)
    return Plan(
        narrowed.partitions,
        narrowed.terms,
        narrowed.key,
        None if whole is None else conditions.compiled(whole, scope),
        frozenset() if whole is None else conditions.attributes(whole, scope),
        tuple(scope.checks),
        _projection(root, scope) if isinstance(root, Select) else None,
        updates.plan(root.actions, scope) if isinstance(root, Update) else None,
        descending,
        partitions_descending,
    )


def _required(root: Any, left: list[Node], key: Path) -> Node | None:
    """What must hold of the item: the conditions that are left, and that it is there (or is not) as the statement needs it."""
    if isinstance(root, Insert):
        return Call("attribute_not_exists", (key,))
    if isinstance(root, Update | Exists):
        left = [Call("attribute_exists", (key,)), *left]
    whole = And(tuple(left)) if len(left) > 1 else left[0] if left else None
    if isinstance(root, Delete) and whole is not None:
        return Or((Call("attribute_not_exists", (key,)), whole))
    return whole


class _Narrowed(NamedTuple):
    partitions: tuple[tuple[str, ...], ...]
    terms: tuple[Term, ...]
    key: tuple[tuple[str, str], ...] | None


def _joined(node: Node | None) -> Iterable[Node]:
    if isinstance(node, And):
        for part in node.conditions:
            yield from _joined(part)
    elif node is not None:
        yield node


def _narrow(left: list[Node], partition: tuple[str, ...], sort: tuple[str, ...]) -> _Narrowed:
    """What the conditions say of the key; those that are said by it are taken out of `left`."""
    if len(partition) == 1:
        partitions = _take_values(left, partition[0])
    else:
        wholes = [_take_equal(left, name) for name in partition]
        partitions = () if None in wholes else (tuple(str(name) for name in wholes),)
    if not partitions:
        return _Narrowed((), (), None)
    terms: list[Term] = []
    for name in sort:
        term = _take_term(left, name)
        if term is None:
            break
        terms.append(term)
        if term.operator != "=":
            break
    key = None
    if len(partitions) == 1 and len(terms) == len(sort) and all(term.operator == "=" for term in terms):
        key = (*zip(partition, partitions[0], strict=True), *[(term.name, term.literals[0]) for term in terms])
    return _Narrowed(partitions, tuple(terms), key)


def _take_values(left: list[Node], name: str) -> tuple[tuple[str, ...], ...]:
    """The literals that an attribute must equal one of, by the first condition that says so."""
    for node in left:
        options: list[str | None] = []
        if isinstance(node, Binary):
            options = [_equal_to(node, name)]
        elif isinstance(node, Or):
            options = [_equal_to(part, name) for part in node.conditions]
        elif isinstance(node, In) and node.operand == Path((name,)):
            options = [option.name if isinstance(option, Literal) else None for option in node.options]
        if options and None not in options and len(options) <= PARTITIONS_LIMIT:
            left.remove(node)
            return tuple([(str(option),) for option in options])
    return ()


def _take_equal(left: list[Node], name: str) -> str | None:
    for node in left:
        if (literal := _equal_to(node, name)) is not None:
            left.remove(node)
            return literal
    return None


def _equal_to(node: Node, name: str) -> str | None:
    """The literal that a node says an attribute equals."""
    term = _term(node, name)
    return term.literals[0] if term is not None and term.operator == "=" else None


def _take_term(left: list[Node], name: str) -> Term | None:
    """A condition on one attribute that a range of keys can stand for; an equality before others."""
    found = [(node, term) for node in left if (term := _term(node, name)) is not None]
    for node, term in sorted(found, key=lambda pair: pair[1].operator != "="):
        left.remove(node)
        return term
    return None


def _term(node: Node, name: str) -> Term | None:
    """A condition on an attribute as one on a key; None where it is none."""
    subject = Path((name,))
    match node:
        case Binary(operator, left, Literal(literal)) if left == subject and operator in TURNED:
            return Term(name, operator, (literal,))
        case Binary(operator, Literal(literal), right) if right == subject and operator in TURNED:
            return Term(name, TURNED[operator], (literal,))
        case Between(operand, Literal(low), Literal(high)) if operand == subject:
            return Term(name, "BETWEEN", (low, high))
        case Call("begins_with", (operand, Literal(literal))) if operand == subject:
            return Term(name, "begins_with", (literal,))
    return None


def _order(root: Select, narrowed: _Narrowed, partition: tuple[str, ...], sort: tuple[str, ...]) -> tuple[bool, bool]:
    """Whether items, and partitions, come in descending order."""
    if not root.order:
        return False, False
    if root.where is None:
        raise invalid("Must have WHERE clause in the statement when using ORDER BY clause.")
    if not narrowed.partitions:
        raise invalid("Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.")
    for name, _ in root.order:
        if name not in partition and name not in sort:
            raise invalid(f"Variable reference {name} in ORDER BY clause must be part of the primary key")
    wanted = dict(root.order)
    items = {down for name, down in root.order if name in sort}
    if len(items) > 1:
        raise invalid("All sort key attributes in ORDER BY clause must have the same order")
    return items == {True}, any(wanted.get(name, False) for name in partition)


def _projection(root: Select, scope: PlainScope) -> Projection | None:
    if root.paths is None:
        return None
    picked = [path.steps for path in root.paths]
    paths.check_apart(picked, scope.fault)
    return paths.projection(picked)
