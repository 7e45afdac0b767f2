"""Functions over many rows. Each gives a new accumulator: `add(row)` for every row, `result()` in the end."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

from fogbank.services.logs.insights.records import Row
from fogbank.services.logs.insights.values import Instant, number, order, text

Of = Callable[[Row], Any]


class Accumulator(Protocol):
    def add(self, row: Row) -> None: ...

    def result(self) -> Any: ...


class Count:
    """How many rows there are, or have a value."""

    def __init__(self, of: Of | None) -> None:
        self._of = of
        self._count = 0

    def add(self, row: Row) -> None:
        if self._of is None or self._of(row) is not None:
            self._count += 1

    def result(self) -> int:
        return self._count


class Distinct:
    def __init__(self, of: Of) -> None:
        self._of = of
        self._seen: set[str] = set()

    def add(self, row: Row) -> None:
        value = self._of(row)
        if value is not None:
            self._seen.add(text(value))

    def result(self) -> int:
        return len(self._seen)


class Moments:
    """Sum, mean and standard deviation (of a sample), without keeping the values (Welford)."""

    def __init__(self, of: Of, what: str) -> None:
        self._of, self._what = of, what
        self._count = 0
        self._sum: float | int = 0
        self._mean = self._square = 0.0

    def add(self, row: Row) -> None:
        value = number(self._of(row))
        if value is None:
            return
        self._count += 1
        self._sum += value
        gap = value - self._mean
        self._mean += gap / self._count
        self._square += gap * (value - self._mean)

    def result(self) -> Any:
        if not self._count:
            return None
        if self._what == "sum":
            return self._sum
        if self._what == "avg":
            return self._sum / self._count
        return math.sqrt(self._square / (self._count - 1)) if self._count > 1 else 0.0


class Percentile:
    """Between the nearest two values, in proportion."""

    def __init__(self, of: Of, percent: float) -> None:
        self._of, self._percent = of, percent
        self._values: list[float] = []

    def add(self, row: Row) -> None:
        value = number(self._of(row))
        if value is not None:
            self._values.append(value)

    def result(self) -> Any:
        values = sorted(self._values)
        if not values:
            return None
        place = (len(values) - 1) * min(max(self._percent, 0.0), 100.0) / 100
        low = int(place)
        if low + 1 == len(values) or place == low:
            return values[low]
        return values[low] + (values[low + 1] - values[low]) * (place - low)


class Extreme:
    """The greatest or the least value. Dates stay dates."""

    def __init__(self, of: Of, sign: int) -> None:
        self._of, self._sign = of, sign
        self._best: Any = None

    def add(self, row: Row) -> None:
        value = self._of(row)
        if value is None:
            return
        if not isinstance(value, Instant) and (found := number(value)) is not None:
            value = found
        if self._best is None or (order(value, self._best) or 0) * self._sign > 0:
            self._best = value

    def result(self) -> Any:
        return self._best


class Edge:
    """The value of the row that is latest or earliest, or sorts last or first."""

    def __init__(self, of: Of, by: Of, sign: int) -> None:
        self._of, self._by, self._sign = of, by, sign
        self._at: Any = None
        self._value: Any = None

    def add(self, row: Row) -> None:
        value, at = self._of(row), self._by(row)
        if value is None or at is None:
            return
        if self._at is None or (order(at, self._at) or 0) * self._sign > 0:
            self._at, self._value = at, value

    def result(self) -> Any:
        return self._value


def _timestamp(row: Row) -> Any:
    return row.get("@timestamp")


AGGREGATES: dict[str, Callable[[Of], Accumulator]] = {
    "avg": lambda of: Moments(of, "avg"),
    "count_distinct": Distinct,
    "earliest": lambda of: Edge(of, _timestamp, -1),
    "latest": lambda of: Edge(of, _timestamp, 1),
    "max": lambda of: Extreme(of, 1),
    "min": lambda of: Extreme(of, -1),
    "sortsfirst": lambda of: Edge(of, of, -1),
    "sortslast": lambda of: Edge(of, of, 1),
    "stddev": lambda of: Moments(of, "stddev"),
    "sum": lambda of: Moments(of, "sum"),
}
"""Those of one expression, by their names in lower case; `count` and `pct` are read by themselves."""
