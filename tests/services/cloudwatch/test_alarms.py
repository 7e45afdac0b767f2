"""Alarms evaluate by the clock, change their states, and say so."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

ARN = "arn:aws:cloudwatch:us-east-1:000000000000:alarm:"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def alarm(cw: Any) -> Callable[..., str]:
    """Makes an alarm on the sum of N/M above 5 in one minute."""

    def call(name: str = "a", **more: Any) -> str:
        members = {
            "AlarmName": name,
            "Namespace": "N",
            "MetricName": "M",
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 5.0,
            "ComparisonOperator": "GreaterThanThreshold",
            **more,
        }
        cw.put_metric_alarm(**{k: v for k, v in members.items() if v is not None})
        return name

    return call


@pytest.fixture
def state(cloud: Any, cw: Any) -> Callable[..., str]:
    def call(name: str = "a", kind: str = "MetricAlarm") -> str:
        cloud.settle()
        (found,) = cw.describe_alarms(AlarmNames=[name], AlarmTypes=[kind])[f"{kind}s"]
        value: str = found["StateValue"]
        return value

    return call


@pytest.fixture
def updates(cw: Any) -> Callable[..., list[str]]:
    """The changes of state in an alarm's history, oldest first."""

    def call(name: str = "a") -> list[str]:
        found = cw.describe_alarm_history(AlarmName=name, HistoryItemType="StateUpdate", ScanBy="TimestampAscending")
        return [item["HistorySummary"].removeprefix("Alarm updated from ") for item in found["AlarmHistoryItems"]]

    return call


def test_an_alarm_follows_its_metric(cloud: Any, cw: Any, put: Any, alarm: Any, state: Any, updates: Any) -> None:
    """A new alarm has insufficient data; it goes into ALARM when a period breaches, and back to OK."""
    alarm()
    assert state() == "INSUFFICIENT_DATA"
    put(6)
    cloud.advance(60)
    assert state() == "ALARM"
    (found,) = cw.describe_alarms()["MetricAlarms"]
    at = found["StateUpdatedTimestamp"]
    assert found["StateReason"] == (
        f"Threshold Crossed: 1 out of the last 1 datapoints [6.0 ({at - MINUTE:%d/%m/%y %H:%M:%S})] was greater than the threshold (5.0)"
        " (minimum 1 datapoint for OK -> ALARM transition)."
    )
    data = json.loads(found["StateReasonData"])
    assert data["recentDatapoints"] == [6.0]
    assert (data["statistic"], data["period"], data["threshold"]) == ("Sum", 60, 5.0)
    put(1)
    cloud.advance(60)
    assert state() == "OK"
    assert updates() == ["INSUFFICIENT_DATA to ALARM", "ALARM to OK"]


def test_m_out_of_n(cloud: Any, put: Any, alarm: Any, state: Any) -> None:
    """Two of the last three periods have to breach."""
    alarm(EvaluationPeriods=3, DatapointsToAlarm=2)
    seen = []
    for value in (1, 9, 1, 9, 1, 1, 1):
        put(value)
        cloud.advance(60)
        seen.append(state())
    assert seen == ["OK", "OK", "OK", "ALARM", "OK", "OK", "OK"] or seen == ["INSUFFICIENT_DATA", "OK", "OK", "ALARM", "OK", "OK", "OK"]


@pytest.mark.parametrize(
    ("missing", "then"), [("missing", "INSUFFICIENT_DATA"), ("ignore", "ALARM"), ("breaching", "ALARM"), ("notBreaching", "OK")]
)
def test_missing_data(cloud: Any, put: Any, alarm: Any, state: Any, missing: str, then: str) -> None:
    """When data stops, an alarm is what TreatMissingData says, after its evaluation range has passed."""
    alarm(TreatMissingData=missing)
    put(6)
    cloud.advance(60)
    assert state() == "ALARM"
    cloud.advance(600)
    assert state() == then


