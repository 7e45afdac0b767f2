"""Event patterns: which events a rule, an archive, a pipe or an event source mapping wants.

A pattern is compiled into alternatives (each `$or` multiplies them), each a tree of fields that must all match. A list in an
event matches where one of its elements does; several fields under one list must match in the same element. `exists: false`
holds where there is no value anywhere at the field's path.

Source: "Creating Amazon EventBridge event patterns" in the Amazon EventBridge User Guide.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Any

from fogbank.languages import documents
from fogbank.languages.matching import OPERATORS, InvalidPattern, Leaf, leaf

__all__ = ["InvalidPattern", "Pattern", "compile"]

ALTERNATIVES_LIMIT = 1000
_RESERVED = frozenset(OPERATORS)

Fields = dict[str, "Fields | list[Leaf]"]
"""The fields of one alternative. The leaves of a field must all accept the same value."""


class Field:
    """A field of a compiled alternative: leaves for its value, or fields inside of it. `path` leads there from the event."""

    __slots__ = ("absent", "inside", "leaves", "name", "path")

    def __init__(self, name: str, path: tuple[str, ...], wanted: Any) -> None:
        self.name = name
        self.path = path
        self.leaves: tuple[Leaf, ...] = tuple(wanted) if isinstance(wanted, list) else ()
        self.absent = bool(self.leaves) and all(one.absent for one in self.leaves)
        self.inside = compiled(wanted, path) if isinstance(wanted, dict) else ()

    def __call__(self, holder: dict[str, Any], event: Any) -> bool:
        """Whether the field of an object is as wanted; `event` is all of the event."""
        value = holder.get(self.name, _MISSING)
        if self.inside:
            return _object(self.inside, value, event)
        if value is not _MISSING and self._accepts(value):
            return True
        return self.absent and not _there(event, self.path, 0)

    def _accepts(self, value: Any) -> bool:
        if value.__class__ is list:
            return any(self._accepts(each) for each in value)
        if value.__class__ is dict:
            return False
        for alternatives in self.leaves:  # noqa: SIM110 (here and below: a loop costs half of what a generator does)
            if not alternatives.accepts(value):
                return False
        return True


_MISSING: Any = object()
_NOTHING: dict[str, Any] = {}


def _object(fields: tuple[Field, ...], value: Any, event: Any) -> bool:
    if value.__class__ is dict:
        for field in fields:  # noqa: SIM110
            if not field(value, event):
                return False
        return True
    if value.__class__ is list and value:
        return any(_object(fields, each, event) for each in value)
    return all(field(_NOTHING, event) for field in fields)


def _there(value: Any, path: tuple[str, ...], depth: int) -> bool:
    """Whether there is a value (not an object) at a path."""
    if value.__class__ is list:
        return any(_there(each, path, depth) for each in value)
    if value.__class__ is dict:
        return depth < len(path) and path[depth] in value and _there(value[path[depth]], path, depth + 1)
    return depth == len(path)


def compiled(fields: Fields, path: tuple[str, ...] = ()) -> tuple[Field, ...]:
    return tuple([Field(name, (*path, name), wanted) for name, wanted in fields.items()])


class Pattern:
    """A compiled pattern."""

    __slots__ = ("_alternatives", "_fields")

    def __init__(self, alternatives: list[Fields]) -> None:
        self._fields = alternatives
        self._alternatives = tuple([compiled(fields) for fields in alternatives])

    def matches(self, event: Any) -> bool:
        for fields in self._alternatives:  # noqa: SIM110
            if _object(fields, event, event):
                return True
        return False

    def only(self, field: str) -> frozenset[str] | None:
        """The texts of which a field of the event itself must be one, or None where the pattern is open: a cheap first key."""
        texts: frozenset[str] = frozenset()
        for alternative in self._fields:
            leaves = alternative.get(field)
            found = next((one.only for one in leaves if one.only is not None), None) if isinstance(leaves, list) else None
            if found is None:
                return None
            texts |= found
        return texts


def compile(pattern: str | dict[str, Any]) -> Pattern:
    """A pattern from its text, or from the parsed text. Raises InvalidPattern."""
    return _of_text(pattern) if isinstance(pattern, str) else _of_object(pattern)


@lru_cache(4096)
def _of_text(text: str) -> Pattern:
    try:
        return _of_object(documents.read(text))
    except documents.Malformed as wrong:
        raise InvalidPattern(str(wrong)) from None


def _of_object(pattern: Any) -> Pattern:
    if not isinstance(pattern, dict):
        raise InvalidPattern("Filter is not an object")
    return Pattern(_alternatives(pattern))


def _alternatives(pattern: dict[str, Any]) -> list[Fields]:
    """The fields of an object, once for every combination of what its `$or`s allow."""
    if not pattern:
        raise InvalidPattern("Empty objects are not allowed")
    choices: list[list[Fields]] = []
    for name, wanted in pattern.items():
        if name == "$or" and _is_or(wanted):
            choices.append([fields for one in wanted for fields in _alternatives(one)])
        elif isinstance(wanted, dict):
            choices.append([{name: fields} for fields in _alternatives(wanted)])
        elif isinstance(wanted, list):
            choices.append([{name: [leaf(wanted)]}])
        else:
            raise InvalidPattern(f'"{name}" must be an object or an array')
        count = 1
        for choice in choices:
            count *= len(choice)
        if count > ALTERNATIVES_LIMIT:
            raise InvalidPattern(f"Rule is too complex. There are more than {ALTERNATIVES_LIMIT} combinations of $or conditions")
    return [_merged(combination) for combination in product(*choices)]


def _is_or(wanted: Any) -> bool:
    """Whether the value of `$or` is a choice, and not the alternatives of a field of that name."""
    if not isinstance(wanted, list) or len(wanted) < 2:
        return False
    return all(isinstance(one, dict) and one and not _RESERVED & one.keys() for one in wanted)


def _merged(combination: tuple[Fields, ...]) -> Fields:
    merged: Fields = {}
    for fields in combination:
        for name, wanted in fields.items():
            there = merged.get(name)
            if there is None:
                merged[name] = wanted
            elif isinstance(there, dict) and isinstance(wanted, dict):
                merged[name] = _merged((there, wanted))
            elif isinstance(there, list) and isinstance(wanted, list):
                merged[name] = [*there, *wanted]
            else:
                raise InvalidPattern(f"Path `{name}` cannot be both an object and a value")
    return merged
