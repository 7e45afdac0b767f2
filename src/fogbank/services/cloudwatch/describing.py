"""Alarms as they are answered, and as events and payloads have them; and finding them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from fogbank.kernel.arn import Arn, partition_of
from fogbank.kernel.context import Context
from fogbank.services.cloudwatch import queries
from fogbank.services.cloudwatch.names import listed
from fogbank.services.cloudwatch.state import ALARMS, COMPOSITE, Alarm, Query
from fogbank.services.cloudwatch.statistics import SIMPLE
from fogbank.services.cloudwatch.wording import instant


@lru_cache(4096)
def arn(account: str, region: str, name: str) -> str:
    return f"arn:{partition_of(region)}:cloudwatch:{region}:{account}:alarm:{name}"


def arn_of(alarm: Alarm) -> str:
    return arn(alarm.account, alarm.region, alarm.name)


def name_of(reference: str, account: str, region: str) -> str | None:
    """The name of an alarm of this account and region that is given by name or ARN; None for one from elsewhere."""
    if not reference.startswith("arn:"):
        return reference
    parts = Arn.parse(reference)
    if parts is None or (parts.service, parts.account, parts.region) != ("cloudwatch", account, region):
        return None
    return parts.resource.removeprefix("alarm:") if parts.resource.startswith("alarm:") else None


def get_alarm(ctx: Context, account: str, region: str, reference: str) -> Alarm | None:
    name = name_of(reference, account, region)
    return ALARMS.get(ctx, account, region, name) if name else None


def parsed(text: str) -> Any:
    """JSON that may be none: then the text."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def describe(alarm: Alarm) -> dict[str, Any]:
    """A MetricAlarm or a CompositeAlarm."""
    said = {
        "AlarmName": alarm.name,
        "AlarmArn": arn_of(alarm),
        "AlarmDescription": alarm.description,
        "AlarmConfigurationUpdatedTimestamp": alarm.configured_at_ms,
        "ActionsEnabled": alarm.actions_enabled,
        "OKActions": list(alarm.ok_actions),
        "AlarmActions": list(alarm.alarm_actions),
        "InsufficientDataActions": list(alarm.insufficient_actions),
        "StateValue": alarm.state,
        "StateReason": alarm.reason,
        "StateReasonData": alarm.reason_json,
        "StateUpdatedTimestamp": alarm.updated_at_ms,
        "StateTransitionedTimestamp": alarm.transitioned_at_ms,
    }
    return {**said, **(_composite(alarm) if alarm.kind == COMPOSITE else _metric(alarm))}


def _composite(alarm: Alarm) -> dict[str, Any]:
    said: dict[str, Any] = {"AlarmRule": alarm.rule}
    if alarm.suppressor is not None:
        said |= {
            "ActionsSuppressor": alarm.suppressor,
            "ActionsSuppressorWaitPeriod": alarm.wait_s,
            "ActionsSuppressorExtensionPeriod": alarm.extension_s,
            "ActionsSuppressedBy": alarm.suppressed_by,
            "ActionsSuppressedReason": alarm.suppressed_reason,
        }
    return said


def _metric(alarm: Alarm) -> dict[str, Any]:
    said: dict[str, Any] = {
        "EvaluationPeriods": alarm.evaluation_periods,
        "DatapointsToAlarm": alarm.datapoints,
        "Threshold": alarm.threshold,
        "ThresholdMetricId": alarm.threshold_id,
        "ComparisonOperator": alarm.comparison,
        "TreatMissingData": alarm.missing,
        "EvaluateLowSampleCountPercentile": alarm.low_sample,
        "EvaluationState": alarm.evaluation_state,
    }
    if alarm.warm_up_m:
        said["WarmUpConfiguration"] = {
            "WarmUpPeriodDurationInMinutes": alarm.warm_up_m,
            "OnlyStartEvaluatingAfterWarmUpPeriodEnds": alarm.warm_up_whole,
        }
    if not alarm.single:
        return {**said, "Metrics": [queries.describe(query) for query in alarm.queries]}
    query = alarm.queries[0]
    stat = "Statistic" if query.stat in SIMPLE else "ExtendedStatistic"
    return {
        **said,
        "Namespace": query.namespace,
        "MetricName": query.name,
        "Dimensions": listed(query.dimensions),
        "Period": query.period_s,
        "Unit": query.unit,
        stat: query.stat,
    }


# As events and payloads have them


def state(alarm: Alarm) -> dict[str, Any]:
    said: dict[str, Any] = {"value": alarm.state, "reason": alarm.reason}
    if alarm.reason_json:
        said["reasonData"] = alarm.reason_json
    said["timestamp"] = instant(alarm.updated_at_ms)
    if alarm.suppressed_by:
        said |= {"actionsSuppressedBy": alarm.suppressed_by, "actionsSuppressedReason": alarm.suppressed_reason}
    return said


def configuration(alarm: Alarm) -> dict[str, Any]:
    said: dict[str, Any] = {"description": alarm.description} if alarm.description is not None else {}
    if alarm.kind != COMPOSITE:
        return {**said, "metrics": [_query(query) for query in alarm.queries]}
    said["alarmRule"] = alarm.rule
    if alarm.suppressor is not None:
        said |= {
            "actionsSuppressor": alarm.suppressor,
            "actionsSuppressorWaitPeriod": alarm.wait_s,
            "actionsSuppressorExtensionPeriod": alarm.extension_s,
        }
    return said


def _query(query: Query) -> dict[str, Any]:
    said: Mapping[str, Any]
    if query.expression:
        said = {"id": query.id, "expression": query.expression, "label": query.label, "returnData": query.returned}
    else:
        metric = {"namespace": query.namespace, "name": query.name, "dimensions": dict(query.dimensions)}
        stat = {"metric": metric, "period": query.period_s, "stat": query.stat, "unit": query.unit}
        said = {
            "id": query.id,
            "label": query.label,
            "metricStat": {k: v for k, v in stat.items() if v is not None},
            "returnData": query.returned,
        }
    return {name: value for name, value in said.items() if value is not None}


def event(alarm: Alarm) -> dict[str, Any]:
    return {"alarmName": alarm.name, "configuration": configuration(alarm)}
