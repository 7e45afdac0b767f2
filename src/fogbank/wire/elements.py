"""XML bodies: bytes to elements (expat, no DTD), elements to trees of members by the shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from xml.etree import ElementTree

from .model import Ref, Shape

Reader = Callable[[ElementTree.Element], Any]


class Malformed(Exception):
    """XML that is broken, or not what the shape says."""


def parse(body: bytes) -> ElementTree.Element:
    """The root element. A document type is refused, whatever it declares, and so is any encoding but UTF-8."""
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise Malformed("A document type declaration is not allowed")
    parser = ElementTree.XMLParser(encoding="utf-8")
    try:
        parser.feed(body)
        root: ElementTree.Element = parser.close()
    except (ElementTree.ParseError, ValueError, LookupError) as problem:
        raise Malformed(str(problem)) from None
    if _deep(root):
        raise Malformed("The document is nested too deeply")
    return root


def _deep(root: ElementTree.Element) -> bool:
    level = [root]
    for _ in range(150):
        level = [child for element in level for child in element]
        if not level:
            return False
    return True


def local(tag: str) -> str:
    """A tag without its namespace."""
    return tag.rpartition("}")[2]


class ElementReaders:
    """Compiles shapes to functions from an element to a tree of members."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self.shapes = shapes
        self._made: dict[str, Reader] = {}

    def structure(self, name: str) -> Reader:
        """A reader for a structure shape. Members bound elsewhere (headers, ...) are not in the body."""
        made = self._made.get(name)
        if made is None:
            table: dict[str, tuple[str, Reader, bool]] = {}
            attributes: dict[str, str] = {}

            def made(element: ElementTree.Element) -> Any:
                out: dict[str, Any] = {}
                for child in element:
                    entry = table.get(local(child.tag))
                    if entry is None:
                        continue
                    member, read, flattened = entry
                    if not flattened:
                        out[member] = read(child)
                    elif member in out:
                        _join(out[member], read(child))
                    else:
                        out[member] = read(child)
                for key, value in element.attrib.items():
                    member_of = attributes.get(local(key))
                    if member_of is not None:
                        out[member_of] = value
                return out

            self._made[name] = made
            for member, ref in self.shapes[name].members.items():
                if ref.location is None:
                    self._enter(table, attributes, member, ref)
        return made

    def _enter(self, table: dict[str, tuple[str, Reader, bool]], attributes: dict[str, str], member: str, ref: Ref) -> None:
        shape = self.shapes[ref.shape]
        wired = ref.location_name or shape.location_name or member
        if ref.xml_attribute:
            attributes[wired.rpartition(":")[2]] = member
            return
        flattened = bool(shape.type in ("list", "map") and (ref.flattened or shape.flattened))
        entry = (member, self._reader(ref, flattened), flattened)
        table[wired] = entry
        if flattened and shape.member is not None and shape.member.location_name:
            # botocore writes a flattened list by the member's name and reads it by the item's: both are taken.
            table.setdefault(shape.member.location_name, entry)

    def _reader(self, ref: Ref, flattened: bool = False) -> Reader:
        shape = self.shapes[ref.shape]
        if shape.type == "structure":
            return lambda element, name=ref.shape: self.structure(name)(element)  # type: ignore[misc]
        if shape.type == "list":
            assert shape.member is not None
            item = self._reader(shape.member)
            if flattened:
                return lambda element: [item(element)]
            return lambda element: [item(child) for child in element]
        if shape.type == "map":
            return self._map(shape, flattened)
        return _text

    def _map(self, shape: Shape, flattened: bool) -> Reader:
        assert shape.key is not None
        assert shape.value is not None
        key_name, value_name = shape.key.location_name or "key", shape.value.location_name or "value"
        item = self._reader(shape.value)

        def entry(element: ElementTree.Element) -> dict[str, Any]:
            key, value = None, None
            for child in element:
                name = local(child.tag)
                if name == key_name:
                    key = _text(child)
                elif name == value_name:
                    value = item(child)
            if not isinstance(key, str) or value is None:
                raise Malformed("A map entry lacks its key or its value")
            return {key: value}

        if flattened:
            return entry
        return lambda element: {key: value for child in element for key, value in entry(child).items()}


def _text(element: ElementTree.Element) -> Any:
    # An element where text belongs is left to the types to refuse.
    return {} if len(element) else element.text or ""


def _join(found: Any, more: Any) -> None:
    if isinstance(found, list):
        found.extend(more)
    else:
        found.update(more)
