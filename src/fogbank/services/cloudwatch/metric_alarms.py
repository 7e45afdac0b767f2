"""Metric alarms: PutMetricAlarm, and what it checks."""

from __future__ import annotations

from math import isfinite
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation
from fogbank.kernel.operation import Answer, operation
from fogbank.services.cloudwatch import alarms, anomalies, queries, watching
from fogbank.services.cloudwatch.faults import combination, missing, validation
from fogbank.services.cloudwatch.judging import BANDS, COMPARISONS, TREATMENTS
from fogbank.services.cloudwatch.mathematics import insights, syntax
from fogbank.services.cloudwatch.mathematics.series import Series
from fogbank.services.cloudwatch.names import check_dimensions
from fogbank.services.cloudwatch.state import ALARMS, METRIC, Alarm, Query
from fogbank.services.cloudwatch.statistics import SIMPLE, statistic
from fogbank.services.cloudwatch.tagging import read_tags
from fogbank.store import change

SHORT_PERIODS = (10, 20, 30)
LONGEST_S, LONGEST_BY_HOURS_S = 86_400, 7 * 86_400
_ONE_METRIC = ("MetricName", "Namespace", "Dimensions", "Period", "Unit", "Statistic", "ExtendedStatistic")


@operation("PutMetricAlarm")
def put_metric_alarm(ctx: Context, req: Any) -> Answer:
    """Makes an alarm on a metric, on an expression or on an anomaly detection band, or replaces the configuration of one.

    A new one is INSUFFICIENT_DATA, and is evaluated at once, then each minute (each ten seconds if its period is shorter, each hour if it
    is longer than an hour), over periods that end at that instant. Periods are 10, 20, 30 seconds or minutes; all that are evaluated
    together make a day at most, a week from periods of an hour on.
    Errors: ValidationError, MissingParameter, InvalidParameterCombination; NotImplemented for actions that cannot be carried out, PromQL,
    wall clock windows and queries with GROUP BY. Source: API reference, PutMetricAlarm.
    """
    alarms.check_name(req.AlarmName)
    _refuse(ctx, req)
    old = ALARMS.get(ctx, ctx.account, ctx.region, req.AlarmName)
    if old is not None and old.kind != METRIC:
        raise validation(f"Cannot replace alarm {req.AlarmName}: it is not a metric alarm.")
    given = _one_metric(ctx, req) if req.MetricName is not None else _expression(ctx, req)
    given |= _thresholds(req, given)
    if req.WarmUpConfiguration is not None:
        given["warm_up_m"] = req.WarmUpConfiguration.WarmUpPeriodDurationInMinutes
        given["warm_up_whole"] = bool(req.WarmUpConfiguration.OnlyStartEvaluatingAfterWarmUpPeriodEnds)
    base = old or Alarm(
        account=ctx.account,
        region=ctx.region,
        name=req.AlarmName,
        kind=METRIC,
        revision=0,
        created_at_ms=ctx.now,
        updated_at_ms=ctx.now,
        transitioned_at_ms=ctx.now,
        tags=read_tags(ctx, req.Tags, ctx.arn(f"alarm:{req.AlarmName}")),
    )
    plain = change(base, warm_up_m=0, warm_up_whole=False, threshold=None, threshold_id=None)
    alarm = change(plain, **alarms.actions_of(ctx, req), **given, revision=ctx.tx.unique(), configured_at_ms=ctx.now, evaluation_state=None)
    if alarm.threshold_id is not None:
        anomalies.for_alarm(ctx, alarm)
    alarms.put(ctx, alarm, old)
    watching.begin(ctx, alarm)
    return None


def _refuse(ctx: Context, req: Any) -> None:
    if req.EvaluationCriteria is not None:
        raise NotImplementedOperation("cloudwatch", "PutMetricAlarm", "with EvaluationCriteria: there is no PromQL")
    if req.EvaluationInterval is not None:
        raise combination("EvaluationInterval can only be specified together with EvaluationCriteria.")
    if req.EvaluationWindow is not None and req.EvaluationWindow.WallClockWindow is not None:
        raise NotImplementedOperation("cloudwatch", "PutMetricAlarm", "with a WallClockWindow")
    if req.MetricName is None and not req.Metrics:
        raise missing("MetricName")
    if req.Metrics and any(getattr(req, name) for name in _ONE_METRIC):
        raise validation(f"Metrics list must not be used together with {', '.join(_ONE_METRIC)}.")


