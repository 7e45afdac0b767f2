"""Alarms, mute rules, dashboards, anomaly detectors and metric streams as CloudFormation has them."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.resource_types import (
    Naming,
    Part,
    Properties,
    ResourceType,
    absent,
    every,
    exists,
    found,
    given,
    pairs,
    tags,
    unpaired,
)
from fogbank.services.cloudwatch.wording import instant

_ACTIONS = ("ActionsEnabled", "AlarmActions", "AlarmDescription", "InsufficientDataActions", "OKActions")
_ALARM = (
    *_ACTIONS,
    "ComparisonOperator",
    "DatapointsToAlarm",
    "Dimensions",
    "EvaluateLowSampleCountPercentile",
    "EvaluationPeriods",
    "ExtendedStatistic",
    "MetricName",
    "Metrics",
    "Namespace",
    "Period",
    "Statistic",
    "Threshold",
    "ThresholdMetricId",
    "TreatMissingData",
    "Unit",
    "WarmUpConfiguration",
)
_COMPOSITE = (*_ACTIONS, "ActionsSuppressor", "ActionsSuppressorExtensionPeriod", "ActionsSuppressorWaitPeriod", "AlarmRule")
_STREAM = ("ExcludeFilters", "FirehoseArn", "IncludeFilters", "OutputFormat", "RoleArn", "StatisticsConfigurations")
_MUTE = ("Description", "ExpireDate", "MuteTargets", "Rule", "StartDate")


def _labels(arn_of: Any) -> Part:
    """Tags, by the ARN of what has them."""
    return tags(
        read=lambda ctx, name: pairs(ctx.call("cloudwatch", "ListTagsForResource", {"ResourceARN": arn_of(ctx, name)})["Tags"]),
        add=lambda ctx, name, added: ctx.call("cloudwatch", "TagResource", {"ResourceARN": arn_of(ctx, name), "Tags": unpaired(added)}),
        remove=lambda ctx, name, keys: ctx.call("cloudwatch", "UntagResource", {"ResourceARN": arn_of(ctx, name), "TagKeys": keys}),
    )


def _tagged(properties: Properties) -> dict[str, Any]:
    return {"Tags": properties["Tags"]} if properties.get("Tags") else {}


def _shown(answer: Any, names: tuple[str, ...]) -> Properties:
    """The properties that an answer has; what is empty is not there."""
    return {name: answer[name] for name in names if answer.get(name) not in (None, [], "")}


# Alarms


def _alarm_type(kind: str, operation: str, names: tuple[str, ...]) -> ResourceType:
    type_name = f"AWS::CloudWatch::{kind.removeprefix('Metric') if kind == 'MetricAlarm' else kind}"
    what = f"{kind}s"

    def look(ctx: Context, name: str) -> Any:
        asked = {"AlarmNames": [name], "AlarmTypes": [kind]}
        listed = ctx.call("cloudwatch", "DescribeAlarms", asked)[what]
        if not listed:
            raise absent(type_name, name)
        return listed[0]

    def create(ctx: Context, properties: Properties) -> str:
        name: str = properties["AlarmName"]
        if found(lambda: look(ctx, name), "Absent"):
            raise exists(type_name, name)
        members = given(**{member: properties.get(member) for member in names})
        ctx.call("cloudwatch", operation, {"AlarmName": name, **members, **_tagged(properties)})
        return name

    def read(ctx: Context, name: str) -> Properties:
        answer = look(ctx, name)
        return {"AlarmName": name, "Arn": answer["AlarmArn"], **_shown(answer, names)}

    def put(ctx: Context, name: str, before: Properties, after: Properties) -> None:
        members = given(**{member: after.get(member) for member in names})
        ctx.call("cloudwatch", operation, {"AlarmName": name, **members})

    def delete(ctx: Context, name: str, properties: Properties) -> None:
        look(ctx, name)
        ctx.call("cloudwatch", "DeleteAlarms", {"AlarmNames": [name]})

    return ResourceType(
        type_name,
        create=create,
        made_with=("AlarmName", "Tags", *names),
        read=read,
        delete=delete,
        list=lambda ctx: [one["AlarmName"] for one in every(ctx, "cloudwatch", "DescribeAlarms", {"AlarmTypes": [kind]}, what)],
        parts=(Part(names, put), _labels(lambda ctx, name: ctx.arn(f"alarm:{name}", service="cloudwatch"))),
        naming=Naming("AlarmName", 255),
        absent=("Absent", "ResourceNotFound", "ResourceNotFoundException"),
        present=("Present",),
    )


# Mute rules


def _mute_name(arn: str) -> str:
    return arn.partition(":alarm-mute-rule:")[2] or arn


def _read_mute(ctx: Context, arn: str) -> Properties:
    answer = ctx.call("cloudwatch", "GetAlarmMuteRule", {"AlarmMuteRuleName": _mute_name(arn)})
    dates = {name: instant(answer[name]) for name in ("ExpireDate", "StartDate") if answer.get(name)}
    shown = _shown(answer, ("Name", "Description", "Rule", "MuteTargets", "Status", "MuteType"))
    return {**shown, **dates, "Arn": arn, "LastUpdatedTimestamp": instant(answer["LastUpdatedTimestamp"])}


def _put_mute(ctx: Context, arn: str, before: Properties, after: Properties) -> None:
    members = given(**{member: after.get(member) for member in _MUTE})
    ctx.call("cloudwatch", "PutAlarmMuteRule", {"Name": _mute_name(arn), **members})


def _create_mute(ctx: Context, properties: Properties) -> str:
    name = properties["Name"]
    arn = ctx.arn(f"alarm-mute-rule:{name}", service="cloudwatch")
    if found(lambda: _read_mute(ctx, arn), "ResourceNotFoundException"):
        raise exists("AWS::CloudWatch::AlarmMuteRule", arn)
    members = given(**{member: properties.get(member) for member in _MUTE})
    ctx.call("cloudwatch", "PutAlarmMuteRule", {"Name": name, **members, **_tagged(properties)})
    return arn


def _delete_mute(ctx: Context, arn: str, properties: Properties) -> None:
    _read_mute(ctx, arn)
    ctx.call("cloudwatch", "DeleteAlarmMuteRule", {"AlarmMuteRuleName": _mute_name(arn)})


def _mutes(ctx: Context) -> list[str]:
    return [one["AlarmMuteRuleArn"] for one in every(ctx, "cloudwatch", "ListAlarmMuteRules", {}, "AlarmMuteRuleSummaries")]


# Dashboards


def _read_dashboard(ctx: Context, name: str) -> Properties:
    answer = ctx.call("cloudwatch", "GetDashboard", {"DashboardName": name})
    return {"DashboardName": name, "DashboardBody": answer["DashboardBody"]}


def _create_dashboard(ctx: Context, properties: Properties) -> str:
    name: str = properties["DashboardName"]
    if found(lambda: _read_dashboard(ctx, name), "DashboardNotFoundError"):
        raise exists("AWS::CloudWatch::Dashboard", name)
    body = {"DashboardName": name, "DashboardBody": properties["DashboardBody"]}
    ctx.call("cloudwatch", "PutDashboard", {**body, **_tagged(properties)})
    return name


# Anomaly detectors: AWS has no handlers for them, stacks make them by the service itself

_DETECTED = (
    "Dimensions",
    "MetricName",
    "Namespace",
    "Stat",
    "SingleMetricAnomalyDetector",
    "MetricMathAnomalyDetector",
    "MetricCharacteristics",
)


def _configured(properties: Properties) -> dict[str, Any]:
    configuration = properties.get("Configuration")
    if configuration is None:
        return {}
    return {"Configuration": {("MetricTimezone" if k == "MetricTimeZone" else k): v for k, v in configuration.items()}}


def _create_detector(ctx: Context, properties: Properties) -> str:
    members = given(**{member: properties.get(member) for member in _DETECTED})
    made: str = ctx.call("cloudwatch", "PutAnomalyDetector", {**members, **_configured(properties)})["AnomalyDetectorId"]
    return made


def _read_detector(ctx: Context, identifier: str) -> Properties:
    listed = ctx.call("cloudwatch", "DescribeAnomalyDetectors", {"AnomalyDetectorIds": [identifier]})["AnomalyDetectors"]
    if not listed:
        raise absent("AWS::CloudWatch::AnomalyDetector", identifier)
    return {"Id": identifier}


def _put_detector(ctx: Context, identifier: str, before: Properties, after: Properties) -> None:
    members = given(**{member: after.get(member) for member in _DETECTED})
    ctx.call("cloudwatch", "PutAnomalyDetector", {**members, **_configured(after)})


# Metric streams


def _read_stream(ctx: Context, name: str) -> Properties:
    answer = ctx.call("cloudwatch", "GetMetricStream", {"Name": name})
    dates = {name: instant(answer[name]) for name in ("CreationDate", "LastUpdateDate")}
    return {**_shown(answer, ("Arn", "Name", "State", *_STREAM)), **dates}


def _put_stream(ctx: Context, name: str, before: Properties, after: Properties) -> None:
    ctx.call("cloudwatch", "PutMetricStream", {"Name": name, **given(**{member: after.get(member) for member in _STREAM})})


def _create_stream(ctx: Context, properties: Properties) -> str:
    name: str = properties["Name"]
    if found(lambda: _read_stream(ctx, name), "ResourceNotFoundException"):
        raise exists("AWS::CloudWatch::MetricStream", name)
    members = given(**{member: properties.get(member) for member in _STREAM})
    ctx.call("cloudwatch", "PutMetricStream", {"Name": name, **members, **_tagged(properties)})
    return name


def _delete_stream(ctx: Context, name: str, properties: Properties) -> None:
    _read_stream(ctx, name)
    ctx.call("cloudwatch", "DeleteMetricStream", {"Name": name})


TYPES = (
    _alarm_type("MetricAlarm", "PutMetricAlarm", _ALARM),
    _alarm_type("CompositeAlarm", "PutCompositeAlarm", _COMPOSITE),
    ResourceType(
        "AWS::CloudWatch::AlarmMuteRule",
        create=_create_mute,
        made_with=("Name", "Tags", *_MUTE),
        read=_read_mute,
        delete=_delete_mute,
        list=_mutes,
        parts=(Part(_MUTE, _put_mute), _labels(lambda ctx, arn: arn)),
        naming=Naming("Name", 255),
        absent=("ResourceNotFoundException",),
        present=("Present",),
    ),
    ResourceType(
        "AWS::CloudWatch::Dashboard",
        create=_create_dashboard,
        made_with=("DashboardName", "DashboardBody", "Tags"),
        read=_read_dashboard,
        delete=lambda ctx, name, properties: ctx.call("cloudwatch", "DeleteDashboards", {"DashboardNames": [name]}),
        list=lambda ctx: [one["DashboardName"] for one in every(ctx, "cloudwatch", "ListDashboards", {}, "DashboardEntries")],
        parts=(
            Part(
                ("DashboardBody",),
                lambda ctx, name, before, after: ctx.call(
                    "cloudwatch", "PutDashboard", {"DashboardName": name, "DashboardBody": after["DashboardBody"]}
                ),
            ),
            _labels(lambda ctx, name: ctx.arn(f"dashboard/{name}", service="cloudwatch", region="")),
        ),
        naming=Naming("DashboardName", 255),
        absent=("DashboardNotFoundError", "ResourceNotFoundException"),
        present=("Present",),
    ),
    ResourceType(
        "AWS::CloudWatch::AnomalyDetector",
        create=_create_detector,
        made_with=(*_DETECTED, "Configuration"),
        read=_read_detector,
        delete=lambda ctx, identifier, properties: ctx.call("cloudwatch", "DeleteAnomalyDetector", {"AnomalyDetectorId": identifier}),
        parts=(Part(("Configuration",), _put_detector),),
        absent=("Absent", "ResourceNotFoundException"),
    ),
    ResourceType(
        "AWS::CloudWatch::MetricStream",
        create=_create_stream,
        made_with=("Name", "Tags", *_STREAM),
        read=_read_stream,
        delete=_delete_stream,
        list=lambda ctx: [one["Name"] for one in every(ctx, "cloudwatch", "ListMetricStreams", {}, "Entries")],
        parts=(
            Part(_STREAM, _put_stream),
            _labels(lambda ctx, name: ctx.arn(f"metric-stream/{name}", service="cloudwatch")),
        ),
        naming=Naming("Name", 255),
        absent=("ResourceNotFoundException",),
        present=("Present",),
    ),
)
