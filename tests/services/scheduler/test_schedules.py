"""Schedules by the clock, their targets, and what becomes of failures."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fogbank.testing.cloud import ACCOUNT, Cloud

from .conftest import OFF, Queue, create, make_role

Refused = Callable[..., tuple[str, str]]
HOUR = 3600
DAY = 24 * HOUR


def now(cloud: Cloud) -> datetime:
    return datetime.fromtimestamp(cloud.now_ms / 1000, UTC)


def at(cloud: Cloud, seconds: int, zone: str = "UTC") -> str:
    return f"at({(now(cloud) + timedelta(seconds=seconds)).astimezone(ZoneInfo(zone)).strftime('%Y-%m-%dT%H:%M:%S')})"


def test_once(cloud: Cloud, scheduler: Any, queue: Queue, role: str) -> None:
    """A one-time schedule invokes its target once, by the clock of its time zone."""
    create(scheduler, queue, role, at(cloud, 600, "Asia/Tokyo"), ScheduleExpressionTimezone="Asia/Tokyo")
    cloud.advance(598)
    assert queue.bodies() == []
    cloud.advance(2)
    assert queue.bodies() == ["hello"]
    cloud.advance(10 * DAY)
    assert queue.bodies() == []
    assert scheduler.get_schedule(Name="s")["State"] == "ENABLED"


def test_deleted_after_completion(cloud: Cloud, scheduler: Any, queue: Queue, role: str) -> None:
    """A schedule with ActionAfterCompletion DELETE is gone after its last invocation."""
    create(scheduler, queue, role, at(cloud, 60), name="once", ActionAfterCompletion="DELETE")
    end = now(cloud) + timedelta(seconds=2 * HOUR + 1)
    create(scheduler, queue, role, "rate(1 hour)", name="some", ActionAfterCompletion="DELETE", EndDate=end)
    cloud.advance(HOUR)
    assert queue.bodies() == ["hello"] * 3
    assert [one["Name"] for one in scheduler.list_schedules()["Schedules"]] == ["some"]
    cloud.advance(HOUR)
    assert queue.bodies() == ["hello"]
    assert scheduler.list_schedules()["Schedules"] == []


def test_rates(cloud: Cloud, scheduler: Any, queue: Queue, role: str) -> None:
    """A rate begins at once, or at its StartDate, and ends at its EndDate."""
    create(scheduler, queue, role)
    assert len(queue.bodies()) == 1
    cloud.advance(2 * HOUR)
    assert len(queue.bodies()) == 2
    scheduler.update_schedule(
        Name="s",
        ScheduleExpression="rate(10 minutes)",
        FlexibleTimeWindow=OFF,
        Target={"Arn": queue.arn, "RoleArn": role, "Input": "later"},
        StartDate=now(cloud) + timedelta(hours=1),
        EndDate=now(cloud) + timedelta(hours=1, minutes=30, seconds=1),
    )
    cloud.advance(HOUR - 1)
    assert queue.bodies() == []
    cloud.advance(DAY)
    assert queue.bodies() == ["later"] * 4


def test_cron_in_a_zone(cloud: Cloud, scheduler: Any, queue: Queue, role: str) -> None:
    """Cron follows the wall clock of its zone."""
    text, zone = "<aws.scheduler.scheduled-time>", ZoneInfo("America/New_York")
    create(scheduler, queue, role, "cron(0 9 * * ? *)", ScheduleExpressionTimezone=zone.key, Target={"Input": text})
    begun = now(cloud)
    cloud.advance(3 * DAY)
    mornings = [datetime.combine(begun.astimezone(zone) + timedelta(days=n), time(9), zone) for n in range(5)]  # where clocks change, too
    assert [datetime.fromisoformat(body) for body in queue.bodies()] == [one for one in mornings if begun <= one <= now(cloud)]


def test_flexible_window(cloud: Cloud, scheduler: Any, queue: Queue, role: str) -> None:
    """Within a flexible window invocations come by chance, each once."""
    window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 60}
    for n in range(40):
        create(scheduler, queue, role, at(cloud, 600), name=f"s{n}", FlexibleTimeWindow=window)
    cloud.advance(600 + 1800)
    first = len(queue.bodies())
    assert 0 < first < 40
    cloud.advance(1800)
    assert first + len(queue.bodies()) == 40


def test_states(cloud: Cloud, scheduler: Any, queue: Queue, role: str) -> None:
    """A disabled schedule rests; a deleted one is gone."""
    create(scheduler, queue, role, State="DISABLED")
    cloud.advance(DAY)
    assert queue.bodies() == []
    target = {"Arn": queue.arn, "RoleArn": role, "Input": "x"}
    scheduler.update_schedule(Name="s", ScheduleExpression="rate(1 day)", FlexibleTimeWindow=OFF, Target=target)
    assert queue.bodies() == ["x"]
    scheduler.delete_schedule(Name="s")
    cloud.advance(3 * DAY)
    assert queue.bodies() == []


def test_context_attributes_and_notification(cloud: Cloud, scheduler: Any, queue: Queue, role: str) -> None:
    """Attributes in the input are filled in; without an input the target gets a notification."""
    text = '{"arn": "<aws.scheduler.schedule-arn>", "id": "<aws.scheduler.execution-id>", "n": <aws.scheduler.attempt-number>}'
    arn = create(scheduler, queue, role, at(cloud, 60), Target={"Input": text})
    target = {"Arn": queue.arn, "RoleArn": role}
    other = scheduler.create_schedule(Name="o", ScheduleExpression=at(cloud, 120), FlexibleTimeWindow=OFF, Target=target)["ScheduleArn"]
    cloud.advance(60)
    body = json.loads(queue.bodies()[0])
    assert (body["arn"], body["n"]) == (arn, 1)
    assert len(body["id"]) == 36
    cloud.advance(60)
    body = json.loads(queue.bodies()[0])
    assert (body["source"], body["resources"], body["detail"]) == ("aws.scheduler", [other], "{}")


def test_universal_targets(cloud: Cloud, scheduler: Any, queue: Queue, dead: Queue) -> None:
    """Any operation can be called, as what the role may do."""
    role = make_role(cloud, "all", ("sqs:CreateQueue", "*"), ("kms:CreateKey", "*"), ("sqs:SendMessage", dead.arn))
    for name, action, text in (
        ("queue", "sqs:createQueue", {"QueueName": "made", "attributes": {"DelaySeconds": "5"}}),
        ("key", "kms:createKey", {"Description": "d"}),
        ("denied", "sqs:deleteQueue", {"QueueUrl": queue.url}),
    ):
        target = {
            "Arn": f"arn:aws:scheduler:::aws-sdk:{action}",
            "RoleArn": role,
            "Input": json.dumps(text),
            "DeadLetterConfig": {"Arn": dead.arn},
        }
        scheduler.create_schedule(Name=name, ScheduleExpression=at(cloud, 60), FlexibleTimeWindow=OFF, Target=target)
    cloud.advance(60)
    assert any(url.endswith("/made") for url in cloud.client("sqs").list_queues()["QueueUrls"])
    assert len(cloud.client("kms").list_keys()["Keys"]) == 1
    letter = dead.messages()
    assert len(letter) == 1
    attributes = {name: value["StringValue"] for name, value in letter[0]["MessageAttributes"].items()}
    assert attributes["SCHEDULE_ARN"] == f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule/default/denied"
    assert attributes["ERROR_CODE"] == "AccessDenied"
    assert attributes["IS_PAYLOAD_TRUNCATED"] == "false"
    assert json.loads(letter[0]["Body"]) == {"QueueUrl": queue.url}


def test_to_a_bus(cloud: Cloud, scheduler: Any, queue: Queue) -> None:
    """A templated target of EventBridge puts an event."""
    events = cloud.client("events")
    bus = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default"
    role = make_role(cloud, "put", ("events:PutEvents", bus))
    into = make_role(cloud, "send", ("sqs:SendMessage", "*"), service="events.amazonaws.com")
    events.put_rule(Name="r", EventPattern='{"source": ["clock"]}')
    events.put_targets(Rule="r", Targets=[{"Id": "t", "Arn": queue.arn, "RoleArn": into}])
    target = {
        "Arn": bus,
        "RoleArn": role,
        "Input": '{"a": 1}',
        "EventBridgeParameters": {"DetailType": "Tick", "Source": "clock"},
    }
    scheduler.create_schedule(Name="s", ScheduleExpression=at(cloud, 60), FlexibleTimeWindow=OFF, Target=target)
    cloud.advance(60)
    event = json.loads(queue.bodies()[0])
    assert (event["detail-type"], event["detail"]) == ("Tick", {"a": 1})


def test_gone_target(cloud: Cloud, scheduler: Any, queue: Queue, dead: Queue, role: str) -> None:
    """What is refused for good is buried at once."""
    gone = f"arn:aws:sqs:us-east-1:{ACCOUNT}:gone"
    create(scheduler, queue, role, at(cloud, 60), Target={"Arn": gone, "DeadLetterConfig": {"Arn": dead.arn}})
    cloud.advance(60)
    letter = dead.messages()[0]
    assert letter["Body"] == "hello"
    assert letter["MessageAttributes"]["RETRY_ATTEMPTS"]["StringValue"] == "0"
    assert letter["MessageAttributes"]["TARGET_ARN"]["StringValue"] == gone


def test_encrypted(cloud: Cloud, scheduler: Any, queue: Queue) -> None:
    """With a KMS key the input is sealed: the role needs kms:Decrypt to invoke, and the caller to look."""
    kms, iam = cloud.client("kms"), cloud.client("iam")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    role = make_role(cloud, "s", ("sqs:SendMessage", "*"), ("kms:Decrypt", key))
    create(scheduler, queue, role, KmsKeyArn=key)
    assert queue.bodies() == ["hello"]
    assert scheduler.get_schedule(Name="s")["Target"]["Input"] == "hello"
    iam.delete_role_policy(RoleName="s", PolicyName="it")
    cloud.advance(HOUR)
    assert queue.bodies() == []


def test_the_same_request_again(cloud: Cloud, scheduler: Any, queue: Queue, role: str, refused: Refused) -> None:
    """A ClientToken makes a request one; without it, or for something else, there is a conflict."""
    members: dict[str, Any] = {
        "Name": "s",
        "ScheduleExpression": "rate(1 day)",
        "FlexibleTimeWindow": OFF,
        "Target": {"Arn": queue.arn, "RoleArn": role, "Input": "x"},
    }
    first = scheduler.create_schedule(**members, ClientToken="token")
    assert scheduler.create_schedule(**members, ClientToken="token")["ScheduleArn"] == first["ScheduleArn"]
    assert refused(scheduler.create_schedule, **members) == ("ConflictException", "Schedule s already exists.")
    assert refused(scheduler.create_schedule, **{**members, "ScheduleExpression": "rate(2 days)"}, ClientToken="token")[0] == (
        "ConflictException"
    )


def test_described(cloud: Cloud, scheduler: Any, queue: Queue, role: str) -> None:
    """A schedule is shown with its defaults; schedules are listed by group, prefix and state, in pages."""
    scheduler.create_schedule_group(Name="g")
    create(scheduler, queue, role, GroupName="g", Description="d", name="a")
    create(scheduler, queue, role, name="b", State="DISABLED")
    create(scheduler, queue, role, name="c")
    shown = scheduler.get_schedule(Name="a", GroupName="g")
    assert shown["Arn"] == f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule/g/a"
    assert shown["ScheduleExpressionTimezone"] == "UTC"
    assert shown["ActionAfterCompletion"] == "NONE"
    assert shown["Target"]["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}
    assert [one["Name"] for one in scheduler.list_schedules(GroupName="g")["Schedules"]] == ["a"]
    assert [one["Name"] for one in scheduler.list_schedules(State="DISABLED")["Schedules"]] == ["b"]
    pages = scheduler.get_paginator("list_schedules").paginate(PaginationConfig={"PageSize": 1})
    assert [one["Name"] for page in pages for one in page["Schedules"]] == ["b", "c", "a"]


def test_groups(cloud: Cloud, scheduler: Any, queue: Queue, role: str, refused: Refused) -> None:
    """A group is made, tagged, and deleted with its schedules; the default group is always there."""
    arn = scheduler.create_schedule_group(Name="g", Tags=[{"Key": "k", "Value": "v"}])["ScheduleGroupArn"]
    assert refused(scheduler.create_schedule_group, Name="g")[0] == "ConflictException"
    scheduler.tag_resource(ResourceArn=arn, Tags=[{"Key": "l", "Value": "w"}])
    scheduler.untag_resource(ResourceArn=arn, TagKeys=["k"])
    assert scheduler.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "l", "Value": "w"}]
    assert [group["Name"] for group in scheduler.list_schedule_groups()["ScheduleGroups"]] == ["default", "g"]
    create(scheduler, queue, role, GroupName="g")
    assert len(queue.bodies()) == 1
    scheduler.delete_schedule_group(Name="g")
    cloud.settle()
    assert refused(scheduler.get_schedule_group, Name="g") == ("ResourceNotFoundException", "Schedule group g does not exist.")
    assert refused(scheduler.get_schedule, Name="s", GroupName="g")[0] == "ResourceNotFoundException"
    cloud.advance(DAY)
    assert queue.bodies() == []
    assert refused(scheduler.delete_schedule_group, Name="default")[0] == "ValidationException"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"ScheduleExpression": "rate(5 minute)"}, "Invalid Schedule Expression rate(5 minute)."),
        ({"ScheduleExpressionTimezone": "Mars/Base"}, "Invalid ScheduleExpressionTimezone Mars/Base."),
        ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}, "MaximumWindowInMinutes must be provided"),
        ({"EndDate": datetime(2001, 1, 1, tzinfo=UTC)}, "The EndDate you specify cannot be in the past."),
        ({"StartDate": datetime(2001, 1, 1, tzinfo=UTC)}, "The StartDate you specify cannot be earlier than 5 minutes ago."),
        ({"Target": {"Arn": "arn:aws:scheduler:::aws-sdk:sqs:receiveMessage"}}, "arn:aws:scheduler:::aws-sdk:sqs:receiveMessage is not"),
        ({"Target": {"Arn": "arn:aws:scheduler:::aws-sdk:sqs:dance"}}, "arn:aws:scheduler:::aws-sdk:sqs:dance is not"),
        ({"Target": {"Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage", "Input": '{"X": 1}'}}, "Input has no parameter X."),
        ({"Target": {"Arn": f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/b", "Input": "{}"}}, "EventBridgeParameters must be provided"),
        ({"Target": {"Arn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f", "Input": "{"}}, "Input must be well-formed JSON"),
        ({"Target": {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/nobody"}}, "The execution role you provide must allow"),
    ],
)
def test_what_is_refused(cloud: Cloud, scheduler: Any, queue: Queue, role: str, refused: Refused, members: Any, message: str) -> None:
    """What cannot be carried out is refused when it is set."""
    given = {"expression": members.pop("ScheduleExpression", "rate(1 day)"), **members}
    code, said = refused(create, scheduler, queue, role, **given)
    assert code == "ValidationException"
    assert said.startswith(message)


def test_what_is_not_there(cloud: Cloud, scheduler: Any, queue: Queue, role: str, refused: Refused) -> None:
    """Targets of services that do not exist are refused by name."""
    target = {"Arn": f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:m", "Input": "{}"}
    assert refused(create, scheduler, queue, role, Target=target)[0] == "NotImplemented"
    assert refused(create, scheduler, queue, role, Target={"EcsParameters": {"TaskDefinitionArn": "x"}})[0] == "NotImplemented"


def test_permissions(cloud: Cloud, scheduler: Any, queue: Queue, role: str) -> None:
    """A narrow policy lets its user make schedules in that group, with that role, and no others."""
    iam = cloud.client("iam")
    iam.create_user(UserName="u")
    scheduler.create_schedule_group(Name="mine")
    statements = [
        {
            "Effect": "Allow",
            "Action": ["scheduler:CreateSchedule", "scheduler:GetSchedule"],
            "Resource": f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule/mine/*",
        },
        {
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": role,
            "Condition": {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}},
        },
    ]
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    key = iam.create_access_key(UserName="u")["AccessKey"]
    user = cloud.client("scheduler", key["AccessKeyId"], key["SecretAccessKey"])
    other = make_role(cloud, "other", ("sqs:*", "*"))
    create(user, queue, role, GroupName="mine")
    assert user.get_schedule(Name="s", GroupName="mine")["Name"] == "s"
    denied = pytest.raises(user.exceptions.ClientError, match="is not authorized to perform")
    with denied:
        create(user, queue, role)
    with denied:
        create(user, queue, other, GroupName="mine", name="t")
    with denied:
        user.delete_schedule(Name="s", GroupName="mine")


def full_stream(cloud: Cloud) -> tuple[str, str]:
    """A stream of one shard whose throughput is used up, with an iterator of its end, and the stream's ARN."""
    kinesis = cloud.client("kinesis")
    kinesis.create_stream(StreamName="s", ShardCount=1)
    cloud.advance(60)
    kinesis.put_record(StreamName="s", PartitionKey="k", Data=b"x" * 1_048_000)
    shard = kinesis.list_shards(StreamName="s")["Shards"][0]["ShardId"]
    place = kinesis.get_shard_iterator(StreamName="s", ShardId=shard, ShardIteratorType="LATEST")["ShardIterator"]
    return place, f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/s"


