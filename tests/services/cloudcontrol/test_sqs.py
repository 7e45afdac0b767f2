"""AWS::SQS::Queue, AWS::SQS::QueueInlinePolicy."""

from __future__ import annotations

from typing import Any

from .conftest import ACCOUNT, Control

QUEUE = "AWS::SQS::Queue"
INLINE = "AWS::SQS::QueueInlinePolicy"


def test_queue(cloud: Any, control: Control) -> None:
    """A queue has what it was made with; what a patch takes away is again what a queue has by itself."""
    letters = control.create(QUEUE, {"QueueName": "letters"})
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:letters"
    redrive = {"deadLetterTargetArn": arn, "maxReceiveCount": 3}
    wanted = {"QueueName": "q", "DelaySeconds": 5, "RedrivePolicy": redrive, "Tags": [{"Key": "a", "Value": "1"}]}
    url = control.create(QUEUE, wanted)
    assert control.read(QUEUE, url).items() >= {**wanted, "Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:q", "QueueUrl": url}.items()
    sqs = cloud.client("sqs")
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])["Attributes"] == {"DelaySeconds": "5"}
    found = control.update(
        QUEUE,
        url,
        ("remove", "/DelaySeconds"),
        ("remove", "/RedrivePolicy"),
        ("replace", "/Tags", [{"Key": "b", "Value": "2"}]),
        ("add", "/VisibilityTimeout", 60),
    )
    assert "RedrivePolicy" not in found
    assert (found["DelaySeconds"], found["VisibilityTimeout"], found["Tags"]) == (0, 60, [{"Key": "b", "Value": "2"}])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"b": "2"}
    assert control.listed(QUEUE) == sorted([letters, url])
    control.delete(QUEUE, url)


def test_fifo_queue_gets_a_name(control: Control) -> None:
    """A FIFO queue without a name is given one that ends as it has to; its type stays."""
    url = control.create(QUEUE, {"FifoQueue": True, "ContentBasedDeduplication": True})
    found = control.read(QUEUE, url)
    assert found["QueueName"].startswith("Queue-")
    assert found["QueueName"].endswith(".fifo")
    assert (found["FifoQueue"], found["ContentBasedDeduplication"]) == (True, True)


def test_queue_that_exists(cloud: Any, control: Control) -> None:
    """A queue that is there is not taken over, though CreateQueue would answer it."""
    cloud.client("sqs").create_queue(QueueName="q")
    assert control.refused(QUEUE, {"QueueName": "q"}) == (
        "AlreadyExists",
        "Resource of type 'AWS::SQS::Queue' with identifier 'q' already exists.",
    )


def test_inline_policy(cloud: Any, control: Control) -> None:
    """A queue's policy is made, changed and taken away by itself."""
    url = control.create(QUEUE, {"QueueName": "q"})
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"

    def policy(action: str) -> dict[str, Any]:
        statement = {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": arn}
        return {"Version": "2012-10-17", "Statement": [statement]}

    assert control.create(INLINE, {"Queue": url, "PolicyDocument": policy("sqs:SendMessage")}) == url
    assert control.read(INLINE, url)["PolicyDocument"] == policy("sqs:SendMessage")
    assert control.refused(INLINE, {"Queue": url, "PolicyDocument": policy("sqs:SendMessage")})[0] == "AlreadyExists"
    found = control.update(INLINE, url, ("replace", "/PolicyDocument", policy("sqs:ReceiveMessage")))
    assert found["PolicyDocument"] == policy("sqs:ReceiveMessage")
    control.delete(INLINE, url)
    assert "Attributes" not in cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
