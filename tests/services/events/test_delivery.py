"""Events on their way: put, matched, delivered, tried again, buried."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from fogbank.testing.cloud import ACCOUNT, Cloud

from .conftest import Queue, make_role, put, rule_to


def test_an_event_arrives(events: Any, queue: Queue) -> None:
    """A target gets the event in AWS's envelope."""
    rule_to(events, queue)
    id = put(events, detail={"a": [1, 2.50]}, Resources=["arn:x"], Time=1_513_968_228)["EventId"]
    message = queue.messages()[0]
    assert json.loads(message["Body"]) == {
        "version": "0",
        "id": id,
        "detail-type": "Order",
        "source": "shop",
        "account": ACCOUNT,
        "time": "2017-12-22T18:43:48Z",
        "region": "us-east-1",
        "resources": ["arn:x"],
        "detail": {"a": [1, 2.5]},
    }
    assert message["Body"].endswith('"detail":{"a":[1,2.5]}}')


def test_only_what_matches(events: Any, make_queue: Callable[..., Queue]) -> None:
    """Each rule gets what its pattern matches; a rule without targets, or disabled, nothing."""
    orders, all_, other = make_queue("orders"), make_queue("all"), make_queue("other")
    rule_to(events, orders, {"source": ["shop"], "detail": {"price": [{"numeric": [">", 10]}]}}, "orders")
    rule_to(events, all_, {"source": [{"prefix": ""}]}, "all")
    rule_to(events, other, {"source": ["shop"]}, "other")
    events.disable_rule(Name="other")
    put(events, detail={"price": 5})
    put(events, detail={"price": 15})
    put(events, source="elsewhere", detail={"price": 15})
    assert [e["detail"]["price"] for e in orders.bodies()] == [15]
    assert len(all_.bodies()) == 3
    assert other.bodies() == []
    events.enable_rule(Name="other")
    put(events)
    assert len(other.bodies()) == 1
    events.put_rule(Name="other", EventPattern='{"source": ["new"]}')
    put(events)
    put(events, source="new")
    assert [e["source"] for e in other.bodies()] == ["new"]


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({"DetailType": "x", "Detail": "{}"}, "InvalidArgument"),
        ({"Source": "s", "Detail": "{}"}, "InvalidArgument"),
        ({"Source": "s", "DetailType": "x"}, "InvalidArgument"),
        ({"Source": "s", "DetailType": "x" * 129, "Detail": "{}"}, "InvalidArgument"),
        ({"Source": "s", "DetailType": "x", "Detail": "{"}, "MalformedDetail"),
        ({"Source": "s", "DetailType": "x", "Detail": "[]"}, "MalformedDetail"),
        ({"Source": "aws.s3", "DetailType": "x", "Detail": "{}"}, "NotAuthorizedForSourceException"),
    ],
)
def test_entries_fail_by_themselves(events: Any, queue: Queue, entry: dict[str, str], code: str) -> None:
    """An entry that is wrong fails with its code, and the others arrive."""
    rule_to(events, queue)
    good = {"Source": "shop", "DetailType": "Order", "Detail": "{}"}
    answer = events.put_events(Entries=[entry, good])
    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][0]["ErrorCode"] == code
    assert "EventId" in answer["Entries"][1]
    assert len(queue.bodies()) == 1


def test_limits(events: Any, refused: Callable[..., tuple[str, str]]) -> None:
    """At most ten entries, of together at most 1 MB; a bus that is not there swallows its events."""
    entry = {"Source": "s", "DetailType": "x", "Detail": json.dumps({"x": "y" * 200_000})}
    assert refused(events.put_events, Entries=[entry] * 6) == (
        "ValidationException",
        "Total size of the entries in the request is over the limit.",
    )
    assert refused(events.put_events, Entries=[{**entry, "Detail": "{}"}] * 11)[0] == "ValidationException"
    assert "EventId" in put(events, EventBusName="nowhere")