def test_long_jumps_miss_nothing(cloud: Any, put: Any, alarm: Any, state: Any, updates: Any, now: Any) -> None:
    """What would have been seen minute by minute is seen when the clock is moved by days, at the same instants."""
    alarm(TreatMissingData="notBreaching")
    alarm("b")
    for ahead in (0, 30, 31, 90):
        put(6, at=now() + ahead * MINUTE)
    cloud.advance(20 * 86400)
    assert updates() == ["INSUFFICIENT_DATA to OK", *["OK to ALARM", "ALARM to OK"] * 3]
    assert updates("b") == [
        "INSUFFICIENT_DATA to ALARM",
        *["ALARM to INSUFFICIENT_DATA", "INSUFFICIENT_DATA to ALARM"] * 2,
        "ALARM to INSUFFICIENT_DATA",
    ]
    put(6)
    cloud.advance(60)
    assert state() == state("b") == "ALARM"


def test_alarms_on_expressions(cloud: Any, cw: Any, put: Any, state: Any) -> None:
    """An alarm may watch an expression; what depends on nothing that is there is refused."""
    stat = {"Metric": {"Namespace": "N", "MetricName": "M"}, "Period": 60, "Stat": "Sum"}
    members = {"AlarmName": "a", "EvaluationPeriods": 1, "Threshold": 10, "ComparisonOperator": "GreaterThanOrEqualToThreshold"}
    metrics = [{"Id": "m1", "MetricStat": stat, "ReturnData": False}, {"Id": "e1", "Expression": "m1 * 2", "Label": "twice"}]
    cw.put_metric_alarm(**members, Metrics=metrics)
    put(5)
    cloud.advance(60)
    assert state() == "ALARM"
    (found,) = cw.describe_alarms()["MetricAlarms"]
    assert [m["Id"] for m in found["Metrics"]] == ["m1", "e1"]
    assert "MetricName" not in found
    cw.put_metric_alarm(**members, Metrics=[{"Id": "q1", "Expression": "SELECT MAX(M) FROM N", "Period": 60}])
    put(11)
    cloud.advance(60)
    assert state() == "ALARM"


@pytest.mark.parametrize(
    ("members", "code", "words"),
    [
        ({"Period": 45}, "ValidationError", "Period must be 10, 20, 30 or a multiple of 60"),
        ({"Statistic": None}, "ValidationError", "Exactly one of Statistic and ExtendedStatistic"),
        ({"EvaluationPeriods": 1441}, "ValidationError", "more than a day"),
        ({"DatapointsToAlarm": 2}, "ValidationError", "DatapointsToAlarm"),
        ({"TreatMissingData": "maybe"}, "ValidationError", "Option maybe is not supported."),
        ({"Threshold": None}, "ValidationError", "Threshold"),
        ({"Namespace": None}, "MissingParameter", "The parameter Namespace is required."),
        ({"AlarmActions": ["x"]}, "ValidationError", "Invalid arn syntax: x"),
        ({"AlarmActions": ["arn:aws:sns:eu-west-1:000000000000:t"]}, "ValidationError", "Invalid region eu-west-1"),
        ({"AlarmActions": ["arn:aws:automate:us-east-1:ec2:stop"]}, "NotImplemented", "with EC2 actions"),
        ({"OKActions": ["arn:aws:autoscaling:us-east-1:0:scalingPolicy:x"]}, "NotImplemented", "with Auto Scaling actions"),
        ({"EvaluationWindow": {"WallClockWindow": {}}}, "NotImplemented", "with a WallClockWindow"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "ValidationError", "ThresholdMetricId"),
    ],
)
def test_bad_alarms_are_refused(cw: Any, alarm: Any, refused: Any, members: Any, code: str, words: str) -> None:
    """What AWS does not take, or what Fogbank cannot carry out, makes no alarm."""
    got = refused(alarm, **members)
    assert got[0] == code
    assert words in got[1]
    assert cw.describe_alarms()["MetricAlarms"] == []


def test_percentiles_of_few_samples(cloud: Any, put: Any, alarm: Any, state: Any) -> None:
    """With `ignore`, a percentile of too few samples leaves the state as it is."""
    alarm(Statistic=None, ExtendedStatistic="p90", EvaluateLowSampleCountPercentile="ignore")
    alarm("b", Statistic=None, ExtendedStatistic="p90")
    put(9)
    cloud.advance(60)
    assert (state(), state("b")) == ("INSUFFICIENT_DATA", "ALARM")


