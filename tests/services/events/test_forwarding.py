"""From bus to bus, and partners' events."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from fogbank.testing.cloud import ACCOUNT, Cloud

from .conftest import Queue, make_role, put, rule_to

Refused = Callable[..., tuple[str, str]]
OTHER = "111122223333"


def bus_arn(name: str = "default", account: str = ACCOUNT, region: str = "us-east-1") -> str:
    return f"arn:aws:events:{region}:{account}:event-bus/{name}"


def test_to_another_bus(cloud: Cloud, events: Any, queue: Queue, make_queue: Callable[..., Queue]) -> None:
    """A role that may put events brings them to another bus of the account, as they were."""
    dead = make_queue("dead")
    events.create_event_bus(Name="second")
    rule_to(events, queue, bus="second")
    may = make_role(cloud, "may", "events.amazonaws.com", ("events:PutEvents", bus_arn("second")))
    may_not = make_role(cloud, "may-not", "events.amazonaws.com", ("events:PutEvents", bus_arn("third")))
    rule_to(events, bus_arn("second"), RoleArn=may, name="forward")
    id = put(events)["EventId"]
    assert [event["id"] for event in queue.bodies()] == [id]
    rule_to(events, bus_arn("second"), RoleArn=may_not, name="forward", DeadLetterConfig={"Arn": dead.arn})
    put(events)
    assert queue.bodies() == []
    assert dead.messages()[0]["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"


def test_to_another_region(cloud: Cloud, events: Any, make_queue: Callable[..., Queue]) -> None:
    """An event keeps its region, and does not go on to a third."""
    there, dead = make_queue("there", region="eu-west-1"), make_queue("dead", region="eu-west-1")
    role = make_role(cloud, "may", "events.amazonaws.com", ("events:PutEvents", "*"))
    rule_to(events, bus_arn(region="eu-west-1"), RoleArn=role)
    second = cloud.client("events", region="eu-west-1")
    rule_to(second, there, name="arrive")
    rule_to(second, bus_arn(region="ap-south-1"), RoleArn=role, name="on", DeadLetterConfig={"Arn": dead.arn})
    put(events)
    assert [event["region"] for event in there.bodies()] == ["us-east-1"]
    assert dead.messages()[0]["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "THIRD_REGION_HOP_DETECTED"


def test_to_another_account(cloud: Cloud, events: Any, queue: Queue, make_queue: Callable[..., Queue]) -> None:
    """Another account's bus takes events where its policy lets the sender's account; the rule needs no role then."""
    dead = make_queue("dead")
    theirs = cloud.client("events", OTHER)
    theirs.put_rule(Name="send", EventPattern='{"source": ["shop"]}')
    theirs.put_targets(Rule="send", Targets=[{"Id": "t", "Arn": bus_arn(), "DeadLetterConfig": {"Arn": dead.arn}}])
    rule_to(events, queue, {"account": [OTHER]})
    put(theirs)
    assert queue.bodies() == []
    assert dead.messages()[0]["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
    events.put_permission(Action="events:PutEvents", Principal=OTHER, StatementId="s")
    put(theirs)
    assert [(event["account"], event["source"]) for event in queue.bodies()] == [(OTHER, "shop")]


def test_partners(cloud: Cloud, events: Any, queue: Queue, refused: Refused) -> None:
    """A partner offers a source; the account's bus of that name gets its events while the source is active."""
    partner = cloud.client("events", OTHER)
    name = "aws.partner/saas.com/orders"
    assert partner.create_partner_event_source(Name=name, Account=ACCOUNT)["EventSourceArn"].endswith(f"::event-source/{name}")
    assert refused(partner.create_partner_event_source, Name=name, Account=ACCOUNT)[0] == "ResourceAlreadyExistsException"
    assert events.describe_event_source(Name=name)["State"] == "PENDING"
    assert refused(events.create_event_bus, Name="x", EventSourceName=name)[0] == "ValidationException"
    events.create_event_bus(Name=name, EventSourceName=name)
    assert events.list_event_sources()["EventSources"][0]["State"] == "ACTIVE"
    rule_to(events, queue, {"source": [{"prefix": "aws.partner"}]}, bus=name)

    def send() -> dict[str, Any]:
        answer = partner.put_partner_events(Entries=[{"Source": name, "DetailType": "Order", "Detail": "{}"}])
        result: dict[str, Any] = answer["Entries"][0]
        return result

    assert "EventId" in send()
    assert [(event["source"], event["account"]) for event in queue.bodies()] == [(name, ACCOUNT)]
    events.deactivate_event_source(Name=name)
    send()
    assert queue.bodies() == []
    events.activate_event_source(Name=name)
    send()
    assert len(queue.bodies()) == 1
    assert [one["Name"] for one in partner.list_partner_event_sources(NamePrefix="aws.partner/saas.com/")["PartnerEventSources"]] == [name]
    assert partner.list_partner_event_source_accounts(EventSourceName=name)["PartnerEventSourceAccounts"][0]["Account"] == ACCOUNT
    assert partner.describe_partner_event_source(Name=name)["Name"] == name
    partner.delete_partner_event_source(Name=name, Account=ACCOUNT)
    assert events.describe_event_source(Name=name)["State"] == "DELETED"


