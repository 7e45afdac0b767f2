"""What expressions are computed over: a number, a time series, or an array of time series."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import NamedTuple, Protocol

from fogbank.services.cloudwatch.mathematics.tokens import Malformed


class Series(NamedTuple):
    """Values by the second at which their period begins, in order. `label` names it among others; `dimensions`, of a searched one."""

    points: Mapping[int, float]
    period_s: int
    label: str = ""
    name: str = ""
    dimensions: tuple[tuple[str, str], ...] = ()

    def having(self, points: Mapping[int, float]) -> Series:
        return self._replace(points=points)

    def each(self, function: Callable[[float], float | None]) -> Series:
        """The series of a function's values; where it has none there is no point."""
        return self.having(kept({at: function(value) for at, value in self.points.items()}))


Value = float | Series | list[Series] | str


def kept(points: Mapping[int, float | None]) -> dict[int, float]:
    """Without what is no number."""
    return {at: value for at, value in points.items() if value is not None and isfinite(value)}


class Scope(Protocol):
    """What an expression can ask for besides its own text."""

    @property
    def period_s(self) -> int: ...

    def instants(self, period_s: int) -> range:
        """Where periods of a length begin; Malformed where they are too many."""

    def named(self, name: str) -> Value | None:
        """The result of the query with this id, None where there is none."""

    def metrics(self, filter: str) -> list[Series]:
        """The metrics of the request, those whose label has a text in it."""

    def search(self, expression: str, statistic: str, period_s: int) -> list[Series]: ...

    def band(self, series: Series, deviations: float, source: str) -> list[Series]:
        """The upper and the lower edge of the values that are expected of a series; `source` is the query it comes from."""


def a_number(value: Value, function: str) -> float:
    if isinstance(value, (int, float)):
        return value
    raise Malformed(f"{function} expects a scalar")


def a_series(value: Value, function: str) -> Series:
    if isinstance(value, Series):
        return value
    raise Malformed(f"{function} expects a time series")


def some_series(value: Value, function: str) -> list[Series]:
    """One series or an array, as an array."""
    if isinstance(value, Series):
        return [value]
    if isinstance(value, list):
        return value
    raise Malformed(f"{function} expects time series")


def mapped(value: Value, function: str, of: Callable[[Series], Series]) -> Value:
    """A function of one series, for one or for each of an array."""
    return of(value) if isinstance(value, Series) else [of(one) for one in some_series(value, function)]


def across(array: list[Series], reduce: Callable[[list[float]], float | None]) -> Series:
    """One series of many: of what they have at each instant."""
    columns: dict[int, list[float]] = {}
    for series in array:
        for at, value in series.points.items():
            columns.setdefault(at, []).append(value)
    period_s = max((series.period_s for series in array), default=60)
    return Series(kept({at: reduce(columns[at]) for at in sorted(columns)}), period_s)
