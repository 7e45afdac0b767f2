"""Putting data: PutMetricData."""

from __future__ import annotations

from math import isfinite
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.cloudwatch import points
from fogbank.services.cloudwatch.distribution import Summary, of_statistics, of_values
from fogbank.services.cloudwatch.faults import bad_value, combination, exclusive, invalid, missing, too_many
from fogbank.services.cloudwatch.names import check_dimensions, check_name, check_namespace
from fogbank.services.cloudwatch.state import DAY_MS, HOUR_MS, packed

METRICS_LIMIT = 1000
VALUES_LIMIT = 150
ENTITIES_LIMIT = 2
REQUEST_BYTES = 1 << 20
MAGNITUDE = 2.0**360
PAST_MS, FUTURE_MS = 14 * DAY_MS, 2 * HOUR_MS
_ENTITY_KEYS = frozenset(("Type", "ResourceType", "Identifier", "Name", "Environment"))


@operation("PutMetricData")
def put_metric_data(ctx: Context, req: Any) -> Answer:
    """Puts data of up to 1000 metrics: a value, up to 150 values with how often each occurred, or a set of statistics.

    Timestamps are from two weeks ago to two hours ahead. Numbers are from -2^360 to 2^360. All of the data is taken, or none. Metrics of
    an entity are taken like others; which entity they belong to can be asked for by no operation of this API, so it is checked only.
    Errors: InvalidParameterValue, InvalidParameterCombination, MissingParameter. Source: API reference, PutMetricData.
    """
    check_namespace(req.Namespace)
    if ctx.request is not None and len(ctx.request.body or b"") > REQUEST_BYTES:
        raise invalid("Request size exceeds 1048576 bytes.")
    gathered = [(f"MetricData.member.{n}", datum) for n, datum in enumerate(req.MetricData or (), 1)]
    for n, entity in enumerate(req.EntityMetricData or (), 1):
        _check_entity(entity, n, strict=bool(req.StrictEntityValidation))
        gathered += [(f"EntityMetricData.member.{n}.MetricData.member.{m}", datum) for m, datum in enumerate(entity.MetricData or (), 1)]
    if len(req.EntityMetricData or ()) > ENTITIES_LIMIT:
        raise too_many("EntityMetricData", ENTITIES_LIMIT)
    if not gathered:
        raise missing("MetricData")
    if len(gathered) > METRICS_LIMIT:
        raise too_many("MetricData", METRICS_LIMIT)
    for place, datum in gathered:
        _put(ctx, req.Namespace, datum, place)
    return None


def _put(ctx: Context, namespace: str, datum: Any, place: str) -> None:
    """One datum; `place` is where it stands in the request."""
    check_name(datum.MetricName, f"{place}.MetricName")
    dimensions = check_dimensions(datum.Dimensions, f"{place}.Dimensions")
    at_ms = ctx.now if datum.Timestamp is None else datum.Timestamp
    if at_ms < ctx.now - PAST_MS:
        raise invalid(f"The parameter {place}.Timestamp must specify a time no more than two weeks in the past.")
    if at_ms > ctx.now + FUTURE_MS:
        raise invalid(f"The parameter {place}.Timestamp must specify a time no more than two hours in the future.")
    resolution = datum.StorageResolution or 60
    if resolution not in (1, 60):
        raise bad_value(resolution, f"{place}.StorageResolution")
    summary = _summary(datum, place)
    if summary is not None:
        metric = (ctx.account, ctx.region, namespace, datum.MetricName, packed(dimensions))
        points.add(ctx, metric, at_ms // 1000, resolution, datum.Unit or "None", summary)


def _summary(datum: Any, place: str) -> Summary | None:
    """What a datum says; None where it counts nothing."""
    given = [name for name in ("Value", "Values", "StatisticValues") if getattr(datum, name) is not None]
    if not given:
        raise missing(f"{place}.Value")
    if len(given) > 1:
        raise exclusive(f"{place}.{given[0]}", f"{place}.{given[1]}")
    if datum.Counts is not None and datum.Values is None:
        raise combination(f"The parameter {place}.Counts can only be specified together with {place}.Values.")
    if datum.Value is not None:
        return of_values({_number(datum.Value, f"{place}.Value"): 1.0})
    if datum.StatisticValues is not None:
        return _of_set(datum.StatisticValues, f"{place}.StatisticValues")
    return _of_list(datum, place)


def _of_list(datum: Any, place: str) -> Summary | None:
    if not datum.Values:
        raise missing(f"{place}.Values")
    if len(datum.Values) > VALUES_LIMIT:
        raise too_many(f"{place}.Values", VALUES_LIMIT)
    counts = datum.Counts if datum.Counts is not None else [1.0] * len(datum.Values)
    if len(counts) != len(datum.Values):
        raise invalid(f"The parameters {place}.Values and {place}.Counts must be of the same size.")
    values: dict[float, float] = {}
    for n, (value, count) in enumerate(zip(datum.Values, counts, strict=True), 1):
        number = _number(value, f"{place}.Values.member.{n}")
        often = _number(count, f"{place}.Counts.member.{n}")
        if often < 0:
            raise bad_value(count, f"{place}.Counts.member.{n}")
        if often:
            values[number] = values.get(number, 0) + often
    return of_values(values) if values else None


def _of_set(given: Any, place: str) -> Summary | None:
    count, total, low, high = (_number(getattr(given, name), f"{place}.{name}") for name in ("SampleCount", "Sum", "Minimum", "Maximum"))
    if count < 0:
        raise bad_value(given.SampleCount, f"{place}.SampleCount")
    if low > high:
        raise invalid(f"The parameter {place}.Maximum must be greater than or equal to {place}.Minimum.")
    return of_statistics(count, total, low, high) if count else None


def _number(value: float, parameter: str) -> float:
    if not isfinite(value) or abs(value) > MAGNITUDE:
        raise bad_value(value, parameter)
    return float(value)


def _check_entity(given: Any, n: int, *, strict: bool) -> None:
    """An entity is named by Type and what goes with it. Only a strict request fails for it."""
    keys = (given.Entity.KeyAttributes if given.Entity is not None else None) or {}
    if strict and ("Type" not in keys or not _ENTITY_KEYS.issuperset(keys)):
        raise bad_value("KeyAttributes", f"EntityMetricData.member.{n}.Entity")
