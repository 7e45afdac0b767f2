"""Where the ticks of axes are, and what they say."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from math import ceil, floor, log10

_YEAR_S = 31_536_000
_STEPS_S = (1, 5, 10, 15, 30, 60, 300, 600, 900, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600, 2_592_000,
            7_776_000, _YEAR_S, 5 * _YEAR_S, 20 * _YEAR_S, 100 * _YEAR_S, 1000 * _YEAR_S)  # fmt: skip
LARGEST = 1e150
"""What is beyond is drawn at the edge."""
FINEST = 1e-9
"""The least part of their size in which the ends of an axis differ."""
_SIZES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def number(value: float) -> str:
    """A value in few characters."""
    for size, letter in _SIZES:
        if abs(value) >= size * 10 or (abs(value) >= size and letter != "k"):
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}" if abs(value) < 1e6 else f"{value:g}"


def bounded(value: float) -> float:
    """A value that can be reckoned with."""
    return max(-LARGEST, min(value, LARGEST))


def ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers that reach from at most `low` to at least `high`."""
    if high - low <= abs(low) * FINEST:
        high = low + (abs(low) or 1.0)
    raw = max((high - low) / max(count, 1), 1 / LARGEST)
    size = 10.0 ** floor(log10(raw))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10, 20) if size * factor >= raw * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(n * step, 12) for n in range(first, last + 1)]


def instants(start_s: int, end_s: int, count: int, zone: tzinfo) -> list[tuple[int, str]]:
    """Round instants by the wall clock, each with what it is called."""
    span = max(end_s - start_s, 1)
    step = next((step for step in _STEPS_S if span / step <= max(count, 1)), _STEPS_S[-1])
    start = datetime.fromtimestamp(start_s, zone)
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    first_s = ceil((start - midnight).total_seconds() / step) * step
    last_s = end_s - midnight.timestamp()
    form = "%Y" if step >= _YEAR_S else "%m/%d" if step >= 86_400 else "%H:%M:%S" if step < 60 else "%H:%M"
    found: list[tuple[int, str]] = []
    for after_s in range(first_s, int(last_s) + 1, step):
        at = midnight + timedelta(seconds=after_s)
        found.append((int(at.timestamp()), at.strftime(form)))
    return found
