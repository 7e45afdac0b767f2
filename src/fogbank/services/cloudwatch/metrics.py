"""ListMetrics and GetMetricStatistics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.cloudwatch import points
from fogbank.services.cloudwatch.faults import combination, exclusive, invalid, missing
from fogbank.services.cloudwatch.names import check_dimensions, get_metric, listed
from fogbank.services.cloudwatch.periods import check_period, from_s
from fogbank.services.cloudwatch.state import DAY_MS, HOUR_MS, METRICS, Metric, unpacked
from fogbank.services.cloudwatch.statistics import SIMPLE, Statistic, statistic

PAGE_LIMIT = 500
DATAPOINTS_LIMIT = 1440
LISTED_MS, RECENT_MS = 14 * DAY_MS, 3 * HOUR_MS


@operation("ListMetrics")
def list_metrics(ctx: Context, req: Any) -> Answer:
    """Metrics that had data in the last two weeks, or in the last three hours (RecentlyActive), 500 at a time.

    They are there as soon as they have data. A dimension filter without a value is met by each value.
    Errors: InvalidParameterValue; NotImplemented with IncludeLinkedAccounts. Source: API reference, ListMetrics.
    """
    if req.IncludeLinkedAccounts or req.OwningAccount:
        raise NotImplementedOperation("cloudwatch", "ListMetrics", "with IncludeLinkedAccounts: there are no linked accounts")
    since_ms = ctx.now - (RECENT_MS if req.RecentlyActive else LISTED_MS)
    filters = [(f.Name, f.Value) for f in req.Dimensions or ()]
    place = paging.place(req.NextToken, lambda: invalid("Invalid nextToken"))
    after = tuple(place.split("\n", 2)) if place is not None else None
    if after is not None and len(after) != 3:
        raise invalid("Invalid nextToken")
    matching = (
        metric
        for metric in _scan(ctx, req.Namespace, req.MetricName, after)
        if metric.seen_ms >= since_ms and _meets(dict(unpacked(metric.dimensions)), filters)
    )
    page, more = paging.page(matching, PAGE_LIMIT)
    token = paging.token(f"{page[-1].namespace}\n{page[-1].name}\n{page[-1].dimensions}") if more else None
    return {"Metrics": [describe(metric) for metric in page], "NextToken": token}


def _scan(ctx: Context, namespace: str | None, name: str | None, after: tuple[str, ...] | None) -> Iterator[Metric]:
    if namespace is None:
        found = METRICS.scan(ctx, ctx.account, ctx.region, after=after)
        return (metric for metric in found if name is None or metric.name == name)
    if name is None:
        return METRICS.scan(ctx, ctx.account, ctx.region, namespace, after=after[1:] if after else None)
    return METRICS.scan(ctx, ctx.account, ctx.region, namespace, name, after=after[2] if after else None)


def _meets(dimensions: dict[str, str], filters: list[tuple[str, str | None]]) -> bool:
    return all(name in dimensions and value in (None, dimensions[name]) for name, value in filters)


def describe(metric: Metric) -> dict[str, Any]:
    return {"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": listed(unpacked(metric.dimensions))}


@operation("GetMetricStatistics")
def get_metric_statistics(ctx: Context, req: Any) -> Answer:
    """Statistics of a metric by the period, at most 1440 datapoints; of each unit by itself, in no order that counts.

    Errors: InvalidParameterValue, InvalidParameterCombination, MissingParameter. Source: API reference, GetMetricStatistics.
    """
    wanted = _statistics(req)
    check_period(req.Period, "Period")
    dimensions = check_dimensions(req.Dimensions)
    if req.StartTime >= req.EndTime:
        raise invalid("The parameter StartTime must be less than the parameter EndTime.")
    count = -(-(req.EndTime - req.StartTime) // (req.Period * 1000))
    if count > DATAPOINTS_LIMIT:
        raise combination(
            f"You have requested up to {count:,} datapoints, which exceeds the limit of {DATAPOINTS_LIMIT:,}. You may reduce the datapoints"
            " requested by increasing Period, or decreasing the time range."
        )
    answer: list[dict[str, Any]] = []
    metric = get_metric(ctx, req.Namespace, req.MetricName, dimensions)
    if metric is not None:
        start_s = from_s(ctx.now, req.StartTime, req.Period)
        raw = any(one.raw for one in wanted)
        found = points.read(ctx, metric, start_s, -(-req.EndTime // 1000), req.Period, req.Unit, distribution=raw, now_ms=ctx.now)
        for (at_s, unit), summary in sorted(found.items()):
            values = {one.name: value for one in wanted if (value := one.of(summary)) is not None}
            simple = {name: value for name, value in values.items() if name in SIMPLE}
            extended = {name: value for name, value in values.items() if name not in SIMPLE}
            if values:
                answer.append({"Timestamp": at_s * 1000, "Unit": unit, **simple, "ExtendedStatistics": extended or None})
    return {"Label": req.MetricName, "Datapoints": answer}


def _statistics(req: Any) -> list[Statistic]:
    if req.Statistics and req.ExtendedStatistics:
        raise exclusive("Statistics", "ExtendedStatistics")
    names = req.Statistics or req.ExtendedStatistics
    if not names:
        raise missing("Statistics")
    found = []
    for n, name in enumerate(names, 1):
        one = statistic(name)
        if one is None or (name in SIMPLE and req.ExtendedStatistics):
            parameter = f"{'Statistics' if req.Statistics else 'ExtendedStatistics'}.member.{n}"
            raise ServiceException("InvalidParameterValueException", f"The value {name} for parameter {parameter} is not supported.")
        found.append(one)
    return found
