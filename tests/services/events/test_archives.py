"""Archives and replays."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from fogbank.testing.cloud import ACCOUNT, Cloud

from .conftest import Queue, make_role, put, rule_to

Refused = Callable[..., tuple[str, str]]
DEFAULT = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default"
DAY = 86_400


def replay(cloud: Cloud, events: Any, name: str, *, rules: list[str] | None = None, start: int = -DAY, end: int = 1) -> dict[str, Any]:
    """A replay of the archive `all`, from so many seconds ago, carried out."""
    now = cloud.now_ms // 1000
    destination: dict[str, Any] = {"Arn": DEFAULT, **({"FilterArns": rules} if rules else {})}
    events.start_replay(
        ReplayName=name,
        EventSourceArn=f"arn:aws:events:us-east-1:{ACCOUNT}:archive/all",
        EventStartTime=now + start,
        EventEndTime=now + end,
        Destination=destination,
    )
    cloud.settle()
    shown: dict[str, Any] = events.describe_replay(ReplayName=name)
    return shown


def test_an_archive_keeps_what_matches(events: Any, refused: Refused) -> None:
    """An archive counts the events that its pattern matches; its rule is the service's own."""
    events.create_archive(ArchiveName="all", EventSourceArn=DEFAULT)
    events.create_archive(ArchiveName="some", EventSourceArn=DEFAULT, EventPattern='{"source": ["shop"]}', Description="d")
    put(events)
    put(events, source="else")
    assert events.describe_archive(ArchiveName="all")["EventCount"] == 2
    some = events.describe_archive(ArchiveName="some")
    assert (some["EventCount"], some["EventPattern"], some["Description"], some["State"]) == (1, '{"source": ["shop"]}', "d", "ENABLED")
    assert some["SizeBytes"] > 100
    events.update_archive(ArchiveName="some", EventPattern='{"source": ["else"]}')
    put(events, source="else")
    assert events.describe_archive(ArchiveName="some")["EventCount"] == 2
    assert [one["ArchiveName"] for one in events.list_archives(NamePrefix="a")["Archives"]] == ["all"]
    assert len(events.list_archives(EventSourceArn=DEFAULT)["Archives"]) == 2
    rule = events.describe_rule(Name="Events-Archive-all")
    assert rule["ManagedBy"] == "prod.vhs.events.aws.internal"
    assert refused(events.put_rule, Name="Events-Archive-all", EventPattern='{"source": ["x"]}')[0] == "ManagedRuleException"
    assert refused(events.create_archive, ArchiveName="all", EventSourceArn=DEFAULT)[0] == "ResourceAlreadyExistsException"
    assert refused(events.create_archive, ArchiveName="x", EventSourceArn=DEFAULT + "x")[0] == "ResourceNotFoundException"
    events.delete_archive(ArchiveName="all")
    assert refused(events.describe_archive, ArchiveName="all") == ("ResourceNotFoundException", "Archive all does not exist.")
    assert refused(events.describe_rule, Name="Events-Archive-all")[0] == "ResourceNotFoundException"


def test_retention(cloud: Cloud, events: Any) -> None:
    """Events leave an archive when their days are over."""
    events.create_archive(ArchiveName="all", EventSourceArn=DEFAULT, RetentionDays=2)
    put(events)
    cloud.advance(DAY)
    put(events)
    assert events.describe_archive(ArchiveName="all")["EventCount"] == 2
    cloud.advance(DAY)
    assert events.describe_archive(ArchiveName="all")["EventCount"] == 1
    cloud.advance(DAY)
    held = events.describe_archive(ArchiveName="all")
    assert (held["EventCount"], held["SizeBytes"]) == (0, 0)
    put(events)
    events.update_archive(ArchiveName="all", RetentionDays=0)
    cloud.advance(10 * DAY)
    assert events.describe_archive(ArchiveName="all")["EventCount"] == 1
    events.update_archive(ArchiveName="all", RetentionDays=5)
    cloud.settle()
    assert events.describe_archive(ArchiveName="all")["EventCount"] == 0


