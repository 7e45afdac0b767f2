"""Values of metrics that are found in log events: those that CloudWatch would take."""

from __future__ import annotations

from math import isfinite

from fogbank.kernel.telemetry import Measure

MAGNITUDE = 2.0**360
NAME_LIMIT, VALUE_LIMIT = 255, 1024
Dimensions = tuple[tuple[str, str], ...]


def _fit(text: str, limit: int) -> bool:
    """Whether a text can be part of a metric's name: printable ASCII, and not only spaces."""
    return len(text) <= limit and text.isascii() and text.isprintable() and not text.isspace() and text != ""


def measure(
    account: str, region: str, namespace: str, name: str, dimensions: Dimensions, value: float, unit: str, at_ms: int, step_s: int = 60
) -> Measure | None:
    """A value of a metric; None where its names or its size are none that a metric can have."""
    try:
        number = float(value)
    except OverflowError:
        return None
    if not isfinite(number) or abs(number) > MAGNITUDE or not _fit(namespace, NAME_LIMIT) or not _fit(name, NAME_LIMIT):
        return None
    if not all(_fit(key, NAME_LIMIT) and key[0] != ":" and _fit(text, VALUE_LIMIT) for key, text in dimensions):
        return None
    return Measure(account, region, namespace, name, dimensions, number, unit, at_ms, step_s)
