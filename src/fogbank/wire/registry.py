"""AWS's registry of resource types: the schemas of CloudFormation and Cloud Control, and properties held against them.

`registry/` has one file per service, opened when first asked for, made from the package `cfn-lint` (MIT No Attribution, Copyright
Amazon.com, Inc. or its affiliates), which carries the schemas that AWS publishes; `python -m fogbank.wire.registry <its folder>`
makes it again. Descriptions and formats are left out.
"""

from __future__ import annotations

import gzip
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import msgspec

from fogbank.kernel.resource_types import values_at

from .patterns import translate

_REGISTRY = Path(__file__).parent / "registry"
_POINTER = "/properties/"
_NAMED = {"properties", "definitions", "patternProperties"}
"""The words of a schema under which keys are names."""
_NAMES = {"object": "JSONObject", "array": "JSONArray", "string": "String", "integer": "Integer", "number": "Number", "boolean": "Boolean"}

Properties = Mapping[str, Any]


class Schema:
    """A resource type as AWS describes it. Properties are named by their paths, with `/` between names and `*` for any item."""

    def __init__(self, name: str, document: dict[str, Any]) -> None:
        self.name = name
        self.document = document
        self.properties: frozenset[str] = frozenset(document["properties"])
        self.handlers: frozenset[str] = frozenset(document.get("handlers", ()))
        self.identifier = self._paths("primaryIdentifier")
        self.read_only = self._paths("readOnlyProperties")
        self.write_only = self._paths("writeOnlyProperties")
        self.create_only = self._paths("createOnlyProperties")
        self.conditional_create_only = self._paths("conditionalCreateOnlyProperties")

    def _paths(self, key: str) -> tuple[str, ...]:
        return tuple(pointer.removeprefix(_POINTER).replace(_POINTER, "/") for pointer in self.document.get(key, ()))

    @property
    def provisionable(self) -> bool:
        """Whether Cloud Control handles the type: it can be made, read and deleted by itself."""
        return self.handlers >= {"create", "read", "delete"}

    @cached_property
    def _validator(self) -> Any:
        import jsonschema

        return jsonschema.Draft7Validator(_compiled(self.document))

    def violations(self, properties: Properties) -> list[str]:
        """What is wrong with properties, in AWS's sentences; nothing where all is right."""
        found = [said for error in self._validator.iter_errors(properties) for said in _said(error)]
        return sorted(dict.fromkeys(found))

    def given(self, properties: Properties, paths: tuple[str, ...]) -> list[str]:
        """Those of the paths at which properties have a value."""
        return [path for path in paths if any(value is not None for value in values_at(properties, path.split("/")))]

    def changed(self, before: Properties, after: Properties, paths: tuple[str, ...]) -> list[str]:
        """Those of the paths at which two states differ."""
        parts = [(path, path.split("/")) for path in paths]
        return [path for path, names in parts if list(values_at(before, names)) != list(values_at(after, names))]

    def readable(self, properties: Properties) -> dict[str, Any]:
        """Properties without those that are only written."""
        kept = dict(properties)
        for path in self.write_only:
            kept = _without(kept, path.split("/"))
        return kept


def _without(value: Any, names: list[str]) -> Any:
    if names[0] == "*":
        return [_without(item, names[1:]) for item in value] if isinstance(value, list) else value
    if not isinstance(value, Mapping) or names[0] not in value:
        return value
    rest = {name: kept for name, kept in value.items() if name != names[0]}
    return rest if len(names) == 1 else {**rest, names[0]: _without(value[names[0]], names[1:])}


def _compiled(value: Any, *, names: bool = False) -> Any:
    """A schema with its patterns in Python's dialect; `names`: the keys are names, not words of the schema."""
    if isinstance(value, list):
        return [_compiled(item) for item in value]
    if not isinstance(value, dict):
        return value
    out = {key: _compiled(item, names=key in _NAMED and not names) for key, item in value.items()}
    if not names:
        if isinstance(pattern := out.pop("pattern", None), str) and (found := translate(pattern)) is not None:
            out["pattern"] = found
        if "patternProperties" in out:
            out["patternProperties"] = {translate(name) or ".*": item for name, item in out["patternProperties"].items()}
    return out


