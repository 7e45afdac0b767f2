"""The functions of metric math. Source: "Metric math syntax and functions" in the CloudWatch User Guide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from math import ceil, floor, isfinite, log, log10, sqrt
from typing import NamedTuple

from fogbank.services.cloudwatch.mathematics.series import (
    Scope,
    Series,
    Value,
    a_number,
    a_series,
    across,
    kept,
    mapped,
    some_series,
)
from fogbank.services.cloudwatch.mathematics.syntax import Name, Node
from fogbank.services.cloudwatch.mathematics.tokens import Malformed, Unavailable

Evaluate = Callable[[Node, Scope], Value]


class Function(NamedTuple):
    """`of(scope, values)`, or `lazy(scope, nodes, evaluate)` for one that looks at how its arguments are written."""

    arity: tuple[int, int]
    of: Callable[[Scope, list[Value]], Value] = lambda scope, values: 0.0
    lazy: Callable[[Scope, Sequence[Node], Evaluate], Value] | None = None


KEYWORDS = frozenset(("REPEAT", "LINEAR", "ASC", "DESC", "AVG", "MIN", "MAX", "SUM"))


# Of each value by itself


def _each(name: str, of: Callable[[float], float | None]) -> Function:
    def apply(scope: Scope, values: list[Value]) -> Value:
        value = values[0]
        if isinstance(value, (int, float)):
            result = of(value)
            if result is None:
                raise Malformed(f"{name} of {value:g} is not a number")
            return result
        return mapped(value, name, lambda series: series.each(of))

    return Function((1, 1), apply)


def _calendar(name: str, of: Callable[[datetime], float]) -> Function:
    def one(series: Series) -> Series:
        return series.having({at: of(datetime.fromtimestamp(at, UTC)) for at in series.points})

    return Function((1, 1), lambda scope, values: mapped(values[0], name, one))


# Of all values: of a series to a number, of an array to a series


def _all(name: str, of: Callable[[list[float]], float]) -> Function:
    def apply(scope: Scope, values: list[Value]) -> Value:
        value = values[0]
        if isinstance(value, Series):
            if not value.points:
                return across([value], of)  # there is no number: a series without points says so
            result = of(list(value.points.values()))
            if not isfinite(result):
                raise Malformed(f"{name} is not a number")
            return result
        return across(some_series(value, name), of)

    return Function((1, 1), apply)


def _deviation(values: list[float]) -> float:
    mean = sum(values) / len(values)
    return sqrt(sum((value - mean) * (value - mean) for value in values) / len(values))


def _chosen(name: str, place: int) -> Function:
    def apply(scope: Scope, values: list[Value]) -> Value:
        array = some_series(values[0], name)
        if not array:
            return Series({}, scope.period_s)
        return array[place]

    return Function((1, 1), apply)


# Of neighbours in time


def _steps(name: str, of: Callable[[float, float, int], float]) -> Function:
    """`of(value, the one before, seconds between)`; the first value has none."""

    def one(series: Series) -> Series:
        items = list(series.points.items())
        pairs = pairwise(items)
        return series.having(kept({at: of(value, before, at - then) for (then, before), (at, value) in pairs}))

    return Function((1, 1), lambda scope, values: mapped(values[0], name, one))


def _running(series: Series) -> Series:
    total = 0.0
    points: dict[int, float] = {}
    for at, value in series.points.items():
        total += value
        points[at] = total
    return series.having(kept(points))


def _fill(scope: Scope, values: list[Value]) -> Value:
    filler = values[1]
    if isinstance(filler, Series):
        others = filler.points
        return mapped(values[0], "FILL", lambda series: _filled(scope, series, lambda at, before, after: others.get(at)))
    if isinstance(filler, (int, float)):
        number = float(filler)
        return mapped(values[0], "FILL", lambda series: _filled(scope, series, lambda at, before, after: number))
    if filler == "REPEAT":
        return mapped(values[0], "FILL", lambda series: _filled(scope, series, lambda at, before, after: (before or (0, None))[1]))
    if filler == "LINEAR":
        return mapped(values[0], "FILL", lambda series: _filled(scope, series, _between))
    raise Malformed("FILL expects a number, a time series, REPEAT or LINEAR")


Neighbour = tuple[int, float] | None


def _between(at: int, before: Neighbour, after: Neighbour) -> float | None:
    """On the line between two points; nothing outside of them."""
    if before is None or after is None:
        return None
    return before[1] + (after[1] - before[1]) * (at - before[0]) / (after[0] - before[0])


def _filled(scope: Scope, series: Series, of: Callable[[int, Neighbour, Neighbour], float | None]) -> Series:
    """`of(at, the point before, the point after)` where there is none."""
    there = series.points
    instants = scope.instants(series.period_s)
    following: list[Neighbour] = []
    after: Neighbour = None
    for at in reversed(instants):
        if at in there:
            after = (at, there[at])
        following.append(after)
    points: dict[int, float | None] = {}
    before: Neighbour = None
    for at, after in zip(instants, reversed(following), strict=True):
        if at in there:
            before = (at, there[at])
            points[at] = there[at]
        else:
            points[at] = of(at, before, after)
    return series.having(kept(points))


def _time_series(scope: Scope, values: list[Value]) -> Value:
    if isinstance(values[0], Series):
        return values[0]
    number = a_number(values[0], "TIME_SERIES")
    return Series(dict.fromkeys(scope.instants(scope.period_s), number), scope.period_s)


# Conditions


def _if(scope: Scope, values: list[Value]) -> Value:
    condition = values[0]
    yes = values[1]
    no: Value | None = values[2] if len(values) > 2 else None
    if isinstance(condition, (int, float)):
        chosen = yes if condition else no
        return Series({}, scope.period_s) if chosen is None else chosen
    if isinstance(condition, list):
        return [_if_series(one, yes, no) for one in condition]
    return _if_series(a_series(condition, "IF"), yes, no)


def _if_series(condition: Series, yes: Value, no: Value | None) -> Series:
    def at_instant(value: Value | None, at: int) -> float | None:
        if isinstance(value, Series):
            return value.points.get(at)
        return None if value is None else a_number(value, "IF")

    points = {at: at_instant(yes if value else no, at) for at, value in condition.points.items()}
    return condition.having(kept(points))


# Arrays


def _sort(scope: Scope, values: list[Value]) -> Value:
    array = some_series(values[0], "SORT")
    function, order = values[1], values[2]
    if function not in _SORTS or order not in ("ASC", "DESC"):
        raise Malformed("SORT expects AVG, MIN, MAX or SUM, and ASC or DESC")
    of = _SORTS[str(function)]
    ordered = sorted([one for one in array if one.points], key=lambda one: of(list(one.points.values())), reverse=order == "DESC")
    ordered += [one for one in array if not one.points]
    return ordered[: int(a_number(values[3], "SORT"))] if len(values) > 3 else ordered


_SORTS: dict[str, Callable[[list[float]], float]] = {"AVG": lambda v: sum(v) / len(v), "MIN": min, "MAX": max, "SUM": sum}


def _slice(scope: Scope, values: list[Value]) -> Value:
    array = some_series(values[0], "SLICE")
    first = int(a_number(values[1], "SLICE"))
    if len(values) == 2:
        if not 0 <= first < len(array):
            raise Malformed("SLICE is outside of the array")
        return array[first]
    return array[first : int(a_number(values[2], "SLICE"))]


def _metrics(scope: Scope, values: list[Value]) -> Value:
    filter_ = values[0] if values else ""
    if not isinstance(filter_, str):
        raise Malformed("METRICS expects a string")
    return scope.metrics(filter_)


def _search(scope: Scope, values: list[Value]) -> Value:
    expression, statistic = values[0], values[1]
    if not isinstance(expression, str) or not isinstance(statistic, str):
        raise Malformed("SEARCH expects a search expression and a statistic")
    period_s = int(a_number(values[2], "SEARCH")) if len(values) > 2 else scope.period_s
    return scope.search(expression, statistic, period_s)


def _band(scope: Scope, nodes: Sequence[Node], evaluate: Evaluate) -> Value:
    node = nodes[0]
    source = node.name if isinstance(node, Name) else ""
    series = a_series(evaluate(node, scope), "ANOMALY_DETECTION_BAND")
    deviations = a_number(evaluate(nodes[1], scope), "ANOMALY_DETECTION_BAND") if len(nodes) > 1 else 2.0
    return scope.band(series, deviations, source)


def _unavailable(name: str, why: str) -> Function:
    def refuse(scope: Scope, nodes: Sequence[Node], evaluate: Evaluate) -> Value:
        raise Unavailable(f"{name}: {why}")

    return Function((0, 9), lazy=refuse)


FUNCTIONS: dict[str, Function] = {
    "ABS": _each("ABS", abs),
    "CEIL": _each("CEIL", lambda value: float(ceil(value))),
    "FLOOR": _each("FLOOR", lambda value: float(floor(value))),
    "LOG": _each("LOG", lambda value: log(value) if value > 0 else None),
    "LOG10": _each("LOG10", lambda value: log10(value) if value > 0 else None),
    "MINUTE": _calendar("MINUTE", lambda at: at.minute),
    "HOUR": _calendar("HOUR", lambda at: at.hour),
    "DAY": _calendar("DAY", lambda at: at.isoweekday()),
    "DATE": _calendar("DATE", lambda at: at.day),
    "MONTH": _calendar("MONTH", lambda at: at.month),
    "YEAR": _calendar("YEAR", lambda at: at.year),
    "EPOCH": _calendar("EPOCH", lambda at: at.timestamp()),
    "AVG": _all("AVG", lambda values: sum(values) / len(values)),
    "MAX": _all("MAX", max),
    "MIN": _all("MIN", min),
    "SUM": _all("SUM", sum),
    "STDDEV": _all("STDDEV", _deviation),
    "DATAPOINT_COUNT": _all("DATAPOINT_COUNT", lambda values: float(len(values))),
    "FIRST": _chosen("FIRST", 0),
    "LAST": _chosen("LAST", -1),
    "DIFF": _steps("DIFF", lambda value, before, seconds: value - before),
    "DIFF_TIME": _steps("DIFF_TIME", lambda value, before, seconds: float(seconds)),
    "RATE": _steps("RATE", lambda value, before, seconds: (value - before) / seconds),
    "RUNNING_SUM": Function((1, 1), lambda scope, values: mapped(values[0], "RUNNING_SUM", _running)),
    "FILL": Function((2, 2), _fill),
    "TIME_SERIES": Function((1, 1), _time_series),
    "PERIOD": Function((1, 1), lambda scope, values: float(a_series(values[0], "PERIOD").period_s)),
    "IF": Function((2, 3), _if),
    "METRICS": Function((0, 1), _metrics),
    "METRIC_COUNT": Function((1, 1), lambda scope, values: float(len(some_series(values[0], "METRIC_COUNT")))),
    "REMOVE_EMPTY": Function((1, 1), lambda scope, values: [one for one in some_series(values[0], "REMOVE_EMPTY") if one.points]),
    "SORT": Function((3, 4), _sort),
    "SLICE": Function((2, 3), _slice),
    "SEARCH": Function((2, 3), _search),
    "ANOMALY_DETECTION_BAND": Function((1, 2), lazy=_band),
    "DB_PERF_INSIGHTS": _unavailable("DB_PERF_INSIGHTS", "there is no Performance Insights"),
    "INSIGHT_RULE_METRIC": _unavailable("INSIGHT_RULE_METRIC", "there are no Contributor Insights rules"),
    "LAMBDA": _unavailable("LAMBDA", "there are no data source connectors"),
    "SERVICE_QUOTA": _unavailable("SERVICE_QUOTA", "there are no service quotas"),
}
