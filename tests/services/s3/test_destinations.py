"""Where events go besides queues: topics, functions, EventBridge."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lambda_.conftest import ECHO, TRUST, zipped
from lambda_.stage import Stage

from fogbank.testing.cloud import ACCOUNT, Cloud

from .asking import refused
from .test_notifications import Queue

FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"
CREATED = ["s3:ObjectCreated:*"]


def put(s3: Any, bucket: str, **configuration: Any) -> None:
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)


def statement(resource: str, principal: str, action: str, bucket: str) -> str:
    """Lets a service do something, for S3 on behalf of a bucket."""
    condition = {"ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"}} if principal.startswith("s3") else {}
    one = {"Effect": "Allow", "Principal": {"Service": principal}, "Action": action, "Resource": resource, "Condition": condition}
    return json.dumps({"Version": "2012-10-17", "Statement": one})


@pytest.fixture
def topic(cloud: Cloud, bucket: str) -> tuple[str, Queue]:
    """A topic that S3 may publish to, and a queue that is subscribed to it."""
    sns = cloud.client("sns")
    arn: str = sns.create_topic(Name="t")["TopicArn"]
    sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=statement(arn, "s3.amazonaws.com", "sns:Publish", bucket))
    queue = Queue(cloud, "heard", open_=False)
    document = statement(queue.arn, "sns.amazonaws.com", "sqs:SendMessage", bucket)
    queue.sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"Policy": document})
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue.arn)
    return arn, queue


def test_a_topic(s3: Any, bucket: str, topic: tuple[str, Queue]) -> None:
    """It gets the test event and then each event, with S3's subject; what it has is shown."""
    arn, queue = topic
    put(s3, bucket, TopicConfigurations=[{"Id": "x", "TopicArn": arn, "Events": CREATED}])
    s3.put_object(Bucket=bucket, Key="a b", Body=b"x")
    test, event = queue.bodies()
    assert (test["Subject"], json.loads(test["Message"])["Event"]) == ("Amazon S3 Notification", "s3:TestEvent")
    [record] = json.loads(event["Message"])["Records"]
    assert (record["eventName"], record["s3"]["object"]["key"], record["s3"]["configurationId"]) == ("ObjectCreated:Put", "a+b", "x")
    assert s3.get_bucket_notification_configuration(Bucket=bucket)["TopicConfigurations"] == [
        {"Id": "x", "TopicArn": arn, "Events": CREATED}
    ]


@pytest.fixture
def function(cloud: Cloud) -> Stage:
    """A function that S3 may not invoke yet; what is invoked."""
    stage = Stage(cloud.house.loop)
    cloud.inner._workshop = stage
    role = cloud.client("iam").create_role(RoleName="run", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    cloud.client("lambda").create_function(
        FunctionName="f", Runtime="python3.12", Role=role, Handler="index.handler", Code={"ZipFile": zipped(index=ECHO)}
    )
    return stage


def let_in(cloud: Cloud, bucket: str) -> None:
    cloud.client("lambda").add_permission(
        FunctionName="f",
        StatementId="s3",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn=f"arn:aws:s3:::{bucket}",
        SourceAccount=ACCOUNT,
    )


def test_a_function(cloud: Cloud, s3: Any, bucket: str, function: Stage) -> None:
    """It is invoked with each event, and not with a test; S3 must be let in before."""
    wanted = [{"Id": "x", "LambdaFunctionArn": FUNCTION, "Events": CREATED}]
    error = refused(
        s3.put_bucket_notification_configuration, Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": wanted}
    )
    assert (error["Code"], error["ArgumentValue"]) == ("InvalidArgument", f"Not authorized to invoke function [{FUNCTION}]")
    let_in(cloud, bucket)
    put(s3, bucket, LambdaFunctionConfigurations=wanted)
    assert s3.get_bucket_notification_configuration(Bucket=bucket)["LambdaFunctionConfigurations"] == wanted
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    cloud.settle()
    [(_, invocation)] = function.invocations
    [record] = json.loads(invocation.payload)["Records"]
    assert (record["eventSource"], record["s3"]["object"]["key"]) == ("aws:s3", "k")


def test_what_is_not_there(cloud: Cloud, s3: Any, bucket: str, topic: tuple[str, Queue]) -> None:
    """Destinations that are absent, closed, elsewhere or FIFO are refused by their reason."""
    sns = cloud.client("sns")
    shut = sns.create_topic(Name="shut")["TopicArn"]
    fifo = sns.create_topic(Name="t.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    for arn, why in (
        (shut, "Permissions on the destination topic do not allow S3"),
        (shut + "x", "The destination topic does not exist"),
        (fifo, "FIFO topics are not supported"),
    ):
        configuration = {"TopicConfigurations": [{"TopicArn": arn, "Events": CREATED}]}
        error = refused(s3.put_bucket_notification_configuration, Bucket=bucket, NotificationConfiguration=configuration)
        assert why in error["ArgumentValue"]
    elsewhere = {"TopicConfigurations": [{"TopicArn": shut.replace("us-east-1", "eu-west-1"), "Events": CREATED}]}
    error = refused(s3.put_bucket_notification_configuration, Bucket=bucket, NotificationConfiguration=elsewhere)
    assert "destination service region is not valid" in error["Message"]
    none = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": FUNCTION, "Events": CREATED}]}
    error = refused(s3.put_bucket_notification_configuration, Bucket=bucket, NotificationConfiguration=none)
    assert error["ArgumentValue"] == "The destination Lambda function does not exist"


def test_event_bridge(cloud: Cloud, s3: Any, versioned: str) -> None:
    """Every event goes to the default bus, in EventBridge's shape, whatever else is configured."""
    events, queue = cloud.client("events"), Queue(cloud, "heard", open_=False)
    document = statement(queue.arn, "events.amazonaws.com", "sqs:SendMessage", versioned)
    queue.sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"Policy": document})
    events.put_rule(Name="r", EventPattern=json.dumps({"source": ["aws.s3"]}))
    events.put_targets(Rule="r", Targets=[{"Id": "q", "Arn": queue.arn}])
    put(s3, versioned, EventBridgeConfiguration={})
    assert s3.get_bucket_notification_configuration(Bucket=versioned)["EventBridgeConfiguration"] == {}
    answer = s3.put_object(Bucket=versioned, Key="a b", Body=b"hello")
    s3.put_object_tagging(Bucket=versioned, Key="a b", Tagging={"TagSet": []})
    s3.delete_object(Bucket=versioned, Key="a b")
    s3.delete_object(Bucket=versioned, Key="a b", VersionId=answer["VersionId"])
    told = sorted(queue.bodies(), key=lambda event: event["detail"]["object"]["sequencer"])
    assert [one["detail-type"] for one in told] == ["Object Created", "Object Tags Added", "Object Deleted", "Object Deleted"]
    made, _, hidden, gone = told
    assert (made["source"], made["account"], made["region"], made["resources"]) == (
        "aws.s3",
        ACCOUNT,
        "us-east-1",
        [f"arn:aws:s3:::{versioned}"],
    )
    detail = made["detail"]
    sequencer = detail["object"].pop("sequencer")
    assert len(sequencer) == 16
    assert detail == {
        "version": "0",
        "bucket": {"name": versioned},
        "object": {"key": "a b", "size": 5, "etag": answer["ETag"].strip('"'), "version-id": answer["VersionId"]},
        "request-id": answer["ResponseMetadata"]["RequestId"],
        "requester": ACCOUNT,
        "source-ip-address": "127.0.0.1",
        "reason": "PutObject",
    }
    assert (hidden["detail"]["deletion-type"], hidden["detail"]["reason"]) == ("Delete Marker Created", "DeleteObject")
    assert gone["detail"]["deletion-type"] == "Permanently Deleted"
    assert "size" not in gone["detail"]["object"]


