"""A schema as classes with typed fields. No context, no language."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

_word = re.compile(r"[A-Za-z0-9]+").findall
_boundary = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class Kind(NamedTuple):
    """`string`, `moment`, `integer`, `number`, `boolean`, `any`; `list` and `map` of something; `class` by its name."""

    name: str
    of: Kind | None = None
    class_: str = ""


class Field(NamedTuple):
    """`name` is JSON's."""

    name: str
    kind: Kind
    required: bool


class Class(NamedTuple):
    name: str
    fields: tuple[Field, ...]


class Program(NamedTuple):
    """`package`: the words of the event's source and then its name, as they are in the schema's name."""

    package: tuple[str, ...]
    root: str
    classes: tuple[Class, ...]


class NoClasses(ValueError):
    """A schema that describes no object."""


def words(name: str) -> list[str]:
    """`detail-type`, `detailType` and `DetailType` are detail and type."""
    return [part.lower() for word in _word(name) for part in _boundary.split(word)] or ["value"]


def pascal(name: str) -> str:
    """A class's name."""
    found = "".join(word[0].upper() + word[1:] for word in _word(name)) or "Value"
    return f"_{found}" if found[0].isdigit() else found


def camel(name: str) -> str:
    first, *rest = words(name)
    found = first + "".join(word.capitalize() for word in rest)
    return f"_{found}" if found[0].isdigit() else found


def snake(name: str) -> str:
    found = "_".join(words(name))
    return f"_{found}" if found[0].isdigit() else found


def names(fields: tuple[Field, ...], spell: Any, reserved: frozenset[str]) -> dict[str, str]:
    """A language's names of fields, each another one, by JSON's names."""
    taken: dict[str, str] = {}
    for field in fields:
        name = spell(field.name)
        while name in taken.values() or name in reserved:
            name += "_"
        taken[field.name] = name
    return taken


def of_openapi(name: str, document: dict[str, Any], root: str) -> Program:
    """Raises NoClasses."""
    return _Reader("#/components/schemas/", document.get("components", {}).get("schemas", {})).program(name, root)


def of_json_schema(name: str, document: dict[str, Any]) -> Program:
    """Raises NoClasses."""
    definitions = document.get("definitions", {})
    title = pascal(document.get("title") or _package(name)[-1])
    return _Reader("#/definitions/", {**definitions, title: document}).program(name, title)


def _package(name: str) -> tuple[str, ...]:
    source, at, kind = name.rpartition("@")
    parts = [word for part in source.split(".") if (word := "".join(_word(part)))] if at else []
    return (*(part.lower() for part in parts), "".join(_word(kind)) or "schema")


class _Reader:
    def __init__(self, prefix: str, schemas: dict[str, Any]) -> None:
        self._prefix = prefix
        self._schemas = schemas
        self._named: dict[str, str] = {}
        self._classes: dict[str, Class] = {}

    def program(self, name: str, root: str) -> Program:
        for one in [root, *(other for other in self._schemas if other != root)]:
            if one in self._schemas and _is_class(self._schemas[one]):
                self._referred(one)
        if not self._classes:
            raise NoClasses(name)
        return Program(_package(name), next(iter(self._classes)), tuple(self._classes.values()))

    def _referred(self, name: str) -> Kind:
        """The kind of a schema that has a name."""
        if name not in self._schemas:
            return Kind("any")
        if not _is_class(self._schemas[name]):
            return self._kind(self._schemas[name], name, frozenset({name}))
        if name not in self._named:
            self._named[name] = self._class(self._schemas[name], pascal(name))
        return Kind("class", class_=self._named[name])

    def _class(self, schema: dict[str, Any], name: str) -> str:
        wanted, number = name, 1
        while name in self._classes:
            number += 1
            name = f"{wanted}{number}"
        self._classes[name] = Class(name, ())
        for known, one in self._schemas.items():  # before its fields, which may lead back here
            if one is schema:
                self._named[known] = name
        required = schema.get("required") or ()
        fields = [Field(field, self._kind(one, f"{name}{pascal(field)}"), field in required) for field, one in schema["properties"].items()]
        self._classes[name] = Class(name, tuple(fields))
        return name

    def _kind(self, schema: Any, name: str, seen: frozenset[str] = frozenset()) -> Kind:
        if not isinstance(schema, dict):
            return Kind("any")
        reference = schema.get("$ref")
        if isinstance(reference, str):
            target = reference.removeprefix(self._prefix)
            return Kind("any") if target in seen or target == reference else self._referred(target)
        several = schema.get("allOf")
        if isinstance(several, list) and len(several) == 1 and "properties" not in schema:
            return self._kind(several[0], name, seen)
        if _is_class(schema):
            return Kind("class", class_=self._class(schema, name))
        kind = schema.get("type")
        if isinstance(kind, list):
            kinds = [one for one in kind if one != "null"]
            kind = kinds[0] if len(kinds) == 1 else None
        if kind == "array":
            return Kind("list", self._kind(schema.get("items"), f"{name}Item", seen))
        if kind == "object":
            return Kind("map", self._kind(schema.get("additionalProperties"), f"{name}Value", seen))
        if kind == "string":
            return Kind("moment" if schema.get("format") == "date-time" else "string")
        return Kind(kind) if kind in ("integer", "number", "boolean") else Kind("any")


def _is_class(schema: Any) -> bool:
    return isinstance(schema, dict) and isinstance(schema.get("properties"), dict) and schema.get("type", "object") == "object"