def test_replay(cloud: Cloud, events: Any, queue: Queue, make_queue: Callable[..., Queue]) -> None:
    """A replay sends events again in the order of their times, marked with its name, and is not archived itself."""
    chosen = make_queue("chosen")
    events.create_archive(ArchiveName="all", EventSourceArn=DEFAULT)
    now = cloud.now_ms // 1000
    for minute in (3, 1, 2):
        for n in range(60):
            put(events, detail={"at": minute, "n": n}, Time=now - 60 * minute)
    rule_to(events, queue, name="one")
    arn = rule_to(events, chosen, name="two")
    shown = replay(cloud, events, "r")
    assert shown["State"] == "COMPLETED"
    assert shown["EventLastReplayedTime"].timestamp() == now - 60
    sent = queue.bodies()
    assert [event["detail"]["at"] for event in sent] == [3] * 60 + [2] * 60 + [1] * 60
    assert {event["replay-name"] for event in sent} == {"r"}
    assert len(chosen.bodies()) == 180
    assert events.describe_archive(ArchiveName="all")["EventCount"] == 180
    replay(cloud, events, "some", rules=[arn], start=-150, end=-90)
    assert queue.bodies() == []
    assert {event["detail"]["at"] for event in chosen.bodies()} == {2}
    assert [one["ReplayName"] for one in events.list_replays(State="COMPLETED")["Replays"]] == ["r", "some"]


def test_replays_that_are_refused(cloud: Cloud, events: Any, refused: Refused) -> None:
    """A replay goes to the archive's own bus, forwards in time, and is cancelled only while it is under way."""
    events.create_archive(ArchiveName="all", EventSourceArn=DEFAULT)
    members = {
        "EventSourceArn": f"arn:aws:events:us-east-1:{ACCOUNT}:archive/all",
        "EventStartTime": 1_700_000_000,
        "EventEndTime": 1_700_000_001,
        "Destination": {"Arn": DEFAULT},
    }
    elsewhere = {"Arn": DEFAULT.replace("default", "other")}
    assert refused(events.start_replay, ReplayName="r", **{**members, "Destination": elsewhere})[1].endswith(
        "Cross event bus replay is not permitted."
    )
    assert refused(events.start_replay, ReplayName="r", **{**members, "EventEndTime": 1_600_000_000})[0] == "ValidationException"
    assert refused(events.start_replay, ReplayName="r", **{**members, "EventSourceArn": members["EventSourceArn"] + "x"})[0] == (  # type: ignore[operator]
        "ResourceNotFoundException"
    )
    unknown = {"Arn": DEFAULT, "FilterArns": [f"arn:aws:events:us-east-1:{ACCOUNT}:rule/x"]}
    assert refused(events.start_replay, ReplayName="r", **{**members, "Destination": unknown})[0] == "ResourceNotFoundException"
    events.start_replay(ReplayName="r", **members)
    cloud.settle()
    assert refused(events.start_replay, ReplayName="r", **members)[0] == "ResourceAlreadyExistsException"
    assert refused(events.cancel_replay, ReplayName="r")[0] == "IllegalStatusException"
    with pytest.raises(events.exceptions.ResourceNotFoundException):
        events.describe_replay(ReplayName="x")


