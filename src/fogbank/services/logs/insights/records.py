"""Rows of a query: an event with the fields that are discovered in it, or what a command made.

Fields are found when first asked for. In every event: @timestamp, @ingestionTime, @message, @logStream, @log, @ptr. In JSON (the
first fragment in a message counts) its keys, nested ones with points between, items of lists by their number. In Lambda's
lines: @type, @requestId, @duration, @billedDuration, @initDuration, @memorySize, @maxMemoryUsed, @xrayTraceId, @xraySegmentId.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fogbank.services.logs.insights.values import Instant

FIELDS_LIMIT = 200
"""Discovered in one event."""
_fragment = json.JSONDecoder(strict=False).raw_decode
_SYSTEM = ("@timestamp", "@message", "@logStream", "@log", "@ingestionTime", "@ptr")
_MEGABYTE = 1_000_000
_line = re.compile(r"(START|END|REPORT) RequestId: ([0-9a-f-]{36})").match
_console = re.compile(r"(?:\[[A-Z]+\]\t)?\d{4}-\d\d-\d\dT[\d:.]+Z\t([0-9a-f-]{36})\t").match
_FIGURES = {
    "@duration": (re.compile(r"\tDuration: ([\d.]+) ms").search, 1),
    "@billedDuration": (re.compile(r"\tBilled Duration: ([\d.]+) ms").search, 1),
    "@initDuration": (re.compile(r"\tInit Duration: ([\d.]+) ms").search, 1),
    "@memorySize": (re.compile(r"\tMemory Size: (\d+) MB").search, _MEGABYTE),
    "@maxMemoryUsed": (re.compile(r"\tMax Memory Used: (\d+) MB").search, _MEGABYTE),
}
_TRACES = {
    "@xrayTraceId": re.compile(r"XRAY TraceId: (\S+)").search,
    "@xraySegmentId": re.compile(r"SegmentId: (\S+)").search,
}


class Event:
    """What an event tells: its system fields, its message, and where it comes from."""

    __slots__ = ("_json", "_pointer", "message", "of_lambda", "system")

    def __init__(self, system: Mapping[str, Any], message: str, *, of_lambda: bool, pointer: Callable[[], str] | None = None) -> None:
        """`pointer` gives @ptr, which is made only when it is wanted."""
        self.system = system
        self._pointer = pointer
        self.message = message
        self.of_lambda = of_lambda
        self._json: Any = self

    def field(self, name: str) -> Any:
        """A field's value; None where the event has no such field."""
        if name[:1] == "@":
            if name == "@message":
                return self.message
            if name == "@ptr" and self._pointer is not None:
                return self._pointer()
            found = self.system.get(name)
            if found is not None:
                return found
            if self.of_lambda and (found := lambda_field(self.message, name)) is not None:
                return found
        return at_path(self.json, name)

    @property
    def json(self) -> Any:
        """The first object or list in the message."""
        if self._json is self:
            self._json = fragment(self.message)
        return self._json

    def names(self) -> list[str]:
        """The fields of the event, at most FIELDS_LIMIT discovered ones."""
        names = [name for name in _SYSTEM if self.field(name) is not None]
        if self.of_lambda:
            names += [name for name in ("@type", "@requestId", *_FIGURES, *_TRACES) if lambda_field(self.message, name) is not None]
        return names + [name for name, _ in zip(paths(self.json), range(FIELDS_LIMIT), strict=False)]


class Row:
    """Values by name: those that commands made, and behind them those of an event, where the row is still one."""

    __slots__ = ("event", "values")

    def __init__(self, values: dict[str, Any], event: Event | None = None) -> None:
        self.values = values
        self.event = event

    def get(self, name: str) -> Any:
        values = self.values
        if name in values:
            return values[name]
        if self.event is not None and (found := self.event.field(name)) is not None:
            return found
        return at_path(values, name) if "." in name else None

    def with_(self, **more: Any) -> Row:
        return Row({**self.values, **more}, self.event)


def fragment(message: str) -> Any:
    """The first JSON object or list in a message; None where there is none."""
    start = message.find("{")
    if start < 0:
        return None
    try:
        return _fragment(message, start)[0]
    except (ValueError, RecursionError):
        return None


def at_path(value: Any, name: str) -> Any:
    """What stands under a name with points; a key that has points itself counts, too."""
    if isinstance(value, dict):
        if name in value:
            return value[name]
        start = name.find(".")
        while start >= 0:
            if (head := name[:start]) in value:
                return at_path(value[head], name[start + 1 :])
            start = name.find(".", start + 1)
    elif isinstance(value, list):
        head, _, rest = name.partition(".")
        if head.isdecimal() and int(head) < len(value):
            return at_path(value[int(head)], rest) if rest else value[int(head)]
    return None


def paths(value: Any, prefix: str = "") -> Iterator[str]:
    """The names of all values in a JSON document that are neither maps nor lists."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if inner is None:
        if prefix:
            yield prefix
        return
    for key, one in inner:
        yield from paths(one, f"{prefix}.{key}" if prefix else str(key))


def lambda_field(message: str, name: str) -> Any:
    """A field of one of Lambda's lines."""
    if name == "@type":
        found = _line(message)
        return found[1] if found else None
    if name == "@requestId":
        found = _line(message)
        if found:
            return found[2]
        found = _console(message)
        return found[1] if found else None
    if not message.startswith("REPORT "):
        return None
    if name in _FIGURES:
        search, factor = _FIGURES[name]
        found = search(message)
        if not found:
            return None
        figure = float(found[1]) * factor
        return int(figure) if figure.is_integer() else figure
    found = _TRACES[name](message) if name in _TRACES else None
    return found[1] if found else None


def system(at_ms: int, ingested_at_ms: int, stream: str, log: str) -> dict[str, Any]:
    """The system fields of an event but for its message and its pointer."""
    return {
        "@timestamp": Instant(at_ms),
        "@ingestionTime": Instant(ingested_at_ms),
        "@logStream": stream,
        "@log": log,
    }
