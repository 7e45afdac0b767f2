"""Event source mappings of SQS: batches, windows, filters, failures, concurrency, permissions."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import ACCOUNT, allow, arn
from .stage import Stage

COLLECT = "def handler(event, context):\n    return None"
SOURCE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"


def bodies(stage: Stage) -> list[list[str]]:
    """What the function was given, batch by batch."""
    return [[record["body"] for record in json.loads(invocation.payload)["Records"]] for _, invocation in stage.invocations]


@pytest.fixture
def sqs(cloud: Any) -> Any:
    return cloud.client("sqs")


@pytest.fixture
def mapped(cloud: Any, lam: Any, create: Any, make_role: Any, stage: Stage, sqs: Any) -> Callable[..., tuple[str, str]]:
    """A queue `q` that a function `f` reads: the queue's URL and the mapping's id."""

    def make(source: str = COLLECT, name: str = "q", attributes: Any = None, **more: Any) -> tuple[str, str]:
        url = sqs.create_queue(QueueName=name, Attributes=attributes or {})["QueueUrl"]
        source_arn = SOURCE[:-1] + name
        role = make_role("reader", allow(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], source_arn))
        create("f", source, Role=role)
        made = lam.create_event_source_mapping(EventSourceArn=source_arn, FunctionName="f", **more)
        assert made["State"] == "Creating"
        cloud.settle()
        return url, made["UUID"]

    return make


def left(sqs: Any, url: str) -> int:
    """Messages that are in a queue, received or not."""
    got = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(got["ApproximateNumberOfMessages"]) + int(got["ApproximateNumberOfMessagesNotVisible"])


def test_messages_reach_the_function_and_go(cloud: Any, lam: Any, mapped: Any, stage: Stage, sqs: Any) -> None:
    """A message is given to the function in AWS's shape, and deleted when it took it."""
    url, id = mapped()
    assert lam.get_event_source_mapping(UUID=id)["State"] == "Enabled"
    sent = sqs.send_message(QueueUrl=url, MessageBody="hello", MessageAttributes={"a": {"DataType": "String", "StringValue": "b"}})
    cloud.settle()
    [(_, invocation)] = stage.invocations
    [record] = json.loads(invocation.payload)["Records"]
    assert record.pop("receiptHandle")
    assert record.pop("md5OfMessageAttributes") == sent["MD5OfMessageAttributes"]
    assert record == {
        "messageId": sent["MessageId"],
        "body": "hello",
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": str(cloud.now_ms),
            "SenderId": ACCOUNT,
            "ApproximateFirstReceiveTimestamp": str(cloud.now_ms),
        },
        "messageAttributes": {"a": {"stringValue": "b", "stringListValues": [], "binaryListValues": [], "dataType": "String"}},
        "md5OfBody": sent["MD5OfMessageBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": SOURCE,
        "awsRegion": "us-east-1",
    }
    assert left(sqs, url) == 0


def test_batches(cloud: Any, lam: Any, mapped: Any, stage: Stage, sqs: Any) -> None:
    """Many messages come in batches of the batch size, and all are taken."""
    url, _ = mapped(Enabled=False, BatchSize=4)
    for number in range(10):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))
    [mapping] = lam.list_event_source_mappings(FunctionName="f")["EventSourceMappings"]
    assert mapping["State"] == "Disabled"
    lam.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    cloud.settle()
    assert sorted(len(batch) for batch in bodies(stage)) == [2, 4, 4]
    assert sorted(body for batch in bodies(stage) for body in batch) == [str(number) for number in range(10)]
    assert left(sqs, url) == 0


def test_a_window_gathers_messages(cloud: Any, mapped: Any, stage: Stage, sqs: Any) -> None:
    """With a window the function gets what came within it, or a full batch at once."""
    url, _ = mapped(BatchSize=20, MaximumBatchingWindowInSeconds=5)
    sqs.send_message(QueueUrl=url, MessageBody="a")
    cloud.settle()
    cloud.advance(3)
    sqs.send_message(QueueUrl=url, MessageBody="b")
    cloud.settle()
    assert bodies(stage) == []
    cloud.advance(2)
    assert bodies(stage) == [["a", "b"]]
    for number in range(20):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))
    cloud.settle()
    assert len(bodies(stage)[1]) == 20


