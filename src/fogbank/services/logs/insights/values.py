"""Values of a query: text, numbers, instants, truth, maps and lists, and nothing (None)."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

_number = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*").fullmatch
_chunks = re.compile(r"\d+|[A-Za-z]+|[^\dA-Za-z]+").findall
PLACES = 4
"""Decimal places of what a query computes."""


class Instant(int):
    """Milliseconds since the epoch that are shown as a date."""


def number(value: Any) -> float | int | None:
    """A value as a number; None where it is none."""
    if isinstance(value, int):
        return int(value) if isinstance(value, bool) else value
    if isinstance(value, str):
        found = float(value) if _number(value) else math.nan
        return int(found) if found.is_integer() and abs(found) < 1e15 else finite(found)
    return finite(value) if isinstance(value, float) else None


def finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def text(value: Any) -> str:
    """A value as a result shows it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Instant):
        return date(value)
    if isinstance(value, float):
        return _decimal(value)
    if isinstance(value, (dict, list)):
        return msgspec.json.encode(value).decode()
    return "" if value is None else str(value)


def _decimal(value: float) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        return str(value)
    written = f"{value:.{PLACES}f}".rstrip("0").rstrip(".")
    return written if written not in ("-0", "") else "0"


@lru_cache(1024)
def date(at_ms: int) -> str:
    """2024-05-01 12:00:00.000"""
    try:
        return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.") + f"{at_ms % 1000:03}"
    except (ValueError, OverflowError, OSError):
        return str(int(at_ms))


def true(value: Any) -> bool:
    """Whether a condition's value holds."""
    if isinstance(value, str):
        return value.lower() == "true" or bool(number(value))
    return bool(value)


def equal(left: Any, right: Any) -> bool:
    """As numbers where both are, else as text. Nothing equals nothing, not even itself."""
    if left is None or right is None:
        return False
    if type(left) is str and type(right) is str and left == right:
        return True
    first, second = number(left), number(right)
    if first is not None and second is not None:
        return first == second
    if isinstance(left, bool) or isinstance(right, bool):
        return _truth(left) == _truth(right)
    return text(left) == text(right)


def _truth(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else text(value).lower()


def order(left: Any, right: Any) -> int | None:
    """-1, 0 or 1; None where there is nothing to compare."""
    if left is None or right is None:
        return None
    first, second = number(left), number(right)
    if first is not None and second is not None:
        return (first > second) - (first < second)
    one, two = text(left), text(right)
    return (one > two) - (one < two)


def natural(value: Any) -> tuple[Any, ...]:
    """The natural order of `sort`: nothing, then texts (digits in them as numbers), then numbers."""
    if value is None:
        return (0,)
    found = number(value)
    if found is not None:
        return (2, found)
    parts = _chunks(text(value))
    return (1, tuple((0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts))
