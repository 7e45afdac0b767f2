"""Queues: made, found, described, changed, purged, deleted."""

from __future__ import annotations

import json
from typing import Any

import pytest

ARN = "arn:aws:sqs:us-east-1:000000000000:"


def test_a_queue_has_awss_defaults(cloud: Any, sqs: Any, url: str) -> None:
    """A new queue has the documented defaults, its ARN and the instants at which it was made and changed."""
    assert url == f"{cloud.endpoint}/000000000000/queue"
    now = str(cloud.now_ms // 1000)
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"] == {
        "QueueArn": ARN + "queue",
        "CreatedTimestamp": now,
        "LastModifiedTimestamp": now,
        "VisibilityTimeout": "30",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "DelaySeconds": "0",
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
    }


def test_attributes_are_given_by_name(sqs: Any, url: str, refused: Any) -> None:
    """Only what is asked for is given; nothing for nothing; an unknown name is refused."""
    got = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds", "Policy"])
    assert got["Attributes"] == {"DelaySeconds": "0"}
    assert "Attributes" not in sqs.get_queue_attributes(QueueUrl=url)
    assert refused(sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["Nope"]) == ("InvalidAttributeName", "Unknown Attribute Nope.")


def test_making_a_queue_again_with_the_same_attributes_is_no_change(sqs: Any, refused: Any) -> None:
    """CreateQueue is idempotent for the attributes that the queue has, and refused for others."""
    first = sqs.create_queue(QueueName="q", Attributes={"DelaySeconds": "5"})["QueueUrl"]
    assert sqs.create_queue(QueueName="q", Attributes={"DelaySeconds": "5"})["QueueUrl"] == first
    assert sqs.create_queue(QueueName="q")["QueueUrl"] == first
    code, message = refused(sqs.create_queue, QueueName="q", Attributes={"DelaySeconds": "6"})
    assert code == "QueueAlreadyExists"
    assert message == "A queue already exists with the same name and a different value for attribute DelaySeconds"


@pytest.mark.parametrize("name", ["", "a b", "x" * 81, "a.fifo", "schlüssel"])
def test_a_bad_name_is_refused(sqs: Any, refused: Any, name: str) -> None:
    """Names have 1 to 80 letters, digits, hyphens and underscores; .fifo is for FIFO queues."""
    assert refused(sqs.create_queue, QueueName=name) == (
        "InvalidParameterValue",
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
    )


@pytest.mark.parametrize("name", ["a", ".fifo", "x" * 76 + ".fifo"])
def test_a_fifo_queues_name_ends_in_fifo(sqs: Any, refused: Any, name: str) -> None:
    """A FIFO queue's name ends in .fifo and has at most 80 characters with it."""
    code, message = refused(sqs.create_queue, QueueName=name, Attributes={"FifoQueue": "true"})
    assert code == "InvalidParameterValue"
    assert "must end with .fifo suffix" in message


RANGES = [
    ("DelaySeconds", 0, 900),
    ("MaximumMessageSize", 1024, 1_048_576),
    ("MessageRetentionPeriod", 60, 1_209_600),
    ("ReceiveMessageWaitTimeSeconds", 0, 20),
    ("VisibilityTimeout", 0, 43_200),
]


@pytest.mark.parametrize(("name", "low", "high"), RANGES)
def test_numbers_have_ranges(sqs: Any, url: str, refused: Any, name: str, low: int, high: int) -> None:
    """Both ends of a documented range can be set; one past them, or what is no number, cannot."""
    for value in (low, high):
        sqs.set_queue_attributes(QueueUrl=url, Attributes={name: str(value)})
        assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"] == {name: str(value)}
    for bad in (low - 1, high + 1, "x", ""):
        error = ("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
        assert refused(sqs.set_queue_attributes, QueueUrl=url, Attributes={name: str(bad)}) == error
        assert refused(sqs.create_queue, QueueName="other", Attributes={name: str(bad)}) == error


def test_changing_attributes_is_all_or_nothing(cloud: Any, sqs: Any, url: str, refused: Any) -> None:
    """One bad attribute leaves all as they were; a good change moves LastModifiedTimestamp."""
    cloud.advance(10)
    refused(sqs.set_queue_attributes, QueueUrl=url, Attributes={"DelaySeconds": "7", "VisibilityTimeout": "-1"})
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert before["DelaySeconds"] == "0"
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "7"})
    after = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert after["DelaySeconds"] == "7"
    assert int(after["LastModifiedTimestamp"]) == int(before["LastModifiedTimestamp"]) + 10
    assert after["CreatedTimestamp"] == before["CreatedTimestamp"]