def test_a_failed_batch_comes_again(cloud: Any, lam: Any, mapped: Any, stage: Stage, sqs: Any) -> None:
    """Messages of a batch that failed are there again after their visibility timeout, and in the end in the dead-letter queue."""
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    redrive = json.dumps({"deadLetterTargetArn": SOURCE[:-1] + "dead", "maxReceiveCount": 2})
    url, _ = mapped("def handler(event, context):\n    raise ValueError", attributes={"RedrivePolicy": redrive})
    sqs.send_message(QueueUrl=url, MessageBody="x")
    cloud.settle()
    assert len(stage.invocations) == 1
    cloud.advance(29)
    assert len(stage.invocations) == 1
    cloud.advance(1)
    assert len(stage.invocations) == 2
    cloud.advance(31)
    cloud.advance(31)
    assert len(stage.invocations) == 2
    assert left(sqs, dead) == 1


def test_a_part_of_a_batch_fails(cloud: Any, mapped: Any, stage: Stage, sqs: Any) -> None:
    """With ReportBatchItemFailures only the reported messages come again; a report that makes no sense fails them all."""
    url, _ = mapped(
        "def handler(event, context):\n"
        "    bad = [r['messageId'] for r in event['Records'] if r['body'] == 'bad']\n"
        "    odd = any(r['body'] == 'odd' for r in event['Records'])\n"
        "    return {'batchItemFailures': [{'itemIdentifier': id} for id in (['?'] if odd else bad)]}",
        FunctionResponseTypes=["ReportBatchItemFailures"],
        MaximumBatchingWindowInSeconds=1,
    )
    for body in ("good", "bad", "good"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    cloud.advance(1)
    assert len(stage.invocations) == 1
    assert left(sqs, url) == 1
    cloud.advance(30)
    cloud.advance(1)
    assert bodies(stage)[-1] == ["bad"]
    sqs.purge_queue(QueueUrl=url)
    sqs.send_message(QueueUrl=url, MessageBody="odd")
    sqs.send_message(QueueUrl=url, MessageBody="good")
    cloud.advance(1)
    assert left(sqs, url) == 2


def test_filters(cloud: Any, mapped: Any, stage: Stage, sqs: Any, refused: Any, lam: Any) -> None:
    """Messages that no filter wants are deleted; content is matched as JSON or as text, as the pattern says."""
    filters = [{"Pattern": '{"body": {"n": [{"numeric": [">", 1]}]}}'}, {"Pattern": '{"body": ["plain"]}'}]
    url, id = mapped(FilterCriteria={"Filters": filters})
    for body in ('{"n": 1}', '{"n": 2}', "plain", "other", '{"m": 5}'):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    cloud.settle()
    assert sorted(body for batch in bodies(stage) for body in batch) == ["plain", '{"n": 2}']
    assert left(sqs, url) == 0
    code, message = refused(lam.update_event_source_mapping, UUID=id, FilterCriteria={"Filters": [{"Pattern": '{"body": 1}'}]})
    assert (code, message) == ("InvalidParameterValueException", "Invalid filter pattern definition.")


def test_maximum_concurrency(cloud: Any, mapped: Any, stage: Stage, sqs: Any) -> None:
    """No more batches are under way at once than the mapping allows."""
    url, _ = mapped(BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})
    stage.hold = threading.Event()
    for number in range(6):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))
    while len(stage.invocations) < 2:
        cloud.house.on_loop(lambda: None)
    for _ in range(50):
        cloud.house.on_loop(lambda: None)
    assert len(stage.invocations) == 2
    stage.hold.set()
    cloud.settle()
    assert len(stage.invocations) == 6


