"""Moving the clock far gives what moving it minute by minute gives, and costs little."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fogbank.gateway.pipeline import Gateway

HOURS = 3
OPEN = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}]}


def scene(cloud: Any) -> None:
    """Queues of each kind, with messages that are hidden, delayed and expire; alarms over them, one of them composite."""
    sqs, cw = cloud.client("sqs"), cloud.client("cloudwatch")
    urls = {
        name: sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        for name, attributes in (
            ("plain", {"MessageRetentionPeriod": "5400"}),
            ("late", {"DelaySeconds": "600"}),
            ("order.fifo", {"FifoQueue": "true", "ContentBasedDeduplication": "true"}),
        )
    }
    for name, url in urls.items():
        group = {"MessageGroupId": "g"} if name.endswith("fifo") else {}
        for body in "ab":
            sqs.send_message(QueueUrl=url, MessageBody=body, **group)
    for name in ("plain", "order.fifo"):
        sqs.receive_message(QueueUrl=urls[name], VisibilityTimeout=1234)
    for alarm, queue, metric, threshold in (
        ("old", "plain", "ApproximateAgeOfOldestMessage", 1800),
        ("many", "plain", "ApproximateNumberOfMessagesVisible", 1),
        ("ready", "late", "ApproximateNumberOfMessagesVisible", 1),
        ("hidden", "order.fifo", "ApproximateNumberOfMessagesNotVisible", 0),
    ):
        cw.put_metric_alarm(
            AlarmName=alarm,
            Namespace="AWS/SQS",
            MetricName=metric,
            Dimensions=[{"Name": "QueueName", "Value": queue}],
            Statistic="Maximum",
            Period=60,
            EvaluationPeriods=3,
            DatapointsToAlarm=2,
            Threshold=threshold,
            ComparisonOperator="GreaterThanThreshold",
        )
    cw.put_composite_alarm(AlarmName="both", AlarmRule="ALARM(old) AND NOT ALARM(hidden)")


def told(cloud: Any, begun_ms: int) -> list[Any]:
    """All that alarms and gauges say of it, by the time since it began."""
    cw = cloud.client("cloudwatch")
    kinds = ["MetricAlarm", "CompositeAlarm"]
    history = cw.describe_alarm_history(HistoryItemType="StateUpdate", AlarmTypes=kinds)["AlarmHistoryItems"]
    found: list[Any] = sorted((one["AlarmName"], one["HistorySummary"], one["Timestamp"].timestamp() * 1000 - begun_ms) for one in history)
    for metric in cw.list_metrics(Namespace="AWS/SQS")["Metrics"]:
        if not metric["MetricName"].startswith("Approximate"):
            continue
        points = cw.get_metric_statistics(
            **metric, StartTime=begun_ms / 1000, EndTime=cloud.now_ms / 1000 + 60, Period=60, Statistics=["Sum", "SampleCount"]
        )["Datapoints"]
        values = sorted((one["Timestamp"].timestamp() * 1000 - begun_ms, one["Sum"], one["SampleCount"]) for one in points)
        found.append((metric["MetricName"], metric["Dimensions"], values))
    return found


def test_a_jump_is_as_many_steps(house: Any) -> None:
    """The same gauges, and the same changes of alarms at the same instants."""
    seen = []
    for steps in (1, HOURS * 60):
        cloud = house.cloud()
        cloud.advance((3_600_000 - cloud.now_ms % 3_600_000 + 500) / 1000)
        begun_ms = cloud.now_ms
        scene(cloud)
        for _ in range(steps):
            cloud.advance(HOURS * 3600 / steps)
        seen.append(told(cloud, begun_ms))
        assert cloud.problems() == []
        cloud.close()
    assert seen[0] == seen[1]
    assert len([one for one in seen[0] if one[0] == "both"]) >= 2


def test_a_jump_is_few_tasks(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day over active queues and their alarms is some tasks for each of them, not one for each minute."""
    scene(cloud)
    carried_out: list[str] = []
    perform = Gateway.perform_task

    def perform_task(self: Any, there: Any, tx: Any, item: Any) -> Any:
        carried_out.append(item.task)
        return perform(self, there, tx, item)

    monkeypatch.setattr(Gateway, "perform_task", perform_task)
    cloud.advance(86_400)
    assert 5 < len(carried_out) < 150


def test_a_queue_that_rested_is_told_while_it_was_active(cloud: Any) -> None:
    """A message that comes at the end of a jump does not make the queue active for all of it: six hours after each, and not between."""
    day = 86_400
    cloud.advance(day - (cloud.now_ms // 1000 + 3 * 3600) % day)  # three hours before midnight, when rules of buckets are looked at
    sqs, s3, cw = (cloud.client(name) for name in ("sqs", "s3", "cloudwatch"))
    url = sqs.create_queue(QueueName="q", Attributes={"Policy": json.dumps(OPEN)})["QueueUrl"]
    s3.create_bucket(Bucket="bucket")
    rule = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 30}}
    s3.put_bucket_lifecycle_configuration(Bucket="bucket", LifecycleConfiguration={"Rules": [rule]})
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    told = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:LifecycleExpiration:*"]}]}
    s3.put_bucket_notification_configuration(Bucket="bucket", NotificationConfiguration=told)
    s3.put_object(Bucket="bucket", Key="k")
    begun_s = cloud.now_ms / 1000
    cloud.advance(40 * day)
    found = cw.get_metric_statistics(
        Namespace="AWS/SQS",
        MetricName="ApproximateNumberOfMessagesVisible",
        Dimensions=[{"Name": "QueueName", "Value": "q"}],
        StartTime=begun_s,
        EndTime=cloud.now_ms / 1000 + 60,
        Period=3600,
        Statistics=["SampleCount"],
    )["Datapoints"]
    assert 360 <= sum(one["SampleCount"] for one in found) <= 2 * 362
