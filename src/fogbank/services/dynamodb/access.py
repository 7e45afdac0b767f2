"""What policies can ask of a request for items: dynamodb:LeadingKeys, dynamodb:Attributes, dynamodb:Select, and their kin.

Source: developer guide, Using IAM policy conditions for fine-grained access control.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fogbank.kernel.context import Context
from fogbank.services.dynamodb import expressions, schema, values
from fogbank.services.dynamodb.addresses import get_table, named_arn
from fogbank.services.dynamodb.expressions import Asked
from fogbank.services.dynamodb.values import Item

Condition = Callable[[Context, Any], Any]


def _text(value: Any) -> str | None:
    """A key's value as a policy compares it: canonical, so that 1.0 is 1. Raises ValidationException."""
    if value is None:
        return None
    values.check_value(value)
    return next((content for kind, content in value.items() if kind in values.ORDERED), None)


def leading_keys(ctx: Context, req: Any) -> list[str] | None:
    """The partition keys that a request names."""
    table = get_table(ctx, req.TableName) if getattr(req, "TableName", None) else None
    if table is None:
        return None
    given: Item | None = getattr(req, "Key", None) or getattr(req, "Item", None)
    if given is not None:
        return keys_of(table.partition, [given])
    asked = expressions.of(req)
    if asked.key is None:
        return None
    compiled = schema.of(table)
    view = compiled.by_name.get(req.IndexName, compiled.main) if req.IndexName else compiled.main
    wanted = asked.key.range([part.name for part in view.partition], [part.name for part in view.sort], view.types)
    return [text for value in wanted.partition if (text := _text(value)) is not None]


def keys_of(name: str, given: Iterable[Item]) -> list[str]:
    """The values of the partition key in items or keys."""
    return [text for one in given if (text := _text(one.get(name))) is not None]


def attributes(ctx: Context, req: Any) -> list[str] | None:
    """The top-level attributes that a request names, anywhere."""
    found: set[str] = set()
    for member in ("Key", "Item"):
        found.update(getattr(req, member, None) or ())
    found |= named_in(expressions.of(req))
    return sorted(found) or None


def named_in(asked: Asked) -> set[str]:
    """The top-level attributes that expressions name."""
    found: set[str] = set()
    for part in (asked.condition, asked.update, asked.projection, asked.filter):
        if part is not None:
            found.update(part.attributes)
    if asked.key is not None:
        found.update(term.name for term in asked.key.terms)
    return found


def selected(ctx: Context, req: Any) -> str | None:
    """What of the items a request wants to have; None of one that writes."""
    if not hasattr(req, "ProjectionExpression"):
        return None
    select: str | None = getattr(req, "Select", None)
    if select is not None:
        return select
    if expressions.of(req).projection is not None:
        return "SPECIFIC_ATTRIBUTES"
    return "ALL_PROJECTED_ATTRIBUTES" if getattr(req, "IndexName", None) else "ALL_ATTRIBUTES"


def _mode(name: str) -> Condition:
    """A member that is NONE where it is not given; None of a request that has no such member."""
    return lambda ctx, req: (getattr(req, name) or "NONE") if hasattr(req, name) else None


CONDITIONS: dict[str, Condition] = {
    "dynamodb:leadingkeys": leading_keys,
    "dynamodb:attributes": attributes,
    "dynamodb:select": selected,
    "dynamodb:returnvalues": _mode("ReturnValues"),
    "dynamodb:returnconsumedcapacity": _mode("ReturnConsumedCapacity"),
}


_RETURNED = _mode("ReturnValuesOnConditionCheckFailure")


class Parts:
    """Who may do the parts of a transaction: asked once for each action and table, unless a policy looks at what differs."""

    __slots__ = ("_ctx", "_differing", "_mode", "_settled")

    def __init__(self, ctx: Context, req: Any) -> None:
        self._ctx = ctx
        self._mode = req.ReturnConsumedCapacity or "NONE"
        self._settled: set[tuple[str, str]] = set()
        self._differing = False

    def authorize(self, action: str, part: Any) -> None:
        """Checks one part (a Put, a Get, ...), with the condition keys of that part. Raises AccessDenied."""
        key = (action, part.TableName)
        if key in self._settled:
            return
        self._differing = False
        self._ctx.authorize(
            f"dynamodb:{action}",
            named_arn(self._ctx, part.TableName) or "*",
            dynamodb__LeadingKeys=lambda: self._of(leading_keys, part),
            dynamodb__Attributes=lambda: self._of(attributes, part),
            dynamodb__Select=lambda: self._of(selected, part),
            dynamodb__ReturnValues=lambda: self._of(_RETURNED, part),
            dynamodb__ReturnConsumedCapacity=self._mode,
            dynamodb__EnclosingOperation=self._ctx.operation,
        )
        if not self._differing:
            self._settled.add(key)

    def _of(self, condition: Condition, part: Any) -> Any:
        self._differing = True
        return condition(self._ctx, part)


def authorize_batch(ctx: Context, action: str, name: str, req: Any, keys: list[Item], asked: Asked | None) -> None:
    """Checks one table of a batch, with the condition keys of all its parts together. `asked` is None for one that writes."""
    select = None if asked is None else "ALL_ATTRIBUTES" if asked.projection is None else "SPECIFIC_ATTRIBUTES"

    def leading() -> list[str] | None:
        table = get_table(ctx, name)
        return keys_of(table.partition, keys) if table is not None else None

    def named() -> list[str]:
        found = {attribute for key in keys for attribute in key}
        return sorted(found | named_in(asked) if asked is not None else found)

    ctx.authorize(
        f"dynamodb:{action}",
        named_arn(ctx, name) or "*",
        dynamodb__LeadingKeys=leading,
        dynamodb__Attributes=named,
        dynamodb__Select=select,
        dynamodb__ReturnConsumedCapacity=req.ReturnConsumedCapacity or "NONE",
    )
