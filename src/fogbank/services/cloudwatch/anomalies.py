"""Anomaly detectors: put, described, deleted, trained by the hour. What their models are, `bands` says."""

from __future__ import annotations

from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.cloudwatch import bands, queries
from fogbank.services.cloudwatch.faults import bad_token, bad_value, combination, missing, too_many, validation
from fogbank.services.cloudwatch.mathematics import syntax
from fogbank.services.cloudwatch.mathematics.series import Series
from fogbank.services.cloudwatch.names import check_dimensions, listed
from fogbank.services.cloudwatch.state import (
    BY_WHAT,
    DETECTORS,
    HOUR_MS,
    MINUTE_MS,
    Alarm,
    Detector,
    Dimensions,
    ExcludedRange,
    Query,
)
from fogbank.services.cloudwatch.statistics import statistic
from fogbank.store import change

PAGE_LIMIT = 100
RANGES_LIMIT = 10
GRAIN_S = 300
"""The period of the values that a model is trained with."""
SINGLE, MATH = "SINGLE_METRIC", "METRIC_MATH"
_OLD = ("Namespace", "MetricName", "Dimensions", "Stat")


def _wanted(ctx: Context, req: Any) -> tuple[str, tuple[Query, ...]]:
    """What a request is about: the kind of detector, and its queries. Errors: InvalidParameterCombination, MissingParameter."""
    given = [name for name in ("SingleMetricAnomalyDetector", "MetricMathAnomalyDetector") if getattr(req, name) is not None]
    if any(getattr(req, name) is not None for name in _OLD):
        given.append("MetricName")
    if len(given) > 1:
        raise combination(f"The parameters {given[0]} and {given[1]} must not be used together.")
    if not given:
        raise missing("SingleMetricAnomalyDetector")
    if given[0] == "MetricMathAnomalyDetector":
        found = queries.read(ctx, req.MetricMathAnomalyDetector.MetricDataQueries or (), "MetricMathAnomalyDetector.MetricDataQueries")
        if sum(query.returned for query in found) != 1:
            raise validation("Exactly one element of the metrics list should return data.")
        return MATH, found
    one = req if given[0] == "MetricName" else req.SingleMetricAnomalyDetector
    for name in ("Namespace", "MetricName", "Stat"):
        if getattr(one, name) is None:
            raise missing(name)
    if given[0] != "MetricName" and one.AccountId not in (None, ctx.account):
        raise NotImplementedOperation("cloudwatch", ctx.operation, "with AccountId: there are no linked accounts")
    if statistic(one.Stat) is None:
        raise bad_value(one.Stat, "Stat")
    query = Query(id="m1", namespace=one.Namespace, name=one.MetricName, stat=one.Stat, dimensions=check_dimensions(one.Dimensions))
    return SINGLE, (query,)


def _returned(found: tuple[Query, ...]) -> Query:
    return next(query for query in found if query.returned)


@operation("PutAnomalyDetector")
def put_anomaly_detector(ctx: Context, req: Any) -> Answer:
    """Makes a model of what values are expected of a metric or an expression, or gives it another configuration.

    It is trained with the last two weeks, now and each hour; what it knows is the mean and deviation by the hour of the week or day.
    Errors: InvalidParameterValue, InvalidParameterCombination, MissingParameter; NotImplemented with MetricCharacteristics,
    AdaptationSpeed and OutlierFilteringStrength, which that model has not. Source: API reference, PutAnomalyDetector.
    """
    kind, found = _wanted(ctx, req)
    given = req.Configuration
    if req.MetricCharacteristics is not None and req.MetricCharacteristics.PeriodicSpikes:
        raise NotImplementedOperation("cloudwatch", "PutAnomalyDetector", "with PeriodicSpikes")
    excluded: tuple[ExcludedRange, ...] = ()
    timezone = "UTC"
    if given is not None:
        for name in ("AdaptationSpeed", "OutlierFilteringStrength"):
            if getattr(given, name) is not None:
                raise NotImplementedOperation("cloudwatch", "PutAnomalyDetector", f"with {name}")
        ranges = given.ExcludedTimeRanges or ()
        if len(ranges) > RANGES_LIMIT:
            raise too_many("Configuration.ExcludedTimeRanges", RANGES_LIMIT)
        excluded = tuple(ExcludedRange(one.StartTime, one.EndTime) for one in ranges)
        timezone = given.MetricTimezone or "UTC"
        if bands.zone(timezone) is None:
            raise bad_value(timezone, "Configuration.MetricTimezone")
    return {"AnomalyDetectorId": put(ctx, kind, found, timezone=timezone, excluded=excluded).id}


def put(ctx: Context, kind: str, found: tuple[Query, ...], **configuration: Any) -> Detector:
    """The detector of some queries; made, if there is none."""
    what = bands.what_of(_returned(found), found)
    detector = BY_WHAT.first(ctx, ctx.account, ctx.region, what)
    if detector is None:
        detector = Detector(
            account=ctx.account,
            region=ctx.region,
            id=ctx.random.uuid(),
            what=what,
            kind=kind,
            queries=found,
            created_at_ms=ctx.now,
            train_at_ms=ctx.now,
        )
        ctx.later("cloudwatch.train", {"account": ctx.account, "region": ctx.region, "id": detector.id, "at_ms": ctx.now})
    elif configuration:
        ctx.later("cloudwatch.train", {"account": ctx.account, "region": ctx.region, "id": detector.id, "at_ms": ctx.now})
        detector = change(detector, train_at_ms=ctx.now)
    detector = change(detector, **configuration)
    DETECTORS.put(ctx, detector)
    return detector


