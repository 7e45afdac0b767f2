"""Events, and who is told of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from fogbank.testing import Cloud

from .people import ACCOUNT, allow, arn, person


@pytest.fixture
def topic(cloud: Cloud) -> str:
    made: str = cloud.client("sns").create_topic(Name="told")["TopicArn"]
    return made


@pytest.fixture
def inbox(cloud: Cloud, topic: str) -> Callable[[], list[dict[str, Any]]]:
    """What a queue that is subscribed to the topic has got, as notifications."""
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="told")["QueueUrl"]
    queue = f"arn:aws:sqs:us-east-1:{ACCOUNT}:told"
    statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})})
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)

    def got() -> list[dict[str, Any]]:
        cloud.settle()
        found = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            found += [json.loads(message["Body"]) for message in messages]
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    return got


def _subscribe(rds: Any, topic: str, name: str = "s", **members: Any) -> dict[str, Any]:
    made: dict[str, Any] = rds.create_event_subscription(SubscriptionName=name, SnsTopicArn=topic, **members)["EventSubscription"]
    return made


def test_events_of_the_past_hour(cloud: Cloud, rds: Any, plain: Any) -> None:
    """DescribeEvents tells the past hour, a type of source and a source on request, and spans further back when it is asked to."""
    plain("one")
    cloud.advance(3600 + 60)
    plain("two")
    assert {event["SourceIdentifier"] for event in rds.describe_events()["Events"]} == {"two"}
    created = rds.describe_events(Duration=120, SourceType="db-instance", SourceIdentifier="one", EventCategories=["creation"])["Events"]
    assert [(event["Message"], event["SourceArn"]) for event in created] == [("DB instance created", arn("db", "one"))]
    start = created[0]["Date"] - timedelta(seconds=1)
    between = rds.describe_events(StartTime=start, EndTime=start + timedelta(seconds=2), SourceType="db-instance")["Events"]
    assert {event["SourceIdentifier"] for event in between} == {"one"}
    cloud.advance(14 * 86_400)
    kept = rds.describe_events(Duration=20_160, SourceIdentifier="one", SourceType="db-instance")["Events"]
    assert "DB instance created" not in {event["Message"] for event in kept}


def test_wrong_spans_are_refused(rds: Any, refused: Any) -> None:
    """A source needs its type; a span has a start before its end."""
    assert refused(rds.describe_events, SourceIdentifier="x") == (
        "InvalidParameterCombination",
        "A SourceType must be specified if a SourceIdentifier is specified.",
    )
    assert refused(rds.describe_events, StartTime=2_000_000_000, EndTime=1_900_000_000)[0] == "InvalidParameterCombination"
    assert refused(rds.describe_events, Duration=0)[0] == "InvalidParameterValue"


def test_categories_by_type(rds: Any) -> None:
    """Each type of source has its categories."""
    every = {one["SourceType"]: one["EventCategories"] for one in rds.describe_event_categories()["EventCategoriesMapList"]}
    assert every["db-parameter-group"] == ["configuration change"]
    assert {"creation", "failover", "read replica"} <= set(every["db-instance"])
    only = rds.describe_event_categories(SourceType="db-proxy")["EventCategoriesMapList"]
    assert only == [{"SourceType": "db-proxy", "EventCategories": every["db-proxy"]}]


def test_a_topic_is_told(cloud: Cloud, rds: Any, topic: str, inbox: Any, plain: Any) -> None:
    """A subscription's topic gets each event that it is about, in RDS's form, with attributes to filter by."""
    made = _subscribe(rds, topic, SourceType="db-instance", EventCategories=["creation"])
    assert (made["Status"], made["Enabled"], made["EventSubscriptionArn"]) == ("creating", True, arn("es", "s"))
    plain("db")
    (notice,) = inbox()
    assert notice["Subject"] == "RDS Notification Message"
    assert notice["MessageAttributes"]["EventID"]["Value"] == "RDS-EVENT-0005"
    message = json.loads(notice["Message"])
    assert (message["Event Source"], message["Source ID"], message["Source ARN"]) == ("db-instance", "db", arn("db", "db"))
    assert message["Event Message"] == "DB instance created"
    assert message["Event ID"].endswith("#RDS-EVENT-0005")
    assert rds.describe_event_subscriptions(SubscriptionName="s")["EventSubscriptionsList"][0]["Status"] == "active"
    rds.modify_event_subscription(SubscriptionName="s", Enabled=False)
    plain("other")
    assert inbox() == []


def test_only_some_sources(cloud: Cloud, rds: Any, topic: str, inbox: Any, plain: Any, refused: Any) -> None:
    """A subscription to some sources hears of those only; sources come and go, and must be there."""
    plain("one")
    plain("two")
    inbox()
    _subscribe(rds, topic, SourceType="db-instance", SourceIds=["one"])
    for name in ("one", "two"):
        rds.reboot_db_instance(DBInstanceIdentifier=name)
    assert {json.loads(notice["Message"])["Source ID"] for notice in inbox()} == {"one"}
    added = rds.add_source_identifier_to_subscription(SubscriptionName="s", SourceIdentifier="two")["EventSubscription"]
    assert added["SourceIdsList"] == ["one", "two"]
    rds.remove_source_identifier_from_subscription(SubscriptionName="s", SourceIdentifier="one")
    for name in ("one", "two"):
        rds.reboot_db_instance(DBInstanceIdentifier=name)
    assert {json.loads(notice["Message"])["Source ID"] for notice in inbox()} == {"two"}
    assert refused(rds.add_source_identifier_to_subscription, SubscriptionName="s", SourceIdentifier="no")[0] == "SourceNotFound"
    assert refused(rds.remove_source_identifier_from_subscription, SubscriptionName="s", SourceIdentifier="no")[0] == "SourceNotFound"


def test_a_topic_that_refuses_shows(cloud: Cloud, rds: Any, topic: str) -> None:
    """A topic whose policy does not let RDS publish, and one that is gone, show in the subscription's status."""
    sns = cloud.client("sns")
    _subscribe(rds, topic)
    nobody = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sns:Publish", "Resource": topic}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [nobody]})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)

    def status() -> str:
        rds.create_db_parameter_group(DBParameterGroupName=f"g{cloud.now_ms}", DBParameterGroupFamily="postgres18", Description="d")
        given = {"ParameterName": "work_mem", "ParameterValue": "64", "ApplyMethod": "immediate"}
        rds.modify_db_parameter_group(DBParameterGroupName=f"g{cloud.now_ms}", Parameters=[given])
        cloud.settle()
        cloud.advance(1)
        found: str = rds.describe_event_subscriptions()["EventSubscriptionsList"][0]["Status"]
        return found

    assert status() == "no-permission"
    service = {"Effect": "Allow", "Principal": {"Service": "events.rds.amazonaws.com"}, "Action": "sns:Publish", "Resource": topic}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [service]})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    assert status() == "active"


