"""Targets of other kinds than queues, and what EventBridge measures."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from fogbank.testing.cloud import ACCOUNT, Cloud

from .conftest import Queue, make_role, put, rule_to

HERE = f"us-east-1:{ACCOUNT}"


def error(letter: dict[str, Any]) -> str:
    code: str = letter["MessageAttributes"]["ERROR_CODE"]["StringValue"]
    return code


def test_sns(cloud: Cloud, events: Any, make_queue: Callable[..., Queue]) -> None:
    """A topic takes events where its policy lets EventBridge publish."""
    sns, queue, dead = cloud.client("sns"), make_queue("q", open_=False), make_queue("dead")
    topic = sns.create_topic(Name="t")["TopicArn"]
    statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue.arn}
    queue.sqs.set_queue_attributes(
        QueueUrl=queue.url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}
    )
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn, Attributes={"RawMessageDelivery": "true"})
    rule_to(events, topic, DeadLetterConfig={"Arn": dead.arn})
    put(events)
    assert error(dead.messages()[0]) == "NO_PERMISSIONS"
    allowed = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sns:Publish", "Resource": topic}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=document)
    id = put(events)["EventId"]
    assert [event["id"] for event in queue.bodies()] == [id]


def test_logs(cloud: Cloud, events: Any) -> None:
    """A log group takes events where a resource policy lets EventBridge write; each has a stream of its own."""
    logs = cloud.client("logs")
    logs.create_log_group(logGroupName="/aws/events/shop")
    group = f"arn:aws:logs:{HERE}:log-group:/aws/events/shop"
    rule_to(events, group)
    put(events)
    assert logs.filter_log_events(logGroupName="/aws/events/shop")["events"] == []
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]},
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": f"{group}:*",
    }
    logs.put_resource_policy(policyName="p", policyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    id = put(events)["EventId"]
    cloud.settle()
    found = logs.filter_log_events(logGroupName="/aws/events/shop")["events"]
    assert [json.loads(one["message"])["id"] for one in found] == [id]


def test_kinesis(cloud: Cloud, events: Any, make_queue: Callable[..., Queue]) -> None:
    """A stream is written as a role, under the event's id or what a path finds."""
    kinesis, dead = cloud.client("kinesis"), make_queue("dead")
    kinesis.create_stream(StreamName="s", ShardCount=1)
    cloud.advance(60)
    arn = f"arn:aws:kinesis:{HERE}:stream/s"
    role = make_role(cloud, "put", "events.amazonaws.com", ("kinesis:PutRecord", arn))
    rule_to(events, arn, RoleArn=role, KinesisParameters={"PartitionKeyPath": "$.detail.id"}, DeadLetterConfig={"Arn": dead.arn})
    put(events, detail={"id": "k"})
    shard = kinesis.list_shards(StreamName="s")["Shards"][0]["ShardId"]
    place = kinesis.get_shard_iterator(StreamName="s", ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    records = kinesis.get_records(ShardIterator=place)["Records"]
    assert [(record["PartitionKey"], json.loads(record["Data"])["detail"]) for record in records] == [("k", {"id": "k"})]
    cloud.client("iam").delete_role_policy(RoleName="put", PolicyName="it")
    put(events)
    assert error(dead.messages()[0]) == "NO_PERMISSIONS"


def test_firehose(cloud: Cloud, events: Any) -> None:
    """A delivery stream is written as a role."""
    s3, firehose = cloud.client("s3"), cloud.client("firehose")
    s3.create_bucket(Bucket="bucket")
    into = make_role(cloud, "into", "firehose.amazonaws.com", ("s3:*", "*"))
    firehose.create_delivery_stream(
        DeliveryStreamName="f",
        ExtendedS3DestinationConfiguration={
            "RoleARN": into,
            "BucketARN": "arn:aws:s3:::bucket",
            "BufferingHints": {"IntervalInSeconds": 60, "SizeInMBs": 1},
        },
    )
    cloud.advance(60)
    arn = f"arn:aws:firehose:{HERE}:deliverystream/f"
    role = make_role(cloud, "put", "events.amazonaws.com", ("firehose:PutRecord", arn))
    rule_to(events, arn, RoleArn=role)
    id = put(events)["EventId"]
    cloud.advance(61)
    key = s3.list_objects_v2(Bucket="bucket")["Contents"][0]["Key"]
    assert json.loads(s3.get_object(Bucket="bucket", Key=key)["Body"].read())["id"] == id


def test_metrics(cloud: Cloud, events: Any, queue: Queue, make_queue: Callable[..., Queue]) -> None:
    """What matched, was invoked and failed is measured."""
    rule_to(events, queue)
    events.create_event_bus(Name="b")
    rule_to(events, make_queue("closed", open_=False), bus="b")
    put(events)
    put(events)
    put(events, source="other")
    put(events, EventBusName="b")
    cloud.settle()

    def total(name: str, **dimensions: str) -> float:
        now = datetime.fromtimestamp(cloud.now_ms / 1000, UTC)
        found = cloud.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Events",
            MetricName=name,
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(hours=1),
            Period=7200,
            Statistics=["Sum"],
        )["Datapoints"]
        return sum(point["Sum"] for point in found)

    for name in ("MatchedEvents", "TriggeredRules", "Invocations"):
        assert total(name, RuleName="rule") == 2, name
    assert total("FailedInvocations", RuleName="rule") == 0
    assert total("FailedInvocations", EventBusName="b", RuleName="rule") == 1


def test_lambda(cloud: Cloud, events: Any, make_queue: Callable[..., Queue]) -> None:
    """A function is invoked asynchronously where its policy lets EventBridge, for this rule."""
    lam, dead, done = cloud.client("lambda"), make_queue("dead"), make_queue("done")
    role = make_role(cloud, "run", "lambda.amazonaws.com", ("sqs:SendMessage", done.arn))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("f.py", "def handler(event, context):\n    return event['id']\n")
    made = {"FunctionName": "f", "Runtime": "python3.11", "Role": role, "Handler": "f.handler", "Timeout": 60}
    arn = lam.create_function(**made, Code={"ZipFile": archive.getvalue()})["FunctionArn"]
    lam.put_function_event_invoke_config(FunctionName="f", DestinationConfig={"OnSuccess": {"Destination": done.arn}})
    rule = rule_to(events, arn, DeadLetterConfig={"Arn": dead.arn})
    put(events)
    assert error(dead.messages()[0]) == "NO_PERMISSIONS"
    lam.add_permission(FunctionName="f", StatementId="s", Action="lambda:InvokeFunction", Principal="events.amazonaws.com", SourceArn=rule)
    id = put(events)["EventId"]
    assert dead.messages() == []
    assert [body["responsePayload"] for body in done.bodies()] == [id]
