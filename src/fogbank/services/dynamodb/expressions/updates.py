"""Updates compiled to functions that make a new item of an old one.

Every right-hand side reads the old item. Assignments and additions are made first, then removals, from the ends of
lists backwards, so that indexes are those of the old item.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from fogbank.services.dynamodb import numbers
from fogbank.services.dynamodb.expressions import paths
from fogbank.services.dynamodb.expressions.conditions import attributes, document_path, wrong_type
from fogbank.services.dynamodb.expressions.paths import Projection, Steps
from fogbank.services.dynamodb.expressions.scope import Scope
from fogbank.services.dynamodb.expressions.syntax import Action, Binary, Call, Literal, Node, Path
from fogbank.services.dynamodb.faults import invalid
from fogbank.services.dynamodb.values import SETS, Item, Value, check_value, sorted_set

Evaluate = Callable[[Item, Item], Value]
"""Of the old item and the values."""
Edit = Callable[[Item, Item, Item], None]
"""Changes the new item: (new, old, values)."""

_TYPE_WORDS = {
    "S": "STRING",
    "N": "NUMBER",
    "B": "BINARY",
    "BOOL": "BOOLEAN",
    "NULL": "NULL",
    "M": "MAP",
    "L": "LIST",
    "SS": "STRING_SET",
    "NS": "NUMBER_SET",
    "BS": "BINARY_SET",
}


class Plan(NamedTuple):
    """A compiled update, and where it writes. `attributes`: the top-level ones that it speaks of, read or written.

    `makes`: it makes an item where there is none.
    """

    edits: tuple[Edit, ...]
    written: Projection
    attributes: frozenset[str]
    makes: bool = True


class Update(NamedTuple):
    """An update, with the values of a request."""

    plan: Plan
    values: Item

    @property
    def attributes(self) -> frozenset[str]:
        """The top-level attributes that it speaks of."""
        return self.plan.attributes

    def apply(self, old: Item) -> Item:
        """The item that an update makes of one (of its key, where there is none); the old one stays as it is.

        Raises ValidationException where the old item's types or places do not fit.
        """
        new = old.copy()
        values = self.values
        for edit in self.plan.edits:
            edit(new, old, values)
        return new

    def touched(self, item: Item) -> Item:
        """What of an item, old or new, lies on the update's paths: UPDATED_OLD, UPDATED_NEW."""
        return self.plan.written.pick(item)


def plan(actions: Sequence[Action], scope: Scope) -> Plan:
    """The compiled form of an update's actions."""
    places = [scope.steps(action.path) for action in actions]
    made = [(action, steps, _MAKERS[action.clause](action, steps, scope)) for action, steps in zip(actions, places, strict=True)]
    paths.check_apart(places, scope.fault)
    written = paths.projection(places)
    named = written.attributes.union(*[attributes(action.value, scope) for action in actions if action.value is not None])
    return Plan(tuple([edit for _, _, edit in sorted(made, key=_order)]), written, named)


def _order(made: tuple[Action, Steps, Edit]) -> tuple[Any, ...]:
    """Removals last, and those by descending index; the others by ascending index, so that lists grow in that order."""
    action, steps, _ = made
    removes = action.clause == "REMOVE"
    sign = -1 if removes else 1
    return removes, [(0, step, 0) if isinstance(step, str) else (1, "", sign * step) for step in steps]


# Actions.


def _set(action: Action, steps: Steps, scope: Scope) -> Edit:
    assert action.value is not None
    evaluate = _value(action.value, scope)
    if len(steps) == 1:
        name = str(steps[0])

        def set_attribute(new: Item, old: Item, values: Item) -> None:
            new[name] = evaluate(old, values)

        return set_attribute

    def set_nested(new: Item, old: Item, values: Item) -> None:
        value = evaluate(old, values)
        check_value(value, len(steps))
        _place(_owner(new, steps), steps, value)

    return set_nested


def _owner(new: Item, steps: Steps) -> Any:
    owner = paths.owner(new, steps)
    if owner is None:
        raise invalid("The document path provided in the update expression is invalid for update")
    return owner


def _place(owner: Any, steps: Steps, value: Value) -> None:
    """Puts a value where a path ends; past the end of a list means at its end."""
    last = steps[-1]
    if isinstance(last, int) and last >= len(owner):
        owner.append(value)
    else:
        owner[last] = value


def _remove(action: Action, steps: Steps, scope: Scope) -> Edit:
    last = steps[-1]
    follow = paths.follower(steps)

    def remove(new: Item, old: Item, values: Item) -> None:
        owner = _owner(new, steps)
        if follow(old) is not None:
            del owner[last]

    return remove


