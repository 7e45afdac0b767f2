"""A request's expressions, compiled and kept, with the request's values.

What is kept depends on the texts, the names and the types of the values, never on the values: the same expression with
other values is only looked up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

from fogbank.kernel.errors import ServiceException
from fogbank.services.dynamodb import numbers
from fogbank.services.dynamodb.expressions import conditions, keys, legacy, paths, updates
from fogbank.services.dynamodb.expressions.asked import NOTHING, Asked
from fogbank.services.dynamodb.expressions.conditions import Condition, Test
from fogbank.services.dynamodb.expressions.keys import KeyCondition, Term
from fogbank.services.dynamodb.expressions.paths import Projection
from fogbank.services.dynamodb.expressions.scope import Check, Scope
from fogbank.services.dynamodb.expressions.syntax import Parser, UpdateParser
from fogbank.services.dynamodb.expressions.updates import Plan, Update
from fogbank.services.dynamodb.faults import invalid
from fogbank.services.dynamodb.values import Item, check_value, size

EXPRESSIONS = ("ConditionExpression", "FilterExpression", "KeyConditionExpression", "ProjectionExpression", "UpdateExpression")
SUBSTITUTES_LIMIT_BYTES = 2 << 20
"""What the names, or the values, of a request may come to."""
_LARGE = 10_000


def of(req: Any) -> Asked:
    """The expressions, or the legacy parameters, of a request. Raises ValidationException for what is wrong with them.

    The values of the request are made canonical in place.
    """
    kind: Any = type(req)
    form = _form(kind)
    *_, names, values = found = form.newer(req)
    older = form.older(req)
    if older != form.no_older:
        _refuse_mixture(form, found, older)
        return legacy.translated({name: given for name, given in zip(form.legacy, older, strict=True) if given is not None})
    if found == form.no_newer:
        return NOTHING
    compiled = _compiled(
        form,
        found[:-2],
        None if names is None else tuple(names.items()),
        None if values is None else _types(values),
    )
    if values is None:
        values = {}
    for check in compiled.checks:
        check(values)
    return compiled.bound(values)


class _Form:
    """A type of request: its expressions, its legacy parameters, and how to get at them.

    `newer` gives the expressions, the names and the values; `older` the legacy parameters.
    """

    __slots__ = ("expressions", "legacy", "newer", "no_newer", "no_older", "older")

    def __init__(self, fields: Sequence[str]) -> None:
        self.expressions = tuple(name for name in EXPRESSIONS if name in fields)
        self.legacy = tuple(name for name in legacy.PARAMETERS if name in fields)
        substitutes = [name if name in fields else "" for name in ("ExpressionAttributeNames", "ExpressionAttributeValues")]
        self.newer = _getter((*self.expressions, *substitutes))
        self.older = _getter(self.legacy)
        self.no_newer = (None,) * (len(self.expressions) + 2)
        self.no_older = (None,) * len(self.legacy)


def _getter(members: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """A function of a request: these members of it, and None for an empty name."""
    scope: dict[str, Any] = {}
    exec(f"def get(req): return ({' '.join([f'req.{name},' if name else 'None,' for name in members])})", scope)
    made: Callable[[Any], tuple[Any, ...]] = scope["get"]
    return made


@cache
def _form(kind: Any) -> _Form:
    return _Form(kind.__struct_fields__)


def _refuse_mixture(form: _Form, found: tuple[Any, ...], older: tuple[Any, ...]) -> None:
    """Refuses expressions, and names and values, beside legacy parameters."""
    *texts, names, values = found
    newer = [name for name, text in zip(form.expressions, texts, strict=True) if text is not None]
    if newer:
        there = [name for name, given in zip(form.legacy, older, strict=True) if given is not None]
        raise invalid(
            "Can not use both expression and non-expression parameters in the same request: "
            f"Non-expression parameters: {{{', '.join(there)}}} Expression parameters: {{{', '.join(newer)}}}"
        )
    _check_names(texts, None if names is None else tuple(names.items()))
    _check_value_names(form, texts, None if values is None else tuple(values))


def _types(values: Item) -> tuple[tuple[str, str], ...]:
    """The values' names and types; the values are checked and made canonical on the way."""
    found = []
    large = False
    for name, value in values.items():
        single = type(value) is dict and len(value) == 1
        if single and type(text := value.get("S")) is str:
            found.append((name, "S"))
            large = large or len(text) > _LARGE
            continue
        try:
            if single and type(number := value.get("N")) is str:
                value["N"] = numbers.canonical(number)
                found.append((name, "N"))
                continue
            check_value(value)
        except ServiceException as fault:
            if fault.code != "ValidationException":
                raise
            raise invalid(f"ExpressionAttributeValues contains invalid value: {fault.message} for key {name}") from None
        found.append((name, next(iter(value))))
        large = True
    if large and size(values) > SUBSTITUTES_LIMIT_BYTES:
        raise invalid("ExpressionAttributeValues size has exceeded the maximum allowed size")
    return tuple(found)


