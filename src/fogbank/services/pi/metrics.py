"""Metrics over time: load, as a whole and by dimensions, and the engine's counters."""

from __future__ import annotations

from typing import Any, NamedTuple

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.pi import engines, rolling
from fogbank.services.pi.dimensions import Words, chosen, filters, shown
from fogbank.services.pi.faults import invalid
from fogbank.services.pi.rolling import Sum
from fogbank.services.pi.sources import Time, page, source_at, time_of
from fogbank.services.pi.state import Source

LOADS = ("db.load", "db.sampledload")
LIMIT = 10
_LISTED = 500


class Series(NamedTuple):
    """The periods of a time, each with what was sampled in it."""

    time: Time
    periods: list[Sum | None]

    def points(self, values: list[float | None], *, at_end: bool) -> list[dict[str, Any]]:
        first, step = self.time.start_ms, self.time.period_s * 1000
        shift = step if at_end else 0
        return [{"Timestamp": first + shift + n * step, "Value": value} for n, value in enumerate(values)]


def read(ctx: Context, source: Source, time: Time) -> Series:
    step = time.period_s * 1000
    periods: list[Sum | None] = [None] * ((time.end_ms - time.start_ms) // step)
    for at_ms, one in rolling.sums(ctx, source, time.start_ms, time.end_ms, time.unit_s).items():
        number = (at_ms - time.start_ms) // step
        known = periods[number]
        if known is None:
            periods[number] = one
        else:
            rolling.merge(known, one)
    return Series(time, periods)


@operation("GetResourceMetrics")
def get_resource_metrics(ctx: Context, req: Any) -> Answer:
    """Values of metrics over time: of each query the whole, and where it groups, of each of its greatest groups (10, at most 25).

    PeriodInSeconds is 1, 60, 300, 3600 or 86400; by itself one that gives at most 200 values. A period without samples has no value.

    Errors: InvalidArgumentException, NotAuthorizedException. Source: Performance Insights API reference, GetResourceMetrics.
    """
    source = source_at(ctx, req)
    time = time_of(ctx, req, source)
    series = read(ctx, source, time)
    at_end = req.PeriodAlignment != "START_TIME"
    words = Words(ctx, source)
    found: list[dict[str, Any]] = []
    for query in req.MetricQueries:
        for key, values in _answered(source, query, series, words):
            found.append({"Key": key, "DataPoints": series.points(values, at_end=at_end)})
    some, token = page(req, found, _LISTED)
    return {
        "AlignedStartTime": time.start_ms,
        "AlignedEndTime": time.end_ms,
        "Identifier": source.identifier,
        "MetricList": some,
        "NextToken": token,
    }


def _answered(source: Source, query: Any, series: Series, words: Words) -> list[tuple[dict[str, Any], list[float | None]]]:
    """A query's keys with their values. Errors: InvalidArgumentException."""
    name, _, statistic = query.Metric.rpartition(".")
    if name not in LOADS:
        if query.GroupBy is not None or query.Filter:
            raise invalid(f"GroupBy and Filter are not supported for the metric {query.Metric}")
        return [({"Metric": query.Metric}, counted(source, query.Metric, series))]
    if statistic != "avg":
        raise invalid(f"{query.Metric} is not a valid metric: the statistic of {name} is avg")
    wanted = filters(source.engine, query.Filter)
    dimensions = chosen(source.engine, query.GroupBy) if query.GroupBy is not None else ()
    whole: list[float | None] = [None] * len(series.periods)
    groups: dict[tuple[str, ...], list[float | None]] = {}
    for number, period in enumerate(series.periods):
        if period is None or not period.taken:
            continue
        loads: dict[tuple[str, ...], int] = {}
        for key, count in period.counts.items():
            if words.fits(key, wanted):
                group = words.values(key, dimensions)
                loads[group] = loads.get(group, 0) + count
        whole[number] = sum(loads.values()) / period.taken
        for group, count in loads.items():
            groups.setdefault(group, [None] * len(whole))[number] = count / period.taken
    found: list[tuple[dict[str, Any], list[float | None]]] = [({"Metric": query.Metric}, whole)]
    if dimensions:
        named = {group: values for group, values in groups.items() if any(group)}
        greatest = sorted(named.items(), key=lambda item: (-sum(filter(None, item[1])), item[0]))[: query.GroupBy.Limit or LIMIT]
        for group, values in greatest:
            filled = [0.0 if value is None and total is not None else value for value, total in zip(values, whole, strict=True)]
            found.append(({"Metric": query.Metric, "Dimensions": shown(dimensions, group)}, filled))
    return found


def counted(source: Source, metric: str, series: Series) -> list[float | None]:
    """A counter's values. Errors: InvalidArgumentException."""
    name, _, statistic = metric.rpartition(".")
    if statistic not in ("avg", "min", "max", "sum") or all(one.name != name for one in engines.CATALOGUE[source.engine]):
        raise invalid(f"{metric} is not a valid metric for this resource")
    found: list[float | None] = []
    for period in series.periods:
        values = period.counters.get(name) if period is not None else None
        if values is None:
            found.append(None)
        else:
            number, total, least, most = values
            found.append({"avg": total / number, "sum": total, "min": least, "max": most}[statistic])
    return found