def _add(action: Action, steps: Steps, scope: Scope) -> Edit:
    name, kind = _literal(action, scope)
    if kind != "N" and kind not in SETS:
        raise _wrong_clause(action.clause, kind, scope)
    follow = paths.follower(steps)

    def add(new: Item, old: Item, values: Item) -> None:
        value, found = values[name], follow(old)
        owner = _owner(new, steps)
        if found is not None:
            value = added(found, value, _wrong_data)
        _place(owner, steps, value)

    return add


def added(found: Value, value: Value, fault: Callable[[], Exception]) -> Value:
    """A number and another, or a set and another, together. Raises `fault()` where the types differ."""
    [(kind, content)] = value.items()
    if kind not in found:
        raise fault()
    if kind == "N":
        return {"N": numbers.add(found["N"], content)}
    members: list[str] = found[kind]
    more = [member for member in content if member not in set(members)]
    return {kind: sorted_set(kind, members + more)} if more else found


def _delete(action: Action, steps: Steps, scope: Scope) -> Edit:
    name, kind = _literal(action, scope)
    if kind not in SETS:
        raise _wrong_clause(action.clause, kind, scope)
    follow = paths.follower(steps)
    last = steps[-1]

    def delete(new: Item, old: Item, values: Item) -> None:
        owner, found = _owner(new, steps), follow(old)
        if found is None:
            return
        left = without(found, values[name], _wrong_data)
        if left is None:
            del owner[last]
        else:
            owner[last] = left

    return delete


def without(found: Value, value: Value, fault: Callable[[], Exception]) -> Value | None:
    """A set without the members of another; None where nothing is left. Raises `fault()` where the types differ."""
    [(kind, content)] = value.items()
    if kind not in found:
        raise fault()
    gone = set(content)
    left = [member for member in found[kind] if member not in gone]
    return {kind: left} if left else None


_MAKERS: dict[str, Callable[[Action, Steps, Scope], Edit]] = {"SET": _set, "REMOVE": _remove, "ADD": _add, "DELETE": _delete}


def _literal(action: Action, scope: Scope) -> tuple[str, str]:
    """The name and the type of the :value of ADD and DELETE."""
    assert isinstance(action.value, Literal)
    return action.value.name, scope.type_of(action.value)


def _wrong_clause(clause: str, kind: str, scope: Scope) -> Exception:
    return scope.fault(f"Incorrect operand type for operator or function; operator: {clause}, operand type: {_TYPE_WORDS[kind]}")


def _wrong_data() -> Exception:
    return invalid("An operand in the update expression has an incorrect data type")


# What is assigned.


def _value(node: Node, scope: Scope) -> Evaluate:
    match node:
        case Literal(name):
            scope.type_of(node)
            return lambda old, values: values[name]
        case Path():
            follow = paths.follower(scope.steps(node))
            return lambda old, values: _existing(follow(old))
        case Binary():
            return _arithmetic(node, scope)
        case Call("if_not_exists"):
            return _if_not_exists(node, scope)
        case Call("list_append"):
            return _list_append(node, scope)
        case Call(function):
            raise scope.fault(f"The function is not allowed in an update expression; function: {function}")
    raise TypeError(node)


def _existing(value: Value | None) -> Value:
    if value is None:
        raise invalid("The provided expression refers to an attribute that does not exist in the item")
    return value


def _operand(node: Node, scope: Scope, name: str, kind: str) -> Evaluate:
    """An operand of one type; what the request says of its type is checked here, the rest where it is evaluated."""
    found = scope.type_of(node) if isinstance(node, Literal) else _result_type(node)
    if found and found != kind:
        raise wrong_type(scope, name, found)
    evaluate = _value(node, scope)

    def content(old: Item, values: Item) -> Value:
        value = evaluate(old, values)
        if kind not in value:
            raise _wrong_data()
        return value

    return evaluate if found else content


def _result_type(node: Node) -> str:
    if isinstance(node, Binary):
        return "N"
    return "L" if isinstance(node, Call) and node.function == "list_append" else ""


def _arithmetic(node: Binary, scope: Scope) -> Evaluate:
    left = _operand(node.left, scope, node.operator, "N")
    right = _operand(node.right, scope, node.operator, "N")
    calculate = numbers.add if node.operator == "+" else numbers.subtract
    return lambda old, values: {"N": calculate(left(old, values)["N"], right(old, values)["N"])}


def _if_not_exists(node: Call, scope: Scope) -> Evaluate:
    first, second = node.operands
    follow = paths.follower(document_path(first, scope, node.function))
    otherwise = _value(second, scope)

    def evaluate(old: Item, values: Item) -> Value:
        found = follow(old)
        return otherwise(old, values) if found is None else found

    return evaluate


def _list_append(node: Call, scope: Scope) -> Evaluate:
    first = _operand(node.operands[0], scope, node.function, "L")
    second = _operand(node.operands[1], scope, node.function, "L")
    return lambda old, values: {"L": first(old, values)["L"] + second(old, values)["L"]}
