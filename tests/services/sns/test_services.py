"""Functions, delivery streams, log groups and metrics: what SNS sends to other services."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lambda_.stage import Stage

from .conftest import ACCOUNT

FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"


@pytest.fixture
def stage(cloud: Any) -> Stage:
    """The cloud's workshop, for these tests."""
    made = Stage(cloud.house.loop)
    cloud.inner._workshop = made
    return made


@pytest.fixture
def make_role(cloud: Any) -> Any:
    """A role that a service may assume, with one statement."""
    iam = cloud.client("iam")

    def make(name: str, service: str, action: str | list[str]) -> str:
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        made: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust}))[
            "Role"
        ]["Arn"]
        statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement}))
        return made

    return make


@pytest.fixture
def function(cloud: Any, make_role: Any, stage: Stage) -> Any:
    """A function, into which nobody may come yet."""
    from lambda_.conftest import ECHO, zipped

    role = make_role("run", "lambda.amazonaws.com", "logs:*")
    cloud.client("lambda").create_function(
        FunctionName="f", Runtime="python3.12", Role=role, Handler="index.handler", Code={"ZipFile": zipped(index=ECHO)}
    )
    return FUNCTION


def let_in(cloud: Any, topic: str) -> None:
    cloud.client("lambda").add_permission(
        FunctionName="f", StatementId="sns", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com", SourceArn=topic
    )


def test_a_function_gets_a_record(cloud: Any, sns: Any, topic: str, function: str, stage: Stage) -> None:
    """AWS's event, of one record, as an asynchronous invocation; signed like all notifications."""
    from .test_http import verify

    let_in(cloud, topic)
    subscription = sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function)["SubscriptionArn"]
    attributes = {"a": {"DataType": "String", "StringValue": "x"}}
    message_id = sns.publish(TopicArn=topic, Message="m", MessageAttributes=attributes)["MessageId"]
    cloud.settle()
    [(_, invocation)] = stage.invocations
    [record] = json.loads(invocation.payload)["Records"]
    assert list(record) == ["EventSource", "EventVersion", "EventSubscriptionArn", "Sns"]
    assert (record["EventSource"], record["EventVersion"], record["EventSubscriptionArn"]) == ("aws:sns", "1.0", subscription)
    told = record["Sns"]
    names = ["Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "SignatureVersion", "Signature"]
    assert list(told) == [*names, "SigningCertUrl", "UnsubscribeUrl", "MessageAttributes"]
    assert (told["Subject"], told["Message"], told["MessageId"]) == (None, "m", message_id)
    assert told["MessageAttributes"] == {"a": {"Type": "String", "Value": "x"}}
    verify(cloud, {k: v for k, v in told.items() if v is not None} | {"SigningCertURL": told["SigningCertUrl"]})


def test_a_function_that_does_not_let_sns_in(
    cloud: Any, sns: Any, topic: str, function: str, stage: Stage, queue: Any, bodies: Any
) -> None:
    """Its messages go into the subscription's dead-letter queue."""
    url, arn = queue("dead")
    redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn})}
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function, Attributes=redrive)
    sns.publish(TopicArn=topic, Message="m")
    assert bodies(url) == ["m"]
    let_in(cloud, topic)
    sns.publish(TopicArn=topic, Message="n")
    cloud.settle()
    assert len(stage.invocations) == 1


