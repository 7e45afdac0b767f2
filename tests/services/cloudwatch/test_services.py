"""What the services of the cloud measure of themselves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest


@pytest.fixture
def sums(cloud: Any, cw: Any, now: Any) -> Any:
    """A statistic of each minute with data in the last hours, oldest first."""

    def call(namespace: str, name: str, stat: str = "Sum", hours: float = 3, **dimensions: str) -> list[float]:
        cloud.settle()
        metric = {"Namespace": namespace, "MetricName": name, "Dimensions": [{"Name": k, "Value": v} for k, v in dimensions.items()]}
        query = {"Id": "m", "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}}
        end = now() + timedelta(minutes=1)
        answer = cw.get_metric_data(
            MetricDataQueries=[query], StartTime=end - timedelta(hours=hours), EndTime=end, ScanBy="TimestampAscending"
        )
        values: list[float] = answer["MetricDataResults"][0]["Values"]
        return values

    return call


def test_calls_are_counted(cloud: Any, cw: Any, sums: Any) -> None:
    """AWS/Usage has a CallCount for each operation that is called from outside."""
    sqs = cloud.client("sqs")
    for _ in range(3):
        sqs.list_queues()
    by = {"Type": "API", "Service": "SQS", "Resource": "ListQueues", "Class": "None"}
    assert sums("AWS/Usage", "CallCount", **by) == [3]


def test_a_queues_metrics(cloud: Any, cw: Any, sums: Any) -> None:
    """Sending, receiving and deleting are counted at once; what is in the queue is sampled each minute."""
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    for body in ("a", "abc"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=90)
    (message,) = sqs.receive_message(QueueUrl=url, VisibilityTimeout=100)["Messages"]
    queue = {"QueueName": "q"}
    assert sums("AWS/SQS", "NumberOfMessagesSent", **queue) == [3]
    assert sums("AWS/SQS", "SentMessageSize", "Maximum", **queue) == [5]
    assert sums("AWS/SQS", "NumberOfMessagesReceived", **queue) == [1]
    cloud.advance(180)
    for name, values in (
        ("ApproximateNumberOfMessagesVisible", [1, 3, 3]),
        ("ApproximateNumberOfMessagesNotVisible", [1, 0, 0]),
        ("ApproximateNumberOfMessagesDelayed", [1, 0, 0]),
        ("ApproximateAgeOfOldestMessage", [60, 120, 180]),
    ):
        assert sums("AWS/SQS", name, "Maximum", **queue) == values
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert sums("AWS/SQS", "NumberOfMessagesDeleted", **queue) == [1]
    other = sqs.create_queue(QueueName="other")["QueueUrl"]
    sqs.receive_message(QueueUrl=other)
    assert sums("AWS/SQS", "NumberOfEmptyReceives", QueueName="other") == [1]


def test_a_queue_is_sampled_while_it_is_active(cloud: Any, cw: Any, sums: Any) -> None:
    """For six hours since something last happened to it, however the clock was moved."""
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="a")
    cloud.advance(20 * 3600)
    values = sums("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", hours=24, QueueName="q")
    assert values == [60.0 * (n + 1) for n in range(360)]


def test_an_alarm_on_a_queue(cloud: Any, cw: Any) -> None:
    """An alarm on the age of the oldest message sees what is sampled while the clock is moved far."""
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    cw.put_metric_alarm(
        AlarmName="a",
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": "q"}],
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=600,
        ComparisonOperator="GreaterThanThreshold",
    )
    sqs.send_message(QueueUrl=url, MessageBody="a")
    begun = cloud.now_ms
    cloud.advance(86400)
    history = cw.describe_alarm_history(AlarmName="a", HistoryItemType="StateUpdate", ScanBy="TimestampAscending")["AlarmHistoryItems"]
    assert [item["HistorySummary"] for item in history] == [
        "Alarm updated from INSUFFICIENT_DATA to OK",
        "Alarm updated from OK to ALARM",
        "Alarm updated from ALARM to INSUFFICIENT_DATA",
    ]
    assert round(history[1]["Timestamp"].timestamp() - begun / 1000) // 60 == 12


def test_a_tables_metrics(cloud: Any, cw: Any, sums: Any, refused: Any) -> None:
    """Capacity that is used, latencies by operation, items returned, and what was refused."""
    dynamodb = cloud.client("dynamodb")
    for name, mode in (
        ("tab", {"BillingMode": "PAY_PER_REQUEST"}),
        ("pro", {"ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}),
    ):
        dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            **mode,
        )
    cloud.settle()
    for n in range(3):
        dynamodb.put_item(TableName="tab", Item={"k": {"S": str(n)}, "v": {"S": "x" * 1500}})
    dynamodb.get_item(TableName="tab", Key={"k": {"S": "0"}}, ConsistentRead=True)
    dynamodb.scan(TableName="tab")
    condition = {"ConditionExpression": "attribute_not_exists(k)"}
    assert refused(dynamodb.put_item, TableName="tab", Item={"k": {"S": "0"}}, **condition)[0] == "ConditionalCheckFailedException"
    assert refused(dynamodb.put_item, TableName="tab", Item={"x": {"S": "0"}})[0] == "ValidationException"
    throttled = 0
    for _ in range(2):
        try:
            dynamodb.put_item(TableName="pro", Item={"k": {"S": "0"}, "v": {"S": "x" * 200_000}})
        except dynamodb.exceptions.ProvisionedThroughputExceededException:
            throttled += 1
    table = {"TableName": "tab"}
    assert sums("AWS/DynamoDB", "ConsumedWriteCapacityUnits", **table) == [3 * 2 + 2]
    assert sums("AWS/DynamoDB", "ConsumedReadCapacityUnits", **table) == [1 + 1]
    assert sums("AWS/DynamoDB", "SuccessfulRequestLatency", "SampleCount", Operation="PutItem", **table) == [3]
    assert sums("AWS/DynamoDB", "SuccessfulRequestLatency", "Maximum", Operation="GetItem", **table)[0] > 0
    assert sums("AWS/DynamoDB", "ReturnedItemCount", Operation="Scan", **table) == [3]
    assert sums("AWS/DynamoDB", "ConditionalCheckFailedRequests", **table) == [1]
    assert sums("AWS/DynamoDB", "UserErrors") == [1]
    assert throttled == 1
    assert sums("AWS/DynamoDB", "ThrottledRequests", Operation="PutItem", TableName="pro") == [1]
    assert sums("AWS/DynamoDB", "WriteThrottleEvents", TableName="pro") == [1]
    assert sums("AWS/DynamoDB", "ProvisionedWriteCapacityUnits", "Maximum", TableName="pro") == [1]