def test_setting_a_state(cloud: Any, cw: Any, put: Any, alarm: Any, state: Any, refused: Any) -> None:
    """SetAlarmState holds until the next evaluation says otherwise."""
    alarm()
    put(1)
    cloud.advance(60)
    cw.set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="test", StateReasonData='{"a": 1}')
    assert state() == "ALARM"
    cloud.advance(60)
    assert state() == "OK"
    assert refused(cw.set_alarm_state, AlarmName="x", StateValue="OK", StateReason="")[0] == "ResourceNotFound"
    assert refused(cw.set_alarm_state, AlarmName="a", StateValue="OK", StateReason="", StateReasonData="{")[0] == "InvalidFormat"


def test_describing(cloud: Any, cw: Any, alarm: Any) -> None:
    """Alarms are found by name, prefix, state, action and metric, page by page, and are gone when they are deleted."""
    topic = "arn:aws:sns:us-east-1:000000000000:topic"
    for n in range(5):
        alarm(f"a{n}", AlarmActions=[topic] if n == 3 else [], Period=60 + 60 * (n % 2))
    names = lambda **by: [one["AlarmName"] for one in cw.describe_alarms(**by)["MetricAlarms"]]  # noqa: E731
    assert names(AlarmNamePrefix="a", StateValue="INSUFFICIENT_DATA") == ["a0", "a1", "a2", "a3", "a4"]
    assert names(AlarmNames=["a4", "a1", "x"]) == ["a1", "a4"]
    assert names(ActionPrefix="arn:aws:sns") == ["a3"]
    pages = cw.get_paginator("describe_alarms").paginate(PaginationConfig={"PageSize": 2})
    assert [[one["AlarmName"] for one in page["MetricAlarms"]] for page in pages] == [["a0", "a1"], ["a2", "a3"], ["a4"]]
    found = cw.describe_alarms_for_metric(Namespace="N", MetricName="M", Period=120)["MetricAlarms"]
    assert [one["AlarmName"] for one in found] == ["a1", "a3"]
    cw.delete_alarms(AlarmNames=["a0", "a1", "gone"])
    assert names() == ["a2", "a3", "a4"]
    items = cw.describe_alarm_history(AlarmName="a0")["AlarmHistoryItems"]
    assert [item["HistorySummary"] for item in items] == ['Alarm "a0" deleted', 'Alarm "a0" created']
    cloud.advance(40 * 86400)
    assert cw.describe_alarm_history(AlarmName="a0")["AlarmHistoryItems"] == []


def test_putting_again_keeps_the_state(cloud: Any, cw: Any, put: Any, alarm: Any, state: Any) -> None:
    """A new configuration leaves the state as it is, until it is evaluated."""
    alarm(TreatMissingData="ignore")
    put(6)
    cloud.advance(60)
    alarm(TreatMissingData="ignore", MetricName="Other", AlarmDescription="d", Tags=[{"Key": "k", "Value": "v"}])
    (found,) = cw.describe_alarms()["MetricAlarms"]
    assert (found["StateValue"], found["MetricName"], found["AlarmDescription"]) == ("ALARM", "Other", "d")
    assert cw.list_tags_for_resource(ResourceARN=ARN + "a")["Tags"] == []


def test_tags(cw: Any, alarm: Any, refused: Any) -> None:
    """Alarms are tagged when they are made, and later."""
    alarm(Tags=[{"Key": "k", "Value": "v"}])
    cw.tag_resource(ResourceARN=ARN + "a", Tags=[{"Key": "x", "Value": "y"}])
    cw.untag_resource(ResourceARN=ARN + "a", TagKeys=["k"])
    assert cw.list_tags_for_resource(ResourceARN=ARN + "a")["Tags"] == [{"Key": "x", "Value": "y"}]
    assert refused(cw.list_tags_for_resource, ResourceARN=ARN + "b")[0] == "ResourceNotFoundException"


# Composite alarms


@pytest.fixture
def composite(cw: Any) -> Callable[..., None]:
    def call(rule: str, name: str = "c", **more: Any) -> None:
        cw.put_composite_alarm(AlarmName=name, AlarmRule=rule, **more)

    return call


def set_state(cw: Any, name: str, value: str) -> None:
    cw.set_alarm_state(AlarmName=name, StateValue=value, StateReason="test")