def test_a_source_that_nobody_takes(cloud: Cloud, events: Any) -> None:
    """A pending source is deleted after two weeks."""
    partner = cloud.client("events", OTHER)
    partner.create_partner_event_source(Name="aws.partner/saas.com/orders", Account=ACCOUNT)
    cloud.advance(14 * 86_400)
    with pytest.raises(events.exceptions.ResourceNotFoundException):
        events.describe_event_source(Name="aws.partner/saas.com/orders")


def test_no_circles(cloud: Cloud, events: Any, queue: Queue, make_queue: Callable[..., Queue]) -> None:
    """What came from another bus is not sent on to a third, so two buses that send to each other come to rest."""
    dead = make_queue("dead")
    role = make_role(cloud, "may", "events.amazonaws.com", ("events:PutEvents", "*"))
    for here, there in (("a", "b"), ("b", "a")):
        events.create_event_bus(Name=here)
        rule_to(events, bus_arn(there), RoleArn=role, bus=here, DeadLetterConfig={"Arn": dead.arn})
        rule_to(events, queue, bus=here, name="arrive")
    put(events, EventBusName="a")
    assert len(queue.bodies()) == 2
    [letter] = dead.messages()
    assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "THIRD_BUS_HOP_DETECTED"
    assert letter["MessageAttributes"]["RULE_ARN"]["StringValue"].endswith("rule/b/rule")


def test_another_accounts_rules(cloud: Cloud, events: Any, refused: Refused) -> None:
    """They are listed for nobody else."""
    rule_to(events, "arn:aws:sqs:us-east-1:000000000000:q")
    theirs = cloud.client("events", OTHER)
    assert refused(theirs.list_rules, EventBusName=bus_arn())[0] == "AccessDeniedException"
    named = {"EventBusName": bus_arn(), "TargetArn": "arn:aws:sqs:us-east-1:000000000000:q"}
    assert refused(theirs.list_rule_names_by_target, **named)[0] == "AccessDeniedException"
    assert events.list_rule_names_by_target(**named)["RuleNames"] == ["rule"]


@pytest.mark.parametrize(
    ("condition", "arrives"),
    [
        (
            {"StringEquals": {"aws:SourceAccount": ACCOUNT}, "ArnEquals": {"aws:SourceArn": bus_arn().replace("event-bus/", "rule/*")}},
            False,
        ),
        ({"StringEquals": {"aws:SourceAccount": ACCOUNT}, "ArnLike": {"aws:SourceArn": "arn:aws:events:*:*:rule/forward"}}, True),
        ({"StringEquals": {"aws:SourceAccount": OTHER}}, False),
    ],
)
def test_a_role_for_one_rule(cloud: Cloud, events: Any, queue: Queue, condition: Any, arrives: bool) -> None:
    """A trust policy may say for which account and which rule EventBridge takes on a role."""
    events.create_event_bus(Name="second")
    rule_to(events, queue, bus="second")
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": condition,
    }
    role = make_role(cloud, "may", "events.amazonaws.com", ("events:PutEvents", "*"))
    cloud.client("iam").update_assume_role_policy(
        RoleName="may", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )
    rule_to(events, bus_arn("second"), RoleArn=role, name="forward")
    put(events)
    assert bool(queue.bodies()) == arrives
