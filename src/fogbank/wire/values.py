"""Answers as plain values for JSON and CBOR: AWS's member names to the wire's, instants to seconds.

A shape whose whole tree needs no such change is `plain`, and its values go to the encoder as they are.
Members that are None are absent and left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from . import instants
from .model import Ref, Shape
from .types import wire_name

Writer = Callable[[Any], Any]


def reachable(name: str, shapes: Mapping[str, Shape]) -> Iterator[str]:
    """A shape and every shape inside it."""
    seen = {name}
    queue = [name]
    while queue:
        current = queue.pop()
        yield current
        shape = shapes[current]
        for ref in (*shape.members.values(), shape.member, shape.key, shape.value):
            if ref is not None and ref.shape not in seen:
                seen.add(ref.shape)
                queue.append(ref.shape)


class ValueWriters:
    """Compiles shapes to functions from an answer's values to the encoder's."""

    def __init__(
        self,
        shapes: Mapping[str, Shape],
        *,
        instant: Callable[[int], Any] = instants.epoch,
        thorough: bool = False,
        verbatim: tuple[str, ...] = (),
    ) -> None:
        self.shapes = shapes
        self.verbatim = verbatim
        self.instant = instant
        self.thorough = thorough  # leave nothing to the encoder: drop every None
        self._made: dict[str, Writer] = {}
        self._plain: dict[str, bool] = {}

    def plain(self, name: str) -> bool:
        """Whether values of this shape are what the encoder needs already."""
        if name not in self._plain:
            self._plain[name] = all(self._keeps(self.shapes[inner]) for inner in reachable(name, self.shapes))
        return self._plain[name]

    def _keeps(self, shape: Shape) -> bool:
        if shape.type in ("timestamp", "float", "double"):
            return False
        return all(wire_name(ref, self.shapes[ref.shape], member) == member for member, ref in shape.members.items())

    def structure(self, name: str, members: Mapping[str, Ref] | None = None) -> Writer:
        """A writer for a structure shape, or for some of its members."""
        made = self._made.get(name) if members is None else None
        if made is None:
            table: dict[str, tuple[str, Writer | None]] = {}
            same: set[str] = set()
            turned: list[tuple[str, Writer]] = []
            find = table.get

            def made(value: Any) -> Any:
                if value.keys() <= same:  # every name is the wire's own: copied at once, few of them changed
                    out = {**value}
                    for member, write in turned:
                        inner = out.get(member)
                        if inner is not None:
                            out[member] = write(inner)
                    return {k: v for k, v in out.items() if v is not None} if None in out.values() else out
                out = {}
                for member, inner in value.items():
                    if inner is not None:
                        entry = find(member)
                        if entry is not None:
                            wired, write_one = entry
                            out[wired] = write_one(inner) if write_one else inner
                return out

            if members is None:
                self._made[name] = made
                members = self.shapes[name].members
            for member, ref in members.items():
                wired, inner_writer = table[member] = (wire_name(ref, self.shapes[ref.shape], member), self.of(ref))
                if wired == member:
                    same.add(member)
                    if inner_writer is not None:
                        turned.append((member, inner_writer))
        return made

    def of(self, ref: Ref) -> Writer | None:
        """The writer for a shape's use; None where the value stays as it is."""
        shape = self.shapes[ref.shape]
        kind = shape.type
        if shape.document or ref.shape in self.verbatim or (self.plain(ref.shape) and not self.thorough):
            return None
        if kind == "structure":
            return self.structure(ref.shape)
        if kind == "list":
            assert shape.member is not None
            item = self.of(shape.member)
            return _list(item) if item else None
        if kind == "map":
            assert shape.value is not None
            item = self.of(shape.value)
            return _map(item) if item else None
        if kind == "timestamp":
            fmt = ref.timestamp_format or shape.timestamp_format or "unixTimestamp"
            return self.instant if fmt == "unixTimestamp" else instants.writer(fmt)
        if kind in ("float", "double"):
            return _json_number if self.instant is instants.epoch else float
        return None


def _list(item: Writer) -> Writer:
    return lambda values: [None if value is None else item(value) for value in values]


def _map(item: Writer) -> Writer:
    return lambda values: {key: None if value is None else item(value) for key, value in values.items()}


def _json_number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


_PYTHON: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "timestamp": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "blob": (bytes,),
    "list": (list, tuple),
    "map": (dict,),
    "structure": (dict,),
}


def check(ref: Ref, shapes: Mapping[str, Shape], value: Any, verbatim: tuple[str, ...] = (), path: str = "") -> None:
    """TypeError if an answer has a member its shape does not have, or a value of the wrong Python type."""
    shape = shapes[ref.shape]
    if value is None or shape.document or shape.eventstream or ref.jsonvalue or ref.streaming or shape.streaming:
        return
    if ref.shape in verbatim or (verbatim and isinstance(value, msgspec.Raw)):
        return
    inside: Any = value
    if not isinstance(value, _PYTHON[shape.type]) or (isinstance(value, bool) and shape.type != "boolean"):
        raise TypeError(f"{path or ref.shape}: {type(value).__name__} where the model has a {shape.type}")
    if shape.type == "structure":
        for member, inner in inside.items():
            if member[0] == "@" and not path:
                continue  # for services only (`@watch`)
            if member not in shape.members:
                raise TypeError(f"{path or ref.shape}: the model has no member {member!r}")
            check(shape.members[member], shapes, inner, verbatim, f"{path}.{member}" if path else member)
    elif shape.member is not None:
        for number, inner in enumerate(inside):
            check(shape.member, shapes, inner, verbatim, f"{path}[{number}]")
    elif shape.value is not None:
        for key, inner in inside.items():
            check(shape.value, shapes, inner, verbatim, f"{path}[{key!r}]")