class _Compiled(NamedTuple):
    """All that the values have no part in."""

    condition: tuple[Test, frozenset[str]] | None
    filter: tuple[Test, frozenset[str]] | None
    key: tuple[Term, ...] | None
    projection: Projection | None
    update: Plan | None
    checks: tuple[Check, ...]

    def bound(self, values: Item) -> Asked:
        """With the values of a request."""
        condition, filtered, key, projection, update, _ = self
        return Asked(
            None if condition is None else Condition(condition[0], values, condition[1]),
            None if filtered is None else Condition(filtered[0], values, filtered[1]),
            None if key is None else KeyCondition(key, values),
            projection,
            None if update is None else Update(update, values),
        )


@lru_cache(maxsize=2048)
def _compiled(
    form: _Form,
    texts: tuple[str | None, ...],
    names: tuple[tuple[str, str], ...] | None,
    types: tuple[tuple[str, str], ...] | None,
) -> _Compiled:
    _check_names(texts, names)
    _check_value_names(form, texts, None if types is None else tuple([name for name, _ in types]))
    scope = Scope(dict(names or ()), dict(types or ()))
    made: dict[str, Any] = {}
    for kind, text in zip(form.expressions, texts, strict=True):
        if text is not None:
            scope.kind = kind
            made[kind] = _READERS[kind](text, scope)
    scope.check_used()
    condition, filtered, key, projection, update = [made.get(kind) for kind in EXPRESSIONS]
    return _Compiled(condition, filtered, key, projection, update, tuple(scope.checks))


def _check_names(texts: Sequence[str | None], names: tuple[tuple[str, str], ...] | None) -> None:
    """Refuses names where there is no expression to use them, and what is no name of one."""
    if names is None:
        return
    if all(text is None for text in texts):
        raise invalid("ExpressionAttributeNames can only be specified when using expressions")
    _check_placeholders("Names", [name for name, _ in names], "#")
    if any(not name for _, name in names):
        raise invalid("ExpressionAttributeNames contains invalid value: Empty attribute name")
    if sum(len(placeholder) + len(name) for placeholder, name in names) > SUBSTITUTES_LIMIT_BYTES:
        raise invalid("ExpressionAttributeNames size has exceeded the maximum allowed size")


def _check_value_names(form: _Form, texts: Sequence[str | None], names: tuple[str, ...] | None) -> None:
    """Refuses values where there is no expression to use them, and what is no name of one."""
    if names is None:
        return
    users = [(name, text) for name, text in zip(form.expressions, texts, strict=True) if name != "ProjectionExpression"]
    if all(text is None for _, text in users):
        listed = " and ".join([name for name, _ in users])
        be = "are" if len(users) > 1 else "is"
        raise invalid(f"ExpressionAttributeValues can only be specified when using expressions: {listed} {be} null")
    _check_placeholders("Values", names, ":")


_placeholder = re.compile(r"[#:][A-Za-z0-9_]+").fullmatch


def _check_placeholders(what: str, names: Sequence[str], sign: str) -> None:
    if not names:
        raise invalid(f"ExpressionAttribute{what} must not be empty")
    for name in names:
        if not _placeholder(name) or name[0] != sign:
            raise invalid(f'ExpressionAttribute{what} contains invalid key: Syntax error; key: "{name}"')


def _read_condition(text: str, scope: Scope) -> tuple[Test, frozenset[str]]:
    node = Parser(scope.kind, text).condition()
    return conditions.compiled(node, scope), conditions.attributes(node, scope)


def _read_key(text: str, scope: Scope) -> tuple[Term, ...]:
    return keys.terms(Parser(scope.kind, text).condition(), scope)


def _read_projection(text: str, scope: Scope) -> Projection:
    found = [scope.steps(path) for path in Parser(scope.kind, text).paths()]
    paths.check_apart(found, scope.fault)
    return paths.projection(found)


def _read_update(text: str, scope: Scope) -> Plan:
    return updates.plan(UpdateParser(scope.kind, text).actions(), scope)


_READERS: dict[str, Callable[[str, Scope], Any]] = {
    "ConditionExpression": _read_condition,
    "FilterExpression": _read_condition,
    "KeyConditionExpression": _read_key,
    "ProjectionExpression": _read_projection,
    "UpdateExpression": _read_update,
}
