"""The statistics that CloudWatch knows, by the names it has for them. Pure.

    SampleCount Sum Average Minimum Maximum
    p99 p99.9                   the value below or at which so many per cent of the values are
    tm90 TM(10%:90%) TM(5:50)   trimmed mean: of the values between two percentiles, or above one value and up to another
    wm90 WM(...)                winsorized mean: values outside count as the nearest of those inside
    tc90 TC(...), ts90 TS(...)  trimmed count and trimmed sum
    PR(5:50)                    percentile rank: how many per cent of the values are above one value and up to another
    IQM                         interquartile mean: TM(25%:75%)

Percentiles are by nearest rank: p50 of ten values is the fifth. Source: "CloudWatch statistics definitions" in the CloudWatch User Guide.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from math import ceil, floor, inf
from typing import NamedTuple

from fogbank.services.cloudwatch.distribution import Summary

Samples = list[tuple[float, float]]

SIMPLE: dict[str, Callable[[Summary], float]] = {
    "SampleCount": lambda summary: summary.count,
    "Sum": lambda summary: summary.sum,
    "Average": lambda summary: summary.sum / summary.count,
    "Minimum": lambda summary: summary.minimum,
    "Maximum": lambda summary: summary.maximum,
}
_PERCENT = r"(?:\d{1,2}(?:\.\d{0,10})?|100(?:\.0{0,10})?)"
_NUMBER = r"\d+(?:\.\d{0,10})?(?:[Ee][+-]?\d+)?"
_short = re.compile(rf"(p|tm|tc|ts|wm)({_PERCENT})").fullmatch
_percents = re.compile(rf"(TM|TC|TS|WM)\((?:({_PERCENT})%)?:(?:({_PERCENT})%)?\)").fullmatch
_numbers = re.compile(rf"(TM|TC|TS|WM|PR)\(({_NUMBER})?:({_NUMBER})?\)").fullmatch


class Statistic(NamedTuple):
    """`of(summary)`: its value, None where that is unknown. `raw`: it needs the values' distribution; `percentile`: NN of pNN, else -1."""

    name: str
    of: Callable[[Summary], float | None]
    raw: bool
    percentile: float = -1.0


@lru_cache(1024)
def statistic(name: str) -> Statistic | None:
    """The statistic of a name, None where it is no name of one."""
    if name in SIMPLE:
        simple = SIMPLE[name]
        return Statistic(name, lambda summary: simple(summary) if summary.count or name in ("SampleCount", "Sum") else None, False)
    if name == "IQM":
        return _of_percents(name, "TM", 25.0, 75.0)
    if found := _short(name):
        kind, percent = found[1], float(found[2])
        if kind == "p":
            return Statistic(name, _known(lambda samples, count: percentile(samples, count, percent)), True, percent)
        return _of_percents(name, kind.upper(), 0.0, percent)
    if (found := _percents(name)) and (found[2] or found[3]):
        low, high = float(found[2] or 0), float(found[3] or 100)
        return _of_percents(name, found[1], low, high) if low < high else None
    if (found := _numbers(name)) and (found[2] or found[3]):
        above, up_to = float(found[2]) if found[2] else -inf, float(found[3]) if found[3] else inf
        return _of_numbers(name, found[1], above, up_to) if above < up_to else None
    return None


def percentile(samples: Samples, count: float, percent: float) -> float:
    """The value of nearest rank."""
    rank = max(ceil(round(count * percent / 100, 9)), 1)
    seen = 0.0
    for value, often in samples:
        seen += often
        if seen >= rank - 1e-9:
            return value
    return samples[-1][0]


def _known(of: Callable[[Samples, float], float | None]) -> Callable[[Summary], float | None]:
    """A statistic of the values themselves: cannot be told where they are not known."""
    return lambda summary: of(summary.samples(), summary.count) if summary.known and summary.count else None


def _of_percents(name: str, kind: str, low: float, high: float) -> Statistic:
    def of(samples: Samples, count: float) -> float | None:
        first, last = floor(round(count * low / 100, 9)), ceil(round(count * high / 100, 9))
        inside: Samples = []
        seen = 0.0
        for value, often in samples:
            within = min(seen + often, last) - max(seen, first)
            if within > 0:
                inside.append((value, within))
            seen += often
        return _REDUCE[kind](inside, first, count - last, count) if inside else None

    return Statistic(name, _known(of), True)


def _of_numbers(name: str, kind: str, above: float, up_to: float) -> Statistic:
    def of(samples: Samples, count: float) -> float | None:
        inside = [(value, often) for value, often in samples if above < value <= up_to]
        below = sum(often for value, often in samples if value <= above)
        over = sum(often for value, often in samples if value > up_to)
        if kind == "WM":  # those outside count as the bounds themselves
            total = _sum(inside) + (below * above if below else 0) + (over * up_to if over else 0)
            return total / count
        if not inside:
            return None if kind == "TM" else 0.0
        return _REDUCE[kind](inside, below, over, count)

    return Statistic(name, _known(of), True)


def _sum(samples: Samples) -> float:
    return sum(value * often for value, often in samples)


def _count(samples: Samples) -> float:
    return sum(often for _, often in samples)


_REDUCE: dict[str, Callable[[Samples, float, float, float], float]] = {
    "TM": lambda inside, below, over, count: _sum(inside) / _count(inside),
    "TC": lambda inside, below, over, count: _count(inside),
    "TS": lambda inside, below, over, count: _sum(inside),
    "PR": lambda inside, below, over, count: 100 * _count(inside) / count,
    "WM": lambda inside, below, over, count: (_sum(inside) + below * inside[0][0] + over * inside[-1][0]) / count,
}
"""(what is inside, how many are below, how many above, how many in all) -> value."""
