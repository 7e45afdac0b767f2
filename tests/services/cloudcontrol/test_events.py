"""AWS::Events::* and AWS::Scheduler::*."""

from __future__ import annotations

import json
from typing import Any

from .conftest import ACCOUNT, Control

HERE = f"arn:aws:events:us-east-1:{ACCOUNT}"


def test_bus(cloud: Any, control: Control) -> None:
    """A bus with policy and tags is made, changed and deleted."""
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "a",
                "Effect": "Allow",
                "Principal": {"AWS": "111122223333"},
                "Action": "events:PutEvents",
                "Resource": f"{HERE}:event-bus/b",
            }
        ],
    }
    wanted = {"Name": "b", "Description": "d", "Policy": policy, "Tags": [{"Key": "k", "Value": "v"}]}
    name = control.create("AWS::Events::EventBus", wanted)
    assert control.read("AWS::Events::EventBus", name).items() >= {**wanted, "Arn": f"{HERE}:event-bus/b"}.items()
    changed = control.update("AWS::Events::EventBus", name, ("remove", "/Policy"), ("replace", "/Description", "e"), ("remove", "/Tags"))
    assert changed == {"Name": "b", "Description": "e", "Arn": f"{HERE}:event-bus/b"}
    assert control.listed("AWS::Events::EventBus") == ["b", "default"]
    control.delete("AWS::Events::EventBus", name)


def test_rule(cloud: Any, control: Control) -> None:
    """A rule with targets gets a name, is changed, and goes with its targets."""
    kind = "AWS::Events::Rule"
    queue = f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"
    wanted = {"EventPattern": {"source": ["shop"]}, "State": "ENABLED", "Targets": [{"Id": "a", "Arn": queue}]}
    arn = control.create(kind, wanted)
    assert control.read(kind, arn).items() >= {**wanted, "EventBusName": "default"}.items()
    changed = control.update(
        kind, arn, ("replace", "/Targets", [{"Id": "b", "Arn": queue, "Input": "1"}]), ("replace", "/EventPattern/source", ["bank"])
    )
    assert (changed["Targets"], changed["EventPattern"]) == ([{"Id": "b", "Arn": queue, "Input": "1"}], {"source": ["bank"]})
    assert control.listed(kind) == [arn]
    control.delete(kind, arn)


def test_archive(cloud: Any, control: Control) -> None:
    """An archive is made, changed and deleted."""
    kind = "AWS::Events::Archive"
    wanted = {"ArchiveName": "a", "SourceArn": f"{HERE}:event-bus/default", "RetentionDays": 3, "EventPattern": {"source": ["x"]}}
    name = control.create(kind, wanted)
    assert control.read(kind, name) == {**wanted, "Arn": f"{HERE}:archive/a"}
    assert control.update(kind, name, ("remove", "/EventPattern"))["RetentionDays"] == 3
    control.delete(kind, name)


def test_destination(cloud: Any, control: Control) -> None:
    """A connection and an API destination are made, changed and deleted; what is secret is not read."""
    basic = {"BasicAuthParameters": {"Username": "u", "Password": "p"}}
    connection = control.create("AWS::Events::Connection", {"Name": "c", "AuthorizationType": "BASIC", "AuthParameters": basic})
    held = control.read("AWS::Events::Connection", connection)
    assert held["AuthParameters"] == {"BasicAuthParameters": {"Username": "u"}}
    assert held["ArnForPolicy"] == f"{HERE}:connection/c"
    kind = "AWS::Events::ApiDestination"
    wanted = {"ConnectionArn": held["Arn"], "HttpMethod": "POST", "InvocationEndpoint": "https://example.com/x"}
    name = control.create(kind, {"Name": "d", **wanted})
    assert control.read(kind, name).items() >= wanted.items()
    assert control.update(kind, name, ("replace", "/InvocationRateLimitPerSecond", 7))["InvocationRateLimitPerSecond"] == 7
    control.delete(kind, name)
    control.delete("AWS::Events::Connection", connection)


def test_bus_policy(cloud: Any, control: Control) -> None:
    """A statement of a bus's policy is made, changed and taken away by itself."""
    kind = "AWS::Events::EventBusPolicy"
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "111122223333"},
        "Action": "events:PutEvents",
        "Resource": f"{HERE}:event-bus/default",
    }
    id = control.create(kind, {"EventBusName": "default", "StatementId": "s", "Statement": statement})
    assert control.read(kind, id)["Statement"] == {**statement, "Sid": "s"}
    control.update(kind, id, ("replace", "/Statement/Principal/AWS", "444455556666"))
    assert "444455556666" in cloud.client("events").describe_event_bus()["Policy"]
    control.delete(kind, id)


def test_schedule(cloud: Any, control: Control) -> None:
    """A schedule in a group is made, changed and deleted; so is the group."""
    iam = cloud.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    group = control.create("AWS::Scheduler::ScheduleGroup", {"Name": "g", "Tags": [{"Key": "k", "Value": "v"}]})
    assert control.read("AWS::Scheduler::ScheduleGroup", group)["Tags"] == [{"Key": "k", "Value": "v"}]
    kind = "AWS::Scheduler::Schedule"
    wanted = {
        "GroupName": "g",
        "ScheduleExpression": "rate(1 day)",
        "StartDate": "2099-01-01T00:00:00Z",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:q", "RoleArn": role, "Input": "x"},
    }
    name = control.create(kind, {"Name": "s", **wanted})
    held = control.read(kind, name)
    assert held["Target"].items() >= wanted["Target"].items()  # type: ignore[attr-defined]
    assert held["StartDate"].startswith("2099-01-01T00:00:00")
    assert control.update(kind, name, ("replace", "/State", "DISABLED"))["State"] == "DISABLED"
    assert control.listed(kind) == ["s"]
    control.delete(kind, name)
    control.delete("AWS::Scheduler::ScheduleGroup", group)
