"""What events look like, learned of examples: a tree that grows, and the OpenAPI document that it stands for. No context.

A tree has an entry for every kind of value that was seen at its place: `object` (its `fields` and those that were `required`: in all
examples), `array` (the tree of the items), `string` (its format), `integer`, `number`, `boolean`, `null`.

Source: "Inferring an event schema from the JSON of an event" and "Event schemas" in the Amazon EventBridge User Guide.
"""

from __future__ import annotations

import re
from typing import Any

Tree = dict[str, Any]

ENVELOPE = ("detail-type", "resources", "detail", "id", "source", "time", "region", "version", "account")
EVENT = "AWSEvent"

_moment = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)").fullmatch
_word = re.compile(r"[A-Za-z0-9]+").findall


# Learning


def tree_of(value: Any) -> Tree:
    """The tree of one example."""
    match value:
        case None:
            return {"null": True}
        case bool():
            return {"boolean": True}
        case int():
            return {"integer": True}
        case float():
            return {"number": True}
        case str():
            return {"string": "date-time" if _moment(value) else ""}
        case list():
            items: Tree = {}
            for item in value:
                items = merged(items, tree_of(item))
            return {"array": items}
        case _:
            return {"object": {"fields": {name: tree_of(one) for name, one in value.items()}, "required": sorted(value)}}


def merged(one: Tree, other: Tree) -> Tree:
    """The tree of the examples of both."""
    if not one or not other:
        return one or other
    both = {**other, **one}
    if "string" in one and "string" in other and one["string"] != other["string"]:
        both["string"] = ""
    if "array" in one and "array" in other:
        both["array"] = merged(one["array"], other["array"])
    if "object" in one and "object" in other:
        ours, theirs = one["object"], other["object"]
        fields = dict(ours["fields"])
        for name, tree in theirs["fields"].items():
            fields[name] = merged(fields.get(name, {}), tree)
        both["object"] = {"fields": fields, "required": sorted({*ours["required"]} & {*theirs["required"]})}
    return both


def knows(tree: Tree, value: Any) -> bool:
    """Whether an example would change nothing: cheaper than to merge its tree."""
    match value:
        case None:
            return "null" in tree
        case bool():
            return "boolean" in tree
        case int():
            return "integer" in tree
        case float():
            return "number" in tree
        case str():
            known = tree.get("string")
            return known == "" or (known is not None and _moment(value) is not None)
        case list():
            return "array" in tree and all(knows(tree["array"], item) for item in value)
        case _:
            known = tree.get("object")
            if known is None or not all(name in value for name in known["required"]):
                return False
            fields = known["fields"]
            return all(name in fields and knows(fields[name], one) for name, one in value.items())


# Naming


def title(detail_type: str) -> str:
    """A detail-type as a name: `Object Created` is ObjectCreated."""
    return "".join(word[0].upper() + word[1:] for word in _word(detail_type)) or "Event"


def is_event(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("source"), str) and isinstance(value.get("detail-type"), str)


def schema_name(event: dict[str, Any]) -> str:
    return f"{event['source']}@{title(event['detail-type'])}"


# Writing


def document(tree: Tree, source: str, detail_type: str) -> dict[str, Any]:
    """The OpenAPI document of an event's tree: AWSEvent with the envelope, and a component for every object inside."""
    name = title(detail_type)
    writer = _Writer({EVENT})
    envelope = tree.get("object", {}).get("fields", {})
    detail = writer.written(envelope.get("detail", {}), name)
    event: dict[str, Any] = {
        "type": "object",
        "required": [field for field in ENVELOPE if field in tree["object"]["required"]],
        "x-amazon-events-detail-type": detail_type,
        "x-amazon-events-source": source,
        "properties": {field: detail if field == "detail" else writer.written(envelope[field], title(field)) for field in sorted(envelope)},
    }
    event["required"] += [field for field in tree["object"]["required"] if field not in ENVELOPE]
    for field, kind in (("resources", {"type": "array", "items": {"type": "string"}}), ("time", {"type": "string", "format": "date-time"})):
        if field in envelope:
            event["properties"][field] = kind
    return _whole(name, {EVENT: event, **writer.components})


def plain_document(tree: Tree) -> dict[str, Any]:
    """The OpenAPI document of JSON that is not an event of a bus."""
    writer = _Writer(set())
    root = writer.written(tree, "Event")
    components = writer.components if "$ref" in root else {"Event": root}
    return _whole("Event", components)


def _whole(name: str, components: dict[str, Any]) -> dict[str, Any]:
    return {"openapi": "3.0.0", "info": {"version": "1.0.0", "title": name}, "paths": {}, "components": {"schemas": components}}


class _Writer:
    """Components as they are named, one after the other."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken
        self.components: dict[str, Any] = {}

    def written(self, tree: Tree, name: str) -> dict[str, Any]:
        """The schema of a tree; `name` is for the component that an object becomes."""
        kinds = [kind for kind in tree if kind != "null"]
        if sorted(kinds) == ["integer", "number"]:
            kinds = ["number"]
        if len(kinds) != 1:
            return {}
        made = self._one(kinds[0], tree[kinds[0]], name)
        if "null" in tree:
            return {"nullable": True, "allOf": [made]} if "$ref" in made else {**made, "nullable": True}
        return made

    def _one(self, kind: str, of: Any, name: str) -> dict[str, Any]:
        if kind == "object":
            return {"$ref": f"#/components/schemas/{self._component(of, name)}"}
        if kind == "array":
            return {"type": "array", "items": self.written(of, f"{name}Item")}
        if kind == "string":
            return {"type": "string", "format": of} if of else {"type": "string"}
        return {"type": "integer", "format": "int64"} if kind == "integer" else {"type": kind}

    def _component(self, of: Any, name: str) -> str:
        number, wanted = 1, name
        while name in self._taken:
            number += 1
            name = f"{wanted}{number}"
        self._taken.add(name)
        made: dict[str, Any] = {"type": "object"}
        if of["required"]:
            made["required"] = of["required"]
        self.components[name] = made
        made["properties"] = {field: self.written(tree, title(field)) for field, tree in sorted(of["fields"].items())}
        return name
