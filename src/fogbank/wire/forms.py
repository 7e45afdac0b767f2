"""Form bodies (the query and ec2 protocols) and query strings: text to names and values, names to trees.

A form is flat: `Tags.member.1.Key=a`. `plant` makes a tree of the dotted names, and a reader compiled from
the input's shape turns that tree into one keyed by AWS's member names, with lists as lists and maps as maps;
scalars stay text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, unquote_plus

from .model import Ref, Shape

Reader = Callable[[Any], Any]
_DEPTH = 40  # a dotted name deeper than this is no member of anything


class Malformed(Exception):
    """A form whose names make no tree, or a path that is no text."""


def pairs(text: str) -> list[tuple[str, str]]:
    """The names and values of a query string or form, decoded, in order."""
    found = []
    for piece in text.split("&"):
        if piece:
            name, _, value = piece.partition("=")
            if "%" in name or "+" in name:
                name = unquote_plus(name)
            if "%" in value or "+" in value:
                value = unquote_plus(value)
            found.append((name, value))
    return found


def label(text: str) -> str:
    """A piece of a path, decoded (a plus is a plus there). Malformed where it is not UTF-8: two paths must not become one."""
    if "%" not in text:
        return text
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise Malformed("The path is not UTF-8") from None


def plant(parameters: dict[str, str]) -> dict[str, Any]:
    """The tree of the dotted names; a name that is both a leaf and a branch keeps its leaf under ''."""
    root: dict[str, Any] = {}
    for name, value in parameters.items():
        parts = name.split(".")
        if len(parts) == 1 and name not in root:
            root[name] = value
            continue
        if len(parts) > _DEPTH:
            raise Malformed("Parameter name is nested too deeply")
        node = root
        for part in parts[:-1]:
            below = node.get(part)
            if not isinstance(below, dict):
                below = node[part] = {} if below is None else {"": below}
            node = below
        last = parts[-1]
        if isinstance(node.get(last), dict):
            node[last][""] = value
        else:
            node[last] = value
    return root


class FormReaders:
    """Compiles shapes to functions from a tree of dotted names to a tree of members."""

    def __init__(self, shapes: Mapping[str, Shape], *, ec2: bool = False) -> None:
        self.shapes = shapes
        self.ec2 = ec2
        self._made: dict[str, Reader] = {}

    def flat(self, name: str) -> bool:
        """Whether the form of this structure already is its tree: only scalars, named as their members."""
        return all(
            self.name(ref, member) == member and self.shapes[ref.shape].type not in ("structure", "list", "map")
            for member, ref in self.shapes[name].members.items()
        )

    def name(self, ref: Ref, member: str) -> str:
        """The name of a member in a form."""
        shape = self.shapes[ref.shape]
        if self.ec2:
            named = ref.location_name or shape.location_name
            return ref.query_name or (named[0].upper() + named[1:] if named else member)
        if shape.type == "list" and (ref.flattened or shape.flattened):
            assert shape.member is not None
            item = shape.member.location_name or self.shapes[shape.member.shape].location_name
            if item:
                return item
        return ref.location_name or shape.location_name or member

    def structure(self, name: str) -> Reader:
        """A reader for a structure shape."""
        made = self._made.get(name)
        if made is None:
            table: dict[str, tuple[str, Reader | None]] = {}

            def made(node: Any) -> Any:
                if not isinstance(node, dict):
                    return node
                out = {}
                for key, value in node.items():
                    entry = table.get(key)
                    if entry is not None:
                        member, read = entry
                        out[member] = read(value) if read else value
                return out

            self._made[name] = made
            for member, ref in self.shapes[name].members.items():
                self._enter(table, self.name(ref, member), member, ref)
        return made

    def _enter(self, table: dict[str, tuple[str, Reader | None]], wired: str, member: str, ref: Ref) -> None:
        reader = self._reader(ref)
        first, dot, rest = wired.partition(".")
        if not dot:
            table[first] = (member, reader)
            return

        # A name with a dot of its own is one branch down.
        def below(node: Any) -> Any:
            value = node.get(rest) if isinstance(node, dict) else None
            return reader(value) if reader and value is not None else value

        table[first] = (member, below)

    def _reader(self, ref: Ref) -> Reader | None:
        shape = self.shapes[ref.shape]
        if shape.type == "structure":
            return self.structure(ref.shape)
        if shape.type == "list":
            return self._list(ref, shape)
        if shape.type == "map":
            return self._map(ref, shape)
        return None

    def _list(self, ref: Ref, shape: Shape) -> Reader:
        assert shape.member is not None
        item = self._lazily(shape.member)
        flattened = self.ec2 or ref.flattened or shape.flattened
        inner = None if flattened else shape.member.location_name or self.shapes[shape.member.shape].location_name or "member"

        def read(node: Any) -> Any:
            if isinstance(node, dict) and inner is not None:
                node = node.get(inner, node)
            if node == "":
                return []
            values = _numbered(node)
            return values if item is None else [item(value) for value in values]

        return read

    def _map(self, ref: Ref, shape: Shape) -> Reader:
        assert shape.key is not None
        assert shape.value is not None
        item = self._lazily(shape.value)
        flattened = self.ec2 or ref.flattened or shape.flattened
        key_name = shape.key.location_name or self.shapes[shape.key.shape].location_name or "key"
        value_name = shape.value.location_name or self.shapes[shape.value.shape].location_name or "value"

        def read(node: Any) -> Any:
            if isinstance(node, dict) and not flattened:
                node = node.get("entry", node)
            if node == "":
                return {}
            out = {}
            for entry in _numbered(node):
                if not isinstance(entry, dict) or not isinstance(entry.get(key_name), str):
                    raise Malformed("A map entry has no key")
                value = entry.get(value_name, "")
                out[entry[key_name]] = item(value) if item else value
            return out

        return read

    def _lazily(self, ref: Ref) -> Reader | None:
        if self.shapes[ref.shape].type == "structure":
            return lambda node, name=ref.shape: self.structure(name)(node)  # type: ignore[misc]
        return self._reader(ref)


def _numbered(node: Any) -> list[Any]:
    """The values of `.1`, `.2`, ... in order."""
    if not isinstance(node, dict):
        raise Malformed("Unexpected list element termination")
    try:
        return [node[key] for key in sorted((key for key in node if key), key=_position)]
    except ValueError:
        raise Malformed("Key in list is not a number") from None


def _position(key: str) -> int:
    if not (key.isascii() and key.isdigit() and len(key) < 10):
        raise ValueError(key)
    return int(key)