@pytest.mark.parametrize("name", ["QueueArn", "CreatedTimestamp", "ApproximateNumberOfMessages", "Nope", "All"])
def test_what_is_computed_cannot_be_set(sqs: Any, url: str, refused: Any, name: str) -> None:
    """Attributes that the queue works out itself, and unknown ones, are refused."""
    assert refused(sqs.set_queue_attributes, QueueUrl=url, Attributes={name: "1"}) == ("InvalidAttributeName", f"Unknown Attribute {name}.")


def test_fifo_attributes_are_for_fifo_queues(sqs: Any, url: str, fifo_url: str, refused: Any) -> None:
    """A standard queue knows no FIFO attributes; a queue's type cannot be changed."""
    for name, value in (("ContentBasedDeduplication", "true"), ("DeduplicationScope", "queue"), ("FifoThroughputLimit", "perQueue")):
        assert refused(sqs.set_queue_attributes, QueueUrl=url, Attributes={name: value})[0] == "InvalidAttributeName"
    assert refused(sqs.set_queue_attributes, QueueUrl=url, Attributes={"FifoQueue": "true"})[0] == "InvalidAttributeValue"
    assert refused(sqs.create_queue, QueueName="f", Attributes={"FifoQueue": "false"})[0] == "InvalidAttributeName"
    got = sqs.get_queue_attributes(QueueUrl=fifo_url, AttributeNames=["All"])["Attributes"]
    assert (got["FifoQueue"], got["ContentBasedDeduplication"]) == ("true", "true")
    assert (got["DeduplicationScope"], got["FifoThroughputLimit"]) == ("queue", "perQueue")


def test_high_throughput_needs_deduplication_by_group(sqs: Any, fifo_url: str, refused: Any) -> None:
    """perMessageGroupId goes only with the scope messageGroup, whichever of them is set."""
    limit = {"FifoThroughputLimit": "perMessageGroupId"}
    assert refused(sqs.set_queue_attributes, QueueUrl=fifo_url, Attributes=limit)[0] == "InvalidAttributeValue"
    sqs.set_queue_attributes(QueueUrl=fifo_url, Attributes={"DeduplicationScope": "messageGroup", **limit})
    assert refused(sqs.set_queue_attributes, QueueUrl=fifo_url, Attributes={"DeduplicationScope": "queue"})[0] == "InvalidAttributeValue"
    sqs.set_queue_attributes(QueueUrl=fifo_url, Attributes={"DeduplicationScope": "queue", "FifoThroughputLimit": "perQueue"})


def test_a_policy_is_json_and_can_be_taken_away(sqs: Any, url: str, refused: Any) -> None:
    """A policy comes back as it was given; what is no policy is refused; "" removes it."""
    policy = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": ARN + "queue"}],
        }
    )
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"] == policy
    for bad in ("nonsense", "{}", '{"Statement": [{"Effect": "Maybe"}]}'):
        assert refused(sqs.set_queue_attributes, QueueUrl=url, Attributes={"Policy": bad}) == (
            "InvalidAttributeValue",
            "Invalid value for the parameter Policy.",
        )
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    assert "Attributes" not in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])


def test_a_deleted_queue_is_gone_and_its_name_rests_for_60_seconds(cloud: Any, sqs: Any, url: str, refused: Any) -> None:
    """After DeleteQueue nothing finds the queue; its name is free again after a minute, and the new queue is empty."""
    sqs.send_message(QueueUrl=url, MessageBody="old")
    sqs.delete_queue(QueueUrl=url)
    gone = ("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
    assert refused(sqs.send_message, QueueUrl=url, MessageBody="x") == gone
    assert refused(sqs.delete_queue, QueueUrl=url) == gone
    assert refused(sqs.get_queue_url, QueueName="queue") == gone
    cloud.advance(59.999)
    assert refused(sqs.create_queue, QueueName="queue")[0] == "AWS.SimpleQueueService.QueueDeletedRecently"
    cloud.advance(0.001)
    assert sqs.create_queue(QueueName="queue")["QueueUrl"] == url
    assert "Messages" not in sqs.receive_message(QueueUrl=url)


@pytest.mark.parametrize("fifo", [False, True])
def test_nothing_is_left_of_a_deleted_queue(cloud: Any, sqs: Any, fifo: bool) -> None:
    """Messages, groups, what was remembered and the name: all rows go, in portions."""
    from fogbank.store.tables import TABLES

    attributes = {"FifoQueue": "true"} if fifo else {}
    url = sqs.create_queue(QueueName="q.fifo" if fifo else "q", Attributes=attributes)["QueueUrl"]
    for batch in range(60):
        ids = [f"{batch}-{i}" for i in range(10)]
        extra = [{"MessageGroupId": id, "MessageDeduplicationId": id} if fifo else {} for id in ids]
        size = 5000 if batch == 0 else 1
        sqs.send_message_batch(
            QueueUrl=url, Entries=[{"Id": id, "MessageBody": "x" * size, **more} for id, more in zip(ids, extra, strict=True)]
        )
    sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, **({"ReceiveRequestAttemptId": "a"} if fifo else {}))
    sqs.delete_queue(QueueUrl=url)
    cloud.advance(60)

    def left() -> dict[str, int]:
        tx = cloud.inner.begin()
        names = [n for n in TABLES if n.startswith("sqs.") or n == "store.bodies"]
        return {n: count for n in names if (count := sum(1 for _ in TABLES[n].scan(tx)))}

    assert cloud.house.on_loop(left) == {}


