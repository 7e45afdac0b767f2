"""The embedded metric format: events that carry `_aws.CloudWatchMetrics` become metrics. Pure.

Source: "Specification: Embedded metric format" in the Amazon CloudWatch User Guide.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from fogbank.kernel.telemetry import Measure
from fogbank.services.logs.measuring import Dimensions, measure

MARK = '"CloudWatchMetrics"'
METRICS_LIMIT = 100
VALUES_LIMIT = 100
DIMENSIONS_LIMIT = 30
NAME_LIMIT = 1024
OLD_MS = 14 * 86_400_000
NEW_MS = 2 * 3_600_000
_SIZES = [f"{size}{kind}" for kind in ("bytes", "bits") for size in ("Kilo", "Mega", "Giga", "Tera")] + ["Bytes", "Bits"]
UNITS = frozenset([*_SIZES, *[f"{size}/Second" for size in _SIZES], "Seconds", "Microseconds", "Milliseconds", "Percent", "Count",
                   "Count/Second", "None"])  # fmt: skip
PARSING, VALIDATION = "EMFParsingErrors", "EMFValidationErrors"
_decode = msgspec.json.Decoder().decode


class _Invalid(Exception):
    """The document breaks the specification."""


def measures(account: str, region: str, message: str, now_ms: int) -> tuple[list[Measure], list[str]]:
    """The metrics in a message, and the errors that are to be counted."""
    try:
        document: Any = _decode(message)
    except (msgspec.DecodeError, RecursionError):
        return [], [PARSING]
    try:
        return list(_measures(account, region, document, now_ms)), []
    except _Invalid:
        return [], [VALIDATION]


def _measures(account: str, region: str, document: Any, now_ms: int) -> Iterator[Measure]:
    metadata = document.get("_aws") if isinstance(document, dict) else None
    directives = metadata.get("CloudWatchMetrics") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or directives is None:
        return  # the words stand somewhere else: this is no such document
    at_ms = metadata.get("Timestamp")
    if type(at_ms) is not int or not now_ms - OLD_MS <= at_ms <= now_ms + NEW_MS:
        raise _Invalid
    for directive in _list(directives):
        if not isinstance(directive, dict) or not _name(directive.get("Namespace"), 255):
            raise _Invalid
        sets = [_dimensions(names, document) for names in _list(directive.get("Dimensions"))]
        metrics = _list(directive.get("Metrics"))
        if len(metrics) > METRICS_LIMIT:
            raise _Invalid
        for metric in metrics:
            name, unit, step_s = _definition(metric)
            for value in _values(document.get(name)):
                for dimensions in sets:
                    found = measure(account, region, directive["Namespace"], name, dimensions, value, unit, at_ms, step_s)
                    if found is None:
                        raise _Invalid
                    yield found


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _Invalid
    return value


def _name(value: Any, limit: int = NAME_LIMIT) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= limit


def _definition(metric: Any) -> tuple[str, str, int]:
    """A metric's name, unit and resolution in seconds."""
    if not isinstance(metric, dict) or not _name(metric.get("Name")):
        raise _Invalid
    unit, resolution = metric.get("Unit", "None"), metric.get("StorageResolution", 60)
    if unit not in UNITS or resolution not in (1, 60):
        raise _Invalid
    return metric["Name"], unit, resolution


def _values(value: Any) -> list[float]:
    """A number, or a list of at most 100 of them."""
    values = value if isinstance(value, list) else [value]
    if len(values) > VALUES_LIMIT or not all(type(one) in (int, float) for one in values):
        raise _Invalid
    return values


def _dimensions(names: Any, document: dict[str, Any]) -> Dimensions:
    """A set of dimensions: the names, and what the root of the document has under them, which is text."""
    if len(_list(names)) > DIMENSIONS_LIMIT:
        raise _Invalid
    for name in names:
        if not _name(name, 250) or not _name(document.get(name)):
            raise _Invalid
    return tuple(sorted((name, document[name]) for name in set(names)))
