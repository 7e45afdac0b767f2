"""What EventBridge is told of parameters."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from fogbank.testing import Cloud

from .conftest import ACCOUNT

DAY_S = 86_400


@pytest.fixture
def heard(cloud: Cloud) -> Callable[[], list[dict[str, Any]]]:
    """What the default bus has of Systems Manager since it was last asked."""
    events, sqs = cloud.client("events"), cloud.client("sqs")
    url = sqs.create_queue(QueueName="heard")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:heard"
    statement = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": statement})})
    events.put_rule(Name="r", EventPattern=json.dumps({"source": ["aws.ssm"]}))
    events.put_targets(Rule="r", Targets=[{"Id": "q", "Arn": arn}])

    def take() -> list[dict[str, Any]]:
        cloud.settle()
        out = []
        while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                out.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return out

    return take


def test_changes(ssm: Any, put: Any, heard: Any) -> None:
    """Every creation, change, label and deletion is told, without the value."""
    put("/a/b", "first", Description="d")
    put("/a/b", "second", Overwrite=True)
    ssm.label_parameter_version(Name="/a/b", Labels=["live"])
    ssm.delete_parameter(Name="/a/b")
    told = heard()
    assert [event["detail"]["operation"] for event in told] == ["Create", "Update", "LabelParameterVersion", "Delete"]
    assert {event["detail-type"] for event in told} == {"Parameter Store Change"}
    assert told[0]["resources"] == [f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/a/b"]
    assert told[0]["detail"] == {"operation": "Create", "name": "/a/b", "type": "String", "description": "d"}
    assert "second" not in json.dumps(told)


def test_policies_that_notify(cloud: Cloud, ssm: Any, put: Any, heard: Any) -> None:
    """Some time before a parameter expires, and some time after its last change; a change begins that time anew."""
    at = datetime.fromtimestamp(cloud.now_ms / 1000 + 30 * DAY_S, UTC).isoformat()
    policies = [
        {"Type": "Expiration", "Version": "1.0", "Attributes": {"Timestamp": at}},
        {"Type": "ExpirationNotification", "Version": "1.0", "Attributes": {"Before": "2", "Unit": "Days"}},
        {"Type": "NoChangeNotification", "Version": "1.0", "Attributes": {"After": "48", "Unit": "Hours"}},
    ]
    put("a", Tier="Advanced", Policies=json.dumps(policies))
    cloud.advance(DAY_S)
    put("a", "other", Overwrite=True)
    heard()

    def statuses() -> list[str]:
        [found] = ssm.describe_parameters()["Parameters"]
        return [policy["PolicyStatus"] for policy in found["Policies"]]

    def acted() -> list[tuple[str, str]]:
        return [
            (event["detail"]["policy-type"], event["detail"]["action-status"])
            for event in heard()
            if event["detail-type"] == "Parameter Store Policy Action"
        ]

    cloud.advance(DAY_S)
    assert (acted(), statuses()) == ([], ["Pending"] * 3)
    cloud.advance(DAY_S)
    assert (acted(), statuses()) == ([("NoChangeNotification", "Success")], ["Pending", "Pending", "Finished"])
    cloud.advance(25 * DAY_S)
    assert (acted(), statuses()) == ([("ExpirationNotification", "Success")], ["Pending", "Finished", "Finished"])
    cloud.advance(2 * DAY_S)
    assert acted() == [("Expiration", "Success")]
    assert ssm.describe_parameters()["Parameters"] == []