def test_custom_bus(events: Any, queue: Queue) -> None:
    """Events reach the rules of their own bus only."""
    events.create_event_bus(Name="shop-bus")
    rule_to(events, queue, bus="shop-bus")
    put(events)
    assert queue.bodies() == []
    put(events, EventBusName="shop-bus")
    put(events, EventBusName=f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/shop-bus")
    assert len(queue.bodies()) == 2


def test_by_the_queues_policy(events: Any, make_queue: Callable[..., Queue]) -> None:
    """A queue decides by aws:SourceArn which rules may send; what it refuses becomes a dead letter at once."""
    queue, dead = make_queue("q", open_=False), make_queue("dead")
    arn = rule_to(events, queue, DeadLetterConfig={"Arn": dead.arn})
    id = put(events)["EventId"]
    assert queue.messages() == []
    letter = dead.messages()[0]
    attributes = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert json.loads(letter["Body"])["id"] == id
    assert attributes["RULE_ARN"] == arn
    assert attributes["TARGET_ARN"] == queue.arn
    assert attributes["ERROR_CODE"] == "NO_PERMISSIONS"
    assert attributes["RETRY_ATTEMPTS"] == "0"
    assert "not authorized" in attributes["ERROR_MESSAGE"]
    queue.allow(ArnEquals={"aws:SourceArn": arn})
    put(events)
    assert len(queue.messages()) == 1
    queue.allow(ArnEquals={"aws:SourceArn": arn + "x"})
    put(events)
    assert len(queue.messages()) == 0


def test_a_target_that_is_gone(cloud: Cloud, events: Any, make_queue: Callable[..., Queue]) -> None:
    """A missing target is not tried again."""
    dead = make_queue("dead")
    role = make_role(cloud, "may", "events.amazonaws.com", ("sqs:SendMessage", "*"))
    rule_to(events, f"arn:aws:sqs:us-east-1:{ACCOUNT}:nowhere", RoleArn=role, DeadLetterConfig={"Arn": dead.arn})
    put(events)
    assert dead.messages()[0]["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_RESOURCE"


def test_by_a_role(cloud: Cloud, events: Any, make_queue: Callable[..., Queue]) -> None:
    """A target with a role is reached as the role, with what the role may do, and the role must trust EventBridge."""
    queue, dead = make_queue("q", open_=False), make_queue("dead")
    may = make_role(cloud, "may", "events.amazonaws.com", ("sqs:SendMessage", queue.arn))
    may_not = make_role(cloud, "may-not", "events.amazonaws.com", ("sqs:SendMessage", dead.arn))
    stranger = make_role(cloud, "stranger", "lambda.amazonaws.com", ("sqs:SendMessage", queue.arn))
    rule_to(events, queue, RoleArn=may, DeadLetterConfig={"Arn": dead.arn})
    put(events)
    assert len(queue.messages()) == 1
    for role in (may_not, stranger):
        rule_to(events, queue, RoleArn=role, DeadLetterConfig={"Arn": dead.arn})
        put(events)
        assert queue.messages() == []
        assert dead.messages()[0]["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"


def test_fifo(events: Any, make_queue: Callable[..., Queue], refused: Callable[..., tuple[str, str]]) -> None:
    """A FIFO queue needs a message group, and deduplication by content."""
    queue = make_queue("q", fifo=True)
    events.put_rule(Name="rule", EventPattern='{"source": ["shop"]}')
    assert refused(events.put_targets, Rule="rule", Targets=[{"Id": "t", "Arn": queue.arn}])[0] == "ValidationException"
    rule_to(events, queue, SqsParameters={"MessageGroupId": "g"})
    put(events)
    assert queue.messages()[0]["Attributes"]["MessageGroupId"] == "g"


def test_many_targets(cloud: Cloud, events: Any, make_queue: Callable[..., Queue]) -> None:
    """More targets than are served at once get their events, too."""
    queues = [make_queue(f"q{n}") for n in range(5)]
    for n in range(6):
        events.put_rule(Name=f"rule{n}", EventPattern='{"source": ["shop"]}')
        events.put_targets(Rule=f"rule{n}", Targets=[{"Id": f"t{m}", "Arn": queue.arn} for m, queue in enumerate(queues)])
    put(events)
    assert [len(queue.bodies()) for queue in queues] == [6] * 5


def test_trace(cloud: Cloud, events: Any, queue: Queue) -> None:
    """An event's trace header reaches the queue."""
    rule_to(events, queue)
    header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    put(events, TraceHeader=header)
    assert queue.messages()[0]["Attributes"]["AWSTraceHeader"].startswith("Root=1-5759e988-bd862e3fe1be46a994272793")


def test_who_may_put(cloud: Cloud, events: Any) -> None:
    """A user puts events on the buses, with the sources and detail types, that their policy names."""
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    statement = {
        "Effect": "Allow",
        "Action": "events:PutEvents",
        "Resource": f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default",
        "Condition": {"StringEquals": {"events:source": "shop", "events:detail-type": "Order"}},
    }
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    key = iam.create_access_key(UserName="u")["AccessKey"]
    user = cloud.client("events", key["AccessKeyId"], key["SecretAccessKey"])
    assert "EventId" in put(user)
    for members in ({"source": "bank"}, {"kind": "Bill"}, {"EventBusName": "other"}):
        with pytest.raises(user.exceptions.ClientError, match="not authorized to perform: events:PutEvents on resource: arn:aws:events"):
            put(user, **members)  # type: ignore[arg-type]


def test_rule_permissions(cloud: Cloud, events: Any) -> None:
    """A narrow policy lets its user make that rule, with that target, and no other."""
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    rule = f"arn:aws:events:us-east-1:{ACCOUNT}:rule/mine*"
    statements = [
        {"Effect": "Allow", "Action": "events:PutRule", "Resource": rule, "Condition": {"StringEquals": {"aws:RequestTag/team": "a"}}},
        {
            "Effect": "Allow",
            "Action": "events:PutTargets",
            "Resource": rule,
            "Condition": {"ForAllValues:ArnLike": {"events:TargetArn": "arn:aws:sqs:*:*:good"}},
        },
        {"Effect": "Allow", "Action": "events:DescribeRule", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/team": "a"}}},
    ]
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    key = iam.create_access_key(UserName="u")["AccessKey"]
    user = cloud.client("events", key["AccessKeyId"], key["SecretAccessKey"])
    denied = pytest.raises(user.exceptions.ClientError, match="AccessDenied")
    pattern = '{"source": ["shop"]}'
    user.put_rule(Name="mine", EventPattern=pattern, Tags=[{"Key": "team", "Value": "a"}])
    with denied:
        user.put_rule(Name="mine2", EventPattern=pattern)
    with denied:
        user.put_rule(Name="yours", EventPattern=pattern, Tags=[{"Key": "team", "Value": "a"}])
    user.put_targets(Rule="mine", Targets=[{"Id": "t", "Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:good"}])
    with denied:
        user.put_targets(Rule="mine", Targets=[{"Id": "t", "Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:bad"}])
    events.put_rule(Name="other", EventPattern=pattern)
    assert user.describe_rule(Name="mine")["State"] == "ENABLED"
    with denied:
        user.describe_rule(Name="other")


def test_management_events_that_only_read(events: Any, make_queue: Callable[..., Queue]) -> None:
    """Read-only management events by CloudTrail reach only the rules that want them all."""
    some, all_ = make_queue("some"), make_queue("all")
    rule_to(events, some, name="some")
    rule_to(events, all_, name="all")
    events.put_rule(Name="all", EventPattern='{"source": ["shop"]}', State="ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")
    for read_only in (True, False):
        put(events, kind="AWS API Call via CloudTrail", detail={"managementEvent": True, "readOnly": read_only})
    assert [event["detail"]["readOnly"] for event in some.bodies()] == [False]
    assert len(all_.bodies()) == 2


def test_tried_again_when_throttled(cloud: Cloud, events: Any, make_queue: Callable[..., Queue]) -> None:
    """What a target throttles is tried again later, as long as the retry policy lets it."""
    kinesis, dead = cloud.client("kinesis"), make_queue("dead")
    kinesis.create_stream(StreamName="s", ShardCount=1)
    cloud.advance(60)
    arn = f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/s"
    role = make_role(cloud, "put", "events.amazonaws.com", ("kinesis:PutRecord", arn))
    rule_to(events, arn, RoleArn=role, DeadLetterConfig={"Arn": dead.arn})
    rule_to(events, arn, name="once", RoleArn=role, DeadLetterConfig={"Arn": dead.arn}, RetryPolicy={"MaximumRetryAttempts": 0})
    kinesis.put_record(StreamName="s", PartitionKey="k", Data=b"x" * 1_048_000)
    shard = kinesis.list_shards(StreamName="s")["Shards"][0]["ShardId"]
    place = kinesis.get_shard_iterator(StreamName="s", ShardId=shard, ShardIteratorType="LATEST")["ShardIterator"]
    id = put(events, detail={"x": "y" * 4000})["EventId"]
    letter = dead.messages()[0]["MessageAttributes"]
    assert letter["ERROR_CODE"]["StringValue"] == "THROTTLING"
    assert letter["EXHAUSTED_RETRY_CONDITION"]["StringValue"] == "MaximumRetryAttempts"
    assert kinesis.get_records(ShardIterator=place)["Records"] == []
    cloud.advance(3)
    assert [json.loads(record["Data"])["id"] for record in kinesis.get_records(ShardIterator=place)["Records"]] == [id]


@pytest.mark.parametrize("depth", [101, 990, 50_000])
def test_deep(events: Any, queue: Queue, refused: Callable[..., tuple[str, str]], depth: int) -> None:
    """What nests deeper than anybody means is refused, whoever would have to read it."""
    text = '{"a":' + "[" * depth + "1" + "]" * depth + "}"
    answer = events.put_events(Entries=[{"Source": "shop", "DetailType": "x", "Detail": text}])
    assert answer["Entries"][0]["ErrorCode"] == "MalformedDetail"
    event = '{"id":1,"account":1,"source":1,"time":1,"region":1,"resources":[],"detail-type":1,"detail":' + text + "}"
    assert refused(events.test_event_pattern, EventPattern='{"a":["b"]}', Event=event)[0] == "ValidationException"
    if depth < 2000:
        assert refused(events.put_rule, Name="r", EventPattern=text)[0] == "InvalidEventPatternException"
        rule_to(events, queue)
        assert refused(events.put_targets, Rule="rule", Targets=[{"Id": "i", "Arn": queue.arn, "Input": text}])[0] == "ValidationException"
