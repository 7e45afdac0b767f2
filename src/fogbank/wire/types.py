"""Shapes compiled to msgspec types, with the model's constraints inside, so that decoding checks them.

Two flavours. A `body` type is what JSON and CBOR bodies decode into: fields have the wire's names
(locationName), an explicit null means absent. A `text` type is what forms, XML, headers and query strings
are converted into: their readers make trees keyed by AWS's member names with strings for leaves.

These types are the fast way only. What they refuse is read again by `violations`, which knows why.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ForwardRef, Literal, Optional

import msgspec
from msgspec import Meta

from . import instants
from .model import Ref, ServiceModel, Shape
from .patterns import translate

_INT_BOUNDS = {"integer": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}


class _Milliseconds(type):
    def __instancecheck__(cls, value: object) -> bool:
        return type(value) is int


class Instant(metaclass=_Milliseconds):
    """Marks a timestamp: any of the wire's formats, decoded to int milliseconds."""


def hook(kind: type, value: Any) -> Any:
    """msgspec's dec_hook for this room's own types."""
    if kind is Instant:
        return instants.parse(value)
    raise TypeError(kind)


def attribute(member: str) -> str:
    """The Python name of a member: its own, with an underscore after a keyword."""
    return member + "_" if keyword.iskeyword(member) else member


def wire_name(ref: Ref, shape: Shape, member: str) -> str:
    """The name of a member in a body: its locationName, or its own."""
    return ref.location_name or shape.location_name or member


def _one_member(self: Any) -> None:
    count = 0
    for name in self.__struct_fields__:
        if getattr(self, name) is not None:
            count += 1
    if count > 1:
        raise ValueError("a union with more than one member")


class Types:
    """The types of one service in one flavour, made when first used."""

    def __init__(self, service: ServiceModel, shapes: Mapping[str, Shape], *, text: bool, closed: bool = False) -> None:
        """`closed`: what the model does not have is refused, not ignored."""
        self.service = service
        self.shapes = shapes
        self.text = text
        self.closed = closed
        self.constrained = service.overlay.constraints
        self._made: dict[str, Any] = {}
        self._open: set[str] = set()
        self._recursive: set[str] = set()
        self._known: dict[str, Any] = {}
        self._classes: list[type[msgspec.Struct]] = []

    def of(self, ref: Ref) -> Any:
        """The type of a shape's use."""
        if ref.jsonvalue:
            return Any
        name = ref.shape
        made = self._made.get(name)
        if made is None:
            shape = self.shapes[name]
            if name in self.service.overlay.verbatim:
                return dict[str, Any]
            if shape.type == "structure" and not shape.document and not shape.eventstream:
                return self.structure(name)
            made = self._made[name] = self._make(shape)
        return made

    def structure(self, name: str) -> Any:
        """The Struct of a structure shape; a forward reference while it is being made."""
        made = self._made.get(name)
        if made is not None:
            return made
        if name in self._open:
            self._recursive.add(name)
            return ForwardRef(_forward(name))
        self._open.add(name)
        shape = self.shapes[name]
        made = self.define(name, shape, shape.members.items(), {})
        self._open.discard(name)
        self._made[name] = made
        if name in self._recursive:
            # msgspec looks a forward reference up in the class that holds it; shared list types may be held by any.
            self._known[_forward(name)] = made
            for holder in self._classes:
                setattr(holder, _forward(name), made)
        return made

    def define(self, name: str, shape: Shape, members: Iterable[tuple[str, Ref]], loose: Mapping[str, str]) -> type[msgspec.Struct]:
        """A Struct with these members. The `loose` ones accept anything, under the given name in the wire."""
        fields: list[Any] = []
        rename: dict[str, str] = {}
        for member, ref in members:
            field = attribute(member)
            target = self.shapes[ref.shape]
            if member in loose:
                fields.append((field, Any, None))
                rename[field] = loose[member]
                continue
            wired = member if self.text else wire_name(ref, target, member)
            if wired != field:
                rename[field] = wired
            kind = self.of(ref)
            if member in shape.required:
                fields.append((field, kind))
            else:
                fields.append((field, kind if self.text else Optional[kind], None))  # noqa: UP045 - kind may be a string
        namespace = {**self._known, "__post_init__": _one_member} if shape.union else dict(self._known)
        made = msgspec.defstruct(
            name,
            fields,
            kw_only=True,
            rename=rename or None,
            namespace=namespace,
            gc=False,
            module=__name__,
            omit_defaults=True,
            forbid_unknown_fields=self.closed,
        )
        self._classes.append(made)
        return made

    def _make(self, shape: Shape) -> Any:
        kind = shape.type
        if kind == "list":
            assert shape.member is not None
            item = self.of(shape.member)
            return self._sized(list[item | None] if shape.sparse and not self.text else list[item], shape)  # type: ignore[valid-type]
        if kind == "map":
            assert shape.key is not None
            assert shape.value is not None
            item = self.of(shape.value)
            return self._sized(dict[self.of(shape.key), item | None if shape.sparse and not self.text else item], shape)  # type: ignore[misc]
        if kind == "string":
            return self._string(shape)
        if kind == "blob":
            return self._sized(bytes, shape)
        if kind == "boolean":
            return bool
        if kind == "timestamp":
            return Instant
        if kind in _INT_BOUNDS:
            return self._integer(shape)
        if kind in ("float", "double"):
            low, high = (shape.min, shape.max) if self.constrained else (None, None)
            return Annotated[float, Meta(ge=low, le=high)] if low is not None or high is not None else float
        return Any

    def _sized(self, kind: Any, shape: Shape) -> Any:
        if not self.constrained or (not shape.min and shape.max is None):
            return kind
        return Annotated[kind, Meta(min_length=int(shape.min or 0), max_length=None if shape.max is None else int(shape.max))]

    def _integer(self, shape: Shape) -> Any:
        low, high = _INT_BOUNDS[shape.type]
        if self.constrained:
            low = low if shape.min is None else max(low, int(shape.min))
            high = high if shape.max is None else min(high, int(shape.max))
        return Annotated[int, Meta(ge=low, le=high)]

    def _string(self, shape: Shape) -> Any:
        if not self.constrained:
            return str
        if shape.enum:
            return Literal[shape.enum]
        pattern = translate(shape.pattern) if shape.pattern else None
        if pattern is None:
            return self._sized(str, shape)
        return Annotated[
            str, Meta(pattern=pattern, min_length=int(shape.min or 0), max_length=None if shape.max is None else int(shape.max))
        ]


def _forward(name: str) -> str:
    return f"_shape_{name}"
