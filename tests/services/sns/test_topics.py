"""Topics: attributes, tags, permissions, who may do what."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import ACCOUNT


def test_creating_is_idempotent(sns: Any, refused: Any) -> None:
    """The same topic for the same name, unless attributes or tags differ."""
    tags = [{"Key": "k", "Value": "v"}]
    first = sns.create_topic(Name="t", Attributes={"DisplayName": "d"}, Tags=tags)["TopicArn"]
    assert first == f"arn:aws:sns:us-east-1:{ACCOUNT}:t"
    assert sns.create_topic(Name="t")["TopicArn"] == first
    assert sns.create_topic(Name="t", Attributes={"DisplayName": "d"}, Tags=tags)["TopicArn"] == first
    assert refused(sns.create_topic, Name="t", Attributes={"DisplayName": "e"}) == (
        "InvalidParameter",
        "Invalid parameter: Attributes Reason: Topic already exists with different attributes",
    )
    assert refused(sns.create_topic, Name="t", Tags=[{"Key": "k", "Value": "w"}])[1] == (
        "Invalid parameter: Tags Reason: Topic already exists with different tags"
    )
    assert refused(sns.create_topic, Name="a b") == ("InvalidParameter", "Invalid parameter: Topic Name")


def test_attributes(sns: Any, topic: str, refused: Any) -> None:
    """What a topic has by itself, and what can be set."""
    got = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (got["Owner"], got["TopicArn"], got["DisplayName"]) == (ACCOUNT, topic, "")
    assert [got[f"Subscriptions{kind}"] for kind in ("Confirmed", "Pending", "Deleted")] == ["0", "0", "0"]
    assert json.loads(got["Policy"])["Statement"][0]["Condition"] == {"StringEquals": {"AWS:SourceOwner": ACCOUNT}}
    assert json.loads(got["EffectiveDeliveryPolicy"])["http"]["defaultHealthyRetryPolicy"]["numRetries"] == 3

    def put(name: str, value: str) -> None:
        sns.set_topic_attributes(TopicArn=topic, AttributeName=name, AttributeValue=value)

    for name, value in (("DisplayName", "Shop"), ("SignatureVersion", "2"), ("TracingConfig", "Active"), ("MaximumMessageSize", "1048576")):
        put(name, value)
        assert sns.get_topic_attributes(TopicArn=topic)["Attributes"][name] == value
    for name, value in (
        ("SignatureVersion", "3"),
        ("TracingConfig", "On"),
        ("Policy", "{"),
        ("DeliveryPolicy", '{"http": {"defaultHealthyRetryPolicy": {"minDelayTarget": 0}}}'),
        ("FifoTopic", "true"),
        ("ContentBasedDeduplication", "true"),
        ("MaximumMessageSize", "1"),
        ("Colour", "grey"),
    ):
        code, _ = refused(put, name, value)
        assert code == "InvalidParameter", name
    assert refused(sns.get_topic_attributes, TopicArn=topic + "x") == ("NotFound", "Topic does not exist")


def test_large_messages(sns: Any, topic: str, queue: Any, bodies: Any, refused: Any) -> None:
    """Up to 1 MiB where the topic says so, which then has queues, functions and streams only."""
    sns.set_topic_attributes(TopicArn=topic, AttributeName="MaximumMessageSize", AttributeValue="1048576")
    url, arn = queue()
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="m" * 900_000)
    assert [len(body) for body in bodies(url)] == [900_000]
    assert refused(sns.subscribe, TopicArn=topic, Protocol="email", Endpoint="a@b.example")[0] == "InvalidParameter"


def test_pages(sns: Any) -> None:
    """Topics and subscriptions are listed a hundred at a time."""
    for number in range(103):
        sns.create_topic(Name=f"t{number:03}")
    first = sns.list_topics()
    assert len(first["Topics"]) == 100
    second = sns.list_topics(NextToken=first["NextToken"])
    assert [one["TopicArn"][-4:] for one in second["Topics"]] == ["t100", "t101", "t102"]
    assert "NextToken" not in second
    topic = first["Topics"][0]["TopicArn"]
    for number in range(101):
        sns.subscribe(TopicArn=topic, Protocol="sms", Endpoint=f"+1555010{number:04}")
    for call in (sns.list_subscriptions, lambda **more: sns.list_subscriptions_by_topic(TopicArn=topic, **more)):
        page = call()
        assert [len(page["Subscriptions"]), len(call(NextToken=page["NextToken"])["Subscriptions"])] == [100, 1]


def test_deleting(sns: Any, topic: str, queue: Any, bodies: Any) -> None:
    """The subscriptions go with it, and a new topic of the name has none of them; deleting again is no error."""
    url, arn = queue()
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.delete_topic(TopicArn=topic)
    sns.delete_topic(TopicArn=topic)
    sns.create_topic(Name="topic")
    sns.publish(TopicArn=topic, Message="m")
    assert bodies(url) == []
    assert sns.list_subscriptions()["Subscriptions"] == []


def test_tags(sns: Any, topic: str, refused: Any) -> None:
    """Added, changed, taken away; at most fifty."""
    sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "b", "Value": "1"}, {"Key": "a", "Value": "2"}])
    sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "b", "Value": "3"}])
    assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}]
    sns.untag_resource(ResourceArn=topic, TagKeys=["a", "z"])
    assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "b", "Value": "3"}]
    many = [{"Key": f"k{n}", "Value": ""} for n in range(50)]
    assert refused(sns.tag_resource, ResourceArn=topic, Tags=many)[0] == "TagLimitExceeded"
    assert refused(sns.tag_resource, ResourceArn=topic + "x", Tags=many)[0] == "ResourceNotFound"


def test_add_permission(cloud: Any, sns: Any, topic: str, refused: Any) -> None:
    """An account may then publish, and not when the statement is gone."""
    other = cloud.client("sns", "111111111111")
    assert refused(other.publish, TopicArn=topic, Message="m")[0] == "AuthorizationError"
    sns.add_permission(TopicArn=topic, Label="them", AWSAccountId=["111111111111"], ActionName=["Publish"])
    other.publish(TopicArn=topic, Message="m")
    assert (
        refused(sns.add_permission, TopicArn=topic, Label="them", AWSAccountId=["111111111111"], ActionName=["Publish"])[1]
        == "Invalid parameter: Statement already exists"
    )
    sns.remove_permission(TopicArn=topic, Label="them")
    refused(other.publish, TopicArn=topic, Message="m")
    refused(other.delete_topic, TopicArn=topic)


def test_who_may(cloud: Any, sns: Any, topic: str, user: Any, refused: Any) -> None:
    """A narrow policy lets in to just that; others are told so in AWS's words."""
    publisher = user("publisher", {"Action": "sns:Publish", "Resource": topic})
    publisher.publish(TopicArn=topic, Message="m")
    publisher.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[{"Id": "a", "Message": "m"}])
    code, sentence = refused(publisher.subscribe, TopicArn=topic, Protocol="sms", Endpoint="+15550100")
    assert code == "AuthorizationError"
    assert sentence == (
        f"User: arn:aws:iam::{ACCOUNT}:user/publisher is not authorized to perform: SNS:Subscribe on resource: {topic}"
        " because no identity-based policy allows the SNS:Subscribe action"
    )
    other = sns.create_topic(Name="other")["TopicArn"]
    refused(publisher.publish, TopicArn=other, Message="m")
    refused(publisher.publish, PhoneNumber="+15550100200", Message="m")


