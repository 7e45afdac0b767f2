"""Dead letters: redrive policies, and moving them back."""

from __future__ import annotations

import json
from typing import Any

import pytest

ARN = "arn:aws:sqs:us-east-1:000000000000:"


def redrive(name: str, count: Any = 2) -> dict[str, str]:
    return {"RedrivePolicy": json.dumps({"deadLetterTargetArn": ARN + name, "maxReceiveCount": count})}


@pytest.fixture
def dead_url(sqs: Any, url: str) -> str:
    """The dead-letter queue of the standard queue, after two receives."""
    made: str = sqs.create_queue(QueueName="dead")["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes=redrive("dead"))
    return made


def bury(cloud: Any, sqs: Any, url: str, *bodies: str, **members: Any) -> None:
    """Sends messages and receives them too often."""
    for body in bodies:
        sqs.send_message(QueueUrl=url, MessageBody=body, **members)
    for _ in range(3):
        while sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=1).get("Messages"):
            pass
        cloud.advance(1)


def test_a_message_received_too_often_is_buried(cloud: Any, sqs: Any, url: str, dead_url: str, receive: Any, counts: Any) -> None:
    """Instead of a third receive it goes to the dead-letter queue, with its id, its source and its count; it expires as it would have."""
    sent_ms = cloud.now_ms
    sent = sqs.send_message(QueueUrl=url, MessageBody="x")
    for _ in range(2):
        assert len(receive(url, VisibilityTimeout=10)) == 1
        cloud.advance(10)
    assert counts(dead_url) == (0, 0, 0)
    assert receive(url) == []
    assert counts(url) == (0, 0, 0)
    [dead] = receive(dead_url)
    assert dead["MessageId"] == sent["MessageId"]
    assert dead["Attributes"]["DeadLetterQueueSourceArn"] == ARN + "queue"
    assert dead["Attributes"]["ApproximateReceiveCount"] == "3"
    assert dead["Attributes"]["SentTimestamp"] == str(sent_ms)
    cloud.advance(345_600 - 20)
    assert counts(dead_url) == (0, 0, 0)
    assert receive(dead_url) == []


def test_a_long_poll_buries_too(cloud: Any, sqs: Any, url: str, dead_url: str, counts: Any) -> None:
    """A receive that finds only what is to be buried answers at once, empty, rather than undo the burial by waiting."""
    sqs.send_message(QueueUrl=url, MessageBody="x")
    for _ in range(2):
        sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)
    assert "Messages" not in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)
    assert counts(dead_url) == (1, 0, 0)


def test_a_fifo_message_is_buried_in_its_group(cloud: Any, sqs: Any, receive: Any) -> None:
    """It keeps its group, is deduplicated by its own id, and counts as sent now; the group goes on with the next."""
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    dead = sqs.create_queue(QueueName="dead.fifo", Attributes=attributes)["QueueUrl"]
    url = sqs.create_queue(QueueName="live.fifo", Attributes=attributes | redrive("dead.fifo", 1))["QueueUrl"]
    sent = sqs.send_message(QueueUrl=url, MessageBody="a", MessageGroupId="g")
    sqs.send_message(QueueUrl=url, MessageBody="b", MessageGroupId="g")
    assert [m["Body"] for m in receive(url, 1, VisibilityTimeout=5)] == ["a"]
    cloud.advance(5)
    assert [m["Body"] for m in receive(url, 1)] == ["b"]
    [got] = receive(dead)
    assert got["Attributes"]["MessageGroupId"] == "g"
    assert got["Attributes"]["MessageDeduplicationId"] == got["MessageId"] == sent["MessageId"]
    assert got["Attributes"]["SentTimestamp"] == str(cloud.now_ms)


