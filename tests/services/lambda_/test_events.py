"""Asynchronous events: retried, aged, recorded at destinations and in dead-letter queues."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import ACCOUNT, allow, arn
from .stage import Stage

FAILING = "def handler(event, context):\n    raise ValueError('no')"


@pytest.fixture
def queue(cloud: Any) -> Any:
    """Makes a queue: its ARN, and a function that gives the messages that are in it now."""
    sqs = cloud.client("sqs")

    def make(name: str) -> tuple[str, Any]:
        url = sqs.create_queue(QueueName=name)["QueueUrl"]

        def messages() -> list[Any]:
            got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get("Messages", [])
            return list(got)

        return f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}", messages

    return make


def test_an_event_is_taken_and_run(cloud: Any, lam: Any, create: Any, stage: Stage) -> None:
    """An event is answered with 202 at once, and run soon after with the request's id."""
    create("f")
    got = lam.invoke(FunctionName="f", InvocationType="Event", Payload=b'{"a": 1}')
    assert (got["StatusCode"], got["Payload"].read()) == (202, b"")
    cloud.settle()
    [(_, invocation)] = stage.invocations
    assert (invocation.payload, invocation.request_id) == (b'{"a": 1}', got["ResponseMetadata"]["RequestId"])
    lam.invoke_async(FunctionName="f", InvokeArgs=b'{"b": 2}')
    cloud.settle()
    assert stage.invocations[-1][1].payload == b'{"b": 2}'


def test_a_failing_event_is_retried_and_dead_lettered(cloud: Any, lam: Any, create: Any, make_role: Any, stage: Stage, queue: Any) -> None:
    """A failing event is tried again after one and two minutes; then the role sends it to the dead-letter queue."""
    target, messages = queue("dead")
    create("f", FAILING, Role=make_role("sender", allow("sqs:SendMessage", target)), DeadLetterConfig={"TargetArn": target})
    request_id = lam.invoke(FunctionName="f", InvocationType="Event", Payload=b'{"a": 1}')["ResponseMetadata"]["RequestId"]
    counts = []
    for seconds in (0, 59, 1, 119, 1, 3600):
        cloud.advance(seconds)
        counts.append(len(stage.invocations))
    assert counts == [1, 1, 2, 2, 3, 3]
    assert {invocation.request_id for _, invocation in stage.invocations} == {request_id}
    [message] = messages()
    assert message["Body"] == '{"a": 1}'
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert attributes == {"RequestID": request_id, "ErrorCode": "200", "ErrorMessage": "no"}


def test_destinations_get_records(cloud: Any, lam: Any, create: Any, make_role: Any, stage: Stage, queue: Any) -> None:
    """What succeeded and what failed is recorded where the function says, with AWS's shape."""
    good, succeeded = queue("good")
    bad, failed = queue("bad")
    create("f", "def handler(event, context):\n    return 1 / event", Role=make_role("sender", allow("sqs:SendMessage", [good, bad])))
    put = lam.put_function_event_invoke_config(
        FunctionName="f",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnSuccess": {"Destination": good}, "OnFailure": {"Destination": bad}},
    )
    assert put["FunctionArn"] == arn("f", "$LATEST")
    ids = [
        lam.invoke(FunctionName="f", InvocationType="Event", Payload=payload)["ResponseMetadata"]["RequestId"] for payload in (b"2", b"0")
    ]
    cloud.settle()
    [message] = succeeded()
    record = json.loads(message["Body"])
    assert record.pop("timestamp").endswith("Z")
    assert record == {
        "version": "1.0",
        "requestContext": {
            "requestId": ids[0],
            "functionArn": arn("f", "$LATEST"),
            "condition": "Success",
            "approximateInvokeCount": 1,
        },
        "requestPayload": 2,
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": 0.5,
    }
    [message] = failed()
    record = json.loads(message["Body"])
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    assert record["responsePayload"]["errorType"] == "ZeroDivisionError"