def test_a_delivery_stream(cloud: Any, sns: Any, topic: str, make_role: Any, refused: Any) -> None:
    """One line of JSON for each message, put as the subscription's role."""
    cloud.client("s3").create_bucket(Bucket="lake")
    to_s3 = make_role("firehose", "firehose.amazonaws.com", "s3:*")
    destination = {"RoleARN": to_s3, "BucketARN": "arn:aws:s3:::lake", "BufferingHints": {"IntervalInSeconds": 60, "SizeInMBs": 1}}
    stream = cloud.client("firehose").create_delivery_stream(DeliveryStreamName="s", ExtendedS3DestinationConfiguration=destination)
    cloud.advance(60)
    given = {"TopicArn": topic, "Protocol": "firehose", "Endpoint": stream["DeliveryStreamARN"]}
    assert refused(sns.subscribe, **given)[0] == "InvalidParameter"
    role = make_role("sns", "sns.amazonaws.com", "firehose:PutRecord")
    sns.subscribe(**given, Attributes={"SubscriptionRoleArn": role})
    for message in ("a", "b"):
        sns.publish(TopicArn=topic, Message=message)
    cloud.advance(60)
    s3 = cloud.client("s3")
    [key] = [one["Key"] for one in s3.list_objects_v2(Bucket="lake")["Contents"]]
    lines = s3.get_object(Bucket="lake", Key=key)["Body"].read().decode().splitlines()
    assert [json.loads(line)["Message"] for line in lines] == ["a", "b"]


def test_delivery_status_is_logged(cloud: Any, sns: Any, topic: str, queue: Any, make_role: Any) -> None:
    """Successes and failures in log groups of their own, as the role that the topic names."""
    role = make_role("logs", "sns.amazonaws.com", "logs:*")
    for name, value in (("SuccessFeedbackRoleArn", role), ("SuccessFeedbackSampleRate", "100"), ("FailureFeedbackRoleArn", role)):
        sns.set_topic_attributes(TopicArn=topic, AttributeName=f"SQS{name}", AttributeValue=value)
    _, arn = queue()
    _, shut = queue("shut", allow=None)
    for endpoint in (arn, shut):
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=endpoint)
    message_id = sns.publish(TopicArn=topic, Message="m")["MessageId"]
    cloud.settle()
    logs = cloud.client("logs")
    for group, status, endpoint in (("", "SUCCESS", arn), ("/Failure", "FAILURE", shut)):
        [event] = logs.filter_log_events(logGroupName=f"sns/us-east-1/{ACCOUNT}/topic{group}")["events"]
        entry = json.loads(event["message"])
        assert (entry["status"], entry["delivery"]["destination"], entry["notification"]["messageId"]) == (status, endpoint, message_id)


def test_metrics(cloud: Any, sns: Any, topic: str, queue: Any) -> None:
    """What was published, delivered, filtered out and failed, by topic."""
    _, arn = queue()
    _, shut = queue("shut", allow=None)
    _, picky = queue("picky")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=shut)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=picky, Attributes={"FilterPolicy": '{"a": ["x"]}'})
    began = cloud.now_ms // 1000
    for _ in range(3):
        sns.publish(TopicArn=topic, Message="12345")
    cloud.settle()

    def total(name: str) -> float:
        found = cloud.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SNS",
            MetricName=name,
            Dimensions=[{"Name": "TopicName", "Value": "topic"}],
            StartTime=began - 60,
            EndTime=began + 60,
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        return sum(float(one["Sum"]) for one in found)

    assert total("NumberOfMessagesPublished") == 3
    assert total("PublishSize") == 15
    assert total("NumberOfNotificationsDelivered") == 3
    assert total("NumberOfNotificationsFailed") == 3
    assert total("NumberOfNotificationsFilteredOut") == 3
    assert total("NumberOfNotificationsFilteredOut-NoMessageAttributes") == 3


def test_the_trace_goes_along(cloud: Any, sns: Any, topic: str, queue: Any, received: Any) -> None:
    """A publisher's X-Ray header arrives with the message."""
    url, arn = queue()
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    root = "1-5759e988-bd862e3fe1be46a994272793"

    def add(request: Any, **_: Any) -> None:
        request.headers["X-Amzn-Trace-Id"] = f"Root={root};Parent=53995c3f42cd8ad8;Sampled=1"

    sns.meta.events.register("before-sign.sns.Publish", add)
    try:
        sns.publish(TopicArn=topic, Message="m")
    finally:
        sns.meta.events.unregister("before-sign.sns.Publish", add)
    [message] = received(url)
    assert message["Attributes"]["AWSTraceHeader"].startswith(f"Root={root}")