def test_conditions(cloud: Any, sns: Any, topic: str, user: Any, refused: Any) -> None:
    """sns:Protocol, sns:Endpoint, tags of the topic and of the request."""
    mail = user("mail", {"Action": "sns:Subscribe", "Resource": "*", "Condition": {"StringEquals": {"sns:Protocol": "email"}}})
    mail.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@b.example")
    refused(mail.subscribe, TopicArn=topic, Protocol="sms", Endpoint="+15550100200")
    ours = user("ours", {"Action": "sns:Subscribe", "Resource": "*", "Condition": {"StringLike": {"sns:Endpoint": "*@ours.example"}}})
    ours.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@ours.example")
    refused(ours.subscribe, TopicArn=topic, Protocol="email", Endpoint="a@theirs.example")
    tagged = user("tagged", {"Action": "sns:Publish", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/team": "a"}}})
    refused(tagged.publish, TopicArn=topic, Message="m")
    sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "team", "Value": "a"}])
    tagged.publish(TopicArn=topic, Message="m")
    maker = user(
        "maker",
        {"Action": ["sns:CreateTopic", "sns:TagResource"], "Resource": "*", "Condition": {"StringEquals": {"aws:RequestTag/team": "a"}}},
    )
    maker.create_topic(Name="made", Tags=[{"Key": "team", "Value": "a"}])
    refused(maker.create_topic, Name="made2", Tags=[{"Key": "team", "Value": "b"}])


