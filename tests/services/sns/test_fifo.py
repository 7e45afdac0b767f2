"""FIFO topics: order, deduplication, archives and replays."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from fogbank.kernel.errors import ServiceException
from fogbank.services.sns import targets


def test_the_order_is_kept(sns: Any, fifo: str, queue: Any, received: Any) -> None:
    """Group and deduplication id go along, numbers grow; the envelope has the number, and no signature."""
    url, arn = queue("q.fifo")
    sns.subscribe(TopicArn=fifo, Protocol="sqs", Endpoint=arn)
    answers = [sns.publish(TopicArn=fifo, Message=str(n), MessageGroupId="g", MessageDeduplicationId=f"d{n}") for n in range(12)]
    numbers = [answer["SequenceNumber"] for answer in answers]
    assert numbers == sorted(numbers)
    assert {len(number) for number in numbers} == {20}
    got = received(url)
    told = [json.loads(message["Body"]) for message in got]
    assert [one["Message"] for one in told] == [str(n) for n in range(12)]
    assert [one["SequenceNumber"] for one in told] == numbers
    assert "Signature" not in told[0]
    assert [m["Attributes"]["MessageDeduplicationId"] for m in got] == [f"d{n}" for n in range(12)]
    assert {m["Attributes"]["MessageGroupId"] for m in got} == {"g"}


def test_duplicates(cloud: Any, sns: Any, fifo: str, queue: Any, bodies: Any) -> None:
    """Within five minutes they are answered like the original and not sent; by content where the topic says so."""
    url, arn = queue("q.fifo")
    sns.subscribe(TopicArn=fifo, Protocol="sqs", Endpoint=arn)
    first = sns.publish(TopicArn=fifo, Message="m", MessageGroupId="g")
    again = sns.publish(TopicArn=fifo, Message="m", MessageGroupId="h")
    assert (again["MessageId"], again["SequenceNumber"]) == (first["MessageId"], first["SequenceNumber"])
    cloud.advance(300)
    sns.publish(TopicArn=fifo, Message="m", MessageGroupId="g")
    assert bodies(url) == ["m", "m"]


def test_duplicates_by_group(sns: Any, fifo: str, queue: Any, bodies: Any) -> None:
    """With FifoThroughputScope MessageGroup an id counts within its group."""
    sns.set_topic_attributes(TopicArn=fifo, AttributeName="FifoThroughputScope", AttributeValue="MessageGroup")
    url, arn = queue("q")
    sns.subscribe(TopicArn=fifo, Protocol="sqs", Endpoint=arn)
    for group in ("g", "h", "g"):
        sns.publish(TopicArn=fifo, Message="m", MessageGroupId=group)
    assert bodies(url) == ["m", "m"]


def test_what_is_refused(sns: Any, topic: str, fifo: str, queue: Any, refused: Any) -> None:
    """A group and an id, only queues, and FIFO queues only from FIFO topics."""
    assert (
        refused(sns.publish, TopicArn=fifo, Message="m")[1] == "Invalid parameter: The MessageGroupId parameter is required for FIFO topics"
    )
    plain = sns.create_topic(Name="plain.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    assert (
        "ContentBasedDeduplication enabled or MessageDeduplicationId"
        in refused(sns.publish, TopicArn=plain, Message="m", MessageGroupId="g")[1]
    )
    _, arn = queue("q.fifo")
    assert refused(sns.subscribe, TopicArn=topic, Protocol="sqs", Endpoint=arn)[1] == (
        "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"
    )
    assert refused(sns.subscribe, TopicArn=fifo, Protocol="email", Endpoint="a@b.example")[0] == "InvalidParameter"
    assert refused(sns.create_topic, Name="x.fifo")[1] == "Invalid parameter: Topic Name"
    assert refused(sns.create_topic, Name="x", Attributes={"FifoTopic": "true"})[1].startswith("Invalid parameter: Fifo Topic names must")


def test_a_group_waits_for_its_first(cloud: Any, sns: Any, fifo: str, queue: Any, bodies: Any, monkeypatch: Any) -> None:
    """While a message is tried again, those that follow in its group wait; other groups and other queues do not."""
    slow, slow_arn = queue("slow.fifo")
    quick, quick_arn = queue("quick.fifo")
    sns.subscribe(TopicArn=fifo, Protocol="sqs", Endpoint=slow_arn)
    sns.subscribe(TopicArn=fifo, Protocol="sqs", Endpoint=quick_arn)
    real, faults = targets._SENDERS["sqs"], [0]

    def busy(ctx: Any, parcel: Any, target: Any) -> None:
        if target.endpoint == slow_arn and parcel.message.group == "g" and faults[0] < 6:
            faults[0] += 1
            raise ServiceException("InternalFailure", "busy", status=500)
        real(ctx, parcel, target)

    monkeypatch.setitem(targets._SENDERS, "sqs", busy)
    for n in range(5):
        sns.publish(TopicArn=fifo, Message=f"g{n}", MessageGroupId="g")
        sns.publish(TopicArn=fifo, Message=f"h{n}", MessageGroupId="h")
    assert sorted(bodies(quick)) == [f"{group}{n}" for group in "gh" for n in range(5)]
    assert bodies(slow) == [f"h{n}" for n in range(5)]
    for _ in range(10):
        cloud.advance(1)
    assert bodies(slow) == [f"g{n}" for n in range(5)]


def iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()


def test_an_archive_is_replayed(cloud: Any, sns: Any, fifo: str, queue: Any, received: Any, refused: Any) -> None:
    """From an instant on, in order, through the filter, marked as replayed; then what is new."""
    sns.set_topic_attributes(TopicArn=fifo, AttributeName="ArchivePolicy", AttributeValue='{"MessageRetentionPeriod": "2"}')
    marks = []
    for n in range(150):
        if n % 50 == 0:
            cloud.advance(60)
            marks.append(cloud.now_ms)
        sns.publish(TopicArn=fifo, Message=str(n), MessageGroupId="g")
    url, arn = queue("q.fifo")
    replay = {"PointType": "Timestamp", "StartingPoint": iso(marks[1])}
    made = sns.subscribe(TopicArn=fifo, Protocol="sqs", Endpoint=arn, Attributes={"ReplayPolicy": json.dumps(replay)})["SubscriptionArn"]
    cloud.settle()
    assert sns.get_subscription_attributes(SubscriptionArn=made)["Attributes"]["ReplayStatus"] == "Completed"
    sns.publish(TopicArn=fifo, Message="new", MessageGroupId="g")
    got = [json.loads(message["Body"]) for message in received(url)]
    assert [one["Message"] for one in got] == [*(str(n) for n in range(50, 150)), "new"]
    assert [one.get("Replayed") for one in got] == ["true"] * 100 + [None]
    assert refused(sns.delete_topic, TopicArn=fifo)[0] == "InvalidState"
    ended = {**replay, "EndingPoint": iso(marks[2] - 1)}
    sns.set_subscription_attributes(SubscriptionArn=made, AttributeName="ReplayPolicy", AttributeValue=json.dumps(ended))
    cloud.settle()
    sns.publish(TopicArn=fifo, Message="newer", MessageGroupId="g")
    assert [json.loads(message["Body"])["Message"] for message in received(url)] == [str(n) for n in range(50, 100)]


def test_an_archive_forgets(cloud: Any, sns: Any, fifo: str, queue: Any, received: Any) -> None:
    """What is older than the policy says is not replayed."""
    sns.set_topic_attributes(TopicArn=fifo, AttributeName="ArchivePolicy", AttributeValue='{"MessageRetentionPeriod": "1"}')
    began = cloud.now_ms
    sns.publish(TopicArn=fifo, Message="old", MessageGroupId="g")
    cloud.advance(86_000)
    sns.publish(TopicArn=fifo, Message="young", MessageGroupId="g")
    cloud.advance(1000)
    url, arn = queue("q.fifo")
    replay = json.dumps({"PointType": "Timestamp", "StartingPoint": iso(began)})
    sns.subscribe(TopicArn=fifo, Protocol="sqs", Endpoint=arn, Attributes={"ReplayPolicy": replay})
    cloud.settle()
    assert [json.loads(message["Body"])["Message"] for message in received(url)] == ["young"]
    begins = sns.get_topic_attributes(TopicArn=fifo)["Attributes"]["BeginningArchiveTime"]
    assert datetime.fromisoformat(begins).timestamp() * 1000 == cloud.now_ms - 86_400_000


def test_a_message_that_nobody_can_open(cloud: Any, sns: Any, fifo: str, queue: Any, bodies: Any, monkeypatch: Any) -> None:
    """What waits under a key that its publisher may not use any more is given up; the group goes on."""
    url, arn = queue("q.fifo")
    sns.subscribe(TopicArn=fifo, Protocol="sqs", Endpoint=arn)
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    sns.set_topic_attributes(TopicArn=fifo, AttributeName="KmsMasterKeyId", AttributeValue=key)
    send = targets._SENDERS["sqs"]

    def busy(ctx: Any, parcel: Any, target: Any) -> None:
        raise ServiceException("ServiceUnavailable", "", status=503)

    monkeypatch.setitem(targets._SENDERS, "sqs", busy)
    iam = cloud.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust}))["Role"]["Arn"]
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": allowed}))
    session = cloud.client("sts").assume_role(
        RoleArn=role, RoleSessionName="session", DurationSeconds=900, Policy=json.dumps({"Version": "2012-10-17", "Statement": allowed})
    )["Credentials"]
    publisher = cloud.client("sns", session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])
    publisher.publish(TopicArn=fifo, Message="lost", MessageGroupId="g")
    sns.publish(TopicArn=fifo, Message="kept", MessageGroupId="g")
    cloud.advance(1000)
    monkeypatch.setitem(targets._SENDERS, "sqs", send)
    cloud.advance(60)
    assert bodies(url) == ["kept"]