def test_a_redrive_policy_is_checked(cloud: Any, sqs: Any, url: str, fifo_url: str, refused: Any) -> None:
    """The target exists, is of the same type, account and region; the count is from 1 to 1,000."""
    bad = [
        "nonsense",
        "[]",
        "{}",
        json.dumps({"deadLetterTargetArn": ARN + "dead"}),
        json.dumps({"maxReceiveCount": 1}),
        json.dumps({"deadLetterTargetArn": "dead", "maxReceiveCount": 1}),
        json.dumps({"deadLetterTargetArn": ARN + "dead", "maxReceiveCount": 1, "more": 1}),
        redrive("none")["RedrivePolicy"],
        redrive("queue.fifo")["RedrivePolicy"],
    ]
    sqs.create_queue(QueueName="dead")
    cloud.client("sqs", region="eu-west-1").create_queue(QueueName="dead")
    bad.append(redrive("dead")["RedrivePolicy"].replace("us-east-1", "eu-west-1"))
    bad += [redrive("dead", count)["RedrivePolicy"] for count in (0, 1001, "x", None, 1.5, True)]
    for policy in bad:
        code, message = refused(sqs.set_queue_attributes, QueueUrl=url, Attributes={"RedrivePolicy": policy})
        assert code == "InvalidParameterValue"
        assert message.startswith(f"Value {policy} for parameter RedrivePolicy is invalid. Reason: ")
    for count in (1, 1000, "7"):
        sqs.set_queue_attributes(QueueUrl=url, Attributes=redrive("dead", count))
        got = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
        assert json.loads(got) == {"deadLetterTargetArn": ARN + "dead", "maxReceiveCount": int(count)}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": ""})
    assert "Attributes" not in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])


def test_a_dead_letter_queue_says_whose_letters_it_takes(sqs: Any, url: str, refused: Any) -> None:
    """RedriveAllowPolicy: all, none, or the queues it names."""
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]

    def allow(permission: str, **more: Any) -> None:
        sqs.set_queue_attributes(QueueUrl=dead, Attributes={"RedriveAllowPolicy": json.dumps({"redrivePermission": permission, **more})})

    allow("denyAll")
    assert refused(sqs.set_queue_attributes, QueueUrl=url, Attributes=redrive("dead"))[0] == "InvalidParameterValue"
    allow("byQueue", sourceQueueArns=[ARN + "other"])
    assert refused(sqs.set_queue_attributes, QueueUrl=url, Attributes=redrive("dead"))[0] == "InvalidParameterValue"
    allow("byQueue", sourceQueueArns=[ARN + "other", ARN + "queue"])
    sqs.set_queue_attributes(QueueUrl=url, Attributes=redrive("dead"))
    allow("allowAll")
    sqs.create_queue(QueueName="third", Attributes=redrive("dead"))
    for policy in (
        "nonsense",
        {"redrivePermission": "some"},
        {"redrivePermission": "byQueue"},
        {"redrivePermission": "byQueue", "sourceQueueArns": []},
        {"redrivePermission": "byQueue", "sourceQueueArns": [ARN + str(i) for i in range(11)]},
        {"redrivePermission": "byQueue", "sourceQueueArns": ["x"]},
        {"redrivePermission": "allowAll", "sourceQueueArns": [ARN + "a"]},
    ):
        code, _ = refused(sqs.set_queue_attributes, QueueUrl=dead, Attributes={"RedriveAllowPolicy": json.dumps(policy)})
        assert code == "InvalidParameterValue"


def test_sources_of_a_dead_letter_queue_are_listed(sqs: Any, url: str, dead_url: str) -> None:
    """ListDeadLetterSourceQueues names the queues whose redrive policy names this one, in pages."""
    for name in ("a", "z"):
        sqs.create_queue(QueueName=name, Attributes=redrive("dead"))
    sqs.create_queue(QueueName="b")

    def names(answer: Any) -> list[str]:
        return [u.rsplit("/", 1)[1] for u in answer["queueUrls"]]

    assert names(sqs.list_dead_letter_source_queues(QueueUrl=dead_url)) == ["a", "queue", "z"]
    first = sqs.list_dead_letter_source_queues(QueueUrl=dead_url, MaxResults=2)
    assert names(first) == ["a", "queue"]
    second = sqs.list_dead_letter_source_queues(QueueUrl=dead_url, MaxResults=2, NextToken=first["NextToken"])
    assert names(second) == ["z"]
    assert names(sqs.list_dead_letter_source_queues(QueueUrl=url)) == []