def open_key(cloud: Cloud, *, to_events: bool, key: str = "") -> str:
    """A KMS key that EventBridge may use, or not."""
    kms = cloud.client("kms")
    key = key or kms.create_key()["KeyMetadata"]["Arn"]
    who = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"} | ({"Service": "events.amazonaws.com"} if to_events else {})
    statement = {"Effect": "Allow", "Principal": who, "Action": "kms:*", "Resource": "*"}
    kms.put_key_policy(KeyId=key, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    return key


def test_a_key_that_is_taken_away_for_a_day(cloud: Cloud, events: Any, queue: Queue, make_queue: Callable[..., Queue]) -> None:
    """A rule by the clock goes on when its bus's key can be used again; meanwhile its events go to the bus's dead-letter queue."""
    dead = make_queue("dead")
    key = open_key(cloud, to_events=True)
    events.put_rule(Name="tick", ScheduleExpression="rate(1 hour)")
    events.put_targets(Rule="tick", Targets=[{"Id": "t", "Arn": queue.arn}])
    events.update_event_bus(Name="default", KmsKeyIdentifier=key, DeadLetterConfig={"Arn": dead.arn})
    open_key(cloud, to_events=False, key=key)
    cloud.advance(24 * 3600)
    assert queue.bodies() == []
    assert len(dead.messages()) == 24
    open_key(cloud, to_events=True, key=key)
    cloud.advance(3600)
    assert len(queue.bodies()) == 1


def test_an_event_that_waits_for_its_key(cloud: Cloud, events: Any) -> None:
    """An event that is to be tried again arrives when the key that it lies under can be used again."""
    kinesis, key = cloud.client("kinesis"), open_key(cloud, to_events=True)
    kinesis.create_stream(StreamName="s", ShardCount=1)
    cloud.advance(60)
    arn = f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/s"
    rule_to(events, arn, RoleArn=make_role(cloud, "put", "events.amazonaws.com", ("kinesis:PutRecord", arn)))
    events.update_event_bus(Name="default", KmsKeyIdentifier=key)
    kinesis.put_record(StreamName="s", PartitionKey="k", Data=b"x" * 1_048_000)
    shard = kinesis.list_shards(StreamName="s")["Shards"][0]["ShardId"]

    def records() -> int:
        place = kinesis.get_shard_iterator(StreamName="s", ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        return len(kinesis.get_records(ShardIterator=place)["Records"])

    put(events, detail={"x": "y" * 4000})
    open_key(cloud, to_events=False, key=key)
    cloud.advance(4 * 3600)
    assert records() == 1
    open_key(cloud, to_events=True, key=key)
    cloud.advance(600)
    assert records() == 2


def test_encrypted(cloud: Cloud, events: Any, queue: Queue, make_queue: Callable[..., Queue]) -> None:
    """A bus and an archive with KMS keys work while EventBridge may use the keys; then events go to the bus's dead-letter queue."""
    kms = cloud.client("kms")
    dead = make_queue("dead")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    with pytest.raises(events.exceptions.ClientError, match="EventBridge cannot use the KMS key"):
        events.create_event_bus(Name="secret", KmsKeyIdentifier=key)
    bus = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/secret"
    statements: list[dict[str, Any]] = [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"},
        {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
            "Resource": "*",
            "Condition": {"StringEquals": {"kms:EncryptionContext:aws:events:event-bus:arn": bus, "aws:SourceAccount": ACCOUNT}},
        },
    ]
    kms.put_key_policy(KeyId=key, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    events.create_event_bus(Name="secret", KmsKeyIdentifier=key, DeadLetterConfig={"Arn": dead.arn})
    assert events.describe_event_bus(Name="secret")["KmsKeyIdentifier"] == key
    rule_to(events, queue, bus="secret", Input='{"secret": 1}')
    assert events.describe_rule(Name="rule", EventBusName="secret")["EventPattern"] == '{"source": ["shop"]}'
    events.create_archive(ArchiveName="all", EventSourceArn=bus, KmsKeyIdentifier=key)
    put(events, EventBusName="secret")
    assert queue.bodies() == [{"secret": 1}]
    assert events.describe_archive(ArchiveName="all")["EventCount"] == 1
    kms.put_key_policy(KeyId=key, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements[:1]}))
    cloud.advance(301)
    put(events, EventBusName="secret")
    assert queue.bodies() == []
    letter = dead.messages()[0]
    assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "AccessDeniedException"
    kms.put_key_policy(KeyId=key, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    events.update_event_bus(Name="secret", KmsKeyIdentifier="")
    put(events, EventBusName="secret")
    assert queue.bodies() == [{"secret": 1}]
