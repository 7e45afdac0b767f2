"""What alarms bring about: messages, invocations, events; and what holds them back."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import pytest

ARN = "arn:aws:cloudwatch:us-east-1:000000000000:alarm:"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:queue"


@pytest.fixture
def inbox(cloud: Any, cw: Any) -> Callable[[], list[dict[str, Any]]]:
    """A queue that is subscribed to the topic `topic`: what has arrived since the last look."""
    sqs, sns = cloud.client("sqs"), cloud.client("sns")
    url = sqs.create_queue(QueueName="queue")["QueueUrl"]
    topic = sns.create_topic(Name="topic")["TopicArn"]
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=QUEUE)

    def look() -> list[dict[str, Any]]:
        cloud.settle()
        found = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    return look


TOPIC = "arn:aws:sns:us-east-1:000000000000:topic"


def put_alarm(cw: Any, name: str = "a", **more: Any) -> None:
    members = {
        "AlarmName": name,
        "Namespace": "N",
        "MetricName": "M",
        "Dimensions": [{"Name": "d", "Value": "v"}],
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 5.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "ignore",
        **more,
    }
    cw.put_metric_alarm(**members)


def set_state(cw: Any, name: str, value: str) -> None:
    cw.set_alarm_state(AlarmName=name, StateValue=value, StateReason="test")


def test_a_message_to_a_topic(cloud: Any, cw: Any, put: Any, inbox: Any) -> None:
    """The topic gets the documented JSON under the documented subject, and the history says so."""
    put_alarm(cw, AlarmActions=[TOPIC], OKActions=[TOPIC], AlarmDescription="hello")
    put(6, dimensions={"d": "v"})
    cloud.advance(60)
    (envelope,) = inbox()
    assert envelope["Subject"] == 'ALARM: "a" in US East (N. Virginia)'
    message = json.loads(envelope["Message"])
    assert message["Trigger"] == {
        "MetricName": "M",
        "Namespace": "N",
        "StatisticType": "Statistic",
        "Statistic": "SUM",
        "Unit": None,
        "Dimensions": [{"value": "v", "name": "d"}],
        "Period": 60,
        "EvaluationPeriods": 1,
        "DatapointsToAlarm": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 5.0,
        "TreatMissingData": "ignore",
        "EvaluateLowSampleCountPercentile": "",
    }
    assert (message["AlarmName"], message["AlarmDescription"], message["AWSAccountId"]) == ("a", "hello", "000000000000")
    assert (message["OldStateValue"], message["NewStateValue"]) == ("INSUFFICIENT_DATA", "ALARM")
    assert message["AlarmArn"] == ARN + "a"
    (item,) = cw.describe_alarm_history(AlarmName="a", HistoryItemType="Action")["AlarmHistoryItems"]
    assert item["HistorySummary"] == f"Successfully executed action {TOPIC}"


def test_an_action_that_fails(cloud: Any, cw: Any) -> None:
    """A topic that is not there is a failed action in the history."""
    put_alarm(cw, AlarmActions=[TOPIC])
    set_state(cw, "a", "ALARM")
    cloud.settle()
    (item,) = cw.describe_alarm_history(AlarmName="a", HistoryItemType="Action")["AlarmHistoryItems"]
    assert item["HistorySummary"] == f"Failed to execute action {TOPIC}"
    assert json.loads(item["HistoryData"])["actionState"] == "Failed"


def test_a_function_is_invoked(cloud: Any, cw: Any) -> None:
    """A function gets the documented payload, once its policy lets lambda.alarms.cloudwatch.amazonaws.com in for the alarm."""
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = cloud.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    archive = BytesIO()
    with ZipFile(archive, "w") as file:
        file.writestr("index.py", "def handler(event, context): pass")
    lam = cloud.client("lambda")
    made = {"FunctionName": "f", "Runtime": "python3.12", "Role": role, "Handler": "index.handler"}
    function = lam.create_function(**made, Code={"ZipFile": archive.getvalue()})["FunctionArn"]
    lam.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)  # what is invoked waits: it need not run here
    put_alarm(cw, AlarmActions=[function], OKActions=[function])
    set_state(cw, "a", "ALARM")
    cloud.settle()
    lam.add_permission(
        FunctionName="f",
        StatementId="s",
        Action="lambda:InvokeFunction",
        Principal="lambda.alarms.cloudwatch.amazonaws.com",
        SourceAccount="000000000000",
        SourceArn=ARN + "a",
    )
    set_state(cw, "a", "OK")
    cloud.settle()
    items = cw.describe_alarm_history(AlarmName="a", HistoryItemType="Action", ScanBy="TimestampAscending")["AlarmHistoryItems"]
    said = [item["HistorySummary"] for item in items]
    assert said == [f"Failed to execute action {function}", f"Successfully executed action {function}"]
    payload = json.loads(json.loads(items[1]["HistoryData"])["publishedMessage"])
    assert (payload["source"], payload["alarmArn"], payload["accountId"]) == ("aws.cloudwatch", ARN + "a", "000000000000")
    data = payload["alarmData"]
    assert (data["alarmName"], data["state"]["value"], data["previousState"]["value"]) == ("a", "OK", "ALARM")
    assert data["configuration"]["metrics"][0]["metricStat"]["metric"]["name"] == "M"


def test_disabled_actions(cw: Any, inbox: Any) -> None:
    """Nothing is carried out while actions are disabled, nor afterwards for what was."""
    put_alarm(cw, AlarmActions=[TOPIC], OKActions=[TOPIC])
    cw.disable_alarm_actions(AlarmNames=["a"])
    set_state(cw, "a", "ALARM")
    cw.enable_alarm_actions(AlarmNames=["a"])
    assert inbox() == []
    set_state(cw, "a", "OK")
    assert [json.loads(one["Message"])["NewStateValue"] for one in inbox()] == ["OK"]


def test_events_on_the_default_bus(cloud: Any, cw: Any) -> None:
    """Every change of state, and of configuration, is an event of aws.cloudwatch."""
    sqs, events = cloud.client("sqs"), cloud.client("events")
    url = sqs.create_queue(QueueName="queue")["QueueUrl"]
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})})
    events.put_rule(Name="r", EventPattern=json.dumps({"source": ["aws.cloudwatch"]}))
    events.put_targets(Rule="r", Targets=[{"Id": "q", "Arn": QUEUE}])
    put_alarm(cw, AlarmDescription="hello")
    set_state(cw, "a", "ALARM")
    cloud.settle()
    found = {}
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            event = json.loads(message["Body"])
            found[event["detail-type"]] = event
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    event = found["CloudWatch Alarm State Change"]
    assert event["resources"] == [ARN + "a"]
    assert event["detail"]["alarmName"] == "a"
    assert (event["detail"]["state"]["value"], event["detail"]["previousState"]["value"]) == ("ALARM", "INSUFFICIENT_DATA")
    (metric,) = event["detail"]["configuration"]["metrics"]
    assert metric["metricStat"] == {"metric": {"namespace": "N", "name": "M", "dimensions": {"d": "v"}}, "period": 60, "stat": "Sum"}
    assert found["CloudWatch Alarm Configuration Change"]["detail"]["operation"] == "create"


def test_muting(cloud: Any, cw: Any, inbox: Any, now: Any, refused: Any) -> None:
    """While a mute rule is active nothing is carried out; what changed meanwhile is when it ends."""
    put_alarm(cw, AlarmActions=[TOPIC], OKActions=[TOPIC])
    put_alarm(cw, "b", AlarmActions=[TOPIC])
    at = now().strftime("at(%Y-%m-%dT%H:%M)")
    rule = {"Schedule": {"Expression": at, "Duration": "PT30M"}}
    cw.put_alarm_mute_rule(Name="r", Rule=rule, MuteTargets={"AlarmNames": ["a"]})
    assert cw.get_alarm_mute_rule(AlarmMuteRuleName="r")["Status"] == "ACTIVE"
    set_state(cw, "a", "ALARM")
    set_state(cw, "b", "ALARM")
    assert [json.loads(one["Message"])["AlarmName"] for one in inbox()] == ["b"]
    cloud.advance(1800)
    assert [json.loads(one["Message"])["AlarmName"] for one in inbox()] == ["a"]
    (listed,) = cw.list_alarm_mute_rules(AlarmName="a")["AlarmMuteRuleSummaries"]
    assert (listed["Status"], listed["MuteType"]) == ("EXPIRED", "ONE_TIME")
    daily = {"Schedule": {"Expression": "cron(0 2 * * *)", "Duration": "PT4H", "Timezone": "Europe/Berlin"}}
    cw.put_alarm_mute_rule(Name="r", Rule=daily, MuteTargets={"AlarmNames": ["a"]})
    assert cw.list_alarm_mute_rules(Statuses=["EXPIRED"])["AlarmMuteRuleSummaries"] == []
    cw.delete_alarm_mute_rule(AlarmMuteRuleName="r")
    assert refused(cw.get_alarm_mute_rule, AlarmMuteRuleName="r")[0] == "ResourceNotFoundException"
    for schedule in ({"Expression": "cron(x)", "Duration": "PT1H"}, {"Expression": at, "Duration": "P16D"}):
        assert refused(cw.put_alarm_mute_rule, Name="x", Rule={"Schedule": schedule})[0] == "ValidationError"


@pytest.fixture
def suppressed(cw: Any) -> None:
    """The composite alarm c follows a; s suppresses its actions."""
    put_alarm(cw, "a")
    put_alarm(cw, "s")
    cw.put_composite_alarm(
        AlarmName="c",
        AlarmRule="ALARM(a)",
        AlarmActions=[TOPIC],
        ActionsSuppressor="s",
        ActionsSuppressorWaitPeriod=120,
        ActionsSuppressorExtensionPeriod=180,
    )


def by(cloud: Any, cw: Any) -> str:
    cloud.settle()
    (found,) = cw.describe_alarms(AlarmNames=["c"], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    said: str = found.get("ActionsSuppressedBy", "")
    return said


@pytest.mark.usefixtures("suppressed")
def test_waiting_for_the_suppressor(cloud: Any, cw: Any, inbox: Any) -> None:
    """A composite alarm's actions wait for its suppressor, and are carried out when it does not come."""
    cloud.advance(120)
    set_state(cw, "a", "ALARM")
    assert (by(cloud, cw), inbox()) == ("WaitPeriod", [])
    cloud.advance(119)
    assert (by(cloud, cw), inbox()) == ("WaitPeriod", [])
    cloud.advance(1)
    assert by(cloud, cw) == ""
    (message,) = inbox()
    assert json.loads(message["Message"])["TriggeringChildren"][0]["Arn"] == ARN + "a"


@pytest.mark.usefixtures("suppressed")
def test_suppression_and_its_extension(cloud: Any, cw: Any, inbox: Any) -> None:
    """The suppressor in ALARM holds actions back, and for the extension period after it; then they follow if there is still a reason."""
    cloud.advance(120)
    set_state(cw, "a", "ALARM")
    set_state(cw, "s", "ALARM")
    cloud.advance(600)
    assert (by(cloud, cw), inbox()) == ("Alarm", [])
    set_state(cw, "s", "OK")
    assert by(cloud, cw) == "ExtensionPeriod"
    cloud.advance(180)
    assert by(cloud, cw) == ""
    assert len(inbox()) == 1