def task_of(sqs: Any) -> dict[str, Any]:
    [task] = sqs.list_message_move_tasks(SourceArn=ARN + "dead")["Results"]
    return dict(task)


def test_dead_letters_move_back_to_where_they_came_from(cloud: Any, sqs: Any, url: str, dead_url: str, receive: Any, counts: Any) -> None:
    """Each to its source, as a new message: new id, sent now, receives counted from zero."""
    other = sqs.create_queue(QueueName="other", Attributes=redrive("dead"))["QueueUrl"]
    bury(cloud, sqs, url, "a", "b")
    bury(cloud, sqs, other, "c")
    assert counts(dead_url) == (3, 0, 0)
    started_ms = cloud.now_ms
    before = {m["MessageId"] for m in receive(dead_url, VisibilityTimeout=0)}
    sqs.start_message_move_task(SourceArn=ARN + "dead")
    cloud.settle()
    assert task_of(sqs) == {
        "Status": "COMPLETED",
        "SourceArn": ARN + "dead",
        "ApproximateNumberOfMessagesMoved": 3,
        "ApproximateNumberOfMessagesToMove": 3,
        "StartedTimestamp": started_ms,
    }
    assert counts(dead_url) == (0, 0, 0)
    back = receive(url)
    assert sorted(m["Body"] for m in back) == ["a", "b"]
    assert [m["Body"] for m in receive(other)] == ["c"]
    for message in back:
        assert message["MessageId"] not in before
        assert message["Attributes"]["ApproximateReceiveCount"] == "1"
        assert message["Attributes"]["SentTimestamp"] == str(started_ms)
        assert "DeadLetterQueueSourceArn" not in message["Attributes"]


def test_dead_letters_move_elsewhere_at_a_rate(cloud: Any, sqs: Any, url: str, dead_url: str, counts: Any, refused: Any) -> None:
    """MaxNumberOfMessagesPerSecond holds by the clock; one task runs at a time; a finished one cannot be cancelled."""
    sqs.create_queue(QueueName="else")
    target = sqs.get_queue_url(QueueName="else")["QueueUrl"]
    bury(cloud, sqs, url, *[str(i) for i in range(10)])
    handle = sqs.start_message_move_task(SourceArn=ARN + "dead", DestinationArn=ARN + "else", MaxNumberOfMessagesPerSecond=2)["TaskHandle"]
    cloud.settle()
    assert counts(target) == (2, 0, 0)
    cloud.advance(1)
    assert counts(target) == (4, 0, 0)
    task = task_of(sqs)
    assert (task["Status"], task["TaskHandle"], task["DestinationArn"]) == ("RUNNING", handle, ARN + "else")
    assert (task["MaxNumberOfMessagesPerSecond"], task["ApproximateNumberOfMessagesMoved"]) == (2, 4)
    assert task["ApproximateNumberOfMessagesToMove"] == 10
    code, message = refused(sqs.start_message_move_task, SourceArn=ARN + "dead")
    assert code == "AWS.SimpleQueueService.UnsupportedOperation"
    assert message.startswith("There is already a task running.")
    cloud.advance(10)
    assert counts(target) == (10, 0, 0)
    assert task_of(sqs)["Status"] == "COMPLETED"
    assert refused(sqs.cancel_message_move_task, TaskHandle=handle)[0] == "AWS.SimpleQueueService.UnsupportedOperation"


def test_a_move_can_be_cancelled(cloud: Any, sqs: Any, url: str, dead_url: str, counts: Any, refused: Any) -> None:
    """What was moved stays moved, the rest stays; another task may start then. Tasks are listed newest first."""
    bury(cloud, sqs, url, *"abcd")
    handle = sqs.start_message_move_task(SourceArn=ARN + "dead", MaxNumberOfMessagesPerSecond=1)["TaskHandle"]
    cloud.settle()
    assert sqs.cancel_message_move_task(TaskHandle=handle)["ApproximateNumberOfMessagesMoved"] == 1
    cloud.advance(10)
    assert (counts(url), counts(dead_url)) == ((1, 0, 0), (3, 0, 0))
    assert task_of(sqs)["Status"] == "CANCELLED"
    sqs.start_message_move_task(SourceArn=ARN + "dead")
    cloud.settle()
    listed = sqs.list_message_move_tasks(SourceArn=ARN + "dead", MaxResults=10)["Results"]
    assert [t["Status"] for t in listed] == ["COMPLETED", "CANCELLED"]
    assert counts(dead_url) == (0, 0, 0)
    assert refused(sqs.cancel_message_move_task, TaskHandle="nonsense")[0] == "InvalidParameterValue"


