"""What a schema says: checked when it is put, and OpenAPI's schemas as JSON Schema. No context.

OpenAPI 3.0 documents are held against what the specification requires of the parts that describe events (`info`, `paths`, `components`),
and their references must lead somewhere; JSON Schema against the meta-schema of draft 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from fogbank.languages import documents

OPENAPI, JSONSCHEMA = "OpenApi3", "JSONSchemaDraft4"
DRAFT4 = "http://json-schema.org/draft-04/schema#"
_COMPONENTS = "#/components/schemas/"
_ONLY_OPENAPI = frozenset({"nullable", "discriminator", "xml", "externalDocs", "example", "readOnly", "writeOnly", "deprecated"})


class InvalidContent(ValueError):
    """Says what is wrong."""


_SCHEMA = {"$ref": "#/definitions/schema"}
_SCHEMAS = {"type": "object", "additionalProperties": _SCHEMA}
_COUNT = {"type": "integer", "minimum": 0}
_OPENAPI_META = {
    "$schema": DRAFT4,
    "type": "object",
    "required": ["openapi", "info", "paths"],
    "properties": {
        "openapi": {"type": "string", "pattern": r"^3\.0\.\d+(-.+)?$"},
        "info": {
            "type": "object",
            "required": ["title", "version"],
            "properties": {"title": {"type": "string"}, "version": {"type": "string"}},
        },
        "paths": {"type": "object", "patternProperties": {r"^(/|x-)": {"type": "object"}}, "additionalProperties": False},
        "components": {
            "type": "object",
            "properties": {
                "schemas": {"type": "object", "patternProperties": {r"^[a-zA-Z0-9._-]+$": _SCHEMA}, "additionalProperties": False}
            },
        },
    },
    "definitions": {
        "schema": {
            "type": "object",
            "properties": {
                "$ref": {"type": "string"},
                "type": {"enum": ["array", "boolean", "integer", "number", "object", "string"]},
                "properties": _SCHEMAS,
                "additionalProperties": {"anyOf": [{"type": "boolean"}, _SCHEMA]},
                "items": _SCHEMA,
                "not": _SCHEMA,
                **{name: {"type": "array", "items": _SCHEMA, "minItems": 1} for name in ("allOf", "anyOf", "oneOf")},
                "required": {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
                "enum": {"type": "array", "minItems": 1},
                **{name: {"type": "boolean"} for name in ("nullable", "uniqueItems", "readOnly", "writeOnly", "deprecated")},
                **{name: {"type": "boolean"} for name in ("exclusiveMinimum", "exclusiveMaximum")},
                **{name: {"type": "number"} for name in ("minimum", "maximum", "multipleOf")},
                **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _COUNT),
                **{name: {"type": "string"} for name in ("title", "description", "format", "pattern")},
            },
        }
    },
}


@cache
def _openapi() -> Any:
    import jsonschema

    return jsonschema.Draft4Validator(_OPENAPI_META)


@cache
def _draft4() -> Any:
    import jsonschema

    return jsonschema.Draft4Validator(jsonschema.Draft4Validator.META_SCHEMA)


def check(kind: str, content: str) -> dict[str, Any]:
    """The document. Raises InvalidContent."""
    try:
        document = documents.read_object(content)
    except documents.Malformed as wrong:
        raise InvalidContent(f"it is not JSON: {wrong}") from None
    validator = _openapi() if kind == OPENAPI else _draft4()
    if kind == JSONSCHEMA and document.get("$schema", DRAFT4).rstrip("#") != DRAFT4.rstrip("#"):
        raise InvalidContent(f"$schema must be {DRAFT4}")
    error = next(iter(sorted(validator.iter_errors(document), key=lambda one: list(map(str, one.absolute_path)))), None)
    if error is not None:
        where = "/".join(str(step) for step in error.absolute_path)
        raise InvalidContent(f"#/{where}: {error.message}"[:500])
    for reference in _references(document):
        if reference.startswith("#") and not _there(document, reference):
            raise InvalidContent(f"the reference {reference} leads nowhere")
    return document


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        found = value.get("$ref")
        if isinstance(found, str):
            yield found
        for one in value.values():
            yield from _references(one)
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)


def _there(document: Any, reference: str) -> bool:
    for step in reference.removeprefix("#").split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(document, dict) or step not in document:
            return False
        document = document[step]
    return True


# As JSON Schema


def root_of(document: dict[str, Any]) -> str:
    """The component of an OpenAPI document that is the event: AWSEvent, the one that has its title's name, or the first."""
    components = document.get("components", {}).get("schemas", {})
    for name in ("AWSEvent", document["info"]["title"]):
        if name in components:
            return str(name)
    return next(iter(components), "")


def as_json_schema(document: dict[str, Any]) -> dict[str, Any]:
    """An OpenAPI document's event as JSON Schema, the other components as its definitions."""
    components = {name: _converted(one) for name, one in document.get("components", {}).get("schemas", {}).items()}
    root = root_of(document)
    whole: dict[str, Any] = {"$schema": DRAFT4, "title": document["info"]["title"]}
    whole |= components.get(root, {"type": "object"})
    definitions = {name: one for name, one in components.items() if name != root}
    if f'"#/definitions/{root}"' in msgspec.json.encode(components).decode():
        definitions[root] = components[root]
    if definitions:
        whole["definitions"] = definitions
    return whole


def _converted(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_converted(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {}
    for name, value in schema.items():
        if name in _ONLY_OPENAPI:
            continue
        if name == "$ref":
            made[name] = value.replace(_COMPONENTS, "#/definitions/")
        elif name == "properties":
            made[name] = {field: _converted(one) for field, one in value.items()}
        elif name in ("enum", "default"):
            made[name] = value
        else:
            made[name] = _converted(value)
    if schema.get("nullable"):
        return _nullable(made)
    return made


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    if isinstance(schema.get("type"), str) and "enum" not in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}
