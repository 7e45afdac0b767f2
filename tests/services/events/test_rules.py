"""Buses, rules, targets, policies, tags, and rules by the clock."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from fogbank.testing.cloud import ACCOUNT, Cloud

from .conftest import Queue, put, rule_to

Refused = Callable[..., tuple[str, str]]
PATTERN = '{"source": ["shop"]}'


def test_buses(cloud: Cloud, events: Any, refused: Refused) -> None:
    """A bus is made, described, changed, listed and deleted; the default bus is always there."""
    made = events.create_event_bus(Name="b", Description="mine", Tags=[{"Key": "k", "Value": "v"}])
    assert made["EventBusArn"] == f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/b"
    assert refused(events.create_event_bus, Name="b") == ("ResourceAlreadyExistsException", "Event bus b already exists.")
    assert refused(events.create_event_bus, Name="default")[0] == "ResourceAlreadyExistsException"
    assert refused(events.create_event_bus, Name="a/b")[0] == "ValidationException"
    events.update_event_bus(Name="b", Description="yours")
    assert events.describe_event_bus(Name="b")["Description"] == "yours"
    assert events.describe_event_bus()["Name"] == "default"
    assert [bus["Name"] for bus in events.list_event_buses()["EventBuses"]] == ["b", "default"]
    first = events.list_event_buses(Limit=1)
    assert [bus["Name"] for bus in events.list_event_buses(NextToken=first["NextToken"])["EventBuses"]] == ["default"]
    assert events.list_tags_for_resource(ResourceARN=made["EventBusArn"])["Tags"] == [{"Key": "k", "Value": "v"}]
    events.put_rule(Name="r", EventPattern=PATTERN, EventBusName="b")
    assert refused(events.delete_event_bus, Name="b") == ("ValidationException", "Event bus b can't be deleted since it has rules.")
    events.delete_rule(Name="r", EventBusName="b")
    events.delete_event_bus(Name="b")
    events.delete_event_bus(Name="b")
    assert refused(events.describe_event_bus, Name="b") == ("ResourceNotFoundException", "Event bus b does not exist.")
    assert refused(events.delete_event_bus, Name="default") == ("ValidationException", "Cannot delete event bus default.")


def test_logging_is_refused(events: Any, refused: Refused) -> None:
    """What nothing acts on is refused by name."""
    assert refused(events.create_event_bus, Name="b", LogConfig={"Level": "INFO"})[0] == "NotImplemented"


def test_rules(events: Any, refused: Refused) -> None:
    """A rule is made, replaced, described, listed and deleted once it has no targets."""
    arn = events.put_rule(Name="r", EventPattern=PATTERN, Description="d", Tags=[{"Key": "k", "Value": "v"}])["RuleArn"]
    assert arn == f"arn:aws:events:us-east-1:{ACCOUNT}:rule/r"
    assert events.describe_rule(Name="r")["CreatedBy"] == ACCOUNT
    events.put_rule(Name="r", ScheduleExpression="rate(5 minutes)", State="DISABLED")
    shown = events.describe_rule(Name="r")
    assert (shown["State"], shown["ScheduleExpression"], "EventPattern" in shown, "Description" in shown) == (
        "DISABLED",
        "rate(5 minutes)",
        False,
        False,
    )
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "k", "Value": "v"}]
    events.tag_resource(ResourceARN=arn, Tags=[{"Key": "k2", "Value": "w"}])
    events.untag_resource(ResourceARN=arn, TagKeys=["k"])
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "k2", "Value": "w"}]
    assert [rule["Name"] for rule in events.list_rules(NamePrefix="r")["Rules"]] == ["r"]
    assert events.list_rules(NamePrefix="x")["Rules"] == []
    events.put_targets(Rule="r", Targets=[{"Id": "t", "Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:q", "Input": "1"}])
    assert refused(events.delete_rule, Name="r") == ("ValidationException", "Rule can't be deleted since it has targets.")
    assert events.list_targets_by_rule(Rule="r")["Targets"] == [{"Id": "t", "Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:q", "Input": "1"}]
    assert events.list_rule_names_by_target(TargetArn=f"arn:aws:sqs:us-east-1:{ACCOUNT}:q")["RuleNames"] == ["r"]
    gone = events.remove_targets(Rule="r", Ids=["t", "u"])
    assert (gone["FailedEntryCount"], gone["FailedEntries"][0]["TargetId"]) == (1, "u")
    events.delete_rule(Name="r")
    events.delete_rule(Name="r")
    assert refused(events.describe_rule, Name="r") == ("ResourceNotFoundException", "Rule r does not exist on EventBus default.")


@pytest.mark.parametrize(
    ("members", "code", "message"),
    [
        ({}, "ValidationException", "Parameter(s) EventPattern or ScheduleExpression must be specified."),
        ({"EventPattern": "{"}, "InvalidEventPatternException", "Event pattern is not valid. Reason: "),
        (
            {"EventPattern": '{"source": "x"}'},
            "InvalidEventPatternException",
            'Event pattern is not valid. Reason: "source" must be an object or an array',
        ),
        ({"ScheduleExpression": "rate(5 minute)"}, "ValidationException", "Parameter ScheduleExpression is not valid."),
        (
            {"ScheduleExpression": "rate(5 minutes)", "EventBusName": "b"},
            "ValidationException",
            "ScheduleExpression is supported only on the default event bus.",
        ),
        ({"EventPattern": PATTERN, "EventBusName": "c"}, "ResourceNotFoundException", "Event bus c does not exist."),
    ],
)
def test_rules_that_are_refused(events: Any, refused: Refused, members: dict[str, str], code: str, message: str) -> None:
    """What is no rule is refused in AWS's words."""
    events.create_event_bus(Name="b")
    found = refused(events.put_rule, Name="r", **members)
    assert found[0] == code
    assert found[1].startswith(message)


