"""What the body of a dashboard, and a metric widget, must look like. Pure.

Source: "Dashboard body structure and syntax" and "GetMetricWidgetImage: metric widget structure and syntax", API reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

WIDGETS_LIMIT = 500
METRICS_LIMIT = 500
VIEWS = ("timeSeries", "singleValue", "gauge", "bar", "pie", "table")
KINDS = ("metric", "text", "log", "alarm", "explorer", "custom")
_WITH_REGION = ("metric", "log")
_SIZES = (("x", 0, 23), ("y", 0, None), ("width", 1, 24), ("height", 1, 1000))
_KNOWN = frozenset(("type", "x", "y", "width", "height", "properties"))
Problem = tuple[str, str]
"""Where, and what."""


def check_body(text: str) -> tuple[list[Problem], list[Problem]]:
    """(errors, warnings) of a dashboard's body."""
    try:
        body = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return [("/", "The field DashboardBody must be a valid JSON object")], []
    if not isinstance(body, dict):
        return [("/", "Should be object")], []
    widgets = body.get("widgets")
    if not isinstance(widgets, list):
        return [("/", "Should have required property 'widgets'" if widgets is None else "Should be array")], []
    errors: list[Problem] = []
    if len(widgets) > WIDGETS_LIMIT:
        errors.append(("/widgets", f"Should NOT have more than {WIDGETS_LIMIT} items"))
    warnings: list[Problem] = []
    for n, widget in enumerate(widgets):
        errors += _widget(f"/widgets/{n}", widget)
        if isinstance(widget, dict):
            warnings += [(f"/widgets/{n}", f"Should NOT have additional property '{name}'") for name in widget.keys() - _KNOWN]
    return errors, sorted(warnings)


def _widget(place: str, widget: Any) -> Iterator[Problem]:
    if not isinstance(widget, dict):
        yield place, "Should be object"
        return
    kind = widget.get("type")
    if kind not in KINDS:
        yield place, "Should have required property 'type'" if kind is None else "Should be equal to one of the allowed values"
        return
    for name, low, high in _SIZES:
        value = widget.get(name)
        if value is not None and (not isinstance(value, int) or value < low or (high is not None and value > high)):
            yield f"{place}/{name}", f"Should be >= {low}" if high is None else f"Should be an integer from {low} to {high}"
    properties = widget.get("properties")
    if not isinstance(properties, dict):
        yield place, "Should have required property 'properties'" if properties is None else "Should be object"
        return
    yield from _properties(f"{place}/properties", kind, properties)


def _properties(place: str, kind: str, properties: Mapping[str, Any]) -> Iterator[Problem]:
    needed = {"text": "markdown", "log": "query", "alarm": "alarms", "custom": "endpoint"}.get(kind)
    if needed is not None and needed not in properties:
        yield place, f"Should have required property '{needed}'"
    if kind in _WITH_REGION and "region" not in properties and not _on_alarms(properties):
        yield place, "Should have required property 'region'"
    if kind == "metric":
        if "metrics" not in properties and not _on_alarms(properties):
            yield place, "Should have required property 'metrics'"
        if properties.get("view", VIEWS[0]) not in VIEWS:
            yield f"{place}/view", "Should be equal to one of the allowed values"
        try:
            rows(properties.get("metrics") or [])
        except Wrong as wrong:
            yield f"{place}/metrics{wrong.place}", wrong.what


def _on_alarms(properties: Mapping[str, Any]) -> bool:
    annotations = properties.get("annotations")
    return isinstance(annotations, dict) and bool(annotations.get("alarms"))


class Wrong(ValueError):
    """What is wrong with a widget, and where."""

    def __init__(self, place: str, what: str) -> None:
        super().__init__(f"{place} {what}".strip())
        self.place = place
        self.what = what


class Row(NamedTuple):
    """One of a widget's metrics: a metric (`names`: namespace, name, dimension, value ...), or an expression; with its options."""

    names: tuple[str, ...]
    options: Mapping[str, Any]


def rows(given: Any) -> list[Row]:
    """A widget's metrics. "." stands for what the row before has at that place, "..." for as much of it as is left out. Raises Wrong."""
    if not isinstance(given, list):
        raise Wrong("", "Should be array")
    if len(given) > METRICS_LIMIT:
        raise Wrong("", f"Should NOT have more than {METRICS_LIMIT} items")
    found: list[Row] = []
    before: tuple[str, ...] = ()
    for n, row in enumerate(given):
        if not isinstance(row, list) or not row:
            raise Wrong(f"/{n}", "Should be array")
        *names, last = row
        options = last if isinstance(last, dict) else {}
        if not isinstance(last, dict):
            names.append(last)
        if not all(isinstance(name, str) for name in names):
            raise Wrong(f"/{n}", "Should be string")
        full = _written_out(names, before)
        if not full and not isinstance(options.get("expression"), str):
            raise Wrong(f"/{n}", "Should be a metric or an expression")
        if full and len(full) % 2:
            raise Wrong(f"/{n}", "Invalid metric field type, only 'String' type is allowed, with a value for each dimension")
        found.append(Row(full, options))
        before = full or before
    return found


def _written_out(names: list[str], before: tuple[str, ...]) -> tuple[str, ...]:
    full: list[str] = []
    for n, name in enumerate(names):
        if name == "...":
            full += before[len(full) : len(before) - (len(names) - n - 1)]
        elif name == ".":
            if len(full) >= len(before):
                raise Wrong(f"/{n}", "There is nothing before that '.' could stand for")
            full.append(before[len(full)])
        else:
            full.append(name)
    return tuple(full)
