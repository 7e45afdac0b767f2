"""Publishing, and what queues get."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from .conftest import ACCOUNT, policy


def test_a_queue_gets_the_envelope(sns: Any, topic: str, queue: Any, received: Any) -> None:
    """AWS's JSON, letter by letter, with the members in AWS's order."""
    url, arn = queue()
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"]
    attributes = {
        "colour": {"DataType": "String", "StringValue": 'gr"ey'},
        "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    answer = sns.publish(TopicArn=topic, Message='{"a": "ü"}', Subject="About", MessageAttributes=attributes)
    [message] = received(url)
    told = json.loads(message["Body"])
    names = ["Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "SignatureVersion", "Signature", "SigningCertURL"]
    assert list(told) == [*names, "UnsubscribeURL", "MessageAttributes"]
    assert told["MessageId"] == answer["MessageId"]
    assert (told["Type"], told["TopicArn"], told["Subject"], told["Message"]) == ("Notification", topic, "About", '{"a": "ü"}')
    assert told["MessageAttributes"] == {
        "colour": {"Type": "String", "Value": 'gr"ey'},
        "raw": {"Type": "Binary", "Value": "AP8="},
    }
    assert told["UnsubscribeURL"].endswith(f"/?Action=Unsubscribe&SubscriptionArn={subscription}&Version=2010-03-31")
    assert message["Body"].startswith(
        f'{{\n  "Type" : "Notification",\n  "MessageId" : "{answer["MessageId"]}",\n  "TopicArn" : "{topic}",\n'
    )
    assert '\n  "MessageAttributes" : {\n    "colour" : {"Type":"String","Value":"gr\\"ey"},\n' in message["Body"]
    assert message["Body"].endswith('"Value":"AP8="}\n  }\n}')


def test_raw_delivery(sns: Any, topic: str, queue: Any, received: Any) -> None:
    """The message itself, and its attributes as the queue's message attributes."""
    url, arn = queue()
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    attributes = {"n": {"DataType": "Number", "StringValue": "1.5"}, "b": {"DataType": "Binary", "BinaryValue": b"x"}}
    sns.publish(TopicArn=topic, Message="plain", MessageAttributes=attributes)
    [message] = received(url)
    assert message["Body"] == "plain"
    assert message["MessageAttributes"] == attributes
    assert message["Attributes"]["SenderId"] == "sns.amazonaws.com"


def test_a_message_for_each_protocol(sns: Any, topic: str, queue: Any, bodies: Any, outbox: Any) -> None:
    """MessageStructure json says what each protocol gets; others get the default."""
    url, arn = queue()
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.subscribe(TopicArn=topic, Protocol="sms", Endpoint="+15550100200")
    told = {"default": "d", "sqs": "for queues", "email": "e", "http": 3}
    sns.publish(TopicArn=topic, Message=json.dumps(told), MessageStructure="json")
    assert bodies(url) == ["for queues"]
    assert outbox()[-1]["text"] == "d"


def test_fan_out(sns: Any, topic: str, queue: Any, bodies: Any) -> None:
    """Everybody gets everything, in the order of publishing."""
    urls = []
    for number in range(10):
        url, arn = queue(f"q{number}")
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        urls.append(url)
    for body in "abc":
        sns.publish(TopicArn=topic, Message=body)
    assert [bodies(url) for url in urls] == [["a", "b", "c"]] * 10


def test_more_subscriptions_than_go_at_once(cloud: Any, sns: Any, sqs: Any, topic: str, monkeypatch: Any, queue: Any, bodies: Any) -> None:
    """What is more than a portion is served by tasks: each gets it once."""
    from fogbank.services.sns import fanout

    monkeypatch.setattr(fanout, "INLINE", 2)
    urls = []
    for number in range(5):
        url, arn = queue(f"q{number}")
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        urls.append(url)
    sns.publish(TopicArn=topic, Message="m")
    cloud.settle()
    assert [bodies(url) for url in urls] == [["m"]] * 5


def test_a_queue_that_does_not_let_sns_in(cloud: Any, sns: Any, sqs: Any, topic: str, queue: Any, bodies: Any, received: Any) -> None:
    """The others get it; its message goes into the dead-letter queue, as it would have come, and is not tried again."""
    closed, closed_arn = queue("closed", allow=None)
    _, elsewhere_arn = queue("elsewhere", allow="arn:aws:sns:*:*:other")
    gone, gone_arn = queue("gone")
    dead, dead_arn = queue("dead")
    good, good_arn = queue("good")
    redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead_arn})}
    for arn in (closed_arn, elsewhere_arn, gone_arn):
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=redrive)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=good_arn)
    sqs.delete_queue(QueueUrl=gone)
    sns.publish(TopicArn=topic, Message="m")
    assert bodies(good) == ["m"]
    assert bodies(dead) == ["m"] * 3
    sqs.set_queue_attributes(QueueUrl=closed, Attributes={"Policy": policy(closed_arn, topic)})
    cloud.advance(100)
    assert bodies(closed) == []
    sns.publish(TopicArn=topic, Message="n")
    assert bodies(closed) == ["n"]


def test_a_queue_that_is_busy(cloud: Any, sns: Any, topic: str, queue: Any, bodies: Any, monkeypatch: Any) -> None:
    """A fault that passes is tried again by the clock, under the retry policy, and its message lies sealed meanwhile."""
    from fogbank.kernel.errors import ServiceException
    from fogbank.services.sns import targets

    url, arn = queue()
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    tried = []
    real = targets._SENDERS["sqs"]

    def busy(ctx: Any, parcel: Any, target: Any) -> None:
        tried.append(ctx.now)
        if len(tried) < 7:
            raise ServiceException("InternalFailure", "busy", status=500)
        real(ctx, parcel, target)

    monkeypatch.setitem(targets._SENDERS, "sqs", busy)
    sns.publish(TopicArn=topic, Message="m")
    for _ in range(60):
        cloud.advance(1)
    assert bodies(url) == ["m"]
    assert [after - before for before, after in pairwise(tried)] == [0, 0, 0, 1000, 1000, 1000]