def _one_metric(ctx: Context, req: Any) -> dict[str, Any]:
    for name in ("Namespace", "Period"):
        if getattr(req, name) is None:
            raise missing(name)
    if (req.Statistic is None) is (req.ExtendedStatistic is None):
        raise validation("Exactly one of Statistic and ExtendedStatistic must be specified.")
    stat = req.Statistic or req.ExtendedStatistic
    if statistic(stat) is None or (req.ExtendedStatistic in SIMPLE):
        raise validation(f"The value {stat} for parameter ExtendedStatistic is not supported.")
    _check_period(req.Period)
    query = Query(
        id=ctx.random.uuid(),
        period_s=req.Period,
        namespace=req.Namespace,
        name=req.MetricName,
        dimensions=check_dimensions(req.Dimensions),
        stat=stat,
        unit=req.Unit,
    )
    return {"queries": (query,), "single": True, "period_s": req.Period}


def _check_period(period_s: int) -> None:
    if period_s not in SHORT_PERIODS and period_s % 60:
        raise validation("Period must be 10, 20, 30 or a multiple of 60")


def _expression(ctx: Context, req: Any) -> dict[str, Any]:
    found = queries.read(ctx, req.Metrics, "Metrics")
    returned = [query for query in found if query.returned and query.id != req.ThresholdMetricId]
    if len(returned) != 1:
        raise validation("Exactly one element of the metrics list should return data.")
    watched = returned[0]
    if insights.is_query(watched.expression) and insights.parse(watched.expression).group:
        raise NotImplementedOperation("cloudwatch", "PutMetricAlarm", "with a Metrics Insights query that has GROUP BY")
    periods = {query.period_s for query in found if query.period_s}
    if not periods:
        raise validation("Period must be specified for the query or expression.")
    if len(periods) > 1:
        raise validation("All metrics of an alarm must have the same period.")
    period_s = periods.pop()
    _check_period(period_s)
    answers = queries.Answers(ctx, ctx.account, ctx.region, found, ctx.now - period_s * 1000, ctx.now)
    if not isinstance(answers.of(watched), Series):
        raise validation(f"Error in expression '{watched.id}': The expression of an alarm must return a single time series")
    return {"queries": found, "single": False, "period_s": period_s}


def _thresholds(req: Any, given: dict[str, Any]) -> dict[str, Any]:
    for name in ("EvaluationPeriods", "ComparisonOperator"):
        if getattr(req, name) is None:
            raise missing(name)
    banded = req.ComparisonOperator in BANDS
    if banded is not (req.ThresholdMetricId is not None):
        raise validation("ThresholdMetricId and the comparison operators of anomaly detection must be used together.")
    if banded:
        _check_band(req.ThresholdMetricId, given["queries"])
    if banded is not (req.Threshold is None):
        raise validation("Exactly one of Threshold and ThresholdMetricId must be specified.")
    assert banded or req.ComparisonOperator in COMPARISONS
    if req.Threshold is not None and not isfinite(req.Threshold):
        raise validation(f"The value {req.Threshold} for parameter Threshold is invalid.")
    periods, period_s = req.EvaluationPeriods, given["period_s"]
    if periods * period_s > (LONGEST_S if period_s < 3600 else LONGEST_BY_HOURS_S):
        raise validation(
            "Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400)."
            if period_s < 3600
            else "Metrics cannot be checked across more than a week (EvaluationPeriods * Period must be <= 604800)."
        )
    if req.DatapointsToAlarm is not None and req.DatapointsToAlarm > periods:
        raise validation("DatapointsToAlarm must be less than or equal to EvaluationPeriods")
    if req.TreatMissingData not in (None, *TREATMENTS):
        raise validation(f"Option {req.TreatMissingData} is not supported. Supported options for TreatMissingData are {list(TREATMENTS)}.")
    if req.EvaluateLowSampleCountPercentile not in (None, "evaluate", "ignore"):
        raise validation(f"Option {req.EvaluateLowSampleCountPercentile} is not supported.")
    return {
        "evaluation_periods": periods,
        "datapoints": req.DatapointsToAlarm,
        "threshold": req.Threshold,
        "threshold_id": req.ThresholdMetricId,
        "comparison": req.ComparisonOperator,
        "missing": req.TreatMissingData,
        "low_sample": req.EvaluateLowSampleCountPercentile,
    }


def _check_band(id: str, found: tuple[Query, ...]) -> None:
    band = next((query for query in found if query.id == id), None)
    if band is None or not any(syntax.calls(syntax.parse(band.expression or "0"), "ANOMALY_DETECTION_BAND")):
        raise validation("ThresholdMetricId must be the id of an ANOMALY_DETECTION_BAND expression.")
