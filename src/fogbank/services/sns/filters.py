"""Filter policies: read once, then asked of every message. Arithmetic, without ctx.

    filter = read(policy, "MessageBody")
    filter.passes(message)

A policy is a conjunction over properties, each a disjunction of values; `$or` is a disjunction of policies. On message attributes a
property is an attribute's name. On a body it is a path: objects nest, and of a list any item counts (of a list of objects, one of them must
satisfy all that is said of it).
Source: "Filter policy constraints" and "AND/OR logic" in the Developer Guide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from math import prod
from typing import Any

from fogbank.languages import documents
from fogbank.services.sns.matching import KEYWORDS, Every, Exists, InvalidFilter, Test, test_of
from fogbank.services.sns.state import Attribute, Message

COMBINATIONS_LIMIT = 150
KEYS_LIMIT = 5
BYTES_LIMIT = 262_144
SCOPES = ("MessageAttributes", "MessageBody")


class _Values:
    """A property and what its values are asked: any of the tests, of any of the values."""

    def __init__(self, name: str, asked: list[Test | Exists | Every], weight: int) -> None:
        self.name = name
        self.weight = weight
        self.keys = 1
        self._tests = [one for one in asked if not isinstance(one, Exists | Every)]
        self._every = [one.test for one in asked if isinstance(one, Every)]
        self._exists = {one.wanted for one in asked if isinstance(one, Exists)}

    def passes(self, properties: Mapping[str, Any]) -> bool:
        values = list(_leaves(properties[self.name])) if self.name in properties else []
        if bool(values) in self._exists:
            return True
        if values and any(all(map(test, values)) for test in self._every):
            return True
        return any(test(value) for value in values for test in self._tests)


class _Inside:
    """A property that is an object, and what is said of it."""

    def __init__(self, name: str, inner: _All) -> None:
        self.name = name
        self._inner = inner
        self.weight: int = inner.weight
        self.keys: int = inner.keys

    def passes(self, properties: Mapping[str, Any]) -> bool:
        return any(self._inner.passes(one) for one in _objects(properties.get(self.name)))


class _Any:
    """`$or`."""

    def __init__(self, alternatives: list[_All]) -> None:
        self._alternatives = alternatives
        self.weight: int = sum(one.weight for one in alternatives)
        self.keys: int = max(one.keys for one in alternatives)

    def passes(self, properties: Mapping[str, Any]) -> bool:
        return any(one.passes(properties) for one in self._alternatives)


class _All:
    """A policy, or a part of one."""

    def __init__(self, parts: list[_Values | _Inside | _Any]) -> None:
        self._parts = parts
        self.weight: int = prod(part.weight for part in parts)
        self.keys: int = sum(part.keys for part in parts)

    def passes(self, properties: Mapping[str, Any]) -> bool:
        return all(part.passes(properties) for part in self._parts)


def _leaves(value: Any) -> Iterator[Any]:
    """The values of a property: of a list all that are in it; none of an object."""
    if isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif not isinstance(value, dict):
        yield value


def _objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects that a property holds; an empty one where it holds none, which then lacks whatever is asked of it."""
    if isinstance(value, dict):
        return [value]
    return [item for item in value if isinstance(item, dict)] or [{}] if isinstance(value, list) else [{}]


class Filter:
    """A filter policy, ready to be asked."""

    def __init__(self, root: _All, scope: str) -> None:
        self._root = root
        self.of_body = scope == "MessageBody"

    def passes(self, message: Message) -> bool:
        if self.of_body:
            body = body_of(message.body)
            return isinstance(body, dict) and self._root.passes(body)
        return self._root.passes(properties_of(message.attributes))


@lru_cache(8)
def body_of(text: str) -> Any:
    """A message's body as JSON; None where it is none."""
    try:
        return documents.read(text)
    except documents.Malformed:
        return None


@lru_cache(8)
def properties_of(attributes: tuple[Attribute, ...]) -> dict[str, Any]:
    """Message attributes as filters compare them: text, numbers, and the items of a String.Array; not bytes."""
    found: dict[str, Any] = {}
    for attribute in attributes:
        kind = attribute.type.split(".")
        if attribute.type == "String.Array":
            listed = body_of(attribute.text)
            found[attribute.name] = listed if isinstance(listed, list) else attribute.text
        elif kind[0] == "Number":
            found[attribute.name] = float(attribute.text)
        elif kind[0] == "String":
            found[attribute.name] = attribute.text
    return found


@lru_cache(1024)
def read(text: str, scope: str) -> Filter:
    """Raises InvalidFilter."""
    if len(text.encode()) > BYTES_LIMIT:
        raise InvalidFilter("Filter policy is too large")
    try:
        policy = documents.read_object(text)
    except documents.Malformed:
        raise InvalidFilter("failed to parse JSON.") from None
    root = _read(policy, nested=scope == "MessageBody", depth=1)
    if root.keys > KEYS_LIMIT:
        raise InvalidFilter(f"Filter policy can not have more than {KEYS_LIMIT} keys")
    if root.weight > COMBINATIONS_LIMIT:
        raise InvalidFilter("Filter policy is too complex")
    return Filter(root, scope)


def _read(policy: Mapping[str, Any], *, nested: bool, depth: int) -> _All:
    parts: list[_Values | _Inside | _Any] = []
    for name, value in policy.items():
        if name == "$or" and _is_disjunction(value):
            parts.append(_Any([_read(one, nested=nested, depth=depth) for one in value]))
        elif isinstance(value, dict):
            if not nested:
                raise InvalidFilter("Filter policy scope MessageAttributes does not support nested filter policy")
            if not value:
                raise InvalidFilter("Empty objects are not allowed")
            parts.append(_Inside(name, _read(value, nested=True, depth=depth + 1)))
        elif isinstance(value, list):
            if not value:
                raise InvalidFilter("Empty arrays are not allowed")
            parts.append(_Values(name, [test_of(one) for one in value], len(value) * depth))
        else:
            raise InvalidFilter(f'"{name}" must be an object or an array')
    return _All(parts)


def _is_disjunction(value: Any) -> bool:
    """Whether `$or` is the operator: a list of at least two policies, none of which is a value's operator."""
    return (
        isinstance(value, list) and len(value) >= 2 and all(isinstance(one, dict) and one and not (one.keys() & KEYWORDS) for one in value)
    )