def test_messages_without_a_source_cannot_go_back(cloud: Any, sqs: Any, dead_url: str, counts: Any) -> None:
    """A message that was sent to the dead-letter queue ends the task: FAILED, and it says why."""
    sqs.send_message(QueueUrl=dead_url, MessageBody="x")
    sqs.start_message_move_task(SourceArn=ARN + "dead")
    cloud.settle()
    task = task_of(sqs)
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "CouldNotDetermineMessageSource")
    assert counts(dead_url) == (1, 0, 0)


def test_a_move_whose_destination_goes_away_fails(cloud: Any, sqs: Any, url: str, dead_url: str) -> None:
    """FAILED, with the error as its reason."""
    sqs.create_queue(QueueName="else")
    bury(cloud, sqs, url, "a", "b")
    sqs.start_message_move_task(SourceArn=ARN + "dead", DestinationArn=ARN + "else", MaxNumberOfMessagesPerSecond=1)
    cloud.settle()
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName="else")["QueueUrl"])
    cloud.advance(1)
    task = task_of(sqs)
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "AWS.SimpleQueueService.NonExistentQueue")
    assert task["ApproximateNumberOfMessagesMoved"] == 1


def test_a_move_begins_at_a_dead_letter_queue(sqs: Any, url: str, dead_url: str, fifo_url: str, refused: Any) -> None:
    """The source is some queue's dead-letter queue, the destination exists, is another and of its type; the rate is 1 to 500."""
    start = sqs.start_message_move_task
    assert refused(start, SourceArn=ARN + "queue") == (
        "InvalidParameterValue",
        "Source queue must be configured as a Dead Letter Queue.",
    )
    assert refused(start, SourceArn=ARN + "none")[0] == "ResourceNotFoundException"
    assert refused(start, SourceArn="nonsense")[0] == "InvalidParameterValue"
    assert refused(start, SourceArn=ARN + "dead", DestinationArn=ARN + "none")[0] == "ResourceNotFoundException"
    assert refused(start, SourceArn=ARN + "dead", DestinationArn=ARN + "dead")[0] == "InvalidParameterValue"
    assert refused(start, SourceArn=ARN + "dead", DestinationArn=ARN + "queue.fifo")[0] == "InvalidParameterValue"
    for rate in (0, 501):
        assert refused(start, SourceArn=ARN + "dead", MaxNumberOfMessagesPerSecond=rate)[0] == "InvalidParameterValue"
    assert refused(sqs.list_message_move_tasks, SourceArn=ARN + "none")[0] == "ResourceNotFoundException"
    assert refused(sqs.list_message_move_tasks, SourceArn=ARN + "dead", MaxResults=11)[0] == "InvalidParameterValue"
    assert sqs.list_message_move_tasks(SourceArn=ARN + "dead").get("Results", []) == []


def test_fifo_dead_letters_move_in_order(cloud: Any, sqs: Any, receive: Any) -> None:
    """Group by group, each in its order."""
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    sqs.create_queue(QueueName="dead.fifo", Attributes=attributes)
    url = sqs.create_queue(QueueName="live.fifo", Attributes=attributes | redrive("dead.fifo", 1))["QueueUrl"]
    for body in ("a1", "a2", "b1", "a3"):
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=body[0])
    receive(url, VisibilityTimeout=0)
    assert receive(url) == []
    sqs.start_message_move_task(SourceArn=ARN + "dead.fifo")
    cloud.settle()
    assert [m["Body"] for m in receive(url)] == ["a1", "a2", "a3", "b1"]
