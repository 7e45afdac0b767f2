"""Where the REST protocols put members outside the body: path labels, query string, headers, status.

`Inward` gathers a request's bound members into a tree keyed by member names (scalars as text); `Outward`
takes them out of an answer into headers and the status.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from fogbank.kernel.http import HttpRequest

from . import instants
from .forms import pairs
from .model import Ref, Shape

_BOUND = ("uri", "querystring", "header", "headers", "statusCode")


class Malformed(Exception):
    """A header that cannot be read."""


def bound(ref: Ref) -> bool:
    """Whether a member lives outside the body."""
    return ref.location in _BOUND


class Inward:
    """The bound members of an input shape."""

    def __init__(self, shape: Shape, shapes: Mapping[str, Shape], uri: str) -> None:
        self.literals = {name for name, _ in pairs(uri.partition("?")[2])}
        self.headers: dict[str, tuple[str, Callable[[str], Any] | None]] = {}
        self.prefixes: list[tuple[str, str]] = []
        self.query: dict[str, tuple[str, str]] = {}  # name -> (member, type)
        self.rest: tuple[str, bool] | None = None  # the member that takes all other parameters; whether its values are lists
        self.labels: list[tuple[str, str]] = []
        for member, ref in shape.members.items():
            target = shapes[ref.shape]
            name = ref.location_name or target.location_name or member
            if ref.location == "uri":
                self.labels.append((name, member))
            elif ref.location == "header":
                self.headers[name.lower()] = (member, _header_reader(ref, target, shapes))
            elif ref.location == "headers":
                self.prefixes.append((name.lower() if ref.location_name else "", member))
            elif ref.location == "querystring" and target.type == "map":
                assert target.value is not None
                self.rest = (member, shapes[target.value.shape].type == "list")
            elif ref.location == "querystring":
                self.query[name] = (member, target.type)

    def gather(self, request: HttpRequest, labels: Mapping[str, str] | None) -> dict[str, Any]:
        """The bound members of one request."""
        out: dict[str, Any] = {}
        if labels:
            for name, member in self.labels:
                if name in labels:
                    out[member] = labels[name]
        if self.headers:
            find = self.headers.get
            for name, value in request.headers.items():
                entry = find(name)
                if entry is not None:
                    member, read = entry
                    out[member] = read(value) if read else value
        for prefix, member in self.prefixes:
            found = {name[len(prefix) :]: value for name, value in request.headers.items() if name.startswith(prefix)}
            if found:
                out[member] = found
        if request.query and (self.query or self.rest):
            self._parameters(request.query, out)
        return out

    def _parameters(self, text: str, out: dict[str, Any]) -> None:
        others: dict[str, Any] = {}
        for name, value in pairs(text):
            entry = self.query.get(name)
            if entry is None:
                if name in self.literals:
                    continue
                if self.rest and self.rest[1]:
                    others.setdefault(name, []).append(value)
                else:
                    others[name] = value
            elif entry[1] == "list":
                out.setdefault(entry[0], []).append(value)
            else:
                out[entry[0]] = value
        if self.rest and others:
            out[self.rest[0]] = others


def _header_reader(ref: Ref, shape: Shape, shapes: Mapping[str, Shape]) -> Callable[[str], Any] | None:
    if ref.jsonvalue:
        return _json_value
    if shape.type == "list":
        assert shape.member is not None
        item = shapes[shape.member.shape]
        return _dates if item.type == "timestamp" and (item.timestamp_format or "rfc822") == "rfc822" else split
    return None


def _json_value(text: str) -> Any:
    try:
        return msgspec.json.decode(base64.b64decode(text, validate=True))
    except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error, ValueError, RecursionError):
        raise Malformed("a header is not JSON in Base64") from None


def split(text: str) -> list[str]:
    """The items of a header list: separated by commas, an item with a comma in double quotes."""
    if '"' not in text:
        return [item.strip(" \t") for item in text.split(",")]
    items: list[str] = []
    current: list[str] = []
    quoted = False
    at = 0
    while at < len(text):
        char = text[at]
        if quoted and char == "\\" and at + 1 < len(text):
            # Only a quote is escaped; a backslash before anything else is itself.
            if text[at + 1] == '"':
                at += 1
            current.append(text[at])
        elif char == '"' and (quoted or not "".join(current).strip()):
            quoted = not quoted
        elif char == "," and not quoted:
            items.append("".join(current))
            current = []
        else:
            current.append(char)
        at += 1
    items.append("".join(current))
    return [item.strip(" \t") for item in items]


def _dates(text: str) -> list[str]:
    # RFC 822 dates hold one comma each.
    parts = [part.strip() for part in text.split(",")]
    if len(parts) % 2:
        return parts
    return [f"{day}, {rest}" for day, rest in zip(parts[::2], parts[1::2], strict=True)]


class Outward:
    """The bound members of an output or error shape."""

    def __init__(self, shape: Shape, shapes: Mapping[str, Shape]) -> None:
        self.headers: dict[str, tuple[str, Callable[[Any], str]]] = {}
        self.content_type = ""
        self.prefixes: list[tuple[str, str]] = []
        self.status: str | None = None
        for member, ref in shape.members.items():
            target = shapes[ref.shape]
            name = ref.location_name or target.location_name or member
            if ref.location == "header":
                self.headers[member] = (name, header_writer(ref, shapes))
                if name.lower() == "content-type":
                    self.content_type = member
            elif ref.location == "headers":
                self.prefixes.append((member, ref.location_name or ""))
            elif ref.location == "statusCode":
                self.status = member

    def emit(self, answer: Mapping[str, Any], headers: list[tuple[str, str]]) -> None:
        """Add the headers an answer's members make."""
        bound_as = self.headers.get
        for member, value in answer.items():
            header = bound_as(member)
            if header is not None and value is not None and value != []:
                headers.append((header[0], header[1](value)))
        for member, prefix in self.prefixes:
            for name, value in (answer.get(member) or {}).items():
                headers.append((prefix + name, value))


def header_writer(ref: Ref, shapes: Mapping[str, Shape]) -> Callable[[Any], str]:
    """The function that writes a member's value as a header."""
    shape = shapes[ref.shape]
    if ref.jsonvalue:
        return lambda value: base64.b64encode(msgspec.json.encode(value)).decode()
    if shape.type == "boolean":
        return lambda value: "true" if value else "false"
    if shape.type == "timestamp":
        write = instants.writer(ref.timestamp_format or shape.timestamp_format or "rfc822")
        return lambda value: str(write(value))
    if shape.type == "blob":
        return lambda value: base64.b64encode(value).decode()
    if shape.type == "list":
        assert shape.member is not None
        item = header_writer(shape.member, shapes)
        quote = shapes[shape.member.shape].type == "string"
        return lambda value: ",".join(_quoted(item(one)) if quote else item(one) for one in value)
    return str


def _quoted(text: str) -> str:
    if '"' in text or "," in text:
        escaped = text.replace('"', '\\"')
        return f'"{escaped}"'
    return text