def test_every_kind_of_destination(cloud: Any, lam: Any, create: Any, make_role: Any, stage: Stage, queue: Any) -> None:
    """Records reach topics, buses, functions and, of failures, buckets: each by the function's role."""
    role = make_role("sender", allow(["sns:Publish", "events:PutEvents", "lambda:InvokeFunction", "s3:PutObject", "sqs:*"]))
    create("f", FAILING, Role=role)
    create("next")
    sns, buses, s3, sqs = (cloud.client(name) for name in ("sns", "events", "s3", "sqs"))
    topic = sns.create_topic(Name="t")["TopicArn"]
    told, messages = queue("told")
    anyone = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}]}
    url = sqs.get_queue_url(QueueName="told")["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(anyone)})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=told, Attributes={"RawMessageDelivery": "true"})
    bus = buses.create_event_bus(Name="b")["EventBusArn"]
    buses.put_rule(Name="r", EventBusName="b", EventPattern=json.dumps({"source": ["lambda"]}))
    buses.put_targets(Rule="r", EventBusName="b", Targets=[{"Id": "q", "Arn": told}])
    s3.create_bucket(Bucket="failures")

    def fail_to(destination: str) -> str:
        config = {"OnFailure": {"Destination": destination}}
        lam.put_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=0, DestinationConfig=config)
        sent = lam.invoke(FunctionName="f", InvocationType="Event", Payload=b'{"to": "somewhere"}')
        cloud.settle()
        request_id: str = sent["ResponseMetadata"]["RequestId"]
        return request_id

    sent = fail_to(topic)
    [message] = messages()
    assert json.loads(message["Body"])["requestContext"]["requestId"] == sent
    sent = fail_to(bus)
    event = json.loads(messages()[-1]["Body"])
    assert (event["source"], event["detail-type"]) == ("lambda", "Lambda Function Invocation Result - Failure")
    assert event["resources"] == [bus, arn("f", "$LATEST")]
    assert event["detail"]["requestContext"]["requestId"] == sent
    sent = fail_to(arn("next"))
    function, invocation = stage.invocations[-1]
    assert (function.name, json.loads(invocation.payload)["requestContext"]["requestId"]) == ("next", sent)
    sent = fail_to("arn:aws:s3:::failures")
    [kept] = s3.list_objects_v2(Bucket="failures")["Contents"]
    record = json.loads(s3.get_object(Bucket="failures", Key=kept["Key"])["Body"].read())
    assert (record["requestContext"]["requestId"], record["requestPayload"]) == (sent, {"to": "somewhere"})
    assert kept["Key"].startswith("aws/lambda/async/f/")


def test_throttled_events_wait_until_they_are_too_old(cloud: Any, lam: Any, create: Any, make_role: Any, stage: Stage, queue: Any) -> None:
    """A throttled event is tried again with back-off until its maximum age, then recorded as EventAgeExceeded."""
    bad, failed = queue("bad")
    create("f", Role=make_role("sender", allow("sqs:SendMessage", bad)))
    lam.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    lam.put_function_event_invoke_config(
        FunctionName="f", MaximumEventAgeInSeconds=60, DestinationConfig={"OnFailure": {"Destination": bad}}
    )
    lam.invoke(FunctionName="f", InvocationType="Event", Payload=b"1")
    for _ in range(20):
        cloud.advance(2)
    assert failed() == []
    cloud.advance(30)
    [message] = failed()
    record = json.loads(message["Body"])
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert "responsePayload" not in record
    lam.invoke(FunctionName="f", InvocationType="Event", Payload=b"2")
    cloud.settle()
    lam.delete_function_concurrency(FunctionName="f")
    cloud.advance(1)
    assert [invocation.payload for _, invocation in stage.invocations] == [b"2"]


def test_a_destination_must_be_within_reach(lam: Any, create: Any, queue: Any, refused: Any) -> None:
    """The role must be allowed to send to a destination, which is no FIFO queue and not the function."""
    target, _ = queue("q")
    create("f")
    config = {"OnFailure": {"Destination": target}}
    code, message = refused(lam.put_function_event_invoke_config, FunctionName="f", DestinationConfig=config)
    assert (code, message) == (
        "InvalidParameterValueException",
        "The function's execution role does not have permissions to call SendMessage on SQS.",
    )
    for wrong in (target + ".fifo", arn("f"), "arn:aws:ec2:us-east-1:000000000000:instance/i-1"):
        config = {"OnFailure": {"Destination": wrong}}
        code, _ = refused(lam.put_function_event_invoke_config, FunctionName="f", DestinationConfig=config)
        assert code == "InvalidParameterValueException"
    assert refused(lam.put_function_event_invoke_config, FunctionName="f")[0] == "InvalidParameterValueException"
    assert refused(lam.get_function_event_invoke_config, FunctionName="f")[0] == "ResourceNotFoundException"


def test_configurations_by_qualifier(lam: Any, create: Any) -> None:
    """Each version and alias has its own; update changes what is given."""
    create("f", Publish=True)
    lam.put_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=1)
    lam.put_function_event_invoke_config(FunctionName="f", Qualifier="1", MaximumRetryAttempts=0, MaximumEventAgeInSeconds=100)
    lam.update_function_event_invoke_config(FunctionName="f", Qualifier="1", MaximumEventAgeInSeconds=200)
    listed = lam.list_function_event_invoke_configs(FunctionName="f")["FunctionEventInvokeConfigs"]
    assert [(one["FunctionArn"], one.get("MaximumRetryAttempts"), one.get("MaximumEventAgeInSeconds")) for one in listed] == [
        (arn("f", "$LATEST"), 1, None),
        (arn("f", "1"), 0, 200),
    ]
    lam.delete_function_event_invoke_config(FunctionName="f", Qualifier="1")
    assert len(lam.list_function_event_invoke_configs(FunctionName="f")["FunctionEventInvokeConfigs"]) == 1
