"""AWS::SNS::Topic, AWS::SNS::Subscription, AWS::SNS::TopicInlinePolicy."""

from __future__ import annotations

from typing import Any

from .conftest import ACCOUNT, Control

TOPIC = "AWS::SNS::Topic"
SUBSCRIPTION = "AWS::SNS::Subscription"
INLINE = "AWS::SNS::TopicInlinePolicy"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"


def test_topic(cloud: Any, control: Control) -> None:
    """A topic has what it was made with, its subscriptions too; what a patch takes away is again what a topic has by itself."""
    role = f"arn:aws:iam::{ACCOUNT}:role/logs"
    wanted = {
        "TopicName": "t",
        "DisplayName": "Shop",
        "SignatureVersion": "2",
        "Tags": [{"Key": "a", "Value": "1"}],
        "Subscription": [{"Protocol": "sqs", "Endpoint": QUEUE}],
        "DeliveryStatusLogging": [{"Protocol": "http/s", "SuccessFeedbackRoleArn": role, "SuccessFeedbackSampleRate": "50"}],
    }
    arn = control.create(TOPIC, wanted)
    assert arn == f"arn:aws:sns:us-east-1:{ACCOUNT}:t"
    assert control.read(TOPIC, arn).items() >= {**wanted, "TopicArn": arn}.items()
    found = control.update(
        TOPIC,
        arn,
        ("remove", "/DisplayName"),
        ("remove", "/DeliveryStatusLogging"),
        ("replace", "/Subscription", [{"Protocol": "sqs", "Endpoint": QUEUE + "2"}]),
        ("replace", "/Tags", [{"Key": "b", "Value": "2"}]),
    )
    assert found["DisplayName"] == ""
    assert "DeliveryStatusLogging" not in found
    assert found["Tags"] == [{"Key": "b", "Value": "2"}]
    [one] = cloud.client("sns").list_subscriptions()["Subscriptions"]
    assert one["Endpoint"] == QUEUE + "2"
    assert control.listed(TOPIC) == [arn]
    assert control.refused(TOPIC, {"TopicName": "t"})[0] == "AlreadyExists"
    control.delete(TOPIC, arn)
    assert control.listed(TOPIC) == []


def test_fifo_topic_gets_a_name(control: Control) -> None:
    """A FIFO topic without a name is given one that ends as it has to."""
    arn = control.create(TOPIC, {"FifoTopic": True, "ContentBasedDeduplication": True})
    found = control.read(TOPIC, arn)
    assert found["TopicName"].endswith(".fifo")
    assert (found["FifoTopic"], found["ContentBasedDeduplication"]) == (True, True)


def test_subscription(cloud: Any, control: Control) -> None:
    """A subscription has its attributes; a filter policy and its scope change together."""
    topic = control.create(TOPIC, {"TopicName": "t"})
    wanted = {
        "TopicArn": topic,
        "Protocol": "sqs",
        "Endpoint": QUEUE,
        "RawMessageDelivery": True,
        "FilterPolicyScope": "MessageBody",
        "FilterPolicy": {"a": {"b": ["x"]}},
    }
    arn = control.create(SUBSCRIPTION, wanted)
    assert control.read(SUBSCRIPTION, arn) == {**wanted, "Arn": arn}
    found = control.update(
        SUBSCRIPTION,
        arn,
        ("remove", "/RawMessageDelivery"),
        ("replace", "/FilterPolicyScope", "MessageAttributes"),
        ("replace", "/FilterPolicy", {"a": ["y"]}),
    )
    assert (found["RawMessageDelivery"], found["FilterPolicyScope"], found["FilterPolicy"]) == (False, "MessageAttributes", {"a": ["y"]})
    assert control.listed(SUBSCRIPTION) == [arn]
    control.delete(SUBSCRIPTION, arn)
    assert cloud.client("sns").list_subscriptions()["Subscriptions"] == []


def test_inline_policy(cloud: Any, control: Control) -> None:
    """A topic's policy is made, changed and taken away by itself; then it is again the one that topics have."""
    topic = control.create(TOPIC, {"TopicName": "t"})

    def policy(action: str) -> dict[str, Any]:
        statement = {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": topic}
        return {"Version": "2012-10-17", "Statement": [statement]}

    assert control.create(INLINE, {"TopicArn": topic, "PolicyDocument": policy("sns:Publish")}) == topic
    assert control.refused(INLINE, {"TopicArn": topic, "PolicyDocument": policy("sns:Publish")})[0] == "AlreadyExists"
    found = control.update(INLINE, topic, ("replace", "/PolicyDocument", policy("sns:Subscribe")))
    assert found["PolicyDocument"] == policy("sns:Subscribe")
    control.delete(INLINE, topic)
    assert "__default_policy_ID" in cloud.client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"]