def test_batches(sns: Any, topic: str, queue: Any, bodies: Any, refused: Any) -> None:
    """Entries are accepted or refused one by one; a batch has 1 to 10, with ids of their own."""
    url, arn = queue()
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    entries = [
        {"Id": "a", "Message": "1"},
        {"Id": "b", "Message": ""},
        {"Id": "c", "Message": "3", "Subject": "x\ny"},
        {"Id": "d", "Message": "4"},
    ]
    answer = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert [one["Id"] for one in answer["Successful"]] == ["a", "d"]
    assert [(one["Id"], one["Code"], one["SenderFault"]) for one in answer["Failed"]] == [
        ("b", "InvalidParameter", True),
        ("c", "InvalidParameter", True),
    ]
    assert bodies(url) == ["1", "4"]

    def batch(*entries: dict[str, str]) -> str:
        code, _ = refused(sns.publish_batch, TopicArn=topic, PublishBatchRequestEntries=list(entries))
        return code

    assert batch() == "EmptyBatchRequest"
    assert batch(*({"Id": str(n), "Message": "m"} for n in range(11))) == "TooManyEntriesInBatchRequest"
    assert batch({"Id": "a", "Message": "m"}, {"Id": "a", "Message": "m"}) == "BatchEntryIdsNotDistinct"
    assert batch({"Id": "a b", "Message": "m"}) == "InvalidBatchEntryId"
    assert batch({"Id": "a", "Message": "m" * 200_000}, {"Id": "b", "Message": "m" * 70_000}) == "BatchRequestTooLong"


def test_what_is_refused(sns: Any, topic: str, refused: Any) -> None:
    """AWS's codes and sentences."""

    def publish(**members: Any) -> tuple[str, str]:
        found: tuple[str, str] = refused(sns.publish, **{"TopicArn": topic, "Message": "m", **members})
        return found

    assert publish(Message="") == ("InvalidParameter", "Invalid parameter: Empty message")
    assert publish(Message="m" * 262_145) == ("InvalidParameter", "Invalid parameter: Message too long")
    assert publish(Subject="s" * 101) == ("InvalidParameter", "Invalid parameter: Subject")
    assert publish(MessageStructure="json")[1] == "Invalid parameter: Message Structure - JSON message body failed to parse"
    assert (
        publish(MessageStructure="json", Message="{}")[1] == "Invalid parameter: Message Structure - No default entry in JSON message body"
    )
    assert publish(TopicArn=topic + "x") == ("NotFound", "Topic does not exist")
    assert publish(TopicArn="nothing")[1] == "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1"
    assert publish(TopicArn=topic.replace("us-east-1", "eu-west-1"))[0] == "InvalidParameter"
    assert publish(MessageDeduplicationId="d")[0] == "InvalidParameter"
    code, message = publish(MessageAttributes={"a": {"DataType": "String", "StringValue": ""}})
    assert code == "ParameterValueInvalid"
    assert message == "The message attribute 'a' must contain non-empty message attribute value for message attribute type 'String'."
    assert publish(MessageAttributes={"a": {"DataType": "Number", "StringValue": "x"}})[0] == "ParameterValueInvalid"


def test_another_accounts_queue(cloud: Any, sns: Any, topic: str, refused: Any) -> None:
    """The topic's owner subscribes it: it gets a token first. Its own owner, let in by the topic's policy, needs none."""
    theirs = cloud.client("sqs", "111111111111")
    url = theirs.create_queue(QueueName="theirs")["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:111111111111:theirs"
    theirs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy(arn, topic)})

    def take() -> list[dict[str, Any]]:
        got = theirs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in got]

    assert sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"] == "pending confirmation"
    sns.publish(TopicArn=topic, Message="too early")
    cloud.settle()
    [told] = take()
    assert told["Type"] == "SubscriptionConfirmation"
    iam = cloud.client("iam", "111111111111")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    nobody = cloud.client("sns", key["AccessKeyId"], key["SecretAccessKey"])
    assert refused(nobody.confirm_subscription, TopicArn=topic, Token=told["Token"])[0] == "AuthorizationError"
    confirmed = cloud.client("sns", "111111111111").confirm_subscription(TopicArn=topic, Token=told["Token"])["SubscriptionArn"]
    sns.publish(TopicArn=topic, Message="m")
    assert [one["Message"] for one in take()] == ["m"]
    for _ in range(2):
        cloud.client("sns", "111111111111").unsubscribe(SubscriptionArn=confirmed)
    other = cloud.client("sns", "111111111111")
    sns.add_permission(TopicArn=topic, Label="them", AWSAccountId=["111111111111"], ActionName=["Subscribe"])
    assert other.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"].startswith(topic)
    assert other.list_subscriptions()["Subscriptions"][0]["Owner"] == "111111111111"
    assert ACCOUNT in topic


def test_another_regions_queue(cloud: Any, sns: Any, topic: str) -> None:
    """Queues may lie in any region."""
    there = cloud.client("sqs", region="eu-west-1")
    url = there.create_queue(QueueName="far")["QueueUrl"]
    arn = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:far"
    there.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy(arn, topic)})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    sns.publish(TopicArn=topic, Message="m")
    assert there.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "m"