def test_a_target_that_fails_does_not_hurt_the_writer(cloud: Cloud, s3: Any, bucket: str) -> None:
    """The write succeeds, and the event arrives when the queue takes it again."""
    queue = Queue(cloud)
    put(s3, bucket, QueueConfigurations=[{"QueueArn": queue.arn, "Events": CREATED}])
    queue.bodies()
    policy = queue.sqs.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["Policy"])["Attributes"]
    queue.sqs.set_queue_attributes(QueueUrl=queue.url, Attributes={"Policy": ""})
    s3.put_object(Bucket=bucket, Key="k")
    assert queue.bodies() == []
    queue.sqs.set_queue_attributes(QueueUrl=queue.url, Attributes=policy)
    cloud.advance(60)
    assert queue.names() == [("ObjectCreated:Put", "k")]


def test_all_kinds_at_once(cloud: Cloud, s3: Any, bucket: str, topic: tuple[str, Queue]) -> None:
    """No event of one key may go to two destinations, of whatever kind; EventBridge does not count."""
    arn, _ = topic
    queue = Queue(cloud)
    both = {
        "TopicConfigurations": [{"TopicArn": arn, "Events": CREATED}],
        "QueueConfigurations": [{"QueueArn": queue.arn, "Events": ["s3:ObjectCreated:Put"]}],
    }
    error = refused(s3.put_bucket_notification_configuration, Bucket=bucket, NotificationConfiguration=both)
    assert error["Code"] == "InvalidArgument"
    apart = {**both, "QueueConfigurations": [{"QueueArn": queue.arn, "Events": ["s3:ObjectRemoved:*"]}], "EventBridgeConfiguration": {}}
    put(s3, bucket, **apart)
    s3.put_object(Bucket=bucket, Key="k")
    s3.delete_object(Bucket=bucket, Key="k")
    assert queue.names() == [("ObjectRemoved:Delete", "k")]


def test_the_trace_goes_along(cloud: Cloud, s3: Any, bucket: str) -> None:
    """The X-Ray header of who wrote an object arrives at the queue."""
    sqs = cloud.client("sqs")
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:traced"
    policy = statement(arn, "s3.amazonaws.com", "sqs:SendMessage", bucket)
    url = sqs.create_queue(QueueName="traced", Attributes={"Policy": policy})["QueueUrl"]
    put(s3, bucket, QueueConfigurations=[{"QueueArn": arn, "Events": CREATED}])
    root = "1-5759e988-bd862e3fe1be46a994272793"

    def add(request: Any, **_: Any) -> None:
        request.headers["X-Amzn-Trace-Id"] = f"Root={root};Parent=53995c3f42cd8ad8;Sampled=1"

    s3.meta.events.register("before-sign.s3.PutObject", add)
    try:
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    finally:
        s3.meta.events.unregister("before-sign.s3.PutObject", add)
    cloud.settle()
    got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"])["Messages"]
    assert [one["Attributes"].get("AWSTraceHeader", "")[: len(root) + 5] for one in got][-1] == f"Root={root}"
