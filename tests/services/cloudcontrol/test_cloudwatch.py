"""AWS::CloudWatch::Alarm, CompositeAlarm, AlarmMuteRule, Dashboard, MetricStream."""

from __future__ import annotations

from typing import Any

from .conftest import ACCOUNT, Control

ALARM = "AWS::CloudWatch::Alarm"
COMPOSITE = "AWS::CloudWatch::CompositeAlarm"
MUTE = "AWS::CloudWatch::AlarmMuteRule"
DASHBOARD = "AWS::CloudWatch::Dashboard"
STREAM = "AWS::CloudWatch::MetricStream"
WANTED: dict[str, Any] = {
    "AlarmName": "a",
    "Namespace": "N",
    "MetricName": "M",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 5,
    "ComparisonOperator": "GreaterThanThreshold",
    "Tags": [{"Key": "a", "Value": "1"}],
}


def test_alarms(control: Control) -> None:
    """Alarms are made, changed, listed, deleted; composite ones by themselves."""
    assert control.create(ALARM, WANTED) == "a"
    found = control.read(ALARM, "a")
    assert found.items() >= WANTED.items()
    assert found["Arn"] == f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:a"
    found = control.update(ALARM, "a", ("replace", "/Threshold", 7), ("replace", "/Tags", [{"Key": "b", "Value": "2"}]))
    assert (found["Threshold"], found["Tags"]) == (7, [{"Key": "b", "Value": "2"}])
    assert control.refused(ALARM, WANTED)[0] == "AlreadyExists"
    assert control.create(COMPOSITE, {"AlarmName": "c", "AlarmRule": "ALARM(a)"}) == "c"
    assert control.update(COMPOSITE, "c", ("replace", "/AlarmRule", "OK(a)"))["AlarmRule"] == "OK(a)"
    assert (control.listed(ALARM), control.listed(COMPOSITE)) == (["a"], ["c"])
    control.delete(COMPOSITE, "c")
    control.delete(ALARM, "a")
    assert (control.listed(ALARM), control.listed(COMPOSITE)) == ([], [])


def test_mute_rules(control: Control) -> None:
    """A mute rule is named by its ARN."""
    control.create(ALARM, WANTED)
    rule = {"Schedule": {"Expression": "cron(0 2 * * *)", "Duration": "PT4H", "Timezone": "UTC"}}
    arn = control.create(MUTE, {"Name": "m", "Rule": rule, "MuteTargets": {"AlarmNames": ["a"]}})
    assert arn == f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm-mute-rule:m"
    assert control.read(MUTE, arn)["Rule"] == rule
    assert control.update(MUTE, arn, ("add", "/Description", "night"))["Description"] == "night"
    assert control.listed(MUTE) == [arn]
    control.delete(MUTE, arn)
    assert control.listed(MUTE) == []


def test_dashboards(control: Control) -> None:
    """A dashboard's body is replaced."""
    name = control.create(DASHBOARD, {"DashboardBody": '{"widgets": []}'})
    assert control.read(DASHBOARD, name)["DashboardBody"] == '{"widgets": []}'
    assert control.update(DASHBOARD, name, ("replace", "/DashboardBody", '{"widgets":[]}'))["DashboardBody"] == '{"widgets":[]}'
    control.delete(DASHBOARD, name)
    assert control.listed(DASHBOARD) == []


def test_metric_streams(control: Control) -> None:
    """A metric stream has its filters."""
    wanted = {
        "Name": "s",
        "FirehoseArn": f"arn:aws:firehose:us-east-1:{ACCOUNT}:deliverystream/d",
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/r",
        "OutputFormat": "json",
        "IncludeFilters": [{"Namespace": "N", "MetricNames": ["M"]}],
    }
    assert control.create(STREAM, wanted) == "s"
    assert control.read(STREAM, "s").items() >= {**wanted, "State": "running"}.items()
    found = control.update(STREAM, "s", ("remove", "/IncludeFilters"), ("add", "/ExcludeFilters", [{"Namespace": "O"}]))
    assert found["ExcludeFilters"] == [{"Namespace": "O"}]
    assert "IncludeFilters" not in found
    control.delete(STREAM, "s")
    assert control.listed(STREAM) == []