def test_tried_again(cloud: Cloud, scheduler: Any, dead: Queue) -> None:
    """What is throttled is tried again until it gets through, or the policy says that it is enough."""
    place, stream = full_stream(cloud)
    role = make_role(cloud, "put", ("kinesis:PutRecord", stream), ("sqs:SendMessage", dead.arn))
    target = {
        "Arn": stream,
        "RoleArn": role,
        "Input": "<aws.scheduler.attempt-number>" + "x" * 4000,
        "KinesisParameters": {"PartitionKey": "k"},
        "DeadLetterConfig": {"Arn": dead.arn},
    }
    scheduler.create_schedule(
        Name="never",
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow=OFF,
        Target={**target, "RetryPolicy": {"MaximumRetryAttempts": 0}},
    )
    letter = dead.messages()[0]
    assert letter["MessageAttributes"]["EXHAUSTED_RETRY_CONDITION"]["StringValue"] == "MaximumRetryAttempts"
    scheduler.create_schedule(Name="again", ScheduleExpression="rate(1 day)", FlexibleTimeWindow=OFF, Target=target)
    cloud.settle()
    kinesis = cloud.client("kinesis")
    assert kinesis.get_records(ShardIterator=place)["Records"] == []
    cloud.advance(5)
    records = kinesis.get_records(ShardIterator=place)["Records"]
    assert [record["Data"][:2] for record in records] == [b"2x"]
    assert dead.messages() == []