def test_composite_alarms_follow_their_rules(cloud: Any, cw: Any, alarm: Any, composite: Any, state: Any) -> None:
    """A composite alarm is in ALARM while its rule holds, through other composite alarms too."""
    alarm("a", TreatMissingData="ignore")
    alarm("b", TreatMissingData="ignore")
    composite('ALARM("a") AND NOT ALARM(b)')
    composite(f'ALARM("{ARN}c") OR FALSE', "d")
    assert state("c", "CompositeAlarm") == "OK"
    set_state(cw, "a", "ALARM")
    assert (state("c", "CompositeAlarm"), state("d", "CompositeAlarm")) == ("ALARM", "ALARM")
    (found,) = cw.describe_alarms(AlarmNames=["c"], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    assert found["StateReason"].startswith(f"{ARN}a transitioned to ALARM at ")
    set_state(cw, "b", "ALARM")
    assert (state("c", "CompositeAlarm"), state("d", "CompositeAlarm")) == ("OK", "OK")
    assert [one["AlarmName"] for one in cw.describe_alarms(ChildrenOfAlarmName="c")["MetricAlarms"]] == ["a", "b"]
    assert [one["AlarmName"] for one in cw.describe_alarms(ParentsOfAlarmName="c")["CompositeAlarms"]] == ["d"]


def test_what_a_composite_alarm_needs_stays(cw: Any, alarm: Any, composite: Any, refused: Any) -> None:
    """A rule names alarms that are there, and those cannot be deleted; a rule that cannot be read is refused."""
    alarm()
    composite("OK(a)")
    code, message = refused(cw.delete_alarms, AlarmNames=["a"])
    assert (code, "depending on it" in message) == ("ValidationError", True)
    for rule, words in (("ALARM(x)", "do not exist"), ("ALARM(a) XOR OK(a)", "syntax is invalid"), ("BAD(a)", "syntax is invalid")):
        code, message = refused(composite, rule, "e")
        assert code == "ValidationError"
        assert words in message
    cw.delete_alarms(AlarmNames=["a", "c"])
    assert cw.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])["CompositeAlarms"] == []


def test_circles_end(cloud: Any, cw: Any, alarm: Any, composite: Any, state: Any) -> None:
    """Composite alarms that look at each other are evaluated once around."""
    alarm("a", TreatMissingData="ignore")
    composite("FALSE", "c")
    composite("ALARM(c) OR ALARM(a)", "d")
    composite("ALARM(d)", "c")
    set_state(cw, "a", "ALARM")
    assert state("c", "CompositeAlarm") == "ALARM"


def test_permissions(cloud: Any, cw: Any, alarm: Any, refused: Any) -> None:
    """Alarms are permitted by name and tag; PutMetricData by namespace."""
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    statements = [
        {"Effect": "Allow", "Action": ["cloudwatch:SetAlarmState", "cloudwatch:DeleteAlarms"], "Resource": ARN + "a*"},
        {
            "Effect": "Allow",
            "Action": "cloudwatch:PutMetricData",
            "Resource": "*",
            "Condition": {"StringEquals": {"cloudwatch:namespace": "N"}},
        },
        {
            "Effect": "Allow",
            "Action": "cloudwatch:DisableAlarmActions",
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:ResourceTag/team": "x"}},
        },
    ]
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    key = iam.create_access_key(UserName="u")["AccessKey"]
    user = cloud.client("cloudwatch", key["AccessKeyId"], key["SecretAccessKey"])
    alarm("a1")
    alarm("b1", Tags=[{"Key": "team", "Value": "x"}])
    user.set_alarm_state(AlarmName="a1", StateValue="OK", StateReason="")
    user.put_metric_data(Namespace="N", MetricData=[{"MetricName": "M", "Value": 1}])
    user.disable_alarm_actions(AlarmNames=["b1"])
    for call, members in (
        (user.set_alarm_state, {"AlarmName": "b1", "StateValue": "OK", "StateReason": ""}),
        (user.put_metric_data, {"Namespace": "O", "MetricData": [{"MetricName": "M", "Value": 1}]}),
        (user.delete_alarms, {"AlarmNames": ["a1", "b1"]}),
        (user.disable_alarm_actions, {"AlarmNames": ["a1"]}),
    ):
        assert refused(call, **members)[0] in ("AccessDenied", "AccessDeniedException")
    user.delete_alarms(AlarmNames=["a1"])
