"""Answers as XML: for every output shape a Python function is written, compiled, and kept.

A generic walk over shapes costs ten times as much: a listing of fifty objects takes 50 us this way.
The generated functions append pieces of text: `_Object(v, o)` writes the inside of an <Object> whose members
are in `v` through `o`, a list's append.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from . import instants
from .model import Ref, Shape

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


def escape(text: str) -> str:
    """Text for an element or an attribute, as AWS writes it (quotes too)."""
    if "&" in text:
        text = text.replace("&", "&amp;")
    if "<" in text:
        text = text.replace("<", "&lt;")
    if ">" in text:
        text = text.replace(">", "&gt;")
    if '"' in text:
        text = text.replace('"', "&quot;")
    if text.isprintable():
        return text
    return _UNPRINTABLE.sub(lambda match: f"&#x{ord(match[0]):x};", text)


def number(value: float) -> str:
    """A float, with XML's names for the ones that are no number."""
    if math.isfinite(value):
        return str(value)
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def base64_text(value: bytes) -> str:
    """A blob."""
    return base64.b64encode(value).decode()


class Markup:
    """The XML writers of one service in one protocol."""

    def __init__(self, shapes: Mapping[str, Shape], *, milliseconds: bool = False) -> None:
        self.shapes = shapes
        self.milliseconds = milliseconds
        self._names: dict[str, str] = {}
        self._globals: dict[str, Any] = {"_escape": escape, "_number": number, "_base64": base64_text}
        self._todo: list[str] = []

    def structure(self, name: str, members: Mapping[str, Ref] | None = None) -> Callable[[Mapping[str, Any], Callable[[str], None]], None]:
        """The function that writes the inside of a structure, or some of its members."""
        if members is None:
            function = self._function(name)
        else:
            function = f"_{len(self._names)}_{name}_body"
            self._names[function] = function
            self._compile(function, members)
        while self._todo:
            shape = self._todo.pop()
            self._compile(self._names[shape], {key: ref for key, ref in self.shapes[shape].members.items() if not ref.xml_attribute})
        made: Callable[[Mapping[str, Any], Callable[[str], None]], None] = self._globals[function]
        return made

    def _function(self, name: str) -> str:
        if name not in self._names:
            self._names[name] = f"_{len(self._names)}_{re.sub('[^A-Za-z0-9_]', '_', name)}"
            self._todo.append(name)
        return self._names[name]

    def _compile(self, function: str, members: Mapping[str, Ref]) -> None:
        lines = [f"def {function}(v, o):", " g = v.get"]
        texts: list[str] = []  # scalars in a row make one piece of text
        for member, ref in members.items():
            shape, tag = self.shapes[ref.shape], self.tag(ref, member)
            if shape.type not in ("structure", "list", "map"):
                value = f"f'<{tag}{_namespace(ref, shape)}>{{{self._scalar(ref, shape, 'x')}}}</{tag}>'"
                texts.append(f"{{'' if (x := g({member!r})) is None else {value}}}")
                continue
            lines.extend(_flushed(texts))
            lines.append(f" x = g({member!r})")
            lines.append(" if x is not None:")
            lines.extend(self._element(ref, tag, "x", 2))
        lines.extend(_flushed(texts))
        # The text is made from the model's own names only, never from a request.
        exec(compile("\n".join(lines), f"<{function}>", "exec"), self._globals)

    def tag(self, ref: Ref, member: str) -> str:
        """The element's name of a member."""
        shape = self.shapes[ref.shape]
        if shape.type == "list" and (ref.flattened or shape.flattened):
            assert shape.member is not None
            item = shape.member.location_name or self.shapes[shape.member.shape].location_name
            if item:
                return item
        return ref.location_name or shape.location_name or member

    def _element(self, ref: Ref, tag: str, variable: str, depth: int) -> list[str]:
        """Lines that write one value (or the items of a flattened collection) as elements."""
        shape = self.shapes[ref.shape]
        pad = " " * depth
        opening = f"<{tag}{_namespace(ref, shape)}"
        if shape.type == "structure":
            return self._structure(ref, opening, tag, variable, pad)
        if shape.type == "list":
            return self._list(ref, shape, opening, tag, variable, depth)
        if shape.type == "map":
            return self._map(ref, shape, opening, tag, variable, depth)
        return [f"{pad}o(f'{opening}>{{{self._scalar(ref, shape, variable)}}}</{tag}>')"]

    def _structure(self, ref: Ref, opening: str, tag: str, variable: str, pad: str) -> list[str]:
        inner = self._function(ref.shape)
        attributes = [(member, each) for member, each in self.shapes[ref.shape].members.items() if each.xml_attribute]
        if not attributes:
            return [f"{pad}o({opening + '>'!r})", f"{pad}{inner}({variable}, o)", f"{pad}o('</{tag}>')"]
        lines = [f"{pad}o({opening!r})"]
        for member, each in attributes:
            lines.append(f"{pad}a = {variable}.get({member!r})")
            lines.append(f"{pad}if a is not None: o(f' {each.location_name or member}=\"{{_escape(a)}}\"')")
        return [*lines, f"{pad}o('>')", f"{pad}{inner}({variable}, o)", f"{pad}o('</{tag}>')"]

    def _list(self, ref: Ref, shape: Shape, opening: str, tag: str, variable: str, depth: int) -> list[str]:
        assert shape.member is not None
        pad, item = " " * depth, f"i{depth}"
        if ref.flattened or shape.flattened:
            return [f"{pad}for {item} in {variable}:", *self._element(shape.member, tag, item, depth + 1)]
        inner = shape.member.location_name or self.shapes[shape.member.shape].location_name or "member"
        lines = [f"{pad}o({opening + '>'!r})", f"{pad}for {item} in {variable}:"]
        return [*lines, *self._element(shape.member, inner, item, depth + 1), f"{pad}o('</{tag}>')"]

    def _map(self, ref: Ref, shape: Shape, opening: str, tag: str, variable: str, depth: int) -> list[str]:
        assert shape.key is not None
        assert shape.value is not None
        pad, key, item = " " * depth, f"k{depth}", f"i{depth}"
        flattened = ref.flattened or shape.flattened
        entry = tag if flattened else "entry"
        key_tag = shape.key.location_name or self.shapes[shape.key.shape].location_name or "key"
        value_tag = shape.value.location_name or self.shapes[shape.value.shape].location_name or "value"
        lines = [] if flattened else [f"{pad}o({opening + '>'!r})"]
        lines.append(f"{pad}for {key}, {item} in {variable}.items():")
        lines.append(f"{pad} o(f'<{entry}><{key_tag}>{{_escape({key})}}</{key_tag}>')")
        lines.extend(self._element(shape.value, value_tag, item, depth + 1))
        lines.append(f"{pad} o('</{entry}>')")
        return lines if flattened else [*lines, f"{pad}o('</{tag}>')"]

    def _scalar(self, ref: Ref, shape: Shape, variable: str) -> str:
        kind = shape.type
        if kind == "string" and shape.enum:
            # The model's own words need no escaping.
            words = f"_words_{re.sub('[^A-Za-z0-9_]', '_', ref.shape)}"
            self._globals[words] = frozenset(word for word in shape.enum if escape(word) == word)
            return f"{variable} if {variable} in {words} else _escape({variable})"
        if kind == "string":
            return f"_escape({variable})"
        if kind == "boolean":
            return f'"true" if {variable} else "false"'
        if kind == "blob":
            return f"_base64({variable})"
        if kind in ("float", "double"):
            return f"_number({variable})"
        if kind == "timestamp":
            fmt = ref.timestamp_format or shape.timestamp_format or "iso8601"
            self._globals[f"_{fmt}"] = instants.writer(fmt, milliseconds=self.milliseconds)
            return f"_{fmt}({variable})"
        return variable


def _flushed(texts: list[str]) -> list[str]:
    lines = [f' o(f"""{"".join(texts)}""")'] if texts else []
    texts.clear()
    return lines


def _namespace(ref: Ref, shape: Shape) -> str:
    namespace = ref.xml_namespace or shape.xml_namespace
    if not isinstance(namespace, dict) or not namespace.get("prefix"):
        return ""
    return f' xmlns:{namespace["prefix"]}="{namespace["uri"]}"'