def _said(error: Any) -> Iterator[str]:
    """AWS's sentences for one violation."""
    place = "#" + "".join(f"/{part}" for part in error.absolute_path)
    value, keyword, limit = error.instance, error.validator, error.validator_value
    if keyword == "additionalProperties" and limit is False:
        patterns = error.schema.get("patternProperties", ())
        for name in sorted(value):
            if name not in error.schema.get("properties", ()) and not any(re.search(pattern, name) for pattern in patterns):
                yield f"{place}: extraneous key [{name}] is not permitted"
    elif keyword == "required":
        yield from (f"{place}: required key [{name}] not found" for name in limit if name not in value)
    elif keyword in ("anyOf", "oneOf", "allOf") and error.context:
        yield f"{place}: #: {'no' if keyword == 'anyOf' else '0'} subschema matched out of the total {len(limit)} subschemas"
        yield from (said for inner in error.context for said in _said(inner))
    else:
        yield f"{place}: {_sentence(keyword, value, limit) or error.message}"


def _sentence(keyword: str, value: Any, limit: Any) -> str | None:
    if keyword == "type":
        wanted = [_NAMES[kind] for kind in limit] if isinstance(limit, list) else _NAMES[limit]
        return f"expected type: {wanted if isinstance(wanted, str) else 'one of ' + ', '.join(wanted)}, found: {_kind(value)}"
    if keyword == "enum":
        return f"{value} is not a valid enum value"
    if keyword in ("maxLength", "minLength"):
        return f"expected {keyword}: {limit}, actual: {len(value)}"
    if keyword in ("maxItems", "minItems"):
        return f"expected {keyword.removesuffix('Items')}imum item count: {limit}, found: {len(value)}"
    if keyword == "maximum":
        return f"{value} is not less or equal to {limit}"
    if keyword == "minimum":
        return f"{value} is not greater or equal to {limit}"
    if keyword == "pattern":
        return "failed validation constraint for keyword [pattern]"
    if keyword == "uniqueItems":
        return "array items are not unique"
    return None


def _kind(value: Any) -> str:
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return "Boolean"
    kinds = {dict: "JSONObject", list: "JSONArray", str: "String", int: "Integer", float: "BigDecimal"}
    return kinds.get(type(value), type(value).__name__)


@cache
def _file(service: str) -> dict[str, Any]:
    path = _REGISTRY / f"{service}.json.gz"
    if not service.isalnum() or not path.is_file():
        return {}
    documents: dict[str, Any] = msgspec.json.decode(gzip.decompress(path.read_bytes()))
    return documents


@cache
def schema(name: str) -> Schema | None:
    """The schema of a type ("AWS::SQS::Queue"), or None where AWS has no such type."""
    document = _file("".join(name.split("::")[1:2])).get(name)
    return None if document is None else Schema(name, document)


_LEFT_OUT = {"description", "title", "examples", "sourceUrl", "$comment", "$schema", "documentationUrl", "format"}
_LEFT_OUT |= {"insertionOrder", "replacementStrategy", "tagging", "propertyTransform"}


def _packed(value: Any, *, names: bool = False) -> Any:
    """A schema without what is only said; `names`: the keys are names that AWS has chosen, not words of the schema."""
    if isinstance(value, dict):
        return {k: _packed(v, names=k in _NAMED and not names) for k, v in value.items() if names or k not in _LEFT_OUT}
    return [_packed(v) for v in value] if isinstance(value, list) else value


def write(schemas: Path) -> None:
    """Makes `registry/` from the schemas that `cfn-lint` carries (its folder `data/schemas`)."""
    places = msgspec.json.decode((schemas / "providers" / "us-east-1.json").read_bytes())
    services: dict[str, dict[str, Any]] = defaultdict(dict)
    for name, file in sorted(places.items()):
        document = _packed(msgspec.json.decode((schemas / "resources" / f"{file}.json").read_bytes()))
        document["handlers"] = sorted(document.get("handlers", ()))
        services[name.split("::")[1]][name] = document
    for service, documents in services.items():
        packed = msgspec.json.encode(documents, order="sorted")
        (_REGISTRY / f"{service}.json.gz").write_bytes(gzip.compress(packed, 9, mtime=0))


if __name__ == "__main__":
    import sys

    write(Path(sys.argv[1]))