def test_purging_empties_a_queue_once_a_minute(cloud: Any, sqs: Any, url: str, refused: Any, receive: Any, counts: Any) -> None:
    """PurgeQueue deletes visible, delayed and in-flight messages; again only after 60 seconds. Later messages stay."""
    for body in ("a", "b"):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    sqs.send_message(QueueUrl=url, MessageBody="c", DelaySeconds=10)
    [taken] = receive(url, 1)
    sqs.purge_queue(QueueUrl=url)
    assert counts(url) == (0, 0, 0)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=taken["ReceiptHandle"])
    sqs.send_message(QueueUrl=url, MessageBody="new")
    cloud.settle()
    assert refused(sqs.purge_queue, QueueUrl=url) == (
        "AWS.SimpleQueueService.PurgeQueueInProgress",
        "Only one PurgeQueue operation on queue is allowed every 60 seconds.",
    )
    assert [m["Body"] for m in receive(url)] == ["new"]
    cloud.advance(60)
    sqs.purge_queue(QueueUrl=url)
    assert receive(url) == []


def test_queues_are_listed_by_name_in_pages(cloud: Any, sqs: Any, refused: Any) -> None:
    """ListQueues filters by prefix; pages come with MaxResults; other accounts and regions are not seen."""
    for name in ("a1", "a2", "a3", "b1"):
        sqs.create_queue(QueueName=name)
    cloud.client("sqs", region="eu-west-1").create_queue(QueueName="a4")
    cloud.client("sqs", access_key="111111111111").create_queue(QueueName="a5")

    def names(answer: Any) -> list[str]:
        return [url.rsplit("/", 1)[1] for url in answer.get("QueueUrls", [])]

    assert names(sqs.list_queues()) == ["a1", "a2", "a3", "b1"]
    assert names(sqs.list_queues(QueueNamePrefix="a")) == ["a1", "a2", "a3"]
    assert names(sqs.list_queues(QueueNamePrefix="z")) == []
    first = sqs.list_queues(QueueNamePrefix="a", MaxResults=2)
    assert names(first) == ["a1", "a2"]
    second = sqs.list_queues(QueueNamePrefix="a", MaxResults=2, NextToken=first["NextToken"])
    assert names(second) == ["a3"]
    assert "NextToken" not in second
    assert refused(sqs.list_queues, MaxResults=0)[0] == "InvalidParameterValue"
    assert refused(sqs.list_queues, MaxResults=1001)[0] == "InvalidParameterValue"
    assert refused(sqs.list_queues, MaxResults=2, NextToken="???")[0] == "InvalidParameterValue"


@pytest.mark.parametrize(
    "form",
    [
        "{endpoint}/000000000000/queue",
        "http://sqs.us-east-1.localhost.localstack.cloud:4566/000000000000/queue",
        "https://sqs.us-east-1.amazonaws.com/000000000000/queue",
        "{endpoint}/queue/us-east-1/000000000000/queue",
        "/000000000000/queue",
    ],
)
def test_the_path_of_a_url_names_the_queue(cloud: Any, sqs: Any, url: str, form: str) -> None:
    """Whatever the host, and with or without the region in the path."""
    sqs.send_message(QueueUrl=form.format(endpoint=cloud.endpoint), MessageBody="x")
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "x"


@pytest.mark.parametrize("form", ["nonsense", "http://localhost/", "http://localhost/12/queue", "http://localhost/000000000000/none"])
def test_a_url_that_names_no_queue(sqs: Any, url: str, refused: Any, form: str) -> None:
    """QueueDoesNotExist."""
    assert refused(sqs.purge_queue, QueueUrl=form)[0] == "AWS.SimpleQueueService.NonExistentQueue"


def test_a_queue_is_found_by_name_and_owner(cloud: Any, sqs: Any, url: str, refused: Any) -> None:
    """GetQueueUrl finds the caller's queues."""
    assert sqs.get_queue_url(QueueName="queue")["QueueUrl"] == url
    assert sqs.get_queue_url(QueueName="queue", QueueOwnerAWSAccountId="000000000000")["QueueUrl"] == url
    assert refused(sqs.get_queue_url, QueueName="none")[0] == "AWS.SimpleQueueService.NonExistentQueue"