def test_wrong_subscriptions_are_refused(rds: Any, topic: str, refused: Any) -> None:
    """A topic must be there and no FIFO one; categories belong to the type; a name is taken once."""
    make = rds.create_event_subscription
    assert refused(make, SubscriptionName="x", SnsTopicArn=topic + "2")[0] == "SNSTopicArnNotFound"
    assert refused(make, SubscriptionName="x", SnsTopicArn=topic + ".fifo")[0] == "SNSInvalidTopic"
    wrong = refused(make, SubscriptionName="x", SnsTopicArn=topic, SourceType="db-parameter-group", EventCategories=["creation"])
    assert wrong[0] == "SubscriptionCategoryNotFound"
    assert refused(make, SubscriptionName="x", SnsTopicArn=topic, SourceIds=["a"])[0] == "InvalidParameterCombination"
    _subscribe(rds, topic)
    assert refused(make, SubscriptionName="S", SnsTopicArn=topic) == ("SubscriptionAlreadyExist", "Subscription s already exists.")
    rds.delete_event_subscription(SubscriptionName="s")
    assert refused(rds.delete_event_subscription, SubscriptionName="s")[0] == "SubscriptionNotFound"


def test_the_bus_is_told(cloud: Cloud, rds: Any) -> None:
    """Events come to the account's default bus from aws.rds, and a rule finds them."""
    sqs, events = cloud.client("sqs"), cloud.client("events")
    url = sqs.create_queue(QueueName="bus")["QueueUrl"]
    queue = f"arn:aws:sqs:us-east-1:{ACCOUNT}:bus"
    statement = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})})
    pattern = {"source": ["aws.rds"], "detail-type": ["RDS DB Parameter Group Event"]}
    events.put_rule(Name="r", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": queue}])
    rds.create_db_parameter_group(DBParameterGroupName="g", DBParameterGroupFamily="postgres18", Description="d")
    given = {"ParameterName": "work_mem", "ParameterValue": "64", "ApplyMethod": "immediate"}
    rds.modify_db_parameter_group(DBParameterGroupName="g", Parameters=[given])
    cloud.settle()
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    event = json.loads(message["Body"])
    assert event["resources"] == [arn("pg", "g")]
    detail = event["detail"]
    assert (detail["EventID"], detail["SourceIdentifier"], detail["SourceType"]) == ("RDS-EVENT-0037", "g", "DB_PARAM")


def test_what_a_policy_lets_somebody_do(cloud: Cloud, rds: Any, topic: str, refused: Any) -> None:
    """A policy that names a subscription lets its user delete that one only."""
    for name in ("one", "two"):
        _subscribe(rds, topic, name, Tags=[{"Key": "t", "Value": name}])
    narrow = person(cloud, "narrow", allow("rds:DeleteEventSubscription", arn("es", "one")))
    assert refused(narrow.delete_event_subscription, SubscriptionName="two")[0] == "AccessDenied"
    narrow.delete_event_subscription(SubscriptionName="one")
    tagged = person(cloud, "tagged", allow("rds:DeleteEventSubscription", StringEquals={"rds:es-tag/t": "two"}))
    tagged.delete_event_subscription(SubscriptionName="two")