def test_limits(events: Any, refused: Refused) -> None:
    """Five targets of a rule."""
    events.put_rule(Name="r", EventPattern=PATTERN)
    targets = [{"Id": f"t{n}", "Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"} for n in range(6)]
    assert refused(events.put_targets, Rule="r", Targets=targets)[0] == "LimitExceededException"
    events.put_targets(Rule="r", Targets=targets[:5])
    assert refused(events.put_targets, Rule="r", Targets=targets[5:])[0] == "LimitExceededException"


def test_schedules(cloud: Cloud, events: Any, queue: Queue) -> None:
    """A schedule triggers its rule by the clock, as long as it is enabled."""
    arn = events.put_rule(Name="tick", ScheduleExpression="rate(10 minutes)")["RuleArn"]
    events.put_targets(Rule="tick", Targets=[{"Id": "t", "Arn": queue.arn}])
    cloud.advance(599)
    assert queue.bodies() == []
    cloud.advance(1)
    event = queue.bodies()[0]
    assert (event["source"], event["detail-type"], event["resources"], event["detail"]) == ("aws.events", "Scheduled Event", [arn], {})
    cloud.advance(3600)
    assert len(queue.bodies()) == 6
    events.disable_rule(Name="tick")
    cloud.advance(3600)
    assert queue.bodies() == []
    events.enable_rule(Name="tick")
    cloud.advance(600)
    assert len(queue.bodies()) == 1
    events.put_rule(Name="tick", ScheduleExpression="cron(0 12 * * ? *)")
    cloud.advance(86_400)
    noon = queue.bodies()
    assert [event["time"][11:] for event in noon] == ["12:00:00Z"]
    events.remove_targets(Rule="tick", Ids=["t"])
    events.delete_rule(Name="tick")
    cloud.advance(86_400)
    assert queue.bodies() == []