def test_a_policy_that_denies(sns: Any, topic: str, user: Any, refused: Any) -> None:
    """The topic's own policy counts in its own account too."""
    publisher = user("publisher", {"Action": "sns:*", "Resource": "*"})
    statement = {"Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Resource": topic}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    refused(publisher.publish, TopicArn=topic, Message="m")
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue="")
    publisher.publish(TopicArn=topic, Message="m")


@pytest.mark.parametrize(
    ("protocol", "endpoint", "sentence"),
    [
        ("fax", "x", "Amazon SNS does not support this protocol string: fax"),
        ("sqs", "x", "SQS endpoint ARN"),
        ("http", "https://x.example", "Endpoint must match the specified protocol"),
        ("email", "x", "Email address"),
        ("sms", "x", "Invalid SMS endpoint: x"),
        ("lambda", "arn:aws:sqs:us-east-1:1:x", "Lambda endpoint ARN"),
        ("application", "x", "Application endpoint arn invalid:x"),
    ],
)
def test_endpoints(sns: Any, topic: str, refused: Any, protocol: str, endpoint: str, sentence: str) -> None:
    """Each protocol's endpoint has its form."""
    assert refused(sns.subscribe, TopicArn=topic, Protocol=protocol, Endpoint=endpoint) == (
        "InvalidParameter",
        f"Invalid parameter: {sentence}",
    )


def test_subscribing_again(sns: Any, topic: str, queue: Any, refused: Any) -> None:
    """The same subscription, unless attributes differ."""
    _, arn = queue()
    given = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": arn}
    first = sns.subscribe(**given, Attributes={"RawMessageDelivery": "true"})["SubscriptionArn"]
    assert sns.subscribe(**given)["SubscriptionArn"] == first
    assert refused(sns.subscribe, **given, Attributes={"RawMessageDelivery": "false"})[1] == (
        "Invalid parameter: Attributes Reason: Subscription already exists with different attributes"
    )
    assert (
        refused(sns.set_subscription_attributes, SubscriptionArn=first, AttributeName="RawMessageDelivery", AttributeValue="x")[1]
        == "Invalid parameter: RawMessageDelivery: Invalid value [x]. Must be true or false."
    )
    assert refused(sns.get_subscription_attributes, SubscriptionArn=first + "x") == ("NotFound", "Subscription does not exist")
    mailed = sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@b.example", ReturnSubscriptionArn=True)["SubscriptionArn"]
    assert mailed.startswith(topic)
    assert (
        refused(sns.set_subscription_attributes, SubscriptionArn=mailed, AttributeName="RawMessageDelivery", AttributeValue="true")[1]
        == "Invalid parameter: RawMessageDelivery Reason: Delivery protocol [email] does not support raw message delivery."
    )


def test_deep(cloud: Any, sns: Any, topic: str, queue: Any, bodies: Any, refused: Any) -> None:
    """JSON that nests deeper than anybody means is none: neither as a setting nor in a message."""
    url, arn = queue()
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"FilterPolicyScope": "MessageBody"})
    deep = '{"a":' * 50_000 + "[1]" + "}" * 50_000
    for name in ("FilterPolicy", "RedrivePolicy", "ReplayPolicy", "DeliveryPolicy"):
        members = {"SubscriptionArn": subscription["SubscriptionArn"], "AttributeName": name, "AttributeValue": deep[:200_000]}
        assert refused(sns.set_subscription_attributes, **members)[0] == "InvalidParameter"
    for name in ("DeliveryPolicy", "Policy"):
        assert refused(sns.set_topic_attributes, TopicArn=topic, AttributeName=name, AttributeValue=deep)[0] == "InvalidParameter"
    assert refused(sns.put_data_protection_policy, ResourceArn=topic, DataProtectionPolicy=deep[:20_000])[0] == "InvalidParameter"
    assert refused(sns.publish, TopicArn=topic, Message=deep[:200_000], MessageStructure="json")[0] == "InvalidParameter"
    wanted = {"SubscriptionArn": subscription["SubscriptionArn"], "AttributeName": "FilterPolicy", "AttributeValue": '{"a": [1]}'}
    sns.set_subscription_attributes(**wanted)
    for message in ('{"a":' + "[" * 990 + "1" + "]" * 990 + "}", '{"a": 1}'):
        sns.publish(TopicArn=topic, Message=message)
    assert bodies(url) == ['{"a": 1}']