def test_fifo_stays_in_order(cloud: Any, mapped: Any, stage: Stage, sqs: Any) -> None:
    """Of a FIFO queue each group's messages come in order, one batch after the other."""
    url, _ = mapped(name="q.fifo", attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"}, BatchSize=2)
    for number in range(12):
        sqs.send_message(QueueUrl=url, MessageBody=f"{number}", MessageGroupId=str(number % 3))
    cloud.settle()
    order = [body for batch in bodies(stage) for body in batch]
    for group in range(3):
        assert [body for body in order if int(body) % 3 == group] == [str(number) for number in range(group, 12, 3)]


def test_disabled_and_deleted(cloud: Any, lam: Any, mapped: Any, stage: Stage, sqs: Any, refused: Any) -> None:
    """A disabled mapping reads nothing; a deleted one is gone; a change under way keeps others out."""
    url, id = mapped()
    assert lam.update_event_source_mapping(UUID=id, Enabled=False)["State"] == "Disabling"
    cloud.settle()
    sqs.send_message(QueueUrl=url, MessageBody="x")
    cloud.settle()
    assert stage.invocations == []
    assert lam.delete_event_source_mapping(UUID=id)["State"] == "Deleting"
    cloud.settle()
    assert refused(lam.get_event_source_mapping, UUID=id)[0] == "ResourceNotFoundException"
    assert left(sqs, url) == 1


def test_a_role_that_may_not_read_shows(cloud: Any, lam: Any, mapped: Any, stage: Stage, sqs: Any, create: Any, refused: Any) -> None:
    """A role without permission is refused at creation, and stops the mapping later, until it may again."""
    url, _ = mapped()
    iam = cloud.client("iam")
    policy = iam.get_role_policy(RoleName="reader", PolicyName="p")["PolicyDocument"]
    iam.delete_role_policy(RoleName="reader", PolicyName="p")
    sqs.send_message(QueueUrl=url, MessageBody="x")
    cloud.advance(20)
    assert stage.invocations == []
    iam.put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=json.dumps(policy))
    cloud.advance(60)
    assert bodies(stage) == [["x"]]
    create("g")
    code, message = refused(lam.create_event_source_mapping, EventSourceArn=SOURCE, FunctionName="g")
    assert (code, message) == (
        "InvalidParameterValueException",
        "The provided execution role does not have permissions to call ReceiveMessage on SQS",
    )


def test_what_a_mapping_cannot_be(lam: Any, mapped: Any, refused: Any) -> None:
    """Settings of other sources, bounds, and a second mapping of the same two are refused."""
    _, id = mapped()
    code, message = refused(lam.create_event_source_mapping, EventSourceArn=SOURCE, FunctionName="f")
    assert code == "ResourceConflictException"
    assert message.endswith(f"Please update or delete the existing mapping with UUID {id}")
    for members in ({"BatchSize": 11}, {"BisectBatchOnFunctionError": True}, {"ParallelizationFactor": 2}):
        assert refused(lam.update_event_source_mapping, UUID=id, **members)[0] == "InvalidParameterValueException"
    assert refused(lam.create_event_source_mapping, EventSourceArn=SOURCE, FunctionName="none")[1] == f"Function not found: {arn('none')}"
    kafka = "arn:aws:kafka:us-east-1:000000000000:cluster/c/1"
    assert refused(lam.create_event_source_mapping, EventSourceArn=kafka, FunctionName="f")[0] == "NotImplemented"


def test_a_loop_through_a_queue_is_ended(cloud: Any, lam: Any, mapped: Any, stage: Stage, sqs: Any) -> None:
    """A function that sends messages to its own queue, as SDKs do with their trace header, is stopped after 16 rounds."""
    url, _ = mapped("def handler(event, context):\n    return context.trace")

    def put(request: Any, **_: Any) -> None:
        if stage.invocations:
            request.headers["X-Amzn-Trace-Id"] = stage.invocations[-1][1].trace

    sqs.meta.events.register("before-sign.sqs.SendMessage", put, unique_id="trace")
    try:
        for count in range(1, 19):
            sqs.send_message(QueueUrl=url, MessageBody=str(count))
            cloud.settle()
            assert len(stage.invocations) == min(count, 16)
    finally:
        sqs.meta.events.unregister("before-sign.sqs.SendMessage", unique_id="trace")
