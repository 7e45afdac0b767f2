"""The slow reading: a tree of plain values read by the shapes, to say in AWS's words what is wrong with it.

The fast way (msgspec types) only says yes or no. On a no, the same tree comes here, and this reading is the
judge: it raises the refusal AWS gives, or, where the fast way was merely too narrow (a "NaN", an odd but
legal number), returns the members after all.

Two kinds of wrong. A value of the wrong type ends the reading at once: SerializationException and its kin.
Violated constraints are collected over the whole request and told together:
`2 validation errors detected: Value 'x' at 'tags.1.member.key' failed to satisfy constraint: ...; ...`.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Mapping
from typing import Any

from fogbank.kernel.errors import ServiceException

from . import instants
from .model import Ref, ServiceModel, Shape
from .patterns import translate
from .types import Types, attribute, wire_name

_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_BITS = {"integer": 32, "long": 64}
_EXPECTED = {
    "string": "String",
    "integer": "Integer",
    "long": "Long",
    "float": "Float",
    "double": "Double",
    "boolean": "Boolean",
    "timestamp": "Date",
    "blob": "Blob",
}
_INTEGER = re.compile(r"[+-]?\d{1,40}\Z", re.ASCII)


class Misfit(Exception):
    """A value of the wrong type, at a place."""

    def __init__(self, message: str, path: str, value: object, wire: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.value = value
        self.wire = wire


def serialization(service: ServiceModel, protocol: str, message: str = "") -> ServiceException:
    """The refusal of a body that cannot be read at all."""
    overlaid = service.overlay.malformed
    if overlaid:
        return ServiceException(overlaid.code, overlaid.message or message, status=overlaid.status)
    if protocol == "query":
        return ServiceException("MalformedInput", message)
    if protocol == "ec2":
        return ServiceException("MalformedQueryString", message)
    if protocol == "rest-xml":
        return ServiceException("MalformedXML", message or "The XML you provided was not well-formed.")
    return ServiceException("SerializationException", message)


class Inspection:
    """One slow reading of one request."""

    def __init__(self, service: ServiceModel, shapes: Mapping[str, Shape], protocol: str, types: Types) -> None:
        self.service = service
        self.shapes = shapes
        self.protocol = protocol
        self.types = types
        self.text = types.text
        self.constrained = service.overlay.constraints
        self.violations: list[str] = []
        self.missing: list[tuple[str, str]] = []  # (member, wire name)
        self.depth = 0

    def finish(self) -> None:
        """Raise what was collected, if anything was."""
        overlay = self.service.overlay
        if self.missing and overlay.missing:
            member, wire = self.missing[0]
            message = overlay.missing.message.format(member=member, wire=wire)
            raise ServiceException(overlay.missing.code, message, status=overlay.missing.status)
        if not self.violations:
            return
        count = len(self.violations)
        head = f"{count} validation error{'s' if count > 1 else ''} detected: "
        plain = [text for text in self.violations if not text.startswith("Value")]
        message = plain[0] if plain else head + "; ".join(self.violations)
        raise ServiceException(
            overlay.violation.code if overlay.violation else _VIOLATION.get(self.protocol, "ValidationException"), message
        )

    def misfit(self, problem: Misfit) -> ServiceException:
        """The refusal of a value of the wrong type."""
        overlaid = self.service.overlay.misfit
        if overlaid:
            message = overlaid.message.format(member=problem.path, wire=problem.wire or problem.path, value=problem.value)
            return ServiceException(overlaid.code, message, status=overlaid.status)
        return serialization(self.service, self.protocol, problem.message)

    def structure(self, name: str, raw: object, path: str, *, kind: Any = None) -> Any:
        """A structure from its tree."""
        if not isinstance(raw, dict):
            raise Misfit(_unexpected(raw), path, raw)
        shape = self.shapes[name]
        values: dict[str, Any] = {}
        for member, ref in shape.members.items():
            wired = member if self.text else wire_name(ref, self.shapes[ref.shape], member)
            place = f"{path}.{_lower(member)}" if path else _lower(member)
            values[attribute(member)] = self.member(ref, raw.get(wired), place, member in shape.required, member, self.text)
        if shape.union and sum(value is not None for value in values.values()) > 1:
            raise Misfit("Unexpected union: more than one member is set", path, raw)
        if kind is None:
            kind = self.types.structure(name)
        return kind(**values)

    def member(self, ref: Ref, raw: object, path: str, required: bool, member: str, text: bool) -> Any:
        """The value of one member; None if it is absent."""
        if raw is not None:
            before, self.text = self.text, text
            value = self.value(ref, raw, path)
            self.text = before
            return value
        if required:
            self.missing.append((member, wire_name(ref, self.shapes[ref.shape], member)))
            self._violate(self.shapes[ref.shape], "null", path, "Member must not be null", quoted=False)
        return None

    def value(self, ref: Ref, raw: Any, path: str) -> Any:
        shape = self.shapes[ref.shape]
        if shape.document or shape.eventstream or ref.jsonvalue:
            return raw
        if ref.shape in self.service.overlay.verbatim and isinstance(raw, dict):
            return raw
        self.depth += 1
        if self.depth > 200:
            raise Misfit("The request is nested too deeply", path, "")
        if shape.type == "structure":
            result = self.structure(ref.shape, raw, path)
        elif shape.type == "list":
            result = self._list(shape, raw, path)
        elif shape.type == "map":
            result = self._map(shape, raw, path)
        else:
            result = self._scalar(shape, raw, path)
            for problem in self._complaints(shape, result):
                self._violate(shape, _printed(result), path, problem)
        self.depth -= 1
        return result

    def _list(self, shape: Shape, raw: Any, path: str) -> list[Any]:
        if not isinstance(raw, list):
            raise Misfit(
                "Unexpected field type" if not isinstance(raw, dict) else "Start of structure or map found where not expected.", path, raw
            )
        self._size(shape, raw, path)
        assert shape.member is not None
        item = self.shapes[shape.member.shape]
        if item.type in _EXPECTED:
            found = [None if value is None and shape.sparse else self._element(item, value, path) for value in raw]
            self._each(item, found, raw, path, "Member")
            return found
        return [
            None if value is None and shape.sparse else self.value(shape.member, value, f"{path}.{number}.member")
            for number, value in enumerate(raw, 1)
        ]

    def _element(self, shape: Shape, value: Any, path: str) -> Any:
        if value is None:
            self._violate(shape, "null", path, "Member must not be null", quoted=False)
            return None
        return self._scalar(shape, value, path)

    def _map(self, shape: Shape, raw: Any, path: str) -> dict[Any, Any]:
        if not isinstance(raw, dict):
            raise Misfit("Start of list found where not expected" if isinstance(raw, list) else _unexpected(raw), path, raw)
        self._size(shape, raw, path)
        assert shape.key is not None
        assert shape.value is not None
        key, item = self.shapes[shape.key.shape], self.shapes[shape.value.shape]
        for name in raw:
            if not isinstance(name, str):
                raise Misfit("NUMBER_VALUE can not be converted to String", path, name)
        self._each(key, list(raw), raw, path, "Map keys")
        if item.type in _EXPECTED:
            found = {name: None if value is None and shape.sparse else self._element(item, value, path) for name, value in raw.items()}
            self._each(item, list(found.values()), raw, path, "Map value")
            return found
        return {
            name: None if value is None and shape.sparse else self.value(shape.value, value, f"{path}.{name}.member")
            for name, value in raw.items()
        }

    def _each(self, item: Shape, found: list[Any], raw: Any, path: str, what: str) -> None:
        if any(value is not None and self._complaints(item, value) for value in found):
            self._violate(item, _printed(raw), path, f"{what} must satisfy constraint: [{', '.join(_constraints(item))}]")

    def _size(self, shape: Shape, raw: Any, path: str) -> None:
        for problem in self._complaints(shape, raw):
            self._violate(shape, _printed(raw), path, problem)

    def _scalar(self, shape: Shape, raw: Any, path: str) -> Any:
        kind = shape.type
        if isinstance(raw, dict | list):
            raise Misfit(_unexpected(raw), path, raw)
        if kind == "string":
            if isinstance(raw, str):
                return raw
        elif kind == "boolean":
            if isinstance(raw, bool):
                return raw
            if self.text and isinstance(raw, str) and raw.lower() in ("true", "false"):
                return raw.lower() == "true"
        elif kind in _BITS:
            return self._integer(shape, raw, path)
        elif kind in ("float", "double"):
            return self._float(shape, raw, path)
        elif kind == "timestamp":
            try:
                return instants.parse(raw)
            except (ValueError, OverflowError):
                raise Misfit(f"{_token(raw)} can not be converted to Date", path, raw) from None
        elif kind == "blob":
            return self._blob(raw, path)
        else:
            return raw
        raise Misfit(f"{_token(raw)} can not be converted to {_EXPECTED[kind]}", path, raw)

    def _integer(self, shape: Shape, raw: Any, path: str) -> int:
        if self.text and isinstance(raw, str) and _INTEGER.match(raw):
            raw = int(raw)
        if isinstance(raw, float) and raw.is_integer():
            raw = int(raw)
        limit = 2 ** (_BITS[shape.type] - 1)
        if isinstance(raw, int) and not isinstance(raw, bool) and -limit <= raw < limit:
            return raw
        raise Misfit(f"{_token(raw)} can not be converted to {_EXPECTED[shape.type]}", path, raw)

    def _float(self, shape: Shape, raw: Any, path: str) -> float:
        if isinstance(raw, str) and raw in _SPECIAL:
            return _SPECIAL[raw]
        if (self.text and isinstance(raw, str)) or (isinstance(raw, int | float) and not isinstance(raw, bool)):
            try:
                return float(raw)
            except (ValueError, OverflowError):
                pass
        raise Misfit(f"{_token(raw)} can not be converted to {_EXPECTED[shape.type]}", path, raw)

    def _blob(self, raw: Any, path: str) -> bytes:
        if isinstance(raw, bytes):
            return raw
        if isinstance(raw, str):
            try:
                return base64.b64decode(raw, validate=True)
            except (binascii.Error, ValueError):
                if len(raw) % 4:
                    message = f"Base64 encoded length is expected a multiple of 4 bytes but found: {len(raw)}"
                else:
                    message = "Invalid Base64 character in the value"
                raise Misfit(f'"{raw[:100]}" can not be converted to a Blob: {message}', path, raw) from None
        raise Misfit(f"{_token(raw)} can not be converted to a Blob", path, raw)

    def _complaints(self, shape: Shape, value: Any) -> list[str]:
        return complaints(shape, value) if self.constrained else []

    def _violate(self, shape: Shape, printed: str, path: str, constraint: str, *, quoted: bool = True) -> None:
        sentence = self.service.overlay.patterns.get(shape.pattern or "") if constraint.startswith("Member must satisfy regular") else None
        if sentence:
            self.violations.append(sentence.format(path=path.rpartition(".")[2]))
        elif shape.sensitive and quoted:
            self.violations.append(f"Value at '{path}' failed to satisfy constraint: {constraint}")
        else:
            value = f"'{printed}'" if quoted else printed
            self.violations.append(f"Value {value} at '{path}' failed to satisfy constraint: {constraint}")


_VIOLATION = {"query": "ValidationError", "ec2": "InvalidParameterValue", "rest-xml": "InvalidRequest"}


def complaints(shape: Shape, value: Any) -> list[str]:
    """The constraints of a shape that a value of the right type violates, as sentences."""
    kind = shape.type
    found: list[str] = []
    if kind in ("string", "blob", "list", "map"):
        if kind == "string" and shape.enum:
            return [] if value in shape.enum else _constraints(shape)
        size = len(value)
        if shape.max is not None and size > shape.max:
            found.append(f"Member must have length less than or equal to {int(shape.max)}")
        if shape.min and size < shape.min:
            found.append(f"Member must have length greater than or equal to {int(shape.min)}")
        if kind == "string" and shape.pattern:
            pattern = translate(shape.pattern)
            if pattern and not re.search(pattern, value):
                found.append(f"Member must satisfy regular expression pattern: {shape.pattern}")
    elif kind in ("integer", "long", "float", "double"):
        if shape.max is not None and value > shape.max:
            found.append(f"Member must have value less than or equal to {_number(shape.max)}")
        if shape.min is not None and value < shape.min:
            found.append(f"Member must have value greater than or equal to {_number(shape.min)}")
    return found


def _constraints(shape: Shape) -> list[str]:
    """Every constraint of a scalar shape, violated or not: how AWS complains about the items of a list."""
    if shape.enum:
        return [f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"]
    noun = "length" if shape.type in ("string", "blob") else "value"
    found = []
    if shape.max is not None:
        found.append(f"Member must have {noun} less than or equal to {_number(shape.max)}")
    if shape.min is not None:
        found.append(f"Member must have {noun} greater than or equal to {_number(shape.min)}")
    if shape.pattern:
        found.append(f"Member must satisfy regular expression pattern: {shape.pattern}")
    return found


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)


def _lower(member: str) -> str:
    return member[:1].lower() + member[1:]


def _printed(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(_printed(item) for item in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_printed(item)}" for key, item in value.items()) + "}"
    if isinstance(value, bytes):
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    return "null" if value is None else str(value)


def _token(raw: object) -> str:
    if isinstance(raw, bool):
        return "TRUE_VALUE" if raw else "FALSE_VALUE"
    if isinstance(raw, int):
        return "NUMBER_VALUE"
    if isinstance(raw, float):
        return "DECIMAL_VALUE"
    if isinstance(raw, bytes):
        return "BLOB_VALUE"
    return "NULL_VALUE" if raw is None else "STRING_VALUE"


def _unexpected(raw: object) -> str:
    if isinstance(raw, list):
        return "Start of list found where not expected"
    if isinstance(raw, dict):
        return "Start of structure or map found where not expected."
    return "Unexpected token received from parser"