def for_alarm(ctx: Context, alarm: Alarm) -> None:
    """An alarm on a band has a detector of its own, if there is none yet."""
    by_id = {query.id: query for query in alarm.queries}
    band = by_id[alarm.threshold_id or ""]
    for call in syntax.calls(syntax.parse(band.expression), "ANOMALY_DETECTION_BAND"):
        source = by_id.get(call.arguments[0].name) if call.arguments and isinstance(call.arguments[0], syntax.Name) else None
        if source is None:
            raise validation("ANOMALY_DETECTION_BAND expects the id of a metric or of an expression")
        if source.stat:
            put(ctx, SINGLE, (change(source, id="m1", period_s=0, label=None, returned=True),))
        else:
            used = tuple(change(query, returned=query is source) for query in alarm.queries if query is not band)
            put(ctx, MATH, used)


@task("train", looks=True)
def train(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Trains a model with the last two weeks, and comes again in an hour."""
    detector = DETECTORS.get(ctx, payload["account"], payload["region"], payload["id"])
    if detector is None or detector.train_at_ms != payload["at_ms"]:
        return None
    start_ms = ctx.now - bands.TRAINING_MS
    start_ms -= start_ms % HOUR_MS
    grained = tuple(change(query, period_s=query.period_s or GRAIN_S) if query.stat else query for query in detector.queries)
    answers = queries.Answers(ctx, detector.account, detector.region, grained, start_ms, ctx.now - ctx.now % MINUTE_MS)
    try:
        series = answers.of(_returned(grained))
    except ServiceException:
        series = Series({}, GRAIN_S)
    points = dict(series.points) if isinstance(series, Series) else {}
    for one in detector.excluded:
        points = {at: value for at, value in points.items() if not one.start_ms <= at * 1000 < one.end_ms}
    model = bands.train(points, detector.timezone)
    at_ms = ctx.now + HOUR_MS
    DETECTORS.put(ctx, change(detector, means=model.means, deviations=model.deviations, trained_at_ms=ctx.now, train_at_ms=at_ms))
    ctx.later("cloudwatch.train", {**payload, "at_ms": at_ms}, at_ms=at_ms)
    return None


@operation("DeleteAnomalyDetector")
def delete_anomaly_detector(ctx: Context, req: Any) -> Answer:
    """Deletes a model, named by its id or by what it is about.

    Errors: ResourceNotFoundException. Source: API reference, DeleteAnomalyDetector.
    """
    if req.AnomalyDetectorId is not None:
        detector = DETECTORS.get(ctx, ctx.account, ctx.region, req.AnomalyDetectorId)
    else:
        _, found = _wanted(ctx, req)
        detector = BY_WHAT.first(ctx, ctx.account, ctx.region, bands.what_of(_returned(found), found))
    if detector is None:
        raise ServiceException(
            "ResourceNotFoundException",
            "The anomaly detector does not exist.",
            status=404,
            ResourceType="AnomalyDetector",
            ResourceId=req.AnomalyDetectorId or "",
        )
    DETECTORS.delete(ctx, detector)
    return {}


@operation("DescribeAnomalyDetectors")
def describe_anomaly_detectors(ctx: Context, req: Any) -> Answer:
    """Models of metrics (of expressions too, if AnomalyDetectorTypes says so), by what they are about.

    Errors: InvalidNextToken, InvalidParameterCombination. Source: API reference, DescribeAnomalyDetectors.
    """
    filters = (req.Namespace, req.MetricName, req.Dimensions, req.AnomalyDetectorTypes)
    if req.AnomalyDetectorIds and any(filters):
        raise combination("AnomalyDetectorIds must not be used together with other filters.")
    after = paging.place(req.NextToken, bad_token)
    kinds = req.AnomalyDetectorTypes or (SINGLE,)
    dimensions = check_dimensions(req.Dimensions) if req.Dimensions else None
    matching = (
        detector
        for detector in DETECTORS.scan(ctx, ctx.account, ctx.region, after=after)
        if (
            detector.id in req.AnomalyDetectorIds
            if req.AnomalyDetectorIds
            else detector.kind in kinds and _meets(detector, req, dimensions)
        )
    )
    page, more = paging.page(matching, min(req.MaxResults or PAGE_LIMIT, PAGE_LIMIT))
    return {"AnomalyDetectors": [describe(one) for one in page], "NextToken": paging.token(page[-1].id) if more else None}


def _meets(detector: Detector, req: Any, dimensions: Dimensions | None) -> bool:
    query = _returned(detector.queries)
    return req.Namespace in (None, query.namespace) and req.MetricName in (None, query.name) and dimensions in (None, query.dimensions)


def describe(detector: Detector) -> dict[str, Any]:
    state = "TRAINED" if detector.means else "TRAINED_INSUFFICIENT_DATA" if detector.trained_at_ms else "PENDING_TRAINING"
    ranges = [{"StartTime": one.start_ms, "EndTime": one.end_ms} for one in detector.excluded]
    said: dict[str, Any] = {
        "AnomalyDetectorId": detector.id,
        "StateValue": state,
        "Configuration": {"ExcludedTimeRanges": ranges, "MetricTimezone": detector.timezone},
    }
    if detector.kind == MATH:
        return {**said, "MetricMathAnomalyDetector": {"MetricDataQueries": [queries.describe(query) for query in detector.queries]}}
    query = detector.queries[0]
    metric = {"Namespace": query.namespace, "MetricName": query.name, "Dimensions": listed(query.dimensions), "Stat": query.stat}
    return {**said, **metric, "SingleMetricAnomalyDetector": metric}