def test_a_role_for_one_group(cloud: Cloud, scheduler: Any, queue: Queue, role: str, refused: Refused) -> None:
    """A trust policy may say for which account and which group Scheduler takes on a role."""
    iam = cloud.client("iam")
    scheduler.create_schedule_group(Name="mine")
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "scheduler.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {
                "aws:SourceAccount": ACCOUNT,
                "aws:SourceArn": f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule-group/mine",
            }
        },
    }
    iam.update_assume_role_policy(RoleName="schedule", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    create(scheduler, queue, role, GroupName="mine")
    assert queue.bodies() == ["hello"]
    assert "must allow AWS EventBridge Scheduler to assume the role" in refused(create, scheduler, queue, role, name="other")[1]


def test_a_successor_of_the_same_name(cloud: Cloud, scheduler: Any, queue: Queue) -> None:
    """What is still to be tried again of a deleted schedule does not come to one that is made anew."""
    place, stream = full_stream(cloud)
    role = make_role(cloud, "put", ("kinesis:PutRecord", stream), ("sqs:SendMessage", queue.arn))
    target = {"Arn": stream, "RoleArn": role, "Input": "x" * 4000, "KinesisParameters": {"PartitionKey": "k"}}
    scheduler.create_schedule(Name="s", ScheduleExpression="rate(1 day)", FlexibleTimeWindow=OFF, Target=target)
    cloud.settle()
    scheduler.delete_schedule(Name="s")
    create(scheduler, queue, role, "at(2100-01-01T00:00:00)")
    cloud.advance(200)
    assert cloud.client("kinesis").get_records(ShardIterator=place)["Records"] == []
    assert queue.bodies() == []


def test_deep_input(scheduler: Any, queue: Queue, role: str, refused: Refused) -> None:
    """JSON that nests deeper than anybody means is none."""
    for arn, more in (("aws-sdk:sqs:sendMessage", {}), ("", {"EventBridgeParameters": {"Source": "a", "DetailType": "b"}})):
        target = {
            "Arn": f"arn:aws:scheduler:::{arn}" if arn else f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default",
            "RoleArn": role,
            "Input": "[" * 50_000 + "]" * 50_000,
            **more,
        }
        assert "well-formed JSON" in refused(create, scheduler, queue, role, Target=target)[1]