@pytest.mark.parametrize("tracing", ["Active", "PassThrough"])
def test_active_tracing(cloud: Any, sns: Any, topic: str, queue: Any, received: Any, tracing: str) -> None:
    """The topic has a segment of its own under the publisher's call, with a subsegment for each delivery; what it sends is under it."""
    url, arn = queue()
    sns.set_topic_attributes(TopicArn=topic, AttributeName="TracingConfig", AttributeValue=tracing)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:000000000000:none")
    root = f"1-{cloud.now_ms // 1000:08x}-bd862e3fe1be46a994272793"

    def add(request: Any, **_: Any) -> None:
        request.headers["X-Amzn-Trace-Id"] = f"Root={root};Parent=53995c3f42cd8ad8;Sampled=1"

    sns.meta.events.register("before-sign.sns.Publish", add)
    try:
        sns.publish(TopicArn=topic, Message="m")
    finally:
        sns.meta.events.unregister("before-sign.sns.Publish", add)
    [message] = received(url)
    [trace] = cloud.client("xray").batch_get_traces(TraceIds=[root])["Traces"]
    documents = [json.loads(segment["Document"]) for segment in trace["Segments"]]
    own = [one for one in documents if one.get("origin") == "AWS::SNS::Topic"]
    deliveries = [one for one in documents if one.get("type") == "subsegment" and one["aws"]["operation"] == "Deliver"]
    if tracing == "PassThrough":
        assert own == deliveries == []
        return
    assert [one["name"] for one in own] == ["topic"]
    assert own[0]["parent_id"] in [one["id"] for one in documents]
    assert f"Parent={own[0]['id']}" in message["Attributes"]["AWSTraceHeader"]
    assert {one["parent_id"] for one in deliveries} == {own[0]["id"]}
    assert sorted((one["name"], "cause" in one) for one in deliveries) == [("none", True), ("queue", False)]


def test_roles_are_passed(cloud: Any, sns: Any, topic: str, user: Any, make_role: Any, refused: Any) -> None:
    """Who gives SNS a role needs iam:PassRole for it; the role's trust policy may say for which topic."""
    role = make_role("sns", "sns.amazonaws.com", "firehose:PutRecord")
    limited = user("limited", {"Action": "sns:*", "Resource": "*"})
    stream = "arn:aws:firehose:us-east-1:000000000000:deliverystream/s"
    given = {"TopicArn": topic, "Protocol": "firehose", "Endpoint": stream, "Attributes": {"SubscriptionRoleArn": role}}
    assert "iam:PassRole" in refused(limited.subscribe, **given)[1]
    logged = {"TopicArn": topic, "AttributeName": "SQSFailureFeedbackRoleArn", "AttributeValue": role}
    assert "iam:PassRole" in refused(limited.set_topic_attributes, **logged)[1]
    sns.set_topic_attributes(**logged)
    limited.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="x")


def test_a_role_for_one_topic(cloud: Any, sns: Any, topic: str, queue: Any, make_role: Any) -> None:
    """A trust policy may say for which account and which topic SNS takes on a role."""
    _, arn = queue()
    role = make_role("log", "sns.amazonaws.com", "logs:*")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    for name, value in (("SQSSuccessFeedbackRoleArn", role), ("SQSSuccessFeedbackSampleRate", "100")):
        sns.set_topic_attributes(TopicArn=topic, AttributeName=name, AttributeValue=value)

    def groups(source: str) -> int:
        condition = {"StringEquals": {"aws:SourceArn": source, "aws:SourceAccount": "000000000000"}}
        statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sts:AssumeRole", "Condition": condition}
        document = json.dumps({"Version": "2012-10-17", "Statement": statement})
        cloud.client("iam").update_assume_role_policy(RoleName="log", PolicyDocument=document)
        sns.publish(TopicArn=topic, Message="m")
        cloud.settle()
        return len(cloud.client("logs").describe_log_groups(logGroupNamePrefix="sns/")["logGroups"])

    assert (groups(topic + "-other"), groups(topic)) == (0, 1)
