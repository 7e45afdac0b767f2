"""What alarms send: the message to a topic, the payload to a function. Source: "Notifying users on alarm changes" and "Invoke a Lambda
function from an alarm" in the CloudWatch User Guide."""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.kernel.context import Context
from fogbank.services.cloudwatch import describing
from fogbank.services.cloudwatch.state import COMPOSITE, Alarm, Query
from fogbank.services.cloudwatch.statistics import SIMPLE
from fogbank.services.cloudwatch.wording import instant
from fogbank.wire.regions import regions

_SUBJECT_LIMIT = 100
_UPPER = {"SampleCount": "SAMPLE_COUNT"}


def _region(name: str) -> str:
    known = regions().get(name)
    return known.long_name if known is not None else name


def subject(alarm: Alarm) -> str:
    text = f'{alarm.state}: "{alarm.name}" in {_region(alarm.region)}'
    return text if len(text) <= _SUBJECT_LIMIT else text[: _SUBJECT_LIMIT - 3] + "..."


def message(ctx: Context, alarm: Alarm, before: Alarm) -> str:
    """To a topic."""
    said: dict[str, Any] = {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": alarm.account,
        "AlarmConfigurationUpdatedTimestamp": instant(alarm.configured_at_ms),
        "NewStateValue": alarm.state,
        "NewStateReason": alarm.reason,
        "StateChangeTime": instant(alarm.updated_at_ms),
        "Region": _region(alarm.region),
        "AlarmArn": describing.arn_of(alarm),
        "OldStateValue": before.state,
        "OKActions": list(alarm.ok_actions),
        "AlarmActions": list(alarm.alarm_actions),
        "InsufficientDataActions": list(alarm.insufficient_actions),
    }
    if alarm.kind == COMPOSITE:
        said["AlarmRule"] = alarm.rule
        said["TriggeringChildren"] = _triggering(alarm)
    else:
        said["Trigger"] = _trigger(alarm)
    return msgspec.json.encode(said).decode()


def _triggering(alarm: Alarm) -> list[dict[str, Any]]:
    found = describing.parsed(alarm.reason_json or "{}")
    listed = found.get("triggeringAlarms", ()) if isinstance(found, dict) else ()
    return [{"Arn": one["arn"], "State": {"Value": one["state"]["value"], "Timestamp": one["state"]["timestamp"]}} for one in listed]


def _trigger(alarm: Alarm) -> dict[str, Any]:
    said: dict[str, Any] = _one(alarm.queries[0]) if alarm.single else {}
    said |= {
        "Period": alarm.period_s,
        "EvaluationPeriods": alarm.evaluation_periods,
        "DatapointsToAlarm": alarm.datapoints or alarm.evaluation_periods,
        "ComparisonOperator": alarm.comparison,
    }
    if alarm.threshold_id is not None:
        said["ThresholdMetricId"] = alarm.threshold_id
    else:
        said["Threshold"] = alarm.threshold
    said |= {"TreatMissingData": alarm.missing or "missing", "EvaluateLowSampleCountPercentile": alarm.low_sample or ""}
    if not alarm.single:
        said["Metrics"] = [_listed(query) for query in alarm.queries]
    return said


def _one(query: Query) -> dict[str, Any]:
    simple = query.stat in SIMPLE
    return {
        "MetricName": query.name,
        "Namespace": query.namespace,
        "StatisticType": "Statistic" if simple else "ExtendedStatistic",
        "Statistic" if simple else "ExtendedStatistic": _UPPER.get(query.stat, query.stat.upper()) if simple else query.stat,
        "Unit": query.unit,
        "Dimensions": [{"value": value, "name": name} for name, value in query.dimensions],
    }


def _listed(query: Query) -> dict[str, Any]:
    if query.expression:
        return {"Expression": query.expression, "Id": query.id, "Label": query.label, "ReturnData": query.returned}
    metric = {
        "Dimensions": [{"value": value, "name": name} for name, value in query.dimensions],
        "MetricName": query.name,
        "Namespace": query.namespace,
    }
    stat = {"Metric": metric, "Period": query.period_s, "Stat": query.stat}
    return {"Id": query.id, "Label": query.label, "MetricStat": stat, "ReturnData": query.returned}


def payload(alarm: Alarm, before: Alarm) -> str:
    """To a function."""
    said = {
        "source": "aws.cloudwatch",
        "alarmArn": describing.arn_of(alarm),
        "accountId": alarm.account,
        "time": instant(alarm.updated_at_ms),
        "region": alarm.region,
        "alarmData": {
            "alarmName": alarm.name,
            "state": describing.state(alarm),
            "previousState": describing.state(before),
            "configuration": describing.configuration(alarm),
        },
    }
    return msgspec.json.encode(said).decode()