def test_patterns_are_tested(events: Any, refused: Refused) -> None:
    """TestEventPattern says whether a pattern matches an event that has all fields."""
    event = {"id": "1", "account": "2", "source": "shop", "time": "t", "region": "r", "resources": [], "detail-type": "d", "detail": {}}
    assert events.test_event_pattern(EventPattern=PATTERN, Event=json.dumps(event))["Result"]
    assert not events.test_event_pattern(EventPattern='{"source": ["x"]}', Event=json.dumps(event))["Result"]
    del event["id"]
    assert refused(events.test_event_pattern, EventPattern=PATTERN, Event=json.dumps(event))[0] == "ValidationException"
    assert refused(events.test_event_pattern, EventPattern="{}", Event="{}")[0] == "InvalidEventPatternException"


def test_policies(cloud: Cloud, events: Any, queue: Queue, refused: Refused) -> None:
    """Another account puts events on a bus that lets it, and only then."""
    events.create_event_bus(Name="open")
    rule_to(events, queue, bus="open")
    bus = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/open"
    other = cloud.client("events", "111122223333")
    assert put(other, EventBusName=bus)["ErrorCode"] == "AccessDeniedException"
    events.put_permission(EventBusName="open", Action="events:PutEvents", Principal="111122223333", StatementId="s")
    put(other, EventBusName=bus)
    assert [event["account"] for event in queue.bodies()] == ["111122223333"]
    policy = json.loads(events.describe_event_bus(Name="open")["Policy"])
    assert policy["Statement"] == [
        {
            "Sid": "s",
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
            "Action": "events:PutEvents",
            "Resource": bus,
        }
    ]
    assert refused(events.remove_permission, EventBusName="open", StatementId="x") == (
        "ResourceNotFoundException",
        "Statement with the provided id does not exist.",
    )
    events.remove_permission(EventBusName="open", StatementId="s")
    assert put(other, EventBusName=bus)["ErrorCode"] == "AccessDeniedException"
    assert refused(events.remove_permission, EventBusName="open", StatementId="s")[1] == "EventBus does not have a policy."
    events.put_permission(EventBusName="open", Policy=json.dumps({**policy, "Id": "x" * 100}))
    assert "EventId" in put(other, EventBusName=bus)
    assert refused(events.put_permission, EventBusName="open", Policy=json.dumps({**policy, "Id": "x" * 11_000}))[0] == (
        "PolicyLengthExceededException"
    )


def test_rules_on_a_foreign_bus(cloud: Cloud, events: Any, queue: Queue) -> None:
    """An account that a bus's policy lets makes rules on it: they belong to the bus's account, and tell who made them."""
    events.create_event_bus(Name="open")
    bus = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/open"
    other = cloud.client("events", "111122223333")
    with pytest.raises(other.exceptions.ClientError, match="AccessDenied"):
        other.put_rule(Name="theirs", EventPattern=PATTERN, EventBusName=bus)
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "111122223333"},
        "Action": ["events:PutRule", "events:PutTargets", "events:DescribeRule"],
        "Resource": f"arn:aws:events:us-east-1:{ACCOUNT}:rule/open/*",
        "Condition": {"StringEqualsIfExists": {"events:creatorAccount": "111122223333"}},
    }
    events.put_permission(EventBusName="open", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    arn = other.put_rule(Name="theirs", EventPattern=PATTERN, EventBusName=bus)["RuleArn"]
    assert arn == f"arn:aws:events:us-east-1:{ACCOUNT}:rule/open/theirs"
    assert events.describe_rule(Name="theirs", EventBusName="open")["CreatedBy"] == "111122223333"
    events.put_rule(Name="ours", EventPattern=PATTERN, EventBusName="open")
    with pytest.raises(other.exceptions.ClientError, match="AccessDenied"):
        other.put_targets(Rule="ours", EventBusName=bus, Targets=[{"Id": "t", "Arn": queue.arn}])
